//! Helicone's exports of requests: bodies as they went over its gateway, when they came, and how long they took.

use super::fault::ImportError;
use super::mapping::Mapping;
use super::openai_log;
use super::source::Sample;
use super::{Importer, Out};
use std::path::Path;

/// Reads Helicone's logs.
pub(super) struct Helicone;

impl Importer for Helicone {
    fn name(&self) -> &'static str {
        "helicone"
    }

    fn reads(&self) -> &'static str {
        "Helicone requests (request_body, response_body, request_created_at, delay_ms)"
    }

    fn lacks(&self) -> &'static [&'static str] {
        &["who released a call: read from the times of a session's calls"]
    }

    fn detect(&self, sample: &Sample) -> Option<String> {
        let is = sample.has(&["request_body", "response_body"]) && sample.has(&["request_created_at"]);
        is.then(|| "fields request_body, response_body, request_created_at".to_owned())
    }

    fn read(&self, path: &Path, out: &mut Out<'_>) -> Result<(), ImportError> {
        self.read_all(&[path], out)
    }

    fn read_all(&self, paths: &[&Path], out: &mut Out<'_>) -> Result<(), ImportError> {
        let mapping = Mapping::default()
            .with(
                "session",
                &["request_properties.Helicone-Session-Id", "properties.Helicone-Session-Id", "session_id"],
            )
            .with(
                "agent",
                &["request_properties.Agent", "request_properties.agent", "properties.Agent", "properties.agent"],
            )
            .with("id", &["request_id"])
            .with("start", &["request_created_at"])
            .with("end", &[])
            .with("milliseconds", &["delay_ms"])
            .with("first_token_milliseconds", &["time_to_first_token"])
            .with("cost", &["cost_usd", "costUSD", "cost"])
            .with("model", &["request_model", "model", "response_model"]);
        openai_log::read_all(paths, &mapping, out)
    }
}
