//! Where importers put sessions: counts what is not told, removes secrets, writes the lines, keeps the report.

use super::check::Check;
use super::fault::{ImportError, Place, Wrong};
use super::layout::{self, Past};
use super::lines::lines;
use super::mapping::Mapping;
use super::redact::redact;
use super::session::{Draft, Session};
use super::timing;
use super::tokens::{self, Counter};
use crate::model::call::SpanRole;
use crate::record::transcript::{LayoutSpan, Line};
use std::collections::BTreeMap;
use std::io::Write;

/// How to import.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Most sessions to write.
    pub limit: Option<u64>,
    /// The one session to write, by name.
    pub session: Option<String>,
    /// Leave damaged records out instead of giving up.
    pub skip_damaged: bool,
    /// Keep hashes and lengths of texts, but no text.
    pub no_text: bool,
    /// Which field of a plain log means what.
    pub mapping: Mapping,
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Sessions written.
    pub sessions: u64,
    /// Calls written.
    pub calls: u64,
    /// Prompt tokens, cached ones included.
    pub prompt_tokens: u64,
    /// Of them, cached.
    pub cached_tokens: u64,
    /// Completion tokens.
    pub completion_tokens: u64,
    /// Calls whose tokens were estimated, wholly or in part.
    pub estimated_calls: u64,
    /// Calls with a dispatch or completion that the source does not tell.
    pub untimed_calls: u64,
    /// Sum of the sessions' lengths.
    pub length_ns: u64,
    /// Earliest and latest date, if the source tells dates.
    pub dates_unix_ms: Option<(u64, u64)>,
    /// Secrets removed from texts.
    pub redacted: u64,
    /// Damaged records that were left out.
    pub damaged: Vec<String>,
    /// Sources that end too early.
    pub cut: Vec<String>,
    /// Records that are no calls of a language model, by kind.
    pub left_out: BTreeMap<String, u64>,
    /// What sessions and calls do not tell, and how many of them.
    pub missing: BTreeMap<String, u64>,
    /// Remarks on the whole import.
    pub notes: Vec<String>,
    /// What was found, against what the source totals.
    pub check: Check,
}

/// Takes the sessions of an import.
pub struct Out<'a> {
    options: &'a Options,
    sink: &'a mut dyn Write,
    counter: Counter,
    pub(super) report: Report,
    pub(super) endpoints: Vec<String>,
    /// There is more than one input.
    pub(super) has_several: bool,
    /// Names of sessions that were not asked for.
    pub(super) others: Vec<String>,
}

impl<'a> Out<'a> {
    pub(super) fn new(options: &'a Options, sink: &'a mut dyn Write) -> Self {
        Self {
            options,
            sink,
            counter: Counter::default(),
            report: Report::default(),
            endpoints: Vec::new(),
            has_several: false,
            others: Vec::new(),
        }
    }

    /// Which field of a plain log means what.
    pub(super) fn mapping(&self) -> &Mapping {
        &self.options.mapping
    }

    /// Whether another session would be written.
    pub fn wants_more(&self) -> bool {
        self.options.limit.is_none_or(|limit| self.report.sessions < limit)
            && !(self.options.session.is_some() && self.report.sessions > 0)
    }

    /// A damaged record: the end, unless damaged records are to be left out.
    ///
    /// # Errors
    /// The fault itself.
    pub fn damaged(&mut self, place: Place, mut wrong: Wrong) -> Result<(), ImportError> {
        if !self.options.skip_damaged {
            // Of one file that cannot be read at all, nothing would be left.
            let is_member = place.path.to_string_lossy().contains('!');
            let is_part = place.line.is_some() || place.record.is_some() || !wrong.field.is_empty() || is_member;
            if (is_part || self.has_several) && !wrong.mend.contains("--skip-damaged") {
                wrong.mend.push_str(", or leave damaged records out with --skip-damaged");
            }
            return Err(wrong.at(place));
        }
        let error = wrong.at(place);
        self.report.damaged.push(error.to_string());
        Ok(())
    }

    /// Does something; a fault of a whole file is a damaged record.
    ///
    /// # Errors
    /// The fault, unless damaged records are to be left out.
    pub fn guard(&mut self, work: impl FnOnce(&mut Self) -> Result<(), ImportError>) -> Result<(), ImportError> {
        match work(self) {
            Err(ImportError::Fault { place, wrong }) => self.damaged(place, *wrong),
            done => done,
        }
    }

    /// The source ends too early; what stands before is kept.
    pub fn cut(&mut self, place: &Place, what: &str) {
        self.report.cut.push(format!("{place}: {what}; what stands before it is kept"));
    }

    /// A record is no call of a language model.
    pub fn left_out(&mut self, kind: &str) {
        *self.report.left_out.entry(kind.to_owned()).or_default() += 1;
    }

    /// A remark on the whole import.
    pub fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.report.notes.contains(&note) {
            self.report.notes.push(note);
        }
    }

    /// Writes a session; one without calls is no session.
    ///
    /// # Errors
    /// If the sink fails.
    pub fn session(&mut self, mut session: Session) -> Result<(), ImportError> {
        session.name = redact(&session.name).0.into_owned();
        for agent in &mut session.agents {
            self.clean(&mut agent.name);
        }
        if session.calls.is_empty() || !self.wants_more() {
            return Ok(());
        }
        if self.options.session.as_ref().is_some_and(|name| *name != session.name) {
            self.others.push(session.name);
            return Ok(());
        }
        if session.calls.iter().all(|call| session.agents[call.agent].is_lead) {
            // A lead whose workers are not recorded, or that has none, works itself.
            session.agents.iter_mut().for_each(|agent| agent.is_lead = false);
        }
        let has_history = session.calls.iter().any(|call| call.goes_on);
        if has_history {
            session.miss(layout::ADDED);
        }
        let mut past = vec![Past::new(has_history); session.conversations.len()];
        let prepared = |call: &mut Draft| self.prepare(call, &mut past[call.conversation]);
        let layouts: Vec<Vec<LayoutSpan>> = session.calls.iter_mut().map(prepared).collect();
        let times = timing::fill(&mut session);
        self.tally(&session, &times);
        let run = self.report.sessions;
        self.report.sessions += 1;
        for line in lines(run, session, &times, layouts) {
            self.write(&line)?;
        }
        Ok(())
    }

    fn write(&mut self, line: &Line) -> Result<(), ImportError> {
        if let Line::Call(call) = line
            && !self.endpoints.contains(&call.endpoint)
        {
            self.endpoints.push(call.endpoint.clone());
        }
        let mut text = serde_json::to_vec(line).expect("lines are plain data");
        text.push(b'\n');
        self.sink.write_all(&text).map_err(ImportError::Write)
    }

    /// Removes secrets, lays the prompt out, counts what is not told.
    fn prepare(&mut self, call: &mut Draft, past: &mut Past) -> Vec<LayoutSpan> {
        for message in &mut call.messages {
            self.clean(&mut message.content);
        }
        if let Some(text) = &mut call.text {
            self.clean(text);
        }
        if let Some(reason) = &mut call.finish_reason {
            // What a service said when it failed.
            self.clean(reason);
        }
        self.clean(&mut call.tools_text);
        self.clean(&mut call.reply_tools_text);
        let model = call.any_model().to_owned();
        let mut layout = past.layout(call, &mut self.counter, &model);
        let has_text = call.text.is_some() || !call.reply_tools_text.is_empty();
        if call.tokens.prompt.is_none() {
            call.tokens.prompt = Some(layout.iter().map(|s| u64::from(s.tokens)).sum());
            call.tokens.estimated = true;
            let how = if layout.is_empty() { "no text to count: 0" } else { tokens::method() };
            call.miss(&format!("usage.prompt_tokens: {how}"));
        }
        if call.tokens.completion.is_none() {
            let text = call.text.as_deref().unwrap_or("");
            let counted = self.counter.count(text, &model) + self.counter.count(&call.reply_tools_text, &model);
            call.tokens.completion = Some(u64::from(counted));
            if call.status == crate::record::transcript::Status::Ok {
                call.tokens.estimated = true;
                let how = if has_text { tokens::method() } else { "no text to count: 0" };
                call.miss(&format!("usage.completion_tokens: {how}"));
            }
        }
        let prompt = call.tokens.prompt.unwrap_or(0);
        if call.tokens.cached.saturating_add(call.tokens.cache_write) > prompt {
            call.tokens.cached = call.tokens.cached.min(prompt);
            call.tokens.cache_write = call.tokens.cache_write.min(prompt - call.tokens.cached);
            call.miss("usage.cached_tokens: the source tells more, read and written, than the prompt has; cut to it");
        }
        past.answered(call, &mut self.counter, &model);
        if layout.is_empty() {
            layout.push(layout::span(SpanRole::New, u32::try_from(prompt).unwrap_or(u32::MAX), None));
        }
        if self.options.no_text {
            call.messages.clear();
            call.text = None;
        }
        layout
    }

    fn clean(&mut self, text: &mut String) {
        let (clean, found) = redact(text);
        if found > 0 {
            *text = clean.into_owned();
            self.report.redacted += found;
        }
    }

    fn tally(&mut self, session: &Session, times: &[timing::Times]) {
        let report = &mut self.report;
        report.calls += session.calls.len() as u64;
        for call in &session.calls {
            report.prompt_tokens += call.tokens.prompt.unwrap_or(0);
            report.cached_tokens += call.tokens.cached;
            report.completion_tokens += call.tokens.completion.unwrap_or(0);
            report.estimated_calls += u64::from(call.tokens.estimated);
            report.untimed_calls += u64::from(call.missing.iter().any(|m| m.contains("_ns")));
            for missing in &call.missing {
                *report.missing.entry(format!("call: {missing}")).or_default() += 1;
            }
        }
        for missing in &session.missing {
            *report.missing.entry(format!("session: {missing}")).or_default() += 1;
        }
        let start = times.iter().map(|t| t.asked).min().unwrap_or(0);
        let end = times.iter().map(|t| t.end).max().unwrap_or(0);
        let length_ns = end.saturating_sub(start).max(0).unsigned_abs();
        report.length_ns = report.length_ns.saturating_add(length_ns);
        report.check.add(session, times);
        if session.is_dated {
            let ms = |ns: i64| u64::try_from(ns / 1_000_000).unwrap_or(0);
            let (first, last) = report.dates_unix_ms.unwrap_or((u64::MAX, 0));
            report.dates_unix_ms = Some((first.min(ms(start)), last.max(ms(end))));
        }
    }
}
