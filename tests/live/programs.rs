//! Attempts at problems that programs solve: examples are run, hidden tests grade, limits hold.

use super::server::{Act, Asked, Server, fitting, schema};
use super::{KEY, document, lines, replayed};
use assert_cmd::cargo::cargo_bin;
use serde_json::json;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

const SCENARIO: &str = r#"version = 1
name = "tiny-search"
question = "Who writes the program?"
replications = 2
agents = [2]
policies = ["independent", "delm-solvers", "orchestrator-async", "orchestrator-parallel"]
baseline = "independent"
[workload.search]
[endpoints.model]
slots = 4
retries = 2
backoff_s = 0.01
[roles]
default = "model"
[live]
max_scheduling_delay_ms = 10000.0
[live.programs]
path = "problems.jsonl"
command = ["sh"]
seconds = 2.0
"#;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tiny.toml"), SCENARIO).unwrap();
    let problem = |id: &str| {
        json!({"id": id, "question": "Print the input.", "examples": [{"input": "a\n", "output": "a"}],
               "tests": [{"input": "hidden-1\n", "output": "hidden-1"}, {"input": "b\nc\n", "output": "b\nc"}]})
    };
    fs::write(folder.path().join("problems.jsonl"), format!("{}\n{}\n", problem("one"), problem("two"))).unwrap();
    folder
}

fn run(folder: &Path, server: &Server, more: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(cargo_bin("delm-sim"));
    command.args(["live", "tiny.toml", "--base-url", &server.url(), "--model", "scripted", "--max-calls", "400"]);
    command.args(more).current_dir(folder).env("OPENAI_API_KEY", KEY).stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Writes this program wherever one is asked for, and says yes to everything else.
fn writing(asked: &Asked, program: &str) -> Act {
    let mut answer = fitting(&schema(&asked.body), 0);
    if answer.get("program").is_some() {
        answer = json!({"note": "copy it", "program": program});
    }
    Act::Say(answer.to_string())
}

#[test]
fn programs_are_tried_on_examples_and_graded_by_hidden_tests() {
    let folder = folder();
    // The first try of everybody fails; who was told of it writes a right one.
    let server = Server::start(|asked| {
        let told = asked.words().contains("The program was run") || asked.words().contains("It fails");
        writing(asked, if told { "cat" } else { "echo wrong" })
    });
    let (code, out, err) = run(folder.path(), &server, &["--allow-programs", "--output-dir", "out"]);
    assert_eq!(code, Some(0), "{out}{err}");
    let dir = folder.path().join("out");
    let told = document(&dir.join("live.json"));
    for cell in told["cells"].as_array().unwrap() {
        assert_eq!((&cell["runs"], &cell["right"]), (&json!(2), &json!(1.0)), "{cell}");
    }
    let text = fs::read_to_string(dir.join("transcript.jsonl")).unwrap();
    assert!(text.contains("The program was run"), "what came of a run is told");
    assert!(!text.contains("hidden-1"), "nobody sees a hidden test");
    let tools = lines(&dir, "call").into_iter().filter(|c| c["purpose"] == "tool");
    assert!(tools.map(|c| c["endpoint"].clone()).all(|endpoint| endpoint == "code"));
    replayed(folder.path(), "out");
    let requests = server.requests();
    let (code, _, err) = run(folder.path(), &server, &["--allow-programs", "--resume", "out"]);
    assert_eq!((code, server.requests()), (Some(0), requests), "{err}");
}

#[test]
fn what_passes_the_examples_alone_is_wrong_and_keys_are_out_of_reach() {
    let folder = folder();
    let server = Server::start(|asked| writing(asked, "echo a; echo \"$OPENAI_API_KEY\" >&2"));
    let args = ["--policy", "independent", "--allow-programs", "--output-dir", "out"];
    let (code, _, err) = run(folder.path(), &server, &args);
    assert_eq!(code, Some(0), "{err}");
    let dir = folder.path().join("out");
    assert_eq!(document(&dir.join("live.json"))["cells"][0]["right"], json!(0.0));
    assert!(!fs::read_to_string(dir.join("transcript.jsonl")).unwrap().contains(KEY));
}

#[test]
fn a_program_without_end_costs_its_limit_and_no_more() {
    let folder = folder();
    let server = Server::start(|asked| {
        let told = asked.words().contains("it took too long");
        writing(asked, if told { "cat" } else { "sleep 600" })
    });
    let args = ["--policy", "independent", "--replications", "1", "--agents", "1", "--allow-programs"];
    let (code, _, err) = run(folder.path(), &server, &[&args[..], &["--output-dir", "out"]].concat());
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(document(&folder.path().join("out/live.json"))["cells"][0]["right"], json!(1.0));
}

#[test]
fn nothing_is_run_unless_somebody_allows_it() {
    let folder = folder();
    let server = Server::start(|asked| writing(asked, "cat"));
    let (code, _, err) = run(folder.path(), &server, &["--output-dir", "out"]);
    assert_eq!((code, server.requests()), (Some(2), 0), "{err}");
    assert!(err.contains("--allow-programs") && err.contains("sandbox"), "{err}");
    fs::write(folder.path().join("problems.jsonl"), "{\"id\": \"x\", \"question\": \"q\", \"examples\": []}\n")
        .unwrap();
    let (code, _, err) = run(folder.path(), &server, &["--allow-programs", "--output-dir", "out"]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("problems.jsonl:1") && err.contains("examples"), "{err}");
}
