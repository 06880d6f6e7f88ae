//! Which decisions two runs have in common, and the first that one of them has alone.
//!
//! A decision is a call or a note. Two are the same if their content is: task, purpose, subject, attempt and step of a
//! call; kind, member and subtask of a note; and which of its kind it is. Neither numbers nor times count, and phases of
//! agents are no decisions. Who asks is no content of a call, as it keys no draw: a plan is the same plan whether a lead
//! or a worker asks for it. Who takes a subtask is told by a note.

use super::story::Told;
use crate::kernel::Time;
use crate::model::call::Purpose;
use crate::model::ids::{About, AgentId};
use crate::model::note::Note;
use crate::record::trace::{Body, Record};
use serde::Serialize;
use std::collections::BTreeMap;

/// A call or a note.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// A call was asked for.
    Called {
        /// Who asks.
        agent: AgentId,
        /// Why.
        purpose: Purpose,
        /// About what.
        about: About,
    },
    /// The policy changed its data.
    Noted(Note),
}

/// What a decision is an effect of.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The arrival of the task.
    Arrival,
    /// The reply to a call, or its failure for good.
    Reply(Decision),
    /// A timer that ran out.
    Timer,
}

/// A cause with its time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Link {
    /// What it is.
    pub cause: Cause,
    /// When, in nanoseconds since the arrival.
    #[serde(rename = "at_ns")]
    pub at: Time,
    /// When the other run has it, in nanoseconds since the arrival; none if it has not, or only after its own end.
    #[serde(rename = "other_at_ns")]
    pub other_at: Option<Time>,
}

/// A decision that one run has alone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Alone {
    /// Which run has it: 0 or 1.
    pub side: usize,
    /// When, in nanoseconds since the arrival.
    #[serde(rename = "at_ns")]
    pub at: Time,
    /// What.
    pub decision: Decision,
    /// What it is an effect of, nearest first, up to the last that both runs have.
    pub causes: Vec<Link>,
}

/// Content of a decision: task, kind, and up to five numbers that tell it.
type Key = (u32, u16, [u32; 5]);

fn key(record: &Record) -> Option<Key> {
    let (code, words) = match record.body {
        Body::Called { purpose, about, background, .. } => {
            let About { line, subtask, attempt, step } = about;
            (purpose.code(), [line.0, subtask.0, u32::from(attempt), step, u32::from(background)])
        }
        Body::Noted { note, .. } => {
            let (code, words) = note_key(&note)?;
            (NOTES + code, [words[0], words[1], 0, 0, 0])
        }
        _ => return None,
    };
    Some((record.task.0, code, words))
}

/// Codes of notes follow those of purposes.
const NOTES: u16 = 100;

/// Findings and stores are numbered by the run, so they tell nothing.
fn note_key(note: &Note) -> Option<(u16, [u32; 2])> {
    Some(match *note {
        Note::Phase(..) => return None,
        Note::Created { first, count } => (0, [first, count]),
        Note::Claimed(agent, subtask) => (1, [agent.0, subtask.0]),
        Note::Released(agent, subtask) => (2, [agent.0, subtask.0]),
        Note::Done(subtask) => (3, [subtask.0, 0]),
        Note::Abandoned(subtask) => (4, [subtask.0, 0]),
        Note::Proposed(agent, _) => (5, [agent.0, 0]),
        Note::Admitted { agent, .. } => (6, [agent.0, 0]),
        Note::Rejected(agent, _) => (7, [agent.0, 0]),
        Note::Withdrawn(agent, _) => (8, [agent.0, 0]),
        Note::Kept { .. } => (9, [0, 0]),
        Note::Compacted(agent) => (10, [agent.0, 0]),
        Note::GaveUp(agent, error) => (11, [agent.0, error as u32]),
        Note::Submitted(agent, line, _) => (12, [agent.0, line.0]),
    })
}

/// For each record of either run, its like in the other.
#[derive(Debug)]
pub(super) struct Pairs([Vec<Option<usize>>; 2]);

impl Pairs {
    pub(super) fn of(a: &Told, b: &Told) -> Self {
        let mut like = [vec![None; a.story.records.len()], vec![None; b.story.records.len()]];
        let mut open: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
        for (place, record) in b.story.records.iter().enumerate().rev() {
            if let Some(key) = key(record) {
                open.entry(key).or_default().push(place);
            }
        }
        for (place, record) in a.story.records.iter().enumerate() {
            let other = key(record).and_then(|key| open.get_mut(&key)?.pop());
            if let Some(other) = other {
                (like[0][place], like[1][other]) = (Some(other), Some(place));
            }
        }
        Self(like)
    }

    /// The like of a decision in the other run.
    fn like(&self, side: usize, record: &Record) -> Option<usize> {
        self.0[side][record.seq as usize]
    }

    /// The first decision that a run has alone.
    pub(super) fn alone(&self, side: usize, told: [&Told; 2]) -> Option<Alone> {
        let single = |r: &&Record| key(r).is_some() && self.like(side, r).is_none();
        let record = told[side].story.records.iter().find(single)?;
        let decision = decision(record)?;
        Some(Alone { side, at: record.at, decision, causes: self.causes(side, told, record) })
    }

    fn causes(&self, side: usize, told: [&Told; 2], record: &Record) -> Vec<Link> {
        let (mine, other) = (told[side], told[1 - side]);
        let mut causes = Vec::new();
        let mut event = mine.cause(record);
        loop {
            let at = event.at;
            match event.body {
                Body::Replied { call, .. } | Body::Failed { call, .. } => {
                    let called = mine.life(event.task, call)[0];
                    let like = self.like(side, called).map(|place| &other.story.records[place]);
                    let other_at = like.and_then(|like| replied_at(other, like));
                    if let Some(decision) = decision(called) {
                        causes.push(Link { cause: Cause::Reply(decision), at, other_at });
                    }
                    if like.is_some() {
                        return causes;
                    }
                    event = mine.cause(called);
                }
                Body::TimerFired { timer } => {
                    causes.push(Link { cause: Cause::Timer, at, other_at: None });
                    let Some(set) = mine.story.timer(event.task, timer) else { return causes };
                    event = mine.record(set.cause);
                }
                _ => {
                    causes.push(Link { cause: Cause::Arrival, at, other_at: Some(at) });
                    return causes;
                }
            }
        }
    }
}

/// What a record decides, if anything.
pub(super) fn decision(record: &Record) -> Option<Decision> {
    match record.body {
        Body::Called { agent, purpose, about, .. } => Some(Decision::Called { agent, purpose, about }),
        Body::Noted { note, .. } => Some(Decision::Noted(note)),
        _ => None,
    }
}

/// When a call was answered or failed for good.
fn replied_at(told: &Told, called: &Record) -> Option<Time> {
    let Body::Called { call, .. } = called.body else { return None };
    let life = told.life(called.task, call);
    let end = life.iter().find(|r| matches!(r.body, Body::Replied { .. } | Body::Failed { .. }))?;
    Some(end.at)
}
