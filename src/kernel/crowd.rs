//! The keys of many pending events: a ladder for the future, a FIFO ring for the present instant, so that a burst of
//! zero delays costs constant time per event.
//!
//! A key of a cancelled event stays behind, dead, until it surfaces or the dead outnumber the living. The crowd does not
//! know which are dead: its owner tells.
//!
//! Invariant: between calls the earliest key is a live one.

use std::collections::VecDeque;

use super::ladder::Ladder;

/// Below this many dead keys a sweep is not worth its loop.
const SWEEP_FLOOR: usize = 64;

/// Minimum queue of `u128` keys of which some may be dead.
#[derive(Clone, Debug)]
pub(super) struct Crowd {
    future: Ladder,
    present: VecDeque<u128>,
    dead: usize,
}

impl Crowd {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self { future: Ladder::with_capacity(capacity), present: VecDeque::new(), dead: 0 }
    }

    /// Takes a key of a later instant, or one for the present that is older than all in the ring.
    #[inline]
    pub(super) fn push_future(&mut self, key: u128) {
        self.future.push(key);
    }

    /// Takes the latest key for this instant. Those in the ladder are older, hence smaller: the ring keeps the order.
    #[inline]
    pub(super) fn push_present(&mut self, key: u128) {
        self.present.push_back(key);
    }

    /// Takes out the earliest key; [`Crowd::expose`] has to follow once its event is gone.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<u128> {
        match self.present.front() {
            None => self.future.pop(),
            Some(&first) if self.future.peek().is_some_and(|top| top < first) => self.future.pop(),
            Some(_) => self.present.pop_front(),
        }
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u128> {
        match (self.present.front(), self.future.peek()) {
            (Some(&first), Some(top)) => Some(first.min(top)),
            (first, top) => first.copied().or(top),
        }
    }

    /// Counts one more dead key; `live` events are left.
    pub(super) fn bury(&mut self, live: usize, is_live: impl Fn(u128) -> bool) {
        self.dead += 1;
        if self.dead > live + SWEEP_FLOOR {
            self.future.retain(|&key| is_live(key));
            self.present.retain(|&key| is_live(key));
            self.dead = 0;
        }
        self.expose(is_live);
    }

    /// Drops dead keys from both fronts, so that the earliest key is always a live one.
    #[inline]
    pub(super) fn expose(&mut self, is_live: impl Fn(u128) -> bool) {
        if self.dead == 0 {
            return;
        }
        while self.present.front().is_some_and(|&key| !is_live(key)) {
            self.present.pop_front();
            self.dead -= 1;
        }
        while self.future.peek().is_some_and(|key| !is_live(key)) {
            self.future.pop();
            self.dead -= 1;
        }
    }

    /// Takes out all keys, dead ones too.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = u128> {
        self.dead = 0;
        std::iter::from_fn(|| self.pop())
    }
}
