//! `explain`: parts sum exactly, a cause that is switched off has no part, and the screen says it in words.

mod common;

use common::delm_sim;
use delm_sim::experiment::explain::{Attribution, Explanation, Label, Question, explain};
use delm_sim::experiment::replication::{Point, Sinks};
use delm_sim::experiment::{Overrides, Scenario};
use std::fs;
use std::path::Path;

const SEARCH: &str = r#"# Question: why?
version = 1
name = "small"
question = "Why?"
replications = 8
seed = 5
agents = [1, 3]
policies = ["independent", "orchestrator-serial", "orchestrator-parallel", "orchestrator-async", "delm-solvers"]
[workload.search]
[endpoints.model]
base_s = 2.0
completion_s_per_token = 0.01
uncached_s_per_ktoken = 0.4
cached_s_per_ktoken = 0.05
noise = { lognormal = { mean = 1.0, sigma = 0.4 } }
agent_sigma = 0.1
[endpoints.model.price.rates]
input_usd_per_mtok = 3.0
cache_read_usd_per_mtok = 0.3
cache_write_usd_per_mtok = 3.75
output_usd_per_mtok = 15.0
[endpoints.tool]
base_s = 3.0
[endpoints.tool.price]
busy_usd_per_hour = 1.0
[roles]
default = "model"
tool = "tool"
"#;

fn divide() -> String {
    let policies = r#"["single", "map-reduce", "orchestrator-sequential", "orchestrator-pipelined", "orchestrator-parallel", "delm-queue"]
[policy.orchestrator-pipelined]
based_on = "orchestrator-serial"
dispatch = "pipelined""#;
    let (head, rest) = SEARCH.split_once("policies = ").unwrap();
    let (_, rest) = rest.split_once("[workload.search]").unwrap();
    format!(
        "{head}policies = {policies}\n[workload.divide]\nsubtasks = {{ constant = 5 }}\nsecond_wave = {{ constant = 2 }}\nunsupported = 0.3\n{rest}"
    )
}

fn scenario(text: &str, set: &[&str]) -> Scenario {
    let set = set.iter().map(ToString::to_string).collect();
    let overrides = Overrides { set, ..Overrides::default() };
    Scenario::parse("small.toml", text, None, &overrides).unwrap_or_else(|e| panic!("{e}"))
}

fn ask(scenario: &Scenario, policies: [&str; 2], agents: u32, replication: u64) -> Explanation {
    explain(scenario, Question { policies, agents, replication }).unwrap_or_else(|e| panic!("{policies:?}: {e}"))
}

fn all(explanation: &Explanation) -> Vec<&Attribution> {
    let Explanation { makespan_ns, cost_by_role_picodollars, cost_by_cause_picodollars, .. } = explanation;
    [Some(makespan_ns), cost_by_role_picodollars.as_ref(), cost_by_cause_picodollars.as_ref()]
        .into_iter()
        .flatten()
        .collect()
}

fn part(whole: &Attribution, name: &str) -> [i128; 2] {
    whole.part(name).unwrap_or_else(|| panic!("a part `{name}`")).of
}

/// Everything that must hold of any two runs.
fn check(scenario: &Scenario, explanation: &Explanation) {
    let policies = explanation.sides.each_ref().map(|s| s.policy.as_str());
    for whole in all(explanation) {
        for side in 0..2 {
            let sum: i128 = whole.parts.iter().map(|p| p.of[side]).sum();
            assert_eq!(sum, whole.whole[side], "{policies:?}: {whole:?}");
        }
        let differences: i128 = whole.parts.iter().map(delm_sim::experiment::explain::Part::difference).sum();
        assert_eq!(differences, whole.difference());
    }
    for side in &explanation.sides {
        let mut at = delm_sim::kernel::Time::ZERO;
        for stretch in &side.path {
            assert_eq!(stretch.from, at, "{}: no gap in the path", side.policy);
            assert!(stretch.to > at);
            at = stretch.to;
        }
        assert_eq!(at, side.makespan, "{}: the path ends with the task", side.policy);
        let point = Point::new(scenario, &side.policy, explanation.agents).unwrap();
        let run = point.run(explanation.replication, Sinks::default()).unwrap();
        let measured = |name: &str| run.measures.get(name);
        if scenario.tasks == 1 {
            assert_eq!(measured("makespan_s"), Some(side.makespan.as_secs_f64()), "{}", side.policy);
        }
        if let (Some(cost), Some(measured)) = (side.cost_picodollars, measured("cost_per_task_usd")) {
            let cost = cost as f64 * 1e-12 / f64::from(scenario.tasks);
            assert!((cost - measured).abs() < 1e-9 * measured.max(1.0), "{}: {cost}, {measured}", side.policy);
        }
    }
}

#[test]
fn parts_sum_exactly_whatever_happens() {
    let changes: &[&[&str]] = &[
        &[],
        &["endpoints.model.slots=2"],
        &["endpoints.model.requests_per_minute=20", "endpoints.model.burst_s=10.0"],
        &[
            "endpoints.model.requests_per_minute=30",
            "endpoints.model.at_limit=\"backoff\"",
            "endpoints.model.retries=9",
        ],
        &["endpoints.model.failure_probability=0.2", "endpoints.model.failure_s=4.0", "endpoints.model.retries=1"],
        &["endpoints.model.timeout_s=9.0", "endpoints.model.stream_slowdown=0.3"],
        &["all_policies.deadline_s=70.0"],
        &["all_policies.window_tokens=6000", "all_policies.digest_tokens=500"],
        &["tasks=2", "endpoints.model.slots=3"],
        &["protocol.delm-queue.cost=1.5", "protocol.delm-queue.latency=0.8", "protocol.delm-solvers.cost=1.5"],
    ];
    for text in [SEARCH, &divide()] {
        for set in changes {
            let set: Vec<&str> = set.iter().copied().filter(|s| known(text, s)).collect();
            let scenario = scenario(text, &set);
            for pair in scenario.policies.windows(2) {
                for (agents, replication) in [(1, 0), (3, 1), (4, 2)] {
                    let found = ask(&scenario, [&pair[0], &pair[1]], agents, replication);
                    check(&scenario, &found);
                    no_part_takes_what_is_left(&found, &set);
                }
            }
        }
    }
}

/// Where nothing fails and no protocol has a factor, their parts are 0: they are no remainders.
fn no_part_takes_what_is_left(found: &Explanation, set: &[&str]) {
    let is_set = |word: &str| set.iter().any(|s| s.contains(word));
    let cost = found.cost_by_cause_picodollars.as_ref().unwrap();
    if !["failure", "timeout", "backoff"].iter().any(|word| is_set(word)) {
        assert_eq!((part(cost, "failed"), part(&found.makespan_ns, "work: failed tries")), ([0, 0], [0, 0]));
    }
    if !is_set("protocol") {
        assert_eq!((part(cost, "protocol"), part(&found.makespan_ns, "work: protocol")), ([0, 0], [0, 0]));
    }
}

/// Whether a change speaks of a policy that the scenario has, if it speaks of one.
fn known(text: &str, change: &str) -> bool {
    change.strip_prefix("protocol.").is_none_or(|rest| text.contains(rest.split('.').next().unwrap()))
}

#[test]
fn a_policy_against_itself_differs_in_nothing() {
    for (text, policy) in [(SEARCH, "delm-solvers"), (SEARCH, "orchestrator-parallel"), (&divide(), "delm-queue")] {
        let found = ask(&scenario(text, &[]), [policy, policy], 3, 4);
        assert!(found.first.is_none() && found.then.is_none());
        for whole in all(&found) {
            assert!(whole.difference() == 0 && whole.parts.iter().all(|p| p.difference() == 0));
            assert!(whole.whole[0] > 0);
        }
    }
}

#[test]
fn without_a_gate_nothing_is_verified() {
    let pair = ["delm-solvers", "orchestrator-parallel"];
    let found = |gate: &str| {
        let [board, lead] = pair.map(|policy| format!("policy.{policy}.gate=\"{gate}\""));
        ask(&scenario(SEARCH, &[&board, &lead]), pair, 1, 0)
    };
    let cost = |e: &Explanation| part(e.cost_by_role_picodollars.as_ref().unwrap(), "verification");
    let (with, without) = (found("llm"), found("none"));
    // Threads are judged beside their work; a lead waits for the verdict on a report, here of its one worker, since what
    // the slowest of several does is barrier wait.
    assert!(part(&with.makespan_ns, "verification")[1] > 0 && cost(&with).iter().all(|money| *money > 0));
    assert_eq!((part(&without.makespan_ns, "verification"), cost(&without)), ([0, 0], [0, 0]));
}

#[test]
fn without_a_lead_nobody_waits_for_one() {
    let found = ask(&scenario(SEARCH, &["all_policies.plan=false"]), ["delm-solvers", "independent"], 3, 0);
    for name in ["coordination", "relay wait", "barrier wait"] {
        assert_eq!(part(&found.makespan_ns, name), [0, 0], "{name}");
    }
    assert_eq!(part(found.cost_by_role_picodollars.as_ref().unwrap(), "coordination"), [0, 0]);
    let found = ask(&scenario(SEARCH, &[]), ["orchestrator-serial", "independent"], 3, 0);
    for name in ["coordination", "relay wait", "barrier wait"] {
        assert!(part(&found.makespan_ns, name)[0] > 0, "{name}: {:?}", found.makespan_ns);
    }
}

#[test]
fn without_a_cache_it_saves_nothing() {
    let pair = ["delm-solvers", "orchestrator-parallel"];
    let cache = |set: &[&str]| {
        let found = ask(&scenario(SEARCH, set), pair, 3, 0);
        let cost = found.cost_by_cause_picodollars.as_ref().map(|whole| part(whole, "cache"));
        (part(&found.makespan_ns, "work: cache"), cost.unwrap())
    };
    let (time, money) = cache(&[]);
    assert!(time.iter().all(|ns| *ns < 0) && money.iter().any(|m| *m < 0), "{time:?} {money:?}");
    assert_eq!(cache(&["endpoints.model.cache.enabled=false"]), ([0, 0], [0, 0]));
}

#[test]
fn a_barrier_for_one_makes_nobody_wait() {
    let text = format!("{SEARCH}[policy.any]\nbased_on = \"orchestrator-parallel\"\nbarrier = \"any\"\n");
    for replication in 0..4 {
        let found = ask(&scenario(&text, &[]), ["orchestrator-parallel", "any"], 3, replication);
        let [all, any] = part(&found.makespan_ns, "barrier wait");
        assert!(all > 0 && any == 0, "{all} {any}");
    }
}

#[test]
fn each_wait_has_its_label() {
    let divide = divide();
    let cases: &[(&str, &[&str], &str, Label)] = &[
        (SEARCH, &["endpoints.model.slots=1"], "delm-solvers", Label::SlotWait),
        (SEARCH, &["endpoints.model.requests_per_minute=3"], "delm-solvers", Label::RateLimitWait),
        (SEARCH, &["all_policies.stagger_s=5000.0"], "delm-solvers", Label::StartUp),
        (SEARCH, &["all_policies.deadline_s=30.0"], "delm-solvers", Label::Deadline),
        (
            SEARCH,
            &["all_policies.barrier={ timeout = { seconds = 25.0 } }"],
            "orchestrator-parallel",
            Label::BarrierWait,
        ),
        (SEARCH, &[], "orchestrator-serial", Label::RelayWait),
        (&divide, &["all_policies.append_s=60.0"], "delm-queue", Label::LockWait),
        (&divide, &["all_policies.deadline_s=30.0"], "orchestrator-parallel", Label::Deadline),
    ];
    for (text, set, policy, label) in cases {
        let found = ask(&scenario(text, set), [policy, policy], 3, 1);
        assert!(part(&found.makespan_ns, label.name())[0] > 0, "{set:?} {policy}: {:?}", found.makespan_ns);
        let without = ask(&scenario(text, &[]), [policy, "single"], 3, 1);
        if !set.is_empty() && *label != Label::BarrierWait {
            assert_eq!(part(&without.makespan_ns, label.name()), [0, 0], "{policy}: {label:?}");
        }
    }
}

#[test]
fn equal_calls_have_equal_luck() {
    // One member, no factor of its own, no sharing: what both runs ask alike takes as long but for its tokens.
    let set = [
        "endpoints.model.agent_sigma=0.0",
        "endpoints.model.completion_s_per_token=0.0",
        "endpoints.model.uncached_s_per_ktoken=0.0",
        "endpoints.model.cached_s_per_ktoken=0.0",
    ];
    let found = ask(&scenario(SEARCH, &set), ["delm-solvers", "independent"], 1, 3);
    for name in ["work: luck, same calls", "work: tokens", "work: cache"] {
        assert_eq!(found.makespan_ns.part(name).unwrap().difference(), 0, "{name}");
    }
}

#[test]
fn without_noise_there_is_no_luck() {
    let set = ["endpoints.model.agent_sigma=0.0", "endpoints.model.noise={ constant = 1.0 }"];
    for (text, pair) in [(SEARCH, ["delm-solvers", "orchestrator-serial"]), (&divide(), ["delm-queue", "map-reduce"])] {
        let found = ask(&scenario(text, &set), pair, 3, 1);
        for name in ["work: luck, same calls", "work: luck, other calls"] {
            // Five parts of at most some hundred calls are rounded to whole nanoseconds.
            assert!(part(&found.makespan_ns, name).iter().all(|ns| ns.abs() < 1000), "{name}: {:?}", found.makespan_ns);
        }
        assert!(part(&found.makespan_ns, "work: steps").iter().all(|ns| *ns > 1_000_000_000));
    }
}

#[test]
fn the_first_difference_has_a_cause_in_both_runs() {
    let found = ask(&scenario(SEARCH, &[]), ["delm-solvers", "independent"], 3, 1);
    let first = found.first.unwrap();
    assert!(!first.causes.is_empty());
    assert!(first.causes.last().unwrap().other_at.is_some(), "{first:?}");
    assert!(found.sides.iter().all(|side| side.path.iter().any(|s| s.label == Label::Work)));
}

/// A folder with `small.toml` in it.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("small.toml"), SEARCH).unwrap();
    folder
}

fn on(folder: &Path, more: &[&str]) -> common::Done {
    let mut args = vec!["explain", "small.toml", "--replication", "2", "--agents", "3"];
    args.extend(["--policies", "delm-solvers,orchestrator-parallel"]);
    args.extend(more);
    delm_sim(folder, &args)
}

#[test]
fn the_screen_is_short_and_says_why() {
    let folder = folder();
    let done = on(folder.path(), &[]);
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    assert!(done.out.lines().count() <= 45, "{}", done.out);
    assert!(done.out.lines().all(|line| line.chars().count() <= 110), "{}", done.out);
    insta::assert_snapshot!("screen", done.out);
    let same = delm_sim(
        folder.path(),
        &["explain", "small.toml", "--replication", "0", "--policies", "delm-solvers,delm-solvers"],
    );
    assert!(same.out.contains("no decision differs"), "{}{}", same.out, same.err);
}

#[test]
fn files_are_the_same_bytes_and_an_output_directory_is_a_scenario() {
    let folder = folder();
    let path = folder.path();
    for dir in ["a", "b"] {
        let done = on(path, &["--output-dir", dir]);
        assert_eq!(done.code, 0, "{}", done.err);
    }
    for name in delm_sim::report::explain::FILES {
        let [a, b] = ["a", "b"].map(|dir| fs::read(path.join(dir).join(name)).unwrap());
        assert!(!a.is_empty() && a == b, "{name}");
    }
    let done = on(path, &["--output-dir", "a"]);
    assert!(done.code == 2 && done.err.contains("--overwrite"), "{}", done.err);
    let done = delm_sim(path, &["run", "small.toml", "--output-dir", "study", "-q"]);
    assert_eq!(done.code, 0, "{}", done.err);
    let args = ["--replication", "2", "--agents", "3", "--policies", "delm-solvers,orchestrator-parallel"];
    let of_study = delm_sim(path, &[&["explain", "study"][..], &args].concat());
    assert_eq!(of_study.code, 0, "{}", of_study.err);
    assert_eq!(of_study.out, on(path, &[]).out, "a study is explained as its scenario is");
}

#[test]
fn forms_agree_in_whole_numbers() {
    let folder = folder();
    let csv = on(folder.path(), &["--format", "csv"]).out;
    let json: serde_json::Value = serde_json::from_str(&on(folder.path(), &["--format", "json"]).out).unwrap();
    let whole = json["makespan_ns"]["whole"][0].as_u64().unwrap();
    assert!(csv.contains(&format!("makespan,whole,ns,{whole},")), "{csv}");
    assert!(on(folder.path(), &["--format", "md"]).out.starts_with("# Why A = delm-solvers"));
}

#[test]
fn faults_name_the_flag_and_exit_with_2() {
    let folder = folder();
    let cases: &[(&[&str], &[&str])] = &[
        (&["--replication", "8", "--policies", "independent,delm-solvers"], &["--replication 8", "0 to 7"]),
        (&["--replication", "-1", "--policies", "independent,delm-solvers"], &["--replication", "-1"]),
        (&["--replication", "0", "--policies", "independent,delm-slovers"], &["--policies", "delm-slovers"]),
        (&["--replication", "0", "--policies", "independent"], &["--policies independent", "found 1"]),
        (&["--replication", "0", "--policies", "independent,delm-queue"], &["--policies", "delm-queue"]),
        (&["--replication", "0"], &["--policies"]),
        (&["--policies", "independent,delm-solvers"], &["--replication"]),
        (&["--replication", "0", "--policies", "independent,delm-solvers", "--set", "x.y=1"], &["--set", "x"]),
    ];
    for (args, fragments) in cases {
        let done = delm_sim(folder.path(), &[&["explain", "small.toml"][..], args].concat());
        assert_eq!(done.code, 2, "{args:?}: {}", done.err);
        assert!(fragments.iter().all(|f| done.err.contains(f)), "{args:?}: {}", done.err);
        assert!(done.out.is_empty());
    }
    // What is stopped before its end has no makespan.
    let measured = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/oracles/machine-repairman-90-5.toml");
    let done = delm_sim(folder.path(), &["explain", measured, "--replication", "0", "--policies", "single,single"]);
    assert!(done.code == 2 && done.err.contains("[measure]"), "{}", done.err);
}
