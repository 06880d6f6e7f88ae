//! What a live run measures beside its trace: latencies from the intended start and from dispatch, the client's own
//! delay, and how often something had to be mended.

use super::ending::Endings;
use crate::kernel::Span;
use serde::Serialize;
use std::collections::BTreeMap;

/// Measurements of one run, or of several taken together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measured {
    /// From the policy's command to the reply, of answered calls.
    pub from_intended: Vec<Span>,
    /// From the last try's sending to the reply, of answered calls.
    pub from_dispatch: Vec<Span>,
    /// From the last try's sending to its first token, of streamed replies.
    pub first_token: Vec<Span>,
    /// From the instant at which a try could leave to its sending. Waits for slots, limits, budget and backoff do not
    /// count. Of this session only.
    pub delays: Vec<Span>,
    /// Tries after a failed one.
    pub retries: u64,
    /// Replies that could not be read and were asked for again.
    pub repairs: u64,
    /// Replies that stayed unreadable and of which the best was made.
    pub salvaged: u64,
    /// How calls ended, by class.
    pub endings: Endings,
    /// Calls that failed for good.
    pub failures: u64,
    /// Why, with how many of them.
    pub reasons: BTreeMap<String, u64>,
    /// Calls that plain code answered.
    pub known: u64,
    /// Replies whose server told no usage.
    pub estimated: u64,
    /// Calls that waited because the budget was reserved for others.
    pub budget_waits: u64,
    /// Calls taken from the journal.
    pub journalled: u64,
}

/// Quantiles in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Quantiles {
    /// How many.
    pub count: usize,
    /// Median.
    pub p50_s: f64,
    /// 90 %.
    pub p90_s: f64,
    /// 99 %.
    pub p99_s: f64,
}

impl Quantiles {
    /// Nearest ranks; `None` of nothing.
    pub fn of(spans: &[Span]) -> Option<Self> {
        let mut sorted = spans.to_vec();
        sorted.sort_unstable();
        let rank = |q: f64| {
            let place = libm::ceil(q * sorted.len() as f64) as usize;
            sorted[place.clamp(1, sorted.len()) - 1].as_secs_f64()
        };
        (!sorted.is_empty()).then(|| Self {
            count: sorted.len(),
            p50_s: rank(0.5),
            p90_s: rank(0.9),
            p99_s: rank(0.99),
        })
    }
}

impl Measured {
    /// Takes in another run's measurements.
    pub fn add(&mut self, other: &Self) {
        self.from_intended.extend(&other.from_intended);
        self.from_dispatch.extend(&other.from_dispatch);
        self.first_token.extend(&other.first_token);
        self.delays.extend(&other.delays);
        self.retries += other.retries;
        self.repairs += other.repairs;
        self.salvaged += other.salvaged;
        self.endings.add(&other.endings);
        self.failures += other.failures;
        for (reason, n) in &other.reasons {
            *self.reasons.entry(reason.clone()).or_default() += n;
        }
        self.known += other.known;
        self.estimated += other.estimated;
        self.budget_waits += other.budget_waits;
        self.journalled += other.journalled;
    }

    /// A call failed for good.
    pub(super) fn failed(&mut self, reason: Option<String>) {
        self.failures += 1;
        *self.reasons.entry(reason.unwrap_or_else(|| "no reason is known".to_owned())).or_default() += 1;
    }

    /// Why the times are not to be trusted, if the client itself was too late.
    pub fn invalid(&self, most: Span) -> Option<String> {
        let delays = Quantiles::of(&self.delays)?;
        (Span::from_secs_f64(delays.p99_s) > most).then(|| {
            format!(
                "the client's own scheduling delay has a 99 % quantile of {:.1} ms, above the limit of {:.1} ms",
                delays.p99_s * 1e3,
                most.as_secs_f64() * 1e3
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_ranks_and_a_late_client_is_told() {
        let ms = |n: u64| Span::from_nanos(n * 1_000_000);
        let delays: Vec<Span> = (1..=100).map(ms).collect();
        let q = Quantiles::of(&delays).unwrap();
        assert_eq!((q.p50_s, q.p90_s, q.p99_s), (0.05, 0.09, 0.099));
        assert_eq!(Quantiles::of(&[]), None);
        let measured = Measured { delays, ..Measured::default() };
        assert!(measured.invalid(ms(50)).is_some_and(|why| why.contains("99.0 ms")));
        assert_eq!(measured.invalid(ms(99)), None);
    }
}
