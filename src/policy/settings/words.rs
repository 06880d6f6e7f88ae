//! The words of the four mechanisms: control x store x gate x finish, and the small choices beside them.
//!
//! Invariant: a word stands for one thing under every form of control that knows it.

use crate::model::workload::WorkloadSpec;
use crate::model::workload::recorded::RecordedForm;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What there is to do, as a policy sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// Attempts at one solution, each a line of its own (`search`).
    Search,
    /// Subtasks of one question (`divide`, and work that was recorded of it).
    Divide,
}

impl Work {
    /// What a workload's policies work on.
    pub fn of(workload: &WorkloadSpec) -> Self {
        match workload {
            WorkloadSpec::Search(_) => Self::Search,
            WorkloadSpec::Divide(_) => Self::Divide,
            WorkloadSpec::Recorded(spec) => match spec.form {
                RecordedForm::Search => Self::Search,
                RecordedForm::Divide => Self::Divide,
            },
        }
    }
}

/// Who serves a policy's calls of one [seat](crate::model::call::Seat).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ServedBy {
    /// Whom the scenario's roles name.
    #[default]
    Role,
    /// This endpoint.
    Endpoint(String),
}

impl ServedBy {
    /// The word for the scenario's roles; no endpoint has this name.
    pub const ROLE: &'static str = "by-role";

    /// The endpoint, if the policy names one.
    pub fn endpoint(&self) -> Option<&str> {
        match self {
            Self::Role => None,
            Self::Endpoint(name) => Some(name),
        }
    }
}

impl Serialize for ServedBy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.endpoint().unwrap_or(Self::ROLE))
    }
}

impl<'de> Deserialize<'de> for ServedBy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Ok(if name == Self::ROLE { Self::Role } else { Self::Endpoint(name) })
    }
}

impl JsonSchema for ServedBy {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ServedBy".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Name of an endpoint; \"by-role\" leaves it to [roles].",
            "type": "string"
        })
    }
}

/// Who decides what runs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Control {
    /// Nobody: every worker follows its own line.
    None,
    /// Plain code: workers claim from a dependency queue.
    Queue,
    /// A model: a lead plans, dispatches and merges.
    Lead,
}

/// How a lead hands out work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Dispatch {
    /// One delegate at a time; the lead waits for each.
    Sequential,
    /// Rounds; one blocking call per worker before any worker starts.
    Serial,
    /// Rounds; one call per worker, each worker starts when its own call returns.
    Pipelined,
    /// Rounds; one call briefs all.
    Parallel,
    /// No rounds: each finished worker queues at the lead and goes on when its own call returns.
    Async,
}

/// When a round is over.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Barrier {
    /// When all workers are back.
    All,
    /// When the first is back; the others are cancelled.
    Any,
    /// When k are back; the others are cancelled.
    KOfN {
        /// How many.
        k: u32,
    },
    /// When all are back or the time is over; late workers are cancelled.
    Timeout {
        /// Seconds from the start of the round's first worker.
        seconds: f64,
    },
}

/// What a worker can read of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Store {
    /// Nothing.
    None,
    /// What the lead retells.
    Relay,
    /// What workers brought, in full, as far as the lead points to it: it hands out references.
    Artifacts,
    /// A shared context of admitted entries.
    Shared,
}

/// What happens before an entry becomes readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Gate {
    /// Nothing.
    None,
    /// Plain code: caps per author and type; no judgement.
    Rule,
    /// A model judges.
    Llm,
    /// The hidden truth judges, free of charge; an upper bound.
    Oracle,
}

/// Who delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Finish {
    /// Every line submits.
    Each,
    /// The last finisher writes one answer.
    Last,
    /// The lead writes one answer.
    Lead,
    /// The first line that has something submits it; the others are stopped.
    First,
    /// Of what the lines have, what most of them agree on is submitted.
    Vote,
    /// A model judges what each line has; the first that passes is submitted.
    Judge,
}

/// When a dry queue asks for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DryPolicy {
    /// As soon as nothing is eligible, even while others work.
    Immediate,
    /// When, besides, nobody works and no admission is pending.
    AllIdle,
}

/// Where a worker's prompt shows the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BoardPlace {
    /// Before task and history: cached while it only grows, but every change hides the history from the cache.
    Front,
    /// Behind the history: never cached, hides nothing.
    Tail,
}

/// What kind of coordination settings amount to; follows from the mechanisms, never from a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// Somebody decides or merges for all: a lead, or a single reducer of a queue.
    Central,
    /// No lead, and a shared context that all read: DeLM's kind.
    Decentral,
    /// Nobody hears of anybody.
    Independent,
}
