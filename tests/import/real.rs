//! Real records from the shared folder, where it is present: all are read, and totals agree with those of its README.

use super::check::{recordings, run};
use delm_sim::import::{Options, Report};
use std::path::Path;

/// Imports; `None`, with a reason, if the file is not there.
fn real(name: &str, format: &str) -> Option<(Report, u64)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(name);
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
        return None;
    }
    let (imported, text) = run(&path, None, &Options::default()).unwrap();
    assert_eq!(imported.inputs[0].format, format, "{name}");
    let runs = recordings(text);
    let delegations = |r: &delm_sim::record::transcript::Recording| {
        r.calls.iter().filter(|(_, c)| c.agent < r.run.workers && c.about.step == 0).count() as u64
    };
    let service = |c: &delm_sim::record::transcript::CallLine| c.completed_ns.unwrap() - c.dispatched_ns.unwrap();
    let longest = runs.iter().flat_map(|r| &r.calls).map(|(_, c)| service(c)).max().unwrap_or(0);
    assert!(longest <= 600_000_000_000, "{name}: a pause of {longest} ns is no service");
    Some((imported.report, runs.iter().map(delegations).sum()))
}

#[test]
fn all_shared_records_are_read_and_their_totals_agree() {
    // File, format, sessions, calls, and tokens where the source tells them: prompt, cached, completion.
    type Row = (&'static str, &'static str, u64, u64, Option<(u64, u64, u64)>);
    let rows: &[Row] = &[
        ("agent_transcripts/magagent.jsonl.gz", "magentic-one", 25, 746, None),
        ("agent_transcripts/miniswe.jsonl.gz", "mini-swe", 20, 402, None),
        ("chatdev", "chatdev", 97, 1884, Some((2_807_318, 0, 846_282))),
        ("fixtures/inspect_ai_browser.json.gz", "inspect", 1, 5, Some((15_235, 9088, 281))),
        ("fixtures/inspect_ai_popularity.json.gz", "inspect", 3, 3, Some((192, 0, 6))),
        ("fixtures/inspect_ai_popularity.eval", "inspect", 10, 10, Some((620, 0, 20))),
        ("fixtures/inspect_ai_security_guide.json.gz", "inspect", 3, 6, Some((959, 0, 1033))),
        ("fixtures/openinference_all_spans.json", "otel", 4, 4, Some((142, 0, 297))),
        ("fixtures/agno_team_coordinate_run.yaml", "cassette", 1, 6, Some((15_572, 0, 2727))),
        ("smollm2/transcripts.jsonl.gz", "openai-log", 1, 64, Some((35_620, 869, 5816))),
    ];
    for (name, format, sessions, calls, tokens) in rows {
        let Some((report, _)) = real(name, format) else { continue };
        assert_eq!((report.sessions, report.calls), (*sessions, *calls), "{name}");
        if let Some(tokens) = tokens {
            assert_eq!((report.prompt_tokens, report.cached_tokens, report.completion_tokens), *tokens, "{name}");
        }
    }
}

#[test]
fn cassettes_are_all_accounted_for() {
    let Some((report, _)) = real("vcr_cassettes/calls_full.jsonl.gz", "cassette") else { return };
    let left_out: u64 = report.left_out.values().sum();
    assert_eq!(report.calls + left_out, 1897);
    assert_eq!(left_out, 18, "messages put on a thread call no model");
}

#[test]
fn sub_agents_are_delegations_of_the_main_agent() {
    let Some((report, delegations)) = real("claude_code/raw_subagent_traces.jsonl.gz", "kv-cache-trace") else {
        return;
    };
    assert_eq!((report.sessions, delegations), (13, 54));
    // The traces' own totals.
    assert_eq!((report.prompt_tokens, report.completion_tokens), (260_014_659, 1_419_797));
    assert!(report.cached_tokens > report.prompt_tokens * 9 / 10);
}
