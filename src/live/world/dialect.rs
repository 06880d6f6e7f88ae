//! What a server understands of a request, learnt from its refusals. A refusal is not billed.
//!
//! ```text
//! response_format: json_schema -> json_object -> none (the form stands in the prompt then)
//! max_tokens -> max_completion_tokens          temperature, seed, stream_options: left out when refused
//! ```

use crate::live::chat::Api;
use crate::live::desk::Chat;
use crate::record::transcript::Message;
use serde_json::{Map, Value, json};

/// How the form of an answer is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FormBy {
    Schema,
    Object,
    Words,
}

/// What one endpoint understands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialect {
    api: Api,
    form: FormBy,
    is_completion_tokens: bool,
    has_temperature: bool,
    has_seed: bool,
    has_stream_options: bool,
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            api: Api::OpenAi,
            form: FormBy::Schema,
            is_completion_tokens: false,
            has_temperature: true,
            has_seed: true,
            has_stream_options: true,
        }
    }
}

/// Sampling that a run asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sampling {
    /// Model.
    pub model: String,
    /// Temperature; the server's if not given.
    pub temperature: Option<f64>,
    /// Seed; the server's if not given.
    pub seed: Option<u64>,
}

impl Dialect {
    /// The dialect that an API begins with.
    pub fn of(api: Api) -> Self {
        match api {
            Api::OpenAi | Api::Azure => Self { api, ..Self::default() },
            // Messages have no parameter for the form of an answer, a seed or usage: it is always told.
            Api::Anthropic => {
                Self { api, form: FormBy::Words, has_seed: false, has_stream_options: false, ..Self::default() }
            }
        }
    }

    /// The body of a request.
    pub fn body(&self, chat: &Chat, messages: &[Message], sampling: &Sampling) -> Value {
        let mut body = Map::new();
        body.insert("model".into(), json!(sampling.model));
        let mut messages = messages.to_vec();
        match (&chat.form, self.form) {
            (None, _) => {}
            (Some(form), FormBy::Schema) => {
                let schema = json!({ "name": form.name, "strict": true, "schema": form.schema });
                body.insert("response_format".into(), json!({ "type": "json_schema", "json_schema": schema }));
            }
            (Some(form), by) => {
                let text = format!(
                    "Answer with one JSON object and nothing else. It must follow this JSON Schema: {}",
                    form.schema
                );
                match messages.iter_mut().rev().find(|m| m.role == "user") {
                    Some(last) => last.content = format!("{}\n\n{text}", last.content),
                    None => messages.push(Message { role: "user".to_owned(), content: text }),
                }
                if by == FormBy::Object {
                    body.insert("response_format".into(), json!({ "type": "json_object" }));
                }
            }
        }
        if self.api == Api::Anthropic {
            let (system, rest): (Vec<Message>, Vec<Message>) = messages.into_iter().partition(|m| m.role == "system");
            let system: Vec<String> = system.into_iter().map(|m| m.content).collect();
            body.insert("system".into(), json!(system.join("\n\n")));
            messages = rest;
        }
        body.insert("messages".into(), json!(messages));
        let most = if self.is_completion_tokens { "max_completion_tokens" } else { "max_tokens" };
        body.insert(most.into(), json!(chat.max_tokens));
        if let Some(temperature) = sampling.temperature.filter(|_| self.has_temperature) {
            body.insert("temperature".into(), json!(temperature));
        }
        if let Some(seed) = sampling.seed.filter(|_| self.has_seed) {
            body.insert("seed".into(), json!(seed));
        }
        body.insert("stream".into(), json!(true));
        if self.has_stream_options {
            body.insert("stream_options".into(), json!({ "include_usage": true }));
        }
        Value::Object(body)
    }

    /// A dialect that avoids what a refusal names; `None` if the refusal is about something else.
    pub fn after(&self, status: u16, message: &str) -> Option<Self> {
        if !matches!(status, 400 | 422 | 501) {
            return None;
        }
        let said = message.to_ascii_lowercase();
        let names = |words: &[&str]| words.iter().any(|w| said.contains(w));
        let mut next = self.clone();
        if !self.is_completion_tokens && said.contains("max_completion_tokens") {
            next.is_completion_tokens = true;
        } else if names(&["response_format", "json_schema", "json schema", "structured output", "json_object"])
            && self.form != FormBy::Words
        {
            next.form = if self.form == FormBy::Schema { FormBy::Object } else { FormBy::Words };
        } else if self.has_stream_options && names(&["stream_options", "include_usage"]) {
            next.has_stream_options = false;
        } else if self.has_temperature && said.contains("temperature") {
            next.has_temperature = false;
        } else if self.has_seed && said.contains("seed") {
            next.has_seed = false;
        } else {
            return None;
        }
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::desk::Form;

    fn chat() -> Chat {
        Chat {
            messages: vec![Message { role: "user".into(), content: "q".into() }],
            form: Some(Form { name: "answer", schema: json!({"type": "object"}) }),
            max_tokens: 7,
            span_keys: Vec::new(),
        }
    }

    #[test]
    fn a_server_that_refuses_forms_gets_them_in_words() {
        let (chat, sampling) = (chat(), Sampling { temperature: Some(0.0), ..Sampling::default() });
        let first = Dialect::default();
        assert_eq!(first.body(&chat, &chat.messages, &sampling)["response_format"]["type"], "json_schema");
        let second = first.after(400, "'response_format' of type json_schema is not supported").unwrap();
        let body = second.body(&chat, &chat.messages, &sampling);
        assert_eq!(body["response_format"]["type"], "json_object");
        assert!(body["messages"][0]["content"].as_str().unwrap().contains("JSON Schema"));
        let third = second.after(422, "unknown field response_format").unwrap();
        assert!(third.body(&chat, &chat.messages, &sampling).get("response_format").is_none());
        assert_eq!(third.after(400, "response_format"), None);
    }

    #[test]
    fn messages_of_anthropic_have_the_system_apart() {
        let mut chat = chat();
        chat.messages.insert(0, Message { role: "system".into(), content: "s".into() });
        let sampling = Sampling { model: "m".into(), temperature: Some(0.0), seed: Some(1) };
        let body = Dialect::of(Api::Anthropic).body(&chat, &chat.messages, &sampling);
        assert_eq!((&body["system"], &body["max_tokens"], &body["stream"]), (&json!("s"), &json!(7), &json!(true)));
        assert_eq!(body["messages"].as_array().unwrap().len(), 1);
        assert!(body["messages"][0]["content"].as_str().unwrap().contains("JSON Schema"));
        for key in ["seed", "stream_options", "response_format"] {
            assert!(body.get(key).is_none(), "{key}");
        }
    }

    #[test]
    fn other_refusals_are_learnt_or_passed_on() {
        let first = Dialect::default();
        let told = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.";
        let second = first.after(400, told).unwrap();
        let body = second.body(&chat(), &chat().messages, &Sampling::default());
        assert_eq!((body.get("max_tokens"), &body["max_completion_tokens"]), (None, &json!(7)));
        assert!(!second.after(400, "temperature does not support 0").unwrap().has_temperature);
        assert_eq!(first.after(401, "response_format"), None);
        assert_eq!(first.after(400, "the model does not exist"), None);
    }
}
