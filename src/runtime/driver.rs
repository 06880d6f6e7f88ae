//! The one loop: the world says what happened, the task's policy says what to do, the world does it.

use super::owed::Ledger;
use crate::kernel::Time;
use crate::model::ids::TaskId;
use crate::policy::{Command, Event, Outbox, Policy};

/// Something happened to a task.
#[derive(Debug)]
pub struct Delivery {
    /// To which task.
    pub task: TaskId,
    /// When.
    pub at: Time,
    /// What.
    pub event: Event,
}

/// Where policies act: simulated time, a recording, or real endpoints.
pub trait World {
    /// The next thing that happens; `None` when nothing more will.
    fn next(&mut self) -> Option<Delivery>;
    /// Does what a policy asks for.
    fn execute(&mut self, task: TaskId, command: Command);
    /// Tasks that have not finished.
    fn unfinished(&self) -> usize;
    /// Why nothing more will happen, where it is not that all is done.
    fn failure(&self) -> Option<RunError> {
        None
    }
}

/// Why a run did not come to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// A policy neither finished nor waits for anything.
    #[error("{unfinished} task(s) stalled: nothing is in flight and nobody finished; this is a defect of the policy")]
    Stalled {
        /// How many.
        unfinished: usize,
    },
    /// Something is due after the last instant that the clock can tell.
    #[error(
        "times too long for this clock: it counts nanoseconds and ends after 584 years (1.8e10 s); shorten the durations of \
         the scenario"
    )]
    ClockEnds,
    /// Policies act on and on, and time stands still.
    #[error("{events} events at one instant ({at_s} s): a policy acts without end; this is a defect of the policy")]
    Endless {
        /// How many.
        events: u64,
        /// Where the clock stands, in whole seconds.
        at_s: u64,
    },
    /// A policy broke its word; told in debug builds only.
    #[error("a policy broke its word: {what}; see docs/own-policy.md; this is a defect of the policy")]
    Owed {
        /// How.
        what: String,
    },
    /// The point does not exist.
    #[error("policy \"{policy}\": {why}")]
    NoSuchPoint {
        /// Policy.
        policy: String,
        /// Why not.
        why: String,
    },
    /// The trace could not be written.
    #[error("the trace could not be written: {0}")]
    Trace(String),
    /// An identity that holds in every run does not.
    #[error("an identity is broken in a run of \"{policy}\" with {agents} agents, replication {replication}: {what}")]
    Identity {
        /// Policy.
        policy: String,
        /// Workers.
        agents: u32,
        /// Replication.
        replication: u64,
        /// Which identity.
        what: String,
    },
}

/// One ledger per task in debug builds, none in others.
fn ledgers(tasks: usize) -> Vec<Ledger> {
    let kept = if cfg!(debug_assertions) { tasks } else { 0 };
    (0..kept).map(|_| Ledger::default()).collect()
}

/// The largest teams (10^6 agents) start with some events each at one instant; this is far more than any needs.
const MOST_EVENTS_AT_ONCE: u64 = 1 << 26;

/// Runs one policy per task until the world is still.
pub fn drive(world: &mut impl World, policies: &mut [Box<dyn Policy>]) -> Result<(), RunError> {
    let mut boxes: Vec<Outbox> = policies.iter().map(|_| Outbox::default()).collect();
    let mut ledgers = ledgers(policies.len());
    let (mut instant, mut events) = (Time::ZERO, 0_u64);
    while let Some(Delivery { task, at, event }) = world.next() {
        events = if at == instant { events + 1 } else { 0 };
        instant = at;
        if events > MOST_EVENTS_AT_ONCE {
            return Err(RunError::Endless { events, at_s: at.as_nanos() / 1_000_000_000 });
        }
        let out = &mut boxes[task.index()];
        policies[task.index()].handle(at, &event, out);
        if let Some(ledger) = ledgers.get_mut(task.index()) {
            ledger.hears(&event);
        }
        for command in out.drain() {
            if let Some(Err(what)) = ledgers.get_mut(task.index()).map(|ledger| ledger.says(&command)) {
                // What the world has to say comes first: a recording that departs from itself misleads any policy.
                return Err(world.failure().unwrap_or(RunError::Owed { what }));
            }
            world.execute(task, command);
        }
    }
    if let Some(failure) = world.failure() {
        return Err(failure);
    }
    match world.unfinished() {
        0 => Ok(()),
        unfinished => Err(RunError::Stalled { unfinished }),
    }
}
