//! Strict replay: the same again, or the first difference.

use super::{DIVIDE, SEARCH, STEADY, TINY, content, delm_sim, lines, nth, recorded, retimed, strict, write};
use serde_json::json;
use std::fs;

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
