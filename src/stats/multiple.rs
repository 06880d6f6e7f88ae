//! p values of paired samples, and Holm's correction for many of them.

use super::student::incomplete_beta;
use super::summary::mean_and_sd;

/// Two-sided p value of equal means: McNemar's exact test where all values are single outcomes (0 or 1), Student's paired
/// test otherwise. None for fewer than two pairs; 1 where all pairs are equal.
///
/// ```
/// // Six pairs differ, all to one side: 2 / 2^6.
/// let (a, b) = ([1.0; 6], [0.0; 6]);
/// assert!((delm_sim::stats::paired_p_value(&a, &b).unwrap() - 2.0 / 64.0).abs() < 1e-12);
/// ```
///
/// # Panics
/// If the lengths differ.
pub fn paired_p_value(a: &[f64], b: &[f64]) -> Option<f64> {
    assert_eq!(a.len(), b.len(), "paired samples have one length");
    if a.len() < 2 {
        return None;
    }
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    if differences.iter().all(|d| *d == 0.0) {
        return Some(1.0);
    }
    if a.iter().chain(b).all(|v| *v == 0.0 || *v == 1.0) {
        let gains = differences.iter().filter(|d| **d > 0.0).count() as f64;
        let losses = differences.iter().filter(|d| **d < 0.0).count() as f64;
        let (least, n) = (gains.min(losses), gains + losses);
        // P(X <= least) for X ~ Binomial(n, 1/2) is I_{1/2}(n - least, least + 1).
        return Some((2.0 * incomplete_beta(n - least, least + 1.0, 0.5)).min(1.0));
    }
    let (mean, sd) = mean_and_sd(&differences);
    if sd == 0.0 {
        return Some(0.0);
    }
    let n = differences.len() as f64;
    let t = mean / (sd / n.sqrt());
    let df = n - 1.0;
    Some(incomplete_beta(df / 2.0, 0.5, df / (df + t * t)))
}

/// Which of several hypotheses are rejected at `level` when the chance of any false rejection is kept below it (Holm, "A
/// simple sequentially rejective multiple test procedure", Scand. J. Statist. 6, 1979).
pub fn holm(p_values: &[f64], level: f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let mut rejected = vec![false; p_values.len()];
    for (rank, i) in order.into_iter().enumerate() {
        if p_values[i] > level / (p_values.len() - rank) as f64 {
            break;
        }
        rejected[i] = true;
    }
    rejected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn students_test_agrees_with_a_worked_example() {
        // t = 5.5 / (7.176350 / sqrt 4) = 1.532814 with 3 degrees of freedom: p = 0.222841.
        let p = paired_p_value(&[10.0, 2.0, 13.0, 1.0], &[1.0, 2.0, 0.0, 1.0]).unwrap();
        let (mean, sd): (f64, f64) = (5.5, ((3.5 * 3.5 + 5.5 * 5.5 * 2.0 + 7.5 * 7.5_f64) / 3.0).sqrt());
        let t = mean / (sd / 2.0);
        // The distribution function of t with 3 degrees of freedom, in closed form.
        let x = t / 3.0_f64.sqrt();
        let closed = 1.0 - 2.0 / std::f64::consts::PI * (x / (1.0 + x * x) + libm::atan(x));
        assert!((p - closed).abs() < 1e-10, "{p} {closed}");
    }

    #[test]
    fn mcnemar_counts_pairs_that_differ() {
        let a = [1.0, 1.0, 1.0, 0.0, 0.0];
        let b = [0.0, 0.0, 0.0, 1.0, 0.0];
        // 1 or fewer of 4 at even odds, both sides: 2 * 5 / 16.
        assert!((paired_p_value(&a, &b).unwrap() - 0.625).abs() < 1e-12);
        assert_eq!(paired_p_value(&a, &a), Some(1.0));
        assert_eq!(paired_p_value(&[1.0], &[0.0]), None);
    }

    #[test]
    fn holm_goes_down_step_by_step() {
        assert_eq!(holm(&[0.01, 0.04, 0.03, 0.005], 0.05), [true, false, false, true]);
        assert_eq!(holm(&[0.02, 0.02], 0.05), [true, true]);
        assert_eq!(holm(&[], 0.05), [] as [bool; 0]);
    }
}
