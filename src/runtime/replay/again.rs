//! The transcript that a strict replay writes itself, compared with the recorded one line by line.
//!
//! Invariant: everything that the recorder works out during a run (what released a call, tries, counts, last times) is
//! worked out again from the policy's commands, never copied from the recorded lines.

use super::divergence::{Divergence, difference};
use crate::model::ids::{CallId, TaskId};
use crate::record::transcript::{CallLine, EndLine, FinishLine, Line, Recorder, RunLine, line_of};
use serde::Serialize;
use std::collections::HashMap;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

/// Lines of one run, in memory.
#[derive(Clone, Debug, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What a run is expected to write again.
pub struct Again {
    lines: Lines,
    /// Real calls: the recorder of a replay does not see all that a live run's recorder saw.
    measured: bool,
    pub(super) run: (u64, RunLine),
    pub(super) calls: Vec<(u64, CallLine)>,
    /// Recorded call by what the policy asked for.
    pub(super) by_id: HashMap<(TaskId, CallId), usize>,
    pub(super) finishes: Vec<(u64, FinishLine)>,
    pub(super) end: Option<(u64, EndLine)>,
}

impl Again {
    /// Expects nothing yet; the recorder writes what is compared. `run` is how the scenario begins the run.
    pub(super) fn new(run: &RunLine, endpoints: &[String], measured: bool) -> (Self, Recorder) {
        let lines = Lines::default();
        let recorder = Recorder::new(Box::new(lines.clone()), endpoints.to_vec(), run);
        let again = Self {
            lines,
            measured,
            run: (0, RunLine::default()),
            calls: Vec::new(),
            by_id: HashMap::new(),
            finishes: Vec::new(),
            end: None,
        };
        (again, recorder)
    }

    /// The first recorded line that differs from what the replay wrote, once the run is closed.
    pub fn first_difference(&self) -> Option<Divergence> {
        let text = std::mem::take(&mut *self.lines.0.lock().unwrap_or_else(PoisonError::into_inner));
        let lines = text.split(|b| *b == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| line_of(line).expect("written by the recorder")).find_map(|l| self.differs(l))
    }

    fn differs(&self, line: Line) -> Option<Divergence> {
        match line {
            // Names, dates and remarks of live runs are told by nobody else.
            Line::Run(_) if self.measured => None,
            Line::Run(again) => compare(self.run.0, "run", &self.run.1, &again),
            Line::Call(mut again) => {
                let i = *self.by_id.get(&(TaskId(again.task), CallId(again.call)))?;
                let (line, call) = &self.calls[i];
                if self.measured {
                    copy_details(call, &mut again);
                }
                compare(*line, "call", call, &*again)
            }
            Line::Finish(again) => {
                let (line, finish) = self.finishes.iter().find(|(_, f)| f.task == again.task)?;
                compare(*line, "finish", finish, &again)
            }
            Line::End(again) => {
                let (line, end) = self.end.as_ref()?;
                // The digest is compared last: a line says more.
                let again = EndLine { digest: end.digest.clone(), invalid: end.invalid.clone(), ..again };
                compare(*line, "end", end, &again)
            }
            Line::Header(_) | Line::Arrival(_) | Line::Dispatch(_) | Line::Unreadable(_) | Line::Timer(_) => None,
        }
    }
}

/// What only the transport of a live run knows.
fn copy_details(recorded: &CallLine, again: &mut CallLine) {
    for (span, was) in again.request.layout.iter_mut().zip(&recorded.request.layout) {
        span.key.clone_from(&was.key);
    }
    again.request.model.clone_from(&recorded.request.model);
    again.request.messages.clone_from(&recorded.request.messages);
    again.request.parameters.clone_from(&recorded.request.parameters);
    let answer = again.response.take().and_then(|r| r.answer);
    again.response = recorded.response.clone().map(|r| crate::record::transcript::ResponseLine { answer, ..r });
    again.chunks_ns.clone_from(&recorded.chunks_ns);
    again.usage.reasoning_tokens = recorded.usage.reasoning_tokens;
    again.usage.estimated = recorded.usage.estimated;
    again.billed = recorded.billed;
    again.possibly_billed = recorded.possibly_billed;
    again.cost.source.clone_from(&recorded.cost.source);
    again.missing.clone_from(&recorded.missing);
}

fn compare<T: Serialize + PartialEq>(line: u64, what: &str, recorded: &T, again: &T) -> Option<Divergence> {
    if recorded == again {
        return None;
    }
    let value = |side: &T| serde_json::to_value(side).expect("lines are plain data");
    let field = difference("", &value(recorded), &value(again), "the replay comes to")?;
    let what = format!("this `{what}` record is not what the replay writes; the file was changed");
    Some(Divergence { line: Some(line), field: Some(field), ..Divergence::told(what) })
}
