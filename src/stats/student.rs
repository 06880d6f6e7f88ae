//! Student's t distribution.

/// The quantile of Student's t distribution with `df` degrees of freedom, to about 1e-12.
///
/// Newton's method inside a shrinking bracket on the distribution function, which is a regularised incomplete beta
/// function: `P(|T| > t) = I_x(df / 2, 1 / 2)` with `x = df / (df + t^2)`.
///
/// ```
/// let t = delm_sim::stats::student_t_quantile(0.975, 10.0);
/// assert!((t - 2.228_138_852).abs() < 1e-8);
/// ```
///
/// # Panics
/// If `p` is not inside (0, 1) or `df` is not positive.
pub fn student_t_quantile(p: f64, df: f64) -> f64 {
    assert!(p > 0.0 && p < 1.0, "the probability lies inside (0, 1), not at {p}");
    assert!(df > 0.0, "the degrees of freedom are positive, not {df}");
    if p == 0.5 {
        return 0.0;
    }
    let tail = p.min(1.0 - p);
    let (mut low, mut high) = (0.0, 1.0);
    while upper_tail(high, df) > tail && high < 1e150 {
        low = high;
        high *= 2.0;
    }
    let mut t = f64::midpoint(low, high);
    for _ in 0..200 {
        let excess = upper_tail(t, df) - tail;
        if excess > 0.0 {
            low = t;
        } else {
            high = t;
        }
        let newton = t + excess / density(t, df);
        let next = if newton > low && newton < high { newton } else { f64::midpoint(low, high) };
        if (next - t).abs() <= 1e-14 * t {
            t = next;
            break;
        }
        t = next;
    }
    if p < 0.5 { -t } else { t }
}

/// `P(T > t)` for `t >= 0`.
fn upper_tail(t: f64, df: f64) -> f64 {
    0.5 * incomplete_beta(df / 2.0, 0.5, df / (df + t * t))
}

fn density(t: f64, df: f64) -> f64 {
    let shape = df / 2.0;
    let log = libm::lgamma(shape + 0.5)
        - libm::lgamma(shape)
        - 0.5 * libm::log(df * std::f64::consts::PI)
        - (shape + 0.5) * libm::log1p(t * t / df);
    libm::exp(log)
}

/// The regularised incomplete beta function `I_x(a, b)`, by its continued fraction (DLMF 8.17.22, evaluated with
/// Lentz's method).
///
/// # Panics
/// If `a` or `b` is not positive, or `x` is outside `0..=1`.
pub fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    assert!(a > 0.0 && b > 0.0 && (0.0..=1.0).contains(&x), "I_x(a, b) needs a, b > 0 and x in 0..=1");
    if x == 0.0 || x == 1.0 {
        return x;
    }
    // The fraction converges fast only below the mean; beyond, the symmetry I_x(a, b) = 1 - I_(1-x)(b, a) helps.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta_below(b, a, 1.0 - x);
    }
    incomplete_beta_below(a, b, x)
}

fn incomplete_beta_below(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let log_front = libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b) + a * libm::log(x) + b * libm::log1p(-x);
    let away_from_zero = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut numerator = 1.0;
    let mut denominator = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = denominator;
    for m in 1..10_000 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        denominator = 1.0 / away_from_zero(1.0 + even * denominator);
        numerator = away_from_zero(1.0 + even / numerator);
        fraction *= denominator * numerator;
        denominator = 1.0 / away_from_zero(1.0 + odd * denominator);
        numerator = away_from_zero(1.0 + odd / numerator);
        let step = denominator * numerator;
        fraction *= step;
        if (step - 1.0).abs() < 1e-15 {
            break;
        }
    }
    libm::exp(log_front) * fraction / a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_agree_with_the_tables() {
        // NIST/SEMATECH e-Handbook, table 1.3.6.7.2, and closed forms for one and two degrees of freedom.
        let table = [
            (0.975, 1.0, 12.706_204_736),
            (0.975, 2.0, 4.302_652_730),
            (0.975, 5.0, 2.570_581_836),
            (0.95, 9.0, 1.833_112_933),
            (0.975, 29.0, 2.045_229_642),
            (0.995, 30.0, 2.749_995_654),
            (0.975, 199.0, 1.971_956_544),
            (0.975, 1e6, 1.959_966_4),
        ];
        for (p, df, expected) in table {
            assert!((student_t_quantile(p, df) - expected).abs() < 1e-6, "p {p}, df {df}");
            assert!((student_t_quantile(1.0 - p, df) + expected).abs() < 1e-6, "p {p}, df {df}");
        }
    }

    #[test]
    fn incomplete_beta_agrees_with_closed_forms() {
        assert!((incomplete_beta(1.0, 1.0, 0.3) - 0.3).abs() < 1e-14);
        assert!((incomplete_beta(2.0, 3.0, 0.4) - 0.5248).abs() < 1e-14);
        assert!((incomplete_beta(5.0, 1.0, 0.9) - 0.590_49).abs() < 1e-14);
    }
}
