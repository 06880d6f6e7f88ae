//! Portkey's exports of logs: bodies as they went over its gateway, when the log was written, and how long the call took.

use super::fault::ImportError;
use super::mapping::Mapping;
use super::openai_log;
use super::source::Sample;
use super::{Importer, Out};
use std::path::Path;

/// Reads Portkey's logs.
pub(super) struct Portkey;

impl Importer for Portkey {
    fn name(&self) -> &'static str {
        "portkey"
    }

    fn reads(&self) -> &'static str {
        "Portkey logs (request, response, trace_id, response_time in milliseconds)"
    }

    fn lacks(&self) -> &'static [&'static str] {
        &["who released a call: read from the times of a session's calls"]
    }

    fn detect(&self, sample: &Sample) -> Option<String> {
        let is = sample.has(&["request", "response", "response_time"])
            && ["cost_currency", "ai_org", "cache_status", "ai_model", "prompt_slug"]
                .iter()
                .any(|key| sample.has(&[key]));
        is.then(|| "fields request, response, response_time, and one of Portkey's own".to_owned())
    }

    fn read(&self, path: &Path, out: &mut Out<'_>) -> Result<(), ImportError> {
        self.read_all(&[path], out)
    }

    fn read_all(&self, paths: &[&Path], out: &mut Out<'_>) -> Result<(), ImportError> {
        let mapping = Mapping::default()
            .with("session", &["metadata.session_id", "metadata.conversation_id", "trace_id"])
            .with("agent", &["metadata.agent", "metadata.agent_name", "span_name"])
            .with("id", &["span_id", "id"])
            .with("parent", &[])
            .with("at", &["created_at"])
            .with("milliseconds", &["response_time"])
            .with("duration", &[])
            .with("cache_hit", &["cache_status"])
            .with("model", &["ai_model", "model"]);
        openai_log::read_all(paths, &mapping, out)
    }
}
