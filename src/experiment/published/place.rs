//! The point of a scenario that a published row is of, or why there is none.
//!
//! Invariant: a policy is found by its settings. Whose accuracy, dollars and seconds a scenario has, its `[mix]` says: a
//! row of another model or data set is not held against them.

use super::matching::{is_a_set, workers};
use super::rows::{Row, Way};
use crate::experiment::metrics::{self, Kind};
use crate::experiment::scenario::Scenario;

/// Why a row cannot be held against the scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No policy of this tool is that coordination.
    NoSuchWay(&'static str),
    /// The scenario's accuracy is that of another data set; what it says of it.
    OtherDataSet(String),
    /// Accuracy, dollars or seconds of the scenario are those of another model; which, and what the scenario says.
    OtherModel(&'static str, String),
    /// The row is of a part of the data set, and the workload has no parts.
    Part,
    /// No policy of the scenario is that coordination.
    NoPolicy,
    /// The scenario does not run that team size.
    NoSize(u32),
    /// The changed setting does not fit the policy.
    NoChange(String),
    /// Runs do not have the metric.
    NoMetric,
}

/// The point of the scenario that a row is of, and what speaks against holding them against each other.
pub(super) struct Place {
    /// The policy; none where nothing is simulated.
    pub(super) policy: Option<String>,
    /// Why not.
    pub(super) against: Option<Reason>,
}

/// Finds the place of a row. A row with a change gets a policy of its own, the matching one with that change.
pub(super) fn place(wide: &mut Scenario, row: &Row) -> Place {
    let nowhere = |reason| Place { policy: None, against: Some(reason) };
    if let Way::None(why) = row.way {
        return nowhere(Reason::NoSuchWay(why));
    }
    if !(is_a_set(&wide.workload) && names(&wide.mix.accuracy, row.data_set)) {
        return nowhere(Reason::OtherDataSet(wide.mix.accuracy.clone()));
    }
    if !names(&wide.mix.accuracy, row.model) {
        return nowhere(Reason::OtherModel("accuracy", wide.mix.accuracy.clone()));
    }
    if !row.part.is_empty() {
        return nowhere(Reason::Part);
    }
    let size = row.team.size();
    let is = |policy: &str| wide.settings(policy).is_ok_and(|s| row.way.is(&s) && workers(&s, size) == size);
    // Attempts at a policy that the scenario has need no policy of their own.
    let attempts = |policy: &&String| {
        let of = row.way.of_attempts().filter(|of| wide.settings(policy).is_ok_and(|s| of.is(&s)));
        of.map(|_| format!("independent-of({policy})")).filter(|attempts| is(attempts))
    };
    let found = wide.policies.iter().find(|policy| is(policy)).cloned();
    let Some(policy) = found.or_else(|| wide.policies.iter().find_map(|policy| attempts(&policy))) else {
        return nowhere(Reason::NoPolicy);
    };
    if !wide.agents.contains(&size) {
        return nowhere(Reason::NoSize(size));
    }
    let policy = match row.changed() {
        None => policy,
        Some((key, value)) => match changed(wide, &policy, row.change, key, value) {
            Ok(policy) => policy,
            Err(why) => return nowhere(Reason::NoChange(why)),
        },
    };
    let (what, mix) = if metrics::find(row.metric).is_some_and(|m| m.kind == Kind::Money) {
        ("dollars", &wide.mix.prices)
    } else if row.metric.ends_with("_s") {
        ("seconds", &wide.mix.latencies)
    } else {
        ("accuracy", &wide.mix.accuracy)
    };
    let other = !names(mix, row.model);
    Place { policy: Some(policy), against: other.then(|| Reason::OtherModel(what, mix.clone())) }
}

/// Adds a policy with one setting changed; its name says so.
fn changed(wide: &mut Scenario, policy: &str, change: &str, key: String, value: toml::Value) -> Result<String, String> {
    let name = format!("{policy}, {change}");
    let mut own = wide.policy.get(policy).cloned().unwrap_or_default();
    own.entry("based_on").or_insert_with(|| policy.into());
    own.insert(key, value);
    wide.policy.insert(name.clone(), own);
    if let Some(protocol) = wide.protocol.get(policy).cloned() {
        wide.protocol.insert(name.clone(), protocol);
    }
    wide.settings(&name).map(|_| name)
}

/// Whether a text names a thing in so many words: `GPT-5` is not named by `GPT-5.4`.
fn names(text: &str, thing: &str) -> bool {
    let goes_on = |rest: &str| {
        let mut rest = rest.chars();
        match rest.next() {
            Some('.' | '-') => rest.next().is_some_and(char::is_alphanumeric),
            Some(next) => next.is_alphanumeric(),
            None => false,
        }
    };
    text.match_indices(thing).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '-') && !goes_on(&text[at + thing.len()..])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_named_in_so_many_words() {
        let text = "GPT-5.4, LongBench-v2 Multi-Doc QA, and Claude Opus 4.5.";
        for (thing, is) in [("GPT-5.4", true), ("GPT-5", false), ("LongBench-v2", true), ("LongBench", false)] {
            assert_eq!(names(text, thing), is, "{thing}");
        }
        assert!(names(text, "Claude Opus 4.5") && !names(text, "Opus 4") && !names("", "GPT-5"));
    }
}
