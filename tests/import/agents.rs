//! Sessions of coding agents, traces of agent libraries, and stores of traces: who worked for whom, and the source's sums.

use super::check::{by_number, fixture, recordings, run};
use super::trouble::{file, lines, missing, span, times};
use delm_sim::import::{Imported, Options};
use delm_sim::record::transcript::{Recording, Release};
use serde_json::{Value, json};

/// A fixture, whole.
fn of(name: &str) -> (Imported, Vec<Recording>) {
    let (imported, text) = run(&fixture(name), None, &Options::default()).unwrap();
    (imported, recordings(text))
}

/// What released a call: kind and call.
fn causes(run: &Recording, call: usize) -> Vec<(Release, Option<u64>)> {
    by_number(run)[call].released_by.iter().map(|cause| (cause.on, cause.call)).collect()
}

#[test]
fn a_claude_code_session_has_its_sub_agents_and_each_answer_once() {
    let (imported, runs) = of("claude_code");
    let report = &imported.report;
    assert_eq!((report.sessions, report.calls), (1, 8));
    // The last usage of each answer; totals in results of sub-agents are not added.
    assert_eq!((report.prompt_tokens, report.cached_tokens, report.completion_tokens), (18_144, 10_350, 545));
    let run = &runs[0];
    assert_eq!((run.run.workers, run.run.leads), (2, 1));
    assert_eq!(run.run.agent_names, ["lamps (Explore)", "wires (Explore)", "main"]);
    assert_eq!(by_number(run)[0].usage.cache_write_tokens, 4000, "both tiers");
    // Both sub-agents were started by the first call, and the main agent waited for both.
    assert_eq!(causes(run, 1), [(Release::Completion, Some(0))]);
    assert_eq!(causes(run, 2), [(Release::Completion, Some(0))]);
    assert_eq!(causes(run, 5), [4, 3, 0].map(|call| (Release::Completion, Some(call))));
    // A tool's time is a gap; a human's is none, though the context was compacted between.
    assert_eq!(by_number(run)[6].released_by[0].gap_ns, 2_000_000_000);
    assert_eq!(causes(run, 7), [(Release::Arrival, None), (Release::Completion, Some(6))]);
    assert!(run.run.missing.iter().any(|what| what.contains("compacted a context: 1")), "{:?}", run.run.missing);
    assert_eq!(report.left_out.values().sum::<u64>(), 1, "an error of the service is no answer");
    // A session's own file has its sub-agents beside it.
    let (alone, _) = of("claude_code/harbour.jsonl");
    assert_eq!((alone.report.calls, alone.report.completion_tokens), (8, 545));
}

#[test]
fn side_chains_in_the_same_file_are_sub_agents_and_resumed_answers_count_once() {
    let record = |kind: &str, at: u32, parent: Value, uuid: &str, is_side: bool, message: Value| {
        json!({"type": kind, "sessionId": "s", "parentUuid": parent, "uuid": uuid, "isSidechain": is_side,
            "timestamp": format!("2026-03-02T09:00:{at:02}Z"), "message": message})
    };
    let says = |text: &str| json!({"role": "user", "content": text});
    let answer = |id: &str, block: Value| {
        json!({"id": id, "role": "assistant", "model": "m", "content": [block], "stop_reason": "end_turn",
            "usage": {"input_tokens": 10, "output_tokens": 5}})
    };
    let text = |text: &str| json!({"type": "text", "text": text});
    let task = json!({"type": "tool_use", "id": "t", "name": "Task", "input": {"prompt": "Look."}});
    let all = [
        record("user", 0, Value::Null, "u1", false, says("Go.")),
        record("assistant", 2, json!("u1"), "a1", false, answer("m1", task)),
        record("user", 3, Value::Null, "s1", true, says("Look.")),
        record("assistant", 6, json!("s1"), "s2", true, answer("m2", text("Seen."))),
        record("assistant", 9, json!("a1"), "a2", false, answer("m3", text("Done."))),
    ];
    let (_, runs) = file("s.jsonl", &lines(&all));
    assert_eq!((runs[0].calls.len(), runs[0].run.leads, runs[0].run.workers), (3, 1, 1));
    let copy = lines(&all).replace("\"sessionId\":\"s\"", "\"sessionId\":\"again\"");
    let (imported, _) = super::trouble::files(&[("s.jsonl", &lines(&all)), ("t.jsonl", &copy)]);
    assert_eq!((imported.report.sessions, imported.report.calls), (1, 3));
    assert!(imported.report.notes.iter().any(|note| note.contains("3 answers stand in a resumed session too")));
}

#[test]
fn a_printed_session_is_read_without_times_and_its_sums_are_the_check() {
    let answer = |id: &str, parent: Value, block: Value| {
        json!({"type": "assistant", "session_id": "p", "parent_tool_use_id": parent, "message": {"id": id,
            "role": "assistant", "model": "m", "content": [block], "usage": {"input_tokens": 10, "output_tokens": 5}}})
    };
    let text = |text: &str| json!({"type": "text", "text": text});
    let task = json!({"type": "tool_use", "id": "t1", "name": "Task", "input": {"prompt": "Look."}});
    let all = [
        json!({"type": "system", "subtype": "init", "session_id": "p", "model": "m"}),
        answer("m1", Value::Null, task),
        answer("m2", json!("t1"), text("Seen.")),
        answer("m3", Value::Null, text("Done.")),
        json!({"type": "result", "session_id": "p", "total_cost_usd": 0.5, "usage": {"input_tokens": 30, "output_tokens": 90}}),
    ];
    let (imported, runs) = file("p.jsonl", &lines(&all));
    assert_eq!((imported.inputs[0].format, imported.report.calls), ("claude-code", 3));
    assert_eq!((runs[0].run.leads, runs[0].run.workers), (1, 1));
    let check = &imported.report.check;
    assert_eq!((check.completion_tokens.told, check.completion_tokens.found), (90, 15), "a beginning's usage");
    assert_eq!((check.times.missing, check.picodollars.told), (3, 500_000_000_000));
    assert!(runs[0].run.missing.iter().any(|what| what.contains("cost: the source tells $0.5")));
}

#[test]
fn codex_tells_its_usage_twice_and_it_counts_once() {
    let (imported, runs) = of("codex");
    let report = &imported.report;
    assert_eq!((report.calls, report.prompt_tokens, report.completion_tokens), (4, 3700, 100));
    let check = &report.check;
    assert_eq!((check.prompt_tokens.told, check.prompt_tokens.found), (3700, 3700), "the rollouts' own sums");
    let run = &runs[0];
    assert_eq!((run.run.leads, run.run.workers), (1, 1));
    assert_eq!(causes(run, 2)[0], (Release::Completion, Some(1)), "it waited for the thread that it started");
    assert_eq!(causes(run, 3)[0], (Release::Arrival, None), "a human asked");
    assert_eq!(times(run)[0], (0, 6000));
}

#[test]
fn sums_of_the_source_are_met() {
    for (name, calls, prompt, completion, picodollars) in [
        ("openhands.json", None, Some(400), Some(50), Some(35_000_000_000)),
        ("swe_agent.traj", Some(3), Some(1000), Some(51), Some(500_000_000_000)),
        ("atif.json", None, Some(460), Some(42), Some(1_700_000_000)),
    ] {
        let (imported, _) = of(name);
        let check = &imported.report.check;
        let told = |sum: &delm_sim::import::Against| (sum.sessions > 0).then_some(sum.told);
        assert_eq!(told(&check.calls), calls, "{name}");
        assert_eq!((told(&check.prompt_tokens), told(&check.completion_tokens)), (prompt, completion), "{name}");
        assert_eq!(told(&check.picodollars), picodollars, "{name}");
        assert!(check.picodollars.told.abs_diff(check.picodollars.found) < 3, "{name}");
        assert_eq!(check.prompt_tokens.told, check.prompt_tokens.found, "{name}");
    }
    let (imported, runs) = of("openhands.json");
    assert_eq!(times(&runs[0]), [(0, 5000), (13_500, 20_000)], "a told latency is used");
    assert_eq!(imported.report.check.rows.values().map(|row| row.priced_calls).sum::<u64>(), 2);
}

#[test]
fn a_lead_is_an_agent_with_others_below_it() {
    for name in ["langfuse.jsonl", "openai_agents.jsonl"] {
        let (_, runs) = of(name);
        let run = &runs[0];
        assert_eq!((run.run.leads, run.run.workers), (1, 2), "{name}: two helpers at once are two");
        assert_eq!(causes(run, 3), [2, 1, 0].map(|call| (Release::Completion, Some(call))), "{name}");
    }
    // An agent that only wraps others is none of the team; each agent's own name for the conversation is not asked.
    let agent = |name: &str, id: &str| {
        json!({"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": name,
        "gen_ai.conversation.id": id})
    };
    let chat = |id: &str, p: u32| {
        json!({"gen_ai.operation.name": "chat", "gen_ai.request.model": "m",
        "gen_ai.conversation.id": id, "gen_ai.usage.input_tokens": p, "gen_ai.usage.output_tokens": 5,
        "operation.cost": 0.001})
    };
    let spans = [
        span("w", "", (1, 21), json!({"openinference.span.kind": "AGENT"})),
        span("l", "w", (1, 21), agent("lead", "talk")),
        span("1", "l", (1, 3), chat("talk", 50)),
        span("a", "l", (4, 10), agent("helper", "own 1")),
        span("2", "a", (4, 10), chat("own 1", 60)),
        span("b", "l", (4, 9), agent("helper", "own 2")),
        span("3", "b", (4, 9), chat("own 2", 70)),
        span("4", "l", (11, 13), chat("talk", 80)),
    ];
    let (imported, runs) = file("o.jsonl", &lines(&spans));
    assert_eq!((runs.len(), runs[0].run.name.as_deref()), (1, Some("talk")));
    assert_eq!((runs[0].run.leads, runs[0].run.workers), (1, 2));
    assert_eq!(causes(&runs[0], 3).len(), 3, "all that it waited for");
    assert_eq!(runs[0].end.as_ref().unwrap().makespan_ns, 12_000_000_000);
    let row = imported.report.check.rows.values().map(|row| row.picodollars).sum::<u64>();
    assert_eq!(row, 4_000_000_000);
}

#[test]
fn one_reply_told_by_two_spans_is_one_call() {
    let chat = |id: &str| {
        json!({"gen_ai.operation.name": "chat", "gen_ai.request.model": "m",
        "gen_ai.response.id": id, "gen_ai.usage.input_tokens": 50, "gen_ai.usage.output_tokens": 5})
    };
    // What stood between them is not here.
    let spans = [span("1", "lost", (0, 4), chat("r1")), span("2", "gone", (1, 3), chat("r1"))];
    let (imported, _) = file("o.jsonl", &lines(&spans));
    assert_eq!((imported.report.calls, imported.report.prompt_tokens), (1, 50));
}

#[test]
fn autogens_calls_are_found_among_other_events() {
    let (imported, runs) = of("autogen.jsonl");
    assert_eq!((imported.report.calls, imported.report.prompt_tokens), (2, 220));
    assert_eq!(runs[0].run.agent_names, ["writer", "critic"]);
    assert_eq!(times(&runs[0]), [(0, 2500), (2500, 5000)]);
    assert!(missing(&runs[0]).contains("the stamps of the messages around the call"));
}

#[test]
fn inspect_tells_agents_and_queues_and_old_versions_stamp_ends() {
    let span = |id: &str, parent: Value, kind: &str, name: &str| {
        json!({"event": "span_begin", "id": id, "parent_id": parent, "type": kind, "name": name,
            "timestamp": "2026-01-01T10:00:00Z"})
    };
    let model = |span: &str, at: &str, done: Value, working: f64, cost: Value| {
        json!({"event": "model", "span_id": span, "model": "m", "timestamp": at, "completed": done,
            "working_time": working, "input": [{"role": "user", "content": "x"}], "output": {"usage": {"input_tokens": 50,
            "output_tokens": 5, "total_cost": cost}, "choices": [{"message": {"role": "assistant", "content": "y"}}]}})
    };
    let log = |version: &str, events: Value| {
        json!({"version": 2, "status": "success", "eval": {"task": "t", "packages": {"inspect_ai": version}},
            "samples": [{"id": "s", "epoch": 1, "events": events,
            "model_usage": {"m": {"input_tokens": 150, "output_tokens": 15}}}]})
        .to_string()
    };
    let events = json!([
        span("l", Value::Null, "agent", "lead"),
        model("l", "2026-01-01T10:00:00Z", json!("2026-01-01T10:00:09Z"), 4.0, json!(0.01)),
        span("t", json!("l"), "tool", "ask"),
        span("h", json!("t"), "agent", "helper"),
        model("h", "2026-01-01T10:00:10Z", json!("2026-01-01T10:00:12Z"), 2.0, Value::Null),
        model("l", "2026-01-01T10:00:13Z", json!("2026-01-01T10:00:15Z"), 2.0, Value::Null),
    ]);
    let (imported, runs) = file("i.json", &log("0.3.150", events));
    let run = &runs[0];
    assert_eq!((run.run.leads, run.run.workers), (1, 1));
    let first = by_number(run)[0];
    let s = |ns: u64| ns / 1_000_000_000;
    // It was asked for at 0, left at 5 and was answered at 9: the wait is no tool's.
    assert_eq!((s(first.intended_ns), s(first.dispatched_ns.unwrap()), s(first.completed_ns.unwrap())), (0, 5, 9));
    assert_eq!(by_number(run)[1].released_by[0].gap_ns, 1_000_000_000);
    assert_eq!(first.cost.picodollars.total().0, 10_000_000_000);
    assert_eq!(by_number(run)[1].cost.source, "none", "unknown is not 0");
    let check = &imported.report.check;
    assert_eq!((check.prompt_tokens.told, check.prompt_tokens.found), (150, 150));

    let old = json!([model("", "2024-01-01T10:00:05Z", Value::Null, 5.0, Value::Null)]);
    for (version, began) in [("0.3.43", 0), ("0.3.44", 5)] {
        let (_, runs) = file("i.json", &log(version, old.clone()));
        let began_ms = 1_704_103_200_000 + began * 1000;
        assert_eq!(runs[0].run.started_unix_ms, Some(began_ms), "{version}");
    }
}
