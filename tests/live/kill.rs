//! Killed and interrupted processes: no paid reply is lost or asked for twice.

use super::server::{Act, Server};
use super::{command, document, folder, lines, live, replayed};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

fn slow(asked: &super::server::Asked) -> Act {
    Act::Late(Duration::from_millis(4 + asked.number % 5 * 6), Box::new(Act::Answer))
}

/// Prompts whose reply stands in the journal, with the reply; equal prompts may come more than once.
fn journalled(dir: &Path) -> BTreeMap<(String, String), usize> {
    let mut found = BTreeMap::new();
    for call in lines(dir, "call").iter().filter(|c| c["response"]["text"].is_string()) {
        let text = call["response"]["text"].as_str().unwrap().to_owned();
        *found.entry((call["request"]["messages"].to_string(), text)).or_default() += 1;
    }
    found
}

/// Tokens that a report counts as billed, or possibly billed.
fn charged(told: &serde_json::Value) -> u64 {
    ["spent", "possibly_billed"].iter().map(|part| told["budget"][part]["tokens"].as_u64().unwrap()).sum()
}

#[test]
fn killed_at_any_moment_and_resumed_nothing_is_paid_twice() {
    let folder = folder();
    let server = Server::start(slow);
    let dir = folder.path().join("out");
    let mut args = vec!["--max-calls", "2000", "--output-dir", "out"];
    let mut kills = 0;
    let mut before = BTreeMap::new();
    for round in 0..60 {
        let mut child =
            command(folder.path(), &server.url(), &args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        // Moments spread over the whole run by a step that is no multiple of anything in it.
        std::thread::sleep(Duration::from_millis(60 + round * 37 % 211));
        if let Some(status) = child.try_wait().unwrap() {
            let mut err = String::new();
            std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut err).unwrap();
            assert!(status.success(), "{err}");
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        if dir.join("transcript.jsonl").metadata().is_ok_and(|m| m.len() > 2000) {
            args = vec!["--max-calls", "2000", "--resume", "out"];
            let now = journalled(&dir);
            for (call, count) in &before {
                assert!(now.get(call).is_some_and(|n| n >= count), "a journalled reply was lost");
            }
            before = now;
        } else {
            let _ = std::fs::remove_dir_all(&dir);
        }
    }
    let done = live(folder.path(), &server.url(), &["--max-calls", "2000", "--resume", "out"]);
    assert_eq!(done.code, Some(0), "after {kills} kills: {}", done.err);
    assert!(kills >= 3, "{kills} kills");
    // Every call has one line; every dispatched try is counted.
    let mut seen = BTreeMap::new();
    let (mut run, mut dispatches) = (0, 0);
    let text = std::fs::read_to_string(dir.join("transcript.jsonl")).unwrap();
    for line in text.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap()) {
        match line["record"].as_str().unwrap() {
            "run" => run += 1,
            "call" => *seen.entry((run, line["call"].as_u64().unwrap())).or_insert(0) += 1,
            "dispatch" => {
                dispatches += 1;
                let name = (run, line["call"].as_u64().unwrap());
                assert!(!seen.contains_key(&name), "a call was sent again after its reply was journalled");
            }
            _ => {}
        }
    }
    assert!(server.requests() <= dispatches, "{} came, {dispatches} were journalled", server.requests());
    assert!(seen.values().all(|n| *n == 1), "one line per call");
    assert_eq!(lines(&dir, "end").len(), 6, "six runs, each ended once");
    let told = document(&dir.join("live.json"));
    let counted = told["budget"]["spent"]["calls"].as_u64().unwrap() as usize;
    assert!(counted >= server.requests(), "{counted} counted, {} came", server.requests());
    let charged = charged(&told);
    assert!(charged >= server.billed(), "{charged} charged, {} billed", server.billed());
    replayed(folder.path(), "out");
}

#[test]
fn killed_while_a_repair_is_under_way_the_unreadable_reply_is_kept() {
    let folder = folder();
    let repairs = |asked: &super::server::Asked| asked.words().contains("cannot be used");
    let server = Server::start(move |asked| match (asked.number, repairs(asked)) {
        (2, false) => Act::Say("{\"no\": ".to_owned()),
        (3, true) => Act::Never,
        _ => Act::Answer,
    });
    let args = ["--policy", "single", "--max-calls", "60", "--output-dir", "out"];
    let mut child =
        command(folder.path(), &server.url(), &args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while server.requests() < 4 {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let done = live(folder.path(), &server.url(), &["--policy", "single", "--max-calls", "60", "--resume", "out"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let dir = folder.path().join("out");
    let repaired: Vec<_> =
        lines(&dir, "call").into_iter().filter(|c| c["response"]["unreadable_text"].is_string()).collect();
    assert_eq!(repaired.len(), 1, "{repaired:?}");
    assert_eq!(repaired[0]["response"]["unreadable_text"], "{\"no\": ");
    let asked_for = server.log().iter().filter(|e| e.answered.as_ref().is_some_and(|(t, _)| t == "{\"no\": ")).count();
    assert_eq!(asked_for, 1, "the paid reply was not asked for again");
    let told = document(&dir.join("live.json"));
    let charged = charged(&told);
    assert!(charged >= server.billed(), "{charged} charged, {} billed", server.billed());
    replayed(folder.path(), "out");
}

#[test]
fn a_cap_that_stops_a_repair_leaves_it_to_a_later_session() {
    let folder = folder();
    let first_of_the_second = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let seen = first_of_the_second.clone();
    let server = Server::start(move |asked| {
        if asked.number == 3 {
            *seen.lock().unwrap() = asked.words();
        }
        if asked.number == 2 { Act::Say("{\"no\": ".to_owned()) } else { Act::Answer }
    });
    let single = ["--policy", "single"];
    let done =
        live(folder.path(), &server.url(), &[&single[..], &["--max-calls", "3", "--output-dir", "out"]].concat());
    assert_eq!((done.code, server.requests()), (Some(1), 3), "{}", done.err);
    let dir = folder.path().join("out");
    assert_eq!(lines(&dir, "unreadable").len(), 1, "the paid reply is on disk");
    let strict = std::process::Command::new(assert_cmd::cargo::cargo_bin("delm-sim"))
        .args(["replay", "out/transcript.jsonl", "--mode", "strict"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let told = String::from_utf8(strict.stderr).unwrap();
    assert!(strict.status.code() == Some(2) && told.contains("no run in it came to its end"), "{told}");
    let done = live(folder.path(), &server.url(), &[&single[..], &["--max-calls", "90", "--resume", "out"]].concat());
    assert_eq!(done.code, Some(0), "{}", done.err);
    let asked = first_of_the_second.lock().unwrap().clone();
    assert!(asked.contains("cannot be used"), "the repair is asked for, not the call again: {asked}");
    assert_eq!(lines(&dir, "unreadable").len(), 1);
    let told = document(&dir.join("live.json"));
    let charged = charged(&told);
    assert_eq!(charged, server.billed());
    replayed(folder.path(), "out");
}

#[cfg(unix)]
#[test]
fn an_interruption_keeps_what_was_done_and_exits_with_130() {
    for signal in ["-INT", "-TERM"] {
        interrupted_and_resumed(signal);
    }
}

fn interrupted_and_resumed(signal: &str) {
    let folder = folder();
    let server = Server::start(|asked| {
        let wait = if asked.number == 6 { 60_000 } else { 15 };
        Act::Late(Duration::from_millis(wait), Box::new(Act::Answer))
    });
    let args = ["--policy", "delm-queue", "--max-calls", "500", "--output-dir", "out"];
    let child =
        command(folder.path(), &server.url(), &args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while server.requests() < 7 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let interrupt = std::process::Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(interrupt.success());
    let output = child.wait_with_output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(130), "{err}");
    assert!(err.contains("--resume") && out.contains("Budget"), "{out}\n{err}");
    let dir = folder.path().join("out");
    let calls = lines(&dir, "call");
    assert!(calls.iter().any(|c| c["status"] == "open"), "what was under way is told");
    assert_eq!(lines(&dir, "end").last().unwrap()["complete"], false);
    assert!(document(&dir.join("live.json"))["budget"]["possibly_billed"]["tokens"].as_u64().unwrap() > 0);
    let answered = server.log().iter().filter(|e| e.answered.is_some()).count();
    assert_eq!(calls.iter().filter(|c| c["response"]["text"].is_string()).count(), answered);

    let requests = server.requests();
    let resumed =
        live(folder.path(), &server.url(), &["--policy", "delm-queue", "--max-calls", "500", "--resume", "out"]);
    assert_eq!(resumed.code, Some(0), "{}", resumed.err);
    assert!(server.requests() > requests);
    assert!(lines(&dir, "call").iter().all(|c| c["status"] != "open"), "one line per call, its last");
    replayed(folder.path(), "out");
}
