//! ChatDev's own text logs (WareHouse): lines of usage after each answer, and what the roles said between them.
//!
//! `[2023-22-08 14:46:23 INFO] **[OpenAI_Usage_Info Receive]**` and four lines of numbers are a call; a line
//! `Role: **Role<->Other on : Phase, turn 1**` says who speaks.

use super::fault::{ImportError, Place, Wrong};
use super::moment::{self, Nanos};
use super::openai_log::stem;
use super::session::{Draft, Session};
use super::source::{Sample, open};
use super::{Importer, Out};
use crate::model::call::Purpose;
use crate::record::input;
use serde_json::Value;
use std::path::Path;

/// Reads ChatDev's text logs.
pub(super) struct WareHouse;

const USAGE: &str = "[OpenAI_Usage_Info Receive]";

impl Importer for WareHouse {
    fn name(&self) -> &'static str {
        "warehouse"
    }

    fn reads(&self) -> &'static str {
        "ChatDev's text logs (WareHouse), with the usage after each answer"
    }

    fn lacks(&self) -> &'static [&'static str] {
        &[
            "prompts, models of calls",
            "when a call left: the completion of the call before it (1 s), so a duration contains tools",
        ]
    }

    fn detect(&self, sample: &Sample) -> Option<String> {
        let is =
            sample.first.is_none() && (sample.head.contains(USAGE) || sample.head.contains("**[ChatDev Starts]**"));
        is.then(|| "lines of ChatDev's log".to_owned())
    }

    fn read(&self, path: &Path, out: &mut Out<'_>) -> Result<(), ImportError> {
        let mut lines = open(path)?;
        let mut session = Session::new(stem(path));
        let mut reading = Reading::default();
        let mut buffer = Vec::new();
        let mut number = 0;
        loop {
            buffer.clear();
            let fault = |source| ImportError::Read { path: path.to_owned(), source };
            if input::line(&mut lines, &mut buffer).map_err(fault)? == 0 {
                break;
            }
            number += 1;
            let line = String::from_utf8_lossy(&buffer);
            if let Err(wrong) = reading.take(line.trim_end(), &mut session) {
                out.damaged(Place::line(path, number), wrong)?;
            }
        }
        reading.end(&mut session);
        session.is_dated = session.calls.iter().any(|call| call.end.is_some());
        out.session(session)
    }
}

#[derive(Default)]
struct Reading {
    /// The call whose numbers are being read.
    call: Option<Draft>,
    /// A call whose speaker is not known yet: the usage stands before what was said.
    waiting: Option<Draft>,
    /// What the last speaker says belongs to the last call.
    is_speaking: bool,
}

impl Reading {
    fn take(&mut self, line: &str, session: &mut Session) -> Result<(), Wrong> {
        if let Some((at, rest)) = stamped(line) {
            self.is_speaking = false;
            if rest.contains(USAGE) {
                self.end(session);
                let mut draft = Draft::new(0, 0, Purpose::Step);
                draft.end = at;
                self.call = Some(draft);
                return Ok(());
            }
            self.waiting = self.waiting.take().or(self.call.take());
            let speaker = rest.split_once(": **").filter(|(_, told)| told.contains("<->"));
            if let (Some((speaker, _)), Some(draft)) = (speaker, self.waiting.take_if(|_| speaker.is_some())) {
                Self::push(draft, speaker.trim(), session);
                self.is_speaking = true;
            }
            return Ok(());
        }
        if self.is_speaking
            && let Some(last) = session.calls.last_mut()
        {
            let text = last.text.get_or_insert_default();
            text.push_str(line);
            text.push('\n');
        }
        let Some(call) = &mut self.call else { return Ok(()) };
        let Some((name, value)) = line.split_once(':') else { return Ok(()) };
        let value = value.trim().trim_start_matches('$');
        let wrong = |what: &str| Wrong::value(name, &Value::String(value.to_owned()), what);
        let count = || value.parse::<u64>().ok().filter(|n| *n < 1 << 40).ok_or_else(|| wrong("a count"));
        match name.trim() {
            "prompt_tokens" => call.tokens.prompt = Some(count()?),
            "completion_tokens" => call.tokens.completion = Some(count()?),
            "cost" => {
                let dollars: f64 = value.parse().map_err(|_| wrong("dollars"))?;
                call.dollars = Some(dollars).filter(|dollars| dollars.is_finite() && *dollars >= 0.0);
            }
            _ => {}
        }
        Ok(())
    }

    /// The last call, if nobody spoke after it.
    fn end(&mut self, session: &mut Session) {
        for draft in [self.waiting.take(), self.call.take()].into_iter().flatten() {
            Self::push(draft, "ChatDev", session);
        }
    }

    fn push(mut draft: Draft, speaker: &str, session: &mut Session) {
        if draft.tokens.prompt.is_some() {
            draft.agent = session.agent(speaker, false);
            session.call(draft);
        }
    }
}

/// `[2023-22-08 14:46:23 INFO] ..`: year, day and month, or year, month and day.
fn stamped(line: &str) -> Option<(Option<Nanos>, &str)> {
    let (stamp, rest) = line.strip_prefix('[')?.split_once(']')?;
    let (date, time) = stamp.split_once(' ')?;
    let parts: Vec<&str> = date.split('-').collect();
    let [year, second, third] = parts[..] else { return None };
    let time = time.split(' ').next()?;
    let swapped = moment::iso(&format!("{year}-{third}-{second} {time}"));
    Some((swapped.or_else(|| moment::iso(&format!("{date} {time}"))), rest.trim()))
}
