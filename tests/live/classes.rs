//! Every call has a class; a run without enough usable answers is no measurement, and hopeless calls are not repeated.

use super::server::{Act, Asked, Server, fitting, schema};
use super::{Done, document, folder, lines, live};
use assert_cmd::cargo::cargo_bin;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

fn classes(dir: &Path) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    for call in lines(dir, "call").iter().filter(|c| c["endpoint"] != "code") {
        let class = call["response"]["class"].as_str().unwrap_or("none").to_owned();
        *found.entry(class).or_default() += 1;
    }
    found
}

/// Half of the answer that was asked for.
fn half(asked: &Asked) -> String {
    let whole = fitting(&schema(&asked.body), 1).to_string();
    whole[..whole.len() / 2].to_owned()
}

fn run(folder: &Path, server: &Server, more: &[&str]) -> (Done, Value) {
    let done = live(folder, &server.url(), &[&["--max-calls", "500", "--output-dir", "out"], more].concat());
    let told = document(&folder.join("out/live.json"));
    (done, told)
}

#[test]
fn cut_answers_stop_the_run_and_it_says_what_to_raise() {
    let folder = folder();
    let server = Server::start(|asked| Act::Ends(half(asked), "length"));
    let (done, told) = run(folder.path(), &server, &["--completion-tokens", "300"]);
    assert_eq!(done.code, Some(1), "{}", done.err);
    assert!((5..=8).contains(&server.requests()), "{} requests", server.requests());
    assert_eq!(told["stopped"]["why"], "hopeless");
    let why = "5 calls in a row were cut by max_tokens = 300";
    assert!([why, "raise --completion-tokens", "--output-dir", "--resume out"].iter().all(|w| done.err.contains(w)));
    assert!(done.out.starts_with("NOT VALID: no measurement"), "{}", done.out);
    assert!(done.out.contains("5 of 5 calls were cut by max_tokens = 300: raise --completion-tokens"), "{}", done.out);
    assert_eq!((&told["valid"], &told["usable_share"]), (&json!(false), &json!(0.0)));
    assert_eq!(told["calls_by_class"]["cut"].as_u64(), classes(&folder.path().join("out")).get("cut").copied());
    let beside = std::fs::read_to_string(folder.path().join("out/NOT-VALID.md")).unwrap();
    assert!(beside.contains("raise --completion-tokens"), "{beside}");
    // Whoever insists goes on, and what was paid for is kept.
    let paid = server.requests();
    let go_on = ["--max-calls", "500", "--completion-tokens", "300", "--resume", "out", "--give-up-after", "0"];
    let done = live(folder.path(), &server.url(), &go_on);
    assert_eq!(done.code, Some(1), "{}", done.err);
    assert!(done.err.contains("not valid, no measurement: 0 of"), "{}", done.err);
    assert!(server.requests() > paid);
    let told = document(&folder.path().join("out/live.json"));
    assert_eq!(told["budget"]["spent"]["calls"], server.requests());
    assert_eq!(told["calls_by_class"]["cut"], server.requests(), "no cut call was asked for again");
    no_measurement(folder.path());
}

/// Neither `calibrate` nor `compare --against` takes the run for a measurement.
fn no_measurement(folder: &Path) {
    let of = |args: &[&str]| {
        let output = Command::new(cargo_bin("delm-sim")).args(args).current_dir(folder).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, err) = of(&["calibrate", "--from-transcript", "out/transcript.jsonl", "--output-dir", "learned"]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("the run is not valid") && err.contains("raise --completion-tokens"), "{err}");
    let (code, err) = of(&["compare", "tiny.toml", "--against", "out", "--replications", "4", "-q"]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("the run is not valid") && err.contains("no measurement to compare with"), "{err}");
}

#[test]
fn filtered_answers_stop_the_run_however_the_server_says_so() {
    let acts: [fn(&Asked) -> Act; 2] = [
        |_| Act::Ends(String::new(), "content_filter"),
        |_| Act::Status(400, "", "The response was filtered due to the content management policy.".to_owned()),
    ];
    for act in acts {
        let folder = folder();
        let server = Server::start(act);
        let (done, told) = run(folder.path(), &server, &[]);
        assert_eq!(done.code, Some(1), "{}", done.err);
        assert!((5..=8).contains(&server.requests()), "{} requests", server.requests());
        assert!(done.err.contains("5 calls in a row were filtered by the server"), "{}", done.err);
        assert_eq!((&told["stopped"]["why"], &told["valid"]), (&json!("hopeless"), &json!(false)));
        assert_eq!(classes(&folder.path().join("out")).get("filtered"), Some(&5));
    }
}

#[test]
fn every_class_is_told_and_few_bad_ends_leave_a_measurement() {
    let folder = folder();
    let server = Server::start(|asked| match asked.number {
        3 => Act::Ends(half(asked), "length"),
        7 => Act::Ends(String::new(), "content_filter"),
        _ => Act::Answer,
    });
    let (done, told) = run(folder.path(), &server, &[]);
    let found = classes(&folder.path().join("out"));
    assert_eq!((found.get("cut"), found.get("filtered")), (Some(&1), Some(&1)), "{found:?}");
    assert_eq!(told["calls_by_class"]["answered"].as_u64(), found.get("answered").copied());
    let all: u64 = found.values().sum();
    let share = told["usable_share"].as_f64().unwrap();
    assert!((share - (all - 2) as f64 / all as f64).abs() < 1e-9, "{share}");
    assert!(share >= 0.95, "{share}");
    assert_eq!(done.code, Some(0), "as a whole it is a measurement: {}", done.err);
    assert_eq!(told["cells"][2]["not_valid_because"], Value::Null, "the third point is one");
    assert!(told["cells"][0]["not_valid_because"].is_string(), "the first one is none");
    assert!(done.out.starts_with("NOT VALID") && done.out.contains("single with 2 agents: "), "{}", done.out);
    // A resume reads the same classes from the journal.
    let again = live(folder.path(), &server.url(), &["--max-calls", "500", "--resume", "out"]);
    assert_eq!(again.code, Some(0), "{}", again.err);
    let resumed = document(&folder.path().join("out/live.json"));
    assert_eq!(resumed["calls_by_class"], told["calls_by_class"]);
}

#[test]
fn a_refused_key_is_asked_once_and_makes_no_measurement() {
    let folder = folder();
    let server = Server::start(|_| Act::Status(401, "", "Incorrect API key".to_owned()));
    let (done, told) = run(folder.path(), &server, &[]);
    assert_eq!((done.code, server.requests()), (Some(1), 1), "{}", done.err);
    assert_eq!((&told["valid"], &told["calls_by_class"]["refused"]), (&json!(false), &json!(1)));
    assert!(done.out.starts_with("NOT VALID") && done.out.contains("status 401"), "{}", done.out);
    assert_eq!(classes(&folder.path().join("out")).get("refused"), Some(&1));
}

#[test]
fn unreadable_answers_stop_the_run_after_few_repairs() {
    let folder = folder();
    let server = Server::start(|_| Act::Say("no form at all".to_owned()));
    let (done, told) = run(folder.path(), &server, &[]);
    assert_eq!(done.code, Some(1), "{}", done.err);
    assert!(server.requests() <= 14, "{} requests", server.requests());
    assert_eq!(told["stopped"]["why"], "hopeless");
    assert!(done.err.contains("could not be read, even after a repair"), "{}", done.err);
}

#[test]
fn torn_streams_are_lost_and_silence_is_too_late() {
    for (act, class, more) in [
        (Act::Half, "lost", &[][..]),
        (Act::Never, "timed-out", &["--timeout-s", "0.2"]),
        (Act::Status(503, "", "busy".to_owned()), "refused", &[]),
    ] {
        let folder = folder();
        let server = Server::start(move |_| act.clone());
        let (done, told) = run(folder.path(), &server, more);
        assert_eq!(done.code, Some(1), "{}", done.err);
        assert_eq!(told["valid"], json!(false), "{class}");
        // Two calls with three tries each, and not the fifty that would follow.
        assert!(server.requests() <= 6, "{class}: {} requests", server.requests());
        let found = classes(&folder.path().join("out"));
        assert_eq!(told["calls_by_class"][class].as_u64(), found.get(class).copied(), "{class}: {found:?}");
        assert!(found.get(class).is_some_and(|n| *n >= 1), "{class}: {found:?}");
        assert!(done.out.starts_with("NOT VALID"), "{}", done.out);
    }
}
