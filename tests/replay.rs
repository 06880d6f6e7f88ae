//! Record and replay through the real binary: the same again, or what differs; damaged files; other speeds and limits;
//! other topologies.

use assert_cmd::cargo::cargo_bin;
use delm_sim::experiment::replay::{Dependencies, Reading, RecordedRuns, counterfactual};
use delm_sim::experiment::{Options, conduct};
use delm_sim::model::endpoint::EndpointSpec;
use delm_sim::runtime::transcript::{Reader, Recordings};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

const SEARCH: &str = include_str!("fixtures/replay/search.toml");
const DIVIDE: &str = include_str!("fixtures/replay/divide.toml");
const STEADY: &str = include_str!("fixtures/replay/steady.toml");
const TINY: &str = include_str!("fixtures/replay/tiny.toml");
const SECOND: u64 = 1_000_000_000;

struct Done {
    code: i32,
    out: String,
    err: String,
}

fn delm_sim(folder: &Path, args: &[&str]) -> Done {
    let output = Command::new(cargo_bin("delm-sim")).args(args).current_dir(folder).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Done { code: output.status.code().expect("no signal ended it"), out: text(output.stdout), err: text(output.stderr) }
}

fn content(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(dir).unwrap().map(|e| e.unwrap());
    files.map(|e| (e.file_name().into_string().unwrap(), fs::read(e.path()).unwrap())).collect()
}

/// Records a scenario into `t.jsonl` and its results into `recorded`.
fn recorded(scenario: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("s.toml"), scenario).unwrap();
    let run = ["run", "s.toml", "--record", "t.jsonl", "--output-dir", "recorded", "--jobs", "2", "-q"];
    let done = delm_sim(folder.path(), &run);
    assert_eq!(done.code, 0, "{}", done.err);
    folder
}

fn strict(folder: &Path, file: &str) -> Done {
    delm_sim(folder, &["replay", file, "--mode", "strict", "--output-dir", "again", "--overwrite", "-q"])
}

fn lines(path: PathBuf) -> Vec<Value> {
    fs::read_to_string(path).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

fn text(lines: &[Value]) -> String {
    lines.iter().flat_map(|l| [l.to_string(), "\n".to_owned()]).collect()
}

fn write(path: PathBuf, lines: &[Value]) {
    fs::write(path, text(lines)).unwrap();
}

#[test]
fn strict_replay_gives_the_same_directory_whatever_the_scenario() {
    for (name, scenario) in [("search", SEARCH), ("divide", DIVIDE), ("steady", STEADY), ("tiny", TINY)] {
        let folder = recorded(scenario);
        let path = folder.path();
        let done =
            delm_sim(path, &["run", "s.toml", "--record", "u.jsonl", "--output-dir", "one", "--jobs", "1", "-q"]);
        assert_eq!(done.code, 0, "{name}: {}", done.err);
        assert!(fs::read(path.join("t.jsonl")).unwrap() == fs::read(path.join("u.jsonl")).unwrap(), "{name}: jobs");
        let done = strict(path, "t.jsonl");
        assert_eq!(done.code, 0, "{name}: {}", done.err);
        let (was, is) = (content(&path.join("recorded")), content(&path.join("again")));
        assert!(was.contains_key("metrics.csv"));
        assert!(was.keys().eq(is.keys()), "{name}");
        for (file, bytes) in &was {
            assert!(is.get(file) == Some(bytes), "{name}: {file} differs");
        }
        // At recorded speed every run takes exactly as long as it took.
        for (recorded, retimed) in retimed(path, "t.jsonl", &[]) {
            assert_eq!(recorded, retimed, "{name}");
        }
    }
}

/// (recorded, retimed) makespan of each run.
fn retimed(folder: &Path, file: &str, flags: &[&str]) -> Vec<(String, String)> {
    let mut args = vec!["replay", file, "--mode", "retimed", "--format", "csv", "-q"];
    args.extend(flags);
    let done = delm_sim(folder, &args);
    assert_eq!(done.code, 0, "{}", done.err);
    let mut reader = csv::Reader::from_reader(done.out.as_bytes());
    reader.records().map(|r| r.unwrap()).map(|r| (r[2].to_owned(), r[3].to_owned())).collect()
}

/// An edit of a recording, and what standard error must say.
type Edit = (&'static str, fn(&mut Vec<Value>), &'static [&'static str]);

fn nth(lines: &[Value], record: &str, purpose: &str, n: usize) -> usize {
    let is = |l: &Value| l["record"] == record && (purpose.is_empty() || l["purpose"] == purpose);
    lines.iter().enumerate().filter(|(_, l)| is(l)).nth(n).expect("the recording has it").0
}

const EDITS: &[Edit] = &[
    (
        "an answer's tokens",
        |l| {
            let i = nth(l, "call", "gist", 0);
            let tokens = &mut l[i]["response"]["answer"]["gist"]["tokens"];
            *tokens = json!(tokens.as_u64().unwrap() + 7);
        },
        &["first difference: layout[", "recorded:", "asked   :"],
    ),
    (
        "about.step",
        |l| {
            let i = nth(l, "call", "step", 1);
            l[i]["about"]["step"] = json!(77);
        },
        &["first difference: about.step: recorded 77", "line ", "recorded:", "asked   :"],
    ),
    (
        "a span's tokens",
        |l| {
            let i = nth(l, "call", "step", 2);
            l[i]["request"]["layout"][0]["tokens"] = json!(1);
        },
        &["first difference: layout[0][2]: recorded 1, asked ", "line "],
    ),
    (
        "a call less",
        |l| {
            let i = nth(l, "call", "gist", 1);
            l.remove(i);
        },
        &["is not in the recording", "asked   :"],
    ),
    (
        "a call twice",
        |l| {
            let i = nth(l, "call", "step", 1);
            let twice = l[i].clone();
            l.insert(i, twice);
        },
        &["never asked for", "line "],
    ),
    (
        "a moment",
        |l| {
            let i = nth(l, "call", "plan", 0);
            let last = l[i]["moments"].as_array().unwrap().len() - 1;
            let at = l[i]["moments"][last]["at_ns"].as_u64().unwrap() + 1;
            l[i]["moments"][last]["at_ns"] = json!(at);
            l[i]["completed_ns"] = json!(at);
        },
        &["moments[0].at_ns", "line "],
    ),
    (
        "a time",
        |l| {
            let i = nth(l, "call", "step", 0);
            l[i]["intended_ns"] = json!(5);
        },
        &["`intended_ns` is 5 ns", "line "],
    ),
    (
        "a cost",
        |l| {
            let i = nth(l, "call", "step", 0);
            let work = &mut l[i]["cost"]["picodollars"]["work"];
            *work = json!(work.as_u64().unwrap() + 1);
        },
        &["first difference: end.digest"],
    ),
    (
        "a decision for a plan",
        |l| {
            let i = nth(l, "call", "plan", 0);
            l[i]["response"]["answer"] = json!({ "decided": "submit" });
        },
        &["response.answer", "line 4"],
    ),
    (
        "a verdict for a step",
        |l| {
            let i = nth(l, "call", "step", 0);
            l[i]["response"]["answer"] = json!({ "verdict": { "accepted": true } });
        },
        &["response.answer", "not an answer to a call for step"],
    ),
    (
        "subtasks that wait for strangers",
        |l| {
            let i = nth(l, "call", "plan", 0);
            l[i]["response"]["answer"]["subtasks"]["dependencies"] = json!([[0, 99]]);
        },
        &["response.answer.subtasks.dependencies[0]"],
    ),
    (
        "subtasks that wait for each other",
        |l| {
            let i = nth(l, "call", "plan", 0);
            l[i]["response"]["answer"]["subtasks"]["dependencies"] = json!([[0, 1], [1, 2], [2, 0]]);
        },
        &["the replay diverges"],
    ),
    (
        "subtasks from 5 on",
        |l| {
            let i = nth(l, "call", "plan", 0);
            l[i]["response"]["answer"]["subtasks"]["first"] = json!(5);
        },
        &["response.answer.subtasks.first"],
    ),
    (
        "no answer",
        |l| {
            let i = nth(l, "call", "step", 0);
            l[i]["response"] = Value::Null;
        },
        &["`response.answer` is missing"],
    ),
    (
        "a status",
        |l| {
            let i = nth(l, "call", "step", 0);
            l[i]["status"] = json!("failed");
        },
        &["`status` does not fit"],
    ),
    (
        "no last moment",
        |l| {
            let i = nth(l, "call", "step", 0);
            l[i]["moments"].as_array_mut().unwrap().pop();
        },
        &["moments", "line "],
    ),
    (
        "a timer that nobody set",
        |l| {
            let i = nth(l, "finish", "", 0);
            let timer = json!({ "record": "timer", "task": 0, "timer": 3, "at_ns": 1, "seq": 4 });
            l.insert(i, timer);
        },
        &["the replay diverges"],
    ),
    (
        "no finish",
        |l| {
            let i = nth(l, "finish", "", 0);
            l.remove(i);
        },
        &["the replay diverges"],
    ),
    (
        "no arrival",
        |l| {
            let i = nth(l, "arrival", "", 0);
            l.remove(i);
        },
        &["nothing more is recorded"],
    ),
];

#[test]
fn every_change_of_a_recording_is_told_with_line_and_field() {
    let folder = recorded(TINY);
    let path = folder.path();
    let whole = lines(path.join("t.jsonl"));
    for (what, edit, fragments) in EDITS {
        let mut changed = whole.clone();
        edit(&mut changed);
        assert!(changed != whole, "{what}: nothing changed");
        write(path.join("c.jsonl"), &changed);
        let done = strict(path, "c.jsonl");
        assert_eq!(done.code, 4, "{what}: {}{}", done.out, done.err);
        assert!(fragments.iter().all(|f| done.err.contains(f)), "{what}: {}", done.err);
        assert!(!done.err.contains("panicked") && !path.join("again").exists(), "{what}: {}", done.err);
        let done = delm_sim(path, &["replay", "c.jsonl", "--mode", "retimed", "-q"]);
        assert!(!done.err.contains("panicked"), "{what}: {}", done.err);
    }
    // Matching is by what is asked: the order of the lines does not matter.
    let mut swapped = whole.clone();
    let (a, b) = (nth(&whole, "call", "step", 0), nth(&whole, "call", "step", 3));
    swapped.swap(a, b);
    write(path.join("c.jsonl"), &swapped);
    let done = strict(path, "c.jsonl");
    assert_eq!(done.code, 0, "{}", done.err);
}

#[test]
fn a_divergence_shows_both_sides() {
    let folder = recorded(TINY);
    let path = folder.path();
    let mut changed = lines(path.join("t.jsonl"));
    let i = nth(&changed, "call", "step", 1);
    changed[i]["about"]["step"] = json!(77);
    write(path.join("c.jsonl"), &changed);
    insta::assert_snapshot!("divergence", strict(path, "c.jsonl").err);
}

#[test]
fn damaged_files_are_told_and_what_is_whole_is_used() {
    let folder = recorded(DIVIDE);
    let path = folder.path();
    let text = fs::read_to_string(path.join("t.jsonl")).unwrap();
    let put = |bytes: &[u8]| fs::write(path.join("c.jsonl"), bytes).unwrap();
    let starts: Vec<usize> = text.match_indices("{\"record\":\"run\"").map(|(i, _)| i).collect();
    let cuts = [
        ("inside the last line", text.len() - 9, "run 19 is not whole"),
        ("inside a run", starts[7] - 400, "run 6 is not whole"),
        ("inside a run's first line", starts[7] + 9, "the header's scenario has 2 runs"),
        ("between runs", starts[7], "the header's scenario has 2 runs"),
    ];
    for (what, cut, told) in cuts {
        put(&text.as_bytes()[..cut]);
        let done = strict(path, "c.jsonl");
        assert_eq!(done.code, 2, "{what}: {}", done.err);
        assert!(done.err.contains(told), "{what}: {}", done.err);
        assert!(!retimed(path, "c.jsonl", &[]).is_empty(), "{what}");
        let table = delm_sim(path, &["replay", "c.jsonl", "--mode", "retimed", "-q"]).out;
        assert_eq!(table.contains("cut off"), what != "between runs", "{what}: {table}");
    }
    // Compressed: whole, and cut.
    let mut zipped = GzEncoder::new(Vec::new(), Compression::fast());
    zipped.write_all(text.as_bytes()).unwrap();
    let zipped = zipped.finish().unwrap();
    put(&zipped);
    assert_eq!(strict(path, "c.jsonl").code, 0);
    put(&zipped[..zipped.len() / 2]);
    let done = strict(path, "c.jsonl");
    assert!(done.code == 2 && done.err.contains("the compressed file ends inside line"), "{}", done.err);
    assert!(!retimed(path, "c.jsonl", &[]).is_empty());

    let with = |from: &str, to: &str| text.replacen(from, to, 1);
    let line = 1 + text[..text.find("\"status\":\"ok\"").unwrap()].matches('\n').count();
    let place = format!("c.jsonl:{line}: field `status`");
    let broken = [
        (with("\"status\":\"ok\"", "\"status\":\"fine\""), place.as_str()),
        (with("\"version\":1", "\"version\":9"), "c.jsonl:1: field `version`: this build reads version 1, found 9"),
        (with("\"record\":\"arrival\"", "\"record\":\"arival\""), "c.jsonl:3: field `record`: \"arival\" is none of"),
        (with("\"tasks\":1,\"workers\"", "\"tasks\":4000000000,\"workers\""), "c.jsonl:2: field `tasks`"),
        (with("{\"record\":\"arrival\"", "\u{1}{"), "c.jsonl:3: not a record"),
        ("hello\n".to_owned(), "this is not a transcript"),
        (String::new(), "this is not a transcript"),
    ];
    for (text, told) in &broken {
        put(text.as_bytes());
        for mode in ["strict", "retimed", "counterfactual"] {
            let done = delm_sim(path, &["replay", "c.jsonl", "--mode", mode, "-q"]);
            assert_eq!(done.code, 2, "{told}: {}", done.err);
            assert!(done.err.contains(told), "{told}: {}", done.err);
        }
    }
    let done = strict(path, "nowhere.jsonl");
    assert_eq!((done.code, done.err.matches("No such file").count()), (2, 1), "{}", done.err);
}

/// An imported run of worker steps: (agent, from, until, released by).
fn hand_written(calls: &[(u32, f64, f64, Vec<Value>)]) -> Vec<Value> {
    let ns = |s: f64| (s * SECOND as f64) as u64;
    let agents = calls.iter().map(|c| c.0).max().unwrap() + 1;
    let mut all = vec![
        json!({ "record": "header", "format": "delm-sim-transcript", "version": 1, "program": "hand", "origin": "imported" }),
        json!({ "record": "run", "run": 0, "agents": agents, "replication": 0, "tasks": 1, "workers": agents, "leads": 0, "lines": 1 }),
    ];
    for (i, (agent, from, until, released_by)) in calls.iter().enumerate() {
        all.push(json!({
            "record": "call", "task": 0, "call": i, "key": "", "agent": agent, "purpose": "step",
            "about": { "line": 0, "subtask": agent, "attempt": 0, "step": i }, "endpoint": "model", "released_by": released_by,
            "intended_ns": ns(*from), "dispatched_ns": ns(*from), "completed_ns": ns(*until), "request": {},
            "usage": { "prompt_tokens": 100, "completion_tokens": 50 }, "status": "ok",
            "cost": { "picodollars": {"work": 0, "tool": 0, "coordination": 0, "verification": 0, "reading": 0}, "source": "none" },
        }));
    }
    all
}

fn after(call: u64, gap_s: f64) -> Vec<Value> {
    vec![json!({ "on": "completion", "call": call, "gap_ns": (gap_s * SECOND as f64) as u64 })]
}

#[test]
fn retimed_replay_agrees_with_closed_forms() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    // A chain: 1 s, 0.5 s, 1 s, 0.5 s, 1 s.
    let chain = [(0, 0.0, 1.0, vec![]), (0, 1.5, 2.5, after(0, 0.5)), (0, 3.0, 4.0, after(1, 0.5))];
    write(path.join("chain.jsonl"), &hand_written(&chain));
    // Eight calls of 1 s at once.
    let fan: Vec<_> = (0..8).map(|a| (a, 0.0, 1.0, vec![])).collect();
    write(path.join("fan.jsonl"), &hand_written(&fan));
    let cases: &[(&str, &[&str], f64)] = &[
        ("chain.jsonl", &[], 4.0),
        ("chain.jsonl", &["--latency-scale", "2"], 7.0),
        ("chain.jsonl", &["--gap-scale", "2"], 5.0),
        ("chain.jsonl", &["--gap-scale", "0", "--latency-scale", "0.5"], 1.5),
        ("chain.jsonl", &["--concurrency", "1"], 4.0),
        ("fan.jsonl", &[], 1.0),
        ("fan.jsonl", &["--concurrency", "1"], 8.0),
        ("fan.jsonl", &["--concurrency", "3"], 3.0),
        // A minute's burst: six at once, then one each ten seconds.
        ("fan.jsonl", &["--requests-per-minute", "6"], 21.0),
        // 600 tokens a minute are six prompts; 200 are four completions, then one each 15 s.
        ("fan.jsonl", &["--input-tokens-per-minute", "600"], 21.0),
        ("fan.jsonl", &["--output-tokens-per-minute", "200"], 61.0),
        ("fan.jsonl", &["--requests-per-minute", "60", "--concurrency", "2"], 4.0),
    ];
    for (file, flags, seconds) in cases {
        assert_eq!(retimed(path, file, flags)[0].1, format!("{seconds:.9}"), "{file} {flags:?}");
    }
    // Calls that wait for each other, and for nobody.
    let circle = [(0, 0.0, 1.0, after(1, 0.0)), (1, 0.0, 1.0, after(0, 0.0))];
    write(path.join("circle.jsonl"), &hand_written(&circle));
    write(path.join("nobody.jsonl"), &hand_written(&[(0, 0.0, 1.0, after(9, 0.0))]));
    for (file, told) in
        [("circle.jsonl", "line 3: field `released_by`"), ("nobody.jsonl", "line 3: field `released_by.call`")]
    {
        let done = delm_sim(path, &["replay", file, "--mode", "retimed", "-q"]);
        assert!(done.code == 2 && done.err.contains(told), "{}", done.err);
    }
}

#[test]
fn counterfactual_replay_agrees_with_closed_forms() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    // Four delegations of two steps of 10 s each, recorded one after the other.
    let calls: Vec<_> = (0..8u64)
        .map(|i| {
            let from = i as f64 * 10.0;
            (i as u32 / 2, from, from + 10.0, if i == 0 { vec![] } else { after(i - 1, 0.0) })
        })
        .collect();
    let file = path.join("work.jsonl");
    write(file.clone(), &hand_written(&calls));
    let runs = RecordedRuns::read(&file).unwrap();
    for (dependencies, expected) in [(Dependencies::None, [80.0, 40.0, 20.0]), (Dependencies::Recorded, [80.0; 3])] {
        let made = counterfactual(&runs, &Reading { dependencies, ..Reading::default() }).unwrap();
        let mut scenario = made.scenario.clone();
        // Coordination takes no time, hence the work part is all there is.
        scenario.endpoints.insert("model".to_owned(), EndpointSpec::default());
        scenario.policies = vec!["map-reduce".to_owned(), "delm-queue".to_owned()];
        scenario.agents = vec![1, 2, 4];
        let study = conduct(&scenario, &Options { jobs: 1, ..Options::default() }).unwrap();
        for cell in &study.cells {
            let expected = expected[[1, 2, 4].iter().position(|n| *n == cell.agents).unwrap()];
            let mean = cell.mean("makespan_s").unwrap();
            assert!((mean - expected).abs() < 1e-6, "{} with {}: {mean}, not {expected}", cell.policy, cell.agents);
        }
    }
    let args =
        ["replay", "work.jsonl", "--mode", "counterfactual", "--agents", "1,4", "--policy", "map-reduce,delm-queue"];
    let more = ["--baseline", "map-reduce", "--scenario-output", "made.toml", "--output-dir", "out", "-q"];
    let done = delm_sim(path, &[&args[..], &more[..]].concat());
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(done.out.contains("Assumptions") && done.out.contains("Nothing is graded"), "{}", done.out);
    let done = delm_sim(path, &["reproduce", "out", "-q"]);
    assert_eq!(done.code, 0, "{}{}", done.out, done.err);
    let done = delm_sim(path, &["compare", "made.toml", "--agents", "2", "--output-dir", "made", "--no-figures", "-q"]);
    assert_eq!(done.code, 0, "{}", done.err);
}

#[test]
fn flags_of_other_modes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path().join("t.jsonl"), &hand_written(&[(0, 0.0, 1.0, vec![])]));
    let cases: &[(&str, &[&str])] = &[
        ("strict", &["--latency-scale", "2"]),
        ("strict", &["--agents", "2"]),
        ("strict", &["--dependencies", "none"]),
        ("retimed", &["--set", "seed=2"]),
        ("retimed", &["--scenario-output", "x.toml"]),
        ("retimed", &["--own-context", "0.5"]),
        ("counterfactual", &["--concurrency", "2"]),
        ("counterfactual", &["--requests-per-minute", "2"]),
    ];
    for (mode, flags) in cases {
        let done = delm_sim(folder.path(), &[&["replay", "t.jsonl", "--mode", mode, "-q"], *flags].concat());
        assert_eq!(done.code, 2, "{mode} {flags:?}: {}", done.err);
        assert!(done.err.contains("acts on them"), "{mode} {flags:?}: {}", done.err);
    }
    // Strict replay has no policy to ask of an imported file.
    let done = strict(folder.path(), "t.jsonl");
    assert!(done.code == 2 && done.err.contains("--mode retimed or counterfactual"), "{}", done.err);
}

/// Most memory this process ever held, in kilobytes, where the system tells.
fn peak_kb() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?.trim().trim_end_matches(" kB").trim().parse().ok()
}

const ALONE: &str = "DELM_SIM_TEST_ALONE";

#[test]
fn a_reader_holds_one_run_in_memory_not_the_file() {
    // Other tests of this process need memory too, hence a process of its own.
    if std::env::var_os(ALONE).is_none() {
        let name = "a_reader_holds_one_run_in_memory_not_the_file";
        let alone = Command::new(std::env::current_exe().unwrap()).args(["--exact", name]).env(ALONE, "1").output();
        let alone = alone.unwrap();
        assert!(alone.status.success(), "{}", String::from_utf8_lossy(&alone.stdout));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.jsonl");
    let calls: Vec<_> = (0..50).map(|i| (i % 4, f64::from(i), f64::from(i) + 1.0, vec![])).collect();
    let run = hand_written(&calls);
    let text = text(&run[1..]);
    let mut file = std::io::BufWriter::new(fs::File::create(&path).unwrap());
    writeln!(file, "{}", run[0]).unwrap();
    let runs = 50_000_000 / text.len();
    for _ in 0..runs {
        file.write_all(text.as_bytes()).unwrap();
    }
    drop(file);
    let Some(before) = peak_kb() else { return };
    let mut recordings = Recordings::new(Reader::open(&path).unwrap());
    let mut read = 0;
    while let Some(recording) = recordings.next_run().unwrap() {
        assert_eq!(recording.calls.len(), 50);
        read += 1;
    }
    assert_eq!(read, runs);
    let grown = peak_kb().unwrap() - before;
    assert!(grown < 10_000, "{grown} kB");
}

#[test]
fn the_schema_of_a_line_is_the_committed_one() {
    let done = delm_sim(Path::new("."), &["schema", "transcript"]);
    let committed = include_str!("../docs/transcript.schema.json");
    assert!(done.out == committed, "renew it: delm-sim schema transcript > docs/transcript.schema.json");
}
