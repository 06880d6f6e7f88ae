//! `recorded`: the work of recorded runs under another topology. Steps take as many tokens and as long as recorded,
//! whoever takes them; what coordinates them is modelled. Nothing is known of right and wrong, so nothing is graded.
//!
//! Invariant: every recorded step is taken at most once per line of solution, with its recorded tokens and time.

mod spec;

use super::{Outlook, Score, Sizes, Team, verdict};
use crate::kernel::{Address, Key, Span};
use crate::model::call::{Answer, Finding, FindingKind, Outcome, Purpose, Request, SubtaskList};
use crate::model::ids::{FindingId, SubtaskId, TaskId, entity};
use crate::model::note::Note;
use crate::model::sharing::Sharing;
use smallvec::SmallVec;
pub use spec::{RecordedInstance, RecordedSpec, RecordedStep, RecordedSubtask};
use std::sync::Arc;

/// State of one task.
#[derive(Debug)]
pub struct Recorded {
    spec: Arc<RecordedSpec>,
    sizes: Arc<Sizes>,
    sharing: Arc<Sharing>,
    key: Key,
    task: TaskId,
    instance: usize,
    subtasks: Arc<SubtaskList>,
    created: u32,
    findings: u32,
    /// Calls and completion tokens that were recorded, and that were modelled.
    replayed: [u64; 2],
    modelled: [u64; 2],
}

impl Recorded {
    /// Takes up the instance of a replication.
    pub fn new(
        spec: Arc<RecordedSpec>,
        sizes: Arc<Sizes>,
        sharing: Arc<Sharing>,
        key: Key,
        task: TaskId,
        _team: &Team,
    ) -> Self {
        let instance = (key.replication() as usize + task.index()) % spec.instances.len();
        let recorded = &spec.instances[instance];
        let mut dependencies: Vec<(SubtaskId, SubtaskId)> =
            recorded.dependencies.iter().map(|d| (SubtaskId(d[0]), SubtaskId(d[1]))).collect();
        dependencies.sort_unstable();
        dependencies.dedup();
        let subtasks = Arc::new(SubtaskList {
            first: 0,
            count: recorded.subtasks.len() as u32,
            dependencies,
            source_tokens: recorded.subtasks.iter().map(|s| s.source_tokens).collect(),
        });
        Self {
            spec,
            sizes,
            sharing,
            key,
            task,
            instance,
            subtasks,
            created: 0,
            findings: 0,
            replayed: [0; 2],
            modelled: [0; 2],
        }
    }

    /// See [`super::Workload::prepare`].
    pub fn prepare(&mut self, request: &Request) -> Outlook {
        let about = &request.about;
        let address = Address {
            purpose: request.purpose.code(),
            entity: entity(self.task, about.line.0, about.subtask.0),
            attempt: about.attempt,
            step: about.step,
        };
        let draws = self.key.draws(address);
        let mut recorded = None;
        let mut completion_tokens = self.sizes.completion(request, &draws);
        let answer = match request.purpose {
            Purpose::Plan => Answer::Subtasks(self.subtasks.clone()),
            Purpose::MoreSubtasks => {
                Answer::Subtasks(Arc::new(SubtaskList { first: self.created, ..SubtaskList::default() }))
            }
            Purpose::Step => {
                let (step, last) = self.step(about.subtask, about.step);
                recorded = Some(Span::from_secs_f64(step.service_s));
                completion_tokens = u64::from(step.completion_tokens);
                let asked = request.product_tokens;
                let tokens = if asked > 0 { asked.min(step.completion_tokens) } else { step.completion_tokens };
                let result = last.then(|| self.found(FindingKind::Result, tokens));
                let tool = !last && (step.tool_s > 0.0 || step.observation_tokens > 0);
                Answer::Step { notes: SmallVec::new(), tool, result }
            }
            Purpose::Tool => {
                let (step, _) = self.step(about.subtask, about.step);
                recorded = Some(Span::from_secs_f64(step.tool_s));
                Answer::Observation { tokens: step.observation_tokens }
            }
            Purpose::Gist => Answer::Gist(self.found(FindingKind::Gist, request.product_tokens)),
            Purpose::Report => Answer::Report(self.found(FindingKind::Report, request.product_tokens)),
            Purpose::Dispatch => Answer::Brief(self.found(FindingKind::Brief, request.product_tokens)),
            Purpose::Compact => Answer::Digest(self.found(FindingKind::Digest, request.product_tokens)),
            // What was recorded counts as supported.
            Purpose::Verify => {
                let result = Address { step: 0, ..address };
                Answer::Verdict { accepted: verdict(&self.sharing, request.judge, false, &draws, &self.key, result) }
            }
            Purpose::Unfold => Answer::Unfolded { tokens: self.spec.unfolded_tokens },
            Purpose::Merge => Answer::Merged,
            Purpose::Finalize => Answer::Final(self.found(FindingKind::Answer, completion_tokens as u32)),
        };
        if request.purpose != Purpose::Tool {
            let counted = if recorded.is_some() { &mut self.replayed } else { &mut self.modelled };
            counted[0] += 1;
            counted[1] += completion_tokens;
        }
        Outlook { answer, completion_tokens, draws, recorded }
    }

    /// A step, and whether it is the last of its subtask.
    fn step(&self, subtask: SubtaskId, step: u32) -> (RecordedStep, bool) {
        let steps = &self.spec.instances[self.instance].subtasks[subtask.index()].steps;
        let last = step as usize + 1 >= steps.len();
        (steps.get(step as usize).or(steps.last()).copied().unwrap_or_default(), last)
    }

    fn found(&mut self, kind: FindingKind, tokens: u32) -> Finding {
        let id = FindingId(self.findings);
        self.findings += 1;
        Finding { id, kind, tokens: tokens.max(1) }
    }

    /// See [`super::Workload::observe`].
    pub fn observe(&mut self, note: &Note) {
        if let Note::Created { count, .. } = *note {
            self.created += count;
        }
    }

    /// See [`super::Workload::score`]: nothing is graded; what was replayed and what was modelled is told.
    pub fn score(&self, _outcome: &Outcome) -> Score {
        let share = |i: usize| {
            let all = self.replayed[i] + self.modelled[i];
            if all == 0 { 0.0 } else { self.replayed[i] as f64 / all as f64 }
        };
        Score {
            right: Vec::new(),
            facts: vec![("replayed_calls_share", share(0)), ("replayed_tokens_share", share(1))],
        }
    }
}
