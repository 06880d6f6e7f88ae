//! Whom a question is about: a policy at a team size, its rival, and the metric in which they differ.

use super::AskError;
use crate::experiment::comparison::{BEST_CENTRAL, is_central};
use crate::experiment::metrics::{self, Better, Metric};
use crate::experiment::runner::Runner;
use crate::experiment::scenario::Scenario;
use crate::policy::settings::Form;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// First replication number of pilots.
pub(super) const PILOT: u64 = 1 << 40;
/// Pilot runs per candidate for the place of the rival.
const PILOTS: u32 = 200;

/// A policy at a team size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Side {
    /// Policy.
    pub policy: String,
    /// Workers.
    pub agents: u32,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{}, N = {}", self.policy, self.agents)
    }
}

/// A pair as it is asked for; what is left out is chosen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Pair {
    /// Policy; the first without a lead and with a shared context if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Rival; the scenario's baseline if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<String>,
    /// Metric; Pass if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// Team size; the scenario's size nearest to 4 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents: Option<u32>,
}

/// A pair with all its parts.
#[derive(Clone, Debug)]
pub(super) struct Resolved {
    pub(super) policy: Side,
    pub(super) rival: Side,
    pub(super) chosen: String,
    pub(super) metric: &'static Metric,
}

impl Resolved {
    pub(super) fn higher_is_better(&self) -> bool {
        self.metric.better == Better::Higher
    }
}

/// The metric of a name, or of none.
pub(super) fn metric(name: Option<&str>) -> Result<&'static Metric, AskError> {
    let name = name.unwrap_or("pass");
    let found = metrics::find(name).ok_or_else(|| {
        let near = crate::experiment::faults::nearest(name, metrics::METRICS.iter().map(|m| m.name));
        let mend = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        AskError::Usage(format!("--metric {name}: no metric{mend} (`delm-sim run --format csv` lists them)"))
    })?;
    if found.better == Better::Neither {
        return Err(AskError::Usage(format!(
            "--metric {name}: has no better side; name a metric that has, such as pass"
        )));
    }
    Ok(found)
}

/// The policy that a scenario is about.
pub(super) fn subject(scenario: &Scenario, named: Option<&str>) -> Result<String, AskError> {
    if let Some(name) = named {
        return listed(scenario, name);
    }
    let decentral = |p: &&String| scenario.settings(p).is_ok_and(|s| s.form() == Form::Decentral);
    scenario
        .policies
        .iter()
        .find(decentral)
        .or(scenario.policies.first())
        .cloned()
        .ok_or_else(|| AskError::Usage("the scenario has no policy".to_owned()))
}

/// A policy of the scenario, or a fault that lists them.
pub(super) fn listed(scenario: &Scenario, name: &str) -> Result<String, AskError> {
    if scenario.policies.iter().any(|p| p == name) {
        return Ok(name.to_owned());
    }
    let names = scenario.policies.join(", ");
    Err(AskError::Usage(format!("`{name}` is none of the scenario's policies ({names})")))
}

/// The team size that most published runs have.
pub(super) fn size(scenario: &Scenario) -> u32 {
    let away = |n: &&u32| (i64::from(**n) - 4).unsigned_abs();
    scenario.agents.iter().min_by_key(away).copied().unwrap_or(1)
}

impl Pair {
    /// Finds what was left out; pilots choose the best central form if that is the baseline.
    pub(super) fn resolve(&self, scenario: &Scenario, runner: &mut Runner) -> Result<Resolved, AskError> {
        let metric = metric(self.metric.as_deref())?;
        let policy = subject(scenario, self.policy.as_deref())?;
        let agents = self.agents.unwrap_or_else(|| size(scenario));
        let against = self.against.as_deref().unwrap_or(&scenario.baseline);
        let (rival, chosen) = if against == BEST_CENTRAL {
            let central: Vec<(&str, u32)> = scenario
                .policies
                .iter()
                .filter(|p| **p != policy && is_central(scenario, p))
                .map(|p| (p.as_str(), agents))
                .collect();
            if central.is_empty() {
                return Err(AskError::Usage("no central form runs here: name a rival with --against".to_owned()));
            }
            let cells = runner.cells(scenario, &central, PILOT, PILOTS)?;
            let sign = if metric.better == Better::Higher { -1.0 } else { 1.0 };
            let best = cells
                .iter()
                .filter_map(|cell| Some((sign * cell.mean(metric.name)?, &cell.policy)))
                .min_by(|a, b| a.0.total_cmp(&b.0))
                .map(|(_, policy)| policy.clone());
            let Some(best) = best else {
                let mend = "name one that they have, such as makespan_s";
                return Err(AskError::Usage(format!("--metric {}: no central form here has it; {mend}", metric.name)));
            };
            (best, format!("the best of {} central forms on {PILOTS} pilot runs each", central.len()))
        } else {
            (listed(scenario, against)?, "named".to_owned())
        };
        if rival == policy {
            return Err(AskError::Usage(format!("`{policy}` cannot be its own rival: name another with --against")));
        }
        Ok(Resolved { policy: Side { policy, agents }, rival: Side { policy: rival, agents }, chosen, metric })
    }
}
