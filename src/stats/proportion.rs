//! Intervals of shares: means of values in [0, 1], of which each is one trial (right or wrong) or the mean of a few.
//!
//! A t interval of a share leaves [0, 1] and has no width where all trials agree. Wilson's score interval (E. B. Wilson,
//! JASA 22 (1927) 209) does neither. Where a value is a mean over several trials of one run, which depend on each other,
//! the number of trials is the effective one, `p (1 - p) / var(mean)`; for single trials that is their number. The
//! difference of two paired shares takes R. G. Newcombe's square-and-add interval with the correlation of the pairs
//! (Statistics in Medicine 17 (1998) 2635, method 10).

use super::interval::Interval;
use super::summary::mean_and_sd;

/// 97.5 % quantile of the standard normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// Wilson's 95 % interval of a share `p` of `n` trials.
///
/// ```
/// let interval = delm_sim::stats::wilson(1.0, 30.0);
/// assert!((interval.low - 0.8865).abs() < 1e-4 && interval.high == 1.0);
/// ```
pub fn wilson(p: f64, n: f64) -> Interval {
    let z2 = Z * Z;
    let centre = (p + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    // At the ends rounding must not shut the share itself out.
    Interval { low: (centre - half).clamp(0.0, p), high: (centre + half).clamp(p, 1.0) }
}

/// Trials that would give the mean of `values` the spread it has; their number where they do not vary.
fn effective_trials(values: &[f64], mean: f64, sd: f64) -> f64 {
    let n = values.len() as f64;
    let binomial = mean * (1.0 - mean);
    if sd > 0.0 && binomial > 0.0 {
        // The sample variance of single trials is binomial * n / (n - 1).
        binomial * n * n / (n - 1.0) / (sd * sd)
    } else {
        n
    }
}

/// The 95 % interval of a share; none for fewer than two values, and none of what is no share.
pub fn share_interval(values: &[f64]) -> Option<Interval> {
    if values.len() < 2 || values.iter().any(|value| !(0.0..=1.0).contains(value)) {
        return None;
    }
    let (mean, sd) = mean_and_sd(values);
    Some(wilson(mean, effective_trials(values, mean, sd)))
}

/// The 95 % interval of the difference `a - b` of two shares, paired; none for fewer than two pairs.
///
/// # Panics
/// If the lengths differ.
pub fn paired_share_interval(a: &[f64], b: &[f64]) -> Option<Interval> {
    assert_eq!(a.len(), b.len(), "paired samples have one length");
    let (a_share, b_share) = (share_interval(a)?, share_interval(b)?);
    let ((p, sd_a), (q, sd_b)) = (mean_and_sd(a), mean_and_sd(b));
    let n = a.len() as f64;
    let covariance: f64 = a.iter().zip(b).map(|(x, y)| (x - p) * (y - q)).sum::<f64>() / (n - 1.0);
    let phi = if sd_a > 0.0 && sd_b > 0.0 { (covariance / (sd_a * sd_b)).clamp(-1.0, 1.0) } else { 0.0 };
    let add = |x: f64, y: f64| (x * x - 2.0 * phi * x * y + y * y).max(0.0).sqrt();
    let low = p - q - add(p - a_share.low, b_share.high - q);
    let high = p - q + add(a_share.high - p, q - b_share.low);
    Some(Interval { low: low.max(-1.0), high: high.min(1.0) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn uniform(rng: &mut ChaCha8Rng) -> f64 {
        (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    #[test]
    fn agrees_with_published_examples() {
        // Newcombe, Statistics in Medicine 17 (1998) 857, table I: 81 of 263 and 0 of 20.
        let interval = wilson(81.0 / 263.0, 263.0);
        assert!((interval.low - 0.2553).abs() < 5e-5 && (interval.high - 0.3662).abs() < 5e-5, "{interval:?}");
        let interval = wilson(0.0, 20.0);
        assert!(interval.low == 0.0 && (interval.high - 0.1611).abs() < 5e-5, "{interval:?}");
    }

    #[test]
    fn one_value_has_no_interval_and_equal_values_have_one() {
        assert_eq!(share_interval(&[1.0]), None);
        assert_eq!(paired_share_interval(&[1.0], &[0.0]), None);
        let all_right = share_interval(&[1.0; 30]).expect("30 values have one");
        assert!(all_right.low < 0.9 && all_right.high == 1.0);
    }

    #[test]
    fn coverage_is_nominal() {
        const SAMPLES: u32 = 4000;
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        // Coverage of a discrete law swings around 95 %; the mean over shares is what is promised, each share above 92 %.
        let mut whole = 0;
        let shares = [0.5, 0.7, 0.9, 0.95];
        for p in shares {
            let mut covered = 0;
            for _ in 0..SAMPLES {
                let values: Vec<f64> = (0..30).map(|_| f64::from(u8::from(uniform(&mut rng) < p))).collect();
                let i = share_interval(&values).expect("30 values have one");
                covered += u32::from(i.low <= p && p <= i.high);
            }
            assert!(f64::from(covered) > 0.92 * f64::from(SAMPLES), "p = {p}: {covered} of {SAMPLES}");
            whole += covered;
        }
        let mean = f64::from(whole) / f64::from(SAMPLES * shares.len() as u32);
        assert!((mean - 0.95).abs() < 0.02, "{mean}");
    }

    #[test]
    fn coverage_of_dependent_trials_and_of_paired_differences_is_nominal() {
        const SAMPLES: u32 = 2000;
        let mut rng = ChaCha8Rng::seed_from_u64(12);
        let (mut clusters, mut pairs) = (0, 0);
        // An instance's own share is uniform, so that trials of a run depend on each other; means are 1/2 and (with a
        // policy that is right 20 points more often, cut at 1) 1/2 + .2 - .02.
        for _ in 0..SAMPLES {
            let (mut a, mut b) = (Vec::new(), Vec::new());
            for _ in 0..60 {
                let own = uniform(&mut rng);
                let mut draw = |p: f64| (0..4).filter(|_| uniform(&mut rng) < p).count() as f64 / 4.0;
                b.push(draw(own));
                a.push(draw((own + 0.2).min(1.0)));
            }
            let i = share_interval(&b).expect("60 values have one");
            clusters += u32::from(i.low <= 0.5 && 0.5 <= i.high);
            let i = paired_share_interval(&a, &b).expect("60 pairs have one");
            pairs += u32::from(i.low <= 0.18 && 0.18 <= i.high);
        }
        for (what, covered) in [("clusters", clusters), ("pairs", pairs)] {
            let share = f64::from(covered) / f64::from(SAMPLES);
            assert!((0.93..=0.98).contains(&share), "{what}: {share}");
        }
    }
}
