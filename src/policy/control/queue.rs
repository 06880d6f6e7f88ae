//! Queue control, on `divide`: plain code hands out subtasks whose dependencies are settled; workers claim without a
//! lead. With a shared store, results pass the gate and become readable (`delm-queue`); without one they wait for a
//! single reading call (`map-reduce`).
//!
//! ```text
//! worker:  StartUp -> [Unfolding ->] Working -> (own admission) -> claims again, or InputWait
//! task:    Planning -> running -> dry: the last finisher asks for more -> ... [-> Unfolding] -> Finalizing -> over
//!             +----------+--------------- deadline -----------------------------------^
//! ```
//!
//! Invariant: a claimed subtask has one owner; a dependant starts after its prerequisites' entries are readable; at
//! most one agent holds the queue lock.

mod admitting;
mod ending;

use super::Form;
use crate::model::call::{
    Answer, CallError, Content, Finding, PromptSpan, Purpose, Reply, Request, SpanRole, SubtaskList,
};
use crate::model::ids::{About, AgentId, LineId, SubtaskId, TimerId};
use crate::model::note::{Note, Phase};
use crate::model::queue::TaskQueue;
use crate::policy::board::{Board, Notebook, private};
use crate::policy::calls::InFlight;
use crate::policy::gate::Admission;
use crate::policy::prompt;
use crate::policy::protocol::Outbox;
use crate::policy::settings::{self, Finish, QueueStore, Settings, SharedGists};
use crate::policy::worker::{Next, Worker};
use std::collections::VecDeque;
use std::sync::Arc;

/// What a call is for.
#[derive(Debug)]
pub(crate) enum For {
    Plan,
    Unfold(u32),
    Work(u32),
    Admission(Box<Admission>),
    More(AgentId),
    /// Looks lost details up before the answer is written.
    LookUp(AgentId),
    Finalize(AgentId),
}

#[derive(Debug)]
struct Member {
    worker: Worker,
    snapshot: Option<PromptSpan>,
    subtask: SubtaskId,
    attempt: u16,
    /// Stands in the idle line.
    idle: bool,
}

/// A team around a queue.
#[derive(Debug)]
pub(crate) struct Queue {
    s: Arc<Settings>,
    own: settings::Queue,
    members: Vec<Member>,
    tasks: TaskQueue,
    source_tokens: Vec<u32>,
    board: Board,
    /// Results that no gate sees.
    results: Notebook,
    calls: InFlight<For>,
    idle: VecDeque<u32>,
    pending: usize,
    more_asked: u32,
    locked: bool,
    /// Writes to the board that wait for their append time.
    appends: VecDeque<(Option<TimerId>, Admission, Finding)>,
    finishing: bool,
    deadline: Option<TimerId>,
}

impl Queue {
    pub(crate) fn new(s: Arc<Settings>, own: &settings::Queue, n: u32) -> Self {
        let member = |i| Member {
            worker: Worker::new(AgentId(i)),
            snapshot: None,
            subtask: SubtaskId(0),
            attempt: 0,
            idle: false,
        };
        Self {
            members: (0..n).map(member).collect(),
            tasks: TaskQueue::default(),
            source_tokens: Vec::new(),
            board: Board::new(n + 1),
            results: Notebook::new(private(AgentId(n))),
            calls: InFlight::default(),
            idle: VecDeque::new(),
            pending: 0,
            more_asked: 0,
            locked: false,
            appends: VecDeque::new(),
            finishing: false,
            deadline: None,
            own: own.clone(),
            s,
        }
    }

    /// The board's settings, where there is a board.
    fn shared(&self) -> Option<SharedGists> {
        match self.own.store {
            QueueStore::None {} => None,
            QueueStore::Shared(gists) => Some(gists),
        }
    }

    /// Who plans and, under a lead's finish, writes the answer.
    fn lead(&self) -> AgentId {
        let n = self.members.len() as u32;
        AgentId(if self.own.finish == Finish::Lead { n } else { 0 })
    }

    /// The board as a prompt part for `reader`, or the kept results.
    fn readable(&mut self, reader: AgentId) -> PromptSpan {
        match self.shared().map(|gists| gists.board_window_tokens) {
            Some(window) => self.board.read(reader, window),
            None => self.results.text(),
        }
    }

    fn extend(&mut self, list: &SubtaskList, out: &mut Outbox) {
        out.note(Note::Created { first: list.first, count: list.count });
        self.tasks.extend(list);
        self.source_tokens.extend_from_slice(&list.source_tokens);
        self.hand_out(out);
    }

    /// Gives ready subtasks to idle agents, those idle for longest first.
    fn hand_out(&mut self, out: &mut Outbox) {
        while self.tasks.ready() > 0 && !self.finishing {
            let Some(i) = self.idle.pop_front() else {
                return;
            };
            self.members[i as usize].idle = false;
            self.claim(i, out);
        }
    }

    fn claim(&mut self, i: u32, out: &mut Outbox) {
        let (subtask, tried) = self.tasks.claim().expect("the caller saw a ready subtask");
        let agent = AgentId(i);
        out.note(Note::Claimed(agent, subtask));
        let snapshot = self.shared().map(|gists| self.board.read(agent, gists.board_window_tokens));
        let member = &mut self.members[i as usize];
        (member.subtask, member.attempt, member.snapshot) = (subtask, tried, snapshot);
        let readable = snapshot.is_some_and(|span| span.tokens > 0);
        if self.own.unfold && readable {
            let about = About { line: LineId(0), subtask, attempt: member.attempt, step: 0 };
            let prompt = prompt::board_first(Purpose::Unfold, &self.s, snapshot, &[]);
            let call = out.call(Request::new(agent, Purpose::Unfold, about, prompt));
            self.calls.insert(call, For::Unfold(i));
        } else {
            self.begin(i, 0, out);
        }
    }

    fn begin(&mut self, i: u32, unfolded_tokens: u32, out: &mut Outbox) {
        let member = &mut self.members[i as usize];
        let subtask = member.subtask;
        let about = About { line: LineId(0), subtask, attempt: member.attempt, step: 0 };
        let source = PromptSpan {
            content: Content::Source(subtask),
            role: SpanRole::Task,
            tokens: self.source_tokens[subtask.index()],
        };
        let unfolded =
            PromptSpan { content: Content::Unfolded(subtask), role: SpanRole::Board, tokens: unfolded_tokens };
        let fixed = [source, unfolded];
        let fixed = if unfolded_tokens > 0 { &fixed[..] } else { &fixed[..1] };
        member.worker.begin(about, fixed, true, self.s.delegation_tokens, &self.s);
        member.worker.ask_report(self.own.report_tokens);
        self.step(i, out);
    }

    fn step(&mut self, i: u32, out: &mut Outbox) {
        let member = &mut self.members[i as usize];
        let call = member.worker.step(member.snapshot, &self.s, out);
        self.calls.insert(call, For::Work(i));
    }

    fn go_on(&mut self, i: u32, next: Next, out: &mut Outbox) {
        match next {
            Next::Step | Next::Compacted { .. } => self.step(i, out),
            Next::Tool => {
                let call = self.members[i as usize].worker.tool(out);
                self.calls.insert(call, For::Work(i));
            }
            Next::Done(Some(result)) => self.finished(i, result, out),
            Next::Done(None) => {
                let subtask = self.members[i as usize].subtask;
                self.give_up(AgentId(i), subtask, out);
                self.free(i, out);
            }
        }
    }

    /// Back to the queue, or abandoned after enough tries.
    fn give_up(&mut self, agent: AgentId, subtask: SubtaskId, out: &mut Outbox) {
        if self.tasks.tries(subtask) <= self.own.requeues {
            self.tasks.requeue(subtask);
            out.note(Note::Released(agent, subtask));
            self.hand_out(out);
        } else {
            self.settle(subtask, false, out);
        }
    }

    fn settle(&mut self, subtask: SubtaskId, done: bool, out: &mut Outbox) {
        self.tasks.settle(subtask, done);
        out.note(if done { Note::Done(subtask) } else { Note::Abandoned(subtask) });
        self.hand_out(out);
    }

    /// An agent joins the idle line.
    fn rest(&mut self, i: u32) {
        self.members[i as usize].idle = true;
        self.idle.push_back(i);
    }

    /// An agent has nothing in hand.
    fn free(&mut self, i: u32, out: &mut Outbox) {
        if self.tasks.ready() > 0 {
            self.claim(i, out);
            return;
        }
        out.note(Note::Phase(AgentId(i), Phase::InputWait));
        self.rest(i);
        self.check_dry(AgentId(i), out);
    }

    /// After planning, agents that got nothing wait for input.
    fn waiting_for_input(&mut self, out: &mut Outbox) {
        for &i in &self.idle {
            out.note(Note::Phase(AgentId(i), Phase::InputWait));
        }
        if let Some(&i) = self.idle.front() {
            self.check_dry(AgentId(i), out);
        }
    }
}

impl Form for Queue {
    type For = For;

    fn calls(&mut self) -> &mut InFlight<For> {
        &mut self.calls
    }

    fn start(&mut self, out: &mut Outbox) {
        self.deadline = out.set_deadline(self.s.deadline_s);
        for i in 0..self.members.len() as u32 {
            out.note(Note::Phase(AgentId(i), Phase::StartUp));
            self.rest(i);
        }
        let lead = self.lead();
        let call =
            out.call(Request::new(lead, Purpose::Plan, About::default(), prompt::opening(Purpose::Plan, &self.s, &[])));
        self.calls.insert(call, For::Plan);
    }

    fn replied(&mut self, what: For, reply: &Reply, out: &mut Outbox) {
        match (what, &reply.answer) {
            (For::Plan, Answer::Subtasks(list)) => {
                if self.lead().index() >= self.members.len() {
                    out.note(Note::Phase(self.lead(), Phase::InputWait));
                }
                self.extend(list, out);
                self.waiting_for_input(out);
            }
            (For::Unfold(i), Answer::Unfolded { tokens }) => self.begin(i, *tokens, out),
            (For::Work(i), _) => {
                let (_, next) = self.members[i as usize].worker.on_reply(reply, &self.s, out);
                self.go_on(i, next, out);
            }
            (For::Admission(mut admission), answer) => {
                let standing = admission.on_reply(answer, &self.s, out);
                self.goes_on(admission, standing, out);
            }
            (For::More(agent), Answer::Subtasks(list)) => self.unlock(agent, list, out),
            (For::LookUp(agent), Answer::Unfolded { tokens }) => self.write_answer(agent, *tokens, out),
            (For::Finalize(agent), Answer::Final(answer)) => self.submit(agent, Some(answer.id), out),
            (what, answer) => unreachable!("{what:?} was answered with {answer:?}"),
        }
    }

    /// A call failed for good: a lost step, a subtask that goes back, a rejected gist, no more subtasks, no answer.
    fn failed(&mut self, what: For, error: CallError, out: &mut Outbox) {
        match what {
            For::Plan => {
                self.finishing = true;
                self.submit(self.lead(), None, out);
            }
            For::Unfold(i) => self.begin(i, 0, out),
            For::Work(i) => {
                let next = self.members[i as usize].worker.on_failure(error, out);
                self.go_on(i, next, out);
            }
            For::Admission(mut admission) => {
                let standing = admission.on_failure(&self.s, out);
                self.goes_on(admission, standing, out);
            }
            For::More(agent) => {
                let first = self.tasks.created() as u32;
                self.unlock(agent, &SubtaskList { first, ..SubtaskList::default() }, out);
            }
            For::LookUp(agent) => self.write_answer(agent, 0, out),
            For::Finalize(agent) => self.submit(agent, None, out),
        }
    }

    fn timer(&mut self, timer: TimerId, out: &mut Outbox) {
        if self.deadline == Some(timer) { self.time_is_up(out) } else { self.appended(timer, out) }
    }
}
