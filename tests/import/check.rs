//! Helpers: import to memory, read back, check what must hold for every transcript.

use delm_sim::import::{ImportError, Imported, Options, import};
use delm_sim::record::transcript::{CallLine, Line, Reader, Recording, Recordings, Release};
use std::fmt::Write as _;
use std::io::Cursor;
use std::path::{Path, PathBuf};

pub(super) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/import").join(name)
}

/// Imports one path; gives the whole transcript.
pub(super) fn run(path: &Path, format: Option<&str>, options: &Options) -> Result<(Imported, Vec<u8>), ImportError> {
    let mut body = Vec::new();
    let imported = import(&[path.to_owned()], format, options, &mut body)?;
    let mut text = serde_json::to_vec(&Line::Header(imported.header.clone())).unwrap();
    text.push(b'\n');
    text.extend(body);
    Ok((imported, text))
}

/// Reads a transcript back and checks it.
pub(super) fn recordings(text: Vec<u8>) -> Vec<Recording> {
    let mut runs = Recordings::new(Reader::new(Path::new("x"), Cursor::new(text)).unwrap());
    let mut found = Vec::new();
    while let Some(run) = runs.next_run().unwrap() {
        hold(&run);
        found.push(run);
    }
    found
}

pub(super) fn by_number(run: &Recording) -> Vec<&CallLine> {
    let mut calls: Vec<&CallLine> = run.calls.iter().map(|(_, c)| c).collect();
    calls.sort_by_key(|c| c.call);
    calls
}

/// What must hold for every imported run.
fn hold(run: &Recording) {
    let calls = by_number(run);
    let end = run.end.as_ref().expect("an end");
    assert_eq!(end.calls, calls.len() as u64);
    assert_eq!(run.arrivals.len(), 1);
    assert_eq!(run.run.agent_names.len() as u32, run.run.workers + run.run.leads);
    assert!(run.run.workers > 0, "somebody works");
    let mut written = 0;
    for (_, call) in &run.calls {
        assert!(call.completed_ns.unwrap() >= written, "lines stand in the order of ending");
        written = call.completed_ns.unwrap();
    }
    for (number, call) in calls.iter().enumerate() {
        assert_eq!(call.call, number as u64, "numbered in the order of asking");
        assert_eq!(call.key.len(), 32);
        assert!(call.agent < run.run.workers + run.run.leads);
        assert!(call.usage.cached_tokens <= call.usage.prompt_tokens);
        assert!(call.completed_ns.unwrap() <= end.makespan_ns);
        assert!(call.dispatched_ns >= Some(call.intended_ns) && call.completed_ns >= call.dispatched_ns);
        let first = call.first_token_ns.unwrap_or(call.intended_ns);
        assert!(first >= call.intended_ns && first <= call.completed_ns.unwrap());
        assert!(!call.request.layout.is_empty() && !call.released_by.is_empty());
        for (place, dependency) in call.released_by.iter().enumerate() {
            let on = dependency.call.map(|c| calls[c as usize]);
            assert!(on.is_none_or(|on| on.call < call.call), "causes stand before");
            let at = match dependency.on {
                Release::Arrival => 0,
                Release::Dispatch => on.unwrap().dispatched_ns.unwrap(),
                Release::Completion => on.unwrap().completed_ns.unwrap(),
            };
            assert!(at + dependency.gap_ns <= call.intended_ns);
            assert!(place > 0 || at + dependency.gap_ns == call.intended_ns, "the immediate cause gives the time");
        }
    }
}

/// A transcript on a screen: one line per run, one per call.
pub(super) fn screen(imported: &Imported, runs: &[Recording]) -> String {
    let mut out = String::new();
    let report = &imported.report;
    writeln!(out, "{} ({})", imported.inputs[0].format, imported.inputs[0].reason).unwrap();
    for (kind, n) in &report.left_out {
        writeln!(out, "left out: {n} {kind}").unwrap();
    }
    for run in runs {
        let head = &run.run;
        let team: Vec<&str> = head.agent_names.iter().map(String::as_str).collect();
        let name = head.name.as_deref().unwrap_or("");
        let (workers, leads) = (head.workers, head.leads);
        writeln!(out, "run {} {name}: {workers} workers, {leads} leads [{}]", head.run, team.join(", ")).unwrap();
        for missing in &head.missing {
            writeln!(out, "  missing: {missing}").unwrap();
        }
        for call in by_number(run) {
            let s = |ns: u64| ns as f64 / 1e9;
            let causes: Vec<String> = call
                .released_by
                .iter()
                .map(|d| match (d.on, d.call) {
                    (Release::Arrival, _) => format!("arrival+{}", s(d.gap_ns)),
                    (on, c) => {
                        format!("{}{}+{}", if on == Release::Dispatch { "d" } else { "c" }, c.unwrap(), s(d.gap_ns))
                    }
                })
                .collect();
            let (about, usage) = (call.about, call.usage);
            writeln!(
                out,
                "  {} {} {} line {} subtask {} step {} | {}..{} after {} | {}/{}/{}{} | ${} {} | {:?} {}{}",
                call.call,
                head.agent_names[call.agent as usize],
                call.purpose.name(),
                about.line.0,
                about.subtask.0,
                about.step,
                s(call.intended_ns),
                s(call.completed_ns.unwrap()),
                causes.join(","),
                usage.prompt_tokens,
                usage.cached_tokens,
                usage.completion_tokens,
                if usage.estimated { "~" } else { "" },
                call.cost.picodollars.total().0 as f64 / 1e12,
                call.cost.source,
                call.status,
                call.request.messages.iter().map(|m| m.role.as_str()).collect::<Vec<_>>().join(" "),
                call.response.as_ref().and_then(|r| r.text.as_ref()).map_or(String::new(), |t| format!(" -> {t:?}")),
            )
            .unwrap();
            for missing in &call.missing {
                writeln!(out, "      missing: {missing}").unwrap();
            }
        }
        for finish in &run.finishes {
            writeln!(out, "  finish right {:?} facts {:?}", finish.right, finish.facts).unwrap();
        }
    }
    out
}
