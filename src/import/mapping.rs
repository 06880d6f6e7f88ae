//! Which field of a record means what: the usual names of plain logs, and a map for anything else (`--map
//! session=workflow,parent=depends_on,..`). A name may lead into objects, as in `metadata.session_id`.

use super::field::Field;

/// What a field of a record can mean: name for `--map`, meaning, and the names that are known without a map.
pub const TARGETS: &[(&str, &str, &[&str])] = &[
    (
        "session",
        "which calls belong together",
        &[
            "session_id",
            "sessionId",
            "session",
            "conversation_id",
            "thread_id",
            "trace_id",
            "traceId",
            "run_id",
            "workflow_id",
            "workflow",
            "metadata.session_id",
            "metadata.conversation_id",
            "metadata.thread_id",
            "metadata.trace_id",
            "metadata.run_id",
            "metadata.workflow_id",
            "metadata.workflow",
        ],
    ),
    (
        "agent",
        "who asked",
        &[
            "agent",
            "agent_name",
            "agent_role",
            "agent_id",
            "metadata.agent",
            "metadata.agent_name",
            "metadata.agent_role",
            "metadata.agent_id",
        ],
    ),
    (
        "id",
        "name of the call, for `parent`",
        &["id", "call_id", "span_id", "request_id", "metadata.id", "metadata.call_id"],
    ),
    (
        "purpose",
        "why it was asked: plan, dispatch, step, gist, verify, unfold, report, compact, merge, more-subtasks, finalize",
        &["purpose", "metadata.purpose"],
    ),
    (
        "parent",
        "names of the calls that it waited for: one, or a list",
        &[
            "depends_on",
            "parent_ids",
            "parents",
            "parent_id",
            "parent_call_id",
            "parent_span_id",
            "metadata.depends_on",
            "metadata.parent_id",
        ],
    ),
    (
        "start",
        "when it was sent",
        &["started_at", "start_time", "startTime", "start_ts", "start", "request_time", "sent_at", "dispatched_at"],
    ),
    (
        "end",
        "when it was answered",
        &["ended_at", "end_time", "endTime", "end_ts", "end", "completed_at", "finished_at"],
    ),
    (
        "at",
        "a moment of which nobody says what it is: the end, unless durations show otherwise",
        &["timestamp", "ts", "time", "created_at"],
    ),
    (
        "first_token",
        "when its first token came",
        &["completionStartTime", "completion_start_time", "first_token_at", "first_token_time"],
    ),
    ("seconds", "how long it took, in seconds", &["latency_s", "duration_s", "elapsed_s", "e2e_s"]),
    (
        "duration",
        "how long it took, in a unit that nobody names: seconds, from 100 on milliseconds",
        &["latency", "duration", "elapsed", "response_time"],
    ),
    (
        "milliseconds",
        "how long it took, in milliseconds",
        &["latency_ms", "duration_ms", "elapsed_ms", "response_ms", "e2e_ms"],
    ),
    ("first_token_seconds", "how long its first token took", &["ttft_s", "time_to_first_token_s", "ttft"]),
    ("first_token_milliseconds", "the same in milliseconds", &["ttft_ms", "time_to_first_token_ms"]),
    ("request", "the request's body", &["request", "request_body", "kwargs"]),
    ("response", "the response's body, or its text", &["response", "response_body", "completion", "output"]),
    ("model", "the model", &["model", "model_name"]),
    ("prompt_tokens", "tokens of the prompt, cached ones included", &[]),
    ("cached_tokens", "of them, read from a cache", &[]),
    ("completion_tokens", "tokens of the answer, reasoning included", &[]),
    ("reasoning_tokens", "of them, reasoning", &[]),
    ("cost", "dollars", &["cost", "cost_usd", "response_cost", "total_cost", "total_cost_usd", "spend"]),
    ("cache_hit", "true where a gateway's cache answered", &["cache_hit", "cacheHit", "metadata.cache_hit"]),
];

/// The fields of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// By [`TARGETS`].
    names: Vec<Vec<String>>,
    /// Targets that were given by hand.
    told: Vec<bool>,
}

impl Default for Mapping {
    fn default() -> Self {
        let names = TARGETS.iter().map(|(_, _, names)| names.iter().map(|n| (*n).to_owned()).collect()).collect();
        Self { names, told: vec![false; TARGETS.len()] }
    }
}

impl Mapping {
    /// Reads `target=field,target=field`.
    ///
    /// # Errors
    /// A target that there is not, a part without `=`, or a target given twice.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut mapping = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let known = || TARGETS.iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(", ");
            let Some((target, field)) = part.split_once('=') else {
                return Err(format!("`{part}`: expected target=field; targets: {}", known()));
            };
            let (target, field) = (target.trim(), field.trim());
            let Some(place) = TARGETS.iter().position(|(name, ..)| *name == target) else {
                return Err(format!("`{target}`: no such target; known: {}", known()));
            };
            if field.is_empty() {
                return Err(format!("`{target}`: name the field that means it"));
            }
            if std::mem::replace(&mut mapping.told[place], true) {
                return Err(format!("`{target}`: given twice; one field means it"));
            }
            mapping.names[place] = vec![field.to_owned()];
        }
        Ok(mapping)
    }

    /// With other names for a target.
    #[must_use]
    pub(super) fn with(mut self, target: &str, names: &[&str]) -> Self {
        self.names[place(target)] = names.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    /// As if a target had been given by hand.
    #[must_use]
    pub(super) fn tell(self, target: &str, name: &str) -> Self {
        let mut mapping = self.with(target, &[name]);
        mapping.told[place(target)] = true;
        mapping
    }

    /// Whether a target was given by hand.
    pub(super) fn is_told(&self, target: &str) -> bool {
        self.told[place(target)]
    }

    /// Whether any target was given by hand.
    pub(super) fn is_any_told(&self) -> bool {
        self.told.contains(&true)
    }

    /// What was given by hand: target and field.
    pub(super) fn told(&self) -> Vec<(&'static str, &str)> {
        let told = TARGETS.iter().zip(&self.names).zip(&self.told).filter(|(_, told)| **told);
        told.filter_map(|(((target, ..), names), _)| Some((*target, names.first()?.as_str()))).collect()
    }

    /// The field of a record that means this; absent if there is none.
    pub(super) fn get<'a>(&self, record: &Field<'a>, target: &str) -> Field<'a> {
        let names = &self.names[place(target)];
        let found = names.iter().map(|name| at(record, name)).find(Field::is_some);
        found.unwrap_or_else(|| at(record, names.first().map_or("", String::as_str)))
    }
}

fn place(target: &str) -> usize {
    TARGETS.iter().position(|(name, ..)| *name == target).expect("targets are named as in the table")
}

/// A field by its name, or by the way to it.
fn at<'a>(record: &Field<'a>, name: &str) -> Field<'a> {
    let own = record.get(name);
    if own.is_some() || !name.contains('.') {
        return own;
    }
    name.split('.').fold(record.clone(), |field, part| match part.parse::<usize>() {
        Ok(index) if field.value.is_array() => field.at(index),
        _ => field.get(part),
    })
}
