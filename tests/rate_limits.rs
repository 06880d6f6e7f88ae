//! Lines at rate limits against a model that looks at every tick: whom the limits let through, and when, may depend on
//! nothing but who waits, what the buckets hold and what is cached.

use delm_sim::kernel::{Key, Law, Span, Time};
use delm_sim::model::Limit;
use delm_sim::model::call::{Content, Prompt, PromptSpan, Purpose, Request, SpanRole};
use delm_sim::model::endpoint::{CacheSpec, EndpointSpec};
use delm_sim::model::ids::{About, AgentId, CallId, SubtaskId, TaskId, TimerId};
use delm_sim::model::sharing::Sharing;
use delm_sim::model::workload::{DivideSpec, Sizes, Team, Workload, WorkloadSpec};
use delm_sim::policy::{Command, Event};
use delm_sim::record::{Summary, Trace};
use delm_sim::runtime::{Fleet, Simulated, World};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A tenth of a second: all times of a case are whole ticks, and all amounts whole ticks of their bucket's rate.
const TICK_NS: u64 = 100_000_000;
const TICKS_PER_MINUTE: f64 = 600.0;

/// A call that comes at a tick, and may be called off at a later one.
#[derive(Clone, Debug)]
struct Caller {
    at: u64,
    cancelled_at: Option<u64>,
    /// Which source follows the task's text, and how many input units are its own.
    source: Option<u32>,
    own: u64,
}

/// One endpoint with up to three limits, and who comes to it.
#[derive(Clone, Debug)]
struct Setting {
    /// Ticks per request; input and output tokens per tick.
    request_ticks: Option<u64>,
    input_rate: Option<u64>,
    output_rate: Option<u64>,
    /// Ticks of rate that a full bucket holds.
    burst: u64,
    /// Reserved output, in ticks of its rate.
    reserved: u64,
    /// Lengths of the task's text and of the sources, in units.
    task: u64,
    sources: Vec<u64>,
    cached: bool,
    counts_cached: bool,
    lifetime: u64,
    min_units: u64,
    first_token: u64,
    decoding: u64,
    callers: Vec<Caller>,
}

impl Setting {
    /// Tokens of a unit: a tick of the input rate, so that waits are whole ticks.
    fn unit(&self) -> u64 {
        self.input_rate.unwrap_or(1)
    }

    /// The texts of a prompt that others may share: (name, units).
    fn texts(&self, caller: &Caller) -> Vec<(u32, u64)> {
        let source = caller.source.map(|s| (s + 1, self.sources[s as usize]));
        std::iter::once((0, self.task)).chain(source).filter(|(_, units)| *units > 0).collect()
    }
}

/// A bucket in units of what it gains per tick.
struct Bucket {
    rate: i64,
    full: i64,
    level: i64,
}

impl Bucket {
    fn new(rate: u64, burst: u64) -> Self {
        let full = (rate * burst).cast_signed();
        Self { rate: rate.cast_signed(), full, level: full }
    }
}

/// Since when a text can be read, and until when.
#[derive(Clone, Copy)]
struct Text {
    from: u64,
    until: u64,
}

/// The model: every tick, everything. Returns the tick at which each call was let through.
fn by_ticks(s: &Setting) -> Vec<Option<u64>> {
    let mut buckets = [
        s.request_ticks.map(|_| Bucket::new(1, s.burst)),
        s.input_rate.map(|r| Bucket::new(r, s.burst)),
        s.output_rate.map(|r| Bucket::new(r, s.burst)),
    ];
    let mut line: Vec<usize> = Vec::new();
    let mut admitted = vec![None; s.callers.len()];
    // Texts by their chain: a source stands behind the task's text, whose length is one for all.
    let mut texts: BTreeMap<u32, Text> = BTreeMap::new();
    let horizon = 20_000;
    for now in 0..horizon {
        for bucket in buckets.iter_mut().flatten() {
            if now > 0 {
                bucket.level = (bucket.level + bucket.rate).min(bucket.full);
            }
        }
        for (i, caller) in s.callers.iter().enumerate() {
            if caller.at == now {
                line.push(i);
            }
            if caller.cancelled_at == Some(now) {
                line.retain(|waiting| *waiting != i);
            }
        }
        while let Some(&head) = line.first() {
            let caller = &s.callers[head];
            let prompt = s.task + caller.source.map_or(0, |i| s.sources[i as usize]) + caller.own;
            let chain = s.texts(caller);
            let readable = |name: &u32| s.cached && texts.get(name).is_some_and(|t| t.from <= now && now <= t.until);
            let hits: Vec<u32> = chain.iter().map(|(name, _)| *name).take_while(|name| readable(name)).collect();
            let units: u64 = chain.iter().filter(|(name, _)| hits.contains(name)).map(|(_, units)| units).sum();
            let exempt = if s.counts_cached || units < s.min_units { 0 } else { units };
            let amounts = [s.request_ticks.unwrap_or(0), (prompt - exempt) * s.unit(), s.reserved_tokens()];
            let fits = buckets
                .iter()
                .zip(amounts)
                .all(|(b, amount)| b.as_ref().is_none_or(|b| b.level >= amount.cast_signed().min(b.full)));
            if !fits {
                break;
            }
            for (bucket, amount) in buckets.iter_mut().zip(amounts) {
                if let Some(bucket) = bucket {
                    bucket.level -= amount.cast_signed();
                }
            }
            line.remove(0);
            admitted[head] = Some(now);
            for name in &hits {
                let text = texts.get_mut(name).unwrap();
                text.until = text.until.max(now + s.lifetime);
            }
            let from = now + s.first_token;
            for (name, _) in chain {
                let text = texts.entry(name).or_insert(Text { from, until: 0 });
                if text.until < now {
                    text.from = from;
                }
                text.from = text.from.min(from);
                text.until = text.until.max(from + s.lifetime);
            }
        }
    }
    admitted
}

impl Setting {
    fn reserved_tokens(&self) -> u64 {
        self.reserved * self.output_rate.unwrap_or(1)
    }

    fn endpoint(&self) -> EndpointSpec {
        let rate =
            |per_tick: Option<u64>| per_tick.map_or(Limit::Unlimited, |r| Limit::At(r as f64 * TICKS_PER_MINUTE));
        let seconds = |ticks: u64| ticks as f64 / 10.0;
        EndpointSpec {
            base_s: seconds(self.first_token),
            completion_s_per_token: seconds(self.decoding),
            requests_per_minute: self
                .request_ticks
                .map_or(Limit::Unlimited, |ticks| Limit::At(TICKS_PER_MINUTE / ticks as f64)),
            input_tokens_per_minute: rate(self.input_rate),
            output_tokens_per_minute: rate(self.output_rate),
            burst_s: seconds(self.burst),
            count_cached_input: self.counts_cached,
            max_output_tokens: self.reserved_tokens() as u32,
            cache: CacheSpec {
                enabled: self.cached,
                lifetime_s: seconds(self.lifetime),
                min_tokens: (self.min_units * self.unit()) as u32,
            },
            ..EndpointSpec::default()
        }
    }

    fn request(&self, caller: &Caller) -> Request {
        let span =
            |content, units: u64| PromptSpan { content, role: SpanRole::Task, tokens: (units * self.unit()) as u32 };
        let mut prompt = Prompt::new();
        prompt.push(span(Content::Task, self.task));
        if let Some(source) = caller.source {
            prompt.push(span(Content::Source(SubtaskId(source)), self.sources[source as usize]));
        }
        prompt.push(span(Content::Fresh, caller.own));
        Request { completion_tokens: 1, ..Request::new(AgentId(0), Purpose::Merge, About::default(), prompt) }
    }

    /// The ticks at which the simulated world begins to serve the calls that it answers.
    fn simulated(&self) -> Vec<Option<u64>> {
        let endpoints = BTreeMap::from([("m".to_owned(), self.endpoint())]);
        let roles = BTreeMap::from([("default".to_owned(), "m".to_owned())]);
        let fleet = Fleet::new(&endpoints, &roles, &BTreeMap::new(), 1.0, 1.0).unwrap();
        let team = Team { workers: 1, leads: 0, lines: 1, budgets_per_line: 1, quality: 1.0 };
        let spec = WorkloadSpec::Divide(Arc::new(DivideSpec { subtasks: Law::Constant(1.0), ..DivideSpec::default() }));
        let (sizes, sharing) = (Arc::new(Sizes::default()), Arc::new(Sharing::default()));
        let key = Key::new(1, 0);
        let workload = Workload::new(&spec, &sizes, &sharing, key, TaskId(0), &team);
        let trace = Trace::new(Summary::new(&team, 1, None, None), None);
        let mut world = Simulated::new(Arc::new(fleet), key, vec![workload], trace, None);
        let mut served = vec![None; self.callers.len()];
        while let Some(delivery) = world.next() {
            let after = |tick: u64| Span::from_nanos(tick * TICK_NS);
            match delivery.event {
                Event::Started => {
                    for (i, caller) in self.callers.iter().enumerate() {
                        let timer = TimerId(2 * i as u32);
                        world.execute(TaskId(0), Command::SetTimer(timer, after(caller.at)));
                        if let Some(at) = caller.cancelled_at {
                            world.execute(TaskId(0), Command::SetTimer(TimerId(timer.0 + 1), after(at)));
                        }
                    }
                }
                Event::TimerFired(TimerId(timer)) => {
                    let call = CallId(u64::from(timer / 2));
                    let request = || self.request(&self.callers[timer as usize / 2]);
                    let command =
                        if timer % 2 == 0 { Command::Call(call, Box::new(request())) } else { Command::Cancel(call) };
                    world.execute(TaskId(0), command);
                }
                Event::Replied(call, _) => {
                    let ended: Time = delivery.at;
                    let tick = ended.as_nanos() / TICK_NS - self.first_token - self.decoding;
                    assert_eq!(ended.as_nanos() % TICK_NS, 0, "all times of a case are whole ticks");
                    served[call.0 as usize] = Some(tick);
                }
                Event::Failed(..) => panic!("nothing fails here"),
            }
        }
        served
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let mut expected = by_ticks(self);
        for (tick, caller) in expected.iter_mut().zip(&self.callers) {
            // Called off in service: no reply tells when it began.
            if caller.cancelled_at.is_some_and(|at| tick.is_none_or(|t| at <= t + self.first_token + self.decoding)) {
                *tick = None;
            } else {
                prop_assert!(tick.is_some(), "the model's horizon is too near: {self:?}");
            }
        }
        prop_assert_eq!(self.simulated(), expected, "{:?}", self);
        Ok(())
    }
}

/// Callers whose arrivals and cancellations all fall on different ticks, so that no order within a tick is asked for.
fn callers() -> impl Strategy<Value = Vec<Caller>> {
    let one =
        (0_u64..40, prop_oneof![2 => Just(None), 3 => (1_u64..80).prop_map(Some)], any::<Option<bool>>(), 0_u64..50);
    proptest::collection::vec(one, 1..10).prop_map(|rows| {
        let mut used = std::collections::BTreeSet::new();
        let mut free = |mut tick: u64| {
            while !used.insert(tick) {
                tick += 1;
            }
            tick
        };
        rows.into_iter()
            .map(|(at, patience, source, own)| {
                let at = free(at);
                let cancelled_at = patience.map(|p| free(at + p));
                Caller { at, cancelled_at, source: source.map(u32::from), own }
            })
            .collect()
    })
}

fn settings() -> impl Strategy<Value = Setting> {
    let some = |rates: &'static [u64]| proptest::option::weighted(0.7, proptest::sample::select(rates));
    let limits = (some(&[1, 2, 5, 8, 10]), some(&[1, 3, 10]), some(&[1, 7]), 1_u64..60, 0_u64..30);
    let cache = (any::<bool>(), proptest::bool::weighted(0.2), 5_u64..60, prop_oneof![Just(0_u64), 0_u64..40]);
    let texts = (0_u64..30, proptest::collection::vec(0_u64..40, 2..=2));
    (limits, cache, texts, 0_u64..20, 0_u64..20, callers()).prop_map(
        |(limits, cache, (task, sources), first_token, decoding, callers)| {
            let (request_ticks, input_rate, output_rate, burst, reserved) = limits;
            let (cached, counts_cached, lifetime, min_units) = cache;
            Setting {
                request_ticks,
                input_rate,
                output_rate,
                burst,
                reserved,
                task,
                sources,
                cached,
                counts_cached,
                lifetime,
                min_units,
                first_token,
                decoding,
                callers,
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, rng_seed: RngSeed::Fixed(8), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn limits_let_calls_through_when_a_look_at_every_tick_would(setting in settings()) {
        setting.check()?;
    }
}
