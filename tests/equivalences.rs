//! What must be equal is equal, run by run: mechanisms switched off leave nothing behind, and order laws of scheduling
//! hold under common random numbers.

use delm_sim::experiment::replication::{Point, Run, Sinks};
use delm_sim::experiment::{Options, Overrides, Scenario, conduct};

const SEARCH: &str = r#"version = 1
name = "search"
question = "What remains when a mechanism is off?"
replications = 60
agents = [1, 4]
policies = ["single", "independent", "delm-solvers", "orchestrator-parallel"]
baseline = "independent"
[workload.search]
[endpoints.model]
base_s = 5.0
noise = { lognormal = { mean = 1.0, sigma = 0.6 } }
[endpoints.model.price.rates]
input_usd_per_mtok = 5.0
cache_read_usd_per_mtok = 0.5
cache_write_usd_per_mtok = 6.25
output_usd_per_mtok = 25.0
[endpoints.judge]
[endpoints.judge.price.rates]
input_usd_per_mtok = 1.0
cache_write_usd_per_mtok = 1.0
[roles]
default = "model"
verify = "judge"
"#;

const DIVIDE: &str = r#"version = 1
name = "divide"
question = "What remains when a mechanism is off?"
replications = 60
agents = [1, 4]
policies = ["single", "independent", "map-reduce", "orchestrator-async", "delm-queue"]
baseline = "map-reduce"
[workload.divide]
subtasks = { constant = 12 }
second_wave = { constant = 5 }
[endpoints.model]
base_s = 5.0
noise = { lognormal = { mean = 1.0, sigma = 0.6 } }
[endpoints.free]
[endpoints.free.price.rates]
input_usd_per_mtok = 1.0
cache_write_usd_per_mtok = 1.0
[roles]
default = "free"
step = "model"
"#;

fn load(text: &str, set: &[&str]) -> Scenario {
    let overrides = Overrides { set: set.iter().map(ToString::to_string).collect(), ..Overrides::default() };
    Scenario::parse("equivalences.toml", text, None, &overrides).unwrap_or_else(|e| panic!("{e}"))
}

fn runs(scenario: &Scenario, policy: &str, agents: u32) -> Vec<Run> {
    let point = Point::new(scenario, policy, agents).unwrap();
    (0..u64::from(scenario.replications)).map(|r| point.run(r, Sinks::default()).unwrap()).collect()
}

fn get(run: &Run, metric: &str) -> Option<f64> {
    run.measures.get(metric)
}

fn makespans(runs: &[Run]) -> Vec<u64> {
    runs.iter().map(|r| libm::round(get(r, "makespan_s").expect("it ends") * 1e9) as u64).collect()
}

/// The metrics of two lists of runs are equal, run by run.
fn assert_equal(a: &[Run], b: &[Run], metrics: &[&str]) {
    assert_eq!(a.len(), b.len());
    for (r, (a, b)) in a.iter().zip(b).enumerate() {
        for metric in metrics {
            assert_eq!(get(a, metric), get(b, metric), "{metric} of replication {r}");
        }
    }
}

fn all_metrics() -> Vec<&'static str> {
    delm_sim::experiment::metrics::METRICS.iter().map(|m| m.name).collect()
}

fn sum(runs: &[Run], metric: &str) -> f64 {
    runs.iter().filter_map(|r| get(r, metric)).sum()
}

#[test]
fn solvers_that_share_nothing_are_independent_agents() {
    let scenario = load(SEARCH, &["policy.delm-solvers.store=\"none\""]);
    for n in [1, 4] {
        let (off, independent) = (runs(&scenario, "delm-solvers", n), runs(&scenario, "independent", n));
        assert_equal(&off, &independent, &all_metrics());
        assert!(off.iter().zip(&independent).all(|(a, b)| a.digest == b.digest));
        let on = runs(&load(SEARCH, &[]), "delm-solvers", n);
        assert!(sum(&on, "board_read_tokens") > 0.0);
    }
}

#[test]
fn a_gate_that_passes_everything_changes_no_answer_and_costs() {
    let always = ["sharing.true_positive_rate=1.0", "sharing.false_positive_rate=1.0"];
    let outcome = ["avg_at_1", "pass", "details_arrived", "misled"];
    for (text, policy) in [(DIVIDE, "delm-queue"), (SEARCH, "delm-solvers")] {
        let with = |gate: &str| {
            let gate = format!("policy.{policy}.gate=\"{gate}\"");
            runs(&load(text, &[&always[..], &[gate.as_str()][..]].concat()), policy, 4)
        };
        let (llm, none) = (with("llm"), with("none"));
        assert_equal(&llm, &none, &outcome);
        assert!(sum(&llm, "cost_verification_usd") > sum(&none, "cost_verification_usd"), "{policy}");
        assert!(sum(&llm, "gate_rejected") == 0.0 && sum(&llm, "gate_admitted") > 0.0, "{policy}");
    }
}

#[test]
fn a_gate_has_nothing_to_gain_where_nothing_is_wrong_or_nothing_misleads() {
    let lossless =
        ["workload.divide.tokens_per_detail=0.0", "workload.divide.retention_ktokens=0.0", "sharing.contagion=0.0"];
    for off in ["workload.divide.unsupported=0.0", "sharing.misleads=0.0"] {
        let with = |gate: &str| {
            let set = [&lossless[..], &[off, "sharing.true_positive_rate=1.0", gate][..]].concat();
            runs(&load(DIVIDE, &set), "delm-queue", 4)
        };
        let (on, off) = (with("policy.delm-queue.gate=\"llm\""), with("policy.delm-queue.gate=\"none\""));
        assert_equal(&on, &off, &["avg_at_1", "details_arrived"]);
    }
}

#[test]
fn a_solver_alone_pays_for_its_board_and_gets_nothing() {
    let scenario = load(SEARCH, &["all_policies.window_tokens=\"unlimited\""]);
    let (single, alone) = (runs(&scenario, "single", 1), runs(&scenario, "delm-solvers", 1));
    assert_equal(&single, &alone, &["avg_at_1", "pass", "distinct_hypotheses", "calls", "makespan_s"]);
    for (a, b) in single.iter().zip(&alone) {
        for metric in ["prompt_tokens", "cost_per_task_usd"] {
            assert!(get(a, metric) <= get(b, metric), "{metric}");
        }
    }
    assert!(sum(&single, "cost_per_task_usd") < sum(&alone, "cost_per_task_usd"));
}

#[test]
fn equal_subtasks_in_one_wave_leave_nothing_to_balance() {
    let scenario = Scenario::load(&example("no-advantage.toml"), &Overrides::default()).unwrap();
    let scenario = Scenario { replications: 30, ..scenario };
    for n in scenario.agents.clone() {
        let all: Vec<Vec<u64>> = scenario.policies.iter().map(|p| makespans(&runs(&scenario, p, n))).collect();
        assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "N = {n}: {:?}", scenario.policies);
    }
}

#[test]
fn a_pull_queue_with_one_wave_takes_as_long_as_a_round() {
    let scenario = Scenario::load(&example("oracles/pull-against-rounds.toml"), &Overrides::default()).unwrap();
    let scenario = Scenario { replications: 40, ..scenario };
    let (pull, rounds) = (runs(&scenario, "map-reduce", 64), runs(&scenario, "orchestrator-parallel", 64));
    assert_eq!(makespans(&pull), makespans(&rounds));
    let (pull, rounds) = (runs(&scenario, "map-reduce", 8), runs(&scenario, "orchestrator-parallel", 8));
    assert!(makespans(&pull).iter().zip(makespans(&rounds)).all(|(p, r)| *p <= r), "rounds never finish sooner");
}

fn example(name: &str) -> String {
    format!("{}/scenarios/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Independent subtasks of random length and nothing else that takes time.
const BAG: [&str; 3] =
    ["workload.divide.second_wave={ constant = 0 }", "all_policies.ask_more=false", "replications=80"];

#[test]
fn more_slots_agents_or_speed_never_lengthen_a_bag_of_independent_work() {
    for policy in ["map-reduce", "orchestrator-async", "delm-queue"] {
        let with = |n: u32, change: &str| {
            let set = [&BAG[..], &[change, "policy.delm-queue.gate=\"none\""][..]].concat();
            makespans(&runs(&load(DIVIDE, &set), policy, n))
        };
        let slots = [1, 2, 3, 5].map(|slots| with(6, &format!("endpoints.model.slots={slots}")));
        let agents = [1, 2, 3, 6, 12].map(|n| with(n, "tasks=1"));
        let speed = ["6.0", "5.0", "0.5"].map(|base| with(3, &format!("endpoints.model.base_s={base}")));
        for (what, series) in [("slots", &slots[..]), ("agents", &agents[..]), ("speed", &speed[..])] {
            for pair in series.windows(2) {
                assert!(pair[0].iter().zip(&pair[1]).all(|(less, more)| more <= less), "{policy}: {what}");
            }
        }
    }
}

#[test]
fn queues_that_never_idle_stay_within_grahams_bounds() {
    let overheads = ["all_policies.ask_more=false", "all_policies.gate=\"none\"", "replications=80"];
    for (policy, chained) in [("map-reduce", true), ("delm-queue", true), ("orchestrator-async", false)] {
        let wave = if chained { "workload.divide.fan_in=3" } else { BAG[0] };
        let scenario = load(DIVIDE, &[&overheads[..], &[wave][..]].concat());
        // One agent does all the work; with an agent per subtask only the longest chain is left.
        let (total, chain) = (makespans(&runs(&scenario, policy, 1)), makespans(&runs(&scenario, policy, 17)));
        for n in [2, 3, 4, 8] {
            for (r, makespan) in makespans(&runs(&scenario, policy, n)).into_iter().enumerate() {
                let (n, t) = (f64::from(n), makespan as f64);
                let (total, chain) = (total[r] as f64, chain[r] as f64);
                let least = (total / n).max(chain);
                let most = total / n + (1.0 - 1.0 / n) * chain;
                assert!(least <= t + 1.0 && t <= most + 1.0, "{policy}, N = {n}: {least} <= {t} <= {most}");
            }
        }
    }
}

/// A cell's policy, size, and the bits of every metric's values.
type Bits = (String, u32, Vec<(&'static str, Vec<u64>)>);

/// A study's numbers per policy and size.
fn numbers(scenario: &Scenario, jobs: usize) -> Vec<Bits> {
    let study = conduct(scenario, &Options { jobs, ..Options::default() }).unwrap();
    let mut cells: Vec<_> = study
        .cells
        .into_iter()
        .map(|c| {
            let series = c.series.into_iter().map(|s| (s.metric, s.values.iter().map(|v| v.to_bits()).collect()));
            (c.policy, c.agents, series.collect())
        })
        .collect();
    cells.sort();
    cells
}

#[test]
fn neither_jobs_nor_other_policies_nor_their_order_change_a_number() {
    for text in [SEARCH, DIVIDE] {
        let scenario = Scenario { replications: 20, tasks: 2, ..load(text, &[]) };
        let all = numbers(&scenario, 1);
        assert_eq!(all, numbers(&scenario, 2), "jobs");
        let mut reversed = scenario.clone();
        reversed.policies.reverse();
        reversed.agents.reverse();
        assert_eq!(all, numbers(&reversed, 2), "order");
        for policy in &scenario.policies {
            let alone = Scenario { policies: vec![policy.clone()], agents: vec![4], ..scenario.clone() };
            let expected: Vec<_> = all.iter().filter(|c| c.0 == *policy && c.1 == 4).cloned().collect();
            assert_eq!(expected, numbers(&alone, 1), "{policy} alone");
        }
        let more = Scenario { replications: 25, ..scenario.clone() };
        for (few, many) in all.iter().zip(numbers(&more, 2)) {
            for ((metric, few), (_, many)) in few.2.iter().zip(&many.2) {
                assert!(many.starts_with(few), "{metric}: further replications come behind those there");
            }
        }
    }
}

/// Agents of `independent` wait for nobody, so the only server is busy from the first call to the last.
#[test]
fn a_shared_server_does_the_work_of_a_queue_in_the_same_time() {
    let quiet = ["endpoints.model.cache.enabled=false", "endpoints.model.completion_s_per_token=0.01"];
    for n in [1, 2, 4, 7] {
        let with = |how: &[&str]| runs(&load(SEARCH, &[&quiet[..], how].concat()), "independent", n);
        let queue = with(&["endpoints.model.slots=1"]);
        for slots in ["2", "\"unlimited\""] {
            let slots = format!("endpoints.model.slots={slots}");
            let shared = with(&["endpoints.model.stream_slowdown=1.0", &slots]);
            assert_equal(&queue, &shared, &["avg_at_1", "calls", "completion_tokens"]);
            for (a, b) in makespans(&queue).into_iter().zip(makespans(&shared)) {
                // Rounding loses less than a nanosecond per change of the number of streams.
                assert!(a.abs_diff(b) < 100_000, "{n} agents, {slots}: {a} ns in a queue, {b} ns shared");
            }
        }
    }
}

#[test]
fn a_call_alone_is_slowed_by_nobody() {
    for text in [SEARCH, DIVIDE] {
        let slow = runs(&load(text, &["endpoints.model.stream_slowdown=1.5"]), "single", 1);
        let plain = runs(&load(text, &[]), "single", 1);
        assert_equal(&slow, &plain, &all_metrics());
        assert!(slow.iter().zip(&plain).all(|(a, b)| a.digest == b.digest));
    }
}

#[test]
fn a_timeout_counts_time_on_the_wall() {
    let mut missed = Vec::new();
    // Alone a call takes 5 s; beside three others 20 s.
    for timeout in ["4.9", "19.9", "20.1"] {
        let timeout = format!("endpoints.model.timeout_s={timeout}");
        let set = ["endpoints.model.stream_slowdown=1.0", "endpoints.model.noise={ constant = 1.0 }", &timeout];
        missed.push([1, 4].map(|n| sum(&runs(&load(SEARCH, &set), "independent", n), "failed_calls") > 0.0));
    }
    assert_eq!(missed, [[true, true], [false, true], [false, false]]);
}
