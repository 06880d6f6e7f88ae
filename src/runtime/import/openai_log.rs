//! Logs of requests and responses, one record per call: `{"request": .., "response": ..}` with times under any of their
//! usual names, batch files (`custom_id`, `response.body`), or records that are the request themselves.

use super::chat;
use super::fault::{ImportError, Wrong};
use super::field::Field;
use super::moment::{self, Nanos};
use super::roles::{self, Groups};
use super::session::{Draft, Session};
use super::source::{Records, Sample};
use super::{Importer, Out};
use crate::model::call::Purpose;
use crate::runtime::transcript::Status;
use serde_json::Value;
use std::path::Path;

const REQUEST: &[&str] = &["request", "request_body", "kwargs"];
const RESPONSE: &[&str] = &["response", "response_body", "completion", "output"];
const START: &[&str] =
    &["started_at", "start_time", "startTime", "start_ts", "start", "request_time", "timestamp", "ts", "time"];
const END: &[&str] = &["ended_at", "end_time", "endTime", "end_ts", "end", "completed_at", "response_time"];
const MILLISECONDS: &[&str] = &["latency_ms", "duration_ms", "elapsed_ms", "response_ms", "e2e_ms"];
const SECONDS: &[&str] = &["latency_s", "duration_s", "elapsed_s", "e2e_s", "latency", "duration", "elapsed"];
const SESSION: &[&str] = &["session_id", "session", "trace_id", "conversation_id", "run_id", "thread_id"];
const AGENT: &[&str] = &["agent", "agent_name", "agent_role", "agent_id"];

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
        let mut records = Records::open(path)?;
        let mut groups: Groups<(Option<String>, Draft, bool)> = Groups::new();
        let stem = stem(path);
        while let Some((place, value)) = records.next(out)? {
            match call(&Field::root(&value)) {
                Ok(Some((session, agent, draft, is_dated))) => {
                    groups.push(session.as_deref().unwrap_or(&stem), (agent, draft, is_dated));
                }
                Ok(None) => out.left_out("records without messages"),
                Err(wrong) => out.damaged(place, wrong)?,
            }
        }
        let groups = groups.into_groups();
        let count = groups.len();
        for (index, (name, mut calls)) in groups.into_iter().enumerate() {
            let is_dated = calls.iter().any(|c| c.2);
            // Logs are often written when calls end: order by dispatch where all tell it.
            if calls.iter().all(|c| c.1.start.is_some()) {
                calls.sort_by_key(|c| c.1.start);
            }
            let calls = calls.into_iter().map(|(agent, draft, _)| (agent, draft)).collect();
            let mut session: Session = roles::session(name, calls);
            session.is_dated = is_dated;
            session.is_cut = records.is_cut() && index + 1 == count;
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

type Call = (Option<String>, Option<String>, Draft, bool);

fn call(record: &Field<'_>) -> Result<Option<Call>, Wrong> {
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
    if !chat::is_request(request.need_object()?) && !record.any(RESPONSE).is_some() {
        return Ok(None);
    }
    chat::request(&request, &mut draft)?;
    reply(&record.any(RESPONSE), &mut draft)?;
    let usage = record.get("usage");
    if usage.value.is_object() && draft.tokens.prompt.is_none() {
        draft.tokens = chat::usage(&usage)?;
    }
    draft.dollars = record.any(&["cost", "cost_usd", "response_cost"]).positive()?.or(draft.dollars);
    let is_dated = times(record, &mut draft)?;
    let word = |keys: &[&str]| -> Result<Option<String>, Wrong> {
        let field = record.any(keys);
        Ok(match field.value {
            Value::Number(n) => Some(n.to_string()),
            Value::Object(_) => field.get("name").text()?.map(str::to_owned),
            _ => field.text()?.map(str::to_owned),
        })
    };
    Ok(Some((word(SESSION)?, word(AGENT)?, draft, is_dated)))
}

/// Reads a reply: a body, a body in an envelope, streamed text, or plain text.
pub(super) fn reply(field: &Field<'_>, draft: &mut Draft) -> Result<(), Wrong> {
    let inner = field.get("body");
    if inner.is_some() {
        if field.get("status_code").count()?.is_some_and(|status| status >= 400) {
            draft.status = Status::Failed;
        }
        return reply(&inner, draft);
    }
    match field.value {
        Value::Null => {
            draft.status = Status::Open;
            draft.miss("response: not recorded");
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
    let start = moment::any(&record.any(START))?;
    let end = moment::any(&record.any(END))?;
    let span = |ms: &[&str], s: &[&str]| -> Result<Option<Nanos>, Wrong> {
        let ms = record.any(ms).positive()?.map(|ms| ms / 1e3);
        Ok(ms.or(record.any(s).positive()?).and_then(moment::seconds))
    };
    let length = span(MILLISECONDS, SECONDS)?;
    let wait = span(&["ttft_ms", "time_to_first_token_ms"], &["ttft_s", "time_to_first_token_s", "ttft"])?;
    (draft.start, draft.end) = match (start, end, length) {
        (Some(start), None, Some(length)) => (Some(start), start.checked_add(length)),
        (None, Some(end), Some(length)) => (end.checked_sub(length), Some(end)),
        (start, end, _) => (start, end),
    };
    if start.is_none() && end.is_none() {
        draft.start = moment::any(&record.any(RESPONSE).any(&["created", "created_at"])).unwrap_or(None);
        draft.end = draft.start.zip(length).and_then(|(start, length)| start.checked_add(length));
        if draft.start.is_some() {
            draft.miss("dispatched_ns: the server's second of creation");
        }
    }
    draft.first_token = draft.start.zip(wait).and_then(|(start, wait)| start.checked_add(wait));
    // Dates are after 2001.
    Ok(draft.start.or(draft.end).is_some_and(|at| at > 1_000_000_000_000_000_000))
}
