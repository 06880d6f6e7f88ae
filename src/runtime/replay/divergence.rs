//! Where a policy departs from its recording, told so that both sides can be read.

use crate::model::call::Request;
use crate::model::ids::{CallId, TaskId};
use crate::record::transcript::{CallLine, content_key};
use serde_json::{Map, Value, json};
use std::fmt;

/// The first difference between a recording and a run of the policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Divergence {
    /// Line of the record in the file, if one is concerned.
    pub line: Option<u64>,
    /// What happened, in words.
    pub what: String,
    /// The field that differs first.
    pub field: Option<String>,
    /// The recorded side.
    pub recorded: Option<String>,
    /// The policy's side.
    pub asked: Option<String>,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "the replay diverges at line {line}: {}", self.what)?,
            None => write!(f, "the replay diverges: {}", self.what)?,
        }
        if let Some(field) = &self.field {
            write!(f, "\n  first difference: {field}")?;
        }
        for (name, side) in [("recorded", &self.recorded), ("asked   ", &self.asked)] {
            if let Some(side) = side {
                write!(f, "\n  {name}: {side}")?;
            }
        }
        Ok(())
    }
}

impl Divergence {
    /// A difference that is about no call.
    pub(super) fn told(what: String) -> Self {
        Self { line: None, what, field: None, recorded: None, asked: None }
    }

    /// The policy asks for something that the recording does not have; `nearest` is what it has instead.
    pub(super) fn unknown_call(
        task: TaskId,
        call: CallId,
        request: &Request,
        nearest: Option<(u64, &CallLine)>,
    ) -> Self {
        let asked = asked_side(task, request);
        let mut what = format!("call {} of task {} is not in the recording", call.0, task.0);
        let Some((line, recorded)) = nearest else {
            return Self { asked: Some(Value::Object(asked).to_string()), ..Self::told(what) };
        };
        let keys = (&recorded.key, content_key(task, request));
        let recorded = recorded_side(recorded);
        let mut field = first_difference(&recorded, &asked);
        if field.is_none() && *keys.0 != keys.1 {
            what = format!(
                "call {} of task {} is recorded with a key that is not its own; the file was changed",
                call.0, task.0
            );
            field = Some(format!("key: recorded \"{}\", asked \"{}\"", keys.0, keys.1));
        }
        Self {
            line: Some(line),
            what,
            field,
            recorded: Some(Value::Object(recorded).to_string()),
            asked: Some(Value::Object(asked).to_string()),
        }
    }

    /// The recorded key is that of the policy's question, but the recorded fields are not.
    pub(super) fn changed_call(task: TaskId, request: &Request, line: u64, call: &CallLine) -> Self {
        let what = "the recorded call has the key of what the policy asks, but not its fields; the file was changed";
        Self { what: what.to_owned(), ..Self::unknown_call(task, CallId(call.call), request, Some((line, call))) }
    }

    /// A recorded call that the policy did not ask for, or not then.
    pub(super) fn about_call(line: u64, call: &CallLine, what: String) -> Self {
        let recorded = Value::Object(recorded_side(call)).to_string();
        Self { line: Some(line), recorded: Some(recorded), ..Self::told(what) }
    }
}

/// What identifies a call, in the order in which differences are looked for.
fn recorded_side(c: &CallLine) -> Map<String, Value> {
    let layout = c.request.layout.iter().map(|s| json!([s.content, s.role, s.tokens])).collect();
    side(&[
        ("task", json!(c.task)),
        ("agent", json!(c.agent)),
        ("purpose", json!(c.purpose)),
        ("about", json!(c.about)),
        ("background", json!(c.background)),
        ("subject", json!(c.request.subject)),
        ("product_tokens", json!(c.request.product_tokens)),
        ("completion_tokens", json!(c.request.completion_tokens)),
        ("items", json!(c.request.items)),
        ("judge", json!(c.request.judge)),
        ("layout", Value::Array(layout)),
    ])
}

fn asked_side(task: TaskId, r: &Request) -> Map<String, Value> {
    let layout = r.prompt.iter().map(|s| json!([s.content, s.role, s.tokens])).collect();
    side(&[
        ("task", json!(task)),
        ("agent", json!(r.agent)),
        ("purpose", json!(r.purpose)),
        ("about", json!(r.about)),
        ("background", json!(r.background)),
        ("subject", json!(r.subject)),
        ("product_tokens", json!(r.product_tokens)),
        ("completion_tokens", json!(r.completion_tokens)),
        ("items", json!(r.items)),
        ("judge", json!(r.judge)),
        ("layout", Value::Array(layout)),
    ])
}

fn side(fields: &[(&str, Value)]) -> Map<String, Value> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

/// Path of the first field that differs, with both values.
fn first_difference(recorded: &Map<String, Value>, asked: &Map<String, Value>) -> Option<String> {
    const ORDER: [&str; 11] = [
        "task",
        "agent",
        "purpose",
        "about",
        "background",
        "subject",
        "product_tokens",
        "completion_tokens",
        "items",
        "judge",
        "layout",
    ];
    ORDER.iter().find_map(|&field| difference(field, recorded.get(field)?, asked.get(field)?, "asked"))
}

/// Path of the first part of two values that differs, with both sides; `other` names the second.
pub(super) fn difference(path: &str, a: &Value, b: &Value, other: &str) -> Option<String> {
    let inside = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match (a, b) {
        (Value::Object(x), Value::Object(y)) => {
            let only = y.iter().filter(|(key, _)| !x.contains_key(*key));
            let here = x.iter().map(|(key, v)| (key, v, y.get(key).unwrap_or(&Value::Null)));
            let mut all = here.chain(only.map(|(key, w)| (key, &Value::Null, w)));
            all.find_map(|(key, v, w)| difference(&inside(key), v, w, other))
        }
        (Value::Array(x), Value::Array(y)) => {
            let mut pairs = x.iter().zip(y).enumerate();
            pairs.find_map(|(i, (v, w))| difference(&format!("{path}[{i}]"), v, w, other)).or_else(|| {
                (x.len() != y.len()).then(|| format!("{path}: recorded {} of them, {other} {}", x.len(), y.len()))
            })
        }
        _ => (a != b).then(|| format!("{path}: recorded {}, {other} {}", side_of(a), side_of(b))),
    }
}

fn side_of(value: &Value) -> String {
    if value.is_null() { "nothing".to_owned() } else { value.to_string() }
}
