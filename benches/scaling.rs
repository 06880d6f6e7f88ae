//! What a call costs the simulator, by form and team size. Cost per call must not grow with the team: everything that
//! happens touches who it concerns, never all members.
//!
//! `cargo bench --bench scaling [-- LARGEST [FORM]]` prints microseconds of wall time per call, the best of a few runs,
//! and the ratio of the largest team to the smallest.

#![allow(clippy::disallowed_methods, reason = "a bench measures time")]

use delm_sim::experiment::replication::{Point, Sinks};
use delm_sim::experiment::{Overrides, Scenario};
use std::time::Instant;

const SIZES: [u32; 3] = [1_000, 10_000, 100_000];

const ENDPOINTS: &str = r"
[endpoints.model]
base_s = 4.0
completion_s_per_token = 0.01
noise = { lognormal = { mean = 1.0, sigma = 0.5 } }
[endpoints.tool]
base_s = 2.0
[roles]
default = 'model'
tool = 'tool'
";

/// Form, workload, and what differs from the named policy.
const FORMS: &[(&str, &str, &str)] = &[
    ("independent", "search", ""),
    ("delm-solvers", "search", ""),
    ("delm-solvers", "search", "gate = 'llm'"),
    ("orchestrator-serial", "search", ""),
    ("orchestrator-serial", "search", "dispatch = 'pipelined'"),
    ("orchestrator-parallel", "search", ""),
    ("orchestrator-parallel", "search", "barrier = { k-of-n = { k = 100 } }"),
    ("orchestrator-async", "search", ""),
    ("independent", "divide", ""),
    ("map-reduce", "divide", ""),
    ("orchestrator-serial", "divide", ""),
    ("orchestrator-serial", "divide", "dispatch = 'pipelined'"),
    ("orchestrator-parallel", "divide", ""),
    ("orchestrator-async", "divide", ""),
    ("delm-queue", "divide", ""),
];

fn scenario(policy: &str, workload: &str, change: &str, agents: u32) -> Scenario {
    // A team of independent agents each does everything: few subtasks, so that the work grows with the team only.
    let workload = match (workload, policy) {
        ("search", _) => "[workload.search]".to_owned(),
        (_, "independent") => "[workload.divide]\nsubtasks = { constant = 4 }".to_owned(),
        _ => format!("[workload.divide]\nsubtasks = {{ constant = {} }}", 2 * agents),
    };
    let text = format!(
        "version = 1\nname = 'scaling'\nquestion = 'What does a call cost?'\nreplications = 1\nagents = [{agents}]\n\
         policies = ['p']\nbaseline = 'p'\n[policy.p]\nbased_on = '{policy}'\n{change}\n{workload}\n{ENDPOINTS}"
    );
    Scenario::parse("scaling.toml", &text, None, &Overrides::default()).unwrap_or_else(|e| panic!("{e}"))
}

/// Microseconds per call, the best of `runs`.
fn measure(policy: &str, workload: &str, change: &str, agents: u32) -> f64 {
    let scenario = scenario(policy, workload, change, agents);
    let point = Point::new(&scenario, "p", agents).unwrap_or_else(|e| panic!("{e}"));
    let mut best = f64::INFINITY;
    for replication in 0..if agents > 20_000 { 1 } else { 3 } {
        let start = Instant::now();
        let (_, summary) = point.run_summed(replication, Sinks::default()).unwrap_or_else(|e| panic!("{e}"));
        let elapsed = start.elapsed().as_secs_f64();
        let calls: u64 = summary.calls.iter().map(|c| c.answered + c.cancelled + c.failed).sum();
        best = best.min(elapsed * 1e6 / calls as f64);
    }
    best
}

fn main() {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let largest: u32 = words.next().and_then(|word| word.parse().ok()).unwrap_or(100_000);
    let only = words.next();
    let sizes: Vec<u32> = SIZES.into_iter().filter(|n| *n <= largest).collect();
    print!("{:<66}", "us per call");
    for n in &sizes {
        print!("{n:>10}");
    }
    println!("{:>8}", "ratio");
    for (policy, workload, change) in FORMS {
        let name = format!("{policy} on {workload} {change}");
        if only.as_ref().is_some_and(|only| !name.contains(only)) {
            continue;
        }
        print!("{name:<66}");
        let costs: Vec<f64> = sizes.iter().map(|n| measure(policy, workload, change, *n)).collect();
        for cost in &costs {
            print!("{cost:>10.2}");
        }
        println!("{:>8.2}", costs[costs.len() - 1] / costs[0]);
    }
}
