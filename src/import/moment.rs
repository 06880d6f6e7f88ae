//! Dates of logs as nanoseconds since 1970: ISO 8601 with or without a zone (none is read as UTC), dates of HTTP
//! headers, and numbers of seconds to nanoseconds by their size.

use super::fault::Wrong;
use super::field::Field;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::tz::TimeZone;
use serde_json::Value;

/// Nanoseconds since 1970, or since a start that the source chose.
pub(super) type Nanos = i64;

const SECOND: i64 = 1_000_000_000;

/// Whether a moment can be the date of a call: from 2001-09-09 to 2100. Writers put 0 for what they do not know.
pub(super) fn is_date(at: Nanos) -> bool {
    (1_000_000_000 * SECOND..4_102_444_800 * SECOND).contains(&at)
}

/// Seconds as nanoseconds; `None` if out of range (about 290 years).
pub(super) fn seconds(s: f64) -> Option<Nanos> {
    let ns = s * 1e9;
    (ns.is_finite() && ns.abs() < 9.2e18).then(|| ns.round() as i64)
}

/// `2025-05-12T20:27:38.462180-04:00`, `2025-05-12 20:27:38`, `...Z`; without a zone it is UTC.
pub(super) fn iso(text: &str) -> Option<Nanos> {
    let text = text.trim();
    let zoned = text.parse::<Timestamp>().ok();
    let plain = || TimeZone::UTC.to_timestamp(text.parse::<DateTime>().ok()?).ok();
    since_1970(zoned.or_else(plain)?)
}

/// `Thu, 20 Nov 2025 12:06:07 GMT`.
pub(super) fn http(text: &str) -> Option<Nanos> {
    const DATES: DateTimeParser = DateTimeParser::new().relaxed_weekday(true);
    since_1970(DATES.parse_timestamp(text.trim()).ok()?)
}

/// Nanoseconds, for dates from 1970 to 2262.
fn since_1970(at: Timestamp) -> Option<Nanos> {
    Nanos::try_from(at.as_nanosecond()).ok().filter(|ns| *ns >= 0)
}

/// A moment in whatever form logs write it: text, or a number since 1970 whose unit its size tells.
pub(super) fn any(field: &Field<'_>) -> Result<Option<Nanos>, Wrong> {
    const EXPECTED: &str = "a time: ISO 8601 text, or seconds, milli-, micro- or nanoseconds since 1970";
    let found = match field.value {
        Value::Null => return Ok(None),
        Value::String(text) => {
            let whole = text.trim().parse::<i64>().ok().filter(|n| n.unsigned_abs() > 1 << 53);
            // The first moment of the year 1 is what some languages write for a time that is not set.
            let unset = text.trim().starts_with("0001-01-01").then_some(0);
            whole.or(unset).or_else(|| iso(text)).or_else(|| http(text)).or_else(|| unix(text.trim().parse().ok()?))
        }
        Value::Number(n) => match n.as_i64() {
            Some(n) if n.unsigned_abs() > 1 << 53 => Some(n),
            _ => n.as_f64().and_then(unix),
        },
        _ => None,
    };
    found.map(Some).ok_or_else(|| field.wrong(EXPECTED))
}

fn unix(n: f64) -> Option<Nanos> {
    let unit = match n.abs() {
        x if x < 1e11 => 1e9,
        x if x < 1e14 => 1e6,
        x if x < 1e17 => 1e3,
        _ => 1.0,
    };
    seconds(n * unit / 1e9)
}

/// Moments of a record that is written in order: those that do not fit in with the most others are taken out, so that one
/// wrong clock takes none of the others with it.
pub(super) fn steady(moments: &[Option<Nanos>]) -> Vec<Option<Nanos>> {
    // The longest part that does not decrease: per length, the place where the smallest last moment stands.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = vec![None; moments.len()];
    for (place, at) in moments.iter().enumerate().filter(|(_, at)| at.is_some()) {
        let length = ends.partition_point(|end| moments[*end] <= *at);
        before[place] = length.checked_sub(1).map(|shorter| ends[shorter]);
        if length == ends.len() {
            ends.push(place);
        } else {
            ends[length] = place;
        }
    }
    let mut kept = vec![None; moments.len()];
    let mut at = ends.last().copied();
    while let Some(place) = at {
        kept[place] = moments[place];
        at = before[place];
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_wrong_clock_is_taken_out() {
        let of = |all: &[i64]| steady(&all.iter().map(|at| Some(*at)).collect::<Vec<_>>());
        assert_eq!(of(&[1, 2, 900, 3, 4]), [Some(1), Some(2), None, Some(3), Some(4)]);
        assert_eq!(of(&[5, 5, 1, 6]), [Some(5), Some(5), None, Some(6)]);
        assert_eq!(steady(&[None, Some(1), None]), [None, Some(1), None]);
    }

    #[test]
    fn dates_of_all_forms() {
        assert_eq!(iso("1970-01-02T00:00:01.5Z"), Some(86_401_500_000_000));
        assert_eq!(iso("2025-05-12T20:27:38.462180-04:00"), iso("2025-05-13T00:27:38.46218+00:00"));
        assert_eq!(iso("2023-08-22T14:46:23"), Some(1_692_715_583_000_000_000));
        assert_eq!(http("Thu, 20 Nov 2025 12:06:07 GMT"), Some(1_763_640_367_000_000_000));
        assert_eq!(iso("2025-05-12T20:27:38-0400"), iso("2025-05-13 00:27:38Z"));
        for bad in [
            "2025-02-30T00:00:00Z",
            "",
            "x",
            "2025-13-01T00:00:00",
            "2025-01-01T00:00:00+1",
            "2025-01-01T99:00:00",
            "ä025-01-01T0",
        ] {
            assert_eq!(iso(bad), None, "{bad}");
        }
        for (value, ns) in [
            (json!(1_700_000_000), 1_700_000_000_000_000_000),
            (json!(1_700_000_000_123_i64), 1_700_000_000_123_000_000),
            (json!(1_760_995_773_940_169_i64), 1_760_995_773_940_169_000),
            (json!("1770131992242000001"), 1_770_131_992_242_000_001),
        ] {
            let found = any(&Field::root(&value)).unwrap().unwrap();
            assert!((found - ns).abs() < 1000, "{value}: {found}");
        }
    }
}
