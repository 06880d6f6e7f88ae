//! Endpoints as data: latency law, limits, retries, cache, prices. What happens in time is the runtime's.
//!
//! `latency = (base + b1 completion + b2 uncached/1000 + b3 cached/1000 + b4 items) x noise`; the first token
//! comes after the part without `b1`. Beyond a knee, `b1` may take another value: real logs decode long answers
//! at another speed than short ones, and one slope misses either the median or the 99 % quantile.
//!
//! That is the time alone. Where streams share a server, k of them each take `1 + stream_slowdown (k - 1)` times as
//! long, before and after the first token alike. Measured on 22 November 2026 with SmolLM2-135M in llama.cpp's server
//! (1 thread, 8 slots; two cores with other load of 6 to 9, hence in processor seconds of the server) on N agents with
//! four calls each: with the speeds of N = 1 and a slow-down of 1, predicted over observed makespan was .99, 1.00, .99
//! for N = 2, 4, 8 in one run and .98, .95, .87 in another. Batches of k equal calls took 2.11, 4.00, 7.46 times one
//! (k = 2, 4, 8: coefficients 1.11, 1.00, .92), with cached prompts, hence decoding alone, 2.13, 3.81, 6.75 (1.13, .94,
//! .82). One coefficient serves: decoding is shared a little better than prefill, by less than runs differ, and a
//! smaller coefficient for it predicted the teams no better. Do not extrapolate from k = 2 alone: it errs upwards.

use super::limit::Limit;
use super::price::PriceSpec;
use crate::kernel::{Law, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a client meets a rate limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LimitPolicy {
    /// The client paces itself: calls wait in order until the bucket holds enough.
    #[default]
    Queue,
    /// The server answers 429; the client backs off and tries again.
    Backoff,
}

/// From when the time limit of a try counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TimeoutFrom {
    /// From the instant at which the client sends the try: waiting for a slot of the server counts. Pacing of the client
    /// itself (`at_limit = "queue"`) comes before it and does not.
    #[default]
    Dispatch,
    /// From the start of service.
    Service,
}

/// Spread of backoff times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Jitter {
    /// Exactly the doubled base.
    None,
    /// Uniform between zero and it.
    #[default]
    Full,
}

/// Prefix cache of an endpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CacheSpec {
    /// Whether prefixes are cached at all.
    pub enabled: bool,
    /// Seconds a prefix lives after its last read or write.
    pub lifetime_s: f64,
    /// Shorter prefixes are not cached.
    pub min_tokens: u32,
}

impl Default for CacheSpec {
    fn default() -> Self {
        Self { enabled: true, lifetime_s: 300.0, min_tokens: 1024 }
    }
}

/// The server that answers for an endpoint in live runs. The key itself stands in no file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LiveServer {
    /// Address, as `https://api.example.com/v1`.
    pub base_url: String,
    /// Model that answers.
    pub model: String,
    /// Name of the environment variable that holds the key; none for servers without keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_env: Option<String>,
    /// What it speaks; told by its address if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<ApiName>,
    /// Most tries in flight (count); `slots` and `--concurrency` hold as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
}

/// APIs that live runs speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ApiName {
    /// OpenAI's chat completions.
    Openai,
    /// Anthropic's messages.
    Anthropic,
    /// OpenAI's chat completions under Azure's paths and header.
    Azure,
}

/// An endpoint: a model behind an API, or a tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EndpointSpec {
    /// Preset this endpoint was expanded from, if any; keys set beside it win.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// Seconds per call.
    pub base_s: f64,
    /// Seconds per completion token.
    pub completion_s_per_token: f64,
    /// Completion tokens beyond this many take `long_completion_s_per_token` instead.
    pub long_completion_tokens: Limit,
    /// Seconds per completion token beyond `long_completion_tokens`; unused while that is unlimited.
    pub long_completion_s_per_token: f64,
    /// Seconds per thousand uncached prompt tokens.
    pub uncached_s_per_ktoken: f64,
    /// Seconds per thousand cached prompt tokens.
    pub cached_s_per_ktoken: f64,
    /// Seconds per item of the call (reports of a merge, workers of a dispatch).
    pub item_s: f64,
    /// Factor on the latency, without unit.
    pub noise: Law,
    /// Sigma of a lognormal factor (mean 1) that stays with an agent at this endpoint for a whole run.
    pub agent_sigma: f64,
    /// Slow-down of each call in service by every other one: with k, `1 + stream_slowdown (k - 1)`. 0: none (a hosted
    /// API); 1: one server shared evenly. Without unit. Not written out while it is 0.
    #[serde(skip_serializing_if = "crate::model::is_default")]
    pub stream_slowdown: f64,
    /// Plain code answers here: its calls have no tokens. Not written out while it is false.
    #[serde(skip_serializing_if = "crate::model::is_default")]
    pub by_code: bool,
    /// Calls served at once.
    pub slots: Limit,
    /// Calls admitted per minute.
    pub requests_per_minute: Limit,
    /// Prompt tokens admitted per minute.
    pub input_tokens_per_minute: Limit,
    /// Completion tokens admitted per minute; `max_output_tokens` are reserved at admission.
    pub output_tokens_per_minute: Limit,
    /// Seconds of rate that a full bucket holds.
    pub burst_s: f64,
    /// Whether cached prompt tokens count against the input limit.
    pub count_cached_input: bool,
    /// Completion tokens reserved at admission.
    pub max_output_tokens: u32,
    /// What happens at a rate limit.
    pub at_limit: LimitPolicy,
    /// Probability that one try fails at the server.
    pub failure_probability: f64,
    /// Seconds a failing try takes.
    pub failure_s: f64,
    /// Tries of a call after the first. A worker's step whose call failed for good is lost; the worker asks once more,
    /// unless the reason was a timeout, and then gives its delegation up.
    pub retries: u16,
    /// Seconds before the first retry; doubles with each.
    pub backoff_s: f64,
    /// Spread of the backoff.
    pub jitter: Jitter,
    /// Seconds after which a try is given up and counts as failed; each try has its own.
    pub timeout_s: Limit,
    /// From when `timeout_s` counts. Not written out while it is `"dispatch"`.
    #[serde(skip_serializing_if = "crate::model::is_default")]
    pub timeout_from: TimeoutFrom,
    /// Prefix cache.
    pub cache: CacheSpec,
    /// Prices.
    pub price: PriceSpec,
    /// The server that answers in live runs; simulations do not read it. Not written out while there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<LiveServer>,
}

impl Default for EndpointSpec {
    fn default() -> Self {
        Self {
            preset: None,
            base_s: 0.0,
            completion_s_per_token: 0.0,
            long_completion_tokens: Limit::Unlimited,
            long_completion_s_per_token: 0.0,
            uncached_s_per_ktoken: 0.0,
            cached_s_per_ktoken: 0.0,
            item_s: 0.0,
            noise: Law::Constant(1.0),
            agent_sigma: 0.0,
            stream_slowdown: 0.0,
            by_code: false,
            slots: Limit::Unlimited,
            requests_per_minute: Limit::Unlimited,
            input_tokens_per_minute: Limit::Unlimited,
            output_tokens_per_minute: Limit::Unlimited,
            burst_s: 60.0,
            count_cached_input: false,
            max_output_tokens: 8192,
            at_limit: LimitPolicy::Queue,
            failure_probability: 0.0,
            failure_s: 0.0,
            retries: 3,
            backoff_s: 1.0,
            jitter: Jitter::Full,
            timeout_s: Limit::Unlimited,
            timeout_from: TimeoutFrom::Dispatch,
            cache: CacheSpec::default(),
            price: PriceSpec::default(),
            live: None,
        }
    }
}

/// Service times of one try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// From the start of service to the first token.
    pub first_token: Span,
    /// From the start of service to the end.
    pub total: Span,
}

impl EndpointSpec {
    /// Whether calls in service disturb each other.
    pub fn is_shared(&self) -> bool {
        self.stream_slowdown > 0.0
    }

    /// How long a client waits by itself after `tries` failed tries, from 1: the base, doubled each time, times the
    /// jitter. The draw is uniform on (0, 1), and only taken where the spread needs one.
    pub fn backoff(&self, tries: u16, draw: impl FnOnce() -> f64) -> Span {
        /// Doublings after which a wait grows no more: twelve days at a base of a second.
        const MOST_DOUBLINGS: u16 = 20;
        let jitter = match self.jitter {
            Jitter::None => 1.0,
            Jitter::Full => draw(),
        };
        let doublings = tries.saturating_sub(1).min(MOST_DOUBLINGS);
        Span::from_secs_f64(self.backoff_s * f64::from(1_u32 << doublings) * jitter)
    }

    /// Latency of a try with these token counts; `factor` is noise times everything that scales it.
    pub fn latency(&self, completion: u64, uncached: u64, cached: u64, items: u32, factor: f64) -> Latency {
        let prefill = self.base_s
            + self.uncached_s_per_ktoken * uncached as f64 * 1e-3
            + self.cached_s_per_ktoken * cached as f64 * 1e-3
            + self.item_s * f64::from(items);
        let (short, long) = match self.long_completion_tokens.at() {
            Some(knee) if completion as f64 > knee => (knee, completion as f64 - knee),
            _ => (completion as f64, 0.0),
        };
        let decode = self.completion_s_per_token * short + self.long_completion_s_per_token * long;
        Latency {
            first_token: Span::from_secs_f64(prefill * factor),
            total: Span::from_secs_f64((prefill + decode) * factor),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_doubles_and_is_spread() {
        let exact = EndpointSpec { backoff_s: 0.5, jitter: Jitter::None, ..EndpointSpec::default() };
        let seconds = |tries| exact.backoff(tries, || unreachable!("nothing is spread")).as_secs_f64();
        assert_eq!([1, 2, 3, 21, 99].map(seconds), [0.5, 1.0, 2.0, 524_288.0, 524_288.0]);
        let spread = EndpointSpec { jitter: Jitter::Full, ..exact };
        assert_eq!(spread.backoff(3, || 0.25).as_secs_f64(), 0.5);
    }

    #[test]
    fn tokens_beyond_the_knee_take_the_second_slope() {
        let straight = EndpointSpec { base_s: 1.0, completion_s_per_token: 0.02, ..EndpointSpec::default() };
        let bent = EndpointSpec {
            long_completion_tokens: Limit::At(1000.0),
            long_completion_s_per_token: 0.01,
            ..straight.clone()
        };
        let seconds = |spec: &EndpointSpec, n| spec.latency(n, 0, 0, 0, 1.0).total.as_secs_f64();
        assert_eq!(seconds(&straight, 1000), seconds(&bent, 1000));
        assert_eq!(seconds(&straight, 3000), 61.0);
        assert_eq!(seconds(&bent, 3000), 41.0);
        assert_eq!(bent.latency(3000, 0, 0, 0, 1.0).first_token.as_secs_f64(), 1.0);
    }
}
