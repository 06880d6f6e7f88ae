//! The seam. A policy is a state machine: events in, commands out. It never sees text, time laws or chance.

use crate::kernel::{Span, Time};
use crate::model::Limit;
use crate::model::call::{CallError, Outcome, Reply, Request};
use crate::model::ids::{CallId, TimerId};
use crate::model::note::Note;
use serde::{Deserialize, Serialize};

/// Version of the serialised seam.
pub const VERSION: u32 = 1;

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// The task has arrived.
    Started,
    /// A call was answered.
    Replied(CallId, Reply),
    /// A call failed for good.
    Failed(CallId, CallError),
    /// A timer ran out.
    TimerFired(TimerId),
}

/// What the policy asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Make a call.
    Call(CallId, Box<Request>),
    /// Stop a call; it is billed as far as it got.
    Cancel(CallId),
    /// Set a timer.
    SetTimer(TimerId, Span),
    /// Clear a timer.
    CancelTimer(TimerId),
    /// Tell what changed in the policy's own data.
    Note(Note),
    /// The task is over.
    Finish(Outcome),
}

/// Where a policy puts its commands; also numbers its calls and timers.
#[derive(Debug, Default)]
pub struct Outbox {
    commands: Vec<Command>,
    calls: u64,
    timers: u32,
}

impl Outbox {
    /// Asks for a call.
    pub fn call(&mut self, request: Request) -> CallId {
        let id = CallId(self.calls);
        self.calls += 1;
        self.commands.push(Command::Call(id, Box::new(request)));
        id
    }

    /// Stops a call.
    pub fn cancel(&mut self, call: CallId) {
        self.commands.push(Command::Cancel(call));
    }

    /// Sets a timer.
    pub fn set_timer(&mut self, after: Span) -> TimerId {
        let id = TimerId(self.timers);
        self.timers += 1;
        self.commands.push(Command::SetTimer(id, after));
        id
    }

    /// Sets the timer of a deadline, if there is one.
    pub fn set_deadline(&mut self, seconds: Limit) -> Option<TimerId> {
        seconds.at().map(|seconds| self.set_timer(Span::from_secs_f64(seconds)))
    }

    /// Clears a timer.
    pub fn cancel_timer(&mut self, timer: TimerId) {
        self.commands.push(Command::CancelTimer(timer));
    }

    /// Tells what changed.
    pub fn note(&mut self, note: Note) {
        self.commands.push(Command::Note(note));
    }

    /// Ends the task.
    pub fn finish(&mut self, outcome: Outcome) {
        self.commands.push(Command::Finish(outcome));
    }

    /// Takes the commands out, in order.
    pub fn drain(&mut self) -> std::vec::Drain<'_, Command> {
        self.commands.drain(..)
    }

    /// Gives back the room of an event that made a large team act at once; most events need little.
    pub(crate) fn shrink(&mut self) {
        const ENOUGH: usize = 1 << 10;
        if self.commands.capacity() > ENOUGH {
            self.commands.shrink_to(ENOUGH);
        }
    }
}

/// A coordination rule for one task's team.
pub trait Policy: Send {
    /// Reacts to an event.
    fn handle(&mut self, now: Time, event: &Event, out: &mut Outbox);
}
