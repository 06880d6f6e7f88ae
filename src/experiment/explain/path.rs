//! The critical path of a run: from its last record back through causes to the arrival, every nanosecond with a label.
//!
//! A wait for a *place* (a slot, a rate limit, the queue's lock, a lead that briefs others first) belongs to who waits:
//! the path stays with the job. A wait for a *fact* (a result, a verdict, the last report) is what its maker did
//! meanwhile: the path goes over to the maker. Hence an input wait is on the path only where nobody on it made anything.
//! A barrier is both: while somebody who is through stands at it, the slowest of the round is waited for. That is barrier
//! wait, whatever the slowest does, since a barrier that waits for one worker would do without it.
//!
//! Invariant: stretches follow each other without a gap from the arrival to the end, so they sum to the makespan.

use super::pairing::{Decision, decision};
use super::story::Told;
use crate::kernel::Time;
use crate::model::call::Purpose;
use crate::model::ids::{AgentId, CallId};
use crate::model::note::{Note, Phase};
use crate::model::price::CostRole;
use crate::record::trace::{Body, Record, phase_of};
use serde::Serialize;

/// What a stretch of a critical path is spent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Label {
    /// A worker's call is served.
    Work,
    /// A tool runs.
    Tool,
    /// A call of planning, briefing, merging or reporting is served.
    Coordination,
    /// A call of the gate is served.
    Verification,
    /// A call waits for a rate limit, or backs off.
    RateLimitWait,
    /// A call waits for a slot of its endpoint.
    SlotWait,
    /// A worker waits for a lead that is busy with others.
    RelayWait,
    /// Somebody who is through waits at a barrier for the slowest, or for its clock.
    BarrierWait,
    /// A wait for an event that no call brings.
    InputWait,
    /// A wait for the queue's lock.
    LockWait,
    /// A wait before the first work.
    StartUp,
    /// A wait for the deadline, which cuts off what is in flight.
    Deadline,
}

impl Label {
    /// All labels, in the order of tables and figures.
    pub const ALL: [Self; 12] = [
        Self::Work,
        Self::Tool,
        Self::Coordination,
        Self::Verification,
        Self::RateLimitWait,
        Self::SlotWait,
        Self::RelayWait,
        Self::BarrierWait,
        Self::InputWait,
        Self::LockWait,
        Self::StartUp,
        Self::Deadline,
    ];

    /// Name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Work => "work",
            Self::Tool => "tool",
            Self::Coordination => "coordination",
            Self::Verification => "verification",
            Self::RateLimitWait => "rate-limit wait",
            Self::SlotWait => "slot wait",
            Self::RelayWait => "relay wait",
            Self::BarrierWait => "barrier wait",
            Self::InputWait => "input wait",
            Self::LockWait => "lock wait",
            Self::StartUp => "start-up",
            Self::Deadline => "deadline",
        }
    }

    fn of_service(purpose: Purpose) -> Self {
        match purpose.role() {
            CostRole::Work => Self::Work,
            CostRole::Tool => Self::Tool,
            CostRole::Coordination => Self::Coordination,
            CostRole::Verification => Self::Verification,
        }
    }
}

/// A stretch of a critical path.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Stretch {
    /// Start, in nanoseconds since the arrival.
    #[serde(rename = "from_ns")]
    pub from: Time,
    /// End, in nanoseconds since the arrival.
    #[serde(rename = "to_ns")]
    pub to: Time,
    /// What it is spent on.
    pub label: Label,
    /// The call that is served or waits; none where a timer runs.
    pub call: Option<CallId>,
    /// What was asked for by that call; none where a timer runs.
    pub asked: Option<Decision>,
    /// The try that is served fails.
    pub failed: bool,
    /// In a barrier wait: what the slowest does meanwhile.
    pub meanwhile: Option<Label>,
}

impl Stretch {
    /// Length in nanoseconds.
    pub fn ns(&self) -> u64 {
        (self.to - self.from).as_nanos()
    }
}

/// The path of the task that ends last; none for a run without an end.
pub(super) fn critical(told: &Told) -> Option<Vec<Stretch>> {
    let end = told.end()?;
    let mut path = Vec::new();
    let mut cause = told.cause(end);
    // The worker that goes on where the path comes from: it is who waits for a lead.
    let mut next = None;
    while let Some((from, by)) = before(told, cause, next, &mut path) {
        next = by;
        cause = from;
    }
    path.reverse();
    Some(with_barriers(told, end, path))
}

/// Puts what led to an event on the path, latest first; the event before it with the agent that it set to work. None at
/// the arrival.
fn before<'a>(
    told: &'a Told,
    event: &'a Record,
    next: Option<AgentId>,
    path: &mut Vec<Stretch>,
) -> Option<(&'a Record, Option<AgentId>)> {
    match event.body {
        Body::Replied { call, .. } | Body::Failed { call, .. } => {
            let life = told.life(event.task, call);
            served_and_waited(&life, path);
            let called = life[0];
            let Body::Called { agent, purpose, .. } = called.body else { unreachable!("a life begins with its call") };
            if purpose == Purpose::Dispatch
                && let Some(claim) = next.and_then(|worker| claim(told, called, worker))
            {
                let relay = Stretch {
                    from: claim.at,
                    to: called.at,
                    label: Label::RelayWait,
                    call: Some(call),
                    asked: decision(called),
                    failed: false,
                    meanwhile: None,
                };
                push(path, relay);
                return Some((told.cause(claim), Some(agent)));
            }
            Some((told.cause(called), Some(agent)))
        }
        Body::TimerFired { timer } => {
            let set = told.story.timer(event.task, timer)?;
            let cause = told.record(set.cause);
            let label = label_of_timer(told, event, cause);
            push(
                path,
                Stretch { from: set.at, to: event.at, label, call: None, asked: None, failed: false, meanwhile: None },
            );
            Some((cause, None))
        }
        _ => None,
    }
}

fn push(path: &mut Vec<Stretch>, stretch: Stretch) {
    if stretch.from < stretch.to {
        path.push(stretch);
    }
}

/// A call from its end back to its beginning.
fn served_and_waited(life: &[&Record], path: &mut Vec<Stretch>) {
    let asked = decision(life[0]);
    for pair in life.windows(2).rev() {
        let [begins, ends] = pair else { unreachable!("windows of two") };
        let (label, call) = match begins.body {
            Body::Served { call, purpose, .. } => (Label::of_service(purpose), call),
            Body::Waits { call, phase, .. } => {
                let label = if phase == Phase::SlotWait { Label::SlotWait } else { Label::RateLimitWait };
                (label, call)
            }
            // Between these and what follows no time passes.
            _ => continue,
        };
        let failed = matches!(begins.body, Body::Served { .. }) && matches!(ends.body, Body::TryFailed { .. });
        push(path, Stretch { from: begins.at, to: ends.at, label, call: Some(call), asked, failed, meanwhile: None });
    }
}

/// When the worker was given what a lead's brief is about, if the lead briefed others first. A context that was shortened
/// in between is no wait.
fn claim<'a>(told: &'a Told, called: &Record, worker: AgentId) -> Option<&'a Record> {
    let shortened = matches!(told.cause(called).body, Body::Replied { purpose: Purpose::Compact, .. });
    let mine = |r: &&Record| {
        r.task == called.task && matches!(r.body, Body::Noted { note: Note::Claimed(who, _), .. } if who == worker)
    };
    let claim = told.until(called).iter().rev().find(mine)?;
    (!shortened && claim.at < called.at).then_some(claim)
}

/// A timer is known by what it does.
fn label_of_timer(told: &Told, fired: &Record, set_by: &Record) -> Label {
    let effects = told.effects(fired);
    let is_round = |r: &Record| matches!(r.body, Body::Noted { note: Note::Phase(_, Phase::RelayWait), .. });
    match effects.first().map(|r| &r.body) {
        Some(Body::Noted { note: Note::Admitted { .. }, .. }) => Label::LockWait,
        Some(Body::Called { .. }) if matches!(set_by.body, Body::Arrived) => Label::StartUp,
        _ if matches!(set_by.body, Body::Arrived) => Label::Deadline,
        _ if effects.iter().any(|r| is_round(r)) => Label::BarrierWait,
        _ => Label::InputWait,
    }
}

/// The path with all that passes while somebody stands at a barrier.
fn with_barriers(told: &Told, end: &Record, path: Vec<Stretch>) -> Vec<Stretch> {
    let waits = at_barriers(told, end);
    let mut out = Vec::with_capacity(path.len());
    for stretch in path {
        if stretch.label == Label::Deadline {
            out.push(stretch);
            continue;
        }
        let mut from = stretch.from;
        let first = waits.partition_point(|(_, to)| *to <= stretch.from);
        for &(start, stop) in waits[first..].iter().take_while(|(start, _)| *start < stretch.to) {
            let (start, stop) = (start.max(from), stop.min(stretch.to));
            if from < start {
                out.push(Stretch { from, to: start, ..stretch });
            }
            out.push(Stretch {
                from: start,
                to: stop,
                label: Label::BarrierWait,
                meanwhile: Some(stretch.label),
                ..stretch
            });
            from = stop;
        }
        if from < stretch.to {
            out.push(Stretch { from, ..stretch });
        }
    }
    out
}

/// Times in which somebody of the task stands at a barrier, apart from each other, in order.
fn at_barriers(told: &Told, end: &Record) -> Vec<(Time, Time)> {
    let mut standing = std::collections::BTreeSet::new();
    let mut since = Time::ZERO;
    let mut times: Vec<(Time, Time)> = Vec::new();
    for record in told.until(end).iter().filter(|r| r.task == end.task) {
        let Some((agent, phase)) = enters(record) else { continue };
        if phase == Phase::BarrierWait {
            if standing.is_empty() {
                since = record.at;
            }
            standing.insert(agent);
        } else if standing.remove(&agent) && standing.is_empty() && since < record.at {
            times.push((since, record.at));
        }
    }
    if !standing.is_empty() && since < end.at {
        times.push((since, end.at));
    }
    times
}

/// The phase that a record brings an agent into: as the summary of the trace has it.
fn enters(record: &Record) -> Option<(AgentId, Phase)> {
    match record.body {
        Body::Waits { agent, background: false, phase, .. } | Body::Noted { note: Note::Phase(agent, phase), .. } => {
            Some((agent, phase))
        }
        Body::Served { agent, background: false, purpose, .. } => Some((agent, phase_of(purpose))),
        Body::Replied { agent, background: false, .. }
        | Body::Failed { agent, background: false, .. }
        | Body::Cancelled { agent, background: false, .. } => Some((agent, Phase::InputWait)),
        _ => None,
    }
}
