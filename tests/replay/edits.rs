//! Strict replay of recordings that were edited: every edit is told.

use super::{TINY, delm_sim, lines, nth, recorded, strict, write};
use serde_json::{Value, json};

/// An edit of a recording, and what standard error must say.
type Edit = (&'static str, fn(&mut Vec<Value>), &'static [&'static str]);

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
