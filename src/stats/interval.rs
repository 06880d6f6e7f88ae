//! Intervals: paired differences and ratios, and the bootstrap.
//!
//! All intervals are at 95 %. Resampling draws from ChaCha8 under a seed given by the caller.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::quantile::quantile;
use super::sum::exact_sum;
use super::summary::{half_width, mean_and_sd};

const LOW: f64 = 0.025;
const HIGH: f64 = 0.975;

/// A 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    pub(super) fn around(centre: f64, half: f64) -> Self {
        Self { low: centre - half, high: centre + half }
    }

    /// Half its width.
    pub fn half_width(self) -> f64 {
        (self.high - self.low) / 2.0
    }

    /// Both ends times a factor that is not negative.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Self { low: self.low * factor, high: self.high * factor }
    }

    /// Whether all of it lies on one side of 0, and on which: -1, 1, or 0 if it does not.
    pub fn sign(self) -> i8 {
        i8::from(self.low > 0.0) - i8::from(self.high < 0.0)
    }
}

/// Two samples compared pair by pair.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Paired {
    /// Number of pairs.
    pub n: usize,
    /// Mean of `a - b`.
    pub difference: f64,
    /// Sample standard deviation of `a - b`; unknown for one pair.
    pub sd: Option<f64>,
    /// Interval of the difference: Student's; unknown for one pair.
    pub interval: Option<Interval>,
    /// Mean of `a` over mean of `b`; not finite if the latter is 0.
    pub ratio: f64,
    /// Lower end of the bootstrap percentile interval of the ratio.
    pub ratio_ci_low: f64,
    /// Upper end of the bootstrap percentile interval of the ratio.
    pub ratio_ci_high: f64,
}

/// z(97.5 %) + z(95 %): a difference of so many standard errors is seen with 95 % chance by a 5 % test.
pub const SEEN: f64 = 3.604_8;

impl Paired {
    /// Standard error of the difference; unknown for one pair.
    pub fn standard_error(&self) -> Option<f64> {
        self.sd.map(|sd| sd / (self.n as f64).sqrt())
    }
}

/// Compares `a[i]` with `b[i]`: the t interval of the mean difference, and the ratio of the means with a bootstrap
/// percentile interval over `resamples` draws of whole pairs. With no pairs all numbers are NaN; with no resamples the
/// interval of the ratio is the ratio.
///
/// ```
/// let paired = delm_sim::stats::paired(&[2.0, 4.0], &[1.0, 2.0], 100, 1);
/// assert_eq!((paired.difference, paired.ratio, paired.ratio_ci_low), (1.5, 2.0, 2.0));
/// ```
///
/// # Panics
/// If the lengths differ.
pub fn paired(a: &[f64], b: &[f64], resamples: usize, seed: u64) -> Paired {
    assert_eq!(a.len(), b.len(), "paired samples have one length");
    let n = a.len();
    if n == 0 {
        let nothing = f64::NAN;
        return Paired {
            n,
            difference: nothing,
            sd: None,
            interval: None,
            ratio: nothing,
            ratio_ci_low: nothing,
            ratio_ci_high: nothing,
        };
    }
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    let (difference, sd) = mean_and_sd(&differences);
    let sd = (n > 1).then_some(sd);
    let ratio = exact_sum(a) / exact_sum(b);
    let mut resampler = Resampler::new(seed);
    let (ratio_ci_low, ratio_ci_high) = percentile_interval(resamples, ratio, || {
        let (mut sum_a, mut sum_b) = (0.0, 0.0);
        for _ in 0..n {
            let i = resampler.index(n);
            sum_a += a[i];
            sum_b += b[i];
        }
        sum_a / sum_b
    });
    Paired {
        n,
        difference,
        sd,
        interval: sd.map(|sd| Interval::around(difference, half_width(n, sd))),
        ratio,
        ratio_ci_low,
        ratio_ci_high,
    }
}

/// Bootstrap percentile interval of `statistic` over `values`, each drawn independently with replacement.
///
/// The statistic gets a scratch vector that it may sort.
///
/// # Panics
/// If `values` is empty.
pub fn bootstrap_interval(
    values: &[f64],
    statistic: impl Fn(&mut Vec<f64>) -> f64,
    resamples: usize,
    seed: u64,
) -> (f64, f64) {
    assert!(!values.is_empty(), "the bootstrap needs at least one value");
    let mut resampler = Resampler::new(seed);
    let mut scratch = values.to_vec();
    let whole = statistic(&mut scratch);
    percentile_interval(resamples, whole, || {
        scratch.clear();
        scratch.extend((0..values.len()).map(|_| values[resampler.index(values.len())]));
        statistic(&mut scratch)
    })
}

/// Bootstrap percentile interval that draws whole groups with replacement, for values that depend on each other within
/// a group.
///
/// # Panics
/// If there is no group, or all groups are empty.
pub fn cluster_bootstrap(
    groups: &[Vec<f64>],
    statistic: impl Fn(&mut Vec<f64>) -> f64,
    resamples: usize,
    seed: u64,
) -> (f64, f64) {
    assert!(groups.iter().any(|group| !group.is_empty()), "the bootstrap needs at least one value");
    let mut resampler = Resampler::new(seed);
    let mut scratch = groups.concat();
    let whole = statistic(&mut scratch);
    percentile_interval(resamples, whole, || {
        scratch.clear();
        // A draw of empty groups alone says nothing about the statistic: draw again.
        while scratch.is_empty() {
            for _ in 0..groups.len() {
                scratch.extend_from_slice(&groups[resampler.index(groups.len())]);
            }
        }
        statistic(&mut scratch)
    })
}

/// The values of `statistic` over draws with replacement of `n` places, in rising order; values that are no numbers are left
/// out.
///
/// # Panics
/// If `n` is 0.
pub fn resampled(n: usize, resamples: usize, seed: u64, statistic: impl Fn(&[usize]) -> f64) -> Vec<f64> {
    assert!(n > 0, "the bootstrap needs at least one value");
    let mut resampler = Resampler::new(seed);
    let mut draws = vec![0; n];
    let mut values: Vec<f64> = (0..resamples)
        .map(|_| {
            for draw in &mut draws {
                *draw = resampler.index(n);
            }
            statistic(&draws)
        })
        .filter(|value| !value.is_nan())
        .collect();
    values.sort_unstable_by(f64::total_cmp);
    values
}

fn percentile_interval(resamples: usize, whole: f64, mut resample: impl FnMut() -> f64) -> (f64, f64) {
    let mut statistics: Vec<f64> = (0..resamples).map(|_| resample()).filter(|value| !value.is_nan()).collect();
    if statistics.is_empty() {
        return (whole, whole);
    }
    statistics.sort_unstable_by(f64::total_cmp);
    (quantile(&statistics, LOW), quantile(&statistics, HIGH))
}

struct Resampler(ChaCha8Rng);

impl Resampler {
    fn new(seed: u64) -> Self {
        let mut bytes = [0_u8; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes[8..17].copy_from_slice(b"bootstrap");
        Self(ChaCha8Rng::from_seed(bytes))
    }

    /// An index below `n`, by multiplication (Lemire); the bias is below n / 2^64.
    fn index(&mut self, n: usize) -> usize {
        ((u128::from(self.0.next_u64()) * n as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean_of(values: &[f64]) -> f64 {
        exact_sum(values) / values.len() as f64
    }

    #[test]
    fn the_bootstrap_of_a_mean_is_close_to_the_t_interval() {
        let values: Vec<f64> = (0..400).map(|i| f64::from(i * 7919 % 400)).collect();
        let (low, high) = bootstrap_interval(&values, |v| mean_of(v), 2_000, 9);
        let (centre, sd) = mean_and_sd(&values);
        let half = half_width(values.len(), sd);
        assert!((low - (centre - half)).abs() < 0.1 * half);
        assert!((high - (centre + half)).abs() < 0.1 * half);
        assert_eq!((low, high), bootstrap_interval(&values, |v| mean_of(v), 2_000, 9), "the seed decides");
        assert_ne!((low, high), bootstrap_interval(&values, |v| mean_of(v), 2_000, 10));
    }

    #[test]
    fn groups_of_copies_do_not_sharpen_the_interval() {
        let single: Vec<Vec<f64>> = (0..50).map(|i| vec![f64::from(i)]).collect();
        let copied: Vec<Vec<f64>> = (0..50).map(|i| vec![f64::from(i); 10]).collect();
        assert_eq!(
            cluster_bootstrap(&single, |v| mean_of(v), 500, 3),
            cluster_bootstrap(&copied, |v| mean_of(v), 500, 3)
        );
    }

    #[test]
    fn a_constant_shift_has_no_spread() {
        let a: Vec<f64> = (0..20).map(f64::from).collect();
        let b: Vec<f64> = a.iter().map(|value| value + 2.0).collect();
        let paired = paired(&a, &b, 200, 1);
        let point = Interval { low: -2.0, high: -2.0 };
        assert_eq!((paired.difference, paired.sd, paired.interval), (-2.0, Some(0.0), Some(point)));
        assert!(paired.ratio_ci_low <= paired.ratio && paired.ratio <= paired.ratio_ci_high);
    }
}
