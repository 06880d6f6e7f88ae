//! Traces of the KV-cache study: Claude Code requests seen through a proxy: one session per line or file, the main agent's requests, and the
//! requests of its sub-agents nested in it. No text: prompts are lists of ids of blocks of tokens.
//!
//! A sub-agent's `t` is when it was *recorded*: with a `duration_ms` that is its end (the start then agrees with the
//! end of the call that spawned it); one that was launched to run beside the main agent has no duration, and `t` is its
//! start.

use super::fault::{ImportError, Place, Wrong};
use super::field::Field;
use super::moment::{self, Nanos};
use super::session::{Draft, Session};
use super::source::{Records, Sample};
use super::{Importer, Out};
use crate::model::call::Purpose;
use serde_json::Value;
use std::path::Path;

/// Reads request traces.
pub(super) struct KvCacheTrace;

/// The main agent.
const MAIN: &str = "main";
/// Earlier requests whose prefix may still be cached.
const REMEMBERED: usize = 8;
/// A recorded second may be rounded.
const ROUNDING: Nanos = 2_000_000_000;

impl Importer for KvCacheTrace {
    fn name(&self) -> &'static str {
        "kv-cache-trace"
    }

    fn reads(&self) -> &'static str {
        "traces of the KV-cache study: Claude Code requests with sub-agents, without texts (JSON, or a trace per line)"
    }

    fn lacks(&self) -> &'static [&'static str] {
        &[
            "texts: prompts are ids of blocks of tokens",
            "cached tokens: the longest common prefix of blocks with the last 8 requests of the conversation, an ideal \
             cache (marked estimated; prompt and completion tokens are as recorded)",
            "dates: times count from the trace's start; a sub-agent's own requests have whole seconds",
        ]
    }

    fn detect(&self, sample: &Sample) -> Option<String> {
        if sample.has(&["requests", "block_size"]) || sample.has(&["requests", "hash_id_scope"]) {
            return Some("fields requests, block_size".to_owned());
        }
        None
    }

    fn read(&self, path: &Path, out: &mut Out<'_>) -> Result<(), ImportError> {
        let mut records = Records::open(path)?;
        while out.wants_more() {
            let Some((place, value)) = records.next(out)? else { break };
            match Trace::new(&Field::root(&value)) {
                Ok(trace) => trace.read(&place, out)?,
                Err(wrong) => out.damaged(place, wrong)?,
            }
        }
        Ok(())
    }
}

struct Trace<'a> {
    requests: Vec<Field<'a>>,
    block: u64,
    session: Session,
    left_out: u64,
}

/// A conversation so far: blocks of its last requests.
#[derive(Default)]
struct Cache<'a> {
    recent: Vec<&'a [Value]>,
}

impl<'a> Cache<'a> {
    /// Blocks at the beginning that an earlier request had too.
    fn hit(&mut self, blocks: &'a [Value]) -> u64 {
        let common = |old: &&[Value]| old.iter().zip(blocks).take_while(|(a, b)| a == b).count();
        let hit = self.recent.iter().map(common).max().unwrap_or(0);
        if self.recent.len() == REMEMBERED {
            self.recent.remove(0);
        }
        self.recent.push(blocks);
        hit as u64
    }
}

impl<'a> Trace<'a> {
    fn new(root: &Field<'a>) -> Result<Self, Wrong> {
        root.need_object()?;
        let name = root.get("id").need_text()?;
        let requests = root.get("requests");
        if !requests.is_some() {
            return Err(requests.wrong("a list of requests"));
        }
        let block = root.get("block_size").count()?.unwrap_or(64);
        Ok(Self { requests: requests.list()?, block, session: Session::new(name), left_out: 0 })
    }

    fn read(mut self, place: &Place, out: &mut Out<'_>) -> Result<(), ImportError> {
        let mut cache = Cache::default();
        let mut last: Option<usize> = None;
        let mut running: Vec<(Nanos, usize)> = Vec::new();
        for request in std::mem::take(&mut self.requests) {
            let is_nested = request.get("type").value.as_str() == Some("subagent");
            let done = if is_nested {
                self.nested(&request, last, &mut running, place, out)?
            } else {
                self.call(&request, MAIN, 0, 0, &mut cache).map(|mut draft| {
                    let start = draft.start.unwrap_or(0);
                    running.retain(|&(end, conversation)| {
                        let over = end <= start.saturating_add(ROUNDING / 2);
                        if over {
                            draft.joins.push(conversation);
                        }
                        !over
                    });
                    last = Some(self.session.call(draft));
                })
            };
            if let Err(wrong) = done {
                out.damaged(place.clone(), wrong)?;
                self.left_out += 1;
            }
        }
        if self.left_out > 0 {
            self.session.miss(format!("damaged requests left out: {}", self.left_out));
        }
        self.finish(out)
    }

    fn finish(mut self, out: &mut Out<'_>) -> Result<(), ImportError> {
        self.session.miss("texts, dates");
        out.session(self.session)
    }

    /// A sub-agent's requests.
    fn nested(
        &mut self,
        agent: &Field<'a>,
        starter: Option<usize>,
        running: &mut Vec<(Nanos, usize)>,
        place: &Place,
        out: &mut Out<'_>,
    ) -> Result<Result<(), Wrong>, ImportError> {
        let head = || -> Result<_, Wrong> {
            let at = agent.get("t");
            let at =
                at.number()?.and_then(moment::seconds).ok_or_else(|| at.wrong("seconds from the trace's start"))?;
            let length = agent.get("duration_ms").positive()?.and_then(|ms| moment::seconds(ms / 1e3));
            Ok((at, length, agent.get("agent_id").need_text()?, agent.get("requests").list()?))
        };
        let (at, length, id, requests) = match head() {
            Ok(head) => head,
            Err(wrong) => return Ok(Err(wrong)),
        };
        let earliest = starter.and_then(|s| self.session.calls[s].end).unwrap_or(Nanos::MIN);
        let ended = length.map(|length| at.saturating_sub(length)).filter(|s| s.saturating_add(ROUNDING) >= earliest);
        let start = ended.unwrap_or(at);
        let kind = agent.get("subagent_type").value.as_str().unwrap_or("sub-agent");
        let name = format!("{id} ({kind})");
        let conversation = self.session.conversation(starter);
        let mut cache = Cache::default();
        let mut end = start;
        for request in requests {
            match self.call(&request, &name, conversation, start, &mut cache) {
                Ok(draft) => {
                    end = end.max(draft.end.unwrap_or(end));
                    self.session.call(draft);
                }
                Err(wrong) => {
                    out.damaged(place.clone(), wrong)?;
                    self.left_out += 1;
                }
            }
        }
        running.push((end, conversation));
        Ok(Ok(()))
    }

    /// A request tells the gap since the answer before it: that answer's end, where it is not told itself.
    fn end_by_gap(&mut self, request: &Field<'a>, conversation: usize, start: Option<Nanos>) -> Result<(), Wrong> {
        let gap = request.get("think_time").positive()?.and_then(moment::seconds);
        let before = self.session.calls.iter_mut().rev().find(|call| call.conversation == conversation);
        if let (Some(start), Some(gap), Some(before)) = (start, gap, before)
            && before.end.is_none()
        {
            before.end = start.checked_sub(gap).max(before.start);
            before
                .miss("completed_ns: not recorded; from the gap before the next request (`think_time`, whole seconds)");
        }
        Ok(())
    }

    fn call(
        &mut self,
        request: &Field<'a>,
        agent: &str,
        conversation: usize,
        origin: Nanos,
        cache: &mut Cache<'a>,
    ) -> Result<Draft, Wrong> {
        let start = request.need_object()?.get("t");
        let start = start.number()?.and_then(moment::seconds).ok_or_else(|| start.wrong("seconds"))?;
        let prompt = request.get("in").need_count()?;
        let completion = request.get("out").need_count()?;
        let length = request.get("api_time").positive()?.and_then(moment::seconds);
        let wait = request.get("ttft").positive()?.and_then(moment::seconds);
        let blocks = request.get("hash_ids");
        let blocks: &[Value] = match blocks.value {
            Value::Null => &[],
            Value::Array(list) => list,
            _ => return Err(blocks.wrong("a list of block ids")),
        };
        let agent = self.session.agent(agent, agent == MAIN);
        let mut draft = Draft::new(agent, conversation, Purpose::Step);
        draft.model = request.get("model").text()?.map(str::to_owned);
        draft.finish_reason = request.get("stop").text()?.map(str::to_owned);
        draft.tokens.prompt = Some(prompt);
        draft.tokens.completion = Some(completion);
        draft.tokens.cached = cache.hit(blocks).saturating_mul(self.block).min(prompt);
        draft.tokens.estimated = true;
        draft.miss("usage.cached_tokens: from the common prefix of blocks, an ideal cache");
        draft.start = Some(origin.saturating_add(start));
        draft.end = draft.start.zip(length).and_then(|(start, length)| start.checked_add(length));
        self.end_by_gap(request, conversation, draft.start)?;
        draft.first_token = draft.start.zip(wait).and_then(|(start, wait)| start.checked_add(wait));
        let has_tool = request.get("output_types").value.as_array();
        if has_tool.is_some_and(|types| types.iter().any(|t| t == "tool_use")) {
            draft.reply_tools.push("tool_use".to_owned());
        }
        Ok(draft)
    }
}
