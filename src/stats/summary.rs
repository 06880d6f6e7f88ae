//! The summary of a sample.

use serde::{Deserialize, Serialize};

use super::interval::Interval;
use super::proportion::share_interval;
use super::quantile::quantile;
use super::student::student_t_quantile;
use super::sum::exact_sum;

/// Size, mean, spread, 95 % interval of the mean and quantiles of a sample.
///
/// The mean lies in the interval, and `p50 <= p90 <= p99` holds exactly.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Number of values.
    pub n: usize,
    /// Arithmetic mean.
    pub mean: f64,
    /// Sample standard deviation (divisor n - 1); unknown for fewer than two values.
    pub sd: Option<f64>,
    /// 95 % interval of the mean; unknown for fewer than two values.
    pub interval: Option<Interval>,
    /// Median.
    pub p50: f64,
    /// 90 % quantile.
    pub p90: f64,
    /// 99 % quantile.
    pub p99: f64,
}

impl Summary {
    /// Summarises `values`; the interval is Student's. All numbers of an empty sample are NaN.
    ///
    /// ```
    /// let summary = delm_sim::stats::Summary::of(&[1.0, 2.0, 3.0]);
    /// assert_eq!((summary.n, summary.mean, summary.sd, summary.p50), (3, 2.0, Some(1.0), 2.0));
    /// ```
    pub fn of(values: &[f64]) -> Self {
        let n = values.len();
        if n == 0 {
            let nothing = f64::NAN;
            return Self { n, mean: nothing, sd: None, interval: None, p50: nothing, p90: nothing, p99: nothing };
        }
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let (mean, sd) = mean_and_sd(&sorted);
        let spread = (n > 1).then_some(sd);
        let interval = spread.map(|sd| Interval::around(mean, half_width(n, sd)));
        let p50 = quantile(&sorted, 0.5);
        let p90 = quantile(&sorted, 0.9).max(p50);
        let p99 = quantile(&sorted, 0.99).max(p90);
        Self { n, mean, sd: spread, interval, p50, p90, p99 }
    }
}

impl Summary {
    /// Summarises a share, a mean of values in [0, 1]: as [`Summary::of`], with the interval of
    /// [`super::share_interval`].
    pub fn of_share(values: &[f64]) -> Self {
        Self { interval: share_interval(values), ..Self::of(values) }
    }
}

/// Mean and sample standard deviation in two passes; equal values have no spread, whatever their mean rounds to.
pub(super) fn mean_and_sd(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    if values.iter().all(|value| value == &values[0]) {
        return (values[0], 0.0);
    }
    let mean = exact_sum(values) / n;
    let squares: Vec<f64> = values.iter().map(|value| (value - mean) * (value - mean)).collect();
    (mean, (exact_sum(&squares) / (n - 1.0)).sqrt())
}

/// Half the width of the 95 % t interval of a mean.
pub(super) fn half_width(n: usize, sd: f64) -> f64 {
    if n < 2 || sd == 0.0 {
        return 0.0;
    }
    student_t_quantile(0.975, (n - 1) as f64) * sd / (n as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_a_worked_example() {
        let summary = Summary::of(&[5.0, 1.0, 4.0, 2.0, 3.0]);
        assert_eq!((summary.n, summary.mean, summary.p50), (5, 3.0, 3.0));
        assert!((summary.sd.unwrap() - 2.5_f64.sqrt()).abs() < 1e-15);
        // t(0.975, 4) = 2.776445105
        assert!((summary.interval.unwrap().high - (3.0 + 2.776_445_105 * (0.5_f64).sqrt())).abs() < 1e-8);
        assert!((summary.p90 - 4.6).abs() < 1e-12);
    }

    #[test]
    fn without_spread_the_interval_is_the_mean_and_one_value_has_none() {
        let summary = Summary::of(&[0.1; 7]);
        assert_eq!((summary.interval, summary.sd), (Some(Interval { low: 0.1, high: 0.1 }), Some(0.0)));
        let summary = Summary::of(&[0.1]);
        assert_eq!((summary.mean, summary.interval, summary.sd), (0.1, None, None));
        assert!(Summary::of(&[]).mean.is_nan());
    }
}
