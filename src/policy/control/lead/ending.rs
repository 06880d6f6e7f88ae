//! How a lead comes to its end: asks for more subtasks, has the answer written, submits.
//!
//! Invariant: a task is finished once, whoever comes first: the answer or the deadline.

use super::{For, Job, Lead};
use crate::model::call::{Outcome, Submission};
use crate::model::ids::{AgentId, FindingId, LineId};
use crate::model::note::{Note, Phase};
use crate::policy::control::agenda::{Agenda, Line};
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

    pub(super) fn wrap_up(&mut self, out: &mut Outbox) {
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
        self.recall(out);
        let open = self.calls.take_all();
        if open.iter().any(|(_, what)| matches!(what, For::Job(_, Job::Finalize))) {
            for (call, what) in open {
                self.calls.insert(call, what);
            }
            return;
        }
        self.jobs.clear();
        for (call, what) in open {
            out.cancel(call);
            if let For::Job(lead, _) | For::Compact(lead, _) = what {
                self.idle_leads.push_back(lead);
            }
        }
        for report in std::mem::take(&mut self.reports) {
            self.notebook.keep(&report, out);
        }
        self.wrap_up(out);
    }

    pub(super) fn finish(&mut self, answer: Option<(AgentId, FindingId)>, out: &mut Outbox) {
        if self.over {
            return;
        }
        self.over = true;
        for timer in self.deadline.take().into_iter().chain(self.cutoff.take()) {
            out.cancel_timer(timer);
        }
        let submissions = match &self.agenda {
            Agenda::Lines(lines) => {
                for (i, line) in lines.iter().enumerate().filter(|(_, l)| l.patch.is_none()) {
                    let id = i as u32;
                    out.note(Note::Submitted(AgentId(id), LineId(id), line.patch.map(|p| p.id)));
                }
                let submission = |(i, l): (usize, &Line)| Submission {
                    agent: AgentId(i as u32),
                    line: LineId(i as u32),
                    finding: l.patch.map(|p| p.id),
                };
                lines.iter().enumerate().map(submission).collect()
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
        out.finish(Outcome { submissions });
    }
}
