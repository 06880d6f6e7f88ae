//! Spans about language models in any form ([`super::otel_span`]), with the names of OpenTelemetry GenAI,
//! OpenInference and the Vercel AI SDK ([`super::otel_names`]). A session is a conversation, or a trace.

use super::fault::{ImportError, Place, Wrong};
use super::field::Field;
use super::groups::{Group, Groups};
use super::moment;
use super::otel_names as names;
use super::otel_span::{self, Span};
use super::session::{BY_CLIENT, Draft};
use super::source::{Sample, each_record};
use super::team::{self, MOST_AROUND, Made, NAMELESS};
use super::{Importer, Out, otel_text, timing};
use crate::model::call::Purpose;
use crate::record::transcript::Status;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Reads spans.
pub(super) struct Otel;

impl Importer for Otel {
    fn name(&self) -> &'static str {
        "otel"
    }

    fn reads(&self) -> &'static str {
        "spans of language model calls: OTLP-JSON or flat spans, with gen_ai.*, llm.* (OpenInference) or ai.* names"
    }

    fn lacks(&self) -> &'static [&'static str] {
        &["who released a call, but for the span around it", "texts, where the instrumentation does not record them"]
    }

    fn detect(&self, sample: &Sample) -> Option<String> {
        otel_span::detect(sample)
    }

    fn read(&self, path: &Path, out: &mut Out<'_>) -> Result<(), ImportError> {
        self.read_all(&[path], out)
    }

    fn read_all(&self, paths: &[&Path], out: &mut Out<'_>) -> Result<(), ImportError> {
        let mut spans = Spans::default();
        let is_cut = each_record(paths, out, |record, place, out| match otel_span::spans(record) {
            Ok(found) => found.iter().try_for_each(|(at, value)| spans.take(at, value, &place, out)),
            Err(wrong) => out.damaged(place, wrong),
        })?;
        out.note(format!("attribute names known: {}", names::VERSION));
        if spans.repeated > 0 {
            out.note(format!("{} spans stand there twice, read once", spans.repeated));
        }
        for Group { name, things, .. } in sessions(&spans.all, out)? {
            let mut session = team::session(name, things);
            session.is_cut = is_cut;
            out.session(session)?;
        }
        Ok(())
    }
}

/// Spans so far; each once.
#[derive(Default)]
struct Spans {
    all: Vec<Span>,
    known: BTreeMap<(String, String), usize>,
    repeated: u64,
}

impl Spans {
    fn take(&mut self, path: &str, value: &Value, place: &Place, out: &mut Out<'_>) -> Result<(), ImportError> {
        let span = match otel_span::span(&Field::named(value, path), place) {
            Ok(span) => span,
            Err(wrong) => return out.damaged(place.clone(), wrong),
        };
        let key = (span.trace.clone(), span.id.clone());
        if let Some(&known) = self.known.get(&key).filter(|_| !span.id.is_empty()) {
            self.repeated += 1;
            // A span that was still under way when it was first written.
            if self.all[known].end.is_none() && span.end.is_some() {
                self.all[known] = span;
            }
        } else {
            self.known.insert(key, self.all.len());
            self.all.push(span);
        }
        Ok(())
    }
}

/// Calls that have another call inside them, without an agent or a tool between, or that have the same reply: one call
/// that two libraries told.
fn doubled(spans: &[Span], parent: impl Fn(&Span) -> Option<usize>) -> BTreeMap<usize, Vec<usize>> {
    let mut inner: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    // Where a span between them is not here, the name of the reply tells.
    let mut replies: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (index, span) in spans.iter().enumerate().filter(|(_, span)| span.is_call()) {
        let Some(id) = span.get(names::RESPONSE_ID).value.as_str().filter(|id| !id.is_empty()) else { continue };
        if let Some(&other) = replies.get(&(span.trace.as_str(), id)) {
            let width = |place: usize| {
                spans[place].end.zip(spans[place].start).map_or(0, |(end, start)| end.saturating_sub(start))
            };
            let (around, within) = if width(index) > width(other) { (index, other) } else { (other, index) };
            inner.entry(around).or_default().push(within);
            replies.insert((span.trace.as_str(), id), within);
        } else {
            replies.insert((span.trace.as_str(), id), index);
        }
    }
    for (index, span) in spans.iter().enumerate().filter(|(_, span)| span.is_call()) {
        let (mut at, mut seen) = (parent(span), 0);
        while let Some(up) = at.filter(|up| seen < MOST_AROUND && *up != index) {
            let around = &spans[up];
            if around.is_agent() || names::TOOLS.contains(&around.operation().as_str()) {
                break;
            }
            if around.is_call() && !inner.get(&up).is_some_and(|inner| inner.contains(&index)) {
                inner.entry(up).or_default().push(index);
            }
            at = parent(around);
            seen += 1;
        }
    }
    inner
}

/// What the outer span of one call tells and the inner does not.
fn complete(inner: &mut Draft, outer: Draft) {
    if inner.tokens.prompt.is_none() && inner.tokens.completion.is_none() {
        inner.tokens = outer.tokens;
    }
    if inner.messages.is_empty() {
        inner.messages = outer.messages;
    }
    if inner.text.is_none() && inner.reply_tools.is_empty() {
        inner.text = outer.text;
        inner.reply_tools = outer.reply_tools;
        inner.reply_tools_text = outer.reply_tools_text;
    }
    inner.model = inner.model.take().or(outer.model);
    inner.dollars = inner.dollars.or(outer.dollars);
}

/// Spans by session, with their calls made; spans that are no calls are kept as parents.
fn sessions(spans: &[Span], out: &mut Out<'_>) -> Result<Vec<Group<Made>>, ImportError> {
    let place: BTreeMap<(String, String), usize> =
        spans.iter().enumerate().map(|(i, s)| ((s.trace.clone(), s.id.clone()), i)).collect();
    let parent = |span: &Span| {
        let id = span.parent.clone()?;
        place.get(&(span.trace.clone(), id)).copied()
    };
    let around: BTreeSet<(&str, &str)> =
        spans.iter().filter_map(|s| Some((s.trace.as_str(), s.parent.as_deref()?))).collect();
    let inner = doubled(spans, parent);
    let outer: BTreeMap<usize, usize> =
        inner.iter().filter(|(_, inner)| inner.len() == 1).map(|(outer, inner)| (inner[0], *outer)).collect();
    let mut groups = Groups::new();
    for (index, span) in spans.iter().enumerate() {
        if inner.contains_key(&index) {
            out.left_out("spans of calls around the spans of the same calls");
            continue;
        }
        if !span.is_call() {
            out.left_out(if around.contains(&(span.trace.as_str(), span.id.as_str())) {
                "spans around calls"
            } else {
                "spans of other operations"
            });
            continue;
        }
        // The nearest agent around it, and all of them.
        let mut agents: Vec<usize> = Vec::new();
        let (mut at, mut seen) = (parent(span), 0);
        // A trace is one session, whatever its parts call theirs: the outermost name counts.
        let mut session = span.get(names::SESSION).value.as_str();
        while let Some(up) = at.filter(|_| seen < MOST_AROUND) {
            if spans[up].is_agent() {
                agents.push(up);
            }
            session = spans[up].get(names::SESSION).value.as_str().or(session);
            at = parent(&spans[up]);
            seen += 1;
        }
        let own = span.get(names::AGENT).value.as_str().map(str::to_owned);
        let of = |i: usize| spans[i].get(names::AGENT).value.as_str().unwrap_or(&spans[i].name).to_owned();
        let agent = own.or_else(|| agents.first().map(|i| of(*i))).unwrap_or_else(|| NAMELESS.to_owned());
        let session = session.unwrap_or(&span.trace);
        let session = if session.is_empty() { "trace" } else { session };
        let made = draft(span).and_then(|mut own| {
            if let Some(outer) = outer.get(&index) {
                complete(&mut own, draft(&spans[*outer])?);
            }
            Ok(own)
        });
        match made {
            Ok(draft) => groups.push(session, Made { agent, around: agents, order: index, draft }),
            Err(wrong) => out.damaged(span.place.clone(), wrong)?,
        }
    }
    Ok(groups.into_groups())
}

fn draft(span: &Span) -> Result<Draft, Wrong> {
    let mut draft = Draft::new(0, 0, Purpose::Step);
    let word = |keys: &[&str]| -> Result<Option<String>, Wrong> { Ok(span.get(keys).text()?.map(str::to_owned)) };
    draft.model = word(names::REQUEST_MODEL)?;
    draft.reply_model = word(names::RESPONSE_MODEL)?;
    draft.reply_id = word(names::RESPONSE_ID)?;
    draft.endpoint = word(names::PROVIDER)?;
    let finish = span.get(names::FINISH);
    draft.finish_reason = finish.value.as_str().or_else(|| finish.value.get(0)?.as_str()).map(str::to_owned);
    draft.tokens.prompt = span.get(names::PROMPT_TOKENS).count()?;
    draft.tokens.completion = span.get(names::COMPLETION_TOKENS).count()?;
    draft.tokens.cached = span.get(names::CACHED_TOKENS).count()?.unwrap_or(0);
    draft.tokens.cache_write = span.get(names::CACHE_WRITE_TOKENS).count()?.unwrap_or(0);
    draft.tokens.reasoning = span.get(names::REASONING_TOKENS).count()?;
    add_cached(span, &mut draft);
    draft.priced_by = BY_CLIENT;
    draft.dollars = span.get(names::COST).positive()?;
    (draft.start, draft.end) = (span.start, span.end);
    let ms = span.get(names::FIRST_CHUNK_MS).positive()?.map(|ms| ms / 1e3);
    let wait = span.get(names::FIRST_CHUNK_S).positive()?.or(ms).and_then(moment::seconds);
    draft.first_token = draft.start.zip(wait).and_then(|(start, wait)| start.checked_add(wait));
    if span.is_failed || span.get(&["error.type"]).is_some() {
        draft.status = Status::Failed;
    }
    for (key, name) in names::PARAMETERS {
        let value = span.get(&[key]).value;
        if value.is_number() || value.is_boolean() {
            draft.parameters.insert((*name).to_owned(), value.clone());
        }
    }
    otel_text::texts(span, &mut draft)?;
    timing::forget_unset(&mut draft);
    Ok(draft)
}

/// Anthropic counts cached tokens beside the prompt's; OpenTelemetry wants them in it, and not all libraries do so.
fn add_cached(span: &Span, draft: &mut Draft) {
    let beside = draft.tokens.cached.saturating_add(draft.tokens.cache_write);
    let Some(prompt) = draft.tokens.prompt.filter(|_| beside > 0) else { return };
    let own_names = span.get(names::CACHED_APART).is_some();
    let maker = format!("{} {}", draft.endpoint.as_deref().unwrap_or(""), draft.any_model()).to_ascii_lowercase();
    let total = span.get(names::TOTAL_TOKENS).count().ok().flatten();
    let is_included = total == Some(prompt.saturating_add(draft.tokens.completion.unwrap_or(0)));
    let is_apart = own_names && !is_included && (maker.contains("anthropic") || maker.contains("claude"));
    if is_apart || beside > prompt {
        draft.tokens.prompt = prompt.checked_add(beside);
    }
}
