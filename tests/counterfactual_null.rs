//! The null test of counterfactual replay: policies are recorded in simulation, each recording predicts every policy, and
//! the truth is the policy itself on the same seeds. Not one number of the prediction is allowed to come from there: what
//! was not recorded is drawn from other streams.

use delm_sim::experiment::replay::{MEASURES, Prediction, Reading, RecordedRuns, counterfactual, predict};
use delm_sim::experiment::{Options, Overrides, Scenario, conduct};
use std::path::Path;
use std::process::Command;

const DIVIDE: [&str; 5] =
    ["map-reduce", "orchestrator-sequential", "orchestrator-parallel", "orchestrator-async", "delm-queue"];
const SEARCH: [&str; 4] = ["independent", "orchestrator-parallel", "orchestrator-async", "delm-solvers"];
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

fn record(scenario: &str, policy: &str, folder: &Path) -> RecordedRuns {
    let (agents, replications) = (AGENTS.to_string(), REPLICATIONS.to_string());
    let run = Command::new(env!("CARGO_BIN_EXE_delm-sim"))
        .current_dir(folder)
        .args(["run", scenario, "--policy", policy, "--baseline", policy, "--agents", &agents])
        .args(["--replications", &replications, "--record", &format!("{policy}.jsonl"), "--output-dir", policy, "-q"])
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    RecordedRuns::read(&folder.join(format!("{policy}.jsonl"))).unwrap()
}

fn predicted(runs: &RecordedRuns, policies: &[&str]) -> Prediction {
    let made = counterfactual(runs, &Reading::default()).unwrap();
    let overrides = overrides(policies);
    let scenario = made.changed("recorded", &overrides).unwrap();
    let study = conduct(&scenario, &Options::default()).unwrap();
    predict((runs, &Reading::default()), &made, &study, &overrides, 0).unwrap()
}

/// Errors of every prediction from every recording, and how many bounds hold the truth.
struct Matrix {
    null: f64,
    cross: f64,
    held: usize,
    cells: usize,
    orders: (usize, usize),
}

fn matrix(scenario: &str, policies: &[&str]) -> Matrix {
    let folder = tempfile::tempdir().unwrap();
    let truth = truth(scenario, policies);
    let mut matrix = Matrix { null: 0.0, cross: 0.0, held: 0, cells: 0, orders: (0, 0) };
    for (a, from) in policies.iter().enumerate() {
        let said = predicted(&record(scenario, from, folder.path()), policies);
        assert_eq!(said.null.topology.policy, *from);
        for error in said.null.errors() {
            matrix.null = matrix.null.max(error.expect("all is known of an own recording").abs());
        }
        for (b, row) in said.rows.iter().enumerate() {
            for (m, estimate) in row.estimates.iter().enumerate() {
                let estimate = estimate.expect("all is known of an own recording");
                let error = (estimate.mean / truth[b][m] - 1.0).abs();
                if a == b {
                    matrix.null = matrix.null.max(error);
                } else {
                    matrix.cross = matrix.cross.max(error);
                    matrix.cells += 1;
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
        "{scenario}: null {:.2e}, cross {:.3}, bounds hold {} of {}, orders {} of {}",
        matrix.null, matrix.cross, matrix.held, matrix.cells, matrix.orders.0, matrix.orders.1
    );
    matrix
}

#[test]
fn recorded_subtasks_predict_what_was_run_and_what_was_not() {
    let found = matrix("multi-doc-qa", &DIVIDE);
    assert!(found.null < 1e-9, "null {}", found.null);
    assert!(found.cross < 0.15, "cross {}", found.cross);
    assert!(found.held * 10 >= found.cells * 9, "bounds hold the truth in {} of {}", found.held, found.cells);
    assert!(found.orders.0 * 50 >= found.orders.1 * 47, "orders {:?}", found.orders);
}

#[test]
fn recorded_attempts_predict_what_was_run() {
    let found = matrix("swe-verified", &SEARCH);
    assert!(found.null < 1e-9, "null {}", found.null);
    assert!(found.held * 10 >= found.cells * 9, "bounds hold the truth in {} of {}", found.held, found.cells);
}
