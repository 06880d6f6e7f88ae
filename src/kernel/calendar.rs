//! The calendar: the list of future events, ordered by time and, among equal times, by the order of scheduling.
//!
//! A key packs time (64 bits), sequence number (40) and slot (24) into one `u128`, so that one comparison orders
//! two events. Payloads rest in a slab and never move. The keys of few events are in a tournament whose leaves are the
//! slots, so that a cancelled key goes at once; those of many are in a crowd, where cancelled keys wait to be swept.
//! The last event that left the tournament leaves a hole, which the next one scheduled fills. Nothing is allocated per
//! event once the population has reached its peak.
//!
//! Invariant: events leave in the order of (time, sequence), each exactly once, and `now` never decreases. Every slot is
//! live, free or the hole; the tournament holds the keys of all live events, or the crowd does and there is no hole.

use super::crowd::Crowd;
use super::time::Time;
use super::tournament::Tournament;

const SLOT_BITS: u32 = 24;
const SEQUENCE_BITS: u32 = 40;
const SLOT_MASK: u64 = (1 << SLOT_BITS) - 1;
/// More slots than this make a crowd: a tournament would leave the first-level cache.
const FEW: usize = Tournament::MAX_LEAVES;
/// So few events leave the crowd again; far below the number that makes one, so that a move pays for itself.
const CALM: usize = FEW / 2;

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
    slots: Vec<Slot<E>>,
    free: Vec<u32>,
    few: Tournament,
    crowded: bool,
    crowd: Crowd,
    /// How many free slots that cannot be leaves lie at the bottom of the list, where they are taken last; `None` while
    /// the list is in no order. Only of use in a crowd that shrinks.
    retired: Option<usize>,
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
            slots: Vec::with_capacity(capacity),
            free: Vec::new(),
            few: Tournament::with_leaves(capacity.clamp(1, FEW)),
            crowded: false,
            crowd: Crowd::with_capacity(if capacity > FEW { capacity } else { 0 }),
            retired: None,
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
        self.slots.len() - self.free.len() - usize::from(self.few.hole().is_some())
    }

    /// Whether no event is left.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts `event` at instant `at`, behind all events already scheduled for it.
    ///
    /// # Panics
    /// If `at` lies before [`Calendar::now`], or after 2^40 events, or with 2^24 events pending.
    #[inline]
    pub fn schedule(&mut self, at: Time, event: E) -> EventId {
        assert!(at >= self.now, "an event is scheduled for the past: {at} is before {}", self.now);
        assert!(self.sequence < 1 << SEQUENCE_BITS, "a calendar numbers at most 2^40 events");
        let slot = match self.few.hole().or_else(|| self.free.pop()) {
            Some(slot) => slot as usize,
            None => self.add_slot(),
        };
        let id = EventId(self.sequence << SLOT_BITS | slot as u64);
        self.sequence += 1;
        self.slots[slot] = Slot { id, event: Some(event) };
        let key = pack(at, id);
        if !self.crowded {
            self.few.fill(slot, key);
        } else if at == self.now {
            self.crowd.push_present(key);
        } else {
            self.crowd.push_future(key);
        }
        id
    }

    /// Takes back an event; `None` if it has fired or was cancelled.
    pub fn cancel(&mut self, id: EventId) -> Option<E> {
        let slot = self.slots.get_mut(id.slot()).filter(|slot| slot.id == id)?;
        let event = slot.event.take()?;
        if self.crowded {
            self.free.push(id.slot() as u32);
            self.crowd.bury(self.slots.len() - self.free.len(), |key| is_live(&self.slots, key));
            self.calm(id.slot());
        } else {
            self.close();
            self.few.open(id.slot());
        }
        Some(event)
    }

    /// Removes the earliest event and moves [`Calendar::now`] to its time.
    #[inline]
    pub fn pop(&mut self) -> Option<(Time, E)> {
        if self.crowded {
            return self.pop_crowd();
        }
        self.close();
        let (time, id) = unpack(self.few.first()?);
        let event = self.slots[id.slot()].event.take().expect("a key in the tournament is live");
        self.few.open(id.slot());
        self.now = time;
        Some((time, event))
    }

    /// The time of the earliest event.
    #[inline]
    pub fn peek_time(&self) -> Option<Time> {
        let key = if self.crowded { self.crowd.peek() } else { self.few.peek() };
        key.map(|key| unpack(key).0)
    }

    /// Frees the slot of an event that has left, unless another has taken it.
    #[inline]
    fn close(&mut self) {
        self.free.extend(self.few.close());
    }

    fn pop_crowd(&mut self) -> Option<(Time, E)> {
        let (time, id) = unpack(self.crowd.pop()?);
        let event = self.slots[id.slot()].event.take().expect("dead keys are dropped as they surface");
        self.free.push(id.slot() as u32);
        self.now = time;
        self.crowd.expose(|key| is_live(&self.slots, key));
        self.calm(id.slot());
        Some((time, event))
    }

    /// A new slot, and a leaf for it or a crowd. There is neither a hole nor a free slot.
    #[cold]
    fn add_slot(&mut self) -> usize {
        let slot = self.slots.len();
        assert!(slot as u64 <= SLOT_MASK, "a calendar holds at most 2^24 pending events");
        if !self.crowded && slot == FEW {
            self.crowded = true;
            self.retired = None;
            self.few.take().for_each(|key| self.crowd.push_future(key));
        } else if !self.crowded && slot == self.few.leaves() {
            self.few.grow();
        }
        self.slots.push(Slot { id: EventId(0), event: None });
        slot
    }

    /// Sees to it that a crowd which shrinks is left in the end; `slot` has just become free.
    #[inline]
    fn calm(&mut self, slot: usize) {
        let live = self.slots.len() - self.free.len();
        if live >= FEW {
            // A high slot may have been taken since, for want of low ones.
            self.retired = None;
        } else {
            self.leave_crowd(live, slot);
        }
    }

    /// Moves the live keys to the tournament once all their slots can be leaves. A slot cannot change its number, which
    /// is part of a name that somebody holds; so high ones are retired as they fall free, and low ones taken instead.
    #[cold]
    fn leave_crowd(&mut self, live: usize, slot: usize) {
        let retired = match self.retired {
            Some(retired) if slot < FEW => retired,
            Some(retired) => {
                let last = self.free.len() - 1;
                self.free.swap(retired, last);
                retired + 1
            }
            None if live > CALM => return,
            None => {
                self.free.sort_unstable_by_key(|&slot| (slot as usize) < FEW);
                self.free.partition_point(|&slot| slot as usize >= FEW)
            }
        };
        self.retired = Some(retired);
        if live > CALM || retired < self.slots.len() - FEW {
            return;
        }
        // Free slots at the end are given up, so that the tournament gets no more leaves than it needs.
        self.free.sort_unstable_by(|a, b| b.cmp(a));
        let from_end = (0..self.slots.len() as u32).rev();
        let unused = self.free.iter().zip(from_end).take_while(|&(&free, slot)| free == slot).count();
        let used = self.slots.len() - unused;
        self.crowded = false;
        self.slots.truncate(used);
        self.free.drain(..unused);
        self.few = Tournament::with_leaves(used);
        let slots = &self.slots;
        let live = self.crowd.drain().filter(|&key| is_live(slots, key));
        self.few.seat(live.map(|key| (unpack(key).1.slot(), key)));
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
    slots.get(id.slot()).is_some_and(|slot| slot.id == id && slot.event.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> Time {
        Time::from_nanos(nanos)
    }

    #[test]
    fn equal_times_leave_in_order_of_scheduling() {
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

    #[test]
    fn the_hole_that_an_event_leaves_is_seen_by_nobody() {
        let mut calendar = Calendar::new();
        let ids: Vec<_> = (1..=3).map(|nanos| calendar.schedule(at(nanos), nanos)).collect();
        assert_eq!(calendar.pop(), Some((at(1), 1)));
        assert_eq!((calendar.len(), calendar.peek_time()), (2, Some(at(2))));
        assert_eq!(calendar.cancel(ids[0]), None, "it has fired");
        let mut copy = calendar.clone();
        assert_eq!(calendar.cancel(ids[1]), Some(2));
        assert_eq!((calendar.len(), calendar.peek_time()), (1, Some(at(3))));
        assert_eq!(calendar.pop(), Some((at(3), 3)));
        assert_eq!((calendar.len(), calendar.peek_time(), calendar.is_empty()), (0, None, true));
        assert_eq!((calendar.pop(), calendar.pop(), calendar.now()), (None, None, at(3)));
        let late = copy.schedule(at(9), 9);
        assert_eq!((copy.len(), copy.peek_time(), copy.slots.len()), (3, Some(at(2)), 3), "the hole is filled");
        assert_eq!(copy.cancel(late), Some(9));
        assert_eq!(copy.cancel(late), None);
        copy.schedule(at(1), 10);
        assert_eq!((copy.pop(), copy.pop(), copy.pop(), copy.pop()), {
            (Some((at(1), 10)), Some((at(2), 2)), Some((at(3), 3)), None)
        });
    }

    #[test]
    fn a_crowd_comes_and_goes_with_its_names() {
        let mut calendar = Calendar::new();
        let ids: Vec<_> = (0..2000_u64).map(|i| calendar.schedule(at(1 + i / 100), i)).collect();
        assert!(calendar.crowded);
        let last = calendar.schedule(at(50), 2000);
        for i in 0..1950 {
            if i % 7 == 3 {
                assert_eq!(calendar.cancel(ids[i as usize]), Some(i));
            } else {
                assert_eq!(calendar.pop(), Some((at(1 + i / 100), i)));
            }
        }
        assert!(calendar.crowded, "the last event has a slot that cannot be a leaf");
        assert_eq!(calendar.cancel(last), Some(2000));
        for i in 1950..2000 {
            assert_eq!(calendar.pop(), Some((at(20), i)));
            calendar.schedule(at(20), i + 50);
        }
        for i in 2000..6000 {
            assert_eq!((calendar.len(), calendar.peek_time()), (50, Some(at(20))));
            assert_eq!(calendar.pop(), Some((at(20), i)));
            calendar.schedule(at(20), i + 50);
        }
        assert!(!calendar.crowded);
        assert!(calendar.slots.len() <= FEW);
        assert!(ids.iter().all(|&id| calendar.cancel(id).is_none()), "names are not used twice");
        assert_eq!(calendar.clone().len(), 50);
    }

    #[test]
    fn a_crowd_keeps_the_order_across_its_ring() {
        let mut calendar = Calendar::new();
        for i in 0..=FEW {
            calendar.schedule(at(5), i);
        }
        assert_eq!(calendar.pop(), Some((at(5), 0)));
        let never = calendar.schedule(at(5), 0);
        calendar.schedule(at(5), FEW + 1);
        assert_eq!(calendar.cancel(never), Some(0));
        for i in 1..=FEW + 1 {
            assert_eq!(calendar.pop(), Some((at(5), i)));
        }
        assert_eq!(calendar.pop(), None);
        assert!(!calendar.crowded, "nothing is left");
    }

    #[test]
    fn crowds_that_come_and_go_agree_with_a_sorted_map() {
        let mut calendar = Calendar::new();
        let (mut model, mut state, mut leaves) = (std::collections::BTreeMap::new(), 1_u64, 0);
        let swings = [FEW + 1, FEW - 1, FEW + 1, CALM, FEW, FEW + 2, CALM - 1, 3 * FEW, CALM + 1, FEW + 1, 10, FEW, 0];
        for goal in swings.into_iter().cycle().take(8 * swings.len()) {
            let grow = calendar.len() < goal;
            while calendar.len() != goal {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let crowded = calendar.crowded;
                let (chance, draw) = (state >> 61, state >> 33 & 0xff);
                if (chance < 6) == grow || model.is_empty() {
                    let time = calendar.now().as_nanos() + draw * draw;
                    let id = calendar.schedule(at(time), state);
                    assert_eq!(model.insert((time, id), state), None);
                } else if chance % 2 == 0 {
                    let (&key, _) = model.iter().nth(draw as usize % model.len()).unwrap();
                    assert_eq!(calendar.cancel(key.1), model.remove(&key));
                } else {
                    let first = model.pop_first().map(|((time, _), event)| (at(time), event));
                    assert_eq!(calendar.pop(), first);
                }
                leaves += usize::from(crowded && !calendar.crowded);
                assert_eq!(calendar.len(), model.len());
                assert_eq!(calendar.peek_time(), model.keys().next().map(|key| at(key.0)));
            }
        }
        assert!(leaves >= 8, "the walk should cross the border often: {leaves}");
    }
}
