//! Which call is in flight for what. Never walked in the order of its places: that would be the order of hashing.

use crate::model::ids::CallId;

/// Call ids are consecutive; multiplied by the golden ratio they spread over the upper bits as evenly as can be.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
const FEWEST_PLACES: usize = 1 << 3;

/// Open calls with what each is for: a table with linear probing that closes the gap which a call leaves, so that a team
/// whose calls come and go needs no more room than for those that are open.
#[derive(Debug)]
pub struct InFlight<T> {
    /// A power of two, or none at all.
    places: Vec<Option<(CallId, T)>>,
    open: usize,
}

impl<T> Default for InFlight<T> {
    fn default() -> Self {
        Self { places: Vec::new(), open: 0 }
    }
}

impl<T> InFlight<T> {
    /// Where a call stands if nothing else does.
    fn home(&self, call: CallId) -> usize {
        (call.0.wrapping_mul(SPREAD) >> (u64::BITS - self.places.len().trailing_zeros())) as usize
    }

    fn after(&self, place: usize) -> usize {
        (place + 1) & (self.places.len() - 1)
    }

    /// Remembers what a call is for.
    #[inline]
    pub fn insert(&mut self, call: CallId, what: T) {
        if self.open >= self.places.len() / 8 * 7 {
            self.grow();
        }
        let mut place = self.home(call);
        while self.places[place].as_ref().is_some_and(|(other, _)| *other != call) {
            place = self.after(place);
        }
        self.open += usize::from(self.places[place].is_none());
        self.places[place] = Some((call, what));
    }

    #[cold]
    fn grow(&mut self) {
        let places = (2 * self.places.len()).max(FEWEST_PLACES);
        let before = std::mem::take(&mut self.places);
        self.places.resize_with(places, || None);
        self.open = 0;
        for (call, what) in before.into_iter().flatten() {
            self.insert(call, what);
        }
    }

    /// What the call was for; `None` if it was cancelled meanwhile.
    #[inline]
    pub fn take(&mut self, call: CallId) -> Option<T> {
        if self.open == 0 {
            return None;
        }
        let mut place = self.home(call);
        while self.places[place].as_ref()?.0 != call {
            place = self.after(place);
        }
        let (_, what) = self.places[place].take()?;
        self.open -= 1;
        self.close(place);
        Some(what)
    }

    /// Moves those that stand behind a gap into it, as far as that brings them nearer to their homes.
    fn close(&mut self, mut gap: usize) {
        let mut place = self.after(gap);
        while let Some((call, _)) = &self.places[place] {
            let from_home = |to: usize| to.wrapping_sub(self.home(*call)) & (self.places.len() - 1);
            if from_home(gap) < from_home(place) {
                self.places.swap(gap, place);
                gap = place;
            }
            place = self.after(place);
        }
    }

    /// All open calls in the order in which they were made, for whoever calls everything off.
    pub fn take_all(&mut self) -> Vec<(CallId, T)> {
        let mut all: Vec<(CallId, T)> = std::mem::take(&mut self.places).into_iter().flatten().collect();
        self.open = 0;
        all.sort_unstable_by_key(|(call, _)| *call);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn what_is_taken_is_what_was_put_in_whatever_leaves_before() {
        let (mut calls, mut model, mut state) = (InFlight::default(), BTreeMap::new(), 1_u64);
        for id in 0..20_000 {
            calls.insert(CallId(id), 3 * id);
            model.insert(id, 3 * id);
            // Up to a hundred are open, and which of them leaves is chance.
            while model.len() > 100 || state >> 63 == 1 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let asked = id.saturating_sub(state >> 33 & 0xff);
                assert_eq!(calls.take(CallId(asked)), model.remove(&asked));
            }
            state = state.wrapping_add(1 << 62);
        }
        assert!(calls.places.len() <= 256);
        let left: Vec<(CallId, u64)> = model.into_iter().map(|(id, what)| (CallId(id), what)).collect();
        assert_eq!(calls.take_all(), left);
        assert_eq!((calls.take(CallId(19_999)), calls.take_all().len()), (None, 0));
    }
}
