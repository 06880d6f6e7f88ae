//! A server that is out of order, or out of credit: the run stops with the reason and goes on later.

use super::server::{Act, Server};
use super::{document, folder, lines, live, replayed};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn an_outage_stops_the_run_with_its_reason_and_is_made_up_for() {
    let folder = folder();
    let mended = Arc::new(AtomicBool::new(false));
    let is_mended = mended.clone();
    let server = Server::start(move |asked| {
        let fails = asked.number >= 3 && !is_mended.load(Ordering::SeqCst);
        if fails { Act::Status(500, "", "CUDA out of memory".to_owned()) } else { Act::Answer }
    });
    let all = ["--max-calls", "500"];
    let done = live(folder.path(), &server.url(), &[&all[..], &["--output-dir", "out"]].concat());
    assert_eq!(done.code, Some(1), "{}", done.err);
    assert!(done.err.contains("CUDA out of memory") && done.err.contains("--resume"), "{}", done.err);
    let dir = folder.path().join("out");
    let told = document(&dir.join("live.json"));
    assert_eq!(told["stopped"]["why"], "refused");
    assert!(told["warnings"].to_string().contains("1 call(s) failed for good: status 500"), "{}", told["warnings"]);
    assert_eq!(told["budget"]["possibly_billed"]["tokens"], 0, "refused tries are not billed");
    let failed = || lines(&dir, "call").iter().filter(|c| c["status"] == "failed").count();
    assert_eq!(failed(), 1, "the second call stays open");

    let again = live(folder.path(), &server.url(), &[&all[..], &["--resume", "out"]].concat());
    assert_eq!((again.code, failed()), (Some(1), 1), "still out of order: {}", again.err);
    mended.store(true, Ordering::SeqCst);
    let done = live(folder.path(), &server.url(), &[&all[..], &["--resume", "out"]].concat());
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert_eq!(failed(), 1);
    let told = document(&dir.join("live.json"));
    assert!(told["warnings"].to_string().contains("CUDA out of memory"), "the journal keeps the reason");
    assert_eq!(told["budget"]["spent"]["calls"], server.requests());
    assert_eq!(told["budget"]["spent"]["tokens"], server.billed());
    assert_eq!(told["budget"]["possibly_billed"]["tokens"], 0);
    replayed(folder.path(), "out");
}

#[test]
fn a_lone_failed_call_is_an_event_and_is_told() {
    let folder = folder();
    let server =
        Server::start(
            |asked| {
                if asked.number < 3 { Act::Status(503, "", "warming up".to_owned()) } else { Act::Answer }
            },
        );
    let done = live(folder.path(), &server.url(), &["--max-calls", "500", "--output-dir", "out"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(done.out.contains("1 call(s) failed for good: status 503: warming up"), "{}", done.out);
    replayed(folder.path(), "out");
}

#[test]
fn an_account_without_credit_is_not_asked_again() {
    let folder = folder();
    let server = Server::start(|asked| {
        let quota = "You exceeded your current quota (insufficient_quota)".to_owned();
        if asked.number == 1 { Act::Status(429, "", quota) } else { Act::Answer }
    });
    let args = ["--policy", "single", "--max-calls", "50"];
    let done = live(folder.path(), &server.url(), &[&args[..], &["--output-dir", "out"]].concat());
    assert_eq!((done.code, server.requests()), (Some(1), 2), "{}", done.err);
    assert!(done.err.contains("credit or quota"), "{}", done.err);
    let done = live(folder.path(), &server.url(), &[&args[..], &["--resume", "out"]].concat());
    assert_eq!(done.code, Some(0), "{}", done.err);
    let told = document(&folder.path().join("out/live.json"));
    assert_eq!(told["budget"]["possibly_billed"]["tokens"], 0, "a refusal is not billed, in later sessions as well");
    assert_eq!(told["budget"]["spent"]["calls"], server.requests());
}

#[test]
fn a_redirect_names_its_host_and_a_long_wait_is_told() {
    let folder = folder();
    let server = Server::start(|_| Act::Status(307, "location: https://other.example:8443/v1/x?y\r\n", String::new()));
    let done = live(folder.path(), &server.url(), &["--max-calls", "9", "--output-dir", "out"]);
    assert_eq!(done.code, Some(1), "{}", done.err);
    assert!(done.err.contains("https://other.example:8443;") && done.err.contains("--base-url"), "{}", done.err);
    let server = Server::start(|_| Act::Status(429, "retry-after: 7200\r\n", "later".to_owned()));
    let done = live(folder.path(), &server.url(), &["--max-seconds", "1", "--output-dir", "waits"]);
    assert_eq!(done.code, Some(1), "{}", done.err);
    assert!(done.err.contains("asks to wait 7200 s") && done.err.contains("--max-seconds"), "{}", done.err);
}

#[test]
fn a_prompt_that_is_too_long_fails_alone() {
    for (status, words) in [(400, "This model's maximum context length is 1024 tokens."), (413, "Request too large")] {
        let folder = folder();
        let server =
            Server::start(
                move |asked| {
                    if asked.number == 1 { Act::Status(status, "", words.to_owned()) } else { Act::Answer }
                },
            );
        let done = live(folder.path(), &server.url(), &["--max-calls", "500", "--output-dir", "out"]);
        assert_eq!(done.code, Some(0), "{}", done.err);
        let told = document(&folder.path().join("out/live.json"));
        assert!(told["warnings"].to_string().contains(words), "{}", told["warnings"]);
        replayed(folder.path(), "out");
    }
}

#[test]
fn an_empty_answer_is_repaired_without_an_empty_message() {
    let folder = folder();
    let server = Server::start(|asked| {
        let messages = asked.body["messages"].as_array().unwrap();
        let empty = messages.iter().any(|m| m["content"].as_str().is_none_or(|text| text.trim().is_empty()));
        match asked.number {
            _ if empty => Act::Status(400, "", "text content blocks must be non-empty".to_owned()),
            1 => Act::Say(String::new()),
            _ => Act::Answer,
        }
    });
    let done = live(folder.path(), &server.url(), &["--max-calls", "500", "--output-dir", "out"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert_eq!(lines(&folder.path().join("out"), "unreadable").len(), 1);
    replayed(folder.path(), "out");
}

#[test]
fn who_cannot_be_reached_is_told_before_anything_is_made() {
    let folder = folder();
    let server = Server::start(|_| Act::Answer);
    let no_tls = server.url().replace("http://", "https://");
    for url in ["http://no-such-host.invalid/v1", no_tls.as_str()] {
        let done = live(folder.path(), url, &["--max-calls", "5", "--output-dir", "out"]);
        assert_eq!(done.code, Some(1), "{url}: {}", done.err);
        assert!(done.err.contains("nothing was sent") && done.err.contains("--base-url"), "{}", done.err);
        assert!(!folder.path().join("out").exists(), "{url}");
    }
}
