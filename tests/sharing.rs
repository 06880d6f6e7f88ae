//! Sharing can hurt: every mechanism by which it does acts, in the direction that its name says, and on readers alone.

use delm_sim::experiment::replication::{Point, Sinks};
use delm_sim::experiment::{Overrides, Scenario};

const SEARCH: &str = r#"version = 1
name = "search"
question = "What does reading do?"
replications = 150
agents = [4]
policies = ["single", "independent", "orchestrator-sequential", "orchestrator-parallel", "orchestrator-async", "delm-solvers"]
baseline = "independent"
[workload.search]
[endpoints.model]
base_s = 5.0
noise = { lognormal = { mean = 1.0, sigma = 0.6 } }
[endpoints.judge]
[roles]
default = "model"
verify = "judge"
"#;

const DIVIDE: &str = r#"version = 1
name = "divide"
question = "What does reading do?"
replications = 150
agents = [4]
policies = ["single", "independent", "map-reduce", "orchestrator-parallel", "orchestrator-async", "delm-queue"]
baseline = "map-reduce"
[workload.divide]
subtasks = { constant = 6 }
[endpoints.model]
base_s = 5.0
[roles]
default = "model"
"#;

fn load(text: &str, set: &[&str]) -> Scenario {
    let overrides = Overrides { set: set.iter().map(ToString::to_string).collect(), ..Overrides::default() };
    Scenario::parse("sharing.toml", text, None, &overrides).unwrap_or_else(|e| panic!("{e}"))
}

/// A metric of every replication.
fn values(text: &str, set: &[&str], policy: &str, metric: &str) -> Vec<f64> {
    let scenario = load(text, set);
    let point = Point::new(&scenario, policy, 4).unwrap();
    let run = |r| point.run(r, Sinks::default()).unwrap().measures.get(metric).expect("it is measured");
    (0..u64::from(scenario.replications)).map(run).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Off, at its strongest, and the metric that it lowers (or raises, where the sign is +).
struct Harm {
    text: &'static str,
    policy: &'static str,
    /// What else must be so for it to show.
    given: &'static [&'static str],
    key: &'static str,
    metric: &'static str,
    sign: f64,
}

const HARMS: &[Harm] = &[
    Harm {
        text: SEARCH,
        policy: "delm-solvers",
        given: &["sharing.respect=1.0", "sharing.adoption=0.0"],
        key: "sharing.wrong_note",
        metric: "avg_at_1",
        sign: -1.0,
    },
    Harm {
        text: SEARCH,
        policy: "delm-solvers",
        given: &["sharing.adoption=1.0"],
        key: "sharing.false_adoption_ratio",
        metric: "pass",
        sign: -1.0,
    },
    Harm {
        text: SEARCH,
        policy: "delm-solvers",
        given: &["sharing.adoption=0.0"],
        key: "sharing.herding",
        metric: "pass",
        sign: -1.0,
    },
    Harm {
        text: DIVIDE,
        policy: "delm-queue",
        given: &["sharing.false_positive_rate=0.5", "sharing.misleads=0.5"],
        key: "sharing.contagion",
        metric: "misled",
        sign: 1.0,
    },
    Harm {
        text: DIVIDE,
        policy: "delm-queue",
        given: &["workload.divide.unsupported=0.35"],
        key: "sharing.misleads",
        metric: "avg_at_1",
        sign: -1.0,
    },
    Harm {
        text: DIVIDE,
        policy: "delm-queue",
        given: &["workload.divide.unsupported=0.35"],
        key: "sharing.verifier_worker_error_correlation",
        metric: "misled",
        sign: 1.0,
    },
    Harm {
        text: SEARCH,
        policy: "delm-solvers",
        given: &["policy.delm-solvers.gate=\"llm\"", "sharing.wrong_note=0.5", "sharing.respect=1.0"],
        key: "sharing.verifier_worker_error_correlation",
        metric: "avg_at_1",
        sign: -1.0,
    },
];

#[test]
fn each_harm_does_harm_and_to_readers_alone() {
    for harm in HARMS {
        let with = |value: &str, policy: &str| {
            let edit = format!("{}={value}", harm.key);
            values(harm.text, &[harm.given, &[&edit]].concat(), policy, harm.metric)
        };
        let (off, on) = (mean(&with("0.0", harm.policy)), mean(&with("1.0", harm.policy)));
        assert!(harm.sign * (on - off) > 0.02, "{} of {}: {off} without, {on} with", harm.metric, harm.key);
        // Whose workers hear of nobody is not harmed. What a wrong claim does to the final answer is everybody's.
        if harm.key != "sharing.misleads" {
            let deaf = if harm.text == SEARCH { "independent" } else { "map-reduce" };
            assert_eq!(with("0.0", deaf), with("1.0", deaf), "{}", harm.key);
        }
    }
}

#[test]
fn a_judge_that_shares_the_author_s_view_adds_nothing_run_by_run() {
    let blind = "sharing.verifier_worker_error_correlation=1.0";
    for (text, policy) in [(DIVIDE, "delm-queue"), (SEARCH, "delm-solvers")] {
        let with = |gate: &str, metric: &str, correlation: &str| {
            let gate = format!("policy.{policy}.gate=\"{gate}\"");
            let wrong = if text == DIVIDE { "workload.divide.unsupported=0.35" } else { "sharing.wrong_note=0.3" };
            values(text, &[&gate, wrong, correlation], policy, metric)
        };
        for metric in ["avg_at_1", "pass"] {
            assert_eq!(with("llm", metric, blind), with("none", metric, blind), "{policy}");
        }
        let sharp = "sharing.verifier_worker_error_correlation=0.0";
        assert_ne!(with("llm", "avg_at_1", sharp), with("none", "avg_at_1", sharp), "{policy}: a gate does something");
        // Whoever knows the truth has no author's view to share.
        assert_eq!(with("oracle", "avg_at_1", blind), with("oracle", "avg_at_1", sharp), "{policy}");
    }
}

#[test]
fn longer_prompts_lose_under_every_policy() {
    for text in [SEARCH, DIVIDE] {
        for policy in load(text, &[]).policies {
            // On the same streams nobody is right more often by chance: a sign test over runs.
            let at = |loss: &str| {
                let edit = format!("sharing.length_loss_per_ktoken={loss}");
                values(
                    text,
                    &[&edit, "workload.divide.unsupported=0.3"][..if text == DIVIDE { 2 } else { 1 }],
                    &policy,
                    "avg_at_1",
                )
            };
            let (none, some, much) = (at("0.0"), at("0.02"), at("0.5"));
            assert!(mean(&none) >= mean(&some) && mean(&some) > mean(&much), "{policy}");
            let lower = none.iter().zip(&much).filter(|(a, b)| b < a).count();
            let higher = none.iter().zip(&much).filter(|(a, b)| b > a).count();
            assert!(lower > 4 * higher + 4, "{policy}: {lower} lower, {higher} higher");
        }
    }
}

#[test]
fn what_is_off_is_not_written_out_and_can_be_moved() {
    use delm_sim::experiment::parameters;
    let scenario = load(DIVIDE, &[]);
    for field in delm_sim::model::sharing::Sharing::OFF_AT_ZERO {
        assert!(!scenario.to_toml().contains(field), "{field} would change manifests");
        let path = format!("sharing.{field}");
        let listed = parameters(&scenario);
        let input = listed.iter().find(|p| p.path == path).unwrap_or_else(|| panic!("{path} is listed"));
        assert_eq!(input.value, "0");
        assert!(!input.prior.is_empty(), "{path} can be moved");
        let on = load(DIVIDE, &[&format!("{path}=0.25")]);
        assert!(on.to_toml().contains(&format!("{field} = 0.25")));
    }
}
