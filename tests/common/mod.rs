//! The real binary, for tests that see what a user sees.

use assert_cmd::cargo::cargo_bin;
use std::path::Path;
use std::process::Command;

/// What a command left: its exit code, standard output, standard error.
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs a command in a folder to its end.
pub(crate) fn delm_sim(folder: &Path, args: &[&str]) -> Done {
    let output = Command::new(cargo_bin("delm-sim")).args(args).current_dir(folder).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Done { code: output.status.code().expect("no signal ended it"), out: text(output.stdout), err: text(output.stderr) }
}
