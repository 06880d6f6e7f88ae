//! A story with its joints: which records are of one call, what caused what.

use crate::model::ids::{CallId, TaskId};
use crate::record::trace::{Body, Record, Story};
use std::collections::BTreeMap;

/// A story that can be asked.
#[derive(Debug)]
pub(super) struct Told<'a> {
    pub(super) story: &'a Story,
    /// Places of the records of each call, in order.
    lives: BTreeMap<(TaskId, CallId), Vec<usize>>,
}

/// The call that a record tells of.
fn call_of(body: &Body) -> Option<CallId> {
    match body {
        Body::Called { call, .. }
        | Body::Waits { call, .. }
        | Body::Served { call, .. }
        | Body::TryFailed { call, .. }
        | Body::Replied { call, .. }
        | Body::Failed { call, .. }
        | Body::Cancelled { call, .. } => Some(*call),
        Body::Arrived | Body::TimerFired { .. } | Body::Noted { .. } | Body::Finished { .. } => None,
    }
}

impl<'a> Told<'a> {
    pub(super) fn new(story: &'a Story) -> Self {
        let mut lives: BTreeMap<(TaskId, CallId), Vec<usize>> = BTreeMap::new();
        for (place, record) in story.records.iter().enumerate() {
            if let Some(call) = call_of(&record.body) {
                lives.entry((record.task, call)).or_default().push(place);
            }
        }
        Self { story, lives }
    }

    pub(super) fn record(&self, seq: u64) -> &'a Record {
        &self.story.records[seq as usize]
    }

    /// What a policy answered with this record.
    pub(super) fn cause(&self, record: &Record) -> &'a Record {
        self.record(record.caused_by)
    }

    /// The records of a call, its request first.
    pub(super) fn life(&self, task: TaskId, call: CallId) -> Vec<&'a Record> {
        self.lives[&(task, call)].iter().map(|place| &self.story.records[*place]).collect()
    }

    /// All calls, each with its records, in the order of their numbers.
    pub(super) fn lives(&self) -> impl Iterator<Item = Vec<&'a Record>> {
        self.lives.values().map(|places| places.iter().map(|place| &self.story.records[*place]).collect())
    }

    /// The records before this one.
    pub(super) fn until(&self, record: &Record) -> &'a [Record] {
        &self.story.records[..record.seq as usize]
    }

    /// What a policy answered to an event.
    pub(super) fn effects(&self, event: &Record) -> Vec<&'a Record> {
        let after = &self.story.records[event.seq as usize + 1..];
        after.iter().take_while(|r| r.caused_by == event.seq).collect()
    }

    /// The end of the task that ends last.
    pub(super) fn end(&self) -> Option<&'a Record> {
        self.story.records.iter().rev().find(|r| matches!(r.body, Body::Finished { .. }))
    }
}
