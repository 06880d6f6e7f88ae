//! Things that are waited for: servers with a FIFO queue, and token buckets with exact integer arithmetic.
//!
//! Invariant: a server is never idle while an item waits, and no bucket gives more than burst plus refill.

use std::collections::VecDeque;

use super::time::{Span, Time};

/// Identical servers with one first-come, first-served queue.
///
/// The caller schedules the ends of service; this type only knows who is in service and who waits.
///
/// ```
/// use delm_sim::kernel::{Servers, Time};
/// let mut servers = Servers::new(Some(1));
/// assert_eq!(servers.request(Time::ZERO, 'a'), Some('a'));
/// assert_eq!(servers.request(Time::ZERO, 'b'), None);
/// assert_eq!(servers.release(Time::from_nanos(10)), Some('b'));
/// assert_eq!(servers.integrals(Time::from_nanos(10)).waiting_ns, 10);
/// ```
#[derive(Clone, Debug)]
pub struct Servers<T> {
    capacity: Option<u32>,
    busy: u32,
    queue: VecDeque<T>,
    integrals: Integrals,
    changed: Time,
}

/// Time integrals of the number of busy servers and of waiting items, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Integrals {
    /// Of the number of busy servers.
    pub busy_ns: u128,
    /// Of the number of waiting items.
    pub waiting_ns: u128,
}

impl<T> Servers<T> {
    /// Idle servers; `None` is without limit.
    ///
    /// # Panics
    /// If the capacity is 0: nothing would ever be served.
    pub fn new(capacity: Option<u32>) -> Self {
        assert!(capacity != Some(0), "a resource has at least one server");
        Self { capacity, busy: 0, queue: VecDeque::new(), integrals: Integrals::default(), changed: Time::ZERO }
    }

    /// Asks for a server: gives `item` back if it takes one at once, else keeps it in the queue.
    pub fn request(&mut self, now: Time, item: T) -> Option<T> {
        self.account(now);
        if self.capacity.is_none_or(|capacity| self.busy < capacity) {
            self.busy += 1;
            Some(item)
        } else {
            self.queue.push_back(item);
            None
        }
    }

    /// Ends one service; the longest waiting item, if any, takes the server and is given back.
    ///
    /// # Panics
    /// If no server is busy.
    pub fn release(&mut self, now: Time) -> Option<T> {
        assert!(self.busy > 0, "a release follows a request that was served");
        self.account(now);
        let next = self.queue.pop_front();
        if next.is_none() {
            self.busy -= 1;
        }
        next
    }

    /// Takes the first waiting item that `pred` accepts out of the queue.
    pub fn withdraw(&mut self, now: Time, pred: impl FnMut(&T) -> bool) -> Option<T> {
        self.account(now);
        let place = self.queue.iter().position(pred)?;
        self.queue.remove(place)
    }

    /// Number of busy servers.
    pub fn busy(&self) -> u32 {
        self.busy
    }

    /// Number of waiting items.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// The time integrals from the start to `now`.
    pub fn integrals(&self, now: Time) -> Integrals {
        let elapsed = u128::from(now.since(self.changed).as_nanos());
        Integrals {
            busy_ns: self.integrals.busy_ns + elapsed * u128::from(self.busy),
            waiting_ns: self.integrals.waiting_ns + elapsed * self.queue.len() as u128,
        }
    }

    fn account(&mut self, now: Time) {
        self.integrals = self.integrals(now);
        self.changed = now;
    }
}

/// A rate per minute as an exact fraction in lowest terms, so that 7.5 a minute is neither 7 nor 8.
///
/// ```
/// use delm_sim::kernel::Rate;
/// assert_eq!(Rate::per_minute(7.5), Rate::per_minute(15.0) / 2);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    tokens: u64,
    minutes: u64,
}

/// Decimals of a rate that count; a rate with more is rounded to them.
const DECIMALS: u32 = 6;

impl Rate {
    /// So many a minute, exact to six decimals; NaN and negative values are 0, values beyond 10^13 are that.
    pub fn per_minute(rate: f64) -> Self {
        let minutes = 10u64.pow(DECIMALS);
        // Rounding takes the binary fraction of a decimal number back to the number that was written.
        let tokens = (rate.min(1e13) * minutes as f64).round() as u64;
        Self::lowest(tokens, minutes)
    }

    fn lowest(tokens: u64, minutes: u64) -> Self {
        let (mut a, mut b) = (tokens, minutes);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        Self { tokens: tokens / a, minutes: minutes / a }
    }
}

impl std::ops::Div<u64> for Rate {
    type Output = Self;

    #[allow(clippy::suspicious_arithmetic_impl, reason = "dividing a fraction multiplies its denominator")]
    fn div(self, by: u64) -> Self {
        Self::lowest(self.tokens, self.minutes * by)
    }
}

/// Parts per token and minute of a rate's denominator: with this unit a bucket of `r / d` tokens per minute gains
/// exactly `r` parts per nanosecond.
const PARTS: i128 = 60_000_000_000;

/// A bucket that fills at a constant rate up to its burst; it starts full.
///
/// An amount above the burst would never be there. It is admitted when the bucket is full and drives the level
/// below zero, so that the long-run rate holds for it too.
///
/// ```
/// use delm_sim::kernel::{Rate, Span, Time, TokenBucket};
/// let mut bucket = TokenBucket::new(Rate::per_minute(60.0), Span::from_secs_f64(1.0)); // one per second
/// assert!(bucket.take(Time::ZERO, 1));
/// assert!(!bucket.take(Time::ZERO, 1));
/// assert_eq!(bucket.earliest(Time::ZERO, 1), Time::from_nanos(1_000_000_000));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenBucket {
    rate: Rate,
    full: i128,
    level: i128,
    updated: Time,
}

impl TokenBucket {
    /// A full bucket that holds what its rate gives in `burst`.
    pub fn new(rate: Rate, burst: Span) -> Self {
        let full = i128::from(rate.tokens) * i128::from(burst.as_nanos());
        Self { rate, full, level: full, updated: Time::ZERO }
    }

    /// The earliest instant, not before `now`, at which [`TokenBucket::take`] would succeed if nothing else is
    /// taken until then; [`Time::MAX`] if never.
    pub fn earliest(&self, now: Time, amount: u64) -> Time {
        let missing = (self.parts(amount).min(self.full) - self.level_at(now)).max(0) as u128;
        if missing == 0 {
            return now;
        }
        if self.rate.tokens == 0 {
            return Time::MAX;
        }
        let wait = missing.div_ceil(u128::from(self.rate.tokens));
        now + Span::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX))
    }

    /// Takes `amount` tokens if they are there; changes nothing else.
    pub fn take(&mut self, now: Time, amount: u64) -> bool {
        self.refill(now);
        let admitted = self.level >= self.parts(amount).min(self.full);
        if admitted {
            self.level -= self.parts(amount);
        }
        admitted
    }

    /// Gives back `amount` tokens that were taken and not used; what would overflow is lost.
    pub fn refund(&mut self, now: Time, amount: u64) {
        self.refill(now);
        self.level = (self.level + self.parts(amount)).min(self.full);
    }

    /// Whole tokens in the bucket, rounded down; negative after an amount above the burst.
    pub fn level(&self, now: Time) -> i128 {
        self.level_at(now).div_euclid(self.parts(1))
    }

    fn refill(&mut self, now: Time) {
        self.level = self.level_at(now);
        self.updated = now;
    }

    fn level_at(&self, now: Time) -> i128 {
        let elapsed = now.since(self.updated).as_nanos();
        let gain = u128::from(elapsed) * u128::from(self.rate.tokens);
        let room = (self.full - self.level) as u128;
        self.level + gain.min(room).cast_signed()
    }

    fn parts(&self, tokens: u64) -> i128 {
        i128::from(tokens) * PARTS * i128::from(self.rate.minutes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(seconds: u64) -> Time {
        Time::from_nanos(seconds * 1_000_000_000)
    }

    /// A bucket of whole tokens; the burst is rounded up to a nanosecond's gain.
    fn bucket(rate: u64, burst: u64) -> TokenBucket {
        TokenBucket::new(Rate::per_minute(rate as f64), Span::from_nanos((burst * 60_000_000_000).div_ceil(rate)))
    }

    #[test]
    fn fractions_of_a_rate_count() {
        // 30 calls at 7.5 a minute with a minute's burst: the last may start at (30 - 7.5) / 7.5 minutes.
        let mut bucket = TokenBucket::new(Rate::per_minute(7.5), Span::from_secs_f64(60.0));
        let mut now = Time::ZERO;
        for _ in 0..30 {
            now = bucket.earliest(now, 1);
            assert!(bucket.take(now, 1));
        }
        assert_eq!(now, second(180));
        assert_eq!(Rate::per_minute(0.1) / 7, Rate { tokens: 1, minutes: 70 });
    }

    #[test]
    fn the_last_of_many_starts_when_theory_says() {
        // M calls of t tokens, all queued at 0: the last may start at max(0, (M t - B) / L).
        for (calls, tokens, rate, burst, expected) in
            [(100, 5_000, 200_000, 200_000, second(90)), (10, 5_000, 200_000, 200_000, Time::ZERO)]
        {
            let mut bucket = bucket(rate, burst);
            let mut now = Time::ZERO;
            for _ in 0..calls {
                now = bucket.earliest(now, tokens);
                assert!(bucket.take(now, tokens));
            }
            assert_eq!(now, expected);
        }
    }

    #[test]
    fn a_nanosecond_before_the_earliest_is_too_early() {
        let mut bucket = bucket(7, 3);
        assert!(bucket.take(Time::ZERO, 3));
        let when = bucket.earliest(Time::ZERO, 2);
        assert!(!bucket.take(Time::from_nanos(when.as_nanos() - 1), 2));
        assert!(bucket.take(when, 2));
    }

    #[test]
    fn an_amount_above_the_burst_waits_for_a_full_bucket_and_leaves_a_debt() {
        let mut bucket = bucket(60, 10);
        assert!(bucket.take(Time::ZERO, 25));
        assert_eq!(bucket.level(Time::ZERO), -15);
        assert_eq!(bucket.earliest(Time::ZERO, 25), second(25));
        assert_eq!(bucket.earliest(Time::ZERO, 1), second(16));
    }

    #[test]
    fn a_bucket_overflows_at_its_burst() {
        let mut bucket = bucket(60, 10);
        bucket.refund(Time::ZERO, 5);
        assert_eq!(bucket.level(Time::MAX), 10);
    }

    #[test]
    fn integrals_are_exact_areas() {
        let at = Time::from_nanos;
        let mut servers = Servers::new(Some(2));
        assert_eq!(servers.request(at(0), 'a'), Some('a'));
        assert_eq!(servers.request(at(10), 'b'), Some('b'));
        assert_eq!(servers.request(at(20), 'c'), None);
        assert_eq!(servers.request(at(25), 'd'), None);
        assert_eq!(servers.withdraw(at(30), |&item| item == 'c'), Some('c'));
        assert_eq!(servers.withdraw(at(30), |&item| item == 'c'), None);
        assert_eq!(servers.release(at(40)), Some('d'));
        assert_eq!(servers.release(at(50)), None);
        assert_eq!((servers.busy(), servers.waiting()), (1, 0));
        // busy: 1 for 10, 2 for 40, 1 for 10; waiting: 1 for 5, 2 for 5, 1 for 10
        assert_eq!(servers.integrals(at(60)), Integrals { busy_ns: 100, waiting_ns: 25 });
    }

    #[test]
    fn without_limit_nobody_waits() {
        let mut servers = Servers::new(None);
        assert!((0..1000).all(|i| servers.request(Time::ZERO, i) == Some(i)));
        assert_eq!(servers.waiting(), 0);
    }
}
