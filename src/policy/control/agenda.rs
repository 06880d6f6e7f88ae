//! What a lead can hand out: the next delegation of an unfinished line (`search`), or a ready subtask (`divide`).
//!
//! Invariant: what is handed out is in one worker's hands until it is settled or put back.

use crate::model::call::{Content, Finding, FindingKind, PromptSpan, SpanRole, SubtaskList};
use crate::model::ids::{About, LineId, SubtaskId};
use crate::model::queue::TaskQueue;

/// Lines of solution, one per worker, or a queue of subtasks for all.
#[derive(Debug)]
pub(crate) enum Agenda {
    Lines(Vec<Line>),
    Subtasks { queue: TaskQueue, source_tokens: Vec<u32> },
}

/// One line under a lead.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    delegations: u16,
    pub(crate) patch: Option<Finding>,
    pub(crate) closed: bool,
}

impl Agenda {
    /// Something for worker `i`, or nothing.
    pub(crate) fn take(&mut self, i: u32, most_delegations: u32) -> Option<About> {
        match self {
            Self::Lines(lines) => {
                let line = lines.get_mut(i as usize).filter(|l| !l.closed)?;
                if u32::from(line.delegations) >= most_delegations {
                    line.closed = true;
                    return None;
                }
                let attempt = line.delegations;
                line.delegations += 1;
                Some(About { line: LineId(i), subtask: SubtaskId(0), attempt, step: 0 })
            }
            Self::Subtasks { queue, .. } => {
                let (subtask, attempt) = queue.claim()?;
                Some(About { line: LineId(0), subtask, attempt, step: 0 })
            }
        }
    }

    /// Source text that goes with it.
    pub(crate) fn source(&self, about: &About) -> Option<PromptSpan> {
        match self {
            Self::Lines(_) => None,
            Self::Subtasks { source_tokens, .. } => Some(PromptSpan {
                content: Content::Source(about.subtask),
                role: SpanRole::Task,
                tokens: source_tokens[about.subtask.index()],
            }),
        }
    }

    /// A result is with the lead. Returns whether a line closed by it.
    pub(crate) fn settle(&mut self, about: &About, result: Option<&Finding>) -> bool {
        match self {
            Self::Lines(lines) => {
                let line = &mut lines[about.line.index()];
                if let Some(patch) = result.filter(|r| r.kind == FindingKind::Patch) {
                    line.patch = Some(*patch);
                    line.closed = true;
                }
                line.closed
            }
            Self::Subtasks { queue, .. } => {
                queue.settle(about.subtask, result.is_some());
                false
            }
        }
    }

    /// Work was cut short: it goes back, or is abandoned after `requeues` returns. Says whether it went back.
    pub(crate) fn put_back(&mut self, about: &About, requeues: u16) -> bool {
        match self {
            Self::Lines(_) => true,
            Self::Subtasks { queue, .. } => {
                let again = queue.tries(about.subtask) <= requeues;
                if again {
                    queue.requeue(about.subtask);
                } else {
                    queue.settle(about.subtask, false);
                }
                again
            }
        }
    }

    /// Adds subtasks.
    pub(crate) fn extend(&mut self, list: &SubtaskList) {
        if let Self::Subtasks { queue, source_tokens } = self {
            queue.extend(list);
            source_tokens.extend_from_slice(&list.source_tokens);
        }
    }

    /// Number of subtasks created so far.
    pub(crate) fn created(&self) -> u32 {
        match self {
            Self::Lines(_) => 0,
            Self::Subtasks { queue, .. } => queue.created() as u32,
        }
    }
}
