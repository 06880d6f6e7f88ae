//! Predicted against measured: a scenario simulated at the points of a live run, beside what the run measured.
//!
//! Invariant: the measured side is read from the run's transcript by strict replay; nothing of it enters the simulation.

use super::conduct::{Options, conduct};
use super::replay::{ReplayError, strict};
use super::scenario::Scenario;
use super::study::{Cell, Study};
use crate::stats::Interval;
use serde::Serialize;
use std::path::Path;

/// Metrics that are held against each other.
pub const METRICS: [&str; 9] = [
    "makespan_s",
    "prompt_tokens",
    "cached_tokens",
    "completion_tokens",
    "calls",
    "cost_per_task_usd",
    "waiting_share",
    "share_input_wait",
    "step_response_s",
];

/// One metric of one point.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// Policy.
    pub policy: String,
    /// Workers.
    pub agents: u32,
    /// Metric.
    pub metric: &'static str,
    /// Mean over the simulated replications.
    pub predicted: f64,
    /// Half a 95 % interval of the measured mean, of the run's questions.
    pub measured_half_width: Option<f64>,
    /// Mean over the measured runs.
    pub measured: f64,
    /// Measured runs.
    pub runs: usize,
    /// Predicted over measured, minus one; absent where nothing was measured.
    pub error: Option<f64>,
}

/// A prediction with both studies.
#[derive(Clone, Debug)]
pub struct Predicted {
    /// All metrics of all points, in the order of the run.
    pub rows: Vec<Prediction>,
    /// The simulation.
    pub simulated: Study,
}

/// Simulates `scenario` at the policies and sizes of a live run and of its own, and holds both against each other.
///
/// # Errors
/// As strict replay says, and if a point of the run does not exist in the scenario.
pub fn against(scenario: &Scenario, transcript: &Path, options: &Options) -> Result<Predicted, ReplayError> {
    let measured = strict(transcript, &scenario.catalog, &|_| {})?;
    let mut scenario = scenario.clone();
    scenario.policies.clone_from(&measured.scenario.policies);
    scenario.agents.extend(measured.cells.iter().map(|c| c.agents));
    scenario.agents.sort_unstable();
    scenario.agents.dedup();
    let simulated = conduct(&scenario, options)?;
    let mut rows = Vec::new();
    for cell in &measured.cells {
        let Some(predicted) = simulated.cell(&cell.policy, cell.agents) else { continue };
        rows.extend(METRICS.iter().filter_map(|metric| row(metric, predicted, cell)));
    }
    Ok(Predicted { rows, simulated })
}

fn row(metric: &'static str, predicted: &Cell, measured: &Cell) -> Option<Prediction> {
    let of = measured.get(metric)?.summary();
    let p = predicted.mean(metric)?;
    let error = (of.mean != 0.0).then(|| p / of.mean - 1.0);
    Some(Prediction {
        policy: measured.policy.clone(),
        agents: measured.agents,
        metric,
        predicted: p,
        measured_half_width: of.interval.map(Interval::half_width),
        measured: of.mean,
        runs: of.n,
        error,
    })
}
