//! Simulated time: integer nanoseconds, so that equal instants are equal and sums do not depend on order.
//!
//! [`Time`] is an instant since the start of a run, [`Span`] a length of time. Only tables and configuration
//! speak of seconds as floats; the conversion happens once, here.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub};

use serde::{Deserialize, Serialize};

const NANOS_PER_SECOND: f64 = 1e9;

/// An instant: nanoseconds since the start of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(u64);

/// A length of time in nanoseconds, never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Span(u64);

impl Time {
    /// The start of the run.
    pub const ZERO: Self = Self(0);
    /// The last instant that can be told, some 584 years in: stands for "never".
    pub const MAX: Self = Self(u64::MAX);

    /// The instant `nanos` nanoseconds after the start.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Seconds since the start; for tables, never for the order of events.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / NANOS_PER_SECOND
    }

    /// The span from `earlier` to this instant.
    ///
    /// # Panics
    /// If `earlier` is later than this instant: time ran backwards.
    pub fn since(self, earlier: Self) -> Span {
        self - earlier
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// The longest span; stands for "for ever".
    pub const MAX: Self = Self(u64::MAX);

    /// A span of `nanos` nanoseconds.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Its length in nanoseconds.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// A span of `seconds`, rounded to the nearest nanosecond, halves away from zero.
    ///
    /// NaN and negative values give [`Span::ZERO`], values beyond the range [`Span::MAX`]: a float is a
    /// sample or a checked parameter here, and neither may stop a run.
    ///
    /// ```
    /// use delm_sim::kernel::time::Span;
    /// assert_eq!(Span::from_secs_f64(1.5).as_nanos(), 1_500_000_000);
    /// assert_eq!(Span::from_secs_f64(f64::NAN), Span::ZERO);
    /// assert_eq!(Span::from_secs_f64(f64::INFINITY), Span::MAX);
    /// ```
    pub fn from_secs_f64(seconds: f64) -> Self {
        Self(nearest(seconds * NANOS_PER_SECOND))
    }

    /// Its length in seconds; for tables.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / NANOS_PER_SECOND
    }
}

/// The nearest whole number, halves upwards; 0 for NaN and what is below zero, the greatest for what is above it.
///
/// It is `round`, which is a call of the C library where the target does not promise the instruction: a cast cuts off,
/// and what it cut off is exact.
#[inline]
pub fn nearest(number: f64) -> u64 {
    let whole = number as u64;
    whole.saturating_add(u64::from(number - whole as f64 >= 0.5))
}

impl Add<Span> for Time {
    type Output = Self;

    /// Saturates at [`Time::MAX`], because "never" plus a while is still never.
    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl AddAssign<Span> for Time {
    fn add_assign(&mut self, span: Span) {
        *self = *self + span;
    }
}

impl Sub for Time {
    type Output = Span;

    fn sub(self, earlier: Self) -> Span {
        Span(self.0.checked_sub(earlier.0).expect("a span runs from an earlier to a later instant"))
    }
}

impl Add for Span {
    type Output = Self;

    /// Saturates at [`Span::MAX`].
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Span {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Span {
    fn sum<I: Iterator<Item = Self>>(spans: I) -> Self {
        spans.fold(Self::ZERO, Add::add)
    }
}

/// A sum of spans over many agents, calls or runs: 10^6 agents of an hour each are beyond what a [`Span`] can tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SpanSum(u128);

impl SpanSum {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Its length in nanoseconds.
    pub const fn as_nanos(self) -> u128 {
        self.0
    }

    /// Its length in seconds; for tables.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / NANOS_PER_SECOND
    }
}

impl From<Span> for SpanSum {
    fn from(span: Span) -> Self {
        Self(u128::from(span.0))
    }
}

impl AddAssign<Span> for SpanSum {
    fn add_assign(&mut self, span: Span) {
        self.0 += u128::from(span.0);
    }
}

impl Add for SpanSum {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sum for SpanSum {
    fn sum<I: Iterator<Item = Self>>(sums: I) -> Self {
        sums.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6} s", self.as_secs_f64())
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6} s", self.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_round_to_the_nearest_nanosecond_and_saturate() {
        assert_eq!(Span::from_secs_f64(0.4e-9), Span::ZERO);
        assert_eq!(Span::from_secs_f64(0.5e-9), Span::from_nanos(1));
        assert_eq!(Span::from_secs_f64(-1.0), Span::ZERO);
        assert_eq!(Span::from_secs_f64(1e30), Span::MAX);
    }

    #[test]
    fn the_nearest_whole_number_is_that_of_round() {
        let halves = (0..2000_u64).map(|n| n as f64 * 0.25);
        let edges = [0.5 - f64::EPSILON / 4.0, 4_503_599_627_370_495.5, 9_007_199_254_740_993.0, 1e18, 1.8e19, 1e30];
        for number in halves.chain(edges).chain([-0.5, -3.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY]) {
            for number in [number, number.next_up(), number.next_down()] {
                assert_eq!(nearest(number), libm::round(number) as u64, "{number:e}");
            }
        }
    }

    #[test]
    fn never_stays_never() {
        assert_eq!(Time::MAX + Span::from_nanos(1), Time::MAX);
        assert_eq!([Span::MAX, Span::from_nanos(1)].into_iter().sum::<Span>(), Span::MAX);
    }

    #[test]
    #[should_panic(expected = "earlier to a later")]
    fn time_does_not_run_backwards() {
        let _ = Time::ZERO - Time::from_nanos(1);
    }

    #[test]
    fn serialises_as_a_bare_integer() {
        assert_eq!(serde_json::to_string(&Time::from_nanos(7)).unwrap(), "7");
    }
}
