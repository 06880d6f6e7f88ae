//! How answers came out: right ones, verdicts, retries after a rejection.
//!
//! A transcript does not tell which results were supported, only what the judge said of them. So the judge's first
//! verdict on a result is taken for the truth, and a retry that is rejected again more often than a first writing is one
//! that kept to what the result says.

use crate::experiment::scenario::Scenario;
use crate::model::call::{Answer, Purpose};
use crate::model::workload::WorkloadSpec;
use crate::record::transcript::Recording;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Counts of outcomes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcomes {
    /// Right answers, and answers.
    pub right: (u64, u64),
    /// Rejected first writings, and first writings.
    pub first: (u64, u64),
    /// Rejected retries, and retries.
    pub again: (u64, u64),
}

impl Outcomes {
    /// Counts those of the runs.
    pub fn of(runs: &[Recording]) -> Self {
        let mut counted = Self::default();
        let answers = runs.iter().flat_map(|r| &r.finishes).flat_map(|f| f.right.iter());
        count(&mut counted.right, answers.copied());
        for run in runs {
            // Verdicts on the same result stand in the order in which they ended, which is that of its writings.
            let mut by_result: BTreeMap<_, Vec<bool>> = BTreeMap::new();
            for (_, call) in run.calls.iter().filter(|(_, c)| c.purpose == Purpose::Verify) {
                if let Some(Answer::Verdict { accepted }) = call.response.as_ref().and_then(|r| r.answer.as_ref()) {
                    let result = (call.task, call.about.line.0, call.about.subtask.0, call.about.attempt);
                    by_result.entry(result).or_default().push(!accepted);
                }
            }
            for rejected in by_result.values() {
                count(&mut counted.first, rejected.iter().copied().take(1));
                count(&mut counted.again, rejected.iter().copied().skip(1));
            }
        }
        counted
    }

    /// Probability that a first writing is rejected.
    pub fn unsupported(&self) -> f64 {
        share(self.first)
    }

    /// Probability that a retry keeps to what was rejected: the excess of rejected retries over rejected first writings,
    /// over its greatest value.
    pub fn retry_keeps(&self) -> f64 {
        let fresh = self.unsupported();
        if self.again.1 == 0 || fresh >= 1.0 {
            0.0
        } else {
            ((share(self.again) - fresh) / (1.0 - fresh)).clamp(0.0, 1.0)
        }
    }

    /// Puts them into a scenario.
    pub(super) fn apply(&self, scenario: &mut Scenario, told: &mut Vec<String>) {
        let right = share(self.right);
        if let WorkloadSpec::Divide(spec) = &mut scenario.workload {
            let spec = Arc::make_mut(spec);
            (spec.answerable, spec.guess, spec.unsupported) = (right, right, self.unsupported());
            told.push(format!(
                "Answers are right with probability {right:.2} under every policy ({} answers); what sharing does to \
                 accuracy is not learned from so few.",
                self.right.1
            ));
        }
        let sharing = &mut scenario.sharing;
        (sharing.contagion, sharing.misleads, sharing.feedback_gain) = (0.0, 0.0, 0.0);
        if self.first.1 > 0 {
            (sharing.true_positive_rate, sharing.false_positive_rate) = (1.0, 0.0);
            sharing.retry_keeps = self.retry_keeps();
            told.push(format!(
                "A judge rejects a first writing with probability {:.2} ({} of {}) and a retry with {:.2} ({} of {}): a \
                 retry keeps to what was rejected with probability {:.2}.",
                self.unsupported(),
                self.first.0,
                self.first.1,
                share(self.again),
                self.again.0,
                self.again.1,
                self.retry_keeps()
            ));
        }
    }
}

fn count(into: &mut (u64, u64), of: impl Iterator<Item = bool>) {
    for yes in of {
        into.0 += u64::from(yes);
        into.1 += 1;
    }
}

fn share((yes, all): (u64, u64)) -> f64 {
    yes as f64 / all.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_that_fare_as_first_writings_keep_to_nothing() {
        let outcomes = |first, again| Outcomes { right: (0, 0), first, again };
        assert_eq!(outcomes((2, 10), (2, 10)).retry_keeps(), 0.0);
        assert_eq!(outcomes((2, 10), (0, 0)).retry_keeps(), 0.0);
        assert_eq!(outcomes((2, 10), (4, 4)).retry_keeps(), 1.0);
        assert!((outcomes((2, 10), (6, 10)).retry_keeps() - 0.5).abs() < 1e-12);
    }
}
