//! `--record FILE`: the transcript of all runs, there when they are done and not before. Whoever interrupts the run is
//! told that there is none.

use super::whole::Whole;
use super::{INTERRUPTED, output};
use crate::experiment::Scenario;
use crate::experiment::replay::header;
use crate::record::transcript::{Line, Origin};
use anyhow::{Context, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread::JoinHandle;

/// A transcript that is being written beside its place.
pub(super) struct Record {
    path: PathBuf,
    sink: Mutex<Whole>,
    watch: Watch,
}

impl Record {
    /// Opens the file and writes the header.
    pub(super) fn begin(path: &Path, scenario: &Scenario) -> Result<Self> {
        let told = || format!("cannot write the transcript {}", path.display());
        let mut sink = Whole::begin(path).with_context(told)?;
        let watch = Watch::over(sink.part(), path)?;
        let mut line = serde_json::to_vec(&Line::Header(header(scenario, Origin::Simulated)))?;
        line.push(b'\n');
        sink.write_all(&line).with_context(told)?;
        Ok(Self { path: path.to_owned(), sink: Mutex::new(sink), watch })
    }

    pub(super) fn sink(&self) -> &Mutex<dyn Write + Send> {
        &self.sink
    }

    /// Puts the file in its place.
    pub(super) fn finish(self) -> Result<()> {
        let Self { path, sink, watch } = self;
        let done = sink.into_inner().expect("no writer panics").finish();
        drop(watch);
        done.with_context(|| format!("cannot write the transcript {}", path.display()))
    }
}

/// Removes the part of a file when the run is interrupted.
struct Watch {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    fn over(part: &Path, path: &Path) -> Result<Self> {
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let (handle, part, path) = (signals.handle(), part.to_owned(), path.to_owned());
        let thread = std::thread::spawn(move || {
            if signals.forever().next().is_some() {
                let _ = fs::remove_file(&part);
                output::say(&format!("interrupted: the transcript {} was not written", path.display()));
                std::process::exit(INTERRUPTED.into());
            }
        });
        Ok(Self { handle, thread: Some(thread) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
