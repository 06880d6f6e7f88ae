//! How long a server asks to wait, in whatever form it says so.
//!
//! ```text
//! retry-after-ms, retry-after (seconds, a date)  > RetryInfo in the body  > "try again in 3.2s" in the message
//!   > x-ratelimit-reset-requests, -tokens ("1s", "6m0s", seconds; a time of day for Anthropic's)
//! ```
//!
//! Invariant: what says nothing that can be understood says nothing; the first form that says something holds.

use super::clock::{retry_after, until};
use crate::kernel::Span;
use serde_json::Value;

/// A header by its name in lower case.
type Headers<'a> = &'a dyn Fn(&str) -> Option<&'a str>;

/// What a refusal asks to wait. `is_rate_limit`: its reset times count, which other answers tell as well.
pub(super) fn asked(headers: Headers, body: Option<&Value>, message: &str, is_rate_limit: bool) -> Option<Span> {
    let milliseconds = headers("retry-after-ms").and_then(|text| seconds(text.trim().parse::<f64>().ok()? * 1e-3));
    milliseconds
        .or_else(|| headers("retry-after").and_then(|text| retry_after(text, headers("date")).or_else(|| span(text))))
        .or_else(|| body.and_then(retry_info))
        .or_else(|| in_words(message))
        .or_else(|| if is_rate_limit { resets(headers) } else { None })
}

fn seconds(seconds: f64) -> Option<Span> {
    (seconds.is_finite() && seconds >= 0.0).then(|| Span::from_secs_f64(seconds))
}

/// `google.rpc.RetryInfo` among the details of an error.
fn retry_info(body: &Value) -> Option<Span> {
    let first = body.as_array().and_then(|all| all.first()).unwrap_or(body);
    let details = first.get("error").unwrap_or(first).get("details")?.as_array()?;
    let delay = details.iter().find_map(|detail| detail.get("retryDelay").or_else(|| detail.get("retry_delay")))?;
    let part = |key: &str| {
        let part = delay.get(key)?;
        part.as_f64().or_else(|| part.as_str()?.parse().ok())
    };
    match delay {
        Value::String(text) => span(text),
        Value::Object(_) => seconds(part("seconds").unwrap_or(0.0) + part("nanos").unwrap_or(0.0) * 1e-9),
        _ => None,
    }
}

/// Words in front of a wait.
const BEFORE: [&str; 6] = ["try again in", "try again after", "retry in", "retry after", "retrying in", "please wait"];

/// "Please try again in 1m2.5s."
fn in_words(message: &str) -> Option<Span> {
    let said = message.to_ascii_lowercase();
    BEFORE.iter().find_map(|words| {
        let rest = said.split_once(words)?.1.trim_start_matches([' ', ':']);
        Parts::of(rest).filter(|parts| parts.has_unit).and_then(|parts| seconds(parts.seconds))
    })
}

/// Limits that a server may tell of, as header names with `{}` for what is told: `remaining` or `reset`.
const LIMITS: [&str; 7] = [
    "x-ratelimit-{}-requests",
    "x-ratelimit-{}-tokens",
    "anthropic-ratelimit-requests-{}",
    "anthropic-ratelimit-tokens-{}",
    "anthropic-ratelimit-input-tokens-{}",
    "anthropic-ratelimit-output-tokens-{}",
    "x-ratelimit-{}",
];

/// When the limits that are used up are reset; when all are, if none says that it is.
fn resets(headers: Headers) -> Option<Span> {
    let told = LIMITS.iter().filter_map(|limit| {
        let reset = headers(&limit.replace("{}", "reset")).and_then(|text| reset(text, headers("date")))?;
        let left = headers(&limit.replace("{}", "remaining")).and_then(|text| text.trim().parse::<f64>().ok());
        Some((left.is_some_and(|left| left <= 0.0), reset))
    });
    let told: Vec<(bool, Span)> = told.collect();
    let is_used_up = told.iter().any(|(used_up, _)| *used_up);
    told.into_iter().filter(|(used_up, _)| *used_up || !is_used_up).map(|(_, reset)| reset).max()
}

/// Numbers above this are no seconds to wait but seconds since 1970, and a thousand times as much milliseconds.
const EPOCH: f64 = 1e9;

fn reset(text: &str, date: Option<&str>) -> Option<Span> {
    let number = text.trim().parse::<f64>().ok();
    match number {
        Some(epoch) if epoch >= EPOCH * 1e3 => until(&format!("@{}", epoch * 1e-3), date),
        Some(epoch) if epoch >= EPOCH => until(&format!("@{epoch}"), date),
        Some(wait) => seconds(wait),
        None => span(text).or_else(|| until(text, date)),
    }
}

/// A whole text that is a span: `1s`, `6m0s`, `500ms`, `2.5`.
fn span(text: &str) -> Option<Span> {
    let text = text.trim().to_ascii_lowercase();
    Parts::of(&text).filter(|parts| parts.length == text.len()).and_then(|parts| seconds(parts.seconds))
}

/// A span at the start of a text.
struct Parts {
    seconds: f64,
    has_unit: bool,
    length: usize,
}

impl Parts {
    /// Numbers with their units, one after the other; a lone number is seconds.
    fn of(text: &str) -> Option<Self> {
        let (mut all, mut at) = (Self { seconds: 0.0, has_unit: false, length: 0 }, 0);
        loop {
            let rest = &text[at..];
            let skipped = rest.len() - rest.trim_start_matches([' ', ',']).len();
            let rest = &rest[skipped..];
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
            let number = rest[..digits].trim_end_matches('.');
            let Ok(value) = number.parse::<f64>() else { break };
            let after = &rest[number.len()..];
            let spaces = after.len() - after.trim_start_matches(' ').len();
            let word = &after[spaces..];
            let word = &word[..word.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(word.len())];
            let Some(unit) = unit(word) else {
                if all.length == 0 {
                    (all.seconds, all.length) = (value, at + skipped + number.len());
                }
                break;
            };
            all.seconds += value * unit;
            all.has_unit = true;
            at += skipped + number.len() + spaces + word.len();
            all.length = at;
        }
        (all.length > 0).then_some(all)
    }
}

fn unit(word: &str) -> Option<f64> {
    Some(match word {
        "ms" | "msec" | "millisecond" | "milliseconds" => 1e-3,
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => 86_400.0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(headers: &'static [(&str, &str)], body: &Value, message: &str) -> Option<f64> {
        let find = |name: &str| headers.iter().find(|(n, _)| *n == name).map(|(_, value)| *value);
        asked(&find, Some(body), message, true).map(Span::as_secs_f64)
    }

    fn said(message: &str) -> Option<f64> {
        of(&[], &Value::Null, message)
    }

    #[test]
    fn headers_come_first_and_milliseconds_before_seconds() {
        let words = "Please try again in 9s.";
        assert_eq!(of(&[("retry-after", "3"), ("retry-after-ms", "2500")], &Value::Null, words), Some(2.5));
        assert_eq!(of(&[("retry-after", "3")], &Value::Null, words), Some(3.0));
        assert_eq!(of(&[("retry-after", "1m30s")], &Value::Null, words), Some(90.0));
        assert_eq!(of(&[("retry-after", "soon")], &Value::Null, words), Some(9.0));
        let date = [("retry-after", "Wed, 21 Oct 2015 07:28:30 GMT"), ("date", "Wed, 21 Oct 2015 07:28:00 GMT")];
        let leaked: &'static [(&str, &str)] = Box::leak(Box::new(date));
        assert_eq!(of(leaked, &Value::Null, ""), Some(30.0));
    }

    #[test]
    fn words_of_many_kinds_are_understood() {
        for (words, seconds) in [
            ("Rate limit reached. Please try again in 3.2s. Visit https://x", 3.2),
            ("try again in 500ms", 0.5),
            ("Please try again in 1m2s.", 62.0),
            ("try again in 1h2m3.5s", 3723.5),
            ("Please retry after 6 seconds.", 6.0),
            ("Please retry in 38.25s", 38.25),
            ("Try again in 2 minutes, 5 seconds", 125.0),
        ] {
            assert_eq!(said(words), Some(seconds), "{words}");
        }
        for words in ["try again later", "try again in a while", "try again in 5 tries", "", "retry after 3 x"] {
            assert_eq!(said(words), None, "{words}");
        }
    }

    #[test]
    fn retry_info_is_read_wherever_it_stands() {
        let info = |delay: Value| json!({"error": {"details": [{"@type": "x"}, {"retryDelay": delay}]}});
        assert_eq!(of(&[], &info(json!("38s")), ""), Some(38.0));
        assert_eq!(of(&[], &json!([info(json!("0.5s"))]), ""), Some(0.5));
        assert_eq!(of(&[], &info(json!({"seconds": "2", "nanos": 500_000_000})), ""), Some(2.5));
        assert_eq!(of(&[], &info(json!(null)), ""), None);
    }

    #[test]
    fn the_limit_that_is_used_up_is_waited_for() {
        let both = &[("x-ratelimit-reset-requests", "1s"), ("x-ratelimit-reset-tokens", "6m0s")];
        assert_eq!(of(both, &Value::Null, ""), Some(360.0), "nobody tells which");
        let requests = &[
            ("x-ratelimit-reset-requests", "120ms"),
            ("x-ratelimit-reset-tokens", "6m0s"),
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-remaining-tokens", "149999"),
        ];
        assert_eq!(of(requests, &Value::Null, ""), Some(0.12));
        assert_eq!(of(&[("x-ratelimit-reset-tokens", "17")], &Value::Null, ""), Some(17.0));
        let find = |name: &str| (name == "x-ratelimit-reset-tokens").then_some("17");
        assert_eq!(asked(&find, None, "", false), None, "a busy server's limits are no reason to wait");
        let clock =
            &[("anthropic-ratelimit-tokens-reset", "2015-10-21T07:28:30Z"), ("date", "Wed, 21 Oct 2015 07:28:00 GMT")];
        assert_eq!(of(clock, &Value::Null, ""), Some(30.0));
        let epoch = &[("x-ratelimit-reset", "1445412510000"), ("date", "Wed, 21 Oct 2015 07:28:00 GMT")];
        assert_eq!(of(epoch, &Value::Null, ""), Some(30.0));
    }
}
