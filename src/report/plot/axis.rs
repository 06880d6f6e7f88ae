//! Scales from values to pixels, and ticks that people would have chosen.

/// A scale of one axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    log: bool,
}

impl Scale {
    /// Maps `low..high` to `from..to`, by logarithms if `log`.
    pub(super) fn new((low, high): (f64, f64), (from, to): (f64, f64), log: bool) -> Self {
        Self { low, high, from, to, log }
    }

    /// Where a value lies; values beyond the ends lie on them.
    pub(super) fn at(&self, value: f64) -> f64 {
        let place = |v: f64| if self.log { libm::log2(v) } else { v };
        let value = value.clamp(self.low, self.high);
        let share = (place(value) - place(self.low)) / (place(self.high) - place(self.low));
        self.from + share * (self.to - self.from)
    }
}

/// Range and ticks of a value axis.
pub(super) struct Ticks {
    pub(super) range: (f64, f64),
    pub(super) values: Vec<f64>,
    pub(super) decimals: Vec<usize>,
    pub(super) log: bool,
}

/// Span above which a value axis is logarithmic.
const LOG_ABOVE: f64 = 30.0;

/// What a value axis should show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// From zero, or logarithmic where the values span too much.
    Amount,
    /// Logarithmic: ratios are what matters.
    Ratio,
    /// Percent from zero.
    Percent,
    /// Percent, near the values only.
    PercentNear,
}

/// Ticks for bands between `low` and `high` whose lowest mean is `least`.
pub(super) fn ticks(low: f64, least: f64, high: f64, kind: Kind) -> Ticks {
    let spans = high / least > LOG_ABOVE || kind == Kind::Ratio && high > low;
    if matches!(kind, Kind::Amount | Kind::Ratio) && least > 0.0 && spans {
        // A band may reach below zero; it is cut where it would take the whole figure.
        return log_ticks(low.max(least / 3.0), high);
    }
    let (low, high) = match kind {
        Kind::Amount | Kind::Ratio => (0.0, high.max(0.0)),
        Kind::Percent => (0.0, high.min(100.0)),
        Kind::PercentNear => (low.max(0.0), high.min(100.0)),
    };
    linear(low, high)
}

/// Round steps that cover a range.
fn linear(low: f64, high: f64) -> Ticks {
    let span = if high > low { high - low } else { high.abs().max(1.0) };
    let step = nice(span / 6.0);
    let first = libm::floor(low / step + 1e-9) as i64;
    let last = (libm::ceil(high / step - 1e-9) as i64).max(first + 1);
    let decimals = (-libm::floor(libm::log10(step) + 1e-9)).max(0.0) as i32;
    let shifted = step * pow10(decimals);
    let half = libm::fabs(shifted - libm::round(shifted)) > 1e-6; // 0.25 needs one more than 0.2
    let decimals = decimals as usize + usize::from(half);
    let values: Vec<f64> = (first..=last).map(|i| i as f64 * step).collect();
    Ticks {
        range: (first as f64 * step, last as f64 * step),
        decimals: vec![decimals; values.len()],
        values,
        log: false,
    }
}

/// Ticks for differences, which may lie on both sides of 0.
pub(super) fn signed(low: f64, high: f64) -> Ticks {
    let (low, high) = (low.min(0.0), high.max(0.0));
    linear(low, high)
}

/// Ticks for a number that is no quantity of runs: a spend, a key of the scenario.
pub(super) fn ticks_of_numbers(low: f64, high: f64, log: bool) -> Ticks {
    if log {
        return log_ticks(low, high);
    }
    let ticks = linear(low, high);
    // The curves reach from end to end, whatever is round; a tick beyond them would stand at their end.
    let range = (low.min(high), if high > low { high } else { low + 1.0 });
    let kept = |value: &f64| (range.0..=range.1).contains(value);
    let values: Vec<f64> = ticks.values.iter().copied().filter(kept).collect();
    Ticks { range, decimals: ticks.decimals[..values.len()].to_vec(), values, log: false }
}

/// 1, 2 and 5 of each decade, or 1 alone where there are many.
fn log_ticks(low: f64, high: f64) -> Ticks {
    let decade = |v: f64| libm::floor(libm::log10(v)) as i32;
    let (first, last) = (decade(low), decade(high));
    let factors: &[f64] = if last - first > 3 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let mut all: Vec<(f64, usize)> = Vec::new();
    for exponent in first..=last + 1 {
        for factor in factors {
            all.push((factor * pow10(exponent), (-exponent).max(0) as usize));
        }
    }
    let below = all.iter().rposition(|t| t.0 <= low * (1.0 + 1e-9)).unwrap_or(0);
    let above = all.iter().position(|t| t.0 >= high * (1.0 - 1e-9)).unwrap_or(all.len() - 1);
    let kept = &all[below..=above];
    Ticks {
        range: (kept[0].0, kept[kept.len() - 1].0),
        values: kept.iter().map(|t| t.0).collect(),
        decimals: kept.iter().map(|t| t.1).collect(),
        log: true,
    }
}

/// 1, 2, 2.5 or 5 times a power of ten, at least `rough`.
fn nice(rough: f64) -> f64 {
    let base = pow10(libm::floor(libm::log10(rough)) as i32);
    let factors = [1.0, 2.0, 2.5, 5.0];
    let fits = factors.iter().find(|f| *f * base >= rough * (1.0 - 1e-9));
    fits.map_or(10.0 * base, |f| f * base)
}

fn pow10(exponent: i32) -> f64 {
    libm::exp10(f64::from(exponent))
}

/// Moves labels apart: each at least `gap` below the one before, all between `top` and `bottom` if they fit.
pub(super) fn spread(wanted: &[f64], gap: f64, top: f64, bottom: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|a, b| wanted[*a].total_cmp(&wanted[*b]));
    let mut placed = wanted.to_vec();
    let mut least = top;
    for &i in &order {
        placed[i] = placed[i].max(least);
        least = placed[i] + gap;
    }
    let mut most = bottom;
    for &i in order.iter().rev() {
        placed[i] = placed[i].min(most);
        most = placed[i] - gap;
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_cover_the_values_with_round_numbers() {
        let linear = ticks(150.0, 160.0, 4735.0, Kind::Amount);
        assert_eq!(linear.values, [0.0, 1000.0, 2000.0, 3000.0, 4000.0, 5000.0]);
        let log = ticks(0.5, 0.5, 33.0, Kind::Amount);
        assert!(log.log);
        assert_eq!(log.values, [0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0]);
        assert_eq!(ticks(-9.0, 0.6, 33.0, Kind::Amount).range, (0.2, 50.0));
        let flat = ticks(0.0, 0.0, 0.0, Kind::Amount);
        assert!(flat.range.1 > flat.range.0);
        assert_eq!(ticks(0.0, 0.0, 1.1, Kind::Amount).decimals[0], 1);
        assert_eq!(ticks(0.0, 0.0, 1.25, Kind::Amount).decimals[0], 2);
        assert_eq!(ticks(-3.0, 1.0, 104.0, Kind::PercentNear).range, (0.0, 100.0));
    }

    #[test]
    fn labels_keep_their_distance() {
        let placed = spread(&[10.0, 11.0, 99.0, 100.0], 20.0, 0.0, 100.0);
        assert_eq!(placed, [10.0, 30.0, 80.0, 100.0]);
    }
}
