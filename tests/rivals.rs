//! Rivals in their best form: one agent with all budgets, runs side by side, references to artifacts, and one
//! submission picked out of several. What must be equal is equal run by run; what is drawn agrees within its interval.

use delm_sim::experiment::replication::{Point, Run, Sinks};
use delm_sim::experiment::{Overrides, Scenario};

const ENDPOINTS: &str = r#"
[endpoints.model]
base_s = 5.0
completion_s_per_token = 0.001
noise = { lognormal = { mean = 1.0, sigma = 0.6 } }
[endpoints.model.price.rates]
input_usd_per_mtok = 5.0
cache_read_usd_per_mtok = 0.5
cache_write_usd_per_mtok = 6.25
output_usd_per_mtok = 25.0
[roles]
default = "model"
"#;

const HEAD: &str = r#"version = 1
name = "rivals"
question = "What can a rival do at its best?"
replications = 60
agents = [1, 4]
policies = ["independent"]
baseline = "independent"
"#;

const SEARCH: &str = "[workload.search]\n";
const DIVIDE: &str = "[workload.divide]\n";

fn load(text: &str, policy: &str, set: &[&str]) -> Scenario {
    let overrides = Overrides {
        set: set.iter().map(ToString::to_string).collect(),
        policies: Some(vec![policy.to_owned()]),
        baseline: Some(policy.to_owned()),
        ..Overrides::default()
    };
    Scenario::parse("rivals.toml", &format!("{HEAD}{text}{ENDPOINTS}"), None, &overrides)
        .unwrap_or_else(|e| panic!("{e}"))
}

fn runs(text: &str, policy: &str, agents: u32, set: &[&str]) -> Vec<Run> {
    let scenario = load(text, policy, set);
    let point = Point::new(&scenario, policy, agents).unwrap();
    (0..u64::from(scenario.replications)).map(|r| point.run(r, Sinks::default()).unwrap()).collect()
}

fn of(runs: &[Run], metric: &str) -> Vec<f64> {
    runs.iter().map(|run| run.measures.get(metric).unwrap_or(f64::NAN)).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The sum over the runs that have the metric.
fn sum(runs: &[Run], metric: &str) -> f64 {
    runs.iter().filter_map(|run| run.measures.get(metric)).sum()
}

/// Two lists of runs agree in the mean: their paired difference lies within 4 of its standard errors of 0.
fn assert_close(a: &[f64], b: &[f64], what: &str) {
    let difference: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    let middle = mean(&difference);
    let n = difference.len() as f64;
    let error = (difference.iter().map(|d| (d - middle) * (d - middle)).sum::<f64>() / (n - 1.0) / n).sqrt();
    assert!(middle.abs() <= 4.0 * error + 1e-12, "{what}: {middle} +- {error}");
}

#[test]
fn a_run_of_one_is_the_policy_itself() {
    for policy in ["orchestrator-sequential", "orchestrator-parallel", "delm-solvers"] {
        let attempts = format!("independent-of({policy})");
        let (one, alone) = (runs(SEARCH, &attempts, 1, &[]), runs(SEARCH, policy, 1, &[]));
        assert!(one.iter().zip(&alone).all(|(a, b)| a.digest == b.digest), "{policy}");
    }
}

#[test]
fn attempts_of_a_team_of_one_are_as_many_as_the_team() {
    let independent = runs(SEARCH, "independent", 4, &[]);
    for policy in ["single", "independent", "single-long", "orchestrator-sequential"] {
        let attempts = runs(SEARCH, &format!("independent-of({policy})"), 4, &[]);
        assert_eq!(of(&attempts, "pass"), of(&independent, "pass"), "{policy}");
    }
}

#[test]
fn runs_side_by_side_never_hear_of_each_other() {
    // One solver reads only its own board: four of them are four independent agents.
    let (apart, never) = (runs(SEARCH, "independent-of(delm-solvers)", 4, &[]), runs(SEARCH, "independent", 4, &[]));
    assert_eq!(of(&apart, "avg_at_1"), of(&never, "avg_at_1"));
    let together = runs(SEARCH, "delm-solvers", 4, &[]);
    assert_ne!(of(&together, "avg_at_1"), of(&never, "avg_at_1"));
    // The first run of a policy that is split is that policy alone, whatever else runs beside it.
    let set = ["policy.orchestrator-parallel.run_workers=2"];
    let (split, pair) = (runs(SEARCH, "orchestrator-parallel", 4, &set), runs(SEARCH, "orchestrator-parallel", 2, &[]));
    assert!(of(&split, "makespan_s").iter().zip(of(&pair, "makespan_s")).all(|(both, first)| *both >= first));
    assert!(of(&split, "first_success_or_last_s").iter().all(|t| t.is_finite()));
    let odd = runs(SEARCH, "orchestrator-parallel", 3, &set);
    let submissions = |runs: &[Run]| mean(&of(runs, "cost_per_task_usd")) / mean(&of(runs, "cost_per_submission_usd"));
    assert!((submissions(&odd) - 3.0).abs() < 1e-9 && (submissions(&split) - 4.0).abs() < 1e-9);
}

#[test]
fn one_agent_with_all_budgets_is_what_a_sequential_lead_is_without_losses() {
    let lossless = "workload.search.tokens_per_detail=0";
    let long = runs(SEARCH, "single-long", 4, &[lossless, "policy.single-long.max_delegations=100"]);
    let lead =
        runs(SEARCH, "orchestrator-sequential", 4, &[lossless, "policy.orchestrator-sequential.max_delegations=100"]);
    assert_eq!(of(&long, "pass"), of(&lead, "pass"));
    assert!(mean(&of(&long, "cost_per_task_usd")) < mean(&of(&lead, "cost_per_task_usd")));
    let single = runs(SEARCH, "single", 4, &[]);
    assert!(mean(&of(&long, "pass")) > mean(&of(&single, "pass")));
    assert_eq!(
        of(&runs(SEARCH, "single-long", 1, &[]), "makespan_s"),
        of(&runs(SEARCH, "single", 1, &[]), "makespan_s")
    );
}

#[test]
fn whoever_does_not_trust_its_own_line_reads_it_like_a_peer() {
    let certain = ["sharing.respect=1.0", "sharing.wrong_note=0.0"];
    for policy in ["single-long", "orchestrator-sequential", "delm-solvers"] {
        let trusting = runs(SEARCH, policy, 4, &certain);
        let reading = runs(SEARCH, policy, 4, &[&certain[..], &["sharing.own_line_trust=0.0"]].concat());
        assert_eq!(of(&trusting, "avg_at_1"), of(&reading, "avg_at_1"), "{policy}: who respects all needs no trust");
        let deaf = ["sharing.respect=0.0", "workload.search.hypotheses_per_delegation=2"];
        let trusting = runs(SEARCH, policy, 4, &deaf);
        let forgetting = runs(SEARCH, policy, 4, &[&deaf[..], &["sharing.own_line_trust=0.0"]].concat());
        let (with, without) = (mean(&of(&trusting, "avg_at_1")), mean(&of(&forgetting, "avg_at_1")));
        assert!(without < with, "{policy}: {without} < {with}");
    }
}

#[test]
fn references_lose_nothing_and_a_relay_that_loses_nothing_is_no_worse() {
    for (text, policy, metrics) in [
        (SEARCH, "orchestrator-parallel", &["avg_at_1", "distinct_hypotheses"][..]),
        (DIVIDE, "orchestrator-parallel", &["avg_at_1", "details_arrived", "misled"][..]),
    ] {
        let workload = if text == SEARCH { "search" } else { "divide" };
        let lossless = format!("workload.{workload}.tokens_per_detail=0");
        let report = format!("policy.{policy}.report_call=true");
        // A brief tells in another order than the results came: who herds or adopts follows whom it hears of first.
        let set = [&lossless[..], "sharing.herding=0.0", "sharing.adoption=0.0"];
        let set = if text == SEARCH { &set[..] } else { &set[..1] };
        let runs = |with: &[&str]| runs(text, policy, 4, &[set, with].concat());
        let stored = format!("policy.{policy}.store=\"artifacts\"");
        let (relay, artifacts) = (runs(&[&report]), runs(&[&stored]));
        for metric in metrics {
            assert_eq!(of(&relay, metric), of(&artifacts, metric), "{policy} {metric}");
        }
        // References are written, what they point to is read.
        let long = format!("policy.{policy}.reference_tokens=200");
        let longer = runs(&[&stored, &long]);
        assert!(mean(&of(&longer, "completion_tokens")) > mean(&of(&artifacts, "completion_tokens")));
        assert!(sum(&artifacts, "step_board_tokens") > 0.0);
    }
    // Where retelling loses, the original is worth more.
    let short = ["policy.orchestrator-parallel.brief_tokens=20", "sharing.respect=1.0"];
    let relay = runs(SEARCH, "orchestrator-parallel", 4, &short);
    let artifacts =
        runs(SEARCH, "orchestrator-parallel", 4, &["policy.orchestrator-parallel.store=\"artifacts\"", short[1]]);
    let repeated = |runs: &[Run]| 1.0 - sum(runs, "distinct_hypotheses") / sum(runs, "tried_hypotheses");
    assert!(repeated(&artifacts) < repeated(&relay), "{} < {}", repeated(&artifacts), repeated(&relay));
}

#[test]
fn the_first_ends_the_others() {
    let (first, each) =
        (runs(SEARCH, "independent", 4, &["policy.independent.finish=\"first\""]), runs(SEARCH, "independent", 4, &[]));
    for (first, each) in first.iter().zip(&each) {
        let get = |run: &Run, metric| run.measures.get(metric).unwrap();
        assert!(get(first, "makespan_s") < get(each, "last_worker_s"));
        assert!(get(first, "cost_per_task_usd") < get(each, "cost_per_task_usd"));
        assert_eq!(get(first, "pass"), get(first, "avg_at_1"), "one is handed in");
        // Who is right first is not always first.
        assert!(get(first, "pass") <= get(each, "pass"));
    }
    assert!(mean(&of(&first, "pass")) < mean(&of(&each, "pass")));
    // A board's notes may stand before a judge when the first is through.
    let judged = ["policy.delm-solvers.finish=\"first\"", "policy.delm-solvers.gate=\"llm\""];
    assert!(of(&runs(SEARCH, "delm-solvers", 4, &judged), "pass").iter().all(|p| p.is_finite()));
}

#[test]
fn a_judge_that_never_errs_is_the_oracle_and_one_that_errs_picks_as_pass_by_judge_says() {
    let judge = "policy.independent.finish=\"judge\"";
    let perfect = ["sharing.true_positive_rate=1.0", "sharing.false_positive_rate=0.0"];
    for text in [SEARCH, DIVIDE] {
        let each = runs(text, "independent", 4, &perfect);
        let picked = runs(text, "independent", 4, &[&perfect[..], &[judge]].concat());
        assert_eq!(of(&picked, "pass"), of(&each, "pass"));
        assert_eq!(of(&each, "pass_by_judge"), of(&each, "pass"));
        let many = "replications=600";
        let (each, picked) = (runs(text, "independent", 4, &[many]), runs(text, "independent", 4, &[many, judge]));
        assert_close(&of(&each, "pass_by_judge"), &of(&picked, "pass"), "judge");
        assert!(mean(&of(&picked, "pass")) < mean(&of(&each, "pass")));
        let longer = runs(text, "independent", 4, &[judge, "policy.independent.candidate_tokens=9000"]);
        assert!(mean(&of(&longer, "prompt_tokens")) > mean(&of(&picked[..longer.len()], "prompt_tokens")));
    }
}

#[test]
fn a_vote_picks_as_pass_by_vote_says() {
    let (many, vote) = ("replications=600", "policy.independent.finish=\"vote\"");
    for (text, set) in [
        (SEARCH, "workload.search.wrong_answers=0"),
        (SEARCH, "workload.search.wrong_answers=2"),
        (DIVIDE, "workload.divide.wrong_answers=3"),
    ] {
        let (each, picked) =
            (runs(text, "independent", 5, &[many, set]), runs(text, "independent", 5, &[many, set, vote]));
        assert_close(&of(&each, "pass_by_vote"), &of(&picked, "pass"), set);
        assert!(mean(&of(&picked, "pass")) < mean(&of(&each, "pass")), "{set}");
        assert_eq!(of(&each, "makespan_s"), of(&picked, "makespan_s"), "a vote takes no time");
    }
    // Of two, a vote is a lot.
    let two = runs(SEARCH, "independent", 2, &[many]);
    assert_close(&of(&two, "pass_by_vote"), &of(&two, "avg_at_1"), "two");
}

#[test]
fn what_cannot_act_is_a_fault() {
    let fault = |text: &str, policy: &str, set: &str| {
        let overrides = Overrides {
            set: vec![set.to_owned()],
            policies: Some(vec![policy.to_owned()]),
            baseline: Some(policy.to_owned()),
            ..Overrides::default()
        };
        Scenario::parse("rivals.toml", &format!("{HEAD}{text}{ENDPOINTS}"), None, &overrides).unwrap_err().to_string()
    };
    for (text, policy, set, said) in [
        (DIVIDE, "map-reduce", "policy.map-reduce.run_workers=1", "on `search` only"),
        (SEARCH, "independent", "policy.independent.run_workers=1", "not read"),
        (SEARCH, "delm-solvers", "policy.delm-solvers.store=\"artifacts\"", "need a lead"),
        (SEARCH, "independent", "policy.independent.candidate_tokens=10", "finish = \"judge\""),
        (DIVIDE, "map-reduce", "policy.map-reduce.finish=\"vote\"", "comes to finish"),
        (SEARCH, "independent-of(nobody)", "seed=1", "unknown policy \"nobody\""),
        (DIVIDE, "independent-of(map-reduce)", "seed=1", "on `search` only"),
    ] {
        let told = fault(text, policy, set);
        assert!(told.contains(said), "{policy} {set}: {told}");
    }
}
