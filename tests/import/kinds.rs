//! Kinds of numbers that were read wrongly once, one test each.

use super::check::{by_number, recordings, run};
use super::trouble::{file, lines, missing, record, times, write};
use delm_sim::import::Options;
use serde_json::{Value, json};

#[allow(clippy::needless_pass_by_value, reason = "calls read better without references to literals")]
fn trajectory(messages: Value) -> String {
    json!({"trajectory_format": "mini-swe-agent-1", "messages": messages,
        "info": {"exit_status": "Submitted", "model_stats": {"instance_cost": 0.03, "api_calls": 2}}})
    .to_string()
}

#[allow(clippy::needless_pass_by_value, reason = "calls read better without references to literals")]
fn says(role: &str, extra: Value) -> Value {
    json!({"role": role, "content": "x", "extra": extra})
}

#[test]
fn the_creation_of_answers_is_a_time() {
    let answer = |at: u64| {
        says(
            "assistant",
            json!({"cost": 0.015, "response": {"created": 1_750_000_000 + at, "model": "m",
        "choices": [{"message": {"role": "assistant", "content": "x"}}], "usage": {"prompt_tokens": 50,
        "completion_tokens": 10}}}),
        )
    };
    let text = trajectory(json!([says("user", Value::Null), answer(5), says("user", Value::Null), answer(12)]));
    let (imported, runs) = file("a.traj.json", &text);
    assert_eq!(times(&runs[0])[1].1 - times(&runs[0])[0].1, 7000);
    assert!(missing(&runs[0]).contains("extra.response.created"));
    let check = &imported.report.check;
    assert_eq!((check.calls.told, check.calls.found), (2, 2));
    assert_eq!((check.picodollars.told, check.picodollars.found), (30_000_000_000, 30_000_000_000));
}

#[test]
fn one_wrong_clock_takes_no_other_time_with_it() {
    let at = |s: u64| json!({"timestamp": 1_750_000_000 + s});
    let mut messages = vec![says("user", at(0))];
    for turn in 0..6 {
        messages.push(says("assistant", at(turn * 10 + 5)));
        messages.push(says("user", at(turn * 10 + 6)));
    }
    messages[4] = says("user", at(36_000));
    let (_, runs) = file("a.traj.json", &trajectory(messages.into()));
    let lengths: Vec<u64> = times(&runs[0]).iter().map(|(start, end)| end - start).collect();
    assert_eq!(lengths, [5000, 9000, 20_000 - 10_000, 9000, 9000, 9000], "the message before bounds it");
}

#[test]
fn a_history_is_kept_once() {
    let long = "long ".repeat(2000);
    let mut messages = vec![json!({"role": "system", "content": long}), json!({"role": "user", "content": "go"})];
    for _ in 0..40 {
        messages.push(json!({"role": "assistant", "content": "step"}));
        messages.push(json!({"role": "user", "content": long}));
    }
    let text = trajectory(messages.into());
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "a.traj.json", text.as_bytes());
    let (_, out) = run(&path, None, &Options::default()).unwrap();
    assert!(out.len() < 2 * text.len(), "{} bytes of {}", out.len(), text.len());
    let runs = recordings(out);
    let calls = by_number(&runs[0]);
    assert_eq!(calls[20].request.messages.len(), 1, "what it adds");
    assert!(calls[39].usage.prompt_tokens > 39 * calls[1].usage.prompt_tokens / 3, "the history counts");
}

#[test]
fn reasoning_beside_the_completion_counts() {
    let with = |usage: Value| {
        let mut call = record(json!({}));
        call["response"]["usage"] = usage;
        let (imported, _) = file("a.jsonl", &lines(&[call]));
        (imported.report.prompt_tokens, imported.report.completion_tokens)
    };
    // Beside it: the total tells. Inside it: it does too.
    let told = json!({"prompt_tokens": 32, "completion_tokens": 9, "total_tokens": 135,
        "completion_tokens_details": {"reasoning_tokens": 94}});
    assert_eq!(with(told), (32, 103));
    assert_eq!(with(json!({"prompt_tokens": 35, "completion_tokens": 12, "total_tokens": 121})), (35, 86));
    let inside = json!({"prompt_tokens": 32, "completion_tokens": 103, "total_tokens": 135,
        "completion_tokens_details": {"reasoning_tokens": 94}});
    assert_eq!(with(inside), (32, 103));
}

#[test]
fn streams_count_what_they_end_with() {
    let stream = |events: &[Value]| {
        let text = events.iter().map(|event| format!("data: {event}")).collect::<Vec<_>>().join("\n\n");
        let mut call = record(json!({}));
        call["response"] = text.into();
        let (imported, runs) = file("a.jsonl", &lines(&[call]));
        let text = by_number(&runs[0])[0].response.as_ref().unwrap().text.clone().unwrap_or_default();
        (imported.report.completion_tokens, imported.report.estimated_calls, text)
    };
    let part = |text: &str, tokens: u32| {
        json!({"candidates": [{"content": {"parts": [{"text": text}]}}],
        "modelVersion": "gemini-2.5-flash", "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": tokens}})
    };
    assert_eq!(stream(&[part("No", 7), part("rth", 420)]), (420, 0, "North".to_owned()));
    let start = json!({"type": "message_start", "message": {"model": "claude", "usage": {"input_tokens": 9, "output_tokens": 1}}});
    let delta = json!({"type": "content_block_delta", "delta": {"text": "North by north west"}});
    let end = json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 42}});
    assert_eq!(stream(&[start.clone(), delta.clone(), end]).0, 42);
    let cut = stream(&[start, delta]);
    assert!(cut.0 > 1 && cut.1 == 1, "a beginning's usage is not the answer's: {cut:?}");
    let list = json!({"choices": [{"delta": {"content": [{"type": "text", "text": "North."}]}}]});
    assert_eq!(stream(&[list]).2, "North.");
}

#[test]
fn forms_that_are_not_known_are_no_text() {
    let mut call = record(json!({}));
    call["response"] = "\u{fffd}\u{0}binary\u{1}".into();
    let (imported, runs) = file("a.jsonl", &lines(&[call]));
    assert_eq!(imported.report.completion_tokens, 0);
    assert!(missing(&runs[0]).contains("not counted as text"));
    // Bedrock's own form.
    let row = json!({"cassette": "c", "uri": "https://bedrock-runtime.x.test/model/anthropic.claude-v2/converse", "status": 200,
        "request": {"messages": [{"role": "user", "content": [{"text": "Which way?"}]}]},
        "response": {"output": {"message": {"role": "assistant", "content": [{"text": "North."}]}}, "stopReason": "end_turn",
            "usage": {"inputTokens": 50, "outputTokens": 254, "totalTokens": 304, "cacheReadInputTokens": 0}}});
    let (imported, runs) = file("c.jsonl", &lines(&[row]));
    assert_eq!((imported.report.prompt_tokens, imported.report.completion_tokens), (50, 254));
    assert_eq!(by_number(&runs[0])[0].request.model.as_deref(), Some("anthropic.claude-v2"));
    // A search has contents too.
    let search = json!({"cassette": "c", "uri": "https://search.x.test/v1", "status": 200,
        "request": {"query": "boats", "contents": {}}, "response": {"results": []}});
    let row = json!({"cassette": "c", "uri": "https://x.test/v1", "status": 200, "request": record(json!({}))["request"],
        "response": record(json!({}))["response"]});
    let (imported, _) = file("c.jsonl", &lines(&[search, row]));
    assert_eq!((imported.report.calls, imported.report.left_out.values().sum::<u64>()), (1, 1));
}

#[test]
fn field_names_alone_are_no_format() {
    let flat = |at: u64| json!({"session_id": "s", "input": "Which way?", "output": "North.", "timestamp": 1_750_000_000 + at});
    let (imported, _) = file("a.jsonl", &lines(&[flat(0), flat(5)]));
    assert_eq!((imported.inputs[0].format, imported.report.calls), ("openai-log", 2));
    let folder = tempfile::tempdir().unwrap();
    let cut = r#"{"data": [{"traceID": "t", "spans": [{"spanID": "1", "operationName": "chat", "tags": [{"ke"#;
    let error =
        run(&write(folder.path(), "j.json", cut.as_bytes()), None, &Options::default()).unwrap_err().to_string();
    assert!(error.contains("ends too early"), "{error}");
}

#[test]
fn units_dates_and_characters() {
    let (_, runs) = file("a.jsonl", &lines(&[record(json!({"start_ts": 1_750_000_000, "latency": 5200}))]));
    assert_eq!(times(&runs[0]), [(0, 5200)]);
    assert!(missing(&runs[0]).contains("read as milliseconds"));
    let (_, runs) = file("a.jsonl", &lines(&[record(json!({"start_ts": 1_750_000_000, "latency": 5.2}))]));
    assert_eq!(times(&runs[0]), [(0, 5200)]);
    let text = lines(&[record(json!({"note": "NOTE"}))]).replace("NOTE", "half \\ud83d of one");
    assert_eq!(file("a.jsonl", &text).0.report.calls, 1);
    let deep = format!("[{}{}]", "[".repeat(200), "]".repeat(200));
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "deep.json", deep.as_bytes());
    let error = run(&path, Some("openai-log"), &Options::default()).unwrap_err().to_string();
    assert!(error.contains("deeper than the limit of 128 levels"), "{error}");
}

#[test]
fn a_message_without_a_role_is_damage() {
    let text = trajectory(json!([says("user", Value::Null), {"content": "lost"}, says("assistant", Value::Null)]));
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "a.traj.json", text.as_bytes());
    let error = run(&path, None, &Options::default()).unwrap_err().to_string();
    assert!(error.contains("field `messages[1].role`: missing"), "{error}");
    let (imported, _) = run(&path, None, &Options { skip_damaged: true, ..Options::default() }).unwrap();
    assert_eq!((imported.report.calls, imported.report.damaged.len()), (1, 1));
}

#[test]
fn a_cassette_that_was_recorded_again_is_no_run_of_months() {
    let row = |date: &str| {
        let mut row = record(json!({"cassette": "c", "uri": "https://x.test/v1", "status": 200, "processing_ms": 900,
            "date": date}));
        row["request"]["seed"] = date.len().into();
        row
    };
    let rows = [
        row("Mon, 01 Jan 2024 10:00:00 GMT"),
        row("Thu, 01 Jan 2026 10:00:00 GMT"),
        row("Thu, 01 Jan 2026 10:00:02 GMT"),
    ];
    let (_, runs) = file("c.jsonl", &lines(&rows));
    assert_eq!(times(&runs[0]), [(0, 900), (900, 1800), (2900, 3800)]);
    assert!(runs[0].run.missing.iter().any(|what| what.contains("the time between is left out")));
}

#[test]
fn bodies_and_members_in_newer_packings_are_unpacked() {
    const ZSTD: &str = "KLUv/SSmtQMAUggZF3BtG/4vW0nUKHqvFSAgAOHZO6Ckqjoz7wmD7up8GhMITGdNZxvpxtY16Agc722bj+m6rNIhDS9dyxF4D5p2WxzTW7N1W1XzYlZ/1j3C9GQUc7JHBqZzJmub5AicHdOfVJY9CgUAPJeDFmIKuqPqTq6lDHRHhuo=";
    const BROTLI: &str = "G6UAgJwFdvuCiSkE8keF3WShgtkjyB35gQUZBQ/061dFrdZh6eobIHqymIUQdU1WmNlMk20PoXEbG55lCZmNk9ZzkXJ9DBtPVfOMXLAzRSPw8bzxEzgJdz7sM8uXq7drzawTaySbDmIIhDc/";
    const SAMPLE: &str = "KLUv/WQtALUFAEJKHxhwWQeY/j+MttFYgsR8sKrHS8hgvMn/P8xTmXO6wRW6b8hRlIs1r0nIyH7djO75Ybp54uZFqPkmrXgFlPlMwthU3NalWEmLgu8KHHHrhmNwgUE44rqnJkb2FXACT08uD3xRFbEFLrETp+t+S3TfEvI16B5qIsVX4H3dO+9bFgA4B7Q40vAGVKX7xDWc6CeJjUQm86gD6SGJj2kA7UDxIBBoOlgwoQUcGTMAAC4L8WCQB6UJnLYDJA==";
    let tape = |encoding: &str, body: &str| {
        json!({"interactions": [{"request": {"uri": "https://x.test/v1", "body": {"string": record(json!({}))["request"].to_string()}},
            "response": {"status": {"code": 200}, "headers": {"content-encoding": [encoding]}, "body": {"base64_string": body}}}]})
        .to_string()
    };
    for (encoding, body) in [("zstd", ZSTD), ("br", BROTLI)] {
        let (imported, runs) = file("c.json", &tape(encoding, body));
        assert_eq!((imported.report.prompt_tokens, imported.report.completion_tokens), (50, 10), "{encoding}");
        assert_eq!(by_number(&runs[0])[0].response.as_ref().unwrap().text.as_deref(), Some("North."), "{encoding}");
    }

    // A zip writer that knows no Zstandard stores the packed bytes; their method is then written over.
    let packed = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, SAMPLE).unwrap();
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    zip.start_file("samples/s_epoch_1.json", stored).unwrap();
    std::io::Write::write_all(&mut zip, &packed).unwrap();
    let mut bytes = zip.finish().unwrap().into_inner();
    for (mark, place) in [(b"PK\x03\x04", 8), (b"PK\x01\x02", 10)] {
        let at = bytes.windows(4).position(|four| four == mark).unwrap();
        bytes[at + place..at + place + 2].copy_from_slice(&93_u16.to_le_bytes());
    }
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "a.eval", &bytes);
    let (imported, _) = run(&path, None, &Options::default()).unwrap();
    assert_eq!((imported.report.calls, imported.report.prompt_tokens), (1, 50));
    // Two frames of a packed log are one log.
    let log = write(folder.path(), "two.jsonl.zst", &[packed.clone(), b"".to_vec(), packed].concat());
    let error = run(&log, None, &Options::default()).unwrap_err().to_string();
    assert!(error.contains("--map"), "read, and of no known format: {error}");
}
