//! Strict replay of recordings that were edited: every edit is told.

use super::{SEARCH, TINY, delm_sim, lines, nth, recorded, strict, text, write};
use serde_json::{Value, json};

/// An edit of a recording, and what standard error must say.
type Edit = (&'static str, fn(&mut Vec<Value>), &'static [&'static str]);

/// Adds one to a number of the first call for a purpose.
fn raise(lines: &mut [Value], purpose: &str, path: &[&str]) {
    let i = nth(lines, "call", purpose, 0);
    let value = path.iter().fold(&mut lines[i], |value, key| &mut value[*key]);
    *value = json!(value.as_u64().unwrap() + 1);
}

/// Adds one to a number of the first record of a kind.
fn raise_in(lines: &mut [Value], record: &str, field: &str) {
    let i = nth(lines, record, "", 0);
    lines[i][field] = json!(lines[i][field].as_u64().unwrap() + 1);
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
        &["field `cost.picodollars`: recorded ", "line 5"],
    ),
    (
        "completion tokens",
        |l| raise(l, "step", &["usage", "completion_tokens"]),
        &["field `cost.picodollars`: recorded ", "usage or cost was changed", "line 5"],
    ),
    (
        "prompt tokens",
        |l| raise(l, "gist", &["usage", "prompt_tokens"]),
        &["field `usage.prompt_tokens`: recorded ", "line "],
    ),
    (
        "a key",
        |l| {
            let i = nth(l, "call", "step", 1);
            l[i]["key"] = json!("00");
        },
        &["first difference: key: recorded \"00\", asked \"", "line 6", "key that is not its own"],
    ),
    (
        "an endpoint",
        |l| {
            let i = nth(l, "call", "step", 1);
            l[i]["endpoint"] = json!("other");
        },
        &["first difference: endpoint: recorded \"other\", the replay comes to \"model\"", "line 6"],
    ),
    (
        "a gap",
        |l| {
            let i = nth(l, "call", "step", 0);
            l[i]["released_by"][0]["gap_ns"] = json!(1);
        },
        &["first difference: released_by[0].gap_ns: recorded 1, the replay comes to 0", "line 5"],
    ),
    (
        "what released a call",
        |l| {
            let i = nth(l, "call", "verify", 0);
            l[i]["released_by"] = json!([]);
        },
        &["first difference: released_by: recorded 0 of them, the replay comes to "],
    ),
    (
        "a call's number",
        |l| raise(l, "finalize", &["call"]),
        &["first difference: call: recorded 16, the replay comes to 15"],
    ),
    (
        "the finding of an answer",
        |l| raise(l, "finalize", &["response", "answer", "final", "id"]),
        &["field `right[0]`: recorded true, but finding 7 is submitted and `right_findings` has [6]", "line 20"],
    ),
    (
        "the finding of a gist",
        |l| raise(l, "gist", &["response", "answer", "gist", "id"]),
        &["first difference: subject: recorded ", "line "],
    ),
    (
        "the finding of a step",
        |l| {
            let is = |c: &Value| c["response"]["answer"]["step"]["result"].is_object();
            let id = l.iter_mut().find(|c| is(c)).unwrap().pointer_mut("/response/answer/step/result/id").unwrap();
            *id = json!(id.as_u64().unwrap() + 40);
        },
        &["first difference: subject: recorded ", ", asked 4", "line "],
    ),
    (
        "a grade",
        |l| {
            let i = nth(l, "finish", "", 0);
            l[i]["right"] = json!([false]);
        },
        &["field `right[0]`: recorded false", "line 20"],
    ),
    (
        "the right findings",
        |l| {
            let i = nth(l, "finish", "", 0);
            l[i]["right_findings"] = json!([6, 9]);
        },
        &["first difference: right_findings: recorded 2 of them, the replay comes to 1", "line 20"],
    ),
    (
        "the end of a task",
        |l| raise_in(l, "finish", "at_ns"),
        &["field `at_ns`: recorded 45900000001 ns, task 0 ends at 45900000000 ns", "line 20"],
    ),
    (
        "the number of calls",
        |l| raise_in(l, "end", "calls"),
        &["first difference: calls: recorded 17, the replay comes to 16", "line 21"],
    ),
    (
        "the makespan",
        |l| raise_in(l, "end", "makespan_ns"),
        &["first difference: makespan_ns: recorded 45900000001, the replay comes to 45900000000", "line 21"],
    ),
    (
        "the team",
        |l| raise_in(l, "run", "workers"),
        &["first difference: workers: recorded 3, the replay comes to 2", "line 2"],
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

/// Edits after which the numbers of one call contradict each other.
const CONTRADICTIONS: &[Edit] = &[
    (
        "more cached than prompt tokens",
        |l| raise(l, "step", &["usage", "cached_tokens"]),
        &["c.jsonl:5: field `usage.cache_write_tokens`: 1 cached and 8800 written tokens are more than the 8800"],
    ),
    (
        "more written than prompt tokens",
        |l| raise(l, "step", &["usage", "cache_write_tokens"]),
        &["c.jsonl:5: field `usage.cache_write_tokens`: 0 cached and 8801 written tokens"],
    ),
    (
        "tokens whose sum has no number",
        |l| {
            for n in 0..2 {
                let i = nth(l, "call", "step", n);
                l[i]["usage"]["completion_tokens"] = json!(u64::MAX);
            }
        },
        &["c.jsonl:5: field `usage.completion_tokens`: 18446744073709551615 is more than 2^53"],
    ),
    (
        "dollars without end",
        |l| {
            let i = nth(l, "call", "step", 0);
            l[i]["cost"]["picodollars"]["work"] = json!(u64::MAX);
        },
        &["c.jsonl:5: field `cost.picodollars.work`"],
    ),
    (
        "a first token before the dispatch",
        |l| {
            let i = nth(l, "call", "step", 0);
            l[i]["first_token_ns"] = json!(4);
        },
        &["c.jsonl:5: field `first_token_ns`: 4 ns is before `dispatched_ns` (5000000000 ns)"],
    ),
    (
        "a first token after the end",
        |l| {
            let i = nth(l, "call", "step", 0);
            l[i]["first_token_ns"] = json!(12_000_000_000_u64);
        },
        &["c.jsonl:5: field `completed_ns`: 11000000000 ns is before `first_token_ns` (12000000000 ns)"],
    ),
    (
        "an end before the dispatch",
        |l| {
            let i = nth(l, "call", "step", 0);
            l[i]["completed_ns"] = json!(1);
        },
        &["c.jsonl:5: field `completed_ns`: 1 ns is before "],
    ),
];

#[test]
fn calls_that_contradict_themselves_are_refused_in_every_mode() {
    let folder = recorded(TINY);
    let path = folder.path();
    let whole = lines(path.join("t.jsonl"));
    for (what, edit, fragments) in CONTRADICTIONS {
        let mut changed = whole.clone();
        edit(&mut changed);
        write(path.join("c.jsonl"), &changed);
        for mode in ["strict", "retimed", "counterfactual"] {
            let done = delm_sim(path, &["replay", "c.jsonl", "--mode", mode, "-q"]);
            assert_eq!(done.code, 2, "{what}, {mode}: {}{}", done.out, done.err);
            assert!(fragments.iter().all(|f| done.err.contains(f)), "{what}, {mode}: {}", done.err);
        }
    }
}

/// Edits after which a run is not what its own lines say.
const MISCOUNTS: &[Edit] = &[
    (
        "a call twice",
        |l| {
            let i = nth(l, "call", "step", 1);
            l.insert(i, l[i].clone());
        },
        &["c.jsonl:7: field `call`: call ", " of task 0 stands in line 6 too"],
    ),
    (
        "no answer at the end",
        |l| {
            let i = nth(l, "call", "finalize", 0);
            l.remove(i);
        },
        &["c.jsonl:20: field `calls`: 16, but the run has 15 `call` line(s)"],
    ),
    (
        "a shorter run",
        |l| {
            let i = nth(l, "end", "", 0);
            l[i]["makespan_ns"] = json!(5);
        },
        &["c.jsonl:21: field `makespan_ns`: 5, but something ends at 45900000000 ns"],
    ),
];

#[test]
fn runs_that_are_not_what_their_lines_say_are_refused() {
    let folder = recorded(TINY);
    let path = folder.path();
    let whole = lines(path.join("t.jsonl"));
    for (what, edit, fragments) in MISCOUNTS {
        let mut changed = whole.clone();
        edit(&mut changed);
        write(path.join("c.jsonl"), &changed);
        assert_eq!(strict(path, "c.jsonl").code, 4, "{what}");
        for mode in ["retimed", "counterfactual"] {
            let done = delm_sim(path, &["replay", "c.jsonl", "--mode", mode, "-q"]);
            assert_eq!(done.code, 2, "{what}, {mode}: {}{}", done.out, done.err);
            assert!(fragments.iter().all(|f| done.err.contains(f)), "{what}, {mode}: {}", done.err);
        }
    }
}

#[test]
fn runs_that_are_not_whole_are_replayed_and_told() {
    let folder = recorded(TINY);
    let path = folder.path();
    let whole = lines(path.join("t.jsonl"));
    let end = nth(&whole, "end", "", 0);
    let (mut interrupted, mut stopped) = (whole.clone(), whole.clone());
    interrupted.remove(end);
    stopped[end]["complete"] = json!(false);
    for (changed, told) in
        [(interrupted, "no `end` record: it was interrupted"), (stopped, "it was stopped before its end")]
    {
        write(path.join("c.jsonl"), &changed);
        for mode in ["retimed", "counterfactual"] {
            let done = delm_sim(path, &["replay", "c.jsonl", "--mode", mode, "-q"]);
            assert_eq!(done.code, 0, "{told}, {mode}: {}", done.err);
            let flat = done.out.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(flat.contains(told), "{told}, {mode}: {}", done.out);
        }
    }
}

#[test]
fn the_order_of_lines_and_a_byte_order_mark_mean_nothing() {
    for scenario in [TINY, SEARCH] {
        let folder = recorded(scenario);
        let path = folder.path();
        let mut shuffled = lines(path.join("t.jsonl"));
        // All calls of each run, concurrent ones too, the last first.
        for part in shuffled.chunk_by_mut(|a, b| a["record"] == "call" && b["record"] == "call") {
            part.reverse();
        }
        std::fs::write(path.join("c.jsonl"), format!("\u{feff}{}", text(&shuffled))).unwrap();
        for mode in ["strict", "retimed"] {
            let done = delm_sim(path, &["replay", "c.jsonl", "--mode", mode, "-q"]);
            assert_eq!(done.code, 0, "{mode}: {}", done.err);
        }
    }
}
