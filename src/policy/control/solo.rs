//! No control, on `divide`: N agents that each do every subtask themselves, one after another in one growing context,
//! and each write an answer. With N = 1 this is `single`.
//!
//! ```text
//! Planning -> Working on subtask 0, 1, ... -> Finalizing -> Submitted
//!    +-------------+--------- deadline ---------^
//! ```
//!
//! Invariant: no agent's commands depend on another's replies.

use super::Form;
use crate::model::call::{
    Answer, CallError, Content, Outcome, PromptSpan, Purpose, Reply, Request, SpanRole, Submission, SubtaskList,
};
use crate::model::ids::{About, AgentId, LineId, StoreId, SubtaskId, TimerId};
use crate::model::note::{Note, Phase};
use crate::policy::board::{Notebook, private};
use crate::policy::calls::InFlight;
use crate::policy::prompt;
use crate::policy::protocol::Outbox;
use crate::policy::settings::{self, Settings};
use crate::policy::worker::{Next, Worker};
use std::sync::Arc;

#[derive(Debug)]
struct Soloist {
    worker: Worker,
    notebook: Notebook,
    stores: u32,
    next: u32,
    subtasks: Arc<SubtaskList>,
    answer: Option<crate::model::ids::FindingId>,
    /// The answer is being written, or was handed in.
    ending: bool,
}

/// Independent agents.
#[derive(Debug)]
pub(crate) struct Solo {
    s: Arc<Settings>,
    finalizes: bool,
    agents: Vec<Soloist>,
    /// Calls by agent; whether it is the agent's worker that called.
    calls: InFlight<(u32, bool)>,
    open: usize,
    deadline: Option<TimerId>,
}

impl Solo {
    pub(crate) fn new(s: Arc<Settings>, own: &settings::Solo, n: u32) -> Self {
        let soloist = |i| Soloist {
            worker: Worker::new(AgentId(i)),
            notebook: Notebook::new(private(AgentId(i))),
            stores: 0,
            next: 0,
            subtasks: Arc::default(),
            answer: None,
            ending: false,
        };
        Self {
            s,
            finalizes: own.finalize,
            agents: (0..n).map(soloist).collect(),
            calls: InFlight::default(),
            open: n as usize,
            deadline: None,
        }
    }

    fn about(i: u32, subtask: u32) -> About {
        About { line: LineId(i), subtask: SubtaskId(subtask), attempt: 0, step: 0 }
    }

    /// Whoever does not write an answer yet stops and writes one from what it has.
    fn time_is_up(&mut self, out: &mut Outbox) {
        self.deadline = None;
        for (call, (i, own)) in self.calls.take_all() {
            if self.agents[i as usize].ending {
                self.calls.insert(call, (i, own));
                continue;
            }
            self.agents[i as usize].worker.stop();
            out.cancel(call);
            self.finalize(i, out);
        }
    }

    fn next_subtask(&mut self, i: u32, out: &mut Outbox) {
        let agent = &mut self.agents[i as usize];
        let subtask = agent.next;
        if subtask >= agent.subtasks.count {
            self.finalize(i, out);
            return;
        }
        agent.next += 1;
        let opening = self.s.delegation_tokens + agent.subtasks.source_tokens[subtask as usize];
        agent.worker.begin(Self::about(i, subtask), &[agent.notebook.known()], subtask == 0, opening, &self.s);
        self.step(i, out);
    }

    fn step(&mut self, i: u32, out: &mut Outbox) {
        let call = self.agents[i as usize].worker.step(None, &self.s, out);
        self.calls.insert(call, (i, true));
    }

    fn finalize(&mut self, i: u32, out: &mut Outbox) {
        self.agents[i as usize].ending = true;
        if !self.finalizes {
            self.submit(i, out);
            return;
        }
        let agent = &self.agents[i as usize];
        let mut prompt = agent.worker.prompt(Purpose::Finalize, None, &self.s);
        prompt.retain(|span: &mut PromptSpan| !matches!(span.content, Content::View { .. }));
        prompt.insert(2, PromptSpan { role: SpanRole::History, ..agent.notebook.known() });
        let call = out.call(Request::new(AgentId(i), Purpose::Finalize, Self::about(i, 0), prompt));
        self.calls.insert(call, (i, false));
    }

    fn submit(&mut self, i: u32, out: &mut Outbox) {
        out.note(Note::Submitted(AgentId(i), LineId(i), self.agents[i as usize].answer));
        out.note(Note::Phase(AgentId(i), Phase::IdleTail));
        self.open -= 1;
        if self.open == 0 {
            if let Some(timer) = self.deadline.take() {
                out.cancel_timer(timer);
            }
            let submission = |(i, a): (usize, &Soloist)| Submission {
                agent: AgentId(i as u32),
                line: LineId(i as u32),
                finding: a.answer,
            };
            // Without a final answer there is nothing to grade.
            let graded = if self.finalizes { self.agents.as_slice() } else { &[] };
            out.finish(Outcome::of(graded.iter().enumerate().map(submission).collect()));
        }
    }

    fn go_on(&mut self, i: u32, next: Next, out: &mut Outbox) {
        match next {
            Next::Step => self.step(i, out),
            Next::Tool => {
                let call = self.agents[i as usize].worker.tool(out);
                self.calls.insert(call, (i, true));
            }
            Next::Compacted { digest, whole } => {
                if whole {
                    let n = self.agents.len() as u32;
                    let agent = &mut self.agents[i as usize];
                    agent.stores += 1;
                    agent.notebook.replace(StoreId(1 + n * agent.stores + i), &digest, out);
                }
                self.step(i, out);
            }
            Next::Done(result) => {
                if let Some(result) = result {
                    self.agents[i as usize].notebook.keep(&result, out);
                }
                self.next_subtask(i, out);
            }
        }
    }
}

impl Form for Solo {
    type For = (u32, bool);

    fn calls(&mut self) -> &mut InFlight<(u32, bool)> {
        &mut self.calls
    }

    fn start(&mut self, out: &mut Outbox) {
        self.deadline = out.set_deadline(self.s.deadline_s);
        for i in 0..self.agents.len() as u32 {
            out.note(Note::Phase(AgentId(i), Phase::StartUp));
            let prompt = prompt::opening(Purpose::Plan, &self.s, &[]);
            let call = out.call(Request::new(AgentId(i), Purpose::Plan, Self::about(i, 0), prompt));
            self.calls.insert(call, (i, false));
        }
    }

    fn replied(&mut self, (i, own): (u32, bool), reply: &Reply, out: &mut Outbox) {
        match &reply.answer {
            Answer::Subtasks(list) => {
                self.agents[i as usize].subtasks = list.clone();
                self.next_subtask(i, out);
            }
            Answer::Final(answer) => {
                self.agents[i as usize].answer = Some(answer.id);
                self.submit(i, out);
            }
            _ => {
                debug_assert!(own, "only workers get other answers");
                let (_, next) = self.agents[i as usize].worker.on_reply(reply, &self.s, out);
                self.go_on(i, next, out);
            }
        }
    }

    /// A failed step is a lost step; without a plan or an answer an agent has nothing to hand in.
    fn failed(&mut self, (i, own): (u32, bool), error: CallError, out: &mut Outbox) {
        if own {
            let next = self.agents[i as usize].worker.on_failure(error, out);
            self.go_on(i, next, out);
        } else {
            self.submit(i, out);
        }
    }

    fn timer(&mut self, timer: TimerId, out: &mut Outbox) {
        if self.deadline == Some(timer) {
            self.time_is_up(out);
        }
    }
}
