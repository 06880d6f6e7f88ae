//! Provider traffic recorded by tests: VCR cassettes (YAML, one file) and the same calls as JSON Lines. Request headers
//! are never read; of response headers only the date and the server's processing time.

use super::chat;
use super::fault::{ImportError, Place, Wrong};
use super::field::Field;
use super::groups::{Group, Groups};
use super::moment;
use super::openai_log::stem;
use super::plain::reply;
use super::roles;
use super::roles::Caller;
use super::session::Draft;
use super::source::{Sample, whole};
use super::{Importer, Out, other, packed};
use crate::model::call::Purpose;
use crate::record::transcript::Status;
use serde_json::Value;
use std::path::Path;

/// Headers with the server's time, in milliseconds.
const PROCESSING: &[&str] = &["openai-processing-ms", "x-envoy-upstream-service-time"];

/// Note of a cassette whose calls were recorded at several times.
const AGAIN: &str = "dates: calls were recorded more than an hour apart; the time between is left out";

/// Reads cassettes.
pub(super) struct Cassette;

impl Importer for Cassette {
    fn name(&self) -> &'static str {
        "cassette"
    }

    fn reads(&self) -> &'static str {
        "VCR cassettes of provider traffic (YAML), or the same calls as JSON Lines (cassette, request, response)"
    }

    fn lacks(&self) -> &'static [&'static str] {
        &[
            "dispatch times: the response's date (1 s resolution) less the server's processing time, where recorded",
            "who released a call: calls of a cassette are taken as one conversation",
        ]
    }

    fn detect(&self, sample: &Sample) -> Option<String> {
        if sample.has(&["cassette", "request", "response"]) {
            return Some("fields cassette, request, response".to_owned());
        }
        if sample.has(&["interactions"]) && sample.record().is_some() {
            return Some("field interactions".to_owned());
        }
        is_tape(sample).then(|| "YAML with a list of interactions".to_owned())
    }

    fn read(&self, path: &Path, out: &mut Out<'_>) -> Result<(), ImportError> {
        self.read_all(&[path], out)
    }

    fn read_all(&self, paths: &[&Path], out: &mut Out<'_>) -> Result<(), ImportError> {
        let mut groups = Groups::new();
        for path in paths {
            let sample = Sample::of(path)?;
            if is_tape(&sample) {
                out.guard(|out| yaml(path, &mut groups, out))?;
                continue;
            }
            groups.each_record(path, out, |groups, _, value, out| match row(&Field::root(&value))? {
                (name, Read::Call(draft)) => {
                    groups.push(&name, *draft);
                    Ok(())
                }
                (_, Read::Other(kind)) => {
                    out.left_out(kind);
                    Ok(())
                }
            })?;
        }
        for Group { name, is_cut, mut things } in groups.into_groups() {
            let is_apart = tell_apart(&mut things);
            let mut session = roles::session(name, things.into_iter().map(|draft| Caller::of(None, draft)).collect());
            if is_apart {
                session.miss(AGAIN);
            }
            session.is_dated = session.calls.iter().any(|c| c.end.or(c.start).is_some());
            session.is_cut = is_cut;
            out.session(session)?;
        }
        Ok(())
    }
}

/// Whether the file is one document with all interactions.
fn is_tape(sample: &Sample) -> bool {
    let is_yaml = sample.head.trim_start_matches('\u{feff}').lines().any(|l| l.starts_with("interactions:"));
    sample.names.is_none() && is_yaml || sample.record().is_some() && sample.has(&["interactions"])
}

/// What an interaction is.
enum Read {
    Call(Box<Draft>),
    Other(&'static str),
}

const OTHER: &str = "requests to other services";

fn yaml(path: &Path, groups: &mut Groups<Draft>, out: &mut Out<'_>) -> Result<(), ImportError> {
    let bytes = whole(path)?;
    let text = String::from_utf8_lossy(&bytes);
    // What is marked as binary stays base64: it need not be text once it is unpacked.
    let options = serde_saphyr::options! { ignore_binary_tag_for_string: true };
    let read = serde_saphyr::from_str_with_options(text.trim_start_matches('\u{feff}'), options);
    let document: Value = read.map_err(|error| {
        let what = error.to_string();
        let first = what.lines().next().unwrap_or("").to_owned();
        if ["budget", "limit", "too many", "exceed"].iter().any(|word| what.to_ascii_lowercase().contains(word)) {
            let what = format!("the YAML is beyond a limit of its reader: {first}");
            return Wrong::record(what, "split the cassette, or record it as JSON").at(Place::file(path));
        }
        Wrong::record(format!("not YAML: {first}"), "get the whole file again, or mend the YAML").at(Place::file(path))
    })?;
    let list = Field::root(&document).get("interactions");
    let name = groups.unused(&stem(path));
    for (index, interaction) in list.list().map_err(|w| w.at(Place::file(path)))?.into_iter().enumerate() {
        match tape(&interaction) {
            Ok(Read::Call(draft)) => groups.push(&name, *draft),
            Ok(Read::Other(kind)) => out.left_out(kind),
            Err(wrong) => out.damaged(Place::record(path, index as u64), wrong)?,
        }
    }
    Ok(())
}

/// A recorded interaction.
fn tape(interaction: &Field<'_>) -> Result<Read, Wrong> {
    let (request, response) = (interaction.need_object()?.get("request"), interaction.get("response"));
    let uri = request.need_object()?.any(&["uri", "url"]).need_text()?;
    let Some(body) = parsed(&request.any(&["parsed_body", "body"]))? else { return Ok(Read::Other(OTHER)) };
    let header = |name: &str| -> Option<String> {
        let headers = response.get("headers").value.as_object()?;
        let found = headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?.1;
        found.get(0).unwrap_or(found).as_str().map(str::to_owned)
    };
    let parsed_body = response.get("parsed_body");
    let raw = if parsed_body.is_some() { parsed_body } else { response.get("body") };
    let inner = raw.any(&["string", "base64_string"]);
    let raw = if inner.is_some() { inner } else { raw };
    let encoding = header("content-encoding").map(|e| e.to_ascii_lowercase());
    let text = match raw.value {
        Value::String(_) => Value::String(packed::text(&raw, encoding.as_deref())?.into_owned()),
        other => other.clone(),
    };
    let text = Field::named(&text, raw.path.clone());
    let processing = PROCESSING.iter().find_map(|name| header(name)?.trim().parse::<f64>().ok());
    let status = response.get("status");
    let code = if status.value.is_object() { status.get("code") } else { status };
    let date = header("date");
    draft(&Field::named(&body, "request.body"), &text, uri, code.count()?, date.as_deref(), processing)
}

/// A row of the JSON Lines form.
fn row(row: &Field<'_>) -> Result<(String, Read), Wrong> {
    row.need_object()?;
    let repository = row.get("repo").text()?.map_or(String::new(), |repo| format!("{repo}:"));
    let name = format!("{repository}{}", row.get("cassette").need_text()?);
    let uri = row.get("uri").text()?.unwrap_or("");
    let Some(body) = parsed(&row.get("request"))? else { return Ok((name, Read::Other(OTHER))) };
    let body = Field::named(&body, "request");
    let code = row.get("status").count()?;
    let date = row.get("date").text()?;
    let made = draft(&body, &row.get("response"), uri, code, date, row.get("processing_ms").positive()?)?;
    Ok((name, made))
}

/// A body as JSON, whether it was recorded as text or not.
fn parsed(body: &Field<'_>) -> Result<Option<Value>, Wrong> {
    let inner = body.any(&["string", "base64_string"]);
    let body = if inner.value.is_string() { &inner } else { body };
    Ok(match body.value {
        Value::String(_) => serde_json::from_str(&packed::text(body, None)?).ok().filter(Value::is_object),
        Value::Object(_) => Some(body.value.clone()),
        _ => None,
    })
}

fn draft(
    request: &Field<'_>,
    response: &Field<'_>,
    uri: &str,
    status: Option<u64>,
    date: Option<&str>,
    processing_ms: Option<f64>,
) -> Result<Read, Wrong> {
    if let Some(kind) = other::by_address(uri).or_else(|| other::kind(request, response)) {
        return Ok(Read::Other(kind));
    }
    if !chat::is_request(request) {
        return Ok(Read::Other(OTHER));
    }
    let mut draft = Draft::new(0, 0, Purpose::Step);
    draft.endpoint = host(uri);
    chat::request(request, &mut draft)?;
    draft.model = draft.model.take().or_else(|| model_of(uri));
    if status.is_some_and(|code| code >= 400) {
        // What a server says when it refuses is in no fixed form.
        draft.status = Status::Failed;
        draft.finish_reason = status.map(|code| format!("http {code}"));
    } else {
        reply(response, &mut draft)?;
    }
    let at = date.and_then(|date| moment::http(date).or_else(|| moment::iso(date)));
    let length = processing_ms.filter(|ms| *ms >= 0.0).and_then(|ms| moment::seconds(ms / 1e3));
    let is_streamed = request.get("stream").value == &Value::Bool(true);
    match (at, length) {
        (Some(at), Some(length)) => {
            draft.start = at.checked_sub(length);
            // The processing time of a stream ends with its headers.
            draft.first_token = is_streamed.then_some(at);
            draft.end = (!is_streamed).then_some(at);
            draft.miss("dispatched_ns: the response's second less the server's processing time, without the network");
        }
        (Some(at), None) => {
            (draft.start, draft.end) = (Some(at), Some(at));
            draft.miss("dispatched_ns, completed_ns: no processing time recorded; the response's second, no duration");
        }
        (None, _) => {}
    }
    Ok(Read::Call(Box::new(draft)))
}

/// The model that an address names, as Bedrock's and Gemini's do.
fn model_of(uri: &str) -> Option<String> {
    let path = uri.split('?').next()?;
    let rest = ["/model/", "/models/"].iter().find_map(|mark| path.split_once(mark))?.1;
    let name = rest.split('/').next()?.split(":generate").next()?.split(":stream").next()?;
    (!name.is_empty()).then(|| name.replace("%3A", ":"))
}

/// Marks calls of a cassette that were recorded at another time than the call before them; whether there are any.
fn tell_apart(drafts: &mut [Draft]) -> bool {
    const LONGEST: moment::Nanos = 3_600_000_000_000;
    let mut last: Option<moment::Nanos> = None;
    for draft in &mut *drafts {
        let Some(at) = draft.start.or(draft.end) else { continue };
        draft.is_apart = last.is_some_and(|last| last.abs_diff(at) > LONGEST.unsigned_abs());
        last = draft.end.or(draft.first_token).or(draft.start);
    }
    drafts.iter().any(|draft| draft.is_apart)
}

/// The host of a URI, without what might identify a caller.
fn host(uri: &str) -> Option<String> {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next()?;
    let host = authority.rsplit('@').next()?;
    (!host.is_empty()).then(|| host.to_owned())
}
