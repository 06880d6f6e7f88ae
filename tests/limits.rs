//! Files that are no files and files without end: every reader refuses them by a limit that it states.
#![cfg(unix)]

use assert_cmd::cargo::cargo_bin;
use flate2::{Compression, write::GzEncoder};
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// All commands that read a file of others; the file stands at the end.
const READERS: &[&[&str]] = &[
    &["replay", "--mode", "strict"],
    &["replay", "--mode", "retimed"],
    &["replay", "--mode", "counterfactual"],
    &["import", "--output", "out.jsonl"],
    &["import", "--output", "out.jsonl", "--format", "openai-log"],
    &["import", "--output", "out.jsonl", "--format", "cassette"],
    &["import", "--output", "out.jsonl", "--format", "inspect"],
    &["calibrate"],
    &["calibrate", "--from-transcript"],
    &["live", "multi-doc-qa", "--base-url", "http://127.0.0.1:9", "--model", "m", "--max-calls", "9", "--data"],
];

/// Exit code and standard error. A command that waits or goes on for ever is ended, and is then no refusal.
fn refused(folder: &Path, args: &[&str]) -> (Option<i32>, String) {
    let mut command = assert_cmd::Command::from_std(Command::new(cargo_bin("delm-sim")));
    let output = command.args(args).current_dir(folder).timeout(Duration::from_secs(100)).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn what_is_no_file_is_refused_by_every_reader() {
    let folder = tempfile::tempdir().unwrap();
    pipe(&folder.path().join("pipe"));
    for reader in READERS {
        for (path, told) in [("pipe", "is a pipe or a device"), ("/dev/zero", "is a pipe or a device")] {
            let (code, err) = refused(folder.path(), &[reader, &[path][..]].concat());
            assert!(code == Some(2) && err.contains(told) && err.contains(path), "{reader:?}: {code:?} {err}");
        }
    }
    assert!(!folder.path().join("out.jsonl").exists());
}

#[test]
fn a_small_file_that_unpacks_without_measure_is_refused_by_every_reader() {
    let folder = tempfile::tempdir().unwrap();
    let pack = |name: &str, unit: &[u8]| {
        let mut zip = GzEncoder::new(fs::File::create(folder.path().join(name)).unwrap(), Compression::fast());
        let piece = unit.repeat((1 << 20) / unit.len());
        (0..300).for_each(|_| zip.write_all(&piece).unwrap());
        zip.finish().unwrap();
    };
    pack("one-line.gz", b"{");
    pack("lines.gz", b"{}\n");
    let refuses = |reader: &[&str], name: &str| {
        let (code, err) = refused(folder.path(), &[reader, &[name][..]].concat());
        let is_told = err.contains(name) && err.contains("limit of");
        assert!(code == Some(2) && is_told, "{reader:?} {name}: {code:?} {err}");
    };
    for reader in READERS {
        refuses(reader, "one-line.gz");
    }
    // Whoever reads line by line sees in the first that this is another file.
    READERS.iter().filter(|r| ["calibrate", "inspect"].contains(&r[r.len() - 1])).for_each(|reader| {
        refuses(reader, "lines.gz");
    });
}

#[test]
fn a_folder_gives_its_files_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let record = |text: &str| {
        let response = r#"{"model":"m","choices":[{"message":{"role":"assistant","content":"x"}}]}"#;
        let request = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{text}"}}]}}"#);
        format!("{{\"request\":{request},\"response\":{response}}}\n")
    };
    let (inside, outside) = (folder.path().join("logs"), folder.path().join("other"));
    fs::create_dir(&inside).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(inside.join("a.jsonl"), record("mine")).unwrap();
    fs::write(outside.join("b.jsonl"), record("not yours")).unwrap();
    pipe(&inside.join("c.jsonl"));
    symlink(outside.join("b.jsonl"), inside.join("d.jsonl")).unwrap();
    symlink(&outside, inside.join("e")).unwrap();
    symlink("nowhere", inside.join("f.jsonl")).unwrap();
    symlink("a.jsonl", inside.join("g.jsonl")).unwrap();
    let (code, err) = refused(folder.path(), &["import", "logs", "--output", "out.jsonl"]);
    assert_eq!(code, Some(0), "{err}");
    let text = fs::read_to_string(folder.path().join("out.jsonl")).unwrap();
    assert!(text.contains("mine") && !text.contains("not yours"), "{text}");
    assert!(err.contains("logs: 1 pipes or devices were not read: c.jsonl"), "{err}");
    assert!(err.contains("logs: 3 links out of the folder or to nowhere were not read: d.jsonl, e, f.jsonl"), "{err}");
    assert!(err.contains("sessions 1, calls 1") && err.contains("given twice, read once"), "{err}");
}

#[test]
fn an_interrupted_recording_leaves_nothing_and_a_killed_one_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let parts = || {
        let names = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with(".t.jsonl.")).count()
    };
    let record = |replications: &str| {
        let mut command = Command::new(cargo_bin("delm-sim"));
        let args = ["run", "multi-doc-qa", "--policy", "single", "--agents", "1", "--record", "t.jsonl"];
        let more = ["--replications", replications, "--output-dir", "out", "--overwrite"];
        command.args(args).args(more).current_dir(folder.path()).stderr(std::process::Stdio::piped());
        command.stdout(std::process::Stdio::null()).spawn().unwrap()
    };
    for (signal, code, left) in [("-INT", Some(130), 0), ("-TERM", Some(130), 0), ("-KILL", None, 1)] {
        let mut child = record("1000000");
        while parts() == 0 {
            assert_eq!(child.try_wait().unwrap(), None);
            std::thread::sleep(Duration::from_millis(5));
        }
        // The file is there a moment before somebody watches over it.
        std::thread::sleep(Duration::from_millis(300));
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let done = child.wait_with_output().unwrap();
        let told = String::from_utf8(done.stderr).unwrap();
        assert_eq!((done.status.code(), parts()), (code, left), "{signal}: {told}");
        assert_eq!(told.contains("interrupted: the transcript t.jsonl was not written"), left == 0, "{told}");
    }
    let done = record("2").wait_with_output().unwrap();
    let told = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.success() && told.contains("which a run that was stopped had left"), "{told}");
    assert!(parts() == 0 && folder.path().join("t.jsonl").exists());
}
