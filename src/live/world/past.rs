//! What an earlier session left in a journal, run by run.
//!
//! Invariant: reading needs memory for one run. A journal that was cut in the middle of a line is cut back to its last
//! whole line; what a session wrote when it was stopped early (open calls, an incomplete end) is cut off as well, so
//! that each call has one line, its last.

use super::budget::Charge;
use super::journal::{FILE, Journal};
use crate::kernel::Time;
use crate::model::call::CallError;
use crate::model::ids::{CallId, TaskId};
use crate::model::note::Phase;
use crate::record::input;
use crate::record::trace::Bill;
use crate::record::transcript::{
    CallLine, EndLine, Header, Line, Reader, Recorder, RunLine, Stage, Status, TranscriptError, UnreadableLine,
};
use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

/// Why a directory cannot be taken up again.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// The journal cannot be read.
    #[error(transparent)]
    Transcript(#[from] TranscriptError),
    /// The journal is of something else.
    #[error("{}: {what}", path.display())]
    Other {
        /// The journal.
        path: PathBuf,
        /// What is different.
        what: String,
    },
}

/// Something that happened to the world of a run; what the policy did about it follows from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Happened {
    Arrived(u32),
    Waits(u32, u64, Phase),
    Served(u32, u64),
    TryFailed(u32, u64, CallError),
    Replied(u32, u64),
    Failed(u32, u64, CallError),
    Timer(u32, u32),
}

/// An earlier session's part of a run.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// How the run began; `None` if it has no past.
    pub run: Option<RunLine>,
    /// Whether it came to its end.
    pub complete: bool,
    /// Why its times are not to be trusted.
    pub invalid: Option<String>,
    /// It did not come to an end of any kind: whether its session was late is not known.
    pub was_killed: bool,
    /// Events by number of their record.
    pub(super) events: VecDeque<(u64, Time, Happened)>,
    pub(super) calls: BTreeMap<(u32, u64), CallLine>,
    /// Tries of each call, as far as lines before its own tell.
    tries: BTreeMap<(u32, u64), Tries>,
    /// Lines that stand in the journal and that the run will write again.
    pub(super) lines: u64,
    /// Time of its last line.
    pub(super) last: Time,
    /// Billed for certain.
    pub spent: Charge,
    /// Beyond that, possibly billed.
    pub possibly: Charge,
}

/// What earlier sessions tried for a call.
#[derive(Clone, Debug, Default)]
pub(super) struct Tries {
    /// Content key of the call.
    pub(super) key: String,
    /// Tries that left.
    pub(super) attempt: u32,
    /// What all of them were billed, or possibly billed.
    pub(super) charged: Charge,
    /// A reply that is to be repaired.
    pub(super) unreadable: Option<UnreadableLine>,
}

impl Past {
    /// Tries of a call that left no line of its own.
    pub(super) fn tries(&self, task: TaskId, id: CallId) -> Option<&Tries> {
        let name = (task.0, id.0);
        if self.calls.contains_key(&name) { None } else { self.tries.get(&name) }
    }

    /// A recorder that writes a run to a journal: its first lines stand there already if the run has a past.
    pub fn recorder(&self, journal: &Journal, endpoints: Vec<String>, run: RunLine) -> Recorder {
        journal.skip(self.lines);
        let run = self.run.clone().unwrap_or(run);
        Recorder::new(Box::new(journal.clone()), endpoints, &run)
    }

    fn take(&mut self, line: Line) {
        self.lines += u64::from(!matches!(line, Line::Dispatch(_) | Line::Unreadable(_)));
        let at = |ns: u64| Time::from_nanos(ns);
        match line {
            Line::Arrival(a) => self.event(a.seq, at(a.at_ns), Happened::Arrived(a.task)),
            Line::Timer(t) => self.event(t.seq, at(t.at_ns), Happened::Timer(t.task, t.timer)),
            Line::Dispatch(d) => {
                self.last = self.last.max(at(d.at_ns));
                let mut charged = Charge::from(d.spent);
                charged.add(Charge { calls: 0, tokens: d.reserved_tokens, picodollars: d.reserved_picodollars });
                let tries = self.tries.entry((d.task, d.call)).or_default();
                // The same try with nothing reserved was refused: it left, and is not billed.
                let was_refused = d.attempt == tries.attempt && d.reserved_tokens == 0;
                self.spent.calls += u64::from(!was_refused);
                (tries.key, tries.attempt, tries.charged) = (d.key, d.attempt, charged);
            }
            Line::Unreadable(u) => {
                self.last = self.last.max(at(u.at_ns));
                let tries = self.tries.entry((u.task, u.call)).or_default();
                tries.charged = u.spent.into();
                tries.unreadable = Some(*u);
            }
            Line::Call(call) => self.call(*call),
            Line::Finish(f) => self.last = self.last.max(at(f.at_ns)),
            Line::End(end) => {
                self.complete = end.complete;
                self.invalid = end.invalid;
            }
            Line::Run(_) | Line::Header(_) => {}
        }
    }

    fn event(&mut self, seq: u64, at: Time, what: Happened) {
        self.last = self.last.max(at);
        self.events.push_back((seq, at, what));
    }

    fn call(&mut self, call: CallLine) {
        let (task, id) = (call.task, call.call);
        for moment in &call.moments {
            let what = match moment.stage {
                Stage::Waits(phase) => Happened::Waits(task, id, phase),
                Stage::Served => Happened::Served(task, id),
                Stage::TryFailed(error) => Happened::TryFailed(task, id, error),
                Stage::Replied => Happened::Replied(task, id),
                Stage::Failed(error) => Happened::Failed(task, id, error),
                Stage::Called | Stage::Cancelled => continue,
            };
            self.event(moment.seq, Time::from_nanos(moment.at_ns), what);
        }
        let Bill { cost, usage } = call.bill();
        let tokens = usage.prompt_tokens.saturating_add(usage.completion_tokens);
        self.spent.add(Charge { calls: 0, tokens, picodollars: cost.total().0 });
        self.possibly.add(call.possibly_billed.into());
        self.calls.insert((task, id), call);
    }

    /// All lines were taken: open calls are charged, events stand in order.
    fn complete(mut self) -> Self {
        let open = self.tries.iter().filter(|(name, _)| !self.calls.contains_key(name));
        for (_, tries) in open {
            self.possibly.add(tries.charged);
        }
        self.events.make_contiguous().sort_by_key(|(seq, ..)| *seq);
        self
    }
}

/// The runs of a journal, one after the other.
pub struct Pasts {
    reader: Reader<Box<dyn BufRead + Send>>,
    path: PathBuf,
    ahead: Option<RunLine>,
    /// Length of the part of the file that stays.
    pub whole_bytes: u64,
    /// Calls that were under way, or asked for, when the earlier session ended.
    pub open_calls: u64,
    /// How the last session ended, if it was stopped and had time to say so.
    stopped: Option<EndLine>,
}

impl Pasts {
    /// Opens the journal of a directory. Nothing is changed; the caller cuts the file back to `whole_bytes`.
    ///
    /// # Errors
    /// A file that is missing or no journal.
    pub fn open(dir: &Path) -> Result<Self, ResumeError> {
        let path = dir.join(FILE);
        has_a_line(&path)?;
        let mut reader = Reader::open(&path)?;
        let (mut whole_bytes, mut open_calls) = (reader.whole_bytes(), 0);
        // Where the block of open calls and an incomplete end starts that may be the last thing in the file.
        let (mut stopped, mut end): (Option<u64>, Option<EndLine>) = (None, None);
        loop {
            let before = reader.whole_bytes();
            let Some(line) = reader.next_line()? else { break };
            whole_bytes = reader.whole_bytes();
            match line {
                Line::Call(call) if call.status == Status::Open => {
                    open_calls += 1;
                    stopped.get_or_insert(before);
                }
                Line::End(line) if !line.complete => {
                    stopped.get_or_insert(before);
                    end = Some(line);
                }
                _ => (stopped, end, open_calls) = (None, None, 0),
            }
        }
        whole_bytes = stopped.unwrap_or(whole_bytes);
        let io = |source| TranscriptError::io(&path, source);
        let file = input::file(&path).map_err(io)?;
        let lines: Box<dyn BufRead + Send> = Box::new(BufReader::new(file.take(whole_bytes)));
        Ok(Self { reader: Reader::new(&path, lines)?, path, ahead: None, whole_bytes, open_calls, stopped: end })
    }

    /// The header.
    pub fn header(&self) -> &Header {
        self.reader.header()
    }

    /// An error about this journal.
    pub fn other(&self, what: impl Into<String>) -> ResumeError {
        ResumeError::Other { path: self.path.clone(), what: what.into() }
    }

    /// The next run; `None` at the end.
    pub fn next_run(&mut self) -> Result<Option<Past>, ResumeError> {
        let mut past: Option<Past> = None;
        let begin = |run: RunLine| Past { run: Some(run), lines: 1, ..Past::default() };
        if let Some(run) = self.ahead.take() {
            past = Some(begin(run));
        }
        while let Some(line) = self.reader.next_line()? {
            match (line, &mut past) {
                (Line::Run(run), None) => past = Some(begin(run)),
                (Line::Run(run), Some(_)) => {
                    self.ahead = Some(run);
                    break;
                }
                (line, Some(past)) => past.take(line),
                (_, None) => return Err(self.other("no `run` record stands at the start")),
            }
        }
        if let Some(past) = past.as_mut().filter(|past| self.ahead.is_none() && !past.complete) {
            past.was_killed = self.stopped.is_none();
            past.invalid = self.stopped.take().and_then(|end| end.invalid);
        }
        Ok(past.map(Past::complete))
    }
}

/// A session that was killed at once leaves a file without a whole line.
fn has_a_line(path: &Path) -> Result<(), ResumeError> {
    let io = |source| TranscriptError::io(path, source);
    let mut line = Vec::new();
    input::line(&mut BufReader::new(input::file(path).map_err(io)?), &mut line).map_err(io)?;
    if line.last() == Some(&b'\n') {
        return Ok(());
    }
    let what = format!(
        "it holds no whole line ({} bytes): the run was stopped before it began; begin anew with --output-dir and \
         --overwrite",
        line.len()
    );
    Err(ResumeError::Other { path: path.to_owned(), what })
}
