//! A scenario: a question, a workload, a fleet of endpoints, policies to compare, and how to measure. Strict TOML.

use super::faults::Fault;
use super::reading;
use crate::live::desk::DeskSpec;
use crate::live::programs::ProgramsSpec;
use crate::live::questions::QuestionsSpec;
use crate::model::Limit;
use crate::model::call::Purpose;
use crate::model::endpoint::EndpointSpec;
use crate::model::sharing::Sharing;
use crate::model::workload::{Sizes, WorkloadSpec};
use crate::policy::settings::{Draft, Settings, Work, holds};
use crate::policy::{Catalog, Entry};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Seed of a scenario that names none.
pub const DEFAULT_SEED: u64 = 2606;
/// The scenario format this build reads.
pub const FORMAT: u32 = 1;

/// Where the scenario's numbers come from, in a line each; printed with every result.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mix {
    /// Where accuracy comes from.
    pub accuracy: String,
    /// Where latencies come from.
    pub latencies: String,
    /// Where token counts come from.
    pub tokens: String,
    /// Where prices come from.
    pub prices: String,
}

/// One-off differences between two published systems; 1 is none. Never transferred silently.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Protocol {
    /// Multiplies the odds of the true hypothesis (kb).
    pub quality: f64,
    /// Multiplies prices (hc).
    pub cost: f64,
    /// Multiplies call latency (ht).
    pub latency: f64,
}

impl Default for Protocol {
    fn default() -> Self {
        Self { quality: 1.0, cost: 1.0, latency: 1.0 }
    }
}

/// Steady-state measurement: what to count, what to drop, when to stop. Without it a run ends by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// Replies of this purpose are counted.
    pub count: Purpose,
    /// Counted replies before measuring starts.
    #[serde(default)]
    pub warmup: u64,
    /// Counted replies, warm-up included, after which the run stops.
    pub stop_after: u64,
    /// Budget of a full check, instead of `stop_after`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_stop_after: Option<u64>,
}

/// A closed form that a run must match.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Policy.
    pub policy: String,
    /// Number of agents.
    pub agents: u32,
    /// Metric.
    pub metric: String,
    /// What theory says.
    pub value: f64,
    /// Allowed relative difference at the full budget; widened by the square root of the budget ratio below it.
    #[serde(default)]
    pub relative: f64,
    /// Allowed absolute difference at the full budget, widened likewise.
    #[serde(default)]
    pub absolute: f64,
    /// The formula or its source.
    #[serde(default)]
    pub formula: String,
}

/// Source of a parameter that the scenario's author vouches for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceNote {
    /// `published`, `fitted` or `assumed`.
    pub kind: SourceKind,
    /// Where it is from.
    pub cite: String,
    /// Prior or range of a sweep, for what is assumed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prior: String,
}

/// How a value came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// Stated or released by its authors.
    Published,
    /// Estimated from data.
    Fitted,
    /// Nobody published it.
    Assumed,
    /// A choice of the experiment, not a claim about the world.
    Design,
}

impl SourceKind {
    /// Name in tables and TOML.
    pub fn name(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Fitted => "fitted",
            Self::Assumed => "assumed",
            Self::Design => "design",
        }
    }
}

/// Real calls: what is asked, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LiveSpec {
    /// Sampling temperature; servers that take none are not told it.
    pub temperature: f64,
    /// Sampling seed, for servers that take one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling_seed: Option<u32>,
    /// Seconds for a whole try where the endpoint's `timeout_s` is unlimited.
    pub timeout_s: f64,
    /// Seconds without a byte after which an answer that began counts as broken off.
    pub silence_s: f64,
    /// Begin every prompt with the number of the run, so that no server's prompt cache reaches from one run to another.
    pub separate_runs: bool,
    /// Milliseconds: above this 99 % quantile of the client's own delay, a run's times are not valid.
    pub max_scheduling_delay_ms: f64,
    /// The questions; replication r asks question r.
    pub questions: QuestionsSpec,
    /// How requests become text.
    pub desk: DeskSpec,
    /// Problems that programs solve, on `search`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub programs: Option<ProgramsSpec>,
}

impl Default for LiveSpec {
    fn default() -> Self {
        Self {
            temperature: 0.0,
            sampling_seed: None,
            timeout_s: 120.0,
            silence_s: 60.0,
            separate_runs: false,
            max_scheduling_delay_ms: 50.0,
            questions: QuestionsSpec::default(),
            desk: DeskSpec::default(),
            programs: None,
        }
    }
}

/// A whole scenario, presets expanded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Format version.
    pub version: u32,
    /// Short name; default output directories carry it.
    pub name: String,
    /// The question it asks.
    pub question: String,
    /// Seed of all random streams.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// Replications per cell.
    pub replications: u32,
    /// Replications of a full check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_replications: Option<u32>,
    /// Draws of the seed that the replications are: replication r is draw `worlds[r]`. Empty: r itself, as numbers beyond
    /// the list (pilots) are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub worlds: Vec<u32>,
    /// Task instances that share the endpoints in one replication.
    #[serde(default = "one")]
    pub tasks: u32,
    /// Team sizes.
    pub agents: Vec<u32>,
    /// Policies to run.
    pub policies: Vec<String>,
    /// Policy to compare with, or `best-central`.
    #[serde(default = "best_central")]
    pub baseline: String,
    /// Where the numbers come from.
    #[serde(default)]
    pub mix: Mix,
    /// The workload.
    pub workload: WorkloadSpec,
    /// Completion tokens of calls that are not worker steps.
    #[serde(default)]
    pub sizes: Sizes,
    /// What sharing does to its readers.
    #[serde(default)]
    pub sharing: Sharing,
    /// Endpoints by name.
    pub endpoints: BTreeMap<String, EndpointSpec>,
    /// Endpoint of each purpose; `default` serves the others.
    pub roles: BTreeMap<String, String>,
    /// Endpoint for the steps of single workers, by worker index.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub worker_roles: BTreeMap<String, String>,
    /// Settings that differ from the catalogue's, by policy.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub policy: BTreeMap<String, toml::Table>,
    /// Settings that differ from the catalogue's, for all policies.
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    #[schemars(with = "serde_json::Value")]
    pub all_policies: toml::Table,
    /// Protocol differences, by policy.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub protocol: BTreeMap<String, Protocol>,
    /// Steady-state measurement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<Measure>,
    /// Staleness is measured for this worker only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch_worker: Option<u32>,
    /// Real calls: the questions and how they are asked. Simulated runs do not read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<LiveSpec>,
    /// Closed forms to match.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<Expect>,
    /// Sources of values that differ from the built-in notes, by parameter path.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sources: BTreeMap<String, SourceNote>,
    /// The policies that names stand for; no part of the document. Whoever adds policies of its own loads its scenarios
    /// with them.
    #[serde(skip)]
    #[schemars(skip)]
    pub catalog: Catalog,
    /// What the document said of all policies and none of them reads; it was left out.
    #[serde(skip)]
    #[schemars(skip)]
    pub left_out: Vec<Fault>,
}

fn default_seed() -> u64 {
    DEFAULT_SEED
}
fn one() -> u32 {
    1
}
fn best_central() -> String {
    "best-central".to_owned()
}

/// The policy P of `independent-of(P)`: N runs of it with one worker each, that never hear of each other.
pub(crate) fn attempts_at(policy: &str) -> Option<&str> {
    policy.strip_prefix("independent-of(")?.strip_suffix(')')
}

impl Scenario {
    /// The scenario with the full budgets of its checks.
    #[must_use]
    pub fn full(mut self) -> Self {
        self.replications = self.full_replications.unwrap_or(self.replications);
        if let Some(measure) = &mut self.measure {
            measure.stop_after = measure.full_stop_after.unwrap_or(measure.stop_after);
        }
        self
    }

    /// The draw of the seed that a replication is.
    pub(crate) fn world(&self, replication: u64) -> u64 {
        let listed = usize::try_from(replication).ok().and_then(|r| self.worlds.get(r));
        listed.map_or(replication, |draw| u64::from(*draw))
    }

    /// The catalogue's name behind a policy of this scenario.
    pub fn base_of<'a>(&'a self, policy: &'a str) -> &'a str {
        match self.policy.get(policy).and_then(|own| own.get("based_on")) {
            Some(toml::Value::String(name)) => name,
            _ => attempts_at(policy).map_or(policy, |inner| self.base_of(inner)),
        }
    }

    /// The catalogue's entry behind a policy of this scenario, or what is wrong with its name.
    pub fn entry(&self, policy: &str) -> Result<&Entry, String> {
        let base = self.base_of(policy);
        self.catalog.entry(base).ok_or_else(|| self.catalog.unknown(base, self.policy.keys().map(String::as_str)))
    }

    /// All settings of a policy after the scenario's changes, read or not, or what is wrong with them.
    pub fn draft(&self, policy: &str) -> Result<Draft, String> {
        let plain = match attempts_at(policy) {
            Some(inner) => Draft { team: Limit::Unlimited, run_workers: Limit::At(1.0), ..self.draft(inner)? },
            None => self.entry(policy)?.draft(),
        };
        let mut table = toml::Table::try_from(plain).expect("settings are plain values");
        for (key, value) in self.all_policies.iter().chain(self.own(policy)) {
            if !table.contains_key(key) {
                return Err(format!("policy.{policy}.{key} is not a setting; see `delm-sim schema`"));
            }
            table.insert(key.clone(), value.clone());
        }
        reading::read(toml::Value::Table(table)).map_err(|e| format!("policy.{policy}: {}", e.wrong))
    }

    /// The point that a policy is in this scenario, or what is wrong with it.
    pub fn settings(&self, policy: &str) -> Result<Settings, String> {
        let draft = self.draft(policy)?;
        self.entry(policy)?.settle(&draft, Work::of(&self.workload)).map_err(|e| e.to_string())
    }

    /// What the scenario says of one policy's settings alone.
    pub(crate) fn own(&self, policy: &str) -> impl Iterator<Item = (&String, &toml::Value)> {
        self.policy.get(policy).into_iter().flatten().filter(|(key, _)| *key != "based_on")
    }

    /// The endpoint that the roles name for calls of a purpose.
    pub(crate) fn by_role(&self, purpose: Purpose) -> Option<&String> {
        self.roles.get(purpose.name()).or_else(|| self.roles.get("default"))
    }

    /// Endpoints that these policies name for a seat of their own.
    pub(crate) fn seated<'a>(&self, policies: impl Iterator<Item = &'a String>) -> BTreeSet<String> {
        let settings = policies.filter_map(|policy| self.settings(policy).ok());
        settings.flat_map(|s| s.seats().map(|(_, name)| name.to_owned()).collect::<Vec<_>>()).collect()
    }

    /// Endpoints that serve nobody: no role and none of the policies names them.
    pub(crate) fn idle_endpoints(&self) -> Vec<&str> {
        let seated = self.seated(self.policies.iter().chain(self.policy.keys()));
        let serves = |name: &&String| {
            seated.contains(*name) || self.roles.values().chain(self.worker_roles.values()).any(|by| by == *name)
        };
        self.endpoints.keys().filter(|name| !serves(name)).map(String::as_str).collect()
    }

    /// Endpoints that answer as models, those that serve nobody yet among them; no tools, no plain code.
    pub(crate) fn models(&self) -> Vec<&str> {
        let tools = self.by_role(Purpose::Tool);
        let asked = Purpose::ALL.into_iter().filter(|purpose| *purpose != Purpose::Tool);
        let asked: Vec<_> = asked.filter_map(|purpose| self.by_role(purpose)).collect();
        let is_tool = |name: &String| tools == Some(name) && !asked.contains(&name);
        let models = self.endpoints.iter().filter(|(name, endpoint)| !endpoint.by_code && !is_tool(name));
        models.map(|(name, _)| name.as_str()).collect()
    }

    /// Keys of `[all_policies]` that none of the policies reads.
    pub(crate) fn unread_by_all(&self) -> Vec<String> {
        let points: Vec<_> = self.policies.iter().filter_map(|p| Some(self.settings(p).ok()?.keys())).collect();
        let unread =
            |(key, value): &(&String, &toml::Value)| !points.iter().any(|point| holds(point, key, &json!(value)));
        self.all_policies.iter().filter(unread).map(|(key, _)| key.clone()).collect()
    }

    /// Leaves out what a program wrote for all policies and none of these reads.
    pub(crate) fn drop_unread(&mut self) {
        for key in self.unread_by_all() {
            self.all_policies.remove(&key);
        }
    }
}
