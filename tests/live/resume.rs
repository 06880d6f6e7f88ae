//! Resumes that are refused: exit code 2, and nothing of what is there changes.

use super::server::{Act, Server};
use super::{command, document, folder, live};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.display().to_string(), fs::read(&path).unwrap())).collect()
}

/// A run that met its cap: open calls and an incomplete end stand at the end of its journal.
fn stopped(folder: &Path, url: &str, more: &[&str]) {
    let args = ["--policy", "delm-queue", "--max-calls", "6", "--output-dir", "out"];
    let done = live(folder, url, &[&args[..], more].concat());
    assert_eq!(done.code, Some(1), "{}", done.err);
}

fn refused(folder: &Path, url: &str, args: &[&str], words: &[&str]) {
    let before = files(&folder.join("out"));
    let all = [&["--policy", "delm-queue", "--max-calls", "500", "--resume", "out"], args].concat();
    let done = live(folder, url, &all);
    assert_eq!(done.code, Some(2), "{args:?}: {}", done.err);
    assert!(words.iter().all(|word| done.err.contains(word)), "{words:?}: {}", done.err);
    assert!(files(&folder.join("out")) == before, "{args:?}: something was changed");
}

#[test]
fn another_scenario_or_model_is_refused() {
    let folder = folder();
    let server = Server::start(|_| Act::Answer);
    stopped(folder.path(), &server.url(), &[]);
    let requests = server.requests();
    refused(folder.path(), &server.url(), &["--seed", "7"], &["seed", "transcript.jsonl"]);
    let before = files(&folder.path().join("out"));
    let mut other = std::process::Command::new(assert_cmd::cargo::cargo_bin("delm-sim"));
    other.args(["live", "tiny.toml", "--base-url", &server.url(), "--model", "other", "--policy", "delm-queue"]);
    other.args(["--max-calls", "500", "--resume", "out"]);
    let output = other.current_dir(folder.path()).output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.contains("--model \"scripted\"") && err.contains("says \"other\""), "{err}");
    assert!(files(&folder.path().join("out")) == before);
    assert_eq!(server.requests(), requests);
}

#[test]
fn damaged_and_diverged_journals_stay_as_they_are() {
    let folder = folder();
    let server = Server::start(|_| Act::Answer);
    stopped(folder.path(), &server.url(), &[]);
    let path = folder.path().join("out/transcript.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let damaged = text.replacen("\"record\":\"call\"", "\"record\":\"ca", 1);
    fs::write(&path, &damaged).unwrap();
    refused(folder.path(), &server.url(), &[], &["transcript.jsonl:"]);
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let key = lines.iter_mut().find(|l| l.contains("\"record\":\"call\"")).unwrap();
    let at = key.find("\"key\":\"").unwrap() + 7;
    key.replace_range(at..at + 4, "0000");
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    refused(folder.path(), &server.url(), &[], &["another run", "key"]);
    fs::write(&path, "").unwrap();
    refused(folder.path(), &server.url(), &[], &["no whole line", "--overwrite"]);
}

#[test]
fn changed_questions_are_refused() {
    let folder = folder();
    let server = Server::start(|_| Act::Answer);
    let fixture = format!("{}/tests/fixtures/qa/hotpotqa.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(fixture).unwrap();
    let data = folder.path().join("questions.jsonl");
    fs::write(&data, &text).unwrap();
    let args = ["--data", "questions.jsonl"];
    let first = ["--policy", "delm-queue", "--max-calls", "4", "--output-dir", "out"];
    let done = live(folder.path(), &server.url(), &[&first[..], &args].concat());
    assert_eq!(done.code, Some(1), "{}", done.err);
    fs::write(&data, text.replacen("the ", "a ", 1)).unwrap();
    refused(folder.path(), &server.url(), &args, &["questions_hash", "file of questions"]);
}

#[test]
fn a_run_that_is_being_written_is_neither_resumed_nor_replaced() {
    let folder = folder();
    let server = Server::start(|asked| if asked.number == 3 { Act::Never } else { Act::Answer });
    let args = ["--policy", "single", "--max-calls", "60", "--output-dir", "out"];
    let mut child =
        command(folder.path(), &server.url(), &args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while server.requests() < 4 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let before = fs::read(folder.path().join("out/transcript.jsonl")).unwrap();
    let over = live(folder.path(), &server.url(), &[&args[..], &["--overwrite"]].concat());
    let same = ["--policy", "single", "--max-calls", "60", "--resume", "out"];
    let again = live(folder.path(), &server.url(), &same);
    for done in [over, again] {
        assert_eq!(done.code, Some(1), "{}", done.err);
        assert!(done.err.contains("another process"), "{}", done.err);
    }
    assert_eq!(fs::read(folder.path().join("out/transcript.jsonl")).unwrap(), before);
    child.kill().unwrap();
    child.wait().unwrap();
    let done = live(folder.path(), &server.url(), &same);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let told = document(&folder.path().join("out/live.json"));
    assert!(told["warnings"].to_string().contains("was killed"), "{}", told["warnings"]);
}

#[test]
fn a_report_can_be_markdown_and_an_impossible_directory_is_told() {
    let folder = folder();
    let server = Server::start(|_| Act::Answer);
    let args = ["--policy", "single", "--max-calls", "60", "--format", "md", "--output-dir"];
    let done = live(folder.path(), &server.url(), &[&args[..], &["out"]].concat());
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(
        done.out.starts_with("# ") && done.out.contains("\n## Budget\n") && done.out.contains("|--"),
        "{}",
        done.out
    );
    let done = live(folder.path(), &server.url(), &[&args[..], &["tiny.toml/out"]].concat());
    assert_eq!(done.code, Some(2), "{}", done.err);
    assert!(done.err.contains("--output-dir"), "{}", done.err);
}
