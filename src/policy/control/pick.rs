//! One submission out of several: the first, the one that most agree on, or the first that passes a judge.
//!
//! ```text
//! first:  a line submits -> the others are stopped -> that one is handed in
//! vote:   all have submitted -> handed in together, counted by what they say
//! judge:  all have submitted -> Verify each -> the first that passes is handed in, or the first of all
//! ```
//!
//! Invariant: the form inside does what it would do without a picker, until it is stopped.

use super::nested::Switchboard;
use crate::kernel::Time;
use crate::model::call::{Answer, Choice, Content, Outcome, PromptSpan, Purpose, Request, SpanRole, Submission};
use crate::model::ids::{About, AgentId, CallId, FindingId, SubtaskId};
use crate::model::note::Note;
use crate::policy::prompt;
use crate::policy::protocol::{Command, Event, Outbox, Policy};
use crate::policy::settings::{Pick, Settings};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A form, and what becomes of its submissions.
pub(crate) struct Picker {
    s: Arc<Settings>,
    pick: Pick,
    form: Box<dyn Policy>,
    own: Outbox,
    switchboard: Switchboard,
    /// Findings that wait for a verdict inside, with their authors.
    proposed: BTreeMap<FindingId, AgentId>,
    /// What was submitted, in the order of lines, once the form has ended.
    submissions: Vec<Submission>,
    /// Judges at work, by the submission that each reads.
    judges: BTreeMap<CallId, usize>,
    passed: Vec<usize>,
    over: bool,
}

impl Picker {
    pub(crate) fn new(s: Arc<Settings>, pick: Pick, form: Box<dyn Policy>) -> Self {
        Self {
            s,
            pick,
            form,
            own: Outbox::default(),
            switchboard: Switchboard::default(),
            proposed: BTreeMap::new(),
            submissions: Vec::new(),
            judges: BTreeMap::new(),
            passed: Vec::new(),
            over: false,
        }
    }

    fn tell(&mut self, now: Time, event: &Event, out: &mut Outbox) {
        self.form.handle(now, event, &mut self.own);
        let (mut first, mut end) = (None, None);
        let mut own = std::mem::take(&mut self.own);
        for command in own.drain() {
            if let Command::Note(note) = &command {
                self.watch(note);
                if let Note::Submitted(agent, line, finding @ Some(_)) = *note {
                    first.get_or_insert(Submission { agent, line, finding });
                }
            }
            end = self.switchboard.outwards(0, command, out).or(end);
        }
        self.own = own;
        match (self.pick, first, end) {
            (Pick::First {}, Some(first), _) => {
                self.switchboard.stop(out);
                for (finding, agent) in std::mem::take(&mut self.proposed) {
                    out.note(Note::Withdrawn(agent, finding));
                }
                self.hand_in(Some(first), out);
            }
            (Pick::First {}, None, Some(end)) => self.hand_in(end.submissions.first().copied(), out),
            (Pick::Vote {}, _, Some(end)) => {
                self.over = true;
                out.finish(Outcome { choice: Choice::Vote, ..end });
            }
            (Pick::Judge { candidate_tokens }, _, Some(end)) => self.judge(end.submissions, candidate_tokens, out),
            (_, _, None) => {}
        }
    }

    /// What stands before a gate must be taken back if its author is stopped.
    fn watch(&mut self, note: &Note) {
        match *note {
            Note::Proposed(agent, finding) => {
                self.proposed.insert(finding, agent);
            }
            Note::Admitted { finding, .. } | Note::Rejected(_, finding) | Note::Withdrawn(_, finding) => {
                self.proposed.remove(&finding);
            }
            _ => {}
        }
    }

    fn judge(&mut self, submissions: Vec<Submission>, candidate_tokens: u32, out: &mut Outbox) {
        self.submissions = submissions;
        let candidates = (0..).zip(&self.submissions).filter_map(|(k, s)| Some((k, s.agent, s.line, s.finding?)));
        let candidates: Vec<_> = candidates.collect();
        if candidates.len() > 1 {
            for (k, agent, line, finding) in candidates {
                let about = About { line, subtask: SubtaskId::WHOLE_TASK, ..About::default() };
                let span =
                    PromptSpan { content: Content::Finding(finding), role: SpanRole::New, tokens: candidate_tokens };
                let prompt = prompt::opening(Purpose::Verify, &self.s, &[span]);
                let request = Request { subject: Some(finding), ..Request::new(agent, Purpose::Verify, about, prompt) };
                self.judges.insert(out.call(request), k);
            }
        } else {
            self.decide(out);
        }
    }

    /// The first that passed; where none did, the first that there is.
    fn decide(&mut self, out: &mut Outbox) {
        let passed = self.passed.iter().min().map(|k| self.submissions[*k]);
        let any = || self.submissions.iter().find(|s| s.finding.is_some()).or(self.submissions.first()).copied();
        let picked = passed.or_else(any);
        self.hand_in(picked, out);
    }

    fn hand_in(&mut self, picked: Option<Submission>, out: &mut Outbox) {
        self.over = true;
        out.finish(Outcome::of(picked.into_iter().collect()));
    }
}

impl Policy for Picker {
    fn handle(&mut self, now: Time, event: &Event, out: &mut Outbox) {
        if self.over {
            return;
        }
        let judged = match event {
            Event::Started => return self.tell(now, event, out),
            Event::Replied(call, reply) => {
                self.judges.remove(call).map(|k| (k, reply.answer == Answer::Verdict { accepted: true }))
            }
            // Who cannot be judged has not passed.
            Event::Failed(call, _) => self.judges.remove(call).map(|k| (k, false)),
            Event::TimerFired(_) => None,
        };
        if let Some((k, accepted)) = judged {
            self.passed.extend(accepted.then_some(k));
            if self.judges.is_empty() {
                self.decide(out);
            }
        } else if let Some((_, event)) = self.switchboard.inwards(event) {
            self.tell(now, &event, out);
        }
    }
}
