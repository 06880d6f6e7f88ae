//! Predicted against measured: a scenario simulated at the points of a live run, beside what the run measured.
//!
//! Invariant: the measured side is read from the run's transcript by strict replay; nothing of it enters the simulation.

mod score;

pub use score::{Again, Score};

use super::conduct::{Options, conduct};
use super::replay::{ReplayError, strict};
use super::scenario::Scenario;
use super::study::{Cell, Study};
use super::usable::Usable;
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

/// A prediction with both sides.
#[derive(Clone, Debug)]
pub struct Predicted {
    /// All metrics of all points, in the order of the run.
    pub rows: Vec<Prediction>,
    /// How good it is, metric by metric.
    pub scores: Vec<Score>,
    /// Points of the run that are no measurements, with the reason; they have no row.
    pub left_out: Vec<String>,
    /// The simulation.
    pub simulated: Study,
}

/// What is held against a simulation.
#[derive(Clone, Debug)]
pub struct Measured<'a> {
    /// The run's transcript.
    pub transcript: &'a Path,
    /// The transcript of the same run made once more, if somebody made it.
    pub again: Option<&'a Path>,
    /// Sizes that count; all if not said.
    pub agents: Option<&'a [u32]>,
    /// Policies that count; all if not said.
    pub policies: Option<&'a [String]>,
}

impl Measured<'_> {
    /// The run of a transcript, without points that are no measurements and points that do not count.
    fn study(&self, path: &Path, scenario: &Scenario) -> Result<(Study, Vec<String>), ReplayError> {
        let usable = Usable::of(path)?;
        let mut study = strict(path, &scenario.catalog, &|_| {})?;
        study.cells.retain(|cell| {
            usable.fault(&(cell.policy.clone(), cell.agents)).is_none()
                && self.agents.is_none_or(|sizes| sizes.contains(&cell.agents))
                && self.policies.is_none_or(|names| names.contains(&cell.policy))
        });
        let left_out = usable.faults();
        if study.cells.is_empty() {
            let problem = match left_out.as_slice() {
                [] => "none of its runs has a policy and a size that count".to_owned(),
                faults => format!(
                    "the run is not valid, and there is no measurement to compare with: {}; mend what is named and record \
                     again",
                    faults.join("; ")
                ),
            };
            return Err(ReplayError::Unusable { path: path.to_owned(), problem });
        }
        Ok((study, left_out))
    }
}

/// Simulates `scenario` at the policies and sizes of a live run, and holds both against each other.
///
/// # Errors
/// As strict replay says, if nothing of the run counts, and if a point of the run does not exist in the scenario.
pub fn against(scenario: &Scenario, run: &Measured, options: &Options) -> Result<Predicted, ReplayError> {
    let (measured, left_out) = run.study(run.transcript, scenario)?;
    let again = run.again.map(|path| run.study(path, scenario)).transpose()?;
    let mut scenario = scenario.clone();
    scenario.policies.clone_from(&measured.scenario.policies);
    scenario.policies.retain(|policy| measured.cells.iter().any(|cell| cell.policy == *policy));
    scenario.agents = measured.cells.iter().map(|cell| cell.agents).collect();
    scenario.agents.sort_unstable();
    scenario.agents.dedup();
    let simulated = conduct(&scenario, options)?;
    let mut rows = Vec::new();
    for cell in &measured.cells {
        let Some(predicted) = simulated.cell(&cell.policy, cell.agents) else { continue };
        rows.extend(METRICS.iter().filter_map(|metric| row(metric, predicted, cell)));
    }
    let again = again.as_ref().map(|(study, _)| &study.cells[..]);
    let scores = score::scores(&simulated.cells, &measured.cells, again, scenario.seed);
    Ok(Predicted { rows, scores, left_out, simulated })
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
