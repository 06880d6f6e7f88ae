//! mini-SWE-agent: trajectories (`.traj.json` of version 1 or 2, or a bare list of messages; a folder of them), and
//! flattened calls (JSON Lines with session, input, output and one timestamp per call). One agent, one conversation.

use super::chat;
use super::check::picodollars;
use super::fault::{ImportError, Place, Wrong};
use super::field::Field;
use super::groups::{Group, Groups};
use super::moment;
use super::openai_log::stem;
use super::session::{BY_CLIENT, Draft, Session};
use super::source::{Sample, document};
use super::{Importer, Out};
use crate::model::call::Purpose;
use crate::record::transcript::Message;
use std::path::Path;

/// Reads mini-SWE-agent records.
pub(super) struct MiniSwe;

const AGENT: &str = "mini-swe-agent";

impl Importer for MiniSwe {
    fn name(&self) -> &'static str {
        "mini-swe"
    }

    fn reads(&self) -> &'static str {
        "mini-SWE-agent trajectories (.traj.json, a folder of them) or flattened calls (JSON Lines)"
    }

    fn lacks(&self) -> &'static [&'static str] {
        &[
            "when a call left: a trajectory stamps messages, so the message before an answer bounds its dispatch",
            "tokens, where no raw response is kept (all flattened calls)",
        ]
    }

    fn detect(&self, sample: &Sample) -> Option<String> {
        if is_flat(sample) {
            let told = ["<pr_description>", "<format_example>", "mswea", "<returncode>"];
            return told.iter().find(|w| sample.head.contains(**w)).map(|w| format!("flattened calls with {w}"));
        }
        if sample.has(&["trajectory_format"]) || sample.has(&["info", "messages"]) {
            return Some("fields info, messages".to_owned());
        }
        let name = sample.path.to_string_lossy();
        let named = sample.names.is_none() && (name.ends_with(".traj.json") || name.ends_with(".traj.json.gz"));
        let bare = sample.first.as_ref().is_some_and(serde_json::Value::is_array) && sample.has(&["role", "content"]);
        (named || bare).then(|| if named { "the ending .traj.json" } else { "a list of messages" }.to_owned())
    }

    fn read(&self, path: &Path, out: &mut Out<'_>) -> Result<(), ImportError> {
        self.read_all(&[path], out)
    }

    fn read_all(&self, paths: &[&Path], out: &mut Out<'_>) -> Result<(), ImportError> {
        let mut flat: Vec<&Path> = Vec::new();
        for path in paths {
            if is_flat(&Sample::of(path)?) {
                flat.push(path);
            } else {
                out.guard(|out| trajectory(path, out))?;
            }
        }
        flattened(&flat, out, |session, calls| {
            for (input, output, at) in calls {
                let mut draft = Draft::new(session.agent(AGENT, false), 0, Purpose::Step);
                draft.messages = grown(session.calls.last(), &input);
                draft.text = Some(output);
                draft.end = at;
                session.call(draft);
            }
        })
    }
}

/// Whether records are flattened calls.
pub(super) fn is_flat(sample: &Sample) -> bool {
    sample.has(&["session_id", "input", "output", "timestamp"])
}

/// Calls of flattened records: input, output, moment (if the source has one).
pub(super) type Flat = Vec<(String, String, Option<moment::Nanos>)>;

/// Reads flattened records, session by session.
pub(super) fn flattened(
    paths: &[&Path],
    out: &mut Out<'_>,
    mut make: impl FnMut(&mut Session, Flat),
) -> Result<(), ImportError> {
    let mut groups = Groups::new();
    for path in paths {
        groups.each_record(path, out, |groups, _, value, _| {
            let record = Field::root(&value);
            let at = record.need_object()?.get("timestamp");
            let when = moment::any(&at)?.ok_or_else(|| at.wrong("a time"))?;
            let output = chat::content(&record.get("output"))?;
            let input = record.get("input");
            if !input.is_some() {
                return Err(input.wrong("text"));
            }
            let call = (chat::content(&input)?, output, Some(when).filter(|at| moment::is_date(*at)));
            groups.push(record.get("session_id").need_text()?, call);
            Ok(())
        })?;
    }
    for Group { name, is_cut, things: mut calls } in groups.into_groups() {
        in_order(&mut calls);
        let mut session = Session::new(name);
        session.is_dated = true;
        session.is_cut = is_cut;
        session.miss("whether a timestamp is the start or the end of its call; taken as the end");
        let unset = calls.iter().filter(|call| call.2.is_none()).count();
        if unset > 0 {
            session
                .miss(format!("timestamps of calls: {unset} are 0 or no date of this century; taken as not recorded"));
        }
        make(&mut session, calls);
        out.session(session)?;
    }
    Ok(())
}

/// Sorts calls by their moments; one without a moment stays behind the one that stands before it.
fn in_order(calls: &mut Flat) {
    let mut last = None;
    let mut keyed: Vec<_> = std::mem::take(calls)
        .into_iter()
        .map(|call| {
            last = call.2.or(last);
            (last, call)
        })
        .collect();
    keyed.sort_by_key(|(at, _)| *at);
    calls.extend(keyed.into_iter().map(|(_, call)| call));
}

/// The messages of a flattened input: those of the call before it and what was added, where it only grew.
fn grown(before: Option<&Draft>, input: &str) -> Vec<Message> {
    let user = |text: &str| Message { role: "user".to_owned(), content: text.to_owned() };
    if let Some(before) = before {
        let mut rest = Some(input);
        for message in &before.messages {
            rest = rest.and_then(|r| r.strip_prefix(message.content.as_str()));
        }
        if let Some(rest) = rest {
            let mut messages = before.messages.clone();
            messages.extend((!rest.is_empty()).then(|| user(rest)));
            return messages;
        }
    }
    vec![user(input)]
}

fn trajectory(path: &Path, out: &mut Out<'_>) -> Result<(), ImportError> {
    let document = document(path)?;
    let root = Field::root(&document);
    let at = |wrong: Wrong| wrong.at(Place::file(path));
    let list = if document.is_array() { root.clone() } else { root.get("messages") };
    if !list.is_some() {
        return Err(at(list.wrong("a list of messages")));
    }
    let name = root
        .get("instance_id")
        .value
        .as_str()
        .map_or_else(|| stem(path).trim_end_matches(".traj").to_owned(), str::to_owned);
    let mut session = Session::new(name);
    let agent = session.agent(AGENT, false);
    let model = root.get("info").get("config");
    let model = model.get("model").any(&["model_name", "name"]).value.as_str().or(model.get("model").value.as_str());
    let list = list.list().map_err(at)?;
    let told: Vec<_> = list.iter().map(stamp).collect();
    let steady = moment::steady(&told.iter().map(|told| told.at).collect::<Vec<_>>());
    let mut added: Vec<Message> = Vec::new();
    let mut previous = None;
    let mut left_out = 0;
    for (field, (told, kept)) in list.iter().zip(told.iter().zip(steady)) {
        match message(field, agent, model) {
            Ok((message, None)) => added.push(message),
            Ok((_, Some(mut draft))) => {
                draft.goes_on = !session.calls.is_empty();
                draft.messages = std::mem::take(&mut added);
                draft.end = kept;
                (draft.start, draft.start_is_bound) = (previous, previous.is_some());
                if told.at.is_some() && kept.is_none() {
                    draft.miss(
                        "completed_ns: its stamp does not fit in with the others; the order of the messages is kept",
                    );
                } else if told.is_created && kept.is_some() {
                    draft.miss("completed_ns: the second of the answer's creation (`extra.response.created`)");
                }
                session.call(*draft);
            }
            Err(wrong) => {
                out.damaged(Place::file(path), wrong)?;
                left_out += 1;
            }
        }
        previous = kept.or(previous);
    }
    if left_out > 0 {
        session.miss(format!("damaged messages left out: {left_out}"));
    }
    session.is_dated = session.calls.iter().any(|c| c.end.is_some());
    let stats = root.get("info").get("model_stats");
    let told = stats.get("api_calls").value.as_u64();
    session.totals.calls = told;
    session.totals.picodollars = stats.get("instance_cost").positive().ok().flatten().map(picodollars);
    if let Some(told) = told.filter(|n| *n != session.calls.len() as u64) {
        session.miss(format!(
            "calls without an answer in the messages: {told} were made, {} are here",
            session.calls.len()
        ));
    }
    let status = root.any(&["info"]).get("exit_status").value.as_str();
    session.is_cut = status.is_none() && !document.is_array();
    out.session(session)
}

/// When a message was made, and whether that is the server's word alone.
struct Told {
    at: Option<moment::Nanos>,
    is_created: bool,
}

fn stamp(field: &Field<'_>) -> Told {
    let extra = field.get("extra");
    let date = |field: &Field<'_>| moment::any(field).ok().flatten().filter(|at| moment::is_date(*at));
    let own = date(&extra.get("timestamp")).or_else(|| date(&field.get("timestamp")));
    // Version 1 keeps raw answers, and no stamps.
    let created = || date(&extra.get("response").any(&["created", "created_at"]));
    Told { at: own.or_else(created), is_created: own.is_none() }
}

type Read = (Message, Option<Box<Draft>>);

/// The items of a response as one message of the history.
fn said(response: &Field<'_>) -> Result<Message, Wrong> {
    let mut texts = Vec::new();
    for item in chat::messages(&response.get("output"))? {
        if !item.content.is_empty() {
            texts.push(item.content);
        }
    }
    Ok(Message { role: "assistant".to_owned(), content: texts.join("\n") })
}

fn message(field: &Field<'_>, agent: usize, model: Option<&str>) -> Result<Read, Wrong> {
    let extra = field.need_object()?.get("extra");
    for told in [extra.get("timestamp"), field.get("timestamp")] {
        moment::any(&told)?;
    }
    // A message may be a whole response of the responses API, or an item of it.
    let is_response = field.get("object").value == "response" && field.get("output").value.is_array();
    if !is_response && !field.any(&["role", "type"]).is_some() {
        return Err(field.get("role").wrong("a role"));
    }
    let message = if is_response { said(field)? } else { chat::message(field)? };
    if message.role != "assistant" {
        return Ok((message, None));
    }
    let mut draft = Draft::new(agent, 0, Purpose::Step);
    let raw = extra.get("response");
    if is_response {
        chat::response(field, &mut draft)?;
    } else if raw.value.is_object() {
        chat::response(&raw, &mut draft)?;
    }
    if draft.text.is_none() && !is_response {
        chat::reply(field, &mut draft)?;
    }
    draft.model = draft.reply_model.clone().or(model.map(str::to_owned));
    if let Some(dollars) = extra.get("cost").positive()? {
        (draft.dollars, draft.priced_by) = (Some(dollars), BY_CLIENT);
    }
    Ok((message, Some(Box::new(draft))))
}
