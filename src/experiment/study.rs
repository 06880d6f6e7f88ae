//! What a study yields: cells of replicated metrics, and paired comparisons. Plain data for reports.

use super::judgement::{Judgement, Verdict, Warning};
use super::scenario::Scenario;
use crate::policy::settings::Form;
use crate::stats::{Interval, Summary};
use serde::Serialize;

/// Where numbers come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Runs of the simulated world.
    Simulated,
    /// Recorded calls under other conditions.
    Replayed,
    /// Real calls.
    Measured,
}

impl Origin {
    /// As in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Simulated => "simulated",
            Self::Replayed => "replayed",
            Self::Measured => "measured",
        }
    }
}

/// A quantity of one cell over its replications.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Series {
    /// Metric name, unit last where it has one.
    pub metric: &'static str,
    /// Unit.
    pub unit: &'static str,
    /// Whether its values are shares of trials, so that their mean is a proportion.
    pub share: bool,
    /// Values of the replications that have one, in order.
    pub values: Vec<f64>,
    /// Replications, by their place, that have none.
    #[serde(skip)]
    pub lacking: Vec<u32>,
}

impl Series {
    /// Mean, spread, interval and quantiles.
    pub fn summary(&self) -> Summary {
        if self.share { Summary::of_share(&self.values) } else { Summary::of(&self.values) }
    }
}

/// One policy at one team size.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cell {
    /// Policy.
    pub policy: String,
    /// Workers.
    pub agents: u32,
    /// Where its numbers are from.
    pub origin: Origin,
    /// What kind of coordination it is; unknown where a recording does not tell.
    pub form: Option<Form>,
    /// Nobody has published a run of this coordination at this size.
    pub extrapolated: bool,
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
    /// Policy over baseline, ratio of means; none where the baseline's is 0.
    pub ratio: Option<f64>,
    /// Interval of the difference; none for one replication.
    pub interval: Option<Interval>,
    /// p value of no difference, by itself; none for one replication.
    pub p_value: Option<f64>,
    /// Whether it still counts among all comparisons of its table (Holm, 5 %).
    pub survives: bool,
    /// What it says.
    pub judgement: Judgement,
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
    /// The best central form of each metric that has a better side, at each team size, by the pilots; none where the
    /// baseline is named.
    #[serde(skip)]
    pub best_central: Vec<(&'static str, u32, String)>,
    /// Closed forms.
    pub checks: Vec<Check>,
    /// What was found, most important first.
    pub verdicts: Vec<Verdict>,
    /// Advice and caveats.
    pub warnings: Vec<Warning>,
    /// Number of inputs by source: published, fitted, assumed, design.
    pub inputs: [usize; 4],
    /// Digest over the traces of all runs.
    pub digest: String,
}

impl Study {
    /// Where its numbers come from; all cells of a study have one origin.
    pub fn origin(&self) -> Origin {
        self.cells.first().map_or(Origin::Simulated, |c| c.origin)
    }

    /// What kind of coordination a policy is, if any of its cells tells.
    pub fn form(&self, policy: &str) -> Option<Form> {
        self.cells.iter().find(|c| c.policy == policy).and_then(|c| c.form)
    }

    /// The cell of a policy and size.
    pub fn cell(&self, policy: &str, agents: u32) -> Option<&Cell> {
        self.cells.iter().find(|c| c.policy == policy && c.agents == agents)
    }
}
