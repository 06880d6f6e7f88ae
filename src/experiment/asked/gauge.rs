//! What the runs of a point are asked for: what each gained, what it spent, how long it took. Whoever optimises policies
//! reads all points through one gauge.
//!
//! Invariant: one value per run of what is gained and of what is spent, or no answer.

use super::AskError;
use crate::experiment::metrics::{Better, Metric};
use crate::experiment::runner::Runner;
use crate::experiment::scenario::Scenario;
use crate::experiment::study::Cell;
use crate::stats::quantile;

/// What counts as spent and as gained.
#[derive(Clone, Copy)]
pub(super) struct Gauge<'a> {
    spend: &'a str,
    gained: &'static Metric,
}

/// Runs of a point.
#[derive(Clone, Debug, Default)]
pub(super) struct Ran {
    /// What each gained; greater is better.
    pub(super) worth: Vec<f64>,
    /// What each spent.
    pub(super) spend: Vec<f64>,
    /// Seconds that each took.
    pub(super) time: Vec<f64>,
}

impl<'a> Gauge<'a> {
    pub(super) fn new(spend: &'a str, gained: &'static Metric) -> Self {
        Self { spend, gained }
    }

    /// Turns a quantity of the metric into one of which more is better, and back.
    pub(super) fn sign(self) -> f64 {
        if self.gained.better == Better::Higher { 1.0 } else { -1.0 }
    }

    /// Runs a point; a run that lacks one of both quantities makes the question unanswerable.
    pub(super) fn run(
        self,
        scenario: &Scenario,
        (policy, agents): (&str, u32),
        (from, count): (u64, u32),
        runner: &mut Runner,
    ) -> Result<Ran, AskError> {
        if count == 0 {
            return Ok(Ran::default());
        }
        let cell = runner.cells(scenario, &[(policy, agents)], from, count)?.remove(0);
        let whole = |values: Option<Vec<f64>>, name: &str| {
            values.filter(|v| v.len() == count as usize).ok_or_else(|| {
                AskError::Usage(format!(
                    "{policy}, N = {agents}: not every run has {name}; choose another metric (unpriced calls have no cost)"
                ))
            })
        };
        let spend = whole(spent(&cell, self.spend), self.spend)?;
        let worth = whole(values(&cell, self.gained.name), self.gained.name)?;
        let time = values(&cell, "makespan_s").unwrap_or_default();
        Ok(Ran { worth: worth.into_iter().map(|w| self.sign() * w).collect(), spend, time })
    }
}

/// Seconds that half of the runs take; 0 of none.
pub(super) fn typical_s(time: &[f64]) -> f64 {
    let mut sorted = time.to_vec();
    sorted.sort_by(f64::total_cmp);
    if sorted.is_empty() { 0.0 } else { quantile(&sorted, 0.5) }
}

fn values(cell: &Cell, metric: &str) -> Option<Vec<f64>> {
    cell.get(metric).map(|s| s.values.clone())
}

/// What each run spent, by the name of the spend.
fn spent(cell: &Cell, name: &str) -> Option<Vec<f64>> {
    if name == "total_tokens" {
        let (prompt, completion) = (values(cell, "prompt_tokens")?, values(cell, "completion_tokens")?);
        return Some(prompt.iter().zip(&completion).map(|(a, b)| a + b).collect());
    }
    values(cell, name)
}
