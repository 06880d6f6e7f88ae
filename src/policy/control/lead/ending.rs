//! How a lead comes to its end: asks for more subtasks, has the answer written, submits.
//!
//! Invariant: a task is finished once, whoever comes first: the answer or the deadline.

use super::{Flow, For, Job, Lead};
use crate::model::call::{Outcome, Submission};
use crate::model::ids::{AgentId, FindingId, LineId};
use crate::model::note::{Note, Phase};
use crate::policy::control::agenda::Agenda;
use crate::policy::protocol::Outbox;
use crate::policy::settings::LeadWork;

impl Lead {
    pub(super) fn nothing_left(&mut self, out: &mut Outbox) {
        let asks = match self.own.work {
            LeadWork::Lines { .. } => false,
            LeadWork::Subtasks { asking, .. } => self.more_asked < asking.rounds(),
        };
        if asks {
            self.more_asked += 1;
            self.enqueue(Job::More, out);
        } else {
            self.wrap_up(out);
        }
    }

    /// Nothing more is handed out; the answer is written, where one is.
    pub(super) fn wrap_up(&mut self, out: &mut Outbox) {
        self.ending = true;
        if let Flow::Rounds(rounds) = &mut self.flow {
            rounds.stop_clock(out);
        }
        if self.own.finalizes() {
            for i in 0..self.members.len() as u32 {
                out.note(Note::Phase(AgentId(i), Phase::IdleTail));
            }
            self.enqueue(Job::Finalize, out);
        } else {
            self.finish(None, out);
        }
    }

    /// The time is over: workers and leads are called off; the answer is written from what came back so far.
    pub(super) fn time_is_up(&mut self, out: &mut Outbox) {
        self.recall(0..self.members.len() as u32, out);
        let open = self.calls.take_all();
        if open.iter().any(|(_, what)| matches!(what, For::Job(_, Job::Finalize))) {
            for (call, what) in open {
                self.calls.insert(call, what);
            }
            return;
        }
        self.late = true;
        self.desk.clear();
        for (call, what) in open {
            out.cancel(call);
            self.withdraw(&what, out);
            if let For::Job(lead, _) | For::Compact(lead, _) = what {
                self.desk.is_free(lead);
            }
        }
        let reports = match &mut self.flow {
            Flow::Rounds(rounds) => rounds.take_reports(),
            Flow::Served(_) => Vec::new(),
        };
        for told in &reports {
            self.keep(told, out);
        }
        self.wrap_up(out);
    }

    pub(super) fn finish(&mut self, answer: Option<(AgentId, FindingId)>, out: &mut Outbox) {
        if self.over {
            return;
        }
        self.over = true;
        if let Some(timer) = self.deadline.take() {
            out.cancel_timer(timer);
        }
        // Nobody is left to read what is still before a judge.
        for (call, what) in self.calls.take_all() {
            out.cancel(call);
            self.withdraw(&what, out);
        }
        let submissions = match &self.agenda {
            Agenda::Lines(lines) => {
                let lines = (0..).zip(lines.all());
                lines
                    .map(|(i, line)| {
                        if line.patch.is_none() {
                            out.note(Note::Submitted(AgentId(i), LineId(i), None));
                        }
                        Submission { agent: AgentId(i), line: LineId(i), finding: line.patch.map(|p| p.id) }
                    })
                    .collect()
            }
            Agenda::Subtasks { .. } => {
                let agent = answer.map_or(AgentId(self.members.len() as u32), |(lead, _)| lead);
                let finding = answer.map(|(_, id)| id);
                out.note(Note::Submitted(agent, LineId(0), finding));
                // Without a final answer there is nothing to grade.
                let submission = Submission { agent, line: LineId(0), finding };
                if self.own.finalizes() { vec![submission] } else { Vec::new() }
            }
        };
        out.finish(Outcome::of(submissions));
    }
}
