//! A call on its way, and what it costs.

use super::share;
use super::streams::Stream;
use crate::kernel::{Address, EventId, Span, Time};
use crate::model::call::{Answer, Prompt, Purpose, Request, SpanRole, Usage};
use crate::model::ids::{CallId, EndpointId, TaskId};
use crate::model::price::{Charge, Picodollars, PriceList, Roles};
use crate::model::workload::{Outlook, Timed};
use crate::record::trace::{Bill, Told};
use std::collections::HashMap;

/// Where a call is, with what is known of it there and nowhere else.
#[derive(Debug)]
pub(super) enum Stage {
    /// It has come and holds nothing: it goes on at once, or its refusal is due.
    Door,
    /// In the line of a limit, under this ticket.
    Limit(u64),
    /// It waits for a slot.
    Slot,
    /// It is served.
    Service(Service),
    /// It waits for its next try.
    Backoff,
}

/// Service of one try.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) since: Time,
    /// Time to the first token, and in all, for a call that is alone.
    pub(super) first_token: Span,
    pub(super) total: Span,
    /// Where streams share the endpoint and the try computes something.
    pub(super) stream: Option<Box<Stream>>,
}

impl Service {
    /// The share of the decoding that has been done; `done` is the work of each stream by now where it shares.
    fn decoded(&self, now: Time, done: u128) -> f64 {
        if let Some(stream) = &self.stream {
            return stream.decoded(done);
        }
        let since = now - self.since;
        if since < self.first_token {
            return 0.0;
        }
        let after = |span: Span| Span::from_nanos(span.as_nanos() - self.first_token.as_nanos());
        share(after(since), after(self.total))
    }
}

/// A call that has not ended. A team has as many of them as agents: what few calls have is apart.
#[derive(Debug)]
pub(super) struct Pending {
    /// The call as records tell of it.
    pub(super) told: Told,
    pub(super) endpoint: EndpointId,
    pub(super) tries: u16,
    pub(super) stage: Stage,
    /// What is due for it in the calendar.
    pub(super) event: Option<EventId>,
    pub(super) called_at: Time,
    pub(super) completion_tokens: u64,
    /// Tokens of the running try.
    pub(super) usage: Usage,
    /// What its prompt costs, once it is served.
    prompt_cost: PromptCost,
    pub(super) answer: Answer,
    /// Where its draws are: those of the first try, and beside them those of later ones.
    pub(super) address: Address,
    /// What was asked, until it is certain that nobody will serve it again: it is as large as all the rest.
    request: Option<Box<Request>>,
    rare: Option<Box<Rare>>,
}

/// What the prompt of a try costs. It is worked out when service begins, while the prompt is at hand: by the end of the
/// call a large team has pushed it out of the processor's caches.
#[derive(Clone, Copy, Debug, Default)]
struct PromptCost {
    /// Of all but the board.
    own: Picodollars,
    /// Of the board.
    reading: Picodollars,
}

impl PromptCost {
    /// Cached tokens are the front of the prompt, written ones follow.
    fn of(prompt: &Prompt, usage: &Usage, charge: &Charge) -> Self {
        let written_to = usage.cached_tokens + usage.cache_write_tokens;
        let cost = |start: u64, end: u64| {
            let within = |limit: u64| limit.clamp(start, end);
            let (cached, written) = (within(usage.cached_tokens), within(written_to));
            (cached - start) * charge.cache_read
                + (written - cached) * charge.cache_write
                + (end - written) * charge.input
        };
        let (mut reading, mut start) = (0, 0);
        for span in prompt {
            let end = start + u64::from(span.tokens);
            if span.role == SpanRole::Board {
                reading += cost(start, end);
            }
            start = end;
        }
        Self { own: Picodollars(cost(0, start) - reading), reading: Picodollars(reading) }
    }

    fn scaled(self, factor: f64) -> Self {
        let scale = |cost: Picodollars| Picodollars(libm::round(cost.0 as f64 * factor) as u64);
        Self { own: scale(self.own), reading: scale(self.reading) }
    }
}

/// Usage as the server counts it.
fn counted(estimated: &Usage, factor: f64) -> Usage {
    let scale = |tokens: u64| libm::round(tokens as f64 * factor) as u64;
    let (prompt_tokens, cached_tokens) = (scale(estimated.prompt_tokens), scale(estimated.cached_tokens));
    // All that no cache held is written, or nothing.
    let written = if estimated.cache_write_tokens > 0 { prompt_tokens - cached_tokens } else { 0 };
    Usage { prompt_tokens, cached_tokens, cache_write_tokens: written, completion_tokens: estimated.completion_tokens }
}

/// What few calls have.
#[derive(Debug, Default)]
struct Rare {
    /// When the running try is given up, wherever it is by then.
    limit: Option<Time>,
    /// How long it took when it was recorded.
    recorded: Option<Timed>,
    /// Tokens that the server counts per estimated token of the prompt, if not one.
    tokens_per_estimate: Option<f64>,
    /// Bill of tries that ended badly.
    spent: Bill,
}

impl Pending {
    #[inline]
    pub(super) fn new(told: Told, endpoint: EndpointId, request: Box<Request>, outlook: Outlook, now: Time) -> Self {
        let tokens_per_estimate = Some(outlook.tokens_per_estimate).filter(|factor| *factor != 1.0);
        let recorded = outlook.recorded;
        let is_rare = recorded.is_some() || tokens_per_estimate.is_some();
        let rare = is_rare.then(|| Box::new(Rare { recorded, tokens_per_estimate, ..Rare::default() }));
        Self {
            told,
            endpoint,
            request: Some(request),
            answer: outlook.answer,
            completion_tokens: outlook.completion_tokens,
            address: outlook.draws.address(),
            stage: Stage::Door,
            called_at: now,
            tries: 0,
            event: None,
            usage: Usage::default(),
            prompt_cost: PromptCost::default(),
            rare,
        }
    }

    /// What was asked.
    pub(super) fn request(&self) -> &Request {
        self.request.as_deref().expect("a call that may be served keeps its request")
    }

    /// The running try is the last one: nothing but its time stands between the call and its answer.
    pub(super) fn forget_request(&mut self) {
        self.request = None;
    }

    /// When the running try is given up, wherever it is by then.
    pub(super) fn limit(&self) -> Option<Time> {
        self.rare.as_ref()?.limit
    }

    /// Sets when the running try is given up.
    pub(super) fn give_up_at(&mut self, limit: Option<Time>) {
        if limit.is_some() || self.rare.is_some() {
            self.rare.get_or_insert_default().limit = limit;
        }
    }

    /// How long it took when it was recorded.
    pub(super) fn recorded(&self) -> Option<Timed> {
        self.rare.as_ref()?.recorded
    }

    /// Tokens that the server counts per estimated token of the prompt.
    pub(super) fn tokens_per_estimate(&self) -> Option<f64> {
        self.rare.as_ref()?.tokens_per_estimate
    }

    /// Service of a try begins with this usage, as the policy estimates it; a tool's time is all it costs.
    pub(super) fn begin(&mut self, estimated: Usage, prices: &PriceList) {
        let factor = self.tokens_per_estimate();
        self.usage = factor.map_or(estimated, |factor| counted(&estimated, factor));
        if self.told.purpose != Purpose::Tool {
            let charge = prices.charge(self.usage.prompt_tokens);
            let cost = PromptCost::of(&self.request().prompt, &estimated, &charge);
            self.prompt_cost = factor.map_or(cost, |factor| cost.scaled(factor));
        }
    }

    /// Service of the running try, if it is served.
    pub(super) fn service(&self) -> Option<&Service> {
        match &self.stage {
            Stage::Service(service) => Some(service),
            _ => None,
        }
    }

    /// Cost of all tries, the running one as billed now.
    fn cost(&self, prices: &PriceList, now: Time) -> Roles {
        let mut roles = self.spent().cost;
        let Some(service) = self.service() else { return roles };
        let own = roles.of_mut(self.told.purpose.role());
        *own += prices.busy_cost(now - service.since);
        if self.told.purpose == Purpose::Tool {
            return roles;
        }
        *own += self.prompt_cost.own;
        *own += Picodollars(self.usage.completion_tokens * prices.charge(self.usage.prompt_tokens).output);
        roles.reading += self.prompt_cost.reading;
        roles
    }

    /// Bill of the tries that ended badly.
    pub(super) fn spent(&self) -> Bill {
        self.rare.as_ref().map(|rare| rare.spent).unwrap_or_default()
    }

    /// Bill of all tries, the running one as billed now.
    pub(super) fn bill(&self, prices: &PriceList, now: Time) -> Bill {
        let mut usage = self.spent().usage;
        usage.add(&self.usage);
        Bill { cost: self.cost(prices, now), usage }
    }

    /// Cuts the output of the running try to what had come by `now`; `done` is the work of each stream of its endpoint.
    pub(super) fn cut(&mut self, now: Time, done: u128) {
        match self.service() {
            Some(service) => {
                let decoded = service.decoded(now, done);
                self.usage.completion_tokens = libm::floor(self.completion_tokens as f64 * decoded) as u64;
            }
            None => self.usage = Usage::default(),
        }
    }

    /// The running try has been cut and is over: it goes to the bill.
    pub(super) fn spend(&mut self, prices: &PriceList, now: Time) {
        let bill = self.bill(prices, now);
        self.rare.get_or_insert_default().spent = bill;
    }
}

/// Calls that stand together. A table that grows by such a piece has little slack and moves none of those it has.
const PIECE: usize = 1 << 8;

/// Calls by slot. A call stays where it is from its start to its end, and its memory serves the next one.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// Pieces of the table; all but the last are full.
    pieces: Vec<Vec<Pending>>,
    /// Whether the call of a slot has not ended.
    open: Vec<bool>,
    free: Vec<u32>,
    /// Open calls of each task.
    of_tasks: Vec<u32>,
    /// Slots by name, kept from the first question on: most policies never cancel.
    named: Option<HashMap<(TaskId, CallId), u32>>,
}

impl Calls {
    pub(super) fn insert(&mut self, pending: Pending) -> u32 {
        let Told { task, call, .. } = pending.told;
        let slot = if let Some(slot) = self.free.pop() {
            *self.at(slot) = pending;
            self.open[slot as usize] = true;
            slot
        } else {
            self.append(pending)
        };
        if self.of_tasks.len() <= task.index() {
            self.of_tasks.resize(task.index() + 1, 0);
        }
        self.of_tasks[task.index()] += 1;
        if let Some(named) = &mut self.named {
            named.insert((task, call), slot);
        }
        slot
    }

    #[cold]
    fn append(&mut self, pending: Pending) -> u32 {
        match self.pieces.last_mut() {
            Some(piece) if piece.len() < PIECE => piece.push(pending),
            // Small teams have few calls; whoever fills a piece fills more of them.
            Some(_) => {
                let mut piece = Vec::with_capacity(PIECE);
                piece.push(pending);
                self.pieces.push(piece);
            }
            None => self.pieces.push(vec![pending]),
        }
        self.open.push(true);
        self.open.len() as u32 - 1
    }

    fn at(&mut self, slot: u32) -> &mut Pending {
        &mut self.pieces[slot as usize / PIECE][slot as usize % PIECE]
    }

    pub(super) fn get(&mut self, slot: u32) -> &mut Pending {
        debug_assert!(self.open[slot as usize], "a call that has not ended");
        self.at(slot)
    }

    /// The call is over. It can be read until the next one comes.
    pub(super) fn end(&mut self, slot: u32) -> &mut Pending {
        assert!(std::mem::replace(&mut self.open[slot as usize], false), "a call ends once");
        let Told { task, call, .. } = self.at(slot).told;
        self.of_tasks[task.index()] -= 1;
        if let Some(named) = &mut self.named {
            named.remove(&(task, call));
        }
        self.free.push(slot);
        self.at(slot)
    }

    /// A call that has ended and whose slot has not been taken since.
    pub(super) fn ended(&mut self, slot: u32) -> &mut Pending {
        debug_assert!(!self.open[slot as usize], "a call that has ended");
        self.at(slot)
    }

    /// The slot of a policy's call, if it has not ended.
    pub(super) fn find(&mut self, task: TaskId, id: CallId) -> Option<u32> {
        let Self { pieces, open, named, .. } = self;
        let named = named.get_or_insert_with(|| {
            let all = pieces.iter().flatten().zip(open).enumerate();
            let open = all.filter(|(_, (_, open))| **open);
            open.map(|(slot, (pending, _))| ((pending.told.task, pending.told.call), slot as u32)).collect()
        });
        named.get(&(task, id)).copied()
    }

    /// Slots of the open calls of a task, lowest first. A policy that finishes has mostly called off what it made.
    pub(super) fn of_task(&self, task: TaskId) -> Vec<u32> {
        if self.of_tasks.get(task.index()).is_none_or(|open| *open == 0) {
            return Vec::new();
        }
        let all = self.pieces.iter().flatten().zip(&self.open).enumerate();
        let own = all.filter(|(_, (pending, open))| **open && pending.told.task == task);
        own.map(|(slot, _)| slot as u32).collect()
    }
}
