//! Damaged records: where, which field, what was found, how to mend; and never a panic.

use super::check::{fixture, recordings, run};
use delm_sim::import::{ImportError, Options};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::Path;

const DAMAGED: &[&str] = &[
    "openai_log_damaged.jsonl",
    "openai_log_broken_line.jsonl",
    "cassette_damaged.yaml",
    "otel_damaged.json",
    "inspect_damaged.json",
    "mini_swe_damaged.traj.json",
    "kv_cache_damaged.jsonl",
    "magentic_one_damaged.jsonl",
    "chatdev_damaged",
    "delm_v1_damaged.jsonl",
    "delm_v2_damaged",
];

fn skipping() -> Options {
    Options { skip_damaged: true, ..Options::default() }
}

fn told(error: &ImportError) -> String {
    assert!(error.is_input());
    error.to_string().replace(&fixture("").display().to_string(), "")
}

#[test]
fn damage_is_told_with_place_field_value_and_mend_or_left_out() {
    let mut out = String::new();
    for name in DAMAGED {
        let error = run(&fixture(name), None, &Options::default()).unwrap_err();
        writeln!(out, "{}", told(&error)).unwrap();
        let (imported, text) = run(&fixture(name), None, &skipping()).unwrap();
        let report = &imported.report;
        assert!(!report.damaged.is_empty() && report.calls > 0, "{name}");
        let header = imported.header.missing.join("\n");
        assert!(header.contains(&format!("damaged records left out: {}", report.damaged.len())), "{name}: {header}");
        writeln!(out, "  skipping: {} left out, {} calls kept", report.damaged.len(), report.calls).unwrap();
        recordings(text);
    }
    let error = run(&fixture("cassette_broken.yaml"), None, &Options::default()).unwrap_err();
    assert!(told(&error).contains("not YAML"), "{error}");
    insta::assert_snapshot!("damaged", out);
}

#[test]
fn a_last_line_that_was_cut_off_is_tolerated_and_told() {
    let (imported, text) = run(&fixture("openai_log_cut.jsonl"), None, &Options::default()).unwrap();
    assert_eq!(imported.report.calls, 3);
    assert!(imported.report.cut[0].contains(":4: the last line is cut off"), "{:?}", imported.report.cut);
    let runs = recordings(text);
    assert!(!runs.last().unwrap().end.as_ref().unwrap().complete);
}

#[test]
fn what_is_no_format_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        run(&path, None, &Options::default()).unwrap_err().to_string()
    };
    assert!(at("a", "").contains("the file is empty"));
    assert!(at("b", "{\"x\": 1}\n").contains("no known format"));
    assert!(
        at("c", "{\"record\":\"header\",\"format\":\"delm-sim-transcript\"}")
            .contains("transcript of delm-sim already")
    );
    let error = run(&fixture("chatdev"), Some("nonsense"), &Options::default()).unwrap_err().to_string();
    assert!(error.contains("--format nonsense: no such format; known: delm-v1,"), "{error}");
    assert!(
        run(folder.path(), None, &Options::default())
            .unwrap_err()
            .to_string()
            .contains("no file in the folder is told")
    );
}

/// Imports a mutated copy both ways; anything but a panic will do, and what is written must hold together.
fn survive(folder: &Path, name: &str, bytes: &[u8], format: &str) {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    let input = if matches!(name, "calls.csv" | "events.jsonl" | "context-events.json") { folder } else { &path };
    for (format, options) in [(Some(format), skipping()), (None, Options::default())] {
        if let Ok((_, text)) = run(input, format, &options) {
            recordings(text);
        }
    }
}

const MUTATED: &[(&str, &str)] = &[
    ("openai_log.jsonl", "openai-log"),
    ("cassette.yaml", "cassette"),
    ("cassette.jsonl", "cassette"),
    ("otel.json", "otel"),
    ("otel_flat.jsonl", "otel"),
    ("inspect.json", "inspect"),
    ("inspect.eval", "inspect"),
    ("mini_swe.traj.json", "mini-swe"),
    ("mini_swe_flat.jsonl", "mini-swe"),
    ("kv_cache.jsonl", "kv-cache-trace"),
    ("magentic_one.jsonl", "magentic-one"),
    ("chatdev/calls.csv", "chatdev"),
    ("delm_v1/events.jsonl", "delm-v1"),
    ("delm_v2/context-events.json", "delm-v2"),
];

#[test]
fn no_damage_is_a_panic() {
    for (name, format) in MUTATED {
        let folder = tempfile::tempdir().unwrap();
        let bytes = std::fs::read(fixture(name)).unwrap();
        let file = name.rsplit('/').next().unwrap();
        for part in 0..24 {
            let cut = bytes.len() * part / 24;
            survive(folder.path(), file, &bytes[..cut], format);
        }
        for part in 0..48_usize {
            let mut copy = bytes.clone();
            let at = (part * 7919 + part * part * 31) % copy.len();
            copy[at] = [0, 0xff, b'"', b'9', b'-', b'{'][part % 6];
            survive(folder.path(), file, &copy, format);
        }
        // Zipped, whole and cut.
        let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut zipped, &bytes).unwrap();
        let zipped = zipped.finish().unwrap();
        survive(folder.path(), file, &zipped, format);
        survive(folder.path(), file, &zipped[..zipped.len() * 2 / 3], format);
    }
}

/// Every value in turn: dropped, of another type, or extreme.
fn variants(value: &Value) -> Vec<Value> {
    let extremes =
        [Value::Null, "x".into(), (-1).into(), u64::MAX.into(), 1e300.into(), Value::Array(vec![Value::Null])];
    let mut found: Vec<Value> = Vec::new();
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let mut copy = map.clone();
                copy.remove(key);
                found.push(Value::Object(copy));
                for variant in variants(inner) {
                    let mut copy = map.clone();
                    copy.insert(key.clone(), variant);
                    found.push(Value::Object(copy));
                }
            }
        }
        Value::Array(list) => {
            // The ends stand for the rest.
            for place in [0, list.len().saturating_sub(1)] {
                for variant in list.get(place).map(variants).unwrap_or_default() {
                    let mut copy = list.clone();
                    copy[place] = variant;
                    found.push(Value::Array(copy));
                }
            }
        }
        _ => {}
    }
    found.extend(extremes);
    found
}

#[test]
fn no_field_of_a_wrong_type_is_a_panic() {
    for (name, format) in MUTATED {
        let Ok(text) = std::fs::read_to_string(fixture(name)) else { continue };
        let folder = tempfile::tempdir().unwrap();
        let file = name.rsplit('/').next().unwrap();
        let is_lines = Path::new(name).extension().is_some_and(|e| e == "jsonl");
        let (first, rest) = if is_lines { text.split_once('\n').unwrap() } else { (text.as_str(), "") };
        let Ok(value) = serde_json::from_str::<Value>(first) else { continue };
        let all = variants(&value);
        let step = all.len() / 150 + 1;
        for variant in all.iter().step_by(step) {
            survive(folder.path(), file, format!("{variant}\n{rest}").as_bytes(), format);
        }
    }
}
