//! Cells: points replicated in parallel, their runs gathered into series.
//!
//! Invariant: results come in order, whatever the number of jobs.

use super::metrics::METRICS;
use super::published::is_published;
use super::replication::{Point, Run, Sinks};
use super::scenario::Scenario;
use super::study::{Cell, Origin, Series};
use crate::runtime::RunError;
use rayon::prelude::*;
use std::io::Write;
use std::sync::{Arc, Mutex};

/// Runs replications `from..from + count` of every point, in parallel, in order.
pub(super) fn replicate(
    points: &[Point],
    from: u64,
    count: u32,
    tick: &(dyn Fn() + Sync),
) -> Result<Vec<Vec<Run>>, RunError> {
    let count = count as usize;
    let run = |i: usize| {
        let run = points[i / count].run(from + (i % count) as u64, Sinks::default());
        tick();
        run
    };
    let all: Result<Vec<Run>, RunError> = (0..points.len() * count).into_par_iter().map(run).collect();
    Ok(by_point(points.len(), count, all?))
}

/// Runs of a batch that wait to be written, at most.
const BATCH: usize = 64;

/// Like [`replicate`] from replication 0 on, with a transcript of every run, written in order.
pub(super) fn replicate_recorded(
    points: &[Point],
    count: u32,
    transcript: &mut dyn Write,
    tick: &(dyn Fn() + Sync),
) -> Result<Vec<Vec<Run>>, RunError> {
    let count = count as usize;
    let run = |i: usize| {
        let buffer = Buffer::default();
        let transcript = Some((Box::new(buffer.clone()) as Box<dyn Write + Send>, i as u64));
        let run = points[i / count].run((i % count) as u64, Sinks { trace: None, transcript })?;
        tick();
        Ok((run, buffer))
    };
    let total = points.len() * count;
    let mut all = Vec::with_capacity(total);
    for from in (0..total).step_by(BATCH) {
        let batch: Result<Vec<_>, RunError> = (from..total.min(from + BATCH)).into_par_iter().map(run).collect();
        for (run, buffer) in batch? {
            transcript.write_all(&buffer.take()).map_err(|e| RunError::Trace(e.to_string()))?;
            all.push(run);
        }
    }
    Ok(by_point(points.len(), count, all))
}

fn by_point(points: usize, count: usize, all: Vec<Run>) -> Vec<Vec<Run>> {
    let mut all = all.into_iter();
    (0..points).map(|_| all.by_ref().take(count).collect()).collect()
}

/// Memory that a run writes its transcript to.
#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().expect("no writer panics"))
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no writer panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Gathers the runs of a point into series.
pub(super) fn cell(scenario: &Scenario, point: &Point, runs: &[Run], origin: Origin) -> Cell {
    let extrapolated = !is_published(&scenario.workload, &point.settings, point.agents);
    let (policy, agents) = (point.policy.to_owned(), point.agents);
    Cell { policy, agents, origin, form: Some(point.form), extrapolated, series: gather(runs) }
}

/// Values of a metric by replication; `None` where one has none.
pub(super) fn by_replication(cell: &Cell, metric: &str, replications: u32) -> Vec<Option<f64>> {
    let Some(series) = cell.get(metric) else { return vec![None; replications as usize] };
    let mut values = series.values.iter().copied();
    (0..replications).map(|r| if series.lacking.contains(&r) { None } else { values.next() }).collect()
}

/// Series of all metrics that some run has.
pub(super) fn gather(runs: &[Run]) -> Vec<Series> {
    let mut series: Vec<Series> = METRICS
        .iter()
        .map(|m| Series { metric: m.name, unit: m.unit, share: m.is_share(), values: Vec::new(), lacking: Vec::new() })
        .collect();
    for (i, run) in runs.iter().enumerate() {
        for (place, value) in run.measures.iter() {
            series[place].values.push(value);
        }
        for s in series.iter_mut().filter(|s| s.values.len() + s.lacking.len() == i) {
            s.lacking.push(i as u32);
        }
    }
    series.retain(|s| !s.values.is_empty());
    series
}
