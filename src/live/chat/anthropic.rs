//! Replies of Anthropic's Messages API: streamed events, and the document that comes without streaming.
//!
//! ```text
//! message_start (id, model, prompt tokens) -> content_block_delta (text, thinking) .. -> message_delta (stop reason,
//! completion tokens) -> message_stop        ping: nothing        error: the try is broken
//! ```

use super::ending::{Completion, Tokens};
use crate::kernel::Time;
use crate::model::call::Usage;
use serde_json::Value;

/// Whether a chunk is an event of this API.
pub(super) fn is_event(chunk: &Value) -> bool {
    let kind = chunk.get("type").and_then(Value::as_str).unwrap_or_default();
    kind.starts_with("message_") || kind.starts_with("content_block_") || kind == "ping"
}

/// Whether a document is a message of this API.
pub(super) fn is_message(value: &Value) -> bool {
    value.get("type").and_then(Value::as_str) == Some("message") && value.get("content").is_some_and(Value::is_array)
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(Value::as_str).map(str::to_owned)
}

/// Takes an event; whether the message is whole.
pub(super) fn event(chunk: &Value, at: Time, done: &mut Completion) -> bool {
    match chunk.get("type").and_then(Value::as_str).unwrap_or_default() {
        "message_start" => {
            if let Some(message) = chunk.get("message") {
                (done.id, done.model) = (text(message, "id"), text(message, "model"));
                usage(message, done);
            }
        }
        "content_block_delta" => {
            let delta = chunk.get("delta").unwrap_or(&Value::Null);
            let says = ["text", "thinking"].iter().any(|key| text(delta, key).is_some_and(|said| !said.is_empty()));
            if says {
                done.first_token.get_or_insert(at);
            }
            done.text.push_str(&text(delta, "text").unwrap_or_default());
        }
        "message_delta" => {
            done.finish_reason = chunk.get("delta").and_then(|d| text(d, "stop_reason")).or(done.finish_reason.take());
            usage(chunk, done);
        }
        "message_stop" => return true,
        _ => {}
    }
    false
}

/// A message that was not streamed.
pub(super) fn message(value: &Value) -> Completion {
    let blocks = value.get("content").and_then(Value::as_array).into_iter().flatten();
    let mut done = Completion {
        text: blocks.filter_map(|block| text(block, "text")).collect(),
        finish_reason: text(value, "stop_reason"),
        model: text(value, "model"),
        id: text(value, "id"),
        ..Completion::default()
    };
    usage(value, &mut done);
    done
}

/// Takes in what an event tells of tokens; counts of the prompt come first, those of the completion grow. What was read
/// from and written to the cache stands beside the rest of the prompt.
fn usage(value: &Value, done: &mut Completion) {
    let Some(told) = value.get("usage").filter(|u| u.is_object()) else { return };
    let count = |key: &str| told.get(key).and_then(Value::as_u64);
    let mut usage = done.tokens.map(|t| t.usage).unwrap_or_default();
    let parts = ["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"].map(count);
    if let [Some(rest), read, written] = parts {
        let (read, written) = (read.unwrap_or(0), written.unwrap_or(0));
        usage = Usage {
            prompt_tokens: rest.saturating_add(read).saturating_add(written),
            cached_tokens: read,
            cache_write_tokens: written,
            ..usage
        };
    }
    usage.completion_tokens = count("output_tokens").unwrap_or(usage.completion_tokens);
    done.tokens = (usage.prompt_tokens > 0).then_some(Tokens { usage, reasoning: None });
}
