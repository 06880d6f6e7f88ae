//! A policy on its way through its space: the scenario that holds it, and what differs from the scenario as it was given.
//!
//! Invariant: a point stays what its policy is: its form, who decides and who delivers do not change.

use super::super::AskError;
use crate::experiment::scenario::Scenario;
use crate::policy::settings::{Settings, holds, same};
use serde_json::{Value, json};

/// New values of settings, in the order in which they are told.
pub(super) type Move = Vec<(String, toml::Value)>;

/// How a move is told: as `--set` takes it.
pub(super) fn told(moved: &[(String, toml::Value)]) -> Vec<String> {
    moved.iter().map(|(key, value)| format!("{key}={value}")).collect()
}

/// A policy with some of its settings changed.
#[derive(Clone)]
pub(super) struct Point {
    pub(super) scenario: Scenario,
    pub(super) settings: Settings,
    pub(super) changes: Move,
}

fn settings(scenario: &Scenario, policy: &str) -> Result<Settings, AskError> {
    scenario.settings(policy).map_err(AskError::Usage)
}

impl Point {
    /// The policy as the scenario has it.
    pub(super) fn given(scenario: &Scenario, policy: &str) -> Result<Self, AskError> {
        let settings = settings(scenario, policy)?;
        Ok(Self { scenario: scenario.clone(), settings, changes: Move::new() })
    }

    /// The point after a move from here; none if it is no point, no other point, or another kind of policy. What the new
    /// point does not read any more goes.
    pub(super) fn moved(&self, given: &Scenario, policy: &str, by: &Move) -> Option<Self> {
        let mut scenario = self.scenario.clone();
        let own = scenario.policy.entry(policy.to_owned()).or_default();
        own.extend(by.iter().cloned());
        let reached = scenario.settings(policy).ok()?;
        let keys = reached.keys();
        if by.iter().any(|(key, value)| !holds(&keys, key, &json!(value))) || !self.akin(&reached) {
            return None;
        }
        // What differs from the policy as it was given, and is read.
        let was = json!(given.draft(policy).ok()?);
        let own = scenario.policy.get_mut(policy).expect("entered above");
        own.retain(|key, value| key == "based_on" || holds(&keys, key, &json!(value)));
        let written = |key: &str| given.policy.get(policy).is_some_and(|table| table.contains_key(key));
        own.retain(|key, value| key == "based_on" || written(key) || !same(&was[key], &json!(value)));
        let differs = |(key, value): &(&String, &toml::Value)| *key != "based_on" && !same(&was[*key], &json!(value));
        let changes: Move = own.iter().filter(differs).map(|(key, value)| (key.clone(), value.clone())).collect();
        if own.is_empty() {
            scenario.policy.remove(policy);
        }
        let scenario = scenario.with(&[]).ok()?;
        let settings = scenario.settings(policy).ok()?;
        (settings == reached && settings != self.settings).then_some(Self { scenario, settings, changes })
    }

    /// Whether settings are of the same kind of policy.
    fn akin(&self, other: &Settings) -> bool {
        let kind = |settings: &Settings| {
            let mechanisms = settings.mechanisms();
            (settings.form(), mechanisms.map(|m| m.control), mechanisms.map(|m| m.finish))
        };
        kind(&self.settings) == kind(other)
    }

    /// Its settings by key.
    pub(super) fn keys(&self) -> serde_json::Map<String, Value> {
        self.settings.keys()
    }
}
