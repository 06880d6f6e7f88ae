//! A call: who asks, why, about what, with which prompt; and what comes back.

use super::ids::{About, AgentId, FindingId, LineId, StoreId, SubtaskId};
use super::price::CostRole;
use crate::kernel::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::sync::Arc;

/// Why a call is made. Endpoints, prices by role and phases of agent time follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Split the task, or decide what a thread does next.
    Plan,
    /// Brief a worker (or all workers of a round).
    Dispatch,
    /// One reasoning step of a worker.
    Step,
    /// One tool run; no tokens.
    Tool,
    /// Compress a result into a gist.
    Gist,
    /// Judge an entry before it becomes readable.
    Verify,
    /// Choose which entries to read in full.
    Unfold,
    /// Summarise a delegation for whoever delegated it.
    Report,
    /// Shorten a context that outgrew its window.
    Compact,
    /// Take reports into the lead's context.
    Merge,
    /// Ask whether more subtasks are needed.
    MoreSubtasks,
    /// Write the answer.
    Finalize,
}

impl Purpose {
    /// All purposes, in the order of their codes.
    pub const ALL: [Self; 12] = [
        Self::Plan,
        Self::Dispatch,
        Self::Step,
        Self::Tool,
        Self::Gist,
        Self::Verify,
        Self::Unfold,
        Self::Report,
        Self::Compact,
        Self::Merge,
        Self::MoreSubtasks,
        Self::Finalize,
    ];

    /// Stable code in random addresses and digests.
    pub fn code(self) -> u16 {
        self as u16
    }

    /// Name in tables and TOML.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Dispatch => "dispatch",
            Self::Step => "step",
            Self::Tool => "tool",
            Self::Gist => "gist",
            Self::Verify => "verify",
            Self::Unfold => "unfold",
            Self::Report => "report",
            Self::Compact => "compact",
            Self::Merge => "merge",
            Self::MoreSubtasks => "more-subtasks",
            Self::Finalize => "finalize",
        }
    }

    /// Whose part it is: the one table for endpoints of live servers and of policies.
    pub fn seat(self) -> Seat {
        match self {
            Self::Plan | Self::Dispatch | Self::MoreSubtasks | Self::Merge | Self::Finalize => Seat::Lead,
            Self::Step | Self::Tool | Self::Gist | Self::Unfold | Self::Report | Self::Compact => Seat::Worker,
            Self::Verify => Seat::Verifier,
        }
    }

    /// What its tokens and its time are spent on: the one table for bills and phases of all worlds.
    pub fn role(self) -> CostRole {
        match self {
            Self::Step | Self::Unfold | Self::Compact | Self::Finalize => CostRole::Work,
            Self::Tool => CostRole::Tool,
            // A gist is what the gate judges: without a gate nobody would write one.
            Self::Gist | Self::Verify => CostRole::Verification,
            Self::Plan | Self::Dispatch | Self::Report | Self::Merge | Self::MoreSubtasks => CostRole::Coordination,
        }
    }
}

/// Whose part a call is: parts can be given to models of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seat {
    /// Who plans, hands out, asks for more, merges and writes the answer, be it a lead or a worker.
    Lead,
    /// Who works.
    Worker,
    /// Who judges.
    Verifier,
}

impl Seat {
    /// All seats.
    pub const ALL: [Self; 3] = [Self::Lead, Self::Worker, Self::Verifier];

    /// Name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lead => "lead",
            Self::Worker => "worker",
            Self::Verifier => "verifier",
        }
    }

    /// Its purposes.
    pub fn purposes(self) -> impl Iterator<Item = Purpose> {
        Purpose::ALL.into_iter().filter(move |purpose| purpose.seat() == self)
    }
}

/// What part a span plays in its prompt; decides which cost role its tokens have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SpanRole {
    /// Fixed instructions of the harness.
    Instructions,
    /// The task's own text, sources included.
    Task,
    /// A view of the shared context.
    Board,
    /// The agent's own history.
    History,
    /// Reports, briefs and digests that passed through a lead.
    Reports,
    /// What this call adds.
    New,
}

/// Handle of a span's content. Two spans with equal content share their common length as a prefix:
/// contents only grow at their end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// Instructions for one purpose, shared by all agents of a task.
    Instructions(Purpose),
    /// The task statement.
    Task,
    /// Source text of a subtask.
    Source(SubtaskId),
    /// Entries `first..version` of a store.
    View {
        /// The store.
        store: StoreId,
        /// First entry in the window.
        first: u32,
        /// One past the last entry.
        version: u32,
    },
    /// An agent's own history since its last fresh start.
    History {
        /// The agent.
        agent: AgentId,
        /// Counts fresh starts and compactions.
        epoch: u32,
    },
    /// One finding.
    Finding(FindingId),
    /// Fuller text that was unfolded for a subtask.
    Unfolded(SubtaskId),
    /// Text that no other call shares.
    Fresh,
}

/// One span of a prompt. Adjacent spans of equal content are one text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PromptSpan {
    /// What it is.
    pub content: Content,
    /// Its part in the prompt.
    pub role: SpanRole,
    /// Length.
    pub tokens: u32,
}

/// An ordered list of spans. Seven are in place: instructions, board, task, source, what was unfolded of it, history, new.
pub type Prompt = SmallVec<[PromptSpan; 7]>;

/// Total length of a prompt in tokens.
pub fn prompt_tokens(prompt: &Prompt) -> u64 {
    prompt.iter().map(|s| u64::from(s.tokens)).sum()
}

/// Who judges a `Verify` call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Judge {
    /// A model with the scenario's true and false positive rates.
    #[default]
    Model,
    /// The hidden truth, without cost.
    Oracle,
}

/// A request to an endpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Who asks.
    pub agent: AgentId,
    /// Why.
    pub purpose: Purpose,
    /// About what.
    pub about: About,
    /// Of what the prompt is made.
    pub prompt: Prompt,
    /// The finding to compress, judge or summarise, if the purpose has one.
    pub subject: Option<FindingId>,
    /// How many tokens the product's content may take (gist, report, brief, digest); 0 where the purpose has none.
    pub product_tokens: u32,
    /// Completion tokens that the policy asks for; 0 leaves them to the workload.
    pub completion_tokens: u32,
    /// How many things the call handles (reports of a merge, workers of a dispatch).
    pub items: u32,
    /// Runs beside the agent's own work, on a lane of its own.
    pub background: bool,
    /// Who judges, for `Verify`.
    pub judge: Judge,
}

impl Request {
    /// A request without product, subject or items; the usual starting point.
    pub fn new(agent: AgentId, purpose: Purpose, about: About, prompt: Prompt) -> Self {
        Self {
            agent,
            purpose,
            about,
            prompt,
            subject: None,
            product_tokens: 0,
            completion_tokens: 0,
            items: 0,
            background: false,
            judge: Judge::Model,
        }
    }
}

/// The kinds of findings a policy can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// A fact.
    Fact,
    /// A dead end.
    Fail,
    /// A candidate solution; ends its line.
    Patch,
    /// A worker's raw result.
    Result,
    /// A gist of a result.
    Gist,
    /// A report to a lead, or an unfinished hand-off.
    Report,
    /// A lead's brief for workers.
    Brief,
    /// What is left of a context after compaction.
    Digest,
    /// A final answer.
    Answer,
}

/// A finding as the policy sees it: a handle, a kind and a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Handle.
    pub id: FindingId,
    /// Kind.
    pub kind: FindingKind,
    /// Length in tokens.
    pub tokens: u32,
}

/// A list of subtasks with their dependencies, shared without copying.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SubtaskList {
    /// Id of the first subtask; the others follow.
    pub first: u32,
    /// How many.
    pub count: u32,
    /// Pairs (subtask, what it waits for), sorted by subtask.
    pub dependencies: Vec<(SubtaskId, SubtaskId)>,
    /// Tokens of each subtask's source unit.
    pub source_tokens: Vec<u32>,
}

/// What a thread's planner decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// Delegate once more.
    Delegate,
    /// Submit the line's candidate.
    Submit,
}

/// What a reply says: one variant per purpose, handles only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// To `Plan` on `divide`, and to `MoreSubtasks` (an empty list means done).
    Subtasks(Arc<SubtaskList>),
    /// To `Plan` on `search`.
    Decided(Decision),
    /// To `Dispatch`.
    Brief(Finding),
    /// To `Step`.
    Step {
        /// Notes to publish before the command runs.
        notes: SmallVec<[Finding; 2]>,
        /// A tool run follows.
        tool: bool,
        /// The delegation or subtask ends here with this.
        result: Option<Finding>,
    },
    /// To `Tool`.
    Observation {
        /// Tokens added to the agent's context.
        tokens: u32,
    },
    /// To `Gist`.
    Gist(Finding),
    /// To `Verify`.
    Verdict {
        /// Whether the entry may be read.
        accepted: bool,
    },
    /// To `Unfold`: tokens of fuller text put before the agent.
    Unfolded {
        /// Length of the fuller text.
        tokens: u32,
    },
    /// To `Report`.
    Report(Finding),
    /// To `Compact`.
    Digest(Finding),
    /// To `Merge`.
    Merged,
    /// To `Finalize`.
    Final(Finding),
}

impl Answer {
    /// Whether it is of the kind that calls for this purpose are answered with.
    pub fn fits(&self, purpose: Purpose) -> bool {
        match self {
            Self::Subtasks(list) => {
                matches!(purpose, Purpose::Plan | Purpose::MoreSubtasks)
                    && list.source_tokens.len() == list.count as usize
            }
            Self::Decided(_) => purpose == Purpose::Plan,
            Self::Brief(_) => purpose == Purpose::Dispatch,
            Self::Step { .. } => purpose == Purpose::Step,
            Self::Observation { .. } => purpose == Purpose::Tool,
            Self::Gist(_) => purpose == Purpose::Gist,
            Self::Verdict { .. } => purpose == Purpose::Verify,
            Self::Unfolded { .. } => purpose == Purpose::Unfold,
            Self::Report(_) => purpose == Purpose::Report,
            Self::Digest(_) => purpose == Purpose::Compact,
            Self::Merged => purpose == Purpose::Merge,
            Self::Final(_) => purpose == Purpose::Finalize,
        }
    }

    /// The findings that the answer names for the first time.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        let (many, one): (&[Finding], Option<&Finding>) = match self {
            Self::Step { notes, result, .. } => (notes, result.as_ref()),
            Self::Brief(f) | Self::Gist(f) | Self::Report(f) | Self::Digest(f) | Self::Final(f) => (&[], Some(f)),
            Self::Subtasks(_)
            | Self::Decided(_)
            | Self::Observation { .. }
            | Self::Verdict { .. }
            | Self::Unfolded { .. }
            | Self::Merged => (&[], None),
        };
        many.iter().chain(one)
    }
}

/// Billed tokens of a call. `cached + uncached = prompt`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// Prompt tokens, cached ones included.
    pub prompt_tokens: u64,
    /// Prompt tokens read from the cache.
    pub cached_tokens: u64,
    /// Prompt tokens written to the cache.
    pub cache_write_tokens: u64,
    /// Completion tokens.
    pub completion_tokens: u64,
}

impl Usage {
    /// Adds another call's usage.
    pub fn add(&mut self, other: &Self) {
        self.prompt_tokens += other.prompt_tokens;
        self.cached_tokens += other.cached_tokens;
        self.cache_write_tokens += other.cache_write_tokens;
        self.completion_tokens += other.completion_tokens;
    }
}

/// A successful reply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// What it says.
    pub answer: Answer,
    /// What it used.
    pub usage: Usage,
    /// From command to reply.
    pub sojourn: Span,
}

/// Why a call failed for good, after all transport retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CallError {
    /// The server failed on every try.
    Server,
    /// Every try ran into the time limit.
    Timeout,
    /// The rate limit held through every try.
    RateLimited,
}

/// What a team delivers: submissions in the order of their lines.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// One per submitting line.
    pub submissions: Vec<Submission>,
    /// How they count.
    #[serde(default, skip_serializing_if = "crate::model::is_default")]
    pub choice: Choice,
}

impl Outcome {
    /// Submissions of which each is graded.
    pub fn of(submissions: Vec<Submission>) -> Self {
        Self { submissions, choice: Choice::Each }
    }
}

/// How several submissions count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// Each is graded.
    #[default]
    Each,
    /// The one that most agree on is graded; lots decide between equals.
    Vote,
}

/// One graded submission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submission {
    /// Who submits.
    pub agent: AgentId,
    /// For which line.
    pub line: LineId,
    /// What, if there is anything.
    pub finding: Option<FindingId>,
}
