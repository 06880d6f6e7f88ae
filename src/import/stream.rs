//! Streamed replies (`data:` lines) put together into the body that the same provider would have sent at once.

use serde_json::{Map, Value, json};

/// The body of a streamed reply; `None` if there is no event in the text.
pub(super) fn assemble(text: &str) -> Option<Value> {
    let mut body = Body::default();
    let mut any = false;
    for line in text.lines() {
        let Some(data) = line.trim_start().strip_prefix("data:") else { continue };
        let Ok(event) = serde_json::from_str::<Value>(data.trim()) else { continue };
        any = true;
        body.take(&event);
    }
    any.then(|| body.finish())
}

#[derive(Default)]
struct Body {
    /// Set by the last event of the responses API: the whole body.
    whole: Option<Value>,
    head: Map<String, Value>,
    text: String,
    tools: Vec<(String, String)>,
    finish: Value,
    usage: Map<String, Value>,
    error: Option<Value>,
    /// Anthropic's stream, which ends with a reason.
    is_begun: bool,
}

impl Body {
    fn take(&mut self, event: &Value) {
        let kind = event.get("type").and_then(Value::as_str).unwrap_or("");
        if let Some(error) = event.get("error").filter(|e| !e.is_null()) {
            self.error = Some(error.clone());
        }
        if let Some(response) = event.get("response").filter(|r| r.is_object()) {
            if matches!(kind, "response.completed" | "response.incomplete" | "response.failed" | "response.done") {
                self.whole = Some(response.clone());
            } else {
                self.keep(response);
            }
        }
        match kind {
            "message_start" => {
                if let Some(message) = event.get("message") {
                    self.keep(message);
                }
                self.is_begun = true;
            }
            "content_block_start" => {
                let block = event.get("content_block");
                if let Some(name) = block.and_then(|b| b.get("name")).and_then(Value::as_str) {
                    self.tools.push((name.to_owned(), String::new()));
                }
            }
            "content_block_delta" => {
                let delta = event.get("delta");
                let part = |key: &str| delta.and_then(|d| d.get(key)).and_then(Value::as_str);
                self.text.push_str(part("text").unwrap_or(""));
                if let (Some(json), Some((_, arguments))) = (part("partial_json"), self.tools.last_mut()) {
                    arguments.push_str(json);
                }
            }
            "message_delta" => {
                if let Some(reason) = event.get("delta").and_then(|d| d.get("stop_reason")) {
                    self.finish = reason.clone();
                }
                self.used(event.get("usage"));
            }
            "response.output_text.delta" => {
                self.text.push_str(event.get("delta").and_then(Value::as_str).unwrap_or(""));
            }
            "response.output_item.done" => {
                let item = event.get("item");
                let part = |key: &str| item.and_then(|i| i.get(key)).and_then(Value::as_str);
                if let Some(name) = part("name") {
                    self.tools.push((name.to_owned(), part("arguments").unwrap_or("").to_owned()));
                }
            }
            _ => self.chunk(event),
        }
    }

    /// A chunk of a chat completion.
    fn chunk(&mut self, event: &Value) {
        self.keep(event);
        if let Some(candidate) = event.get("candidates").and_then(|c| c.get(0)) {
            self.candidate(candidate);
            return;
        }
        let Some(choice) = event.get("choices").and_then(|c| c.get(0)) else {
            return;
        };
        if let Some(reason) = choice.get("finish_reason").filter(|r| !r.is_null()) {
            self.finish = reason.clone();
        }
        let Some(delta) = choice.get("delta") else {
            self.text.push_str(choice.get("text").and_then(Value::as_str).unwrap_or(""));
            return;
        };
        match delta.get("content") {
            Some(Value::Array(parts)) => {
                let text = |part: &Value| part.get("text").and_then(Value::as_str).map(str::to_owned);
                self.text.extend(parts.iter().filter_map(text));
            }
            content => self.text.push_str(content.and_then(Value::as_str).unwrap_or("")),
        }
        for tool in delta.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
            let function = tool.get("function");
            let part = |key: &str| function.and_then(|f| f.get(key)).and_then(Value::as_str);
            if let Some(name) = part("name").filter(|n| !n.is_empty()) {
                self.tools.push((name.to_owned(), String::new()));
            }
            if let (Some(more), Some((_, arguments))) = (part("arguments"), self.tools.last_mut()) {
                arguments.push_str(more);
            }
        }
    }

    /// A part of Gemini's answer.
    fn candidate(&mut self, candidate: &Value) {
        if let Some(reason) = candidate.get("finishReason").filter(|r| !r.is_null()) {
            self.finish = reason.clone();
        }
        let parts = candidate.get("content").and_then(|content| content.get("parts")).and_then(Value::as_array);
        for part in parts.into_iter().flatten() {
            let is_thought = part.get("thought") == Some(&Value::Bool(true));
            if let Some(text) = part.get("text").and_then(Value::as_str).filter(|_| !is_thought) {
                self.text.push_str(text);
            }
            if let Some(call) = part.get("functionCall") {
                let name = call.get("name").and_then(Value::as_str).unwrap_or("").to_owned();
                self.tools.push((name, call.get("args").map(Value::to_string).unwrap_or_default()));
            }
        }
    }

    /// Id, model, usage of an event.
    fn keep(&mut self, event: &Value) {
        for key in ["id", "responseId", "model", "modelVersion", "created", "created_at"] {
            if let Some(value) = event.get(key).filter(|v| !v.is_null() && v.as_str() != Some("")) {
                self.head.insert(key.to_owned(), value.clone());
            }
        }
        self.used(event.get("usage"));
        self.used(event.get("usageMetadata"));
        self.used(event.get("x_groq").and_then(|x| x.get("usage")));
    }

    fn used(&mut self, usage: Option<&Value>) {
        for (key, value) in usage.and_then(Value::as_object).into_iter().flatten() {
            if !value.is_null() {
                self.usage.insert(key.clone(), value.clone());
            }
        }
    }

    fn finish(mut self) -> Value {
        if let Some(whole) = self.whole {
            return whole;
        }
        let mut body = std::mem::take(&mut self.head);
        let tools: Vec<Value> =
            self.tools.into_iter().map(|(name, args)| json!({"function": {"name": name, "arguments": args}})).collect();
        if let Some(error) = self.error.filter(|_| self.text.is_empty() && tools.is_empty()) {
            body.insert("error".to_owned(), error);
            return Value::Object(body);
        }
        let message = json!({"role": "assistant", "content": self.text, "tool_calls": tools});
        body.insert("choices".to_owned(), json!([{"message": message, "finish_reason": self.finish}]));
        if self.is_begun && self.finish.is_null() {
            // What a beginning tells of the answer is what there was of it then.
            self.usage.remove("output_tokens");
        }
        if !self.usage.is_empty() {
            body.insert("usage".to_owned(), Value::Object(self.usage));
        }
        Value::Object(body)
    }
}
