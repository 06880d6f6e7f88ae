//! Quantiles of a stream in bounded memory.

use std::collections::BTreeMap;

use super::sum::ExactSum;

/// 64 buckets per power of two: a bucket's middle is within 1/128 of all its values.
const FRACTION_BITS: u32 = 6;
const SHIFT: u32 = f64::MANTISSA_DIGITS - 1 - FRACTION_BITS;

/// Counts of values in buckets of equal relative width, with exact count, sum, least and greatest value.
///
/// The bucket of a value is the head of its bit pattern, so no logarithm is taken. Quantiles are within 0.8 % of an
/// order statistic (values below 1e-300 in magnitude count as 0). Merging in any order gives the same histogram.
///
/// ```
/// let mut histogram = delm_sim::stats::Histogram::default();
/// for value in 1..=1000 {
///     histogram.record(f64::from(value));
/// }
/// assert_eq!((histogram.count(), histogram.mean()), (1000, 500.5));
/// assert!((histogram.quantile(0.9) / 900.0 - 1.0).abs() < 0.01);
/// ```
#[derive(Clone, Debug)]
pub struct Histogram {
    positive: Buckets,
    zero: u64,
    /// By magnitude; rare, hence sparse.
    negative: BTreeMap<u32, u64>,
    count: u64,
    sum: ExactSum,
    min: f64,
    max: f64,
}

/// Counts from bucket `base` on.
#[derive(Clone, Debug, Default)]
struct Buckets {
    base: u32,
    counts: Vec<u64>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            positive: Buckets::default(),
            zero: 0,
            negative: BTreeMap::new(),
            count: 0,
            sum: ExactSum::default(),
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
        }
    }
}

impl Histogram {
    /// An empty histogram.
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one value.
    ///
    /// # Panics
    /// If the value is not finite.
    pub fn record(&mut self, value: f64) {
        assert!(value.is_finite(), "a histogram counts finite values, not {value}");
        let bucket = bucket_of(value.abs());
        if bucket == 0 {
            self.zero += 1;
        } else if value > 0.0 {
            self.positive.add(bucket, 1);
        } else {
            *self.negative.entry(bucket).or_default() += 1;
        }
        self.count += 1;
        self.sum.add(value);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// Counts all values of another histogram.
    pub fn merge(&mut self, other: &Self) {
        for (&count, bucket) in other.positive.counts.iter().zip(other.positive.base..) {
            if count > 0 {
                self.positive.add(bucket, count);
            }
        }
        for (&bucket, count) in &other.negative {
            *self.negative.entry(bucket).or_default() += count;
        }
        self.zero += other.zero;
        self.count += other.count;
        self.sum.merge(&other.sum);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// Number of values.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Exact sum, rounded once.
    pub fn sum(&self) -> f64 {
        self.sum.value()
    }

    /// Mean; NaN without values.
    pub fn mean(&self) -> f64 {
        self.sum() / self.count as f64
    }

    /// Least value; infinite without values.
    pub fn min(&self) -> f64 {
        self.min
    }

    /// Greatest value; minus infinity without values.
    pub fn max(&self) -> f64 {
        self.max
    }

    /// The value at probability `p`: the middle of the bucket in which the order statistic of rank `ceil(p n)` lies,
    /// kept between the least and the greatest value. NaN without values.
    ///
    /// # Panics
    /// If `p` is outside `0..=1`.
    pub fn quantile(&self, p: f64) -> f64 {
        assert!((0.0..=1.0).contains(&p), "a quantile's probability lies between 0 and 1, not at {p}");
        if self.count == 0 {
            return f64::NAN;
        }
        let rank = ((p * self.count as f64).ceil() as u64).clamp(1, self.count);
        let negative = self.negative.iter().rev().map(|(&bucket, &count)| (-middle(bucket), count));
        let positive = self.positive.base..;
        let positive = positive.zip(&self.positive.counts).map(|(bucket, &count)| (middle(bucket), count));
        let mut below = 0;
        for (value, count) in negative.chain([(0.0, self.zero)]).chain(positive) {
            below += count;
            if below >= rank {
                return value.clamp(self.min, self.max);
            }
        }
        self.max
    }
}

impl Buckets {
    fn add(&mut self, bucket: u32, count: u64) {
        if self.counts.is_empty() {
            self.base = bucket;
        }
        if bucket < self.base {
            let missing = (self.base - bucket) as usize;
            self.counts.splice(..0, std::iter::repeat_n(0, missing));
            self.base = bucket;
        }
        let place = (bucket - self.base) as usize;
        if place >= self.counts.len() {
            self.counts.resize(place + 1, 0);
        }
        self.counts[place] += count;
    }
}

/// Sign-free exponent and leading fraction bits; 0 for 0 and for subnormal numbers that share its head.
fn bucket_of(magnitude: f64) -> u32 {
    (magnitude.to_bits() >> SHIFT) as u32
}

fn middle(bucket: u32) -> f64 {
    let low = f64::from_bits(u64::from(bucket) << SHIFT);
    let half = f64::from_bits((u64::from(bucket) << SHIFT) + (1 << (SHIFT - 1)));
    debug_assert!(half > low);
    half
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_one_percent_of_order_statistics() {
        let mut values: Vec<f64> = (0..5000).map(|i| 1e-3 * libm::exp(f64::from(i * 7919 % 5000) / 300.0)).collect();
        let mut histogram = Histogram::new();
        for &value in &values {
            histogram.record(value);
        }
        values.sort_unstable_by(f64::total_cmp);
        for p in [0.0, 0.01, 0.5, 0.9, 0.99, 1.0] {
            let rank = ((p * 5000.0_f64).ceil() as usize).max(1);
            assert!((histogram.quantile(p) / values[rank - 1] - 1.0).abs() < 0.01, "p {p}");
        }
        assert_eq!((histogram.min(), histogram.max()), (values[0], values[4999]));
        assert!(histogram.positive.counts.len() < 64 * 25);
    }

    #[test]
    fn merging_is_recording() {
        let values: Vec<f64> = (-50..200).map(|i| f64::from(i) * 0.37).collect();
        let (mut whole, mut left, mut right) = (Histogram::new(), Histogram::new(), Histogram::new());
        for (i, &value) in values.iter().enumerate() {
            whole.record(value);
            if i % 3 == 0 {
                left.record(value);
            } else {
                right.record(value);
            }
        }
        right.merge(&left);
        assert_eq!((right.count(), right.sum(), right.min(), right.max()), (250, whole.sum(), -18.5, 199.0 * 0.37));
        for p in [0.05, 0.2, 0.5, 0.95] {
            assert_eq!(right.quantile(p), whole.quantile(p));
        }
        assert!(whole.quantile(0.05) < 0.0);
    }

    #[test]
    fn equal_values_give_themselves() {
        let mut histogram = Histogram::new();
        histogram.record(0.3);
        histogram.record(0.3);
        assert_eq!(histogram.quantile(0.5), 0.3);
        assert!(Histogram::new().quantile(0.5).is_nan());
    }
}
