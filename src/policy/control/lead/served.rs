//! No rounds: every worker that comes back queues at the lead and goes on when its own brief is written.
//!
//! Invariant: who waits is known; a line that has closed waits no more.

use super::super::agenda::Agenda;
use super::{Lead, Told};
use crate::model::ids::{About, AgentId};
use crate::model::note::{Note, Phase};
use crate::policy::protocol::Outbox;
use std::collections::BTreeSet;

/// Workers with nothing in hand.
#[derive(Debug)]
pub(super) struct Served {
    waiting: BTreeSet<u32>,
}

impl Served {
    pub(super) fn new(team: u32) -> Self {
        Self { waiting: (0..team).collect() }
    }

    /// Whoever waits gets something, as far as there is something, in the order of the workers.
    pub(super) fn choose(&mut self, agenda: &mut Agenda) -> Vec<(u32, About)> {
        let mut chosen = Vec::new();
        while agenda.has_any()
            && let Some(i) = self.waiting.pop_first()
        {
            chosen.extend(agenda.take(i).map(|about| (i, about)));
        }
        chosen
    }

    /// A worker has nothing in hand any more.
    pub(super) fn wait(&mut self, i: u32) {
        self.waiting.insert(i);
    }
}

impl Lead {
    /// The report goes into the notebook and the worker queues for its next brief.
    pub(super) fn next_please(&mut self, i: u32, told: Option<&Told>, out: &mut Outbox) {
        if let Some(told) = told {
            self.keep(told, out);
        }
        out.note(Note::Phase(AgentId(i), Phase::InputWait));
        self.hand_out(out);
        if !self.ending && self.agenda.is_closed(i) {
            out.note(Note::Phase(AgentId(i), Phase::IdleTail));
        }
    }
}
