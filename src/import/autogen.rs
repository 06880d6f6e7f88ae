//! AutoGen's event logs: calls of models among messages, tools and other events. An event has no stamp of its own; the
//! messages around a call have, and bound it.

use super::chat;
use super::fault::{ImportError, Wrong};
use super::field::Field;
use super::moment::{self, Nanos};
use super::openai_log::stem;
use super::roles::Caller;
use super::session::{Draft, Session};
use super::source::{Records, Sample};
use super::{Importer, Out, roles};
use crate::model::call::Purpose;
use serde_json::Value;
use std::path::Path;

/// Reads AutoGen's event logs.
pub(super) struct AutoGen;

const STAMPS: &str = "dispatched_ns, completed_ns: not recorded; the stamps of the messages around the call";
const SECOND: &str = "completed_ns: the server's second of creation";

impl Importer for AutoGen {
    fn name(&self) -> &'static str {
        "autogen"
    }

    fn reads(&self) -> &'static str {
        "AutoGen's event logs (LLMCall, LLMStreamEnd among other events)"
    }

    fn lacks(&self) -> &'static [&'static str] {
        &["times: bounded by the messages before and after a call", "who released a call: calls are one conversation"]
    }

    fn detect(&self, sample: &Sample) -> Option<String> {
        let kind = sample.record()?.get("type")?.as_str()?;
        let is_call = matches!(kind, "LLMCall" | "LLMStreamStart" | "LLMStreamEnd" | "ToolCall");
        let is_message = sample.has(&["payload", "delivery_stage"]) || sample.has(&["message_kind", "payload"]);
        let is = (is_call && (sample.has(&["agent_id"]) || sample.has(&["messages", "response"]))) || is_message;
        is.then(|| format!("events of type {kind}"))
    }

    fn read(&self, path: &Path, out: &mut Out<'_>) -> Result<(), ImportError> {
        let mut records = Records::open(path)?;
        let mut calls: Vec<(Option<String>, Draft)> = Vec::new();
        // The last stamp, and whether it came after the last call.
        let mut stamp: Option<Nanos> = None;
        let mut asked: Option<Value> = None;
        while let Some((place, value)) = records.next(out)? {
            let event = Field::root(&value);
            match event.get("type").value.as_str() {
                Some("LLMStreamStart") => asked = Some(event.get("messages").value.clone()),
                Some("LLMCall" | "LLMStreamEnd") => match call(&event, asked.take().as_ref()) {
                    Ok((agent, mut draft)) => {
                        (draft.start, draft.start_is_bound) = (stamp, stamp.is_some());
                        calls.push((agent, draft));
                    }
                    Err(wrong) => out.damaged(place, wrong)?,
                },
                _ => {
                    let at = created(&event).filter(|at| moment::is_date(*at));
                    if let (Some(at), Some((_, last))) = (at, calls.last_mut())
                        && last.start.is_none_or(|start| start < at)
                        && !last.missing.iter().any(|what| what == STAMPS)
                    {
                        last.end = Some(at);
                        last.missing.retain(|what| what != SECOND);
                        last.miss(STAMPS);
                    }
                    stamp = stamp.max(at);
                    out.left_out("events beside calls");
                }
            }
        }
        if calls.is_empty() {
            return Ok(());
        }
        let mut session: Session =
            roles::session(stem(path), calls.into_iter().map(|(agent, draft)| Caller::of(agent, draft)).collect());
        session.is_dated = session.calls.iter().any(|call| call.end.is_some());
        session.is_cut = records.is_cut();
        out.session(session)
    }
}

/// When the message of an event was made.
fn created(event: &Field<'_>) -> Option<Nanos> {
    let payload = event.get("payload").value;
    let inner: Value = match payload {
        Value::String(text) => serde_json::from_str(text).ok()?,
        other => other.clone(),
    };
    let root = Field::root(&inner);
    let messages =
        [root.get("message"), root.get("response").get("chat_message"), root.get("messages").at(0), root.clone()];
    messages.iter().find_map(|message| moment::any(&message.get("created_at")).ok().flatten())
}

fn call(event: &Field<'_>, asked: Option<&Value>) -> Result<(Option<String>, Draft), Wrong> {
    let mut draft = Draft::new(0, 0, Purpose::Step);
    let messages = event.get("messages");
    match asked {
        Some(asked) if !messages.is_some() => draft.messages = chat::messages(&Field::named(asked, "messages"))?,
        _ => draft.messages = chat::messages(&messages)?,
    }
    let tools = event.get("tools").value;
    if tools.as_array().is_some_and(|tools| !tools.is_empty()) {
        draft.tools_text = tools.to_string();
    }
    let response = event.get("response");
    if response.value.is_object() {
        chat::response(&response, &mut draft)?;
    }
    draft.tokens.prompt = draft.tokens.prompt.or(event.get("prompt_tokens").count()?);
    draft.tokens.completion = draft.tokens.completion.or(event.get("completion_tokens").count()?);
    draft.end = moment::any(&response.get("created")).unwrap_or(None).filter(|at| moment::is_date(*at));
    if draft.end.is_some() {
        draft.miss(SECOND);
    }
    let agent = event.get("agent_id").value.as_str().map(|id| short(id).to_owned());
    Ok((agent, draft))
}

/// The name in `writer_0c45a84f-..-58652b735784/0c45a84f-..`.
fn short(id: &str) -> &str {
    const UUID: usize = 36;
    let name = id.split('/').next().unwrap_or(id);
    let cut = name.len().checked_sub(UUID + 1).filter(|cut| name.is_char_boundary(*cut));
    let is_uuid = |tail: &str| tail[1..].chars().all(|c| c == '-' || c.is_ascii_hexdigit());
    match cut.map(|cut| name.split_at(cut)) {
        Some((short, tail)) if tail.starts_with('_') && is_uuid(tail) => short,
        _ => name,
    }
}
