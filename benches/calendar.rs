//! The hold model: with a fixed number of events pending, pop the earliest and schedule one at an exponential offset.
//! Every structure sees the same offsets and carries a payload of eight bytes; one event is one pop and one push.
//!
//! `cargo bench --bench calendar` ends with a table of rates and ratios: only ratios of one run compare machines.

#![allow(clippy::disallowed_methods, reason = "a bench measures the clock")]

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion};
use delm_sim::kernel::{Calendar, Span};
use desque::serial::{Event, Simulation};

const PENDING: [usize; 3] = [100, 10_000, 1_000_000];
const NAMES: [&str; 3] = ["calendar", "binary-heap", "desque"];

/// Exponential offsets with a mean of a million, drawn beforehand so that drawing is not measured.
#[derive(Clone)]
struct Offsets {
    table: Vec<u64>,
    next: usize,
}

impl Offsets {
    fn new() -> Self {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let table = (0..4096)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let u = ((state >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
                1 + (-1e6 * libm::log(u)) as u64
            })
            .collect();
        Self { table, next: 0 }
    }

    #[inline]
    fn draw(&mut self) -> u64 {
        self.next = (self.next + 1) % 4096;
        self.table[self.next]
    }
}

/// Something that can run the hold model for a number of events.
trait Hold {
    fn run(&mut self, events: u64);
}

struct Ours {
    calendar: Calendar<u64>,
    offsets: Offsets,
}

impl Ours {
    fn new(pending: usize) -> Self {
        let (mut calendar, mut offsets) = (Calendar::new(), Offsets::new());
        for i in 0..pending {
            calendar.schedule(calendar.now() + Span::from_nanos(offsets.draw()), i as u64);
        }
        Self { calendar, offsets }
    }
}

impl Hold for Ours {
    fn run(&mut self, events: u64) {
        for _ in 0..events {
            let (now, payload) = self.calendar.pop().expect("the population is constant");
            self.calendar.schedule(now + Span::from_nanos(self.offsets.draw()), black_box(payload));
        }
    }
}

struct Std {
    heap: BinaryHeap<Reverse<((u64, u64), u64)>>,
    sequence: u64,
    offsets: Offsets,
}

impl Std {
    fn new(pending: usize) -> Self {
        let mut offsets = Offsets::new();
        let heap = (0..pending as u64).map(|i| Reverse(((offsets.draw(), i), i))).collect();
        Self { heap, sequence: pending as u64, offsets }
    }
}

impl Hold for Std {
    fn run(&mut self, events: u64) {
        for _ in 0..events {
            let Reverse(((now, _), payload)) = self.heap.pop().expect("the population is constant");
            self.heap.push(Reverse(((now + self.offsets.draw(), self.sequence), black_box(payload))));
            self.sequence += 1;
        }
    }
}

#[derive(Debug)]
struct Payload(u64);

struct State {
    offsets: Offsets,
    left: u64,
}

impl desque::SimState<u64> for State {
    fn is_complete(&self, _: &u64) -> bool {
        self.left == 0
    }
}

impl Event<State, u64> for Payload {
    fn execute(&mut self, simulation: &mut Simulation<State, u64>) -> desque::Result {
        let state = simulation.state_mut();
        state.left -= 1;
        let offset = state.offsets.draw();
        let at = simulation.current_time() + offset;
        simulation.schedule(Self(black_box(self.0)), at)
    }
}

struct Desque(Simulation<State, u64>);

impl Desque {
    fn new(pending: usize) -> Self {
        let mut offsets = Offsets::new();
        let times: Vec<u64> = (0..pending).map(|_| offsets.draw()).collect();
        let mut simulation = Simulation::new(State { offsets, left: 0 }, 0);
        for (i, time) in times.into_iter().enumerate() {
            simulation.schedule(Payload(i as u64), time).expect("no time lies before 0");
        }
        Self(simulation)
    }
}

impl Hold for Desque {
    fn run(&mut self, events: u64) {
        self.0.state_mut().left = events;
        self.0.run().expect("the hold model does not fail");
    }
}

fn build(name: &str, pending: usize) -> Box<dyn Hold> {
    match name {
        "calendar" => Box::new(Ours::new(pending)),
        "binary-heap" => Box::new(Std::new(pending)),
        _ => Box::new(Desque::new(pending)),
    }
}

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_millis(1500))
        .sample_size(15)
        .configure_from_args();
    let mut rates = Vec::new();
    for pending in PENDING {
        let mut group = criterion.benchmark_group("hold");
        let medians = NAMES.map(|name| {
            let samples = RefCell::new(Vec::new());
            let mut hold = build(name, pending);
            // Turn the population over, so that all structures are in their steady state.
            hold.run(2 * pending as u64);
            group.bench_function(BenchmarkId::new(name, pending), |bencher| {
                bencher.iter_custom(|events| {
                    let start = Instant::now();
                    hold.run(events);
                    let elapsed = start.elapsed();
                    samples.borrow_mut().push((events, elapsed));
                    elapsed
                });
            });
            median(samples.into_inner())
        });
        group.finish();
        rates.push((pending, medians));
    }
    criterion.final_summary();
    print_table(&rates);
}

/// Million events per second. Criterion's warm-up begins with single events: only long samples count.
fn median(samples: Vec<(u64, Duration)>) -> Option<f64> {
    let longest = samples.iter().map(|sample| sample.0).max()?;
    let mut rates: Vec<f64> = samples
        .into_iter()
        .filter(|&(events, _)| events >= longest / 4)
        .map(|(events, elapsed)| events as f64 / elapsed.as_secs_f64() / 1e6)
        .collect();
    rates.sort_unstable_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied()
}

fn print_table(rates: &[(usize, [Option<f64>; 3])]) {
    println!("\nhold model, million events per second (median of one run)");
    println!(
        "{:>9} {:>10} {:>12} {:>8} {:>10} {:>15}",
        "pending", NAMES[0], NAMES[1], NAMES[2], "x desque", "x binary-heap"
    );
    for (pending, medians) in rates {
        if let [Some(ours), Some(heap), Some(desque)] = medians {
            println!(
                "{pending:>9} {ours:>10.1} {heap:>12.1} {desque:>8.1} {:>10.2} {:>15.2}",
                ours / desque,
                ours / heap
            );
        }
    }
}
