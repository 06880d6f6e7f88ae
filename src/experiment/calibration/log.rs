//! Reading a request log: documented columns in ([`super::columns`]), checked requests out.
//!
//! The first fault ends the reading with its file, line, column and value; nothing is guessed and nothing is fitted
//! from half a log. Rows that are fine but useless for a fit are counted by reason.
//!
//! Invariant: in a log that was read, every number is finite and in range, and cached tokens are part of the prompt.

use std::collections::BTreeMap;
use std::path::Path;

use csv::StringRecord;
use serde::{Deserialize, Serialize};

use super::columns::Aliases;
use super::fault::CalibrationError;
use super::row::{Header, Row, Split};
use super::text::read_text;

/// How to read a log.
#[derive(Clone, Debug)]
pub struct ReadOptions {
    /// Names that the log uses.
    pub aliases: Aliases,
    /// How to divide it; by the column if there is one, unless told.
    pub split: Option<Split>,
    /// Hold everything out: the log is to check presets that stand.
    pub check_only: bool,
    /// Requests that took this long were cut off by their recorder: dropped.
    pub censored_from_s: f64,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { aliases: Aliases::default(), split: None, check_only: false, censored_from_s: 300.0 }
    }
}

/// One request that can be fitted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoggedRequest {
    /// Index into [`RequestLog::traces`].
    pub trace: u32,
    /// Index of the agent within the log; agents of different traces differ.
    pub agent: u32,
    /// Index into [`RequestLog::models`].
    pub model: u32,
    /// Position within the trace.
    pub step: u32,
    /// Prompt tokens that no cache held.
    pub uncached: u64,
    /// Prompt tokens read from a cache.
    pub cached: u64,
    /// Completion tokens.
    pub completion: u64,
    /// Seconds from request to end of answer.
    pub latency_s: f64,
    /// Seconds to the first token, if known.
    pub first_token_s: Option<f64>,
    /// Whether the fit must not see it.
    pub held_out: bool,
}

impl LoggedRequest {
    /// All prompt tokens.
    pub fn prompt(&self) -> u64 {
        self.uncached + self.cached
    }
}

/// Seconds at the client between an answer and a request that brings nothing but tool results.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ToolGap {
    /// Index into [`RequestLog::traces`].
    pub trace: u32,
    /// Whether a sub-agent waited: no human approves its tools.
    pub sub_agent: bool,
    /// Its length.
    pub seconds: f64,
}

/// A trace of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Its name.
    pub id: String,
    /// Hash of the name: key of its random draws.
    pub key: u64,
}

/// Rows of a log by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    /// All rows.
    pub read: u64,
    /// Dropped: repeats of another row.
    pub repeats: u64,
    /// Dropped: no request time, or none above zero.
    pub without_time: u64,
    /// Dropped: cut off by the recorder.
    pub censored: u64,
    /// Kept.
    pub kept: u64,
}

/// A checked log.
#[derive(Clone, Debug)]
pub struct RequestLog {
    /// File name, without its folder.
    pub file: String,
    /// First 16 digits of the BLAKE3 hash of the file.
    pub digest: String,
    /// How it was divided.
    pub split: Split,
    /// Bound from which requests count as cut off.
    pub censored_from_s: f64,
    /// Column names that the user gave.
    pub aliases: Vec<String>,
    /// Rows by what became of them.
    pub rows: Rows,
    /// Traces, in order of appearance.
    pub traces: Vec<Trace>,
    /// Models, by name.
    pub models: Vec<String>,
    /// Requests with a time, in the log's order.
    pub requests: Vec<LoggedRequest>,
    /// Tool gaps; `None` if the log cannot tell them from human pauses.
    pub tool_gaps: Option<Vec<ToolGap>>,
}

/// Reads and checks a request log: CSV with the columns of [`super::columns::COLUMNS`], plain or gzip.
///
/// # Errors
/// The first fault of the file, with its place and mend.
pub fn read_log(path: &Path, options: &ReadOptions) -> Result<RequestLog, CalibrationError> {
    let file = path.display().to_string();
    let (text, digest) = read_text(path, &file)?;
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|why| unreadable(&file, &why))?;
    let header = Header::new(&file, header, &options.aliases)?;
    let split = header.split(options.split)?;
    let mut builder = Builder::new(&header, split, options);
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(|why| unreadable(&file, &why))? {
        builder.row(&Row {
            header: &header,
            record: &record,
            line: record.position().map_or(0, csv::Position::line),
        })?;
    }
    let name = path.file_name().map(|name| name.to_string_lossy());
    builder.finish(name.unwrap_or_default().into_owned(), digest)
}

fn unreadable(file: &str, why: &csv::Error) -> CalibrationError {
    CalibrationError::Log {
        file: file.to_owned(),
        line: why.position().map(csv::Position::line),
        column: None,
        wrong: format!("not a CSV line: {why}"),
        mend: "mend the line".to_owned(),
    }
}

/// The log so far.
struct Builder<'a> {
    header: &'a Header<'a>,
    split: Split,
    options: &'a ReadOptions,
    rows: Rows,
    /// With the number of its rows so far and whether it is held out.
    traces: Vec<(Trace, u32, bool)>,
    by_trace: BTreeMap<String, u32>,
    agents: BTreeMap<(u32, String), u32>,
    models: BTreeMap<String, u32>,
    requests: Vec<LoggedRequest>,
    gaps: Vec<ToolGap>,
}

impl<'a> Builder<'a> {
    fn new(header: &'a Header<'a>, split: Split, options: &'a ReadOptions) -> Self {
        Self {
            header,
            split,
            options,
            rows: Rows::default(),
            traces: Vec::new(),
            by_trace: BTreeMap::new(),
            agents: BTreeMap::new(),
            models: BTreeMap::new(),
            requests: Vec::new(),
            gaps: Vec::new(),
        }
    }

    /// The trace of a row, new or known.
    fn trace(&mut self, row: &Row) -> Result<u32, CalibrationError> {
        let id = row.word("trace_id")?;
        let by_column = row.cell("split") != "fit";
        if let Some(&trace) = self.by_trace.get(id) {
            if self.split == Split::Column && self.traces[trace as usize].2 != by_column {
                return Err(row.fault(
                    "split",
                    "the trace has rows on both sides of the split",
                    "give all rows of a trace the same split, or use --split hash",
                ));
            }
            return Ok(trace);
        }
        let hash = blake3::hash(id.as_bytes());
        let key = u64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("a hash has 32 bytes"));
        let held_out = match self.split {
            Split::Column => by_column,
            Split::Hash => key.is_multiple_of(5),
        };
        let trace = Trace { id: id.to_owned(), key };
        let index = self.traces.len() as u32;
        self.traces.push((trace, 0, held_out));
        self.by_trace.insert(id.to_owned(), index);
        Ok(index)
    }

    fn row(&mut self, row: &Row) -> Result<(), CalibrationError> {
        row.check_width()?;
        self.rows.read += 1;
        let trace = self.trace(row)?;
        let model = row.word("model")?;
        let (prompt, completion) = (row.tokens("in_tok")?, row.tokens("out_tok")?);
        let cached = match row.cell("cached_prefix_tok") {
            "" => 0,
            _ => row.tokens("cached_prefix_tok")?,
        };
        if cached > prompt {
            return Err(row.fault(
                "cached_prefix_tok",
                &format!("more than in_tok, which is {prompt}"),
                "in_tok counts cached tokens too; map the right columns with --columns",
            ));
        }
        let latency_s = row.seconds("api_time_s")?;
        let first_token_s = row.seconds("ttft_s")?;
        let pause = row.seconds("think_time_s")?;
        let repeat = match row.cell("dup") {
            "" | "0" => false,
            "1" => true,
            _ => return Err(row.fault("dup", "neither 0 nor 1", "write 1 for a repeated row")),
        };
        let (_, step, held_out) = &mut self.traces[trace as usize];
        let (place, held_out) = (*step, *held_out);
        *step += 1;
        if repeat {
            self.rows.repeats += 1;
            return Ok(());
        }
        let agent = match row.cell("agent") {
            "" => "main",
            name => name,
        };
        if row.cell("input_types") == "tool_result"
            && let Some(seconds) = pause
        {
            self.gaps.push(ToolGap { trace, sub_agent: agent != "main", seconds });
        }
        let Some(latency_s) = latency_s.filter(|seconds| *seconds > 0.0) else {
            self.rows.without_time += 1;
            return Ok(());
        };
        if latency_s >= self.options.censored_from_s {
            self.rows.censored += 1;
            return Ok(());
        }
        self.rows.kept += 1;
        let agents = self.agents.len() as u32;
        let agent = *self.agents.entry((trace, agent.to_owned())).or_insert(agents);
        let models = self.models.len() as u32;
        let model = *self.models.entry(model.to_owned()).or_insert(models);
        self.requests.push(LoggedRequest {
            trace,
            agent,
            model,
            step: place,
            uncached: prompt - cached,
            cached,
            completion,
            latency_s,
            first_token_s: first_token_s.filter(|seconds| *seconds > 0.0),
            held_out: held_out || self.options.check_only,
        });
        Ok(())
    }

    fn finish(self, file: String, digest: String) -> Result<RequestLog, CalibrationError> {
        let path = self.header.file;
        if self.rows.read == 0 {
            return Err(CalibrationError::file(path, "a header, but no row", "give one line per request"));
        }
        if self.requests.is_empty() {
            return Err(CalibrationError::file(
                path,
                format!("none of the {} rows has a usable api_time_s", self.rows.read),
                "a fit needs request times; map the column with --columns api_time_s=NAME",
            ));
        }
        if !self.options.check_only && self.requests.iter().all(|request| request.held_out) {
            return Err(CalibrationError::file(
                path,
                "every trace is held out: nothing is left to fit",
                "mark rows to fit with \"fit\" in the column split, use --split hash, or check a finished preset \
                 on this log with --check",
            ));
        }
        let tells_tools = ["input_types", "think_time_s"].iter().all(|name| self.header.has(name));
        let mut models = vec![String::new(); self.models.len()];
        for (name, index) in self.models {
            models[index as usize] = name;
        }
        Ok(RequestLog {
            file,
            digest,
            split: self.split,
            censored_from_s: self.options.censored_from_s,
            aliases: self.options.aliases.words(),
            rows: self.rows,
            traces: self.traces.into_iter().map(|(trace, ..)| trace).collect(),
            models,
            requests: self.requests,
            tool_gaps: tells_tools.then_some(self.gaps),
        })
    }
}
