//! The null test of counterfactual replay: policies are recorded in simulation, each recording predicts every policy, and
//! the truth is the policy itself on the same seeds. Not one number of the prediction is allowed to come from there: what
//! was not recorded is drawn from other streams. The same from recordings without their header, as another program's log.

use delm_sim::experiment::replay::{Known, MEASURES, Prediction, Reading, RecordedRuns, counterfactual, predict};
use delm_sim::experiment::{Options, Overrides, Scenario, conduct};
use delm_sim::model::workload::WorkloadSpec;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

const DIVIDE: [&str; 5] =
    ["map-reduce", "orchestrator-sequential", "orchestrator-parallel", "orchestrator-async", "delm-queue"];
const SEARCH: [&str; 4] = ["independent", "orchestrator-sequential", "orchestrator-parallel", "delm-solvers"];
const AGENTS: u32 = 4;
const REPLICATIONS: u32 = 20;

fn overrides(policies: &[&str]) -> Overrides {
    Overrides {
        policies: Some(policies.iter().map(ToString::to_string).collect()),
        agents: Some(vec![AGENTS]),
        baseline: Some(policies[0].to_owned()),
        ..Overrides::default()
    }
}

/// Means of every policy on its own seeds, in the order of the measures.
fn truth(scenario: &str, policies: &[&str]) -> Vec<[f64; 4]> {
    let overrides = Overrides { replications: Some(REPLICATIONS), ..overrides(policies) };
    let study = conduct(&Scenario::load(scenario, &overrides).unwrap(), &Options::default()).unwrap();
    study.cells.iter().map(|cell| MEASURES.map(|metric| cell.mean(metric).unwrap())).collect()
}

fn delm_sim(folder: &Path, args: &[&str]) {
    let run = Command::new(env!("CARGO_BIN_EXE_delm-sim")).current_dir(folder).args(args).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}

fn record(scenario: &str, policy: &str, folder: &Path) -> RecordedRuns {
    let (agents, replications, file) = (AGENTS.to_string(), REPLICATIONS.to_string(), format!("{policy}.jsonl"));
    let what = ["run", scenario, "--policy", policy, "--baseline", policy, "--agents", &agents];
    let how = ["--replications", &replications, "--record", &file, "--output-dir", policy, "--overwrite", "-q"];
    delm_sim(folder, &[&what[..], &how[..]].concat());
    RecordedRuns::read(&folder.join(file)).unwrap()
}

/// The recording as another program's log, imported: calls with session, agent, purpose, predecessors, times, tokens and
/// dollars; without header, policy, answers and tool runs.
fn record_imported(scenario: &str, policy: &str, folder: &Path) -> RecordedRuns {
    record(scenario, policy, folder);
    let mut log = String::new();
    let (mut session, mut workers) = (0, 0);
    let mut tools: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for line in fs::read_to_string(folder.join(format!("{policy}.jsonl"))).unwrap().lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let number = |key: &str| line[key].as_u64().unwrap();
        if line["record"] == "run" {
            (session, workers) = (number("run"), number("workers"));
            tools.clear();
        }
        if line["record"] != "call" || line["status"] != "ok" {
            continue;
        }
        let released = line["released_by"].as_array().unwrap().iter().filter(|d| d["on"] == "completion");
        let before = released.map(|d| d["call"].as_u64().unwrap());
        let parents: Vec<u64> = before.flat_map(|c| tools.get(&c).cloned().unwrap_or_else(|| vec![c])).collect();
        if line["purpose"] == "tool" {
            tools.insert(number("call"), parents);
            continue;
        }
        let (start, usage) = (number("dispatched_ns"), &line["usage"]);
        let picodollars = line["cost"]["picodollars"].as_object().unwrap().values().map(|p| p.as_u64().unwrap());
        let agent = number("agent");
        let call = json!({
            "session": session.to_string(), "purpose": line["purpose"], "id": line["call"].to_string(),
            "agent": if agent < workers { format!("worker {agent}") } else { format!("lead {agent}") },
            "parents": parents.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "model": if line["endpoint"] == "judge" { "judge" } else { "worker" },
            "start": start as f64 / 1e9, "seconds": (number("completed_ns") - start) as f64 / 1e9,
            "tokens_in": usage["prompt_tokens"], "tokens_cached": usage["cached_tokens"],
            "tokens_out": usage["completion_tokens"], "usd": picodollars.sum::<u64>() as f64 * 1e-12,
        });
        log.extend([call.to_string(), "\n".to_owned()]);
    }
    fs::write(folder.join("log.jsonl"), log).unwrap();
    let fields =
        "prompt_tokens=tokens_in,cached_tokens=tokens_cached,completion_tokens=tokens_out,cost=usd,seconds=seconds";
    let args =
        ["import", "log.jsonl", "--format", "openai-log", "--map", fields, "-o", "imported.jsonl", "--overwrite"];
    delm_sim(folder, &args);
    RecordedRuns::read(&folder.join("imported.jsonl")).unwrap()
}

fn predicted(runs: &RecordedRuns, policies: &[&str]) -> Prediction {
    let made = counterfactual(runs, &Reading::default(), 0).unwrap();
    let overrides = overrides(policies);
    let scenario = made.changed("recorded", &overrides).unwrap();
    let study = conduct(&scenario, &Options::default()).unwrap();
    predict((runs, &Reading::default()), &made, &study, &overrides, 0).unwrap()
}

/// Errors of every prediction from every recording, and how many bounds hold the truth.
#[derive(Default)]
struct Matrix {
    null: f64,
    cross: Vec<f64>,
    held: usize,
    orders: (usize, usize),
}

impl Matrix {
    /// The error that so many of a hundred predictions stay below.
    fn below(&self, percent: usize) -> f64 {
        let mut errors = self.cross.clone();
        errors.sort_by(f64::total_cmp);
        errors[(errors.len() * percent / 100).min(errors.len() - 1)]
    }

    fn holds_nine_of_ten(&self) -> bool {
        self.held * 10 >= self.cross.len() * 9
    }
}

type Recorder = fn(&str, &str, &Path) -> RecordedRuns;

fn matrix(scenario: &str, policies: &[&str], record: Recorder) -> Matrix {
    let folder = tempfile::tempdir().unwrap();
    let truth = truth(scenario, policies);
    let mut matrix = Matrix::default();
    for (a, from) in policies.iter().enumerate() {
        let said = predicted(&record(scenario, from, folder.path()), policies);
        if said.null.known == Known::Named {
            assert_eq!(said.null.topology.policy, *from);
            for error in said.null.errors() {
                matrix.null = matrix.null.max(error.expect("all is known of an own recording").abs());
            }
        }
        for (b, row) in said.rows.iter().enumerate() {
            for (m, estimate) in row.estimates.iter().enumerate() {
                let estimate = estimate.expect("all is known of these recordings");
                let error = (estimate.mean / truth[b][m] - 1.0).abs();
                if a == b {
                    matrix.null = matrix.null.max(error);
                } else {
                    matrix.cross.push(error);
                    matrix.held += usize::from((estimate.low..=estimate.high).contains(&truth[b][m]));
                }
                println!(
                    "{from} -> {} {}: {:.4} [{:.4}, {:.4}], truth {:.4}",
                    row.policy, MEASURES[m], estimate.mean, estimate.low, estimate.high, truth[b][m]
                );
            }
        }
        for b in 0..policies.len() {
            for c in 0..b {
                let said = |i: usize| said.rows[i].estimates[0].unwrap().mean;
                matrix.orders.1 += 1;
                matrix.orders.0 += usize::from((said(b) < said(c)) == (truth[b][0] < truth[c][0]));
            }
        }
    }
    println!(
        "{scenario}: null {:.2e}, cross {:.3}, nine of ten {:.3}, bounds hold {} of {}, orders {} of {}",
        matrix.null,
        matrix.below(100),
        matrix.below(90),
        matrix.held,
        matrix.cross.len(),
        matrix.orders.0,
        matrix.orders.1
    );
    matrix
}

#[test]
fn recorded_subtasks_predict_what_was_run_and_what_was_not() {
    let found = matrix("multi-doc-qa", &DIVIDE, record);
    assert!(found.null < 1e-9, "null {}", found.null);
    assert!(found.below(100) < 0.15, "cross {}", found.below(100));
    assert!(found.holds_nine_of_ten(), "bounds hold the truth in {} of {}", found.held, found.cross.len());
    assert!(found.orders.0 * 50 >= found.orders.1 * 47, "orders {:?}", found.orders);
}

#[test]
fn recorded_attempts_predict_what_was_run_and_what_was_not() {
    let found = matrix("swe-verified", &SEARCH, record);
    assert!(found.null < 1e-9, "null {}", found.null);
    assert!(found.below(100) < 0.15, "cross {}", found.below(100));
    assert!(found.holds_nine_of_ten(), "bounds hold the truth in {} of {}", found.held, found.cross.len());
    assert!(found.orders.0 * 50 >= found.orders.1 * 48, "orders {:?}", found.orders);
}

#[test]
fn imported_subtasks_predict_what_was_run_and_bound_what_was_not() {
    let found = matrix("multi-doc-qa", &DIVIDE, record_imported);
    assert!(found.null < 0.08, "null {}", found.null);
    assert!(found.below(90) < 0.2, "nine of ten {}", found.below(90));
    assert!(found.holds_nine_of_ten(), "bounds hold the truth in {} of {}", found.held, found.cross.len());
    assert!(found.orders.0 * 50 >= found.orders.1 * 47, "orders {:?}", found.orders);
}

#[test]
fn imported_attempts_predict_what_was_run() {
    let folder = tempfile::tempdir().unwrap();
    for policy in ["orchestrator-sequential", "orchestrator-parallel"] {
        let found = predicted(&record_imported("swe-verified", policy, folder.path()), &[policy]);
        let truth = truth("swe-verified", &[policy])[0];
        for ((estimate, truth), measure) in found.rows[0].estimates.iter().zip(truth).zip(MEASURES) {
            let error = estimate.unwrap().mean / truth - 1.0;
            assert!(error.abs() < 0.05, "{policy} {measure}: {error}");
        }
    }
}

/// Runs in which nobody found the solution are harder than others: so are the worlds that agree with them.
#[test]
fn worlds_agree_with_what_was_recorded() {
    let folder = tempfile::tempdir().unwrap();
    record("swe-verified", "independent", folder.path());
    let text = fs::read_to_string(folder.path().join("independent.jsonl")).unwrap();
    let (mut kept, mut run, mut numbers) = (String::new(), Vec::new(), Vec::new());
    for line in text.lines() {
        let value: Value = serde_json::from_str(line).unwrap();
        match value["record"].as_str().unwrap() {
            "header" => kept.extend([line, "\n"]),
            _ => run.push((line.to_owned(), value)),
        }
        if run.last().is_some_and(|(_, value)| value["record"] == "end") {
            let failed =
                run.iter().any(|(_, v)| v["record"] == "finish" && v["right"] == json!([false, false, false, false]));
            if failed {
                numbers.push(run[0].1["replication"].as_u64().unwrap() as usize);
                kept.extend(run.iter().map(|(line, _)| format!("{line}\n")));
            }
            run.clear();
        }
    }
    assert!((3..15).contains(&numbers.len()), "{numbers:?}");
    fs::write(folder.path().join("failed.jsonl"), kept).unwrap();
    let runs = RecordedRuns::read(&folder.path().join("failed.jsonl")).unwrap();
    let said = predicted(&runs, &["delm-solvers"]).rows[0].estimates[0].unwrap();
    let overrides = Overrides { replications: Some(REPLICATIONS), ..overrides(&["delm-solvers"]) };
    let study = conduct(&Scenario::load("swe-verified", &overrides).unwrap(), &Options::default()).unwrap();
    let all = &study.cells[0].get("makespan_s").unwrap().values;
    let truth = numbers.iter().map(|r| all[*r]).sum::<f64>() / numbers.len() as f64;
    let any = all.iter().sum::<f64>() / all.len() as f64;
    println!("said {said:?}, truth {truth}, of any {any}");
    assert!((said.low..=said.high).contains(&truth), "{said:?} does not hold {truth}");
    assert!((said.mean - truth).abs() < (any - truth).abs() / 2.0, "{} is no nearer to {truth} than {any}", said.mean);

    // The same worlds whatever the number of jobs, and none of the recording's own seed.
    let made = |jobs| counterfactual(&runs, &Reading::default(), jobs).unwrap().scenario;
    assert_eq!(made(1), made(2));
    assert_ne!(made(1).seed, study.scenario.seed);
    assert!(matches!(made(1).workload, WorkloadSpec::Search(_)));
}
