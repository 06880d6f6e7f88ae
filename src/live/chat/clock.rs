//! The real clock. This is the only file that reads it: live runs measure, everything else is told the time.

use crate::kernel::{Span, Time};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::tz::TimeZone;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A clock that can be set to any instant of a run and goes on from there; never backwards between two settings.
#[derive(Debug)]
pub struct WallClock {
    base: Instant,
    /// What the clock shows at `base`, in nanoseconds; negative once it was set back to a run's start.
    offset: AtomicI64,
}

impl Default for WallClock {
    fn default() -> Self {
        Self { base: instant(), offset: AtomicI64::new(0) }
    }
}

impl WallClock {
    fn elapsed(&self) -> i64 {
        i64::try_from(instant().duration_since(self.base).as_nanos()).unwrap_or(i64::MAX)
    }

    /// What the clock shows.
    pub fn now(&self) -> Time {
        let shown = self.elapsed().saturating_add(self.offset.load(Ordering::Acquire));
        Time::from_nanos(shown.max(0).unsigned_abs())
    }

    /// Sets the clock.
    pub fn set(&self, now: Time) {
        let now = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX);
        self.offset.store(now.saturating_sub(self.elapsed()), Ordering::Release);
    }
}

#[allow(clippy::disallowed_methods, reason = "live runs measure real time, and this is the one place that reads it")]
fn instant() -> Instant {
    Instant::now()
}

#[allow(clippy::disallowed_methods, reason = "a journal says when a real run began, and Retry-After may be a date")]
fn date() -> SystemTime {
    SystemTime::now()
}

/// Milliseconds since 1970, for the journal.
pub fn unix_ms() -> u64 {
    date().duration_since(UNIX_EPOCH).map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}

/// A `Retry-After` header: seconds, or a date that is compared with the server's `Date` (ours if it sends none).
pub(super) fn retry_after(header: &str, server_date: Option<&str>) -> Option<Span> {
    if let Ok(seconds) = header.trim().parse::<f64>() {
        return (seconds.is_finite() && seconds >= 0.0).then(|| Span::from_secs_f64(seconds));
    }
    let then = http_date(header)?;
    let now = server_date.and_then(http_date).or_else(|| Timestamp::try_from(date()).ok())?;
    Some(span(Duration::try_from(then.duration_since(now)).unwrap_or_default()))
}

/// Time until a date (RFC 3339, a form of HTTP, or `@` and seconds since 1970), by the server's clock if it tells it; none
/// if it is past.
pub(super) fn until(text: &str, server_date: Option<&str>) -> Option<Span> {
    let seconds = text.strip_prefix('@').and_then(|seconds| seconds.parse::<f64>().ok());
    let epoch = seconds.and_then(|seconds| Timestamp::from_millisecond((seconds * 1e3) as i64).ok());
    let then = epoch.or_else(|| text.trim().parse().ok()).or_else(|| http_date(text))?;
    let now = server_date.and_then(http_date).or_else(|| Timestamp::try_from(date()).ok())?;
    Some(span(Duration::try_from(then.duration_since(now)).unwrap_or_default()))
}

/// A date of HTTP in any of its three forms.
fn http_date(text: &str) -> Option<Timestamp> {
    const DATES: DateTimeParser = DateTimeParser::new().relaxed_weekday(true);
    let text = text.trim();
    let old = |form: &str| TimeZone::UTC.to_timestamp(DateTime::strptime(form, text).ok()?).ok();
    let found = DATES.parse_timestamp(text).ok();
    found.or_else(|| old("%A, %d-%b-%y %H:%M:%S GMT")).or_else(|| old("%a %b %e %H:%M:%S %Y"))
}

fn span(duration: Duration) -> Span {
    Span::from_nanos(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_goes_on_from_where_it_was_set() {
        let clock = WallClock::default();
        clock.set(Time::from_nanos(5_000_000_000));
        let shown = clock.now().as_secs_f64();
        assert!((5.0..6.0).contains(&shown), "{shown}");
        clock.set(Time::ZERO);
        assert!(clock.now().as_secs_f64() < 1.0);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(retry_after("2.5", None), Some(Span::from_secs_f64(2.5)));
        let (then, now) = ("Wed, 21 Oct 2015 07:28:30 GMT", Some("Wed, 21 Oct 2015 07:28:00 GMT"));
        assert_eq!(retry_after(then, now), Some(Span::from_secs_f64(30.0)));
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:28:30 GMT", None), Some(Span::ZERO), "long past");
        for now in ["Wednesday, 21-Oct-15 07:28:00 GMT", "Wed Oct 21 07:28:00 2015"] {
            assert_eq!(retry_after(then, Some(now)), Some(Span::from_secs_f64(30.0)), "{now}");
        }
        assert_eq!(retry_after("soon", None), None);
        assert_eq!(retry_after("-1", None), None);
    }
}
