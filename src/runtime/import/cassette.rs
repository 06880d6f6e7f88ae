//! Provider traffic recorded by tests: VCR cassettes (YAML, one file) and the same calls as JSON Lines. Request headers
//! are never read; of response headers only the date and the server's processing time.

use super::chat;
use super::fault::{ImportError, Place, Wrong};
use super::field::Field;
use super::moment;
use super::openai_log::{reply, stem};
use super::roles::{self, Groups};
use super::session::Draft;
use super::source::{Records, Sample, whole};
use super::{Importer, Out};
use crate::model::call::Purpose;
use crate::runtime::transcript::Status;
use serde_json::Value;
use std::path::Path;

/// Headers with the server's time, in milliseconds.
const PROCESSING: &[&str] = &["openai-processing-ms", "x-envoy-upstream-service-time"];

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
        let yaml = sample.names.is_none() && sample.head.lines().any(|l| l.starts_with("interactions:"));
        yaml.then(|| "YAML with a list of interactions".to_owned())
    }

    fn read(&self, path: &Path, out: &mut Out<'_>) -> Result<(), ImportError> {
        let sample = Sample::of(path)?;
        let mut groups = Groups::new();
        let mut is_cut = false;
        if sample.head.lines().any(|l| l.starts_with("interactions:")) || sample.has(&["interactions"]) {
            yaml(path, &mut groups, out)?;
        } else {
            let mut records = Records::open(path)?;
            while let Some((place, value)) = records.next(out)? {
                match row(&Field::root(&value)) {
                    Ok(Some((name, draft))) => groups.push(&name, draft),
                    Ok(None) => out.left_out("requests to other services"),
                    Err(wrong) => out.damaged(place, wrong)?,
                }
            }
            is_cut = records.is_cut();
        }
        let groups = groups.into_groups();
        let count = groups.len();
        for (index, (name, calls)) in groups.into_iter().enumerate() {
            let mut session = roles::session(name, calls.into_iter().map(|draft| (None, draft)).collect());
            session.is_dated = session.calls.iter().any(|c| c.end.or(c.start).is_some());
            session.is_cut = is_cut && index + 1 == count;
            out.session(session)?;
        }
        Ok(())
    }
}

fn yaml(path: &Path, groups: &mut Groups<Draft>, out: &mut Out<'_>) -> Result<(), ImportError> {
    let bytes = whole(path)?;
    let text = String::from_utf8_lossy(&bytes);
    let document: Value = serde_saphyr::from_str(&text).map_err(|error| {
        let what = error.to_string();
        let first = what.lines().next().unwrap_or("").to_owned();
        Wrong::record(format!("not YAML: {first}"), "get the whole file again, or mend the YAML").at(Place::file(path))
    })?;
    let list = Field::root(&document).get("interactions");
    let name = stem(path);
    for (index, interaction) in list.list().map_err(|w| w.at(Place::file(path)))?.into_iter().enumerate() {
        match tape(&interaction) {
            Ok(Some(draft)) => groups.push(&name, draft),
            Ok(None) => out.left_out("requests to other services"),
            Err(wrong) => out.damaged(Place::record(path, index as u64), wrong)?,
        }
    }
    Ok(())
}

/// A recorded interaction.
fn tape(interaction: &Field<'_>) -> Result<Option<Draft>, Wrong> {
    let (request, response) = (interaction.need_object()?.get("request"), interaction.get("response"));
    let uri = request.need_object()?.get("uri").need_text()?;
    let Some(body) = parsed(&request.any(&["parsed_body", "body"])) else { return Ok(None) };
    let parsed_body = response.get("parsed_body");
    let raw = if parsed_body.is_some() { parsed_body } else { response.get("body") };
    let text = if raw.get("string").is_some() { raw.get("string") } else { raw };
    let header = |name: &str| -> Option<String> {
        let headers = response.get("headers").value.as_object()?;
        let found = headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?.1;
        found.get(0).unwrap_or(found).as_str().map(str::to_owned)
    };
    let processing = PROCESSING.iter().find_map(|name| header(name)?.trim().parse::<f64>().ok());
    let status = response.get("status");
    let code = if status.value.is_object() { status.get("code") } else { status };
    let date = header("date");
    draft(&Field::named(&body, "request.body"), &text, uri, code.count()?, date.as_deref(), processing)
}

/// A row of the JSON Lines form.
fn row(row: &Field<'_>) -> Result<Option<(String, Draft)>, Wrong> {
    row.need_object()?;
    let repository = row.get("repo").text()?.map_or(String::new(), |repo| format!("{repo}:"));
    let name = format!("{repository}{}", row.get("cassette").need_text()?);
    let uri = row.get("uri").text()?.unwrap_or("");
    let Some(body) = parsed(&row.get("request")) else { return Ok(None) };
    let body = Field::named(&body, "request");
    let code = row.get("status").count()?;
    let date = row.get("date").text()?;
    let made = draft(&body, &row.get("response"), uri, code, date, row.get("processing_ms").positive()?)?;
    Ok(made.map(|draft| (name, draft)))
}

/// A body as JSON, whether it was recorded as text or not.
fn parsed(body: &Field<'_>) -> Option<Value> {
    match body.value {
        Value::String(text) => serde_json::from_str(text).ok().filter(Value::is_object),
        Value::Object(_) => Some(body.value.clone()),
        _ => None,
    }
}

fn draft(
    request: &Field<'_>,
    response: &Field<'_>,
    uri: &str,
    status: Option<u64>,
    date: Option<&str>,
    processing_ms: Option<f64>,
) -> Result<Option<Draft>, Wrong> {
    if !chat::is_request(request) || uri.contains("/embeddings") {
        return Ok(None);
    }
    let mut draft = Draft::new(0, 0, Purpose::Step);
    draft.endpoint = host(uri);
    chat::request(request, &mut draft)?;
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
    Ok(Some(draft))
}

/// The host of a URI, without what might identify a caller.
fn host(uri: &str) -> Option<String> {
    let rest = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next()?;
    let host = authority.rsplit('@').next()?;
    (!host.is_empty()).then(|| host.to_owned())
}
