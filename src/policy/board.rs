//! The shared board as its policy keeps it: entries, and how far each agent has read.
//!
//! Invariant: an entry is appended once, after its verdict; what an agent saw is a version number.

use super::prompt;
use super::protocol::Outbox;
use crate::model::Limit;
use crate::model::call::{Finding, PromptSpan, SpanRole};
use crate::model::context::Context;
use crate::model::ids::{AgentId, StoreId};
use crate::model::note::Note;

/// The store that holds the board.
pub const BOARD: StoreId = StoreId(0);

/// A private store of an agent.
pub fn private(agent: AgentId) -> StoreId {
    StoreId(agent.0 + 1)
}

/// The board.
#[derive(Debug, Default)]
pub struct Board {
    context: Context,
    seen: Vec<u32>,
}

impl Board {
    /// An empty board for so many readers, leads included.
    pub fn new(agents: u32) -> Self {
        Self { context: Context::default(), seen: vec![0; agents as usize] }
    }

    /// A reader takes the newest entries that fit its window.
    pub fn read(&mut self, reader: AgentId, window: Limit) -> PromptSpan {
        let view = self.context.view(window.whole());
        self.seen[reader.index()] = view.version;
        prompt::view(BOARD, view, SpanRole::Board)
    }

    /// The version that a reader saw last.
    pub fn seen(&self, reader: AgentId) -> u32 {
        self.seen[reader.index()]
    }

    /// How many entries a reader with this window sees.
    pub fn shown(&self, window: Limit) -> u32 {
        let view = self.context.view(window.whole());
        view.version - view.first
    }

    /// Stores what no gate judges as an entry of its own.
    pub fn keep(&mut self, finding: &Finding, out: &mut Outbox) {
        let version = self.context.append(finding.tokens);
        out.note(Note::Kept { store: BOARD, finding: finding.id, version });
    }

    /// Makes an entry readable that was written on the strength of version `read`.
    pub fn admit(&mut self, author: AgentId, finding: &Finding, read: u32, out: &mut Outbox) {
        let stale_by = self.context.version() - read;
        let version = self.context.append(finding.tokens);
        out.note(Note::Admitted {
            agent: author,
            store: BOARD,
            finding: finding.id,
            tokens: finding.tokens,
            version,
            stale_by,
        });
    }
}

/// A private list of findings: hand-offs of a thread, reports kept by a lead, results for a reducer.
#[derive(Debug)]
pub struct Notebook {
    store: StoreId,
    context: Context,
}

impl Notebook {
    /// An empty one.
    pub fn new(store: StoreId) -> Self {
        Self { store, context: Context::default() }
    }

    /// Adds a finding and tells of it.
    pub fn keep(&mut self, finding: &Finding, out: &mut Outbox) {
        let version = self.context.append(finding.tokens);
        out.note(Note::Kept { store: self.store, finding: finding.id, version });
    }

    /// Keeps what its author brought through a gate.
    pub fn admit(&mut self, author: AgentId, finding: &Finding, out: &mut Outbox) {
        let version = self.context.append(finding.tokens);
        let (store, tokens) = (self.store, finding.tokens);
        out.note(Note::Admitted { agent: author, store, finding: finding.id, tokens, version, stale_by: 0 });
    }

    /// Its length.
    pub fn tokens(&self) -> u32 {
        u32::try_from(self.context.tokens()).unwrap_or(u32::MAX)
    }

    /// All of it as text.
    pub fn text(&self) -> PromptSpan {
        prompt::view(self.store, self.context.view(None), SpanRole::Reports)
    }

    /// The newest entries that fit so many tokens, as text.
    pub(crate) fn newest(&self, tokens: u64) -> PromptSpan {
        prompt::view(self.store, self.context.view(Some(tokens)), SpanRole::Reports)
    }

    /// All of it as knowledge whose text stands elsewhere in the prompt.
    pub fn known(&self) -> PromptSpan {
        prompt::known(self.store, self.context.version())
    }

    /// Starts over in a new store with what is left.
    pub fn replace(&mut self, store: StoreId, digest: &Finding, out: &mut Outbox) {
        *self = Self::new(store);
        self.keep(digest, out);
    }
}
