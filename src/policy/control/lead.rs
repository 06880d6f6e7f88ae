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

use super::agenda::{Agenda, Line};
use crate::kernel::{Span, Time};
use crate::model::call::{
    Answer, Finding, FindingKind, Outcome, PromptSpan, Purpose, Reply, Request, SpanRole, Submission, SubtaskList,
};
use crate::model::ids::{About, AgentId, CallId, FindingId, LineId, StoreId, TimerId};
use crate::model::note::{Note, Phase};
use crate::model::queue::TaskQueue;
use crate::policy::board::{Notebook, private};
use crate::policy::calls::InFlight;
use crate::policy::prompt;
use crate::policy::protocol::{Event, Outbox, Policy};
use crate::policy::settings::{Barrier, Dispatch, Settings};
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
    pub(crate) fn on_lines(s: Arc<Settings>, workers: u32, budgets_per_line: u32) -> Self {
        Self::new(s, workers, Agenda::Lines(vec![Line::default(); workers as usize]), budgets_per_line)
    }

    /// On `divide`.
    pub(crate) fn on_subtasks(s: Arc<Settings>, workers: u32) -> Self {
        Self::new(s, workers, Agenda::Subtasks { queue: TaskQueue::default(), source_tokens: Vec::new() }, 1)
    }

    fn new(s: Arc<Settings>, n: u32, agenda: Agenda, budgets_per_line: u32) -> Self {
        let member =
            |i| Member { worker: Worker::new(AgentId(i)), about: None, brief: None, reporting: None, back: false };
        Self {
            members: (0..n).map(member).collect(),
            agenda,
            budgets_per_line,
            notebook: Notebook::new(private(AgentId(n))),
            stores: 0,
            idle_leads: (0..s.leads).map(|l| AgentId(n + l)).collect(),
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
            s,
        }
    }

    fn is_async(&self) -> bool {
        self.s.dispatch == Dispatch::Async
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
        if self.s.plan || matches!(self.agenda, Agenda::Subtasks { .. }) {
            self.enqueue(Job::Plan, out);
        } else {
            self.next_round(out);
        }
    }

    // ---- the lead's own work, first come first served ----

    fn enqueue(&mut self, job: Job, out: &mut Outbox) {
        self.jobs.push_back(job);
        self.serve(out);
    }

    fn serve(&mut self, out: &mut Outbox) {
        while !self.jobs.is_empty() {
            let Some(lead) = self.idle_leads.pop_front() else {
                return;
            };
            let job = self.jobs.pop_front().expect("just seen");
            self.do_job(lead, job, out);
        }
    }

    fn do_job(&mut self, lead: AgentId, job: Job, out: &mut Outbox) {
        let (purpose, about, items) = match &job {
            Job::Plan => (Purpose::Plan, About::default(), 0),
            Job::Brief(_, workers) => {
                let first = self.members[workers[0] as usize].about.unwrap_or_default();
                (Purpose::Dispatch, About { step: self.round, ..first }, workers.len() as u32)
            }
            Job::Merge(n) => (Purpose::Merge, About { attempt: self.round as u16, ..About::default() }, *n),
            Job::More => (Purpose::MoreSubtasks, About { attempt: self.more_asked as u16, ..About::default() }, 0),
            Job::Finalize => (Purpose::Finalize, About::default(), 0),
        };
        let prompt = prompt::opening(purpose, &self.s, &[self.notebook.text()]);
        let tokens = crate::model::call::prompt_tokens(&prompt);
        let full = self.s.window_tokens.at().is_some_and(|w| tokens as f64 > w);
        if full && self.notebook.tokens() > 2 * self.s.digest_tokens {
            let prompt = prompt::opening(Purpose::Compact, &self.s, &[self.notebook.text()]);
            let about = About { attempt: self.stores as u16, step: 1 << 20, ..About::default() };
            let mut request = Request::new(lead, Purpose::Compact, about, prompt);
            request.product_tokens = self.s.digest_tokens;
            request.completion_tokens = self.s.digest_tokens;
            let call = out.call(request);
            self.calls.insert(call, For::Compact(lead, job));
            return;
        }
        let mut request = Request::new(lead, purpose, about, prompt);
        request.items = items;
        if purpose == Purpose::Dispatch {
            // A brief is no longer than what there is to tell.
            request.product_tokens = self.s.brief_tokens.min(self.notebook.tokens());
            request.completion_tokens = request.product_tokens + items * self.s.delegation_tokens;
        }
        let call = out.call(request);
        self.calls.insert(call, For::Job(lead, job));
    }

    fn lead_is_free(&mut self, lead: AgentId, out: &mut Outbox) {
        out.note(Note::Phase(lead, Phase::InputWait));
        self.idle_leads.push_back(lead);
    }

    fn job_done(&mut self, lead: AgentId, job: Job, answer: Option<&Answer>, out: &mut Outbox) {
        self.lead_is_free(lead, out);
        match (job, answer) {
            (Job::Plan | Job::More, Some(Answer::Subtasks(list))) => self.extend(list, out),
            (Job::Plan, Some(Answer::Decided(_)) | None) | (Job::Merge(_), Some(Answer::Merged) | None) => {
                self.next_round(out);
            }
            // A brief whose round ended meanwhile is lost labour.
            (Job::Brief(ended, _), Some(Answer::Brief(_)) | None) if ended != self.ended => {}
            (Job::Brief(_, workers), Some(Answer::Brief(brief))) => self.briefed(&workers, Some(*brief), out),
            (Job::Brief(_, workers), None) => self.briefed(&workers, None, out),
            (Job::More, None) => self.wrap_up(out),
            (Job::Finalize, Some(Answer::Final(answer))) => self.finish(Some((lead, answer.id)), out),
            (Job::Finalize, None) => self.finish(None, out),
            (job, answer) => unreachable!("{job:?} was answered with {answer:?}"),
        }
        self.serve(out);
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

    // ---- handing out ----

    /// Rounds: gathers workers with something to do and briefs them. Async: serves all parked workers.
    fn next_round(&mut self, out: &mut Outbox) {
        if self.over {
            return;
        }
        self.round += 1;
        let most = if self.s.dispatch == Dispatch::Sequential { 1 } else { self.members.len() };
        let mut chosen = Vec::new();
        for i in 0..self.members.len() as u32 {
            if chosen.len() == most {
                break;
            }
            if self.is_async() && !self.parked[i as usize] {
                continue;
            }
            if let Some(about) = self.agenda.take(i, self.s.max_delegations * self.budgets_per_line) {
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
        if self.s.dispatch == Dispatch::Parallel {
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
        if self.is_async() || self.s.dispatch == Dispatch::Pipelined {
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
        if let (Barrier::Timeout { seconds }, None) = (self.s.barrier, self.cutoff) {
            self.cutoff = Some(out.set_timer(Span::from_secs_f64(seconds)));
        }
    }

    fn begin(&mut self, i: u32, out: &mut Outbox) {
        let about = self.members[i as usize].about.expect("a briefed worker has something in hand");
        let mut fixed: Vec<PromptSpan> = self.agenda.source(&about).into_iter().collect();
        let member = &mut self.members[i as usize];
        fixed.extend(member.brief.take().map(|b| prompt::finding(&b, SpanRole::Reports)));
        member.worker.begin(about, &fixed, true, self.s.delegation_tokens, &self.s);
        if self.s.report_call {
            member.worker.ask_raw();
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
            Next::Done(Some(raw)) if self.s.report_call => self.report(i, &raw, out),
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
        request.product_tokens = self.s.report_tokens;
        request.completion_tokens = self.s.report_tokens;
        let call = out.call(request);
        member.reporting = Some(call);
        self.calls.insert(call, For::Report(i));
        if raw.kind == FindingKind::Patch {
            // The line's candidate is the raw result; the report only tells of it.
            self.agenda.settle(&about, Some(raw));
        }
    }

    // ---- the end ----

    fn nothing_left(&mut self, out: &mut Outbox) {
        let asks =
            matches!(self.agenda, Agenda::Subtasks { .. }) && self.s.ask_more && self.more_asked < self.s.more_rounds;
        if asks {
            self.more_asked += 1;
            self.enqueue(Job::More, out);
        } else {
            self.wrap_up(out);
        }
    }

    fn wrap_up(&mut self, out: &mut Outbox) {
        let writes = matches!(self.agenda, Agenda::Subtasks { .. }) && self.s.finalize;
        if writes {
            for i in 0..self.members.len() as u32 {
                out.note(Note::Phase(AgentId(i), Phase::IdleTail));
            }
            self.enqueue(Job::Finalize, out);
        } else {
            self.finish(None, out);
        }
    }

    fn finish(&mut self, answer: Option<(AgentId, FindingId)>, out: &mut Outbox) {
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
                if self.s.finalize { vec![submission] } else { Vec::new() }
            }
        };
        out.finish(Outcome { submissions });
    }

    fn replied(&mut self, what: For, reply: &Reply, out: &mut Outbox) {
        match (what, &reply.answer) {
            (For::Job(lead, job), answer) => self.job_done(lead, job, Some(answer), out),
            (For::Compact(lead, job), Answer::Digest(digest)) => {
                self.stores += 1;
                let store = StoreId(self.members.len() as u32 + self.s.leads + self.stores);
                self.notebook.replace(store, digest, out);
                out.note(Note::Compacted(lead));
                self.do_job(lead, job, out);
            }
            (For::Work(i), _) => {
                let (_, next) = self.members[i as usize].worker.on_reply(reply, &self.s, out);
                self.go_on(i, next, out);
            }
            (For::Report(i), Answer::Report(report)) => self.collected(i, Some(*report), Some(*report), out),
            (what, answer) => unreachable!("{what:?} was answered with {answer:?}"),
        }
    }

    fn failed(&mut self, what: For, out: &mut Outbox) {
        match what {
            For::Job(lead, job) | For::Compact(lead, job) => self.job_done(lead, job, None, out),
            For::Work(i) => {
                let next = self.members[i as usize].worker.on_failure();
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
            self.recall(out);
            self.finish(None, out);
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
            Event::Failed(call, _) => {
                if let Some(what) = self.calls.take(*call) {
                    self.failed(what, out);
                }
            }
            Event::TimerFired(timer) => self.timer(*timer, out),
        }
    }
}
