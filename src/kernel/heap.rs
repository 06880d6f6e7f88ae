//! A 4-ary minimum heap of packed keys: half the levels of a binary heap, and the four children share a
//! cache line.

const ARITY: usize = 4;

/// Minimum heap of `u128` keys.
#[derive(Clone, Debug, Default)]
pub(super) struct Heap {
    keys: Vec<u128>,
}

impl Heap {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self { keys: Vec::with_capacity(capacity) }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u128> {
        self.keys.first().copied()
    }

    #[inline]
    pub(super) fn push(&mut self, key: u128) {
        let mut hole = self.keys.len();
        self.keys.push(key);
        while hole > 0 {
            let parent = (hole - 1) / ARITY;
            if self.keys[parent] <= key {
                break;
            }
            self.keys[hole] = self.keys[parent];
            hole = parent;
        }
        self.keys[hole] = key;
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<u128> {
        let last = self.keys.pop()?;
        let Some(&top) = self.keys.first() else {
            return Some(last);
        };
        self.sink(0, last);
        Some(top)
    }

    /// Puts `key` into the hole and moves it down to its place.
    #[inline]
    fn sink(&mut self, mut hole: usize, key: u128) {
        let keys = self.keys.as_mut_slice();
        loop {
            let first = ARITY * hole + 1;
            let (child, least) = if let Some(&[a, b, c, d]) = keys.get(first..first + ARITY) {
                let (i, left) = if b < a { (first + 1, b) } else { (first, a) };
                let (j, right) = if d < c { (first + 3, d) } else { (first + 2, c) };
                if right < left { (j, right) } else { (i, left) }
            } else {
                let Some((offset, &least)) =
                    keys.get(first..).and_then(|rest| rest.iter().enumerate().min_by_key(|&(_, key)| *key))
                else {
                    break;
                };
                (first + offset, least)
            };
            if key <= least {
                break;
            }
            keys[hole] = least;
            hole = child;
        }
        keys[hole] = key;
    }

    /// Drops the keys that `keep` refuses and restores the order, in linear time.
    pub(super) fn retain(&mut self, keep: impl FnMut(&u128) -> bool) {
        self.keys.retain(keep);
        self.restore();
    }

    /// Moves all keys, in no order, to the end of `target`.
    pub(super) fn drain_into(&mut self, target: &mut Vec<u128>) {
        target.append(&mut self.keys);
    }

    fn restore(&mut self) {
        for hole in (0..self.keys.len().div_ceil(ARITY)).rev() {
            let key = self.keys[hole];
            self.sink(hole, key);
        }
    }
}
