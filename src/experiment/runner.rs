//! Running points in parallel: the pool, the count of runs for who waits, and cells with one digest over all runs.

use super::cells::{cell, replicate};
use super::replication::Point;
use super::scenario::Scenario;
use super::study::{Cell, Origin};
use crate::runtime::RunError;
use std::sync::atomic::{AtomicU64, Ordering};

/// Who is told of runs done and runs in all.
pub type Progress<'a> = Option<&'a (dyn Fn(u64, u64) + Sync)>;

/// Does something on so many threads; 0 for all cores.
pub(super) fn in_pool<T: Send>(jobs: usize, work: impl FnOnce() -> T + Send) -> T {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs).build();
    pool.expect("a thread pool of a sensible size can be built").install(work)
}

/// Counts runs and tells of them.
pub(super) struct Ticks<'a> {
    done: AtomicU64,
    total: u64,
    progress: Progress<'a>,
}

impl<'a> Ticks<'a> {
    /// A count to about `total`.
    pub(super) fn new(progress: Progress<'a>, total: u64) -> Self {
        Self { done: AtomicU64::new(0), total, progress }
    }

    /// A run is done.
    pub(super) fn tick(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(progress) = self.progress {
            progress(done, self.total.max(done));
        }
    }
}

/// Runs points and remembers what ran.
pub(super) struct Runner<'a> {
    hasher: blake3::Hasher,
    ticks: Ticks<'a>,
}

impl<'a> Runner<'a> {
    /// A runner that expects about `total` runs.
    pub(super) fn new(progress: Progress<'a>, total: u64) -> Self {
        Self { hasher: blake3::Hasher::new(), ticks: Ticks::new(progress, total) }
    }

    /// Cells of points of a scenario, of replications `from..from + count`.
    pub(super) fn cells(
        &mut self,
        scenario: &Scenario,
        points: &[(&str, u32)],
        from: u64,
        count: u32,
    ) -> Result<Vec<Cell>, RunError> {
        let points: Vec<Point> =
            points.iter().map(|(policy, agents)| Point::new(scenario, policy, *agents)).collect::<Result<_, _>>()?;
        let ticks = &self.ticks;
        let runs = replicate(&points, from, count, &|| ticks.tick())?;
        for run in runs.iter().flatten() {
            self.hasher.update(&run.digest);
        }
        Ok(points.iter().zip(&runs).map(|(point, runs)| cell(scenario, point, runs, Origin::Simulated)).collect())
    }

    /// Digest over the traces of all runs.
    pub(super) fn digest(&self) -> String {
        self.hasher.finalize().to_hex()[..16].to_owned()
    }

    /// Runs so far.
    pub(super) fn runs(&self) -> u64 {
        self.ticks.done.load(Ordering::Relaxed)
    }
}
