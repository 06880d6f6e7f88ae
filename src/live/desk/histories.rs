//! What each agent has read and noted since its last fresh start.
//!
//! ```text
//! opening of a subtask, step, step, .. opening of the next, ..   --Compact-->   [openings] digest [newest steps], ..
//! ```
//!
//! Invariant: a history grows at its end only; a compaction starts a new epoch and leaves the old one as it was.

use crate::model::ids::{AgentId, SubtaskId};
use std::collections::BTreeMap;

/// One run of an agent at a subtask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delegation {
    pub(super) subtask: SubtaskId,
    pub(super) attempt: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Opening,
    Step,
    Digest,
}

#[derive(Clone, Debug, Default)]
struct Transcript {
    blocks: Vec<(Kind, String)>,
    /// The delegation that the newest opening is of.
    opened: Option<Delegation>,
    /// The delegation whose opening a digest took in.
    digested: Option<Delegation>,
}

/// A digest whose epoch has not been seen yet.
#[derive(Clone, Debug)]
struct Compaction {
    epoch: u32,
    digest: String,
    tokens: u32,
}

/// Transcripts of all agents, by epoch.
#[derive(Clone, Debug, Default)]
pub(super) struct Histories {
    transcripts: BTreeMap<(AgentId, u32), Transcript>,
    compactions: BTreeMap<AgentId, Compaction>,
}

impl Histories {
    /// A prompt shows `tokens` of this history: if it is the first after a compaction, its text is made. A history of
    /// no more than the digest keeps nothing else; a longer one keeps its openings and newest steps.
    pub(super) fn seen(&mut self, agent: AgentId, epoch: u32, tokens: u32, keep_steps: u32) {
        let Some(compaction) = self.compactions.get(&agent).filter(|c| c.epoch + 1 == epoch) else {
            return;
        };
        let old = self.transcripts.get(&(agent, epoch - 1)).cloned().unwrap_or_default();
        let digest = (Kind::Digest, format!("Kept from before:\n{}\n", compaction.digest));
        let new = if tokens > compaction.tokens {
            let steps = old.blocks.iter().filter(|(kind, _)| *kind == Kind::Step).count();
            let mut drop = steps.saturating_sub(keep_steps as usize);
            let mut blocks = Vec::new();
            let mut kept = Vec::new();
            for (kind, text) in old.blocks {
                if kind == Kind::Step && drop > 0 {
                    drop -= 1;
                } else if kind == Kind::Step {
                    kept.push((kind, text));
                } else if kind == Kind::Opening {
                    blocks.push((kind, text));
                }
            }
            blocks.push(digest);
            blocks.append(&mut kept);
            Transcript { blocks, opened: old.opened, digested: None }
        } else {
            Transcript { blocks: vec![digest], opened: None, digested: old.opened }
        };
        self.transcripts.insert((agent, epoch), new);
        self.compactions.remove(&agent);
    }

    /// The text, with an opening that has not been kept yet.
    pub(super) fn text(&self, agent: AgentId, epoch: u32, opening: Option<&str>) -> String {
        let blocks = self.transcripts.get(&(agent, epoch)).map_or(&[][..], |t| t.blocks.as_slice());
        let texts: Vec<&str> = blocks.iter().map(|(_, text)| text.as_str()).chain(opening).collect();
        texts.join("\n")
    }

    /// Whether the newest opening is of this delegation.
    pub(super) fn is_open(&self, agent: AgentId, epoch: u32, delegation: Delegation) -> bool {
        self.transcripts.get(&(agent, epoch)).is_some_and(|t| t.opened == Some(delegation))
    }

    /// Whether the delegation's opening went into this epoch's digest.
    pub(super) fn was_digested(&self, agent: AgentId, epoch: u32, delegation: Delegation) -> bool {
        self.transcripts.get(&(agent, epoch)).is_some_and(|t| t.digested == Some(delegation))
    }

    /// Keeps a step, and the opening before the first one of its delegation.
    pub(super) fn step(&mut self, agent: AgentId, epoch: u32, delegation: Delegation, opening: String, step: String) {
        let transcript = self.transcripts.entry((agent, epoch)).or_default();
        if transcript.opened != Some(delegation) {
            transcript.opened = Some(delegation);
            transcript.blocks.push((Kind::Opening, opening));
        }
        transcript.blocks.push((Kind::Step, step));
    }

    /// Steps since the newest opening that are still in the history.
    pub(super) fn steps(&self, agent: AgentId, epoch: u32) -> Vec<&str> {
        let blocks = self.transcripts.get(&(agent, epoch)).map_or(&[][..], |t| t.blocks.as_slice());
        let from = blocks.iter().rposition(|(kind, _)| *kind == Kind::Opening).unwrap_or(0);
        blocks[from..].iter().filter(|(kind, _)| *kind == Kind::Step).map(|(_, text)| text.as_str()).collect()
    }

    /// A digest takes the place of this epoch, or of its older steps: the next prompt's length tells.
    pub(super) fn compact(&mut self, agent: AgentId, epoch: u32, digest: String, tokens: u32) {
        self.compactions.insert(agent, Compaction { epoch, digest, tokens });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: AgentId = AgentId(1);

    fn delegation(subtask: u32) -> Delegation {
        Delegation { subtask: SubtaskId(subtask), attempt: 0 }
    }

    fn worked() -> Histories {
        let mut histories = Histories::default();
        for subtask in 0..2 {
            for step in 0..2 {
                let (open, note) = (format!("open {subtask}\n"), format!("note {subtask}.{step}\n"));
                histories.step(A, 1, delegation(subtask), open, note);
            }
        }
        histories
    }

    #[test]
    fn a_history_grows_at_its_end() {
        let histories = worked();
        let text = histories.text(A, 1, None);
        assert_eq!(text, "open 0\n\nnote 0.0\n\nnote 0.1\n\nopen 1\n\nnote 1.0\n\nnote 1.1\n");
        assert!(histories.text(A, 1, Some("open 2\n")).starts_with(&text));
        assert_eq!(histories.steps(A, 1), ["note 1.0\n", "note 1.1\n"]);
    }

    #[test]
    fn a_digest_alone_or_with_the_newest_steps() {
        let mut whole = worked();
        whole.compact(A, 1, "digest".to_owned(), 5);
        whole.seen(A, 2, 5, 1);
        assert_eq!(whole.text(A, 2, None), "Kept from before:\ndigest\n");
        assert!(whole.was_digested(A, 2, delegation(1)) && !whole.is_open(A, 2, delegation(1)));
        let mut part = worked();
        part.compact(A, 1, "digest".to_owned(), 5);
        part.seen(A, 2, 30, 1);
        assert_eq!(part.text(A, 2, None), "open 0\n\nopen 1\n\nKept from before:\ndigest\n\nnote 1.1\n");
        assert!(part.is_open(A, 2, delegation(1)));
    }
}
