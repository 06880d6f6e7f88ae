//! Plain logs: groups, predecessors, maps, moments that nobody names; and inputs of all kinds.

use super::check::{by_number, recordings, run};
use super::trouble::{file, lines, missing, record, times, write};
use delm_sim::import::{Imported, Mapping, Options, import};
use delm_sim::record::transcript::Recording;
use serde_json::{Value, json};
use std::io::Write as _;

/// A call of a workflow.
#[allow(clippy::needless_pass_by_value, reason = "calls read better without references to literals")]
fn step(flow: u32, id: &str, role: &str, after: Value, start: f64, seconds: f64) -> Value {
    record(json!({"id": format!("{flow}{id}"), "workflow": format!("w{flow}"), "agent_role": role, "depends_on": after,
        "start_ts": f64::from(flow) * 5.0 + 1000.0 + start, "e2e_s": seconds}))
}

fn workflow(flow: u32) -> Vec<Value> {
    let id = |name: &str| format!("{flow}{name}");
    vec![
        step(flow, "p", "planner", json!([]), 0.0, 2.0),
        step(flow, "a", "coder", json!([id("p")]), 2.0, 3.0),
        step(flow, "b", "coder", json!([id("p")]), 2.0, 4.0),
        step(flow, "c", "coder", json!(id("p")), 2.0, 5.0),
        step(flow, "r", "reviewer", json!([id("a"), id("b"), id("c")]), 7.0, 1.5),
    ]
}

fn predecessors(run: &Recording) -> Vec<Vec<u64>> {
    let of = |call: &delm_sim::record::transcript::CallLine| {
        let mut before: Vec<u64> = call.released_by.iter().filter_map(|cause| cause.call).collect();
        before.sort_unstable();
        before
    };
    by_number(run).into_iter().map(of).collect()
}

fn mapped(text: &str, map: &str) -> (Imported, Vec<Recording>) {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "own.jsonl", text.as_bytes());
    let options = Options { mapping: Mapping::parse(map).unwrap(), ..Options::default() };
    let (imported, text) = run(&path, None, &options).unwrap();
    (imported, recordings(text))
}

#[test]
fn workflows_are_sessions_and_dependencies_are_read() {
    let both: Vec<Value> = workflow(0).into_iter().zip(workflow(1)).flat_map(|(a, b)| [a, b]).collect();
    let (imported, runs) = file("w.jsonl", &lines(&both));
    assert_eq!((imported.report.sessions, imported.report.calls), (2, 10));
    for run in &runs {
        assert_eq!(run.end.as_ref().unwrap().makespan_ns, 8_500_000_000);
        assert_eq!(predecessors(run), [vec![], vec![0], vec![0], vec![0], vec![1, 2, 3]]);
        assert_eq!(run.run.agent_names, ["planner", "coder", "coder 2", "coder 3", "reviewer"]);
    }
}

#[test]
fn without_dependencies_a_call_waits_for_all_that_nothing_followed() {
    let call = |role: &str, start: f64, seconds: f64| {
        record(json!({"agent_role": role, "start_ts": 1_760_000_000.0 + start, "e2e_s": seconds}))
    };
    let calls = [
        call("planner", 0.0, 1.0),
        call("coder", 1.0, 12.0),
        call("coder", 1.5, 10.0),
        call("coder", 1.5, 10.0),
        call("reviewer", 13.5, 5.0),
        call("reviewer", 19.0, 1.0),
    ];
    // Two equal calls at the same moment are told apart by nothing: one of them gets a name.
    let mut calls = calls.to_vec();
    calls[3]["id"] = "third".into();
    let (_, runs) = file("f.jsonl", &lines(&calls));
    let before = predecessors(&runs[0]);
    assert_eq!((&before[4][..], &before[5][..]), (&[1, 2, 3][..], &[4][..]));
}

#[test]
fn a_lone_stamp_is_the_end_and_it_is_said() {
    let at = |at: f64, tokens: u32| {
        let mut call = record(json!({"timestamp": 1_760_000_000.0 + at}));
        call["response"]["usage"]["completion_tokens"] = tokens.into();
        call
    };
    let (_, runs) = file("t.jsonl", &lines(&[at(2.0, 20), at(12.5, 100), at(16.0, 30)]));
    let lengths: Vec<u64> = times(&runs[0]).iter().map(|(start, end)| end - start).collect();
    assert_eq!(lengths[1..], [10_500, 3500]);
    assert!((2000..2500).contains(&lengths[0]), "{lengths:?}");
    assert!(runs[0].run.missing.iter().any(|what| what.contains("read as the end")), "{:?}", runs[0].run.missing);
    // Where durations would overlap that way, they are dispatches.
    let with = |at: f64, s: f64| record(json!({"timestamp": 1_760_000_000.0 + at, "duration_s": s}));
    let (_, runs) = file("t.jsonl", &lines(&[with(0.0, 1.0), with(1.5, 9.0), with(11.0, 1.0)]));
    assert_eq!(times(&runs[0]), [(0, 1000), (1500, 10_500), (11_000, 12_000)]);
    assert!(runs[0].run.missing.iter().any(|what| what.contains("read as the dispatch")));
    let (_, runs) = mapped(&lines(&[with(0.0, 1.0), with(1.5, 0.5)]), "start=timestamp");
    assert_eq!(times(&runs[0]), [(0, 1000), (1500, 2000)]);
}

#[test]
fn anything_can_be_mapped() {
    let own = |flow: &str, who: &str, name: &str, after: Value, begin: f64, took: f64| {
        json!({"meta": {"flow": flow}, "who": who, "name": name, "waits": after, "begin": 1_760_000_000.0 + begin,
            "took": took, "llm": "gpt-5", "in": 100, "out": 20, "usd": 0.25})
    };
    let calls = [
        own("x", "lead", "1", Value::Null, 0.0, 1.0),
        own("x", "helper", "2", json!(["1"]), 1.0, 4.0),
        own("x", "helper", "3", json!(["1"]), 1.0, 3.0),
        own("y", "lead", "4", Value::Null, 2.0, 1.0),
        own("x", "lead", "5", json!(["2", "3"]), 6.0, 1.0),
    ];
    let map = "session=meta.flow,agent=who,id=name,parent=waits,start=begin,seconds=took,model=llm,prompt_tokens=in,\
        completion_tokens=out,cost=usd";
    let (imported, runs) = mapped(&lines(&calls), map);
    assert_eq!((imported.report.sessions, imported.report.calls), (2, 5));
    assert_eq!((imported.report.prompt_tokens, imported.report.completion_tokens), (500, 100));
    assert_eq!(predecessors(&runs[0]), [vec![], vec![0], vec![0], vec![1, 2]]);
    assert_eq!(by_number(&runs[0])[0].endpoint, "gpt-5");
    assert_eq!(by_number(&runs[0])[3].cost.picodollars.total().0, 250_000_000_000);
    // Texts may be fields of their own.
    let texts = [
        json!({"q": "Which way?", "a": "North.", "m": "gpt-5"}),
        json!({"q": [{"role": "user", "content": "Why?"}], "a": "So."}),
    ];
    let (imported, runs) = mapped(&lines(&texts), "request=q,response=a,model=m");
    assert_eq!((imported.report.calls, imported.report.estimated_calls), (2, 2));
    let first = by_number(&runs[0])[0];
    assert_eq!(first.request.messages[0].content, "Which way?");
    assert_eq!(first.response.as_ref().unwrap().text.as_deref(), Some("North."));
    for (wrong, part) in [
        ("agnt=who", "no such target; known: session, agent"),
        ("agent", "expected target=field"),
        ("agent=a,agent=b", "given twice"),
    ] {
        assert!(Mapping::parse(wrong).unwrap_err().contains(part), "{wrong}");
    }
    // What is not known says so, and how to map it.
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "own.jsonl", lines(&calls).as_bytes());
    let slip = Options { mapping: Mapping::parse("session=meta.fow,model=llm").unwrap(), ..Options::default() };
    let error = run(&path, None, &slip).unwrap_err().to_string();
    assert!(error.starts_with("--map session=meta.fow: no record has this field"), "{error}");
    let error = run(&path, None, &Options::default()).unwrap_err().to_string();
    assert!(error.contains("--map session=workflow") && error.contains("claude-code"), "{error}");
}

#[test]
fn a_gateways_hits_are_marked_and_unknown_costs_are_not_0() {
    let (imported, runs) =
        file("litellm.jsonl", &std::fs::read_to_string(super::check::fixture("litellm.jsonl")).unwrap());
    assert_eq!(times(&runs[0])[1], (5000, 5000), "no latency");
    assert_eq!(by_number(&runs[0])[1].billed.map(|billed| billed.prompt_tokens), Some(0));
    assert!(missing(&runs[0]).contains("a gateway's cache"));
    assert_eq!(imported.report.left_out.values().sum::<u64>(), 1, "an embedding");
    let (imported, runs) = file("a.jsonl", &lines(&[record(json!({}))]));
    assert_eq!(by_number(&runs[0])[0].cost.source, "none");
    assert_eq!(imported.report.check.rows.values().next().unwrap().priced_calls, 0);
    assert_eq!((imported.report.check.tokens.measured, imported.report.check.times.missing), (1, 1));
}

#[test]
fn archives_patterns_and_packed_files_are_inputs() {
    let folder = tempfile::tempdir().unwrap();
    let log = |session: &str| lines(&[record(json!({"session_id": session, "start_ts": 1_760_000_000, "e2e_s": 1}))]);
    write(folder.path(), "logs/a.jsonl", log("a").as_bytes());
    write(folder.path(), "logs/deep/b.jsonl", log("b").as_bytes());
    write(folder.path(), "logs/deep/copy.jsonl", log("b").as_bytes());
    let read = |path: &std::path::Path| {
        let mut body = Vec::new();
        let imported = import(&[path.to_owned()], None, &Options::default(), &mut body);
        imported.unwrap_or_else(|error| panic!("{error}"))
    };
    let found = read(&folder.path().join("logs/**/*.jsonl"));
    assert_eq!((found.report.sessions, found.report.calls), (2, 2));
    assert!(found.report.notes.iter().any(|note| note.contains("the same bytes as")), "{:?}", found.report.notes);

    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, session) in [("x/a.jsonl", "a"), ("../out.jsonl", "o"), ("b.jsonl", "b")] {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(log(session).as_bytes()).unwrap();
    }
    let zipped = write(folder.path(), "logs.zip", &zip.finish().unwrap().into_inner());
    let found = read(&zipped);
    assert_eq!(found.report.sessions, 2, "what leaves the archive stays there");
    assert_eq!(found.inputs[0].path, zipped, "no temporary folder is told");

    let mut tar = Vec::new();
    for (name, text) in [("t/a.jsonl", log("a")), ("t/b.jsonl", log("b"))] {
        let mut head = [0_u8; 512];
        head[..name.len()].copy_from_slice(name.as_bytes());
        head[124..135].copy_from_slice(format!("{:011o}", text.len()).as_bytes());
        head[156] = b'0';
        head[257..262].copy_from_slice(b"ustar");
        tar.extend(head);
        tar.extend(text.as_bytes());
        tar.resize(tar.len().div_ceil(512) * 512, 0);
    }
    tar.resize(tar.len() + 1024, 0);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&tar).unwrap();
    let path = write(folder.path(), "logs.tar.gz", &packed.finish().unwrap());
    assert_eq!(read(&path).report.sessions, 2);
    let error = import(&[folder.path().join("none*")], None, &Options::default(), &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("no file matches the pattern"), "{error}");
    let broken = write(folder.path(), "broken.zip", b"PK\x03\x04 and no more");
    let error =
        import(std::slice::from_ref(&broken), None, &Options::default(), &mut Vec::new()).unwrap_err().to_string();
    assert!(error.starts_with(&broken.display().to_string()), "{error}");
}

#[test]
fn purposes_that_a_log_tells_make_leads_and_end_delegations_without_texts() {
    const FIELDS: &str = "prompt_tokens=in,completion_tokens=out,cached_tokens=hit,seconds=s";
    let call = |id: u32, agent: &str, purpose: &str, after: Value, tokens: [u32; 3]| {
        let start = 1000 + id * 10;
        json!({"id": id.to_string(), "session": "w", "agent": agent, "purpose": purpose, "parents": after, "start": start,
            "s": 9, "in": tokens[0], "hit": tokens[1], "out": tokens[2]})
    };
    let calls = [
        call(0, "boss", "plan", json!([]), [50, 0, 9]),
        call(1, "boss", "dispatch", json!(["0"]), [50, 0, 9]),
        // The second step goes on, whatever else it waited for; the third is too short to hold the second.
        call(2, "hand", "step", json!(["1"]), [100, 0, 20]),
        call(3, "hand", "step", json!(["2", "1"]), [130, 100, 20]),
        call(4, "hand", "step", json!(["3"]), [140, 130, 20]),
        // Long enough, but what came before was told, or its cache held the instructions only.
        call(5, "hand", "gist", json!(["4"]), [90, 0, 5]),
        call(6, "hand", "step", json!(["5"]), [200, 0, 20]),
        call(7, "hand", "step", json!(["6"]), [400, 90, 20]),
        call(8, "hand", "tool", json!(["7"]), [0, 0, 0]),
    ];
    let (_, runs) = mapped(&lines(&calls), FIELDS);
    let told: Vec<_> =
        by_number(&runs[0]).iter().map(|c| (c.purpose.name(), c.about.subtask.0, c.about.step)).collect();
    let expected = [("plan", 0, 0), ("dispatch", 0, 1), ("step", 0, 0), ("step", 0, 1), ("step", 1, 0)];
    assert_eq!(told[..5], expected);
    assert_eq!(told[6..].iter().map(|t| (t.0, t.2)).collect::<Vec<_>>(), [("step", 0), ("step", 0)]);
    assert_eq!((runs[0].run.workers, runs[0].run.leads), (1, 1));
    // A word that is no purpose is a fault only where its field is named by hand.
    let other = [call(0, "a", "billing", json!([]), [50, 0, 9])];
    assert_eq!(by_number(&mapped(&lines(&other), FIELDS).1[0])[0].purpose.name(), "step");
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "own.jsonl", lines(&other).as_bytes());
    let mapping = Mapping::parse(&format!("{FIELDS},purpose=purpose")).unwrap();
    let fault = run(&path, None, &Options { mapping, ..Options::default() }).unwrap_err().to_string();
    assert!(fault.contains("billing") && fault.contains("expected plan, dispatch, step"), "{fault}");
}
