//! One line of solution: what it knows, what it is doing, and in which order it would try wrong hypotheses.

use super::super::Hidden;
use crate::kernel::{Address, Key, Law};
use crate::model::ids::{StoreId, TaskId, entity};
use smallvec::SmallVec;

/// What a note, report, brief or digest carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// A dead end found by a line; a wrong one also hides the true hypothesis.
    Dead { hypothesis: u32, author: u32, wrong: bool },
    /// A fact found by a line.
    Fact { author: u32, number: u32 },
    /// A line's candidate solution.
    Patch { author: u32, right: bool },
}

/// Bits of a line and of an index, as in the entity of a random address.
const LINE: u32 = 20;
const INDEX: u32 = 24;

impl Item {
    /// A number that stands for it. In their order, dead ends come by hypothesis and author, then facts and candidates by
    /// author; numbers are sorted several times as quickly as items.
    pub(super) fn rank(self) -> u64 {
        let (kind, first, second) = match self {
            Self::Dead { hypothesis, author, wrong } => (0, hypothesis, author << 1 | u32::from(wrong)),
            Self::Fact { author, number } => (1, author, number),
            Self::Patch { author, right } => (2, author, u32::from(right)),
        };
        debug_assert!(first < 1 << INDEX && second < 1 << INDEX.max(LINE + 1), "scenario limits keep ids in range");
        kind << 60 | u64::from(first) << 30 | u64::from(second)
    }

    /// What a number stands for.
    pub(super) fn of_rank(rank: u64) -> Self {
        let (first, second) = ((rank >> 30) as u32 & 0x3fff_ffff, rank as u32 & 0x3fff_ffff);
        match rank >> 60 {
            0 => Self::Dead { hypothesis: first, author: second >> 1, wrong: second & 1 == 1 },
            1 => Self::Fact { author: first, number: second },
            _ => Self::Patch { author: first, right: second == 1 },
        }
    }
}

/// What is being explored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Solution,
    Wrong(u32),
}

/// What the line is doing; `left` counts the steps to go, the current one included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    Orient { left: u32, done: u32 },
    Choose,
    Explore { target: Target, left: u32, done: u32 },
    Finish { right: bool, left: u32, done: u32 },
    Done { right: bool },
}

/// A growing set of small numbers; those of most instances are in place.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    words: SmallVec<[u64; 2]>,
    count: u32,
}

impl Known {
    pub(super) fn insert(&mut self, x: u32) -> bool {
        let (word, bit) = (x as usize / 64, 1u64 << (x % 64));
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let fresh = self.words[word] & bit == 0;
        self.words[word] |= bit;
        self.count += u32::from(fresh);
        fresh
    }
    pub(super) fn contains(&self, x: u32) -> bool {
        self.words.get(x as usize / 64).is_some_and(|w| w & (1 << (x % 64)) != 0)
    }
    /// How many this and another set hold together.
    pub(super) fn len_with(&self, other: &Self) -> u32 {
        let both = self.words.iter().zip(&other.words).map(|(a, b)| (a & b).count_ones()).sum::<u32>();
        self.count + other.count - both
    }
    pub(super) fn clear(&mut self) {
        self.words.clear();
        self.count = 0;
    }
}

/// A keyed random order of the wrong hypotheses, produced as far as it is asked for.
#[derive(Clone, Debug)]
pub(super) enum Order {
    /// Equal weights: Fisher-Yates, position by position. `swaps` tells who stands at a later position than his own, the
    /// latest positions first.
    Uniform { swaps: Vec<(u32, u32)>, next: u32, total: u32, entity: u64, attempt: u16 },
    /// Unequal weights: sorted exponential clocks.
    Sorted { order: Vec<u32>, next: usize },
}

impl Order {
    pub(super) fn new(key: &Key, task: TaskId, line: u32, attempt: u16, total: u32, weights: Option<&[f64]>) -> Self {
        let entity = entity(task, line, 0);
        let Some(weights) = weights else {
            return Self::Uniform { swaps: Vec::new(), next: 0, total, entity, attempt };
        };
        let mut clocks: Vec<(f64, u32)> = (0..total)
            .map(|h| {
                let address = Address { purpose: Hidden::Order as u16, entity, attempt, step: h / 8 };
                (-libm::log(key.draws(address).uniform(h as usize % 8)) / weights[h as usize], h)
            })
            .collect();
        clocks.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        Self::Sorted { order: clocks.into_iter().map(|(_, h)| h).collect(), next: 0 }
    }

    /// The next hypothesis in the order that is not known to be dead.
    pub(super) fn next(&mut self, key: &Key, is_known: impl Fn(u32) -> bool) -> Option<u32> {
        match self {
            Self::Sorted { order, next } => {
                while let Some(&h) = order.get(*next) {
                    *next += 1;
                    if !is_known(h) {
                        return Some(h);
                    }
                }
                None
            }
            Self::Uniform { swaps, next, total, entity, attempt } => {
                while *next < *total {
                    let i = *next;
                    *next += 1;
                    let address =
                        Address { purpose: Hidden::Order as u16, entity: *entity, attempt: *attempt, step: i / 8 };
                    let u = key.draws(address).uniform(i as usize % 8);
                    let j = i + ((f64::from(*total - i) * u) as u32).min(*total - i - 1);
                    let moved = swaps.pop_if(|(position, _)| *position == i).map_or(i, |(_, who)| who);
                    let chosen = if j == i {
                        moved
                    } else {
                        match swaps.binary_search_by(|(position, _)| j.cmp(position)) {
                            Ok(place) => std::mem::replace(&mut swaps[place].1, moved),
                            Err(place) => {
                                swaps.insert(place, (j, moved));
                                j
                            }
                        }
                    };
                    if !is_known(chosen) {
                        return Some(chosen);
                    }
                }
                None
            }
        }
    }
}

/// What a line has taken from the first entries of a board. It is looked up when it matters and remembered, also from
/// one delegation to the next: who reads a board again finds the same entries, and respects the same ones.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    /// Of which store.
    pub(super) store: StoreId,
    /// So many entries are read.
    pub(super) version: u32,
    /// Dead ends respected so far.
    pub(super) known: Known,
    /// Hypotheses whose notes were not respected so far, and how many notes that were.
    pub(super) disregarded: Vec<(u32, u32)>,
    /// A wrong note was respected; else so many were looked at.
    pub(super) misdirected: bool,
    pub(super) wrong_seen: u32,
    /// Facts of others among so many that were looked at.
    pub(super) facts: u32,
    pub(super) facts_seen: u32,
    /// Candidates looked at.
    pub(super) candidates_seen: u32,
}

impl Heard {
    /// The first `version` entries are in view. Where fewer are than before, what was taken from them is looked up
    /// again.
    pub(super) fn see(&mut self, version: u32) {
        if version < self.version {
            let Self { store, candidates_seen, .. } = *self;
            *self = Self { store, candidates_seen, ..Self::default() };
        }
        self.version = version;
    }
}

/// State of one line.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) doing: Doing,
    /// What a fresh delegate goes back to after finding its way in.
    pub(super) resume: Option<Doing>,
    pub(super) delegation: Option<u16>,
    pub(super) known: Known,
    /// Tried at least once by this line, remembered or not.
    pub(super) tried: Known,
    pub(super) order: Option<Order>,
    /// A wrong note hides the true hypothesis.
    pub(super) misdirected: bool,
    pub(super) facts: u32,
    pub(super) picks: u32,
    pub(super) dead_ends_here: u32,
    /// Items found in this delegation.
    pub(super) found: Vec<Item>,
    /// Authors whose candidates were considered.
    pub(super) considered: SmallVec<[u32; 4]>,
    /// The line whose candidate this one took over.
    pub(super) taken_over: Option<u32>,
    /// The delegation that reads.
    pub(super) reader: u16,
    /// The line whose order this one follows.
    pub(super) follows: Option<u32>,
    pub(super) herd_drawn: bool,
    /// Entries of the board already read.
    pub(super) board_read: u32,
    /// What it has of the board's first entries, where all of them are in its view.
    pub(super) board: Heard,
    /// Size factor.
    pub(super) size: f64,
}

impl Line {
    pub(super) fn new(key: &Key, task: TaskId, line: u32, sigma: f64, size: f64) -> Self {
        let address = Address { purpose: Hidden::Size as u16, entity: entity(task, line, 1), attempt: 0, step: 0 };
        Self {
            doing: Doing::Choose,
            resume: None,
            delegation: None,
            known: Known::default(),
            tried: Known::default(),
            order: None,
            misdirected: false,
            facts: 0,
            picks: 0,
            dead_ends_here: 0,
            found: Vec::new(),
            considered: SmallVec::new(),
            taken_over: None,
            reader: 0,
            follows: None,
            herd_drawn: false,
            board_read: 0,
            board: Heard::default(),
            size: size * Law::Lognormal { mean: 1.0, sigma }.sample(&key.draws(address), 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_set_holds_what_was_put_in_and_counts_what_two_hold_together() {
        let of = |all: &[u32]| {
            let mut known = Known::default();
            let fresh = all.iter().filter(|x| known.insert(**x)).count();
            (known, fresh)
        };
        let ((a, new), (b, _)) = (of(&[0, 63, 64, 65, 200, 64]), of(&[1, 64, 200, 1000]));
        assert_eq!(new, 5, "the second 64 is not new");
        let held: Vec<u32> = (0..300).filter(|x| a.contains(*x)).collect();
        assert_eq!(held, [0, 63, 64, 65, 200]);
        assert_eq!((a.len_with(&b), b.len_with(&a), a.len_with(&a)), (7, 7, 5));
        let (mut gone, _) = of(&[3]);
        gone.clear();
        assert!(!gone.contains(3) && gone.len_with(&a) == 5);
    }

    #[test]
    fn items_stand_in_the_order_of_their_numbers() {
        let dead = |hypothesis, author, wrong| Item::Dead { hypothesis, author, wrong };
        let most = (1 << INDEX) - 1;
        let items = [
            dead(0, 7, true),
            dead(1, 2, false),
            dead(1, 2, true),
            dead(1, 3, false),
            dead(most, (1 << LINE) - 1, true),
            Item::Fact { author: 0, number: most },
            Item::Fact { author: 1, number: 0 },
            Item::Patch { author: 0, right: true },
            Item::Patch { author: 1, right: false },
        ];
        assert!(items.map(Item::rank).is_sorted());
        assert_eq!(items.map(|item| Item::of_rank(item.rank())), items);
    }

    #[test]
    fn an_order_names_every_hypothesis_once_but_those_that_are_known() {
        let weights: Vec<f64> = (1..=40).map(f64::from).collect();
        for weights in [None, Some(&weights[..])] {
            let key = Key::new(7, 0);
            let mut order = Order::new(&key, TaskId(0), 0, 0, 40, weights);
            let named: Vec<u32> = std::iter::from_fn(|| order.next(&key, |h| h % 10 == 3)).collect();
            assert_eq!(named.len(), 36);
            let all: BTreeSet<u32> = named.into_iter().collect();
            assert!(all.into_iter().eq((0..40).filter(|h| h % 10 != 3)));
        }
    }
}
