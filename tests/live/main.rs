//! Live runs against a loopback server that answers, fails and falls silent: budgets hold, paid replies are kept, keys
//! stay secret.

mod budgets;
mod classes;
mod faults;
mod kill;
mod outages;
mod own;
mod paid;
mod programs;
mod resume;
mod runs;
mod server;
mod servers;
mod waits;

use assert_cmd::cargo::cargo_bin;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

const KEY: &str = "sk-very-secret-0123456789";

const SCENARIO: &str = r#"version = 1
name = "tiny-live"
question = "Does it run live?"
replications = 2
agents = [2]
policies = ["single", "orchestrator-async", "delm-queue"]
baseline = "best-central"
[workload.divide]
[endpoints.model]
slots = 4
retries = 2
backoff_s = 0.01
[endpoints.model.price.rates]
input_usd_per_mtok = 1.0
output_usd_per_mtok = 4.0
[roles]
default = "model"
[live]
max_scheduling_delay_ms = 10000.0
[live.questions]
limit = 2
[live.questions.source.generated]
documents = 3
facts_needed = 2
distractors_per_document = 1
sentences_per_document = 3
[live.desk]
plan_by = "documents"
more_by = "documents"
"#;

struct Done {
    code: Option<i32>,
    out: String,
    err: String,
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tiny.toml"), SCENARIO).unwrap();
    folder
}

fn command(folder: &Path, url: &str, args: &[&str]) -> Command {
    let mut command = Command::new(cargo_bin("delm-sim"));
    command.args(["live", "tiny.toml", "--base-url", url, "--model", "scripted"]).args(args);
    command.current_dir(folder).env("OPENAI_API_KEY", KEY).stdin(Stdio::null());
    command
}

/// Runs `live` on the tiny scenario to its end.
fn live(folder: &Path, url: &str, args: &[&str]) -> Done {
    let output = command(folder, url, args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Done { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// The lines of a journal of one kind.
fn lines(dir: &Path, record: &str) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(dir.join("transcript.jsonl")).unwrap();
    let all = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    all.filter(|line| line["record"] == record).collect()
}

/// Replays a finished run: strictly it gives the same digests (the replay checks them) and metrics, retimed it takes
/// exactly as long, and its work can be handed out otherwise.
fn replayed(folder: &Path, dir: &str) {
    let asked = |mode: &str| {
        let mut command = Command::new(cargo_bin("delm-sim"));
        command.args([
            "replay",
            &format!("{dir}/transcript.jsonl"),
            "--mode",
            mode,
            "--overwrite",
            "--output-dir",
            mode,
        ]);
        command.current_dir(folder).stdin(Stdio::null());
        command
    };
    let replay = |mode: &str| {
        let output = asked(mode).output().unwrap();
        assert!(output.status.success(), "{mode}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    replay("strict");
    let metrics = |dir: &str| fs::read_to_string(folder.join(dir).join("metrics.csv")).unwrap();
    assert_eq!(metrics("strict"), metrics(dir), "the metrics of the live run");
    let told = replay("retimed").replace('\n', " ");
    let runs = lines(&folder.join(dir), "end").len();
    assert!(told.contains(&format!("{runs} of them take exactly")), "{told}");
    // A run that is not valid teaches no other topology; one whose times alone are late does, and says so.
    let output = asked("counterfactual").output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let refused = folder.join(dir).join("NOT-VALID.md").exists()
        && output.status.code() == Some(2)
        && told.contains("the run is not valid");
    assert!(output.status.success() || refused, "counterfactual: {told}");
}

fn document(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}
