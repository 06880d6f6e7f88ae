//! Makes transcript lines out of trace records. A world tells what was asked and answered just before the trace
//! records it; everything else is in the records.
//!
//! Invariant: each call gives one line, when it ends; a dependency's time is never after the call it releases.

use super::key::content_key;
use super::line::{
    ArrivalLine, CallLine, CostLine, Dependency, EndLine, FinishLine, LayoutSpan, Line, Moment, Release, RequestLine,
    ResponseLine, RunLine, Stage, Status, TimerLine,
};
use super::tries::Billed;
use super::usage::UsageLine;
use crate::kernel::Time;
use crate::model::call::{Answer, Content, Request, Usage};
use crate::model::ids::{CallId, FindingId, StoreId, TaskId};
use crate::model::note::Note;
use crate::model::price::Roles;
use crate::record::trace::{Body, Record};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Write;

/// What only a world with real calls knows of a call.
#[derive(Clone, Debug, Default)]
pub struct Details {
    /// Replaces the request's model, messages and parameters.
    pub request: RequestLine,
    /// Hashes of the spans' texts.
    pub span_keys: Vec<String>,
    /// Replaces the response but for its answer.
    pub response: ResponseLine,
    /// When each chunk of the last try came.
    pub chunks: Vec<Time>,
    /// Of the completion, reasoning.
    pub reasoning_tokens: Option<u64>,
    /// The server told no usage.
    pub estimated: bool,
    /// The most that tries can have been billed whose end nobody saw.
    pub possibly_billed: Billed,
    /// Where the price is from.
    pub price_source: String,
    /// Fields that are missing or estimated.
    pub missing: Vec<String>,
}

/// A call that has not ended.
struct Open {
    line: CallLine,
    details: Option<Details>,
}

/// What a record number stands for, for those that can cause something.
#[derive(Clone, Copy)]
struct Cause {
    on: Release,
    call: Option<u64>,
    at: Time,
}

/// Makes and writes the lines of one run.
pub struct Recorder {
    sink: Box<dyn Write + Send>,
    failed: Option<std::io::Error>,
    endpoints: Vec<String>,
    open: BTreeMap<(u32, u64), Open>,
    /// The event that the policy answers now, by record number; nothing earlier can cause anything more.
    cause: Option<(u64, Cause)>,
    /// Immediate cause of the setting of each timer.
    timers: HashMap<(u32, u32), Cause>,
    /// Call that made each finding.
    makers: HashMap<(TaskId, FindingId), u64>,
    /// Makers of each store's entries.
    stores: HashMap<(TaskId, StoreId), Vec<Option<u64>>>,
    /// How far each agent's dependencies on a store were told.
    read: HashMap<(TaskId, u32, StoreId), u32>,
    unsupported: HashMap<u32, BTreeSet<u32>>,
    right: HashMap<u32, BTreeSet<u32>>,
    calls: u64,
    end: Time,
}

impl Recorder {
    /// A recorder of a run into a sink; endpoints by number.
    pub fn new(sink: Box<dyn Write + Send>, endpoints: Vec<String>, run: &RunLine) -> Self {
        let mut recorder = Self {
            sink,
            failed: None,
            endpoints,
            open: BTreeMap::new(),
            cause: None,
            timers: HashMap::new(),
            makers: HashMap::new(),
            stores: HashMap::new(),
            read: HashMap::new(),
            unsupported: HashMap::new(),
            right: HashMap::new(),
            calls: 0,
            end: Time::ZERO,
        };
        recorder.write(&Line::Run(run.clone()));
        recorder
    }

    /// Writes a line as it is.
    pub fn write(&mut self, line: &Line) {
        if self.failed.is_some() {
            return;
        }
        let mut text = serde_json::to_vec(line).expect("lines are plain data");
        text.push(b'\n');
        if let Err(error) = self.sink.write_all(&text) {
            self.failed = Some(error);
        }
    }

    /// A call is about to be recorded as asked for.
    pub fn asked(&mut self, task: TaskId, call: CallId, request: &Request) {
        let layout = request
            .prompt
            .iter()
            .map(|s| LayoutSpan { content: s.content, role: s.role, tokens: s.tokens, key: None })
            .collect();
        let line = CallLine {
            task: task.0,
            call: call.0,
            key: content_key(task, request),
            agent: request.agent.0,
            purpose: request.purpose,
            about: request.about,
            background: request.background,
            endpoint: String::new(),
            released_by: self.data_dependencies(task, request),
            intended_ns: 0,
            dispatched_ns: None,
            first_token_ns: None,
            chunks_ns: Vec::new(),
            completed_ns: None,
            request: RequestLine {
                layout,
                subject: request.subject.map(|f| f.0),
                product_tokens: request.product_tokens,
                completion_tokens: request.completion_tokens,
                items: request.items,
                judge: request.judge,
                ..RequestLine::default()
            },
            response: None,
            usage: UsageLine::default(),
            billed: None,
            possibly_billed: Billed::default(),
            status: Status::Open,
            retries: 0,
            cost: CostLine { picodollars: Roles::default(), source: "scenario".to_owned() },
            duplicate: false,
            moments: Vec::new(),
            missing: Vec::new(),
        };
        self.open.insert((task.0, call.0), Open { line, details: None });
    }

    /// A call is about to be recorded as answered.
    pub fn answered(&mut self, task: TaskId, call: CallId, answer: &Answer, usage: &Usage, first_token: Option<Time>) {
        for finding in answer.findings() {
            self.makers.insert((task, finding.id), call.0);
        }
        if let Some(open) = self.open.get_mut(&(task.0, call.0)) {
            open.line.response = Some(ResponseLine { answer: Some(answer.clone()), ..ResponseLine::default() });
            open.line.usage = (*usage).into();
            open.line.first_token_ns = first_token.map(Time::as_nanos);
        }
    }

    /// Adds what only real calls have; told before the call's end is recorded.
    pub fn details(&mut self, task: TaskId, call: CallId, details: Details) {
        if let Some(open) = self.open.get_mut(&(task.0, call.0)) {
            open.details = Some(details);
        }
    }

    /// The policy set a timer, as an effect of record `cause`.
    pub fn timer_set(&mut self, task: TaskId, timer: u32, cause: u64) {
        if let Some(cause) = self.caused(cause) {
            self.timers.insert((task.0, timer), cause);
        }
    }

    /// What record `seq` stands for, if it is the event that is being answered.
    fn caused(&self, seq: u64) -> Option<Cause> {
        self.cause.filter(|(number, _)| *number == seq).map(|(_, cause)| cause)
    }

    /// The calls whose products the prompt shows and that the agent has not been told of before.
    fn data_dependencies(&mut self, task: TaskId, request: &Request) -> Vec<Dependency> {
        let mut calls = BTreeSet::new();
        for span in &request.prompt {
            match span.content {
                Content::View { store, version, .. } => {
                    let told = self.read.entry((task, request.agent.0, store)).or_default();
                    if let Some(makers) = self.stores.get(&(task, store)) {
                        let to = (version as usize).min(makers.len());
                        calls.extend(makers.get(*told as usize..to).into_iter().flatten().flatten());
                    }
                    *told = version.max(*told);
                }
                Content::Finding(finding) => calls.extend(self.makers.get(&(task, finding))),
                _ => {}
            }
        }
        calls.into_iter().map(|call| Dependency { on: Release::Completion, call: Some(call), gap_ns: 0 }).collect()
    }

    /// Takes a record of the trace.
    pub fn take(&mut self, record: &Record) {
        let Record { seq, caused_by, at, task, ref body } = *record;
        self.end = at;
        match body {
            Body::Arrived => {
                self.cause = Some((seq, Cause { on: Release::Arrival, call: None, at }));
                self.write(&Line::Arrival(ArrivalLine { task: task.0, at_ns: at.as_nanos(), seq }));
            }
            Body::Called { call, endpoint, .. } => {
                let cause = self.caused(caused_by);
                let endpoint = self.endpoints.get(endpoint.index()).cloned().unwrap_or_default();
                if let Some(open) = self.stage(record, *call, Stage::Called) {
                    open.line.intended_ns = at.as_nanos();
                    open.line.endpoint = endpoint;
                    if let Some(cause) = cause {
                        let gap_ns = (at - cause.at).as_nanos();
                        open.line.released_by.retain(|d| d.call.is_none() || d.call != cause.call);
                        open.line.released_by.insert(0, Dependency { on: cause.on, call: cause.call, gap_ns });
                    }
                }
            }
            Body::Waits { call, phase, .. } => {
                self.stage(record, *call, Stage::Waits(*phase));
            }
            Body::Served { call, .. } => {
                if let Some(open) = self.stage(record, *call, Stage::Served) {
                    open.line.dispatched_ns.get_or_insert(at.as_nanos());
                }
            }
            Body::TryFailed { call, error, .. } => {
                if let Some(open) = self.stage(record, *call, Stage::TryFailed(*error)) {
                    open.line.retries += 1;
                }
            }
            Body::Replied { call, usage, cost, duplicate, .. } => {
                self.cause = Some((seq, Cause { on: Release::Completion, call: Some(call.0), at }));
                self.stage(record, *call, Stage::Replied);
                self.ended(task, *call, at, Status::Ok, usage, cost, *duplicate);
            }
            Body::Failed { call, error, cost, usage, .. } => {
                self.cause = Some((seq, Cause { on: Release::Completion, call: Some(call.0), at }));
                if let Some(open) = self.stage(record, *call, Stage::Failed(*error)) {
                    open.line.retries = open.line.retries.saturating_sub(1);
                }
                self.ended(task, *call, at, Status::Failed, usage, cost, false);
            }
            Body::Cancelled { call, cost, usage, .. } => {
                self.stage(record, *call, Stage::Cancelled);
                self.ended(task, *call, at, Status::Cancelled, usage, cost, false);
            }
            Body::TimerFired { timer } => {
                if let Some(set) = self.timers.remove(&(task.0, timer.0)) {
                    self.cause = Some((seq, set));
                }
                self.write(&Line::Timer(TimerLine { task: task.0, timer: timer.0, at_ns: at.as_nanos(), seq }));
            }
            Body::Noted { note, unsupported } => self.note(task, note, *unsupported),
            Body::Finished { right, facts } => {
                let line = FinishLine {
                    task: task.0,
                    at_ns: at.as_nanos(),
                    seq,
                    right: right.clone(),
                    facts: facts.iter().map(|(name, value)| (name.to_string(), *value)).collect(),
                    unsupported: self.unsupported.remove(&task.0).unwrap_or_default().into_iter().collect(),
                    right_findings: self.right.remove(&task.0).unwrap_or_default().into_iter().collect(),
                };
                self.write(&Line::Finish(line));
            }
        }
    }

    fn stage(&mut self, record: &Record, call: CallId, stage: Stage) -> Option<&mut Open> {
        let open = self.open.get_mut(&(record.task.0, call.0))?;
        open.line.moments.push(Moment { at_ns: record.at.as_nanos(), seq: record.seq, stage });
        Some(open)
    }

    #[allow(clippy::too_many_arguments, reason = "the fields of one record")]
    fn ended(
        &mut self,
        task: TaskId,
        call: CallId,
        at: Time,
        status: Status,
        billed: &Usage,
        cost: &Roles,
        duplicate: bool,
    ) {
        let Some(Open { mut line, details }) = self.open.remove(&(task.0, call.0)) else { return };
        line.status = status;
        line.completed_ns = Some(at.as_nanos());
        line.duplicate = duplicate;
        line.cost.picodollars = *cost;
        if let Some(details) = details {
            add(&mut line, details);
        }
        let billed = UsageLine { reasoning_tokens: line.usage.reasoning_tokens, ..(*billed).into() };
        let billed = UsageLine { estimated: line.usage.estimated, ..billed };
        if status == Status::Ok {
            line.billed = (billed != line.usage).then_some(billed);
        } else {
            line.usage = billed;
        }
        self.calls += 1;
        self.write(&Line::Call(Box::new(line)));
    }

    fn note(&mut self, task: TaskId, note: &Note, unsupported: bool) {
        match *note {
            Note::Admitted { store, finding, .. } | Note::Kept { store, finding, .. } => {
                let maker = self.makers.get(&(task, finding)).copied();
                self.stores.entry((task, store)).or_default().push(maker);
            }
            Note::Submitted(_, _, Some(finding)) if !unsupported => {
                self.right.entry(task.0).or_default().insert(finding.0);
            }
            _ => {}
        }
        let judged = match *note {
            Note::Proposed(_, f) | Note::Rejected(_, f) | Note::Admitted { finding: f, .. } => Some(f),
            _ => None,
        };
        if let Some(finding) = judged.filter(|_| unsupported) {
            self.unsupported.entry(task.0).or_default().insert(finding.0);
        }
    }

    /// Ends the run: open calls and the end line.
    pub fn close(&mut self, complete: bool, digest: Option<[u8; 32]>, invalid: Option<String>) {
        for (_, Open { mut line, details }) in std::mem::take(&mut self.open) {
            if let Some(details) = details {
                add(&mut line, details);
            }
            self.calls += 1;
            self.write(&Line::Call(Box::new(line)));
        }
        let digest = digest.map(|d| blake3::Hash::from_bytes(d).to_hex().to_string());
        let end = EndLine { calls: self.calls, makespan_ns: self.end.as_nanos(), complete, digest, invalid };
        self.write(&Line::End(end));
    }

    /// Everything written so far is with the sink (a journal makes it durable there).
    ///
    /// # Errors
    /// The first error of the sink.
    pub fn flush(&mut self) -> std::io::Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        self.sink.flush()
    }
}

fn add(line: &mut CallLine, details: Details) {
    for (span, key) in line.request.layout.iter_mut().zip(details.span_keys) {
        span.key = Some(key);
    }
    line.request.model = details.request.model;
    line.request.messages = details.request.messages;
    line.request.parameters = details.request.parameters;
    let answer = line.response.take().and_then(|r| r.answer);
    let told = details.response != ResponseLine::default();
    if answer.is_some() || told {
        line.response = Some(ResponseLine { answer, ..details.response });
    }
    line.chunks_ns = details.chunks.into_iter().map(Time::as_nanos).collect();
    line.usage.reasoning_tokens = details.reasoning_tokens;
    line.usage.estimated = details.estimated;
    line.possibly_billed = details.possibly_billed;
    if !details.price_source.is_empty() {
        line.cost.source = details.price_source;
    }
    line.missing = details.missing;
}
