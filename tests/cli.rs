//! Whole studies through the real binary: files, bytes, streams, exit codes. Usage errors are in `command_line.rs`.

mod common;

use assert_cmd::cargo::cargo_bin;
use common::delm_sim;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

const TINY: &str = r#"# Question: does it run?
version = 1
name = "tiny"
question = "Does it run?"
replications = 8
agents = [1, 3]
policies = ["independent", "orchestrator-parallel", "delm-solvers"]
[workload.search]
[endpoints.model]
base_s = 2.0
noise = { exponential = { mean = 1.0 } }
[roles]
default = "model"
"#;

/// A folder with `tiny.toml` in it.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tiny.toml"), TINY).unwrap();
    folder
}

fn content(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(dir).unwrap().map(|e| e.unwrap());
    files.map(|e| (e.file_name().into_string().unwrap(), fs::read(e.path()).unwrap())).collect()
}

#[test]
fn a_study_is_the_same_bytes_whatever_the_jobs_and_is_reproduced() {
    let folder = folder();
    let path = folder.path();
    for (dir, jobs) in [("a", "1"), ("b", "2")] {
        let done = delm_sim(path, &["compare", "tiny.toml", "--output-dir", dir, "--jobs", jobs]);
        assert_eq!(done.code, 0, "{}", done.err);
        assert!(done.out.contains("delm-solvers") && !done.out.contains('\u{1b}'), "{}", done.out);
        assert!(done.err.is_empty() || !done.err.contains('\u{1b}'), "no progress outside a terminal: {}", done.err);
    }
    let files = content(&path.join("a"));
    for name in ["manifest.json", "summary.json", "metrics.csv", "comparison.csv", "replications.csv"] {
        assert!(files.get(name).is_some_and(|bytes| !bytes.is_empty()), "{name} of {:?}", files.keys());
    }
    let ends = |end: &str| files.keys().filter(|name| name.ends_with(end)).count();
    assert!(ends(".svg") > 0 && ends(".svg") == ends(".png"), "figures in two forms: {:?}", files.keys());
    let other = content(&path.join("b"));
    for (name, bytes) in &files {
        assert!(other.get(name) == Some(bytes), "{name} depends on the number of jobs");
    }
    assert_eq!(files.len(), other.len());

    // The same again is a success; another question is not written over it.
    assert_eq!(delm_sim(path, &["compare", "tiny.toml", "--output-dir", "a"]).code, 0);
    let refused = delm_sim(path, &["compare", "tiny.toml", "--output-dir", "a", "--seed", "7"]);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("--overwrite"), "{}", refused.err);
    assert_eq!(content(&path.join("a")), files);

    let done = delm_sim(path, &["reproduce", "a", "--jobs", "1"]);
    assert_eq!(done.code, 0, "{}{}", done.out, done.err);
    let metrics = path.join("a/metrics.csv");
    let text = fs::read_to_string(&metrics).unwrap();
    fs::write(&metrics, text.replacen('3', "4", 1)).unwrap();
    let done = delm_sim(path, &["reproduce", "a"]);
    assert_eq!(done.code, 1, "{}", done.out);
    assert!(done.out.contains("metrics.csv"), "{}", done.out);
}

#[test]
fn standard_output_is_data_alone_in_every_format() {
    let folder = folder();
    for command in ["run", "compare"] {
        let args = [command, "tiny.toml", "--output-dir", command, "--replications", "3", "--format"];
        let json = delm_sim(folder.path(), &[&args[..], &["json"]].concat());
        assert_eq!(json.code, 0, "{}", json.err);
        serde_json::from_str::<serde_json::Value>(&json.out).unwrap_or_else(|e| panic!("{command}: {e}: {}", json.out));
        let csv = delm_sim(folder.path(), &[&args[..], &["csv"]].concat());
        let mut reader = csv::Reader::from_reader(csv.out.as_bytes());
        let rows = reader.records().collect::<Result<Vec<_>, _>>().unwrap_or_else(|e| panic!("{command}: {e}"));
        assert!(rows.len() > 3, "{}", csv.out);
        let md = delm_sim(folder.path(), &[&args[..], &["md"]].concat());
        assert!(md.out.contains("| ---"), "{}", md.out);
    }
}

#[test]
fn a_missed_closed_form_exits_with_3_and_a_met_one_with_0() {
    let folder = folder();
    let expect = |value: f64| {
        format!(
            "{TINY}[[expect]]\npolicy = \"independent\"\nagents = 3\nmetric = \"avg_at_1\"\nvalue = {value}\n\
             absolute = 0.5\nformula = \"between none and all\"\n"
        )
    };
    for (name, value, code) in [("met.toml", 0.5, 0), ("missed.toml", 7.0, 3)] {
        fs::write(folder.path().join(name), expect(value)).unwrap();
        let done = delm_sim(folder.path(), &["run", name, "--output-dir", name.trim_end_matches(".toml")]);
        assert_eq!(done.code, code, "{name}: {}{}", done.out, done.err);
        assert_eq!(done.err.contains("missed"), code == 3, "{name}: {}", done.err);
    }
}

#[test]
fn a_trace_is_json_lines_whose_causes_come_before_their_effects() {
    let folder = folder();
    for policy in ["delm-solvers", "orchestrator-parallel"] {
        let args =
            ["run", "tiny.toml", "--policy", policy, "--baseline", policy, "--agents", "3", "--trace", "t.jsonl"];
        let done = delm_sim(folder.path(), &[&args[..], &["--output-dir", policy]].concat());
        assert_eq!(done.code, 0, "{}", done.err);
        let text = fs::read_to_string(folder.path().join("t.jsonl")).unwrap();
        assert!(text.ends_with('\n'), "the last line is whole");
        let (mut before, mut open) = (0, 0i64);
        for (k, line) in text.lines().enumerate() {
            let record: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("line {k}: {e}"));
            let number = |key: &str| record[key].as_u64().unwrap_or_else(|| panic!("line {k}: no {key}: {line}"));
            assert_eq!(number("seq"), k as u64, "records are numbered");
            let cause = number("caused_by");
            assert!(cause < number("seq") || (k == 0 && cause == 0), "line {k}: {line}");
            assert!(number("at_ns") >= before, "line {k}: time runs backwards");
            before = number("at_ns");
            match record["what"].as_str().unwrap() {
                "called" => open += 1,
                "replied" | "failed" | "cancelled" => open -= 1,
                _ => {}
            }
        }
        assert_eq!(open, 0, "each call ends once");
        assert!(text.lines().last().unwrap().contains("finished"), "the last record ends the run");
    }
}

#[test]
fn damaged_scenarios_are_refused_and_leave_nothing() {
    let cases: &[(&str, Vec<u8>)] = &[
        ("empty.toml", Vec::new()),
        ("blank.toml", b"\n\n# nothing\n".to_vec()),
        ("cut.toml", TINY.as_bytes()[..TINY.len() / 2].to_vec()),
        ("binary.toml", (0..=255).cycle().take(4096).collect()),
        ("huge.toml", TINY.replace("[1, 3]", "[1000000000000]").into_bytes()),
        ("many.toml", TINY.replace("replications = 8", "replications = 4000000000").into_bytes()),
        ("deep.toml", format!("{TINY}x = {}1{}\n", "[".repeat(20_000), "]".repeat(20_000)).into_bytes()),
    ];
    for (name, bytes) in cases {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(name), bytes).unwrap();
        for command in ["run", "compare", "params"] {
            let done = delm_sim(folder.path(), &[command, name]);
            assert_eq!(done.code, 2, "{command} {name}: {}", done.err);
            assert!(done.err.contains(name) && !done.err.contains("panicked"), "{command} {name}: {}", done.err);
            assert!(done.out.is_empty() && content(folder.path()).len() == 1, "{command} {name}");
        }
    }
}

/// Nobody reads the tables: the study is stored all the same, and nothing panics.
#[cfg(unix)]
#[test]
fn a_study_outlives_its_reader() {
    let folder = folder();
    let mut child = Command::new(cargo_bin("delm-sim"))
        .args(["compare", "tiny.toml", "--no-figures", "--output-dir", "a"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    assert!(content(&folder.path().join("a")).contains_key("manifest.json"));
}
