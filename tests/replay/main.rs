//! Record and replay through the real binary: the same again, or what differs; damaged files; other speeds and limits;
//! other topologies.

#[path = "../common/mod.rs"]
mod common;
mod counterfactual;
mod edits;
mod files;
mod retimed;
mod strict;

use common::{Done, delm_sim};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const SEARCH: &str = include_str!("../fixtures/replay/search.toml");
const DIVIDE: &str = include_str!("../fixtures/replay/divide.toml");
const STEADY: &str = include_str!("../fixtures/replay/steady.toml");
const TINY: &str = include_str!("../fixtures/replay/tiny.toml");
const SECOND: u64 = 1_000_000_000;

fn content(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(dir).unwrap().map(|e| e.unwrap());
    files.map(|e| (e.file_name().into_string().unwrap(), fs::read(e.path()).unwrap())).collect()
}

/// Records a scenario into `t.jsonl` and its results into `recorded`.
fn recorded(scenario: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("s.toml"), scenario).unwrap();
    let run = ["run", "s.toml", "--record", "t.jsonl", "--output-dir", "recorded", "--jobs", "2", "-q"];
    let done = delm_sim(folder.path(), &run);
    assert_eq!(done.code, 0, "{}", done.err);
    folder
}

fn strict(folder: &Path, file: &str) -> Done {
    delm_sim(folder, &["replay", file, "--mode", "strict", "--output-dir", "again", "--overwrite", "-q"])
}

fn lines(path: PathBuf) -> Vec<Value> {
    fs::read_to_string(path).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

fn text(lines: &[Value]) -> String {
    lines.iter().flat_map(|l| [l.to_string(), "\n".to_owned()]).collect()
}

fn write(path: PathBuf, lines: &[Value]) {
    fs::write(path, text(lines)).unwrap();
}

/// (recorded, retimed) makespan of each run.
fn retimed(folder: &Path, file: &str, flags: &[&str]) -> Vec<(String, String)> {
    let mut args = vec!["replay", file, "--mode", "retimed", "--format", "csv", "-q"];
    args.extend(flags);
    let done = delm_sim(folder, &args);
    assert_eq!(done.code, 0, "{}", done.err);
    let mut reader = csv::Reader::from_reader(done.out.as_bytes());
    reader.records().map(|r| r.unwrap()).map(|r| (r[2].to_owned(), r[3].to_owned())).collect()
}

fn nth(lines: &[Value], record: &str, purpose: &str, n: usize) -> usize {
    let is = |l: &Value| l["record"] == record && (purpose.is_empty() || l["purpose"] == purpose);
    lines.iter().enumerate().filter(|(_, l)| is(l)).nth(n).expect("the recording has it").0
}

/// An imported run of worker steps: (agent, from, until, released by).
fn hand_written(calls: &[(u32, f64, f64, Vec<Value>)]) -> Vec<Value> {
    let ns = |s: f64| (s * SECOND as f64) as u64;
    let agents = calls.iter().map(|c| c.0).max().unwrap() + 1;
    let mut all = vec![
        json!({ "record": "header", "format": "delm-sim-transcript", "version": 1, "program": "hand", "origin": "imported" }),
        json!({ "record": "run", "run": 0, "agents": agents, "replication": 0, "tasks": 1, "workers": agents, "leads": 0, "lines": 1 }),
    ];
    for (i, (agent, from, until, released_by)) in calls.iter().enumerate() {
        all.push(json!({
            "record": "call", "task": 0, "call": i, "key": "", "agent": agent, "purpose": "step",
            "about": { "line": 0, "subtask": agent, "attempt": 0, "step": i }, "endpoint": "model", "released_by": released_by,
            "intended_ns": ns(*from), "dispatched_ns": ns(*from), "completed_ns": ns(*until), "request": {},
            "usage": { "prompt_tokens": 100, "completion_tokens": 50 }, "status": "ok",
            "cost": { "picodollars": {"work": 0, "tool": 0, "coordination": 0, "verification": 0, "reading": 0}, "source": "none" },
        }));
    }
    all
}

fn after(call: u64, gap_s: f64) -> Vec<Value> {
    vec![json!({ "on": "completion", "call": call, "gap_ns": (gap_s * SECOND as f64) as u64 })]
}

#[test]
fn flags_of_other_modes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path().join("t.jsonl"), &hand_written(&[(0, 0.0, 1.0, vec![])]));
    let cases: &[(&str, &[&str])] = &[
        ("strict", &["--latency-scale", "2"]),
        ("strict", &["--agents", "2"]),
        ("strict", &["--dependencies", "none"]),
        ("retimed", &["--set", "seed=2"]),
        ("retimed", &["--scenario-output", "x.toml"]),
        ("retimed", &["--own-context", "0.5"]),
        ("retimed", &["--prices", "x.csv"]),
        ("counterfactual", &["--concurrency", "2"]),
        ("counterfactual", &["--requests-per-minute", "2"]),
    ];
    for (mode, flags) in cases {
        let done = delm_sim(folder.path(), &[&["replay", "t.jsonl", "--mode", mode, "-q"], *flags].concat());
        assert_eq!(done.code, 2, "{mode} {flags:?}: {}", done.err);
        assert!(done.err.contains("acts on them"), "{mode} {flags:?}: {}", done.err);
    }
    // Strict replay has no policy to ask of an imported file.
    let done = strict(folder.path(), "t.jsonl");
    assert!(done.code == 2 && done.err.contains("--mode retimed or counterfactual"), "{}", done.err);
}
