//! Threads of one Claude Code session: the main agent's and one per sub-agent, made of prompts, tool results and answers.
//!
//! What a tool took is the gap between the answer that asked for it and the stamp of its result; the wait for a human is
//! no tool's. A sub-agent was started by the call that its result names, else by the one that gave it its first prompt.
//! Totals of a sub-agent that stand in its result (`toolUseResult`) are not added: its own calls are.

use super::chat;
use super::check::{Totals, picodollars};
use super::fault::Wrong;
use super::field::Field;
use super::moment::{self, Nanos};
use super::session::{BY_CLIENT, Draft, Session};
use crate::model::call::Purpose;
use crate::record::transcript::{Message, Status};
use std::collections::{BTreeMap, BTreeSet};

/// Note of a call's dispatch.
const START: &str = "dispatched_ns: not recorded; the stamp of the prompt or tool result before it";
/// Tools that start a sub-agent.
const SPAWNS: &[&str] = &["Task", "Agent"];
const MAIN: &str = "main";

/// What stands in a thread.
pub(super) enum Item {
    /// A prompt, a tool result, or what the client adds.
    Said { at: Option<Nanos>, message: Message, is_human: bool, results: Vec<String>, agent: Option<String> },
    /// A block of an answer.
    Block(Box<Block>),
    /// The context was compacted; it had this many tokens.
    Compaction(Option<u64>),
}

/// A block of an answer.
pub(super) struct Block {
    at: Option<Nanos>,
    key: String,
    draft: Draft,
    /// Tools asked for: id, name, prompt, kind of sub-agent.
    tools: Vec<Tool>,
}

#[derive(Clone)]
struct Tool {
    id: String,
    prompt: Option<String>,
    kind: Option<String>,
}

impl Item {
    /// Reads a record of a user or an assistant; `None` if it is nothing that a model was asked or said.
    pub(super) fn read(record: &Field<'_>) -> Result<Option<Self>, Wrong> {
        let at = moment::any(&record.get("timestamp"))?.filter(|at| moment::is_date(*at));
        let inner = record.get("message");
        if record.get("type").value == "assistant" {
            return Ok(block(record, &inner, at)?.map(|block| Self::Block(Box::new(block))));
        }
        let message = chat::message(inner.need_object()?)?;
        let mut results = Vec::new();
        if inner.get("content").value.is_array() {
            for part in inner.get("content").list()? {
                if part.get("type").value == "tool_result" {
                    results.extend(part.get("tool_use_id").text()?.map(str::to_owned));
                }
            }
        }
        let is = |key: &str| record.get(key).value == true;
        let is_human = results.is_empty() && !is("isMeta") && !is("isCompactSummary") && !is("isSidechain");
        let agent = record.get("toolUseResult").get("agentId").value.as_str().map(str::to_owned);
        Ok(Some(Self::Said { at, message, is_human, results, agent }))
    }
}

fn block(record: &Field<'_>, inner: &Field<'_>, at: Option<Nanos>) -> Result<Option<Block>, Wrong> {
    inner.need_object()?;
    if inner.get("model").value == "<synthetic>" || record.get("isApiErrorMessage").value == true {
        return Ok(None);
    }
    let mut draft = Draft::new(0, 0, Purpose::Step);
    draft.reply_model = inner.get("model").text()?.map(str::to_owned);
    draft.reply_id = inner.get("id").text()?.map(str::to_owned);
    draft.finish_reason = inner.get("stop_reason").text()?.map(str::to_owned);
    chat::reply(inner, &mut draft)?;
    let usage = inner.get("usage");
    if usage.is_some() {
        draft.tokens = chat::usage(&usage)?;
    }
    draft.priced_by = BY_CLIENT;
    draft.dollars = record.get("costUSD").positive()?;
    draft.length = record.get("durationMs").positive()?.and_then(|ms| moment::seconds(ms / 1e3));
    let mut tools = Vec::new();
    if inner.get("content").value.is_array() {
        for part in inner.get("content").list()? {
            if SPAWNS.iter().any(|name| part.get("name").value == *name) {
                let word = |key: &str| part.get("input").get(key).value.as_str().map(str::to_owned);
                let id = part.get("id").text()?.unwrap_or("").to_owned();
                tools.push(Tool { id, prompt: word("prompt"), kind: word("subagent_type") });
            }
        }
    }
    let key = inner.get("id").text()?.or(record.get("requestId").text()?).or(record.get("uuid").text()?);
    Ok(Some(Block { at, key: key.unwrap_or("").to_owned(), draft, tools }))
}

/// All threads of a session.
#[derive(Default)]
pub(super) struct Threads {
    threads: Vec<(String, Vec<Item>)>,
    place: BTreeMap<String, usize>,
    /// Thread of every record, by its `uuid`, for side chains that name no agent.
    of_record: BTreeMap<String, String>,
    file: String,
    pub(super) is_cut: bool,
    pub(super) damaged: u64,
    /// Kinds of records that are no calls.
    pub(super) left_out: Vec<&'static str>,
    side_chains: u64,
    totals: Totals,
}

impl Threads {
    /// The next records are of this file.
    pub(super) fn begin_file(&mut self, name: &str) {
        name.clone_into(&mut self.file);
    }

    /// Takes the sums that a printed session ends with.
    pub(super) fn result(&mut self, record: &Field<'_>) -> Result<(), Wrong> {
        let usage = record.get("usage");
        if usage.value.is_object() {
            let tokens = chat::usage(&usage)?;
            (self.totals.prompt_tokens, self.totals.completion_tokens) = (tokens.prompt, tokens.completion);
        }
        self.totals.picodollars = record.get("total_cost_usd").positive()?.map(picodollars);
        Ok(())
    }

    /// Puts an item into its thread.
    pub(super) fn push(&mut self, record: &Field<'_>, item: Option<Item>) {
        let word = |key: &str| record.get(key).value.as_str().map(str::to_owned);
        let is_side = record.get("isSidechain").value == true;
        let parent = word("parentUuid").and_then(|parent| self.of_record.get(&parent).cloned());
        let thread = if let Some(tool) = word("parent_tool_use_id") {
            tool
        } else if !is_side {
            MAIN.to_owned()
        } else if let Some(agent) = word("agentId") {
            agent
        } else if let Some(agent) = self.file.strip_prefix("agent-") {
            agent.to_owned()
        } else if let Some(parent) = parent.filter(|thread| thread != MAIN) {
            parent
        } else {
            self.side_chains += 1;
            format!("side {}", self.side_chains)
        };
        if let Some(id) = word("uuid") {
            self.of_record.insert(id, thread.clone());
        }
        let Some(item) = item else {
            self.left_out.push("messages of the client in an answer's place (errors of the service)");
            return;
        };
        let next = self.threads.len();
        let place = *self.place.entry(thread.clone()).or_insert(next);
        if place == next {
            self.threads.push((thread, Vec::new()));
        }
        self.threads[place].1.push(item);
    }

    /// Takes out answers that another session has; how many. Keeps the names of its own.
    pub(super) fn forget(&mut self, told: &mut BTreeSet<String>) -> u64 {
        let mut own = BTreeSet::new();
        let mut repeated = BTreeSet::new();
        for (_, items) in &mut self.threads {
            items.retain(|item| {
                let Item::Block(block) = item else { return true };
                let is_old = !block.key.is_empty() && told.contains(&block.key);
                if is_old {
                    repeated.insert(block.key.clone());
                } else {
                    own.insert(block.key.clone());
                }
                !is_old
            });
        }
        told.append(&mut own);
        repeated.len() as u64
    }

    /// The session of all threads.
    pub(super) fn session(self, name: String) -> Session {
        let mut session = Session::new(name);
        session.is_cut = self.is_cut;
        session.totals = self.totals;
        if self.damaged > 0 {
            session.miss(format!("damaged records left out: {}", self.damaged));
        }
        let mut links = Links::default();
        let mut read: Vec<Thread> =
            self.threads.into_iter().map(|(name, items)| thread(name, items, &mut links)).collect();
        // The main agent first, then in the order of their beginnings.
        read.retain(|thread| !thread.calls.is_empty());
        read.sort_by_key(|thread| (thread.name != MAIN, thread.calls[0].0.start.or(thread.calls[0].0.end)));
        weave(read, &links, &mut session);
        session.is_dated = session.calls.iter().any(|call| call.end.or(call.start).is_some());
        if let Some(sum) = self.totals.picodollars.filter(|_| session.calls.iter().all(|call| call.dollars.is_none())) {
            session.miss(format!("cost: the source tells ${} for the session, and none for a call", sum as f64 / 1e12));
        }
        session
    }
}

/// Which result named which agent.
#[derive(Default)]
struct Links {
    /// Agent of a tool's id.
    agents: BTreeMap<String, String>,
    compactions: u64,
    /// Tokens of the contexts that were compacted.
    compacted: u64,
    prompts: u64,
}

struct Thread {
    name: String,
    /// First message, for agents that nothing else links.
    prompt: Option<String>,
    calls: Vec<(Draft, Vec<Tool>)>,
    compactions: u64,
    prompts: u64,
}

/// Makes the calls of a thread.
fn thread(name: String, items: Vec<Item>, links: &mut Links) -> Thread {
    let mut thread = Thread { name, prompt: None, calls: Vec::new(), compactions: 0, prompts: 0 };
    let mut added: Vec<Message> = Vec::new();
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    let mut last: Option<Nanos> = None;
    let (mut is_human, mut is_new) = (false, true);
    for item in items {
        match item {
            Item::Said { at, message, is_human: human, results, agent } => {
                if thread.prompt.is_none() {
                    thread.prompt = Some(message.content.clone());
                }
                if let Some(agent) = agent {
                    links.agents.extend(results.iter().map(|id| (id.clone(), agent.clone())));
                }
                is_human |= human;
                added.push(message);
                last = at.or(last);
            }
            Item::Compaction(before) => {
                thread.compactions += 1;
                links.compacted += before.unwrap_or(0);
                added.clear();
                is_new = true;
            }
            Item::Block(block) => {
                let block = *block;
                if let Some(&place) = known.get(&block.key).filter(|_| !block.key.is_empty()) {
                    join(&mut thread.calls[place], block);
                    continue;
                }
                known.insert(block.key, thread.calls.len());
                let mut draft = block.draft;
                draft.messages = std::mem::take(&mut added);
                draft.goes_on = !std::mem::take(&mut is_new);
                draft.is_prompted = std::mem::take(&mut is_human) && !thread.calls.is_empty();
                thread.prompts += u64::from(draft.is_prompted);
                (draft.start, draft.end) = (last, block.at);
                if draft.length.is_some() {
                    draft.start = None;
                } else if draft.start.is_some() {
                    draft.miss(START);
                }
                if draft.finish_reason.is_none() && draft.tokens.completion.is_none() {
                    draft.status = Status::Open;
                }
                last = block.at.or(last);
                thread.calls.push((draft, block.tools));
            }
        }
    }
    links.compactions += thread.compactions;
    links.prompts += thread.prompts;
    thread
}

/// The next block of the same answer.
fn join(call: &mut (Draft, Vec<Tool>), block: Block) {
    let (draft, tools) = call;
    let more = block.draft;
    draft.end = draft.end.max(block.at);
    if more.tokens.completion.is_some() {
        draft.tokens = more.tokens;
    }
    draft.finish_reason = more.finish_reason.or(draft.finish_reason.take());
    let text = more.text.filter(|text| !text.is_empty());
    draft.text = match (draft.text.take().filter(|text| !text.is_empty()), text) {
        (Some(old), Some(new)) => Some(format!("{old}\n{new}")),
        (old, new) => old.or(new),
    };
    if !more.reply_tools_text.is_empty() {
        if !draft.reply_tools_text.is_empty() {
            draft.reply_tools_text.push('\n');
        }
        draft.reply_tools_text.push_str(&more.reply_tools_text);
    }
    draft.reply_tools.extend(more.reply_tools);
    draft.dollars = more.dollars.or(draft.dollars);
    draft.length = more.length.or(draft.length);
    tools.extend(block.tools);
}

/// Puts threads together: who started whom, who waited for whom.
fn weave(threads: Vec<Thread>, links: &Links, session: &mut Session) {
    let has_team = threads.iter().any(|thread| thread.name != MAIN);
    // Where each tool was asked for, and the sub-agent's kind.
    let mut asked: Vec<(usize, Option<Nanos>, Tool)> = Vec::new();
    let mut ends: Vec<(usize, Nanos)> = Vec::new();
    for thread in threads {
        let begin = thread.calls[0].0.start.or(thread.calls[0].0.end);
        let by_result = |tool: &Tool| tool.id == thread.name || links.agents.get(&tool.id) == Some(&thread.name);
        let by_prompt = |tool: &Tool| tool.prompt.is_some() && tool.prompt == thread.prompt;
        let before = |at: Option<Nanos>| at.zip(begin).is_none_or(|(at, begin)| at <= begin + 1_000_000_000);
        let found = (asked.iter().position(|(_, _, tool)| by_result(tool)))
            .or_else(|| asked.iter().position(|(_, _, tool)| by_prompt(tool)))
            .or_else(|| asked.iter().rposition(|(_, at, _)| before(*at)));
        let is_main = thread.name == MAIN;
        let starter = found.filter(|_| !is_main).map(|place| asked[place].clone());
        let name = match starter.as_ref().and_then(|(_, _, tool)| tool.kind.as_deref()) {
            Some(kind) => format!("{} ({kind})", thread.name),
            None => thread.name.clone(),
        };
        let spawns = thread.calls.iter().any(|(_, tools)| !tools.is_empty());
        let agent = session.agent(&name, is_main && has_team && spawns);
        let conversation = if is_main { 0 } else { session.conversation(starter.map(|(call, ..)| call)) };
        let mut end = Nanos::MIN;
        for (mut draft, tools) in thread.calls {
            (draft.agent, draft.conversation) = (agent, conversation);
            draft.model.clone_from(&draft.reply_model);
            if !tools.is_empty() {
                draft.purpose = Purpose::Dispatch;
            }
            end = end.max(draft.end.unwrap_or(end));
            let at = draft.end;
            let place = session.call(draft);
            asked.extend(tools.into_iter().map(|tool| (place, at, tool)));
        }
        if !is_main {
            ends.push((conversation, end));
        }
    }
    // The next call of whoever started a sub-agent waited for it, once it had ended.
    for (conversation, end) in ends {
        let starter = session.conversations[conversation];
        let parent = starter.map_or(0, |call| session.calls[call].conversation);
        let after = |draft: &&mut Draft| draft.conversation == parent && draft.start.is_some_and(|start| start >= end);
        if let Some(draft) = session.calls.iter_mut().find(after) {
            draft.joins.push(conversation);
        }
    }
    if links.compactions > 0 {
        session.miss(format!(
            "calls that compacted a context: {}, not recorded by the source; the contexts had {} tokens in all",
            links.compactions, links.compacted
        ));
    }
    if links.prompts > 0 {
        session.miss(format!(
            "waits for a human: {} prompts after the first; each is counted from the arrival and no tool's time",
            links.prompts
        ));
    }
    let lost: BTreeSet<&String> = links.agents.values().collect();
    let lost =
        lost.iter().filter(|name| !session.agents.iter().any(|agent| agent.name.starts_with(name.as_str()))).count();
    if lost > 0 {
        session.miss(format!("calls of {lost} sub-agents: their files are not here"));
    }
}
