//! The limits of an endpoint and the line before them. Whoever changes the head of the line, its prefix or the buckets
//! makes a new appointment: at no instant does a call wait that fits.

use crate::kernel::{EventId, Rate, Span, Time, TokenBucket};
use crate::model::Limit;
use crate::model::endpoint::EndpointSpec;
use std::collections::BTreeMap;

/// What a call takes from each kind of limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Demand {
    pub(super) input: u64,
    pub(super) output: u64,
    /// When more of its prefix becomes readable, so that it may need less.
    pub(super) less_at: Option<Time>,
}

/// Buckets of the three kinds of limit, and who waits for them.
#[derive(Debug)]
pub(super) struct Limits {
    requests: Option<TokenBucket>,
    input: Option<TokenBucket>,
    output: Option<TokenBucket>,
    /// Slots by ticket.
    line: BTreeMap<u64, u32>,
    tickets: u64,
    /// When the head of the line is looked at again: it may fit then, or need less.
    pub(super) appointment: Option<(Time, EventId)>,
}

impl Limits {
    /// The limits of an endpoint that has any.
    pub(super) fn new(spec: &EndpointSpec) -> Option<Self> {
        let burst = Span::from_secs_f64(spec.burst_s);
        let bucket = |limit: Limit| limit.at().map(|rate| TokenBucket::new(Rate::per_minute(rate), burst));
        let (requests, input, output) = (
            bucket(spec.requests_per_minute),
            bucket(spec.input_tokens_per_minute),
            bucket(spec.output_tokens_per_minute),
        );
        let any = requests.is_some() || input.is_some() || output.is_some();
        any.then_some(Self { requests, input, output, line: BTreeMap::new(), tickets: 0, appointment: None })
    }

    fn parts(&mut self, demand: Demand) -> impl Iterator<Item = (&mut TokenBucket, u64)> {
        let Self { requests, input, output, .. } = self;
        [(requests, 1), (input, demand.input), (output, demand.output)]
            .into_iter()
            .filter_map(|(bucket, n)| bucket.as_mut().map(|bucket| (bucket, n)))
    }

    /// When the buckets will hold enough.
    pub(super) fn earliest(&mut self, now: Time, demand: Demand) -> Time {
        self.parts(demand).map(|(bucket, n)| bucket.earliest(now, n)).max().unwrap_or(now)
    }

    /// Takes from the buckets if they hold enough now.
    pub(super) fn take(&mut self, now: Time, demand: Demand) -> Result<(), Time> {
        let earliest = self.earliest(now, demand);
        if earliest > now {
            return Err(earliest);
        }
        for (bucket, n) in self.parts(demand) {
            bucket.take(now, n);
        }
        Ok(())
    }

    /// A call joins the line; returns its ticket.
    pub(super) fn join(&mut self, slot: u32) -> u64 {
        self.tickets += 1;
        self.line.insert(self.tickets, slot);
        self.tickets
    }

    /// A call leaves the line.
    pub(super) fn leave(&mut self, ticket: u64) {
        self.line.remove(&ticket);
    }

    /// Who is next, with its ticket.
    pub(super) fn head(&self) -> Option<(u64, u32)> {
        self.line.first_key_value().map(|(ticket, slot)| (*ticket, *slot))
    }
}
