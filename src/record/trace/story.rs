//! A run kept whole in memory, for questions that a summary cannot answer.
//!
//! Besides the records it keeps what no record tells and only the world knows: who set a timer, and what the last try of
//! a call used. Neither belongs into the records, whose digest is published.

use super::Record;
use crate::kernel::Time;
use crate::model::call::Usage;
use crate::model::ids::{CallId, TaskId, TimerId};
use std::collections::BTreeMap;

/// All records of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Story {
    /// Records; the number of each is its place.
    pub records: Vec<Record>,
    timers: BTreeMap<(TaskId, TimerId), TimerSet>,
    tries: BTreeMap<(TaskId, CallId), LastTry>,
}

/// When a timer was set, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerSet {
    /// When.
    pub at: Time,
    /// The record it is an effect of.
    pub cause: u64,
}

/// What the last try of a call used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastTry {
    /// How many things the call handles.
    pub items: u32,
    /// Tokens of the try that was answered; none where no try was.
    pub usage: Option<Usage>,
}

impl Story {
    /// Who set a timer; none if nobody told.
    pub fn timer(&self, task: TaskId, timer: TimerId) -> Option<TimerSet> {
        self.timers.get(&(task, timer)).copied()
    }

    /// The last try of a call.
    pub fn last_try(&self, task: TaskId, call: CallId) -> LastTry {
        self.tries.get(&(task, call)).copied().unwrap_or_default()
    }

    pub(super) fn take(&mut self, record: &Record) {
        self.records.push(record.clone());
    }

    pub(super) fn timer_set(&mut self, task: TaskId, timer: TimerId, set: TimerSet) {
        self.timers.insert((task, timer), set);
    }

    pub(super) fn try_of(&mut self, task: TaskId, call: CallId) -> &mut LastTry {
        self.tries.entry((task, call)).or_default()
    }
}
