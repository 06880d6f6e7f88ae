//! What real logs do: pauses, unset times, failures, things told twice, things that are no calls.

use super::check::{by_number, recordings, run};
use delm_sim::import::{Imported, Options, import};
use delm_sim::record::transcript::{Recording, Status};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Imports files that are written first.
pub(super) fn files(all: &[(&str, &str)]) -> (Imported, Vec<Recording>) {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = all.iter().map(|(name, text)| write(folder.path(), name, text.as_bytes())).collect();
    let mut body = Vec::new();
    let imported = import(&paths, None, &Options::default(), &mut body).unwrap_or_else(|e| panic!("{e}"));
    let mut text = serde_json::to_vec(&delm_sim::record::transcript::Line::Header(imported.header.clone())).unwrap();
    text.push(b'\n');
    text.extend(body);
    (imported, recordings(text))
}

pub(super) fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, bytes).unwrap();
    path
}

pub(super) fn file(name: &str, text: &str) -> (Imported, Vec<Recording>) {
    files(&[(name, text)])
}

pub(super) fn lines(records: &[Value]) -> String {
    let mut text = String::new();
    for record in records {
        writeln!(text, "{record}").unwrap();
    }
    text
}

/// A record of a plain log with more fields.
pub(super) fn record(more: Value) -> Value {
    let mut record = json!({
        "request": {"model": "m", "messages": [{"role": "user", "content": "Which way?"}]},
        "response": {"model": "m", "choices": [{"message": {"role": "assistant", "content": "North."}}],
            "usage": {"prompt_tokens": 50, "completion_tokens": 10}},
    });
    merge(&mut record, more);
    record
}

pub(super) fn merge(into: &mut Value, more: Value) {
    let Value::Object(more) = more else { return };
    into.as_object_mut().unwrap().extend(more);
}

/// A span with attributes.
pub(super) fn span(id: &str, parent: &str, seconds: (u64, u64), attributes: Value) -> Value {
    let nanos = |s: u64| if s == 0 { "0".to_owned() } else { format!("{}000000000", 1_750_000_000 + s) };
    let mut span = json!({"traceId": "t", "spanId": id, "parentSpanId": parent, "name": "work",
        "startTimeUnixNano": nanos(seconds.0), "endTimeUnixNano": nanos(seconds.1)});
    span["attributes"] = attributes;
    span
}

pub(super) fn chat(more: Value) -> Value {
    let mut attributes = json!({"gen_ai.operation.name": "chat", "gen_ai.request.model": "m",
        "gen_ai.usage.input_tokens": 50, "gen_ai.usage.output_tokens": 10});
    merge(&mut attributes, more);
    attributes
}

/// Dispatch and completion in milliseconds, in the order of asking.
pub(super) fn times(run: &Recording) -> Vec<(u64, u64)> {
    let ms = |ns: Option<u64>| ns.unwrap() / 1_000_000;
    by_number(run).iter().map(|c| (ms(c.dispatched_ns), ms(c.completed_ns))).collect()
}

pub(super) fn missing(run: &Recording) -> String {
    by_number(run).iter().flat_map(|c| c.missing.clone()).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_pause_is_no_service() {
    let at = |at: &str| record(json!({"timestamp": at}));
    let (_, runs) = file("a.jsonl", &lines(&[at("2026-01-01T10:00:00Z"), at("2026-01-01T18:00:00Z")]));
    assert_eq!(times(&runs[0]), [(0, 200), (28_800_000, 28_800_200)], "0.02 s per token");
    assert!(missing(&runs[0]).contains("are a pause; from 0.02 s per completion token"), "{}", missing(&runs[0]));
    assert!(runs[0].run.missing.iter().any(|m| m.starts_with("pauses: more than 10 minutes")));

    // What is told for one call is used for the others.
    let told = record(json!({"timestamp": "2026-01-01T09:00:00Z", "duration_ms": 3000}));
    let (_, runs) = file("a.jsonl", &lines(&[told, at("2026-01-01T10:00:00Z"), at("2026-01-01T18:00:00Z")]));
    assert_eq!(times(&runs[0])[1..], [(3_600_000, 3_603_000), (32_400_000, 32_403_000)]);

    let tape = |date: &str| {
        let mut row = record(json!({"cassette": "c", "uri": "https://x.test/v1", "status": 200, "processing_ms": 900,
            "date": date}));
        row["request"]["stream"] = true.into();
        row
    };
    let rows = [tape("Mon, 01 Jan 2024 10:00:00 GMT"), tape("Thu, 01 Jan 2026 10:00:00 GMT")];
    let (_, runs) = file("c.jsonl", &lines(&rows));
    assert_eq!(times(&runs[0]), [(0, 1100), (1100, 2200)], "server time and 0.02 s per token, and no years between");
}

#[test]
fn a_told_gap_ends_the_call_before_it() {
    let call = |t: u32, more: Value| {
        let mut call = json!({"t": t, "type": "n", "model": "m", "in": 64, "out": 10, "hash_ids": [1]});
        merge(&mut call, more);
        call
    };
    let requests = [
        call(0, json!({"api_time": 5.0, "think_time": 0})),
        call(10, json!({"think_time": 5})),
        call(7210, json!({"api_time": 5.0, "think_time": 7190})),
    ];
    let (_, runs) = file("t.jsonl", &lines(&[json!({"id": "g", "block_size": 64, "requests": requests})]));
    assert_eq!(times(&runs[0]), [(0, 5000), (10_000, 20_000), (7_210_000, 7_215_000)]);
    assert!(missing(&runs[0]).contains("think_time"));
}

#[test]
fn times_that_are_not_set_are_missing() {
    let spans = [span("1", "", (0, 1), chat(json!({}))), span("2", "", (2, 3), chat(json!({})))];
    let (imported, runs) = file("o.jsonl", &lines(&spans));
    assert_eq!(times(&runs[0]), [(0, 1000), (2000, 3000)], "as long as the other");
    assert!(imported.report.missing.keys().any(|what| what.contains("times: 0, or a date")));
    let zero = record(json!({"timestamp": 0, "duration_ms": 1000}));
    let (_, runs) = file("a.jsonl", &lines(&[zero, record(json!({"timestamp": 1_750_000_000, "duration_ms": 500}))]));
    assert_eq!(times(&runs[0]), [(0, 1000), (1000, 1500)], "before the next");
    let flat = |at: u64| {
        json!({"session_id": "s", "input": "user: We are working to address the following user request: x",
            "output": "y", "timestamp": at})
    };
    let text = lines(&[flat(1_750_000_000_000_000), flat(0), flat(1_750_000_009_000_000)]);
    let (_, runs) = file("m.jsonl", &text);
    assert_eq!(runs[0].end.as_ref().unwrap().makespan_ns / 1_000_000_000, 9);
    assert!(runs[0].run.missing.iter().any(|m| m.contains("timestamps of calls: 1")));
}

#[test]
fn what_json_does_not_have_is_read_as_nothing() {
    let text = r#"{"timestamp": 1750000000, "score": NaN, "request": {"model": "m", "messages": [{"role": "user", "content": "NaN?"}]}, "response": "no"}"#;
    let (_, runs) = file("a.jsonl", text);
    assert_eq!(by_number(&runs[0])[0].request.messages[0].content, "NaN?");
}

#[test]
fn failures_are_failed() {
    let texts = [
        record(json!({"response": null, "status": "failure", "error_str": "RateLimitError"})),
        record(json!({"response": {}, "status": "failure"})),
        record(json!({"response": "Internal Server Error", "status_code": 500})),
        record(json!({"response": {"status_code": 429, "body": {"error": {"type": "busy"}}}})),
        record(json!({"response": null, "error": {"code": "batch_expired"}})),
    ];
    for text in texts {
        let (_, runs) = file("a.jsonl", &lines(std::slice::from_ref(&text)));
        assert_eq!(by_number(&runs[0])[0].status, Status::Failed, "{text}");
    }
    let ok = record(json!({"status": "success", "status_code": 200, "error": null, "error_str": ""}));
    assert_eq!(by_number(&file("a.jsonl", &lines(&[ok])).1[0])[0].status, Status::Ok);
    let mut failed = span("1", "", (1, 2), chat(json!({})));
    failed["status_code"] = "ERROR".into();
    assert_eq!(by_number(&file("o.jsonl", &lines(&[failed])).1[0])[0].status, Status::Failed);
}

#[test]
fn what_is_told_about_time_is_kept() {
    let first = |more: Value| {
        let (_, runs) = file("a.jsonl", &lines(&[record(more)]));
        let call = by_number(&runs[0])[0].clone();
        (call.completed_ns.unwrap() / 1_000_000, call.first_token_ns.map(|ns| ns / 1_000_000))
    };
    assert_eq!(first(json!({"duration_ms": 1500})), (1500, None));
    assert_eq!(first(json!({"timestamp": 1_750_000_000, "response_time": 1.5})), (1500, None));
    let lite = json!({"startTime": 1_750_000_000, "endTime": 1_750_000_002, "completionStartTime": 1_750_000_000.5});
    assert_eq!(first(lite), (2000, Some(500)));
    let thinking = json!({"response": {"candidates": [{"content": {"role": "model"}}], "usageMetadata":
        {"promptTokenCount": 10, "totalTokenCount": 110, "thoughtsTokenCount": 100}}});
    let (imported, _) = file("a.jsonl", &lines(&[record(thinking)]));
    assert_eq!(imported.report.completion_tokens, 100);
}

#[test]
fn what_is_no_text_is_left_out() {
    let other = |request: Value, response: Value| json!({"request": request, "response": response});
    let all = [
        record(json!({})),
        other(json!({"model": "own-name", "input": "x"}), json!({"data": [{"embedding": [0.1]}]})),
        other(json!({"model": "omni-moderation-latest", "input": "x"}), json!({"results": []})),
        other(json!({"model": "dall-e-3", "prompt": "x"}), json!({"data": [{"url": "x"}]})),
    ];
    let (imported, _) = file("a.jsonl", &lines(&all));
    assert_eq!(imported.report.calls, 1);
    let left_out: Vec<(&str, u64)> = imported.report.left_out.iter().map(|(k, n)| (k.as_str(), *n)).collect();
    assert_eq!(left_out, [("embeddings", 1), ("images", 1), ("moderations", 1)]);
}

#[test]
fn a_call_that_is_told_twice_is_one_call() {
    let one = span("1", "", (1, 2), chat(json!({})));
    let (imported, _) = file("o.jsonl", &lines(&[one.clone(), one.clone()]));
    assert_eq!(imported.report.calls, 1);
    assert!(imported.report.notes.iter().any(|n| n.contains("1 spans stand there twice")));
    let outer = span("0", "", (1, 3), json!({"openinference.span.kind": "LLM", "llm.model_name": "m"}));
    let inner = span("1", "0", (1, 2), chat(json!({})));
    let (imported, _) = file("o.jsonl", &lines(&[outer, inner]));
    assert_eq!((imported.report.calls, imported.report.prompt_tokens), (1, 50));

    let event = |day: u32, role: &str| {
        json!({"ts": format!("2026-05-0{day}T10:00:05"), "task_id": "t", "role": role, "prompt_tokens": 5,
            "completion_tokens": 2, "latency_ms": 1000})
    };
    let (first, second) = (event(1, "PlannerAgent"), event(3, "PlannerAgent"));
    let (imported, runs) = file("e.jsonl", &lines(&[first.clone(), first, second]));
    assert_eq!((imported.report.calls, runs.len()), (2, 2), "another day is another run");
    assert_eq!(runs[1].run.name.as_deref(), Some("t (run 2)"));
    assert!(imported.report.notes.iter().any(|n| n.contains("1 records stand there twice")));
}

#[test]
fn a_session_goes_on_in_the_next_file() {
    let at = |at: u64, name: &str| record(json!({"session_id": name, "timestamp": at, "duration_ms": 100}));
    let one = lines(&[at(1_750_000_000, "a"), at(1_750_000_000, "b")]);
    let two = lines(&[at(1_750_000_001, "a")]);
    let (imported, runs) = files(&[("1.jsonl", &one), ("2.jsonl", &two)]);
    assert_eq!((imported.report.sessions, imported.report.calls), (2, 3));
    assert_eq!(runs[0].calls.len(), 2);
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "1.jsonl", one.as_bytes());
    let imported = import(&[path.clone(), path], None, &Options::default(), &mut Vec::new()).unwrap();
    assert_eq!(imported.report.calls, 2);
    assert!(imported.report.notes[0].contains("given twice, read once"));
}

#[test]
fn a_folder_is_read_and_what_is_not_read_is_told() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "in/log.jsonl", lines(&[record(json!({}))]).as_bytes());
    write(folder.path(), "o.jsonl", lines(&[span("1", "", (1, 2), chat(json!({})))]).as_bytes());
    write(folder.path(), "notes.txt", b"nothing");
    let (imported, _) = run(folder.path(), None, &Options::default()).unwrap();
    assert_eq!(imported.report.calls, 2);
    assert!(imported.report.notes.iter().any(|n| n.contains("1 files of no known format were not read: notes.txt")));
}

#[test]
fn spans_of_all_forms_are_read() {
    let ms = 1_750_000_000_000_u64;
    let forms = [
        json!({"resource_spans": [{"scope_spans": [{"spans": [span("1", "", (1, 2), chat(json!({})))]}]}]}),
        json!({"name": "x", "context": {"trace_id": "t", "span_id": "1"}, "span_kind": "LLM",
            "start_time": "2025-06-15T15:06:41Z", "end_time": "2025-06-15T15:06:42Z", "attributes": {"llm":
            {"model_name": "m", "token_count": {"prompt": 50, "completion": 10}}}}),
        json!({"context.span_id": "1", "context.trace_id": "t", "name": "x", "span_kind": "LLM", "start_time": ms,
            "end_time": ms + 1000, "attributes.llm.token_count.prompt": 50, "attributes.llm.token_count.completion": 10}),
        json!({"data": [{"traceID": "t", "spans": [{"traceID": "t", "spanID": "1", "operationName": "chat m",
            "startTime": ms * 1000, "duration": 1_000_000, "tags": [
            {"key": "gen_ai.usage.input_tokens", "value": 50}, {"key": "gen_ai.usage.output_tokens", "value": 10}]}]}]}),
    ];
    for form in &forms {
        let (imported, runs) = file("o.json", &form.to_string());
        let report = &imported.report;
        assert_eq!((report.prompt_tokens, report.completion_tokens), (50, 10), "{form}");
        assert_eq!(times(&runs[0]), [(0, 1000)], "{form}");
    }
    let pretty = |id: &str| serde_json::to_string_pretty(&span(id, "", (1, 2), chat(json!({})))).unwrap();
    let (imported, _) = file("console.json", &format!("{}\n{}\n", pretty("1"), pretty("2")));
    assert_eq!(imported.report.calls, 2, "documents one after the other");
}

#[test]
fn texts_of_spans_are_found_in_all_places() {
    let kv = |pairs: Value| json!({"kvlistValue": {"values": pairs}});
    let word = |key: &str, text: &str| json!({"key": key, "value": {"stringValue": text}});
    let nested = json!([{"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
        {"key": "gen_ai.input.messages", "value": {"arrayValue": {"values": [kv(json!([word("role", "user"),
            {"key": "parts", "value": {"arrayValue": {"values": [kv(json!([word("type", "text"),
            word("content", "Which way?")]))]}}}]))]}}},
        {"key": "gen_ai.output.messages", "value": {"arrayValue": {"values": [kv(json!([word("role", "assistant"),
            word("content", "North.")]))]}}}]);
    let contents = json!({"openinference.span.kind": "LLM",
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.contents.0.message_content.type": "text",
        "llm.input_messages.0.message.contents.0.message_content.text": "Which way?",
        "llm.output_messages.0.message.content": "North."});
    let mut evented = span("1", "", (1, 2), chat(json!({})));
    evented["events"] = json!([
        {"name": "gen_ai.user.message", "attributes": {"content": "Which way?"}},
        {"name": "gen_ai.choice", "attributes": {"message": "{\"content\": \"North.\"}", "finish_reason": "stop"}}]);
    for one in [span("1", "", (1, 2), nested), span("1", "", (1, 2), contents), evented] {
        let (_, runs) = file("o.jsonl", &lines(std::slice::from_ref(&one)));
        let call = by_number(&runs[0])[0];
        assert_eq!(call.request.messages[0].content, "Which way?", "{one}");
        assert_eq!(call.response.as_ref().unwrap().text.as_deref(), Some("North."), "{one}");
    }
    let tools = chat(json!({"gen_ai.completion.0.role": "assistant", "gen_ai.completion.0.tool_calls.0.name": "look",
        "gen_ai.completion.0.tool_calls.0.arguments": "{}", "gen_ai.completion.0.finish_reason": "tool_calls"}));
    let (_, runs) = file("o.jsonl", &lines(&[span("1", "", (1, 2), tools)]));
    let reply = by_number(&runs[0])[0].response.clone().unwrap();
    assert_eq!((reply.tools, reply.finish_reason.as_deref()), (vec!["look".to_owned()], Some("tool_calls")));
}

#[test]
fn cached_tokens_beside_the_prompt_are_added() {
    let more = json!({"gen_ai.system": "anthropic", "gen_ai.usage.input_tokens": 12,
        "gen_ai.usage.cache_read_input_tokens": 1000, "gen_ai.usage.cache_creation_input_tokens": 500});
    let (_, runs) = file("o.jsonl", &lines(&[span("1", "", (1, 2), chat(more))]));
    let usage = by_number(&runs[0])[0].usage;
    assert_eq!((usage.prompt_tokens, usage.cached_tokens, usage.cache_write_tokens), (1512, 1000, 500));
}

#[test]
fn packed_bodies_are_unpacked() {
    const ZIPPED: &str = "H4sIAAAAAAACA0WMSw7CMAxEr1LNGqGyYMMhuABCKGqtNiKOo9isoty9bhdlN/Pm08AyU8JjAOMyYFolTqTuXw1MqmEhNw1V0i4QVKNayHa0JRu5dP6UausVvb+d/85ZqcLFPiZfyvvrfTxmXBJZlPwPbmPvG6EF7GSNAAAA";
    const PLAIN: &str = "eyJtb2RlbCI6ICJtIiwgImNob2ljZXMiOiBbeyJtZXNzYWdlIjogeyJyb2xlIjogImFzc2lzdGFudCIsICJjb250ZW50IjogIk5vcnRoLiJ9fV0sICJ1c2FnZSI6IHsicHJvbXB0X3Rva2VucyI6IDUwLCAiY29tcGxldGlvbl90b2tlbnMiOiAxMH19";
    let tape = |body: &str| {
        format!(
            "\u{feff}interactions:\n- request:\n    body: '{{\"model\": \"m\", \"messages\": [{{\"role\": \"user\", \"content\": \"x\"}}]}}'\n    uri: https://x.test/v1/chat/completions\n  response:\n    body:\n      {body}\n    status: {{code: 200}}\nversion: 1\n"
        )
    };
    let forms = [format!("string: !!binary |\n        {ZIPPED}"), format!("base64_string: {PLAIN}")];
    for body in forms {
        let (imported, runs) = file("c.yaml", &tape(&body));
        assert_eq!((imported.report.prompt_tokens, imported.report.completion_tokens), (50, 10), "{body}");
        assert_eq!(by_number(&runs[0])[0].response.as_ref().unwrap().text.as_deref(), Some("North."));
    }
    let folder = tempfile::tempdir().unwrap();
    let cut = write(folder.path(), "c.yaml", tape(&format!("string: !!binary {}", &ZIPPED[..120])).as_bytes());
    let error = run(&cut, None, &Options::default()).unwrap_err().to_string();
    assert!(
        error.contains("c.yaml: record 0: field `interactions[0].response.body.string`: the compressed body"),
        "{error}"
    );
}

#[test]
fn a_message_with_an_early_stamp_keeps_its_place() {
    let says = |role: &str, at: u64| json!({"role": role, "content": "x", "extra": {"timestamp": at}});
    let at = |s: u64| 1_750_000_000 + s;
    let messages = [says("user", at(0)), says("assistant", at(5)), says("user", at(6)), says("assistant", at(2))];
    let document = json!({"trajectory_format": "mini-swe-agent-1.1", "messages": messages,
        "info": {"exit_status": "Submitted"}});
    let (_, runs) = file("a.traj.json", &document.to_string());
    assert_eq!(times(&runs[0])[0], (0, 5000));
    assert!(times(&runs[0])[1].0 >= 6000 && missing(&runs[0]).contains("the order of the messages is kept"));

    let reply = json!({"object": "response", "id": "r", "model": "m", "usage": {"input_tokens": 50, "output_tokens": 10},
        "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "North."}]},
        {"type": "function_call", "name": "bash", "arguments": "{}"}], "extra": {"timestamp": at(5)}});
    let messages = [says("user", at(0)), reply, json!({"type": "function_call_output", "output": "ok"})];
    let document = json!({"trajectory_format": "x", "messages": messages, "info": {"exit_status": "Submitted"}});
    let (imported, runs) = file("a.traj.json", &document.to_string());
    assert_eq!((imported.report.calls, imported.report.prompt_tokens), (1, 50));
    assert_eq!(by_number(&runs[0])[0].response.as_ref().unwrap().tools, ["bash"]);
}

#[test]
fn rows_of_a_table_stand_by_number_and_a_cut_one_is_told() {
    let head = "\u{feff}\"session\",\"idx\",\"received_at\",\"prompt_tokens\",\"completion_tokens\"\n";
    let rows = "A,1,2023-08-22 14:46:33,200,60\nA,0,2023-08-22 14:46:23,100,50\n";
    let (imported, runs) = file("calls.csv", &format!("{head}{rows}A,2,2023-08"));
    assert_eq!(by_number(&runs[0]).iter().map(|c| c.usage.prompt_tokens).collect::<Vec<_>>(), [100, 200]);
    assert!(imported.report.cut[0].contains(":4: the last row is cut off"), "{:?}", imported.report.cut);
    assert!(!runs[0].end.as_ref().unwrap().complete);
    let folder = tempfile::tempdir().unwrap();
    let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut zipped, format!("{head}{rows}").as_bytes()).unwrap();
    let zipped = zipped.finish().unwrap();
    let path = write(folder.path(), "calls.csv.gz", &zipped[..zipped.len() - 9]);
    let (imported, _) = run(&path, None, &Options::default()).unwrap();
    assert!(imported.report.cut[0].contains("the compressed file ends too early"), "{:?}", imported.report.cut);
}

#[test]
fn files_of_other_kinds_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let told = |name: &str, bytes: &[u8]| {
        run(&write(folder.path(), name, bytes), None, &Options::default()).unwrap_err().to_string()
    };
    let wide: Vec<u8> = "\u{feff}{\"a\": 1}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(told("wide.json", &wide).contains("UTF-16"));
    assert!(told("other.zip", b"PK\x03\x04\x14\x00 nothing").contains("the archive cannot be unpacked"));
    let bad = span("1", "", (1, 2), chat(json!({"gen_ai.usage.input_tokens": -5})));
    let whole = json!({"resourceSpans": [{"scopeSpans": [{"spans": [bad]}]}]});
    let error = told("o.json", whole.to_string().as_bytes());
    assert!(error.contains("field `resourceSpans[0].scopeSpans[0].spans[0].attributes.gen_ai.usage"), "{error}");
    let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut zipped, lines(&[record(json!({}))]).as_bytes()).unwrap();
    let zipped = zipped.finish().unwrap();
    let error = told("a.jsonl.gz", &zipped[..zipped.len() / 2]);
    assert!(error.contains("the compressed file"), "{error}");
}

/// Imports a folder of files.
pub(super) fn folder(all: &[(&str, &[u8])]) -> (Imported, Vec<Recording>) {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in all {
        write(folder.path(), name, bytes);
    }
    let (imported, text) = run(folder.path(), None, &Options::default()).unwrap();
    (imported, recordings(text))
}

#[test]
fn a_log_that_does_not_end_well_is_not_complete() {
    let sample = json!({"id": "s", "epoch": 1, "events": [{"event": "model", "model": "m", "working_time": 1.0,
        "timestamp": "2026-01-01T10:00:00Z", "input": [{"role": "user", "content": "x"}],
        "output": {"choices": [{"message": {"role": "assistant", "content": "y"}}]}}]})
    .to_string();
    let archive = |status: Option<&str>| {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default();
        let mut member = |name: &str, text: &str| {
            zip.start_file(name, options).unwrap();
            std::io::Write::write_all(&mut zip, text.as_bytes()).unwrap();
        };
        member("samples/s_epoch_1.json", &sample);
        if let Some(status) = status {
            member("header.json", &json!({"status": status, "eval": {"task": "t"}}).to_string());
        }
        zip.finish().unwrap().into_inner()
    };
    for (status, complete) in [(Some("success"), true), (Some("error"), false), (None, false)] {
        let (_, runs) = folder(&[("a.eval", &archive(status))]);
        assert_eq!(runs[0].end.as_ref().unwrap().complete, complete, "{status:?}");
    }

    let board = json!([{"sequence": 1, "time_ns": 5_000_000_000_u64, "actor": "system", "kind": "session",
        "payload": {"actor": "1"}}, {"sequence": 2, "time_ns": 9_000_000_000_u64, "actor": "1", "kind": "claim",
        "payload": {"item": "i"}}])
    .to_string();
    let of = |status: &str| {
        json!({"case": "c", "started_ns": 5_000_000_000_u64, "status": status, "workers": [{"actor": "1",
            "agent_model_start_received_seconds": 2.0, "agent_result_received_seconds": 10.0, "correct": true}]})
        .to_string()
    };
    for (status, complete) in [("finished", true), ("incomplete", false)] {
        let (_, runs) = folder(&[("context-events.json", board.as_bytes()), ("run.json", of(status).as_bytes())]);
        assert_eq!(runs[0].end.as_ref().unwrap().complete, complete, "{status}");
        assert_eq!(times(&runs[0]), [(0, 2000), (2000, 8000)], "from the model's start");
    }
    let (_, runs) = folder(&[("context-events.json", board.as_bytes())]);
    assert!(!runs[0].end.as_ref().unwrap().complete);
}

#[test]
fn tasks_without_events_are_named() {
    let event = json!({"ts": "2026-05-01T10:00:05", "task_id": "t", "role": "PlannerAgent", "prompt_tokens": 5,
        "completion_tokens": 2, "latency_ms": 1000});
    let table = "task_id,n_solvers_passed,n_solvers_total\nt,1,2\nsilent,0,2\n";
    let (imported, runs) = folder(&[("events.jsonl", lines(&[event]).as_bytes()), ("results.csv", table.as_bytes())]);
    assert_eq!(runs[0].finishes[0].right, [true, false]);
    assert!(imported.report.notes[0].contains("1 tasks without any event, which are not in the transcript: silent"));
}

#[test]
fn equal_records_are_read_once_where_they_tell_which_call_they_are() {
    let at = |second: u32| record(json!({"timestamp": format!("2026-01-01T10:00:{second:02}Z")}));
    let text = lines(&[at(0), at(0), at(10)]);
    let (imported, runs) = file("a.jsonl", &text);
    assert_eq!((runs.len(), runs[0].calls.len()), (1, 2));
    assert_eq!(imported.report.prompt_tokens, 100);
    assert!(imported.report.notes.iter().any(|n| n.ends_with("1 records stand there twice, read once")));
    // Logs that were rotated overlap.
    let (imported, _) = files(&[("a.jsonl", &text), ("b.jsonl", &lines(&[at(10)]))]);
    assert_eq!(imported.report.calls, 2);
    // Without a time or a name, two equal calls are two.
    let (imported, _) = file("a.jsonl", &lines(&[record(json!({})), record(json!({}))]));
    assert_eq!(imported.report.calls, 2);
}

#[test]
fn what_a_gateway_had_in_its_cache_took_no_model_and_cost_nothing() {
    let call = |start: f64, end: f64, hit: Value| {
        record(json!({"startTime": 1_793_527_200.0 + start, "endTime": 1_793_527_200.0 + end,
            "response_cost": 0.002, "cache_hit": hit}))
    };
    let calls = [call(0.0, 4.0, Value::Null), call(5.0, 5.004, true.into()), call(6.0, 10.0, false.into())];
    let (_, runs) = file("a.jsonl", &lines(&calls));
    assert_eq!(times(&runs[0]), [(0, 4000), (5000, 5000), (6000, 10_000)]);
    let calls = by_number(&runs[0]);
    let dear: Vec<bool> = calls.iter().map(|c| c.cost.picodollars.total().0 > 0).collect();
    assert_eq!(dear, [true, false, true]);
    let billed: Vec<Option<u64>> = calls.iter().map(|c| c.billed.map(|b| b.prompt_tokens)).collect();
    assert_eq!(billed, [None, Some(0), None]);
    assert!(missing(&runs[0]).contains("answered from a gateway's cache"), "{}", missing(&runs[0]));
}
