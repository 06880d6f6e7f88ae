//! A priority queue of packed keys that stays quick with a million of them: a sorted run for the near future, unsorted
//! buckets for the far one.
//!
//! After the ladder queue of Tang, Goh and Thng (ACM TOMACS 15, 2005). Keys beyond the last rung wait unsorted in the
//! *top*. When the near future runs dry, the top is spread over the buckets of a *rung*, or a crowded bucket over a
//! finer rung; a small bucket becomes the run, sorted within the processor's cache. What is scheduled for the near
//! future is inserted into the run while that is short, else it goes to a heap, so that the worst case stays
//! logarithmic. Small populations live in the heap: to keep them sorted would move half of them per event.
//!
//! Invariant: every key with a time up to `limit` is near (run or heap), every later one in the rungs or the top; the
//! rungs follow each other without gap or overlap, the finest and earliest last; nothing is near only if all is empty.

use super::heap::Heap;

/// To insert into a longer run would move too much memory: the heap takes the key.
const LONG: usize = 192;
/// So few keys are quicker sorted than in a heap.
const HANDFUL: usize = 8;
/// A near heap that grows beyond this is spread, unless it has been already.
const SPILL: usize = 512;
/// A top of at most this many keys comes near as a whole.
const SMALL: usize = LONG;
/// A bucket of more keys is spread over a finer rung.
const CROWDED: usize = 256;
/// Keys that a bucket of a new rung should hold.
const PER_BUCKET: usize = 32;
/// More buckets would not fit into the first-level cache.
const MAX_BUCKETS: usize = 512;

/// Minimum queue of `u128` keys whose upper half is a time.
#[derive(Clone, Debug)]
pub(super) struct Ladder {
    /// Near keys from late to early, so that the earliest leaves from the end.
    run: Vec<u128>,
    /// Near keys that came when the run was long.
    heap: Heap,
    /// The last time that is near.
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
            run: Vec::with_capacity(capacity.min(LONG)),
            heap: Heap::with_capacity(capacity.min(SPILL)),
            limit: u64::MAX,
            rungs: Vec::new(),
            top: Vec::new(),
            far: 0,
            spare: Vec::new(),
        }
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u128> {
        match (self.run.last(), self.heap.peek()) {
            (Some(&first), Some(top)) => Some(first.min(top)),
            (first, top) => first.copied().or(top),
        }
    }

    #[inline]
    pub(super) fn push(&mut self, key: u128) {
        if time_of(key) > self.limit {
            self.push_far(key);
        } else if self.takes_into_run() {
            let place = self.run.partition_point(|&other| other > key);
            self.run.insert(place, key);
        } else {
            self.heap.push(key);
            if self.heap.len() > SPILL && self.limit == u64::MAX {
                self.spill();
            }
        }
    }

    /// A run near rungs is short-lived, so that a key may as well wait in it; alone, it is only for a handful.
    #[inline]
    fn takes_into_run(&self) -> bool {
        if self.limit == u64::MAX { self.heap.len() == 0 && self.run.len() < HANDFUL } else { self.run.len() < LONG }
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<u128> {
        let key = match (self.run.last(), self.heap.peek()) {
            (Some(&first), Some(top)) if top < first => self.heap.pop(),
            (Some(_), _) => self.run.pop(),
            (None, _) => self.heap.pop(),
        }?;
        self.settle();
        Some(key)
    }

    /// Keeps something near as long as there is anything.
    #[inline]
    fn settle(&mut self) {
        if self.run.is_empty() && self.heap.len() == 0 {
            self.refill();
        }
    }

    /// Drops the keys that `keep` refuses.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&u128) -> bool) {
        self.run.retain(&mut keep);
        self.heap.retain(&mut keep);
        self.top.retain(&mut keep);
        self.far = self.top.len();
        for rung in &mut self.rungs {
            for bucket in &mut rung.buckets[rung.current..rung.used] {
                bucket.retain(&mut keep);
                self.far += bucket.len();
            }
        }
        self.settle();
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

    /// Turns near keys that have grown too many into far ones, and takes the earliest back.
    #[cold]
    fn spill(&mut self) {
        self.top.append(&mut self.run);
        self.heap.drain_into(&mut self.top);
        self.far = self.top.len();
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
                    sort_into(&mut self.run, &mut self.top);
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
            sort_into(&mut self.run, bucket);
            if crowded {
                bucket.shrink_to(CROWDED);
            }
            return;
        }
    }

    fn spread_top(&mut self) {
        let top = std::mem::take(&mut self.top);
        let (least, greatest) = top
            .iter()
            .fold((u64::MAX, 0), |(least, greatest), &key| (least.min(time_of(key)), greatest.max(time_of(key))));
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
        let last = if i + 1 == self.used { self.last } else { start + ((1 << self.shift) - 1) };
        (start, last)
    }
}

/// Moves `keys` into the empty `run`, late to early.
fn sort_into(run: &mut Vec<u128>, keys: &mut Vec<u128>) {
    run.append(keys);
    run.sort_unstable_by(|a, b| b.cmp(a));
}

fn time_of(key: u128) -> u64 {
    (key >> 64) as u64
}
