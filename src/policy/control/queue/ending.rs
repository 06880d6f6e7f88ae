//! What happens when the queue runs dry: one agent takes the lock and asks for more, or writes the answer.
//!
//! Invariant: at most one agent holds the lock; the answer is written once, after everything that was admitted.

use super::{For, Queue};
use crate::model::call::{Content, Outcome, PromptSpan, Purpose, Request, SpanRole, Submission, SubtaskList};
use crate::model::ids::{About, AgentId, FindingId, LineId, SubtaskId};
use crate::model::note::{Note, Phase};
use crate::policy::prompt;
use crate::policy::protocol::Outbox;
use crate::policy::settings::{DryPolicy, Finish};

/// What a call is about that belongs to no subtask.
const WHOLE_TASK: About = About { line: LineId(0), subtask: SubtaskId::WHOLE_TASK, attempt: 0, step: 0 };

impl Queue {
    /// Nothing is eligible: the most recent finisher takes the lock and asks for more, or ends the task.
    pub(super) fn check_dry(&mut self, finisher: AgentId, out: &mut Outbox) {
        let quiet = self.tasks.claimed() == 0 && self.pending == 0;
        let dry = self.tasks.ready() == 0
            && !self.locked
            && !self.finishing
            && (quiet || (self.own.dry_policy == Some(DryPolicy::Immediate) && self.is_idle(finisher)));
        if !dry {
            return;
        }
        let asks = self.more_asked < self.own.asking.rounds();
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
        self.members.get(agent.index()).is_some_and(|member| member.idle)
    }

    /// The finisher, or the lead if there is one, leaves the idle line; the others wait for the lock.
    fn take_lock(&mut self, finisher: AgentId, out: &mut Outbox) -> AgentId {
        let agent = if self.own.finish == Finish::Lead { self.lead() } else { finisher };
        if self.is_idle(agent) {
            self.members[agent.index()].idle = false;
            self.idle.retain(|&i| i != agent.0);
        }
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
            self.more_asked = self.own.asking.rounds();
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
        if !self.own.finalize {
            self.submit(agent, None, out);
            return;
        }
        let readable = self.readable(agent);
        if self.own.unfold && readable.tokens > 0 {
            // Whoever answers looks up what the gists lost, as every agent does before it works.
            let prompt = prompt::board_first(Purpose::Unfold, &self.s, Some(readable), &[]);
            let call = out.call(Request::new(agent, Purpose::Unfold, WHOLE_TASK, prompt));
            self.calls.insert(call, For::LookUp(agent));
            return;
        }
        self.write_answer(agent, 0, out);
    }

    pub(super) fn write_answer(&mut self, agent: AgentId, unfolded_tokens: u32, out: &mut Outbox) {
        let readable = self.readable(agent);
        let content = Content::Unfolded(WHOLE_TASK.subtask);
        let unfolded = [PromptSpan { content, role: SpanRole::Board, tokens: unfolded_tokens }];
        let unfolded = if unfolded_tokens > 0 { &unfolded[..] } else { &[] };
        let prompt = prompt::board_first(Purpose::Finalize, &self.s, Some(readable), unfolded);
        let call = out.call(Request::new(agent, Purpose::Finalize, About::default(), prompt));
        self.calls.insert(call, For::Finalize(agent));
    }

    /// The time is over: what is in flight is called off, what is readable becomes the answer.
    pub(super) fn time_is_up(&mut self, out: &mut Outbox) {
        self.deadline = None;
        let open = self.calls.take_all();
        if self.finishing && open.iter().any(|(_, what)| matches!(what, For::Finalize(_))) {
            for (call, what) in open {
                self.calls.insert(call, what);
            }
            return;
        }
        self.finishing = true;
        for (call, what) in open {
            out.cancel(call);
            if let For::Admission(admission) = what
                && let Some(gist) = admission.gist
            {
                out.note(Note::Withdrawn(admission.author, gist.id));
            }
        }
        for (timer, admission, gist) in std::mem::take(&mut self.appends) {
            if let Some(timer) = timer {
                out.cancel_timer(timer);
            }
            out.note(Note::Withdrawn(admission.author, gist.id));
        }
        self.idle = (0..self.members.len() as u32).collect();
        self.members.iter_mut().for_each(|member| member.idle = true);
        let agent = self.take_lock(AgentId(0), out);
        for i in std::mem::take(&mut self.idle) {
            self.members[i as usize].worker.stop();
            out.note(Note::Phase(AgentId(i), Phase::IdleTail));
        }
        if self.own.finalize { self.write_answer(agent, 0, out) } else { self.submit(agent, None, out) }
    }

    pub(super) fn submit(&mut self, agent: AgentId, answer: Option<FindingId>, out: &mut Outbox) {
        if let Some(timer) = self.deadline.take() {
            out.cancel_timer(timer);
        }
        out.note(Note::Submitted(agent, LineId(0), answer));
        out.note(Note::Phase(agent, Phase::IdleTail));
        let submission = Submission { agent, line: LineId(0), finding: answer };
        // Without a final answer there is nothing to grade.
        out.finish(Outcome::of(if self.own.finalize { vec![submission] } else { Vec::new() }));
    }
}
