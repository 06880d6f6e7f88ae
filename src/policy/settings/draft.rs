//! A draft: every setting there is, with a value, before it is known which of them the point reads. This is the
//! document's form; its keys are the keys of `[policy.NAME]` and `[all_policies]`.
//!
//! Invariant: a draft decides nothing; what a point reads is what [`Settings`](super::Settings) keeps of it.

use super::words::{Barrier, BoardPlace, Control, Dispatch, DryPolicy, Finish, Gate, ServedBy, Store};
use crate::model::Limit;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// All settings, read or not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Draft {
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
    /// Workers of one run: the team is split into runs that never hear of each other, each with a lead or a board of its
    /// own; `"unlimited"` is one run of all.
    pub run_workers: Limit,
    /// Whether one worker has the budgets of all N, one after the other.
    pub pool_budgets: bool,
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
    /// Tokens of a reference to what is stored.
    pub reference_tokens: u32,
    /// Tokens of what a line has, as a judge of the finish reads it.
    pub candidate_tokens: u32,
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
    /// Endpoint of the calls that plan, hand out, ask for more, merge and write the answer; `"by-role"` leaves them to
    /// `[roles]`.
    pub lead_endpoint: ServedBy,
    /// Endpoint of the calls that judge; `"by-role"` leaves them to `[roles]`.
    pub verifier_endpoint: ServedBy,
    /// Seconds that one write to the shared context takes (writes are serial).
    pub append_s: f64,
}
