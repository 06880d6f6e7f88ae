//! Logs of requests and responses, one record per call: `{"request": .., "response": ..}` with times under any of their
//! usual names, batch files (`custom_id`, `response.body`), or records that are the request themselves.

use super::chat;
use super::fault::{ImportError, Wrong};
use super::field::Field;
use super::groups::{Group, Groups, Seen};
use super::moment::{self, Nanos};
use super::roles;
use super::session::{Draft, Session};
use super::source::Sample;
use super::{Importer, Out, other, timing};
use crate::model::call::Purpose;
use crate::record::transcript::Status;
use serde_json::Value;
use std::path::Path;

const REQUEST: &[&str] = &["request", "request_body", "kwargs"];
const RESPONSE: &[&str] = &["response", "response_body", "completion", "output"];
const START: &[&str] =
    &["started_at", "start_time", "startTime", "start_ts", "start", "request_time", "timestamp", "ts", "time"];
const END: &[&str] = &["ended_at", "end_time", "endTime", "end_ts", "end", "completed_at"];
const FIRST_TOKEN: &[&str] = &["completionStartTime", "completion_start_time", "first_token_at", "first_token_time"];
const MILLISECONDS: &[&str] = &["latency_ms", "duration_ms", "elapsed_ms", "response_ms", "e2e_ms"];
const SECONDS: &[&str] = &["latency_s", "duration_s", "elapsed_s", "e2e_s", "latency", "duration", "elapsed"];
const SESSION: &[&str] = &["session_id", "session", "trace_id", "conversation_id", "run_id", "thread_id"];
const AGENT: &[&str] = &["agent", "agent_name", "agent_role", "agent_id"];

const FROM_CACHE: &str = "service: none; answered from a gateway's cache, at once and for nothing";
const NO_RESPONSE: &str = "response: not recorded";

/// Reads request/response logs.
pub(super) struct OpenAiLog;

impl Importer for OpenAiLog {
    fn name(&self) -> &'static str {
        "openai-log"
    }

    fn reads(&self) -> &'static str {
        "request/response logs of chat completions, responses or messages (JSON Lines or a list)"
    }

    fn lacks(&self) -> &'static [&'static str] {
        &["who released a call: calls of a session are taken as one conversation"]
    }

    fn detect(&self, sample: &Sample) -> Option<String> {
        let by = |keys: &[&str]| sample.has(keys).then(|| format!("fields {}", keys.join(", ")));
        by(&["request", "response"])
            .or_else(|| by(&["messages", "response"]))
            .or_else(|| by(&["custom_id", "response"]))
            .or_else(|| by(&["model", "messages"]))
            .or_else(|| by(&["request_body", "response_body"]))
    }

    fn read(&self, path: &Path, out: &mut Out<'_>) -> Result<(), ImportError> {
        self.read_all(&[path], out)
    }

    fn read_all(&self, paths: &[&Path], out: &mut Out<'_>) -> Result<(), ImportError> {
        let mut groups: Groups<(Option<String>, Draft, bool)> = Groups::new();
        let mut seen = Seen::default();
        for path in paths {
            let stem = groups.unused(&stem(path));
            groups.each_record(path, out, |groups, _, value, out| match call(&Field::root(&value))? {
                // Two calls may be equal in all but their time and the name of their reply.
                Read::Call(_, _, draft, _) if is_marked(&draft) && !seen.is_new(&value) => Ok(()),
                Read::Call(session, agent, draft, is_dated) => {
                    groups.push(session.as_deref().unwrap_or(&stem), (agent, *draft, is_dated));
                    Ok(())
                }
                Read::Other(kind) => {
                    out.left_out(kind);
                    Ok(())
                }
            })?;
        }
        if let Some(path) = paths.last() {
            seen.tell(path, out);
        }
        for Group { name, is_cut, things: mut calls } in groups.into_groups() {
            let is_dated = calls.iter().any(|c| c.2);
            if is_dated {
                for (_, draft, _) in &mut calls {
                    timing::forget_unset(draft);
                }
            }
            // Logs are often written when calls end: order by dispatch where all tell it.
            if calls.iter().all(|c| c.1.start.is_some()) {
                calls.sort_by_key(|c| c.1.start);
            }
            let calls = calls.into_iter().map(|(agent, draft, _)| (agent, draft)).collect();
            let mut session: Session = roles::session(name, calls);
            session.is_dated = is_dated;
            session.is_cut = is_cut;
            out.session(session)?;
        }
        Ok(())
    }
}

/// Name of a file without its endings.
pub(super) fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_owned()
}

/// Whether a record tells what no other call has.
fn is_marked(draft: &Draft) -> bool {
    draft.reply_id.is_some() || draft.start.or(draft.end).is_some()
}

/// What a record is.
enum Read {
    /// A call: session, agent, the call, whether its times are dates.
    Call(Option<String>, Option<String>, Box<Draft>, bool),
    /// Something else, by its kind.
    Other(&'static str),
}

fn call(record: &Field<'_>) -> Result<Read, Wrong> {
    record.need_object()?;
    let mut request = record.any(REQUEST);
    if request.get("body").value.is_object() {
        request = request.get("body");
    }
    if !request.is_some() {
        let body = record.get("body");
        request = if body.value.is_object() { body } else { record.clone() };
    }
    let mut draft = Draft::new(0, 0, Purpose::Step);
    let response = record.any(RESPONSE);
    if !chat::is_request(request.need_object()?) && !response.is_some() && !record.get("error").is_some() {
        return Ok(Read::Other("records without messages"));
    }
    let body = response.get("body");
    if let Some(kind) = other::kind(&request, if body.is_some() { &body } else { &response }) {
        return Ok(Read::Other(kind));
    }
    chat::request(&request, &mut draft)?;
    reply(&response, &mut draft)?;
    failure(record, &mut draft);
    let usage = record.get("usage");
    let beside = if usage.value.is_object() { usage } else { record.clone() };
    if draft.tokens.prompt.is_none() && draft.status == Status::Ok {
        draft.tokens = chat::usage(&beside)?;
    }
    draft.dollars = record.any(&["cost", "cost_usd", "response_cost"]).positive()?.or(draft.dollars);
    let is_dated = times(record, &mut draft)?;
    if record.get("cache_hit").value == true {
        // No model was asked: what the gateway took to look it up is no latency of one.
        draft.is_from_cache = true;
        (draft.dollars, draft.length, draft.first_token) = (Some(0.0), None, None);
        draft.end = draft.start.or(draft.end);
        draft.miss(FROM_CACHE);
    }
    let word = |keys: &[&str]| -> Result<Option<String>, Wrong> {
        let field = record.any(keys);
        Ok(match field.value {
            Value::Number(n) => Some(n.to_string()),
            Value::Object(_) => field.get("name").text()?.map(str::to_owned),
            _ => field.text()?.map(str::to_owned),
        })
    };
    Ok(Read::Call(word(SESSION)?, word(AGENT)?, Box::new(draft), is_dated))
}

/// Whether the record tells, beside the response, that the call failed.
fn failure(record: &Field<'_>, draft: &mut Draft) {
    let code = record.any(&["status_code", "http_status", "status"]).value.as_u64().filter(|code| *code >= 400);
    let word = record.get("status").value.as_str().unwrap_or("").to_ascii_lowercase();
    let error = record.any(&["error", "error_str", "exception"]);
    let is_error = match error.value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Object(parts) => !parts.is_empty(),
        _ => true,
    };
    // An error beside an answer is a warning.
    let is_told = code.is_some() || matches!(word.as_str(), "failure" | "failed" | "error" | "expired");
    if !is_told && !(is_error && (draft.text.is_none() || draft.status == Status::Open)) {
        return;
    }
    draft.status = Status::Failed;
    draft.missing.retain(|what| what != NO_RESPONSE);
    let named = error.any(&["code", "type"]).value.as_str().or(error.value.as_str());
    let reason = code.map(|code| format!("http {code}")).or(named.map(|word| word.chars().take(80).collect()));
    draft.finish_reason = reason.or(draft.finish_reason.take());
}

/// Reads a reply: a body, a body in an envelope, streamed text, or plain text.
pub(super) fn reply(field: &Field<'_>, draft: &mut Draft) -> Result<(), Wrong> {
    let inner = field.get("body");
    if inner.is_some() {
        reply(&inner, draft)?;
        if let Some(code) = field.get("status_code").count()?.filter(|code| *code >= 400) {
            draft.status = Status::Failed;
            draft.finish_reason = Some(format!("http {code}"));
        }
        return Ok(());
    }
    match field.value {
        Value::Null => {
            draft.status = Status::Open;
            draft.miss(NO_RESPONSE);
            Ok(())
        }
        Value::String(text) => {
            if let Some(body) = super::stream::assemble(text) {
                return chat::response(&Field::named(&body, field.path.clone()), draft);
            }
            match serde_json::from_str::<Value>(text) {
                Ok(body) if body.is_object() => chat::response(&Field::named(&body, field.path.clone()), draft)?,
                _ => draft.text = Some(text.clone()),
            }
            Ok(())
        }
        _ => chat::response(field.need_object()?, draft),
    }
}

/// Reads times; whether they are dates.
fn times(record: &Field<'_>, draft: &mut Draft) -> Result<bool, Wrong> {
    // Some write the moment of the response here, some how long it took.
    let response_time = record.get("response_time");
    let is_length = response_time.number().ok().flatten().is_some_and(|n| n < 1e8);
    let until = if is_length { None } else { moment::any(&response_time)? };
    let start = moment::any(&record.any(START))?;
    let end = moment::any(&record.any(END))?.or(until);
    let span = |ms: &[&str], s: &[&str]| -> Result<Option<Nanos>, Wrong> {
        let ms = record.any(ms).positive()?.map(|ms| ms / 1e3);
        Ok(ms.or(record.any(s).positive()?).and_then(moment::seconds))
    };
    let mut length = span(MILLISECONDS, SECONDS)?;
    if length.is_none() && is_length {
        length = span(&[], &["response_time"])?;
    }
    let wait = span(&["ttft_ms", "time_to_first_token_ms"], &["ttft_s", "time_to_first_token_s", "ttft"])?;
    (draft.start, draft.end, draft.length) = (start, end, length);
    if start.is_none() && end.is_none() {
        let response = record.any(RESPONSE);
        let body = response.get("body");
        let body = if body.is_some() { body } else { response };
        draft.start = moment::any(&body.any(&["created", "created_at"])).unwrap_or(None);
        if draft.start.is_some() {
            draft.miss("dispatched_ns: the server's second of creation");
        }
    }
    let began = draft.start.or(draft.end.zip(length).and_then(|(end, length)| end.checked_sub(length)));
    let first = began.zip(wait).and_then(|(start, wait)| start.checked_add(wait));
    draft.first_token = first.or(moment::any(&record.any(FIRST_TOKEN))?).filter(|at| draft.start <= Some(*at));
    // Dates are after 2001.
    Ok([draft.start, draft.end].into_iter().flatten().any(moment::is_date))
}
