//! Cells: points replicated in parallel, their runs gathered into series.
//!
//! Invariant: results come in order, whatever the number of jobs.

use super::metrics::METRICS;
use super::replication::{Point, Run};
use super::scenario::Scenario;
use super::study::{Cell, Series};
use crate::policy::catalog;
use crate::runtime::RunError;
use rayon::prelude::*;

/// Origin of cells of simulated runs.
pub(super) const SIMULATED: &str = "simulated";
/// Origin of cells of live runs.
pub(super) const MEASURED: &str = "measured";

/// Runs replications `from..from + count` of every point, in parallel, in order.
pub(super) fn replicate(
    points: &[Point],
    from: u64,
    count: u32,
    tick: &(dyn Fn() + Sync),
) -> Result<Vec<Vec<Run>>, RunError> {
    let count = count as usize;
    let all: Result<Vec<Run>, RunError> = (0..points.len() * count)
        .into_par_iter()
        .map(|i| {
            let run = points[i / count].run(from + (i % count) as u64, None);
            tick();
            run
        })
        .collect();
    let mut all = all?.into_iter();
    Ok(points.iter().map(|_| all.by_ref().take(count).collect()).collect())
}

/// Gathers the runs of a point into series.
pub(super) fn cell(scenario: &Scenario, point: &Point, runs: &[Run], origin: &'static str) -> Cell {
    let mut series: Vec<Series> =
        METRICS.iter().map(|m| Series { metric: m.name, unit: m.unit, values: Vec::new() }).collect();
    for run in runs {
        // Values come in the order of the catalogue, some left out.
        let mut all = series.iter_mut();
        for (metric, value) in &run.values {
            let s = all.find(|s| s.metric == metric.name).expect("every metric has a series");
            s.values.push(*value);
        }
    }
    series.retain(|s| !s.values.is_empty());
    let published = catalog::entry(scenario.base_of(point.policy)).map_or(u32::MAX, |e| e.published_up_to);
    let beyond = point.agents > published && point.uses_more_than(published);
    Cell { policy: point.policy.to_owned(), agents: point.agents, extrapolated: beyond, origin, series }
}
