//! The difference of two samples that have nothing in common.

use super::interval::Interval;
use super::student::student_t_quantile;
use super::summary::mean_and_sd;

/// Mean of `a` minus mean of `b`, with the 95 % interval of B. L. Welch (Biometrika 34, 1947): no equal spread is taken for
/// granted. No interval where a sample has fewer than two values; none of any width where neither has spread.
///
/// ```
/// let (difference, interval) = delm_sim::stats::unpaired(&[1.0, 2.0, 3.0], &[1.0, 1.0, 1.0]);
/// assert_eq!(difference, 1.0);
/// assert!(interval.unwrap().low < 0.0);
/// ```
pub fn unpaired(a: &[f64], b: &[f64]) -> (f64, Option<Interval>) {
    if a.is_empty() || b.is_empty() {
        return (f64::NAN, None);
    }
    let of = |values: &[f64]| {
        let (mean, sd) = mean_and_sd(values);
        let n = values.len() as f64;
        (mean, sd * sd / n, n - 1.0)
    };
    let ((mean_a, var_a, free_a), (mean_b, var_b, free_b)) = (of(a), of(b));
    let difference = mean_a - mean_b;
    if free_a < 1.0 || free_b < 1.0 {
        return (difference, None);
    }
    let variance = var_a + var_b;
    if variance == 0.0 {
        return (difference, Some(Interval::around(difference, 0.0)));
    }
    let free = variance * variance / (var_a * var_a / free_a + var_b * var_b / free_b);
    (difference, Some(Interval::around(difference, student_t_quantile(0.975, free) * variance.sqrt())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: means 5 and 3, variances 10/3 and 3/2 of four values each, hence 5.245 degrees of freedom, whose quantile
    /// at .975 is 2.5348 by integration of the density.
    #[test]
    fn agrees_with_a_case_by_hand() {
        let (difference, interval) = unpaired(&[3.0, 4.0, 6.0, 7.0], &[2.0, 2.0, 3.5, 4.5]);
        assert!((difference - 2.0).abs() < 1e-12);
        assert!((interval.unwrap().half_width() - 2.78640).abs() < 1e-5);
    }

    #[test]
    fn one_value_has_no_interval_and_no_spread_has_no_width() {
        assert_eq!(unpaired(&[1.0], &[2.0, 3.0]), (-1.5, None));
        assert_eq!(unpaired(&[2.0, 2.0], &[1.0, 1.0]).1.unwrap().half_width(), 0.0);
        assert!(unpaired(&[], &[1.0]).0.is_nan());
    }

    /// Of samples of one law, 95 % of intervals hold 0.
    #[test]
    fn covers_no_difference() {
        use rand::{RngExt, SeedableRng};
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
        let mut draw = |n: usize| -> Vec<f64> { (0..n).map(|_| rng.random::<f64>() + rng.random::<f64>()).collect() };
        let held = (0..2000).filter(|_| unpaired(&draw(12), &draw(30)).1.unwrap().sign() == 0).count();
        // Five standard errors of a share of .95 in 2,000 trials.
        assert!((1851..=1949).contains(&held), "{held}");
    }
}
