//! What a prompt tells its reader: details, and claims that nothing supports.

use super::{Carried, Divide};
use crate::model::call::{Content, Purpose, Request};
use crate::model::ids::StoreId;
use smallvec::SmallVec;

/// Entries of a store, of which some are unsupported.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    store: StoreId,
    first: u32,
    version: u32,
}

/// What a reader takes from its prompt.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reading {
    pub(super) facts: u64,
    pub(super) raw: u64,
    /// Something unsupported is among it.
    pub(super) misled: bool,
    /// Results that it tells of; a digest stands for all that went into it.
    pub(super) items: u32,
}

impl Reading {
    fn take(&mut self, carried: &Carried) {
        self.items = self.items.saturating_add(carried.items);
        self.facts |= carried.facts;
        self.raw |= carried.raw;
        self.misled |= carried.is_unsupported();
    }
}

impl Divide {
    /// What a prompt tells its reader. Costs the spans, not the entries behind them, but for windows.
    pub(super) fn reading(&self, request: &Request) -> Reading {
        let mut all = Reading::default();
        for span in &request.prompt {
            match span.content {
                Content::View { store, first, version } if version > first => {
                    let shelf = &self.shelves[store.index()];
                    if first == 0 {
                        all.items = all.items.saturating_add(shelf.items[version as usize - 1]);
                        all.facts |= shelf.facts[version as usize - 1];
                        all.raw |= shelf.raw[version as usize - 1];
                        all.misled |= shelf.unsupported.first().is_some_and(|&(entry, _)| entry < version);
                    } else {
                        for f in &shelf.entries[first as usize..version as usize] {
                            all.take(&self.findings[f.index()]);
                        }
                    }
                }
                Content::Finding(f) => all.take(&self.findings[f.index()]),
                _ => {}
            }
        }
        all
    }

    /// The subtasks whose unsupported claims a prompt repeats, each once, in order.
    pub(super) fn unsupported_claims(&self, request: &Request) -> SmallVec<[u32; 2]> {
        let mut claims: SmallVec<[u32; 2]> = SmallVec::new();
        for span in &request.prompt {
            match span.content {
                Content::View { store, first, version } => {
                    claims.extend(self.claims_in(Part { store, first, version }));
                }
                Content::Finding(f) => self.claims_of(&self.findings[f.index()], &mut claims),
                _ => {}
            }
        }
        claims.sort_unstable();
        claims.dedup();
        claims
    }

    /// Claims that stand in a part of a store.
    fn claims_in(&self, part: Part) -> impl Iterator<Item = u32> {
        let told = if part.version > part.first { &self.shelves[part.store.index()].unsupported[..] } else { &[] };
        let from = told.partition_point(|&(entry, _)| entry < part.first);
        let to = told.partition_point(|&(entry, _)| entry < part.version);
        told[from..to].iter().map(|&(_, subtask)| subtask)
    }

    pub(super) fn claims_of(&self, carried: &Carried, claims: &mut SmallVec<[u32; 2]>) {
        claims.extend_from_slice(&carried.unsupported);
        claims.extend(carried.retold.into_iter().flat_map(|part| self.claims_in(part)));
    }

    /// The claims that a brief or digest repeats. A brief that is written from one store names the store's part.
    pub(super) fn retelling(&self, request: &Request) -> (SmallVec<[u32; 2]>, Option<Part>) {
        let mut parts = request.prompt.iter().filter_map(|span| match span.content {
            Content::View { store, first, version } if version > first => Some(Part { store, first, version }),
            _ => None,
        });
        let findings = request.prompt.iter().any(|span| matches!(span.content, Content::Finding(_)));
        match (request.purpose, parts.next(), parts.next()) {
            (Purpose::Dispatch, Some(part), None) if !findings => {
                (SmallVec::new(), self.claims_in(part).next().map(|_| part))
            }
            _ => (self.unsupported_claims(request), None),
        }
    }
}
