//! `published`, as a user meets it: every row once, misses first, the count at the end.

mod common;

use common::delm_sim;
use serde_json::Value;
use std::collections::BTreeSet;

/// What the command prints of a scenario at few replications.
fn published(args: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let done = delm_sim(folder.path(), &[&["published"], args].concat());
    assert_eq!((done.code, done.err.as_str()), (0, ""));
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none(), "it writes no file");
    done.out
}

#[test]
fn screens_fit_and_say_what_they_said() {
    for (scenario, name) in [("swe-verified", "swe_verified"), ("multi-doc-qa", "multi_doc_qa")] {
        let screen = published(&[scenario, "--replications", "40", "--jobs", "2"]);
        for line in screen.lines() {
            assert!(line.chars().count() <= 110, "too wide: {line}");
        }
        insta::assert_snapshot!(name, screen);
    }
}

#[test]
fn every_form_has_every_row_and_the_same_bytes_whatever_the_jobs() {
    let args = ["--replications", "4", "--agents", "1,2", "--quiet"];
    let form = |format, jobs| published(&[&args[..], &["--format", format, "--jobs", jobs]].concat());
    let json = form("json", "1");
    assert_eq!(json, form("json", "2"));
    let document: Value = serde_json::from_str(&json).unwrap();
    let rows = document["rows"].as_array().unwrap();
    let counted: u64 = ["misses", "agreements", "inputs", "open", "not_simulated"]
        .iter()
        .map(|standing| document["tally"][standing].as_u64().unwrap())
        .sum();
    assert_eq!(counted, rows.len() as u64);
    let csv = form("csv", "1");
    assert_eq!(csv::Reader::from_reader(csv.as_bytes()).records().count(), rows.len());
    let lines = form("md", "1").lines().filter(|line| line.starts_with("| ")).count();
    assert_eq!(lines, rows.len() + 2);

    let standings: Vec<&str> = rows.iter().map(|row| row["standing"].as_str().unwrap()).collect();
    let order = ["miss", "agrees", "input", "open", "not simulated"];
    let ranks: Vec<_> = standings.iter().map(|s| order.iter().position(|o| o == s).unwrap()).collect();
    assert!(ranks.is_sorted(), "{standings:?}");
    for row in rows {
        assert!(!row["source"].as_str().unwrap().is_empty(), "{row}");
        let reasoned = ["open", "not simulated"].contains(&row["standing"].as_str().unwrap());
        assert!(!reasoned || !row["reason"].as_str().unwrap().is_empty(), "{row}");
        assert_eq!(
            row["published_is"] == "held out" || row["published_is"] == "unpublished",
            row["published"].is_null()
        );
    }
    let reasons: BTreeSet<&str> = rows.iter().map(|row| row["reason"].as_str().unwrap()).collect();
    for word in ["no policy: billed without", "other model: dollars", "N = 4", "nobody published it"] {
        assert!(reasons.iter().any(|reason| reason.contains(word)), "{word}: {reasons:?}");
    }
}

#[test]
fn a_scenario_of_another_workload_has_no_judged_row() {
    let screen = published(&["controller-bottleneck", "--replications", "1"]);
    assert!(screen.contains("Not simulated, other workload") && screen.contains("0 are misses"), "{screen}");
}
