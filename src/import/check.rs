//! What an import found, against what its source totals itself: calls, tokens, dollars and time by model and role, and
//! what share of it was measured, counted, estimated or is missing. Unknown is no number here, and never 0.

use super::session::{Draft, Session};
use super::timing::Times;
use std::collections::BTreeMap;

/// Sums that a source tells of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Calls.
    pub calls: Option<u64>,
    /// Prompt tokens, cached ones included.
    pub prompt_tokens: Option<u64>,
    /// Completion tokens, reasoning included.
    pub completion_tokens: Option<u64>,
    /// Millionths of millionths of a dollar.
    pub picodollars: Option<u64>,
}

/// A sum of the source, and the same of the sessions that it stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Against {
    /// Sessions that tell it.
    pub sessions: u64,
    /// What the source says.
    pub told: u64,
    /// What was found.
    pub found: u64,
}

/// Calls of one model in one role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Calls.
    pub calls: u64,
    /// Prompt tokens, cached ones included.
    pub prompt_tokens: u64,
    /// Of them, cached.
    pub cached_tokens: u64,
    /// Completion tokens, reasoning included.
    pub completion_tokens: u64,
    /// Calls whose dollars are told.
    pub priced_calls: u64,
    /// Their dollars, in millionths of millionths.
    pub picodollars: u64,
    /// Sum of the calls' own times.
    pub service_ns: u64,
}

/// Where numbers come from, in calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shares {
    /// Told by the source.
    pub measured: u64,
    /// Counted from texts, or bounded by what stands before and after.
    pub counted: u64,
    /// Estimated.
    pub estimated: u64,
    /// Neither told nor to be had.
    pub missing: u64,
}

/// The check of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Check {
    /// By model and role (`lead` or `worker`).
    pub rows: BTreeMap<(String, &'static str), Row>,
    /// Calls against the source's own sum; the others alike.
    pub calls: Against,
    /// Prompt tokens.
    pub prompt_tokens: Against,
    /// Completion tokens.
    pub completion_tokens: Against,
    /// Dollars, in millionths of millionths.
    pub picodollars: Against,
    /// Where tokens come from.
    pub tokens: Shares,
    /// Where times come from.
    pub times: Shares,
}

impl Against {
    fn add(&mut self, told: Option<u64>, found: u64) {
        if let Some(told) = told {
            self.sessions += 1;
            self.told = self.told.saturating_add(told);
            self.found = self.found.saturating_add(found);
        }
    }
}

impl Check {
    /// Takes a session whose tokens were counted and whose times are known.
    pub(super) fn add(&mut self, session: &Session, times: &[Times]) {
        let mut all = Row::default();
        for (call, times) in session.calls.iter().zip(times) {
            let role = if session.agents[call.agent].is_lead { "lead" } else { "worker" };
            let own = row(call, times);
            add(self.rows.entry((call.any_model().to_owned(), role)).or_default(), &own);
            add(&mut all, &own);
            self.tokens.add(tokens_from(call));
            self.times.add(times_from(call));
        }
        let told = session.totals;
        self.calls.add(told.calls, all.calls);
        self.prompt_tokens.add(told.prompt_tokens, all.prompt_tokens);
        self.completion_tokens.add(told.completion_tokens, all.completion_tokens);
        self.picodollars.add(told.picodollars, all.picodollars);
    }
}

fn row(call: &Draft, times: &Times) -> Row {
    Row {
        calls: 1,
        prompt_tokens: call.tokens.prompt.unwrap_or(0),
        cached_tokens: call.tokens.cached,
        completion_tokens: call.tokens.completion.unwrap_or(0),
        priced_calls: u64::from(call.dollars.is_some()),
        picodollars: call.dollars.map_or(0, picodollars),
        service_ns: times.end.saturating_sub(times.start).max(0).unsigned_abs(),
    }
}

fn add(row: &mut Row, more: &Row) {
    row.calls += more.calls;
    row.prompt_tokens = row.prompt_tokens.saturating_add(more.prompt_tokens);
    row.cached_tokens = row.cached_tokens.saturating_add(more.cached_tokens);
    row.completion_tokens = row.completion_tokens.saturating_add(more.completion_tokens);
    row.priced_calls += more.priced_calls;
    row.picodollars = row.picodollars.saturating_add(more.picodollars);
    row.service_ns = row.service_ns.saturating_add(more.service_ns);
}

/// Dollars in millionths of millionths.
pub(super) fn picodollars(dollars: f64) -> u64 {
    (dollars * 1e12).round() as u64
}

#[derive(Clone, Copy)]
enum From {
    Measured,
    Counted,
    Estimated,
    Missing,
}

impl Shares {
    fn add(&mut self, from: From) {
        *match from {
            From::Measured => &mut self.measured,
            From::Counted => &mut self.counted,
            From::Estimated => &mut self.estimated,
            From::Missing => &mut self.missing,
        } += 1;
    }
}

fn tokens_from(call: &Draft) -> From {
    let usage = |what: &str| call.missing.iter().any(|missing| missing.starts_with("usage.") && missing.contains(what));
    if usage("no text to count") {
        From::Missing
    } else if usage("_tokens: counted") || usage("characters / 4") {
        From::Counted
    } else if call.tokens.estimated {
        From::Estimated
    } else {
        From::Measured
    }
}

fn times_from(call: &Draft) -> From {
    let time = |what: &str| call.missing.iter().any(|missing| missing.contains("_ns") && missing.contains(what));
    if time("no duration") {
        From::Missing
    } else if time("per completion token") {
        From::Estimated
    } else if time("_ns") {
        From::Counted
    } else {
        From::Measured
    }
}
