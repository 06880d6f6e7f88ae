//! The trace: every record with its cause, as JSON Lines, as a digest over a fixed binary form, and as a running summary
//! in bounded memory.
//!
//! Invariant: records are numbered from 0 in order; a cause has a smaller number than its effect.

mod digest;
mod identities;
mod record;
mod story;
mod summary;
mod told;

pub use digest::Digest;
pub use record::{Body, Record};
pub use story::{LastTry, Story, TimerSet};
pub use summary::{Counts, GateCounts, Latencies, PhaseTimes, Staleness, SubtaskCounts, Summary, phase_of};
pub use told::{Answered, Bill, Facts, Said, Told};

use super::transcript::Recorder;
use crate::kernel::Time;
use crate::model::ids::TaskId;
use std::io::Write;

/// Where records go.
pub struct Trace {
    /// Running summary.
    pub summary: Summary,
    /// Digest of all records.
    pub digest: Digest,
    lines: Option<Box<dyn Write + Send>>,
    /// Makes a transcript, if one is wanted.
    pub recorder: Option<Recorder>,
    /// Keeps all records, if somebody wants to read them afterwards.
    pub story: Option<Story>,
    write_error: Option<std::io::Error>,
    next: u64,
    /// The record that what happens now is an effect of.
    pub cause: u64,
}

impl Trace {
    /// A trace into summary and digest, and into JSON Lines if a writer is given.
    pub fn new(summary: Summary, lines: Option<Box<dyn Write + Send>>) -> Self {
        Self {
            summary,
            digest: Digest::default(),
            lines,
            recorder: None,
            story: None,
            write_error: None,
            next: 0,
            cause: 0,
        }
    }

    /// Records something; returns its number.
    ///
    /// Whoever records knows which kind of record it is. Inlined, digest and summary take in its fields from where they
    /// are; a record is put together in memory only for those who listen besides.
    #[allow(clippy::inline_always, reason = "the kind is known where it is called, and nowhere else")]
    #[inline(always)]
    pub fn record(&mut self, at: Time, task: TaskId, body: Body) -> u64 {
        let seq = self.next;
        self.next += 1;
        let record = Record { seq, caused_by: self.cause.min(seq), at, task, body };
        self.digest.take(&record);
        if self.lines.is_some() || self.recorder.is_some() || self.story.is_some() {
            self.tell(&record.clone());
        }
        self.summary.take(&record);
        seq
    }

    /// Tells those who listen besides digest and summary.
    #[cold]
    fn tell(&mut self, record: &Record) {
        if let Some(lines) = &mut self.lines {
            let written = serde_json::to_writer(&mut *lines, record)
                .map_err(std::io::Error::from)
                .and_then(|()| lines.write_all(b"\n"));
            if let Err(error) = written {
                self.write_error = Some(error);
                self.lines = None;
            }
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.take(record);
        }
        if let Some(story) = &mut self.story {
            story.take(record);
        }
    }

    /// The next record has at least this number. A run that is taken up again keeps the numbers that its journal
    /// tells, also where records between them were lost.
    pub fn skip_to(&mut self, seq: u64) {
        self.next = self.next.max(seq);
    }

    /// Records so far.
    pub fn len(&self) -> u64 {
        self.next
    }

    /// Whether nothing happened yet.
    pub fn is_empty(&self) -> bool {
        self.next == 0
    }

    /// Flushes the lines; the first write error if there was one.
    pub fn close(&mut self) -> std::io::Result<()> {
        if let Some(error) = self.write_error.take() {
            return Err(error);
        }
        self.lines.as_mut().map_or(Ok(()), std::io::Write::flush)
    }
}
