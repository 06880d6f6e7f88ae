//! Spans about language models: OTLP-JSON (`resourceSpans`), lists or lines of flat spans; OpenTelemetry GenAI,
//! OpenInference and Vercel AI SDK names ([`super::otel_names`]). A session is a conversation, or a trace.

use super::chat;
use super::fault::{ImportError, Place, Wrong};
use super::field::Field;
use super::moment::{self, Nanos};
use super::otel_names as names;
use super::roles::Groups;
use super::session::{Draft, Session};
use super::source::{Records, Sample};
use super::{Importer, Out};
use crate::model::call::Purpose;
use crate::runtime::desk::Message;
use crate::runtime::transcript::Status;
use serde_json::{Map, Value};
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
        if sample.has(&["resourceSpans"]) {
            return Some("field resourceSpans (OTLP-JSON)".to_owned());
        }
        let flat = [["spanContext", "attributes"], ["spanId", "attributes"], ["span_id", "attributes"]];
        let told = flat.iter().find(|keys| sample.has(*keys)).map(|keys| format!("fields {}", keys.join(", ")));
        told.or_else(|| {
            let context = sample.record()?.get("context")?.get("span_id");
            context.map(|_| "field context.span_id".to_owned())
        })
    }

    fn read(&self, path: &Path, out: &mut Out<'_>) -> Result<(), ImportError> {
        let mut records = Records::open(path)?;
        let mut spans: Vec<Span> = Vec::new();
        let mut take = |field: &Field<'_>, place: Place, out: &mut Out<'_>| match span(field, &place) {
            Ok(span) => {
                spans.push(span);
                Ok(())
            }
            Err(wrong) => out.damaged(place, wrong),
        };
        while let Some((place, value)) = records.next(out)? {
            let root = Field::root(&value);
            if !root.get("resourceSpans").is_some() {
                take(&root, place, out)?;
                continue;
            }
            match nested(&root) {
                Ok(found) => {
                    for field in found {
                        take(&field, place.clone(), out)?;
                    }
                }
                Err(wrong) => out.damaged(place, wrong)?,
            }
        }
        out.note(format!("attribute names known: {}", names::VERSION));
        for (name, spans) in sessions(&spans, out)? {
            let mut session = session(name, spans);
            session.is_cut = records.is_cut();
            out.session(session)?;
        }
        Ok(())
    }
}

fn nested<'a>(root: &Field<'a>) -> Result<Vec<Field<'a>>, Wrong> {
    let mut found = Vec::new();
    for resource in root.get("resourceSpans").list()? {
        for scope in resource.any(&["scopeSpans", "instrumentationLibrarySpans"]).list()? {
            found.extend(scope.get("spans").list()?);
        }
    }
    Ok(found)
}

struct Span {
    place: Place,
    trace: String,
    id: String,
    parent: Option<String>,
    name: String,
    start: Option<Nanos>,
    end: Option<Nanos>,
    attributes: Value,
    is_failed: bool,
}

fn span(field: &Field<'_>, place: &Place) -> Result<Span, Wrong> {
    field.need_object()?;
    let context = field.any(&["spanContext", "context"]);
    let context = if context.is_some() { context } else { field.clone() };
    let word = |field: Field<'_>| -> Result<Option<String>, Wrong> { Ok(field.text()?.map(str::to_owned)) };
    let attributes = field.get("attributes");
    let attributes = match attributes.value {
        Value::Null => Value::Object(Map::new()),
        Value::Array(_) => pairs(&attributes)?,
        _ => attributes.need_object()?.value.clone(),
    };
    let status = field.get("status");
    let code = status.any(&["code", "status_code"]).value;
    let is_error = code.as_u64() == Some(2) || code.as_str().is_some_and(|c| c.to_ascii_uppercase().contains("ERROR"));
    let parent = field.any(&["parentSpanId", "parent_id", "parentId", "parent_span_id"]);
    let parent = if parent.is_some() { parent } else { field.get("parentSpanContext").get("spanId") };
    Ok(Span {
        place: place.clone(),
        trace: word(context.any(&["traceId", "trace_id"]))?.unwrap_or_default(),
        id: word(context.any(&["spanId", "span_id"]))?.unwrap_or_default(),
        parent: word(parent)?.filter(|p| !p.is_empty()),
        name: word(field.get("name"))?.unwrap_or_default(),
        start: when(&field.any(&["startTimeUnixNano", "startTime", "start_time"]))?,
        end: when(&field.any(&["endTimeUnixNano", "endTime", "end_time"]))?,
        attributes,
        is_failed: is_error,
    })
}

/// A moment, or `[seconds, nanoseconds]`.
fn when(field: &Field<'_>) -> Result<Option<Nanos>, Wrong> {
    if !field.value.is_array() {
        return moment::any(field);
    }
    let part = |index: usize| field.at(index).count()?.ok_or_else(|| field.wrong("[seconds, nanoseconds]"));
    let (seconds, nanos) = (part(0)?, part(1)?);
    let whole = i64::try_from(seconds).ok().and_then(|s| s.checked_mul(1_000_000_000));
    let all = whole.and_then(|ns| ns.checked_add(i64::try_from(nanos).ok()?));
    all.map(Some).ok_or_else(|| field.wrong("[seconds, nanoseconds]"))
}

/// OTLP's list of keys and typed values as an object.
fn pairs(list: &Field<'_>) -> Result<Value, Wrong> {
    let mut object = Map::new();
    for pair in list.list()? {
        object.insert(pair.get("key").need_text()?.to_owned(), plain(pair.get("value").value));
    }
    Ok(Value::Object(object))
}

fn plain(value: &Value) -> Value {
    let Some((kind, inner)) = value.as_object().and_then(|o| o.iter().next()) else {
        return value.clone();
    };
    match kind.as_str() {
        "intValue" => match inner.as_str().and_then(|s| s.parse::<i64>().ok()) {
            Some(n) => n.into(),
            None => inner.clone(),
        },
        "arrayValue" => {
            let list = inner.get("values").and_then(Value::as_array);
            Value::Array(list.into_iter().flatten().map(plain).collect())
        }
        "stringValue" | "doubleValue" | "boolValue" => inner.clone(),
        _ => value.clone(),
    }
}

impl Span {
    fn get(&self, keys: &[&str]) -> Field<'_> {
        // Names have dots: they are keys of one flat object.
        let found = keys.iter().find(|k| self.attributes.get(**k).is_some_and(|v| !v.is_null()));
        let key = found.or(keys.first()).copied().unwrap_or("");
        Field::named(self.attributes.get(key).unwrap_or(&Value::Null), format!("attributes.{key}"))
    }

    fn operation(&self) -> String {
        let told = self.get(names::OPERATION).value.as_str().map(str::to_ascii_lowercase);
        told.unwrap_or_else(|| self.name.split(' ').next().unwrap_or("").to_ascii_lowercase())
    }

    fn is_call(&self) -> bool {
        names::CALLS.contains(&self.operation().as_str())
    }
}

/// Spans by session, with their calls made; spans that are no calls are kept as parents.
fn sessions(spans: &[Span], out: &mut Out<'_>) -> Result<Vec<(String, Vec<Made>)>, ImportError> {
    let place: BTreeMap<(String, String), usize> =
        spans.iter().enumerate().map(|(i, s)| ((s.trace.clone(), s.id.clone()), i)).collect();
    let parent = |span: &Span| {
        let id = span.parent.clone()?;
        place.get(&(span.trace.clone(), id)).copied()
    };
    let around: BTreeSet<(&str, &str)> =
        spans.iter().filter_map(|s| Some((s.trace.as_str(), s.parent.as_deref()?))).collect();
    let mut groups = Groups::new();
    for (index, span) in spans.iter().enumerate() {
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
        while let Some(up) = at.filter(|_| seen < 1000) {
            if names::AGENTS.contains(&spans[up].operation().as_str()) {
                agents.push(up);
            }
            at = parent(&spans[up]);
            seen += 1;
        }
        let own = span.get(names::AGENT).value.as_str().map(str::to_owned);
        let of = |i: usize| spans[i].get(names::AGENT).value.as_str().unwrap_or(&spans[i].name).to_owned();
        let agent = own.or_else(|| agents.first().map(|i| of(*i))).unwrap_or_else(|| "agent".to_owned());
        let session = span.get(names::SESSION).value.as_str().unwrap_or(&span.trace);
        let session = if session.is_empty() { "trace" } else { session };
        match draft(span) {
            Ok(draft) => groups.push(session, Made { agent, around: agents, span: index, draft }),
            Err(wrong) => out.damaged(span.place.clone(), wrong)?,
        }
    }
    Ok(groups.into_groups())
}

struct Made {
    agent: String,
    /// Spans of the agents around it, nearest first.
    around: Vec<usize>,
    span: usize,
    draft: Draft,
}

/// An agent inside another is a worker of it; each span of an agent is a conversation.
fn session(name: String, mut made: Vec<Made>) -> Session {
    made.sort_by_key(|m| (m.draft.start, m.span));
    let mut session = Session::new(name);
    session.is_dated = true;
    let deepest = made.iter().map(|m| m.around.len()).max().unwrap_or(0);
    let mut conversations: BTreeMap<usize, usize> = BTreeMap::new();
    let mut last: BTreeMap<usize, usize> = BTreeMap::new();
    let mut open: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let workers: Vec<String> = made.iter().filter(|m| m.around.len() > 1).map(|m| m.agent.clone()).collect();
    for Made { agent, around, mut draft, .. } in made {
        let is_lead = deepest > 1 && around.len() == 1 && !workers.contains(&agent);
        draft.agent = session.agent(&agent, is_lead);
        draft.purpose = if is_lead { Purpose::Dispatch } else { Purpose::Step };
        if let [inner, outer, ..] = around[..] {
            let above = conversations.get(&outer).copied().unwrap_or(0);
            draft.conversation = *conversations.entry(inner).or_insert_with(|| {
                let new = session.conversation(last.get(&above).copied());
                open.entry(above).or_default().push(new);
                new
            });
        } else if let [outer] = around[..] {
            conversations.entry(outer).or_insert(0);
        }
        draft.joins = open.remove(&draft.conversation).unwrap_or_default();
        let conversation = draft.conversation;
        let place = session.call(draft);
        last.insert(conversation, place);
    }
    session
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
    if let Some(system) = parsed(&span.get(names::SYSTEM)) {
        let content = chat::content(&Field::named(&system, "system_instructions"))?;
        draft.messages.push(Message { role: "system".to_owned(), content });
    }
    input(span, &mut draft)?;
    output(span, &mut draft)?;
    Ok(draft)
}

/// A value that may be JSON in text.
fn parsed(field: &Field<'_>) -> Option<Value> {
    match field.value {
        Value::Null => None,
        Value::String(text) => Some(serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()))),
        other => Some(other.clone()),
    }
}

fn input(span: &Span, draft: &mut Draft) -> Result<(), Wrong> {
    let parts = parts(span, names::INPUT_PARTS);
    if !parts.is_empty() {
        draft.messages.extend(parts);
        return Ok(());
    }
    let Some(value) = parsed(&span.get(names::INPUT)) else { return Ok(()) };
    let field = Field::named(&value, "input messages");
    match &value {
        Value::Array(_) => draft.messages.extend(chat::messages(&field)?),
        Value::Object(_) if field.get("messages").is_some() => chat::request(&field, draft)?,
        Value::Object(_) => draft.messages.push(chat::message(&field)?),
        other => {
            let content = other.as_str().map_or_else(|| other.to_string(), str::to_owned);
            draft.messages.push(Message { role: "user".to_owned(), content });
        }
    }
    Ok(())
}

fn output(span: &Span, draft: &mut Draft) -> Result<(), Wrong> {
    let parts = parts(span, names::OUTPUT_PARTS);
    if !parts.is_empty() {
        draft.text = Some(parts.into_iter().map(|m| m.content).collect::<Vec<_>>().join("\n"));
        return Ok(());
    }
    let field = span.get(names::OUTPUT);
    let is_messages = field.path.ends_with("messages");
    let Some(value) = parsed(&field) else { return Ok(()) };
    match (&value, is_messages) {
        (Value::Array(_), true) => {
            for message in Field::named(&value, field.path.clone()).list()? {
                chat::reply(&message, draft)?;
            }
        }
        _ => draft.text = Some(field.value.as_str().map_or_else(|| field.value.to_string(), str::to_owned)),
    }
    Ok(())
}

/// Messages that are one attribute per part.
fn parts(span: &Span, prefixes: &[&str]) -> Vec<Message> {
    for prefix in prefixes {
        let mut messages = Vec::new();
        loop {
            let n = messages.len();
            let part = |name: &str| {
                let inner = [format!("{prefix}.{n}.message.{name}"), format!("{prefix}.{n}.{name}")];
                inner.iter().find_map(|key| span.attributes.get(key)?.as_str()).map(str::to_owned)
            };
            let (role, content) = (part("role"), part("content"));
            if role.is_none() && content.is_none() {
                break;
            }
            messages.push(Message {
                role: role.unwrap_or_else(|| "user".to_owned()),
                content: content.unwrap_or_default(),
            });
        }
        if !messages.is_empty() {
            return messages;
        }
    }
    Vec::new()
}
