//! Varying keys of a scenario: every combination of their values, all cells on the same random numbers.

use super::AskError;
use super::grid::Axis;
use super::subject::metric;
use crate::experiment::comparison::{BEST_CENTRAL, HEADLINE, pair};
use crate::experiment::runner::Runner;
use crate::experiment::scenario::Scenario;
use crate::experiment::study::{Cell, Comparison};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Combinations, at most.
const MOST: usize = 1000;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VaryAsked {
    /// The keys, each with its values.
    pub axes: Vec<Axis>,
    /// Metric of the figure; Pass if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
}

/// The cells of one combination.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Level {
    /// Value of each axis.
    pub values: Vec<String>,
    /// All policies and sizes.
    pub cells: Vec<Cell>,
    /// Paired with the baseline where the scenario names one.
    pub comparisons: Vec<Comparison>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Varied {
    /// The keys.
    pub axes: Vec<String>,
    /// Metric of the figure.
    pub metric: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Replications per cell.
    pub replications: u32,
    /// Every combination, the last axis fastest.
    pub levels: Vec<Level>,
    /// Digest of all runs.
    pub digest: String,
    /// Number of runs.
    pub runs: u64,
}

/// Every combination of the values of all axes.
fn combinations(axes: &[Axis]) -> Vec<Vec<String>> {
    axes.iter().fold(vec![Vec::new()], |made, axis| {
        made.iter()
            .flat_map(|made| {
                axis.values.iter().map(|value| made.iter().cloned().chain(std::iter::once(value.clone())).collect())
            })
            .collect()
    })
}

/// Runs every combination.
pub(super) fn varied(scenario: &Scenario, asked: &VaryAsked, runner: &mut Runner) -> Result<Varied, AskError> {
    let gained = metric(asked.metric.as_deref())?;
    let all = combinations(&asked.axes);
    if all.len() > MOST {
        return Err(AskError::Usage(format!(
            "--vary: {} combinations, more than {MOST}: name fewer values",
            all.len()
        )));
    }
    // All combinations are judged before any runs.
    let scenarios: Vec<Scenario> = all
        .iter()
        .map(|values| {
            let edits: Vec<String> =
                asked.axes.iter().zip(values).map(|(axis, v)| format!("{}={v}", axis.key)).collect();
            scenario.with(&edits).map_err(|fault| AskError::Usage(fault.to_string().replace("--set:", "--vary:")))
        })
        .collect::<Result<_, AskError>>()?;
    let mut levels = Vec::new();
    for (values, moved) in all.into_iter().zip(&scenarios) {
        let points: Vec<(&str, u32)> =
            moved.policies.iter().flat_map(|p| moved.agents.iter().map(move |n| (p.as_str(), *n))).collect();
        let cells = runner.cells(moved, &points, 0, moved.replications)?;
        let comparisons = if moved.baseline == BEST_CENTRAL { Vec::new() } else { compared(moved, &cells) };
        levels.push(Level { values, cells, comparisons });
    }
    Ok(Varied {
        axes: asked.axes.iter().map(|axis| axis.key.clone()).collect(),
        metric: gained.name,
        unit: gained.unit,
        replications: scenario.replications,
        levels,
        digest: runner.digest(),
        runs: runner.runs(),
    })
}

fn compared(scenario: &Scenario, cells: &[Cell]) -> Vec<Comparison> {
    let mut rows = Vec::new();
    for metric in HEADLINE {
        for cell in cells.iter().filter(|cell| cell.policy != scenario.baseline) {
            let rival = cells.iter().find(|c| c.policy == scenario.baseline && c.agents == cell.agents);
            rows.extend(rival.and_then(|rival| pair(scenario.seed, metric, cell, rival)));
        }
    }
    rows
}
