//! Runs of the points that a question needs, with one digest over all of them.

use crate::experiment::cells::{cell, replicate};
use crate::experiment::replication::Point;
use crate::experiment::scenario::Scenario;
use crate::experiment::study::{Cell, Origin};
use crate::runtime::RunError;
use std::sync::atomic::{AtomicU64, Ordering};

/// Runs points and remembers what ran.
pub(super) struct Runner<'a> {
    hasher: blake3::Hasher,
    done: AtomicU64,
    total: u64,
    progress: Option<&'a (dyn Fn(u64, u64) + Sync)>,
}

impl<'a> Runner<'a> {
    /// A runner that expects about `total` runs.
    pub(super) fn new(progress: Option<&'a (dyn Fn(u64, u64) + Sync)>, total: u64) -> Self {
        Self { hasher: blake3::Hasher::new(), done: AtomicU64::new(0), total, progress }
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
        let tick = || {
            let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
            if let Some(progress) = self.progress {
                progress(done, self.total.max(done));
            }
        };
        let runs = replicate(&points, from, count, &tick)?;
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
        self.done.load(Ordering::Relaxed)
    }
}
