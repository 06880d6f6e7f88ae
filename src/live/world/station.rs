//! An endpoint's client side: how many tries are in flight, and how many may leave per minute.

use crate::kernel::{Rate, Span, Time, TokenBucket};
use crate::model::Limit;
use crate::model::endpoint::EndpointSpec;

/// Slots and rates of an endpoint.
#[derive(Debug)]
pub(super) struct Station {
    slots: u64,
    busy: u64,
    requests: Option<TokenBucket>,
    input: Option<TokenBucket>,
    output: Option<TokenBucket>,
}

/// Why a try has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    Slot,
    Until(Time),
}

impl Station {
    /// Slots are those of the scenario, but never more than `most`.
    pub(super) fn new(spec: &EndpointSpec, most: u32) -> Self {
        let bucket = |limit: Limit| {
            limit.at().map(|rate| TokenBucket::new(Rate::per_minute(rate), Span::from_secs_f64(spec.burst_s)))
        };
        Self {
            slots: spec.slots.whole().unwrap_or(u64::MAX).clamp(1, u64::from(most.max(1))),
            busy: 0,
            requests: bucket(spec.requests_per_minute),
            input: bucket(spec.input_tokens_per_minute),
            output: bucket(spec.output_tokens_per_minute),
        }
    }

    fn parts(&mut self, input: u64, output: u64) -> impl Iterator<Item = (&mut TokenBucket, u64)> {
        let Self { requests, input: i, output: o, .. } = self;
        [(requests, 1), (i, input), (o, output)].into_iter().filter_map(|(b, n)| b.as_mut().map(|b| (b, n)))
    }

    /// Takes a slot and rate, if there are any.
    pub(super) fn take(&mut self, now: Time, input: u64, output: u64) -> Result<(), Wait> {
        if self.busy >= self.slots {
            return Err(Wait::Slot);
        }
        let earliest = self.parts(input, output).map(|(b, n)| b.earliest(now, n)).max().unwrap_or(now);
        if earliest > now {
            return Err(Wait::Until(earliest));
        }
        for (bucket, n) in self.parts(input, output) {
            bucket.take(now, n);
        }
        self.busy += 1;
        Ok(())
    }

    /// Gives a slot back.
    pub(super) fn free(&mut self) {
        self.busy = self.busy.saturating_sub(1);
    }

    /// Gives back what a try took that did not leave after all.
    pub(super) fn undo(&mut self, now: Time, input: u64, output: u64) {
        self.free();
        for (bucket, n) in self.parts(input, output) {
            bucket.refund(now, n);
        }
    }
}
