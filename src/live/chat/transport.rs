//! The seam between a live world and what is outside: a clock, and tries that leave and come back.
//!
//! Invariant: given the same arrivals at the same times, a live world does the same; everything that differs between
//! two runs comes through here.

use super::ending::{Completion, TryError};
use crate::kernel::{Span, Time};
use crate::model::ids::{CallId, EndpointId, TaskId};
use serde_json::Value;

/// A try that is to leave.
#[derive(Clone, Debug)]
pub struct Job {
    /// Number; the arrival bears it.
    pub number: u64,
    /// Task of the call.
    pub task: TaskId,
    /// The call.
    pub call: CallId,
    /// Endpoint that it goes to.
    pub endpoint: EndpointId,
    /// What is sent.
    pub body: Value,
    /// Most time for the whole try.
    pub timeout: Span,
    /// Most time without a byte.
    pub silence: Span,
}

/// A try came back.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Number of the job.
    pub job: u64,
    /// When it really left.
    pub sent_at: Time,
    /// When its end was there.
    pub at: Time,
    /// How it ended.
    pub end: Result<Completion, TryError>,
}

/// A clock, and tries that are under way.
pub trait Transport {
    /// What the clock shows.
    fn now(&self) -> Time;
    /// Sets the clock, between runs.
    fn set(&mut self, now: Time);
    /// Sends a try at once.
    fn send(&mut self, job: Job);
    /// Waits for the next arrival, at most until an instant. `None`: the instant is there, or somebody interrupted, or
    /// nothing is under way and no instant was given.
    fn next(&mut self, until: Option<Time>) -> Option<Arrival>;
    /// Forgets a try; it never arrives.
    fn abandon(&mut self, job: u64);
    /// Whether the run is to end soon.
    fn is_interrupted(&self) -> bool {
        false
    }
}

impl<T: Transport + ?Sized> Transport for &mut T {
    fn now(&self) -> Time {
        (**self).now()
    }
    fn set(&mut self, now: Time) {
        (**self).set(now);
    }
    fn send(&mut self, job: Job) {
        (**self).send(job);
    }
    fn next(&mut self, until: Option<Time>) -> Option<Arrival> {
        (**self).next(until)
    }
    fn abandon(&mut self, job: u64) {
        (**self).abandon(job);
    }
    fn is_interrupted(&self) -> bool {
        (**self).is_interrupted()
    }
}
