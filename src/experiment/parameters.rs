//! Every input of the model with its value, unit and source: what is published, what is fitted, what nobody knows.
//!
//! A citation vouches for one value. Where a scenario changes a published or fitted value and names no source of its
//! own under `[sources]`, the value counts as assumed.
//!
//! Invariant: every number and choice of an expanded scenario has an entry here; a test walks them all.

use super::scenario::SourceKind::{self, Assumed, Design, Fitted, Published};
use super::scenario::{Protocol, Scenario};
use crate::model::endpoint::EndpointSpec;
use crate::model::sharing::Sharing;
use crate::model::workload::{DivideSpec, SearchSpec, Sizes, WorkloadSpec};
use crate::policy::settings::{holds, same};
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::LazyLock;

/// One input.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Parameter {
    /// Where it stands in the scenario; `all_policies` and `policy.NAME` hold resolved settings.
    pub path: String,
    /// Its value, as text.
    pub value: String,
    /// Its unit; empty for choices.
    pub unit: &'static str,
    /// How it came to be.
    pub source: SourceKind,
    /// Where it is from.
    pub cite: String,
    /// Prior or range of a sweep, for what is assumed.
    pub prior: String,
}

/// What is known of a parameter before a scenario says anything.
struct Known {
    path: &'static str,
    unit: &'static str,
    kind: SourceKind,
    cite: &'static str,
    prior: &'static str,
    /// Whether the default switches a mechanism off, which is a choice and no claim.
    neutral: bool,
}

/// All inputs, one to a line.
const TABLE: &str = include_str!("parameters.txt");

const UNSAID: &str = "set by the scenario, which names no source";
const LEFT_OUT: &str = "left out: the neutral value";

static KNOWN: LazyLock<Vec<Known>> = LazyLock::new(|| {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(Known::read).collect()
});

impl Known {
    /// Reads a line of the table; the last columns may be absent.
    fn read(line: &'static str) -> Self {
        let mut cells = line.split('|').map(str::trim);
        let mut next = || cells.next().unwrap_or_default();
        let (path, unit, kind, cite, prior) = (next(), next(), next(), next(), next());
        Self {
            path,
            unit,
            kind: match kind {
                "published" => Published,
                "fitted" => Fitted,
                "assumed" | "off" => Assumed,
                "design" => Design,
                other => panic!("{path}: unknown kind {other}"),
            },
            cite,
            prior,
            neutral: kind == "off",
        }
    }
}

/// Whether `pattern`, in which `*` stands for one key, is `path` or a table that holds it.
pub(crate) fn covers(pattern: &str, path: &str) -> bool {
    let mut keys = path.split('.');
    pattern.split('.').all(|want| keys.next().is_some_and(|key| want == "*" || want == key))
}

/// The path under which the registry knows a value: settings of all and of single policies are the same inputs.
fn rule(path: &str) -> String {
    let own = path.strip_prefix("policy.").and_then(|k| k.split_once('.'));
    match own.or_else(|| path.split_once('.').filter(|(head, _)| *head == "all_policies")) {
        Some((_, setting)) => format!("settings.{setting}"),
        None => path.to_owned(),
    }
}

/// The input that a path of keys lies in, if it is one that can be wrong about the world.
pub(crate) fn input_at(path: &[String]) -> Option<String> {
    (1..=path.len())
        .map(|depth| path[..depth].join("."))
        .find(|path| lookup(&rule(path)).is_some_and(|known| known.kind != Design))
}

/// Whether a key of `[sources]` can speak of any parameter at all.
pub(crate) fn is_source_key(key: &str) -> bool {
    let key = rule(key);
    let keys: Vec<&str> = key.split('.').collect();
    let table = matches!(keys[..], ["all_policies" | "policy"] | ["policy", _]);
    table
        || KNOWN.iter().any(|known| {
            let wants: Vec<&str> = known.path.split('.').collect();
            keys.len() <= wants.len()
                && keys.iter().zip(&wants).all(|(key, want)| *want == "*" || *key == "*" || key == want)
        })
}

fn lookup(path: &str) -> Option<&'static Known> {
    let depth = path.split('.').count();
    KNOWN.iter().find(|k| k.path.split('.').count() == depth && covers(k.path, path))
}

/// Whether a parameter has any effect on this kind of workload.
fn acts(path: &str, search: bool) -> bool {
    let other = if search { Sharing::ON_DIVIDE } else { Sharing::ON_SEARCH };
    let idle = path.strip_prefix("sharing.").is_some_and(|field| other.contains(&field));
    // Who writes an answer is no question where every line submits.
    !(idle || search && path == "settings.finalize")
}

/// All inputs of a scenario, in the order of the registry's sections.
pub fn parameters(scenario: &Scenario) -> Vec<Parameter> {
    inputs(scenario).unwrap_or_else(|path| panic!("{path} has no entry in the registry of parameters"))
}

/// Number of inputs that are published, fitted, assumed, chosen.
pub fn counts(parameters: &[Parameter]) -> [usize; 4] {
    let mut counts = [0; 4];
    for parameter in parameters {
        counts[parameter.source as usize] += 1;
    }
    counts
}

/// A scenario as a tree, with the mechanisms of sharing that are off.
pub(crate) fn written_out(scenario: &Scenario) -> Value {
    let mut tree = serde_json::to_value(scenario).expect("a scenario is plain values");
    tree["sharing"] = all_of(&scenario.sharing);
    tree
}

fn all_of(sharing: &Sharing) -> Value {
    let mut all = json!(sharing);
    let fields = all.as_object_mut().expect("a table");
    for field in Sharing::OFF_AT_ZERO {
        fields.entry(*field).or_insert(json!(0.0));
    }
    all
}

/// The walk; fails with the path of a value that the registry does not know.
fn inputs(scenario: &Scenario) -> Result<Vec<Parameter>, String> {
    let search = matches!(scenario.workload, WorkloadSpec::Search(_));
    let tree = written_out(scenario);
    let sections = [
        "seed",
        "replications",
        "full_replications",
        "tasks",
        "agents",
        "policies",
        "baseline",
        "measure",
        "watch_worker",
        "roles",
        "worker_roles",
        "workload",
        "sizes",
        "sharing",
        "endpoints",
        "protocol",
        "live",
    ];
    let mut found = Vec::new();
    for section in sections {
        if let Some(value) = tree.get(section) {
            leaves(section, section, value, &mut found)?;
        }
    }
    let unmentioned = scenario.policies.iter().any(|p| !scenario.protocol.contains_key(p));
    if unmentioned {
        leaves("protocol.*", "protocol.*", &json!(Protocol::default()), &mut found)?;
    }
    settings(scenario, &mut found)?;
    let defaults = Defaults::new();
    Ok(found
        .into_iter()
        .filter(|leaf| acts(&leaf.rule, search))
        .map(|leaf| leaf.parameter(scenario, &defaults))
        .collect())
}

/// A value that has an entry.
struct Leaf {
    /// Where it stands.
    path: String,
    /// The same with policies' own settings under `settings`.
    rule: String,
    value: Value,
    known: &'static Known,
    /// What the citation vouches for, if not the default of the type.
    vouched: Option<Value>,
}

fn leaves(path: &str, rule: &str, value: &Value, found: &mut Vec<Leaf>) -> Result<(), String> {
    if let Some(known) = lookup(rule) {
        found.push(Leaf { path: path.to_owned(), rule: rule.to_owned(), value: value.clone(), known, vouched: None });
        return Ok(());
    }
    match value {
        Value::Null => Ok(()),
        Value::Object(entries) => entries
            .iter()
            .try_for_each(|(key, value)| leaves(&format!("{path}.{key}"), &format!("{rule}.{key}"), value, found)),
        _ => Err(path.to_owned()),
    }
}

/// Settings that policies share, once; then what each policy has of its own. A setting that no policy reads is no input.
fn settings(scenario: &Scenario, found: &mut Vec<Leaf>) -> Result<(), String> {
    let start = json!(scenario.catalog.entry("independent").expect("a named policy").draft());
    let mut common = start.clone();
    for (key, value) in &scenario.all_policies {
        common[key] = json!(value);
    }
    let points: Vec<_> = scenario
        .policies
        .iter()
        .filter_map(|policy| {
            let base = scenario.entry(policy).ok()?.draft();
            Some((policy, scenario.settings(policy).ok()?.keys(), json!(base)))
        })
        .collect();
    let mut list = |prefix: &str, key: &str, value: &Value, vouched: &Value| {
        let first = found.len();
        leaves(&format!("{prefix}.{key}"), &format!("settings.{key}"), value, found)?;
        found[first].vouched = Some(vouched[key].clone());
        Ok::<(), String>(())
    };
    for (key, value) in common.as_object().into_iter().flatten() {
        if points.iter().any(|(_, keys, _)| holds(keys, key, value)) {
            list("all_policies", key, value, &start)?;
        }
    }
    for (policy, keys, base) in &points {
        for (key, value) in keys.iter().filter(|(key, value)| !same(&common[*key], value)) {
            list(&format!("policy.{policy}"), key, value, base)?;
        }
    }
    Ok(())
}

/// Values that the citations of the registry vouch for.
struct Defaults(Value);

impl Defaults {
    fn new() -> Self {
        Self(json!({
            "workload": { "search": SearchSpec::default(), "divide": DivideSpec::default() },
            "sizes": Sizes::default(),
            "sharing": all_of(&Sharing::default()),
            "endpoints": { "*": EndpointSpec::default() },
            "protocol": { "*": Protocol::default() },
        }))
    }

    fn get(&self, path: &str) -> Option<&Value> {
        path.split('.').try_fold(&self.0, |node, key| node.get(key).or_else(|| node.get("*")))
    }
}

impl Leaf {
    fn parameter(self, scenario: &Scenario, defaults: &Defaults) -> Parameter {
        let default = self.vouched.as_ref().or_else(|| defaults.get(&self.path));
        let untouched = default.is_some_and(|default| same(default, &self.value));
        let own = scenario
            .sources
            .iter()
            .filter(|(pattern, _)| covers(pattern, &self.path))
            .max_by_key(|(pattern, _)| (pattern.split('.').count(), !pattern.contains('*')));
        // A note on a whole table does not vouch for what the table leaves out.
        let depth = |path: &str| path.split('.').count();
        let own = own.filter(|(pattern, _)| !(self.known.neutral && untouched && depth(pattern) < depth(&self.path)));
        let (source, cite, prior) = match (own, self.known) {
            (Some((_, note)), known) => {
                let prior = if note.prior.is_empty() && note.kind == Assumed { known.prior } else { &note.prior };
                (note.kind, note.cite.as_str(), prior)
            }
            (None, known) if known.neutral && untouched => (Design, LEFT_OUT, known.prior),
            (None, known) if matches!(known.kind, Published | Fitted) && !untouched => (Assumed, UNSAID, known.prior),
            (None, known) => (known.kind, known.cite, known.prior),
        };
        Parameter {
            value: text(&self.value),
            unit: self.known.unit,
            source,
            cite: cite.to_owned(),
            prior: prior.to_owned(),
            path: self.path,
        }
    }
}

/// A value in a few words: laws read `lognormal(mean 1.5, sigma 0.5)`, tables give their size and middle.
fn text(value: &Value) -> String {
    match value {
        Value::String(word) => word.clone(),
        Value::Array(values) if values.iter().any(Value::is_object) => format!("{} entries", values.len()),
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(text).collect();
            format!("[{}]", values.join(", "))
        }
        Value::Object(entries) => {
            if let Some(quantiles) = value["table"]["quantiles"].as_array() {
                let middle = &quantiles[quantiles.len() / 2];
                return format!("table of {} quantiles, median {middle}", quantiles.len());
            }
            let words: Vec<String> = entries
                .iter()
                .map(|(key, value)| match value {
                    Value::Object(_) => format!("{key}({})", text(value)),
                    _ => format!("{key} {}", text(value)),
                })
                .collect();
            words.join(", ")
        }
        Value::Number(number) => match number.as_f64() {
            Some(x) if number.is_f64() => format!("{x}"),
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::embedded;
    use super::super::load::Overrides;
    use super::*;

    /// Every value of fully expanded scenarios of both kinds has an entry, and every entry has a value.
    #[test]
    fn every_input_is_registered_and_every_entry_is_an_input() {
        let mut met: Vec<&str> = Vec::new();
        for (name, _) in embedded::SCENARIOS {
            let mut scenario = Scenario::load(name, &Overrides::default()).unwrap();
            scenario.full_replications = Some(2);
            scenario.watch_worker = Some(0);
            scenario.all_policies.insert("memory_steps".into(), toml::Value::Integer(8));
            scenario.worker_roles.insert("0".into(), "worker".into());
            scenario.measure = Some(super::super::scenario::Measure {
                count: crate::model::call::Purpose::Step,
                warmup: 1,
                stop_after: 2,
                full_stop_after: Some(3),
            });
            if let WorkloadSpec::Divide(spec) = &mut scenario.workload {
                std::sync::Arc::make_mut(spec).dependencies = vec![[1, 0]];
            }
            for endpoint in scenario.endpoints.values_mut() {
                endpoint.preset = Some("p".into());
                endpoint.stream_slowdown = 0.5;
                endpoint.by_code = true;
                endpoint.live = Some(crate::model::endpoint::LiveServer {
                    base_url: "https://h/v1".into(),
                    model: "m".into(),
                    key_env: Some("KEY".into()),
                    api: None,
                    concurrency: Some(1),
                });
            }
            if let Some(live) = &mut scenario.live {
                live.programs = Some(crate::live::programs::ProgramsSpec::default());
            }
            let tree = written_out(&scenario);
            let mut found = Vec::new();
            for (key, value) in tree.as_object().unwrap() {
                let words = ["version", "name", "question", "mix", "sources", "policy", "all_policies", "expect"];
                if !words.contains(&key.as_str()) {
                    leaves(key, key, value, &mut found).unwrap();
                }
            }
            settings(&scenario, &mut found).unwrap();
            met.extend(found.iter().map(|leaf| leaf.known.path));
            assert!(inputs(&scenario).is_ok());
        }
        let idle: Vec<&str> = KNOWN.iter().map(|k| k.path).filter(|p| !met.contains(p)).collect();
        // Not written out at its default, and no embedded scenario needs the other value.
        let recorded = [
            "endpoints.*.timeout_from",
            "endpoints.*.price.unknown",
            "sizes.by_purpose.*",
            "settings.reference_tokens",
            "settings.candidate_tokens",
            "workload.recorded.form",
            "workload.recorded.grades",
            "workload.recorded.tasks",
            "workload.recorded.prompts",
            "workload.recorded.written_share",
            "workload.recorded.result_tokens",
            "workload.recorded.instances",
            "workload.recorded.unfolded_tokens",
        ];
        let allowed = [&["protocol.*.quality", "protocol.*.cost", "protocol.*.latency"][..], &recorded].concat();
        assert!(idle.iter().all(|p| allowed.contains(p)), "{idle:?}");
    }

    #[test]
    fn a_changed_value_loses_the_citation_of_the_old_one() {
        let load = |set: &[&str]| {
            let overrides = Overrides { set: set.iter().map(ToString::to_string).collect(), ..Overrides::default() };
            parameters(&Scenario::load("multi-doc-qa", &overrides).unwrap())
        };
        let source = |list: &[Parameter], path: &str| {
            let found = list.iter().find(|p| p.path == path);
            found.unwrap_or_else(|| panic!("{path} is listed")).clone()
        };
        let (plain, changed) = (load(&[]), load(&["all_policies.gist_tokens=50"]));
        let path = "all_policies.gist_tokens";
        assert_eq!(source(&plain, path).source, Published);
        assert_eq!(source(&changed, path).source, Assumed);
        assert_eq!(source(&changed, path).value, "50");
        let vouched = load(&[
            "all_policies.gist_tokens=50",
            "sources.\"all_policies.gist_tokens\"={kind=\"published\", cite=\"the ablation\"}",
        ]);
        assert_eq!(source(&vouched, path).cite, "the ablation");
    }

    #[test]
    fn patterns_cover_tables_and_stars() {
        assert!(covers("endpoints.*.price", "endpoints.lead.price.rates.input"));
        assert!(covers("endpoints", "endpoints.lead.base_s"));
        assert!(!covers("endpoints.lead.base_s", "endpoints.lead"));
        assert!(!covers("end", "endpoints"));
    }

    #[test]
    fn counts_add_up() {
        let list = parameters(&Scenario::load("swe-verified", &Overrides::default()).unwrap());
        assert_eq!(counts(&list).iter().sum::<usize>(), list.len());
        assert!(counts(&list).iter().all(|&n| n > 0), "{:?}", counts(&list));
        let source = |path: &str| list.iter().find(|p| p.path == path).unwrap().source;
        assert_ne!(source("endpoints.tool.noise"), Design);
        assert_eq!(source("endpoints.tool.slots"), Design, "left out");
    }
}
