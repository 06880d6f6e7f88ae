//! Magentic-One: flattened calls of an orchestrator and its workers (JSON Lines with session, input, output and one
//! timestamp per call). The orchestrator surveys and plans, then asks itself a ledger of questions before each turn;
//! whom a ledger names speaks next.

use super::fault::ImportError;
use super::mini_swe::{flattened, is_flat};
use super::session::{Draft, Session};
use super::source::Sample;
use super::{Importer, Out};
use crate::model::call::Purpose;
use crate::record::transcript::Message;
use serde_json::Value;
use std::path::Path;

/// Reads flattened Magentic-One calls.
pub(super) struct MagenticOne;

const LEAD: &str = "Orchestrator";

impl Importer for MagenticOne {
    fn name(&self) -> &'static str {
        "magentic-one"
    }

    fn reads(&self) -> &'static str {
        "flattened calls of Magentic-One (JSON Lines: session_id, input, output, timestamp)"
    }

    fn lacks(&self) -> &'static [&'static str] {
        &[
            "tokens: counted from the texts; content of other kinds (screens) is not in them",
            "when a call left: the completion of the call before it, so a duration contains the tools run in between",
            "model",
            "which agent asked: from the instructions, the form of the answer and the speaker that the last ledger named",
        ]
    }

    fn detect(&self, sample: &Sample) -> Option<String> {
        let told = ["pre-survey", "We are working to address the following user request", "is_request_satisfied"];
        let found = told.iter().find(|words| sample.head.contains(**words)).filter(|_| is_flat(sample));
        found.map(|words| format!("flattened calls with \"{words}\""))
    }

    fn read(&self, path: &Path, out: &mut Out<'_>) -> Result<(), ImportError> {
        self.read_all(&[path], out)
    }

    fn read_all(&self, paths: &[&Path], out: &mut Out<'_>) -> Result<(), ImportError> {
        flattened(paths, out, |session, calls| {
            let last = calls.len().saturating_sub(1);
            let mut speaker: Option<String> = None;
            for (place, (input, output, at)) in calls.into_iter().enumerate() {
                let messages = split(&input);
                let ledger = ledger(&output);
                let (agent, purpose) = match (&ledger, is_worker(&input, speaker.as_deref())) {
                    (Some(ledger), _) if ledger.is_done => (session.agent(LEAD, true), Purpose::MoreSubtasks),
                    (Some(_), _) => (session.agent(LEAD, true), Purpose::Dispatch),
                    (None, true) if place != last || speaker.is_some() => {
                        (session.agent(speaker.as_deref().unwrap_or("worker"), false), Purpose::Step)
                    }
                    (None, _) if place == last && place > 0 => (session.agent(LEAD, true), Purpose::Finalize),
                    (None, _) => (session.agent(LEAD, true), Purpose::Plan),
                };
                if let Some(ledger) = ledger {
                    speaker = (!ledger.is_done).then_some(ledger.speaker).flatten();
                }
                let mut draft = Draft::new(agent, 0, purpose);
                if messages.is_empty() {
                    draft.miss("request.messages: empty in the source (content other than text)");
                }
                draft.messages = messages;
                draft.text = Some(output);
                draft.end = at;
                session.call(draft);
            }
            note_silent(session);
        })
    }
}

/// Workers that were named but whose calls are not recorded leave the orchestrator waiting for them.
fn note_silent(session: &mut Session) {
    let waits = session.calls.windows(2).filter(|w| w.iter().all(|c| c.purpose == Purpose::Dispatch)).count();
    if waits > 0 {
        session.miss("calls of some workers: turns between two ledgers have none; their time is in the next call's");
    }
}

/// Whether a call is a worker's: its own instructions, or no text at all after a ledger named a speaker.
fn is_worker(input: &str, speaker: Option<&str>) -> bool {
    input.starts_with("system: ") || (input.trim().is_empty() && speaker.is_some())
}

struct Ledger {
    is_done: bool,
    speaker: Option<String>,
}

/// The orchestrator's answers to its own questions.
fn ledger(output: &str) -> Option<Ledger> {
    let start = output.find('{')?;
    let end = output.rfind('}')?;
    let value: Value = serde_json::from_str(output.get(start..=end)?).ok()?;
    let answer = |key: &str| {
        let field = value.get(key)?;
        Some(field.get("answer").unwrap_or(field).clone())
    };
    let done = answer("is_request_satisfied")?;
    let is_done = done.as_bool().unwrap_or_else(|| done.as_str().is_some_and(|s| s.eq_ignore_ascii_case("true")));
    Some(Ledger { is_done, speaker: answer("next_speaker").and_then(|s| Some(s.as_str()?.to_owned())) })
}

/// Messages of a flattened input: a paragraph that begins with a role and a colon begins a message.
fn split(input: &str) -> Vec<Message> {
    const ROLES: [&str; 4] = ["user", "assistant", "system", "tool"];
    let role_at = |text: &str| ROLES.iter().find(|role| text.strip_prefix(**role).is_some_and(|t| t.starts_with(": ")));
    let mut messages: Vec<Message> = Vec::new();
    let mut rest = input;
    while !rest.is_empty() {
        let (role, body) = match role_at(rest) {
            Some(role) => (*role, &rest[role.len() + 2..]),
            None => ("user", rest),
        };
        let cut = body.match_indices("\n\n").map(|(at, _)| at).find(|at| role_at(&body[at + 2..]).is_some());
        let (content, next) = match cut {
            Some(at) => (&body[..at], &body[at + 2..]),
            None => (body, ""),
        };
        messages.push(Message { role: role.to_owned(), content: content.to_owned() });
        rest = next;
    }
    messages
}
