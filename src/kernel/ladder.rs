//! A priority queue of packed keys that stays quick with a million of them: a heap for the near future, unsorted
//! buckets for the far one.
//!
//! After the ladder queue of Tang, Goh and Thng (ACM TOMACS 15, 2005). Keys beyond the last rung wait in a heap of
//! straw, the *top*. When the near future runs dry, the top is spread over the buckets of a *rung*, or a crowded
//! bucket over a finer rung; a small bucket moves into the near heap, which sorts it within the processor's cache.
//! Small populations never leave the near heap.
//!
//! Invariant: every key with a time up to `limit` is in `near`, every later one in the rungs or the top; the rungs
//! follow each other without gap or overlap, the finest and earliest last; `near` is empty only if all is.

use super::heap::Heap;

/// A near heap that grows beyond this is spread, unless it has been already.
const SPILL: usize = 1024;
/// A top of at most this many keys goes back into the near heap.
const SMALL: usize = SPILL / 4;
/// A bucket of more keys is spread over a finer rung.
const CROWDED: usize = 256;
/// Keys that a bucket of a new rung should hold.
const PER_BUCKET: usize = 32;
/// More buckets would not fit into the first-level cache.
const MAX_BUCKETS: usize = 512;

/// Minimum queue of `u128` keys whose upper half is a time.
#[derive(Clone, Debug)]
pub(super) struct Ladder {
    near: Heap,
    /// The last time that belongs to `near`.
    limit: u64,
    rungs: Vec<Rung>,
    top: Vec<u128>,
    /// Keys in the rungs and the top.
    far: usize,
    spare: Vec<Rung>,
}

/// Buckets of equal width, a power of two.
#[derive(Clone, Debug, Default)]
struct Rung {
    start: u64,
    last: u64,
    shift: u32,
    /// Buckets before this one have been emptied.
    current: usize,
    /// How many buckets are in use; the rest keep their memory.
    used: usize,
    buckets: Vec<Vec<u128>>,
}

impl Ladder {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self {
            near: Heap::with_capacity(capacity.min(SPILL)),
            limit: u64::MAX,
            rungs: Vec::new(),
            top: Vec::new(),
            far: 0,
            spare: Vec::new(),
        }
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u128> {
        self.near.peek()
    }

    #[inline]
    pub(super) fn push(&mut self, key: u128) {
        if time_of(key) > self.limit {
            self.push_far(key);
            return;
        }
        self.near.push(key);
        if self.near.len() > SPILL && self.limit == u64::MAX {
            self.spill();
        }
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<u128> {
        let key = self.near.pop()?;
        if self.near.len() == 0 {
            self.refill();
        }
        Some(key)
    }

    /// Drops the keys that `keep` refuses.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&u128) -> bool) {
        self.near.retain(&mut keep);
        self.top.retain(&mut keep);
        self.far = self.top.len();
        for rung in &mut self.rungs {
            for bucket in &mut rung.buckets[rung.current..rung.used] {
                bucket.retain(&mut keep);
                self.far += bucket.len();
            }
        }
        if self.near.len() == 0 {
            self.refill();
        }
    }

    #[inline]
    fn push_far(&mut self, key: u128) {
        self.far += 1;
        let time = time_of(key);
        for rung in self.rungs.iter_mut().rev() {
            if time <= rung.last {
                rung.push(key);
                return;
            }
        }
        self.top.push(key);
    }

    /// Turns a near heap that has grown too large into far keys, and takes the earliest back.
    #[cold]
    fn spill(&mut self) {
        self.far = self.near.len();
        self.near.drain_into(&mut self.top);
        self.spread_top();
        self.refill();
    }

    /// Brings the earliest far keys near.
    #[inline(never)]
    fn refill(&mut self) {
        if self.far == 0 {
            self.limit = u64::MAX;
            self.spare.append(&mut self.rungs);
            return;
        }
        loop {
            let Some(rung) = self.rungs.last_mut() else {
                if self.top.len() <= SMALL {
                    self.limit = u64::MAX;
                    self.far = 0;
                    self.near.fill(&self.top);
                    self.top.clear();
                    return;
                }
                self.spread_top();
                continue;
            };
            let Some(i) = (rung.current..rung.used).find(|&i| !rung.buckets[i].is_empty()) else {
                self.spare.extend(self.rungs.pop());
                continue;
            };
            rung.current = i + 1;
            let (start, last) = rung.bounds(i);
            let crowded = rung.buckets[i].len() > CROWDED;
            if crowded && start < last {
                // A crowded bucket is large: its memory goes back, or every bucket would keep its greatest size.
                let bucket = std::mem::take(&mut rung.buckets[i]);
                self.spread(&bucket, start, last);
                continue;
            }
            let bucket = &mut rung.buckets[i];
            self.limit = last;
            self.far -= bucket.len();
            self.near.fill(bucket);
            bucket.clear();
            if crowded {
                bucket.shrink_to(CROWDED);
            }
            return;
        }
    }

    fn spread_top(&mut self) {
        let top = std::mem::take(&mut self.top);
        let (least, greatest) = top.iter().fold((u64::MAX, 0), |(least, greatest), &key| {
            (least.min(time_of(key)), greatest.max(time_of(key)))
        });
        self.spread(&top, least, greatest);
        self.top = top;
        self.top.clear();
    }

    /// Adds a rung over `start..=last` and puts `keys` into its buckets.
    fn spread(&mut self, keys: &[u128], start: u64, last: u64) {
        let mut rung = self.spare.pop().unwrap_or_default();
        rung.reset(start, last, keys.len());
        for &key in keys {
            rung.push(key);
        }
        self.rungs.push(rung);
    }
}

impl Rung {
    fn reset(&mut self, start: u64, last: u64, keys: usize) {
        let wanted = (keys / PER_BUCKET).clamp(2, MAX_BUCKETS) as u64;
        let width = last - start;
        self.shift = 0;
        while width >> self.shift >= wanted {
            self.shift += 1;
        }
        (self.start, self.last, self.current) = (start, last, 0);
        self.used = (width >> self.shift) as usize + 1;
        if self.buckets.len() < self.used {
            self.buckets.resize_with(self.used, Vec::new);
        }
    }

    #[inline]
    fn push(&mut self, key: u128) {
        let i = ((time_of(key) - self.start) >> self.shift) as usize;
        self.buckets[i].push(key);
    }

    /// First and last time of a bucket.
    fn bounds(&self, i: usize) -> (u64, u64) {
        let start = self.start + ((i as u64) << self.shift);
        let last = if i + 1 == self.used {
            self.last
        } else {
            start + ((1 << self.shift) - 1)
        };
        (start, last)
    }
}

fn time_of(key: u128) -> u64 {
    (key >> 64) as u64
}
