//! Fitting assumed parameters to published rows by simulation, so that no constant is set by hand on one noisy seed.
//!
//! Parameters and rows are paired in order: parameter i is moved, by bisection inside its range, until row i is met, the
//! others held; the whole is repeated until nothing moves. All runs of a fit share their random numbers, so that the
//! metric is a step function of the parameter without noise of its own; what was fitted is then judged on replications
//! that the fit has not seen.
//!
//! Invariant: equal scenarios, rows, ranges and replications give equal values, whatever the number of jobs.

use super::cells::replicate;
use super::faults::ScenarioError;
use super::replication::Point;
use super::scenario::Scenario;
use crate::runtime::RunError;
use crate::stats::Summary;

/// A published row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Policy.
    pub policy: String,
    /// Workers.
    pub agents: u32,
    /// Metric.
    pub metric: String,
    /// What was published.
    pub value: f64,
}

/// A parameter to move.
#[derive(Clone, Debug, PartialEq)]
pub struct Free {
    /// Dotted key of the scenario.
    pub path: String,
    /// Least value.
    pub low: f64,
    /// Greatest value.
    pub high: f64,
}

/// How the search for one parameter ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reached {
    /// The row lies between the ends of the range.
    Inside,
    /// Even the end of the range nearest to the row misses it.
    AtEnd,
}

/// A parameter after the fit, and its row on replications that the fit has not seen.
#[derive(Clone, Debug)]
pub struct Fitted {
    /// Value.
    pub value: f64,
    /// How the search ended.
    pub reached: Reached,
    /// Metric on fresh replications.
    pub observed: f64,
    /// Its standard error; unknown for fewer than two values.
    pub standard_error: Option<f64>,
}

/// Why nothing was fitted.
#[derive(Debug, thiserror::Error)]
pub enum FitError {
    /// A value that a parameter was moved to makes no scenario.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// A run failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The runs of a row do not have its metric.
    #[error(
        "no run of \"{policy}\" with {agents} agents has the metric \"{metric}\"; `delm-sim run` lists those it has"
    )]
    NoMetric {
        /// Policy.
        policy: String,
        /// Workers.
        agents: u32,
        /// Metric.
        metric: String,
    },
}

/// Halvings of a range: 2^-16 of it is far below what the replications resolve.
const HALVINGS: u32 = 16;
/// Rounds over all parameters; rows mostly depend on their own parameter, so that few suffice.
const ROUNDS: u32 = 6;
/// First replication of the judgement: seeds that neither a fit nor a study uses.
const FRESH: u64 = 1 << 42;

/// Fits `free` to `rows`, pair by pair; `load` makes the scenario with the given `PATH=VALUE` edits.
///
/// # Errors
/// When a value makes no scenario, a run fails, or a row's metric does not exist.
pub fn fit(
    load: &dyn Fn(&[String]) -> Result<Scenario, ScenarioError>,
    rows: &[Row],
    free: &[Free],
    replications: u32,
) -> Result<Vec<Fitted>, FitError> {
    let observe = |values: &[f64], row: &Row, from: u64| -> Result<Summary, FitError> {
        let edits: Vec<String> = free.iter().zip(values).map(|(f, v)| format!("{}={v:?}", f.path)).collect();
        let scenario = load(&edits)?;
        let point = [Point::new(&scenario, &row.policy, row.agents)?];
        let runs = replicate(&point, from, replications, &|| {})?;
        let value = |run: &super::Run| run.measures.get(&row.metric);
        let seen: Vec<f64> = runs.iter().flatten().filter_map(value).collect();
        if seen.is_empty() {
            let Row { policy, agents, metric, .. } = row.clone();
            return Err(FitError::NoMetric { policy, agents, metric });
        }
        Ok(Summary::of(&seen))
    };
    let mut values: Vec<f64> = free.iter().map(|f| f.low.midpoint(f.high)).collect();
    let mut reached = vec![Reached::Inside; free.len()];
    for _ in 0..ROUNDS {
        let before = values.clone();
        for (i, (f, row)) in free.iter().zip(rows).enumerate() {
            let mut miss = |at: f64| -> Result<f64, FitError> {
                values[i] = at;
                Ok(observe(&values, row, 0)?.mean - row.value)
            };
            let ends = (miss(f.low)?, miss(f.high)?);
            reached[i] = if ends.0 * ends.1 > 0.0 { Reached::AtEnd } else { Reached::Inside };
            let best = if reached[i] == Reached::AtEnd {
                if ends.0.abs() <= ends.1.abs() { f.low } else { f.high }
            } else {
                let (mut low, mut high) = (f.low, f.high);
                for _ in 0..HALVINGS {
                    let middle = low.midpoint(high);
                    if miss(middle)? * ends.0 > 0.0 { low = middle } else { high = middle }
                }
                low.midpoint(high)
            };
            values[i] = best;
        }
        let still = |(f, (a, b)): (&Free, (&f64, &f64))| (a - b).abs() <= (f.high - f.low) * 1e-3;
        if free.iter().zip(before.iter().zip(&values)).all(still) {
            break;
        }
    }
    let mut fitted = Vec::with_capacity(free.len());
    for (i, row) in rows.iter().enumerate() {
        let seen = observe(&values, row, FRESH)?;
        let standard_error = seen.sd.map(|sd| sd / (seen.n as f64).sqrt());
        fitted.push(Fitted { value: values[i], reached: reached[i], observed: seen.mean, standard_error });
    }
    Ok(fitted)
}
