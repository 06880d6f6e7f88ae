//! The lines of a transcript. `docs/transcript.md` says what each means to a reader who has only the file.

use super::class::CallClass;
use super::tries::{Billed, DispatchLine, UnreadableLine};
use super::usage::UsageLine;
use crate::model::call::{Answer, CallError, Content, Judge, Purpose, SpanRole};
use crate::model::ids::{About, AgentId, CallId, TaskId};
use crate::model::note::Phase;
use crate::model::price::Roles;
use crate::record::trace::{Bill, Told};
use crate::record::transcript::Message;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the first line calls the format.
pub const FORMAT: &str = "delm-sim-transcript";
/// The version this build reads and writes.
pub const VERSION: u32 = 1;

/// One line, told apart by its key `record`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "record", rename_all = "kebab-case")]
pub enum Line {
    /// The first line of a file.
    Header(Header),
    /// A run begins; what follows belongs to it until the next one begins.
    Run(RunLine),
    /// A task arrived.
    Arrival(ArrivalLine),
    /// A try is about to leave (live runs only): what may be billed even if no reply is ever recorded.
    Dispatch(DispatchLine),
    /// A reply came that could not be read (live runs only): it was paid for and is kept.
    Unreadable(Box<UnreadableLine>),
    /// A call ended.
    Call(Box<CallLine>),
    /// A timer of the policy ran out.
    Timer(TimerLine),
    /// A task is over.
    Finish(FinishLine),
    /// A run ended.
    End(EndLine),
}

/// Where the numbers of a transcript are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Simulated time and sampled answers.
    Simulated,
    /// Real calls of this program.
    Measured,
    /// Another program's records.
    Imported,
}

/// The first line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Header {
    /// Always `delm-sim-transcript`.
    pub format: String,
    /// Version of the format.
    pub version: u32,
    /// Program and version that wrote the file.
    pub program: String,
    /// Where the numbers are from.
    pub origin: Origin,
    /// For imports: the name of the format they were read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported_from: Option<String>,
    /// The scenario as it was run, presets expanded; absent in imports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<serde_json::Value>,
    /// For real calls: model, address without secrets, sampling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<serde_json::Value>,
    /// Names of the endpoints, in the order of their numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<String>,
    /// What the source did not tell, in words, for the whole file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

impl Header {
    /// A header of this version.
    pub fn new(origin: Origin) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            program: concat!("delm-sim ", env!("CARGO_PKG_VERSION")).to_owned(),
            origin,
            imported_from: None,
            scenario: None,
            live: None,
            endpoints: Vec::new(),
            missing: Vec::new(),
        }
    }
}

/// A run: one policy at one team size on one draw of the tasks, or one recorded session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunLine {
    /// Number of the run in the file, from 0.
    pub run: u64,
    /// Name of the session, for imports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Policy; absent in imports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Team size that was asked for.
    pub agents: u32,
    /// Replication.
    pub replication: u64,
    /// Task instances.
    pub tasks: u32,
    /// Workers of a team; agents are numbered workers first, then leads.
    pub workers: u32,
    /// Leads of a team.
    pub leads: u32,
    /// Lines of solution of a team.
    pub lines: u32,
    /// Names of the agents, for imports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agent_names: Vec<String>,
    /// When the run began, for real calls and imports that tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_unix_ms: Option<u64>,
    /// What the source did not tell of this run, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

/// A task arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ArrivalLine {
    /// Task.
    pub task: u32,
    /// When, from the start of the run.
    pub at_ns: u64,
    /// Number of the trace record.
    pub seq: u64,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It was answered.
    Ok,
    /// It failed for good.
    Failed,
    /// It was cancelled.
    Cancelled,
    /// It was under way when the run was stopped.
    Open,
}

/// What releases a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Release {
    /// The arrival of the task.
    Arrival,
    /// The dispatch of a call.
    Dispatch,
    /// The completion of a call.
    Completion,
}

/// One of the things that must have happened before a call could be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Dependency {
    /// What.
    pub on: Release,
    /// Of which call of the same task; absent for the arrival.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<u64>,
    /// Time between that and the call (tools, people, timers); 0 unless it is the immediate cause.
    pub gap_ns: u64,
}

/// A part of a prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LayoutSpan {
    /// Handle of the content.
    pub content: Content,
    /// Its part in the prompt.
    pub role: SpanRole,
    /// Length (an estimate where text is real).
    pub tokens: u32,
    /// Hash of the text, where there is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// What was asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RequestLine {
    /// Model asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Messages, where there is text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<Message>,
    /// Sampling and form: `max_tokens`, `temperature`, `seed`, `response_format`, ...
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, serde_json::Value>,
    /// Of what the prompt is made.
    #[serde(default)]
    pub layout: Vec<LayoutSpan>,
    /// The finding to compress, judge or summarise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<u32>,
    /// Tokens that the product may take.
    #[serde(default, skip_serializing_if = "crate::model::is_default")]
    pub product_tokens: u32,
    /// Completion tokens asked for.
    #[serde(default, skip_serializing_if = "crate::model::is_default")]
    pub completion_tokens: u32,
    /// Things the call handles.
    #[serde(default, skip_serializing_if = "crate::model::is_default")]
    pub items: u32,
    /// Who judges.
    #[serde(default, skip_serializing_if = "is_model")]
    pub judge: Judge,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_model(judge: &Judge) -> bool {
    *judge == Judge::Model
}

/// What came back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ResponseLine {
    /// Text, where there is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Text of a first reply that could not be read and was asked for again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable_text: Option<String>,
    /// What the policy was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
    /// `stop`, `length`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<String>,
    /// How the last try ended; absent where nobody classed it (simulated and imported calls, plain code, older versions).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<CallClass>,
    /// Model that answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The provider's name of the reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Names of the tools that the reply asks for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
}

/// Dollars of a call, all tries.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CostLine {
    /// By role, in 10^-12 dollars.
    pub picodollars: Roles,
    /// Where the price is from: `scenario`, `provider`, `none` (nobody tells it), ...
    pub source: String,
}

/// Source of a price that nobody tells.
const NOBODY: &str = "none";

impl CostLine {
    /// A cost that nobody tells.
    pub fn unknown() -> Self {
        Self { picodollars: Roles::default(), source: NOBODY.to_owned() }
    }

    /// Whether the dollars are known; 0 is not unknown.
    pub fn is_known(&self) -> bool {
        self.source != NOBODY
    }
}

/// A stage in the life of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The policy asked for it.
    Called,
    /// It waits for a slot or a limit.
    Waits(Phase),
    /// A try starts.
    Served,
    /// A try failed.
    TryFailed(CallError),
    /// It was answered.
    Replied,
    /// It failed for good.
    Failed(CallError),
    /// It was cancelled.
    Cancelled,
}

/// When a stage began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Moment {
    /// When, from the start of the run.
    pub at_ns: u64,
    /// Number of the trace record.
    pub seq: u64,
    /// What.
    pub stage: Stage,
}

/// A call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CallLine {
    /// Task.
    pub task: u32,
    /// Number of the call in its task, in the order of asking.
    pub call: u64,
    /// Content key: what is asked, never when or in which order.
    pub key: String,
    /// Who asks.
    pub agent: u32,
    /// Why.
    pub purpose: Purpose,
    /// About what: line, subtask, attempt, step.
    pub about: About,
    /// Runs beside the agent's own work.
    #[serde(default, skip_serializing_if = "crate::model::is_default")]
    pub background: bool,
    /// Name of the endpoint.
    pub endpoint: String,
    /// What must have happened before.
    #[serde(default)]
    pub released_by: Vec<Dependency>,
    /// When the policy asked for it, from the start of the run.
    pub intended_ns: u64,
    /// When its first try left; absent if none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispatched_ns: Option<u64>,
    /// When the first token of the last try came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_token_ns: Option<u64>,
    /// When each chunk of the last try came, if it was streamed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chunks_ns: Vec<u64>,
    /// When it ended; absent while open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_ns: Option<u64>,
    /// What was asked.
    pub request: RequestLine,
    /// What came back, if anything did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<ResponseLine>,
    /// Tokens of the last try.
    pub usage: UsageLine,
    /// Tokens of all tries, where they differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billed: Option<UsageLine>,
    /// Beyond that, the most that tries can have been billed whose end nobody saw (timeouts, lost connections,
    /// cancellations).
    #[serde(default, skip_serializing_if = "crate::model::is_default")]
    pub possibly_billed: Billed,
    /// How it ended.
    pub status: Status,
    /// Tries after the first.
    #[serde(default, skip_serializing_if = "crate::model::is_default")]
    pub retries: u32,
    /// Dollars.
    pub cost: CostLine,
    /// What it worked on had been discovered by another line.
    #[serde(default, skip_serializing_if = "crate::model::is_default")]
    pub duplicate: bool,
    /// Its stages, oldest first; empty in imports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub moments: Vec<Moment>,
    /// Fields of this line that the source does not tell and that were estimated or left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

impl CallLine {
    /// The call as the records of a trace name it.
    pub fn told(&self) -> Told {
        let Self { task, call, agent, purpose, background, about, .. } = *self;
        Told { task: TaskId(task), call: CallId(call), agent: AgentId(agent), purpose, background, about }
    }

    /// What all its tries were billed.
    pub fn bill(&self) -> Bill {
        Bill { cost: self.cost.picodollars, usage: self.billed.unwrap_or(self.usage).into() }
    }
}

/// A timer of the policy ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TimerLine {
    /// Task.
    pub task: u32,
    /// Timer.
    pub timer: u32,
    /// When, from the start of the run.
    pub at_ns: u64,
    /// Number of the trace record.
    pub seq: u64,
}

/// A task is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FinishLine {
    /// Task.
    pub task: u32,
    /// When, from the start of the run.
    pub at_ns: u64,
    /// Number of the trace record.
    pub seq: u64,
    /// Right or wrong, per submission.
    pub right: Vec<bool>,
    /// Named numbers of the hidden truth.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<(String, f64)>,
    /// Findings that are unsupported or wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unsupported: Vec<u32>,
    /// Submitted findings that are right.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub right_findings: Vec<u32>,
}

/// A run ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EndLine {
    /// Calls of the run.
    pub calls: u64,
    /// From the start of the run to its last record.
    pub makespan_ns: u64,
    /// Whether the run came to its own end.
    pub complete: bool,
    /// Digest of the trace, for runs of this program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Why the measured times are not to be trusted, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid: Option<String>,
}
