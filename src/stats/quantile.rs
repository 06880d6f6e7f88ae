//! Sample quantiles.

/// The quantile of sorted values at probability `p` in `0..=1`, by linear interpolation between order statistics
/// (type 7 of Hyndman and Fan, "Sample quantiles in statistical packages", The American Statistician 50, 1996).
///
/// ```
/// assert_eq!(delm_sim::stats::quantile(&[1.0, 2.0, 3.0, 4.0], 0.5), 2.5);
/// ```
///
/// # Panics
/// If there are no values, or `p` is outside `0..=1`.
pub fn quantile(sorted: &[f64], p: f64) -> f64 {
    assert!(!sorted.is_empty(), "a quantile needs at least one value");
    assert!((0.0..=1.0).contains(&p), "a quantile's probability lies between 0 and 1, not at {p}");
    let last = sorted.len() - 1;
    let position = p * last as f64;
    let i = (position as usize).min(last);
    let (low, high) = (sorted[i], sorted[(i + 1).min(last)]);
    if low == high {
        return low;
    }
    (low + (high - low) * (position - i as f64)).clamp(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_type_seven() {
        let values = [1.0, 2.0, 4.0, 8.0, 16.0];
        assert_eq!(quantile(&values, 0.0), 1.0);
        assert_eq!(quantile(&values, 0.25), 2.0);
        assert!((quantile(&values, 0.9) - 12.8).abs() < 1e-12);
        assert_eq!(quantile(&values, 1.0), 16.0);
        assert_eq!(quantile(&[7.0], 0.3), 7.0);
    }
}
