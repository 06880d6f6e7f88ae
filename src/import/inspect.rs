//! Inspect AI logs: JSON of version 2, or the zipped `.eval`. A session is a sample; calls are its `model` events, which
//! say when they began and how long they took.

use super::chat;
use super::fault::{ImportError, Place, Wrong};
use super::field::Field;
use super::moment;
use super::openai_log::stem;
use super::session::{Draft, Session};
use super::source::{Sample, document, json, not_json, whole};
use super::{Importer, Out, unzip};
use crate::model::call::Purpose;
use crate::record::transcript::Status;
use serde_json::Value;
use std::io::Cursor;
use std::path::Path;

/// Reads Inspect logs.
pub(super) struct Inspect;

impl Importer for Inspect {
    fn name(&self) -> &'static str {
        "inspect"
    }

    fn reads(&self) -> &'static str {
        "Inspect AI logs: JSON (version 2) or .eval"
    }

    fn lacks(&self) -> &'static [&'static str] {
        &["dollars", "times of first tokens"]
    }

    fn detect(&self, sample: &Sample) -> Option<String> {
        if sample.is_zip {
            // Names of the first members stand in the text of the archive's beginning.
            let is_log = ["_journal/start.json", "samples/", "header.json"].iter().any(|m| sample.head.contains(m));
            return is_log.then(|| "a zip archive with an Inspect log (.eval)".to_owned());
        }
        sample.has(&["eval", "samples"]).then(|| "fields eval, samples".to_owned())
    }

    fn read(&self, path: &Path, out: &mut Out<'_>) -> Result<(), ImportError> {
        let bytes = whole(path)?;
        if bytes.starts_with(b"PK\x03\x04") {
            return archive(path, bytes, out);
        }
        drop(bytes);
        let log = document(path)?;
        let log = Field::root(&log);
        let at = |wrong: Wrong| wrong.at(Place::file(path));
        log.need_object().map_err(at)?;
        let name = task(&log.get("eval"), path);
        let is_complete = log.get("status").value.as_str() == Some("success");
        for (index, sample) in log.get("samples").list().map_err(at)?.into_iter().enumerate() {
            take(&sample, &name, Place::record(path, index as u64), is_complete, out)?;
        }
        Ok(())
    }
}

fn archive(path: &Path, bytes: Vec<u8>, out: &mut Out<'_>) -> Result<(), ImportError> {
    let damaged = |what: String, place: Place| Wrong::record(what, "get the whole file again").at(place);
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes))
        .map_err(|e| damaged(format!("not a whole zip archive: {e}"), Place::file(path)))?;
    let mut name = stem(path);
    let mut members: Vec<String> = zip.file_names().filter_map(|n| Some(n.ok()?.into_owned())).collect();
    members.sort_by_key(|member| (member.len(), member.clone()));
    members.sort_by_key(|member| !(member == "header.json" || member == "_journal/start.json"));
    let mut any = false;
    // A log that broke off has no header, or one that tells its status.
    let mut is_complete = false;
    for member in members {
        let is_head = member == "header.json" || member == "_journal/start.json";
        let is_sample = member.strip_prefix("samples/").is_some_and(|m| m.strip_suffix(".json").is_some());
        if !is_head && !is_sample {
            continue;
        }
        let place = Place::file(
            &path.with_file_name(format!("{}!{member}", path.file_name().unwrap_or_default().to_string_lossy())),
        );
        let mut text = Vec::new();
        let value = match unzip::member(&mut zip, &member, &mut text) {
            Ok(()) => json(&text).map_err(|e| not_json(&e)),
            Err(e) => Err(Wrong::record(
                format!("the member cannot be unpacked: {e}"),
                "get the whole file again, or pack it with deflate or Zstandard",
            )),
        };
        match value {
            Ok(value) if is_head => {
                name = task(&Field::root(&value).get("eval"), path);
                is_complete |= member == "header.json" && value.get("status").is_some_and(|s| s == "success");
            }
            Ok(value) => {
                any = true;
                take(&Field::root(&value), &name, place, is_complete, out)?;
            }
            Err(wrong) => out.damaged(place, wrong)?,
        }
    }
    if !is_complete {
        out.note(format!("{}: the log does not end with success, so its samples may not be complete", path.display()));
    }
    if !any {
        out.note(format!("{}: the archive has no samples", path.display()));
    }
    Ok(())
}

fn task(eval: &Field<'_>, path: &Path) -> String {
    eval.get("task").value.as_str().map_or_else(|| stem(path), str::to_owned)
}

fn take(sample: &Field<'_>, task: &str, place: Place, complete: bool, out: &mut Out<'_>) -> Result<(), ImportError> {
    let made = session(sample, task, &place, out)?;
    match made {
        Ok(mut session) => {
            session.is_cut = !complete;
            out.session(session)
        }
        Err(wrong) => out.damaged(place, wrong),
    }
}

type Made = Result<Result<Session, Wrong>, ImportError>;

fn session(sample: &Field<'_>, task: &str, place: &Place, out: &mut Out<'_>) -> Made {
    let head = || -> Result<(String, u64, Vec<Field<'_>>), Wrong> {
        sample.need_object()?;
        let id = match sample.get("id").value {
            Value::Number(n) => n.to_string(),
            _ => sample.get("id").need_text()?.to_owned(),
        };
        Ok((id, sample.get("epoch").count()?.unwrap_or(1), sample.get("events").list()?))
    };
    let (id, epoch, events) = match head() {
        Ok(head) => head,
        Err(wrong) => return Ok(Err(wrong)),
    };
    let mut session = Session::new(format!("{task}/{id}/{epoch}"));
    session.is_dated = true;
    let attachments = sample.get("attachments");
    let mut left_out = 0;
    for event in &events {
        if event.get("event").value.as_str() != Some("model") {
            continue;
        }
        let agent = session.agent("agent", false);
        match call(event, agent, &attachments) {
            Ok(draft) => {
                session.call(draft);
            }
            Err(wrong) => {
                out.damaged(place.clone(), wrong)?;
                left_out += 1;
            }
        }
    }
    if left_out > 0 {
        session.miss(format!("damaged model events left out: {left_out}"));
    }
    if session.calls.is_empty() {
        out.left_out("samples without model events");
    }
    Ok(Ok(session))
}

fn call(event: &Field<'_>, agent: usize, attachments: &Field<'_>) -> Result<Draft, Wrong> {
    let mut draft = Draft::new(agent, 0, Purpose::Step);
    draft.model = event.get("model").text()?.map(str::to_owned);
    draft.endpoint.clone_from(&draft.model);
    draft.messages = chat::messages(&event.get("input"))?;
    let tools = event.get("tools").value;
    if tools.as_array().is_some_and(|t| !t.is_empty()) {
        draft.tools_text = tools.to_string();
    }
    let config = event.get("config");
    for name in ["max_tokens", "temperature", "top_p", "seed"] {
        let value = config.get(name).value;
        if value.is_number() {
            draft.parameters.insert(name.to_owned(), value.clone());
        }
    }
    let output = event.get("output");
    draft.reply_model = output.get("model").text()?.map(str::to_owned);
    let choice = output.get("choices").at(0);
    if choice.is_some() {
        draft.finish_reason = choice.get("stop_reason").text()?.map(str::to_owned);
        chat::reply(&choice.get("message"), &mut draft)?;
    }
    draft.reply_id = event.get("call").get("response").get("id").value.as_str().map(str::to_owned);
    if output.get("usage").is_some() {
        draft.tokens = chat::usage(&output.get("usage"))?;
    }
    draft.start = moment::any(&event.get("timestamp"))?;
    let length = event.get("working_time").positive()?.or(output.get("time").positive()?);
    let length = length.and_then(moment::seconds);
    let until = moment::any(&event.get("completed"))?;
    // Working time leaves waiting for a rate limit out; it is what the call itself took.
    draft.end = draft.start.zip(length).and_then(|(start, length)| start.checked_add(length)).or(until);
    if event.get("error").is_some() || output.get("error").is_some() {
        draft.status = Status::Failed;
    } else if event.get("pending").value == &Value::Bool(true) {
        draft.status = Status::Open;
    }
    for message in &mut draft.messages {
        resolve(&mut message.content, attachments);
    }
    if let Some(text) = &mut draft.text {
        resolve(text, attachments);
    }
    resolve(&mut draft.tools_text, attachments);
    Ok(draft)
}

/// Long texts stand once beside the events and are named by hash.
fn resolve(text: &mut String, attachments: &Field<'_>) {
    const MARK: &str = "attachment://";
    if !text.contains(MARK) {
        return;
    }
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once(MARK) {
        out.push_str(before);
        let length = after.bytes().take_while(u8::is_ascii_hexdigit).count();
        let (hash, tail) = after.split_at(length);
        match attachments.get(hash).value.as_str() {
            Some(found) => out.push_str(found),
            None => out.extend([MARK, hash]),
        }
        rest = tail;
    }
    out.push_str(rest);
    *text = out;
}
