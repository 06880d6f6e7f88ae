//! What a store tells, by subject. A line that has read up to a version of the board looks up what it asks about,
//! instead of walking through all that others wrote: the cost of a step does not grow with the team.
//!
//! Invariant: positions grow along every list; a reader of the first `v` entries knows what stands at positions below
//! `v` and nothing else.

use super::line::Item;
use crate::model::ids::FindingId;
use smallvec::SmallVec;

/// A note of a dead end.
#[derive(Clone, Copy, Debug)]
pub(super) struct DeadEnd {
    pub(super) position: u32,
    pub(super) hypothesis: u32,
    pub(super) author: u32,
}

/// A candidate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate {
    pub(super) position: u32,
    pub(super) author: u32,
    pub(super) right: bool,
}

/// One store.
#[derive(Clone, Debug, Default)]
pub(super) struct Store {
    /// All entries; most stores are private and short.
    pub(super) entries: SmallVec<[FindingId; 4]>,
    /// What they tell, where they were admitted: such a store may be read by many. A private one is read as it stands.
    pub(super) told: Option<Box<Told>>,
}

impl Store {
    /// Takes in an entry that was kept.
    pub(super) fn keep(&mut self, finding: FindingId, findings: &[SmallVec<[Item; 2]>]) {
        let position = self.entries.len() as u32;
        self.entries.push(finding);
        if let Some(told) = &mut self.told {
            told.append(position, &findings[finding.index()]);
        }
    }

    /// Takes in an entry that was admitted.
    pub(super) fn admit(&mut self, finding: FindingId, findings: &[SmallVec<[Item; 2]>]) {
        if self.told.is_none() {
            let mut told = Box::<Told>::default();
            for (position, kept) in self.entries.iter().enumerate() {
                told.append(position as u32, &findings[kept.index()]);
            }
            self.told = Some(told);
        }
        self.keep(finding, findings);
    }
}

/// What the admitted entries of a store tell.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// Dead ends by hypothesis.
    dead_ends: Vec<Vec<DeadEnd>>,
    /// Hypotheses that some entry tells of, in the order in which they came.
    pub(super) hypotheses: Vec<u32>,
    /// Dead ends that hide the true hypothesis.
    pub(super) wrong: Vec<DeadEnd>,
    /// Position and author of each fact.
    pub(super) facts: Vec<(u32, u32)>,
    pub(super) candidates: Vec<Candidate>,
    /// The first item, and the first by another author: position and author.
    pub(super) first_voices: [Option<(u32, u32)>; 2],
}

impl Told {
    fn append(&mut self, position: u32, items: &[Item]) {
        for &item in items {
            let (Item::Dead { author, .. } | Item::Fact { author, .. } | Item::Patch { author, .. }) = item;
            match &mut self.first_voices {
                [first @ None, _] => *first = Some((position, author)),
                [Some((_, other)), second @ None] if *other != author => *second = Some((position, author)),
                _ => {}
            }
            match item {
                Item::Dead { hypothesis, wrong, .. } => {
                    let dead_end = DeadEnd { position, hypothesis, author };
                    if self.dead_ends.len() <= hypothesis as usize {
                        self.dead_ends.resize(hypothesis as usize + 1, Vec::new());
                    }
                    let of = &mut self.dead_ends[hypothesis as usize];
                    if of.is_empty() {
                        self.hypotheses.push(hypothesis);
                    }
                    of.push(dead_end);
                    if wrong {
                        self.wrong.push(dead_end);
                    }
                }
                Item::Fact { .. } => self.facts.push((position, author)),
                Item::Patch { right, .. } => self.candidates.push(Candidate { position, author, right }),
            }
        }
    }

    /// What the entries tell of a hypothesis.
    pub(super) fn dead_ends(&self, hypothesis: u32) -> &[DeadEnd] {
        self.dead_ends.get(hypothesis as usize).map_or(&[], Vec::as_slice)
    }

    /// Who speaks first among the first `version` entries, besides a reader.
    pub(super) fn first_voice(&self, reader: u32, version: u32) -> Option<u32> {
        let others = self.first_voices.iter().flatten().find(|(_, author)| *author != reader);
        others.filter(|(position, _)| *position < version).map(|(_, author)| *author)
    }
}
