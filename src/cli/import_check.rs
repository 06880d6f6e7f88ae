//! The check of an import on the screen: by model and role, against the source's own sums, and where numbers come from.

use super::format::Format;
use super::output;
use crate::import::{Against, Check, Shares};
use anyhow::Result;

/// Rows that are told.
const TOLD: usize = 20;

/// The check as lines.
pub(super) fn lines(check: &Check) -> Result<Vec<String>> {
    let row = |((model, role), row): (&(String, &str), &crate::import::Row)| {
        let dollars = match row.priced_calls {
            0 => String::new(),
            n if n == row.calls => dollars(row.picodollars),
            n => format!("{} ({n} calls)", dollars(row.picodollars)),
        };
        let model = if model.is_empty() { "unknown" } else { model };
        let numbers = [row.calls, row.prompt_tokens, row.cached_tokens, row.completion_tokens];
        let mut cells = vec![model.to_owned(), (*role).to_owned()];
        cells.extend(numbers.iter().map(u64::to_string));
        cells.extend([dollars, seconds(row.service_ns)]);
        cells
    };
    let rows: Vec<Vec<String>> = check.rows.iter().take(TOLD).map(row).collect();
    let heads = ["model", "role", "calls", "prompt", "cached", "completion", "dollars", "call time, s"];
    let mut lines: Vec<String> = output::table(Format::Table, &heads, &rows)?.lines().map(str::to_owned).collect();
    if check.rows.len() > TOLD {
        lines.push(format!(".. and {} more models", check.rows.len() - TOLD));
    }
    let count = |n: u64| n.to_string();
    let parts = [
        against("calls", &check.calls, 0, count),
        against("prompt tokens", &check.prompt_tokens, 0, count),
        against("completion tokens", &check.completion_tokens, 0, count),
        against("dollars", &check.picodollars, 1_000_000, dollars),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    lines.push(if parts.is_empty() {
        "the source sums nothing up".to_owned()
    } else {
        format!("against the source's own sums: {}", parts.join("; "))
    });
    lines.push(format!("tokens: {}", shares(&check.tokens, "counted from texts")));
    lines.push(format!("times: {}", shares(&check.times, "bounded by neighbours")));
    Ok(lines)
}

/// One sum against the source's; sums of fractions may differ by rounding.
fn against(what: &str, sum: &Against, rounding: u64, tell: fn(u64) -> String) -> Option<String> {
    (sum.sessions > 0).then(|| {
        if sum.told.abs_diff(sum.found) <= rounding {
            format!("{what} {} as told", tell(sum.found))
        } else {
            format!("{what} {} WHERE THE SOURCE HAS {}", tell(sum.found), tell(sum.told))
        }
    })
}

fn shares(shares: &Shares, counted: &str) -> String {
    let all = shares.measured + shares.counted + shares.estimated + shares.missing;
    let part = |n: u64, what: &str| (n > 0).then(|| format!("{:.1} % {what}", 100.0 * n as f64 / all.max(1) as f64));
    let parts = [
        part(shares.measured, "measured"),
        part(shares.counted, counted),
        part(shares.estimated, "estimated"),
        part(shares.missing, "missing"),
    ];
    format!("{} (of {all} calls)", parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

fn dollars(pico: u64) -> String {
    format!("{:.6}", pico as f64 / 1e12)
}

fn seconds(ns: u64) -> String {
    format!("{:.3}", ns as f64 / 1e9)
}
