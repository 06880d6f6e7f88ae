//! A sorted sample whose values belong to traces, so that a resample of traces costs one pass and no sorting.

/// Values in order, each with the number of its trace.
pub(super) struct Sample {
    values: Vec<(f64, u32)>,
}

/// A place in a sample and the number of copies before it.
#[derive(Clone, Copy, Default)]
struct Cursor {
    place: usize,
    below: u64,
}

impl Sample {
    pub(super) fn new(mut values: Vec<(f64, u32)>) -> Self {
        values.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        Self { values }
    }

    fn size(&self, counts: &[u32]) -> u64 {
        let counts = self.values.iter().map(|value| counts[value.1 as usize]);
        counts.map(u64::from).sum()
    }

    /// Quantiles (type 7) at rising probabilities of the sample in which each trace occurs `counts` times; `None` if
    /// that sample is empty.
    pub(super) fn quantiles<const N: usize>(&self, ps: [f64; N], counts: &[u32]) -> Option<[f64; N]> {
        let size = self.size(counts);
        if size == 0 {
            return None;
        }
        let mut cursor = Cursor::default();
        Some(ps.map(|p| {
            let position = p * (size - 1) as f64;
            let rank = (position as u64).min(size - 1);
            let low = self.order_statistic(rank, counts, &mut cursor);
            // The next probability may share this cell: the look ahead must not move the cursor.
            let mut ahead = cursor;
            let high = self.order_statistic((rank + 1).min(size - 1), counts, &mut ahead);
            low + (high - low) * (position - rank as f64)
        }))
    }

    /// The value of a rank that is not before the cursor.
    fn order_statistic(&self, rank: u64, counts: &[u32], cursor: &mut Cursor) -> f64 {
        loop {
            let (value, trace) = self.values[cursor.place];
            let copies = u64::from(counts[trace as usize]);
            if cursor.below + copies > rank {
                return value;
            }
            cursor.below += copies;
            cursor.place += 1;
        }
    }

    /// Kolmogorov-Smirnov distance to another sample under the same counts; `None` if either is empty.
    pub(super) fn distance(&self, other: &Self, counts: &[u32]) -> Option<f64> {
        let sizes = [self.size(counts) as f64, other.size(counts) as f64];
        if sizes.contains(&0.0) {
            return None;
        }
        let (mut i, mut j) = (0, 0);
        let mut heights = [0_u64; 2];
        let mut greatest = 0.0_f64;
        while i < self.values.len() && j < other.values.len() {
            let value = self.values[i].0.min(other.values[j].0);
            while let Some((_, trace)) = self.values.get(i).filter(|v| v.0 <= value) {
                heights[0] += u64::from(counts[*trace as usize]);
                i += 1;
            }
            while let Some((_, trace)) = other.values.get(j).filter(|v| v.0 <= value) {
                heights[1] += u64::from(counts[*trace as usize]);
                j += 1;
            }
            let gap = heights[0] as f64 / sizes[0] - heights[1] as f64 / sizes[1];
            greatest = greatest.max(gap.abs());
        }
        Some(greatest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats;

    #[test]
    fn counts_stand_for_copies() {
        let values: Vec<(f64, u32)> = (0..40_u32).map(|i| (f64::from(i * 29 % 40), i % 4)).collect();
        let other: Vec<(f64, u32)> = (0..60_u32).map(|i| (f64::from(i * 13 % 60) * 0.7, i % 4)).collect();
        let counts = [2, 0, 1, 3];
        let expand = |values: &[(f64, u32)]| {
            let mut all: Vec<f64> =
                values.iter().flat_map(|(value, trace)| vec![*value; counts[*trace as usize] as usize]).collect();
            all.sort_unstable_by(f64::total_cmp);
            all
        };
        let (a, b) = (expand(&values), expand(&other));
        let (sample, second) = (Sample::new(values), Sample::new(other));
        let ps = [0.0, 0.1, 0.5, 0.9, 0.99, 1.0];
        let expected = ps.map(|p| stats::quantile(&a, p));
        let found = sample.quantiles(ps, &counts).unwrap();
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
        assert_eq!(sample.distance(&second, &counts), Some(stats::ks_distance(&a, &b)));
        assert_eq!(sample.quantiles([0.5], &[0; 4]), None);
    }
}
