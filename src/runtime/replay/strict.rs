//! Strict replay: a world whose calls end as recorded.
//!
//! Everything that happens has the number of its trace record. A stage of a call is due when the trace has come to its
//! number; what the policy does in between must fill the numbers before it, or the replay diverges. Only a live run
//! that was killed and taken up again lacks numbers (stages of calls that were under way), and its timers run out late.

use super::again::Again;
use super::bill::unpaid;
use super::checks::{asks_the_same, misgraded, unanswerable, unusable};
use super::divergence::Divergence;
use super::terms::Terms;
use crate::kernel::{Span, Time};
use crate::model::call::{Outcome, Reply, Request, SpanRole, prompt_tokens};
use crate::model::ids::{CallId, EndpointId, FindingId, TaskId, TimerId};
use crate::model::note::Note;
use crate::policy::{Command, Event};
use crate::record::trace::{Body, Trace};
use crate::record::transcript::{CallLine, FinishLine, Recording, Stage, Status, content_key};
use crate::runtime::Fleet;
use crate::runtime::driver::{Delivery, World};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

/// What is due at a record number.
#[derive(Clone, Copy, Debug)]
enum Due {
    Arrival(TaskId, Time),
    Timer(TaskId, TimerId, Time),
    /// Stage `1` of recorded call `0`.
    Stage(usize, usize),
}

/// A call that the policy has asked for.
#[derive(Debug)]
struct Asked {
    id: CallId,
    request: Request,
}

/// A recorded run as a world.
pub struct Strict {
    calls: Vec<(u64, CallLine)>,
    fleet: Arc<Fleet>,
    /// Recorded endpoints by number; none if the scenario has no such name.
    endpoints: Vec<Option<EndpointId>>,
    /// Recorded calls by content key, in the order in which they were asked for.
    by_key: HashMap<(u32, String), VecDeque<usize>>,
    asked: Vec<Option<Asked>>,
    by_id: HashMap<(TaskId, CallId), usize>,
    due: BTreeMap<u64, Due>,
    finishes: Vec<(u64, FinishLine)>,
    unsupported: BTreeMap<u32, BTreeSet<u32>>,
    right: BTreeMap<u32, BTreeSet<u32>>,
    /// When each timer that is set runs out.
    timers: HashMap<(TaskId, TimerId), Time>,
    /// Subtasks of each task.
    created: BTreeMap<u32, u32>,
    /// Plans are lists of subtasks, not decisions.
    subtasks: bool,
    now: Time,
    /// Time of the event that the policy answers.
    event_at: Time,
    /// Real calls and a real clock.
    measured: bool,
    open: usize,
    stop_after: Option<u64>,
    again: Again,
    /// The trace of everything that happened.
    pub trace: Trace,
    /// Where the policy departed from the recording.
    pub divergence: Option<Divergence>,
}

impl Strict {
    /// A world out of one recorded run.
    pub fn new(recording: Recording, terms: Terms, mut trace: Trace) -> Self {
        let Terms { fleet, endpoints, run: begun, stop_after, subtasks, measured } = terms;
        let (mut again, recorder) = Again::new(&begun, endpoints, measured);
        trace.recorder = Some(recorder);
        let Recording { run, arrivals, mut calls, timers, finishes, end, run_at, finishes_at, end_at, .. } = recording;
        let open = run.tasks as usize;
        (again.run, again.end) = ((run_at, run), end.map(|end| (end_at, end)));
        calls.sort_by_key(|(_, c)| (c.task, c.call));
        let mut by_key: HashMap<(u32, String), VecDeque<usize>> = HashMap::new();
        for (i, (_, call)) in calls.iter().enumerate() {
            by_key.entry((call.task, call.key.clone())).or_default().push_back(i);
        }
        // The free one, behind the others, has no name in simulated runs.
        let number = |name: &str| match endpoints.iter().position(|e| e == name) {
            Some(i) => Some(EndpointId(i as u16)),
            None => name.is_empty().then_some(fleet.free),
        };
        let arrived = arrivals.iter().map(|a| (a.seq, Due::Arrival(TaskId(a.task), Time::from_nanos(a.at_ns))));
        let fired =
            timers.iter().map(|t| (t.seq, Due::Timer(TaskId(t.task), TimerId(t.timer), Time::from_nanos(t.at_ns))));
        let mut due = BTreeMap::new();
        let mut divergence = None;
        for (seq, what) in arrived.chain(fired) {
            if due.insert(seq, what).is_some() {
                divergence =
                    Some(Divergence::told(format!("field `seq`: two arrivals or timers are recorded as {seq}")));
            }
        }
        Self {
            endpoints: calls.iter().map(|(_, c)| number(&c.endpoint)).collect(),
            fleet,
            asked: calls.iter().map(|_| None).collect(),
            calls,
            by_key,
            by_id: HashMap::new(),
            due,
            unsupported: finishes.iter().map(|f| (f.task, f.unsupported.iter().copied().collect())).collect(),
            right: finishes.iter().map(|f| (f.task, f.right_findings.iter().copied().collect())).collect(),
            finishes: finishes_at.into_iter().zip(finishes).collect(),
            timers: HashMap::new(),
            created: BTreeMap::new(),
            subtasks,
            now: Time::ZERO,
            event_at: Time::ZERO,
            measured,
            open,
            stop_after,
            again,
            trace,
            divergence,
        }
    }

    fn diverge(&mut self, divergence: Divergence) {
        self.divergence.get_or_insert(divergence);
    }

    /// Recorded calls that nobody asked for, once the run is over.
    pub fn left_over(&self) -> Option<Divergence> {
        let (i, _) = self.asked.iter().enumerate().find(|(_, asked)| asked.is_none())?;
        let (line, call) = &self.calls[i];
        Some(Divergence::about_call(*line, call, "the policy never asked for this recorded call".to_owned()))
    }

    /// The trace, and what it wrote, once the run is over.
    pub fn into_parts(self) -> (Trace, Again) {
        let Self { calls, by_id, finishes, trace, mut again, .. } = self;
        (again.calls, again.by_id, again.finishes) = (calls, by_id, finishes);
        (trace, again)
    }

    /// Who serves a request by the scenario; a live run's plain code may serve it too.
    fn endpoint(&self, i: usize, request: &Request) -> EndpointId {
        let due = if self.measured { self.fleet.model_of(request) } else { self.fleet.endpoint_of(request) };
        let is_code = self.measured && self.endpoints[i] == Some(self.fleet.free);
        if is_code { self.fleet.free } else { due }
    }

    fn call(&mut self, task: TaskId, id: CallId, request: Request) {
        let key = (task.0, content_key(task, &request));
        let Some(i) = self.by_key.get_mut(&key).and_then(VecDeque::pop_front) else {
            let divergence = Divergence::unknown_call(task, id, &request, self.nearest(task, id, &request));
            self.diverge(divergence);
            return;
        };
        let (line, call) = &self.calls[i];
        if !asks_the_same(call, task, &request) {
            let divergence = Divergence::changed_call(task, &request, *line, call);
            self.diverge(divergence);
            return;
        }
        let endpoint = self.endpoint(i, &request);
        let simulated = !self.measured;
        let problem = unusable(call, self.trace.len(), self.now)
            .or_else(|| if simulated { unpaid(call, &request, &self.fleet, endpoint) } else { None });
        if let Some(problem) = problem {
            let divergence = Divergence::about_call(*line, call, problem);
            self.diverge(divergence);
            return;
        }
        for (stage, moment) in call.moments.iter().enumerate().skip(1) {
            if self.due.insert(moment.seq, Due::Stage(i, stage)).is_some() {
                let what = format!("field `moments[{stage}].seq`: something else is recorded as {} too", moment.seq);
                let divergence = Divergence::about_call(*line, call, what);
                self.divergence.get_or_insert(divergence);
                return;
            }
        }
        let board = request.prompt.iter().filter(|s| s.role == SpanRole::Board).map(|s| u64::from(s.tokens)).sum();
        let body = Body::Called {
            call: id,
            agent: request.agent,
            purpose: request.purpose,
            background: request.background,
            about: request.about,
            endpoint,
            prompt_tokens: prompt_tokens(&request.prompt),
            board_tokens: board,
        };
        if let Some(recorder) = &mut self.trace.recorder {
            recorder.asked(task, id, &request);
        }
        self.trace.record(self.now, task, body);
        self.asked[i] = Some(Asked { id, request });
        self.by_id.insert((task, id), i);
        self.settle();
    }

    /// What the recording has where the policy asks for something else: the same question with another prompt, else
    /// the call of the same number.
    fn nearest(&self, task: TaskId, id: CallId, r: &Request) -> Option<(u64, &CallLine)> {
        let free = |(i, _): &(usize, &(u64, CallLine))| self.asked[*i].is_none();
        let same = |c: &CallLine| {
            (c.task, c.agent, c.purpose, c.about) == (task.0, r.agent.0, r.purpose, r.about)
                && c.background == r.background
        };
        let found = self.calls.iter().enumerate().filter(free).find(|(_, (_, c))| same(c)).or_else(|| {
            self.calls.iter().enumerate().filter(free).find(|(_, (_, c))| (c.task, c.call) == (task.0, id.0))
        });
        found.map(|(_, (line, call))| (*line, call))
    }

    /// Records the stages that are due now and that no policy hears of.
    fn settle(&mut self) {
        while let Some((&seq, &due)) = self.due.first_key_value() {
            let Due::Stage(i, stage) = due else { return };
            let moment = self.calls[i].1.moments[stage];
            if seq != self.trace.len() || !matches!(moment.stage, Stage::Waits(_) | Stage::Served | Stage::TryFailed(_))
            {
                return;
            }
            self.due.remove(&seq);
            self.now = Time::from_nanos(moment.at_ns);
            self.stage(i, stage);
        }
    }

    /// Records one stage of a call.
    fn stage(&mut self, i: usize, stage: usize) -> Option<Delivery> {
        let (_, line) = &self.calls[i];
        let moment = line.moments[stage];
        let at = Time::from_nanos(moment.at_ns);
        let asked = self.asked[i].as_ref().expect("only stages of calls that were asked for are due");
        let (task, call, r) = (TaskId(line.task), asked.id, &asked.request);
        let (agent, purpose, background) = (r.agent, r.purpose, r.background);
        let billed = line.billed.unwrap_or(line.usage).into();
        let cost = line.cost.picodollars;
        let body = match moment.stage {
            Stage::Called => unreachable!("the first stage is recorded when the policy asks"),
            Stage::Waits(phase) => Body::Waits { call, agent, background, phase },
            Stage::Served => Body::Served { call, agent, background, purpose },
            Stage::TryFailed(error) => Body::TryFailed { call, purpose, error },
            Stage::Cancelled => Body::Cancelled { call, agent, purpose, background, cost, usage: billed },
            Stage::Failed(error) => {
                let body = Body::Failed { call, agent, purpose, background, error, cost, usage: billed };
                return Some(self.deliver(at, task, body, Event::Failed(call, error)));
            }
            Stage::Replied => {
                let served = line.moments.iter().rev().find(|m| m.stage == Stage::Served);
                let (sojourn, service) =
                    (since(at, line.moments[0].at_ns), since(at, served.map_or(moment.at_ns, |m| m.at_ns)));
                let answer = line.response.as_ref().and_then(|r| r.answer.clone());
                let answer = answer.expect("checked when the call was asked for");
                let (about, usage) = (r.about, line.usage.into());
                if let Some(recorder) = &mut self.trace.recorder {
                    recorder.answered(task, call, &answer, &usage, line.first_token_ns.map(Time::from_nanos));
                }
                let duplicate = line.duplicate;
                let body = Body::Replied {
                    call,
                    agent,
                    purpose,
                    background,
                    about,
                    usage: billed,
                    cost,
                    duplicate,
                    sojourn,
                    service,
                };
                return Some(self.deliver(at, task, body, Event::Replied(call, Reply { answer, usage, sojourn })));
            }
        };
        self.trace.record(at, task, body);
        None
    }

    /// Diverges if the recorded answer would make no sense to the policy now.
    fn refuses_answer(&mut self, i: usize, stage: usize) -> bool {
        let (line, call) = &self.calls[i];
        if call.moments[stage].stage != Stage::Replied {
            return false;
        }
        let created = self.created.get(&call.task).copied().unwrap_or_default();
        let answer = call.response.as_ref().and_then(|r| r.answer.as_ref());
        let Some(problem) = answer.and_then(|a| unanswerable(call.purpose, a, self.subtasks, created)) else {
            return false;
        };
        let divergence = Divergence::about_call(*line, call, problem);
        self.diverge(divergence);
        true
    }

    fn deliver(&mut self, at: Time, task: TaskId, body: Body, event: Event) -> Delivery {
        let seq = self.trace.record(at, task, body);
        (self.trace.cause, self.event_at) = (seq, at);
        Delivery { task, at, event }
    }

    /// The policy cancels a call; its recorded cancellation must be due.
    fn cancel(&mut self, task: TaskId, id: CallId) {
        let Some(&i) = self.by_id.get(&(task, id)) else { return };
        let (line, call) = &self.calls[i];
        let over = call.moments.last().is_some_and(|m| m.seq < self.trace.len());
        if over && call.status != Status::Open {
            return;
        }
        let due = call.moments.iter().position(|m| m.stage == Stage::Cancelled && m.seq == self.trace.len());
        let Some(stage) = due else {
            let what = format!("the policy cancels this call at {} ns, the recording does not", self.now.as_nanos());
            let divergence = Divergence::about_call(*line, call, what);
            self.diverge(divergence);
            return;
        };
        let seq = call.moments[stage].seq;
        self.due.remove(&seq);
        self.stage(i, stage);
        self.settle();
    }

    /// A timer runs out: the policy must have set it for this instant.
    fn timer_fires(&mut self, task: TaskId, timer: TimerId, at: Time) -> Option<Delivery> {
        let what = match self.timers.remove(&(task, timer)) {
            Some(due) if due == at || self.measured && due < at => {
                return Some(self.deliver(at, task, Body::TimerFired { timer }, Event::TimerFired(timer)));
            }
            Some(due) => format!("is set for {} ns by the policy", due.as_nanos()),
            None => "is not set by the policy".to_owned(),
        };
        let what = format!("timer {} of task {} ran out at {} ns, but {what}", timer.0, task.0, at.as_nanos());
        self.diverge(Divergence::told(what));
        None
    }

    fn note(&mut self, task: TaskId, note: Note) {
        if let Note::Created { count, .. } = note {
            *self.created.entry(task.0).or_default() += count;
        }
        let is = |of: &BTreeMap<u32, BTreeSet<u32>>, f: FindingId| of.get(&task.0).is_some_and(|s| s.contains(&f.0));
        let unsupported = match note {
            Note::Proposed(_, f) | Note::Rejected(_, f) | Note::Admitted { finding: f, .. } => is(&self.unsupported, f),
            Note::Submitted(_, _, f) => !f.is_some_and(|f| is(&self.right, f)),
            _ => false,
        };
        self.trace.record(self.now, task, Body::Noted { note, unsupported });
        self.settle();
    }

    fn finish(&mut self, task: TaskId, outcome: &Outcome) {
        // Calls under way end with the task, in the recorded order.
        while let Some((&seq, &Due::Stage(i, stage))) = self.due.first_key_value() {
            let (_, call) = &self.calls[i];
            if seq != self.trace.len() || call.task != task.0 || call.moments[stage].stage != Stage::Cancelled {
                break;
            }
            self.due.remove(&seq);
            self.stage(i, stage);
            self.settle();
        }
        let seq = self.trace.len();
        let Some((place, line)) = self.finishes.iter().find(|(_, f)| f.task == task.0 && f.seq == seq) else {
            let what = format!("task {} ends at {} ns, the recording goes on", task.0, self.now.as_nanos());
            self.diverge(Divergence::told(what));
            return;
        };
        if line.right.len() > outcome.submissions.len() {
            let (recorded, now) = (line.right.len(), outcome.submissions.len());
            let what = format!("task {} ends with {now} submissions, recorded are {recorded}", task.0);
            self.diverge(Divergence::told(what));
            return;
        }
        let now = (!self.measured).then_some(self.now);
        if let Some(problem) = misgraded(line, outcome, self.right.get(&task.0), now) {
            let divergence = Divergence { line: Some(*place), ..Divergence::told(problem) };
            self.diverge(divergence);
            return;
        }
        let facts = line.facts.iter().map(|(name, value)| (Cow::Owned(name.clone()), *value)).collect();
        let body = Body::Finished { right: line.right.clone(), facts };
        self.trace.record(Time::from_nanos(line.at_ns), task, body);
        self.open -= 1;
    }

    fn is_stopped(&self) -> bool {
        self.stop_after.is_some_and(|most| self.trace.summary.counted >= most)
    }
}

fn since(at: Time, earlier_ns: u64) -> Span {
    Span::from_nanos(at.as_nanos().saturating_sub(earlier_ns))
}

impl World for Strict {
    fn next(&mut self) -> Option<Delivery> {
        loop {
            if self.divergence.is_some() {
                return None;
            }
            if self.is_stopped() {
                self.open = 0;
                self.trace.summary.stop(self.now);
                return None;
            }
            let Some((&seq, &due)) = self.due.first_key_value() else {
                if self.open > 0 {
                    let what = format!(
                        "nothing more is recorded after record {}, but {} task(s) have not ended",
                        self.trace.len(),
                        self.open
                    );
                    self.diverge(Divergence::told(what));
                }
                return None;
            };
            let at = match due {
                Due::Arrival(_, at) | Due::Timer(_, _, at) => at,
                Due::Stage(i, stage) => Time::from_nanos(self.calls[i].1.moments[stage].at_ns),
            };
            if self.measured {
                self.trace.skip_to(seq);
            }
            if seq != self.trace.len() {
                let (here, ns) = (self.trace.len(), at.as_nanos());
                let how = if here < seq { "less" } else { "more" };
                let what = format!(
                    "the policy has done {how} than recorded by {ns} ns: the trace is at record {here}, recorded is {seq}"
                );
                let divergence = match due {
                    Due::Stage(i, _) => Divergence::about_call(self.calls[i].0, &self.calls[i].1, what),
                    _ => Divergence::told(what),
                };
                self.diverge(divergence);
                return None;
            }
            self.due.remove(&seq);
            self.now = at;
            match due {
                Due::Arrival(task, at) => return Some(self.deliver(at, task, Body::Arrived, Event::Started)),
                Due::Timer(task, timer, at) => return self.timer_fires(task, timer, at),
                Due::Stage(i, stage) => {
                    if self.calls[i].1.moments[stage].stage == Stage::Cancelled {
                        let (line, call) = &self.calls[i];
                        let what = "the recording cancels this call, the policy does not".to_owned();
                        let divergence = Divergence::about_call(*line, call, what);
                        self.diverge(divergence);
                        return None;
                    }
                    if self.refuses_answer(i, stage) {
                        return None;
                    }
                    if let Some(delivery) = self.stage(i, stage) {
                        return Some(delivery);
                    }
                }
            }
        }
    }

    fn execute(&mut self, task: TaskId, command: Command) {
        if self.divergence.is_some() {
            return;
        }
        match command {
            Command::Call(id, request) => self.call(task, id, request),
            Command::Cancel(id) => self.cancel(task, id),
            Command::SetTimer(timer, after) => {
                if let Some(recorder) = &mut self.trace.recorder {
                    recorder.timer_set(task, timer.0, self.trace.cause);
                }
                self.timers.insert((task, timer), self.event_at + after);
            }
            Command::CancelTimer(timer) => {
                self.timers.remove(&(task, timer));
            }
            Command::Note(note) => self.note(task, note),
            Command::Finish(outcome) => self.finish(task, &outcome),
        }
    }

    fn unfinished(&self) -> usize {
        self.open
    }
}
