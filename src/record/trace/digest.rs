//! A digest over a fixed binary form of the trace: little-endian words, one leading code per kind of record. It does not
//! depend on names, formats or floating-point printing.

use super::record::{Body, Record};
use crate::model::call::Usage;
use crate::model::ids::About;
use crate::model::note::Note;
use crate::model::price::Roles;

/// Running digest: two chains of 64 bits that every word goes through, and BLAKE3 of both at the end. It tells any two
/// stories apart that were not made to look alike (each step is a bijection of the chain and of the word); against a
/// forger it proves nothing.
#[derive(Clone, Copy, Debug)]
pub struct Digest {
    chains: [u64; 2],
    words: u64,
}

impl Default for Digest {
    fn default() -> Self {
        // Fractional parts of the square roots of 2 and 3.
        Self { chains: [0x6a09_e667_f3bc_c908, 0xbb67_ae85_84ca_a73b], words: 0 }
    }
}

/// Odd multipliers: the golden ratio, and that of Steele and Vigna ("Computationally easy, spectrally good multipliers",
/// 2022).
const MULTIPLIERS: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0xd134_2543_de82_ef95];
const TURNS: [u32; 2] = [29, 37];

impl Digest {
    /// Takes a record in.
    #[allow(clippy::inline_always, reason = "see `Trace::record`")]
    #[inline(always)]
    pub(super) fn take(&mut self, record: &Record) {
        let code = code(&record.body);
        self.words(&[record.at.as_nanos(), record.caused_by, u64::from(record.task.0) << 8 | code]);
        match &record.body {
            Body::Arrived => {}
            Body::Called { call, agent, purpose, background, about, endpoint, prompt_tokens, board_tokens } => {
                let who = u64::from(agent.0) << 16 | u64::from(purpose.code()) << 1 | u64::from(*background);
                self.words(&[call.0, who, u64::from(endpoint.0), *prompt_tokens, *board_tokens]);
                self.about(about);
            }
            Body::Waits { call, phase, .. } => self.words(&[call.0, *phase as u64]),
            Body::Served { call, .. } => self.words(&[call.0]),
            Body::TryFailed { call, error, .. } => self.words(&[call.0, *error as u64]),
            Body::Replied { call, usage, cost, duplicate, service, .. } => {
                self.words(&[call.0, u64::from(*duplicate), service.as_nanos()]);
                self.bill(usage, cost);
            }
            Body::Failed { call, error, cost, usage, .. } => {
                self.words(&[call.0, *error as u64]);
                self.bill(usage, cost);
            }
            Body::Cancelled { call, cost, usage, .. } => {
                self.words(&[call.0]);
                self.bill(usage, cost);
            }
            Body::TimerFired { timer } => self.words(&[u64::from(timer.0)]),
            Body::Noted { note, unsupported } => self.note(note, *unsupported),
            Body::Finished { right, facts } => {
                self.words(&[right.len() as u64]);
                for &right in right {
                    self.words(&[u64::from(right)]);
                }
                for (_, value) in facts {
                    self.words(&[value.to_bits()]);
                }
            }
        }
    }

    #[inline]
    fn words<const N: usize>(&mut self, words: &[u64; N]) {
        for word in words {
            for (chain, (multiplier, turn)) in self.chains.iter_mut().zip(MULTIPLIERS.into_iter().zip(TURNS)) {
                *chain = (*chain ^ word).wrapping_mul(multiplier).rotate_left(turn);
            }
        }
        self.words += N as u64;
    }

    #[inline]
    fn about(&mut self, about: &About) {
        let place = u64::from(about.line.0) << 32 | u64::from(about.subtask.0);
        self.words(&[place, u64::from(about.attempt) << 32 | u64::from(about.step)]);
    }

    #[inline]
    fn bill(&mut self, usage: &Usage, cost: &Roles) {
        let Usage { prompt_tokens, cached_tokens, cache_write_tokens, completion_tokens } = *usage;
        self.words(&[prompt_tokens, cached_tokens, cache_write_tokens, completion_tokens]);
        let Roles { work, tool, coordination, verification, reading } = *cost;
        self.words(&[work.0, tool.0, coordination.0, verification.0, reading.0]);
    }

    fn note(&mut self, note: &Note, unsupported: bool) {
        let words: [u64; 4] = match *note {
            Note::Phase(agent, phase) => [0, u64::from(agent.0), phase as u64, 0],
            Note::Created { first, count } => [1, u64::from(first), u64::from(count), 0],
            Note::Claimed(agent, subtask) => [2, u64::from(agent.0), u64::from(subtask.0), 0],
            Note::Released(agent, subtask) => [3, u64::from(agent.0), u64::from(subtask.0), 0],
            Note::Done(subtask) => [4, u64::from(subtask.0), 0, 0],
            Note::Abandoned(subtask) => [5, u64::from(subtask.0), 0, 0],
            Note::Proposed(agent, finding) => [6, u64::from(agent.0), u64::from(finding.0), 0],
            Note::Admitted { agent, store, finding, tokens, version, stale_by } => {
                self.words(&[u64::from(tokens), u64::from(version), u64::from(stale_by)]);
                [7, u64::from(agent.0), u64::from(finding.0), u64::from(store.0)]
            }
            Note::Rejected(agent, finding) => [8, u64::from(agent.0), u64::from(finding.0), 0],
            Note::Withdrawn(agent, finding) => [9, u64::from(agent.0), u64::from(finding.0), 0],
            Note::Kept { store, finding, version } => {
                [10, u64::from(store.0), u64::from(finding.0), u64::from(version)]
            }
            Note::Compacted(agent) => [11, u64::from(agent.0), 0, 0],
            Note::GaveUp(agent, error) => [13, u64::from(agent.0), error as u64, 0],
            Note::Submitted(agent, line, finding) => {
                let finding = finding.map_or(0, |f| u64::from(f.0) + 1);
                [12, u64::from(agent.0), u64::from(line.0), finding]
            }
        };
        self.words(&words);
        self.words(&[u64::from(unsupported)]);
    }

    /// The digest of everything taken in so far.
    pub fn finish(&self) -> [u8; 32] {
        let [a, b] = self.chains;
        *blake3::hash([a, b, self.words].map(u64::to_le_bytes).as_flattened()).as_bytes()
    }
}

fn code(body: &Body) -> u64 {
    match body {
        Body::Arrived => 0,
        Body::Called { .. } => 1,
        Body::Waits { .. } => 2,
        Body::Served { .. } => 3,
        Body::TryFailed { .. } => 4,
        Body::Replied { .. } => 5,
        Body::Failed { .. } => 6,
        Body::Cancelled { .. } => 7,
        Body::TimerFired { .. } => 8,
        Body::Noted { .. } => 9,
        Body::Finished { .. } => 10,
    }
}
