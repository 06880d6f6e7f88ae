//! Intervals of shares of right-or-wrong outcomes, and of paired differences of shares.
//!
//! A share is seen as values in `[0, 1]`, one per replication: 0 or 1 where a replication is one outcome, a mean of
//! several outcomes otherwise. Outcomes of one replication depend on each other, replications do not. What a
//! replication is worth in outcomes is its *effective number* (Korn and Graubard 1998): the variance that independent
//! outcomes would have over the one that is seen. It is never taken below 1, since no values in `[0, 1]` spread more
//! than a coin of the same mean, and is scaled down as Korn and Graubard do for a spread that
//! is itself estimated from few replications. Values without any spread tell nothing of their variance and count as one outcome each; so do
//! single outcomes, for which all of this is Clopper and Pearson's exact interval.

use super::interval::Interval;
use super::student::{incomplete_beta, student_t_quantile};
use super::sum::exact_sum;
use super::summary::mean_and_sd;

/// The normal quantile at 97.5 %.
const Z: f64 = 1.959_963_984_540_054;
/// Steps of a bisection on an interval of length 2 at most: to the last bits.
const HALVINGS: u32 = 60;

/// 95 % interval of a share from the values of independent replications, each a mean of outcomes; none from fewer
/// than two replications, and none of what is no share.
///
/// ```
/// let interval = delm_sim::stats::share_interval(&[1.0; 30]).unwrap();
/// assert!((interval.low - 0.884).abs() < 5e-4 && interval.high == 1.0);
/// assert!(delm_sim::stats::share_interval(&[1.0]).is_none());
/// ```
pub fn share_interval(values: &[f64]) -> Option<Interval> {
    if values.len() < 2 || values.iter().any(|value| !(0.0..=1.0).contains(value)) {
        return None;
    }
    let (mean, sd) = mean_and_sd(values);
    let mean = mean.clamp(0.0, 1.0);
    let single = values.iter().all(|v| *v == 0.0 || *v == 1.0);
    let n = effective(values.len(), mean * (1.0 - mean), sd, single);
    Some(clopper_pearson(mean * n, n))
}

/// Clopper and Pearson's 95 % interval for `right` of `n` outcomes; neither needs to be whole.
///
/// # Panics
/// If not `0 <= right <= n` and `n > 0`.
pub fn clopper_pearson(right: f64, n: f64) -> Interval {
    assert!(n > 0.0 && (0.0..=n).contains(&right), "{right} right outcomes of {n}");
    // I_p(k, n - k + 1) is the chance of k or more; it rises with p.
    let bound = |a: f64, b: f64, chance: f64| bisect(0.0, 1.0, |p| incomplete_beta(a, b, p) < chance);
    let low = if right > 0.0 { bound(right, n - right + 1.0, 0.025) } else { 0.0 };
    let high = if right < n { bound(right + 1.0, n - right, 0.975) } else { 1.0 };
    // The mean is inside, whatever the last bit of a bisection says.
    Interval { low: low.min(right / n), high: high.max(right / n) }
}

/// 95 % interval of the mean of `a[i] - b[i]`, both shares as for [`share_interval`]; none from fewer than two pairs.
///
/// The hull of two intervals: Tango's score interval (1998), which keeps its coverage over all true differences, and
/// the exact conditional one given the number of pairs that differ, so that 0 is left out only where McNemar's exact
/// test rejects equality as well.
///
/// # Panics
/// If the lengths differ.
pub fn paired_share_interval(a: &[f64], b: &[f64]) -> Option<Interval> {
    assert_eq!(a.len(), b.len(), "paired samples have one length");
    if a.len() < 2 {
        return None;
    }
    let pairs = a.len() as f64;
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    let (difference, sd) = mean_and_sd(&differences);
    let gains: Vec<f64> = differences.iter().map(|d| d.max(0.0)).collect();
    let losses: Vec<f64> = differences.iter().map(|d| (-d).max(0.0)).collect();
    let (gain, loss) = (exact_sum(&gains) / pairs, exact_sum(&losses) / pairs);
    let single = a.iter().chain(b).all(|v| *v == 0.0 || *v == 1.0);
    let spread = (gain + loss - difference * difference).max(0.0);
    let n = effective(a.len(), spread, sd, single);
    let (gains, losses) = (gain * n, loss * n);
    let score = tango(gains, losses, n);
    let differ = gains + losses;
    if differ == 0.0 {
        return Some(score);
    }
    let part = clopper_pearson(gains, differ);
    let exact = |p: f64| differ / n * (2.0 * p - 1.0);
    let (low, high) = (score.low.min(exact(part.low)), score.high.max(exact(part.high)));
    Some(Interval { low: low.min(difference).max(-1.0), high: high.max(difference).min(1.0) })
}

/// What `count` replications are worth in outcomes: `spread` is the variance of an outcome, `sd` the deviation seen.
fn effective(count: usize, spread: f64, sd: f64, single: bool) -> f64 {
    let n = count as f64;
    if sd == 0.0 || single {
        return n;
    }
    // The deviation is an estimate itself: few replications count for less (Korn and Graubard's adjustment).
    let adjust = Z / student_t_quantile(0.975, n - 1.0);
    (n * spread / (sd * sd) * adjust * adjust).max(n)
}

/// Tango's score interval for `gains` and `losses` among `n` pairs.
fn tango(gains: f64, losses: f64, n: f64) -> Interval {
    let score = |delta: f64| {
        let a = 2.0 * n;
        let b = -gains - losses + (2.0 * n - gains + losses) * delta;
        let c = -losses * delta * (1.0 - delta);
        // The likeliest chance of a loss if the difference is `delta`.
        let loss = (((b * b - 4.0 * a * c).max(0.0)).sqrt() - b) / (2.0 * a);
        let variance = n * (2.0 * loss + delta * (1.0 - delta));
        (gains - losses - n * delta) / variance.max(f64::MIN_POSITIVE).sqrt()
    };
    let mean = (gains - losses) / n;
    // The score falls as the supposed difference rises.
    Interval { low: bisect(-1.0, mean, |d| score(d) > Z), high: bisect(mean, 1.0, |d| score(d) >= -Z) }
}

/// Where `below` turns from true to false.
fn bisect(mut low: f64, mut high: f64, below: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if below(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn close(found: Interval, low: f64, high: f64) {
        assert!((found.low - low).abs() < 6e-4 && (found.high - high).abs() < 6e-4, "{found:?}");
    }

    #[test]
    fn agrees_with_the_tables() {
        close(clopper_pearson(28.0, 30.0), 0.7793, 0.9918);
        close(clopper_pearson(0.0, 10.0), 0.0, 0.3085);
        close(clopper_pearson(81.0, 263.0), 0.2527, 0.3676);
        // Where no pair differs, Tango's ends are z^2 / (n + z^2).
        close(tango(0.0, 0.0, 44.0), -0.0803, 0.0803);
    }

    #[test]
    fn a_few_pairs_of_one_sign_show_nothing() {
        // McNemar's exact p for 4 of 4 is 1/8; for 6 of 6 it is 1/32.
        let interval = |n: usize| paired_share_interval(&vec![1.0; n], &vec![0.0; n]).unwrap();
        assert!(interval(4).low < 0.0 && interval(6).low > 0.0);
        assert!(paired_share_interval(&[1.0], &[0.0]).is_none());
    }

    #[test]
    fn values_without_spread_are_one_outcome_each() {
        let half = share_interval(&[0.5; 20]).unwrap();
        close(half, 0.2720, 0.7280);
    }

    fn uniform(rng: &mut ChaCha8Rng) -> f64 {
        (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Share of simulated studies whose interval holds the truth.
    fn coverage(seed: u64, truth: f64, mut study: impl FnMut(&mut ChaCha8Rng) -> Interval) -> f64 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let held = (0..STUDIES).map(|_| study(&mut rng)).filter(|i| i.low <= truth && truth <= i.high).count();
        held as f64 / f64::from(STUDIES)
    }

    const STUDIES: u32 = 2000;
    /// Three standard errors of a coverage of 95 % over so many studies.
    const NOISE: f64 = 0.0147;

    #[test]
    fn shares_are_covered() {
        for (p, n, per) in [(0.95, 30, 1), (0.95, 30, 4), (0.5, 10, 1), (0.5, 12, 8), (0.99, 30, 2), (0.05, 200, 4)] {
            // With chance `same` all outcomes of a replication are one: from independent to a single coin.
            for same in [0.0, 0.4, 1.0] {
                let found = coverage(7, p, |rng| {
                    let values: Vec<f64> = (0..n)
                        .map(|_| {
                            let all = (uniform(rng) < same).then(|| uniform(rng) < p);
                            let right = (0..per).filter(|_| all.unwrap_or_else(|| uniform(rng) < p)).count();
                            right as f64 / f64::from(per)
                        })
                        .collect();
                    let interval = share_interval(&values).unwrap();
                    assert!(0.0 <= interval.low && interval.low <= interval.high && interval.high <= 1.0);
                    interval
                });
                assert!(found > 0.95 - NOISE, "p {p}, n {n}, {per} outcomes, same {same}: {found}");
            }
        }
    }

    #[test]
    fn paired_differences_are_covered() {
        for (p, q, n, per) in
            [(0.95, 0.95, 30, 1), (0.95, 0.8, 30, 1), (0.5, 0.4, 12, 4), (0.9, 0.7, 64, 3), (1.0, 0.9, 20, 1)]
        {
            for common in [0.0, 0.7] {
                let found = coverage(11, p - q, |rng| {
                    let mut mean = |common: f64| {
                        let (mut a, mut b) = (0, 0);
                        let shared = uniform(rng);
                        for _ in 0..per {
                            let both = uniform(rng) < common;
                            let (x, y) = if both { (shared, shared) } else { (uniform(rng), uniform(rng)) };
                            a += u32::from(x < p);
                            b += u32::from(y < q);
                        }
                        (f64::from(a) / f64::from(per), f64::from(b) / f64::from(per))
                    };
                    let (a, b): (Vec<f64>, Vec<f64>) = (0..n).map(|_| mean(common)).unzip();
                    paired_share_interval(&a, &b).unwrap()
                });
                assert!(found > 0.95 - NOISE, "p {p}, q {q}, n {n}, {per} outcomes, common {common}: {found}");
            }
        }
    }
}
