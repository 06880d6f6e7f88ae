//! Coefficients of an endpoint's latency from the requests of one model.
//!
//! `latency = (base + b1 min(out, knee) + b1' max(out - knee, 0) + b2 uncached/1000 + b3 cached/1000) x residual`, by
//! non-negative least squares with weights `1 / predicted^1.5`, which lies between relative (a long answer counts as
//! much as a short one, and the 99 % quantile is off) and absolute (the median is off). Stalled calls are held back
//! by Huber weights at half the prediction. Weights are renewed until the coefficients rest.

use super::least_squares::{Row, TERMS, non_negative};
use super::log::LoggedRequest;
use super::resample::{Banded, Resampler, band, digits};
use super::residuals::{Residuals, residuals, table};
use crate::experiment::presets::PresetTokens;
use crate::kernel::Law;
use crate::model::endpoint::EndpointSpec;
use crate::model::limit::Limit;

/// Fewer rows are refused: p99 and five coefficients would be invention.
pub const LEAST_ROWS: usize = 50;
/// Fewer rows are fitted with a warning.
pub const FEW_ROWS: usize = 200;

/// Completion tokens at which the second slope starts. Between 500 and 2,000 the choice matters little.
const KNEE_TOKENS: f64 = 1000.0;
/// Rows beyond the knee that a second slope needs.
const KNEE_ROWS: usize = 100;
/// Weights are `predicted^-2g`.
const WEIGHT_EXPONENT: f64 = 0.75;
/// Relative residual from which a row loses weight.
const HUBER: f64 = 0.5;
/// Weights are renewed at most this often.
const ROUNDS: usize = 30;
/// Points of the token tables: steps of one percent.
const TOKEN_POINTS: usize = 101;

/// What was fitted for one model.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// Requests used.
    pub rows: usize,
    /// Traces they came from.
    pub traces: usize,
    /// Latency law; everything else as by default.
    pub endpoint: EndpointSpec,
    /// Standard deviation of the logarithm of the noise within an agent.
    pub within_sigma: f64,
    /// Coefficients with intervals, by name.
    pub coefficients: Vec<(&'static str, Banded)>,
    /// Token counts.
    pub tokens: PresetTokens,
}

/// Names of the coefficients, in the order of the design.
const NAMES: [&str; TERMS] =
    ["base_s", "completion_s_per_token", "long_completion_s_per_token", "uncached_s_per_ktoken", "cached_s_per_ktoken"];

/// Fits the requests of one model; `resamples` of whole traces give the intervals of the coefficients.
///
/// # Panics
/// If there are no requests.
pub fn fit(requests: &[LoggedRequest], resamples: usize, seed: u64) -> Fit {
    assert!(!requests.is_empty(), "a fit needs requests");
    let long = requests.iter().filter(|request| request.completion as f64 > KNEE_TOKENS).count();
    let knee = if long >= KNEE_ROWS { KNEE_TOKENS } else { f64::INFINITY };
    let design: Vec<Row> = requests.iter().map(|request| row(request, knee)).collect();
    let weights = vec![1.0; requests.len()];
    let b = coefficients(requests, &design, &weights, None);
    let ratios: Vec<f64> =
        requests.iter().zip(&design).map(|(request, x)| request.latency_s / predicted(x, &b)).collect();
    let agents: Vec<u32> = requests.iter().map(|request| request.agent).collect();
    let Residuals { agent_sigma, within_sigma, noise } = residuals(&ratios, &agents);
    let mut traces: Vec<u32> = requests.iter().map(|request| request.trace).collect();
    traces.sort_unstable();
    traces.dedup();
    let bands = bands(requests, &design, &b, &traces, resamples, seed);
    let rounded = b.map(|value| digits(value, 5));
    let bent = knee.is_finite();
    Fit {
        rows: requests.len(),
        traces: traces.len(),
        endpoint: EndpointSpec {
            base_s: rounded[0],
            completion_s_per_token: rounded[1],
            long_completion_tokens: if bent { Limit::At(knee) } else { Limit::Unlimited },
            long_completion_s_per_token: if bent { rounded[2] } else { 0.0 },
            uncached_s_per_ktoken: rounded[3],
            cached_s_per_ktoken: rounded[4],
            noise: Law::Table { quantiles: noise.iter().map(|value| digits(*value, 4)).collect() },
            agent_sigma: digits(agent_sigma, 3),
            ..EndpointSpec::default()
        },
        within_sigma: digits(within_sigma, 3),
        coefficients: (0..TERMS).filter(|i| bent || *i != 2).map(|i| (NAMES[i], bands[i])).collect(),
        tokens: tokens(requests),
    }
}

fn row(request: &LoggedRequest, knee: f64) -> Row {
    let completion = request.completion as f64;
    [
        1.0,
        completion.min(knee),
        (completion - knee).max(0.0),
        request.uncached as f64 * 1e-3,
        request.cached as f64 * 1e-3,
    ]
}

fn predicted(x: &Row, b: &Row) -> f64 {
    // A law that is zero somewhere cannot be compared with a time by a ratio.
    x.iter().zip(b).map(|(x, b)| x * b).sum::<f64>().max(1e-3)
}

/// The coefficients, from `start` or from relative least squares.
fn coefficients(requests: &[LoggedRequest], design: &[Row], weights: &[f64], start: Option<Row>) -> Row {
    let rows = || {
        requests
            .iter()
            .zip(design)
            .zip(weights)
            .filter(|(_, weight)| **weight > 0.0)
            .map(|((request, x), weight)| (*x, request.latency_s, *weight))
    };
    let mut b = start.unwrap_or_else(|| non_negative(rows().map(|(x, y, weight)| (x, y, weight / (y * y)))));
    for _ in 0..ROUNDS {
        let next = non_negative(rows().map(|(x, y, weight)| {
            let p = predicted(&x, &b);
            let off = (y / p - 1.0).abs();
            let huber = if off > HUBER { HUBER / off } else { 1.0 };
            (x, y, weight * huber * libm::pow(p, -2.0 * WEIGHT_EXPONENT))
        }));
        let rest = next.iter().zip(&b).all(|(next, old)| (next - old).abs() <= 1e-7 * old.abs());
        b = next;
        if rest {
            break;
        }
    }
    b
}

/// Percentile intervals of the coefficients over resampled traces.
fn bands(
    requests: &[LoggedRequest],
    design: &[Row],
    b: &Row,
    traces: &[u32],
    resamples: usize,
    seed: u64,
) -> [Banded; TERMS] {
    let mut samples: Vec<Vec<f64>> = vec![Vec::new(); TERMS];
    let mut resampler = Resampler::new(seed, b"coefficients");
    for _ in 0..resamples {
        let counts = resampler.counts(traces.len());
        let weights: Vec<f64> = requests
            .iter()
            .map(|request| {
                let place = traces.binary_search(&request.trace);
                f64::from(counts[place.expect("traces are those of the requests")])
            })
            .collect();
        let drawn = coefficients(requests, design, &weights, Some(*b));
        for (sample, value) in samples.iter_mut().zip(drawn) {
            sample.push(value);
        }
    }
    std::array::from_fn(|i| band(b[i], &mut samples[i]))
}

fn tokens(requests: &[LoggedRequest]) -> PresetTokens {
    let whole = |count: fn(&LoggedRequest) -> u64| {
        let mut values: Vec<f64> = requests.iter().map(|r| count(r) as f64).collect();
        let grid = table(&mut values, TOKEN_POINTS);
        grid.into_iter().map(libm::round).collect()
    };
    PresetTokens {
        prompt: whole(LoggedRequest::prompt),
        uncached: whole(|request| request.uncached),
        completion: whole(|request| request.completion),
    }
}
