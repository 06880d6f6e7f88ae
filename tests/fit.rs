//! Null test of fitting: a row that was made with known parameters gives them back.

use delm_sim::experiment::fit::{FitError, Free, Reached, Row, fit};
use delm_sim::experiment::replication::{Point, Sinks};
use delm_sim::experiment::{Overrides, Scenario, ScenarioError};

const REPLICATIONS: u32 = 400;

fn load(edits: &[String]) -> Result<Scenario, ScenarioError> {
    let set = edits.to_vec();
    Scenario::load("multi-doc-qa", &Overrides { set, replications: Some(REPLICATIONS), ..Overrides::default() })
}

fn made_with(edits: &[&str], policy: &str, agents: u32) -> Row {
    let edits: Vec<String> = edits.iter().map(|e| (*e).to_owned()).collect();
    let scenario = load(&edits).expect("the edits make a scenario");
    let point = Point::new(&scenario, policy, agents).expect("the point exists");
    let right: f64 = (0..u64::from(REPLICATIONS))
        .map(|r| point.run(r, Sinks::default()).expect("the run ends"))
        .map(|run| run.measures.get("pass").expect("runs have it"))
        .sum();
    let value = right / f64::from(REPLICATIONS);
    Row { policy: policy.to_owned(), agents, metric: "pass".to_owned(), value }
}

fn free(path: &str, low: f64, high: f64) -> Free {
    Free { path: path.to_owned(), low, high }
}

#[test]
fn a_row_made_with_known_parameters_gives_them_back() {
    let truth = ["workload.divide.answerable=0.7", "workload.divide.retention_ktokens=60.0"];
    let rows = [made_with(&truth, "delm-queue", 2), made_with(&truth, "single", 1)];
    let free = [free("workload.divide.answerable", 0.4, 0.95), free("workload.divide.retention_ktokens", 5.0, 500.0)];
    let fitted = fit(&load, &rows, &free, REPLICATIONS).expect("the fit runs");
    assert!(fitted.iter().all(|f| f.reached == Reached::Inside), "{fitted:?}");
    // Means of 400 draws are steps of 1/400: one answerable draw in 400 wide.
    assert!((fitted[0].value - 0.7).abs() < 0.02, "{fitted:?}");
    assert!((fitted[1].value / 60.0 - 1.0).abs() < 0.2, "{fitted:?}");
    for (row, f) in rows.iter().zip(&fitted) {
        // Two samples of 400: five standard errors of their difference.
        let error = f.standard_error.expect("400 values have one");
        assert!((f.observed - row.value).abs() < 5.0 * error * 2f64.sqrt(), "{row:?} {f:?}");
    }
}

#[test]
fn a_row_out_of_reach_says_so_and_takes_the_nearest_end() {
    let row = Row { policy: "single".to_owned(), agents: 1, metric: "pass".to_owned(), value: 0.999 };
    let free = [free("workload.divide.answerable", 0.4, 0.6)];
    let fitted = fit(&load, &[row], &free, REPLICATIONS).expect("the fit runs");
    assert_eq!(fitted[0].reached, Reached::AtEnd);
    assert!((fitted[0].value - 0.6).abs() < 1e-12);
}

#[test]
fn a_metric_that_no_run_has_is_an_error() {
    let row = Row { policy: "single".to_owned(), agents: 1, metric: "glory".to_owned(), value: 0.5 };
    let free = [free("workload.divide.answerable", 0.4, 0.6)];
    let error = fit(&load, &[row], &free, 2).expect_err("there is no glory");
    assert!(matches!(error, FitError::NoMetric { ref metric, .. } if metric == "glory"), "{error}");
}
