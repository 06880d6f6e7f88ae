//! Random numbers keyed by what they are for.
//!
//! A draw is a pure function of (seed, replication) and an [`Address`]: no generator has a state that depends on
//! who asked before. To add a draw, or to ask in another order, changes no other number, so compared runs meet
//! the same luck. One ChaCha8 block (D. J. Bernstein, "ChaCha, a variant of Salsa20", 2008) gives the eight
//! 64-bit lanes of an address; each quantity owns a lane.
//!
//! Invariant: equal keys and addresses give equal bits, on every machine and in every release of this format.

use super::chacha::block;
use std::convert::Infallible;

use rand::{Rng, SeedableRng, TryRng};
use rand_chacha::ChaCha8Rng;

/// 64-bit lanes per address.
pub const LANES: usize = 8;

/// First half of every key: sets these streams apart from any other use of ChaCha. Spells "keyed draws v1..".
const DOMAIN: [u32; 4] = [0x6579_656b, 0x7264_2064, 0x2073_7761, 0x2e2e_3176];

/// The key of all draws of one replication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    seed: u64,
    replication: u64,
}

/// What a block of draws is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The kind of quantity, a fixed number per use.
    pub purpose: u16,
    /// The stable, hidden name of the thing it belongs to; never a slot or an order of arrival.
    pub entity: u64,
    /// Which try.
    pub attempt: u16,
    /// Which step within the try.
    pub step: u32,
}

impl Address {
    fn counter(self) -> u64 {
        u64::from(self.purpose) << 48 | u64::from(self.attempt) << 32 | u64::from(self.step)
    }
}

impl Key {
    /// The replication it belongs to.
    pub fn replication(&self) -> u64 {
        self.replication
    }

    /// The key of replication `replication` under `seed`.
    pub const fn new(seed: u64, replication: u64) -> Self {
        Self { seed, replication }
    }

    /// The eight lanes at `address`.
    ///
    /// ```
    /// use delm_sim::kernel::{Address, Key};
    /// let address = Address { purpose: 1, entity: 42, attempt: 0, step: 0 };
    /// let draws = Key::new(7, 0).draws(address);
    /// assert_eq!(draws.bits(3), Key::new(7, 0).draws(address).bits(3));
    /// assert!(draws.uniform(0) > 0.0 && draws.uniform(0) < 1.0);
    /// ```
    #[inline]
    pub fn draws(&self, address: Address) -> Draws {
        Draws { lanes: block(self.words(0), address.counter(), address.entity), key: *self, address }
    }

    /// The eight key words; `branch` 0 is for lanes, `lane + 1` for the key of that lane's substream.
    fn words(self, branch: u32) -> [u32; 8] {
        let (seed, replication) = (self.seed, self.replication);
        [
            DOMAIN[0],
            DOMAIN[1],
            DOMAIN[2],
            DOMAIN[3] ^ branch,
            seed as u32,
            (seed >> 32) as u32,
            replication as u32,
            (replication >> 32) as u32,
        ]
    }
}

/// The eight independent draws at one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draws {
    lanes: [u64; LANES],
    key: Key,
    address: Address,
}

impl Draws {
    /// Where they are.
    #[inline]
    pub fn address(&self) -> Address {
        self.address
    }

    /// The 64 random bits of a lane.
    ///
    /// # Panics
    /// If `lane` is not below [`LANES`].
    #[inline]
    pub fn bits(&self, lane: usize) -> u64 {
        self.lanes[lane]
    }

    /// A uniform number of the open interval (0, 1), with 53 bits.
    ///
    /// # Panics
    /// If `lane` is not below [`LANES`].
    #[inline]
    pub fn uniform(&self, lane: usize) -> f64 {
        open_unit(self.bits(lane))
    }

    /// A generator of its own for samplers that reject: how many numbers it gives changes no other draw.
    ///
    /// Its ChaCha8 key is the first half of the block at the same address under the key of that lane's branch.
    ///
    /// # Panics
    /// If `lane` is not below [`LANES`].
    pub fn substream(&self, lane: usize) -> Substream {
        assert!(lane < LANES, "an address has eight lanes");
        let lanes = block(self.key.words(lane as u32 + 1), self.address.counter(), self.address.entity);
        let mut seed = [0_u8; 32];
        for (bytes, lane) in seed.chunks_exact_mut(8).zip(lanes) {
            bytes.copy_from_slice(&lane.to_le_bytes());
        }
        Substream { generator: ChaCha8Rng::from_seed(seed) }
    }
}

/// A generator with state, derived from one lane of one address; implements [`rand::Rng`].
#[derive(Clone, Debug)]
pub struct Substream {
    generator: ChaCha8Rng,
}

impl Substream {
    /// The next uniform number of the open interval (0, 1), with 53 bits.
    #[inline]
    pub fn uniform(&mut self) -> f64 {
        open_unit(self.generator.next_u64())
    }
}

impl TryRng for Substream {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.generator.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.generator.try_next_u64()
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.generator.try_fill_bytes(bytes)
    }
}

/// The centre of one of 2^53 equal cells of (0, 1). The half keeps 0 out; `min` keeps 1 out, because the centre
/// of the last cell is no float and would round to 1.
#[inline]
fn open_unit(bits: u64) -> f64 {
    const CELL: f64 = 1.0 / (1_u64 << 53) as f64;
    const BELOW_ONE: f64 = 1.0 - f64::EPSILON / 2.0;
    (((bits >> 11) as f64 + 0.5) * CELL).min(BELOW_ONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_is_the_one_of_the_reference_crate() {
        for (counter, nonce) in [(0, 0), (1, 2), (u64::MAX - 9, 0x0123_4567_89ab_cdef), (1 << 48 | 7, u64::MAX)] {
            let key = Key::new(nonce.wrapping_mul(3), counter ^ 5).words(0);
            let mut seed = [0_u8; 32];
            for (bytes, word) in seed.chunks_exact_mut(4).zip(key) {
                bytes.copy_from_slice(&word.to_le_bytes());
            }
            let mut reference = ChaCha8Rng::from_seed(seed);
            reference.set_stream(nonce);
            reference.set_word_pos(u128::from(counter) * 16);
            let expected: [u64; 8] = std::array::from_fn(|_| reference.next_u64());
            assert_eq!(block(key, counter, nonce), expected);
            assert_eq!(super::super::chacha::portable_block(key, counter, nonce), expected);
        }
    }

    #[test]
    fn a_uniform_is_never_zero_or_one() {
        assert!(open_unit(0) > 0.0);
        assert!(open_unit(u64::MAX) < 1.0);
    }

    #[test]
    fn every_part_of_an_address_counts() {
        let base = Address { purpose: 1, entity: 2, attempt: 3, step: 4 };
        let others = [
            Address { purpose: 2, ..base },
            Address { entity: 3, ..base },
            Address { attempt: 4, ..base },
            Address { step: 5, ..base },
        ];
        let key = Key::new(1, 1);
        for other in others {
            assert_ne!(key.draws(base).bits(0), key.draws(other).bits(0));
        }
        assert_ne!(key.draws(base).bits(0), Key::new(2, 1).draws(base).bits(0));
        assert_ne!(key.draws(base).bits(0), Key::new(1, 2).draws(base).bits(0));
        let first = |lane| key.draws(base).substream(lane).next_u64();
        assert_ne!(first(0), first(1));
    }
}
