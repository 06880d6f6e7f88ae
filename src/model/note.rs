//! Notes: how a policy tells the world what it changed in its own data. Trace, live text and replay
//! rebuild context and queue from them.

use super::call::CallError;
use super::ids::{AgentId, FindingId, LineId, StoreId, SubtaskId};
use serde::{Deserialize, Serialize};

/// What an agent's time is spent on. An agent is in exactly one phase at any instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Reasoning on the task.
    Work,
    /// A tool runs.
    Tool,
    /// Planning, dispatching, merging, reporting.
    Coordination,
    /// Compressing for and judging by the gate.
    Verification,
    /// Work whose discovery another agent had already completed.
    Duplicated,
    /// Waits for the lead to take a report or to brief.
    RelayWait,
    /// Waits for the slowest of a round.
    BarrierWait,
    /// Waits for a subtask that others must make ready.
    InputWait,
    /// Waits for a lock.
    LockWait,
    /// Waits for a slot of an endpoint.
    SlotWait,
    /// Waits for a rate limit, or backs off.
    RateLimitWait,
    /// Before its first work.
    StartUp,
    /// After its last work.
    IdleTail,
}

impl Phase {
    /// All phases, in the order of their codes.
    pub const ALL: [Self; 13] = [
        Self::Work,
        Self::Tool,
        Self::Coordination,
        Self::Verification,
        Self::Duplicated,
        Self::RelayWait,
        Self::BarrierWait,
        Self::InputWait,
        Self::LockWait,
        Self::SlotWait,
        Self::RateLimitWait,
        Self::StartUp,
        Self::IdleTail,
    ];

    /// Name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Work => "work",
            Self::Tool => "tool",
            Self::Coordination => "coordination",
            Self::Verification => "verification",
            Self::Duplicated => "duplicated",
            Self::RelayWait => "relay_wait",
            Self::BarrierWait => "barrier_wait",
            Self::InputWait => "input_wait",
            Self::LockWait => "lock_wait",
            Self::SlotWait => "slot_wait",
            Self::RateLimitWait => "rate_limit_wait",
            Self::StartUp => "start_up",
            Self::IdleTail => "idle_tail",
        }
    }

    /// What it is, in a few words.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Work => "reasoning on the task",
            Self::Tool => "a tool runs",
            Self::Coordination => "planning, dispatching, merging, reporting",
            Self::Verification => "compressing for and judging by the gate",
            Self::Duplicated => "work on what another line had discovered already",
            Self::RelayWait => "waits for the lead to take a report or to brief",
            Self::BarrierWait => "waits for the slowest of a round",
            Self::InputWait => "waits for a subtask that others must make ready",
            Self::LockWait => "waits for a lock",
            Self::SlotWait => "waits for a slot of an endpoint",
            Self::RateLimitWait => "waits for a rate limit, or backs off",
            Self::StartUp => "before its first work",
            Self::IdleTail => "after its last work",
        }
    }

    /// Whether the agent waits for others or for a limit (start-up included, idle tail not).
    pub fn is_waiting(self) -> bool {
        matches!(
            self,
            Self::RelayWait
                | Self::BarrierWait
                | Self::InputWait
                | Self::LockWait
                | Self::SlotWait
                | Self::RateLimitWait
                | Self::StartUp
        )
    }
}

/// A change of the policy's own state.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Note {
    /// An agent's phase when it has no call in flight.
    Phase(AgentId, Phase),
    /// Subtasks `first..first + count` exist.
    Created {
        /// Id of the first.
        first: u32,
        /// How many.
        count: u32,
    },
    /// An agent claims a subtask.
    Claimed(AgentId, SubtaskId),
    /// It goes back to the queue.
    Released(AgentId, SubtaskId),
    /// Its result counts; dependants are free.
    Done(SubtaskId),
    /// It is given up.
    Abandoned(SubtaskId),
    /// A finding goes to the gate.
    Proposed(AgentId, FindingId),
    /// It becomes entry `version - 1` of a store.
    Admitted {
        /// Author.
        agent: AgentId,
        /// Where.
        store: StoreId,
        /// What.
        finding: FindingId,
        /// Length in tokens.
        tokens: u32,
        /// The store's version after it.
        version: u32,
        /// Entries that became readable since the author last looked.
        stale_by: u32,
    },
    /// The gate says no.
    Rejected(AgentId, FindingId),
    /// It is taken back without a verdict (its author ended first).
    Withdrawn(AgentId, FindingId),
    /// A report passes into a private store without a gate.
    Kept {
        /// Where.
        store: StoreId,
        /// What.
        finding: FindingId,
        /// The store's version after it.
        version: u32,
    },
    /// A context outgrew its window and was compacted.
    Compacted(AgentId),
    /// A delegation ends because its calls fail, for this reason.
    GaveUp(AgentId, CallError),
    /// A line's last worker is through; it submits.
    Submitted(AgentId, LineId, Option<FindingId>),
}
