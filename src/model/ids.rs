//! Names of things. Every id is an index; those that name hidden entities key random draws.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl $name {
            /// The id as an index into a table.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

id!(/** One task instance: an issue, a question. */ TaskId(u32));
id!(/** An agent of a task's team. Workers come first (0..N), then leads. */ AgentId(u32));
id!(/** One independent line of solution: a solver thread, or the one shared line of a queue. */ LineId(u32));
id!(/** A subtask of a task. */ SubtaskId(u32));
id!(/** A call of one policy, numbered in the order in which it was issued. */ CallId(u64));
id!(/** A timer of one policy. */ TimerId(u32));
id!(/** What a reply found: a handle without text; the workload knows what it carries. */ FindingId(u32));
id!(/** An append-only list of findings: the board, a lead's notebook, a worker's own notes. */ StoreId(u32));
id!(/** An endpoint of the scenario, in the order of its names. */ EndpointId(u16));

impl SubtaskId {
    /// Stands for the whole task where a call is about no subtask: the last index that a random address has room for.
    pub const WHOLE_TASK: Self = Self(0xff_ffff);
}

/// What a call is about; the stable part of its identity. Slots and claim order are not in it, so that
/// two policies that ask the same thing meet the same answer and the same latency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct About {
    /// Line of solution.
    pub line: LineId,
    /// Subtask (`divide`), or 0.
    pub subtask: SubtaskId,
    /// Delegation, try or round.
    pub attempt: u16,
    /// Step inside the attempt.
    pub step: u32,
}

/// Packs a task, a line and a subtask-like index into the 64-bit entity of a random address:
/// 20, 20 and 24 bits. Scenario limits keep every index inside its field.
pub fn entity(task: TaskId, line: u32, index: u32) -> u64 {
    debug_assert!(task.0 < 1 << 20 && line < 1 << 20 && index < 1 << 24, "scenario limits keep ids in range");
    (u64::from(task.0) << 44) | (u64::from(line) << 24) | u64::from(index)
}
