//! Distances between samples.

/// The two-sample Kolmogorov-Smirnov distance: the greatest gap between the empirical distribution functions of two
/// sorted samples.
///
/// ```
/// assert_eq!(delm_sim::stats::ks_distance(&[1.0, 2.0], &[3.0, 4.0]), 1.0);
/// ```
///
/// # Panics
/// If a sample is empty.
pub fn ks_distance(sorted_a: &[f64], sorted_b: &[f64]) -> f64 {
    assert!(!sorted_a.is_empty() && !sorted_b.is_empty(), "a distance needs two samples");
    let (mut i, mut j) = (0, 0);
    let mut greatest = 0.0_f64;
    while i < sorted_a.len() && j < sorted_b.len() {
        // Step over ties in both samples before looking: within a tie the functions are not defined.
        let value = sorted_a[i].min(sorted_b[j]);
        while i < sorted_a.len() && sorted_a[i] <= value {
            i += 1;
        }
        while j < sorted_b.len() && sorted_b[j] <= value {
            j += 1;
        }
        greatest = greatest.max((i as f64 / sorted_a.len() as f64 - j as f64 / sorted_b.len() as f64).abs());
    }
    greatest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_hand_counts() {
        let a = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(ks_distance(&a, &a), 0.0);
        assert_eq!(ks_distance(&a, &[2.5, 2.5, 2.5, 2.5]), 0.5);
        assert_eq!(ks_distance(&a, &[3.0, 4.0, 5.0, 6.0]), 0.5);
        assert_eq!(ks_distance(&[1.0, 1.0, 2.0], &[1.0, 2.0, 2.0]), 1.0 / 3.0);
    }
}
