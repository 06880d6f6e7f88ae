//! A digest over a fixed binary form of the trace: little-endian words, one leading code per kind of record. It does not
//! depend on names, formats or floating-point printing.

use super::record::{Body, Record};
use crate::model::call::Usage;
use crate::model::ids::About;
use crate::model::note::Note;
use crate::model::price::Roles;

/// Running digest.
#[derive(Clone, Debug, Default)]
pub struct Digest {
    hasher: blake3::Hasher,
    buffer: Vec<u8>,
}

const FLUSH_BYTES: usize = 1 << 14;

impl Digest {
    /// Takes a record in.
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
                self.buffer.extend(right.iter().map(|&r| u8::from(r)));
                for (_, value) in facts {
                    self.words(&[value.to_bits()]);
                }
            }
        }
        if self.buffer.len() >= FLUSH_BYTES {
            self.flush();
        }
    }

    /// Puts words into the block in one piece.
    #[inline]
    fn words<const N: usize>(&mut self, words: &[u64; N]) {
        self.buffer.extend_from_slice(words.map(u64::to_le_bytes).as_flattened());
    }

    fn about(&mut self, about: &About) {
        let place = u64::from(about.line.0) << 32 | u64::from(about.subtask.0);
        self.words(&[place, u64::from(about.attempt) << 32 | u64::from(about.step)]);
    }

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
        self.buffer.push(u8::from(unsupported));
    }

    fn flush(&mut self) {
        self.hasher.update(&self.buffer);
        self.buffer.clear();
    }

    /// The digest of everything taken in so far.
    pub fn finish(&mut self) -> [u8; 32] {
        self.flush();
        *self.hasher.finalize().as_bytes()
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
