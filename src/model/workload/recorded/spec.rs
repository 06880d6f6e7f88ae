//! Recorded work as data: what was done in runs of the past, without who decided what came next.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Work of recorded runs. Replication r meets instance r modulo their number.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RecordedSpec {
    /// One per recorded task.
    pub instances: Vec<RecordedInstance>,
    /// Tokens that unfolding puts before an agent.
    pub unfolded_tokens: u32,
}

/// Work of one recorded task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RecordedInstance {
    /// Name of the recorded run.
    pub name: String,
    /// Delegations in the order in which they began.
    pub subtasks: Vec<RecordedSubtask>,
    /// Pairs `[subtask, waits for]`, numbered from 0.
    pub dependencies: Vec<[u32; 2]>,
}

/// One delegation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RecordedSubtask {
    /// Tokens that its first step read besides instructions and task.
    pub source_tokens: u32,
    /// Its steps.
    pub steps: Vec<RecordedStep>,
}

/// One call of a worker, and what it did before its next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RecordedStep {
    /// Completion tokens.
    pub completion_tokens: u32,
    /// Seconds from dispatch to completion.
    pub service_s: f64,
    /// Tokens that came into the worker's context before its next step.
    pub observation_tokens: u32,
    /// Seconds between this step and the worker's next (tools).
    pub tool_s: f64,
}
