//! A server that asks to wait is waited for, in whatever form it asks.

use super::server::{Act, Server};
use super::{folder, live};
use serde_json::json;
use std::time::{Duration, Instant};

/// Runs one question whose second try meets a 429; how long it took.
#[allow(clippy::disallowed_methods, reason = "what is tested is real time")]
fn with(act: Act) -> Duration {
    let folder = folder();
    let server = Server::start(move |asked| if asked.number == 1 { act.clone() } else { Act::Answer });
    let start = Instant::now();
    let args = ["--policy", "single", "--replications", "1", "--max-calls", "60", "--output-dir", "out"];
    let done = live(folder.path(), &server.url(), &args);
    assert_eq!(done.code, Some(0), "{}", done.err);
    start.elapsed()
}

#[test]
fn every_form_of_a_wait_is_kept() {
    let say = |words: &str| Act::Status(429, "", words.to_owned());
    let info = json!({"error": {"code": 429, "message": "quota", "details": [
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.2s"}]}});
    for (act, form) in [
        (Act::Status(429, "retry-after-ms: 1200\r\n", "slow".to_owned()), "retry-after-ms"),
        (Act::Status(429, "x-ratelimit-reset-requests: 1.2s\r\n", "slow".to_owned()), "x-ratelimit-reset-requests"),
        (
            Act::Status(
                429,
                "x-ratelimit-remaining-tokens: 0\r\nx-ratelimit-reset-tokens: 1s200ms\r\nx-ratelimit-reset-requests: \
                 6m0s\r\n",
                "slow".to_owned(),
            ),
            "x-ratelimit-reset-tokens",
        ),
        (say("Rate limit reached. Please try again in 1.2s. Visit https://x.example"), "words"),
        (say("Please retry after 1 seconds 200 ms."), "other words"),
        (Act::Refusal(429, info.to_string()), "RetryInfo"),
    ] {
        let took = with(act);
        assert!(took >= Duration::from_millis(1200), "{form}: {took:?}");
        assert!(took < Duration::from_secs(30), "{form}: {took:?}");
    }
}

#[test]
fn words_that_ask_for_days_end_the_run() {
    let folder = folder();
    let server = Server::start(|_| Act::Status(429, "", "Please try again in 48h0m0s.".to_owned()));
    let done = live(folder.path(), &server.url(), &["--max-calls", "9", "--output-dir", "out"]);
    assert_eq!((done.code, server.requests()), (Some(1), 1), "{}", done.err);
    assert!(done.err.contains("asks to wait 172800 s") && done.err.contains("--resume out"), "{}", done.err);
}
