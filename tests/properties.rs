//! Random small scenarios under random settings: every run ends, the books balance, and numbers depend on seed,
//! replication and policy alone.
//!
//! A case is a row of bytes; each byte picks one feature and 0 leaves it off, so that proptest shrinks a failing
//! case to the few features that matter. `PROPTEST_CASES` draws more cases, and others each time.

use delm_sim::experiment::metrics::METRICS;
use delm_sim::experiment::replication::{Point, Run, Sinks};
use delm_sim::experiment::{Options, Overrides, Scenario, conduct, replay};
use delm_sim::model::call::Purpose;
use delm_sim::model::workload::WorkloadSpec;
use delm_sim::record::Summary;
use delm_sim::record::trace::SubtaskCounts;
use delm_sim::record::transcript::{Line, Origin};
use delm_sim::runtime::replay::WhatIf;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::io::Write;
use std::sync::{Arc, Mutex};

/// Bytes of a case; more are never drawn.
const BYTES: usize = 64;

/// Changes to the plain case that once failed, `divide` or not.
const KEPT: &[(bool, &[&str])] = &[
    // A brief came back for a worker whose round had ended.
    (false, &["agents=[4]", "all_policies.barrier=\"any\""]),
    (true, &["agents=[4]", "all_policies.barrier=\"any\"", "all_policies.leads=3"]),
    // The round's clock went on behind the end.
    (false, &["agents=[2]", "all_policies.barrier={ timeout = { seconds = 30.0 } }", "all_policies.deadline_s=9.5"]),
    (true, &["agents=[2]", "all_policies.barrier={ timeout = { seconds = 30.0 } }", "all_policies.deadline_s=3.5"]),
    // The candidate was there, its report was lost.
    (false, &["agents=[2]", "endpoints.lead.failure_probability=1.0", "roles.report=\"lead\""]),
];

/// Picks features, byte by byte; an exhausted row picks what is off.
struct Dice<'a>(std::slice::Iter<'a, u8>);

impl Dice<'_> {
    fn below(&mut self, n: u8) -> u8 {
        self.0.next().copied().unwrap_or(0) % n
    }

    fn one<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.below(of.len() as u8) as usize]
    }

    /// A line `key = value`, unless the value is empty.
    fn set(&mut self, to: &mut String, key: &str, of: &[&str]) {
        let value = self.one(of);
        if !value.is_empty() {
            writeln!(to, "{key} = {value}").unwrap();
        }
    }
}

const SEARCH: &str = r#""single", "independent", "orchestrator-sequential", "orchestrator-serial", "orchestrator-parallel", "orchestrator-pipelined", "orchestrator-async", "lead-board", "lead-alone", "delm-solvers""#;
const DIVIDE: &str = r#""single", "independent", "map-reduce", "orchestrator-sequential", "orchestrator-serial", "orchestrator-parallel", "orchestrator-pipelined", "orchestrator-async", "lead-board", "lead-alone", "delm-queue""#;

fn workload(d: &mut Dice, divide: bool, t: &mut String) {
    if divide {
        t.push_str("[workload.divide]\nsource_tokens = { constant = 700 }\n");
        d.set(t, "subtasks", &["{ constant = 3 }", "{ constant = 2 }", "{ constant = 1 }", "{ constant = 9 }"]);
        d.set(t, "second_wave", &["{ constant = 0 }", "{ constant = 2 }"]);
        d.set(t, "fan_in", &["", "1", "2"]);
        d.set(t, "facts_needed", &["", "0", "5"]);
        d.set(t, "unsupported", &["0.0", "0.3", "1.0"]);
        d.set(t, "steps_per_subtask", &["{ constant = 1 }", "{ constant = 4 }", "{ exponential = { mean = 3 } }"]);
        d.set(t, "tool_share", &["0.0", "1.0", "0.5"]);
        d.set(t, "subtask_sigma", &["", "0.8"]);
    } else {
        t.push_str("[workload.search]\n");
        d.set(t, "success", &["{ fixed = { p = 0.4 } }", "", "{ fixed = { p = 0.02 } }", "{ fixed = { p = 1.0 } }"]);
        d.set(t, "unsolvable_share", &["0.0", "0.5", "1.0"]);
        d.set(t, "hypotheses_per_budget", &["", "1", "3"]);
        d.set(t, "hypotheses_per_delegation", &["", "1", "2"]);
        d.set(t, "orientation_steps", &["{ constant = 0 }", "{ constant = 3 }"]);
        d.set(t, "steps_per_hypothesis", &["{ constant = 1 }", "{ exponential = { mean = 2 } }"]);
        d.set(t, "tool_share", &["0.0", "1.0", "0.5"]);
        d.set(t, "facts_per_dead_end", &["0.0", "1.0"]);
        d.set(t, "tokens_per_detail", &["0.0", "10.0"]);
    }
    t.push_str("[sharing]\n");
    d.set(t, "false_positive_rate", &["", "1.0", "0.0"]);
    d.set(t, "true_positive_rate", &["", "1.0", "0.0"]);
    d.set(t, "wrong_note", &["", "0.3"]);
    d.set(t, "herding", &["", "0.9"]);
    d.set(t, "adoption", &["", "1.0"]);
}

fn settings(d: &mut Dice, t: &mut String) {
    t.push_str("[all_policies]\n");
    d.set(
        t,
        "barrier",
        &[
            "",
            "\"any\"",
            "{ k-of-n = { k = 2 } }",
            "{ timeout = { seconds = 3.0 } }",
            "{ timeout = { seconds = 40.0 } }",
        ],
    );
    d.set(t, "gate", &["", "\"none\"", "\"rule\"", "\"llm\"", "\"oracle\""]);
    d.set(t, "leads", &["", "2", "3"]);
    d.set(t, "plan", &["", "false"]);
    d.set(t, "merge", &["", "false"]);
    d.set(t, "report_call", &["", "true", "false"]);
    d.set(t, "ask_more", &["", "true", "false"]);
    d.set(t, "more_rounds", &["", "0", "3"]);
    d.set(t, "finalize", &["", "false"]);
    d.set(t, "max_delegations", &["", "1", "2"]);
    d.set(t, "max_steps", &["", "1", "3"]);
    d.set(t, "deadline_s", &["", "2.0", "15.0", "60.0"]);
    d.set(t, "stagger_s", &["", "0.5", "20.0"]);
    d.set(t, "report_tokens", &["", "0", "900"]);
    d.set(t, "board_place", &["", "\"tail\""]);
    d.set(t, "board_window_tokens", &["", "1", "150"]);
    // Instructions and task are 3,600 tokens; these windows overflow at once or soon.
    let windows = ["", "window_tokens = 3700\ndigest_tokens = 50", "window_tokens = 4500\ndigest_tokens = 200"];
    writeln!(t, "{}", d.one(&windows)).unwrap();
    let memories = ["", "memory_steps = 1\nkeep_steps = 0", "memory_steps = 2\nkeep_steps = 1", "memory_steps = 5"];
    writeln!(t, "{}", d.one(&memories)).unwrap();
    d.set(t, "memory_digest_tokens", &["", "0", "2000"]);
    d.set(t, "gate_retries", &["", "0", "1"]);
    d.set(t, "requeues", &["", "0", "3"]);
    d.set(t, "admission_blocks_agent", &["", "true"]);
    d.set(t, "unfold", &["", "true", "false"]);
    d.set(t, "dry_policy", &["", "\"immediate\""]);
    d.set(t, "append_s", &["", "0.5", "7.0"]);
}

fn endpoint(d: &mut Dice, name: &str, t: &mut String) {
    writeln!(t, "[endpoints.{name}]").unwrap();
    d.set(t, "base_s", &["1.0", "0.0", "4.0"]);
    d.set(
        t,
        "noise",
        &[
            "",
            "{ exponential = { mean = 1.0 } }",
            "{ lognormal = { mean = 1.0, sigma = 0.8 } }",
            "{ erlang = { shape = 3, mean = 1.0 } }",
        ],
    );
    d.set(t, "slots", &["", "1", "2"]);
    d.set(t, "requests_per_minute", &["", "30", "4"]);
    d.set(t, "input_tokens_per_minute", &["", "50000", "9000"]);
    d.set(t, "output_tokens_per_minute", &["", "20000"]);
    d.set(t, "burst_s", &["", "1.0"]);
    d.set(t, "at_limit", &["", "\"backoff\""]);
    d.set(t, "failure_probability", &["", "0.1", "0.6", "1.0"]);
    d.set(t, "failure_s", &["", "2.0"]);
    d.set(t, "retries", &["", "0", "1"]);
    d.set(t, "backoff_s", &["", "0.0", "5.0"]);
    d.set(t, "timeout_s", &["", "0.5", "3.0"]);
    d.set(t, "agent_sigma", &["", "0.5"]);
    d.set(t, "completion_s_per_token", &["", "0.01"]);
    d.set(t, "stream_slowdown", &["", "1.0", "0.3"]);
    let rates = "input_usd_per_mtok = 2.0, cache_read_usd_per_mtok = 0.2, cache_write_usd_per_mtok = 2.5, output_usd_per_mtok = 8.0";
    writeln!(t, "price = {{ rates = {{ {rates} }}, busy_usd_per_hour = 1.0 }}").unwrap();
}

/// The scenario of a row, as TOML.
fn toml(divide: bool, row: &[u8]) -> String {
    let mut d = Dice(row.iter());
    let mut t = format!(
        "version = 1\nname = \"random\"\nquestion = \"Does it end?\"\nreplications = 2\npolicies = [{}]\n",
        if divide { DIVIDE } else { SEARCH }
    );
    writeln!(t, "baseline = \"single\"\nagents = [{}]", 1 + d.below(6)).unwrap();
    d.set(&mut t, "tasks", &["1", "2", "3"]);
    writeln!(t, "seed = {}", d.below(50)).unwrap();
    workload(&mut d, divide, &mut t);
    settings(&mut d, &mut t);
    t.push_str("[policy.orchestrator-pipelined]\nbased_on = \"orchestrator-serial\"\ndispatch = \"pipelined\"\n");
    t.push_str("[policy.lead-board]\nbased_on = \"orchestrator-parallel\"\nstore = \"shared\"\n");
    t.push_str("[policy.lead-alone]\nbased_on = \"orchestrator-async\"\nstore = \"none\"\n");
    endpoint(&mut d, "model", &mut t);
    t.push_str("[endpoints.tool]\nbase_s = 2.0\nslots = 2\n");
    endpoint(&mut d, "lead", &mut t);
    t.push_str("[roles]\ndefault = \"model\"\ntool = \"tool\"\n");
    let roles = ["", "plan = \"lead\"", "gist = \"lead\"\nverify = \"lead\"", "dispatch = \"lead\"\nmerge = \"lead\""];
    writeln!(t, "{}", d.one(&roles)).unwrap();
    t
}

/// A row's scenario. A row does not know which settings its policies read; those that none reads are left out.
fn load(divide: bool, row: &[u8], set: &[&str]) -> Scenario {
    let text = toml(divide, row);
    let overrides = Overrides { set: set.iter().map(ToString::to_string).collect(), ..Overrides::default() };
    Scenario::parse("random.toml", &text, None, &overrides).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

/// Identities beyond those that every run checks of itself.
fn books(scenario: &Scenario, graded: bool, run: &Run, s: &Summary) -> Result<(), String> {
    let tasks = scenario.tasks as usize;
    ensure(s.makespans.len() == tasks, || format!("{} of {tasks} tasks ended", s.makespans.len()))?;
    ensure(!graded || s.submissions.iter().all(|n| *n > 0), || "a task ended without a submission".to_owned())?;
    ensure(s.right.iter().zip(&s.submissions).all(|(r, n)| r <= n), || "more right than submitted".to_owned())?;
    let values = || run.measures.iter().map(|(i, value)| (METRICS[i].name, value));
    let get = |name: &str| run.measures.get(name).unwrap_or(0.0);
    for (name, value) in values() {
        ensure(value.is_finite() && value >= 0.0, || format!("{name} = {value}"))?;
    }
    ensure((get("model_calls") + get("tool_runs") - get("calls")).abs() < 1e-9, || "calls do not add up".to_owned())?;
    ensure(get("step_board_tokens") <= get("board_read_tokens"), || "steps read more than all read".to_owned())?;
    let first = run.measures.get("first_success_or_last_s");
    ensure(first.is_some() == run.measures.get("last_worker_s").is_some(), || {
        "a submission without a time".to_owned()
    })?;
    ensure(get("first_success_or_last_s") <= get("last_worker_s") + 1e-9, || "first after last".to_owned())?;
    if get("pass") == 1.0 {
        ensure(run.measures.get("first_success_s") == first, || "all have a success, and two first times".to_owned())?;
    }
    let roles = ["work", "tool", "coordination", "verification", "reading"];
    let parts: f64 = roles.iter().map(|r| get(&format!("cost_{r}_usd"))).sum();
    let whole = get("cost_per_task_usd");
    ensure((parts - whole).abs() <= 1e-12 * whole.max(1.0), || format!("roles cost {parts}, the task {whole}"))?;
    let shares: f64 = values().filter(|(name, _)| name.starts_with("share_")).map(|(_, value)| value).sum();
    ensure(get("agent_time_s") == 0.0 || (shares - 1.0).abs() < 1e-9, || format!("shares of time add up to {shares}"))?;
    let tokens = |cached: bool| -> u64 {
        s.calls.iter().map(|c| if cached { c.usage.cached_tokens } else { c.usage.prompt_tokens }).sum()
    };
    ensure(tokens(true) <= tokens(false), || "more cached than prompt tokens".to_owned())?;
    // Only what was cut at the end stays open.
    let lost = s.calls.iter().any(|c| c.failed + c.cancelled > 0);
    let SubtaskCounts { created, done, abandoned, claimed, released } = s.subtasks;
    if !lost && scenario.tasks == 1 {
        let late = matches!(scenario.workload, WorkloadSpec::Divide(_));
        ensure(!late || created == done + abandoned, || {
            format!("{created} subtasks, {done} done, {abandoned} abandoned, and no call was lost")
        })?;
    }
    ensure(claimed >= released, || format!("{claimed} claims, {released} releases"))
}

/// Collects the trace.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What the trace must tell: causes before effects, one owner per subtask, one call per agent, consecutive versions,
/// a submission per line, nothing after the end.
fn story(divide: bool, graded: bool, text: &str) -> Result<(), String> {
    let mut over = HashSet::new();
    let (mut busy, mut owned, mut versions, mut submitted) =
        (HashMap::new(), HashSet::new(), HashMap::new(), HashMap::new());
    for line in text.lines() {
        let record: serde_json::Value = serde_json::from_str(line).map_err(|e| format!("{e}: {line}"))?;
        let number = |key: &str| record[key].as_u64().ok_or_else(|| format!("no {key}: {line}"));
        let (seq, task) = (number("seq")?, number("task")?);
        ensure(number("caused_by")? < seq.max(1), || format!("the cause is no earlier record: {line}"))?;
        ensure(!over.contains(&task), || format!("after the end of the task: {line}"))?;
        match record["what"].as_str().unwrap_or_default() {
            "called" if record["background"] == false => {
                let before = busy.insert((task, number("agent")?), number("call")?);
                ensure(before.is_none(), || format!("the agent has another call: {line}"))?;
            }
            "replied" | "failed" | "cancelled" if record["background"] == false => {
                let call = busy.remove(&(task, number("agent")?));
                ensure(call == Some(number("call")?), || format!("not the agent's call: {line}"))?;
            }
            "finished" => {
                let lines = record["right"].as_array().map_or(0, Vec::len);
                let noted = submitted.get(&task).copied().unwrap_or(0);
                ensure(lines == if graded { noted } else { 0 }, || {
                    format!("{lines} lines, {noted} submissions noted")
                })?;
                over.insert(task);
            }
            "noted" => {
                let note = record["note"].as_object().ok_or("a note is a table")?;
                let (kind, what) = note.iter().next().ok_or("a note has a kind")?;
                let second = || (task, what[1].as_u64().unwrap_or_default());
                let only = (task, what.as_u64().unwrap_or_default());
                match kind.as_str() {
                    "claimed" if divide => {
                        ensure(owned.insert(second()), || format!("claimed by two: {line}"))?;
                    }
                    "released" if divide => ensure(owned.remove(&second()), || format!("nobody's: {line}"))?,
                    "done" | "abandoned" if divide => ensure(owned.remove(&only), || format!("nobody's: {line}"))?,
                    "admitted" | "kept" => {
                        let store = (task, what["store"].as_u64().unwrap_or(u64::MAX));
                        let version: &mut u64 = versions.entry(store).or_default();
                        *version += 1;
                        ensure(what["version"] == *version, || format!("not version {version}: {line}"))?;
                    }
                    "submitted" => *submitted.entry(task).or_insert(0) += 1,
                    _ => {}
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// All policies of the row's scenario, twice and in both orders.
fn check(divide: bool, scenario: &Scenario) -> Result<(), String> {
    let n = scenario.agents[0];
    let points: Vec<Point> = scenario
        .policies
        .iter()
        .map(|p| Point::new(scenario, p, n).map_err(|e| format!("{p}: {e}")))
        .collect::<Result<_, _>>()?;
    let once = |p: &Point, r| p.run(r, Sinks::default()).map_err(|e| format!("{} with {n}: {e}", p.policy));
    let mut first = Vec::new();
    for p in &points {
        for r in 0..2 {
            let lines = Lines::default();
            let (run, summary) = p
                .run_summed(r, Sinks { trace: Some(Box::new(lines.clone())), transcript: None })
                .map_err(|e| format!("{} with {n}: {e}", p.policy))?;
            let text = String::from_utf8(std::mem::take(&mut *lines.0.lock().unwrap())).unwrap();
            // Without a final answer a divided task delivers nothing that could be graded.
            let graded = !divide || scenario.settings(p.policy)?.finalizes();
            story(divide, graded, &text).map_err(|e| format!("{} with {n}, replication {r}: {e}", p.policy))?;
            books(scenario, graded, &run, &summary)
                .map_err(|e| format!("{} with {n}, replication {r}: {e}", p.policy))?;
            first.push(run);
        }
    }
    for (k, p) in points.iter().enumerate().rev() {
        for r in (0..2).rev() {
            let (then, again) = (&first[2 * k + r as usize], once(p, r)?);
            let same = then.digest == again.digest && then.measures == again.measures;
            ensure(same, || format!("{} with {n}: replication {r} differs from itself", p.policy))?;
        }
    }
    Ok(())
}

/// Recorded, then replayed: strictly with the same digest, retimed at recorded speed with the same makespans.
fn replayed(scenario: &Scenario) -> Result<(), String> {
    let lines = Mutex::new(Vec::new());
    let head = Line::Header(replay::header(scenario, Origin::Simulated));
    serde_json::to_writer(&mut *lines.lock().unwrap(), &head).map_err(|e| e.to_string())?;
    lines.lock().unwrap().push(b'\n');
    let options = Options { jobs: 1, transcript: Some(&lines), ..Options::default() };
    let study = conduct(scenario, &options).map_err(|e| e.to_string())?;
    let file = tempfile::NamedTempFile::new().map_err(|e| e.to_string())?;
    std::fs::write(file.path(), &*lines.lock().unwrap()).map_err(|e| e.to_string())?;
    let again = replay::strict(file.path(), &scenario.catalog, &|_| {}).map_err(|e| e.to_string())?;
    ensure(study.digest == again.digest, || format!("digest {} became {}", study.digest, again.digest))?;
    let retimed = replay::retimed(file.path(), &WhatIf::default(), &|_| {}).map_err(|e| e.to_string())?;
    let other = retimed.runs.iter().find(|r| r.recorded_s != r.retimed_s);
    ensure(other.is_none(), || format!("retimed: {other:?}"))
}

/// Panics inside the library become failures with the row beside them.
fn judged(divide: bool, scenario: &Scenario) -> Result<(), String> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(divide, scenario))).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().cloned();
        Err(said.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default())
    })
}

#[test]
fn kept_cases_stay_mended() {
    for (divide, set) in KEPT {
        let scenario = load(*divide, &[], set);
        judged(*divide, &scenario).unwrap_or_else(|e| panic!("{e}\n{divide} {set:?}\n{}", toml(*divide, &[])));
    }
}

/// The same cases every day; other and more ones on demand.
fn config() -> ProptestConfig {
    let asked = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => asked,
        None => ProptestConfig { cases: 48, rng_seed: RngSeed::Fixed(2606), ..asked },
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn runs_on_search_end_and_balance(row in row()) {
        judged(false, &load(false, &row, &[])).map_err(|e| TestCaseError::fail(format!("{e}\n{}", toml(false, &row))))?;
    }

    #[test]
    fn runs_on_divide_end_and_balance(row in row()) {
        judged(true, &load(true, &row, &[])).map_err(|e| TestCaseError::fail(format!("{e}\n{}", toml(true, &row))))?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: config().cases / 3, ..config() })]

    #[test]
    fn recordings_replay(divide in any::<bool>(), row in row()) {
        let scenario = load(divide, &row, &[]);
        replayed(&scenario).map_err(|e| TestCaseError::fail(format!("{e}\n{}", toml(divide, &row))))?;
    }
}

/// Mostly plain features, so that a run meets a few faults rather than all at once.
fn row() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(prop_oneof![3 => Just(0u8), 2 => any::<u8>()], BYTES..=BYTES + 30)
}

/// How many calls of each purpose a row makes; kept for the reader of a failing case.
#[test]
fn rows_reach_the_paths_they_are_for() {
    let mut reached = [0u64; 12];
    let mut runs = 0;
    for k in 0..64u64 {
        // A fixed scatter of bytes.
        let row: Vec<u8> = (0..BYTES as u64 + 30).map(|i| ((i * 2_654_435_761 + k * 40_503) >> 7) as u8).collect();
        for divide in [false, true] {
            let scenario = load(divide, &row, &[]);
            for p in &scenario.policies {
                let Ok(point) = Point::new(&scenario, p, scenario.agents[0]) else { continue };
                if let Ok((_, summary)) = point.run_summed(0, Sinks::default()) {
                    runs += 1;
                    for (sum, c) in reached.iter_mut().zip(&summary.calls) {
                        *sum += c.issued;
                    }
                }
            }
        }
    }
    assert!(runs > 300, "{runs} runs");
    let never: Vec<&str> = Purpose::ALL.iter().zip(reached).filter(|(_, n)| *n == 0).map(|(p, _)| p.name()).collect();
    assert!(never.is_empty(), "no row reaches {never:?}");
}
