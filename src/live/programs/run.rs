//! One run of one program, in a process group of its own that is ended when its time is over.

use super::ProgramsSpec;
use std::fmt;
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ran {
    /// It ended by itself, with this output.
    Ended(String),
    /// It failed, with the end of what it complained.
    Failed(String),
    /// Its time was over.
    TooLong,
    /// It wrote too much.
    TooMuch,
    /// It could not be started at all.
    NotStarted(String),
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(output) => write!(f, "it gave:\n{output}"),
            Self::Failed(why) => write!(f, "it failed:\n{why}"),
            Self::TooLong => f.write_str("it took too long"),
            Self::TooMuch => f.write_str("it wrote too much"),
            Self::NotStarted(why) => write!(f, "it could not be started: {why}"),
        }
    }
}

/// Most of a complaint that is told (characters, its end).
const MOST_COMPLAINT: usize = 600;
/// Limits are set by a shell, which is everywhere: memory (KiB), time (s), files (blocks of 512 bytes).
const SHELL: &str = "ulimit -c 0; ulimit -v \"$1\"; ulimit -t \"$2\"; ulimit -f \"$3\"; shift 3; \
                     exec \"$@\" <input.txt >output.txt 2>errors.txt";

/// Runs a program on an input.
pub fn run(spec: &ProgramsSpec, program: &str, input: &str) -> Ran {
    attempt(spec, program, input).unwrap_or_else(|why| Ran::NotStarted(why.to_string()))
}

fn attempt(spec: &ProgramsSpec, program: &str, input: &str) -> std::io::Result<Ran> {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    fs::write(at("program.txt"), program)?;
    fs::write(at("input.txt"), input)?;
    let seconds = spec.seconds.max(0.1);
    let mut command = Command::new("sh");
    command.args(["-c", SHELL, "sh"]);
    command.arg((u64::from(spec.memory_mb) << 10).to_string());
    command.arg(format!("{:.0}", libm::ceil(seconds)));
    command.arg((u64::from(spec.output_kb) * 2).to_string());
    command.args(&spec.command).arg("program.txt");
    // No key and no setting of whoever runs it.
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", folder.path());
    command.current_dir(folder.path());
    in_a_group(&mut command);
    let mut child = command.spawn()?;
    let group = child.id();
    let (sender, receiver) = channel();
    let waits = thread::spawn(move || {
        // Nobody listens once the time is over.
        let _ = sender.send(child.wait());
    });
    let status = receiver.recv_timeout(Duration::from_secs_f64(seconds));
    // What it started and left behind ends with it.
    end_group(group);
    let _ = waits.join();
    let Ok(status) = status else { return Ok(Ran::TooLong) };
    let most = u64::from(spec.output_kb) << 10;
    let output = start_of(&at("output.txt"), most + 1)?;
    if output.len() as u64 > most || status.as_ref().is_ok_and(|s| is_signal(*s, XFSZ)) {
        return Ok(Ran::TooMuch);
    }
    let status = status?;
    if is_signal(status, XCPU) {
        return Ok(Ran::TooLong);
    }
    if status.success() {
        return Ok(Ran::Ended(String::from_utf8_lossy(&output).into_owned()));
    }
    let errors = String::from_utf8_lossy(&start_of(&at("errors.txt"), most)?).into_owned();
    let from = errors.char_indices().rev().nth(MOST_COMPLAINT).map_or(0, |(i, _)| i);
    Ok(match status.code() {
        Some(126 | 127) => Ran::NotStarted(errors[from..].trim().to_owned()),
        _ => Ran::Failed(format!("{}\n({status})", errors[from..].trim())),
    })
}

fn start_of(path: &Path, most: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Signals of the limits on processor time and file length.
const XCPU: i32 = 24;
const XFSZ: i32 = 25;

#[cfg(unix)]
fn is_signal(status: std::process::ExitStatus, signal: i32) -> bool {
    std::os::unix::process::ExitStatusExt::signal(&status) == Some(signal)
}

#[cfg(not(unix))]
fn is_signal(_: std::process::ExitStatus, _: i32) -> bool {
    false
}

#[cfg(unix)]
fn in_a_group(command: &mut Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

#[cfg(not(unix))]
fn in_a_group(_: &mut Command) {}

/// Ends every process of the group; a group that is gone is ended already.
fn end_group(group: u32) {
    let _ = Command::new("sh").args(["-c", &format!("kill -KILL -{group} 2>/dev/null")]).status();
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn by_shell(program: &str, input: &str) -> Ran {
        let spec =
            ProgramsSpec { command: vec!["sh".to_owned()], seconds: 1.0, output_kb: 4, ..ProgramsSpec::default() };
        run(&spec, program, input)
    }

    #[test]
    fn limits_hold_and_what_fails_says_why() {
        assert_eq!(by_shell("cat", "a\nb\n"), Ran::Ended("a\nb\n".to_owned()));
        assert!(matches!(by_shell("echo wrong >&2; exit 3", ""), Ran::Failed(why) if why.contains("wrong")));
        assert_eq!(by_shell("sleep 30", ""), Ran::TooLong);
        assert_eq!(by_shell("while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done", ""), Ran::TooMuch);
        assert_eq!(by_shell("echo \"[$OPENAI_API_KEY$CARGO_HOME]\"", ""), Ran::Ended("[]\n".to_owned()));
        let spec = ProgramsSpec { command: vec!["no-such-program".to_owned()], ..ProgramsSpec::default() };
        assert!(matches!(run(&spec, "", ""), Ran::NotStarted(_)));
    }
}
