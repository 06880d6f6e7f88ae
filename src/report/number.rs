//! Numbers as text: exact for files, rounded for people.
//!
//! Invariant: no text here is ever `NaN`, `inf` or a negative zero.

use crate::experiment::study::Series;
use crate::stats::{Interval, Summary};

/// Shortest text that reads back as the same number; empty for what is not finite.
pub(super) fn exact(value: f64) -> String {
    if value.is_finite() { format!("{}", value + 0.0) } else { String::new() }
}

/// A series' summary; one value that is no number leaves nothing to say of the whole.
pub(super) fn summary(series: &Series) -> Summary {
    if series.values.iter().all(|v| v.is_finite()) {
        series.summary()
    } else {
        Summary { n: series.values.len(), ..Summary::of(&[]) }
    }
}

/// The number if it is finite.
pub(super) fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value + 0.0)
}

/// Decimals that show so many significant digits.
fn decimals(value: f64, significant: i32) -> usize {
    if value == 0.0 || !value.is_finite() {
        return 0;
    }
    let magnitude = libm::floor(libm::log10(value.abs())) as i32;
    (significant - 1 - magnitude).clamp(0, 9) as usize
}

/// Rounded to so many decimals; `-` for what is not finite.
pub(super) fn rounded(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return "-".to_owned();
    }
    let text = format!("{value:.decimals$}");
    match text.strip_prefix('-') {
        Some(rest) if rest.bytes().all(|b| matches!(b, b'0' | b'.')) => rest.to_owned(),
        _ => text,
    }
}

/// Three significant digits, whole digits kept.
pub(super) fn short(value: f64) -> String {
    digits(value, 3)
}

/// So many significant digits, whole digits kept.
pub(super) fn digits(value: f64, significant: i32) -> String {
    rounded(value, decimals(value, significant))
}

/// Mean and half-width of its 95 % interval; without one (a single value) the mean alone.
pub(super) fn with_half_width(summary: &Summary, scale: f64, least: usize) -> String {
    let mean = summary.mean * scale;
    let places = decimals(mean, 3).max(least);
    match summary.interval {
        None => rounded(mean, places),
        Some(i) => format!("{} \u{b1}{}", rounded(mean, places), rounded(i.half_width() * scale, places)),
    }
}

/// Mean and both ends of the 95 % interval of a share, which is not symmetric; without one the mean alone. Ends are
/// rounded outwards to whole numbers: there is room for no more, and the files have them exactly.
pub(super) fn with_ends(summary: &Summary, scale: f64) -> String {
    let mean = rounded(summary.mean * scale, 1);
    summary.interval.map_or(mean.clone(), |i| {
        format!("{mean} [{},{}]", rounded(libm::floor(i.low * scale), 0), rounded(libm::ceil(i.high * scale), 0))
    })
}

/// A difference with its interval, to the decimals that the narrower of difference and interval needs.
pub(super) fn with_interval(value: f64, interval: Option<Interval>) -> String {
    let Some(Interval { low, high }) = interval else {
        return signed(value, decimals(value.abs(), 3));
    };
    let largest = value.abs().max(low.abs()).max(high.abs());
    let places = decimals(largest, 3);
    format!("{} [{}, {}]", signed(value, places), signed(low, places), signed(high, places))
}

/// Rounded to so many decimals, with its sign.
pub(super) fn signed(value: f64, places: usize) -> String {
    let text = rounded(value, places);
    if value > 0.0 && text.bytes().any(|b| (b'1'..=b'9').contains(&b)) { format!("+{text}") } else { text }
}

/// `text` in lines of at most `width` characters, the later ones indented.
pub(super) fn wrap(text: &str, width: usize, indent: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always a line");
        let blank = line.trim().is_empty();
        if !blank && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(format!("{indent}{word}"));
        } else {
            if !blank {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_never_say_nan_or_minus_zero() {
        assert_eq!(exact(f64::NAN), "");
        assert_eq!(exact(f64::NEG_INFINITY), "");
        assert_eq!(exact(-0.0), "0");
        assert_eq!(exact(0.1 + 0.2), "0.30000000000000004");
        assert_eq!(rounded(-0.001, 2), "0.00");
    }

    #[test]
    fn three_digits_suffice_for_people() {
        assert_eq!(short(1234.6), "1235");
        assert_eq!(short(0.012_345), "0.0123");
        assert_eq!(short(0.0), "0");
        assert_eq!(with_interval(-12.34, Some(Interval { low: -20.0, high: 0.5 })), "-12.3 [-20.0, +0.5]");
    }

    #[test]
    fn wrapping_indents_what_follows() {
        assert_eq!(wrap("aa bb cc", 5, "  "), "aa bb\n  cc");
    }
}
