//! Reading a reply: server-sent events, or one JSON document if the server does not stream.
//!
//! Tolerated: CRLF, comments, events without blank lines between them, `data:` without a space, chunks without choices,
//! `usage: null`, no `[DONE]` after a finish reason, a connection that breaks after it or stays open after finish reason
//! and usage, a clean end after a last chunk that tells only the usage. Not tolerated: another end without a finish
//! reason, lines that are no JSON, an error among the events.

use super::anthropic;
use super::ending::{Completion, Tokens, TryError};
use crate::kernel::Time;
use crate::model::call::Usage;
use serde_json::Value;
use std::io::{self, BufRead, ErrorKind, Read as _};

/// A reply longer than this is not a chat completion.
const MOST_BYTES: u64 = 64 << 20;

/// Reads a whole reply; `now` is asked whenever something of it came and may end the reading with an error. What the
/// server sends after a whole reply is left in the reader.
///
/// # Errors
/// As [`TryError::Broken`] or [`TryError::Timeout`]; texts are not cleaned yet.
pub fn read_reply(
    reader: impl BufRead,
    mut now: impl FnMut() -> Result<Time, TryError>,
) -> Result<Completion, TryError> {
    let mut lines = reader.take(MOST_BYTES);
    let mut reply = Reply::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        match lines.read_until(b'\n', &mut line) {
            Ok(0) => {
                reply.is_whole |= reply.ends_with_usage;
                return reply.end("the answer ended");
            }
            Ok(_) => {}
            Err(error) => return reply.end(&lost(&error)).map_err(|broken| timeout(&error).unwrap_or(broken)),
        }
        let at = now()?;
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\r', '\n']);
        if reply.is_new && text.trim_start().starts_with(['{', '[']) {
            let mut whole = line.clone();
            let read = lines.read_to_end(&mut whole);
            now()?;
            if let Err(error) = read {
                let broken = TryError::Broken { what: lost(&error) };
                return Err(timeout(&error).unwrap_or(broken));
            }
            return document(&whole);
        }
        if reply.line(text, at)? {
            return reply.end("");
        }
    }
}

fn lost(error: &io::Error) -> String {
    format!("the connection was lost ({error})")
}

fn timeout(error: &io::Error) -> Option<TryError> {
    let late = matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock);
    late.then(|| TryError::Timeout { what: error.to_string() })
}

/// A stream that is being read.
struct Reply {
    /// Nothing but white space came.
    is_new: bool,
    /// Data lines of an event that are no JSON by themselves.
    open: String,
    done: Completion,
    said_done: bool,
    /// The last chunk told the usage and nothing else, as a stream's last chunk does.
    ends_with_usage: bool,
    /// The model refused in the field that is for it.
    refused: bool,
    /// Nothing more is needed.
    is_whole: bool,
}

impl Default for Reply {
    fn default() -> Self {
        Self {
            is_new: true,
            open: String::new(),
            done: Completion::default(),
            said_done: false,
            ends_with_usage: false,
            refused: false,
            is_whole: false,
        }
    }
}

impl Reply {
    /// Takes a line; whether the stream is at its end.
    fn line(&mut self, text: &str, at: Time) -> Result<bool, TryError> {
        self.is_new &= text.trim().is_empty();
        let Some(data) = text.strip_prefix("data:") else {
            // A blank line ends an event; other fields and comments say nothing of use.
            return if text.is_empty() && !self.open.is_empty() { Err(garbage(&self.open)) } else { other(text) };
        };
        let data = data.strip_prefix(' ').unwrap_or(data);
        if data.trim() == "[DONE]" {
            self.said_done = true;
            return Ok(true);
        }
        if !self.open.is_empty() {
            self.open.push('\n');
        }
        self.open.push_str(data);
        if let Ok(chunk) = serde_json::from_str::<Value>(&self.open) {
            self.open.clear();
            self.chunk(&chunk, at)?;
        }
        Ok(self.is_whole)
    }

    fn chunk(&mut self, chunk: &Value, at: Time) -> Result<(), TryError> {
        if let Some(what) = error_in(chunk) {
            return Err(TryError::Broken { what });
        }
        self.done.chunks.push(at);
        if anthropic::is_event(chunk) {
            self.is_whole |= anthropic::event(chunk, at, &mut self.done);
            return Ok(());
        }
        let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        self.done.model = self.done.model.take().or_else(|| text(chunk, "model"));
        self.done.id = self.done.id.take().or_else(|| text(chunk, "id"));
        let told = tokens(chunk);
        self.done.tokens = told.or(self.done.tokens);
        self.ends_with_usage = told.is_some_and(|t| t.usage.completion_tokens > 0);
        let choices = chunk.get("choices").and_then(Value::as_array);
        let Some(choice) = choices.and_then(|c| c.first()) else {
            self.is_whole = self.done.finish_reason.is_some() && told.is_some();
            return Ok(());
        };
        if let Some(delta) = choice.get("delta").or_else(|| choice.get("message")) {
            let content = delta.get("content").and_then(Value::as_str).unwrap_or_default();
            let says = ["content", "reasoning_content", "reasoning", "refusal"]
                .iter()
                .any(|key| delta.get(*key).and_then(Value::as_str).is_some_and(|s| !s.is_empty()));
            if says {
                self.done.first_token.get_or_insert(at);
                self.ends_with_usage = false;
            }
            self.refused |= refuses(delta);
            self.done.text.push_str(content);
        }
        self.done.finish_reason = text(choice, "finish_reason").or(self.done.finish_reason.take());
        self.is_whole = self.done.finish_reason.is_some() && told.is_some();
        Ok(())
    }

    /// The stream is at its end.
    fn end(self, why: &str) -> Result<Completion, TryError> {
        if self.is_whole || self.done.finish_reason.is_some() || self.said_done && !self.done.chunks.is_empty() {
            return Ok(checked(self.done, self.refused));
        }
        let what = if self.is_new {
            "the server sent an empty answer".to_owned()
        } else if self.said_done {
            "the stream had no chunk".to_owned()
        } else {
            format!("{why} after {} chunks without a finish reason", self.done.chunks.len())
        };
        Err(TryError::Broken { what })
    }
}

/// A line that is no data.
fn other(text: &str) -> Result<bool, TryError> {
    let field = text.split(':').next().unwrap_or_default();
    let known = text.is_empty() || text.starts_with(':') || matches!(field, "event" | "id" | "retry");
    if known { Ok(false) } else { Err(garbage(text)) }
}

/// Cut short by the client, once it is clean.
fn garbage(text: &str) -> TryError {
    TryError::Broken { what: format!("not a chat completion: {text:?}") }
}

/// What an error says that stands where a completion should.
fn error_in(value: &Value) -> Option<String> {
    let inner = value.get("error").filter(|e| !e.is_null());
    let whole = (value.get("object").and_then(Value::as_str) == Some("error")).then_some(value);
    Some(format!("the server sent an error: {}", message_of(inner.or(whole)?)))
}

/// Whether a message says that the model refuses.
fn refuses(message: &Value) -> bool {
    message.get("refusal").and_then(Value::as_str).is_some_and(|said| !said.is_empty())
}

/// A reply with text was billed for some completion; a usage that says otherwise tells nothing. One that only refuses
/// ended by that, whatever its finish reason says.
fn checked(mut done: Completion, refused: bool) -> Completion {
    let is_empty = done.text.trim().is_empty();
    if is_empty && refused {
        done.finish_reason = Some("refusal".to_owned());
    }
    done.tokens = done.tokens.filter(|t| t.usage.completion_tokens > 0 || is_empty);
    done
}

/// A reply that was not streamed.
fn document(bytes: &[u8]) -> Result<Completion, TryError> {
    let value: Value = serde_json::from_slice(bytes).map_err(|_| garbage(&String::from_utf8_lossy(bytes)))?;
    if let Some(what) = error_in(&value) {
        return Err(TryError::Broken { what });
    }
    if anthropic::is_message(&value) {
        return Ok(checked(anthropic::message(&value), false));
    }
    let choice = value.get("choices").and_then(Value::as_array).and_then(|c| c.first());
    let Some(message) = choice.and_then(|c| c.get("message")) else {
        return Err(garbage(&String::from_utf8_lossy(bytes)));
    };
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let done = Completion {
        text: text(message, "content").unwrap_or_default(),
        finish_reason: choice.and_then(|c| text(c, "finish_reason")),
        model: text(&value, "model"),
        id: text(&value, "id"),
        tokens: tokens(&value),
        first_token: None,
        chunks: Vec::new(),
    };
    Ok(checked(done, refuses(message)))
}

/// What an error object, or whatever stands in its place, says; with the words that name what it is about.
pub(super) fn message_of(error: &Value) -> String {
    let inner = error.get("error").unwrap_or(error);
    let said = inner.get("message").or_else(|| inner.get("detail")).unwrap_or(inner);
    let said = match said {
        Value::String(text) => text.clone(),
        other => return other.to_string(),
    };
    let words = ["param", "code", "type"].iter().filter_map(|key| inner.get(*key)?.as_str());
    let mut more: Vec<&str> = words.filter(|word| !word.is_empty() && !said.contains(word)).collect();
    more.dedup();
    if more.is_empty() { said } else { format!("{said} ({})", more.join(", ")) }
}

/// Tokens of a chunk or document; counts that contradict themselves are brought within each other. Without a count of
/// the prompt or of the completion, or with none of either, nothing was told.
fn tokens(value: &Value) -> Option<Tokens> {
    let usage = value.get("usage").filter(|u| u.is_object())?;
    let whole = |v: &Value| v.as_u64().or_else(|| v.as_f64().filter(|x| (0.0..1e15).contains(x)).map(|x| x as u64));
    let count = |path: &[&str]| path.iter().try_fold(usage, |v, key| v.get(*key)).and_then(whole);
    let prompt_tokens = count(&["prompt_tokens"]).filter(|n| *n > 0)?;
    let completion_tokens = count(&["completion_tokens"])?;
    let cached_tokens = count(&["prompt_tokens_details", "cached_tokens"]).unwrap_or(0).min(prompt_tokens);
    let reasoning = count(&["completion_tokens_details", "reasoning_tokens"]).map(|n| n.min(completion_tokens));
    let usage = Usage { prompt_tokens, cached_tokens, cache_write_tokens: 0, completion_tokens };
    Some(Tokens { usage, reasoning })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Completion, TryError> {
        let mut ticks = 0;
        read_reply(text.as_bytes(), || {
            ticks += 1;
            Ok(Time::from_nanos(ticks))
        })
    }

    const HALF: &str = "data: {\"id\":\"a\",\"model\":\"m\",\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\
                        \"\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"{\\\"x\\\"\"}}],\"usage\":null}\n\n";
    const REST: &str = "data: {\"choices\":[{\"delta\":{\"content\":\":1}\"},\"finish_reason\":\"stop\"}]}\n\n";
    const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":4,\
                         \"prompt_tokens_details\":{\"cached_tokens\":8},\"completion_tokens_details\":\
                         {\"reasoning_tokens\":1}}}\n\n";

    #[test]
    fn a_stream_is_put_together() {
        let reply = read(&format!(": hello\n\n{HALF}{REST}{USAGE}data: [DONE]\n\n")).unwrap();
        assert_eq!((reply.text.as_str(), reply.finish_reason.as_deref()), ("{\"x\":1}", Some("stop")));
        assert_eq!((reply.model.as_deref(), reply.id.as_deref()), (Some("m"), Some("a")));
        let tokens = reply.tokens.unwrap();
        assert_eq!((tokens.usage.prompt_tokens, tokens.usage.cached_tokens), (10, 8));
        assert_eq!(tokens.reasoning, Some(1));
        assert_eq!(reply.chunks.len(), 4);
        assert_eq!(reply.first_token, Some(reply.chunks[1]), "the first chunk says nothing");
    }

    #[test]
    fn line_ends_missing_done_and_missing_blank_lines_are_tolerated() {
        let whole = format!("{HALF}{REST}");
        assert_eq!(read(&whole).unwrap().tokens, None);
        assert_eq!(read(&whole.replace('\n', "\r\n")).unwrap().text, "{\"x\":1}");
        assert_eq!(read(&whole.replace("\n\n", "\n")).unwrap().text, "{\"x\":1}");
        assert_eq!(read(&whole.replace("data: ", "data:")).unwrap().text, "{\"x\":1}");
    }

    #[test]
    fn what_is_no_whole_completion_is_told() {
        let broken = |text: &str| read(text).unwrap_err().to_string();
        assert!(broken(HALF).contains("without a finish reason"));
        assert!(broken("").contains("empty"));
        assert!(broken("<html>busy</html>").contains("<html>"));
        assert!(broken("data: {\"choices\": [\n\n").contains("not a chat completion"));
        assert!(broken("data: {\"error\":{\"message\":\"overloaded\"}}\n\n").contains("overloaded"));
        assert!(broken("{\"choices\":[]}").contains("not a chat completion"));
        assert!(broken("{\"choices\":[").contains("not a chat completion"));
    }

    #[test]
    fn a_paid_reply_without_its_last_words_is_whole() {
        // Nothing is read after finish reason and usage: the connection may stay open for ever.
        let mut rest = format!("{HALF}{REST}{USAGE}");
        rest += ": nothing must ask for this line\n";
        let mut lines = 0;
        let reply = read_reply(rest.as_bytes(), || {
            lines += 1;
            Ok(Time::from_nanos(lines))
        });
        assert_eq!((reply.unwrap().text.as_str(), lines), ("{\"x\":1}", 7));
        // Usage as the last word of a body that ends cleanly.
        let unfinished = REST.replace("\"stop\"", "null");
        let reply = read(&format!("{HALF}{unfinished}{USAGE}")).unwrap();
        assert_eq!((reply.text.as_str(), reply.tokens.unwrap().usage.completion_tokens), ("{\"x\":1}", 4));
        // A first chunk with usage and a role is no end, and usage in every chunk says nothing about it.
        let usage = "\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":0}}\n";
        assert!(read(&format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"\"}}}}],{usage}")).is_err());
        let usage = "\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":1}}\n";
        assert!(read(&HALF.replace("\"usage\":null}\n", usage)).is_err());
    }

    #[test]
    fn usage_that_tells_nothing_is_not_told() {
        let of = |usage: &str| {
            let text = format!(
                "{{\"choices\":[{{\"message\":{{\"content\":\"hi\"}},\"finish_reason\":\"stop\"}}],\"usage\":{usage}}}"
            );
            read(&text).unwrap().tokens.map(|t| t.usage.completion_tokens)
        };
        assert_eq!(of("{\"prompt_tokens\":3,\"completion_tokens\":2.0}"), Some(2));
        assert_eq!(of("{\"prompt_tokens\":0,\"completion_tokens\":0}"), None);
        assert_eq!(of("{\"prompt_tokens\":3}"), None);
        assert_eq!(of("{\"prompt_tokens\":3,\"completion_tokens\":0}"), None);
    }

    #[test]
    fn errors_in_other_places_are_errors() {
        let engine = "data: {\"object\":\"error\",\"message\":\"engine is dead\",\"code\":500}\n\ndata: [DONE]\n\n";
        assert!(read(engine).unwrap_err().to_string().contains("engine is dead"));
        assert!(read("{\"object\":\"error\",\"message\":\"dead\"}").unwrap_err().to_string().contains("dead"));
        let error = serde_json::json!({"error": {"message": "Unknown parameter", "param": "response_format"}});
        assert_eq!(message_of(&error), "Unknown parameter (response_format)");
    }

    #[test]
    fn anthropic_events_make_a_message() {
        let events = [
            r#"{"type":"message_start","message":{"id":"msg_1","model":"claude","usage":{"input_tokens":10,
                "cache_read_input_tokens":80,"cache_creation_input_tokens":5,"output_tokens":1}}}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
            r#"{"type":"ping"}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"{\"x\""}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":":1}"}}"#,
            r#"{"type":"content_block_stop","index":0}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"output_tokens":9}}"#,
            r#"{"type":"message_stop"}"#,
        ];
        let lines = events.map(|e| format!("event: x\ndata: {}\n\n", e.replace('\n', " ")));
        let text = lines.concat();
        let reply = read(&text).unwrap();
        assert_eq!((reply.text.as_str(), reply.finish_reason.as_deref()), ("{\"x\":1}", Some("max_tokens")));
        assert_eq!((reply.model.as_deref(), reply.id.as_deref()), (Some("claude"), Some("msg_1")));
        let usage = reply.tokens.unwrap().usage;
        assert_eq!((usage.prompt_tokens, usage.cached_tokens, usage.cache_write_tokens), (95, 80, 5));
        assert_eq!(usage.completion_tokens, 9);
        let torn = text.split("event: x\ndata: {\"type\":\"message_delta\"").next().unwrap();
        assert!(read(torn).unwrap_err().to_string().contains("without a finish reason"));
        let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\
                     \"message\":\"Overloaded\"}}\n\n";
        assert!(read(error).unwrap_err().to_string().contains("Overloaded"));
        let whole = r#"{"type":"message","id":"m","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn",
            "usage":{"input_tokens":3,"output_tokens":2}}"#;
        let reply = read(&whole.replace('\n', " ")).unwrap();
        assert_eq!((reply.text.as_str(), reply.tokens.unwrap().usage.prompt_tokens), ("hi", 3));
    }

    #[test]
    fn a_refusal_is_its_own_reason() {
        let whole =
            "{\"choices\":[{\"message\":{\"content\":null,\"refusal\":\"I cannot\"},\"finish_reason\":\"stop\"}]}";
        let streamed = "data: {\"choices\":[{\"delta\":{\"refusal\":\"I cannot\"}}]}\n\n\
                        data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
        for text in [whole, streamed] {
            assert_eq!(read(text).unwrap().finish_reason.as_deref(), Some("refusal"), "{text}");
        }
    }

    #[test]
    fn a_document_is_read_as_well() {
        let text = "{\n \"model\":\"m\",\"choices\":[{\"message\":{\"content\":\"hi\"},\"finish_reason\":\"length\"}],\
                    \"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"prompt_tokens_details\":null}}";
        let reply = read(text).unwrap();
        assert_eq!((reply.text.as_str(), reply.finish_reason.as_deref()), ("hi", Some("length")));
        assert_eq!((reply.first_token, reply.tokens.unwrap().usage.completion_tokens), (None, 2));
    }
}
