//! What is kept of recorded runs to read them as work: of each call its numbers, and of this program's own calls what was
//! asked and answered besides. No text, no moments.

use super::super::{ReplayError, next_counted_run, unfinished};
use crate::model::call::{Answer, Purpose};
use crate::model::ids::About;
use crate::record::transcript::{CallLine, Dependency, Header, Reader, Recording, Recordings, Status, UsageLine};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Recorded runs, ready to be read as work in several ways.
pub struct RecordedRuns {
    pub(super) path: PathBuf,
    pub(super) header: Header,
    pub(super) runs: Vec<Run>,
    /// Names of the models that answered, by the numbers that calls have.
    pub(super) models: Vec<String>,
    pub(super) truncated: Option<String>,
}

/// What is kept of a recorded run.
pub(super) struct Run {
    /// Its name.
    pub(super) name: String,
    /// Policy and team size; imports name no policy.
    pub(super) policy: Option<String>,
    pub(super) agents: u32,
    /// Number of its tasks.
    pub(super) tasks: u32,
    /// Why it is not whole, if it is not.
    pub(super) unfinished: Option<&'static str>,
    /// Its calls, in the order in which they ended.
    pub(super) calls: Vec<Call>,
    /// Findings that were handed in and right, by task.
    pub(super) right: BTreeMap<u32, Vec<u32>>,
    /// Share of what was handed in that was right: mean over its tasks that handed in something.
    pub(super) right_share: Option<f64>,
}

/// What is kept of a recorded call.
pub(super) struct Call {
    pub(super) task: u32,
    pub(super) call: u64,
    pub(super) agent: u32,
    pub(super) purpose: Purpose,
    /// The model that was asked, by its number.
    pub(super) model: Option<u16>,
    pub(super) about: About,
    pub(super) released_by: Box<[Dependency]>,
    pub(super) intended_ns: u64,
    pub(super) dispatched_ns: Option<u64>,
    pub(super) completed_ns: Option<u64>,
    /// Of the last try.
    pub(super) usage: UsageLine,
    /// Of all tries.
    pub(super) billed: UsageLine,
    pub(super) status: Status,
    pub(super) retries: u32,
    /// Dollars, in 10^-12; `None` if nobody tells them.
    pub(super) picodollars: Option<u64>,
    /// Of a call of this program.
    pub(super) own: Option<Box<Asked>>,
}

/// What a call of this program asked for, and what it was told.
pub(super) struct Asked {
    pub(super) endpoint: String,
    pub(super) product_tokens: u32,
    pub(super) completion_tokens: u32,
    /// The policy's estimate of its prompt.
    pub(super) estimated_tokens: u64,
    pub(super) answer: Option<Answer>,
}

impl RecordedRuns {
    /// Reads a transcript, once, one run at a time.
    ///
    /// # Errors
    /// As the reader says.
    pub fn read(path: &Path) -> Result<Self, ReplayError> {
        let mut recordings = Recordings::new(Reader::open(path)?);
        let is_own = recordings.reader().header().scenario.is_some();
        let mut runs = Vec::new();
        let mut models: Vec<String> = Vec::new();
        while let Some(recording) = next_counted_run(&mut recordings, path)? {
            let unfinished = unfinished(&recording);
            runs.push(Run::of(recording, unfinished, is_own, |call| {
                let name = call.request.model.as_ref().filter(|_| is_answered(call.status, call.purpose))?;
                let place = models.iter().position(|model| model == name).unwrap_or_else(|| {
                    models.push(name.clone());
                    models.len() - 1
                });
                u16::try_from(place).ok()
            }));
        }
        let reader = recordings.reader();
        let (header, truncated) = (reader.header().clone(), reader.truncated().map(str::to_owned));
        Ok(Self { path: path.to_owned(), header, runs, models, truncated })
    }
}

/// Whether a call of a model brought an answer.
pub(super) fn is_answered(status: Status, purpose: Purpose) -> bool {
    status == Status::Ok && purpose != Purpose::Tool
}

impl Run {
    /// Keeps what is work; `model` numbers the model of a call.
    fn of(
        recording: Recording,
        unfinished: Option<&'static str>,
        is_own: bool,
        mut model: impl FnMut(&CallLine) -> Option<u16>,
    ) -> Self {
        let line = recording.run;
        let name = line.name.unwrap_or_else(|| format!("run {}", line.run));
        let keep = |(_, c): (u64, CallLine)| {
            let model = model(&c);
            let own = is_own.then(|| Box::new(Asked::of(&c)));
            Call {
                task: c.task,
                call: c.call,
                agent: c.agent,
                purpose: c.purpose,
                model,
                about: c.about,
                released_by: c.released_by.into(),
                intended_ns: c.intended_ns,
                dispatched_ns: c.dispatched_ns,
                completed_ns: c.completed_ns,
                usage: c.usage,
                billed: c.billed.unwrap_or(c.usage),
                status: c.status,
                retries: c.retries,
                picodollars: c.cost.is_known().then(|| c.cost.picodollars.total().0),
                own,
            }
        };
        let mut calls = Vec::with_capacity(recording.calls.len());
        calls.extend(recording.calls.into_iter().map(keep));
        let shares: Vec<f64> = recording
            .finishes
            .iter()
            .filter(|f| !f.right.is_empty())
            .map(|f| f.right.iter().filter(|right| **right).count() as f64 / f.right.len() as f64)
            .collect();
        let right_share = (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64);
        let right = recording.finishes.into_iter().map(|f| (f.task, f.right_findings)).collect();
        Self {
            name,
            policy: line.policy,
            agents: line.agents,
            tasks: line.tasks,
            unfinished,
            calls,
            right,
            right_share,
        }
    }
}

impl Asked {
    fn of(call: &CallLine) -> Self {
        let request = &call.request;
        Self {
            endpoint: call.endpoint.clone(),
            product_tokens: request.product_tokens,
            completion_tokens: request.completion_tokens,
            estimated_tokens: request.layout.iter().map(|s| u64::from(s.tokens)).sum(),
            answer: call.response.as_ref().and_then(|r| r.answer.clone()).filter(|_| call.status == Status::Ok),
        }
    }
}

/// Seconds of a stretch of recorded time.
pub(super) fn seconds(ns: u64) -> f64 {
    crate::kernel::Span::from_nanos(ns).as_secs_f64()
}

impl Call {
    /// Seconds from dispatch to the end.
    pub(super) fn service_s(&self) -> f64 {
        let from = self.dispatched_ns.unwrap_or(self.intended_ns);
        seconds(self.completed_ns.unwrap_or(from).saturating_sub(from))
    }
}
