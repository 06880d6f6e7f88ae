//! DeLM's second release: the board's log of a run (`context-events.json`, with `run.json` beside it). The log tells
//! what agents did on the board, not their model calls; `run.json` tells each worker's totals. So a worker's session is
//! cut where it claims or finishes an item, each piece stands for one call, and the worker's tokens are shared out by
//! time. A piece that begins with a claim begins a delegation.

use super::fault::{ImportError, Place, Wrong};
use super::field::Field;
use super::moment::{self, Nanos};
use super::session::{Draft, Session};
use super::source::{Sample, beside, document};
use super::{Importer, Out};
use crate::model::call::Purpose;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Reads DeLM v2 runs.
pub(super) struct DelmV2;

impl Importer for DelmV2 {
    fn name(&self) -> &'static str {
        "delm-v2"
    }

    fn reads(&self) -> &'static str {
        "DeLM v2 context-events.json with run.json beside it, or their folder"
    }

    fn lacks(&self) -> &'static [&'static str] {
        &[
            "model calls: a call stands for all that a worker did between claiming and finishing items",
            "tokens per call: the worker's total in proportion to time",
            "texts of prompts and answers; board notes are not copied",
        ]
    }

    fn detect(&self, sample: &Sample) -> Option<String> {
        if sample.has_file("context-events.json") {
            return Some("a folder with context-events.json".to_owned());
        }
        let keys = ["sequence", "time_ns", "actor", "kind"];
        sample.has(&keys).then(|| format!("fields {}", keys.join(", ")))
    }

    fn read(&self, path: &Path, out: &mut Out<'_>) -> Result<(), ImportError> {
        let folder = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new(".")) };
        let missing = || ImportError::Usage(format!("{}: the folder has no context-events.json", path.display()));
        let events =
            if path.is_dir() { beside(folder, "context-events.json").ok_or_else(missing)? } else { path.to_owned() };
        let log = document(&events)?;
        let mut marks: BTreeMap<String, Worker> = BTreeMap::new();
        let list = Field::root(&log).list().map_err(|w| w.at(Place::file(&events)))?;
        for (index, field) in list.iter().enumerate() {
            // A record's own path begins with the record.
            let record = Field::root(field.value);
            if let Err(wrong) = mark(&record, &mut marks) {
                out.damaged(Place::record(&events, index as u64), wrong)?;
            }
        }
        let run = match beside(folder, "run.json") {
            Some(path) => {
                let value = document(&path)?;
                facts(&Field::root(&value), &mut marks).map_err(|w| w.at(Place::file(&path)))?
            }
            None => Run { started: None, name: None, right: Vec::new(), model: None, is_finished: false },
        };
        let name = run.name.clone().unwrap_or_else(|| {
            events.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned()
        });
        let is_finished = run.is_finished;
        let mut session = session(name, run, marks);
        if session.calls.iter().all(|c| c.tokens.prompt.is_none()) {
            session.miss("tokens: no run.json beside the events, or none in it");
        }
        session.is_cut = !is_finished;
        if !is_finished {
            session.miss("end: no run.json tells that the run finished");
        }
        out.session(session)
    }
}

#[derive(Default)]
struct Worker {
    first: Option<Nanos>,
    last: Option<Nanos>,
    /// First act on the board.
    acted: Option<Nanos>,
    /// Claims and ends of items: when, and whether it is a claim.
    cuts: Vec<(Nanos, bool)>,
    published: Vec<Nanos>,
    waited_s: f64,
    totals: Option<Totals>,
    start: Option<Nanos>,
    end: Option<Nanos>,
}

#[derive(Clone, Copy, Default)]
struct Totals {
    input: Option<u64>,
    cached: u64,
    written: u64,
    output: Option<u64>,
    dollars: Option<f64>,
}

struct Run {
    started: Option<Nanos>,
    name: Option<String>,
    right: Vec<bool>,
    model: Option<String>,
    is_finished: bool,
}

fn mark(record: &Field<'_>, marks: &mut BTreeMap<String, Worker>) -> Result<(), Wrong> {
    let time = record.need_object()?.get("time_ns");
    let at = i64::try_from(time.need_count_ns()?).map_err(|_| time.wrong("nanoseconds"))?;
    let kind = record.get("kind").need_text()?;
    let payload = record.get("payload");
    let actor = match kind {
        "session" => payload.get("actor"),
        _ => record.get("actor"),
    };
    let actor = match actor.value {
        Value::Number(n) => n.to_string(),
        _ => actor.need_text()?.to_owned(),
    };
    if actor == "system" {
        return Ok(());
    }
    let worker = marks.entry(actor).or_default();
    worker.first = Some(worker.first.map_or(at, |first| first.min(at)));
    worker.last = Some(worker.last.map_or(at, |last| last.max(at)));
    if kind != "session" {
        worker.acted = Some(worker.acted.map_or(at, |acted| acted.min(at)));
    }
    match kind {
        "claim" => worker.cuts.push((at, true)),
        "done" => worker.cuts.push((at, false)),
        "item" => worker.published.push(at),
        "wait" => worker.waited_s += payload.get("waited").positive()?.unwrap_or(0.0),
        _ => {}
    }
    Ok(())
}

fn facts(run: &Field<'_>, marks: &mut BTreeMap<String, Worker>) -> Result<Run, Wrong> {
    run.need_object()?;
    let origin = run.get("started_ns");
    let started = origin.is_some().then(|| origin.need_count_ns()).transpose()?.and_then(|ns| i64::try_from(ns).ok());
    let after = |field: Field<'_>| -> Result<Option<Nanos>, Wrong> {
        let seconds = field.number()?.and_then(moment::seconds);
        Ok(started.zip(seconds).and_then(|(start, s)| start.checked_add(s)))
    };
    let mut right = Vec::new();
    for worker in run.get("workers").list()? {
        let actor = worker.get("actor");
        let actor = match actor.value {
            Value::Number(n) => n.to_string(),
            _ => actor.need_text()?.to_owned(),
        };
        let entry = marks.entry(actor).or_default();
        let usage = worker.get("native_usage");
        let usage = if usage.is_some() { usage } else { worker.get("tokens") };
        entry.totals = Some(Totals {
            input: usage.any(&["input_tokens", "input"]).count()?,
            cached: usage.any(&["cached_input_tokens", "cached_input"]).count()?.unwrap_or(0),
            written: usage.any(&["cache_creation_input_tokens", "cache_creation"]).count()?.unwrap_or(0),
            output: usage.any(&["output_tokens", "output"]).count()?,
            dollars: usage.get("cost_usd").positive()?,
        });
        entry.start = after(worker.get("agent_model_start_received_seconds"))?;
        entry.end = after(worker.any(&["agent_result_received_seconds", "finished_seconds"]))?;
        right.push(worker.get("correct").value == &Value::Bool(true));
    }
    let part = |key: &str| run.get(key).value.as_str().map(str::to_owned);
    let repeat = run.get("repeat").count()?.map(|n| format!("repeat-{n}"));
    let named: Vec<String> = [part("series"), part("case"), repeat].into_iter().flatten().collect();
    Ok(Run {
        started,
        name: (!named.is_empty()).then(|| named.join("/")),
        right,
        model: part("model"),
        // Older records have no status.
        is_finished: part("status").is_none_or(|status| status == "finished"),
    })
}

fn session(name: String, run: Run, workers: BTreeMap<String, Worker>) -> Session {
    let mut session = Session::new(name);
    let mut waited = 0.0;
    for (number, (actor, mut worker)) in workers.into_iter().enumerate() {
        let Some(first) = worker.start.or(run.started).or(worker.first) else { continue };
        // The framework notes a session before its model starts.
        let begin = match worker.start {
            Some(start) => start.min(worker.acted.unwrap_or(start)),
            None => first.min(worker.first.unwrap_or(first)),
        };
        let last = worker.last.unwrap_or(begin);
        let end = worker.end.map_or(last, |end| end.max(last)).max(begin);
        waited += worker.waited_s;
        let agent = session.agent(&format!("worker {actor}"), false);
        let conversation = if number == 0 { 0 } else { session.conversation(None) };
        worker.cuts.sort_unstable();
        let mut edges = vec![(begin, false)];
        edges.extend(worker.cuts.iter().copied());
        let pieces = edges.len();
        for (place, &(from, is_claim)) in edges.iter().enumerate() {
            let to = edges.get(place + 1).map_or(end, |next| next.0);
            let is_last = place + 1 == pieces;
            let published = worker.published.iter().any(|at| (from..=to).contains(at));
            let purpose = match (is_last && place > 0 && !is_claim, place == 0 && published) {
                (true, _) => Purpose::Finalize,
                (_, true) => Purpose::Plan,
                _ => Purpose::Step,
            };
            let mut draft = Draft::new(agent, conversation, purpose);
            draft.begins_delegation = is_claim;
            draft.model.clone_from(&run.model);
            (draft.start, draft.end) = (Some(from), Some(to));
            if let Some(totals) = worker.totals {
                let share = |n: u64| portion(n, begin, end, from, to, is_last);
                draft.tokens.prompt = totals.input.map(share);
                draft.tokens.cached = share(totals.cached);
                draft.tokens.cache_write = share(totals.written);
                draft.tokens.completion = totals.output.map(share);
                let part = to.saturating_sub(from) as f64 / (end.saturating_sub(begin) as f64).max(1.0);
                draft.dollars = totals.dollars.map(|d| d * part);
            }
            draft.tokens.estimated = true;
            draft.miss("usage: the worker's total in proportion to time");
            session.call(draft);
        }
    }
    if !run.right.is_empty() {
        session.outcome = Some((run.right, vec![("waited on the board s".to_owned(), waited)]));
    }
    session.miss("which calls read which notes; waits on the board are inside calls");
    session
}

/// The part of a total that falls to a piece; the pieces of a worker add up to the total.
fn portion(total: u64, begin: Nanos, end: Nanos, from: Nanos, to: Nanos, is_last: bool) -> u64 {
    let length = (i128::from(end) - i128::from(begin)).max(1);
    let upto = |at: Nanos| {
        (i128::from(total) * (i128::from(at) - i128::from(begin)) / length).clamp(0, i128::from(total)) as u64
    };
    let before = upto(from);
    if is_last { total - before } else { upto(to).saturating_sub(before) }
}
