//! Every input of the model with its value, unit and source: what is published, what is fitted, what nobody knows.
//!
//! A citation vouches for one value. Where a scenario changes a published or fitted value and names no source of its
//! own under `[sources]`, the value counts as assumed.
//!
//! Invariant: every number and choice of an expanded scenario has an entry here; a test walks them all.

use super::scenario::{Protocol, Scenario, SourceKind};
use crate::model::endpoint::EndpointSpec;
use crate::model::sharing::Sharing;
use crate::model::workload::{DivideSpec, SearchSpec, Sizes, WorkloadSpec};
use crate::policy::{Settings, catalog};
use serde::Serialize;
use serde_json::{Value, json};

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

const fn known(
    path: &'static str,
    unit: &'static str,
    kind: SourceKind,
    cite: &'static str,
    prior: &'static str,
) -> Known {
    Known {
        path,
        unit,
        kind,
        cite,
        prior,
        neutral: false,
    }
}

/// An entry whose default means "not there".
const fn off(
    path: &'static str,
    unit: &'static str,
    cite: &'static str,
    prior: &'static str,
) -> Known {
    Known {
        path,
        unit,
        kind: SourceKind::Assumed,
        cite,
        prior,
        neutral: true,
    }
}

use SourceKind::{Assumed, Design, Fitted, Published};

const CHOICE: &str = "choice of the experiment";
const MECHANISM: &str = "definition of the policy";
const ROWS: &str = "workload prior; not identified by the published rows with n <= 2";
const CONFIG: &str = "released v1 code, src/config.py";
const ENDPOINT: &str = "set by the scenario; name its origin under [sources]";
const UNSAID: &str = "set by the scenario, which names no source";
const LEFT_OUT: &str = "left out: the neutral value";

/// All inputs. `*` stands for one key; settings of policies stand under `settings`.
const KNOWN: &[Known] = &[
    known("seed", "", Design, CHOICE, ""),
    known("replications", "runs", Design, CHOICE, ""),
    known("full_replications", "runs", Design, CHOICE, ""),
    known("tasks", "tasks", Design, CHOICE, ""),
    known("agents", "agents", Design, CHOICE, ""),
    known("policies", "", Design, CHOICE, ""),
    known("baseline", "", Design, CHOICE, ""),
    known("watch_worker", "", Design, CHOICE, ""),
    known("measure.count", "", Design, CHOICE, ""),
    known("measure.warmup", "replies", Design, CHOICE, ""),
    known("measure.stop_after", "replies", Design, CHOICE, ""),
    known("measure.full_stop_after", "replies", Design, CHOICE, ""),
    known("roles.*", "", Design, CHOICE, ""),
    known("worker_roles.*", "", Design, CHOICE, ""),
    // Hidden truth of `search`.
    known(
        "workload.search.success",
        "probability",
        Fitted,
        "Beta shapes from pass@1 and pass@2 of the AOrchestra row, DeLM v1 paper, Table 1; predicts its pass@4 within 1.3 points",
        "a .22-.48, b .17-.41 (other rows of the table)",
    ),
    known(
        "workload.search.unsolvable_share",
        "share",
        Assumed,
        ROWS,
        "0, .05, .10, .15",
    ),
    known(
        "workload.search.hypotheses_per_budget",
        "hypotheses",
        Assumed,
        "workload prior; the rows are insensitive to it",
        "4-16",
    ),
    known(
        "workload.search.hypotheses_per_delegation",
        "hypotheses",
        Assumed,
        "nobody published calls per delegation",
        "2-8",
    ),
    known(
        "workload.search.max_hypotheses",
        "hypotheses",
        Design,
        "numerical cut of the hidden truth",
        "",
    ),
    known(
        "workload.search.attraction_exponent",
        "",
        Design,
        "only for closed forms with stated weights",
        "",
    ),
    known(
        "workload.search.orientation_steps",
        "steps",
        Assumed,
        "workload prior for fixed work; recorded calls would tell",
        "U(3, 9) hypotheses of fixed work in all",
    ),
    known(
        "workload.search.reorientation_share",
        "share",
        Assumed,
        "AOrchestra removes the container after a delegation, the fork keeps it; the share is unpublished",
        "0-1",
    ),
    known(
        "workload.search.steps_per_hypothesis",
        "steps",
        Assumed,
        "workload prior for duration of a hypothesis",
        "sigma .3-.7",
    ),
    known(
        "workload.search.finishing_steps",
        "steps",
        Assumed,
        "workload prior for fixed work; recorded calls would tell",
        "U(3, 9) hypotheses of fixed work in all",
    ),
    known(
        "workload.search.adoption_steps",
        "steps",
        Assumed,
        ROWS,
        "1-6",
    ),
    known(
        "workload.search.size_sigma",
        "",
        Fitted,
        "calls per instance correlate .47 between models: SWE-bench leaderboard file, mini-SWE-agent rows; lognormal sigma .35 in the workload model",
        ".25-.5",
    ),
    known(
        "workload.search.line_sigma",
        "",
        Assumed,
        "workload prior for spread between threads",
        ".3-.7",
    ),
    known(
        "workload.search.facts_per_dead_end",
        "probability",
        Assumed,
        "nobody published note rates per step",
        "0-1",
    ),
    known(
        "workload.search.completion_tokens",
        "tokens",
        Assumed,
        "order of magnitude of public traces",
        "150-600",
    ),
    known(
        "workload.search.observation_tokens",
        "tokens",
        Assumed,
        "released v1 code caps the current observation at 16,000 characters; the mean is unpublished",
        "200-4000",
    ),
    known(
        "workload.search.tool_share",
        "share",
        Published,
        "released v1 code: each step runs one command",
        "",
    ),
    known(
        "workload.search.note_tokens",
        "tokens",
        Published,
        "released v1 code, src/shared_lessons.py: 100 characters, at 4 per token",
        "",
    ),
    known(
        "workload.search.patch_note_tokens",
        "tokens",
        Published,
        "released v1 code, src/shared_lessons.py: 300 characters, at 4 per token",
        "",
    ),
    known(
        "workload.search.tokens_per_detail",
        "tokens",
        Assumed,
        "law of detail kept; carried over from long-source gists",
        "logU(10, 150)",
    ),
    // Hidden truth of `divide`.
    known(
        "workload.divide.subtasks",
        "subtasks",
        Assumed,
        ROWS,
        "2-12",
    ),
    known(
        "workload.divide.second_wave",
        "subtasks",
        Assumed,
        ROWS,
        "0-3",
    ),
    known("workload.divide.fan_in", "subtasks", Assumed, ROWS, "1-6"),
    known("workload.divide.dependencies", "", Design, CHOICE, ""),
    known(
        "workload.divide.facts_needed",
        "details",
        Assumed,
        "workload prior; weakly identified",
        "1-4",
    ),
    known(
        "workload.divide.answerable",
        "probability",
        Fitted,
        "LongBench-v2 rows of the DeLM v1 paper, Table 2 and Figure 4; only its difference to the guess is identified",
        ".55-.95",
    ),
    known(
        "workload.divide.guess",
        "probability",
        Assumed,
        "four choices give .25; only the difference to the answerable share is identified",
        ".25-.45",
    ),
    known(
        "workload.divide.unsupported",
        "probability",
        Assumed,
        ROWS,
        ".02-.35",
    ),
    known(
        "workload.divide.steps_per_subtask",
        "steps",
        Assumed,
        "round limit unpublished",
        "1-5",
    ),
    known(
        "workload.divide.subtask_sigma",
        "",
        Assumed,
        "spread of subtask sizes unpublished",
        "0-.8",
    ),
    known(
        "workload.divide.source_tokens",
        "tokens",
        Assumed,
        "released v1 code: pieces of about 1,500 to 5,000 tokens",
        "1500-6000",
    ),
    known(
        "workload.divide.completion_tokens",
        "tokens",
        Assumed,
        "output caps of reasoning calls unpublished",
        "200-2000",
    ),
    known(
        "workload.divide.observation_tokens",
        "tokens",
        Assumed,
        "only where steps run tools",
        "0-2000",
    ),
    known(
        "workload.divide.tool_share",
        "share",
        Published,
        "released v1 code: long-source agents read and run no tools",
        "",
    ),
    known(
        "workload.divide.result_tokens",
        "tokens",
        Assumed,
        "length of a raw result unpublished",
        "200-3000",
    ),
    known(
        "workload.divide.unfolded_tokens",
        "tokens",
        Assumed,
        "released v1 code: at most 5 labels; summaries capped at 2,500 tokens",
        "500-12500",
    ),
    known(
        "workload.divide.retention_ktokens",
        "k tokens",
        Assumed,
        "evidence retention of one long-context call; its own parameter, unpublished",
        "100-2000",
    ),
    known(
        "workload.divide.tokens_per_detail",
        "tokens",
        Assumed,
        "gist lengths 50, 100, 150 of the DeLM v1 paper, Figure 4, identify it weakly: 45 +- 30",
        "logU(10, 150)",
    ),
    // Lengths of calls that are not steps.
    known(
        "sizes.*",
        "tokens",
        Assumed,
        "output lengths of coordination calls unpublished",
        "half to double",
    ),
    // What sharing does.
    known(
        "sharing.respect",
        "probability",
        Assumed,
        "workload prior (e); not identified: .52 +- .29",
        "U(0, 1)",
    ),
    known(
        "sharing.adoption",
        "probability",
        Assumed,
        "workload prior (r); weakly identified: .39 +- .26",
        "U(0, 1)",
    ),
    known(
        "sharing.false_adoption_ratio",
        "ratio",
        Assumed,
        ROWS,
        "U(0, 1)",
    ),
    known(
        "sharing.wrong_note",
        "probability",
        Assumed,
        ROWS,
        "logU(1e-4, .03)",
    ),
    known(
        "sharing.fact_gain",
        "ratio",
        Assumed,
        "workload prior (phi); identified only on a ridge with quality and respect",
        "half at 0, else U(0, .3)",
    ),
    known(
        "sharing.fact_cap",
        "facts",
        Assumed,
        "windows of 1,000 and 2,000 tokens bound it (released v1 code)",
        "2-12",
    ),
    known("sharing.herding", "probability", Assumed, ROWS, "U(0, .4)"),
    known(
        "sharing.distraction_per_ktoken",
        "per k token",
        Assumed,
        "loss by longer prompts in these systems unpublished",
        "0-.05",
    ),
    known(
        "sharing.true_positive_rate",
        "probability",
        Assumed,
        "rates of public patch and claim judges; DeLM's own was never measured",
        ".88-.98",
    ),
    known(
        "sharing.false_positive_rate",
        "probability",
        Assumed,
        "rates of public patch and claim judges; DeLM's own was never measured",
        ".05-.5",
    ),
    known(
        "sharing.feedback_gain",
        "share",
        Assumed,
        "effect of a rejection's reason on the retry unpublished",
        "0-.8",
    ),
    known(
        "sharing.contagion",
        "probability",
        Assumed,
        ROWS,
        "U(0, .5)",
    ),
    known("sharing.misleads", "probability", Assumed, ROWS, "U(0, 1)"),
    known(
        "sharing.unfold_recovery",
        "probability",
        Assumed,
        "workload prior (q_h); weakly identified: .71 +- .19",
        "U(.2, .98)",
    ),
    known(
        "sharing.notice",
        "probability",
        Assumed,
        "behaviour of the request for more subtasks unpublished",
        "U(0, 1)",
    ),
    // Endpoints.
    off("endpoints.*.base_s", "s", ENDPOINT, "half to double"),
    off(
        "endpoints.*.completion_s_per_token",
        "s/token",
        ENDPOINT,
        "half to double",
    ),
    off(
        "endpoints.*.uncached_s_per_ktoken",
        "s/k token",
        ENDPOINT,
        "half to double",
    ),
    off(
        "endpoints.*.cached_s_per_ktoken",
        "s/k token",
        ENDPOINT,
        "half to double",
    ),
    off("endpoints.*.item_s", "s/item", ENDPOINT, ""),
    off("endpoints.*.noise", "factor", ENDPOINT, "sigma .2-.8"),
    off("endpoints.*.agent_sigma", "", ENDPOINT, "0-.3"),
    off("endpoints.*.slots", "calls", ENDPOINT, ""),
    off(
        "endpoints.*.requests_per_minute",
        "per minute",
        ENDPOINT,
        "",
    ),
    off(
        "endpoints.*.input_tokens_per_minute",
        "tokens per minute",
        ENDPOINT,
        "",
    ),
    off(
        "endpoints.*.output_tokens_per_minute",
        "tokens per minute",
        ENDPOINT,
        "",
    ),
    off("endpoints.*.burst_s", "s", ENDPOINT, "1-60"),
    off("endpoints.*.count_cached_input", "", ENDPOINT, ""),
    off("endpoints.*.max_output_tokens", "tokens", ENDPOINT, ""),
    off("endpoints.*.at_limit", "", ENDPOINT, ""),
    off(
        "endpoints.*.failure_probability",
        "probability",
        ENDPOINT,
        "0-.05",
    ),
    off("endpoints.*.failure_s", "s", ENDPOINT, ""),
    off("endpoints.*.retries", "retries", ENDPOINT, "0-8"),
    off("endpoints.*.backoff_s", "s", ENDPOINT, ""),
    off("endpoints.*.jitter", "", ENDPOINT, ""),
    off("endpoints.*.timeout_s", "s", ENDPOINT, "120-600"),
    off("endpoints.*.cache.enabled", "", ENDPOINT, ""),
    off("endpoints.*.cache.lifetime_s", "s", ENDPOINT, "300-3600"),
    off(
        "endpoints.*.cache.min_tokens",
        "tokens",
        ENDPOINT,
        "1024-4096",
    ),
    off("endpoints.*.price.rates.*", "$/M tokens", ENDPOINT, ""),
    off("endpoints.*.price.tiers", "$/M tokens", ENDPOINT, ""),
    off("endpoints.*.price.busy_usd_per_hour", "$/h", ENDPOINT, ""),
    known("endpoints.*.preset", "", Design, CHOICE, ""),
    // One-off differences between published systems.
    known(
        "protocol.*.quality",
        "factor",
        Assumed,
        "workload prior (kb): harness, prompt or effort, not sharing",
        "logU(.8, 4), 15 % at 1",
    ),
    known(
        "protocol.*.cost",
        "factor",
        Assumed,
        "price per call (hc); .57 +- .03 would explain the published halved cost of one pair",
        ".5-1",
    ),
    known(
        "protocol.*.latency",
        "factor",
        Assumed,
        "time per call (ht); .69-.89 by the latency statistic meant",
        ".65-1",
    ),
    // Mechanisms and their numbers.
    known("settings.control", "", Design, MECHANISM, ""),
    known("settings.dispatch", "", Design, MECHANISM, ""),
    known("settings.barrier", "", Design, MECHANISM, ""),
    known("settings.store", "", Design, MECHANISM, ""),
    known("settings.gate", "", Design, MECHANISM, ""),
    known("settings.finish", "", Design, MECHANISM, ""),
    known("settings.team", "agents", Design, MECHANISM, ""),
    known("settings.leads", "leads", Design, MECHANISM, ""),
    known("settings.plan", "", Design, MECHANISM, ""),
    known("settings.merge", "", Design, MECHANISM, ""),
    known("settings.report_call", "", Design, MECHANISM, ""),
    known("settings.ask_more", "", Design, MECHANISM, ""),
    known(
        "settings.more_rounds",
        "rounds",
        Assumed,
        "limit of re-planning unpublished",
        "0-5",
    ),
    known("settings.finalize", "", Design, MECHANISM, ""),
    known(
        "settings.max_delegations",
        "delegations",
        Published,
        "6: released v1 code, src/config.py; 10 for AOrchestra: DeLM v1 paper, section 4.1",
        "",
    ),
    known("settings.max_steps", "steps", Published, CONFIG, ""),
    off(
        "settings.deadline_s",
        "s",
        "released v1 code stops agents at 360 s",
        "360",
    ),
    known("settings.stagger_s", "s", Published, CONFIG, ""),
    known(
        "settings.instructions_tokens",
        "tokens",
        Published,
        "prompt templates of the released v1 code, at 4 characters per token",
        "",
    ),
    known(
        "settings.task_tokens",
        "tokens",
        Assumed,
        "length of an issue with its environment text varies by task",
        "500-4000",
    ),
    known(
        "settings.delegation_tokens",
        "tokens",
        Assumed,
        "length of a delegation's instruction unpublished",
        "100-800",
    ),
    known(
        "settings.report_tokens",
        "tokens",
        Assumed,
        "AOrchestra: 5 to 10 bullets; the length is unpublished",
        "100-1500",
    ),
    known(
        "settings.brief_tokens",
        "tokens",
        Assumed,
        "length of a lead's brief unpublished",
        "200-2000",
    ),
    known(
        "settings.gist_tokens",
        "tokens",
        Published,
        "DeLM v1 paper, section 4.3.1",
        "",
    ),
    known(
        "settings.board_window_tokens",
        "tokens",
        Published,
        "implementer window of 1,000: released v1 code, src/config.py; the paper's algorithm reads the whole context",
        "",
    ),
    known(
        "settings.planner_window_tokens",
        "tokens",
        Published,
        "planner window of 2,000: released v1 code, src/config.py; the paper's algorithm reads the whole context",
        "",
    ),
    known(
        "settings.window_tokens",
        "tokens",
        Assumed,
        "usual context window of current models",
        "128000-1000000",
    ),
    known(
        "settings.digest_tokens",
        "tokens",
        Assumed,
        "length of a compacted context unpublished",
        "500-8000",
    ),
    off(
        "settings.memory_steps",
        "steps",
        "released v1 code compacts at 8 records, AOrchestra at 20",
        "8-20",
    ),
    known("settings.keep_steps", "steps", Published, CONFIG, ""),
    known(
        "settings.gate_retries",
        "retries",
        Assumed,
        "retry limit of the gate unpublished",
        "0-5",
    ),
    known(
        "settings.requeues",
        "requeues",
        Assumed,
        "fixed limit of the paper without its value",
        "0-3",
    ),
    known(
        "settings.admission_blocks_agent",
        "",
        Assumed,
        "unpublished whether an agent waits for its own admission",
        "both",
    ),
    known("settings.unfold", "", Design, MECHANISM, ""),
    known(
        "settings.dry_policy",
        "",
        Assumed,
        "unpublished whether a dry queue re-plans while agents run",
        "both",
    ),
    off(
        "settings.append_s",
        "s",
        "time of one serial write unpublished",
        "0-.1",
    ),
];

/// Whether `pattern`, in which `*` stands for one key, is `path` or a table that holds it.
pub(crate) fn covers(pattern: &str, path: &str) -> bool {
    let mut keys = path.split('.');
    pattern
        .split('.')
        .all(|want| keys.next().is_some_and(|key| want == "*" || want == key))
}

/// The path under which the registry knows a value: settings of all and of single policies are the same inputs.
fn rule(path: &str) -> String {
    let own = path.strip_prefix("policy.").and_then(|k| k.split_once('.'));
    match own.or_else(|| {
        path.split_once('.')
            .filter(|(head, _)| *head == "all_policies")
    }) {
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
    let table = matches!(keys[..], ["all_policies"] | ["policy"] | ["policy", _]);
    table
        || KNOWN.iter().any(|known| {
            let wants: Vec<&str> = known.path.split('.').collect();
            keys.len() <= wants.len()
                && keys
                    .iter()
                    .zip(&wants)
                    .all(|(key, want)| *want == "*" || *key == "*" || key == want)
        })
}

fn lookup(path: &str) -> Option<&'static Known> {
    let depth = path.split('.').count();
    KNOWN
        .iter()
        .find(|k| k.path.split('.').count() == depth && covers(k.path, path))
}

/// Whether a parameter has any effect on this kind of workload.
fn acts(path: &str, search: bool) -> bool {
    const SEARCH_ONLY: [&str; 7] = [
        "sharing.respect",
        "sharing.adoption",
        "sharing.false_adoption_ratio",
        "sharing.wrong_note",
        "sharing.fact_gain",
        "sharing.fact_cap",
        "sharing.herding",
    ];
    const DIVIDE_ONLY: [&str; 5] = [
        "sharing.contagion",
        "sharing.misleads",
        "sharing.unfold_recovery",
        "sharing.notice",
        "settings.finalize",
    ];
    let other: &[&str] = if search { &DIVIDE_ONLY } else { &SEARCH_ONLY };
    !other.contains(&path)
}

/// All inputs of a scenario, in the order of the registry's sections.
pub fn parameters(scenario: &Scenario) -> Vec<Parameter> {
    inputs(scenario)
        .unwrap_or_else(|path| panic!("{path} has no entry in the registry of parameters"))
}

/// Number of inputs that are published, fitted, assumed, chosen.
pub fn counts(parameters: &[Parameter]) -> [usize; 4] {
    let mut counts = [0; 4];
    for parameter in parameters {
        counts[parameter.source as usize] += 1;
    }
    counts
}

/// The walk; fails with the path of a value that the registry does not know.
fn inputs(scenario: &Scenario) -> Result<Vec<Parameter>, String> {
    let search = matches!(scenario.workload, WorkloadSpec::Search(_));
    let tree = serde_json::to_value(scenario).expect("a scenario is plain values");
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
    ];
    let mut found = Vec::new();
    for section in sections {
        if let Some(value) = tree.get(section) {
            leaves(section, section, value, &mut found)?;
        }
    }
    let unmentioned = scenario
        .policies
        .iter()
        .any(|p| !scenario.protocol.contains_key(p));
    if unmentioned {
        leaves(
            "protocol.*",
            "protocol.*",
            &json!(Protocol::default()),
            &mut found,
        )?;
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
        found.push(Leaf {
            path: path.to_owned(),
            rule: rule.to_owned(),
            value: value.clone(),
            known,
            vouched: None,
        });
        return Ok(());
    }
    match value {
        Value::Null => Ok(()),
        Value::Object(entries) => entries.iter().try_for_each(|(key, value)| {
            leaves(
                &format!("{path}.{key}"),
                &format!("{rule}.{key}"),
                value,
                found,
            )
        }),
        _ => Err(path.to_owned()),
    }
}

/// Settings that most policies share, once; then what each policy has of its own.
fn settings(scenario: &Scenario, found: &mut Vec<Leaf>) -> Result<(), String> {
    let plain = |s: &Settings| json!(s);
    let start = catalog::settings("independent").expect("a policy of the catalogue");
    let vouched = plain(&start);
    let mut common = vouched.clone();
    for (key, value) in &scenario.all_policies {
        common[key] = json!(value);
    }
    let mut list = |prefix: &str, settings: &Value, vouched: &Value, unlike: Option<&Value>| {
        for (key, value) in settings.as_object().into_iter().flatten() {
            if unlike.is_some_and(|common| same(&common[key], value)) {
                continue;
            }
            let first = found.len();
            leaves(
                &format!("{prefix}.{key}"),
                &format!("settings.{key}"),
                value,
                found,
            )?;
            found[first].vouched = Some(vouched[key].clone());
        }
        Ok::<(), String>(())
    };
    list("all_policies", &common, &vouched, None)?;
    for policy in &scenario.policies {
        let (Ok(own), Some(base)) = (
            scenario.settings(policy),
            catalog::settings(scenario.base_of(policy)),
        ) else {
            continue;
        };
        list(
            &format!("policy.{policy}"),
            &plain(&own),
            &plain(&base),
            Some(&common),
        )?;
    }
    Ok(())
}

/// Equality of values, whole numbers and floats alike.
fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

/// Values that the citations of the registry vouch for.
struct Defaults(Value);

impl Defaults {
    fn new() -> Self {
        Self(json!({
            "workload": { "search": SearchSpec::default(), "divide": DivideSpec::default() },
            "sizes": Sizes::default(),
            "sharing": Sharing::default(),
            "endpoints": { "*": EndpointSpec::default() },
            "protocol": { "*": Protocol::default() },
        }))
    }

    fn get(&self, path: &str) -> Option<&Value> {
        path.split('.')
            .try_fold(&self.0, |node, key| node.get(key).or_else(|| node.get("*")))
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
        let (source, cite, prior) = match (own, self.known) {
            (Some((_, note)), known) => {
                let prior = if note.prior.is_empty() && note.kind == Assumed {
                    known.prior
                } else {
                    &note.prior
                };
                (note.kind, note.cite.as_str(), prior)
            }
            (None, known) if known.neutral && untouched => (Design, LEFT_OUT, known.prior),
            (None, known) if matches!(known.kind, Published | Fitted) && !untouched => {
                (Assumed, UNSAID, known.prior)
            }
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
            }
            let tree = serde_json::to_value(&scenario).unwrap();
            let mut found = Vec::new();
            for (key, value) in tree.as_object().unwrap() {
                let words = [
                    "version",
                    "name",
                    "question",
                    "mix",
                    "sources",
                    "policy",
                    "all_policies",
                    "expect",
                ];
                if !words.contains(&key.as_str()) {
                    leaves(key, key, value, &mut found).unwrap();
                }
            }
            settings(&scenario, &mut found).unwrap();
            met.extend(found.iter().map(|leaf| leaf.known.path));
            assert!(inputs(&scenario).is_ok());
        }
        let idle: Vec<&str> = KNOWN
            .iter()
            .map(|k| k.path)
            .filter(|p| !met.contains(p))
            .collect();
        let allowed = [
            "protocol.*.quality",
            "protocol.*.cost",
            "protocol.*.latency",
        ];
        assert!(idle.iter().all(|p| allowed.contains(p)), "{idle:?}");
    }

    #[test]
    fn a_changed_value_loses_the_citation_of_the_old_one() {
        let load = |set: &[&str]| {
            let overrides = Overrides {
                set: set.iter().map(ToString::to_string).collect(),
                ..Overrides::default()
            };
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
        assert!(covers(
            "endpoints.*.price",
            "endpoints.lead.price.rates.input"
        ));
        assert!(covers("endpoints", "endpoints.lead.base_s"));
        assert!(!covers("endpoints.lead.base_s", "endpoints.lead"));
        assert!(!covers("end", "endpoints"));
    }

    #[test]
    fn counts_add_up() {
        let list = parameters(&Scenario::load("swe-verified", &Overrides::default()).unwrap());
        assert_eq!(counts(&list).iter().sum::<usize>(), list.len());
        assert!(counts(&list).iter().all(|&n| n > 0), "{:?}", counts(&list));
    }
}
