//! No control, on `search`: N solver threads. Each plans, delegates to itself, hands off, plans again, submits. With a
//! shared store each publishes typed notes through the gate and reads the board at every step; without one this is
//! `independent`, call for call.
//!
//! ```text
//! StartUp -> Planning -> Delegating -> Planning -> ... -> Submitted
//! ```
//!
//! Invariant: with the store off no thread's commands depend on another's replies.

use super::Form;
use crate::kernel::Span;
use crate::model::call::{
    Answer, CallError, Decision, Finding, FindingKind, Outcome, Purpose, Reply, Request, Submission,
};
use crate::model::ids::{About, AgentId, CallId, LineId, SubtaskId, TimerId};
use crate::model::note::{Note, Phase};
use crate::policy::board::{Board, Notebook, private};
use crate::policy::calls::InFlight;
use crate::policy::gate::{NoteGate, Passage};
use crate::policy::prompt;
use crate::policy::protocol::Outbox;
use crate::policy::settings::{self, Settings, SharedNotes, ThreadPlan, ThreadStore};
use crate::policy::worker::{Next, Notes, Worker};
use std::collections::VecDeque;
use std::sync::Arc;

/// What a call is for.
#[derive(Debug)]
pub(crate) enum For {
    Plan(u32),
    Work(u32),
    Judge(u32, Finding),
}

#[derive(Debug)]
struct Thread {
    worker: Worker,
    notebook: Notebook,
    delegation: u16,
    gate: NoteGate,
    planning: Option<CallId>,
    patch: Option<Finding>,
    submitted: bool,
}

/// N solver threads.
#[derive(Debug)]
pub(crate) struct Threads {
    s: Arc<Settings>,
    own: settings::Threads,
    /// Delegations that a line may take.
    most_delegations: u32,
    members: Vec<Thread>,
    board: Board,
    calls: InFlight<For>,
    /// Who starts later, in order.
    starts: VecDeque<(TimerId, u32)>,
    deadline: Option<TimerId>,
    open: usize,
    finished: bool,
}

impl Threads {
    /// So many threads, each with so many budgets.
    pub(crate) fn new(s: Arc<Settings>, own: &settings::Threads, n: u32, budgets_per_line: u32) -> Self {
        let gate = own.store.gate();
        let thread = |i| Thread {
            worker: Worker::new(AgentId(i)),
            notebook: Notebook::new(private(AgentId(i))),
            delegation: 0,
            gate: NoteGate::new(gate, AgentId(i)),
            planning: None,
            patch: None,
            submitted: false,
        };
        Self {
            s,
            most_delegations: own.max_delegations.saturating_mul(budgets_per_line),
            own: own.clone(),
            members: (0..n).map(thread).collect(),
            board: Board::new(n),
            calls: InFlight::default(),
            starts: VecDeque::new(),
            deadline: None,
            open: n as usize,
            finished: false,
        }
    }

    /// The board's settings, where there is a board.
    fn notes(&self) -> Option<SharedNotes> {
        match self.own.store {
            ThreadStore::None {} => None,
            ThreadStore::Shared(notes) => Some(notes),
        }
    }

    fn about(&self, i: u32) -> About {
        let delegation = self.members[i as usize].delegation;
        About { line: LineId(i), subtask: SubtaskId(0), attempt: delegation, step: 0 }
    }

    fn plan(&mut self, i: u32, out: &mut Outbox) {
        if matches!(self.own.plan, ThreadPlan::No { .. }) {
            self.decided(i, Decision::Delegate, out);
            return;
        }
        let window = self.notes().and_then(|notes| notes.planner_window_tokens);
        let board = window.map(|window| self.board.read(AgentId(i), window));
        let thread = &self.members[i as usize];
        let prompt = prompt::board_first(Purpose::Plan, &self.s, board, &[thread.notebook.text()]);
        let call = out.call(Request::new(AgentId(i), Purpose::Plan, self.about(i), prompt));
        self.members[i as usize].planning = Some(call);
        self.calls.insert(call, For::Plan(i));
    }

    fn decided(&mut self, i: u32, decision: Decision, out: &mut Outbox) {
        let about = self.about(i);
        let thread = &mut self.members[i as usize];
        let spent = u32::from(thread.delegation) >= self.most_delegations;
        if decision == Decision::Submit || spent || thread.patch.is_some() {
            self.submit(i, out);
            return;
        }
        thread.gate.begin();
        thread.worker.begin(about, &[thread.notebook.known()], true, self.s.delegation_tokens, &self.s);
        thread.delegation += 1;
        self.step(i, out);
    }

    fn step(&mut self, i: u32, out: &mut Outbox) {
        let window = self.notes().map(|notes| notes.board_window_tokens);
        let board = window.map(|window| self.board.read(AgentId(i), window));
        let call = self.members[i as usize].worker.step(board, &self.s, out);
        self.calls.insert(call, For::Work(i));
    }

    fn go_on(&mut self, i: u32, notes: &Notes, next: Next, out: &mut Outbox) {
        if self.notes().is_some() {
            for note in notes {
                self.propose(i, note, out);
            }
        }
        match next {
            Next::Step | Next::Compacted { .. } => self.step(i, out),
            Next::Tool => {
                let call = self.members[i as usize].worker.tool(out);
                self.calls.insert(call, For::Work(i));
            }
            Next::Done(result) => {
                let thread = &mut self.members[i as usize];
                if let Some(result) = result {
                    // A thread hands off to itself: nothing is retold, so nothing is lost but length.
                    let tokens = match self.own.plan {
                        ThreadPlan::Yes { report_tokens, .. } => report_tokens,
                        // Nobody reads it as text.
                        ThreadPlan::No { .. } => 0,
                    };
                    let hand_off = Finding { tokens, ..result };
                    thread.notebook.keep(&hand_off, out);
                    thread.patch = (result.kind == FindingKind::Patch).then_some(result);
                }
                self.plan(i, out);
            }
        }
    }

    fn admit(&mut self, author: AgentId, note: &Finding, out: &mut Outbox) {
        let read = self.board.seen(author);
        self.board.admit(author, note, read, out);
    }

    /// A note goes to the gate.
    fn propose(&mut self, i: u32, note: &Finding, out: &mut Outbox) {
        let thread = &mut self.members[i as usize];
        let about = thread.worker.about();
        match thread.gate.propose(about, note, true, &self.s, out) {
            Passage::Open => self.admit(AgentId(i), note, out),
            Passage::Shut => {}
            Passage::Judged(call) => self.calls.insert(call, For::Judge(i, *note)),
        }
    }

    fn submit(&mut self, i: u32, out: &mut Outbox) {
        let thread = &mut self.members[i as usize];
        thread.submitted = true;
        out.note(Note::Submitted(AgentId(i), LineId(i), thread.patch.map(|p| p.id)));
        out.note(Note::Phase(AgentId(i), Phase::IdleTail));
        self.open -= 1;
        self.maybe_finish(out);
    }

    fn maybe_finish(&mut self, out: &mut Outbox) {
        if self.open > 0 || self.finished {
            return;
        }
        self.finished = true;
        // Nobody is left to read what is still before the judge.
        for (call, what) in self.calls.take_all() {
            out.cancel(call);
            if let For::Judge(i, note) = what {
                out.note(Note::Withdrawn(AgentId(i), note.id));
            }
        }
        if let Some(timer) = self.deadline.take() {
            out.cancel_timer(timer);
        }
        let submission = |t: &Thread| Submission {
            agent: t.worker.agent(),
            line: LineId(t.worker.agent().0),
            finding: t.patch.map(|p| p.id),
        };
        out.finish(Outcome::of(self.members.iter().map(submission).collect()));
    }

    fn judged(&mut self, i: u32, note: &Finding, accepted: bool, out: &mut Outbox) {
        if accepted {
            self.admit(AgentId(i), note, out);
        } else {
            out.note(Note::Rejected(AgentId(i), note.id));
        }
    }

    fn time_is_up(&mut self, out: &mut Outbox) {
        self.deadline = None;
        for (timer, _) in self.starts.drain(..) {
            out.cancel_timer(timer);
        }
        for i in 0..self.members.len() as u32 {
            let thread = &mut self.members[i as usize];
            if thread.submitted {
                continue;
            }
            if let Some(call) = thread.worker.stop().or(thread.planning.take()) {
                self.calls.take(call);
                out.cancel(call);
            }
            self.submit(i, out);
        }
    }
}

impl Form for Threads {
    type For = For;

    fn calls(&mut self) -> &mut InFlight<For> {
        &mut self.calls
    }

    fn start(&mut self, out: &mut Outbox) {
        for i in 0..self.members.len() as u32 {
            out.note(Note::Phase(AgentId(i), Phase::StartUp));
        }
        self.deadline = out.set_deadline(self.s.deadline_s);
        let stagger_s = self.own.stagger_s();
        for i in 0..self.members.len() as u32 {
            if i == 0 || stagger_s <= 0.0 {
                self.plan(i, out);
            } else {
                let timer = out.set_timer(Span::from_secs_f64(stagger_s * f64::from(i)));
                self.starts.push_back((timer, i));
            }
        }
    }

    fn replied(&mut self, what: For, reply: &Reply, out: &mut Outbox) {
        match (what, &reply.answer) {
            (For::Plan(i), Answer::Decided(decision)) => {
                self.members[i as usize].planning = None;
                self.decided(i, *decision, out);
            }
            (For::Work(i), _) => {
                let (notes, next) = self.members[i as usize].worker.on_reply(reply, &self.s, out);
                self.go_on(i, &notes, next, out);
            }
            (For::Judge(i, note), Answer::Verdict { accepted }) => self.judged(i, &note, *accepted, out),
            (what, answer) => unreachable!("{what:?} was answered with {answer:?}"),
        }
    }

    /// A failed plan ends the thread, a failed step is a lost step, a failed judge lets pass.
    fn failed(&mut self, what: For, error: CallError, out: &mut Outbox) {
        match what {
            For::Plan(i) => {
                self.members[i as usize].planning = None;
                self.submit(i, out);
            }
            For::Work(i) => {
                let next = self.members[i as usize].worker.on_failure(error, out);
                self.go_on(i, &Notes::new(), next, out);
            }
            For::Judge(i, note) => self.judged(i, &note, true, out),
        }
    }

    fn timer(&mut self, timer: TimerId, out: &mut Outbox) {
        if self.deadline == Some(timer) {
            self.time_is_up(out);
        } else if let Ok(k) = self.starts.binary_search_by_key(&timer, |(timer, _)| *timer)
            && let Some((_, i)) = self.starts.remove(k)
        {
            self.plan(i, out);
        }
    }
}
