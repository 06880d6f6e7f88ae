//! Logs of requests and responses, one record per call: `{"request": .., "response": ..}` with times, groups and
//! predecessors under any of their usual names, batch files (`custom_id`, `response.body`), records that are the request
//! themselves, and anything else whose fields are mapped by hand.

use super::fault::ImportError;
use super::field::Field;
use super::groups::{Group, Groups, Seen};
use super::mapping::Mapping;
use super::plain::{self, Call, Read};
use super::roles::Caller;
use super::source::Sample;
use super::{Importer, Out, roles, timing};
use std::collections::BTreeMap;
use std::path::Path;

/// Reads request/response logs.
pub(super) struct OpenAiLog;

impl Importer for OpenAiLog {
    fn name(&self) -> &'static str {
        "openai-log"
    }

    fn reads(&self) -> &'static str {
        "request/response logs of chat completions, responses or messages (JSON Lines or a list), and mapped logs"
    }

    fn lacks(&self) -> &'static [&'static str] {
        &["who released a call, where no field names it: read from the times of a session's calls"]
    }

    fn detect(&self, sample: &Sample) -> Option<String> {
        let by = |keys: &[&str]| sample.has(keys).then(|| format!("fields {}", keys.join(", ")));
        by(&["request", "response"])
            .or_else(|| by(&["messages", "response"]))
            .or_else(|| by(&["custom_id", "response"]))
            .or_else(|| by(&["model", "messages"]))
            .or_else(|| by(&["request_body", "response_body"]))
            .or_else(|| by(&["session_id", "input", "output"]))
    }

    fn read(&self, path: &Path, out: &mut Out<'_>) -> Result<(), ImportError> {
        self.read_all(&[path], out)
    }

    fn read_all(&self, paths: &[&Path], out: &mut Out<'_>) -> Result<(), ImportError> {
        let mapping = out.mapping().clone();
        read_all(paths, &mapping, out)
    }
}

/// Reads records whose fields have these meanings.
pub(super) fn read_all(paths: &[&Path], mapping: &Mapping, out: &mut Out<'_>) -> Result<(), ImportError> {
    let mut groups: Groups<Call> = Groups::new();
    let mut seen = Seen::default();
    // A name that no record has is a slip of the pen.
    let mut unknown = mapping.told();
    for path in paths {
        let stem = groups.unused(&stem(path));
        groups.each_record(path, out, |groups, _, value, out| {
            let record = Field::root(&value);
            unknown.retain(|(target, _)| !mapping.get(&record, target).is_some());
            match plain::call(&record, mapping)? {
                // Two calls may be equal in all but their time and the name of their reply.
                Read::Call(call) if is_marked(&call) && !seen.is_new(&value) => {}
                Read::Call(call) => keep(groups, &stem, *call),
                Read::Other(kind) => out.left_out(kind),
            }
            Ok(())
        })?;
    }
    if let Some((target, field)) = unknown.first() {
        let what = "no record has this field; name one that is there, as in `a`, or `a.b` for a part of an object";
        return Err(ImportError::Usage(format!("--map {target}={field}: {what}")));
    }
    if let Some(path) = paths.last() {
        seen.tell(path, out);
    }
    write(groups, out)
}

/// Puts a call to its session, or to that of its file.
pub(super) fn keep(groups: &mut Groups<Call>, stem: &str, mut call: Call) {
    let name = call.session.take();
    groups.push(name.as_deref().unwrap_or(stem), call);
}

/// Writes the sessions of calls.
pub(super) fn write(groups: Groups<Call>, out: &mut Out<'_>) -> Result<(), ImportError> {
    for Group { name, is_cut, things: mut calls } in groups.into_groups() {
        let is_dated = calls.iter().any(|call| call.is_dated);
        if is_dated {
            for call in &mut calls {
                timing::forget_unset(&mut call.draft);
                call.at = call.at.filter(|at| super::moment::is_date(*at));
            }
        }
        let reading = plain::read_lone_stamps(&mut calls);
        // Logs are often written when calls end: order by dispatch where all tell it.
        if calls.iter().all(|call| call.draft.start.is_some()) {
            calls.sort_by_key(|call| call.draft.start);
        }
        let followed = predecessors(&calls);
        let calls =
            calls.into_iter().map(|call| Caller { agent: call.agent, purpose: call.purpose, draft: call.draft });
        let mut session = roles::session(name, calls.collect());
        if let Some(reading) = reading {
            session.miss(reading);
        }
        if followed.iter().any(|after| !after.is_empty()) {
            // Each call has its own predecessors: nothing is read from the order of a conversation.
            for (place, after) in followed.into_iter().enumerate() {
                // What an agent waited for besides its own last call is what it was told.
                let mut own = after.iter().filter(|before| session.calls[**before].agent == session.calls[place].agent);
                let goes_on = own.next().copied().filter(|_| own.next().is_none());
                session.calls[place].conversation = match goes_on {
                    Some(before) => session.calls[before].conversation,
                    None if place == 0 => 0,
                    None => session.conversation(None),
                };
                session.calls[place].after = after;
            }
        }
        session.is_dated = is_dated;
        session.is_cut = is_cut;
        out.session(session)?;
    }
    Ok(())
}

/// Places of the calls that each call names as its predecessors.
fn predecessors(calls: &[Call]) -> Vec<Vec<usize>> {
    let mut place: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, call) in calls.iter().enumerate() {
        if let Some(id) = &call.id {
            place.insert(id, index);
        }
    }
    let of = |(index, call): (usize, &Call)| {
        let found = call.parents.iter().filter_map(|parent| place.get(parent.as_str()).copied());
        found.filter(|before| *before != index).collect()
    };
    calls.iter().enumerate().map(of).collect()
}

/// Name of a file without its endings.
pub(super) fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_owned()
}

/// Whether a record tells what no other call has.
fn is_marked(call: &Call) -> bool {
    call.draft.reply_id.is_some() || call.draft.start.or(call.draft.end).or(call.at).is_some()
}
