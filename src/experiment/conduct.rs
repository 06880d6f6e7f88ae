//! Conducting a study: all policies at all sizes, replications in parallel, comparisons, checks, verdicts.
//!
//! Invariant: results do not depend on the number of jobs; pilot replications are never reported.

use super::cells::{cell, replicate, replicate_recorded};
use super::comparison::{self, BEST_CENTRAL};
use super::judgement::Search;
use super::replication::{Point, Run};
use super::runner::{Progress, Ticks, in_pool};
use super::scenario::Scenario;
use super::study::{Cell, Check, Origin, Study};
use super::{sensitivity, twins, verdict};
use crate::runtime::RunError;
use std::io::Write;
use std::sync::Mutex;

/// How to conduct a study; nothing here changes a number.
#[derive(Clone, Copy, Default)]
pub struct Options<'a> {
    /// Threads; 0 for all cores.
    pub jobs: usize,
    /// Whether to compare with the baseline.
    pub compare: bool,
    /// Called with runs done and runs in all.
    pub progress: Progress<'a>,
    /// Where the transcript of all runs goes, its header written already.
    pub transcript: Option<&'a Mutex<dyn Write + Send>>,
}

/// First replication number of pilots.
const PILOT: u64 = 1 << 40;

/// Runs the whole scenario.
pub fn conduct(scenario: &Scenario, options: &Options) -> Result<Study, RunError> {
    in_pool(options.jobs, || conduct_here(scenario, options))
}

fn conduct_here(scenario: &Scenario, options: &Options) -> Result<Study, RunError> {
    let replications = scenario.replications;
    let points = points(scenario, &scenario.policies)?;
    let ticks = Ticks::new(options.progress, points.len() as u64 * u64::from(replications));
    let tick = || ticks.tick();
    let runs = match options.transcript {
        Some(transcript) => {
            let mut transcript = transcript.lock().expect("nobody else writes it");
            replicate_recorded(&points, replications, &mut *transcript, &tick)?
        }
        None => replicate(&points, 0, replications, &tick)?,
    };
    assemble(scenario, options.compare, Origin::Simulated, &points, &runs)
}

/// Makes a study out of the runs of its points.
pub(super) fn assemble(
    scenario: &Scenario,
    compare: bool,
    origin: Origin,
    points: &[Point],
    runs: &[Vec<Run>],
) -> Result<Study, RunError> {
    let mut hasher = blake3::Hasher::new();
    for run in runs.iter().flatten() {
        hasher.update(&run.digest);
    }
    let cells: Vec<Cell> = points.iter().zip(runs).map(|(p, runs)| cell(scenario, p, runs, origin)).collect();
    let comparing = compare && scenario.measure.is_none();
    let pilot = if comparing { pilot(scenario)? } else { Search::NotLooked };
    let comparisons = if comparing { comparison::compare(scenario, &cells, &pilot) } else { Vec::new() };
    let mut verdicts = verdict::verdicts(scenario, &cells, &comparisons, &pilot);
    if comparing {
        verdicts.extend(sensitivity::flips(scenario, &cells, &comparisons)?);
        // What was measured or replayed has no other random numbers to try; a live run may ask for a twin of its own.
        if origin == Origin::Simulated {
            verdicts.extend(twins::twins(scenario, &cells)?);
        }
    }
    Ok(Study {
        best_central: comparison::best_central(scenario, &pilot),
        checks: checks(scenario, &cells),
        warnings: verdict::warnings(scenario, &cells, &comparisons),
        verdicts,
        inputs: super::parameters::counts(&super::parameters::parameters(scenario)),
        digest: hasher.finalize().to_hex()[..16].to_owned(),
        scenario: scenario.clone(),
        cells,
        comparisons,
    })
}

pub(super) fn points<'a>(scenario: &'a Scenario, policies: &'a [String]) -> Result<Vec<Point<'a>>, RunError> {
    policies
        .iter()
        .flat_map(|p| scenario.agents.iter().map(move |n| (p, *n)))
        .map(|(p, n)| Point::new(scenario, p, n))
        .collect()
}

/// Pilot cells of the central forms, to choose the best among them.
fn pilot(scenario: &Scenario) -> Result<Search<Vec<Cell>>, RunError> {
    if scenario.baseline != BEST_CENTRAL {
        return Ok(Search::NotLooked);
    }
    let central: Vec<String> =
        scenario.policies.iter().filter(|p| comparison::is_central(scenario, p)).cloned().collect();
    let points = points(scenario, &central)?;
    let runs = replicate(&points, PILOT, scenario.replications.min(64), &|| {})?;
    let cells: Vec<Cell> =
        points.iter().zip(&runs).map(|(p, runs)| cell(scenario, p, runs, Origin::Simulated)).collect();
    Ok(if cells.is_empty() { Search::NotFound } else { Search::Found(cells) })
}

/// Closed forms beside what the runs gave. Below the full budget, tolerances widen by the square root of the ratio.
fn checks(scenario: &Scenario, cells: &[Cell]) -> Vec<Check> {
    let budget = |s: &Scenario| f64::from(s.replications) * s.measure.as_ref().map_or(1.0, |m| m.stop_after as f64);
    let widen = (budget(&scenario.clone().full()) / budget(scenario)).max(1.0).sqrt();
    scenario
        .expect
        .iter()
        .map(|e| {
            let cell = cells.iter().find(|c| c.policy == e.policy && c.agents == e.agents);
            let observed = cell.and_then(|c| c.mean(&e.metric)).unwrap_or(f64::NAN);
            // Nanosecond rounding is allowed to exact forms.
            let tolerance = (e.relative * e.value.abs()).max(e.absolute) * widen + 2e-9 * e.value.abs().max(1.0);
            Check {
                policy: e.policy.clone(),
                agents: e.agents,
                metric: e.metric.clone(),
                expected: e.value,
                observed,
                tolerance,
                holds: (observed - e.value).abs() <= tolerance,
                formula: e.formula.clone(),
            }
        })
        .collect()
}
