//! The calendar beside the crate `desque` and a plain `std` binary heap, on models that do nothing but schedule: hold
//! (with a fixed number of events pending, pop the earliest and schedule one), an M/M/1 queue, PHOLD (events hop between
//! logical processes) and the machine-repairman model. Every engine runs the same model code, sees the same offsets and
//! carries a payload of eight bytes.
//!
//! Offsets come from a table of 2^20 that no branch predictor learns by heart; with one of 4,096 it did, and figures at
//! small populations were twice too good. `cargo bench --bench calendar` ends with a table of rates and ratios: only
//! ratios of one run compare, and the engines take turns in each round so that noise of the machine meets all alike.

#![allow(clippy::disallowed_methods, reason = "a bench measures the clock")]

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::hint::black_box;
use std::rc::Rc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion};
use delm_sim::kernel::{Calendar, Time};
use desque::serial::{Event, Simulation};

const NAMES: [&str; 3] = ["calendar", "binary-heap", "desque"];
/// Rounds in which the engines take turns.
const ROUNDS: usize = 15;
/// Events per engine and round.
const EVENTS: u64 = 1_000_000;
const TABLE: usize = 1 << 20;

/// Exponential offsets with a mean of a million, and raw bits for choices.
#[derive(Clone)]
struct Offsets {
    table: Rc<Vec<(u64, u64)>>,
    next: usize,
}

impl Offsets {
    fn new() -> Self {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let table = (0..TABLE).map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let u = ((state >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
            (1 + (-1e6 * libm::log(u)) as u64, state >> 5)
        });
        Self { table: Rc::new(table.collect()), next: 0 }
    }

    #[inline]
    fn draw(&mut self) -> (u64, u64) {
        self.next = (self.next + 1) % TABLE;
        self.table[self.next]
    }
}

/// A model that reacts to events by scheduling others.
trait Model: 'static {
    fn start(&mut self, schedule: &mut impl FnMut(u64, u64));
    fn react(&mut self, now: u64, event: u64, schedule: &mut impl FnMut(u64, u64));
}

/// One event for each that fires.
#[derive(Clone)]
struct Hold {
    offsets: Offsets,
    pending: u64,
}

impl Model for Hold {
    fn start(&mut self, schedule: &mut impl FnMut(u64, u64)) {
        (0..self.pending).for_each(|i| schedule(self.offsets.draw().0, i));
    }
    #[inline]
    fn react(&mut self, now: u64, event: u64, schedule: &mut impl FnMut(u64, u64)) {
        schedule(now + self.offsets.draw().0, event);
    }
}

/// Arrivals (event 0) and departures (event 1) of one server at a utilisation of .8.
#[derive(Clone)]
struct Queue {
    offsets: Offsets,
    waiting: u64,
}

impl Model for Queue {
    fn start(&mut self, schedule: &mut impl FnMut(u64, u64)) {
        schedule(self.offsets.draw().0, 0);
    }
    #[inline]
    fn react(&mut self, now: u64, event: u64, schedule: &mut impl FnMut(u64, u64)) {
        if event == 0 {
            schedule(now + self.offsets.draw().0, 0);
            self.waiting += 1;
            if self.waiting == 1 {
                schedule(now + self.offsets.draw().0 * 4 / 5, 1);
            }
        } else {
            self.waiting -= 1;
            if self.waiting > 0 {
                schedule(now + self.offsets.draw().0 * 4 / 5, 1);
            }
        }
    }
}

/// Events hop to a random one of 1,024 processes, each with a counter.
#[derive(Clone)]
struct Phold {
    offsets: Offsets,
    processes: Vec<u64>,
}

impl Model for Phold {
    fn start(&mut self, schedule: &mut impl FnMut(u64, u64)) {
        (0..self.processes.len() as u64).for_each(|i| schedule(self.offsets.draw().0, i));
    }
    #[inline]
    fn react(&mut self, now: u64, event: u64, schedule: &mut impl FnMut(u64, u64)) {
        self.processes[event as usize] += 1;
        let (offset, bits) = self.offsets.draw();
        schedule(now + offset, bits % self.processes.len() as u64);
    }
}

/// 90 machines that fail, 5 repairers, repairs in order of failure. Even events are failures, odd ones ends of repairs.
#[derive(Clone)]
struct Repairman {
    offsets: Offsets,
    broken: VecDeque<u64>,
    idle: u64,
}

impl Model for Repairman {
    fn start(&mut self, schedule: &mut impl FnMut(u64, u64)) {
        (0..90).for_each(|i| schedule(self.offsets.draw().0, 2 * i));
    }
    #[inline]
    fn react(&mut self, now: u64, event: u64, schedule: &mut impl FnMut(u64, u64)) {
        let machine = event / 2;
        if event.is_multiple_of(2) {
            if self.idle > 0 {
                self.idle -= 1;
                schedule(now + self.offsets.draw().0 / 18, 2 * machine + 1);
            } else {
                self.broken.push_back(machine);
            }
            return;
        }
        schedule(now + self.offsets.draw().0, 2 * machine);
        match self.broken.pop_front() {
            Some(next) => schedule(now + self.offsets.draw().0 / 18, 2 * next + 1),
            None => self.idle += 1,
        }
    }
}

/// An engine with a model in it.
trait Engine {
    fn run(&mut self, events: u64);
}

struct Ours<M> {
    calendar: Calendar<u64>,
    model: M,
}

impl<M: Model> Ours<M> {
    fn new(mut model: M) -> Self {
        let mut calendar = Calendar::new();
        model.start(&mut |at, event| {
            calendar.schedule(Time::from_nanos(at), event);
        });
        Self { calendar, model }
    }
}

impl<M: Model> Engine for Ours<M> {
    fn run(&mut self, events: u64) {
        let Self { calendar, model } = self;
        for _ in 0..events {
            let (now, event) = calendar.pop().expect("the model goes on");
            model.react(now.as_nanos(), black_box(event), &mut |at, event| {
                calendar.schedule(Time::from_nanos(at), event);
            });
        }
    }
}

struct Std<M> {
    heap: BinaryHeap<Reverse<((u64, u64), u64)>>,
    sequence: u64,
    model: M,
}

impl<M: Model> Std<M> {
    fn new(mut model: M) -> Self {
        let (mut heap, mut sequence) = (BinaryHeap::new(), 0);
        model.start(&mut |at, event| {
            heap.push(Reverse(((at, sequence), event)));
            sequence += 1;
        });
        Self { heap, sequence, model }
    }
}

impl<M: Model> Engine for Std<M> {
    fn run(&mut self, events: u64) {
        let Self { heap, sequence, model } = self;
        for _ in 0..events {
            let Reverse(((now, _), event)) = heap.pop().expect("the model goes on");
            model.react(now, black_box(event), &mut |at, event| {
                heap.push(Reverse(((at, *sequence), event)));
                *sequence += 1;
            });
        }
    }
}

#[derive(Debug)]
struct Payload(u64);

struct State<M> {
    model: M,
    left: u64,
    out: Vec<(u64, u64)>,
}

impl<M: Model> desque::SimState<u64> for State<M> {
    fn is_complete(&self, _: &u64) -> bool {
        self.left == 0
    }
}

impl<M: Model> Event<State<M>, u64> for Payload {
    fn execute(&mut self, simulation: &mut Simulation<State<M>, u64>) -> desque::Result {
        let now = *simulation.current_time();
        let state = simulation.state_mut();
        state.left -= 1;
        // At most two events follow from one; the buffer keeps its memory.
        let mut out = std::mem::take(&mut state.out);
        state.model.react(now, black_box(self.0), &mut |at, event| out.push((at, event)));
        for (at, event) in out.drain(..) {
            simulation.schedule(Self(event), at)?;
        }
        simulation.state_mut().out = out;
        Ok(())
    }
}

struct Desque<M: Model>(Simulation<State<M>, u64>);

impl<M: Model> Desque<M> {
    fn new(mut model: M) -> Self {
        let mut out = Vec::new();
        model.start(&mut |at, event| out.push((at, event)));
        let first = std::mem::take(&mut out);
        let mut simulation = Simulation::new(State { model, left: 0, out }, 0);
        for (at, event) in first {
            simulation.schedule(Payload(event), at).expect("no time lies before 0");
        }
        Self(simulation)
    }
}

impl<M: Model> Engine for Desque<M> {
    fn run(&mut self, events: u64) {
        self.0.state_mut().left = events;
        self.0.run().expect("the model does not fail");
    }
}

/// One of each, in the order of [`NAMES`].
type Engines = [Box<dyn Engine>; 3];

fn engines<M: Model + Clone>(model: &M) -> Engines {
    [Box::new(Ours::new(model.clone())), Box::new(Std::new(model.clone())), Box::new(Desque::new(model.clone()))]
}

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(800))
        .sample_size(10)
        .configure_from_args();
    let offsets = Offsets::new();
    let hold = |pending| engines(&Hold { offsets: offsets.clone(), pending });
    let models: Vec<(&str, u64, Engines)> = vec![
        ("hold-100", 1 << 20, hold(100)),
        ("hold-10000", 1 << 20, hold(10_000)),
        ("hold-1000000", 3 << 20, hold(1_000_000)),
        ("m-m-1", 1 << 20, engines(&Queue { offsets: offsets.clone(), waiting: 0 })),
        ("phold-1024", 1 << 20, engines(&Phold { offsets: offsets.clone(), processes: vec![0; 1024] })),
        ("repairman-90-5", 1 << 20, engines(&Repairman { offsets: offsets.clone(), broken: VecDeque::new(), idle: 5 })),
    ];
    println!("million events per second, medians of {ROUNDS} rounds in which the engines take turns");
    println!(
        "{:>15} {:>9} {:>12} {:>8} {:>9} {:>14}",
        "model", NAMES[0], NAMES[1], NAMES[2], "x desque", "x binary-heap"
    );
    for (name, warm_up, mut engines) in models {
        for engine in &mut engines {
            engine.run(warm_up);
        }
        let mut rates = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            for (engine, rates) in engines.iter_mut().zip(&mut rates) {
                let start = Instant::now();
                engine.run(EVENTS);
                rates.push(EVENTS as f64 / start.elapsed().as_secs_f64() / 1e6);
            }
        }
        let over = |i: usize| median(rates[0].iter().zip(&rates[i]).map(|(a, b)| a / b).collect());
        let (desque, heap) = (over(2), over(1));
        let [ours, std, other] = rates.map(median);
        println!("{name:>15} {ours:>9.1} {std:>12.1} {other:>8.2} {desque:>9.2} {heap:>14.2}");
        let mut group = criterion.benchmark_group(name);
        for (engine, label) in engines.iter_mut().zip(NAMES) {
            group.bench_function(BenchmarkId::from_parameter(label), |bencher| {
                bencher.iter_custom(|events| {
                    let start = Instant::now();
                    engine.run(events);
                    start.elapsed()
                });
            });
        }
        group.finish();
    }
    criterion.final_summary();
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
