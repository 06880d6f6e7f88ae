//! One record of a plain log: a request, a response, and what stands beside them.

use super::chat;
use super::fault::Wrong;
use super::field::Field;
use super::mapping::Mapping;
use super::moment::{self, Nanos};
use super::other;
use super::session::{BY_LOG, Draft};
use crate::model::call::Purpose;
use crate::record::transcript::Status;
use serde_json::Value;

/// Note of a call that no model answered.
pub(super) const FROM_CACHE: &str = "service: none; answered from a gateway's cache, at once and for nothing";
const UNKNOWN_FORM: &str = "response: in a form that is not known; not counted as text";
const NO_RESPONSE: &str = "response: not recorded";
const READ_AS_END: &str = "times: one moment per call, which nobody names; read as the end (the answer was logged). If \
    it is the dispatch: --map start=FIELD";
const READ_AS_START: &str = "times: one moment per call, which nobody names; read as the dispatch, as calls would \
    overlap otherwise. If it is the end: --map end=FIELD";

/// A duration without a unit from here on is one of milliseconds: a call that takes 100 s is rare, and one of 100 ms is
/// logged as 0.1 s.
const MILLISECONDS_FROM: f64 = 100.0;
const UNIT: &str = "duration: without a unit; read as milliseconds, from 100 on (--map seconds=FIELD if it is not)";

/// What a record is.
pub(super) enum Read {
    /// A call.
    Call(Box<Call>),
    /// Something else, by its kind.
    Other(&'static str),
}

/// A call and what its record says of the others.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) session: Option<String>,
    pub(super) agent: Option<String>,
    pub(super) id: Option<String>,
    pub(super) parents: Vec<String>,
    /// Why it was asked, where its record tells.
    pub(super) purpose: Option<Purpose>,
    pub(super) draft: Draft,
    /// Its times are dates.
    pub(super) is_dated: bool,
    /// A moment of which nobody says what it is.
    pub(super) at: Option<Nanos>,
}

/// Reads a record.
pub(super) fn call(record: &Field<'_>, mapping: &Mapping) -> Result<Read, Wrong> {
    record.need_object()?;
    let mut request = mapping.get(record, "request");
    if request.get("body").value.is_object() {
        request = request.get("body");
    }
    if !request.is_some() {
        let body = record.get("body");
        request = if body.value.is_object() { body } else { record.clone() };
    }
    // Some logs keep bodies as JSON in text.
    let inner = request.value.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    if let Some(inner) = inner.as_ref().filter(|inner| inner.is_object() || inner.is_array()) {
        request = Field::named(inner, request.path);
    }
    let mut draft = Draft::new(0, 0, Purpose::Step);
    let response = mapping.get(record, "response");
    let is_mapped = ["model", "request", "response", "prompt_tokens", "completion_tokens"]
        .iter()
        .any(|target| mapping.is_told(target));
    if (mapping.is_told("request") && request.value.is_string()) || request.value.is_array() {
        // A prompt's text, or messages.
        let nothing = Value::Null;
        chat::exchange(&request, &Field::root(&nothing), &mut draft)?;
        request = record.clone();
    }
    let has_answer = response.is_some() || record.get("error").is_some() || is_mapped;
    if !chat::is_request(request.need_object()?) && !has_answer {
        return Ok(Read::Other("records without messages"));
    }
    let body = response.get("body");
    if let Some(kind) = other::kind(&request, if body.is_some() { &body } else { &response }) {
        return Ok(Read::Other(kind));
    }
    if draft.messages.is_empty() {
        chat::request(&request, &mut draft)?;
    }
    if response.is_some() || !is_mapped {
        reply(&response, &mut draft)?;
    }
    failure(record, &mut draft);
    tokens(record, mapping, &mut draft)?;
    draft.model = draft.model.take().or(mapping.get(record, "model").value.as_str().map(str::to_owned));
    if let Some(dollars) = mapping.get(record, "cost").positive()? {
        (draft.dollars, draft.priced_by) = (Some(dollars), BY_LOG);
    }
    let (at, is_dated) = times(record, mapping, &mut draft)?;
    if is_hit(&mapping.get(record, "cache_hit")) {
        // No model was asked: what the gateway took to look it up is no latency of one.
        draft.is_from_cache = true;
        (draft.dollars, draft.length, draft.first_token) = (Some(0.0), None, None);
        draft.end = draft.start.or(draft.end);
        draft.miss(FROM_CACHE);
    }
    let purpose = match purpose(record, mapping)? {
        Some(Purpose::Tool) => return Ok(Read::Other("tool runs")),
        told => told,
    };
    let mut parents = Vec::new();
    let parent = mapping.get(record, "parent");
    match parent.value {
        Value::Array(_) => {
            for one in parent.list()? {
                parents.extend(word(&one)?);
            }
        }
        _ => parents.extend(word(&parent)?),
    }
    Ok(Read::Call(Box::new(Call {
        session: word(&mapping.get(record, "session"))?,
        agent: word(&mapping.get(record, "agent"))?,
        id: word(&mapping.get(record, "id"))?,
        parents,
        purpose,
        draft,
        is_dated,
        at,
    })))
}

/// Why a call was asked, as its record tells. Logs have fields of this name for other things too: a word that is no
/// purpose is a fault only where the field was named by hand.
fn purpose(record: &Field<'_>, mapping: &Mapping) -> Result<Option<Purpose>, Wrong> {
    let field = mapping.get(record, "purpose");
    match Purpose::ALL.into_iter().find(|purpose| field.value.as_str() == Some(purpose.name())) {
        None if field.is_some() && mapping.is_told("purpose") => {
            Err(field.wrong(&Purpose::ALL.map(Purpose::name).join(", ")))
        }
        found => Ok(found),
    }
}

/// Whether a gateway says that its cache answered: `true`, in whatever spelling.
fn is_hit(field: &Field<'_>) -> bool {
    match field.value {
        Value::Bool(is) => *is,
        Value::String(text) => matches!(text.to_ascii_lowercase().as_str(), "true" | "hit" | "1"),
        _ => false,
    }
}

/// Text, or a number as text, or the name of an object.
fn word(field: &Field<'_>) -> Result<Option<String>, Wrong> {
    Ok(match field.value {
        Value::Number(n) => Some(n.to_string()),
        Value::Object(_) => field.any(&["name", "id"]).text()?.map(str::to_owned),
        _ => field.text()?.map(str::to_owned),
    })
}

/// Tokens that the record tells beside the response, or by hand.
fn tokens(record: &Field<'_>, mapping: &Mapping, draft: &mut Draft) -> Result<(), Wrong> {
    let usage = record.get("usage");
    let beside = if usage.value.is_object() { usage } else { record.clone() };
    if draft.tokens.prompt.is_none() && draft.status == Status::Ok {
        draft.tokens = chat::usage(&beside)?;
    }
    let told = |target: &str| mapping.get(record, target).count();
    draft.tokens.prompt = told("prompt_tokens")?.or(draft.tokens.prompt);
    draft.tokens.completion = told("completion_tokens")?.or(draft.tokens.completion);
    draft.tokens.cached = told("cached_tokens")?.unwrap_or(draft.tokens.cached);
    draft.tokens.reasoning = told("reasoning_tokens")?.or(draft.tokens.reasoning);
    Ok(())
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
                // Frames of bytes, or what is packed in a way that nobody names.
                _ if text.chars().any(|c| c == '\u{fffd}' || c.is_control() && !c.is_whitespace()) => {
                    draft.miss(UNKNOWN_FORM);
                }
                _ => draft.text = Some(text.clone()),
            }
            Ok(())
        }
        _ => chat::response(field.need_object()?, draft),
    }
}

/// Reads times: a moment that nobody names, and whether the times are dates.
fn times(record: &Field<'_>, mapping: &Mapping, draft: &mut Draft) -> Result<(Option<Nanos>, bool), Wrong> {
    // Some write the moment of the response under a name of a duration (`response_time`).
    let unnamed = mapping.get(record, "duration");
    let is_length = unnamed.number().ok().flatten().is_some_and(|n| n < 1e8);
    let until = if is_length { None } else { moment::any(&unnamed)? };
    let start = moment::any(&mapping.get(record, "start"))?;
    let end = moment::any(&mapping.get(record, "end"))?.or(until);
    let span = |ms: &str, s: &str| -> Result<Option<Nanos>, Wrong> {
        let ms = mapping.get(record, ms).positive()?.map(|ms| ms / 1e3);
        Ok(ms.or(mapping.get(record, s).positive()?).and_then(moment::seconds))
    };
    let mut length = span("milliseconds", "seconds")?;
    if length.is_none()
        && is_length
        && let Some(told) = unnamed.positive()?
    {
        let is_ms = told >= MILLISECONDS_FROM;
        length = moment::seconds(if is_ms { told / 1e3 } else { told });
        if is_ms && (start.is_none() || end.is_none()) {
            draft.miss(UNIT);
        }
    }
    let wait = span("first_token_milliseconds", "first_token_seconds")?;
    (draft.start, draft.end, draft.length) = (start, end, length);
    let mut at = if start.is_none() && end.is_none() { moment::any(&mapping.get(record, "at"))? } else { None };
    if start.is_none() && end.is_none() && at.is_none() {
        let response = mapping.get(record, "response");
        let body = response.get("body");
        let body = if body.is_some() { body } else { response };
        draft.start = moment::any(&body.any(&["created", "created_at"])).unwrap_or(None);
        if draft.start.is_some() {
            draft.miss("dispatched_ns: the server's second of creation");
        }
    }
    if at == Some(0) {
        // What some write for a time that is not set.
        draft.start = at.take();
    }
    let began = draft.start.or(draft.end.zip(length).and_then(|(end, length)| end.checked_sub(length)));
    let first = began.zip(wait).and_then(|(start, wait)| start.checked_add(wait));
    draft.first_token =
        first.or(moment::any(&mapping.get(record, "first_token"))?).filter(|at| draft.start <= Some(*at));
    // Dates are after 2001.
    Ok((at, [draft.start, draft.end, at].into_iter().flatten().any(moment::is_date)))
}

/// Takes moments that nobody names for ends, unless durations beside them show that they are dispatches; says which.
pub(super) fn read_lone_stamps(calls: &mut [Call]) -> Option<&'static str> {
    let mut lone: Vec<(Nanos, Nanos)> =
        calls.iter().filter_map(|call| Some((call.at?, call.draft.length.unwrap_or(0)))).collect();
    if lone.is_empty() {
        return None;
    }
    lone.sort_unstable();
    let overlaps = |of: fn((Nanos, Nanos), (Nanos, Nanos)) -> bool| lone.windows(2).filter(|w| of(w[0], w[1])).count();
    let as_ends = overlaps(|before, next| next.0.saturating_sub(next.1) < before.0);
    let as_starts = overlaps(|before, next| before.0.saturating_add(before.1) > next.0);
    let is_end = as_ends <= as_starts;
    for call in calls {
        let Some(at) = call.at else { continue };
        if is_end && !call.draft.is_from_cache {
            call.draft.end = Some(at);
        } else {
            call.draft.start = Some(at);
            call.draft.end = call.draft.is_from_cache.then_some(at);
        }
    }
    Some(if is_end { READ_AS_END } else { READ_AS_START })
}
