//! What a point of the space holds: what all forms share, and what each form owns. Every field is a key of the
//! scenario that the point reads; there is no other list of them.
//!
//! Invariant: a field that stands here acts on some run of its form.

use super::lead::{Lead, LeadWork};
use super::words::{BoardPlace, Control, DryPolicy, Finish, Form, Gate, ServedBy, Store};
use crate::model::Limit;
use crate::model::call::Seat;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// A point of the space with all its numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Settings {
    /// Workers used whatever N is; none where one worker does all the work anyway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<Limit>,
    /// Workers of one run; the team is split into such runs, side by side. None where that is what it is anyway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_workers: Option<Limit>,
    /// Who picks among several submissions; none where all of them stand, or where there is one.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub pick: Option<Pick>,
    /// Endpoint of the calls of a lead's seat; none where nobody makes such a call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lead_endpoint: Option<ServedBy>,
    /// Endpoint of the calls of a verifier's seat; none where no model judges.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verifier_endpoint: Option<ServedBy>,
    /// Seconds after which unfinished lines submit what they have.
    pub deadline_s: Limit,
    /// Tokens of fixed instructions per call.
    pub instructions_tokens: u32,
    /// Tokens of the task statement.
    pub task_tokens: u32,
    /// Tokens of the instruction that a delegation starts with.
    pub delegation_tokens: u32,
    /// Steps per delegation.
    pub max_steps: u32,
    /// Context window.
    #[serde(flatten)]
    pub window: Window,
    /// Memory of a worker.
    #[serde(flatten)]
    pub memory: Memory,
    /// What the form owns.
    #[serde(flatten)]
    pub coordination: Coordination,
}

/// How one submission comes of several.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Pick {
    /// The first is it.
    First {},
    /// The one that most agree on is it.
    Vote {},
    /// A model judges them.
    Judge {
        /// Tokens of one, as the judge reads it.
        candidate_tokens: u32,
    },
}

/// The context window; a prompt that would outgrow it is compacted first.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Window {
    /// There is none to outgrow.
    Unlimited {
        /// Always unlimited.
        window_tokens: Limit,
    },
    /// So many tokens.
    At {
        /// Tokens that fit.
        window_tokens: f64,
        /// Tokens left of what is compacted.
        digest_tokens: u32,
    },
}

/// How many steps a worker remembers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Memory {
    /// All of them.
    Unlimited {
        /// Always unlimited.
        memory_steps: Limit,
    },
    /// So many, then older ones are compacted.
    At {
        /// Steps after which a worker's history is compacted, as far as it is older than `keep_steps`.
        memory_steps: f64,
        /// Newest steps that compaction leaves alone.
        keep_steps: u32,
        /// Tokens left of the others.
        memory_digest_tokens: u32,
    },
}

/// The form of coordination and its own settings.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Coordination {
    /// No control, on `divide`: agents that each do everything themselves.
    Solo(Solo),
    /// No control, on `search`: solver threads.
    Threads(Threads),
    /// Plain code hands out subtasks.
    Queue(Queue),
    /// A model plans, briefs and merges.
    Lead(Lead),
    /// A user's own policy: it reads what all forms share.
    Own(Own),
}

/// A user's own policy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Own {
    /// What kind of coordination its factory says it is.
    #[serde(skip)]
    pub form: Form,
}

/// The four mechanisms of a point of the space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Mechanisms {
    /// Who decides what runs next.
    pub control: Control,
    /// What a worker can read of others.
    pub store: Store,
    /// What happens before an entry becomes readable.
    pub gate: Gate,
    /// Who delivers.
    pub finish: Finish,
}

/// Agents that never hear of each other, on `divide`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Solo {
    /// Whether an answer is written at the end.
    pub finalize: bool,
}

/// Solver threads.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Threads {
    /// Whether a call decides what comes next.
    #[serde(flatten)]
    pub plan: ThreadPlan,
    /// Delegations per budget of a line.
    pub max_delegations: u32,
    /// Whose budgets are whose.
    #[serde(flatten)]
    pub budgets: Budgets,
    /// What others can read.
    #[serde(flatten)]
    pub store: ThreadStore,
}

/// The budgets of solver threads.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Budgets {
    /// Each worker has one.
    Each {
        /// Always false.
        pool_budgets: bool,
        /// Seconds between the starts of two workers.
        stagger_s: f64,
    },
    /// One worker has those of all.
    Pooled {
        /// Always true.
        pool_budgets: bool,
    },
}

/// Whether a thread plans by a call, and what that call reads of the thread's own past.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum ThreadPlan {
    /// It goes on by itself.
    No {
        /// Always false.
        plan: bool,
    },
    /// A call before each delegation.
    Yes {
        /// Always true.
        plan: bool,
        /// Tokens of a hand-off from one delegation to the next.
        report_tokens: u32,
    },
}

/// The store of solver threads.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum ThreadStore {
    /// Nothing is readable.
    None {},
    /// Typed notes on a board.
    Shared(SharedNotes),
}

/// A board of typed notes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SharedNotes {
    /// What happens before a note becomes readable. A note is judged once: it has no second writing.
    #[serde(skip)]
    pub gate: Gate,
    /// Newest tokens of the board that a step's prompt shows.
    pub board_window_tokens: Limit,
    /// Newest tokens of the board that a planner's prompt shows, where a call plans.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planner_window_tokens: Option<Limit>,
    /// Where a worker's prompt shows the board.
    pub board_place: BoardPlace,
}

/// A team around a queue.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Queue {
    /// Who plans and writes the answer.
    #[serde(skip)]
    pub finish: Finish,
    /// Whether an answer is written at the end.
    pub finalize: bool,
    /// Times a subtask goes back to the queue after its work or its gate gave up.
    pub requeues: u16,
    /// Tokens of a report; 0 passes the raw result.
    pub report_tokens: u32,
    /// Whether more is asked for when all is done.
    #[serde(flatten)]
    pub asking: Asking,
    /// Whether agents unfold what they read before they work, and the one who answers before the answer.
    pub unfold: bool,
    /// When a dry queue asks for more, if it asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_policy: Option<DryPolicy>,
    /// What others can read.
    #[serde(flatten)]
    pub store: QueueStore,
}

/// Whether somebody asks for more subtasks when all are done.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Asking {
    /// Nobody.
    No {
        /// Always false.
        ask_more: bool,
    },
    /// Somebody.
    Yes {
        /// Always true.
        ask_more: bool,
        /// At most so often.
        more_rounds: u32,
    },
}

/// The store of a queue's team.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum QueueStore {
    /// Results wait for the one who writes the answer.
    None {},
    /// Gists on a board.
    Shared(SharedGists),
}

/// A board of gists, and the gate before it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SharedGists {
    /// Newest tokens of the board that a prompt shows.
    pub board_window_tokens: Limit,
    /// Where a worker's prompt shows the board.
    pub board_place: BoardPlace,
    /// Tokens of a gist.
    pub gist_tokens: u32,
    /// Whether an agent waits for the admission of its own result.
    pub admission_blocks_agent: bool,
    /// Seconds that one write to the shared context takes (writes are serial).
    pub append_s: f64,
    /// Who judges a gist.
    #[serde(flatten)]
    pub gate: GateOf,
}

/// A gate of results.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum GateOf {
    /// Every gist is readable.
    None {},
    /// A model judges.
    Llm {
        /// Tries after the first.
        gate_retries: u16,
    },
    /// The hidden truth judges.
    Oracle {
        /// Tries after the first.
        gate_retries: u16,
    },
}

impl Window {
    /// Tokens that fit, and tokens of a digest, where there is a limit.
    pub fn at(self) -> Option<(f64, u32)> {
        match self {
            Self::Unlimited { .. } => None,
            Self::At { window_tokens, digest_tokens } => Some((window_tokens, digest_tokens)),
        }
    }
}

impl Pick {
    /// The word for it.
    pub fn word(self) -> Finish {
        match self {
            Self::First {} => Finish::First,
            Self::Vote {} => Finish::Vote,
            Self::Judge { .. } => Finish::Judge,
        }
    }
}

impl Threads {
    /// Whether one worker has the budgets of all.
    pub fn is_pooled(&self) -> bool {
        matches!(self.budgets, Budgets::Pooled { .. })
    }

    /// Seconds between the starts of two workers.
    pub fn stagger_s(&self) -> f64 {
        match self.budgets {
            Budgets::Each { stagger_s, .. } => stagger_s,
            Budgets::Pooled { .. } => 0.0,
        }
    }
}

impl ThreadStore {
    /// What happens before a note becomes readable.
    pub fn gate(&self) -> Gate {
        match self {
            Self::None {} => Gate::None,
            Self::Shared(notes) => notes.gate,
        }
    }
}

impl Asking {
    /// How often more may be asked for.
    pub fn rounds(self) -> u32 {
        match self {
            Self::No { .. } => 0,
            Self::Yes { more_rounds, .. } => more_rounds,
        }
    }
}

impl GateOf {
    /// Tries after the first.
    pub fn retries(self) -> u16 {
        match self {
            Self::None {} => 0,
            Self::Llm { gate_retries } | Self::Oracle { gate_retries } => gate_retries,
        }
    }

    /// The word for it.
    pub fn word(self) -> Gate {
        match self {
            Self::None {} => Gate::None,
            Self::Llm { .. } => Gate::Llm,
            Self::Oracle { .. } => Gate::Oracle,
        }
    }
}

impl Settings {
    /// The mechanisms; none of a user's own policy, which is no point of the space.
    pub fn mechanisms(&self) -> Option<Mechanisms> {
        let picked = self.pick.map(Pick::word);
        let mechanisms =
            |control, store, gate, finish| Some(Mechanisms { control, store, gate, finish: picked.unwrap_or(finish) });
        match &self.coordination {
            Coordination::Solo(_) => mechanisms(Control::None, Store::None, Gate::None, Finish::Each),
            Coordination::Threads(threads) => match threads.store {
                ThreadStore::None {} => mechanisms(Control::None, Store::None, Gate::None, Finish::Each),
                ThreadStore::Shared(notes) => mechanisms(Control::None, Store::Shared, notes.gate, Finish::Each),
            },
            Coordination::Queue(queue) => match queue.store {
                QueueStore::None {} => mechanisms(Control::Queue, Store::None, Gate::None, queue.finish),
                QueueStore::Shared(gists) => mechanisms(Control::Queue, Store::Shared, gists.gate.word(), queue.finish),
            },
            Coordination::Lead(lead) => mechanisms(Control::Lead, lead.store.word(), lead.gate(), Finish::Lead),
            Coordination::Own(_) => None,
        }
    }

    /// Whether what is handed in can be graded: on `divide` somebody must write an answer.
    pub fn finalizes(&self) -> bool {
        match &self.coordination {
            Coordination::Solo(solo) => solo.finalize,
            Coordination::Queue(queue) => queue.finalize,
            Coordination::Threads(_) | Coordination::Own(_) => true,
            Coordination::Lead(lead) => matches!(lead.work, LeadWork::Lines { .. }) || lead.finalizes(),
        }
    }

    /// Where a worker's prompt shows what it can read of others.
    pub(crate) fn board_place(&self) -> BoardPlace {
        match &self.coordination {
            Coordination::Threads(Threads { store: ThreadStore::Shared(notes), .. }) => notes.board_place,
            Coordination::Queue(Queue { store: QueueStore::Shared(gists), .. }) => gists.board_place,
            Coordination::Lead(Lead { store, .. }) => {
                store.board().map_or(BoardPlace::Front, |board| board.board_place)
            }
            _ => BoardPlace::Front,
        }
    }

    /// What kind of coordination this is.
    pub fn form(&self) -> Form {
        match (self.mechanisms(), &self.coordination) {
            (_, Coordination::Own(own)) => own.form,
            (Some(m), _) if m.control == Control::Lead || m.finish == Finish::Lead => Form::Central,
            // A board that only its own author reads is shared with nobody.
            (Some(m), _) if m.store == Store::Shared && self.run_workers != Some(Limit::At(1.0)) => Form::Decentral,
            _ => Form::Independent,
        }
    }

    /// Seats that this policy gives to an endpoint of its own.
    pub fn seats(&self) -> impl Iterator<Item = (Seat, &str)> {
        [(Seat::Lead, &self.lead_endpoint), (Seat::Verifier, &self.verifier_endpoint)]
            .into_iter()
            .filter_map(|(seat, served)| Some((seat, served.as_ref()?.endpoint()?)))
    }

    /// All that the point reads, key by key as a scenario writes it: the four mechanisms first.
    pub fn keys(&self) -> Map<String, Value> {
        let mut keys = Map::new();
        for part in [json!(self.mechanisms()), json!(self)] {
            if let Value::Object(part) = part {
                keys.extend(part);
            }
        }
        keys
    }
}
