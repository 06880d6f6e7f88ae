//! DeLM's first release: `events.jsonl`, one line per completed call of all tasks and solver threads; in a result
//! folder also `results.csv` (who passed) and `lessons/` (the board, which belongs to no call and is counted only).
//!
//! A session is a task, a conversation and a line of solution a thread. The planner of a thread leads its implementer.

use super::fault::{ImportError, Place, Wrong};
use super::field::Field;
use super::folder::is_inside;
use super::groups::{Group, Groups, Seen};
use super::moment::{self, Nanos};
use super::session::{Draft, Outcome, Session};
use super::source::{Records, Sample, beside, names, table};
use super::{Importer, Out};
use crate::model::call::Purpose;
use std::collections::BTreeMap;
use std::path::Path;

/// Reads DeLM v1 results.
pub(super) struct DelmV1;

impl Importer for DelmV1 {
    fn name(&self) -> &'static str {
        "delm-v1"
    }

    fn reads(&self) -> &'static str {
        "DeLM v1 events.jsonl, or a result folder (events.jsonl, results.csv, lessons/)"
    }

    fn lacks(&self) -> &'static [&'static str] {
        &[
            "texts",
            "steps and delegations: from the order of roles within a thread",
            "calls that were cancelled under way",
            "cached tokens that the provider tells in nested fields",
            "the zone of times: read as UTC",
        ]
    }

    fn detect(&self, sample: &Sample) -> Option<String> {
        if sample.has_file("events.jsonl") {
            return Some("a folder with events.jsonl".to_owned());
        }
        let keys = ["task_id", "role", "latency_ms", "prompt_tokens"];
        sample.has(&keys).then(|| format!("fields {}", keys.join(", ")))
    }

    fn read(&self, path: &Path, out: &mut Out<'_>) -> Result<(), ImportError> {
        let folder = path.is_dir().then_some(path);
        let missing = || ImportError::Usage(format!("{}: the folder has no events.jsonl", path.display()));
        let events = match folder {
            Some(folder) => beside(folder, "events.jsonl").ok_or_else(missing)?,
            None => path.to_owned(),
        };
        let mut groups = Groups::new();
        let mut seen = Seen::default();
        groups.each_record(&events, out, |groups, _, value, _| {
            if !seen.is_new(&value) {
                return Ok(());
            }
            let (task, event) = event(&Field::root(&value))?;
            groups.push(&task, event);
            Ok(())
        })?;
        seen.tell(&events, out);
        let mut results = match folder.and_then(|f| beside(f, "results.csv")) {
            Some(path) => results(&path, out)?,
            None => BTreeMap::new(),
        };
        for Group { name: task, is_cut, things } in groups.into_groups() {
            let runs = runs(things);
            let count = runs.len();
            let mut outcomes = results.remove(&task).unwrap_or_default().into_iter();
            for (index, events) in runs.into_iter().enumerate() {
                let mut session = session(&task, events);
                if index > 0 {
                    session.name = format!("{task} (run {})", index + 1);
                }
                if count > 1 {
                    session.miss(AGAIN);
                }
                // The table has a row per run, in order.
                session.outcome = outcomes.next();
                session.is_cut = is_cut && index + 1 == count;
                if let Some(folder) = folder {
                    lessons(folder, &task, &mut session, out)?;
                }
                out.session(session)?;
            }
        }
        let silent: Vec<&str> = results.keys().map(String::as_str).collect();
        if !silent.is_empty() {
            out.note(format!(
                "results.csv: {} tasks without any event, which are not in the transcript: {}",
                silent.len(),
                silent.iter().take(5).copied().collect::<Vec<_>>().join(", ")
            ));
        }
        Ok(())
    }
}

/// Note of a session whose task was run again into the same folder.
const AGAIN: &str =
    "runs: the folder has several runs of the task, told apart by pauses above an hour before a planner";
/// A planner after a longer pause begins another run of its task.
const PAUSE: Nanos = 3_600_000_000_000;

/// Runs of a task: a rerun appends to the same file.
fn runs(mut events: Vec<Event>) -> Vec<Vec<Event>> {
    // Lines stand in the order of completion.
    events.sort_by_key(|e| (e.draft.start.or(e.draft.end), e.draft.end));
    let mut runs: Vec<Vec<Event>> = Vec::new();
    let mut last = None;
    for event in events {
        let start = event.draft.start.or(event.draft.end);
        let is_pause = start.zip(last).is_some_and(|(start, last)| start > PAUSE.saturating_add(last));
        last = last.max(event.draft.end);
        match runs.last_mut().filter(|_| !(is_pause && event.role == PLANNER)) {
            Some(run) => run.push(event),
            None => runs.push(vec![event]),
        }
    }
    runs
}

const PLANNER: &str = "PlannerAgent";

struct Event {
    thread: u32,
    role: String,
    draft: Draft,
}

fn event(record: &Field<'_>) -> Result<(String, Event), Wrong> {
    let task = record.need_object()?.get("task_id").need_text()?;
    let (task, thread) = match task.rsplit_once("#t") {
        Some((name, number)) => match number.parse::<u32>() {
            Ok(thread) if thread < 1000 => (name, thread),
            _ => (task, 0),
        },
        None => (task, 0),
    };
    let role = record.get("role").need_text()?.to_owned();
    let mut draft = Draft::new(0, 0, Purpose::Step);
    draft.line = thread;
    draft.model = record.get("model").text()?.map(str::to_owned);
    draft.tokens.prompt = record.get("prompt_tokens").count()?;
    draft.tokens.completion = record.get("completion_tokens").count()?;
    draft.tokens.cached = record.get("cache_read_tokens").count()?.unwrap_or(0);
    draft.tokens.cache_write = record.get("cache_write_tokens").count()?.unwrap_or(0);
    draft.dollars = record.get("cost").positive()?;
    let at = record.get("ts");
    draft.end = Some(moment::any(&at)?.ok_or_else(|| at.wrong("a time in ISO 8601"))?);
    let length = record.get("latency_ms").positive()?.and_then(|ms| moment::seconds(ms / 1e3));
    draft.start = draft.end.zip(length).and_then(|(end, length)| end.checked_sub(length));
    Ok((task.to_owned(), Event { thread, role, draft }))
}

fn session(task: &str, events: Vec<Event>) -> Session {
    let mut session = Session::new(task);
    session.is_dated = true;
    let mut threads: BTreeMap<u32, usize> = BTreeMap::new();
    for Event { thread, role, mut draft } in events {
        let next = threads.len();
        draft.conversation = *threads.entry(thread).or_insert_with(|| {
            // The first thread has the session's own conversation.
            if next == 0 { 0 } else { session.conversation(None) }
        });
        let is_planner = role == PLANNER;
        let name = format!("{} t{thread}", if is_planner { PLANNER } else { "ImplementerAgent" });
        draft.agent = session.agent(&name, is_planner);
        draft.purpose = match role.as_str() {
            PLANNER => Purpose::Plan,
            "Summarizer" => Purpose::Compact,
            "Verifier" => Purpose::Verify,
            "ImplementerAgent" => Purpose::Step,
            other => {
                draft.miss(&format!("purpose: unknown role `{other}`; taken as a step"));
                Purpose::Step
            }
        };
        session.call(draft);
    }
    session
}

/// Which threads passed, by task and run; counts stand where threads are not told.
fn results(path: &Path, out: &mut Out<'_>) -> Result<BTreeMap<String, Vec<Outcome>>, ImportError> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(table(path)?);
    let headers = reader.headers().map_err(|e| csv_fault(path, &e))?.clone();
    let mut found: BTreeMap<String, Vec<Outcome>> = BTreeMap::new();
    for row in reader.records() {
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                if let ImportError::Fault { place, wrong } = csv_fault(path, &error) {
                    out.damaged(place, *wrong)?;
                }
                if matches!(error.kind(), csv::ErrorKind::Io(_)) {
                    break;
                }
                continue;
            }
        };
        let place = Place::line(path, row.position().map_or(0, csv::Position::line));
        let cell = |name: &str| headers.iter().position(|h| h == name).and_then(|i| row.get(i)).unwrap_or("");
        let number = |name: &str| -> Result<Option<f64>, Wrong> {
            match cell(name) {
                "" | "-" => Ok(None),
                text => match text.parse::<f64>() {
                    Ok(n) if n.is_finite() => Ok(Some(n)),
                    _ => Err(Wrong::value(name, &text.into(), "a number")),
                },
            }
        };
        let read = || -> Result<(String, Outcome), Wrong> {
            let task = cell("task_id");
            if task.is_empty() {
                return Err(Wrong::value("task_id", &serde_json::Value::Null, "text"));
            }
            let (passed, total) = (number("n_solvers_passed")?, number("n_solvers_total")?);
            let right = match (passed, total) {
                (Some(passed), Some(total)) if (0.0..=1000.0).contains(&total) => {
                    (0..total as usize).map(|thread| (thread as f64) < passed).collect()
                }
                _ => vec![matches!(cell("oracle_resolved"), "True" | "true" | "1")],
            };
            let mut facts = Vec::new();
            for name in ["reward", "cost", "wall_clock_seconds", "attempts"] {
                facts.extend(number(name)?.map(|value| (name.to_owned(), value)));
            }
            Ok((task.to_owned(), (right, facts)))
        };
        match read() {
            Ok((task, outcome)) => found.entry(task).or_default().push(outcome),
            Err(wrong) => out.damaged(place, wrong)?,
        }
    }
    Ok(found)
}

/// What is wrong with a line of a CSV file.
pub(super) fn csv_fault(path: &Path, error: &csv::Error) -> ImportError {
    let mut place = Place::file(path);
    place.line = error.position().map(csv::Position::line);
    Wrong::record(format!("not a CSV line: {error}"), super::source::SKIP).at(place)
}

/// Counts the notes of a task's board by type; finalised notes are logged twice and counted once.
fn lessons(folder: &Path, task: &str, session: &mut Session, out: &mut Out<'_>) -> Result<(), ImportError> {
    let (root, folder) = (folder, folder.join("lessons"));
    let file = format!("{}.jsonl", task.replace('/', "_"));
    if !folder.is_dir()
        || !is_inside(root, &folder)
        || !names(&folder)?.iter().any(|n| n.trim_end_matches(".gz") == file)
    {
        return Ok(());
    }
    let Some(path) = beside(&folder, &file) else { return Ok(()) };
    let mut records = Records::open(&path)?;
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    while let Some((place, value)) = records.next(out)? {
        let record = Field::root(&value);
        match record.need_object().and_then(|r| r.get("type").need_text()) {
            Ok(kind) => {
                let part = |key: &str| record.get(key).value.to_string();
                seen.insert(
                    [part("thread_id"), part("delegation_id"), part("type"), part("ts")].join(" "),
                    kind.to_owned(),
                );
            }
            Err(wrong) => out.damaged(place, wrong)?,
        }
    }
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    for kind in seen.values() {
        *kinds.entry(kind).or_default() += 1;
    }
    let told: Vec<String> = kinds.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
    session.miss(format!("which call wrote or read the board's notes ({})", told.join(", ")));
    if let Some((_, facts)) = &mut session.outcome {
        facts.extend(kinds.iter().map(|(kind, n)| (format!("notes {kind}"), *n as f64)));
    }
    Ok(())
}
