//! Endpoints whose streams share the decoding: the more calls in service, the slower each.
//!
//! With k calls in service each advances by one second of its work in `1 + stream_slowdown (k - 1)` seconds. A call
//! has two parts, up to its first token and after it; whenever a call joins or leaves, the work done by all since the
//! last change is booked and their next milestones (first token, end) move in the calendar, in the order in which the
//! calls entered service.
//!
//! * The prompt becomes readable in the cache when the first token really comes, and stays so even if the call is
//!   cancelled or timed out later.
//! * A timeout counts time on the wall: a call that would meet it alone may miss it in company.
//! * A try that the server fails takes its `failure_s` on the wall, computes nothing and slows nobody.
//! * A cancelled or timed-out call is billed the output of the decoding it had done, and the others speed up at once.
//!
//! Invariant: a call in service is in `streams` once, unless its try fails at the server; what is booked as done adds
//! up to the work of the calls that end.

use super::{Due, Simulated};
use crate::kernel::{Span, Time};
use crate::model::call::CallError;

/// The calls that share an endpoint.
#[derive(Debug, Default)]
pub(super) struct Streams {
    /// In the order in which they entered service.
    slots: Vec<u32>,
    /// Up to when their work is booked.
    booked: Time,
}

/// Work done in `elapsed` at a slow-down.
fn done(elapsed: Span, slowdown: f64) -> Span {
    Span::from_nanos((elapsed.as_nanos() as f64 / slowdown).round() as u64)
}

/// Time that `left` takes at a slow-down; never less than would do all of it.
fn takes(left: Span, slowdown: f64) -> Span {
    Span::from_nanos((left.as_nanos() as f64 * slowdown).ceil() as u64)
}

fn less(span: Span, by: Span) -> Span {
    Span::from_nanos(span.as_nanos().saturating_sub(by.as_nanos()))
}

impl Simulated {
    /// Service of a call begins beside the others.
    pub(super) fn join(&mut self, slot: u32) {
        let endpoint = self.calls.get(slot).endpoint.index();
        self.book(endpoint);
        self.stations[endpoint].streams.slots.push(slot);
        self.plan(endpoint);
    }

    /// Service of a call ends, whatever the reason; nothing happens if it shares with nobody.
    pub(super) fn part(&mut self, slot: u32) {
        let endpoint = self.calls.get(slot).endpoint.index();
        let Some(place) = self.stations[endpoint].streams.slots.iter().position(|s| *s == slot) else {
            return;
        };
        self.book(endpoint);
        self.stations[endpoint].streams.slots.remove(place);
        self.plan(endpoint);
    }

    /// The first token of a call comes: its prompt can be read from now on.
    pub(super) fn first_token(&mut self, slot: u32) {
        let now = self.calendar.now();
        let endpoint = self.calls.get(slot).endpoint.index();
        self.book(endpoint);
        let p = self.calls.get(slot);
        let work = p.work.as_mut().expect("only calls that share tell of their first token");
        work.opened = true;
        self.stations[endpoint].cache.write(now, now, p.task.0, &p.request.prompt);
        self.milestone(slot, self.slowdown(endpoint));
        self.line_changed(endpoint as u16);
    }

    fn slowdown(&self, endpoint: usize) -> f64 {
        self.fleet.endpoints[endpoint].slowdown(self.stations[endpoint].streams.slots.len())
    }

    /// Books what all calls have done since the last change.
    fn book(&mut self, endpoint: usize) {
        let slowdown = self.slowdown(endpoint);
        let now = self.calendar.now();
        let Self { calls, stations, .. } = self;
        let streams = &mut stations[endpoint].streams;
        let did = done(now - streams.booked, slowdown);
        streams.booked = now;
        for &slot in &streams.slots {
            let work = calls.get(slot).work.as_mut().expect("a stream has work");
            // The first token is a milestone of its own, so that no stretch reaches over it.
            let part = if work.opened { &mut work.decoding } else { &mut work.opening };
            *part = less(*part, did);
        }
    }

    /// Moves the next milestones of all calls.
    fn plan(&mut self, endpoint: usize) {
        let slowdown = self.slowdown(endpoint);
        for place in 0..self.stations[endpoint].streams.slots.len() {
            self.milestone(self.stations[endpoint].streams.slots[place], slowdown);
        }
    }

    fn milestone(&mut self, slot: u32, slowdown: f64) {
        let now = self.calendar.now();
        let p = self.calls.get(slot);
        let work = p.work.expect("a stream has work");
        let (mut at, mut due) = if work.opened {
            (now + takes(work.decoding, slowdown), Due::Done(slot))
        } else {
            (now + takes(work.opening, slowdown), Due::FirstToken(slot))
        };
        if let Some(limit) = work.limit.filter(|limit| *limit < at) {
            (at, due) = (limit, Due::Broken(slot, CallError::Timeout));
        }
        if let Some(event) = p.event.take() {
            self.calendar.cancel(event);
        }
        let event = self.calendar.schedule(at, due);
        self.calls.get(slot).event = Some(event);
    }
}
