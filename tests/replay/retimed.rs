//! Retimed replay: closed forms.

use super::{after, delm_sim, hand_written, retimed, write};
use std::fs;

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
fn a_retimed_run_beyond_the_clock_is_told_and_has_no_makespan() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    // Three hours apart twice over, or three hours of service: 10^6 times as long is 1.08e10 s, twice that too much.
    let (long, wait) = (10_800.0, 10_800.0);
    write(path.join("once.jsonl"), &hand_written(&[(0, 0.0, long, vec![])]));
    write(path.join("twice.jsonl"), &hand_written(&[(0, 0.0, long, vec![]), (0, long, 2.0 * long, after(0, 0.0))]));
    write(path.join("apart.jsonl"), &hand_written(&[(0, 2.0 * wait, 2.0 * wait + 1.0, vec![])]));
    assert_eq!(retimed(path, "once.jsonl", &["--latency-scale", "1e6"])[0].1, "10800000000.000000000");
    for (file, flag) in [("twice.jsonl", "--latency-scale"), ("apart.jsonl", "--gap-scale")] {
        let done = delm_sim(path, &["replay", file, "--mode", "retimed", flag, "1e6"]);
        assert!(done.code == 2 && done.err.contains("times too long for this clock"), "{file}: {}", done.err);
        assert!(!done.out.contains("18446744"), "{}", done.out);
    }
}

#[test]
fn what_is_replayed_is_called_so_in_every_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write(path.join("t.jsonl"), &hand_written(&[(0, 0.0, 1.0, vec![])]));
    let done = delm_sim(path, &["replay", "t.jsonl", "--mode", "retimed", "--output-dir", "out", "-q"]);
    assert_eq!(done.code, 0, "{}", done.err);
    let mut metrics = csv::Reader::from_path(path.join("out").join("metrics.csv")).unwrap();
    let column = metrics.headers().unwrap().iter().position(|name| name == "origin").expect("a column of its own");
    assert!(metrics.records().all(|row| &row.unwrap()[column] == "replayed"));
    let summary: serde_json::Value =
        serde_json::from_slice(&fs::read(path.join("out").join("summary.json")).unwrap()).unwrap();
    assert_eq!(summary["origin"], "replayed");
}
