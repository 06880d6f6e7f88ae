//! Parameters of `divide`.

use crate::kernel::Law;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Parameters of the hidden truth of `divide`. Reference: workload model A3.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DivideSpec {
    /// Subtasks of the first wave, one source unit each.
    pub subtasks: Law,
    /// Subtasks of the second wave.
    pub second_wave: Law,
    /// First-wave subtasks for which each second-wave subtask waits.
    pub fan_in: u32,
    /// Explicit dependencies `[subtask, waits for]`, numbered from 0; replaces the two waves' own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<[u32; 2]>,
    /// Details that the answer needs (R, at most 64), spread over the first wave.
    pub facts_needed: u32,
    /// Probability of a right answer when every detail arrives and nothing misleads (A).
    pub answerable: f64,
    /// Probability of a right guess otherwise (gs).
    pub guess: f64,
    /// A result is unsupported by its own evidence (h).
    pub unsupported: f64,
    /// Steps of a subtask.
    pub steps_per_subtask: Law,
    /// Sigma of the lognormal size factor of a subtask.
    pub subtask_sigma: f64,
    /// Tokens of a subtask's source unit.
    pub source_tokens: Law,
    /// Completion tokens of a step.
    pub completion_tokens: Law,
    /// Tokens of a tool's output.
    pub observation_tokens: Law,
    /// Share of steps that run a tool.
    pub tool_share: f64,
    /// Tokens of a subtask's raw result.
    pub result_tokens: Law,
    /// Tokens that unfolding puts before an agent.
    pub unfolded_tokens: Law,
    /// Prompt length in thousands of tokens at which a final answer still uses 1/e of the details; 0 means no loss.
    pub retention_ktokens: f64,
    /// Scale of the law of detail kept (g0); 0 loses nothing.
    pub tokens_per_detail: f64,
    /// Wrong answers that there are to give (three of four choices): those who are wrong agree by chance; 0: each is wrong
    /// in its own way.
    pub wrong_answers: u32,
}

impl Default for DivideSpec {
    fn default() -> Self {
        Self {
            subtasks: Law::Constant(8.0),
            second_wave: Law::Constant(2.0),
            fan_in: 4,
            dependencies: Vec::new(),
            facts_needed: 2,
            answerable: 0.75,
            guess: 0.35,
            unsupported: 0.12,
            steps_per_subtask: Law::Constant(2.0),
            subtask_sigma: 0.0,
            source_tokens: Law::Constant(5000.0),
            completion_tokens: Law::Constant(400.0),
            observation_tokens: Law::Constant(500.0),
            tool_share: 0.0,
            result_tokens: Law::Constant(800.0),
            unfolded_tokens: Law::Constant(2500.0),
            retention_ktokens: 500.0,
            tokens_per_detail: 45.0,
            wrong_answers: 3,
        }
    }
}
