//! LiteLLM: spend logs of its proxy (`LiteLLM_SpendLogs`) and the payloads of its callbacks. Costs are those that the
//! gateway reckoned; what its cache answered is no call of a model.

use super::fault::ImportError;
use super::field::Field;
use super::groups::{Groups, Seen};
use super::mapping::Mapping;
use super::openai_log::{self, stem};
use super::plain::{self, Call, Read};
use super::source::Sample;
use super::{Importer, Out};
use serde_json::Value;
use std::path::Path;

/// Reads LiteLLM's logs.
pub(super) struct LiteLlm;

/// Parts of `call_type` that are calls of a language model.
const CALLS: &[&str] = &["completion", "responses", "anthropic_messages", "generate_content"];

impl Importer for LiteLlm {
    fn name(&self) -> &'static str {
        "litellm"
    }

    fn reads(&self) -> &'static str {
        "LiteLLM spend logs and callback payloads (call_type, startTime, spend or response_cost)"
    }

    fn lacks(&self) -> &'static [&'static str] {
        &["who released a call: read from the times of a session's calls", "texts, where the proxy does not store them"]
    }

    fn detect(&self, sample: &Sample) -> Option<String> {
        let is = |cost: &str| sample.has(&["call_type", "startTime", cost]);
        ["response_cost", "spend"]
            .iter()
            .find(|cost| is(cost))
            .map(|cost| format!("fields call_type, startTime, {cost}"))
    }

    fn read(&self, path: &Path, out: &mut Out<'_>) -> Result<(), ImportError> {
        self.read_all(&[path], out)
    }

    fn read_all(&self, paths: &[&Path], out: &mut Out<'_>) -> Result<(), ImportError> {
        let mapping = Mapping::default()
            .with("session", &["session_id", "metadata.session_id", "trace_id", "metadata.trace_id"])
            .with("agent", &["metadata.agent_name", "metadata.agent", "metadata.requester_metadata.agent", "agent_id"])
            .with("id", &["id", "request_id"])
            .with("at", &[])
            .with("milliseconds", &[])
            .with("seconds", &["response_time"])
            .with("duration", &[])
            .with("cost", &["response_cost", "spend"]);
        let mapping = mapping.tell("prompt_tokens", "prompt_tokens").tell("completion_tokens", "completion_tokens");
        let mut groups: Groups<Call> = Groups::new();
        let mut seen = Seen::default();
        for path in paths {
            let stem = groups.unused(&stem(path));
            groups.each_record(path, out, |groups, _, mut value, out| {
                let kind = value.get("call_type").and_then(Value::as_str).unwrap_or("completion");
                if !CALLS.iter().any(|call| kind.contains(call)) {
                    out.left_out("embeddings, images and other services");
                    return Ok(());
                }
                mend(&mut value);
                match plain::call(&Field::root(&value), &mapping)? {
                    Read::Call(_) if !seen.is_new(&value) => {}
                    Read::Call(call) => openai_log::keep(groups, &stem, *call),
                    Read::Other(kind) => out.left_out(kind),
                }
                Ok(())
            })?;
        }
        if let Some(path) = paths.last() {
            seen.tell(path, out);
        }
        openai_log::write(groups, out)
    }
}

/// A table keeps objects as text, and `{}` for what is not stored; the usage stands in the metadata too.
fn mend(value: &mut Value) {
    let Some(record) = value.as_object_mut() else { return };
    for key in ["messages", "response", "metadata"] {
        if let Some(Value::String(text)) = record.get(key)
            && let Ok(found @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str(text)
        {
            record.insert(key.to_owned(), found);
        }
        if record.get(key).is_some_and(|found| found.as_object().is_some_and(serde_json::Map::is_empty)) {
            record.remove(key);
        }
    }
    let usage = record.get("metadata").and_then(|metadata| metadata.get("usage_object")).cloned();
    if let Some(usage) = usage.filter(Value::is_object)
        && record.get("response").is_none_or(|response| response.get("usage").is_none())
    {
        record.insert("usage".to_owned(), usage);
    }
}
