//! A server that fails in every way it can.

use super::server::{Act, Server, fitting, schema};
use super::{document, folder, lines, live, replayed};
use std::time::{Duration, Instant};

fn calls_with_retries(dir: &std::path::Path) -> u64 {
    lines(dir, "call").iter().filter_map(|c| c["retries"].as_u64()).sum()
}

#[allow(clippy::disallowed_methods, reason = "what is tested is real time")]
#[test]
fn errors_that_pass_are_tried_again() {
    let folder = folder();
    let server = Server::start(|asked| match asked.number {
        0 => Act::Status(429, "retry-after: 1\r\n", "slow down".to_owned()),
        2 => Act::Status(500, "", "oops".to_owned()),
        4 => Act::Half,
        6 => Act::Garbage,
        8 => Act::Status(503, "retry-after: 0\r\n", "busy".to_owned()),
        n if n % 2 == 0 => Act::Document(fitting(&schema(&asked.body), 1).to_string()),
        _ => Act::Answer,
    });
    let start = Instant::now();
    let done = live(folder.path(), &server.url(), &["--max-calls", "200", "--output-dir", "out"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(start.elapsed() > Duration::from_secs(1), "Retry-After is honoured");
    let dir = folder.path().join("out");
    assert_eq!(calls_with_retries(&dir), 5);
    let told = document(&dir.join("live.json"));
    assert_eq!(told["budget"]["spent"]["calls"], server.requests());
    let possibly = told["budget"]["possibly_billed"]["tokens"].as_u64().unwrap();
    assert!(possibly > 0, "half a stream and garbage may have been billed");
    let calls = lines(&dir, "call");
    let stages = calls.iter().find(|c| c["retries"] == 1).unwrap()["moments"].to_string();
    assert!(stages.contains("rate-limited"), "{stages}");
    replayed(folder.path(), "out");
}

#[test]
fn a_server_that_never_answers_runs_into_the_time_limit() {
    let folder = folder();
    let server = Server::start(|asked| if asked.number < 3 { Act::Never } else { Act::Answer });
    let args = ["--policy", "single", "--max-calls", "60", "--timeout-s", "0.3", "--output-dir", "out"];
    let done = live(folder.path(), &server.url(), &args);
    // One call of eleven: the run ends, and is no measurement.
    assert_eq!(done.code, Some(1), "{}", done.err);
    assert!(
        done.err.contains("10 of 11 calls gave a usable answer") && done.err.contains("--timeout-s"),
        "{}",
        done.err
    );
    let calls = lines(&folder.path().join("out"), "call");
    let failed = calls.iter().find(|c| c["status"] == "failed").expect("three tries of one call timed out");
    assert!(failed["possibly_billed"]["tokens"].as_u64().unwrap() > 0);
    assert!(failed["moments"].to_string().contains("timeout"));
    replayed(folder.path(), "out");
}

#[test]
fn a_stream_that_falls_silent_is_given_up_and_asked_again() {
    let folder = folder();
    let server = Server::start(|asked| if asked.number == 1 { Act::Silent } else { Act::Answer });
    let args = ["--policy", "single", "--max-calls", "60", "--set", "live.silence_s=0.3", "--output-dir", "out"];
    let done = live(folder.path(), &server.url(), &args);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let calls = lines(&folder.path().join("out"), "call");
    let again = calls.iter().find(|c| c["retries"] == 1).expect("the silent call was asked again");
    assert_eq!(again["status"], "ok");
    assert!(again["moments"].to_string().contains("timeout"), "{again}");
    assert!(again["possibly_billed"]["tokens"].as_u64().unwrap() > 0, "half a stream may be billed");
    replayed(folder.path(), "out");
}

#[test]
fn unreadable_answers_are_repaired_once_and_then_made_the_best_of() {
    let folder = folder();
    let server = Server::start(|asked| {
        if asked.words().contains("cannot be used") {
            if asked.number < 4 { Act::Say("still no form, but KX-11 is told".to_owned()) } else { Act::Answer }
        } else if asked.number % 3 == 0 {
            Act::Say("{\"no\": ".to_owned())
        } else {
            Act::Answer
        }
    });
    let done = live(folder.path(), &server.url(), &["--max-calls", "300", "--output-dir", "out"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let dir = folder.path().join("out");
    let calls = lines(&dir, "call");
    let repaired: Vec<_> = calls.iter().filter(|c| c["response"]["unreadable_text"].is_string()).collect();
    assert!(!repaired.is_empty());
    assert!(repaired.iter().all(|c| c["billed"]["prompt_tokens"].as_u64() > c["usage"]["prompt_tokens"].as_u64()));
    let told = document(&dir.join("live.json"));
    assert_eq!(told["budget"]["spent"]["tokens"], server.billed(), "both replies count");
    let requests = server.requests();
    let again = live(folder.path(), &server.url(), &["--max-calls", "300", "--resume", "out"]);
    assert_eq!((again.code, server.requests()), (Some(0), requests), "{}", again.err);
    replayed(folder.path(), "out");
}

#[test]
fn a_server_without_forms_gets_them_in_words() {
    let folder = folder();
    let server = Server::start(|asked| {
        let said = |told: &str| Act::Status(400, "", told.to_owned());
        if asked.body["response_format"]["type"] == "json_schema" {
            said("response_format json_schema is not supported")
        } else if asked.body["response_format"].is_object() {
            said("unknown parameter: response_format")
        } else if asked.body.get("max_tokens").is_some() {
            said("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.")
        } else if asked.body.get("stream_options").is_some() {
            said("stream_options is not allowed")
        } else {
            Act::Answer
        }
    });
    let done = live(folder.path(), &server.url(), &["--policy", "single", "--max-calls", "100", "--output-dir", "out"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let refused = server.log().iter().filter(|e| e.answered.is_none()).count();
    assert_eq!(refused, 4, "learnt once for the run");
    let told = document(&folder.path().join("out/live.json"));
    assert_eq!(told["budget"]["spent"]["tokens"], server.billed(), "refusals are not billed");
}

#[test]
fn refusals_for_good_end_the_run_and_say_what_may_help() {
    for (status, words) in [(401, "OPENAI_API_KEY"), (404, "--base-url"), (400, "--model")] {
        let folder = folder();
        let server = Server::start(move |_| Act::Status(status, "", "no such thing".to_owned()));
        let done = live(folder.path(), &server.url(), &["--max-calls", "100", "--output-dir", "out"]);
        assert_eq!(done.code, Some(1), "{}", done.err);
        let told = [words, "no such thing", &status.to_string(), "chat/completions"];
        assert!(told.iter().all(|w| done.err.contains(w)), "{}", done.err);
        assert_eq!(server.requests(), 1);
    }
}

/// A server that asks for more than a day ends the run at once; the run goes on when it answers again.
#[allow(clippy::disallowed_methods, reason = "what is tested is real time")]
#[test]
fn nobody_waits_for_ever_because_a_server_asks_for_it() {
    for header in ["retry-after: 1e308\r\n", "retry-after: 31536000\r\n"] {
        let folder = folder();
        let server = Server::start(move |asked| match asked.number {
            2 => Act::Status(429, header, "come back".to_owned()),
            _ => Act::Answer,
        });
        let start = Instant::now();
        let done =
            live(folder.path(), &server.url(), &["--policy", "single", "--max-calls", "60", "--output-dir", "out"]);
        assert!(start.elapsed() < Duration::from_mins(1));
        assert_eq!(done.code, Some(1), "{}", done.err);
        assert!(done.err.contains("more than the 86400 s that a run waits"), "{}", done.err);
        assert!(done.err.contains("--resume out"), "{}", done.err);
        let done = live(folder.path(), &server.url(), &["--policy", "single", "--max-calls", "60", "--resume", "out"]);
        assert_eq!(done.code, Some(0), "{}", done.err);
        replayed(folder.path(), "out");
    }
}
