//! Sums without rounding until the end.

/// A running sum of floats kept exactly, so that neither the order nor the grouping of the values shows.
///
/// Shewchuk, "Adaptive precision floating-point arithmetic and fast robust geometric predicates" (1997): the sum is a
/// handful of floats that do not overlap.
///
/// ```
/// let mut sum = delm_sim::stats::ExactSum::default();
/// for value in [1e100, 1.0, -1e100] {
///     sum.add(value);
/// }
/// assert_eq!(sum.value(), 1.0);
/// ```
#[derive(Clone, Debug, Default)]
pub struct ExactSum {
    /// In order of growing magnitude.
    partials: Vec<f64>,
    /// Infinities and NaN end up here, where order does not matter either.
    special: f64,
}

impl ExactSum {
    /// Adds one value.
    pub fn add(&mut self, value: f64) {
        if !value.is_finite() {
            self.special += value;
            return;
        }
        let mut carried = value;
        let mut kept = 0;
        for i in 0..self.partials.len() {
            let (sum, error) = two_sum(carried, self.partials[i]);
            if error != 0.0 {
                self.partials[kept] = error;
                kept += 1;
            }
            carried = sum;
        }
        self.partials.truncate(kept);
        self.partials.push(carried);
    }

    /// Adds all values of another sum.
    pub fn merge(&mut self, other: &Self) {
        for &partial in &other.partials {
            self.add(partial);
        }
        self.special += other.special;
    }

    /// The sum, rounded once.
    pub fn value(&self) -> f64 {
        if self.special != 0.0 {
            return self.special;
        }
        let mut rest = self.partials.iter().rev();
        let Some(&(mut total)) = rest.next() else {
            return 0.0;
        };
        let mut error = 0.0;
        for &partial in rest.by_ref() {
            (total, error) = two_sum(total, partial);
            if error != 0.0 {
                break;
            }
        }
        // Halfway cases: the next partial tells to which side the true sum lies.
        if let Some(&next) = rest.next()
            && (error < 0.0) == (next < 0.0)
            && error != 0.0
        {
            let twice = error * 2.0;
            let moved = total + twice;
            if moved - total == twice {
                total = moved;
            }
        }
        total
    }
}

/// The sum of slice `values`, rounded once.
pub fn exact_sum(values: &[f64]) -> f64 {
    let mut sum = ExactSum::default();
    for &value in values {
        sum.add(value);
    }
    sum.value()
}

/// The rounded sum and what rounding took away (Knuth).
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let b_part = sum - a;
    let a_part = sum - b_part;
    (sum, (a - a_part) + (b - b_part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_does_not_show() {
        let mut values: Vec<f64> = (0..1000).map(|i| f64::from(i) * 0.1 + 1e12 / f64::from(i + 1)).collect();
        let forward = exact_sum(&values);
        values.reverse();
        assert_eq!(forward, exact_sum(&values));
        let (left, right) = values.split_at(313);
        let (mut merged, mut other) = (ExactSum::default(), ExactSum::default());
        for &value in right {
            merged.add(value);
        }
        for &value in left {
            other.add(value);
        }
        merged.merge(&other);
        assert_eq!(forward, merged.value());
    }

    #[test]
    fn ten_tenths_are_one() {
        assert_eq!(exact_sum(&[0.1; 10]), 1.0);
        assert_eq!(exact_sum(&[]), 0.0);
        assert_eq!(exact_sum(&[1.0, f64::INFINITY]), f64::INFINITY);
    }
}
