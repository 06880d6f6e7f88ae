//! The calendar: the list of future events, ordered by time and, among equal times, by the order of scheduling.
//!
//! A key packs time (64 bits), sequence number (40) and slot (24) into one `u128`, so that one comparison orders
//! two events. Payloads rest in a slab and never move, the keys in a ladder of buckets. Events for the present
//! instant pass through a FIFO ring, so that a burst of zero delays costs constant time per event. To cancel frees
//! the slot at once and leaves a dead key behind; dead keys are swept when they outnumber the living. Nothing is
//! allocated per event once the population has reached its peak.
//!
//! Invariant: events leave in the order of (time, sequence), each exactly once, and `now` never decreases.

use std::collections::VecDeque;

use super::ladder::Ladder;
use super::time::Time;

const SLOT_BITS: u32 = 24;
const SEQUENCE_BITS: u32 = 40;
const SLOT_MASK: u64 = (1 << SLOT_BITS) - 1;
/// Below this many dead keys a sweep is not worth its loop.
const SWEEP_FLOOR: usize = 64;

/// Names one scheduled event, for [`Calendar::cancel`]; never reused within a calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(u64);

impl EventId {
    fn slot(self) -> usize {
        (self.0 & SLOT_MASK) as usize
    }
}

#[derive(Clone, Debug)]
struct Slot<E> {
    id: EventId,
    event: Option<E>,
}

/// The list of future events of one run.
///
/// ```
/// use delm_sim::kernel::{Calendar, Time};
/// let mut calendar = Calendar::new();
/// calendar.schedule(Time::from_nanos(5), "later");
/// let id = calendar.schedule(Time::from_nanos(3), "never");
/// calendar.schedule(Time::from_nanos(5), "last: equal times leave in order of scheduling");
/// assert_eq!(calendar.cancel(id), Some("never"));
/// assert_eq!(calendar.pop(), Some((Time::from_nanos(5), "later")));
/// assert_eq!(calendar.now(), Time::from_nanos(5));
/// assert_eq!(calendar.len(), 1);
/// ```
#[derive(Clone, Debug)]
pub struct Calendar<E> {
    now: Time,
    sequence: u64,
    live: usize,
    dead: usize,
    future: Ladder,
    present: VecDeque<u128>,
    slots: Vec<Slot<E>>,
    free: Vec<u32>,
}

impl<E> Default for Calendar<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E> Calendar<E> {
    /// An empty calendar at [`Time::ZERO`].
    pub fn new() -> Self {
        Self::with_capacity(0)
    }

    /// An empty calendar with room for `capacity` pending events.
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            now: Time::ZERO,
            sequence: 0,
            live: 0,
            dead: 0,
            future: Ladder::with_capacity(capacity),
            present: VecDeque::new(),
            slots: Vec::with_capacity(capacity),
            free: Vec::new(),
        }
    }

    /// The time of the event popped last.
    #[inline]
    pub fn now(&self) -> Time {
        self.now
    }

    /// Events scheduled and neither fired nor cancelled.
    #[inline]
    pub fn len(&self) -> usize {
        self.live
    }

    /// Whether no event is left.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Puts `event` at instant `at`, behind all events already scheduled for it.
    ///
    /// # Panics
    /// If `at` lies before [`Calendar::now`], or after 2^40 events, or with 2^24 events pending.
    #[inline]
    pub fn schedule(&mut self, at: Time, event: E) -> EventId {
        assert!(at >= self.now, "an event is scheduled for the past: {at} is before {}", self.now);
        assert!(self.sequence < 1 << SEQUENCE_BITS, "a calendar numbers at most 2^40 events");
        let slot = match self.free.last() {
            Some(&slot) => slot as usize,
            None => self.slots.len(),
        };
        let id = EventId(self.sequence << SLOT_BITS | slot as u64);
        self.sequence += 1;
        if slot == self.slots.len() {
            assert!(slot as u64 <= SLOT_MASK, "a calendar holds at most 2^24 pending events");
            self.slots.push(Slot { id, event: Some(event) });
        } else {
            self.free.pop();
            self.slots[slot] = Slot { id, event: Some(event) };
        }
        self.live += 1;
        let key = pack(at, id);
        if at == self.now {
            // Keys for this instant in the future list are older, hence smaller: the ring keeps the order.
            self.present.push_back(key);
        } else {
            self.future.push(key);
        }
        id
    }

    /// Takes back an event; `None` if it has fired or was cancelled.
    pub fn cancel(&mut self, id: EventId) -> Option<E> {
        let event = self.vacate(id)?;
        self.dead += 1;
        if self.dead > self.live + SWEEP_FLOOR {
            self.sweep();
        }
        self.expose();
        Some(event)
    }

    /// Removes the earliest event and moves [`Calendar::now`] to its time.
    #[inline]
    pub fn pop(&mut self) -> Option<(Time, E)> {
        let key = match self.present.front() {
            None => self.future.pop(),
            Some(&first) if self.future.peek().is_some_and(|top| top < first) => self.future.pop(),
            Some(_) => self.present.pop_front(),
        }?;
        let (time, id) = unpack(key);
        let event = self.vacate(id).expect("the earliest key is live: dead ones are dropped as they surface");
        self.now = time;
        self.expose();
        Some((time, event))
    }

    /// The time of the earliest event.
    #[inline]
    pub fn peek_time(&self) -> Option<Time> {
        let key = match (self.present.front(), self.future.peek()) {
            (Some(&first), Some(top)) => Some(first.min(top)),
            (first, top) => first.copied().or(top),
        };
        key.map(|key| unpack(key).0)
    }

    /// Empties the slot of a live event.
    #[inline]
    fn vacate(&mut self, id: EventId) -> Option<E> {
        let slot = self.slots.get_mut(id.slot()).filter(|slot| slot.id == id)?;
        let event = slot.event.take()?;
        self.free.push(id.slot() as u32);
        self.live -= 1;
        Some(event)
    }

    /// Drops dead keys from both fronts, so that the earliest key is always a live one.
    #[inline]
    fn expose(&mut self) {
        if self.dead == 0 {
            return;
        }
        while self.present.front().is_some_and(|&key| !is_live(&self.slots, key)) {
            self.present.pop_front();
            self.dead -= 1;
        }
        while self.future.peek().is_some_and(|key| !is_live(&self.slots, key)) {
            self.future.pop();
            self.dead -= 1;
        }
    }

    /// Drops all dead keys.
    fn sweep(&mut self) {
        let slots = &self.slots;
        self.future.retain(|&key| is_live(slots, key));
        self.present.retain(|&key| is_live(slots, key));
        self.dead = 0;
    }
}

fn pack(time: Time, id: EventId) -> u128 {
    u128::from(time.as_nanos()) << 64 | u128::from(id.0)
}

fn unpack(key: u128) -> (Time, EventId) {
    (Time::from_nanos((key >> 64) as u64), EventId(key as u64))
}

fn is_live<E>(slots: &[Slot<E>], key: u128) -> bool {
    let id = unpack(key).1;
    let slot = &slots[id.slot()];
    slot.id == id && slot.event.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> Time {
        Time::from_nanos(nanos)
    }

    #[test]
    fn equal_times_leave_in_order_of_scheduling_even_across_the_ring() {
        let mut calendar = Calendar::new();
        calendar.schedule(at(5), 0);
        calendar.schedule(at(5), 1);
        assert_eq!(calendar.pop(), Some((at(5), 0)));
        calendar.schedule(at(5), 2);
        assert_eq!(calendar.pop(), Some((at(5), 1)));
        assert_eq!(calendar.pop(), Some((at(5), 2)));
        assert_eq!(calendar.pop(), None);
        assert_eq!(calendar.now(), at(5));
    }

    #[test]
    fn an_event_is_cancelled_once_and_not_after_it_fired() {
        let mut calendar = Calendar::new();
        let first = calendar.schedule(at(1), 'a');
        let second = calendar.schedule(at(2), 'b');
        assert_eq!(calendar.cancel(first), Some('a'));
        assert_eq!(calendar.cancel(first), None);
        assert_eq!(calendar.peek_time(), Some(at(2)));
        let third = calendar.schedule(at(3), 'c');
        assert_eq!(calendar.cancel(first), None, "the slot was reused, the name was not");
        assert_eq!(calendar.pop(), Some((at(2), 'b')));
        assert_eq!(calendar.cancel(second), None);
        assert_eq!(calendar.cancel(third), Some('c'));
        assert!(calendar.is_empty());
        assert_eq!(calendar.peek_time(), None);
    }

    #[test]
    #[should_panic(expected = "scheduled for the past")]
    fn the_past_is_closed() {
        let mut calendar = Calendar::new();
        calendar.schedule(at(2), ());
        calendar.pop();
        calendar.schedule(at(1), ());
    }

    #[test]
    fn slots_are_reused() {
        let mut calendar = Calendar::new();
        for step in 0..10_000_u64 {
            let id = calendar.schedule(at(step + 1), step);
            if step % 3 == 0 {
                calendar.cancel(id);
            } else {
                calendar.pop();
            }
        }
        assert!(calendar.slots.len() <= 2);
    }
}
