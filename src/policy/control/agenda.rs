//! What a lead can hand out: the next delegation of an unfinished line (`search`), or a ready subtask (`divide`).
//!
//! Invariant: what is handed out is in one worker's hands until it is settled or put back; handing out costs what is
//! handed out, not the size of the team.

use crate::model::call::{Content, Finding, FindingKind, PromptSpan, SpanRole, SubtaskList};
use crate::model::ids::{About, LineId, SubtaskId};
use crate::model::queue::TaskQueue;

/// Lines of solution, one per worker, or a queue of subtasks for all.
#[derive(Debug)]
pub(crate) enum Agenda {
    Lines(Lines),
    Subtasks { queue: TaskQueue, source_tokens: Vec<u32> },
}

/// Lines under a lead.
#[derive(Debug)]
pub(crate) struct Lines {
    lines: Vec<Line>,
    /// Those that were open when a round last began, in order.
    open: Vec<u32>,
    /// Delegations that each may take.
    most_delegations: u32,
}

/// One line.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    delegations: u16,
    pub(crate) patch: Option<Finding>,
    closed: bool,
}

impl Lines {
    pub(crate) fn new(n: u32, most_delegations: u32) -> Self {
        Self { lines: vec![Line::default(); n as usize], open: (0..n).collect(), most_delegations }
    }

    /// All lines, in order.
    pub(crate) fn all(&self) -> &[Line] {
        &self.lines
    }

    fn take(&mut self, i: u32) -> Option<About> {
        let line = &mut self.lines[i as usize];
        if line.closed || u32::from(line.delegations) >= self.most_delegations {
            line.closed = true;
            return None;
        }
        let attempt = line.delegations;
        line.delegations += 1;
        Some(About { line: LineId(i), subtask: SubtaskId(0), attempt, step: 0 })
    }
}

impl Agenda {
    /// Whether it is worth asking for anything.
    pub(crate) fn has_any(&self) -> bool {
        match self {
            Self::Lines(_) => true,
            Self::Subtasks { queue, .. } => queue.ready() > 0,
        }
    }

    /// Something for worker `i`, or nothing.
    pub(crate) fn take(&mut self, i: u32) -> Option<About> {
        match self {
            Self::Lines(lines) => lines.take(i),
            Self::Subtasks { queue, .. } => {
                let (subtask, attempt) = queue.claim()?;
                Some(About { line: LineId(0), subtask, attempt, step: 0 })
            }
        }
    }

    /// Something for at most `most` workers, in the order of the workers; all are free.
    pub(crate) fn round(&mut self, most: u32) -> Vec<(u32, About)> {
        match self {
            Self::Lines(lines) => {
                let mut open = std::mem::take(&mut lines.open);
                let mut chosen = Vec::new();
                open.retain(|&i| {
                    if chosen.len() == most as usize {
                        return true;
                    }
                    let about = lines.take(i);
                    chosen.extend(about.map(|about| (i, about)));
                    about.is_some()
                });
                lines.open = open;
                chosen
            }
            Self::Subtasks { .. } => (0..most).map_while(|i| self.take(i).map(|about| (i, about))).collect(),
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

    /// A result is with the lead.
    pub(crate) fn settle(&mut self, about: &About, result: &Finding) {
        match self {
            Self::Lines(lines) => {
                if result.kind == FindingKind::Patch {
                    let line = &mut lines.lines[about.line.index()];
                    line.patch = Some(*result);
                    line.closed = true;
                }
            }
            Self::Subtasks { queue, .. } => queue.settle(about.subtask, true),
        }
    }

    /// Whether worker `i` follows a line on which nothing is left to do.
    pub(crate) fn is_closed(&self, i: u32) -> bool {
        matches!(self, Self::Lines(lines) if lines.lines[i as usize].closed)
    }

    /// The candidate of worker `i`'s line.
    pub(crate) fn patch(&self, i: u32) -> Option<&Finding> {
        match self {
            Self::Lines(lines) => lines.lines[i as usize].patch.as_ref(),
            Self::Subtasks { .. } => None,
        }
    }

    /// Work was cut short: a subtask goes back, or is abandoned after `requeues` returns. Says whether it went back; a
    /// line has nothing to give back.
    pub(crate) fn put_back(&mut self, about: &About, requeues: u16) -> Option<bool> {
        match self {
            Self::Lines(_) => None,
            Self::Subtasks { queue, .. } => {
                let again = queue.tries(about.subtask) <= requeues;
                if again {
                    queue.requeue(about.subtask);
                } else {
                    queue.settle(about.subtask, false);
                }
                Some(again)
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
