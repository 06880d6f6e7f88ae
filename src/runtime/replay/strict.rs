//! Strict replay: a world whose calls end as recorded.
//!
//! Everything that happens has the number of its trace record. A stage of a call is due when the trace has come to its
//! number; what the policy does in between must fill the numbers before it, or the replay diverges. Only a live run
//! that was killed and taken up again lacks numbers (stages of calls that were under way), and its timers run out late.

mod commands;
mod stages;

use super::again::Again;
use super::divergence::Divergence;
use super::terms::Terms;
use crate::kernel::Time;
use crate::model::call::Request;
use crate::model::ids::{CallId, EndpointId, TaskId, TimerId};
use crate::policy::{Command, Event};
use crate::record::trace::Trace;
use crate::record::transcript::{CallLine, FinishLine, Recording, Stage};
use crate::runtime::Fleet;
use crate::runtime::driver::{Delivery, World};
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

    fn is_stopped(&self) -> bool {
        self.stop_after.is_some_and(|most| self.trace.summary.counted >= most)
    }
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
                Due::Arrival(task, at) => {
                    let seq = self.trace.arrived(at, task);
                    return Some(self.deliver(seq, at, task, Event::Started));
                }
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
            Command::Call(id, request) => self.call(task, id, *request),
            Command::Cancel(id) => self.cancel(task, id),
            Command::SetTimer(timer, after) => {
                self.trace.timer_set(self.event_at, task, timer);
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
