//! The four mechanisms of coordination and their settings. A named policy is a point of this space; a scenario may
//! move it (`[policy.NAME]`) or name a point of its own (`based_on`).

use crate::model::Limit;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

/// A point of the space with all its numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Who decides what runs next.
    pub control: Control,
    /// How a lead hands out work.
    pub dispatch: Dispatch,
    /// When a round is over.
    pub barrier: Barrier,
    /// What a worker can read of others.
    pub store: Store,
    /// What happens before an entry becomes readable.
    pub gate: Gate,
    /// Who delivers.
    pub finish: Finish,
    /// Workers used whatever N is; `"unlimited"` uses N.
    pub team: Limit,
    /// Calls a lead can have in flight at once (several leads).
    pub leads: u32,
    /// Whether a planning call opens the run.
    pub plan: bool,
    /// Whether reports are merged by a call of the lead.
    pub merge: bool,
    /// Whether a summary call turns a delegation into a report.
    pub report_call: bool,
    /// Whether somebody asks for more subtasks when all are done.
    pub ask_more: bool,
    /// At most this many requests for more subtasks.
    pub more_rounds: u32,
    /// Whether an answer is written at the end (`divide`).
    pub finalize: bool,
    /// Delegations per line.
    pub max_delegations: u32,
    /// Steps per delegation.
    pub max_steps: u32,
    /// Seconds after which unfinished lines submit what they have.
    pub deadline_s: Limit,
    /// Seconds between the starts of two workers.
    pub stagger_s: f64,
    /// Tokens of fixed instructions per call.
    pub instructions_tokens: u32,
    /// Tokens of the task statement.
    pub task_tokens: u32,
    /// Tokens of the instruction that a delegation starts with.
    pub delegation_tokens: u32,
    /// Tokens of a report or hand-off; 0 passes the raw result.
    pub report_tokens: u32,
    /// Tokens of a lead's brief.
    pub brief_tokens: u32,
    /// Tokens of a gist.
    pub gist_tokens: u32,
    /// Where a worker's prompt shows the board.
    pub board_place: BoardPlace,
    /// Newest tokens of the board that a step's prompt shows.
    pub board_window_tokens: Limit,
    /// Newest tokens of the board that a planner's prompt shows.
    pub planner_window_tokens: Limit,
    /// Context window; a prompt that would outgrow it is compacted first.
    pub window_tokens: Limit,
    /// Tokens left of what is compacted.
    pub digest_tokens: u32,
    /// Tokens left of steps that the memory limit compacts.
    pub memory_digest_tokens: u32,
    /// Steps after which a worker's history is compacted, as far as it is older than `keep_steps`.
    pub memory_steps: Limit,
    /// Newest steps that compaction leaves alone.
    pub keep_steps: u32,
    /// Tries of the gate after the first.
    pub gate_retries: u16,
    /// Times a subtask goes back to the queue after its gate gave up.
    pub requeues: u16,
    /// Whether an agent waits for the admission of its own result.
    pub admission_blocks_agent: bool,
    /// Whether agents unfold entries before they work.
    pub unfold: bool,
    /// When a dry queue asks for more.
    pub dry_policy: DryPolicy,
    /// Seconds that one write to the shared context takes (writes are serial).
    pub append_s: f64,
}

impl Settings {
    /// What kind of coordination this is.
    pub fn form(&self) -> Form {
        if self.control == Control::Lead || self.finish == Finish::Lead {
            Form::Central
        } else if self.store == Store::Shared {
            Form::Decentral
        } else {
            Form::Independent
        }
    }
}
