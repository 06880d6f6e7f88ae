//! An endpoint in time: rate limits, slots, service, retries, cancellation.
//!
//! ```text
//! arrive -> [limit] -> [slot] -> service -> reply
//!    ^         |                    |
//!    +---------+---- backoff <------+--> failure
//! ```

use super::call::{Pending, Place};
use super::sharing::Streams;
use super::{Due, Simulated};
use crate::kernel::{Address, EventId, Key, Law, Rate, Servers, Span, Time, TokenBucket};
use crate::model::cache::PrefixCache;
use crate::model::call::{CallError, Purpose, Usage};
use crate::model::endpoint::{EndpointSpec, Latency, LimitPolicy, TimeoutFrom};
use crate::model::ids::{AgentId, TaskId, entity};
use crate::model::note::Phase;
use crate::model::workload::{FAILURE, Hidden, NOISE};
use crate::record::trace::Body;
use crate::runtime::driver::Delivery;
use std::collections::BTreeMap;

/// Buckets of the three kinds of limit.
#[derive(Debug)]
struct Buckets {
    requests: Option<TokenBucket>,
    input: Option<TokenBucket>,
    output: Option<TokenBucket>,
}

/// State of an endpoint.
#[derive(Debug)]
pub(super) struct Station {
    servers: Servers<u32>,
    pub(super) streams: Streams,
    pub(super) cache: PrefixCache,
    buckets: Option<Buckets>,
    /// Calls that wait for the limit, by ticket.
    line: BTreeMap<u64, u32>,
    tickets: u64,
    /// When the head of the line is looked at again: it may fit then, or need less. Whatever changes the head, its
    /// prefix or the buckets makes a new appointment.
    pub(super) appointment: Option<(Time, EventId)>,
    /// Persistent factors of agents, by task and agent, as far as they were asked for.
    factors: Vec<Vec<f64>>,
}

impl Station {
    pub(super) fn new(spec: &EndpointSpec) -> Self {
        let bucket = |limit: crate::model::Limit| {
            limit.at().map(|rate| TokenBucket::new(Rate::per_minute(rate), Span::from_secs_f64(spec.burst_s)))
        };
        let (requests, input, output) = (
            bucket(spec.requests_per_minute),
            bucket(spec.input_tokens_per_minute),
            bucket(spec.output_tokens_per_minute),
        );
        let limited = requests.is_some() || input.is_some() || output.is_some();
        Self {
            servers: Servers::new(spec.slots.whole().map(|n| n as u32)),
            streams: Streams::default(),
            cache: PrefixCache::new(&spec.cache),
            buckets: limited.then_some(Buckets { requests, input, output }),
            line: BTreeMap::new(),
            tickets: 0,
            appointment: None,
            factors: Vec::new(),
        }
    }
}

impl Station {
    /// The persistent factor of an agent here.
    fn factor(&mut self, key: &Key, task: TaskId, agent: AgentId, sigma: f64) -> f64 {
        if sigma <= 0.0 {
            return 1.0;
        }
        if self.factors.len() <= task.index() {
            self.factors.resize(task.index() + 1, Vec::new());
        }
        let agents = &mut self.factors[task.index()];
        if agents.len() <= agent.index() {
            agents.resize(agent.index() + 1, f64::NAN);
        }
        let factor = &mut agents[agent.index()];
        if factor.is_nan() {
            let address =
                Address { purpose: Hidden::AgentFactor as u16, entity: entity(task, agent.0, 0), attempt: 0, step: 0 };
            *factor = Law::Lognormal { mean: 1.0, sigma }.sample(&key.draws(address), 0);
        }
        *factor
    }
}

impl Buckets {
    fn parts(&mut self, input: u64, output: u64) -> impl Iterator<Item = (&mut TokenBucket, u64)> {
        let Self { requests, input: i, output: o } = self;
        [(requests, 1), (i, input), (o, output)].into_iter().filter_map(|(b, n)| b.as_mut().map(|b| (b, n)))
    }

    fn earliest(&mut self, now: Time, input: u64, output: u64) -> Time {
        self.parts(input, output).map(|(b, n)| b.earliest(now, n)).max().unwrap_or(now)
    }

    fn take(&mut self, now: Time, input: u64, output: u64) {
        for (bucket, n) in self.parts(input, output) {
            bucket.take(now, n);
        }
    }
}

impl Simulated {
    /// A call (again) reaches its endpoint.
    pub(super) fn arrive(&mut self, slot: u32) {
        let endpoint = self.calls.get(slot).endpoint;
        if self.stations[endpoint.index()].buckets.is_none() {
            self.seek_slot(slot);
            return;
        }
        self.calls.get(slot).place = Place::Limit;
        if self.fleet.endpoints[endpoint.index()].at_limit == LimitPolicy::Backoff {
            self.try_limit(slot);
            return;
        }
        let station = &mut self.stations[endpoint.index()];
        station.tickets += 1;
        let ticket = station.tickets;
        station.line.insert(ticket, slot);
        self.calls.get(slot).ticket = ticket;
        self.admit(endpoint.0);
        if self.calls.get(slot).place == Place::Limit {
            self.waits(slot, Phase::RateLimitWait);
        }
    }

    /// What a call takes from the buckets of its endpoint, and when that may become less.
    fn demand(&mut self, slot: u32) -> ((u64, u64), Option<Time>) {
        let now = self.calendar.now();
        let pending = self.calls.get(slot);
        let spec = &self.fleet.endpoints[pending.endpoint.index()];
        let (cached, less_at) = if spec.count_cached_input {
            (0, None)
        } else {
            self.stations[pending.endpoint.index()].cache.peek(now, pending.task.0, &pending.request.prompt)
        };
        ((pending.prompt_tokens - cached, u64::from(spec.max_output_tokens)), less_at)
    }

    /// Lets calls through the limit in order, as far as the buckets reach now.
    pub(super) fn admit(&mut self, endpoint: u16) {
        let now = self.calendar.now();
        while let Some((&ticket, &slot)) = self.stations[endpoint as usize].line.first_key_value() {
            let ((input, output), less_at) = self.demand(slot);
            let station = &mut self.stations[endpoint as usize];
            let buckets = station.buckets.as_mut().expect("only limited endpoints have a line");
            let earliest = buckets.earliest(now, input, output);
            if earliest > now {
                self.appoint(endpoint, less_at.map_or(earliest, |at| at.min(earliest)));
                return;
            }
            buckets.take(now, input, output);
            station.line.remove(&ticket);
            self.seek_slot(slot);
        }
        if let Some((_, event)) = self.stations[endpoint as usize].appointment.take() {
            self.calendar.cancel(event);
        }
    }

    /// The head of the line is looked at again at `at`, and not before.
    fn appoint(&mut self, endpoint: u16, at: Time) {
        let station = &mut self.stations[endpoint as usize];
        if station.appointment.is_some_and(|(before, _)| before == at) {
            return;
        }
        if let Some((_, event)) = station.appointment.take() {
            self.calendar.cancel(event);
        }
        station.appointment = Some((at, self.calendar.schedule(at, Due::Admit(endpoint))));
    }

    /// The head of the line or what it needs may have changed: it is looked at before time goes on.
    pub(super) fn line_changed(&mut self, endpoint: u16) {
        if !self.stations[endpoint as usize].line.is_empty() {
            self.appoint(endpoint, self.calendar.now());
        }
    }

    /// The server answers 429 if the buckets do not reach.
    fn try_limit(&mut self, slot: u32) {
        let now = self.calendar.now();
        let ((input, output), _) = self.demand(slot);
        let endpoint = self.calls.get(slot).endpoint;
        let buckets = self.stations[endpoint.index()].buckets.as_mut().expect("only limited endpoints try");
        let earliest = buckets.earliest(now, input, output);
        if earliest > now {
            // The refusal itself is an event, so that a call never fails inside its own command.
            let event = self.calendar.schedule(now, Due::Broken(slot, CallError::RateLimited));
            self.calls.get(slot).event = Some(event);
            return;
        }
        buckets.take(now, input, output);
        self.seek_slot(slot);
    }

    /// The try is sent: its time runs.
    fn seek_slot(&mut self, slot: u32) {
        let now = self.calendar.now();
        let endpoint = self.calls.get(slot).endpoint;
        let spec = &self.fleet.endpoints[endpoint.index()];
        let counts = spec.timeout_from == TimeoutFrom::Dispatch;
        self.calls.get(slot).limit =
            spec.timeout_s.at().filter(|_| counts).map(|limit| now + Span::from_secs_f64(limit));
        if let Some(slot) = self.stations[endpoint.index()].servers.request(now, slot) {
            self.serve(slot);
        } else {
            let p = self.calls.get(slot);
            p.place = Place::Slot;
            p.event = p.limit.map(|at| self.calendar.schedule(at, Due::Broken(slot, CallError::Timeout)));
            self.waits(slot, Phase::SlotWait);
        }
    }

    fn waits(&mut self, slot: u32, phase: Phase) {
        let now = self.calendar.now();
        let p = self.calls.get(slot);
        let (task, body) =
            (p.task, Body::Waits { call: p.id, agent: p.request.agent, background: p.request.background, phase });
        self.trace.record(now, task, body);
    }

    /// Service of one try begins.
    fn serve(&mut self, slot: u32) {
        let now = self.calendar.now();
        let Self { key, fleet, calls, stations, calendar, .. } = self;
        let p = calls.get(slot);
        if let Some(event) = p.event.take() {
            calendar.cancel(event);
        }
        let spec = &fleet.endpoints[p.endpoint.index()];
        let station = &mut stations[p.endpoint.index()];
        let draws = if p.tries == 0 {
            p.draws
        } else {
            let purpose = Hidden::Retry as u16 + 16 * p.request.purpose.code();
            key.draws(Address { purpose, step: p.address.step << 6 | u32::from(p.tries), ..p.address })
        };
        let own = station.factor(key, p.task, p.request.agent, spec.agent_sigma);
        let cache = &mut station.cache;
        let cached = cache.read(now, p.task.0, &p.request.prompt);
        let uncached = p.prompt_tokens - cached;
        p.usage = Usage {
            prompt_tokens: p.prompt_tokens,
            cached_tokens: cached,
            cache_write_tokens: if cache.is_enabled() && p.prompt_tokens >= u64::from(spec.cache.min_tokens) {
                uncached
            } else {
                0
            },
            completion_tokens: p.completion_tokens,
        };
        if spec.by_code {
            p.usage = Usage::default();
        }
        let noise = spec.noise.sample(&draws, NOISE);
        let model = if p.request.purpose == Purpose::Tool { 1.0 } else { fleet.latency_factor };
        let factor = noise * model * own;
        let mut latency = spec.latency(p.completion_tokens, uncached, cached, p.request.items, factor);
        if let Some(total) = p.recorded {
            latency = Latency { first_token: latency.first_token.min(total), total };
        }
        (p.place, p.served_at, p.first_token, p.total) = (Place::Service, now, latency.first_token, latency.total);
        p.work = None;
        // What is left of the time that began when the try was sent.
        let timeout = match p.limit {
            Some(limit) => Some(limit - now),
            None => spec.timeout_s.at().map(Span::from_secs_f64),
        };
        let failure = Span::from_secs_f64(spec.failure_s);
        let mut wrote = false;
        let due = if draws.uniform(FAILURE) < spec.failure_probability {
            match timeout.filter(|t| failure > *t) {
                Some(limit) => (limit, Due::Broken(slot, CallError::Timeout)),
                None => (failure, Due::Broken(slot, CallError::Server)),
            }
        } else if spec.is_shared() {
            p.takes_up(timeout.map(|limit| now + limit));
            self.join(slot);
            self.served(slot);
            return;
        } else if let Some(limit) = timeout.filter(|t| latency.total > *t) {
            (limit, Due::Broken(slot, CallError::Timeout))
        } else {
            cache.write(now, now + latency.first_token, p.task.0, &p.request.prompt);
            wrote = true;
            (latency.total, Due::Done(slot))
        };
        let endpoint = p.endpoint.0;
        p.event = Some(calendar.schedule(now + due.0, due.1));
        self.served(slot);
        if wrote {
            self.line_changed(endpoint);
        }
    }

    fn served(&mut self, slot: u32) {
        let now = self.calendar.now();
        let p = self.calls.get(slot);
        let (task, id, agent) = (p.task, p.id, p.request.agent);
        let (background, purpose) = (p.request.background, p.request.purpose);
        self.trace.record(now, task, Body::Served { call: id, agent, background, purpose });
    }

    /// A call leaves service for good; the next in line takes its slot.
    pub(super) fn leave(&mut self, now: Time, slot: u32) -> Pending {
        self.part(slot);
        let pending = self.calls.remove(slot);
        self.release(now, pending.endpoint.0);
        pending
    }

    pub(super) fn release(&mut self, now: Time, endpoint: u16) {
        if let Some(next) = self.stations[endpoint as usize].servers.release(now) {
            self.serve(next);
        }
    }

    /// A try ended badly: back off and come again, or give up.
    pub(super) fn broken(&mut self, now: Time, slot: u32, error: CallError) -> Option<Delivery> {
        let (key, fleet) = (self.key, self.fleet.clone());
        self.part(slot);
        let p = self.calls.get(slot);
        let (endpoint, id, task) = (p.endpoint, p.id, p.task);
        let spec = &fleet.endpoints[endpoint.index()];
        if error == CallError::Timeout && p.place == Place::Service {
            p.cut(now);
            p.spent = p.cost(&fleet.prices[endpoint.index()], now);
            let usage = p.usage;
            p.spent_usage.add(&usage);
        }
        p.usage = Usage::default();
        let place = p.place;
        (p.event, p.limit) = (None, None);
        p.tries += 1;
        let (tries, purpose) = (p.tries, p.request.purpose);
        let give_up = tries > spec.retries;
        let draws = key.draws(Address {
            purpose: Hidden::Retry as u16 + 16 * purpose.code(),
            step: p.address.step << 6 | u32::from(tries),
            ..p.address
        });
        self.trace.record(now, task, Body::TryFailed { call: id, purpose, error });
        match place {
            Place::Service => self.release(now, endpoint.0),
            Place::Slot => drop(self.stations[endpoint.index()].servers.withdraw(now, |s| *s == slot)),
            Place::Limit | Place::Backoff => {}
        }
        if give_up {
            return Some(self.failed(now, slot, error));
        }
        let mut wait = spec.backoff(tries, || draws.uniform(FAILURE + 1));
        if error == CallError::RateLimited {
            // Retry-After: no use to come before the bucket holds enough.
            let ((input, output), _) = self.demand(slot);
            let buckets = self.stations[endpoint.index()].buckets.as_mut().expect("only limited endpoints refuse");
            wait = wait.max(buckets.earliest(now, input, output) - now);
        }
        let event = self.calendar.schedule(now + wait, Due::Again(slot));
        let p = self.calls.get(slot);
        (p.place, p.event) = (Place::Backoff, Some(event));
        self.waits(slot, Phase::RateLimitWait);
        None
    }

    /// A backed-off call comes again.
    pub(super) fn again(&mut self, slot: u32) {
        self.calls.get(slot).event = None;
        self.arrive(slot);
    }

    /// Stops a call where it is; it is billed its prompt and the output so far, and frees its slot at once.
    pub(super) fn cancel(&mut self, slot: u32) {
        let now = self.calendar.now();
        let fleet = self.fleet.clone();
        if let Some(event) = self.calls.get(slot).event.take() {
            self.calendar.cancel(event);
        }
        self.part(slot);
        let mut pending = self.calls.remove(slot);
        let endpoint = pending.endpoint;
        pending.cut(now);
        let cost = match pending.place {
            Place::Service => pending.cost(&fleet.prices[endpoint.index()], now),
            _ => pending.spent,
        };
        let body = Body::Cancelled {
            call: pending.id,
            agent: pending.request.agent,
            purpose: pending.request.purpose,
            background: pending.request.background,
            cost,
            usage: pending.billed(),
        };
        self.trace.record(now, pending.task, body);
        let station = &mut self.stations[endpoint.index()];
        match pending.place {
            // Whoever waits takes the slot after all that is cancelled now: a policy that calls off the call in service
            // and the one behind it must not pay for the start of the second.
            Place::Service => drop(self.calendar.schedule(now, Due::Vacant(endpoint.0))),
            Place::Slot => drop(station.servers.withdraw(now, |s| *s == slot)),
            Place::Limit => {
                if station.line.remove(&pending.ticket).is_some() {
                    self.line_changed(endpoint.0);
                }
            }
            Place::Backoff => {}
        }
    }
}
