//! Inspect AI logs: JSON of version 2, or the zipped `.eval`. A session is a sample; calls are its `model` events, which
//! say when they began and how long they took; agents are its spans of that type.

use super::chat;
use super::check::Totals;
use super::fault::{ImportError, Place, Wrong};
use super::field::Field;
use super::json::{json, not_json};
use super::moment;
use super::openai_log::stem;
use super::plain::FROM_CACHE;
use super::session::{BY_CLIENT, Draft, Session};
use super::source::{Sample, document, whole};
use super::team::{self, MOST_AROUND, Made, NAMELESS};
use super::{Importer, Out, unzip};
use crate::model::call::Purpose;
use crate::record::transcript::Status;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;
use std::path::Path;

/// Reads Inspect logs.
pub(super) struct Inspect;

impl Importer for Inspect {
    fn name(&self) -> &'static str {
        "inspect"
    }

    fn reads(&self) -> &'static str {
        "Inspect AI logs: JSON (version 2) or .eval"
    }

    fn lacks(&self) -> &'static [&'static str] {
        &["dollars, in most versions", "times of first tokens"]
    }

    fn detect(&self, sample: &Sample) -> Option<String> {
        if sample.is_zip {
            // Names of the first members stand in the text of the archive's beginning.
            let is_log = ["_journal/start.json", "samples/", "header.json"].iter().any(|m| sample.head.contains(m));
            return is_log.then(|| "a zip archive with an Inspect log (.eval)".to_owned());
        }
        sample.has(&["eval", "samples"]).then(|| "fields eval, samples".to_owned())
    }

    fn read(&self, path: &Path, out: &mut Out<'_>) -> Result<(), ImportError> {
        let bytes = whole(path)?;
        if bytes.starts_with(b"PK\x03\x04") {
            return archive(path, bytes, out);
        }
        drop(bytes);
        let log = document(path)?;
        let log = Field::root(&log);
        let at = |wrong: Wrong| wrong.at(Place::file(path));
        log.need_object().map_err(at)?;
        let told = Log {
            name: task(&log.get("eval"), path),
            is_complete: log.get("status").value.as_str() == Some("success"),
            stamps_ends: stamps_ends(&log.get("eval")),
        };
        for (index, sample) in log.get("samples").list().map_err(at)?.into_iter().enumerate() {
            take(&sample, &told, Place::record(path, index as u64), out)?;
        }
        Ok(())
    }
}

fn archive(path: &Path, bytes: Vec<u8>, out: &mut Out<'_>) -> Result<(), ImportError> {
    let damaged = |what: String, place: Place| Wrong::record(what, "get the whole file again").at(place);
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes))
        .map_err(|e| damaged(format!("not a whole zip archive: {e}"), Place::file(path)))?;
    // A log that broke off has no header, or one that tells its status.
    let mut log = Log { name: stem(path), is_complete: false, stamps_ends: false };
    let mut members: Vec<String> = zip.file_names().filter_map(|n| Some(n.ok()?.into_owned())).collect();
    members.sort_by_key(|member| (member.len(), member.clone()));
    members.sort_by_key(|member| !(member == "header.json" || member == "_journal/start.json"));
    let mut any = false;
    for member in members {
        let is_head = member == "header.json" || member == "_journal/start.json";
        let is_sample = member.strip_prefix("samples/").is_some_and(|m| m.strip_suffix(".json").is_some());
        if !is_head && !is_sample {
            continue;
        }
        let place = Place::file(
            &path.with_file_name(format!("{}!{member}", path.file_name().unwrap_or_default().to_string_lossy())),
        );
        let mut text = Vec::new();
        let value = match unzip::member(&mut zip, &member, &mut text) {
            Ok(()) => json(&text).map_err(|e| not_json(&e)),
            Err(e) => Err(Wrong::record(
                format!("the member cannot be unpacked: {e}"),
                if e.contains("the limit") {
                    "split the log, or unpack it and give its samples"
                } else {
                    "get the whole file again, or pack it with deflate or Zstandard"
                },
            )),
        };
        match value {
            Ok(value) if is_head => {
                let eval = Field::root(&value).get("eval");
                log.name = task(&eval, path);
                log.stamps_ends = stamps_ends(&eval);
                log.is_complete |= member == "header.json" && value.get("status").is_some_and(|s| s == "success");
            }
            Ok(value) => {
                any = true;
                take(&Field::root(&value), &log, place, out)?;
            }
            Err(wrong) => out.damaged(place, wrong)?,
        }
    }
    if !log.is_complete {
        out.note(format!("{}: the log does not end with success, so its samples may not be complete", path.display()));
    }
    if !any {
        out.note(format!("{}: the archive has no samples", path.display()));
    }
    Ok(())
}

/// What all samples of a log have in common.
struct Log {
    name: String,
    is_complete: bool,
    stamps_ends: bool,
}

fn task(eval: &Field<'_>, path: &Path) -> String {
    eval.get("task").value.as_str().map_or_else(|| stem(path), str::to_owned)
}

fn take(sample: &Field<'_>, log: &Log, place: Place, out: &mut Out<'_>) -> Result<(), ImportError> {
    let made = session(sample, log, &place, out)?;
    match made {
        Ok(mut session) => {
            session.is_cut = !log.is_complete;
            out.session(session)
        }
        Err(wrong) => out.damaged(place, wrong),
    }
}

/// The last version that stamps a model event when it ends.
const STAMPS_ENDS: (u32, u32, u32) = (0, 3, 43);

/// Whether the version that wrote a log stamps model events when they end.
fn stamps_ends(eval: &Field<'_>) -> bool {
    let told = eval.get("packages").get("inspect_ai").value.as_str().unwrap_or("");
    let mut parts = told.split('.').map(|part| {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u32>().ok()
    });
    let mut next = || parts.next().flatten();
    match (next(), next(), next()) {
        (Some(major), Some(minor), Some(patch)) => (major, minor, patch) <= STAMPS_ENDS,
        _ => false,
    }
}

type Read = Result<Result<Session, Wrong>, ImportError>;

fn session(sample: &Field<'_>, log: &Log, place: &Place, out: &mut Out<'_>) -> Read {
    let head = || -> Result<(String, u64, Vec<Field<'_>>), Wrong> {
        sample.need_object()?;
        let id = match sample.get("id").value {
            Value::Number(n) => n.to_string(),
            _ => sample.get("id").need_text()?.to_owned(),
        };
        Ok((id, sample.get("epoch").count()?.unwrap_or(1), sample.get("events").list()?))
    };
    let (id, epoch, top) = match head() {
        Ok(head) => head,
        Err(wrong) => return Ok(Err(wrong)),
    };
    let mut events = Vec::new();
    for event in top {
        with_inner(event, 0, &mut events);
    }
    let spans = Spans::new(&events);
    let attachments = sample.get("attachments");
    let mut made = Vec::new();
    let mut left_out = 0;
    let mut known = BTreeSet::new();
    for (order, event) in events.iter().enumerate() {
        if event.get("event").value.as_str() != Some("model") {
            continue;
        }
        if let Some(uuid) = event.get("uuid").value.as_str()
            && !known.insert(uuid.to_owned())
        {
            continue;
        }
        match call(event, log.stamps_ends, &attachments) {
            Ok(draft) => {
                let around = spans.around(event);
                let agent = around.first().map_or(NAMELESS, |span| spans.name(*span)).to_owned();
                made.push(Made { agent, around, order, draft });
            }
            Err(wrong) => {
                out.damaged(place.clone(), wrong)?;
                left_out += 1;
            }
        }
    }
    let mut session = team::session(format!("{}/{id}/{epoch}", log.name), made);
    session.totals = totals(sample);
    if left_out > 0 {
        session.miss(format!("damaged model events left out: {left_out}"));
    }
    if session.calls.is_empty() {
        out.left_out("samples without model events");
    }
    Ok(Ok(session))
}

/// The sample's own sums.
fn totals(sample: &Field<'_>) -> Totals {
    let mut totals = Totals::default();
    for usage in sample.get("model_usage").value.as_object().into_iter().flatten().map(|(_, usage)| usage) {
        let Ok(tokens) = chat::usage(&Field::named(usage, "model_usage")) else { continue };
        totals.prompt_tokens = Some(totals.prompt_tokens.unwrap_or(0) + tokens.prompt.unwrap_or(0));
        totals.completion_tokens = Some(totals.completion_tokens.unwrap_or(0) + tokens.completion.unwrap_or(0));
    }
    totals
}

/// An event and those that stand in it, in older logs: a tool's or a subtask's own.
fn with_inner<'a>(event: Field<'a>, depth: u32, into: &mut Vec<Field<'a>>) {
    const DEEPEST: u32 = 64;
    let inner = event.get("events");
    let inner = if depth < DEEPEST { inner.list().unwrap_or_default() } else { Vec::new() };
    into.push(event);
    for event in inner {
        with_inner(event, depth + 1, into);
    }
}

/// The spans of a sample, by their ids.
struct Spans<'a> {
    all: Vec<Field<'a>>,
    place: BTreeMap<&'a str, usize>,
}

impl<'a> Spans<'a> {
    fn new(events: &[Field<'a>]) -> Self {
        let begins = |event: &&Field<'a>| event.get("event").value == "span_begin";
        let all: Vec<Field<'a>> = events.iter().filter(begins).cloned().collect();
        let place = all.iter().enumerate().filter_map(|(place, span)| Some((span.get("id").value.as_str()?, place)));
        Self { place: place.collect(), all }
    }

    fn name(&self, span: usize) -> &'a str {
        self.all[span].get("name").value.as_str().unwrap_or(NAMELESS)
    }

    /// The agents around an event, nearest first.
    fn around(&self, event: &Field<'_>) -> Vec<usize> {
        let at = |field: Field<'_>| field.value.as_str().and_then(|id| self.place.get(id).copied());
        let mut found = Vec::new();
        let (mut up, mut seen) = (at(event.get("span_id")), 0);
        while let Some(span) = up.filter(|_| seen < MOST_AROUND) {
            if self.all[span].get("type").value == "agent" {
                found.push(span);
            }
            up = at(self.all[span].get("parent_id"));
            seen += 1;
        }
        found
    }
}

fn call(event: &Field<'_>, stamps_ends: bool, attachments: &Field<'_>) -> Result<Draft, Wrong> {
    let mut draft = Draft::new(0, 0, Purpose::Step);
    draft.model = event.get("model").text()?.map(str::to_owned);
    draft.endpoint.clone_from(&draft.model);
    draft.messages = chat::messages(&event.get("input"))?;
    let tools = event.get("tools").value;
    if tools.as_array().is_some_and(|t| !t.is_empty()) {
        draft.tools_text = tools.to_string();
    }
    let config = event.get("config");
    for name in ["max_tokens", "temperature", "top_p", "seed"] {
        let value = config.get(name).value;
        if value.is_number() {
            draft.parameters.insert(name.to_owned(), value.clone());
        }
    }
    let output = event.get("output");
    draft.reply_model = output.get("model").text()?.map(str::to_owned);
    let choice = output.get("choices").at(0);
    if choice.is_some() {
        draft.finish_reason = choice.get("stop_reason").text()?.map(str::to_owned);
        chat::reply(&choice.get("message"), &mut draft)?;
    }
    draft.reply_id = event.get("call").get("response").get("id").value.as_str().map(str::to_owned);
    if output.get("usage").is_some() {
        draft.tokens = chat::usage(&output.get("usage"))?;
        draft.priced_by = BY_CLIENT;
        draft.dollars = output.get("usage").get("total_cost").positive()?;
    }
    times(event, stamps_ends, &mut draft)?;
    if event.get("error").is_some() || output.get("error").is_some() {
        draft.status = Status::Failed;
    } else if event.get("pending").value == &Value::Bool(true) {
        draft.status = Status::Open;
    }
    if event.get("cache").value == "read" {
        draft.is_from_cache = true;
        draft.dollars = Some(0.0);
        draft.start = draft.start.or(draft.end);
        draft.end = draft.start;
        draft.miss(FROM_CACHE);
    }
    for message in &mut draft.messages {
        resolve(&mut message.content, attachments);
    }
    if let Some(text) = &mut draft.text {
        resolve(text, attachments);
    }
    resolve(&mut draft.tools_text, attachments);
    Ok(draft)
}

/// Reads the times of a model event. It completed when it says so and left a working time before; between its stamp and
/// that it waited for a connection or a limit. Without a completion its stamp is the beginning; in old versions the end.
fn times(event: &Field<'_>, stamps_ends: bool, draft: &mut Draft) -> Result<(), Wrong> {
    let stamp = moment::any(&event.get("timestamp"))?;
    let length = event.get("working_time").positive()?.or(event.get("output").get("time").positive()?);
    let length = length.and_then(moment::seconds);
    if let Some(completed) = moment::any(&event.get("completed"))? {
        let left = length.and_then(|length| completed.checked_sub(length));
        draft.end = Some(completed);
        // Clocks of two kinds may differ by a little.
        draft.start = left.max(stamp).or(stamp);
        draft.asked = stamp;
    } else if stamps_ends {
        draft.end = stamp;
        draft.length = length;
    } else {
        draft.start = stamp;
        // Working time leaves waiting for a rate limit out; it is what the call itself took.
        draft.end = stamp.zip(length).and_then(|(start, length)| start.checked_add(length));
    }
    Ok(())
}

/// Long texts stand once beside the events and are named by hash.
fn resolve(text: &mut String, attachments: &Field<'_>) {
    const MARK: &str = "attachment://";
    if !text.contains(MARK) {
        return;
    }
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once(MARK) {
        out.push_str(before);
        let length = after.bytes().take_while(u8::is_ascii_hexdigit).count();
        let (hash, tail) = after.split_at(length);
        match attachments.get(hash).value.as_str() {
            Some(found) => out.push_str(found),
            None => out.extend([MARK, hash]),
        }
        rest = tail;
    }
    out.push_str(rest);
    *text = out;
}
