//! Which call is in flight for what. Never iterated: order must not depend on hashing.

use crate::model::ids::CallId;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Call ids are consecutive; multiplying spreads them.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("only call ids are hashed");
    }
    fn write_u64(&mut self, id: u64) {
        self.0 = id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// Open calls with what each is for.
#[derive(Debug)]
pub struct InFlight<T> {
    open: HashMap<CallId, T, BuildHasherDefault<Spread>>,
}

impl<T> Default for InFlight<T> {
    fn default() -> Self {
        Self { open: HashMap::default() }
    }
}

impl<T> InFlight<T> {
    /// Remembers what a call is for.
    pub fn insert(&mut self, call: CallId, what: T) {
        self.open.insert(call, what);
    }

    /// All open calls in the order in which they were made, for whoever calls everything off.
    pub fn take_all(&mut self) -> Vec<(CallId, T)> {
        #[allow(clippy::disallowed_methods, reason = "sorted at once: no order of hashing is left")]
        let mut all: Vec<(CallId, T)> = self.open.drain().collect();
        all.sort_unstable_by_key(|(call, _)| *call);
        all
    }

    /// What the call was for; `None` if it was cancelled meanwhile.
    pub fn take(&mut self, call: CallId) -> Option<T> {
        self.open.remove(&call)
    }
}
