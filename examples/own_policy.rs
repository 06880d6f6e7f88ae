//! A policy of your own: a ring. The workers stand in a circle; each does one subtask and passes a single report on to
//! the next, who reads it, works, and folds its own result into it. Whoever stands at the end writes the answer.
//!
//! ```text
//! cargo run --example own_policy -- compare examples/own-policy.toml
//! cargo run --example own_policy -- run examples/own-policy.toml --policy ring --baseline ring --record ring.jsonl
//! cargo run --example own_policy -- replay --mode strict ring.jsonl
//! ```
//!
//! This program is all of `delm-sim` with one policy more. `docs/own-policy.md` explains what it owes.

use delm_sim::kernel::Time;
use delm_sim::model::call::{
    Answer, CallError, Content, Outcome, PromptSpan, Purpose, Reply, Request, SpanRole, Submission,
};
use delm_sim::model::ids::{About, AgentId, FindingId, LineId, StoreId, SubtaskId, TimerId};
use delm_sim::model::note::{Note, Phase};
use delm_sim::model::queue::TaskQueue;
use delm_sim::model::workload::Team;
use delm_sim::policy::settings::{Form, Work};
use delm_sim::policy::{
    Catalog, Event, Factory, InFlight, Next, Notebook, Outbox, Policy, Settings, Worker, private, prompt,
};
use std::process::ExitCode;
use std::sync::Arc;

#[allow(dead_code, reason = "a test includes this file for its policy")]
fn main() -> ExitCode {
    delm_sim::cli::run(&Catalog::default().with("ring", Ring))
}

/// Tokens of the report that goes round.
const REPORT_TOKENS: u32 = 600;

/// What the catalogue is given.
pub(crate) struct Ring;

impl Factory for Ring {
    fn summary(&self) -> &'static str {
        "a ring: each worker does a subtask and passes one report on"
    }

    fn runs_on(&self, work: Work) -> bool {
        work == Work::Divide
    }

    fn form(&self) -> Form {
        // No lead, and all read what went before.
        Form::Decentral
    }

    fn build(&self, settings: &Arc<Settings>, _: Work, n: u32) -> (Box<dyn Policy>, Team) {
        let circle = Circle {
            s: settings.clone(),
            workers: (0..n).map(|i| Worker::new(AgentId(i))).collect(),
            source_tokens: Vec::new(),
            queue: TaskQueue::default(),
            report: Notebook::new(private(AgentId(n))),
            calls: InFlight::default(),
            turn: 0,
            deadline: None,
        };
        (Box::new(circle), Team { workers: n, leads: 0, lines: 1, budgets_per_line: 1, quality: 1.0 })
    }
}

/// What a call is for.
#[derive(Clone, Copy)]
enum For {
    Plan,
    Work(SubtaskId),
    PassOn,
    Answer,
}

struct Circle {
    s: Arc<Settings>,
    workers: Vec<Worker>,
    source_tokens: Vec<u32>,
    queue: TaskQueue,
    report: Notebook,
    calls: InFlight<For>,
    /// Subtasks that were handed out; its rest by the team is whose turn it is.
    turn: u32,
    deadline: Option<TimerId>,
}

impl Circle {
    fn place(&self) -> usize {
        self.turn as usize % self.workers.len()
    }

    fn agent(&self) -> AgentId {
        AgentId(self.place() as u32)
    }

    fn start(&mut self, out: &mut Outbox) {
        self.deadline = out.set_deadline(self.s.deadline_s);
        let spans = prompt::opening(Purpose::Plan, &self.s, &[]);
        let call = out.call(Request::new(self.agent(), Purpose::Plan, About::default(), spans));
        self.calls.insert(call, For::Plan);
    }

    /// The next subtask for whoever's turn it is, or the answer.
    fn next(&mut self, out: &mut Outbox) {
        let Some((subtask, attempt)) = self.queue.claim() else {
            self.answer(out);
            return;
        };
        out.note(Note::Claimed(self.agent(), subtask));
        let about = About { line: LineId(0), subtask, attempt, step: 0 };
        let tokens = self.source_tokens[subtask.index()];
        let source = PromptSpan { content: Content::Source(subtask), role: SpanRole::Task, tokens };
        let (place, report) = (self.place(), self.report.text());
        self.workers[place].begin(about, &[source, report], true, self.s.delegation_tokens, &self.s);
        self.step(subtask, out);
    }

    fn step(&mut self, subtask: SubtaskId, out: &mut Outbox) {
        let place = self.place();
        let call = self.workers[place].step(None, &self.s, out);
        self.calls.insert(call, For::Work(subtask));
    }

    fn go_on(&mut self, subtask: SubtaskId, next: Next, out: &mut Outbox) {
        match next {
            Next::Step | Next::Compacted { .. } => self.step(subtask, out),
            Next::Tool => {
                let place = self.place();
                let call = self.workers[place].tool(out);
                self.calls.insert(call, For::Work(subtask));
            }
            Next::Done(Some(result)) => {
                self.queue.settle(subtask, true);
                out.note(Note::Done(subtask));
                self.report.keep(&result, out);
                self.fold(out);
            }
            Next::Done(None) => {
                self.queue.settle(subtask, false);
                out.note(Note::Abandoned(subtask));
                self.pass_on(out);
            }
        }
    }

    /// Report and result become one report.
    fn fold(&mut self, out: &mut Outbox) {
        let spans = prompt::opening(Purpose::Compact, &self.s, &[self.report.text()]);
        let about = About { attempt: self.turn as u16, ..About::default() };
        let mut request = Request::new(self.agent(), Purpose::Compact, about, spans);
        request.product_tokens = REPORT_TOKENS.min(self.report.tokens());
        request.completion_tokens = request.product_tokens;
        let call = out.call(request);
        self.calls.insert(call, For::PassOn);
    }

    fn pass_on(&mut self, out: &mut Outbox) {
        out.note(Note::Phase(self.agent(), Phase::InputWait));
        self.turn += 1;
        self.next(out);
    }

    fn answer(&mut self, out: &mut Outbox) {
        let spans = prompt::opening(Purpose::Finalize, &self.s, &[self.report.text()]);
        let call = out.call(Request::new(self.agent(), Purpose::Finalize, About::default(), spans));
        self.calls.insert(call, For::Answer);
    }

    fn submit(&mut self, finding: Option<FindingId>, out: &mut Outbox) {
        if let Some(timer) = self.deadline.take() {
            out.cancel_timer(timer);
        }
        let (agent, line) = (self.agent(), LineId(0));
        out.note(Note::Submitted(agent, line, finding));
        out.finish(Outcome::of(vec![Submission { agent, line, finding }]));
    }

    fn replied(&mut self, what: For, reply: &Reply, out: &mut Outbox) {
        match (what, &reply.answer) {
            (For::Plan, Answer::Subtasks(list)) => {
                out.note(Note::Created { first: list.first, count: list.count });
                self.queue.extend(list);
                self.source_tokens.extend_from_slice(&list.source_tokens);
                self.next(out);
            }
            (For::Work(subtask), _) => {
                let place = self.place();
                let (_, next) = self.workers[place].on_reply(reply, &self.s, out);
                self.go_on(subtask, next, out);
            }
            (For::PassOn, Answer::Digest(report)) => {
                // A folded report is a new text, so it gets a store of its own.
                let store = StoreId(self.workers.len() as u32 + 2 + self.turn);
                self.report.replace(store, report, out);
                self.pass_on(out);
            }
            (For::Answer, Answer::Final(answer)) => self.submit(Some(answer.id), out),
            (_, answer) => unreachable!("a call was answered with {answer:?}"),
        }
    }

    fn failed(&mut self, what: For, error: CallError, out: &mut Outbox) {
        match what {
            For::Plan | For::Answer => self.submit(None, out),
            For::Work(subtask) => {
                let place = self.place();
                let next = self.workers[place].on_failure(error, out);
                self.go_on(subtask, next, out);
            }
            // The report stays as it is, with the new result behind it.
            For::PassOn => self.pass_on(out),
        }
    }

    fn time_is_up(&mut self, out: &mut Outbox) {
        self.deadline = None;
        let open = self.calls.take_all();
        if open.iter().any(|(_, what)| matches!(what, For::Answer)) {
            // The answer is being written: it is what a deadline asks for.
            for (call, what) in open {
                self.calls.insert(call, what);
            }
            return;
        }
        for (call, _) in open {
            out.cancel(call);
        }
        self.answer(out);
    }
}

impl Policy for Circle {
    fn handle(&mut self, _: Time, event: &Event, out: &mut Outbox) {
        match event {
            Event::Started => self.start(out),
            Event::Replied(call, reply) => {
                if let Some(what) = self.calls.take(*call) {
                    self.replied(what, reply, out);
                }
            }
            Event::Failed(call, error) => {
                if let Some(what) = self.calls.take(*call) {
                    self.failed(what, *error, out);
                }
            }
            Event::TimerFired(_) => self.time_is_up(out),
        }
    }
}
