//! Texts of spans: messages as JSON, or as one attribute per part.

use super::chat;
use super::fault::Wrong;
use super::field::Field;
use super::otel_names as names;
use super::otel_span::Span;
use super::session::Draft;
use crate::record::transcript::Message;
use serde_json::{Value, json};

/// Reads what was asked and what came back.
pub(super) fn texts(span: &Span, draft: &mut Draft) -> Result<(), Wrong> {
    if let Some(system) = parsed(&span.get(names::SYSTEM)) {
        let content = chat::content(&Field::named(&system, "system_instructions"))?;
        draft.messages.push(Message { role: "system".to_owned(), content });
    }
    input(span, draft)?;
    output(span, draft)
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
        for part in &parts {
            draft.messages.push(chat::message(&Field::named(part, "input messages"))?);
        }
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
    let field = span.get(names::OUTPUT);
    let value = if parts.is_empty() { parsed(&field) } else { Some(Value::Array(parts)) };
    let Some(value) = value else { return Ok(()) };
    match &value {
        Value::Array(list) if list.iter().all(Value::is_object) && !list.is_empty() => {
            for message in Field::named(&value, field.path.clone()).list()? {
                chat::reply(&message, draft)?;
                let finish = message.get("finish_reason").value.as_str();
                draft.finish_reason = draft.finish_reason.take().or(finish.map(str::to_owned));
            }
        }
        _ => draft.text = Some(field.value.as_str().map_or_else(|| field.value.to_string(), str::to_owned)),
    }
    Ok(())
}

/// Messages that are one attribute per part, as JSON.
fn parts(span: &Span, prefixes: &[&str]) -> Vec<Value> {
    for prefix in prefixes {
        let messages: Vec<Value> = (0..).map_while(|n| part(span, &format!("{prefix}.{n}"))).collect();
        if !messages.is_empty() {
            return messages;
        }
    }
    Vec::new()
}

fn part(span: &Span, prefix: &str) -> Option<Value> {
    let at = |names: &[String]| names.iter().find_map(|key| span.attributes.get(key)?.as_str()).map(str::to_owned);
    let word = |name: &str| at(&[format!("{prefix}.message.{name}"), format!("{prefix}.{name}")]);
    let contents: Vec<String> = (0..)
        .map_while(|n| {
            let inner = format!("{prefix}.message.contents.{n}.message_content");
            let kind = at(&[format!("{inner}.type")]);
            let text = at(&[format!("{inner}.text")]);
            text.or(kind.map(|kind| format!("[{kind}]")))
        })
        .collect();
    let tools: Vec<Value> = (0..)
        .map_while(|n| {
            let forms = [
                format!("{prefix}.message.tool_calls.{n}.tool_call.function"),
                format!("{prefix}.tool_calls.{n}"),
                format!("{prefix}.tool_calls.{n}.function"),
            ];
            let of = |name: &str| at(&forms.clone().map(|form| format!("{form}.{name}")));
            Some(json!({"name": of("name")?, "arguments": of("arguments")}))
        })
        .collect();
    let (role, content) = (word("role"), word("content"));
    if role.is_none() && content.is_none() && contents.is_empty() && tools.is_empty() {
        return None;
    }
    let content = content.or((!contents.is_empty()).then(|| contents.join("\n")));
    Some(json!({"role": role, "content": content, "tool_calls": tools, "finish_reason": word("finish_reason")}))
}
