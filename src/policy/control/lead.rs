//! Lead control: a model plans, briefs workers, collects and merges their reports. Rounds (serial, pipelined or parallel
//! dispatch; barriers of several kinds), one delegate at a time, or asynchronous service in order of arrival.
//!
//! ```text
//! lead:    Plan -> [ Dispatch.. -> (round) -> Merge ]* -> MoreSubtasks? -> Finalize          (rounds)
//!          Plan -> Dispatch per arrival, first come first served -> ...                       (async)
//! worker:  StartUp -> RelayWait -> Working [-> Reporting] -> BarrierWait or RelayWait -> ...
//! ```
//!
//! Invariant: a lead has one call in flight; a worker starts only on a brief; what a worker knows of others is in its brief.

mod collecting;
mod ending;
mod jobs;

use super::agenda::{Agenda, Line};
use crate::kernel::{Span, Time};
use crate::model::call::{
    Answer, CallError, Finding, FindingKind, PromptSpan, Purpose, Reply, Request, SpanRole, SubtaskList,
};
use crate::model::ids::{About, AgentId, CallId, StoreId, TimerId};
use crate::model::note::{Note, Phase};
use crate::model::queue::TaskQueue;
use crate::policy::board::{Notebook, private};
use crate::policy::calls::InFlight;
use crate::policy::prompt;
use crate::policy::protocol::{Event, Outbox, Policy};
use crate::policy::settings::{self, Barrier, Dispatch, LeadWork, Settings};
use crate::policy::worker::{Next, Worker};
use std::collections::VecDeque;
use std::sync::Arc;

/// What a lead has to do.
#[derive(Clone, Debug, PartialEq)]
enum Job {
    Plan,
    /// Brief these workers of the round after so many that ended.
    Brief(u32, Vec<u32>),
    Merge(u32),
    More,
    Finalize,
}

/// What a call is for.
#[derive(Debug)]
enum For {
    Job(AgentId, Job),
    Compact(AgentId, Job),
    Work(u32),
    Report(u32),
}

#[derive(Debug)]
struct Member {
    worker: Worker,
    /// In hand, from the moment the lead decides on it.
    about: Option<About>,
    brief: Option<Finding>,
    reporting: Option<CallId>,
    /// Back in this round with this report.
    back: bool,
}

/// A lead with its workers.
#[derive(Debug)]
pub(crate) struct Lead {
    s: Arc<Settings>,
    own: settings::Lead,
    members: Vec<Member>,
    agenda: Agenda,
    budgets_per_line: u32,
    notebook: Notebook,
    stores: u32,
    idle_leads: VecDeque<AgentId>,
    jobs: VecDeque<Job>,
    calls: InFlight<For>,
    /// Reports of the running round, in order of arrival.
    reports: Vec<Finding>,
    /// Workers still out in this round.
    out: u32,
    /// Workers of the round that have not been briefed yet.
    unbriefed: u32,
    cutoff: Option<TimerId>,
    deadline: Option<TimerId>,
    round: u32,
    /// Rounds that ended.
    ended: u32,
    more_asked: u32,
    parked: Vec<bool>,
    over: bool,
}

impl Lead {
    /// On `search`: one line per worker, `budgets_per_line` budgets each.
    pub(crate) fn on_lines(s: Arc<Settings>, own: &settings::Lead, workers: u32, budgets_per_line: u32) -> Self {
        Self::new(s, own, workers, Agenda::Lines(vec![Line::default(); workers as usize]), budgets_per_line)
    }

    /// On `divide`.
    pub(crate) fn on_subtasks(s: Arc<Settings>, own: &settings::Lead, workers: u32) -> Self {
        Self::new(s, own, workers, Agenda::Subtasks { queue: TaskQueue::default(), source_tokens: Vec::new() }, 1)
    }

    fn new(s: Arc<Settings>, own: &settings::Lead, n: u32, agenda: Agenda, budgets_per_line: u32) -> Self {
        let member =
            |i| Member { worker: Worker::new(AgentId(i)), about: None, brief: None, reporting: None, back: false };
        Self {
            members: (0..n).map(member).collect(),
            agenda,
            budgets_per_line,
            notebook: Notebook::new(private(AgentId(n))),
            stores: 0,
            idle_leads: (0..own.leads()).map(|l| AgentId(n + l)).collect(),
            jobs: VecDeque::new(),
            calls: InFlight::default(),
            reports: Vec::new(),
            out: 0,
            unbriefed: 0,
            cutoff: None,
            deadline: None,
            round: 0,
            ended: 0,
            more_asked: 0,
            parked: vec![true; n as usize],
            over: false,
            own: own.clone(),
            s,
        }
    }

    fn is_async(&self) -> bool {
        self.own.dispatch() == Dispatch::Async
    }

    fn start(&mut self, out: &mut Outbox) {
        for i in 0..self.members.len() as u32 {
            out.note(Note::Phase(AgentId(i), Phase::StartUp));
        }
        for lead in self.idle_leads.clone() {
            out.note(Note::Phase(lead, Phase::InputWait));
        }
        if let Some(seconds) = self.s.deadline_s.at() {
            self.deadline = Some(out.set_timer(Span::from_secs_f64(seconds)));
        }
        if matches!(self.own.work, LeadWork::Lines { plan: false, .. }) {
            self.next_round(out);
        } else {
            self.enqueue(Job::Plan, out);
        }
    }

    /// Delegations that a line may take; subtasks are not counted.
    fn most_delegations(&self) -> u32 {
        match self.own.work {
            LeadWork::Lines { max_delegations, .. } => max_delegations.saturating_mul(self.budgets_per_line),
            LeadWork::Subtasks { .. } => u32::MAX,
        }
    }

    fn extend(&mut self, list: &SubtaskList, out: &mut Outbox) {
        if list.count == 0 && self.agenda.created() > 0 {
            self.wrap_up(out);
            return;
        }
        out.note(Note::Created { first: list.first, count: list.count });
        self.agenda.extend(list);
        self.next_round(out);
    }

    /// Rounds: gathers workers with something to do and briefs them. Async: serves all parked workers.
    fn next_round(&mut self, out: &mut Outbox) {
        if self.over {
            return;
        }
        self.round += 1;
        let most = if self.own.dispatch() == Dispatch::Sequential { 1 } else { self.members.len() };
        let mut chosen = Vec::new();
        for i in 0..self.members.len() as u32 {
            if chosen.len() == most {
                break;
            }
            if self.is_async() && !self.parked[i as usize] {
                continue;
            }
            if let Some(about) = self.agenda.take(i, self.most_delegations()) {
                self.members[i as usize].about = Some(about);
                self.members[i as usize].back = false;
                self.parked[i as usize] = false;
                out.note(Note::Claimed(AgentId(i), about.subtask));
                out.note(Note::Phase(AgentId(i), Phase::RelayWait));
                chosen.push(i);
            }
        }
        if chosen.is_empty() {
            if self.out == 0 {
                self.nothing_left(out);
            }
            return;
        }
        self.out += chosen.len() as u32;
        if !self.is_async() {
            self.unbriefed = chosen.len() as u32;
        }
        if self.own.dispatch() == Dispatch::Parallel {
            self.enqueue(Job::Brief(self.ended, chosen), out);
        } else {
            for i in chosen {
                self.enqueue(Job::Brief(self.ended, vec![i]), out);
            }
        }
    }

    fn briefed(&mut self, workers: &[u32], brief: Option<Finding>, out: &mut Outbox) {
        for &i in workers {
            self.members[i as usize].brief = brief;
        }
        if self.is_async() || self.own.dispatch() == Dispatch::Pipelined {
            if !self.is_async() {
                self.start_clock(out);
            }
            for &i in workers {
                self.begin(i, out);
            }
            self.unbriefed = self.unbriefed.saturating_sub(workers.len() as u32);
            return;
        }
        self.unbriefed -= workers.len() as u32;
        if self.unbriefed == 0 {
            self.start_clock(out);
            for i in 0..self.members.len() as u32 {
                if self.members[i as usize].about.is_some() && !self.members[i as usize].back {
                    self.begin(i, out);
                }
            }
        }
    }

    /// The first worker of a round starts: its time runs.
    fn start_clock(&mut self, out: &mut Outbox) {
        let barrier = self.own.round().map(|round| round.barrier);
        if let (Some(Barrier::Timeout { seconds }), None) = (barrier, self.cutoff) {
            self.cutoff = Some(out.set_timer(Span::from_secs_f64(seconds)));
        }
    }

    fn begin(&mut self, i: u32, out: &mut Outbox) {
        let about = self.members[i as usize].about.expect("a briefed worker has something in hand");
        let mut fixed: Vec<PromptSpan> = self.agenda.source(&about).into_iter().collect();
        let member = &mut self.members[i as usize];
        fixed.extend(member.brief.take().map(|b| prompt::finding(&b, SpanRole::Reports)));
        member.worker.begin(about, &fixed, true, self.s.delegation_tokens, &self.s);
        if !self.own.report_call {
            member.worker.ask_report(self.own.report_tokens);
        }
        self.step(i, out);
    }

    fn step(&mut self, i: u32, out: &mut Outbox) {
        let call = self.members[i as usize].worker.step(None, &self.s, out);
        self.calls.insert(call, For::Work(i));
    }

    fn go_on(&mut self, i: u32, next: Next, out: &mut Outbox) {
        match next {
            Next::Step | Next::Compacted { .. } => self.step(i, out),
            Next::Tool => {
                let call = self.members[i as usize].worker.tool(out);
                self.calls.insert(call, For::Work(i));
            }
            Next::Done(Some(raw)) if self.own.report_call => self.report(i, &raw, out),
            Next::Done(result) => self.collected(i, result, result, out),
        }
    }

    /// The delegate (or a summariser for it) turns its trace into a report.
    fn report(&mut self, i: u32, raw: &Finding, out: &mut Outbox) {
        let member = &mut self.members[i as usize];
        let about = member.about.expect("a reporting worker has something in hand");
        let mut request =
            Request::new(AgentId(i), Purpose::Report, about, member.worker.prompt(Purpose::Report, None, &self.s));
        request.subject = Some(raw.id);
        request.product_tokens = self.own.report_tokens;
        request.completion_tokens = self.own.report_tokens;
        let call = out.call(request);
        member.reporting = Some(call);
        self.calls.insert(call, For::Report(i));
        if raw.kind == FindingKind::Patch {
            // The line's candidate is the raw result; the report only tells of it.
            self.agenda.settle(&about, Some(raw));
        }
    }

    fn replied(&mut self, what: For, reply: &Reply, out: &mut Outbox) {
        match (what, &reply.answer) {
            (For::Job(lead, job), answer) => self.job_done(lead, job, Some(answer), out),
            (For::Compact(lead, job), Answer::Digest(digest)) => {
                self.stores += 1;
                let store = StoreId(self.members.len() as u32 + self.own.leads() + self.stores);
                self.notebook.replace(store, digest, out);
                out.note(Note::Compacted(lead));
                // Once: a digest that is still too long would not get shorter by another.
                self.call_for(lead, job, out);
            }
            (For::Work(i), _) => {
                let (_, next) = self.members[i as usize].worker.on_reply(reply, &self.s, out);
                self.go_on(i, next, out);
            }
            (For::Report(i), Answer::Report(report)) => self.collected(i, Some(*report), Some(*report), out),
            (what, answer) => unreachable!("{what:?} was answered with {answer:?}"),
        }
    }

    fn failed(&mut self, what: For, error: CallError, out: &mut Outbox) {
        match what {
            For::Job(lead, job) | For::Compact(lead, job) => self.job_done(lead, job, None, out),
            For::Work(i) => {
                let next = self.members[i as usize].worker.on_failure(error, out);
                self.go_on(i, next, out);
            }
            For::Report(i) => self.collected(i, None, None, out),
        }
    }

    fn timer(&mut self, timer: TimerId, out: &mut Outbox) {
        if self.cutoff == Some(timer) {
            self.cutoff = None;
            self.end_round(out);
        } else if self.deadline == Some(timer) {
            self.deadline = None;
            self.time_is_up(out);
        }
    }
}

impl Policy for Lead {
    fn handle(&mut self, _now: Time, event: &Event, out: &mut Outbox) {
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
            Event::TimerFired(timer) => self.timer(*timer, out),
        }
    }
}
