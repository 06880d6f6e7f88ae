//! A 4-ary minimum heap of packed keys: half the levels of a binary heap, and the four children share a
//! cache line.

use std::hint::select_unpredictable;

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

    /// Puts `key` into the hole and moves it to its place: first the hole sinks to a leaf, past the least child at each
    /// level, then the key rises from there. The key comes from a leaf and mostly stays where the hole ends, so that the
    /// way down needs no comparison with it; which child is least is a coin toss, so that selecting beats branching.
    #[inline]
    fn sink(&mut self, top: usize, key: u128) {
        let keys = self.keys.as_mut_slice();
        let mut hole = top;
        let mut first = ARITY * hole + 1;
        while let Some(&[a, b, c, d]) = keys.get(first..first + ARITY) {
            let (left, right) = (b < a, d < c);
            let (i, x) = (usize::from(left), select_unpredictable(left, b, a));
            let (j, y) = (2 + usize::from(right), select_unpredictable(right, d, c));
            let other = y < x;
            keys[hole] = select_unpredictable(other, y, x);
            hole = first + select_unpredictable(other, j, i);
            first = ARITY * hole + 1;
        }
        let rest = keys.get(first..).unwrap_or_default();
        if let Some((offset, &least)) = rest.iter().enumerate().min_by_key(|&(_, key)| *key) {
            keys[hole] = least;
            hole = first + offset;
        }
        while hole > top {
            let parent = (hole - 1) / ARITY;
            if keys[parent] <= key {
                break;
            }
            keys[hole] = keys[parent];
            hole = parent;
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
