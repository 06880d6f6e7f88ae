//! What a study yields: cells of replicated metrics, and paired comparisons. Plain data for reports.

use super::scenario::Scenario;
use crate::stats::Summary;
use serde::Serialize;

/// A quantity of one cell over its replications.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Series {
    /// Metric name, unit last where it has one.
    pub metric: &'static str,
    /// Unit.
    pub unit: &'static str,
    /// Values of the replications that have one, in order.
    pub values: Vec<f64>,
}

impl Series {
    /// Mean, spread, interval and quantiles.
    pub fn summary(&self) -> Summary {
        Summary::of(&self.values)
    }
}

/// One policy at one team size.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cell {
    /// Policy.
    pub policy: String,
    /// Workers.
    pub agents: u32,
    /// Beyond every published size of this policy.
    pub extrapolated: bool,
    /// Where its numbers are from: `simulated` or `measured`.
    pub origin: &'static str,
    /// All metrics, in the order of the catalogue of metrics.
    pub series: Vec<Series>,
}

impl Cell {
    /// A metric's series.
    pub fn get(&self, metric: &str) -> Option<&Series> {
        self.series.iter().find(|s| s.metric == metric)
    }

    /// A metric's mean.
    pub fn mean(&self, metric: &str) -> Option<f64> {
        self.get(metric).map(|s| s.summary().mean)
    }
}

/// One line of `comparison.csv`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Metric.
    pub metric: &'static str,
    /// Workers.
    pub agents: u32,
    /// Policy.
    pub policy: String,
    /// Compared with.
    pub baseline: String,
    /// Policy minus baseline, mean over replications.
    pub difference: f64,
    /// Policy over baseline, ratio of means.
    pub ratio: f64,
    /// Interval of the difference.
    pub ci_low: f64,
    /// Interval of the difference.
    pub ci_high: f64,
    /// `better`, `worse`, `no difference shown`, or `equal`.
    pub verdict: &'static str,
}

/// A closed form beside what the run gave.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// Policy.
    pub policy: String,
    /// Workers.
    pub agents: u32,
    /// Metric.
    pub metric: String,
    /// What theory says.
    pub expected: f64,
    /// What the run gave.
    pub observed: f64,
    /// Allowed absolute difference at this budget.
    pub tolerance: f64,
    /// Whether it holds.
    pub holds: bool,
    /// The formula or its source.
    pub formula: String,
}

/// Everything one command computed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Study {
    /// The scenario as it was run, presets and flags applied.
    pub scenario: Scenario,
    /// Cells, policies in the scenario's order, then sizes.
    pub cells: Vec<Cell>,
    /// Paired comparisons with the baseline.
    pub comparisons: Vec<Comparison>,
    /// Closed forms.
    pub checks: Vec<Check>,
    /// Sentences for the first screen, most important first.
    pub verdicts: Vec<String>,
    /// Advice and caveats in words.
    pub warnings: Vec<String>,
    /// Number of inputs by source: published, fitted, assumed, design.
    pub inputs: [usize; 4],
    /// Digest over the traces of all runs.
    pub digest: String,
}

impl Study {
    /// The cell of a policy and size.
    pub fn cell(&self, policy: &str, agents: u32) -> Option<&Cell> {
        self.cells.iter().find(|c| c.policy == policy && c.agents == agents)
    }
}
