//! Simulated against observed latency on requests that the fit has not seen.
//!
//! Every held-out request is simulated many times with its own token counts by the law that runs in a simulation
//! ([`EndpointSpec::latency`]), one factor per agent included. Bands come from resampled held-out traces.
//!
//! Invariant: the same requests and seed give the same bits; the draws of a trace do not depend on other traces.

use serde::{Deserialize, Serialize};

use super::log::{LoggedRequest, Trace};
use super::resample::{Banded, Resampler, band};
use super::sample::Sample;
use crate::kernel::{Address, Key, Law};
use crate::model::endpoint::EndpointSpec;
use crate::stats::quantile;

/// Probabilities that are compared, with the relative error that is allowed at each.
pub const BOUNDS: [(f64, f64); 3] = [(0.5, 0.05), (0.9, 0.10), (0.99, 0.20)];
/// A distance from which the shapes differ visibly, whatever the quantiles say.
const KS_BOUND: f64 = 0.10;
/// Fewer held-out rows or traces prove little.
const FEW_ROWS: usize = 200;
const FEW_TRACES: usize = 10;
/// Simulated values per model: enough that chance adds little to p99.
const SIMULATED: usize = 200_000;
/// Purpose number of these draws; far from those of a simulation.
const PURPOSE: u16 = 0xca1b;

/// One quantile, observed and simulated.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuantileCheck {
    /// Probability.
    pub p: f64,
    /// Seconds observed.
    pub observed_s: Banded,
    /// Seconds simulated.
    pub simulated_s: Banded,
    /// Simulated over observed, minus 1.
    pub relative_error: Banded,
    /// Relative error that is allowed.
    pub bound: f64,
    /// Whether the error is within the bound.
    pub within_bound: bool,
    /// Whether the simulated value lies in the band of the observed one.
    pub within_band: bool,
}

/// Time to the first token, observed and simulated.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FirstTokenCheck {
    /// Rows with a time to first token.
    pub rows: usize,
    /// Seconds observed at p50 and p90.
    pub observed_s: [f64; 2],
    /// Seconds simulated at p50 and p90.
    pub simulated_s: [f64; 2],
}

/// How far a fit can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// All quantiles within their bounds; p99 may lie in its own band instead.
    Good,
    /// A bound is missed, but by less than the held-out traces differ themselves; or there are few of them.
    Usable,
    /// A bound is missed by more than chance explains.
    Poor,
}

impl Verdict {
    /// The word that is printed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Usable => "usable",
            Self::Poor => "POOR",
        }
    }
}

/// The check of one fit on held-out requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// How far to trust it.
    pub verdict: Verdict,
    /// Why it is not better.
    pub reasons: Vec<String>,
    /// Held-out requests.
    pub rows: usize,
    /// Their traces.
    pub traces: usize,
    /// Median of |law's median / observed - 1| over single requests.
    pub median_absolute_error: Banded,
    /// Kolmogorov-Smirnov distance.
    pub ks: Banded,
    /// p50, p90, p99.
    pub quantiles: Vec<QuantileCheck>,
    /// Time to the first token, where recorded.
    pub first_token: Option<FirstTokenCheck>,
}

/// Checks a law on requests; `None` if there are none. `resamples` of whole traces give the bands.
pub fn validate(
    endpoint: &EndpointSpec,
    requests: &[LoggedRequest],
    traces: &[Trace],
    resamples: usize,
    seed: u64,
) -> Option<Validation> {
    if requests.is_empty() {
        return None;
    }
    let groups = Groups::of(requests);
    let n = groups.0.len();
    let simulated = simulate(endpoint, requests, traces, seed);
    let errors = requests.iter().map(|request| {
        let law = latency_s(endpoint, request, median_factor(endpoint)).0;
        ((law / request.latency_s - 1.0).abs(), groups.of_request(request))
    });
    let errors = Sample::new(errors.collect());
    let observed = requests.iter().map(|request| (request.latency_s, groups.of_request(request)));
    let observed = Sample::new(observed.collect());
    let drawn = simulated.iter().map(|(i, total, _)| (*total, groups.of_request(&requests[*i])));
    let drawn = Sample::new(drawn.collect());

    let ps = BOUNDS.map(|(p, _)| p);
    let measure = |counts: &[u32]| -> Option<Measured> {
        let observed_at = observed.quantiles(ps, counts)?;
        let drawn_at = drawn.quantiles(ps, counts)?;
        let error = errors.quantiles([0.5], counts)?[0];
        Some((observed_at, drawn_at, error, observed.distance(&drawn, counts)?))
    };
    let whole = measure(&vec![1; n])?;
    let mut resampler = Resampler::new(seed, b"holdout");
    let resampled: Vec<_> = (0..resamples).filter_map(|_| measure(&resampler.counts(n))).collect();
    let banded = |value: f64, part: &dyn Fn(&Measured) -> f64| {
        band(value, &mut resampled.iter().map(part).collect::<Vec<f64>>())
    };
    let quantiles = (0..BOUNDS.len()).map(|i| {
        let (p, bound) = BOUNDS[i];
        let observed_s = banded(whole.0[i], &|m| m.0[i]);
        let simulated_s = banded(whole.1[i], &|m| m.1[i]);
        let relative_error = banded(whole.1[i] / whole.0[i] - 1.0, &|m| m.1[i] / m.0[i] - 1.0);
        QuantileCheck {
            p,
            observed_s,
            simulated_s,
            relative_error,
            bound,
            within_bound: relative_error.value.abs() <= bound,
            within_band: (observed_s.low..=observed_s.high).contains(&simulated_s.value),
        }
    });
    let mut validation = Validation {
        verdict: Verdict::Good,
        reasons: Vec::new(),
        rows: requests.len(),
        traces: n,
        median_absolute_error: banded(whole.2, &|m| m.2),
        ks: banded(whole.3, &|m| m.3),
        quantiles: quantiles.collect(),
        first_token: first_token(requests, &simulated),
    };
    judge(&mut validation);
    Some(validation)
}

/// Observed and simulated quantiles, median absolute error, distance.
type Measured = ([f64; 3], [f64; 3], f64, f64);

/// Distinct traces of some requests.
struct Groups(Vec<u32>);

impl Groups {
    fn of(requests: &[LoggedRequest]) -> Self {
        let mut traces: Vec<u32> = requests.iter().map(|request| request.trace).collect();
        traces.sort_unstable();
        traces.dedup();
        Self(traces)
    }

    fn of_request(&self, request: &LoggedRequest) -> u32 {
        let place = self.0.binary_search(&request.trace);
        place.expect("groups are those of the requests") as u32
    }
}

/// Draws every request several times: its index, total seconds, seconds to the first token.
fn simulate(
    endpoint: &EndpointSpec,
    requests: &[LoggedRequest],
    traces: &[Trace],
    seed: u64,
) -> Vec<(usize, f64, f64)> {
    let times = (SIMULATED / requests.len()).clamp(4, 400) as u64;
    let own = Law::Lognormal { mean: 1.0, sigma: endpoint.agent_sigma };
    let mut drawn = Vec::with_capacity(requests.len() * times as usize);
    for replication in 0..times {
        let key = Key::new(seed, replication);
        for (i, request) in requests.iter().enumerate() {
            let at = |attempt, step| {
                key.draws(Address { purpose: PURPOSE, entity: traces[request.trace as usize].key, attempt, step })
            };
            let noise = endpoint.noise.sample(&at(0, request.step), 0);
            let factor = own.sample(&at(1, request.agent), 1);
            let (total, first) = latency_s(endpoint, request, noise * factor);
            drawn.push((i, total, first));
        }
    }
    drawn
}

fn latency_s(endpoint: &EndpointSpec, request: &LoggedRequest, factor: f64) -> (f64, f64) {
    let latency = endpoint.latency(request.completion, request.uncached, request.cached, 0, factor);
    (latency.total.as_secs_f64(), latency.first_token.as_secs_f64())
}

/// The factor of a middling call of a middling agent.
fn median_factor(endpoint: &EndpointSpec) -> f64 {
    let noise = match &endpoint.noise {
        Law::Table { quantiles } => quantile(quantiles, 0.5),
        law => law.mean(),
    };
    noise * libm::exp(-endpoint.agent_sigma * endpoint.agent_sigma / 2.0)
}

fn first_token(requests: &[LoggedRequest], simulated: &[(usize, f64, f64)]) -> Option<FirstTokenCheck> {
    let recorded = requests.iter().filter_map(|request| request.first_token_s);
    let mut recorded: Vec<f64> = recorded.collect();
    let rows = recorded.len();
    let drawn = simulated.iter().filter(|(i, ..)| requests[*i].first_token_s.is_some());
    let mut drawn: Vec<f64> = drawn.map(|(_, _, first)| *first).collect();
    if rows == 0 {
        return None;
    }
    recorded.sort_unstable_by(f64::total_cmp);
    drawn.sort_unstable_by(f64::total_cmp);
    Some(FirstTokenCheck {
        rows,
        observed_s: [0.5, 0.9].map(|p| quantile(&recorded, p)),
        simulated_s: [0.5, 0.9].map(|p| quantile(&drawn, p)),
    })
}

/// Finds the verdict and its reasons.
fn judge(validation: &mut Validation) {
    let mut verdict = Verdict::Good;
    let mut reasons = Vec::new();
    for check in &validation.quantiles {
        if check.within_bound || (check.p > 0.95 && check.within_band) {
            continue;
        }
        let missed = format!(
            "p{:.0} is off by {:+.1} %, more than {:.0} %",
            check.p * 100.0,
            check.relative_error.value * 100.0,
            check.bound * 100.0
        );
        if check.within_band {
            verdict = verdict.max(Verdict::Usable);
            reasons.push(format!("{missed}, but inside the band of the held-out traces"));
        } else {
            verdict = Verdict::Poor;
            reasons.push(missed);
        }
    }
    if validation.ks.value > KS_BOUND {
        let sure = validation.ks.low > KS_BOUND;
        verdict = verdict.max(if sure { Verdict::Poor } else { Verdict::Usable });
        reasons.push(format!(
            "the shapes differ: Kolmogorov-Smirnov distance {:.2}, more than {KS_BOUND:.2}",
            validation.ks.value
        ));
    }
    if validation.rows < FEW_ROWS || validation.traces < FEW_TRACES {
        verdict = verdict.max(Verdict::Usable);
        reasons.push(format!("only {} held-out rows of {} traces", validation.rows, validation.traces));
    }
    validation.verdict = verdict;
    validation.reasons = reasons;
}
