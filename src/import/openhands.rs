//! OpenHands: events of a session (a list, or JSON Lines), and outputs of its evaluations with the events in `history`.
//!
//! An action of the agent carries the answer that it came from; several actions of one answer are one call. Costs and
//! latencies stand in the metrics, the costs as sums so far.

use super::chat;
use super::check::picodollars;
use super::fault::{ImportError, Place, Wrong};
use super::field::Field;
use super::moment::{self, Nanos};
use super::openai_log::stem;
use super::session::{BY_CLIENT, Draft, Session};
use super::source::{Records, Sample};
use super::{Importer, Out};
use crate::model::call::Purpose;
use crate::record::transcript::Message;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Reads OpenHands' events.
pub(super) struct OpenHands;

const START: &str = "dispatched_ns: not recorded; the stamp of the event before it";

impl Importer for OpenHands {
    fn name(&self) -> &'static str {
        "openhands"
    }

    fn reads(&self) -> &'static str {
        "OpenHands events (a list or JSON Lines), or outputs of its evaluations (history)"
    }

    fn lacks(&self) -> &'static [&'static str] {
        &["the system prompt, in older versions", "when a call left, where no latency is told: the event before it"]
    }

    fn detect(&self, sample: &Sample) -> Option<String> {
        let record = sample.record()?;
        let is_event = |event: &Value| {
            event.get("source").is_some() && (event.get("action").is_some() || event.get("observation").is_some())
        };
        let history = record.get("history").and_then(Value::as_array);
        let inner = history.and_then(|list| list.first()).map(|first| first.get(0).unwrap_or(first));
        if is_event(record) && record.get("timestamp").is_some() {
            return Some("events with source and action".to_owned());
        }
        (inner.is_some_and(is_event)).then(|| "a history of events with source and action".to_owned())
    }

    fn read(&self, path: &Path, out: &mut Out<'_>) -> Result<(), ImportError> {
        let mut records = Records::open(path)?;
        let mut events: Vec<(Place, Value)> = Vec::new();
        let mut number = 0;
        while let Some((place, value)) = records.next(out)? {
            if value.get("history").is_some_and(Value::is_array) {
                let name = match value.get("instance_id").and_then(Value::as_str) {
                    Some(name) => name.to_owned(),
                    None => format!("{} {number}", stem(path)),
                };
                number += 1;
                let root = Field::root(&value);
                let mut list = Vec::new();
                for one in root.get("history").list().unwrap_or_default() {
                    // An older form has pairs of an action and what it gave.
                    let inner = if one.value.is_array() { one.list().unwrap_or_default() } else { vec![one] };
                    list.extend(inner.into_iter().map(|event| (place.clone(), event.value.clone())));
                }
                session(name, &list, &root.get("metrics"), records.is_cut(), out)?;
            } else {
                events.push((place, value));
            }
        }
        if !events.is_empty() {
            session(stem(path), &events, &Field::root(&Value::Null), records.is_cut(), out)?;
        }
        Ok(())
    }
}

/// What is known of answers by their names.
#[derive(Default)]
struct Told {
    latency: BTreeMap<String, Nanos>,
    usage: BTreeMap<String, Value>,
}

impl Told {
    fn take(&mut self, metrics: &Field<'_>) {
        for one in metrics.get("response_latencies").list().unwrap_or_default() {
            let latency = one.get("latency").positive().ok().flatten().and_then(moment::seconds);
            if let (Some(id), Some(latency)) = (one.get("response_id").value.as_str(), latency) {
                self.latency.insert(id.to_owned(), latency);
            }
        }
        for one in metrics.get("token_usages").list().unwrap_or_default() {
            if let Some(id) = one.get("response_id").value.as_str() {
                self.usage.insert(id.to_owned(), one.value.clone());
            }
        }
    }
}

fn session(
    name: String,
    events: &[(Place, Value)],
    metrics: &Field<'_>,
    is_cut: bool,
    out: &mut Out<'_>,
) -> Result<(), ImportError> {
    let mut session = Session::new(name);
    session.is_cut = is_cut;
    let agent = session.agent("openhands", false);
    let mut told = Told::default();
    told.take(metrics);
    for (_, event) in events {
        told.take(&Field::root(event).get("llm_metrics"));
    }
    let stamp = |(_, event): &(Place, Value)| {
        moment::any(&Field::root(event).get("timestamp")).ok().flatten().filter(|at| moment::is_date(*at))
    };
    let stamps = moment::steady(&events.iter().map(stamp).collect::<Vec<_>>());
    let mut reading = Reading { is_new: true, ..Reading::default() };
    for ((place, event), at) in events.iter().zip(stamps) {
        match reading.take(&Field::root(event), at, agent, &told) {
            Ok(draft) => session.calls.extend(draft),
            Err(wrong) => out.damaged(place.clone(), wrong)?,
        }
    }
    // The last metrics have the sums.
    let last = events.iter().rev().map(|(_, event)| Field::root(event).get("llm_metrics")).find(Field::is_some);
    let sums = if metrics.is_some() { metrics.clone() } else { last.unwrap_or_else(|| metrics.clone()) };
    let usage = sums.get("accumulated_token_usage");
    session.totals.picodollars = sums.get("accumulated_cost").positive().ok().flatten().map(picodollars);
    session.totals.prompt_tokens = usage.get("prompt_tokens").count().ok().flatten();
    session.totals.completion_tokens = usage.get("completion_tokens").count().ok().flatten();
    session.is_dated = session.calls.iter().any(|call| call.end.is_some());
    out.session(session)
}

#[derive(Default)]
struct Reading {
    asked: Vec<Message>,
    known: BTreeSet<String>,
    at: Option<Nanos>,
    is_human: bool,
    is_new: bool,
    cost: f64,
}

impl Reading {
    fn take(
        &mut self,
        event: &Field<'_>,
        at: Option<Nanos>,
        agent: usize,
        told: &Told,
    ) -> Result<Option<Draft>, Wrong> {
        event.need_object()?;
        let before = self.at;
        self.at = at.max(before);
        let is_agent = event.get("source").value == "agent" && event.get("action").is_some();
        let response = event.get("tool_call_metadata").get("model_response");
        let metrics = event.get("llm_metrics");
        if !is_agent || !(response.is_some() || metrics.is_some()) {
            let is_human = event.get("source").value == "user";
            let text = event.get("args").any(&["content", "thought"]);
            let text = if event.get("observation").is_some() { event.get("content") } else { text };
            if let Some(text) = text.value.as_str().filter(|text| !text.is_empty()) {
                let role = if is_human { "user" } else { "tool" };
                self.asked.push(Message { role: role.to_owned(), content: text.to_owned() });
                self.is_human |= is_human;
            }
            return Ok(None);
        }
        let id = response.get("id").value.as_str().unwrap_or("").to_owned();
        let sum = metrics.get("accumulated_cost").positive()?;
        if !id.is_empty() && !self.known.insert(id.clone()) {
            self.cost = sum.unwrap_or(self.cost);
            return Ok(None);
        }
        let mut draft = Draft::new(agent, 0, Purpose::Step);
        if response.is_some() {
            chat::response(&response, &mut draft)?;
        } else {
            draft.text = event.get("args").any(&["content", "thought"]).value.as_str().map(str::to_owned);
        }
        if draft.tokens.prompt.is_none()
            && let Some(usage) = told.usage.get(&id)
        {
            let usage = Field::named(usage, "token_usages");
            draft.tokens.prompt = usage.get("prompt_tokens").count()?;
            draft.tokens.completion = usage.get("completion_tokens").count()?;
            draft.tokens.cached = usage.get("cache_read_tokens").count()?.unwrap_or(0);
            draft.tokens.cache_write = usage.get("cache_write_tokens").count()?.unwrap_or(0);
        }
        if let Some(sum) = sum {
            draft.priced_by = BY_CLIENT;
            draft.dollars = Some((sum - self.cost).max(0.0));
            self.cost = sum;
        }
        draft.messages = std::mem::take(&mut self.asked);
        draft.goes_on = !std::mem::take(&mut self.is_new);
        draft.is_prompted = std::mem::take(&mut self.is_human) && draft.goes_on;
        draft.end = at;
        draft.length = told.latency.get(&id).copied();
        if draft.length.is_none() {
            draft.start = before;
            draft.miss(START);
        }
        Ok(Some(draft))
    }
}
