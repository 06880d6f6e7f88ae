//! A line of progress on standard error, on a terminal only.

use std::io::{IsTerminal, Write, stderr};
use std::sync::atomic::{AtomicU64, Ordering};

/// Shows how many runs are done, in whole percent.
pub(super) struct Progress {
    shown: Option<AtomicU64>,
}

impl Progress {
    /// Shows nothing if `quiet`, or if nobody watches.
    pub(super) fn new(quiet: bool) -> Self {
        let watched = !quiet && stderr().is_terminal();
        Self { shown: watched.then(|| AtomicU64::new(u64::MAX)) }
    }

    /// Takes in how far the runs are.
    pub(super) fn tick(&self, done: u64, total: u64) {
        let Some(shown) = &self.shown else { return };
        let percent = done * 100 / total.max(1);
        if shown.swap(percent, Ordering::Relaxed) != percent {
            let mut out = stderr().lock();
            let _ = write!(out, "\r{percent:3} % of {total} runs ");
            let _ = out.flush();
        }
    }

    /// Takes in how many runs are done where nobody knows how many there are.
    pub(super) fn count(&self, done: u64) {
        if self.shown.is_some() {
            let mut out = stderr().lock();
            let _ = write!(out, "\r{done} runs ");
            let _ = out.flush();
        }
    }

    /// Clears the line.
    pub(super) fn clear(&self) {
        if self.shown.is_some() {
            eprint!("\r{:40}\r", "");
        }
    }
}
