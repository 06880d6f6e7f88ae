//! A line of progress on standard error, on a terminal only.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, stderr};

/// Redraws per second.
const RATE: u8 = 10;

/// Shows how many runs are done.
pub(super) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Shows nothing if `quiet`, or if nobody watches.
    pub(super) fn new(quiet: bool) -> Self {
        let is_watched = !quiet && stderr().is_terminal();
        let target = if is_watched { ProgressDrawTarget::stderr_with_hz(RATE) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        bar.set_style(ProgressStyle::with_template("{pos} runs").expect("a constant"));
        Self { bar }
    }

    /// Takes in how far the runs are.
    pub(super) fn tick(&self, done: u64, total: u64) {
        if self.bar.length() != Some(total) {
            let template = "{percent:>3} % of {len} runs {bar:30} {eta} left";
            self.bar.set_style(ProgressStyle::with_template(template).expect("a constant"));
            self.bar.set_length(total);
        }
        // Threads may report out of order; nobody should see the work go back.
        if done > self.bar.position() {
            self.bar.set_position(done);
        }
    }

    /// Takes in how many runs are done where nobody knows how many there are.
    pub(super) fn count(&self, done: u64) {
        self.bar.set_position(done);
    }

    /// Clears the line.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
