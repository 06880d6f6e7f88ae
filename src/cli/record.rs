//! `--record FILE`: the transcript of all runs, there when they are done and not before.

use crate::experiment::Scenario;
use crate::experiment::replay::header;
use crate::record::transcript::{Line, Origin};
use anyhow::{Context, Result};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// A transcript that is being written beside its place.
pub(super) struct Record {
    path: PathBuf,
    partial: PathBuf,
    sink: Mutex<BufWriter<File>>,
}

impl Record {
    /// Opens the file and writes the header.
    pub(super) fn begin(path: &Path, scenario: &Scenario) -> Result<Self> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".partial-{}", std::process::id()));
        let partial = path.with_file_name(name);
        let file = File::create(&partial).with_context(|| format!("cannot write the transcript {}", path.display()))?;
        let mut sink = BufWriter::new(file);
        serde_json::to_writer(&mut sink, &Line::Header(header(scenario, Origin::Simulated)))?;
        sink.write_all(b"\n")?;
        Ok(Self { path: path.to_owned(), partial, sink: Mutex::new(sink) })
    }

    pub(super) fn sink(&self) -> &Mutex<dyn Write + Send> {
        &self.sink
    }

    /// Puts the file in its place.
    pub(super) fn finish(self) -> Result<()> {
        let told = || format!("cannot write the transcript {}", self.path.display());
        self.sink.lock().expect("no writer panics").flush().with_context(told)?;
        fs::rename(&self.partial, &self.path).with_context(told)
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        // Gone already if it is in its place.
        let _ = fs::remove_file(&self.partial);
    }
}
