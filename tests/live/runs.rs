//! Whole runs: files, report, resumption of what is finished, usage errors, keys.

use super::server::{Act, Server};
use super::{KEY, document, folder, lines, live, replayed};
use std::fs;

#[test]
fn every_policy_finishes_and_a_finished_run_resumes_for_nothing() {
    let folder = folder();
    let server = Server::start(|_| Act::Answer);
    let policies = "single,independent,map-reduce,orchestrator-sequential,orchestrator-serial,orchestrator-parallel,\
                    orchestrator-async,delm-queue";
    let all = ["--policy", policies, "--agents", "1,3", "--max-calls", "2000"];
    let done = live(folder.path(), &server.url(), &[&all[..], &["--output-dir", "out"]].concat());
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(done.out.contains("32 of 32 runs") && done.out.contains("delm-queue"), "{}", done.out);
    let dir = folder.path().join("out");
    let told = document(&dir.join("live.json"));
    assert_eq!(told["budget"]["spent"]["calls"], server.requests());
    assert_eq!(told["budget"]["spent"]["tokens"], server.billed());
    assert_eq!(told["budget"]["possibly_billed"]["tokens"], 0);
    let metrics = fs::read_to_string(dir.join("metrics.csv")).unwrap();
    assert!(metrics.contains(",measured,") && !metrics.contains(",simulated,"));
    let calls = lines(&dir, "call");
    assert_eq!(lines(&dir, "dispatch").len(), server.requests());
    assert!(calls.iter().all(|c| c["status"] == "ok" || c["status"] == "cancelled"));
    let asked = calls.iter().find(|c| c["endpoint"] == "model").unwrap();
    assert!(asked["request"]["messages"][0]["content"].is_string() && asked["response"]["text"].is_string());
    assert_eq!(asked["request"]["parameters"]["response_format"]["type"], "json_schema");

    let journal = fs::read(dir.join("transcript.jsonl")).unwrap();
    let requests = server.requests();
    let again = live(folder.path(), &server.url(), &[&all[..], &["--resume", "out"]].concat());
    assert_eq!(again.code, Some(0), "{}", again.err);
    assert_eq!(server.requests(), requests, "nothing is paid twice");
    assert_eq!(fs::read(dir.join("transcript.jsonl")).unwrap(), journal);
    assert_eq!(fs::read_to_string(dir.join("metrics.csv")).unwrap(), metrics, "the same metrics from the journal");
    replayed(folder.path(), "out");

    let other = live(folder.path(), &server.url(), &["--max-calls", "9", "--resume", "out"]);
    assert_eq!(other.code, Some(2), "{}", other.err);
    assert!(other.err.contains("agents") || other.err.contains("policies"), "{}", other.err);
}

#[test]
fn what_cannot_be_paid_for_safely_is_a_usage_error() {
    let folder = folder();
    let server = Server::start(|_| Act::Answer);
    let url = server.url();
    let capped = |args: &[&str]| live(folder.path(), &url, &[&["--max-calls", "500"], args].concat());
    let none = live(folder.path(), &url, &[]);
    assert_eq!((none.code, none.err.contains("--max-usd")), (Some(2), true), "{}", none.err);
    let zero = live(folder.path(), &url, &["--max-usd", "1", "--set", "endpoints.model.price.rates={}"]);
    assert_eq!((zero.code, zero.err.contains("endpoints.model.price.rates")), (Some(2), true), "{}", zero.err);
    let search = live(folder.path(), &url, &["--max-calls", "5", "--set", "workload={search={}}"]);
    assert_eq!(search.code, Some(2), "{}", search.err);
    let user = live(folder.path(), "http://me:geheim-geheim@localhost/v1", &["--max-calls", "5"]);
    assert_eq!(user.code, Some(2));
    assert!(!user.err.contains("geheim-geheim"), "{}", user.err);
    assert_eq!(server.requests(), 0);
    let nobody = live(folder.path(), "http://127.0.0.1:9", &["--max-calls", "5", "--output-dir", "nobody"]);
    assert_eq!(nobody.code, Some(1), "{}", nobody.err);
    assert!(nobody.err.contains("127.0.0.1:9") && !folder.path().join("nobody").exists(), "{}", nobody.err);

    assert_eq!(capped(&["--policy", "single", "--output-dir", "out"]).code, Some(0));
    let there = capped(&["--policy", "single", "--output-dir", "out"]);
    assert_eq!(there.code, Some(2));
    assert!(there.err.contains("--resume") && there.err.contains("--overwrite"), "{}", there.err);
    let requests = server.requests();
    assert_eq!(capped(&["--policy", "single", "--output-dir", "out", "--overwrite"]).code, Some(0));
    assert!(server.requests() > requests, "it was run anew");
}

#[test]
fn the_key_is_sent_and_shown_nowhere() {
    let folder = folder();
    let server = Server::start(|asked| {
        assert_eq!(asked.key, format!("Bearer {KEY}"));
        match asked.number {
            0 => Act::Status(500, "", format!("cannot serve {KEY}")),
            1 => Act::Say(format!("your key is {KEY}")),
            2 => Act::Document(format!("{{\"answer\": \"{KEY}\"}}")),
            n if n < 12 => Act::Answer,
            _ => Act::Status(401, "", format!("Incorrect API key provided: {KEY}")),
        }
    });
    let done = live(folder.path(), &server.url(), &["--max-calls", "50", "--output-dir", "out"]);
    assert_eq!(done.code, Some(1), "{}", done.err);
    assert!(done.err.contains("401") && done.err.contains("OPENAI_API_KEY"), "{}", done.err);
    assert!(done.err.contains("[redacted]"), "{}", done.err);
    for text in [&done.out, &done.err] {
        assert!(!text.contains(KEY), "{text}");
    }
    for entry in fs::read_dir(folder.path().join("out")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains(KEY) && !text.contains("very-secret"), "{}", path.display());
    }
    let journal = fs::read_to_string(folder.path().join("out/transcript.jsonl")).unwrap();
    assert!(journal.contains("[redacted]"), "the echo is there, without the key");
}

#[test]
fn a_late_client_makes_the_times_not_valid() {
    let folder = folder();
    let server = Server::start(|_| Act::Answer);
    let args = ["--policy", "single", "--max-calls", "50", "--max-delay-ms", "0.000001", "--output-dir", "out"];
    let done = live(folder.path(), &server.url(), &args);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(done.out.contains("NOT VALID") && done.out.contains("scheduling delay"), "{}", done.out);
    let ends = lines(&folder.path().join("out"), "end");
    assert!(ends.iter().all(|e| e["invalid"].is_string() && e["complete"] == true), "{ends:?}");
}

#[test]
fn files_of_questions_are_asked_and_graded() {
    let fixture = |name: &str| format!("{}/tests/fixtures/qa/{name}", env!("CARGO_MANIFEST_DIR"));
    let files = ["hotpotqa.jsonl", "hotpotqa_published.json", "key_value.jsonl", "longbench_v2.json"];
    for name in [&files[..], &["longbench_v2.jsonl", "natural_questions.jsonl"]].concat() {
        let folder = folder();
        let server = Server::start(|_| Act::Answer);
        let data = fixture(name);
        let args = ["--data", &data, "--policy", "single,delm-queue", "--replications", "2", "--max-calls", "900"];
        let done = live(folder.path(), &server.url(), &[&args[..], &["--output-dir", "out"]].concat());
        assert_eq!(done.code, Some(0), "{name}: {}", done.err);
        let dir = folder.path().join("out");
        let asked = lines(&dir, "call").iter().map(|c| c["request"]["messages"].to_string()).collect::<String>();
        let text = fs::read_to_string(&data).unwrap();
        let first: serde_json::Value = serde_json::Deserializer::from_str(&text).into_iter().next().unwrap().unwrap();
        let first = if first.is_array() { first[0].clone() } else { first };
        let question = first["question"].as_str().or(first["key"].as_str()).unwrap();
        assert!(asked.contains(question.trim_end_matches('?')), "{name} asks {question}");
        let metrics = fs::read_to_string(dir.join("metrics.csv")).unwrap();
        assert!(metrics.lines().any(|l| l.contains(",pass,") || l.contains(",avg_at_1,")), "{name}: {metrics}");
        replayed(folder.path(), "out");
    }
    let missing = folder();
    let server = Server::start(|_| Act::Answer);
    let done = live(missing.path(), &server.url(), &["--data", "none.jsonl", "--max-calls", "9"]);
    assert_eq!(done.code, Some(2), "{}", done.err);
    assert!(done.err.contains("none.jsonl"), "{}", done.err);
    assert_eq!((server.requests(), missing.path().join("delm-sim-out").exists()), (0, false));
}
