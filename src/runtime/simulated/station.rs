//! An endpoint in time, and the life of a call there: rate limits, slots, service, retries, cancellation.
//!
//! ```text
//! arrive -> [limit] -> [slot] -> service -> reply
//!    ^         |                    |
//!    +---------+---- backoff <------+--> failure
//! ```

use super::call::{Pending, Service, Stage};
use super::limits::{Demand, Limits};
use super::streams::{Milestone, Streams};
use super::{Due, Simulated};
use crate::kernel::{Address, Calendar, EventId, Key, Law, Servers, Span, Time};
use crate::model::cache::PrefixCache;
use crate::model::call::{CallError, Purpose, Usage, prompt_tokens};
use crate::model::endpoint::{EndpointSpec, Latency, LimitPolicy, TimeoutFrom};
use crate::model::ids::{AgentId, TaskId};
use crate::model::note::Phase;
use crate::model::workload::{FAILURE, Hidden, JITTER, NOISE, Timed, later_try};
use crate::runtime::driver::Delivery;

/// State of an endpoint.
#[derive(Debug)]
pub(super) struct Station {
    servers: Servers<u32>,
    pub(super) streams: Streams,
    cache: PrefixCache,
    pub(super) limits: Option<Limits>,
    /// Persistent factors of agents, by task and agent, as far as they were asked for.
    factors: Vec<Vec<f64>>,
}

impl Station {
    pub(super) fn new(spec: &EndpointSpec) -> Self {
        Self {
            servers: Servers::new(spec.slots.whole().map(|n| n as u32)),
            streams: Streams::new(spec.stream_slowdown),
            cache: PrefixCache::new(&spec.cache),
            limits: Limits::new(spec),
            factors: Vec::new(),
        }
    }

    /// The persistent factor of an agent here. It belongs to the member of the team and to this endpoint, not to the
    /// agent's id: agents without work change nobody's luck, and nobody has the same luck everywhere.
    fn factor(&mut self, key: &Key, task: TaskId, agent: AgentId, who: impl FnOnce() -> Address, sigma: f64) -> f64 {
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
            *factor = Law::Lognormal { mean: 1.0, sigma }.sample(&key.draws(who()), 0);
        }
        *factor
    }

    /// What a call takes from the limits.
    fn demand(&self, now: Time, p: &Pending, spec: &EndpointSpec) -> Demand {
        let (cached, less_at) =
            if spec.count_cached_input { (0, None) } else { self.cache.peek(now, p.told.task.0, &p.request().prompt) };
        Demand {
            input: prompt_tokens(&p.request().prompt) - cached,
            output: u64::from(spec.max_output_tokens),
            less_at,
        }
    }
}

/// Moves an appointment of an endpoint in the calendar; the same time stays as it is.
fn appoint(
    calendar: &mut Calendar<Due>,
    appointment: &mut Option<(Time, EventId)>,
    at: Option<Time>,
    due: impl FnOnce() -> Due,
) {
    if appointment.map(|(before, _)| before) == at {
        return;
    }
    if let Some((_, event)) = appointment.take() {
        calendar.cancel(event);
    }
    *appointment = at.map(|at| (at, calendar.schedule(at, due())));
}

impl Simulated {
    /// A call (again) reaches its endpoint.
    pub(super) fn arrive(&mut self, slot: u32) {
        let now = self.calendar.now();
        let Self { fleet, calls, stations, calendar, .. } = self;
        let p = calls.get(slot);
        (p.stage, p.event) = (Stage::Door, None);
        let endpoint = p.endpoint;
        let spec = &fleet.endpoints[endpoint.index()];
        let station = &mut stations[endpoint.index()];
        if station.limits.is_none() {
            self.seek_slot(slot);
            return;
        }
        if spec.at_limit == LimitPolicy::Backoff {
            let demand = station.demand(now, p, spec);
            // The server answers 429 if the buckets do not reach. The refusal itself is an event, so that a call never
            // fails inside its own command.
            match station.limits.as_mut().map(|limits| limits.take(now, demand)) {
                Some(Err(_)) => p.event = Some(calendar.schedule(now, Due::Broken(slot, CallError::RateLimited))),
                _ => self.seek_slot(slot),
            }
            return;
        }
        let limits = station.limits.as_mut().expect("it has limits");
        p.stage = Stage::Limit(limits.join(slot));
        self.admit(endpoint.0);
        if matches!(self.calls.get(slot).stage, Stage::Limit(_)) {
            self.waits(slot, Phase::RateLimitWait);
        }
    }

    /// Lets calls through the limit in order, as far as the buckets reach now.
    pub(super) fn admit(&mut self, endpoint: u16) {
        let now = self.calendar.now();
        loop {
            let Self { fleet, calls, stations, calendar, .. } = self;
            let station = &mut stations[endpoint as usize];
            let head = station.limits.as_ref().and_then(Limits::head);
            let demand =
                head.map(|(_, slot)| station.demand(now, calls.get(slot), &fleet.endpoints[endpoint as usize]));
            let limits = station.limits.as_mut().expect("only limited endpoints have a line");
            let again = match (head, demand) {
                (Some((ticket, slot)), Some(demand)) => match limits.take(now, demand) {
                    Ok(()) => {
                        limits.leave(ticket);
                        self.seek_slot(slot);
                        continue;
                    }
                    Err(earliest) => Some(demand.less_at.map_or(earliest, |at| at.min(earliest))),
                },
                _ => None,
            };
            appoint(calendar, &mut limits.appointment, again, || Due::Admit(endpoint));
            return;
        }
    }

    /// The head of the line or what it needs may have changed: it is looked at before time goes on.
    fn line_changed(&mut self, endpoint: u16) {
        let now = self.calendar.now();
        if let Some(limits) = &mut self.stations[endpoint as usize].limits
            && limits.head().is_some()
        {
            appoint(&mut self.calendar, &mut limits.appointment, Some(now), || Due::Admit(endpoint));
        }
    }

    /// The try is sent: its time runs.
    fn seek_slot(&mut self, slot: u32) {
        let now = self.calendar.now();
        let Self { fleet, calls, stations, calendar, .. } = self;
        let p = calls.get(slot);
        let spec = &fleet.endpoints[p.endpoint.index()];
        let counts = spec.timeout_from == TimeoutFrom::Dispatch;
        p.give_up_at(spec.timeout_s.at().filter(|_| counts).map(|limit| now + Span::from_secs_f64(limit)));
        if let Some(slot) = stations[p.endpoint.index()].servers.request(now, slot) {
            self.serve(slot);
        } else {
            p.stage = Stage::Slot;
            p.event = p.limit().map(|at| calendar.schedule(at, Due::Broken(slot, CallError::Timeout)));
            self.waits(slot, Phase::SlotWait);
        }
    }

    fn waits(&mut self, slot: u32, phase: Phase) {
        self.trace.waits(self.calendar.now(), &self.calls.get(slot).told, phase);
    }

    /// Service of one try begins.
    fn serve(&mut self, slot: u32) {
        let now = self.calendar.now();
        let Self { key, fleet, calls, stations, calendar, trace, drawn, .. } = self;
        let p = calls.get(slot);
        if let Some(event) = p.event.take() {
            calendar.cancel(event);
        }
        let endpoint = p.endpoint;
        let spec = &fleet.endpoints[endpoint.index()];
        let station = &mut stations[endpoint.index()];
        let draws = match p.tries {
            0 if drawn.address() == p.address => *drawn,
            0 => key.draws(p.address),
            tries => key.draws(later_try(p.address, p.told.purpose, tries)),
        };
        let told = p.told;
        let who = || Address {
            purpose: Hidden::AgentFactor as u16,
            entity: trace.summary.team().member(told.agent).entity(told.task),
            attempt: 0,
            step: fleet.codes[endpoint.index()],
        };
        let own = station.factor(key, told.task, told.agent, who, spec.agent_sigma);
        let request = p.request();
        let items = request.items;
        let prompt = prompt_tokens(&request.prompt);
        let writes = station.cache.is_enabled() && prompt >= u64::from(spec.cache.min_tokens);
        let mut visit = station.cache.visit(now, told.task.0, &request.prompt);
        let cached = visit.read();
        let uncached = prompt - cached;
        let usage = Usage {
            prompt_tokens: prompt,
            cached_tokens: cached,
            cache_write_tokens: if writes { uncached } else { 0 },
            completion_tokens: p.completion_tokens,
        };
        p.begin(if spec.by_code { Usage::default() } else { usage }, &fleet.prices[endpoint.index()]);
        let (uncached, cached) = match p.tokens_per_estimate() {
            Some(_) => (p.usage.prompt_tokens.saturating_sub(p.usage.cached_tokens), p.usage.cached_tokens),
            None => (uncached, cached),
        };
        let noise = spec.noise.sample(&draws, NOISE);
        let model = if told.purpose == Purpose::Tool { 1.0 } else { fleet.latency_factor };
        let factor = noise * model * own;
        let mut latency = spec.latency(p.completion_tokens, uncached, cached, items, factor);
        let recorded = p.recorded();
        if let Some(timed) = recorded {
            let then = |t: &Timed| spec.latency(t.completion_tokens, t.uncached_tokens, t.cached_tokens, items, 1.0);
            let now = spec.latency(p.completion_tokens, uncached, cached, items, 1.0);
            latency = again(&timed, now, then(&timed));
        }
        let Latency { first_token, total } = latency;
        // What is left of the time that began when the try was sent.
        let timeout = match p.limit() {
            Some(limit) => Some(limit - now),
            None => spec.timeout_s.at().map(Span::from_secs_f64),
        };
        let failure = Span::from_secs_f64(spec.failure_s);
        let (mut stream, mut wrote) = (None, false);
        // The tries of a recorded call are in its time.
        let due = if recorded.is_none() && draws.uniform(FAILURE) < spec.failure_probability {
            Some(match timeout.filter(|t| failure > *t) {
                Some(limit) => (limit, Due::Broken(slot, CallError::Timeout)),
                None => (failure, Due::Broken(slot, CallError::Server)),
            })
        } else if spec.is_shared() {
            let decoding = Span::from_nanos(total.as_nanos() - first_token.as_nanos());
            stream = Some(Box::new(station.streams.join(now, slot, first_token, decoding)));
            timeout.map(|limit| (limit, Due::Broken(slot, CallError::Timeout)))
        } else if let Some(limit) = timeout.filter(|t| total > *t) {
            Some((limit, Due::Broken(slot, CallError::Timeout)))
        } else {
            visit.write(now + first_token);
            wrote = true;
            p.forget_request();
            Some((total, Due::Done(slot)))
        };
        let is_stream = stream.is_some();
        p.stage = Stage::Service(Service { since: now, first_token, total, stream });
        p.event = due.map(|(after, due)| calendar.schedule(now + after, due));
        trace.served(now, &told);
        if is_stream {
            self.streams_changed(endpoint.0);
        }
        if wrote {
            self.line_changed(endpoint.0);
        }
    }

    /// The next milestone of the streams of an endpoint has another time.
    fn streams_changed(&mut self, endpoint: u16) {
        let streams = &mut self.stations[endpoint as usize].streams;
        let due = streams.due(self.calendar.now());
        appoint(&mut self.calendar, &mut streams.appointment, due, || Due::Stream(endpoint));
    }

    /// A stream of an endpoint comes to a milestone; the slot of the call if that is its end.
    pub(super) fn milestone(&mut self, endpoint: u16) -> Option<u32> {
        let now = self.calendar.now();
        let Self { calls, stations, calendar, .. } = self;
        let station = &mut stations[endpoint as usize];
        let slot = station.streams.reach(now)?;
        let p = calls.get(slot);
        let Stage::Service(Service { stream: Some(stream), .. }) = &mut p.stage else {
            unreachable!("streams are calls in service");
        };
        match station.streams.pass(stream, slot) {
            Milestone::FirstToken => {
                station.cache.visit(now, p.told.task.0, &p.request().prompt).write(now);
                self.streams_changed(endpoint);
                self.line_changed(endpoint);
                None
            }
            Milestone::End => {
                if let Some(timeout) = p.event.take() {
                    calendar.cancel(timeout);
                }
                Some(slot)
            }
        }
    }

    /// A try leaves service or never was in it: it slows nobody any more.
    fn part(&mut self, slot: u32) {
        let now = self.calendar.now();
        let p = self.calls.get(slot);
        if let Stage::Service(Service { stream: Some(stream), .. }) = &p.stage {
            let endpoint = p.endpoint;
            self.stations[endpoint.index()].streams.part(now, stream);
            self.streams_changed(endpoint.0);
        }
    }

    /// A call leaves service for good; the next in line takes its slot.
    pub(super) fn leave(&mut self, now: Time, slot: u32) {
        self.part(slot);
        let endpoint = self.calls.end(slot).endpoint;
        self.release(now, endpoint.0);
    }

    pub(super) fn release(&mut self, now: Time, endpoint: u16) {
        if let Some(next) = self.stations[endpoint as usize].servers.release(now) {
            self.serve(next);
        }
    }

    /// The time of a try is up while its next milestone is due at the same instant: the milestone comes first.
    fn is_met(&mut self, now: Time, slot: u32) -> bool {
        let p = self.calls.get(slot);
        let Stage::Service(Service { stream: Some(stream), .. }) = &p.stage else { return false };
        let endpoint = p.endpoint;
        if !self.stations[endpoint.index()].streams.is_due(now, stream) {
            return false;
        }
        self.streams_changed(endpoint.0);
        let event = self.calendar.schedule(now, Due::Broken(slot, CallError::Timeout));
        self.calls.get(slot).event = Some(event);
        true
    }

    /// A try ended badly: back off and come again, or give up.
    pub(super) fn broken(&mut self, now: Time, slot: u32, error: CallError) -> Option<Delivery> {
        if error == CallError::Timeout && self.is_met(now, slot) {
            return None;
        }
        self.cut_off(now, slot, error == CallError::Timeout);
        self.part(slot);
        let (key, fleet) = (self.key, self.fleet.clone());
        let p = self.calls.get(slot);
        let (endpoint, stage) = (p.endpoint, std::mem::replace(&mut p.stage, Stage::Door));
        let spec = &fleet.endpoints[endpoint.index()];
        p.usage = Usage::default();
        p.event = None;
        p.give_up_at(None);
        p.tries += 1;
        let tries = p.tries;
        let address = later_try(p.address, p.told.purpose, tries);
        self.trace.try_failed(now, &p.told, error);
        match stage {
            Stage::Service(_) => self.release(now, endpoint.0),
            Stage::Slot => drop(self.stations[endpoint.index()].servers.withdraw(now, |s| *s == slot)),
            Stage::Door | Stage::Limit(_) | Stage::Backoff => {}
        }
        if tries > spec.retries {
            return Some(self.failed(now, slot, error));
        }
        let mut wait = spec.backoff(tries, || key.draws(address).uniform(JITTER));
        let Self { calls, stations, calendar, .. } = self;
        let p = calls.get(slot);
        if error == CallError::RateLimited {
            // Retry-After: no use to come before the bucket holds enough.
            let station = &mut stations[endpoint.index()];
            let demand = station.demand(now, p, spec);
            let limits = station.limits.as_mut().expect("only limited endpoints refuse");
            wait = wait.max(limits.earliest(now, demand) - now);
        }
        let event = calendar.schedule(now + wait, Due::Again(slot));
        (p.stage, p.event) = (Stage::Backoff, Some(event));
        self.waits(slot, Phase::RateLimitWait);
        None
    }

    /// Cuts the output of the running try to what had come by now; a try that was given up in service is billed.
    fn cut_off(&mut self, now: Time, slot: u32, billed: bool) {
        let Self { fleet, calls, stations, .. } = self;
        let p = calls.get(slot);
        let endpoint = p.endpoint.index();
        p.cut(now, stations[endpoint].streams.done(now));
        if billed && p.service().is_some() {
            p.spend(&fleet.prices[endpoint], now);
        }
    }

    /// Stops a call where it is; it is billed its prompt and the output so far, and frees its slot at once.
    pub(super) fn cancel(&mut self, slot: u32) {
        let now = self.calendar.now();
        if let Some(event) = self.calls.get(slot).event.take() {
            self.calendar.cancel(event);
        }
        self.cut_off(now, slot, false);
        self.part(slot);
        let p = self.calls.end(slot);
        let endpoint = p.endpoint;
        let bill = p.bill(&self.fleet.prices[endpoint.index()], now);
        self.trace.cancelled(now, &p.told, bill);
        let station = &mut self.stations[endpoint.index()];
        match p.stage {
            // Whoever waits takes the slot after all that is cancelled now: a policy that calls off the call in service
            // and the one behind it must not pay for the start of the second.
            Stage::Service(_) => drop(self.calendar.schedule(now, Due::Vacant(endpoint.0))),
            Stage::Slot => drop(station.servers.withdraw(now, |s| *s == slot)),
            Stage::Limit(ticket) => {
                if let Some(limits) = &mut station.limits {
                    limits.leave(ticket);
                }
                self.line_changed(endpoint.0);
            }
            Stage::Door | Stage::Backoff => {}
        }
    }
}

/// The time of a recorded call, now that its law says `now` where it said `then`.
fn again(recorded: &Timed, now: Latency, then: Latency) -> Latency {
    let total = if now == then || then.total == Span::ZERO {
        recorded.span
    } else {
        Span::from_secs_f64(recorded.span.as_secs_f64() * now.total.as_secs_f64() / then.total.as_secs_f64())
    };
    let share = if now.total == Span::ZERO { 0.0 } else { now.first_token.as_secs_f64() / now.total.as_secs_f64() };
    Latency { first_token: Span::from_secs_f64(total.as_secs_f64() * share).min(total), total }
}
