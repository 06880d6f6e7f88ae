//! Spans in the forms in which exporters and stores write them, made into one: OTLP-JSON (both spellings), flat spans,
//! the Python console exporter, Phoenix (nested or flat attributes, tables), Jaeger.

use super::fault::{Place, Wrong};
use super::field::Field;
use super::moment::{self, Nanos};
use super::otel_names as names;
use super::source::Sample;
use serde_json::{Map, Value, json};

/// A span.
pub(super) struct Span {
    pub(super) place: Place,
    /// Path of the span in its record.
    path: String,
    pub(super) trace: String,
    pub(super) id: String,
    pub(super) parent: Option<String>,
    pub(super) name: String,
    pub(super) start: Option<Nanos>,
    pub(super) end: Option<Nanos>,
    /// Keys with dots in one flat object; lists and objects stand there whole too.
    pub(super) attributes: Map<String, Value>,
    pub(super) is_failed: bool,
}

/// By what a sample is told to be spans.
pub(super) fn detect(sample: &Sample) -> Option<String> {
    const FLAT: [&[&str]; 4] =
        [&["spanContext", "attributes"], &["spanId", "attributes"], &["span_id", "attributes"], &["context.span_id"]];
    for key in names::RESOURCES {
        if sample.has(&[key]) {
            return Some(format!("field {key} (OTLP-JSON)"));
        }
    }
    if let Some(keys) = FLAT.iter().find(|keys| sample.has(keys)) {
        return Some(format!("fields {}", keys.join(", ")));
    }
    let Some(record) = sample.record() else {
        let is = ["\"spans\"", "\"traceID\"", "\"operationName\""].iter().all(|word| sample.head.contains(word));
        return is.then(|| "the beginning of a list of spans (Jaeger)".to_owned());
    };
    if record.get("context").is_some_and(|c| c.get("span_id").is_some()) {
        return Some("field context.span_id".to_owned());
    }
    let first = record.get("data")?.get(0)?;
    if first.get("spans").is_some() {
        return Some("fields data, spans (Jaeger)".to_owned());
    }
    let is_span = first.get("context").is_some_and(|c| c.get("span_id").is_some());
    is_span.then(|| "a list of spans in data".to_owned())
}

/// The spans of a record, each with its path in it.
pub(super) fn spans(root: &Field<'_>) -> Result<Vec<(String, Value)>, Wrong> {
    let keep = |field: &Field<'_>| (field.path.clone(), field.value.clone());
    let resources = root.any(names::RESOURCES);
    if resources.is_some() {
        let mut found = Vec::new();
        for resource in resources.list()? {
            for scope in resource.any(&["scopeSpans", "scope_spans", "instrumentationLibrarySpans"]).list()? {
                found.extend(scope.get("spans").list()?.iter().map(keep));
            }
        }
        return Ok(found);
    }
    let data = root.get("data");
    if data.value.is_array() && !root.any(&["context", "attributes"]).is_some() {
        let mut found = Vec::new();
        for part in data.list()? {
            if part.get("spans").is_some() {
                for span in part.get("spans").list()? {
                    found.push((span.path.clone(), jaeger(&span)?));
                }
            } else {
                found.push(keep(&part));
            }
        }
        return Ok(found);
    }
    if root.get("context.span_id").is_some() {
        return Ok(vec![(root.path.clone(), table_row(root))]);
    }
    Ok(vec![keep(root)])
}

/// A span of Jaeger's: microseconds, tags, references.
fn jaeger(span: &Field<'_>) -> Result<Value, Wrong> {
    let micros = |key: &str| -> Result<Option<u64>, Wrong> {
        let field = span.need_object()?.get(key);
        let found = field.value.as_u64().filter(|us| *us < u64::MAX / 4000);
        if found.is_none() && field.is_some() { Err(field.wrong("microseconds")) } else { Ok(found) }
    };
    let start = micros("startTime")?;
    let end = start.zip(micros("duration")?).map(|(start, length)| start + length);
    let mut attributes = Map::new();
    for tag in span.get("tags").list()? {
        attributes.insert(tag.get("key").need_text()?.to_owned(), tag.get("value").value.clone());
    }
    let parent = span.get("references").list()?.into_iter().find(|r| r.get("refType").value == "CHILD_OF");
    let nanos = |at: Option<u64>| at.map(|at| format!("{at}000"));
    let code = attributes.get("otel.status_code").cloned();
    Ok(json!({
        "traceId": span.get("traceID").value,
        "spanId": span.get("spanID").value,
        "parentSpanId": parent.map(|r| r.get("spanID").value.clone()),
        "name": span.get("operationName").value,
        "startTimeUnixNano": nanos(start),
        "endTimeUnixNano": nanos(end),
        "status": {"code": code},
        "attributes": attributes,
    }))
}

/// A row of a table of spans: `attributes.` and `context.` are parts of the names of columns.
fn table_row(row: &Field<'_>) -> Value {
    let mut span = Map::new();
    let (mut attributes, mut context) = (Map::new(), Map::new());
    for (key, value) in row.value.as_object().into_iter().flatten() {
        if let Some(key) = key.strip_prefix("attributes.") {
            attributes.insert(key.to_owned(), value.clone());
        } else if let Some(key) = key.strip_prefix("context.") {
            context.insert(key.to_owned(), value.clone());
        } else {
            span.insert(key.clone(), value.clone());
        }
    }
    span.insert("attributes".to_owned(), attributes.into());
    span.insert("context".to_owned(), context.into());
    Value::Object(span)
}

/// Reads a span in its common form.
pub(super) fn span(field: &Field<'_>, place: &Place) -> Result<Span, Wrong> {
    field.need_object()?;
    let context = field.any(&["spanContext", "context"]);
    let context = if context.is_some() { context } else { field.clone() };
    let word = |field: Field<'_>| -> Result<Option<String>, Wrong> { Ok(field.text()?.map(str::to_owned)) };
    let mut attributes = object(&field.get("attributes"))?;
    if let Some(kind) = field.any(&["span_kind", "spanKind"]).value.as_str().filter(|kind| !kind.contains('.')) {
        attributes.entry("span_kind").or_insert_with(|| kind.into());
    }
    events(&field.get("events"), &mut attributes)?;
    let status = field.get("status");
    let code = status.any(&["code", "status_code"]).value;
    let words = [code, status.value, field.any(&["status_code", "statusCode"]).value];
    let says_error = |word: &&Value| word.as_str().is_some_and(|word| word.to_ascii_uppercase().contains("ERROR"));
    let is_error = code.as_u64() == Some(2) || words.iter().any(says_error);
    let parent = field.any(&["parentSpanId", "parent_id", "parentId", "parent_span_id"]);
    let parent = if parent.is_some() { parent } else { field.get("parentSpanContext").get("spanId") };
    Ok(Span {
        place: place.clone(),
        path: field.path.clone(),
        trace: word(context.any(&["traceId", "trace_id"]))?.unwrap_or_default(),
        id: word(context.any(&["spanId", "span_id"]))?.unwrap_or_default(),
        parent: word(parent)?.filter(|p| !p.is_empty()),
        name: word(field.get("name"))?.unwrap_or_default(),
        start: when(&field.any(&["startTimeUnixNano", "start_time_unix_nano", "startTime", "start_time"]))?,
        end: when(&field.any(&["endTimeUnixNano", "end_time_unix_nano", "endTime", "end_time"]))?,
        is_failed: is_error || attributes.get("error") == Some(&Value::Bool(true)),
        attributes,
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

/// Attributes in one flat object, from OTLP's list of keys and typed values or from an object that may be nested.
fn object(field: &Field<'_>) -> Result<Map<String, Value>, Wrong> {
    let mut flat = Map::new();
    match field.value {
        Value::Null => {}
        Value::Array(_) => {
            for pair in field.list()? {
                let value = plain(pair.get("value").value);
                flatten(pair.get("key").need_text()?, &value, &mut flat);
            }
        }
        _ => {
            for (key, value) in field.need_object()?.value.as_object().into_iter().flatten() {
                flatten(key, value, &mut flat);
            }
        }
    }
    Ok(flat)
}

/// The value under its key, and the parts of a list or an object under keys of their own.
fn flatten(key: &str, value: &Value, flat: &mut Map<String, Value>) {
    match value {
        Value::Object(parts) => parts.iter().for_each(|(part, value)| flatten(&format!("{key}.{part}"), value, flat)),
        Value::Array(list) if list.iter().any(Value::is_object) => {
            list.iter().enumerate().for_each(|(n, value)| flatten(&format!("{key}.{n}"), value, flat));
        }
        _ => {}
    }
    flat.entry(key).or_insert_with(|| value.clone());
}

/// An OTLP value without its type.
fn plain(value: &Value) -> Value {
    let Some((kind, inner)) = value.as_object().and_then(|o| o.iter().next()) else {
        return value.clone();
    };
    let values = || inner.get("values").and_then(Value::as_array).into_iter().flatten();
    match kind.as_str() {
        "intValue" | "int_value" => match inner.as_str().and_then(|s| s.parse::<i64>().ok()) {
            Some(n) => n.into(),
            None => inner.clone(),
        },
        "arrayValue" | "array_value" => Value::Array(values().map(plain).collect()),
        "kvlistValue" | "kvlist_value" => {
            let pair = |pair: &Value| Some((pair.get("key")?.as_str()?.to_owned(), plain(pair.get("value")?)));
            Value::Object(values().filter_map(pair).collect())
        }
        "stringValue" | "doubleValue" | "boolValue" | "string_value" | "double_value" | "bool_value" => inner.clone(),
        _ => value.clone(),
    }
}

/// Texts that stand in events of the span become attributes of it.
fn events(field: &Field<'_>, attributes: &mut Map<String, Value>) -> Result<(), Wrong> {
    let (mut input, mut output) = (Vec::new(), Vec::new());
    for event in field.list().unwrap_or_default() {
        let name = event.get("name").value.as_str().unwrap_or("");
        if !name.starts_with("gen_ai.") {
            continue;
        }
        let told = object(&event.get("attributes"))?;
        let json = |key: &str| match told.get(key) {
            Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone())),
            other => other.cloned().unwrap_or(Value::Null),
        };
        let role = name.strip_prefix("gen_ai.").and_then(|rest| rest.strip_suffix(".message"));
        match (name, role) {
            ("gen_ai.choice", _) => output.push(match json("message") {
                Value::Object(mut message) => {
                    message.entry("finish_reason").or_insert_with(|| json("finish_reason"));
                    Value::Object(message)
                }
                Value::Null => json!({"content": told.get("content"), "tool_calls": json("tool_calls"),
                    "finish_reason": json("finish_reason")}),
                text => json!({"content": text, "finish_reason": json("finish_reason")}),
            }),
            (_, Some(role)) => {
                let role = told.get("role").cloned().unwrap_or_else(|| role.into());
                input.push(json!({"role": role, "content": told.get("content"), "tool_calls": json("tool_calls")}));
            }
            _ => told.into_iter().for_each(|(key, value)| {
                attributes.entry(key).or_insert(value);
            }),
        }
    }
    for (key, messages) in [("gen_ai.input.messages", input), ("gen_ai.output.messages", output)] {
        if !messages.is_empty() {
            attributes.entry(key).or_insert_with(|| messages.into());
        }
    }
    Ok(())
}

impl Span {
    /// The first attribute of these names that is there.
    pub(super) fn get(&self, keys: &[&str]) -> Field<'_> {
        // Names have dots: they are keys of one flat object.
        let found = keys.iter().find(|k| self.attributes.get(**k).is_some_and(|v| !v.is_null()));
        let key = found.or(keys.first()).copied().unwrap_or("");
        let path = if self.path.is_empty() { String::new() } else { format!("{}.", self.path) };
        Field::named(self.attributes.get(key).unwrap_or(&Value::Null), format!("{path}attributes.{key}"))
    }

    /// What kind of operation it is, in lower case.
    pub(super) fn operation(&self) -> String {
        let told = self.get(names::OPERATION).value.as_str().map(str::to_ascii_lowercase);
        told.unwrap_or_else(|| self.name.split(' ').next().unwrap_or("").to_ascii_lowercase())
    }

    /// Whether it is a call of a language model.
    pub(super) fn is_call(&self) -> bool {
        if names::CALLS.contains(&self.operation().as_str()) {
            return true;
        }
        // Where no kind is told: a model and its tokens.
        let has = |keys: &[&str]| self.get(keys).is_some();
        !has(names::OPERATION)
            && has(names::COMPLETION_TOKENS)
            && (has(names::REQUEST_MODEL) || has(names::RESPONSE_MODEL))
    }

    /// Whether it stands for an agent at work.
    pub(super) fn is_agent(&self) -> bool {
        names::AGENTS.contains(&self.operation().as_str())
    }
}
