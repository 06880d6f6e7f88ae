//! One line of the trace.

use crate::kernel::{Span, Time};
use crate::model::call::{CallError, Purpose, Usage};
use crate::model::ids::{About, AgentId, CallId, EndpointId, TaskId, TimerId};
use crate::model::note::{Note, Phase};
use crate::model::price::Roles;
use serde::{Deserialize, Serialize};

/// A record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Number.
    pub seq: u64,
    /// The record it is an effect of (itself for the first).
    pub caused_by: u64,
    /// When, in nanoseconds.
    #[serde(rename = "at_ns")]
    pub at: Time,
    /// For which task.
    pub task: TaskId,
    /// What.
    #[serde(flatten)]
    pub body: Body,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum Body {
    /// The task arrived.
    Arrived,
    /// A call was asked for.
    Called {
        /// Call.
        call: CallId,
        /// Who.
        agent: AgentId,
        /// Why.
        purpose: Purpose,
        /// On a lane of its own.
        background: bool,
        /// About what.
        about: About,
        /// Where.
        endpoint: EndpointId,
        /// Prompt length.
        prompt_tokens: u64,
        /// Of it, the board.
        board_tokens: u64,
    },
    /// A call waits for a slot or a limit.
    Waits {
        /// Call.
        call: CallId,
        /// Who.
        agent: AgentId,
        /// On a lane of its own.
        background: bool,
        /// For what.
        phase: Phase,
    },
    /// Service starts.
    Served {
        /// Call.
        call: CallId,
        /// Who.
        agent: AgentId,
        /// On a lane of its own.
        background: bool,
        /// Why.
        purpose: Purpose,
    },
    /// A try failed.
    TryFailed {
        /// Call.
        call: CallId,
        /// Why it was made.
        purpose: Purpose,
        /// Why it failed.
        error: CallError,
    },
    /// A call was answered.
    Replied {
        /// Call.
        call: CallId,
        /// Who.
        agent: AgentId,
        /// Why.
        purpose: Purpose,
        /// On a lane of its own.
        background: bool,
        /// About what.
        about: About,
        /// Tokens.
        usage: Usage,
        /// Dollars.
        cost: Roles,
        /// What it worked on had been discovered by another line.
        duplicate: bool,
        /// From command to reply.
        sojourn: Span,
        /// From the start of the last try to the reply.
        service: Span,
    },
    /// A call failed for good.
    Failed {
        /// Call.
        call: CallId,
        /// Who.
        agent: AgentId,
        /// Why it was made.
        purpose: Purpose,
        /// On a lane of its own.
        background: bool,
        /// Why it failed.
        error: CallError,
        /// Dollars of its tries.
        cost: Roles,
        /// Tokens of its tries.
        usage: Usage,
    },
    /// A call was cancelled.
    Cancelled {
        /// Call.
        call: CallId,
        /// Who.
        agent: AgentId,
        /// Why it was made.
        purpose: Purpose,
        /// On a lane of its own.
        background: bool,
        /// Dollars up to here.
        cost: Roles,
        /// Tokens up to here.
        usage: Usage,
    },
    /// A timer ran out.
    TimerFired {
        /// Timer.
        timer: TimerId,
    },
    /// The policy changed its data.
    Noted {
        /// How.
        note: Note,
        /// For proposals, verdicts and submissions: the finding is unsupported or wrong.
        unsupported: bool,
    },
    /// The task is over.
    Finished {
        /// Right or wrong, per submission.
        right: Vec<bool>,
        /// Numbers of the hidden truth, for checks.
        facts: Vec<(std::borrow::Cow<'static, str>, f64)>,
    },
}
