//! What a lead owns: how it hands out work, what its workers can read of others, and how they tell what they found.
//!
//! Invariant: a field that stands here acts on some run of a lead.

use super::forms::{Asking, GateOf};
use super::words::{Barrier, BoardPlace, Dispatch, Gate, Store};
use crate::model::Limit;
use serde::Serialize;

/// A lead with its workers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lead {
    /// How it hands out work.
    #[serde(flatten)]
    pub rounds: Rounds,
    /// What a worker can read of others.
    #[serde(flatten)]
    pub store: LeadStore,
    /// What there is to hand out.
    #[serde(flatten)]
    pub work: LeadWork,
}

/// What a lead's workers can read of others.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum LeadStore {
    /// Nothing: a brief is an instruction and tells of nobody.
    None {},
    /// What the lead retells.
    Relay {
        /// Tokens of a brief.
        brief_tokens: u32,
    },
    /// What workers brought is stored in full; a brief refers to it, and its reader reads it as it stood then.
    Artifacts {
        /// Tokens of a reference.
        reference_tokens: u32,
        /// What is stored.
        #[serde(flatten)]
        board: LeadBoard,
    },
    /// What was admitted stands on a board that all workers read.
    Shared(LeadBoard),
}

/// What stands in full where workers can read it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LeadBoard {
    /// Newest tokens of it that a step's prompt shows.
    pub board_window_tokens: Limit,
    /// Where a worker's prompt shows it.
    pub board_place: BoardPlace,
}

/// How a lead hands out work.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "dispatch", rename_all = "kebab-case")]
pub enum Rounds {
    /// One delegate at a time; the lead waits for each, at most for the time of a `timeout` barrier.
    Sequential(Round),
    /// Rounds; one blocking call per worker before any worker starts.
    Serial {
        /// Calls a lead can have in flight at once (several leads).
        leads: u32,
        /// The round.
        #[serde(flatten)]
        round: Round,
    },
    /// Rounds; one call per worker, each worker starts when its own call returns.
    Pipelined {
        /// Calls a lead can have in flight at once (several leads).
        leads: u32,
        /// The round.
        #[serde(flatten)]
        round: Round,
    },
    /// Rounds; one call briefs all.
    Parallel(Round),
    /// No rounds: each finished worker queues at the lead and goes on when its own call returns.
    Async {
        /// Calls a lead can have in flight at once (several leads).
        leads: u32,
    },
}

/// A round of a lead.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Round {
    /// When it is over.
    pub barrier: Barrier,
    /// Whether reports are merged by a call of the lead.
    pub merge: bool,
}

/// What a lead hands out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum LeadWork {
    /// Delegations of lines (`search`).
    Lines {
        /// Whether a planning call opens the run.
        plan: bool,
        /// Delegations per line.
        max_delegations: u32,
        /// How a delegation is told.
        #[serde(flatten)]
        report: Report,
        /// What happens before a report, or a note on a board, becomes readable. It is judged once: what is rejected
        /// has no second writing.
        #[serde(skip)]
        gate: Gate,
    },
    /// Subtasks (`divide`).
    Subtasks {
        /// Whether an answer is written at the end.
        finalize: bool,
        /// Times a subtask goes back after its work or its gate gave up.
        requeues: u16,
        /// Whether more is asked for when all is done.
        #[serde(flatten)]
        asking: Asking,
        /// How a result is told.
        #[serde(flatten)]
        telling: Telling,
    },
}

/// A report that nobody judges, or that has no second writing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Whether a summary call turns a delegation into a report.
    pub report_call: bool,
    /// Tokens of a report; 0 passes the raw result.
    pub report_tokens: u32,
}

/// How a subtask's result is told to the lead.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Telling {
    /// By a report that counts as it is.
    Report(Report),
    /// By a report that passes the gate; it is written by a call, because what is rejected is written again.
    Judged {
        /// Tokens of a report.
        report_tokens: u32,
        /// Who judges it.
        #[serde(flatten)]
        gate: GateOf,
    },
    /// By a gist, which passes the gate and stands on the board.
    Gist {
        /// Tokens of a gist.
        gist_tokens: u32,
        /// Who judges it.
        #[serde(flatten)]
        gate: GateOf,
    },
}

impl LeadStore {
    /// The word for it.
    pub fn word(self) -> Store {
        match self {
            Self::None {} => Store::None,
            Self::Relay { .. } => Store::Relay,
            Self::Artifacts { .. } => Store::Artifacts,
            Self::Shared(_) => Store::Shared,
        }
    }

    /// Whether what was admitted is for all workers to read as it comes.
    pub fn is_shared(self) -> bool {
        matches!(self, Self::Shared(_))
    }

    /// What stands where workers can read it in full.
    pub fn board(self) -> Option<LeadBoard> {
        match self {
            Self::None {} | Self::Relay { .. } => None,
            Self::Artifacts { board, .. } | Self::Shared(board) => Some(board),
        }
    }
}

impl Lead {
    /// What happens before something becomes readable.
    pub fn gate(&self) -> Gate {
        match self.work {
            LeadWork::Lines { gate, .. } => gate,
            LeadWork::Subtasks { telling: Telling::Report(_), .. } => Gate::None,
            LeadWork::Subtasks { telling: Telling::Judged { gate, .. } | Telling::Gist { gate, .. }, .. } => {
                gate.word()
            }
        }
    }

    /// The word for how work is handed out.
    pub fn dispatch(&self) -> Dispatch {
        match self.rounds {
            Rounds::Sequential(_) => Dispatch::Sequential,
            Rounds::Serial { .. } => Dispatch::Serial,
            Rounds::Pipelined { .. } => Dispatch::Pipelined,
            Rounds::Parallel(_) => Dispatch::Parallel,
            Rounds::Async { .. } => Dispatch::Async,
        }
    }

    /// Calls that can be in flight at once; a form that never has two in hand has one lead.
    pub fn leads(&self) -> u32 {
        match self.rounds {
            Rounds::Sequential(_) | Rounds::Parallel(_) => 1,
            Rounds::Serial { leads, .. } | Rounds::Pipelined { leads, .. } | Rounds::Async { leads } => leads,
        }
    }

    /// The round; none where each worker is served by itself.
    pub fn round(&self) -> Option<Round> {
        match self.rounds {
            Rounds::Sequential(round)
            | Rounds::Serial { round, .. }
            | Rounds::Pipelined { round, .. }
            | Rounds::Parallel(round) => Some(round),
            Rounds::Async { .. } => None,
        }
    }

    /// Whether an answer is written, of what is divided.
    pub fn finalizes(&self) -> bool {
        matches!(self.work, LeadWork::Subtasks { finalize: true, .. })
    }
}
