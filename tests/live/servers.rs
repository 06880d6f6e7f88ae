//! Several servers in one run, and servers that speak Anthropic's and Azure's APIs.

use super::server::{Act, Asked, Server, fitting, schema};
use super::{KEY, document, folder, lines, live, replayed};
use assert_cmd::cargo::cargo_bin;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

const LEAD_KEY: &str = "sk-lead-0123456789-abcdef";

/// A server that remembers whole requests.
fn keeping(act: impl Fn(&Asked) -> Act + Send + Sync + 'static) -> (Server, Arc<Mutex<Vec<Asked>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = asked.clone();
    let server = Server::start(move |one| {
        kept.lock().unwrap().push(one.clone());
        act(one)
    });
    (server, asked)
}

fn run(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(cargo_bin("delm-sim"));
    command.args(["live", "tiny.toml"]).args(args).current_dir(folder).stdin(Stdio::null());
    command.env("LEAD_KEY", LEAD_KEY).env("OPENAI_API_KEY", KEY).env_remove("OPENAI_BASE_URL");
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// No file and no stream shows a key.
fn no_key(dir: &Path, texts: &[&str]) {
    let files = fs::read_dir(dir).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    for text in files.chain(texts.iter().map(|t| (*t).to_owned())) {
        assert!(!text.contains(LEAD_KEY) && !text.contains(KEY), "{text}");
    }
}

#[test]
fn a_lead_and_workers_have_their_own_servers_and_keys() {
    let folder = folder();
    let (lead, by_lead) = keeping(|asked| if asked.number == 0 { echo() } else { Act::Answer });
    let (worker, by_worker) = keeping(|_| Act::Answer);
    let endpoint = format!("lead={},big,LEAD_KEY", lead.url());
    let args = ["--endpoint", &endpoint, "--base-url", &worker.url(), "--model", "small", "--policy"];
    let rest = ["orchestrator-async", "--max-calls", "200", "--output-dir", "out"];
    let (code, out, err) = run(folder.path(), &[&args[..], &rest].concat());
    assert_eq!(code, Some(0), "{err}");
    let dir = folder.path().join("out");
    let (lead_asked, worker_asked) = (by_lead.lock().unwrap(), by_worker.lock().unwrap());
    assert!(!lead_asked.is_empty() && !worker_asked.is_empty());
    let keys = |asked: &[Asked], key: &str| asked.iter().all(|a| a.key == format!("Bearer {key}"));
    assert!(keys(&lead_asked, LEAD_KEY) && keys(&worker_asked, KEY));
    assert!(lead_asked.iter().all(|a| a.body["model"] == "big"));
    assert!(worker_asked.iter().all(|a| a.body["model"] == "small"));
    let purposes = |endpoint: &str| {
        let calls = lines(&dir, "call");
        let own = calls.iter().filter(|c| c["endpoint"] == endpoint).map(|c| c["purpose"].as_str().unwrap().to_owned());
        own.collect::<std::collections::BTreeSet<_>>()
    };
    assert!(purposes("lead").contains("finalize") && !purposes("lead").contains("step"));
    assert!(purposes("model").contains("step"));
    let told = document(&dir.join("live.json"));
    let of =
        |name: &str| told["endpoints"].as_array().unwrap().iter().find(|e| e["name"] == name).unwrap()["model"].clone();
    assert_eq!((of("lead"), of("model")), (json!("big"), json!("small")));
    assert!(out.contains("endpoint lead: model big"), "{out}");
    no_key(&dir, &[&out, &err]);
    replayed(folder.path(), "out");
    // Another lead is another run.
    let endpoint = format!("lead={},bigger,LEAD_KEY", lead.url());
    let args = ["--endpoint", &endpoint, "--base-url", &worker.url(), "--model", "small", "--policy"];
    let rest = ["orchestrator-async", "--max-calls", "200", "--resume", "out"];
    let (code, _, err) = run(folder.path(), &[&args[..], &rest].concat());
    assert_eq!(code, Some(2), "{err}");
}

/// An error that shows both keys.
fn echo() -> Act {
    Act::Status(500, "", format!("keys {LEAD_KEY} and {KEY}"))
}

#[test]
fn servers_stand_in_the_scenario_as_well() {
    let folder = folder();
    let (server, asked) = keeping(|_| Act::Answer);
    let table =
        format!("[endpoints.model.live]\nbase_url = \"{}\"\nmodel = \"own\"\nkey_env = \"LEAD_KEY\"\n", server.url());
    let tiny = folder.path().join("tiny.toml");
    let text = fs::read_to_string(&tiny).unwrap() + &table;
    fs::write(&tiny, &text).unwrap();
    let args = ["--policy", "single", "--max-calls", "50", "--output-dir", "out"];
    let (code, out, err) = run(folder.path(), &args);
    assert_eq!(code, Some(0), "{err}");
    assert!(asked.lock().unwrap().iter().all(|a| a.key == format!("Bearer {LEAD_KEY}") && a.body["model"] == "own"));
    no_key(&folder.path().join("out"), &[&out, &err]);
    // A key in the place of its variable's name is refused and not shown.
    fs::write(&tiny, text.replace("\"LEAD_KEY\"", &format!("\"{LEAD_KEY}\""))).unwrap();
    let (code, _, err) = run(folder.path(), &args);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("key_env") && err.contains("environment variable"), "{err}");
}

#[test]
fn what_an_endpoint_flag_lacks_is_told_without_its_key() {
    let folder = folder();
    let url = "http://127.0.0.1:9/v1";
    for (endpoint, words) in [
        (format!("lead={url},m,{LEAD_KEY}"), "never the key itself"),
        (format!("boss={url},m,LEAD_KEY"), "lead, worker, verifier"),
        (format!("lead={url},m,NO_SUCH_VARIABLE"), "not set or empty"),
        ("lead".to_owned(), "NAME=URL,MODEL,KEYENV"),
        ("lead=nowhere,m".to_owned(), "the address"),
    ] {
        let args = ["--endpoint", &endpoint, "--base-url", url, "--model", "m", "--max-calls", "5"];
        let (code, _, err) = run(folder.path(), &args);
        assert_eq!(code, Some(2), "{endpoint}: {err}");
        assert!(err.contains("--endpoint") && err.contains(words), "{err}");
        assert!(!err.contains(LEAD_KEY), "{err}");
    }
    let (code, _, err) = run(folder.path(), &["--max-calls", "5", "--base-url", url]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("--model") && err.contains("--endpoint"), "{err}");
}

/// A streamed message of Anthropic's API.
fn message(asked: &Asked) -> Act {
    let schema = schema(&asked.body);
    let text = fitting(&schema, asked.number as usize).to_string();
    let usage = json!({"input_tokens": 10, "cache_read_input_tokens": 80, "cache_creation_input_tokens": 5,
                       "output_tokens": 1});
    let delta =
        |text: &str| json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}});
    let (one, other) = text.split_at(text.len() / 2);
    let events: [Value; 7] = [
        json!({"type": "message_start", "message": {"id": "msg", "model": "claude-x", "usage": usage}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        delta(one),
        delta(other),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 12}}),
        json!({"type": "message_stop"}),
    ];
    let lines = events.map(|e| format!("event: {}\ndata: {e}\n\n", e["type"].as_str().unwrap()));
    let body = lines.concat();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    Act::Raw(format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len()))
}

#[test]
fn anthropics_messages_are_spoken() {
    let folder = folder();
    let (server, asked) = keeping(|asked| match asked.number {
        1 => Act::Refusal(
            529,
            json!({"type": "error", "error": {"type": "overloaded_error", "message": "x"}}).to_string(),
        ),
        _ => message(asked),
    });
    let url = server.at("/v1/messages");
    let done = live(folder.path(), &url, &["--policy", "single", "--max-calls", "60", "--output-dir", "out"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let asked = asked.lock().unwrap();
    for one in asked.iter() {
        assert_eq!(one.path, "/v1/messages");
        assert_eq!((one.headers["x-api-key"].as_str(), one.headers["anthropic-version"].as_str()), (KEY, "2023-06-01"));
        assert!(one.body["system"].is_string() && one.key.is_empty());
        assert!(one.body["messages"].as_array().unwrap().iter().all(|m| m["role"] != "system"));
    }
    let dir = folder.path().join("out");
    let calls = lines(&dir, "call");
    let first = calls.iter().find(|c| c["endpoint"] == "model").unwrap();
    let usage = &first["usage"];
    assert_eq!(
        (&usage["prompt_tokens"], &usage["cached_tokens"], &usage["completion_tokens"]),
        (&json!(95), &json!(80), &json!(12))
    );
    assert_eq!((&first["response"]["class"], &first["response"]["model"]), (&json!("answered"), &json!("claude-x")));
    replayed(folder.path(), "out");
}

#[test]
fn azures_paths_and_header_are_used() {
    for (base, more, path) in [
        ("/openai/deployments/dep", &[][..], "/openai/deployments/dep/chat/completions?api-version=2024-10-21"),
        (
            "/openai/deployments/dep?api-version=2025-01-01",
            &[],
            "/openai/deployments/dep/chat/completions?api-version=2025-01-01",
        ),
        ("", &["--api", "azure"], "/openai/deployments/scripted/chat/completions?api-version=2024-10-21"),
    ] {
        let folder = folder();
        let (server, asked) = keeping(|_| Act::Answer);
        let args = [&["--policy", "single", "--max-calls", "60", "--output-dir", "out"], more].concat();
        let done = live(folder.path(), &server.at(base), &args);
        assert_eq!(done.code, Some(0), "{}", done.err);
        for one in asked.lock().unwrap().iter() {
            assert_eq!((one.path.as_str(), one.headers["api-key"].as_str(), one.key.as_str()), (path, KEY, ""));
        }
    }
}
