//! The moves of a point: one setting to another value; store and gate, and with a board unfolding, also together, because
//! none of them is worth its price without the others.
//!
//! Invariant: all policies move by the same rules; a setting that a point does not read is not moved.

use super::super::AskError;
use super::super::grid::{
    Axis, DEADLINES, DISPATCHES, GATES, LENGTHS, SEATS, STORES, SWITCHES, other_models, rounded_s,
};
use super::point::Move;
use crate::experiment::scenario::Scenario;
use serde_json::{Map, Value};

/// What is tried where a length is 0, which passes the raw result.
const SOME_TOKENS: u64 = 400;
/// Budgets: half and double.
const BUDGETS: [&str; 3] = ["max_delegations", "more_rounds", "gate_retries"];
/// Choices of words.
const WORDS: [(&str, &[&str]); 4] = [
    ("dispatch", &DISPATCHES),
    ("barrier", &["all", "any"]),
    ("board_place", &["front", "tail"]),
    ("dry_policy", &["immediate", "all-idle"]),
];

/// Where a point stands.
pub(super) struct Here<'a> {
    /// The scenario as it was given.
    pub(super) scenario: &'a Scenario,
    /// Its settings.
    pub(super) keys: &'a Map<String, Value>,
    /// Seconds that half its runs take.
    pub(super) typical_s: f64,
    /// Whether a report of 0 tokens, the raw result, means something: where subtasks have results.
    pub(super) raw: bool,
}

fn text(word: &str) -> toml::Value {
    toml::Value::String(word.to_owned())
}

fn one(key: &str, value: toml::Value) -> Move {
    vec![(key.to_owned(), value)]
}

/// All moves; some may lead nowhere.
pub(super) fn moves(here: &Here, axes: &[Axis]) -> Result<Vec<Move>, AskError> {
    let keys = here.keys;
    let free = |key: &str| keys.contains_key(key) && !axes.iter().any(|axis| axis.key == key);
    let number = |key: &str| keys.get(key).and_then(Value::as_u64).filter(|_| free(key));
    let word = |key: &str| keys.get(key).and_then(Value::as_str).filter(|_| free(key));
    let whole = |n: u64| toml::Value::Integer(n.cast_signed());
    let mut found = Vec::new();
    if let (Some(store), Some(gate)) = (word("store"), word("gate")) {
        for (to, by) in STORES.iter().flat_map(|to| GATES.iter().map(move |by| (*to, *by))) {
            let mut moved = Move::new();
            moved.extend((to != store).then(|| ("store".to_owned(), text(to))));
            moved.extend((by != gate).then(|| ("gate".to_owned(), text(by))));
            // What others read are gists, whose details only unfolding recovers.
            if to == "shared" && !moved.is_empty() {
                let unfolding = [("unfold".to_owned(), toml::Value::Boolean(true))];
                found.push(moved.iter().cloned().chain(unfolding).collect());
            }
            found.push(moved);
        }
    }
    for key in LENGTHS {
        // A quarter, half and double.
        let Some(now) = number(key) else { continue };
        let mut lengths = if now == 0 { vec![SOME_TOKENS] } else { vec![now / 4, now / 2, now * 2] };
        lengths.retain(|length| *length > 0);
        lengths.extend((key == "report_tokens" && here.raw && now > 0).then_some(0));
        found.extend(lengths.into_iter().map(|length| one(key, whole(length))));
    }
    for (key, words) in WORDS {
        if free(key) {
            let others = words.iter().filter(|w| keys[key].as_str() != Some(**w));
            found.extend(others.map(|word| one(key, text(word))));
        }
    }
    for (key, seat) in SEATS {
        if let Some(now) = word(key) {
            let others = other_models(here.scenario, seat, now);
            found.extend(others.into_iter().map(|name| one(key, text(name))));
        }
    }
    for key in SWITCHES {
        let now = keys.get(key).and_then(Value::as_bool).filter(|_| free(key));
        found.extend(now.map(|now| one(key, toml::Value::Boolean(!now))));
    }
    for key in BUDGETS {
        if let Some(now) = number(key).filter(|now| *now > 0) {
            found.extend([now / 2, now * 2].map(|n| one(key, whole(n))));
        }
    }
    if free("deadline_s") {
        found.push(one("deadline_s", text("unlimited")));
        if here.typical_s.is_finite() && here.typical_s > 0.0 {
            let deadline = |times: &f64| one("deadline_s", toml::Value::Float(rounded_s(times * here.typical_s)));
            found.extend(DEADLINES.iter().map(deadline));
        }
    }
    for axis in axes.iter().filter(|axis| keys.contains_key(&axis.key)) {
        for value in &axis.values {
            found.push(one(&axis.key, read(&axis.key, value)?));
        }
    }
    found.retain(|moved| !moved.is_empty());
    Ok(found)
}

/// A value as TOML; a bare word is a string.
fn read(key: &str, value: &str) -> Result<toml::Value, AskError> {
    let bare = value.starts_with(char::is_alphabetic) && value.chars().all(|c| c.is_alphanumeric() || c == '-');
    match format!("v = {value}").parse::<toml::Table>() {
        Ok(mut table) if table.len() == 1 => Ok(table.remove("v").expect("one key")),
        _ if bare => Ok(text(value)),
        _ => Err(AskError::Usage(format!("--grid {key}: `{value}` is not TOML"))),
    }
}
