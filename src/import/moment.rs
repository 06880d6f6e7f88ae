//! Dates of logs as nanoseconds since 1970: ISO 8601 with or without a zone (none is read as UTC), dates of HTTP
//! headers, and numbers of seconds to nanoseconds by their size.

use super::fault::Wrong;
use super::field::Field;
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

/// `2025-05-12T20:27:38.462180-04:00`, `2025-05-12 20:27:38`, `...Z`.
pub(super) fn iso(text: &str) -> Option<Nanos> {
    let text = text.trim();
    let (date, time) = text.split_at_checked(10)?;
    let mut parts = date.split('-');
    let (year, month, day) = (number(parts.next()?)?, number(parts.next()?)?, number(parts.next()?)?);
    if parts.next().is_some() {
        return None;
    }
    let time = time.strip_prefix(['T', ' ', 't'])?;
    let split = time.find(['Z', 'z', '+', '-']).unwrap_or(time.len());
    let (clock, zone) = time.split_at(split);
    let local = days(year, month, day)?.checked_mul(86_400 * SECOND)?.checked_add(of_day(clock)?)?;
    let offset = match zone {
        "" | "Z" | "z" => 0,
        zone => {
            let (sign, rest) = (if zone.starts_with('-') { -1 } else { 1 }, zone.get(1..)?.replace(':', ""));
            if rest.len() != 4 && rest.len() != 2 {
                return None;
            }
            let (hours, minutes) = (number(rest.get(..2)?)?, rest.get(2..4).map_or(Some(0), number)?);
            sign * (hours * 3600 + minutes * 60) * SECOND
        }
    };
    local.checked_sub(offset)
}

/// `Thu, 20 Nov 2025 12:06:07 GMT`.
pub(super) fn http(text: &str) -> Option<Nanos> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.split_whitespace().skip(1);
    let day = number(words.next()?)?;
    let name = words.next()?;
    let month = i64::try_from(MONTHS.iter().position(|m| *m == name)?).ok()? + 1;
    let year = number(words.next()?)?;
    days(year, month, day)?.checked_mul(86_400 * SECOND)?.checked_add(of_day(words.next()?)?)
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

fn number(text: &str) -> Option<i64> {
    (!text.is_empty() && text.len() <= 4 && text.bytes().all(|c| c.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// `20:27:38.462180` as nanoseconds of the day.
fn of_day(clock: &str) -> Option<Nanos> {
    let (whole, fraction) = clock.split_once(['.', ',']).unwrap_or((clock, ""));
    let mut parts = whole.split(':');
    let (hour, minute) = (number(parts.next()?)?, number(parts.next()?)?);
    let second = parts.next().map_or(Some(0), number)?;
    if parts.next().is_some() || hour > 24 || minute > 59 || second > 60 {
        return None;
    }
    let digits: String = fraction.chars().chain(std::iter::repeat('0')).take(9).collect();
    let nanos: i64 = digits.bytes().all(|c| c.is_ascii_digit()).then(|| digits.parse().ok()).flatten()?;
    Some((hour * 3600 + minute * 60 + second) * SECOND + nanos)
}

/// Days from 1970 to a day of the Gregorian calendar (H. Hinnant's formula).
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1970..=2250).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let y = if month <= 2 { year - 1 } else { year };
    let era = y / 400;
    let of_era = y - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn dates_of_all_forms() {
        assert_eq!(iso("1970-01-02T00:00:01.5Z"), Some(86_401_500_000_000));
        assert_eq!(iso("2025-05-12T20:27:38.462180-04:00"), iso("2025-05-13T00:27:38.46218+00:00"));
        assert_eq!(iso("2023-08-22T14:46:23"), Some(1_692_715_583_000_000_000));
        assert_eq!(http("Thu, 20 Nov 2025 12:06:07 GMT"), Some(1_763_640_367_000_000_000));
        for bad in ["", "x", "2025-13-01T00:00:00", "2025-01-01T00:00:00+1", "2025-01-01T99:00:00", "ä025-01-01T0"] {
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
