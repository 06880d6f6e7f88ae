//! A minimum queue for few keys: a winner tree, whose every inner node repeats the lesser of its two children.
//!
//! A key has its own leaf. To change a leaf is to replay its way to the root: one comparison per level, all partners
//! known in advance and no outcome branched on, so that the processor never mispredicts. A heap takes fewer steps, but
//! what it does next hangs on what it has just seen, and a wrong guess costs more than the whole way.
//!
//! A leaf whose key has gone may stay as it is for a while, as the *hole*. Most events schedule another one: its key
//! takes the hole, and the way is replayed once instead of twice. Whoever asks for the first key closes the hole before.
//!
//! Invariant: every inner node is the lesser of its children; the leaves hold the keys, that of the hole included, and an
//! empty leaf holds [`NONE`], which is greater than every key. So without a hole node 1 is the least key.

use std::hint::select_unpredictable;

/// An empty leaf.
const NONE: u128 = u128::MAX;

/// Numbers of nodes that a tree can have, each with its own code. Half of them are leaves.
const SIZES: [usize; 5] = [4, 16, 64, 256, 1024];

/// Minimum queue of `u128` keys with a leaf for each.
#[derive(Clone, Debug)]
pub(super) struct Tournament {
    /// The root at 1, the children of node `i` at `2i` and `2i + 1`, the leaves in the upper half.
    nodes: Vec<u128>,
    hole: Option<u32>,
}

impl Tournament {
    /// The most leaves that a tree can have.
    pub(super) const MAX_LEAVES: usize = SIZES[SIZES.len() - 1] / 2;

    /// An empty tree with at least so many leaves.
    pub(super) fn with_leaves(leaves: usize) -> Self {
        let nodes = SIZES.into_iter().find(|&nodes| nodes / 2 >= leaves).expect("the owner keeps to the limit");
        Self { nodes: vec![NONE; nodes], hole: None }
    }

    #[inline]
    pub(super) fn leaves(&self) -> usize {
        self.nodes.len() / 2
    }

    /// The leaf whose key has gone and still takes part.
    #[inline]
    pub(super) fn hole(&self) -> Option<u32> {
        self.hole
    }

    /// The least key; the hole has to be closed before.
    #[inline]
    pub(super) fn first(&self) -> Option<u128> {
        debug_assert!(self.hole.is_none(), "the key of a hole still takes part");
        Some(self.nodes[1]).filter(|&key| key != NONE)
    }

    /// The least key as if the hole were closed.
    #[inline]
    pub(super) fn peek(&self) -> Option<u128> {
        let Some(hole) = self.hole else {
            return self.first();
        };
        let mut node = self.leaves() + hole as usize;
        let mut least = NONE;
        while node > 1 {
            least = least.min(self.nodes[node ^ 1]);
            node /= 2;
        }
        Some(least).filter(|&key| key != NONE)
    }

    /// Puts `key` into the hole or, if there is none, into an empty leaf.
    #[inline]
    pub(super) fn fill(&mut self, leaf: usize, key: u128) {
        debug_assert!(self.hole.is_none_or(|hole| hole as usize == leaf), "the hole is filled first");
        self.hole = None;
        self.replay(leaf, key);
    }

    /// Makes a leaf the hole; another one has to be closed before.
    #[inline]
    pub(super) fn open(&mut self, leaf: usize) {
        debug_assert!(self.hole.is_none(), "there is one hole at most");
        self.hole = Some(leaf as u32);
    }

    /// Empties the hole and tells which leaf it was.
    #[inline]
    pub(super) fn close(&mut self) -> Option<u32> {
        let hole = self.hole.take()?;
        self.replay(hole as usize, NONE);
        Some(hole)
    }

    #[inline]
    fn replay(&mut self, leaf: usize, key: u128) {
        let nodes = self.nodes.as_mut_slice();
        match nodes.len() {
            4 => settle::<4>(nodes, leaf, key),
            16 => replay::<16>(nodes, leaf, key),
            64 => replay::<64>(nodes, leaf, key),
            256 => replay::<256>(nodes, leaf, key),
            _ => replay::<1024>(nodes, leaf, key),
        }
    }

    /// Puts keys into leaves of an empty tree, in linear time.
    pub(super) fn seat(&mut self, keys: impl Iterator<Item = (usize, u128)>) {
        let leaves = self.leaves();
        for (leaf, key) in keys {
            self.nodes[leaves + leaf] = key;
        }
        for node in (1..leaves).rev() {
            self.nodes[node] = self.nodes[2 * node].min(self.nodes[2 * node + 1]);
        }
    }

    /// Makes room for one more leaf than there are; there is no hole.
    #[cold]
    pub(super) fn grow(&mut self) {
        let leaves = self.leaves();
        let old = std::mem::replace(self, Self::with_leaves(leaves + 1));
        self.seat(old.nodes.into_iter().skip(leaves).enumerate());
    }

    /// Takes out all keys; there is no hole.
    pub(super) fn take(&mut self) -> impl Iterator<Item = u128> + use<> {
        let leaves = self.leaves();
        let old = std::mem::replace(self, Self::with_leaves(0));
        old.nodes.into_iter().skip(leaves).filter(|&key| key != NONE)
    }
}

/// Settling as code of its own, without which it would be part of its caller's loop: there the compiler turns the
/// selections into branches, at four times the cost. The smallest tree has one game, not worth a call.
#[inline(never)]
fn replay<const NODES: usize>(nodes: &mut [u128], leaf: usize, key: u128) {
    settle::<NODES>(nodes, leaf, key);
}

/// Puts `key` into a leaf and settles the games on its way to the root. The number of nodes is a constant, so that the
/// code is straight.
#[inline]
fn settle<const NODES: usize>(nodes: &mut [u128], leaf: usize, key: u128) {
    let nodes: &mut [u128; NODES] = nodes.try_into().expect("the size was asked for");
    // The remainder changes nothing, but spares the checks of bounds.
    let mut node = (NODES / 2 + leaf) % NODES;
    let mut least = key;
    nodes[node] = key;
    for _ in 0..NODES.ilog2() - 1 {
        let partner = nodes[node ^ 1];
        least = select_unpredictable(partner < least, partner, least);
        node /= 2;
        nodes[node] = least;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_yields_the_least_key_with_and_without_a_hole() {
        for leaves in SIZES.map(|nodes| nodes / 2) {
            let mut tree = Tournament::with_leaves(1);
            for leaf in 0..leaves {
                if leaf == tree.leaves() {
                    tree.grow();
                }
                tree.fill(leaf, (leaf as u128 * 37) % 1021);
            }
            assert_eq!(tree.leaves(), leaves);
            let mut keys: Vec<_> = (0..leaves).map(|leaf| ((leaf as u128 * 37) % 1021, leaf)).collect();
            keys.sort_unstable();
            for (i, &(key, leaf)) in keys.iter().enumerate() {
                assert_eq!((tree.first(), tree.peek()), (Some(key), Some(key)));
                tree.open(leaf);
                assert_eq!(tree.peek(), keys.get(i + 1).map(|next| next.0));
                tree.fill(leaf, key);
                tree.open(leaf);
                assert_eq!(tree.close(), Some(leaf as u32));
            }
            assert_eq!((tree.first(), tree.close()), (None, None));
        }
    }
}
