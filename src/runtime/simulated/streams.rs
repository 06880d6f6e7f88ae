//! Endpoints whose streams share the decoding: the more calls in service, the slower each.
//!
//! With k calls in service each advances by one second of its work in `1 + stream_slowdown (k - 1)` seconds. All
//! advance alike, so one clock serves them: the work that a stream does which has been there from the start. A call
//! that joins knows at which work it will have its first token and its end, and nobody who joins or leaves changes
//! that; only the next milestone of all has a time, in the calendar of the world. Hence a change costs a search among
//! the streams and not a visit to each (virtual time: A. K. Parekh and R. G. Gallager, "A Generalized Processor
//! Sharing Approach to Flow Control in Integrated Services Networks", 1993).
//!
//! * The prompt becomes readable in the cache when the first token really comes, and stays so even if the call is
//!   cancelled or timed out later.
//! * A timeout counts time on the wall: a call that would meet it alone may miss it in company. What is due at the same
//!   instant has been done.
//! * A try that the server fails takes its `failure_s` on the wall, computes nothing and slows nobody.
//! * A cancelled or timed-out call is billed the output of the decoding it had done, and the others speed up at once.
//!
//! Invariant: a call in service has one milestone here, unless its try fails at the server.

use crate::kernel::{EventId, Span, Time};
use std::collections::BTreeMap;

/// Parts of a nanosecond in which work is counted, so that stretches between changes do not add up to errors.
const PARTS: f64 = 4_294_967_296.0;

fn parts(span: Span) -> u128 {
    u128::from(span.as_nanos()) << 32
}

/// A call among the streams: at which work its milestones are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    first_token: u128,
    end: u128,
    /// Which joined first comes first at equal work.
    order: u64,
    opened: bool,
}

impl Stream {
    fn milestone(&self) -> (u128, u64) {
        (if self.opened { self.end } else { self.first_token }, self.order)
    }

    /// The share of the decoding that is done at a work.
    pub(super) fn decoded(&self, done: u128) -> f64 {
        let whole = self.end - self.first_token;
        match (self.opened, whole) {
            (false, _) => 0.0,
            (true, 0) => 1.0,
            (true, _) => (done.saturating_sub(self.first_token) as f64 / whole as f64).min(1.0),
        }
    }
}

/// What a stream has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Milestone {
    FirstToken,
    End,
}

/// The calls that share an endpoint.
#[derive(Debug, Default)]
pub(super) struct Streams {
    stream_slowdown: f64,
    /// Work of a stream that has been there from the start.
    done: u128,
    /// Up to when it is counted.
    counted: Time,
    /// Slots by next milestone.
    next: BTreeMap<(u128, u64), u32>,
    joined: u64,
    /// When the first milestone is reached, as things stand.
    pub(super) appointment: Option<(Time, EventId)>,
}

impl Streams {
    pub(super) fn new(stream_slowdown: f64) -> Self {
        Self { stream_slowdown, ..Self::default() }
    }

    /// The work of each stream by `now`.
    pub(super) fn done(&mut self, now: Time) -> u128 {
        let elapsed = (now - self.counted).as_nanos();
        if elapsed > 0 && !self.next.is_empty() {
            self.done += (elapsed as f64 * (PARTS / self.slowdown())) as u128;
        }
        self.counted = now;
        self.done
    }

    fn slowdown(&self) -> f64 {
        1.0 + self.stream_slowdown * self.next.len().saturating_sub(1) as f64
    }

    /// Time until a work is done, if nothing changes. The least part of a nanosecond is an error of rounding.
    fn takes(&self, work: u128) -> Span {
        let left = work.saturating_sub(self.done) as f64 * (self.slowdown() / PARTS);
        Span::from_nanos((left - 1e-3).ceil().max(0.0) as u64)
    }

    /// Service of a call begins beside the others.
    pub(super) fn join(&mut self, now: Time, slot: u32, opening: Span, decoding: Span) -> Stream {
        let first_token = self.done(now) + parts(opening);
        self.joined += 1;
        let stream = Stream { first_token, end: first_token + parts(decoding), order: self.joined, opened: false };
        self.next.insert(stream.milestone(), slot);
        stream
    }

    /// Service of a call ends, whatever the reason.
    pub(super) fn part(&mut self, now: Time, stream: &Stream) {
        self.done(now);
        self.next.remove(&stream.milestone());
    }

    /// When the next milestone of all is reached, if nothing changes.
    pub(super) fn due(&mut self, now: Time) -> Option<Time> {
        self.done(now);
        self.next.first_key_value().map(|((work, _), _)| now + self.takes(*work))
    }

    /// Whether the next milestone of this stream is reached now, and only has not been told yet.
    pub(super) fn is_due(&mut self, now: Time, stream: &Stream) -> bool {
        self.done(now);
        self.takes(stream.milestone().0) == Span::ZERO
    }

    /// Whose milestone is reached now.
    pub(super) fn reach(&mut self, now: Time) -> Option<u32> {
        self.done(now);
        let ((work, _), slot) = self.next.first_key_value()?;
        self.done = self.done.max(*work);
        Some(*slot)
    }

    /// A stream that was reached goes on from its milestone. Its end stays until it parts.
    pub(super) fn pass(&mut self, stream: &mut Stream, slot: u32) -> Milestone {
        if stream.opened {
            return Milestone::End;
        }
        self.next.remove(&stream.milestone());
        stream.opened = true;
        self.next.insert(stream.milestone(), slot);
        Milestone::FirstToken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(s: f64) -> Span {
        Span::from_secs_f64(s)
    }

    fn at(s: f64) -> Time {
        Time::ZERO + seconds(s)
    }

    #[test]
    fn who_joins_slows_all_and_who_leaves_frees_them() {
        let mut streams = Streams::new(1.0);
        let mut first = streams.join(at(0.0), 1, seconds(1.0), seconds(3.0));
        assert_eq!(streams.due(at(0.0)), Some(at(1.0)));
        assert_eq!(streams.reach(at(1.0)), Some(1));
        assert_eq!(streams.pass(&mut first, 1), Milestone::FirstToken);
        // Two of 3 and 1 seconds from 1 s on: the second ends at 3 s, the first has 2 s left then.
        let mut second = streams.join(at(1.0), 2, seconds(0.0), seconds(1.0));
        assert_eq!(streams.due(at(1.0)), Some(at(1.0)));
        assert_eq!(streams.reach(at(1.0)), Some(2));
        assert_eq!(streams.pass(&mut second, 2), Milestone::FirstToken);
        assert_eq!(streams.due(at(2.0)), Some(at(3.0)));
        assert_eq!(streams.reach(at(3.0)), Some(2));
        assert_eq!(streams.pass(&mut second, 2), Milestone::End);
        streams.part(at(3.0), &second);
        assert_eq!(streams.due(at(3.0)), Some(at(5.0)));
        let done = streams.done(at(4.0));
        assert!((first.decoded(done) - 2.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn many_changes_add_up_to_no_error() {
        let mut streams = Streams::new(0.7);
        streams.join(at(0.0), 0, seconds(0.0), seconds(1e4));
        let mut now = at(0.0);
        for _ in 0..100_000 {
            let guest = streams.join(now, 1, seconds(1.0), seconds(1.0));
            now += Span::from_nanos(33_331);
            streams.part(now, &guest);
            now += Span::from_nanos(66_672);
        }
        let expected = 1e5 * (33_331.0 / 1.7 + 66_672.0);
        let done = streams.done(now) as f64 / PARTS;
        assert!((done - expected).abs() < 0.01, "{done} ns done, {expected} expected");
    }
}
