//! Reading transcripts line by line. A last line that was cut off (a killed writer) is told, not refused.

use super::line::{CallLine, FORMAT, Header, Line, RunLine, VERSION};
use super::{ArrivalLine, DispatchLine, EndLine, FinishLine, TimerLine, UnreadableLine};
use crate::record::input::{self, Refused};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::io::BufRead;
use std::path::{Path, PathBuf};

/// What is wrong with a transcript.
#[derive(Debug, thiserror::Error)]
pub enum TranscriptError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Io {
        /// File.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no file, or beyond a limit.
    #[error("{}: {why}", path.display())]
    Refused {
        /// File.
        path: PathBuf,
        /// Which limit.
        why: Refused,
    },
    /// A line says something else than the format.
    #[error("{}:{line}: {problem}", path.display())]
    Line {
        /// File.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// What, with the field and the mend.
        problem: String,
    },
}

impl TranscriptError {
    /// A file that cannot be read, or is refused.
    pub fn io(path: &Path, source: std::io::Error) -> Self {
        let path = path.to_owned();
        match Refused::of(&source) {
            Some(why) => Self::Refused { path, why },
            None => Self::Io { path, source },
        }
    }
}

/// What some editors put before a text in UTF-8.
const BYTE_ORDER_MARK: &[u8] = &[0xef, 0xbb, 0xbf];

/// A transcript, read as a stream. Memory is one line.
pub struct Reader<R> {
    path: PathBuf,
    lines: R,
    number: u64,
    buffer: Vec<u8>,
    header: Header,
    /// Bytes up to the end of the last whole line.
    whole_bytes: u64,
    truncated: Option<String>,
}

impl Reader<Box<dyn BufRead + Send>> {
    /// Opens a file, plain or gzip.
    pub fn open(path: &Path) -> Result<Self, TranscriptError> {
        let lines = input::open(path).map_err(|source| TranscriptError::io(path, source))?;
        Self::new(path, lines)
    }
}

impl<R: BufRead> Reader<R> {
    /// Reads the header; `path` is for errors only.
    pub fn new(path: &Path, lines: R) -> Result<Self, TranscriptError> {
        let header = Header::new(super::Origin::Imported);
        let mut reader = Self {
            path: path.to_owned(),
            lines,
            number: 0,
            buffer: Vec::new(),
            header,
            whole_bytes: 0,
            truncated: None,
        };
        // Editors of some systems put a byte order mark before the text.
        let text = reader.line()?.map(|l| l.strip_prefix(BYTE_ORDER_MARK).unwrap_or(l).to_vec());
        let first = text.as_deref().and_then(|t| serde_json::from_slice::<serde_json::Value>(t).ok());
        let is = |key: &str, value: &str| first.as_ref().and_then(|f| f.get(key)?.as_str()) == Some(value);
        if !is("record", "header") || !is("format", FORMAT) {
            let told = "this is not a transcript of delm-sim (its first line has no `\"format\":\"delm-sim-transcript\"`); \
                        convert other records with `delm-sim import`";
            return Err(reader.wrong(told));
        }
        let version = first.as_ref().and_then(|f| f.get("version")?.as_u64());
        if version != Some(u64::from(VERSION)) {
            let found = version.map_or("none".to_owned(), |v| v.to_string());
            return Err(reader.wrong(&format!("field `version`: this build reads version {VERSION}, found {found}")));
        }
        reader.header = parse(&text.unwrap_or_default()).map_err(|problem| reader.wrong(&problem))?;
        Ok(reader)
    }

    /// The first line.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Number of the line read last, from 1.
    pub fn line_number(&self) -> u64 {
        self.number
    }

    /// If the last line was cut off: what is missing, in words.
    pub fn truncated(&self) -> Option<&str> {
        self.truncated.as_deref()
    }

    /// Length of the part of the (unzipped) file that is whole lines.
    pub fn whole_bytes(&self) -> u64 {
        self.whole_bytes
    }

    /// The next line; `None` at the end.
    pub fn next_line(&mut self) -> Result<Option<Line>, TranscriptError> {
        loop {
            if self.truncated.is_some() {
                return Ok(None);
            }
            let Some(text) = self.line()?.map(<[u8]>::to_vec) else { return Ok(None) };
            if text.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            return line_of(&text).map(Some).map_err(|problem| self.wrong(&problem));
        }
    }

    fn wrong(&self, problem: &str) -> TranscriptError {
        TranscriptError::Line { path: self.path.clone(), line: self.number.max(1), problem: problem.to_owned() }
    }

    /// The next whole line without its end. A line without an end that is no JSON was cut off.
    fn line(&mut self) -> Result<Option<&[u8]>, TranscriptError> {
        self.buffer.clear();
        match input::line(&mut self.lines, &mut self.buffer) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof && self.number > 0 => {
                self.truncated = Some(format!("the compressed file ends inside line {}", self.number + 1));
                return Ok(None);
            }
            Err(source) => {
                return Err(match Refused::of(&source) {
                    Some(refused) => {
                        self.number += 1;
                        self.wrong(&refused.to_string())
                    }
                    None => TranscriptError::io(&self.path, source),
                });
            }
        }
        self.number += 1;
        if self.buffer.last() == Some(&b'\n') {
            self.whole_bytes += self.buffer.len() as u64;
            self.buffer.pop();
        } else if serde_json::from_slice::<serde::de::IgnoredAny>(&self.buffer).is_err() {
            self.truncated = Some(format!("line {} is cut off after {} bytes", self.number, self.buffer.len()));
            return Ok(None);
        } else {
            self.whole_bytes += self.buffer.len() as u64;
        }
        Ok(Some(&self.buffer))
    }
}

/// The line that a text is, or what is wrong with it.
pub(crate) fn line_of(text: &[u8]) -> Result<Line, String> {
    #[derive(Deserialize)]
    struct Tag<'a> {
        #[serde(borrow)]
        record: Cow<'a, str>,
    }
    let tag: Tag = serde_json::from_slice(text).map_err(|e| format!("not a record: {e}"))?;
    Ok(match &*tag.record {
        "header" => return Err("a second header; put one transcript in one file".to_owned()),
        "run" => Line::Run(parse::<RunLine>(text)?),
        "arrival" => Line::Arrival(parse::<ArrivalLine>(text)?),
        "dispatch" => Line::Dispatch(parse::<DispatchLine>(text)?),
        "unreadable" => Line::Unreadable(Box::new(parse::<UnreadableLine>(text)?)),
        "call" => Line::Call(Box::new(parse::<CallLine>(text)?)),
        "timer" => Line::Timer(parse::<TimerLine>(text)?),
        "finish" => Line::Finish(parse::<FinishLine>(text)?),
        "end" => Line::End(parse::<EndLine>(text)?),
        other => {
            let known = "header, run, arrival, dispatch, unreadable, call, timer, finish, end";
            return Err(format!("field `record`: \"{other}\" is none of {known}"));
        }
    })
}

fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    let mut json = serde_json::Deserializer::from_slice(text);
    serde_path_to_error::deserialize(&mut json).map_err(|e| {
        let path = e.path().to_string();
        let place = if path == "." { String::new() } else { format!("field `{path}`: ") };
        format!("{place}{}", e.into_inner())
    })
}

/// One run of a transcript, in memory.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// How it began.
    pub run: RunLine,
    /// Arrivals of tasks.
    pub arrivals: Vec<ArrivalLine>,
    /// Tries that left, in live runs.
    pub dispatches: Vec<DispatchLine>,
    /// Calls in the order in which they ended, each with its line number in the file.
    pub calls: Vec<(u64, CallLine)>,
    /// Timers that ran out.
    pub timers: Vec<TimerLine>,
    /// Tasks that finished.
    pub finishes: Vec<FinishLine>,
    /// How it ended; `None` if the writer was cut off.
    pub end: Option<EndLine>,
    /// Line number of the `run` record.
    pub run_at: u64,
    /// Line numbers of the `finish` records, in their order.
    pub finishes_at: Vec<u64>,
    /// Line number of the `end` record.
    pub end_at: u64,
}

impl Recording {
    fn begun(number: u64, run: RunLine) -> Self {
        Self { run, run_at: number, ..Self::default() }
    }
}

/// The runs of a transcript, one at a time.
pub struct Recordings<R> {
    reader: Reader<R>,
    /// The `run` record that ended the run before it, with its line number.
    ahead: Option<(u64, RunLine)>,
}

impl<R: BufRead> Recordings<R> {
    /// The runs that a reader has before it.
    pub fn new(reader: Reader<R>) -> Self {
        Self { reader, ahead: None }
    }

    /// The reader behind it: header, truncation.
    pub fn reader(&self) -> &Reader<R> {
        &self.reader
    }

    /// What a line names that its run does not have.
    fn stranger(line: &Line, run: &RunLine) -> Option<String> {
        let (task, agent) = match line {
            Line::Arrival(a) => (a.task, None),
            Line::Dispatch(d) => (d.task, None),
            Line::Unreadable(u) => (u.task, None),
            Line::Call(c) => (c.task, Some(c.agent)),
            Line::Timer(t) => (t.task, None),
            Line::Finish(f) => (f.task, None),
            Line::Header(_) | Line::Run(_) | Line::End(_) => return None,
        };
        if task >= run.tasks {
            return Some(format!("field `task`: {task}, but the run has {} task(s), numbered from 0", run.tasks));
        }
        let agents = run.workers.saturating_add(run.leads);
        let agent = agent.filter(|a| *a >= agents)?;
        Some(format!("field `agent`: {agent}, but the run has {agents} agent(s), numbered from 0"))
    }

    /// The next run; `None` at the end.
    pub fn next_run(&mut self) -> Result<Option<Recording>, TranscriptError> {
        let mut recording = self.ahead.take().map(|(number, run)| Recording::begun(number, run));
        loop {
            let Some(line) = self.reader.next_line()? else { return Ok(recording) };
            let number = self.reader.line_number();
            if let Line::Run(run) = &line
                && let Some(problem) = oversized(run)
            {
                return Err(self.reader.wrong(&problem));
            }
            match (line, &mut recording) {
                (Line::Run(run), None) => recording = Some(Recording::begun(number, run)),
                (Line::Run(run), Some(_)) => {
                    self.ahead = Some((number, run));
                    return Ok(recording);
                }
                (_, None) => return Err(self.reader.wrong("no `run` record stands before this one")),
                (line, Some(r)) if Self::stranger(&line, &r.run).is_some() => {
                    return Err(self.reader.wrong(&Self::stranger(&line, &r.run).unwrap_or_default()));
                }
                (Line::Arrival(a), Some(r)) => r.arrivals.push(a),
                (Line::Dispatch(d), Some(r)) => r.dispatches.push(d),
                (Line::Call(c), Some(r)) => r.calls.push((number, *c)),
                (Line::Timer(t), Some(r)) => r.timers.push(t),
                (Line::Finish(f), Some(r)) => {
                    r.finishes.push(f);
                    r.finishes_at.push(number);
                }
                (Line::End(e), Some(r)) => (r.end, r.end_at) = (Some(e), number),
                // Its text stands in the line of its call again.
                (Line::Unreadable(_), Some(_)) => {}
                (Line::Header(_), Some(_)) => unreachable!("the reader refuses a second header"),
            }
        }
    }
}

/// Tables are made for all tasks and agents of a run, hence a slip of a digit must not ask for all memory.
fn oversized(run: &RunLine) -> Option<String> {
    const MOST: u32 = 1 << 20;
    let sizes = [("tasks", run.tasks), ("workers", run.workers), ("leads", run.leads), ("lines", run.lines)];
    let (field, n) = sizes.into_iter().find(|(_, n)| *n > MOST)?;
    Some(format!("field `{field}`: {n} is more than {MOST}"))
}
