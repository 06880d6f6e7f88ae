//! Amazon's event stream: frames of bytes with JSON in them, as Bedrock streams its answers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Bytes before and after the parts of a frame: lengths and a checksum; a checksum.
const PRELUDE: usize = 12;
const AFTER: usize = 4;

/// The body of a streamed answer as it would have come at once; `None` if these are no such frames.
pub(super) fn assemble(bytes: &[u8]) -> Option<Value> {
    let events = events(bytes)?;
    // Other makers' events stand inside, each in base64.
    let inner: Vec<String> = events
        .iter()
        .filter_map(|event| String::from_utf8(STANDARD.decode(event.get("bytes")?.as_str()?).ok()?).ok())
        .map(|event| format!("data: {event}"))
        .collect();
    if !inner.is_empty() {
        return super::stream::assemble(&inner.join("\n"));
    }
    let (mut text, mut stop, mut usage) = (String::new(), Value::Null, Value::Null);
    let mut tools: Vec<(Value, String)> = Vec::new();
    for event in &events {
        if let Some(delta) = event.get("delta") {
            text.push_str(delta.get("text").and_then(Value::as_str).unwrap_or(""));
            let input = delta.get("toolUse").and_then(|tool| tool.get("input")).and_then(Value::as_str);
            if let (Some(input), Some((_, arguments))) = (input, tools.last_mut()) {
                arguments.push_str(input);
            }
        }
        if let Some(tool) = event.get("start").and_then(|start| start.get("toolUse")) {
            tools.push((tool.get("name").cloned().unwrap_or(Value::Null), String::new()));
        }
        if let Some(reason) = event.get("stopReason") {
            stop = reason.clone();
        }
        if let Some(told) = event.get("usage") {
            usage = told.clone();
        }
    }
    let tools: Vec<Value> =
        tools.into_iter().map(|(name, arguments)| json!({"name": name, "arguments": arguments})).collect();
    let message = json!({"role": "assistant", "content": [{"text": text}], "tool_calls": tools});
    Some(json!({"output": {"message": message}, "stopReason": stop, "usage": usage}))
}

/// The JSON of the frames; a last one that was cut off is left out.
fn events(bytes: &[u8]) -> Option<Vec<Value>> {
    let number = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize);
    let mut events = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let (Some(all), Some(heads)) = (number(at), number(at + 4)) else { break };
        let body = at + PRELUDE + heads;
        if all < PRELUDE + heads + AFTER {
            return None;
        }
        let Some(payload) = bytes.get(body..at + all - AFTER) else { break };
        events.push(serde_json::from_slice(payload).ok().filter(Value::is_object)?);
        at += all;
    }
    (!events.is_empty()).then_some(events)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(event: &Value) -> Vec<u8> {
        let body = event.to_string();
        let mut bytes = ((PRELUDE + body.len() + AFTER) as u32).to_be_bytes().to_vec();
        bytes.extend([0; 8]);
        bytes.extend(body.as_bytes());
        bytes.extend([0; 4]);
        bytes
    }

    #[test]
    fn frames_become_one_answer() {
        let events = [
            json!({"delta": {"text": "No"}}),
            json!({"delta": {"text": "rth"}}),
            json!({"stopReason": "end_turn"}),
            json!({"usage": {"inputTokens": 50, "outputTokens": 254, "totalTokens": 304}}),
        ];
        let bytes: Vec<u8> = events.iter().flat_map(frame).collect();
        let body = assemble(&bytes).unwrap();
        assert_eq!(body["output"]["message"]["content"][0]["text"], "North");
        assert_eq!(body["usage"]["outputTokens"], 254);
        assert!(assemble(b"plain text that is no frame").is_none());
    }
}
