//! Parameters of `search`.

use crate::kernel::Law;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Law of the success probability of one independent budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Success {
    /// p ~ Beta(a, b) over instances.
    Beta {
        /// First shape.
        a: f64,
        /// Second shape.
        b: f64,
    },
    /// ln(H/K) ~ Normal(mu, sigma), p = min(1, K/H).
    HypothesisCount {
        /// Mean of ln(H/K).
        mu: f64,
        /// Its standard deviation.
        sigma: f64,
    },
    /// The same p for every instance.
    Fixed {
        /// Success probability.
        p: f64,
    },
    /// A given number of wrong hypotheses and weight of the solution.
    Weights {
        /// Wrong hypotheses, of weight `rank^-attraction_exponent` each.
        wrong: u32,
        /// Weight of the solution.
        solution: f64,
    },
}

/// Parameters of the hidden truth of `search`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SearchSpec {
    /// Law of the success probability of one independent budget.
    pub success: Success,
    /// Share of instances that nobody can solve.
    pub unsolvable_share: f64,
    /// Hypotheses that one budget can try (K).
    pub hypotheses_per_budget: u32,
    /// Dead ends after which a delegation hands back.
    pub hypotheses_per_delegation: u32,
    /// At most this many wrong hypotheses exist; harder instances get a lighter solution instead.
    pub max_hypotheses: u32,
    /// Zipf exponent of the attraction of wrong hypotheses; only with `success = { weights = .. }`.
    pub attraction_exponent: f64,
    /// Steps to find one's way in.
    pub orientation_steps: Law,
    /// Share of the orientation that a fresh delegate repeats.
    pub reorientation_share: f64,
    /// Steps to explore one hypothesis.
    pub steps_per_hypothesis: Law,
    /// Steps to patch, test and submit.
    pub finishing_steps: Law,
    /// Steps to take over and check a peer's candidate.
    pub adoption_steps: Law,
    /// Sigma of the lognormal size factor that all lines of an instance share.
    pub size_sigma: f64,
    /// Sigma of the lognormal size factor of a line.
    pub line_sigma: f64,
    /// Probability that a dead end also yields a fact.
    pub facts_per_dead_end: f64,
    /// Completion tokens of a step.
    pub completion_tokens: Law,
    /// Tokens of a tool's output.
    pub observation_tokens: Law,
    /// Share of steps that run a tool.
    pub tool_share: f64,
    /// Length of a dead-end note or fact.
    pub note_tokens: u32,
    /// Length of a candidate's note.
    pub patch_note_tokens: u32,
    /// Scale of the law of detail kept (`1 - exp(-tokens per item / this)`); 0 loses nothing.
    pub tokens_per_detail: f64,
    /// Kinds of wrong candidates; those of a kind agree when votes are counted. 0: each line's is wrong in its own way,
    /// but for those that were taken over from a peer.
    pub wrong_answers: u32,
}

impl Default for SearchSpec {
    fn default() -> Self {
        Self {
            success: Success::Beta { a: 0.333, b: 0.270 },
            unsolvable_share: 0.0,
            hypotheses_per_budget: 8,
            hypotheses_per_delegation: 4,
            max_hypotheses: 4096,
            attraction_exponent: 0.0,
            orientation_steps: Law::Constant(5.0),
            reorientation_share: 0.3,
            steps_per_hypothesis: Law::Lognormal { mean: 1.5, sigma: 0.5 },
            finishing_steps: Law::Constant(4.0),
            adoption_steps: Law::Constant(2.0),
            size_sigma: 0.35,
            line_sigma: 0.3,
            facts_per_dead_end: 0.5,
            completion_tokens: Law::Constant(300.0),
            observation_tokens: Law::Constant(500.0),
            tool_share: 1.0,
            note_tokens: 25,
            patch_note_tokens: 75,
            tokens_per_detail: 10.0,
            wrong_answers: 0,
        }
    }
}
