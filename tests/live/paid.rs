//! Replies that were paid for are used, and what servers tell of their price is believed only if it can be true.

use super::server::{Act, Server, fitting, schema};
use super::{KEY, document, folder, live, replayed};
use serde_json::json;
use std::fs;

/// A stream with usage that neither says `[DONE]` nor ends.
fn endless(asked: &super::server::Asked) -> Act {
    let text = fitting(&schema(&asked.body), 1).to_string();
    let parts = [
        json!({"choices": [{"delta": {"content": text}}]}),
        json!({"choices": [{"delta": {}, "finish_reason": "stop"}]}),
        json!({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 5}}),
    ];
    let body = parts.map(|part| format!("data: {part}\n\n")).concat();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    Act::Raw(format!("{head}{:x}\r\n{body}\r\n", body.len()))
}

#[test]
fn a_whole_reply_on_a_connection_that_stays_open_is_used() {
    let folder = folder();
    let server = Server::start(|asked| if asked.number == 1 { endless(asked) } else { Act::Answer });
    let args = ["--policy", "single", "--max-calls", "60", "--set", "live.silence_s=2", "--output-dir", "out"];
    let done = live(folder.path(), &server.url(), &args);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let told = document(&folder.path().join("out/live.json"));
    assert_eq!((&told["cells"][0]["retries"], &told["budget"]["possibly_billed"]["tokens"]), (&json!(0), &json!(0)));
    replayed(folder.path(), "out");
}

#[test]
fn usage_that_cannot_be_true_is_estimated() {
    let usages = [
        json!({"prompt_tokens": u64::MAX, "completion_tokens": 7}),
        json!({"prompt_tokens": 0, "completion_tokens": 0}),
        json!({"prompt_tokens": 100}),
    ];
    for usage in usages {
        let folder = folder();
        let told = usage.clone();
        let server = Server::start(move |asked| {
            let text = fitting(&schema(&asked.body), 1).to_string();
            let choices = json!([{"message": {"content": text}, "finish_reason": "stop"}]);
            let body = json!({"choices": choices, "usage": told}).to_string();
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length";
            Act::Raw(format!("{head}: {}\r\n\r\n{body}", body.len()))
        });
        let args = ["--policy", "single", "--max-tokens", "100000", "--output-dir", "out"];
        let done = live(folder.path(), &server.url(), &args);
        assert_eq!(done.code, Some(0), "{usage}: {}", done.err);
        let told = document(&folder.path().join("out/live.json"));
        assert!(told["budget"]["spent"]["tokens"].as_u64().unwrap() < 100_000, "{usage}");
        assert!(told["budget"]["possibly_billed"]["tokens"].as_u64().unwrap() > 0, "{usage}: charged as reserved");
        assert_eq!(told["cells"][0]["usage_estimated"], server.requests());
        // Nothing can be learnt of how long so many tokens take.
        let mut learn = std::process::Command::new(assert_cmd::cargo::cargo_bin("delm-sim"));
        learn.args(["calibrate", "--from-transcript", "out/transcript.jsonl", "--output-dir", "learned"]);
        let output = learn.current_dir(folder.path()).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{err}");
        assert!(err.contains("no latency law") && err.contains("estimated usage"), "{err}");
    }
}

#[test]
fn prices_of_both_sides_are_needed_for_dollars() {
    let folder = folder();
    let rates = "endpoints.model.price.rates={input_usd_per_mtok=1.0}";
    let done = live(folder.path(), "http://127.0.0.1:9", &["--max-usd", "1", "--set", rates]);
    assert_eq!(done.code, Some(2), "{}", done.err);
    assert!(done.err.contains("output_usd_per_mtok is 0"), "{}", done.err);
}

#[test]
fn connections_are_used_again() {
    let folder = folder();
    let server = Server::start(|_| Act::Answer);
    let done = live(folder.path(), &server.url(), &["--policy", "single", "--max-calls", "60", "--output-dir", "out"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let (requests, connections) = (server.requests(), server.connections());
    assert!(requests >= 4 && connections < requests, "{connections} connections for {requests} requests");
}

#[test]
fn a_key_in_escapes_is_shown_nowhere() {
    let folder = folder();
    let escaped = KEY.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect::<Vec<_>>().concat();
    let server = Server::start(move |asked| match asked.number {
        0 => Act::Say(fitting(&schema(&asked.body), 1).to_string().replace("words", &escaped)),
        1 => Act::Raw(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{}{KEY}", 60 + KEY.len(), "x".repeat(60))),
        2..8 => Act::Answer,
        _ => Act::Raw(format!(
            "HTTP/1.1 401 No\r\ncontent-length: {}\r\n\r\n{}{KEY}",
            65_525 + KEY.len(),
            " ".repeat(65_525)
        )),
    });
    let done = live(folder.path(), &server.url(), &["--max-calls", "60", "--output-dir", "out"]);
    assert_eq!(done.code, Some(1), "{}", done.err);
    let mut texts = vec![done.out, done.err];
    for entry in fs::read_dir(folder.path().join("out")).unwrap() {
        texts.push(fs::read_to_string(entry.unwrap().path()).unwrap());
    }
    for text in &texts {
        assert!(!text.contains("very-secret") && !text.contains("sk-ve") && !text.contains("u0073"), "{text}");
    }
    assert!(texts.iter().any(|text| text.contains("[redacted]")));
    let query = format!("http://127.0.0.1:9/v1?api_key={KEY}");
    let done = live(folder.path(), &query, &["--max-calls", "60"]);
    assert_eq!(done.code, Some(2), "{}", done.err);
    assert!(done.err.contains("OPENAI_API_KEY") && !done.err.contains(KEY), "{}", done.err);
}
