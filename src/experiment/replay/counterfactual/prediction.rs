//! What a counterfactual says, and how far it is to be believed: the recorded topology is simulated like all others and
//! held against the recording; every reading of what the recording leaves open is simulated, and what was not recorded
//! is drawn several times.
//!
//! Invariant: a bound is simulated or measured, never guessed.

use super::{Counterfactual, Dependencies, Lengths, Reading, Recorded, RecordedRuns, Topology, counterfactual};
use crate::experiment::load::Overrides;
use crate::experiment::replay::ReplayError;
use crate::experiment::scenario::Scenario;
use crate::experiment::study::{Cell, Study};
use crate::experiment::{Options, ScenarioError, conduct};
use crate::model::workload::WorkloadSpec;
use crate::model::workload::recorded::{Grades, RecordedForm, RecordedSpec};
use crate::policy::settings::Work;
use crate::runtime::RunError;
use crate::stats::{Summary, student_t_quantile};
use std::sync::Arc;

/// What is predicted, in the order of a row's estimates.
pub const MEASURES: [&str; 4] = ["makespan_s", "prompt_tokens", "completion_tokens", "cost_per_task_usd"];
/// Times that what was not recorded is drawn for each reading.
const DRAWS: u64 = 4;
/// Sets the streams of one draw apart from those of the next.
const DRAW: u64 = 0x9e37_79b9_7f4a_7c15;

/// Relative error of a prediction of one topology from another's recording, in the matrix of `results/counterfactual-null`,
/// rounded up. Of this program's own runs the largest: where subtasks were recorded, and where attempts were, whose lines a
/// shared board changes in a way that no recording without it tells (of real calls; `worlds` has those of simulated ones).
/// Of other programs' runs that which nine of ten stay below.
fn cross_error(form: RecordedForm, is_own: bool) -> Spread {
    match form {
        RecordedForm::Divide if is_own => Spread::Largest(0.05),
        RecordedForm::Divide => Spread::NineOfTen(0.2),
        RecordedForm::Search => Spread::Largest(0.45),
    }
}

/// A relative error of predictions whose truth is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Spread {
    /// The largest.
    Largest(f64),
    /// Nine of ten are smaller.
    NineOfTen(f64),
}

impl Spread {
    /// The error.
    pub fn share(self) -> f64 {
        let (Self::Largest(share) | Self::NineOfTen(share)) = self;
        share
    }
}

/// Why nothing was predicted.
#[derive(Debug, thiserror::Error)]
pub enum PredictionError {
    /// The recording.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The changes.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// A run.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// A mean with the range in which it lies, as far as that can be told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Mean of the chosen reading.
    pub mean: f64,
    /// Least over readings and draws, less the error on what was run.
    pub low: f64,
    /// Greatest.
    pub high: f64,
}

/// A topology, and what it would have taken; `None` where it is unknown.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Policy.
    pub policy: String,
    /// Team size.
    pub agents: u32,
    /// By [`MEASURES`].
    pub estimates: [Option<Estimate>; 4],
    /// Why nothing is said of it, if so.
    pub left_out: Option<String>,
    /// Share of its calls that were recorded.
    pub replayed_calls: Option<f64>,
}

/// Whether it is known what was run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// The recording names it.
    Named,
    /// The form that comes nearest to the recording in time and tokens.
    Nearest,
}

/// The same model of what was run, beside the recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Null {
    /// What was run.
    pub topology: Topology,
    /// Whether that is known.
    pub known: Known,
    /// By [`MEASURES`]: as recorded, and as simulated.
    pub pairs: [Option<(f64, f64)>; 4],
}

impl Null {
    /// Relative errors of the model on what was run.
    pub fn errors(&self) -> [Option<f64>; 4] {
        self.pairs.map(|pair| pair.filter(|(then, _)| *then > 0.0).map(|(then, now)| now / then - 1.0))
    }
}

/// The whole answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// The recording.
    pub recorded: Recorded,
    /// The model of what was run.
    pub null: Null,
    /// Every topology and size.
    pub rows: Vec<Row>,
    /// What the rows other than what was run rest on.
    pub basis: Basis,
    /// Readings that were simulated.
    pub readings: usize,
    /// Draws of each.
    pub draws: u64,
}

/// What a prediction of another topology rests on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Basis {
    /// The recorded calls, and bounds that are widened by the error of such predictions where the truth is known.
    Calls {
        /// That error.
        cross_error: Spread,
    },
    /// Worlds of a known law that agree with the recording.
    Worlds {
        /// Draws among which they were looked for.
        pool: u32,
    },
}

/// Predicts every cell of a study that was made of recorded runs.
///
/// # Errors
/// As reading, changing and running.
pub fn predict(
    (runs, reading): (&RecordedRuns, &Reading),
    made: &Counterfactual,
    study: &Study,
    overrides: &Overrides,
    jobs: usize,
) -> Result<Prediction, PredictionError> {
    let null = null(made, jobs)?;
    if let (Some(drawn), Some(topology)) = (&made.drawn, &made.topology) {
        let model = null.pairs.map(|pair| pair.map(|(_, now)| now));
        return Ok(Prediction {
            recorded: made.recorded.clone(),
            rows: study.cells.iter().map(|cell| drawn.row(cell, topology, model)).collect(),
            null,
            basis: Basis::Worlds { pool: drawn.pool },
            readings: 1,
            draws: u64::from(study.scenario.replications) / drawn.runs as u64,
        });
    }
    // What a recording of this program leaves open is what it did not record; others leave open what waited for what, and
    // how long the messages are that nobody sent.
    let others: &[Dependencies] =
        if made.is_own { &[] } else { &[Dependencies::Recorded, Dependencies::SameAgent, Dependencies::None] };
    let mut readings: Vec<Vec<Vec<Cell>>> = vec![draws(&study.scenario, Some(&study.cells), jobs)?];
    let others = others.iter().filter(|d| **d != reading.dependencies);
    let waits = others.map(|dependencies| Reading { dependencies: *dependencies, ..reading.clone() });
    let lengths: &[Lengths] = if made.is_own { &[] } else { &[Lengths::Half, Lengths::Double] };
    let lengths = lengths.iter().map(|lengths| Reading { lengths: *lengths, ..reading.clone() });
    for other in waits.chain(lengths) {
        let other = counterfactual(runs, &other, jobs)?;
        let scenario = other.changed(&other.scenario.name, overrides)?;
        readings.push(draws(&scenario, None, jobs)?);
    }
    let errors = null.errors();
    let form = match &made.scenario.workload {
        WorkloadSpec::Recorded(spec) => spec.form,
        _ => unreachable!("made of recorded work"),
    };
    let cross_error = cross_error(form, made.is_own);
    let then = budgets(&made.scenario, &null.topology.policy, null.topology.agents);
    let rows = study.cells.iter().enumerate().map(|(i, cell)| {
        let is_same = null.known == Known::Named
            && (cell.policy.as_str(), cell.agents) == (null.topology.policy.as_str(), null.topology.agents);
        let errors = errors.map(|error| error.unwrap_or(0.0).abs() + if is_same { 0.0 } else { cross_error.share() });
        let now = budgets(&study.scenario, &cell.policy, cell.agents);
        if form == RecordedForm::Search && now != then {
            let why = format!(
                "a line of it has {now} budgets, the recorded ones had {then}: where it would have gone on nobody saw"
            );
            return Row { estimates: [None; 4], left_out: Some(why), ..row(cell, i, &readings, &errors) };
        }
        row(cell, i, &readings, &errors)
    });
    let rows = rows.collect();
    let recorded = made.recorded.clone();
    Ok(Prediction { recorded, null, rows, basis: Basis::Calls { cross_error }, readings: readings.len(), draws: DRAWS })
}

/// The cells of a scenario for each draw of what was not recorded; the first may be there already.
fn draws(scenario: &Scenario, first: Option<&[Cell]>, jobs: usize) -> Result<Vec<Vec<Cell>>, RunError> {
    let mut cells: Vec<Vec<Cell>> = first.map(<[Cell]>::to_vec).into_iter().collect();
    for draw in cells.len() as u64..DRAWS {
        let seed = (scenario.seed ^ DRAW.wrapping_mul(draw)) & u64::from(u32::MAX);
        let options = Options { jobs, ..Options::default() };
        cells.push(conduct(&Scenario { seed, ..scenario.clone() }, &options)?.cells);
    }
    Ok(cells)
}

/// Budgets that a line of a topology has.
fn budgets(scenario: &Scenario, policy: &str, agents: u32) -> u32 {
    let point = scenario.entry(policy).ok().zip(scenario.settings(policy).ok());
    point.map_or(1, |(entry, settings)| {
        entry.build(&Arc::new(settings), Work::of(&scenario.workload), agents).1.budgets_per_line
    })
}

fn row(cell: &Cell, i: usize, readings: &[Vec<Vec<Cell>>], errors: &[f64; 4]) -> Row {
    let estimate = |metric: &str, error: f64| {
        let mean = cell.mean(metric)?;
        let (mut low, mut high) = (mean, mean);
        for draws in readings {
            let values: Vec<f64> = draws.iter().filter_map(|cells| cells.get(i)?.mean(metric)).collect();
            let (least, most) = next(&values)?;
            (low, high) = (low.min(least), high.max(most));
        }
        Some(Estimate { mean, low: low * (1.0 - error).max(0.0), high: high * (1.0 + error) })
    };
    let mut estimates = [None; 4];
    for (slot, (metric, error)) in estimates.iter_mut().zip(MEASURES.iter().zip(errors)) {
        *slot = estimate(metric, *error);
    }
    Row {
        policy: cell.policy.clone(),
        agents: cell.agents,
        estimates,
        left_out: None,
        replayed_calls: cell.mean("replayed_calls_share"),
    }
}

/// Where one more draw would lie with 95 %: mean +- t s sqrt(1 + 1/n), for draws that are normal.
pub(super) fn next(values: &[f64]) -> Option<(f64, f64)> {
    if values.is_empty() {
        return None;
    }
    let Summary { mean, sd, .. } = Summary::of(values);
    let n = values.len() as f64;
    let reach = sd.map_or(0.0, |sd| student_t_quantile(0.975, n - 1.0) * sd * (1.0 + 1.0 / n).sqrt());
    Some((mean - reach, mean + reach))
}

/// Simulates what was run, with the recorded answers worth what they were worth.
fn null(made: &Counterfactual, jobs: usize) -> Result<Null, RunError> {
    let recorded = &made.recorded;
    // Where agents worked side by side, cut gaps may overlap.
    let at_work_s = (recorded.makespan_s - recorded.cut_s).max(0.0);
    let then = [Some(at_work_s), Some(recorded.prompt_tokens), Some(recorded.completion_tokens), recorded.usd()];
    let pairs = |cell: &Cell| {
        let mut pairs = [None; 4];
        for (slot, (then, metric)) in pairs.iter_mut().zip(then.iter().zip(MEASURES)) {
            *slot = then.zip(cell.mean(metric));
        }
        pairs
    };
    let (policies, agents, known) = match &made.topology {
        Some(topology) => (vec![topology.policy.clone()], topology.agents, Known::Named),
        None => (made.scenario.policies.clone(), made.recorded_agents, Known::Nearest),
    };
    // What is changed for the other topologies is not what was run.
    let mut scenario = made.drawn.as_ref().map_or(&made.scenario, |drawn| &drawn.replayed).clone();
    if let WorkloadSpec::Recorded(spec) = &scenario.workload {
        let graded = RecordedSpec { grades: Grades::AsRecorded, ..spec.as_ref().clone() };
        scenario.workload = WorkloadSpec::Recorded(Arc::new(graded));
    }
    (scenario.agents, scenario.baseline) = (vec![agents], policies[0].clone());
    scenario.policies = policies;
    let cells = conduct(&scenario, &Options { jobs, ..Options::default() })?.cells;
    let away = |cell: &&Cell| {
        let pairs = pairs(cell);
        let log =
            |pair: Option<(f64, f64)>| pair.map_or(0.0, |(then, now)| libm::log(now.max(1e-9) / then.max(1e-9)).abs());
        log(pairs[0]) + log(pairs[1]) + log(pairs[2])
    };
    let nearest = cells.iter().min_by(|a, b| away(a).total_cmp(&away(b))).expect("a scenario has a policy");
    let topology = Topology { policy: nearest.policy.clone(), agents: nearest.agents };
    Ok(Null { topology, known, pairs: pairs(nearest) })
}
