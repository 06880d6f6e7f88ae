//! Policies inside a policy: their calls and timers have numbers of their own.
//!
//! Invariant: an inner policy hears of its own calls and timers only, by the numbers that it gave them.

use crate::model::call::Outcome;
use crate::model::ids::{CallId, TimerId};
use crate::policy::protocol::{Command, Event, Outbox};
use std::collections::BTreeMap;

/// Which inner policy a call or timer belongs to, and what it is called there.
type Inside<Id> = (u32, Id);

/// Numbers of the inner policies beside those of the outer one.
#[derive(Debug, Default)]
pub(super) struct Switchboard {
    calls: BTreeMap<CallId, Inside<CallId>>,
    outer_calls: BTreeMap<Inside<CallId>, CallId>,
    timers: BTreeMap<TimerId, Inside<TimerId>>,
    outer_timers: BTreeMap<Inside<TimerId>, TimerId>,
}

impl Switchboard {
    /// What happened, as the inner policy that it concerns knows it; none if it concerns none any more.
    pub(super) fn inwards(&mut self, event: &Event) -> Option<(u32, Event)> {
        let mut call = |call: &CallId| {
            let inside = self.calls.remove(call)?;
            self.outer_calls.remove(&inside);
            Some(inside)
        };
        match event {
            Event::Started => None,
            Event::Replied(id, reply) => call(id).map(|(inner, id)| (inner, Event::Replied(id, reply.clone()))),
            Event::Failed(id, error) => call(id).map(|(inner, id)| (inner, Event::Failed(id, *error))),
            Event::TimerFired(id) => {
                let inside = self.timers.remove(id)?;
                self.outer_timers.remove(&inside);
                Some((inside.0, Event::TimerFired(inside.1)))
            }
        }
    }

    /// What an inner policy asks for goes out under numbers of the outer one. Its end is not the end of the outer one: it
    /// is given back.
    pub(super) fn outwards(&mut self, inner: u32, command: Command, out: &mut Outbox) -> Option<Outcome> {
        match command {
            Command::Call(id, request) => {
                let call = out.call(*request);
                self.calls.insert(call, (inner, id));
                self.outer_calls.insert((inner, id), call);
            }
            Command::Cancel(id) => {
                if let Some(call) = self.outer_calls.remove(&(inner, id)) {
                    self.calls.remove(&call);
                    out.cancel(call);
                }
            }
            Command::SetTimer(id, after) => {
                let timer = out.set_timer(after);
                self.timers.insert(timer, (inner, id));
                self.outer_timers.insert((inner, id), timer);
            }
            Command::CancelTimer(id) => {
                if let Some(timer) = self.outer_timers.remove(&(inner, id)) {
                    self.timers.remove(&timer);
                    out.cancel_timer(timer);
                }
            }
            Command::Note(note) => out.note(note),
            Command::Finish(outcome) => return Some(outcome),
        }
        None
    }

    /// Stops all that is in flight; nobody inside hears of it.
    pub(super) fn stop(&mut self, out: &mut Outbox) {
        for (call, _) in std::mem::take(&mut self.calls) {
            out.cancel(call);
        }
        for (timer, _) in std::mem::take(&mut self.timers) {
            out.cancel_timer(timer);
        }
        self.outer_calls.clear();
        self.outer_timers.clear();
    }
}
