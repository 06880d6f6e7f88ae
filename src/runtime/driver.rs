//! The one loop: the world says what happened, the task's policy says what to do, the world does it.

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

/// Runs one policy per task until the world is still.
pub fn drive(world: &mut impl World, policies: &mut [Box<dyn Policy>]) -> Result<(), RunError> {
    let mut boxes: Vec<Outbox> = policies.iter().map(|_| Outbox::default()).collect();
    while let Some(Delivery { task, at, event }) = world.next() {
        let out = &mut boxes[task.index()];
        policies[task.index()].handle(at, &event, out);
        for command in out.drain() {
            world.execute(task, command);
        }
    }
    match world.unfinished() {
        0 => Ok(()),
        unfinished => Err(RunError::Stalled { unfinished }),
    }
}
