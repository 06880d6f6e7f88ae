//! A call on its way, and what it costs.

use super::share;
use crate::kernel::{Address, Draws, EventId, Span, Time};
use crate::model::call::{Answer, Purpose, Request, SpanRole, Usage, prompt_tokens};
use crate::model::ids::{CallId, EndpointId, TaskId};
use crate::model::price::Roles;
use crate::model::price::{Picodollars, PriceList};
use crate::model::workload::Outlook;

/// Where a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Limit,
    Slot,
    Service,
    Backoff,
}

/// What a call in service still has to do, in seconds it would take alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    /// Up to the first token.
    pub(super) opening: Span,
    /// From the first token to the end.
    pub(super) decoding: Span,
    /// Whether the first token has come.
    pub(super) opened: bool,
    /// When the try is given up.
    pub(super) limit: Option<Time>,
}

/// A call that has not ended.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) task: TaskId,
    pub(super) id: CallId,
    pub(super) endpoint: EndpointId,
    pub(super) request: Request,
    pub(super) answer: Answer,
    pub(super) completion_tokens: u64,
    pub(super) prompt_tokens: u64,
    pub(super) address: Address,
    pub(super) draws: Draws,
    pub(super) recorded: Option<Span>,
    pub(super) place: Place,
    pub(super) called_at: Time,
    pub(super) served_at: Time,
    pub(super) first_token: Span,
    pub(super) total: Span,
    pub(super) tries: u16,
    pub(super) event: Option<EventId>,
    /// When the running try is given up, wherever it is by then.
    pub(super) limit: Option<Time>,
    /// Place in the line of a limit.
    pub(super) ticket: u64,
    /// Of the running try, where streams disturb each other.
    pub(super) work: Option<Work>,
    /// Tokens of the running try.
    pub(super) usage: Usage,
    /// Of tries that ended badly.
    pub(super) spent: Roles,
    pub(super) spent_usage: Usage,
}

impl Pending {
    pub(super) fn new(
        task: TaskId,
        id: CallId,
        endpoint: EndpointId,
        request: Request,
        outlook: Outlook,
        now: Time,
    ) -> Self {
        Self {
            prompt_tokens: prompt_tokens(&request.prompt),
            task,
            id,
            endpoint,
            request,
            answer: outlook.answer,
            completion_tokens: outlook.completion_tokens,
            address: outlook.address,
            draws: outlook.draws,
            recorded: outlook.recorded,
            place: Place::Limit,
            called_at: now,
            served_at: now,
            first_token: Span::ZERO,
            total: Span::ZERO,
            tries: 0,
            event: None,
            limit: None,
            ticket: 0,
            work: None,
            usage: Usage::default(),
            spent: Roles::default(),
            spent_usage: Usage::default(),
        }
    }

    /// Cost of all tries, the running one as billed now.
    pub(super) fn cost(&self, prices: &PriceList, now: Time) -> Roles {
        let mut roles = self.spent;
        if self.request.purpose == Purpose::Tool {
            roles.tool += prices.busy_cost(now - self.served_at);
            return roles;
        }
        let charge = prices.charge(self.usage.prompt_tokens);
        let own = roles.of_mut(self.request.purpose.role());
        // Cached tokens are the front of the prompt, written ones follow.
        let mut cached = self.usage.cached_tokens;
        let mut written = self.usage.cache_write_tokens;
        let mut reading = 0;
        for span in &self.request.prompt {
            let tokens = u64::from(span.tokens);
            let from_cache = tokens.min(cached);
            let to_cache = (tokens - from_cache).min(written);
            let plain = tokens - from_cache - to_cache;
            cached -= from_cache;
            written -= to_cache;
            let cost = from_cache * charge.cache_read + to_cache * charge.cache_write + plain * charge.input;
            if span.role == SpanRole::Board {
                reading += cost;
            } else {
                *own += Picodollars(cost);
            }
        }
        *own += Picodollars(self.usage.completion_tokens * charge.output);
        roles.reading += Picodollars(reading);
        roles
    }

    /// Tokens of all tries.
    pub(super) fn billed(&self) -> Usage {
        let mut usage = self.spent_usage;
        usage.add(&self.usage);
        usage
    }

    /// Cuts the output of the running try to what had come by `now`.
    pub(super) fn cut(&mut self, now: Time) {
        if self.place != Place::Service {
            self.usage = Usage::default();
            return;
        }
        let decoding = Span::from_nanos(self.total.as_nanos() - self.first_token.as_nanos());
        let since = (now - self.served_at).as_nanos().saturating_sub(self.first_token.as_nanos());
        let done = match self.work {
            Some(work) if !work.opened => 0.0,
            Some(work) => share(Span::from_nanos(decoding.as_nanos() - work.decoding.as_nanos()), decoding),
            None if (now - self.served_at) < self.first_token => 0.0,
            None => share(Span::from_nanos(since), decoding),
        };
        self.usage.completion_tokens = libm::floor(self.completion_tokens as f64 * done) as u64;
    }
}

impl Pending {
    /// The work of the try that begins.
    pub(super) fn takes_up(&mut self, limit: Option<Time>) {
        self.work = Some(Work {
            opening: self.first_token,
            decoding: Span::from_nanos(self.total.as_nanos() - self.first_token.as_nanos()),
            opened: false,
            limit,
        });
    }
}

/// Calls by slot.
#[derive(Debug, Default)]
pub(super) struct Calls {
    slots: Vec<Option<Box<Pending>>>,
    free: Vec<u32>,
}

impl Calls {
    pub(super) fn insert(&mut self, pending: Pending) -> u32 {
        let pending = Some(Box::new(pending));
        if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = pending;
            return slot;
        }
        self.slots.push(pending);
        self.slots.len() as u32 - 1
    }

    pub(super) fn get(&mut self, slot: u32) -> &mut Pending {
        self.slots[slot as usize].as_deref_mut().expect("a slot in use")
    }

    pub(super) fn remove(&mut self, slot: u32) -> Pending {
        self.free.push(slot);
        *self.slots[slot as usize].take().expect("a slot in use")
    }

    /// The slot of a policy's call; only cancellation asks, so a scan will do.
    pub(super) fn find(&self, task: TaskId, id: CallId) -> Option<u32> {
        self.slots.iter().position(|p| p.as_ref().is_some_and(|p| p.task == task && p.id == id)).map(|i| i as u32)
    }

    /// All slots of a task, oldest slot first.
    pub(super) fn of_task(&self, task: TaskId) -> Vec<u32> {
        (0..self.slots.len() as u32)
            .filter(|&i| self.slots[i as usize].as_ref().is_some_and(|p| p.task == task))
            .collect()
    }
}
