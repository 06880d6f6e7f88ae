//! A policy of your own with leads: two of them, each with half of the workers. Both hand out subtasks of one plan; a
//! lead briefs its own workers from the reports of its own half, and the first one writes the answer from both.
//!
//! ```text
//! cargo run --example two_leads -- compare examples/two-leads.toml
//! ```

use delm_sim::kernel::Time;
use delm_sim::model::call::{
    Answer, CallError, Content, Finding, Outcome, PromptSpan, Purpose, Reply, Request, SpanRole, Submission,
};
use delm_sim::model::ids::{About, AgentId, FindingId, LineId, TimerId};
use delm_sim::model::note::{Note, Phase};
use delm_sim::model::queue::TaskQueue;
use delm_sim::model::workload::Team;
use delm_sim::policy::settings::{Form, Work};
use delm_sim::policy::{
    Catalog, Event, Factory, InFlight, Next, Notebook, Outbox, Policy, Settings, Worker, private, prompt,
};
use std::collections::VecDeque;
use std::process::ExitCode;
use std::sync::Arc;

#[allow(dead_code, reason = "a test includes this file for its policy")]
fn main() -> ExitCode {
    delm_sim::cli::run(&Catalog::default().with("two-leads", TwoLeads))
}

const BRIEF_TOKENS: u32 = 1000;
const REPORT_TOKENS: u32 = 400;

/// What the catalogue is given.
pub(crate) struct TwoLeads;

impl Factory for TwoLeads {
    fn summary(&self) -> &'static str {
        "two leads, each with half of the workers; one plan, one answer"
    }

    fn runs_on(&self, work: Work) -> bool {
        work == Work::Divide
    }

    fn form(&self) -> Form {
        Form::Central
    }

    fn build(&self, settings: &Arc<Settings>, _: Work, n: u32) -> (Box<dyn Policy>, Team) {
        let half = |l: u32| Half {
            lead: AgentId(n + l),
            notebook: Notebook::new(private(AgentId(n + l))),
            briefing: false,
            waiting: (0..n).filter(|i| i % 2 == l).collect(),
        };
        let team = Halves {
            s: settings.clone(),
            workers: (0..n).map(|i| Worker::new(AgentId(i))).collect(),
            halves: [half(0), half(1)],
            queue: TaskQueue::default(),
            source_tokens: Vec::new(),
            calls: InFlight::default(),
            deadline: None,
            ending: false,
        };
        (Box::new(team), Team { workers: n, leads: 2, lines: 1, budgets_per_line: 1, quality: 1.0 })
    }
}

/// A lead, what its workers reported, and who waits for a brief.
struct Half {
    lead: AgentId,
    notebook: Notebook,
    briefing: bool,
    waiting: VecDeque<u32>,
}

/// What a call is for.
#[derive(Clone, Copy)]
enum For {
    Plan,
    Brief(u32, About),
    Work(u32),
    Answer,
}

struct Halves {
    s: Arc<Settings>,
    workers: Vec<Worker>,
    halves: [Half; 2],
    queue: TaskQueue,
    source_tokens: Vec<u32>,
    calls: InFlight<For>,
    deadline: Option<TimerId>,
    ending: bool,
}

impl Halves {
    fn start(&mut self, out: &mut Outbox) {
        self.deadline = out.set_deadline(self.s.deadline_s);
        let spans = prompt::opening(Purpose::Plan, &self.s, &[]);
        let call = out.call(Request::new(self.halves[0].lead, Purpose::Plan, About::default(), spans));
        self.calls.insert(call, For::Plan);
    }

    /// Each lead that is free briefs its next worker, as long as there is something to do.
    fn serve(&mut self, out: &mut Outbox) {
        if self.ending {
            return;
        }
        for l in 0..2 {
            if self.halves[l].briefing || self.halves[l].waiting.is_empty() {
                continue;
            }
            let Some((subtask, attempt)) = self.queue.claim() else { break };
            let half = &mut self.halves[l];
            let worker = half.waiting.pop_front().expect("just seen");
            half.briefing = true;
            out.note(Note::Claimed(AgentId(worker), subtask));
            out.note(Note::Phase(AgentId(worker), Phase::RelayWait));
            let about = About { line: LineId(0), subtask, attempt, step: 0 };
            let spans = prompt::opening(Purpose::Dispatch, &self.s, &[half.notebook.text()]);
            let mut request = Request::new(half.lead, Purpose::Dispatch, about, spans);
            request.items = 1;
            request.product_tokens = BRIEF_TOKENS.min(half.notebook.tokens());
            request.completion_tokens = request.product_tokens + self.s.delegation_tokens;
            let call = out.call(request);
            self.calls.insert(call, For::Brief(worker, about));
        }
        if self.queue.open() == 0 {
            self.answer(out);
        }
    }

    fn begin(&mut self, worker: u32, about: About, brief: Option<&Finding>, out: &mut Outbox) {
        let lead = worker as usize % 2;
        self.halves[lead].briefing = false;
        out.note(Note::Phase(self.halves[lead].lead, Phase::InputWait));
        let tokens = self.source_tokens[about.subtask.index()];
        let mut spans = vec![PromptSpan { content: Content::Source(about.subtask), role: SpanRole::Task, tokens }];
        spans.extend(brief.map(|brief| prompt::finding(brief, SpanRole::Reports)));
        let own = &mut self.workers[worker as usize];
        own.begin(about, &spans, true, self.s.delegation_tokens, &self.s);
        own.ask_report(REPORT_TOKENS);
        self.go_on(worker, Next::Step, out);
        self.serve(out);
    }

    fn go_on(&mut self, worker: u32, next: Next, out: &mut Outbox) {
        let own = &mut self.workers[worker as usize];
        let call = match next {
            Next::Step | Next::Compacted { .. } => own.step(None, &self.s, out),
            Next::Tool => own.tool(out),
            Next::Done(report) => {
                let subtask = own.about().subtask;
                self.queue.settle(subtask, report.is_some());
                out.note(if report.is_some() { Note::Done(subtask) } else { Note::Abandoned(subtask) });
                let half = &mut self.halves[worker as usize % 2];
                if let Some(report) = &report {
                    half.notebook.keep(report, out);
                }
                half.waiting.push_back(worker);
                out.note(Note::Phase(AgentId(worker), Phase::InputWait));
                self.serve(out);
                return;
            }
        };
        self.calls.insert(call, For::Work(worker));
    }

    /// The first lead reads what both halves reported.
    fn answer(&mut self, out: &mut Outbox) {
        self.ending = true;
        let spans = [self.halves[0].notebook.text(), self.halves[1].notebook.text()];
        let spans = prompt::opening(Purpose::Finalize, &self.s, &spans);
        let call = out.call(Request::new(self.halves[0].lead, Purpose::Finalize, About::default(), spans));
        self.calls.insert(call, For::Answer);
    }

    fn submit(&mut self, finding: Option<FindingId>, out: &mut Outbox) {
        if let Some(timer) = self.deadline.take() {
            out.cancel_timer(timer);
        }
        let (agent, line) = (self.halves[0].lead, LineId(0));
        out.note(Note::Submitted(agent, line, finding));
        out.finish(Outcome::of(vec![Submission { agent, line, finding }]));
    }

    fn replied(&mut self, what: For, reply: &Reply, out: &mut Outbox) {
        match (what, &reply.answer) {
            (For::Plan, Answer::Subtasks(list)) => {
                out.note(Note::Created { first: list.first, count: list.count });
                self.queue.extend(list);
                self.source_tokens.extend_from_slice(&list.source_tokens);
                self.serve(out);
            }
            (For::Brief(worker, about), Answer::Brief(brief)) => self.begin(worker, about, Some(brief), out),
            (For::Work(worker), _) => {
                let (_, next) = self.workers[worker as usize].on_reply(reply, &self.s, out);
                self.go_on(worker, next, out);
            }
            (For::Answer, Answer::Final(answer)) => self.submit(Some(answer.id), out),
            (_, answer) => unreachable!("a call was answered with {answer:?}"),
        }
    }

    fn failed(&mut self, what: For, error: CallError, out: &mut Outbox) {
        match what {
            For::Plan | For::Answer => self.submit(None, out),
            // A worker without a brief works without one.
            For::Brief(worker, about) => self.begin(worker, about, None, out),
            For::Work(worker) => {
                let next = self.workers[worker as usize].on_failure(error, out);
                self.go_on(worker, next, out);
            }
        }
    }

    fn time_is_up(&mut self, out: &mut Outbox) {
        self.deadline = None;
        if self.ending {
            return;
        }
        for (call, _) in self.calls.take_all() {
            out.cancel(call);
        }
        self.answer(out);
    }
}

impl Policy for Halves {
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
