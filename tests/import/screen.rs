//! The command itself.

use super::check::{fixture, recordings};
use assert_cmd::Command;
use std::path::Path;

fn delm_sim(folder: &Path, args: &[&str]) -> (i32, Vec<u8>, String) {
    let output = Command::cargo_bin("delm-sim").unwrap().args(args).current_dir(folder).output().unwrap();
    (output.status.code().unwrap(), output.stdout, String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_file_is_written_whole_and_never_replaced_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let input = fixture("magentic_one.jsonl").display().to_string();
    let (code, out, err) = delm_sim(folder.path(), &["import", &input, "-o", "t.jsonl"]);
    assert_eq!((code, out.len()), (0, 0), "{err}");
    for part in ["read as magentic-one (", "sessions 1, calls 11", "estimated", "wrote t.jsonl"] {
        assert!(err.contains(part), "{part}: {err}");
    }
    let written = std::fs::read(folder.path().join("t.jsonl")).unwrap();
    recordings(written.clone());
    let (code, _, err) = delm_sim(folder.path(), &["import", &input, "-o", "t.jsonl"]);
    assert!(code == 2 && err.contains("--overwrite"), "{err}");
    let (code, out, _) = delm_sim(folder.path(), &["import", &input, "-o", "-"]);
    assert!(code == 0 && out == written);
    let (code, ..) = delm_sim(folder.path(), &["import", &input, "-o", "t.jsonl", "--overwrite"]);
    assert_eq!(code, 0);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
}

#[test]
fn bad_input_exits_with_2_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let damaged = fixture("delm_v1_damaged.jsonl").display().to_string();
    let cases: &[(&[&str], &str)] = &[
        (&["import", &damaged, "-o", "t.jsonl"], "delm_v1_damaged.jsonl:3: field `latency_ms`: found \"4 s\""),
        (&["import", "nowhere", "-o", "t.jsonl"], "nowhere: no such file or folder"),
        (&["import", &damaged], "--output"),
        (&["import", "-o", "t.jsonl"], "INPUT"),
        (&["import", &damaged, "-o", "no/such/t.jsonl"], "does not exist"),
        (&["import", &damaged, "-o", "t.jsonl", "--format", "tape"], "--format tape"),
    ];
    for (args, part) in cases {
        let (code, out, err) = delm_sim(folder.path(), args);
        assert!(code == 2 && err.contains(part) && out.is_empty(), "{args:?}: {code} {err}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{args:?}");
    }
    let (code, _, err) = delm_sim(folder.path(), &["import", &damaged, "-o", "t.jsonl", "--skip-damaged"]);
    assert!(code == 0 && err.contains("damaged records left out: 1"), "{err}");
}

#[test]
fn formats_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, _) = delm_sim(folder.path(), &["import", "--list"]);
    let out = String::from_utf8(out).unwrap();
    assert!(code == 0 && ["magentic-one", "delm-v2", "inspect"].iter().all(|f| out.contains(f)), "{out}");
}

#[cfg(unix)]
#[test]
fn only_files_are_replaced_and_links_are_followed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let input = fixture("magentic_one.jsonl").display().to_string();
    std::fs::write(at("target"), "old").unwrap();
    std::os::unix::fs::symlink("target", at("link")).unwrap();
    std::os::unix::fs::symlink("/dev/null", at("device")).unwrap();
    std::fs::create_dir(at("folder")).unwrap();
    let _listening = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    for (name, part) in [("device", "is a device or a pipe"), ("socket", "is a device"), ("folder", "is a folder")] {
        let (code, _, err) = delm_sim(folder.path(), &["import", &input, "-o", name, "--overwrite"]);
        assert!(code == 2 && err.contains(part), "{name}: {code} {err}");
    }
    let (code, _, err) = delm_sim(folder.path(), &["import", &input, "-o", "link"]);
    assert!(code == 2 && err.contains("exists already"), "{err}");
    let (code, _, err) = delm_sim(folder.path(), &["import", &input, "-o", "link", "--overwrite"]);
    assert_eq!(code, 0, "{err}");
    assert!(at("link").is_symlink() && std::fs::metadata(at("target")).unwrap().len() > 1000);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 5, "nothing else is left");
}
