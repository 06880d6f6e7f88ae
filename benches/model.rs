//! The whole model: policy, workload, endpoints, trace and metrics together. A record is a line of the trace; an event
//! is an entry taken from the calendar.

#![allow(clippy::disallowed_methods, reason = "a bench measures time")]

use criterion::Criterion;
use delm_sim::experiment::replication::{Point, Sinks};
use delm_sim::experiment::{Overrides, Scenario};
use delm_sim::record::Summary;
use std::cell::RefCell;
use std::time::{Duration, Instant};

const ENDPOINTS: &str = r#"
[endpoints.model]
base_s = 4.0
completion_s_per_token = 0.01
noise = { lognormal = { mean = 1.0, sigma = 0.5 } }
[endpoints.model.price.rates]
input_usd_per_mtok = 5.0
cache_read_usd_per_mtok = 0.5
cache_write_usd_per_mtok = 6.25
output_usd_per_mtok = 25.0
[endpoints.tool]
base_s = 2.0
[roles]
default = "model"
tool = "tool"
"#;

struct Case {
    name: &'static str,
    policy: &'static str,
    agents: u32,
    workload: &'static str,
}

const CASES: [Case; 4] = [
    Case {
        name: "queue of 1,000, 20,000 subtasks",
        policy: "delm-queue",
        agents: 1000,
        workload: "[workload.divide]\nsubtasks = { constant = 20000 }\nsecond_wave = { constant = 0 }\nunsupported = 0.0",
    },
    Case {
        name: "the same, 12 % unsupported",
        policy: "delm-queue",
        agents: 1000,
        workload: "[workload.divide]\nsubtasks = { constant = 20000 }\nsecond_wave = { constant = 0 }\nunsupported = 0.12",
    },
    Case {
        name: "map-reduce of 1,000, 20,000 subtasks",
        policy: "map-reduce",
        agents: 1000,
        workload: "[workload.divide]\nsubtasks = { constant = 20000 }\nsecond_wave = { constant = 0 }\nunsupported = 0.0",
    },
    Case { name: "64 solvers", policy: "delm-solvers", agents: 64, workload: "[workload.search]" },
];

fn scenario(case: &Case) -> Scenario {
    let text = format!(
        "version = 1\nname = \"bench\"\nquestion = \"How fast?\"\nreplications = 1\nagents = [{}]\n\
         policies = [\"{}\"]\nbaseline = \"{}\"\n{}\n{ENDPOINTS}",
        case.agents, case.policy, case.policy, case.workload
    );
    Scenario::parse("bench.toml", &text, None, &Overrides::default()).unwrap_or_else(|e| panic!("{e}"))
}

/// Entries taken from the calendar: ends of tries, and arrivals. No case uses timers or limits.
fn events(s: &Summary) -> u64 {
    s.calls.iter().map(|c| c.answered + c.failed_tries).sum::<u64>() + s.tasks() as u64
}

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
        .sample_size(10)
        .configure_from_args();
    let mut rows = Vec::new();
    for case in &CASES {
        let scenario = scenario(case);
        let point = Point::new(&scenario, case.policy, case.agents).unwrap();
        let samples = RefCell::new(Vec::new());
        criterion.bench_function(case.name, |bencher| {
            bencher.iter_custom(|runs| {
                let start = Instant::now();
                let (mut records, mut popped) = (0, 0);
                for replication in 0..runs {
                    let (_, summary) = point.run_summed(replication, Sinks::default()).unwrap();
                    records += summary.records;
                    popped += events(&summary);
                }
                let elapsed = start.elapsed();
                samples.borrow_mut().push((records, popped, elapsed));
                elapsed
            });
        });
        rows.push((case.name, samples.into_inner()));
    }
    criterion.final_summary();
    println!("\nwhole model, metrics on, one thread (median of samples)");
    println!("{:<38} {:>14} {:>14} {:>12}", "case", "M records/s", "M events/s", "records/run");
    for (name, samples) in rows {
        let median = |rate: fn(&(u64, u64, Duration)) -> u64| {
            let mut rates: Vec<f64> = samples.iter().map(|s| rate(s) as f64 / s.2.as_secs_f64() / 1e6).collect();
            rates.sort_unstable_by(f64::total_cmp);
            rates.get(rates.len() / 2).copied().unwrap_or(f64::NAN)
        };
        let least = samples.iter().map(|s| s.0).min().unwrap_or(0);
        println!("{name:<38} {:>14.2} {:>14.2} {least:>12}", median(|s| s.0), median(|s| s.1));
    }
}
