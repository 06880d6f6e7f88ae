//! Resampled traces, and numbers with the intervals they give.
//!
//! Requests of one trace depend on each other, so whole traces are drawn, never single requests.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::stats::quantile;

/// A number and its 95 % interval from resampled traces.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Banded {
    /// The number.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// A number rounded to some significant digits; its shortest decimal form is short.
pub fn digits(value: f64, count: usize) -> f64 {
    // Through the decimal form, so that what is written is what is read back.
    format!("{value:.*e}", count.saturating_sub(1)).parse().expect("a formatted number is a number")
}

/// A value with the central 95 % of its resamples; itself if there are none.
pub(super) fn band(value: f64, sample: &mut [f64]) -> Banded {
    if sample.is_empty() {
        return Banded { value, low: value, high: value };
    }
    sample.sort_unstable_by(f64::total_cmp);
    Banded { value, low: quantile(sample, 0.025), high: quantile(sample, 0.975) }
}

/// Draws traces with replacement.
pub(super) struct Resampler(ChaCha8Rng);

impl Resampler {
    /// `purpose` sets streams of one seed apart.
    pub(super) fn new(seed: u64, purpose: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"calibration ");
        hasher.update(&seed.to_le_bytes());
        hasher.update(purpose);
        Self(ChaCha8Rng::from_seed(*hasher.finalize().as_bytes()))
    }

    /// How often each of `n` traces was drawn in `n` draws.
    pub(super) fn counts(&mut self, n: usize) -> Vec<u32> {
        let mut counts = vec![0; n];
        for _ in 0..n {
            // Lemire's multiplication; the bias is below n / 2^64.
            let i = (u128::from(self.0.next_u64()) * n as u128) >> 64;
            counts[i as usize] += 1;
        }
        counts
    }
}
