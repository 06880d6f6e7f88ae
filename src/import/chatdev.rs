//! ChatDev: role play along a fixed chain of phases. A folder with `calls.csv` (tokens, times), and beside it
//! `messages.jsonl` (texts) and `sessions.csv` (models), or `calls.csv` alone; one chain per session.
//!
//! Officers (`Chief ...`) lead, the others work. A text belongs to the call whose completion has its length, in order.

use super::delm_v1::csv_fault;
use super::fault::{ImportError, Place, Wrong};
use super::field::Field;
use super::groups::{Group, Groups};
use super::moment::{self, Nanos};
use super::session::{Draft, Session};
use super::source::{Records, Sample, beside, table};
use super::{Importer, Out};
use crate::model::call::Purpose;
use crate::record::transcript::Message;
use csv::StringRecord;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

/// Reads ChatDev logs.
pub(super) struct ChatDev;

impl Importer for ChatDev {
    fn name(&self) -> &'static str {
        "chatdev"
    }

    fn reads(&self) -> &'static str {
        "ChatDev calls.csv with messages.jsonl and sessions.csv beside it, or their folder"
    }

    fn lacks(&self) -> &'static [&'static str] {
        &[
            "prompts but for the instructions of the speaker",
            "when a call left: the completion of the call before it (1 s resolution), so a duration contains tools",
            "speaker and phase of calls without a logged message: as of the nearest message",
        ]
    }

    fn detect(&self, sample: &Sample) -> Option<String> {
        if sample.has_file("calls.csv") {
            return Some("a folder with calls.csv".to_owned());
        }
        let first = sample.head.lines().next().unwrap_or("");
        let has = |column: &&str| first.split(',').any(|cell| cell.trim().trim_matches('"') == *column);
        let is_calls = ["session", "received_at", "prompt_tokens"].iter().all(has);
        is_calls.then(|| "a table with session, received_at, prompt_tokens".to_owned())
    }

    fn read(&self, path: &Path, out: &mut Out<'_>) -> Result<(), ImportError> {
        let folder = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new(".")) };
        let missing = || ImportError::Usage(format!("{}: the folder has no calls.csv", path.display()));
        let table = if path.is_dir() { beside(folder, "calls.csv").ok_or_else(missing)? } else { path.to_owned() };
        let mut calls: Groups<Row> = Groups::new();
        let is_cut = each_row(&table, out, |row| {
            let (session, row) = Row::new(row)?;
            calls.push(&session, row);
            Ok(())
        })?;
        let mut models: BTreeMap<String, String> = BTreeMap::new();
        if let Some(table) = beside(folder, "sessions.csv") {
            each_row(&table, out, |row| {
                models.insert(row.need("session")?.to_owned(), row.cell("model").to_owned());
                Ok(())
            })?;
        }
        let mut said: BTreeMap<String, Vec<Said>> = BTreeMap::new();
        match beside(folder, "messages.jsonl") {
            Some(path) => texts(&path, &mut said, out)?,
            None => out.note(format!("{}: no messages.jsonl beside it, so no texts", table.display())),
        }
        if is_cut {
            calls.cut();
        }
        for Group { name, things: mut rows, is_cut } in calls.into_groups() {
            // Where rows are numbered, the numbers are the order.
            if rows.iter().all(|row| row.number.is_some()) {
                rows.sort_by_key(|row| row.number);
            }
            let said = said.remove(&name).unwrap_or_default();
            let model = models.get(&name).filter(|m| !m.is_empty()).map(String::as_str);
            let mut session = session(name, rows, said, model);
            session.is_cut = is_cut;
            out.session(session)?;
        }
        Ok(())
    }
}

/// A row of a table.
struct Cells<'a> {
    header: &'a StringRecord,
    row: &'a StringRecord,
}

impl Cells<'_> {
    fn cell(&self, name: &str) -> &str {
        self.header.iter().position(|h| h == name).and_then(|i| self.row.get(i)).unwrap_or("")
    }

    fn need(&self, name: &str) -> Result<&str, Wrong> {
        match self.cell(name) {
            "" => Err(Wrong::value(name, &serde_json::Value::Null, "text")),
            text => Ok(text),
        }
    }

    fn count(&self, name: &str) -> Result<u64, Wrong> {
        let text = self.cell(name);
        let found = text.parse::<u64>().ok().filter(|n| *n < 1_000_000_000_000);
        found.ok_or_else(|| Wrong::value(name, &text.into(), "a whole number"))
    }
}

/// Whether a compressed file ended before its end.
fn is_cut_off(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::InvalidInput)
}

/// Reads the rows of a table; whether its last row was cut off.
fn each_row(
    path: &Path,
    out: &mut Out<'_>,
    mut take: impl FnMut(&Cells<'_>) -> Result<(), Wrong>,
) -> Result<bool, ImportError> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(table(path)?);
    let header = reader.headers().map_err(|e| csv_fault(path, &e))?.clone();
    let mut rows = reader.into_records().peekable();
    while let Some(row) = rows.next() {
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                let is_io = matches!(error.kind(), csv::ErrorKind::Io(_));
                if matches!(error.kind(), csv::ErrorKind::Io(e) if is_cut_off(e)) {
                    out.cut(&Place::file(path), "the compressed file ends too early");
                    return Ok(true);
                }
                if let ImportError::Fault { place, wrong } = csv_fault(path, &error) {
                    out.damaged(place, *wrong)?;
                }
                if is_io {
                    return Ok(true);
                }
                continue;
            }
        };
        let place = Place::line(path, row.position().map_or(0, csv::Position::line));
        let done = if row.len() == header.len() {
            take(&Cells { header: &header, row: &row })
        } else if row.len() < header.len() && rows.peek().is_none() {
            out.cut(&place, "the last row is cut off");
            return Ok(true);
        } else {
            let problem = format!("{} cells, the header has {}", row.len(), header.len());
            Err(Wrong::record(problem, super::source::SKIP))
        };
        if let Err(wrong) = done {
            out.damaged(place, wrong)?;
        }
    }
    Ok(false)
}

/// A call.
struct Row {
    /// Its place in the session, if the table tells it.
    number: Option<u64>,
    at: Nanos,
    prompt: u64,
    completion: u64,
    dollars: Option<f64>,
    role: String,
    phase: String,
}

impl Row {
    fn new(row: &Cells<'_>) -> Result<(String, Self), Wrong> {
        let text = row.need("received_at")?;
        let at = moment::iso(text).ok_or_else(|| Wrong::value("received_at", &text.into(), "a time in ISO 8601"))?;
        let dollars = match row.cell("cost_usd") {
            "" => None,
            text => match text.parse::<f64>() {
                Ok(n) if n.is_finite() && n >= 0.0 => Some(n),
                _ => return Err(Wrong::value("cost_usd", &text.into(), "dollars")),
            },
        };
        let made = Self {
            number: row.cell("idx").parse().ok(),
            at,
            prompt: row.count("prompt_tokens")?,
            completion: row.count("completion_tokens")?,
            dollars,
            role: row.cell("role").to_owned(),
            phase: row.cell("phase").to_owned(),
        };
        Ok((row.need("session")?.to_owned(), made))
    }
}

/// What an agent said, with its instructions.
struct Said {
    at: Nanos,
    speaker: String,
    phase: String,
    system: String,
    text: String,
}

fn texts(path: &Path, said: &mut BTreeMap<String, Vec<Said>>, out: &mut Out<'_>) -> Result<(), ImportError> {
    let mut records = Records::open(path)?;
    while let Some((place, value)) = records.next(out)? {
        let record = Field::root(&value);
        let read = || -> Result<(String, Said), Wrong> {
            let at = record.need_object()?.get("at");
            let when = moment::any(&at)?.ok_or_else(|| at.wrong("a time in ISO 8601"))?;
            let text = record.get("text").need_text()?;
            // The log puts the speaker's instructions in brackets before what it said.
            let (system, text) = match text.strip_prefix('[').and_then(|t| t.split_once("]\n\n")) {
                Some((system, text)) => (system, text),
                None => ("", text),
            };
            let word = |key: &str| -> Result<String, Wrong> { Ok(record.get(key).text()?.unwrap_or("").to_owned()) };
            let made = Said {
                at: when,
                speaker: word("speaker")?,
                phase: word("phase")?,
                system: system.to_owned(),
                text: text.to_owned(),
            };
            Ok((record.get("session").need_text()?.to_owned(), made))
        };
        match read() {
            Ok((session, one)) => said.entry(session).or_default().push(one),
            Err(wrong) => out.damaged(place, wrong)?,
        }
    }
    Ok(())
}

/// How badly a text's length fits a call's completion; `None` if it cannot be its text or was logged before.
fn misfit(row: &Row, said: &Said) -> Option<f64> {
    let length = said.text.chars().count() as f64 / 4.0 + 4.0;
    let ratio = length / (row.completion as f64 + 4.0);
    let misfit = ratio.max(1.0 / ratio);
    (said.at >= row.at && misfit <= 2.5).then_some(misfit)
}

fn session(name: String, rows: Vec<Row>, said: Vec<Said>, model: Option<&str>) -> Session {
    let mut session = Session::new(name);
    session.is_dated = true;
    let equal = rows.len() == said.len();
    let mut texts = said.into_iter().peekable();
    let mut left = rows.len();
    let mut matched: Vec<(Row, Option<Said>)> = Vec::with_capacity(rows.len());
    let mut rows = rows.into_iter().peekable();
    while let Some(row) = rows.next() {
        // A text that fits no call any more is passed over while texts are left for the calls that remain.
        while !equal && texts.len() > left && texts.peek().is_some_and(|s| misfit(&row, s).is_none()) {
            texts.next();
        }
        // While calls are left over, a text waits for the call that it fits best of two neighbours.
        let next = rows.peek().filter(|_| left > texts.len());
        let takes = |said: &Said| match (misfit(&row, said), next.and_then(|next| misfit(next, said))) {
            (Some(here), Some(there)) => here <= there,
            (here, _) => here.is_some(),
        };
        let text = texts.next_if(|said| equal || takes(said));
        left -= 1;
        matched.push((row, text));
    }
    let count = matched.len();
    let silent = matched.iter().filter(|(_, said)| said.is_none()).count();
    // Who speaks where no message was logged: as the next that is known.
    let mut speakers: Vec<(String, String)> = matched
        .iter()
        .map(|(row, said)| match said {
            Some(said) => (said.speaker.clone(), said.phase.clone()),
            None => (row.role.clone(), row.phase.clone()),
        })
        .collect();
    for place in (0..count).rev() {
        if speakers[place].0.is_empty() {
            let known = speakers.get(place + 1).filter(|s| !s.0.is_empty());
            speakers[place] = known.or(speakers.iter().find(|s| !s.0.is_empty())).cloned().unwrap_or_default();
        }
    }
    let matched = matched.into_iter().zip(speakers);
    for (place, ((row, said), (speaker, phase))) in matched.enumerate() {
        let speaker = if speaker.is_empty() { "agent" } else { &speaker };
        let is_lead = speaker.starts_with("Chief") || speaker == "Counselor";
        let agent = session.agent(speaker, is_lead);
        let mut draft = Draft::new(agent, 0, purpose(&phase, is_lead, place + 1 == count));
        draft.model = model.map(str::to_owned);
        draft.tokens.prompt = Some(row.prompt);
        draft.tokens.completion = Some(row.completion);
        draft.dollars = row.dollars;
        draft.end = Some(row.at);
        match said {
            Some(said) => {
                if !said.system.is_empty() {
                    draft.messages.push(Message { role: "system".to_owned(), content: said.system });
                    draft.miss("request.messages: only the speaker's instructions are logged");
                }
                draft.text = Some(said.text);
            }
            None => draft.miss("response.text, agent: no logged message belongs to this call"),
        }
        if !phase.is_empty() {
            draft.parameters.insert("phase".to_owned(), phase.into());
        }
        session.call(draft);
    }
    if silent > 0 {
        session.miss(format!("texts of calls: {silent}"));
    }
    if model.is_none() {
        session.miss("model");
    }
    session
}

fn purpose(phase: &str, is_lead: bool, is_last: bool) -> Purpose {
    match phase {
        "DemandAnalysis" | "LanguageChoose" | "ChooseLanguage" | "Reflection" if is_lead => Purpose::Plan,
        _ if is_last || phase == "Manual" => Purpose::Finalize,
        _ if is_lead => Purpose::Dispatch,
        _ => Purpose::Step,
    }
}
