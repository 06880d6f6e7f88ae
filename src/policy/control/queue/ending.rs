//! What happens when the queue runs dry: one agent takes the lock and asks for more, or writes the answer.
//!
//! Invariant: at most one agent holds the lock; the answer is written once, after everything that was admitted.

use super::{For, Queue};
use crate::model::call::{Outcome, Purpose, Request, Submission, SubtaskList};
use crate::model::ids::{About, AgentId, FindingId, LineId};
use crate::model::note::{Note, Phase};
use crate::policy::prompt;
use crate::policy::protocol::Outbox;
use crate::policy::settings::{DryPolicy, Finish};

impl Queue {
    /// Nothing is eligible: the most recent finisher takes the lock and asks for more, or ends the task.
    pub(super) fn check_dry(&mut self, finisher: AgentId, out: &mut Outbox) {
        let quiet = self.tasks.claimed() == 0 && self.pending == 0;
        let dry = self.tasks.ready() == 0
            && !self.locked
            && !self.finishing
            && (quiet || (self.s.dry_policy == DryPolicy::Immediate && self.is_idle(finisher)));
        if !dry {
            return;
        }
        let asks = self.s.ask_more && self.more_asked < self.s.more_rounds;
        if asks {
            self.more_asked += 1;
            self.locked = true;
            let agent = self.take_lock(finisher, out);
            let readable = self.readable(agent);
            let prompt = prompt::board_first(Purpose::MoreSubtasks, &self.s, Some(readable), &[]);
            let about = About { attempt: self.more_asked as u16, ..About::default() };
            let call = out.call(Request::new(agent, Purpose::MoreSubtasks, about, prompt));
            self.calls.insert(call, For::More(agent));
        } else if quiet {
            self.finalize(finisher, out);
        }
    }

    fn is_idle(&self, agent: AgentId) -> bool {
        self.idle.contains(&agent.0)
    }

    /// The finisher, or the lead if there is one, leaves the idle line; the others wait for the lock.
    fn take_lock(&mut self, finisher: AgentId, out: &mut Outbox) -> AgentId {
        let agent = if self.s.finish == Finish::Lead { self.lead() } else { finisher };
        self.idle.retain(|&i| i != agent.0);
        for &i in &self.idle {
            out.note(Note::Phase(AgentId(i), Phase::LockWait));
        }
        agent
    }

    pub(super) fn unlock(&mut self, agent: AgentId, list: &SubtaskList, out: &mut Outbox) {
        self.locked = false;
        for &i in &self.idle {
            out.note(Note::Phase(AgentId(i), Phase::InputWait));
        }
        let done = list.count == 0;
        if done {
            self.more_asked = self.s.more_rounds;
        }
        self.extend(list, out);
        if agent.index() < self.members.len() {
            self.free(agent.0, out);
        } else {
            out.note(Note::Phase(agent, Phase::InputWait));
            self.check_dry(agent, out);
        }
    }

    fn finalize(&mut self, finisher: AgentId, out: &mut Outbox) {
        self.finishing = true;
        let agent = self.take_lock(finisher, out);
        for i in std::mem::take(&mut self.idle) {
            out.note(Note::Phase(AgentId(i), Phase::IdleTail));
        }
        if !self.s.finalize {
            self.submit(agent, None, out);
            return;
        }
        let readable = self.readable(agent);
        let prompt = prompt::board_first(Purpose::Finalize, &self.s, Some(readable), &[]);
        let call = out.call(Request::new(agent, Purpose::Finalize, About::default(), prompt));
        self.calls.insert(call, For::Finalize(agent));
    }

    pub(super) fn submit(&mut self, agent: AgentId, answer: Option<FindingId>, out: &mut Outbox) {
        out.note(Note::Submitted(agent, LineId(0), answer));
        out.note(Note::Phase(agent, Phase::IdleTail));
        let submission = Submission { agent, line: LineId(0), finding: answer };
        // Without a final answer there is nothing to grade.
        out.finish(Outcome { submissions: if self.s.finalize { vec![submission] } else { Vec::new() } });
    }
}
