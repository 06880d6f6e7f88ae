//! What each format gives, call by call.

use super::check::{fixture, recordings, run, screen};
use delm_sim::import::{FORMATS, Options};

const FIXTURES: &[(&str, &str)] = &[
    ("openai_log.jsonl", "openai-log"),
    ("cassette.yaml", "cassette"),
    ("cassette.jsonl", "cassette"),
    ("otel.json", "otel"),
    ("otel_flat.jsonl", "otel"),
    ("inspect.json", "inspect"),
    ("inspect.eval", "inspect"),
    ("mini_swe.traj.json", "mini-swe"),
    ("mini_swe_bare.traj.json", "mini-swe"),
    ("mini_swe_flat.jsonl", "mini-swe"),
    ("kv_cache.jsonl", "kv-cache-trace"),
    ("magentic_one.jsonl", "magentic-one"),
    ("chatdev", "chatdev"),
    ("delm_v1", "delm-v1"),
    ("delm_v2", "delm-v2"),
    ("warehouse.log", "warehouse"),
    ("claude_code", "claude-code"),
    ("codex", "codex"),
    ("openhands.json", "openhands"),
    ("swe_agent.traj", "swe-agent"),
    ("atif.json", "atif"),
    ("autogen.jsonl", "autogen"),
    ("mooncake.jsonl", "mooncake"),
    ("langfuse.jsonl", "langfuse"),
    ("langsmith.jsonl", "langsmith"),
    ("openai_agents.jsonl", "openai-agents"),
    ("litellm.jsonl", "litellm"),
    ("helicone.jsonl", "helicone"),
    ("portkey.jsonl", "portkey"),
];

#[test]
fn every_format_gives_a_transcript_that_holds_together() {
    for (name, format) in FIXTURES {
        let (imported, text) = run(&fixture(name), None, &Options::default()).unwrap();
        assert_eq!(imported.inputs[0].format, *format, "{name}");
        let runs = recordings(text);
        if cfg!(feature = "tokenizer") {
            insta::assert_snapshot!(name.replace(['.', '/'], "_"), screen(&imported, &runs));
        }
    }
    let told: Vec<&str> = FIXTURES.iter().map(|(_, format)| *format).collect();
    assert!(FORMATS.iter().all(|f| told.contains(&f.name())), "every format has a fixture");
}

#[test]
fn equal_inputs_give_equal_bytes_and_no_text_keeps_keys() {
    let path = fixture("openai_log.jsonl");
    let (_, first) = run(&path, None, &Options::default()).unwrap();
    assert_eq!(first, run(&path, None, &Options::default()).unwrap().1);
    let bare = Options { no_text: true, ..Options::default() };
    let (_, bare) = run(&path, None, &bare).unwrap();
    let (with, without) = (recordings(first), recordings(bare));
    for (a, b) in with.iter().zip(&without) {
        for ((_, a), (_, b)) in a.calls.iter().zip(&b.calls) {
            assert_eq!((&a.key, &a.request.layout, a.usage), (&b.key, &b.request.layout, b.usage));
            assert!(b.request.messages.is_empty() && b.response.as_ref().is_none_or(|r| r.text.is_none()));
        }
    }
}

#[test]
fn secrets_do_not_get_through() {
    for name in ["openai_log.jsonl", "cassette.yaml"] {
        let (imported, text) = run(&fixture(name), None, &Options::default()).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(!text.contains("abcdef0123456789") && !text.contains("sk-abcdef"), "{name}");
        assert_eq!(imported.report.redacted, u64::from(name.starts_with("openai")), "{name}");
    }
}

#[test]
fn sessions_are_chosen_by_name_and_number() {
    let path = fixture("openai_log.jsonl");
    let of =
        |session: Option<&str>, limit| Options { session: session.map(str::to_owned), limit, ..Options::default() };
    let (imported, _) = run(&path, None, &of(None, Some(1))).unwrap();
    assert_eq!((imported.report.sessions, imported.report.calls), (1, 2));
    let (_, text) = run(&path, None, &of(Some("lakes"), None)).unwrap();
    assert_eq!(recordings(text)[0].run.name.as_deref(), Some("lakes"));
    let error = run(&path, None, &of(Some("seas"), None)).unwrap_err().to_string();
    assert_eq!(error, "--session seas: no session of that name; there are rivers, lakes");
}

#[test]
fn one_record_may_be_a_document_and_records_may_be_a_list() {
    let text = std::fs::read_to_string(fixture("kv_cache.jsonl")).unwrap();
    let trace: serde_json::Value = serde_json::from_str(&text).unwrap();
    let (lined, _) = run(&fixture("kv_cache.jsonl"), None, &Options::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let pretty = serde_json::to_string_pretty(&trace).unwrap();
    let list = serde_json::to_string_pretty(&vec![&trace]).unwrap();
    for text in [
        pretty.clone(),
        pretty.replacen("{\n", "{ ", 1),
        format!("\u{feff}{list}"),
        serde_json::to_string(&vec![trace]).unwrap(),
    ] {
        let path = folder.path().join("trace.json");
        std::fs::write(&path, text).unwrap();
        let (imported, _) = run(&path, None, &Options::default()).unwrap();
        assert_eq!(imported.report, lined.report);
    }
}
