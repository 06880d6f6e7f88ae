//! Workloads: what there is to do, and what an answer is worth. One instance holds the hidden truth of one task;
//! it is drawn from keyed streams, so that every policy meets the same task.
//!
//! Invariant: a policy never sees a truth, only handles; a call that fails or is cancelled changes nothing here.

pub mod divide;
mod picked;
pub mod recorded;
pub mod search;

use super::call::{Answer, Judge, Outcome, Purpose, Request};
use super::ids::{AgentId, FindingId, LineId, TaskId, entity};
use super::note::Note;
use super::sharing::Sharing;
use crate::kernel::{Address, Draws, Key, Law, Span, Time, nearest};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

pub use divide::{Divide, DivideSpec};
pub use recorded::{Recorded, RecordedSpec};
pub use search::{Search, SearchSpec};

/// Codes of hidden draws; call purposes use 0..12, and later tries of calls all from [`LATER_TRIES`] on.
#[derive(Clone, Copy, Debug)]
#[repr(u16)]
pub enum Hidden {
    /// Difficulty of an instance.
    Truth = 100,
    /// Size factor of an instance or line.
    Size,
    /// Whether a pick is the solution.
    Pick,
    /// Order of wrong hypotheses.
    Order,
    /// Steps of a stage.
    Steps,
    /// Respect of a dead-end note.
    Respect,
    /// Adoption of a candidate.
    Adopt,
    /// Wrongness of a note.
    Wrong,
    /// Herding.
    Herd,
    /// A detail's survival of one writing.
    Keep,
    /// Whether a result is unsupported.
    Support,
    /// Whether an entry misleads.
    Mislead,
    /// Where a fact lies.
    Locate,
    /// Whether unfolding recovers it.
    Recover,
    /// Whether a gap is noticed.
    Notice,
    /// Whether the answer is right.
    AnswerKey,
    /// Facts found on the way.
    Fact,
    /// Persistent factor of a member of the team at one endpoint.
    AgentFactor,
    /// Whether the judge shares the author's view of a result.
    BlindSpot,
    /// What a wrong answer says, and lots between equals of a vote.
    Vote,
    /// Whether a fresh delegate takes what it is told of its own line as its own experience.
    Trust,
}

/// Completion tokens of calls that are not worker steps. Products (gist, report, brief, digest) have the length
/// that the policy asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sizes {
    /// Tokens of a plan or decision.
    pub plan_tokens: Law,
    /// Tokens of a merge.
    pub merge_tokens: Law,
    /// Tokens of a verdict with its reason.
    pub verify_tokens: Law,
    /// Tokens of a choice of labels.
    pub unfold_tokens: Law,
    /// Tokens of a request for more subtasks.
    pub more_tokens: Law,
    /// Tokens of a final answer.
    pub finalize_tokens: Law,
    /// Measured tokens of calls for a purpose, whatever the length of their product; worker steps have their own law.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub by_purpose: BTreeMap<Purpose, Law>,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            plan_tokens: Law::Constant(300.0),
            merge_tokens: Law::Constant(300.0),
            verify_tokens: Law::Constant(60.0),
            unfold_tokens: Law::Constant(30.0),
            more_tokens: Law::Constant(100.0),
            finalize_tokens: Law::Constant(400.0),
            by_purpose: BTreeMap::new(),
        }
    }
}

impl Sizes {
    /// Completion tokens of a call.
    pub fn completion(&self, request: &Request, draws: &Draws) -> u64 {
        if let Some(law) = self.by_purpose.get(&request.purpose) {
            return whole(law, draws, COMPLETION);
        }
        if request.completion_tokens > 0 {
            return u64::from(request.completion_tokens);
        }
        let law = match request.purpose {
            Purpose::Plan => &self.plan_tokens,
            Purpose::Merge => &self.merge_tokens,
            Purpose::Verify => &self.verify_tokens,
            Purpose::Unfold => &self.unfold_tokens,
            Purpose::MoreSubtasks => &self.more_tokens,
            Purpose::Finalize => &self.finalize_tokens,
            Purpose::Gist | Purpose::Report | Purpose::Compact | Purpose::Dispatch | Purpose::Step | Purpose::Tool => {
                return 0;
            }
        };
        whole(law, draws, COMPLETION)
    }
}

/// Lanes of a call's block of draws; each quantity has its own.
pub const COMPLETION: usize = 0;
/// Lane of observation tokens.
pub const OBSERVATION: usize = 1;
/// Lane of latency noise.
pub const NOISE: usize = 2;
/// Lane that decides whether a tool run follows.
pub const TOOL: usize = 3;
/// Lane that decides whether a try fails.
pub const FAILURE: usize = 4;
/// Lane of the length of a worker's raw result.
pub const RESULT: usize = 5;
/// Lane of the spread of a wait before a try; only later tries have one.
pub const JITTER: usize = 5;

/// From here on the address of a later try tells purpose and try.
const LATER_TRIES: u16 = 1 << 15;
/// Room for the code of a purpose.
const PURPOSE_BITS: u32 = 4;

/// Where the randomness of a call's later tries lives, given that of its first. Scenarios have at most 1,000 retries.
pub fn later_try(first: Address, purpose: Purpose, tries: u16) -> Address {
    debug_assert!(
        tries < 1 << (15 - PURPOSE_BITS) && purpose.code() < 1 << PURPOSE_BITS,
        "no two tries share an address"
    );
    Address { purpose: LATER_TRIES | tries << PURPOSE_BITS | purpose.code(), ..first }
}

/// A draw rounded to a whole number of at least 0.
pub fn whole(law: &Law, draws: &Draws, lane: usize) -> u64 {
    nearest(law.sample(draws, lane))
}

/// What a call will bring if it succeeds.
#[derive(Clone, Debug)]
pub struct Outlook {
    /// The answer.
    pub answer: Answer,
    /// Its length.
    pub completion_tokens: u64,
    /// The call's block of draws; its later tries have addresses beside it.
    pub draws: Draws,
    /// How long it took when it was recorded.
    pub recorded: Option<Timed>,
    /// Tokens that the server counts per token of the prompt as the policy estimates it; 1 in drawn work.
    pub tokens_per_estimate: f64,
}

/// The time of a recorded call, and what it was the time of. It takes that time again if it is the same call; with
/// another prompt or another length, as much more or less as the endpoint's law says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timed {
    /// From dispatch to completion, alone on its server.
    pub span: Span,
    /// Completion tokens.
    pub completion_tokens: u64,
    /// Prompt tokens that no cache held.
    pub uncached_tokens: u64,
    /// Prompt tokens read from a cache.
    pub cached_tokens: u64,
}

/// What a team's outcome is worth.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Score {
    /// Right or wrong, per submission.
    pub right: Vec<bool>,
    /// Named facts about the hidden truth, for checks against closed forms.
    pub facts: Vec<(&'static str, f64)>,
}

/// What findings are worth: known to the trace, never to the policy.
pub trait Truth {
    /// Whether an entry is unsupported or wrong.
    fn is_unsupported(&self, finding: FindingId) -> bool;

    /// Whether a submission with this finding would be right.
    fn is_right(&self, finding: Option<FindingId>) -> bool;
}

/// Hidden truth and rules of one task, of one of the workload kinds.
#[derive(Debug)]
pub enum Workload {
    /// Attempts at one issue.
    Search(Box<Search>),
    /// Long-source question answering.
    Divide(Box<Divide>),
    /// Work of recorded runs.
    Recorded(Box<Recorded>),
}

/// Parameters of a workload kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WorkloadSpec {
    /// Attempts at one issue (SWE-bench-like).
    Search(Arc<SearchSpec>),
    /// Long-source question answering (LongBench-like).
    Divide(Arc<DivideSpec>),
    /// Work of recorded runs, for counterfactual replay.
    Recorded(Arc<RecordedSpec>),
}

/// What a team brings to a task; fixed before the run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Team {
    /// Workers.
    pub workers: u32,
    /// Leads; their agent ids follow the workers'.
    pub leads: u32,
    /// Lines of solution.
    pub lines: u32,
    /// Independent budgets that one line may use up.
    pub budgets_per_line: u32,
    /// Protocol quality factor (1 = none).
    pub quality: f64,
}

/// Who an agent is in its team, whatever its id: teams of other sizes have the same workers and the same leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Member {
    /// A worker, by its number; it works on the line of that number where lines have workers of their own.
    Worker(u32),
    /// A lead, by its number among the leads.
    Lead(u32),
}

impl Team {
    /// Who an agent is.
    pub fn member(&self, agent: AgentId) -> Member {
        match agent.0.checked_sub(self.workers) {
            None => Member::Worker(agent.0),
            Some(lead) => Member::Lead(lead),
        }
    }
}

impl Member {
    /// The entity of draws that belong to it.
    pub fn entity(self, task: TaskId) -> u64 {
        match self {
            Self::Worker(number) => entity(task, number, 0),
            Self::Lead(number) => entity(task, number, 1),
        }
    }
}

impl Workload {
    /// Draws the hidden truth of a task.
    pub fn new(
        spec: &WorkloadSpec,
        sizes: &Arc<Sizes>,
        sharing: &Arc<Sharing>,
        key: Key,
        task: TaskId,
        team: &Team,
    ) -> Self {
        match spec {
            WorkloadSpec::Search(s) => {
                Self::Search(Box::new(Search::new(s.clone(), sizes.clone(), sharing.clone(), key, task, team)))
            }
            WorkloadSpec::Divide(s) => {
                Self::Divide(Box::new(Divide::new(s.clone(), sizes.clone(), sharing.clone(), key, task, team)))
            }
            WorkloadSpec::Recorded(s) => {
                Self::Recorded(Box::new(Recorded::new(s.clone(), sizes.clone(), sharing.clone(), key, task, team)))
            }
        }
    }

    /// What a call will bring, given all that its prompt lets the reader know.
    pub fn prepare(&mut self, request: &Request) -> Outlook {
        match self {
            Self::Search(w) => w.prepare(request),
            Self::Divide(w) => w.prepare(request),
            Self::Recorded(w) => w.prepare(request),
        }
    }

    /// A call for a line has ended well. Returns whether what it worked on had been discovered by another line before.
    pub fn completed(&mut self, now: Time, purpose: Purpose, line: LineId, answer: &Answer) -> bool {
        match self {
            Self::Search(w) => w.completed(now, purpose, line, answer),
            Self::Divide(_) | Self::Recorded(_) => false,
        }
    }

    /// The policy changed its data.
    pub fn observe(&mut self, note: &Note) {
        match self {
            Self::Search(w) => w.observe(note),
            Self::Divide(w) => w.observe(note),
            Self::Recorded(w) => w.observe(note),
        }
    }

    /// Grades an outcome.
    pub fn score(&self, outcome: &Outcome) -> Score {
        match self {
            Self::Search(w) => w.score(outcome),
            Self::Divide(w) => w.score(outcome),
            Self::Recorded(w) => w.score(outcome),
        }
    }
}

impl Truth for Workload {
    fn is_unsupported(&self, finding: FindingId) -> bool {
        match self {
            Self::Search(w) => w.is_unsupported(finding),
            Self::Divide(w) => w.is_unsupported(finding),
            Self::Recorded(_) => false,
        }
    }

    fn is_right(&self, finding: Option<FindingId>) -> bool {
        match self {
            Self::Search(w) => finding.is_some_and(|f| w.is_right(f)),
            Self::Divide(w) => finding.is_some_and(|f| w.is_right(f)),
            Self::Recorded(w) => finding.is_some_and(|f| w.is_right(f)),
        }
    }
}

/// A judge's verdict on an entry that is wrong or not. `result` is where the author's result has its draws: a blind spot
/// belongs to it, so that another writing of the same result meets the same.
fn verdict(sharing: &Sharing, judge: Judge, wrong: bool, draws: &Draws, key: &Key, result: Address) -> bool {
    let blind = || {
        let at = Address { purpose: Hidden::BlindSpot as u16, ..result };
        key.draws(at).uniform(0) < sharing.verifier_worker_error_correlation
    };
    match judge {
        Judge::Oracle => !wrong,
        Judge::Model => {
            let pass = if wrong { sharing.false_positive_rate } else { sharing.true_positive_rate };
            draws.uniform(OBSERVATION) < pass || sharing.verifier_worker_error_correlation > 0.0 && blind()
        }
    }
}
