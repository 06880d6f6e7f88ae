//! Property: whatever is scheduled, cancelled and popped, the calendar does what a sorted map does.

use std::collections::BTreeMap;

use delm_sim::kernel::{Calendar, EventId, Span, Time};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    /// Schedule this many events this many nanoseconds ahead; 0 is the present instant.
    Schedule { ahead: u64, copies: usize },
    /// Cancel the event issued at this place of the history, fired or not.
    Cancel { place: prop::sample::Index },
    /// Pop this many.
    Pop { count: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let ahead = prop_oneof![
        4 => Just(0_u64),
        6 => 1_u64..20,
        6 => 1_u64..1_000_000,
        2 => 1_u64..1_000_000_000_000,
        1 => Just(u64::MAX),
    ];
    let copies = prop_oneof![8 => 1_usize..4, 1 => 1_usize..200];
    prop_oneof![
        5 => (ahead, copies).prop_map(|(ahead, copies)| Step::Schedule { ahead, copies }),
        3 => any::<prop::sample::Index>().prop_map(|place| Step::Cancel { place }),
        3 => (1_usize..30).prop_map(|count| Step::Pop { count }),
    ]
}

/// The calendar and what it should be: events by (time, number of scheduling).
#[derive(Default)]
struct Pair {
    calendar: Calendar<u64>,
    reference: BTreeMap<(Time, u64), EventId>,
    history: Vec<(Time, EventId)>,
}

impl Pair {
    fn schedule(&mut self, ahead: u64) {
        let at = self.calendar.now() + Span::from_nanos(ahead);
        let number = self.history.len() as u64;
        let id = self.calendar.schedule(at, number);
        self.reference.insert((at, number), id);
        self.history.push((at, id));
        self.agree();
    }

    fn cancel(&mut self, number: usize) {
        let (at, id) = self.history[number];
        let expected = self.reference.remove(&(at, number as u64)).map(|_| number as u64);
        assert_eq!(self.calendar.cancel(id), expected);
        self.agree();
    }

    fn pop(&mut self) -> Option<u64> {
        let expected = self.reference.pop_first().map(|((at, number), _)| (at, number));
        let got = self.calendar.pop();
        assert_eq!(got, expected);
        if let Some((at, _)) = got {
            assert_eq!(self.calendar.now(), at);
        }
        self.agree();
        got.map(|(_, number)| number)
    }

    fn agree(&self) {
        assert_eq!(self.calendar.len(), self.reference.len());
        assert_eq!(self.calendar.is_empty(), self.reference.is_empty());
        assert_eq!(self.calendar.peek_time(), self.reference.keys().next().map(|key| key.0));
    }
}

proptest! {
    #[test]
    fn agrees_with_a_sorted_map(steps in prop::collection::vec(step(), 1..200)) {
        let mut pair = Pair::default();
        for step in steps {
            match step {
                Step::Schedule { ahead, copies } => (0..copies).for_each(|_| pair.schedule(ahead)),
                Step::Cancel { place } if !pair.history.is_empty() => {
                    pair.cancel(place.index(pair.history.len()));
                }
                Step::Cancel { .. } => {}
                Step::Pop { count } => (0..count).for_each(|_| { pair.pop(); }),
            }
        }
        while pair.pop().is_some() {}
    }
}

/// Draws from a fixed sequence: 64-bit Weyl numbers, mixed.
fn scramble(i: u64) -> u64 {
    let x = i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (x ^ x >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 17
}

/// Large populations reach every part of the structure: offsets from nothing to far outliers, in waves that grow and
/// shrink, with a third of the events cancelled.
#[test]
fn large_populations_agree_with_a_sorted_map() {
    let ranges: [fn(u64) -> u64; 5] = [
        |x| x % 1_000_000,
        |x| {
            if x % 50 == 0 { x % 1_000_000_000_000 } else { x % 1000 }
        },
        |x| 1 << (x % 50),
        |x| x % 3,
        |x| 500 + x % 2,
    ];
    for (kind, ahead) in ranges.into_iter().enumerate() {
        let mut pair = Pair::default();
        for wave in 0..4_u64 {
            for i in 0..15_000 {
                let x = scramble(i + (wave << 20) + ((kind as u64) << 30));
                pair.schedule(ahead(x));
                if x.is_multiple_of(3) {
                    pair.cancel(scramble(x) as usize % pair.history.len());
                }
                if x.is_multiple_of(5) {
                    pair.pop();
                }
            }
            for _ in 0..pair.calendar.len() * (wave as usize + 1) / 4 {
                pair.pop();
            }
        }
        while pair.pop().is_some() {}
    }
}

/// Every event of a burst schedules another at once: the ring keeps them in order.
#[test]
fn zero_delay_bursts_keep_their_order() {
    let mut pair = Pair::default();
    (0..100).for_each(|_| pair.schedule(7));
    for expected in 0..20_000 {
        assert_eq!(pair.pop(), Some(expected));
        if expected < 19_900 {
            pair.schedule(0);
        }
    }
    assert_eq!(pair.pop(), None);
    assert_eq!(pair.calendar.now(), Time::from_nanos(7));
}

/// An M/M/1 queue is the kernel's own oracle: the mean number in system is rho / (1 - rho), within an interval
/// from ten long runs.
#[test]
fn a_single_server_queue_meets_theory() {
    use delm_sim::kernel::{Address, Key, Law, Servers};
    use delm_sim::stats::Summary;

    enum Step {
        Arrival(u64),
        Departure,
    }
    use Step::{Arrival, Departure};

    let (arrivals, services) = (Law::Exponential { mean: 1.0 }, Law::Exponential { mean: 0.5 });
    let means: Vec<f64> = (0..10)
        .map(|replication| {
            let key = Key::new(5, replication);
            let draw = |law: &Law, purpose, entity| {
                Span::from_secs_f64(law.sample(&key.draws(Address { purpose, entity, ..Address::default() }), 0))
            };
            let mut calendar = Calendar::new();
            let mut servers = Servers::new(Some(1));
            calendar.schedule(Time::ZERO + draw(&arrivals, 0, 0), Arrival(0_u64));
            while let Some((now, event)) = calendar.pop() {
                let started = match event {
                    Arrival(customer) => {
                        if customer < 20_000 {
                            let next = customer + 1;
                            calendar.schedule(now + draw(&arrivals, 0, next), Arrival(next));
                        }
                        servers.request(now, customer)
                    }
                    Departure => servers.release(now),
                };
                if let Some(customer) = started {
                    calendar.schedule(now + draw(&services, 1, customer), Departure);
                }
            }
            let integrals = servers.integrals(calendar.now());
            (integrals.busy_ns + integrals.waiting_ns) as f64 / calendar.now().as_nanos() as f64
        })
        .collect();
    let summary = Summary::of(&means);
    assert!(
        (summary.mean - 1.0).abs() < 2.0 * summary.interval.expect("many values").half_width(),
        "mean number in system {summary:?}"
    );
}
