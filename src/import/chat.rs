//! Requests and responses of providers: OpenAI chat completions, responses and legacy completions, Anthropic messages,
//! Gemini contents. Headers are not read here, so none can leak.

use super::fault::Wrong;
use super::field::Field;
use super::session::{Draft, Tokens};
use crate::record::transcript::Message;
use crate::record::transcript::Status;
use serde_json::Value;

/// Parameters that are kept if they are plain values.
const PARAMETERS: &[&str] = &[
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "temperature",
    "top_p",
    "seed",
    "n",
    "stream",
    "frequency_penalty",
    "presence_penalty",
    "reasoning_effort",
    "parallel_tool_calls",
];

/// Reads a request's body.
pub(super) fn request(body: &Field<'_>, draft: &mut Draft) -> Result<(), Wrong> {
    draft.model = body.get("model").text()?.map(str::to_owned).or(draft.model.take());
    for system in ["instructions", "system", "systemInstruction", "system_instruction"] {
        let field = body.get(system);
        if field.is_some() {
            draft.messages.push(Message { role: "system".to_owned(), content: content(&field)? });
        }
    }
    let list = body.any(&["messages", "input", "contents", "prompt"]);
    match list.value {
        Value::String(text) => draft.messages.push(Message { role: "user".to_owned(), content: text.clone() }),
        _ => draft.messages.extend(messages(&list)?),
    }
    let tools = body.any(&["tools", "functions"]);
    if tools.value.as_array().is_some_and(|t| !t.is_empty()) {
        draft.tools_text = tools.value.to_string();
    }
    for name in PARAMETERS {
        let value = body.get(name).value;
        if value.is_number() || value.is_boolean() {
            draft.parameters.insert((*name).to_owned(), value.clone());
        }
    }
    if let Some(kind) = body.get("response_format").get("type").value.as_str() {
        draft.parameters.insert("response_format".to_owned(), kind.into());
    }
    Ok(())
}

/// Whether a body asks a language model for text.
pub(super) fn is_request(body: &Field<'_>) -> bool {
    let is_prompt = |key: &&str| match body.get(key).value {
        Value::Null => false,
        // Searches have `contents` too: options of theirs.
        Value::Object(parts) if *key == "contents" => parts.contains_key("parts"),
        _ => true,
    };
    ["messages", "input", "contents", "prompt"].iter().any(is_prompt) && !body.get("encoding_format").is_some()
}

/// A list of messages in any provider's form.
pub(super) fn messages(list: &Field<'_>) -> Result<Vec<Message>, Wrong> {
    list.list()?.iter().map(message).collect()
}

/// A message in any provider's form.
pub(super) fn message(field: &Field<'_>) -> Result<Message, Wrong> {
    if let Value::String(text) = field.value {
        return Ok(Message { role: "user".to_owned(), content: text.clone() });
    }
    field.need_object()?;
    let kind = field.get("type").value.as_str().unwrap_or("");
    let role = match (field.get("role").text()?, kind) {
        (Some("model"), _) | (None, "function_call" | "reasoning") => "assistant",
        (Some("function"), _) | (None, "function_call_output") => "tool",
        (Some(role), _) => role,
        (None, _) => "user",
    };
    let mut text = match kind {
        "function_call" => call_text(field),
        "function_call_output" => content(&field.get("output"))?,
        "reasoning" => content(&field.get("summary"))?,
        _ => content(&field.any(&["content", "parts", "text"]))?,
    };
    for tool in field.get("tool_calls").list()? {
        let inner = if tool.get("function").value.is_object() { tool.get("function") } else { tool };
        text = joined(text, &call_text(&inner));
    }
    if field.get("function_call").value.is_object() {
        text = joined(text, &call_text(&field.get("function_call")));
    }
    Ok(Message { role: role.to_owned(), content: text })
}

fn joined(mut text: String, more: &str) -> String {
    if !text.is_empty() && !more.is_empty() {
        text.push('\n');
    }
    text.push_str(more);
    text
}

/// A call of a tool as text, so that its tokens count.
fn call_text(call: &Field<'_>) -> String {
    let name = tool_name(call).unwrap_or("tool");
    let arguments = call.any(&["arguments", "input", "args"]).value;
    match arguments {
        Value::Null => format!("{name}()"),
        Value::String(text) => format!("{name}({text})"),
        other => format!("{name}({other})"),
    }
}

fn tool_name<'a>(call: &Field<'a>) -> Option<&'a str> {
    call.any(&["name", "function", "toolName", "tool_name"]).value.as_str()
}

/// Text of a content: text, or a list of parts; what is no text leaves its kind in brackets.
pub(super) fn content(field: &Field<'_>) -> Result<String, Wrong> {
    match field.value {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.clone()),
        Value::Array(_) => {
            let mut text = String::new();
            for part in field.list()? {
                text = joined(text, &content(&part)?);
            }
            Ok(text)
        }
        Value::Object(part) => {
            let kind = part.get("type").and_then(Value::as_str).unwrap_or("");
            if matches!(kind, "tool_use" | "tool-call" | "tool_call" | "function_call" | "server_tool_use") {
                return Ok(call_text(field));
            }
            for key in ["text", "thinking", "content", "reasoning", "output", "result", "response", "summary", "parts"]
            {
                let inner = field.get(key);
                if inner.is_some() {
                    return match inner.value {
                        Value::String(_) | Value::Array(_) => content(&inner),
                        other => Ok(other.to_string()),
                    };
                }
            }
            if field.get("functionCall").is_some() {
                return Ok(call_text(&field.get("functionCall")));
            }
            Ok(format!("[{}]", if kind.is_empty() { "part" } else { kind }))
        }
        _ => Err(field.wrong("text or a list of parts")),
    }
}

/// Reads what was asked and what came back in the free forms of tracing stores: messages, a request's body or text; a
/// message, a response's body or text.
pub(super) fn exchange(input: &Field<'_>, output: &Field<'_>, draft: &mut Draft) -> Result<(), Wrong> {
    let user = |content: String| Message { role: "user".to_owned(), content };
    match input.value {
        Value::Null => {}
        Value::String(text) => draft.messages.push(user(text.clone())),
        Value::Object(_) if is_request(input) => request(input, draft)?,
        Value::Object(_) if input.get("role").is_some() => draft.messages.push(message(input)?),
        Value::Array(list) if list.iter().all(Value::is_object) => draft.messages.extend(messages(input)?),
        other => draft.messages.push(user(other.to_string())),
    }
    match output.value {
        Value::Null => {}
        Value::String(text) => draft.text = Some(text.clone()),
        Value::Object(_) if ["choices", "candidates", "output"].iter().any(|key| output.get(key).is_some()) => {
            response(output, draft)?;
        }
        Value::Object(_) if ["content", "parts", "text", "tool_calls"].iter().any(|key| output.get(key).is_some()) => {
            reply(output, draft)?;
        }
        Value::Array(list) if !list.is_empty() && list.iter().all(Value::is_object) => {
            for one in output.list()? {
                reply(&one, draft)?;
            }
        }
        other => draft.text = Some(other.to_string()),
    }
    Ok(())
}

/// Reads a response's body (assembled, if it was streamed).
pub(super) fn response(body: &Field<'_>, draft: &mut Draft) -> Result<(), Wrong> {
    let error = body.get("error");
    if error.is_some() && !body.get("choices").is_some() {
        draft.status = Status::Failed;
        draft.finish_reason = error.any(&["type", "code", "status"]).value.as_str().map(str::to_owned);
        return Ok(());
    }
    let word = |field: Field<'_>| -> Result<Option<String>, Wrong> { Ok(field.text()?.map(str::to_owned)) };
    draft.reply_model =
        word(body.any(&["model", "modelVersion"]))?.filter(|m| !m.is_empty()).or(draft.reply_model.take());
    draft.reply_id = word(body.any(&["id", "responseId"]))?.filter(|id| !id.is_empty());
    let choice = body.any(&["choices", "candidates"]).at(0);
    if choice.is_some() {
        choice.need_object()?;
        draft.finish_reason = word(choice.any(&["finish_reason", "finishReason"]))?;
        let said = choice.any(&["message", "content"]);
        reply(&if said.is_some() { said } else { choice }, draft)?;
    }
    let output = body.get("output");
    if output.get("message").value.is_object() {
        // Bedrock's converse.
        reply(&output.get("message"), draft)?;
    }
    for item in if output.value.is_object() { Vec::new() } else { output.list()? } {
        match item.get("type").value.as_str() {
            Some("function_call" | "custom_tool_call") => tool(&item, draft),
            Some("message") | None => reply(&item, draft)?,
            Some(_) => {}
        }
    }
    if body.get("content").is_some() {
        reply(body, draft)?;
    }
    if draft.finish_reason.is_none() {
        draft.finish_reason = word(body.any(&["stop_reason", "stopReason", "status"]))?;
    }
    let used = body.any(&["usage", "usageMetadata", "usage_metadata"]);
    if used.is_some() {
        draft.tokens = usage(&used)?;
        draft.dollars = used.any(&["cost", "total_cost"]).positive()?.or(draft.dollars);
    }
    Ok(())
}

/// A call of a tool in a reply.
pub(super) fn tool(call: &Field<'_>, draft: &mut Draft) {
    if let Some(name) = tool_name(call) {
        draft.reply_tools.push(name.to_owned());
    }
    draft.reply_tools_text = joined(std::mem::take(&mut draft.reply_tools_text), &call_text(call));
}

/// Reads a message that came back: text, tools.
pub(super) fn reply(field: &Field<'_>, draft: &mut Draft) -> Result<(), Wrong> {
    field.need_object()?;
    let said = field.any(&["content", "parts", "text"]);
    let mut text = String::new();
    match said.value {
        Value::Array(_) => {
            for part in said.list()? {
                let kind = part.get("type").value.as_str().unwrap_or("");
                if matches!(kind, "tool_use" | "tool_call" | "tool-call") {
                    tool(&part, draft);
                } else if part.get("functionCall").is_some() {
                    tool(&part.get("functionCall"), draft);
                } else if !matches!(kind, "thinking" | "reasoning" | "redacted_thinking") {
                    text = joined(text, &content(&part)?);
                }
            }
        }
        _ => text = content(&said)?,
    }
    for call in field.get("tool_calls").list()? {
        let inner = if call.get("function").value.is_object() { call.get("function") } else { call };
        tool(&inner, draft);
    }
    if field.get("function_call").value.is_object() {
        tool(&field.get("function_call"), draft);
    }
    draft.text = Some(joined(draft.text.take().unwrap_or_default(), &text));
    Ok(())
}

/// Tokens in any provider's names. Anthropic's `input_tokens` leaves cached tokens out: they are added.
pub(super) fn usage(field: &Field<'_>) -> Result<Tokens, Wrong> {
    field.need_object()?;
    let details = field.any(&["prompt_tokens_details", "input_tokens_details"]);
    let read = field.any(&["cache_read_input_tokens", "input_tokens_cache_read", "cacheReadInputTokens"]).count()?;
    let write =
        field.any(&["cache_creation_input_tokens", "input_tokens_cache_write", "cacheWriteInputTokens"]).count()?;
    // Anthropic's tiers, where their sum is not told.
    let tiers = field.get("cache_creation");
    let tier = |name: &str| tiers.get(name).count();
    let tiers = (tier("ephemeral_5m_input_tokens")?, tier("ephemeral_1h_input_tokens")?);
    let write = write.or((tiers != (None, None)).then(|| tiers.0.unwrap_or(0) + tiers.1.unwrap_or(0)));
    let mut prompt = field.any(&["prompt_tokens", "input_tokens", "promptTokenCount", "inputTokens"]).count()?;
    let completion =
        field.any(&["completion_tokens", "output_tokens", "candidatesTokenCount", "outputTokens"]).count()?;
    let total = field.any(&["total_tokens", "totalTokenCount", "totalTokens"]).count()?;
    let beside = read.unwrap_or(0) + write.unwrap_or(0);
    let is_apart = !field.get("prompt_tokens").is_some() && !details.is_some() && beside > 0;
    if let Some(prompt) = prompt.as_mut().filter(|_| is_apart) {
        // A total that adds up without them says that the prompt has them already.
        let is_included = total == Some(*prompt + completion.unwrap_or(0));
        *prompt += if is_included { 0 } else { beside };
    }
    let told = field.any(&["cached_tokens", "prompt_cache_hit_tokens", "cachedContentTokenCount"]).count()?;
    let thoughts = field.any(&["reasoning_tokens", "thoughtsTokenCount"]).count()?;
    let inner = field.any(&["completion_tokens_details", "output_tokens_details"]).get("reasoning_tokens").count()?;
    // Gemini counts thoughts beside the candidates.
    let mut apart = field.get("thoughtsTokenCount").count()?.unwrap_or(0);
    if let Some(used) = field.get("toolUsePromptTokenCount").count()? {
        prompt = Some(prompt.unwrap_or(0) + used);
    }
    // Some providers of OpenAI's form count reasoning beside the completion, and some do not name it: the total tells.
    let mut reasoning = inner.or(thoughts);
    if field.get("prompt_tokens").is_some()
        && let (Some(total), Some(prompt), Some(completion)) = (total, prompt, completion)
        && let Some(rest) = total.checked_sub(prompt + completion).filter(|rest| *rest > 0)
        && beside == 0
    {
        apart = rest;
        reasoning = Some(reasoning.unwrap_or(0).max(rest));
    }
    Ok(Tokens {
        prompt,
        cached: details.get("cached_tokens").count()?.or(read).or(told).unwrap_or(0),
        cache_write: details.get("cache_write_tokens").count()?.or(write).unwrap_or(0),
        completion: completion.map(|n| n + apart).or((apart > 0).then_some(apart)),
        reasoning,
        estimated: false,
    })
}
