//! Own prompts, own questions, twins.

use super::server::{Act, Asked, Server};
use super::{document, folder, lines, live, replayed};
use serde_json::json;
use std::fs;

#[test]
fn a_folder_of_prompts_replaces_files_and_is_recorded() {
    let folder = folder();
    let prompts = folder.path().join("mine");
    fs::create_dir(&prompts).unwrap();
    fs::write(prompts.join("step.md"), "Read as a pirate would.").unwrap();
    let server = Server::start(|_| Act::Answer);
    let args = ["--policy", "single", "--max-calls", "60"];
    let own = |more: &[&str]| live(folder.path(), &server.url(), &[&args[..], more].concat());
    let done = own(&["--prompts", "mine", "--output-dir", "out"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let dir = folder.path().join("out");
    let steps = lines(&dir, "call").into_iter().filter(|c| c["purpose"] == "step");
    assert!(
        steps.map(|c| c["request"]["messages"][0]["content"].clone()).all(|system| system == "Read as a pirate would.")
    );
    let header = &lines(&dir, "header")[0]["live"];
    assert_eq!((header["prompts"].clone(), header["prompts_hash"].as_str().unwrap().len()), (json!(["step.md"]), 32));
    assert_eq!(document(&dir.join("live.json"))["prompts_hash"], header["prompts_hash"]);
    replayed(folder.path(), "out");
    // Other prompts are another run.
    let done = own(&["--resume", "out"]);
    assert_eq!(done.code, Some(2), "{}", done.err);
    assert!(done.err.contains("live.prompts_hash") && done.err.contains("--prompts"), "{}", done.err);
    fs::write(prompts.join("stpe.md"), "x").unwrap();
    let requests = server.requests();
    let done = own(&["--prompts", "mine", "--output-dir", "other"]);
    assert_eq!((done.code, server.requests()), (Some(2), requests), "{}", done.err);
    assert!(done.err.contains("stpe.md") && done.err.contains("more-subtasks.md"), "{}", done.err);
}

/// Answers every question with the answer that its text asks for after "say".
fn obeys(asked: &Asked) -> Act {
    let words = asked.words();
    let said =
        words.split_once("say <").and_then(|(_, rest)| rest.split_once('>')).map(|(answer, _)| answer.to_owned());
    let schema = super::server::schema(&asked.body);
    let mut answer = super::server::fitting(&schema, 1);
    if let (Some(said), true) = (said, answer.get("answer").is_some()) {
        answer["answer"] = json!(said);
    }
    Act::Say(answer.to_string())
}

#[test]
fn own_questions_are_asked_and_graded_by_their_rule() {
    let right = [
        json!({"id": "a", "question": "Please say <The Old Mill.>?", "documents": ["one text"], "answers": ["old mill"], "rule": "exact"}),
        json!({"id": "b", "question": "Please say <It was Ada Tolk, they say>?", "documents": [{"title": "t", "text": "x"}], "answers": ["Ada Tolk"], "rule": "contains"}),
        json!({"id": "c", "question": "Please say <of 3 it is 1,234.50>?", "documents": ["x"], "answers": [1234.5], "rule": "number"}),
        json!({"id": "d", "question": "Please say <B>?", "documents": ["x"], "answers": ["red"], "rule": "choice", "choices": ["blue", "red"]}),
    ];
    let folder = folder();
    let server = Server::start(obeys);
    let text =
        |questions: &[serde_json::Value]| questions.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let asked = |text: &str, more: &[&str]| {
        fs::write(folder.path().join("mine.jsonl"), text).unwrap();
        let args = ["--data", "mine.jsonl", "--policy", "single", "--replications", "4", "--max-calls", "90"];
        live(folder.path(), &server.url(), &[&args[..], more].concat())
    };
    let done = asked(&text(&right), &["--output-dir", "out"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let cell = document(&folder.path().join("out/live.json"))["cells"][0].clone();
    assert_eq!(
        (&cell["runs"], &cell["right"], &cell["right_ci_high"]),
        (&json!(4), &json!(1.0), &json!(1.0)),
        "{cell}"
    );
    // 4 of 4 by Clopper and Pearson: 0.025^(1/4).
    assert!((cell["right_ci_low"].as_f64().unwrap() - 0.025_f64.sqrt().sqrt()).abs() < 1e-6, "{cell}");
    assert!(done.out.contains("0.398"), "{}", done.out);
    replayed(folder.path(), "out");
    for (change, words) in [
        (json!({"rule": "guess"}), "exact, contains, number, choice"),
        (json!({"rule": "number", "answers": ["many"]}), "answers[0]"),
        (json!({"extra": 1}), "extra"),
        (json!({"documents": []}), "documents"),
        (json!({"rule": "choice"}), "choices"),
        (json!({"id": "b"}), "twice"),
    ] {
        let mut wrong = right.to_vec();
        for (key, value) in change.as_object().unwrap() {
            wrong[2][key] = value.clone();
        }
        let done = asked(&text(&wrong), &["--output-dir", "wrong"]);
        assert_eq!(done.code, Some(2), "{change}: {}", done.err);
        assert!(done.err.contains(words) && done.err.contains("mine.jsonl:3"), "{change}: {}", done.err);
    }
}

#[test]
fn a_twin_gives_the_rows_that_mean_nothing() {
    let folder = folder();
    let server = Server::start(|_| Act::Answer);
    let args = ["--policy", "single,delm-queue", "--twin", "single", "--max-calls", "300", "--output-dir", "out"];
    let done = live(folder.path(), &server.url(), &args);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(done.out.contains("A/A") && done.out.contains("single / single-twin"), "{}", done.out);
    let told = document(&folder.path().join("out/live.json"));
    let rows = told["twins"].as_array().unwrap();
    assert_eq!(rows.len(), 4, "{rows:?}");
    assert_eq!((&rows[1]["metric"], &rows[1]["agents"]), (&json!("makespan_s"), &json!(2)));
    assert!(rows[1]["ci_low"].as_f64().unwrap() <= rows[1]["difference"].as_f64().unwrap());
    replayed(folder.path(), "out");
    let done = live(folder.path(), &server.url(), &["--twin", "nobody", "--max-calls", "5", "--output-dir", "x"]);
    assert_eq!(done.code, Some(2), "{}", done.err);
}
