//! What must hold of any recorded run, whoever made it: numbers that contradict each other are told before the replay.
//!
//! Invariant: tokens, money and times of what passes here can be added up without overflow.

use crate::record::transcript::{CallLine, Recording, UsageLine};
use std::collections::HashMap;

/// Larger counts are no counts: beyond this, numbers lose digits in other programs too.
const MOST: u64 = 1 << 53;
/// Later than this (36 years) is no time of a run.
const LATEST_NS: u64 = 1 << 60;

/// The first call whose own numbers contradict each other: line, and what is wrong.
pub fn contradiction(recording: &Recording) -> Option<(u64, String)> {
    recording.calls.iter().find_map(|(line, call)| Some((*line, in_call(call)?)))
}

/// The first number of the whole run that does not fit its lines: line, and what is wrong.
pub fn miscount(recording: &Recording) -> Option<(u64, String)> {
    let mut seen: HashMap<(u32, u64), u64> = HashMap::new();
    for (line, call) in &recording.calls {
        if let Some(first) = seen.insert((call.task, call.call), *line) {
            let what = format!(
                "field `call`: call {} of task {} stands in line {first} too; remove one of them",
                call.call, call.task
            );
            return Some((*line, what));
        }
    }
    let end = recording.end.as_ref()?;
    let lines = recording.calls.len() as u64;
    if end.calls != lines {
        let what = format!(
            "field `calls`: {}, but the run has {lines} `call` line(s); lines were added or removed, record it again",
            end.calls
        );
        return Some((recording.end_at, what));
    }
    let completed = recording.calls.iter().filter_map(|(_, c)| c.completed_ns);
    let last = completed.chain(recording.finishes.iter().map(|f| f.at_ns)).max().unwrap_or(0);
    (end.makespan_ns < last).then(|| {
        let what = format!("field `makespan_ns`: {}, but something ends at {last} ns", end.makespan_ns);
        (recording.end_at, what)
    })
}

fn in_call(call: &CallLine) -> Option<String> {
    let usages = [("usage", Some(&call.usage)), ("billed", call.billed.as_ref())];
    usages
        .into_iter()
        .find_map(|(name, usage)| in_usage(name, usage?))
        .or_else(|| in_money(call))
        .or_else(|| in_times(call))
}

fn in_usage(name: &str, u: &UsageLine) -> Option<String> {
    let counts = [
        ("prompt_tokens", u.prompt_tokens),
        ("cached_tokens", u.cached_tokens),
        ("cache_write_tokens", u.cache_write_tokens),
        ("completion_tokens", u.completion_tokens),
        ("reasoning_tokens", u.reasoning_tokens.unwrap_or(0)),
    ];
    if let Some((field, n)) = counts.into_iter().find(|(_, n)| *n > MOST) {
        return Some(format!("field `{name}.{field}`: {n} is more than 2^53; give the tokens of one call"));
    }
    let (prompt, cached, written) = (u.prompt_tokens, u.cached_tokens, u.cache_write_tokens);
    (cached + written > prompt).then(|| {
        let field = if cached > prompt || written == 0 { "cached_tokens" } else { "cache_write_tokens" };
        format!(
            "field `{name}.{field}`: {cached} cached and {written} written tokens are more than the {prompt} of the \
             prompt; `prompt_tokens` counts them too"
        )
    })
}

fn in_money(call: &CallLine) -> Option<String> {
    let c = &call.cost.picodollars;
    let roles = [
        ("work", c.work),
        ("tool", c.tool),
        ("coordination", c.coordination),
        ("verification", c.verification),
        ("reading", c.reading),
    ];
    let (field, n) = roles.into_iter().find(|(_, n)| n.0 > MOST)?;
    Some(format!("field `cost.picodollars.{field}`: {} is more than 2^53 (9,007 dollars for one call)", n.0))
}

/// asked for -> dispatched -> first token -> completed
fn in_times(call: &CallLine) -> Option<String> {
    let times = [
        ("intended_ns", Some(call.intended_ns)),
        ("dispatched_ns", call.dispatched_ns),
        ("first_token_ns", call.first_token_ns),
        ("completed_ns", call.completed_ns),
    ];
    let gaps = call.released_by.iter().map(|d| ("released_by.gap_ns", Some(d.gap_ns)));
    let told = times.into_iter().chain(gaps).filter_map(|(field, at)| Some((field, at?)));
    if let Some((field, at)) = told.clone().find(|(_, at)| *at > LATEST_NS) {
        return Some(format!("field `{field}`: {at} ns is more than 2^60; count from the start of the run"));
    }
    let mut before = ("intended_ns", call.intended_ns);
    for (field, at) in times.into_iter().filter_map(|(field, at)| Some((field, at?))) {
        if at < before.1 {
            return Some(format!("field `{field}`: {at} ns is before `{}` ({} ns)", before.0, before.1));
        }
        before = (field, at);
    }
    None
}
