//! Codex rollouts (`~/.codex/sessions/YEAR/MONTH/DAY/rollout-*.jsonl`): one thread per file; threads that another one
//! started belong to its session.
//!
//! The usage stands there twice, as a total and as the last call's: a call is an event in which the total moved, with the
//! last call's usage. The same total again (limits were told) is no call.

use super::chat;
use super::fault::{ImportError, Wrong};
use super::field::Field;
use super::moment::{self, Nanos};
use super::openai_log::stem;
use super::session::{Draft, Session};
use super::source::{Records, Sample};
use super::{Importer, Out};
use crate::model::call::Purpose;
use crate::record::transcript::Message;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Reads Codex rollouts.
pub(super) struct Codex;

const START: &str = "dispatched_ns: not recorded; the stamp of the prompt or tool output before it";

impl Importer for Codex {
    fn name(&self) -> &'static str {
        "codex"
    }

    fn reads(&self) -> &'static str {
        "Codex rollouts with the threads that they started (~/.codex/sessions, or rollout-*.jsonl)"
    }

    fn lacks(&self) -> &'static [&'static str] {
        &[
            "dollars",
            "the instructions and descriptions of tools (their tokens are in the prompts)",
            "when a call left: the stamp of the prompt or tool output before it",
        ]
    }

    fn detect(&self, sample: &Sample) -> Option<String> {
        let kinds = ["session_meta", "response_item", "event_msg", "turn_context"];
        let kind = sample.record()?.get("type")?.as_str()?;
        (sample.has(&["payload", "timestamp"]) && kinds.contains(&kind)).then(|| format!("records of type {kind}"))
    }

    fn read(&self, path: &Path, out: &mut Out<'_>) -> Result<(), ImportError> {
        self.read_all(&[path], out)
    }

    fn read_all(&self, paths: &[&Path], out: &mut Out<'_>) -> Result<(), ImportError> {
        let mut threads: Vec<Thread> = Vec::new();
        let mut told = BTreeSet::new();
        for path in paths {
            out.guard(|out| {
                let mut reading = Reading::new(&stem(path));
                let mut records = Records::open(path)?;
                while let Some((place, value)) = records.next(out)? {
                    if let Err(wrong) = reading.take(&Field::root(&value), &mut told) {
                        reading.thread.damaged += 1;
                        out.damaged(place, wrong)?;
                    }
                }
                reading.thread.is_cut = records.is_cut();
                threads.push(reading.finish());
                Ok(())
            })?;
        }
        write(threads, out)
    }
}

#[derive(Default)]
struct Thread {
    id: String,
    parent: Option<String>,
    agent: String,
    calls: Vec<Draft>,
    is_cut: bool,
    damaged: u64,
    repeated: u64,
    compactions: u64,
    /// The last sums of prompt and completion tokens.
    sums: Option<(u64, u64)>,
}

struct Reading {
    thread: Thread,
    model: Option<String>,
    /// What the next call is asked beside its history.
    asked: Vec<Message>,
    /// What came in after the answer began.
    next: Vec<Message>,
    /// What the model said since the last call.
    answer: Option<Draft>,
    /// Stamps of what was asked last, and of what came in while the answer was under way.
    at: Option<Nanos>,
    next_at: Option<Nanos>,
    said_at: Option<Nanos>,
    is_human: bool,
    is_new: bool,
    /// Total tokens so far.
    total: Option<(u64, u64)>,
    has_usage: bool,
}

impl Reading {
    fn new(name: &str) -> Self {
        Self {
            thread: Thread { id: name.to_owned(), agent: "codex".to_owned(), ..Thread::default() },
            model: None,
            asked: Vec::new(),
            next: Vec::new(),
            answer: None,
            at: None,
            next_at: None,
            said_at: None,
            is_human: false,
            is_new: true,
            total: None,
            has_usage: false,
        }
    }

    fn take(&mut self, record: &Field<'_>, told: &mut BTreeSet<String>) -> Result<(), Wrong> {
        let at = moment::any(&record.need_object()?.get("timestamp"))?.filter(|at| moment::is_date(*at));
        let payload = record.get("payload");
        let kind = payload.get("type").value.as_str().unwrap_or("");
        match record.get("type").value.as_str().unwrap_or("") {
            "session_meta" if self.thread.calls.is_empty() && self.thread.parent.is_none() => {
                let meta = payload.get("meta");
                let meta = if meta.is_some() { meta } else { payload };
                if let Some(id) = meta.get("id").text()? {
                    id.clone_into(&mut self.thread.id);
                }
                let spawned = meta.get("source").get("subagent").get("thread_spawn");
                self.thread.parent = spawned.get("parent_thread_id").text()?.map(str::to_owned);
                if let Some(name) = spawned.any(&["agent_nickname", "agent_role"]).value.as_str() {
                    name.clone_into(&mut self.thread.agent);
                }
            }
            "turn_context" => self.model = payload.get("model").text()?.map(str::to_owned).or(self.model.take()),
            "compacted" => {
                self.thread.compactions += 1;
                self.is_new = true;
                self.asked.clear();
            }
            "event_msg" if kind == "user_message" => self.is_human = true,
            "event_msg" if kind == "token_count" => {
                let key = record.value.to_string();
                self.count(&payload.get("info"), at, told.insert(key))?;
            }
            "response_item" => self.item(&payload, kind, at)?,
            _ => {}
        }
        Ok(())
    }

    fn item(&mut self, item: &Field<'_>, kind: &str, at: Option<Nanos>) -> Result<(), Wrong> {
        let role = item.get("role").value.as_str().unwrap_or("");
        let is_answer = match kind {
            "message" => role == "assistant",
            "reasoning" | "function_call" | "custom_tool_call" | "local_shell_call" | "web_search_call" => true,
            _ => false,
        };
        if is_answer {
            let draft = self.answer.get_or_insert_with(|| Draft::new(0, 0, Purpose::Step));
            match kind {
                "message" => chat::reply(item, draft)?,
                "reasoning" => {}
                _ => chat::tool(item, draft),
            }
            self.said_at = at.or(self.said_at);
            return Ok(());
        }
        let message = chat::message(item)?;
        // What the client adds stands in tags.
        self.is_human |= role == "user" && !message.content.trim_start().starts_with('<');
        if self.answer.is_some() && !self.has_usage && self.next.is_empty() {
            // Without any usage, what comes in ends an answer. A tool's output may stand before the usage, too.
            self.next_at = at;
        }
        if self.answer.is_some() {
            self.next.push(message);
            self.next_at = at.or(self.next_at);
        } else {
            self.asked.push(message);
            self.at = at.or(self.at);
        }
        Ok(())
    }

    /// A told usage.
    fn count(&mut self, info: &Field<'_>, at: Option<Nanos>, is_first: bool) -> Result<(), Wrong> {
        let total = info.get("total_token_usage");
        if !total.is_some() {
            return Ok(());
        }
        self.has_usage = true;
        let sum = (total.get("input_tokens").count()?.unwrap_or(0), total.get("output_tokens").count()?.unwrap_or(0));
        if self.total == Some(sum) {
            return Ok(());
        }
        self.thread.sums = Some(sum);
        let before = self.total.replace(sum).unwrap_or((0, 0));
        let last = info.get("last_token_usage");
        let mut draft = self.answer.take().unwrap_or_else(|| Draft::new(0, 0, Purpose::Step));
        if last.is_some() {
            draft.tokens = chat::usage(&last)?;
            draft.tokens.cached = last.get("cached_input_tokens").count()?.unwrap_or(0);
            draft.tokens.reasoning = last.get("reasoning_output_tokens").count()?;
        } else {
            draft.tokens.prompt = sum.0.checked_sub(before.0);
            draft.tokens.completion = sum.1.checked_sub(before.1);
        }
        self.end(draft, at.or(self.said_at), is_first);
        Ok(())
    }

    fn end(&mut self, mut draft: Draft, at: Option<Nanos>, is_first: bool) {
        draft.messages = std::mem::replace(&mut self.asked, std::mem::take(&mut self.next));
        draft.goes_on = !std::mem::take(&mut self.is_new);
        draft.is_prompted = std::mem::take(&mut self.is_human) && !self.thread.calls.is_empty();
        draft.model.clone_from(&self.model);
        (draft.start, draft.end) = (self.at, at);
        if draft.start.is_some() {
            draft.miss(START);
        }
        self.at = self.next_at.take().or(at).or(self.at);
        self.said_at = None;
        if is_first {
            self.thread.calls.push(draft);
        } else {
            // A fork repeats what its origin has.
            self.thread.repeated += 1;
        }
    }

    fn finish(mut self) -> Thread {
        if let Some(draft) = self.answer.take() {
            let at = self.said_at;
            self.end(draft, at, true);
        }
        self.thread
    }
}

/// Writes the sessions: a thread and all that it started.
fn write(mut threads: Vec<Thread>, out: &mut Out<'_>) -> Result<(), ImportError> {
    let repeated: u64 = threads.iter().map(|thread| thread.repeated).sum();
    if repeated > 0 {
        out.note(format!("{repeated} calls stand in a forked or copied rollout too; counted where they stand first"));
    }
    threads.sort_by_key(|thread| thread.calls.first().and_then(|call| call.start.or(call.end)));
    let parents: BTreeMap<String, Option<String>> =
        threads.iter().map(|thread| (thread.id.clone(), thread.parent.clone())).collect();
    let root = |id: &str| {
        let (mut at, mut seen) = (id.to_owned(), 0);
        while let Some(Some(parent)) = parents.get(&at)
            && seen < 1000
        {
            at.clone_from(parent);
            seen += 1;
        }
        at
    };
    let mut sessions: BTreeMap<String, Vec<Thread>> = BTreeMap::new();
    let mut order = Vec::new();
    for thread in threads {
        let name = root(&thread.id);
        sessions.entry(name.clone()).or_insert_with(|| {
            order.push(name);
            Vec::new()
        });
        let name = root(&thread.id);
        sessions.entry(name).or_default().push(thread);
    }
    for name in order {
        let threads = sessions.remove(&name).unwrap_or_default();
        out.session(session(name, threads))?;
    }
    Ok(())
}

fn session(name: String, threads: Vec<Thread>) -> Session {
    let leads: BTreeSet<String> = threads.iter().filter_map(|thread| thread.parent.clone()).collect();
    let mut session = Session::new(name);
    session.is_dated = true;
    let mut conversations: BTreeMap<String, usize> = BTreeMap::new();
    let mut ends: Vec<(usize, usize, Nanos)> = Vec::new();
    let several = threads.len() > 1;
    for (place, thread) in threads.into_iter().enumerate() {
        session.is_cut |= thread.is_cut;
        if thread.damaged > 0 {
            session.miss(format!("damaged records left out: {}", thread.damaged));
        }
        if thread.compactions > 0 {
            session.miss(format!("calls that compacted a context: {}, not recorded by the source", thread.compactions));
        }
        if let Some((prompt, completion)) = thread.sums.filter(|_| thread.repeated == 0) {
            let totals = &mut session.totals;
            totals.prompt_tokens = Some(totals.prompt_tokens.unwrap_or(0) + prompt);
            totals.completion_tokens = Some(totals.completion_tokens.unwrap_or(0) + completion);
        }
        let begin = thread.calls.first().and_then(|call| call.start.or(call.end));
        let above = thread.parent.as_ref().and_then(|parent| conversations.get(parent).copied());
        let starter = above
            .and_then(|above| session.calls.iter().rposition(|call| call.conversation == above && call.end <= begin));
        let conversation = if place == 0 { 0 } else { session.conversation(starter) };
        conversations.insert(thread.id.clone(), conversation);
        let name = if several { format!("{} {}", thread.agent, short(&thread.id)) } else { thread.agent.clone() };
        let agent = session.agent(&name, leads.contains(&thread.id));
        let mut end = Nanos::MIN;
        for mut call in thread.calls {
            (call.agent, call.conversation) = (agent, conversation);
            end = end.max(call.end.unwrap_or(end));
            session.call(call);
        }
        if let Some(above) = above {
            ends.push((above, conversation, end));
        }
    }
    for (above, conversation, end) in ends {
        let after = |call: &&mut Draft| call.conversation == above && call.start.is_some_and(|start| start >= end);
        if let Some(call) = session.calls.iter_mut().find(after) {
            call.joins.push(conversation);
        }
    }
    session
}

/// The end of an id: beginnings of ids are times.
fn short(id: &str) -> &str {
    let cut = id.char_indices().rev().nth(7).map_or(0, |(at, _)| at);
    &id[cut..]
}
