//! The real binary, as a user meets it: exit codes, streams, files left behind.

mod common;

use common::delm_sim;
use std::path::Path;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

#[test]
fn usage_and_configuration_errors_exit_with_2_name_the_culprit_and_leave_nothing() {
    let cases: &[(&[&str], &[&str])] = &[
        (&["frobnicate"], &["frobnicate"]),
        (&["compare", "nowhere.toml"], &["nowhere.toml: no such file"]),
        (&["run"], &["SCENARIO"]),
        (&["run", "nowhere.toml", "swe-verified"], &["nowhere.toml"]),
        (&["compare", "--agents", "0"], &["--agents", "'0'"]),
        (&["compare", "--agents", "-3"], &["--agents", "'-3'"]),
        (&["compare", "--agents", "1,x"], &["--agents", "'x'"]),
        (&["compare", "--agents", "1000000000000"], &["--agents", "'1000000000000'"]),
        (&["compare", "--replications", "0"], &["--replications", "'0'"]),
        (&["compare", "--seed", "-1"], &["--seed", "'-1'"]),
        (&["compare", "--jobs", "0"], &["--jobs", "'0'"]),
        (&["compare", "--policy", "nonsense"], &["--policy", "nonsense", "known:"]),
        (&["compare", "--baseline", "nonsense"], &["--baseline", "nonsense"]),
        (&["compare", "--set", "no.such.key=1"], &["--set", "unknown key"]),
        (&["compare", "--format", "xml"], &["--format", "xml"]),
        (&["params", "--set", "agents"], &["--set", "no `=`"]),
        (&["reproduce", "nowhere"], &["manifest.json"]),
        (&["init", "x.toml", "--from", "y"], &["--from y", "swe-verified"]),
    ];
    for (args, fragments) in cases {
        let folder = folder();
        let done = delm_sim(folder.path(), args);
        assert_eq!(done.code, 2, "{args:?}: {}", done.err);
        assert!(fragments.iter().all(|f| done.err.contains(f)), "{args:?}: {}", done.err);
        assert!(done.out.is_empty() && is_empty(folder.path()), "{args:?}");
    }
}

#[test]
fn params_says_where_each_number_is_from() {
    let folder = folder();
    for format in ["table", "json", "csv", "md"] {
        let done = delm_sim(folder.path(), &["params", "swe-verified", "--format", format]);
        assert_eq!(done.code, 0, "{}", done.err);
        for word in ["published", "fitted", "assumed", "design", "sharing.respect"] {
            assert!(done.out.contains(word), "{format}: {word}");
        }
        assert!(!done.out.contains('\u{1b}'), "no colours in a pipe");
    }
    let done = delm_sim(folder.path(), &["params", "--format", "json"]);
    let rows: serde_json::Value = serde_json::from_str(&done.out).unwrap();
    assert!(rows.as_array().unwrap().len() > 50);
}

#[test]
fn init_writes_a_scenario_that_loads_and_replaces_nothing() {
    let folder = folder();
    let done = delm_sim(folder.path(), &["init", "mine.toml"]);
    assert_eq!((done.code, done.out.as_str()), (0, ""), "{}", done.err);
    assert_eq!(delm_sim(folder.path(), &["params", "mine.toml"]).code, 0);
    std::fs::write(folder.path().join("mine.toml"), "mine").unwrap();
    let done = delm_sim(folder.path(), &["init", "mine.toml"]);
    assert_eq!(done.code, 2);
    assert!(done.err.contains("mine.toml: exists already"), "{}", done.err);
    let text = std::fs::read_to_string(folder.path().join("mine.toml")).unwrap();
    assert_eq!(text, "mine");
}

#[test]
fn list_schema_and_completions_print_what_they_promise() {
    let folder = folder();
    let list = delm_sim(folder.path(), &["list"]).out;
    for word in ["swe-verified", "multi-doc-qa", "delm-solvers", "search, divide"] {
        assert!(list.contains(word), "{word}");
    }
    for of in ["scenario", "preset", "settings"] {
        let schema = delm_sim(folder.path(), &["schema", of]).out;
        let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
        assert!(schema["properties"].is_object());
    }
    for shell in ["bash", "fish", "zsh"] {
        let done = delm_sim(folder.path(), &["completions", shell]);
        assert!(done.code == 0 && done.out.contains("delm-sim"));
    }
}

#[test]
fn every_command_has_help() {
    let folder = folder();
    let commands =
        ["run", "compare", "params", "published", "calibrate", "reproduce", "schema", "init", "list", "completions"];
    for command in commands {
        let done = delm_sim(folder.path(), &[command, "--help"]);
        assert!(done.code == 0 && done.out.contains("Usage: delm-sim"), "{command}");
    }
}

/// A reader that goes away early is no failure and no panic.
#[cfg(unix)]
#[test]
fn a_closed_pipe_is_no_failure() {
    let binary = assert_cmd::cargo::cargo_bin("delm-sim");
    let mut child = std::process::Command::new(binary)
        .args(["schema"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains("panicked"), "{said}");
    assert_eq!(output.status.code(), Some(0), "{said}");
}

#[test]
fn without_a_command_the_flags_of_a_comparison_work_and_the_manifest_tells_all_of_them() {
    let folder = folder();
    let flags = ["--seed", "7", "--replications", "2", "--agents", "1,2", "--policy", "independent,delm-solvers"];
    let more = ["--baseline", "independent", "--no-figures", "--output-dir", "out", "--set", "sharing.respect=.8"];
    let done = delm_sim(folder.path(), &[&flags[..], &more].concat());
    assert_eq!(done.code, 0, "{}", done.err);
    let manifest = std::fs::read_to_string(folder.path().join("out/manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["scenario"]["sharing"]["respect"], 0.8);
    assert_eq!(
        manifest["command_line"],
        "delm-sim compare swe-verified --seed 7 --replications 2 --agents 1,2 --policy independent,delm-solvers \
         --baseline independent --set sharing.respect=.8 --no-figures"
    );
}

#[test]
fn names_do_not_steer_the_terminal() {
    let folder = folder();
    let text = "version = 1\nname = \"x\"\nquestion = \"a \\u001b[31mred one\"\nreplications = 2\nagents = [1]\n\
                policies = [\"independent\"]\nbaseline = \"independent\"\n[workload.search]\n[endpoints.m]\n[roles]\n\
                default = \"m\"\n";
    std::fs::write(folder.path().join("good.toml"), text).unwrap();
    let good = delm_sim(folder.path(), &["run", "good.toml"]);
    assert!(good.code == 0 && good.out.contains("\\u{1b}[31mred"), "{}", good.err);
    std::fs::write(folder.path().join("bad.toml"), text.replace("\"independent\"]", "\"\\u001b[31mno\"]")).unwrap();
    let bad = delm_sim(folder.path(), &["run", "bad.toml"]);
    assert_eq!(bad.code, 2);
    assert!(!(good.out + &good.err + &bad.out + &bad.err).contains('\u{1b}'));
}

#[cfg(unix)]
#[test]
fn an_output_directory_behind_a_dangling_link_is_refused_before_the_run() {
    let folder = folder();
    std::os::unix::fs::symlink("nowhere", folder.path().join("link")).unwrap();
    let args = ["compare", "--replications", "1", "--agents", "1", "--no-figures", "--output-dir", "link"];
    let done = delm_sim(folder.path(), &args);
    assert!(done.code == 2 && done.err.contains("link is not a directory"), "{}", done.err);
}

#[test]
fn one_replication_has_no_interval_and_no_verdict() {
    let folder = folder();
    let args =
        ["compare", "multi-doc-qa", "--replications", "1", "--agents", "1,2", "--no-figures", "--output-dir", "o"];
    let done = delm_sim(folder.path(), &args);
    assert_eq!(done.code, 0, "{}", done.err);
    for word in ["better", "worse", "no difference shown", "run by run"] {
        assert!(!done.out.contains(word), "{word}: {}", done.out);
    }
    let csv = std::fs::read_to_string(folder.path().join("o/comparison.csv")).unwrap();
    let mut rows = csv.lines();
    let at = |name: &str| csv.lines().next().unwrap().split(',').position(|word| word == name).unwrap();
    let (low, high) = (at("ci_low"), at("ci_high"));
    rows.next();
    assert!(rows.all(|row| row.split(',').nth(low) == Some("") && row.split(',').nth(high) == Some("")), "{csv}");
}
