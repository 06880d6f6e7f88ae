//! Retimed replay: recorded calls wait for what released them and take as long as recorded, at another speed or under
//! other limits. No policy is asked; what a policy would have done otherwise is not in here.
//!
//! ```text
//! dependencies met, gap over -> [limit] -> [slot] -> service -> releases others
//! ```
//!
//! Without a new limit, recorded waits for slots and limits stay as they were; with one they are left out and the new
//! limit makes its own.
//!
//! Invariant: with every scale at 1 and no new limit, each call is asked for and ends when it did.

use crate::kernel::{Calendar, Rate, Servers, Span, Time, TokenBucket};
use crate::model::call::{Purpose, SpanRole};
use crate::model::ids::{EndpointId, TaskId};
use crate::model::note::Phase;
use crate::record::trace::{Answered, Trace};
use crate::record::transcript::{CallLine, Recording, Release, Stage, Status};
use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};

/// What is otherwise than recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct WhatIf {
    /// Factor on the time from dispatch to completion.
    pub latency_scale: f64,
    /// Factor on the time between calls (tools, people, timers).
    pub gap_scale: f64,
    /// Calls served at once.
    pub slots: Option<u32>,
    /// Calls admitted per minute.
    pub requests_per_minute: Option<u64>,
    /// Prompt tokens admitted per minute, cached ones included.
    pub input_tokens_per_minute: Option<u64>,
    /// Completion tokens admitted per minute; each call takes what it used.
    pub output_tokens_per_minute: Option<u64>,
    /// Seconds of rate that a full bucket holds.
    pub burst_s: f64,
}

impl Default for WhatIf {
    fn default() -> Self {
        Self {
            latency_scale: 1.0,
            gap_scale: 1.0,
            slots: None,
            requests_per_minute: None,
            input_tokens_per_minute: None,
            output_tokens_per_minute: None,
            burst_s: 60.0,
        }
    }
}

impl WhatIf {
    /// Whether calls wait for something that the recording did not have.
    fn limits(&self) -> bool {
        self.slots.is_some()
            || self.requests_per_minute.is_some()
            || self.input_tokens_per_minute.is_some()
            || self.output_tokens_per_minute.is_some()
    }

    fn buckets(&self) -> [Option<TokenBucket>; 3] {
        [self.requests_per_minute, self.input_tokens_per_minute, self.output_tokens_per_minute]
            .map(|rate| rate.map(|r| TokenBucket::new(Rate::per_minute(r as f64), Span::from_secs_f64(self.burst_s))))
    }
}

#[derive(Clone, Copy, Debug)]
enum Due {
    Arrive(u32),
    Asked(usize),
    Served(usize),
    Over(usize),
    Admit,
    Finish(u32),
}

/// A call on its way.
#[derive(Debug, Default)]
struct Node {
    /// Dependencies that are not met.
    open: usize,
    /// Earliest time that those met allow.
    ready: Time,
    /// Calls that wait for its dispatch and for its completion, with their gaps.
    on_dispatch: Vec<(usize, Span)>,
    on_completion: Vec<(usize, Span)>,
    asked: Time,
    served: Time,
}

struct Retimer<'a> {
    what_if: &'a WhatIf,
    calls: &'a [(u64, CallLine)],
    nodes: Vec<Node>,
    on_arrival: HashMap<u32, Vec<(usize, Span)>>,
    calendar: Calendar<Due>,
    servers: Servers<usize>,
    buckets: [Option<TokenBucket>; 3],
    line: VecDeque<usize>,
    admission: bool,
    /// Calls of each task that have not ended.
    left: Vec<usize>,
    trace: Trace,
}

/// Runs a recording under other conditions, into a trace.
///
/// # Errors
/// Calls that wait for each other, or for calls that are not there, named by line; times beyond the clock's end.
pub fn retime(recording: &Recording, what_if: &WhatIf, trace: Trace) -> Result<Trace, String> {
    let calls = &recording.calls;
    let mut retimer = Retimer {
        what_if,
        calls,
        nodes: Vec::new(),
        on_arrival: HashMap::new(),
        calendar: Calendar::new(),
        servers: Servers::new(what_if.slots),
        buckets: what_if.buckets(),
        line: VecDeque::new(),
        admission: false,
        left: vec![0; recording.run.tasks as usize],
        trace,
    };
    let mut arrived = vec![0; recording.run.tasks as usize];
    for arrival in &recording.arrivals {
        arrived[arrival.task as usize] = arrival.at_ns;
    }
    retimer.link(&arrived)?;
    for (task, at) in (0..).zip(arrived) {
        retimer.calendar.schedule(Time::from_nanos(at), Due::Arrive(task));
    }
    retimer.run(recording)?;
    let stuck = retimer.nodes.iter().position(|n| n.open > 0);
    match stuck {
        Some(i) => Err(format!(
            "line {}: field `released_by`: the call waits for itself through others; nothing can release it",
            calls[i].0
        )),
        None => Ok(retimer.trace),
    }
}

impl Retimer<'_> {
    /// Links calls to what releases them.
    fn link(&mut self, arrived: &[u64]) -> Result<(), String> {
        let numbers: HashMap<(u32, u64), usize> =
            self.calls.iter().enumerate().map(|(i, (_, c))| ((c.task, c.call), i)).collect();
        self.nodes = self.calls.iter().map(|_| Node::default()).collect();
        for (i, (line, call)) in self.calls.iter().enumerate() {
            self.left[call.task as usize] += 1;
            for d in &call.released_by {
                let gap = scaled(d.gap_ns, self.what_if.gap_scale);
                let of = match (d.on, d.call) {
                    (Release::Arrival, _) => {
                        self.on_arrival.entry(call.task).or_default().push((i, gap));
                        self.nodes[i].open += 1;
                        continue;
                    }
                    (_, Some(of)) => of,
                    (_, None) => {
                        return Err(format!("line {line}: field `released_by.call` is missing; name the call"));
                    }
                };
                let Some(&of) = numbers.get(&(call.task, of)) else {
                    return Err(format!(
                        "line {line}: field `released_by.call`: call {of} of task {} is not in this run",
                        call.task
                    ));
                };
                let node = &mut self.nodes[of];
                match d.on {
                    Release::Dispatch => node.on_dispatch.push((i, gap)),
                    _ => node.on_completion.push((i, gap)),
                }
                self.nodes[i].open += 1;
            }
            if call.released_by.is_empty() {
                let since = call.intended_ns.saturating_sub(arrived[call.task as usize]);
                let gap = scaled(since, self.what_if.gap_scale);
                self.on_arrival.entry(call.task).or_default().push((i, gap));
                self.nodes[i].open += 1;
            }
        }
        Ok(())
    }

    fn run(&mut self, recording: &Recording) -> Result<(), String> {
        while let Some((now, due)) = self.calendar.pop() {
            // Sums of times saturate there, so that a makespan would be the clock's length and not the run's.
            if now == Time::MAX {
                return Err(
                    "times too long for this clock: it counts nanoseconds and ends after 584 years (1.8e10 s); \
                            scale latencies and gaps by less, or allow more tokens and requests per minute"
                        .to_owned(),
                );
            }
            match due {
                Due::Arrive(task) => {
                    self.trace.cause = self.trace.arrived(now, TaskId(task));
                    let released = self.on_arrival.remove(&task).unwrap_or_default();
                    self.release(now, released);
                    if self.left[task as usize] == 0 {
                        self.wind_up(now, task, recording);
                    }
                }
                Due::Asked(i) => self.ask(now, i),
                Due::Served(i) => self.serve(now, i),
                Due::Over(i) => self.over(now, i, recording),
                Due::Admit => {
                    self.admission = false;
                    self.admit(now);
                }
                Due::Finish(task) => self.finish(now, task, recording),
            }
        }
        Ok(())
    }

    fn release(&mut self, now: Time, released: Vec<(usize, Span)>) {
        for (i, gap) in released {
            let node = &mut self.nodes[i];
            node.ready = node.ready.max(now + gap);
            node.open -= 1;
            if node.open == 0 {
                let at = node.ready.max(now);
                self.calendar.schedule(at, Due::Asked(i));
            }
        }
    }

    fn ask(&mut self, now: Time, i: usize) {
        let call = &self.calls[i].1;
        self.nodes[i].asked = now;
        let board = call.request.layout.iter().filter(|s| s.role == SpanRole::Board).map(|s| u64::from(s.tokens)).sum();
        self.trace.called(now, &call.told(), EndpointId(0), call.usage.prompt_tokens, board);
        if self.what_if.limits() && call.purpose != Purpose::Tool {
            self.line.push_back(i);
            self.admit(now);
            if self.line.contains(&i) {
                self.waits(now, i, Phase::RateLimitWait);
            }
            return;
        }
        let wait = call.dispatched_ns.unwrap_or(call.intended_ns).saturating_sub(call.intended_ns);
        if wait == 0 {
            self.serve(now, i);
            return;
        }
        let phase = call.moments.iter().find_map(|m| match m.stage {
            Stage::Waits(phase) => Some(phase),
            _ => None,
        });
        self.waits(now, i, phase.unwrap_or(Phase::SlotWait));
        self.calendar.schedule(now + Span::from_nanos(wait), Due::Served(i));
    }

    fn waits(&mut self, now: Time, i: usize, phase: Phase) {
        self.trace.waits(now, &self.calls[i].1.told(), phase);
    }

    /// Lets calls through the limits in order, as far as the buckets reach now.
    fn admit(&mut self, now: Time) {
        while let Some(&i) = self.line.front() {
            let usage = &self.calls[i].1.usage;
            let amounts = [1, usage.prompt_tokens, usage.completion_tokens];
            let earliest = self.buckets.iter().zip(amounts).filter_map(|(b, n)| b.as_ref().map(|b| b.earliest(now, n)));
            let earliest = earliest.max().unwrap_or(now);
            if earliest > now {
                if !self.admission {
                    self.admission = true;
                    self.calendar.schedule(earliest, Due::Admit);
                }
                return;
            }
            for (bucket, n) in self.buckets.iter_mut().zip(amounts) {
                if let Some(bucket) = bucket {
                    bucket.take(now, n);
                }
            }
            self.line.pop_front();
            match self.servers.request(now, i) {
                Some(i) => self.serve(now, i),
                None => self.waits(now, i, Phase::SlotWait),
            }
        }
    }

    fn serve(&mut self, now: Time, i: usize) {
        let call = &self.calls[i].1;
        self.nodes[i].served = now;
        self.trace.served(now, &call.told());
        let from = call.dispatched_ns.unwrap_or(call.intended_ns);
        let service = call.completed_ns.unwrap_or(from).saturating_sub(from);
        self.calendar.schedule(now + scaled(service, self.what_if.latency_scale), Due::Over(i));
        let released = std::mem::take(&mut self.nodes[i].on_dispatch);
        self.release(now, released);
    }

    fn over(&mut self, now: Time, i: usize, recording: &Recording) {
        let line = &self.calls[i].1;
        let (told, bill) = (line.told(), line.bill());
        let failed = line.moments.iter().find_map(|m| match m.stage {
            Stage::Failed(error) => Some(error),
            _ => None,
        });
        self.trace.cause = match line.status {
            Status::Failed => {
                self.trace.failed(now, &told, failed.unwrap_or(crate::model::call::CallError::Server), bill)
            }
            Status::Cancelled | Status::Open => self.trace.cancelled(now, &told, bill),
            Status::Ok => {
                let (sojourn, service) = (now - self.nodes[i].asked, now - self.nodes[i].served);
                let answered = Answered { said: None, duplicate: line.duplicate, sojourn, service };
                self.trace.replied(now, &told, &answered, bill)
            }
        };
        if self.what_if.limits()
            && told.purpose != Purpose::Tool
            && let Some(next) = self.servers.release(now)
        {
            self.serve(now, next);
        }
        let released = std::mem::take(&mut self.nodes[i].on_completion);
        self.release(now, released);
        self.left[line.task as usize] -= 1;
        if self.left[line.task as usize] == 0 {
            self.wind_up(now, line.task, recording);
        }
    }

    /// The task ends as long after its last call as recorded.
    fn wind_up(&mut self, now: Time, task: u32, recording: &Recording) {
        let line = recording.finishes.iter().find(|f| f.task == task);
        let last = self.calls.iter().filter(|(_, c)| c.task == task).filter_map(|(_, c)| c.completed_ns).max();
        let tail = line.map_or(0, |f| f.at_ns.saturating_sub(last.unwrap_or(f.at_ns)));
        self.calendar.schedule(now + scaled(tail, self.what_if.gap_scale), Due::Finish(task));
    }

    fn finish(&mut self, now: Time, task: u32, recording: &Recording) {
        let line = recording.finishes.iter().find(|f| f.task == task);
        let right = line.map(|f| f.right.clone()).unwrap_or_default();
        let facts = line.map(|f| f.facts.clone()).unwrap_or_default();
        let facts = facts.into_iter().map(|(name, value)| (Cow::Owned(name), value)).collect();
        self.trace.finished(now, TaskId(task), right, facts);
    }
}

fn scaled(ns: u64, scale: f64) -> Span {
    if scale == 1.0 { Span::from_nanos(ns) } else { Span::from_secs_f64(Span::from_nanos(ns).as_secs_f64() * scale) }
}
