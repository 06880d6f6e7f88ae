//! Files: damaged ones, long ones, and the schema of a line.

use super::{DIVIDE, delm_sim, hand_written, recorded, retimed, strict, text};
use delm_sim::record::transcript::{Reader, Recordings};
use flate2::{Compression, write::GzEncoder};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

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
    let committed = include_str!("../../docs/transcript.schema.json");
    assert!(done.out == committed, "renew it: delm-sim schema transcript > docs/transcript.schema.json");
}
