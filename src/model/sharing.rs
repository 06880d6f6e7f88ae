//! What sharing does to its readers: the *coordination* parameters. None is published; all are swept.
//!
//! Invariant: at its default a field that is not written out changes nothing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Coordination parameters. Probabilities unless a unit is named. They act on whatever a store, brief or board
/// lets an agent read, under every policy alike.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sharing {
    /// A dead end that is read is respected (e).
    pub respect: f64,
    /// A fresh delegate takes a dead end of its own line that it is told of as its own experience, rather than reading it
    /// like a peer's, which it may not respect and which may be wrong.
    pub own_line_trust: f64,
    /// A true candidate solution that is read is adopted (r).
    pub adoption: f64,
    /// A false candidate is adopted with this share of `adoption` (omega).
    pub false_adoption_ratio: f64,
    /// A dead-end note is wrong and hides the true hypothesis from whoever respects it (w).
    pub wrong_note: f64,
    /// Each fact read raises the odds of the true hypothesis by this share (phi).
    pub fact_gain: f64,
    /// Facts beyond this number add nothing.
    pub fact_cap: u32,
    /// A solver that reads a peer's entries follows that peer's line (hd).
    pub herding: f64,
    /// The judge passes a correct entry.
    pub true_positive_rate: f64,
    /// The judge passes an unsupported entry.
    pub false_positive_rate: f64,
    /// A model judge shares the author's view of a result, and passes every writing of it, right or wrong.
    #[serde(skip_serializing_if = "crate::model::is_default")]
    pub verifier_worker_error_correlation: f64,
    /// A step loses this share of what it would make of its prompt per thousand tokens of it (`exp(-this x ktokens)`):
    /// of the odds of the right hypothesis, of the chance that a result is supported. Acts under every policy.
    #[serde(skip_serializing_if = "crate::model::is_default")]
    pub length_loss_per_ktoken: f64,
    /// Feedback lowers the probability of an unsupported retry by this share.
    pub feedback_gain: f64,
    /// A retry after a rejection says what the raw result says, right or wrong, instead of being written afresh.
    #[serde(skip_serializing_if = "crate::model::is_default")]
    pub retry_keeps: f64,
    /// An admitted unsupported entry raises the probability that its reader's result is unsupported by this (c).
    pub contagion: f64,
    /// An unsupported entry misleads the finalizer (kappa).
    pub misleads: f64,
    /// A reader of gists recovers a lost detail by unfolding (q).
    pub unfold_recovery: f64,
    /// Whoever asks for more subtasks notices a missing detail.
    pub notice: f64,
}

impl Sharing {
    /// Probability that a model judge passes an entry that is wrong or not, the author's blind spots included.
    pub fn pass_rate(&self, wrong: bool) -> f64 {
        let rate = if wrong { self.false_positive_rate } else { self.true_positive_rate };
        let shared = self.verifier_worker_error_correlation;
        shared + (1.0 - shared) * rate
    }

    /// Fields that act on `search` alone.
    pub const ON_SEARCH: &[&str] = &[
        "respect",
        "own_line_trust",
        "adoption",
        "false_adoption_ratio",
        "wrong_note",
        "fact_gain",
        "fact_cap",
        "herding",
    ];
    /// Fields that act on `divide` alone.
    pub const ON_DIVIDE: &[&str] =
        &["feedback_gain", "retry_keeps", "contagion", "misleads", "unfold_recovery", "notice"];
    /// Fields that act on drawn work of either kind, and not on recorded work, which is neither misled nor helped by what
    /// it reads.
    pub const ON_DRAWN_WORK: &[&str] = &["false_positive_rate", "length_loss_per_ktoken"];
    /// Fields that are not written out at 0, where their mechanism is off.
    pub const OFF_AT_ZERO: &[&str] = &["verifier_worker_error_correlation", "length_loss_per_ktoken", "retry_keeps"];
}

impl Default for Sharing {
    fn default() -> Self {
        Self {
            respect: 0.5,
            own_line_trust: 1.0,
            adoption: 0.4,
            false_adoption_ratio: 0.5,
            wrong_note: 0.005,
            fact_gain: 0.0,
            fact_cap: 6,
            herding: 0.1,
            true_positive_rate: 0.93,
            false_positive_rate: 0.25,
            verifier_worker_error_correlation: 0.0,
            length_loss_per_ktoken: 0.0,
            feedback_gain: 0.0,
            retry_keeps: 0.0,
            contagion: 0.2,
            misleads: 0.4,
            unfold_recovery: 0.7,
            notice: 0.5,
        }
    }
}
