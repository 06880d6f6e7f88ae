//! The latency law of an endpoint whose streams may share a server, from recorded calls.
//!
//! With k calls in service each runs at speed `1 / (1 + a (k - 1))`. For a given a, the work of a call is the integral of
//! that speed over its service; work follows the usual linear law. The a whose law explains work best, by mean squared
//! logarithm of work over prediction, is taken.
//!
//! Invariant: a call's work at a = 0 is its duration; with recordings of lone calls only, a is not identified.

use super::super::least_squares::{Row, non_negative};
use super::super::resample::digits;
use super::super::residuals::table;
use crate::kernel::Law;
use crate::model::endpoint::EndpointSpec;

/// A recorded call in service.
#[derive(Clone, Debug)]
pub struct Served {
    /// Run it belongs to; runs follow each other.
    pub run: u64,
    /// When service began and ended, in seconds from the start of the run.
    pub from_s: f64,
    /// End of service.
    pub until_s: f64,
    /// Completion tokens.
    pub completion: u64,
    /// Prompt tokens that no cache held.
    pub uncached: u64,
    /// Prompt tokens read from a cache.
    pub cached: u64,
    /// Whether its duration is that of one undisturbed try; others only keep the server busy.
    pub clean: bool,
}

/// What was fitted.
#[derive(Clone, Debug, PartialEq)]
pub struct LatencyFit {
    /// The law; everything else as by default.
    pub endpoint: EndpointSpec,
    /// Calls it rests on.
    pub calls: usize,
    /// Mean number of calls in service, over service time.
    pub streams: f64,
    /// Standard deviation of the logarithm of work over prediction.
    pub sigma: f64,
    /// Whether calls overlapped enough to tell the slow-down.
    pub identified: bool,
}

/// Values of the slow-down that are tried.
const STEPS: u32 = 40;
/// Slow-down between two of them.
const STEP: f64 = 0.05;
/// Share of service time with company below which the slow-down is not identified.
const LEAST_COMPANY: f64 = 0.1;
/// Points of the noise table.
const POINTS: usize = 21;

/// Fits the law; `None` without a clean call.
pub fn latency(served: &[Served]) -> Option<LatencyFit> {
    let company = company(served);
    let clean: Vec<usize> = (0..served.len()).filter(|&i| served[i].clean && duration(&served[i]) > 0.0).collect();
    if clean.is_empty() {
        return None;
    }
    let total: f64 = company.iter().flatten().sum();
    let weighted: f64 = company.iter().flat_map(|c| c.iter().enumerate().map(|(k, t)| (k + 1) as f64 * t)).sum();
    let alone: f64 = company.iter().filter_map(|c| c.first()).sum();
    let identified = total > 0.0 && 1.0 - alone / total >= LEAST_COMPANY;
    let candidates = if identified { 0..=STEPS } else { 0..=0 };
    let best = candidates
        .map(|i| {
            let slowdown = f64::from(i) * STEP;
            let work: Vec<f64> = clean.iter().map(|&i| work(&company[i], slowdown)).collect();
            let (b, error) = law(served, &clean, &work);
            (error, slowdown, b, work)
        })
        .min_by(|x, y| x.0.total_cmp(&y.0))?;
    let (error, slowdown, b, work) = best;
    let expected: Vec<f64> = clean.iter().map(|&i| predicted(&row(&served[i]), &b)).collect();
    let mut ratios: Vec<f64> = work.iter().zip(&expected).map(|(w, p)| w / p).collect();
    // Short calls stray more than long ones, but noise is drawn alike for all: its mean is that of the whole work.
    let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
    let whole = work.iter().sum::<f64>() / expected.iter().sum::<f64>();
    for ratio in &mut ratios {
        *ratio *= whole / mean;
    }
    let noise = table(&mut ratios, POINTS);
    let b = b.map(|x| digits(x, 5));
    Some(LatencyFit {
        endpoint: EndpointSpec {
            base_s: b[0],
            completion_s_per_token: b[1],
            uncached_s_per_ktoken: b[3],
            cached_s_per_ktoken: b[4],
            noise: Law::Table { quantiles: noise.iter().map(|x| digits(*x, 4)).collect() },
            stream_slowdown: slowdown,
            ..EndpointSpec::default()
        },
        calls: clean.len(),
        streams: weighted / total.max(f64::MIN_POSITIVE),
        sigma: digits(error.sqrt(), 3),
        identified,
    })
}

/// Seconds that calls of one run would have taken alone, given when each was in service (from, until, in seconds) and how
/// much company slows them.
pub fn alone_s(spans: &[(f64, f64)], slowdown: f64) -> Vec<f64> {
    let served = |&(from_s, until_s): &(f64, f64)| Served {
        run: 0,
        from_s,
        until_s,
        completion: 0,
        uncached: 0,
        cached: 0,
        clean: true,
    };
    let served: Vec<Served> = spans.iter().map(served).collect();
    company(&served).iter().map(|company| work(company, slowdown)).collect()
}

fn duration(s: &Served) -> f64 {
    s.until_s - s.from_s
}

/// Seconds of each call's service with 1, 2, .. calls in service.
fn company(served: &[Served]) -> Vec<Vec<f64>> {
    let mut edges: Vec<(u64, f64, bool, usize)> = Vec::new();
    for (i, s) in served.iter().enumerate().filter(|(_, s)| duration(s) > 0.0) {
        edges.push((s.run, s.from_s, true, i));
        edges.push((s.run, s.until_s, false, i));
    }
    // Ends before beginnings: calls that meet at an instant do not share it.
    edges.sort_by(|x, y| (x.0, x.2).0.cmp(&y.0).then(x.1.total_cmp(&y.1)).then(x.2.cmp(&y.2)).then(x.3.cmp(&y.3)));
    let mut company = vec![Vec::new(); served.len()];
    let mut active: Vec<usize> = Vec::new();
    let mut last = 0.0;
    for (_, at, begins, i) in edges {
        let k = active.len();
        for &j in &active {
            let times: &mut Vec<f64> = &mut company[j];
            if times.len() < k {
                times.resize(k, 0.0);
            }
            times[k - 1] += at - last;
        }
        last = at;
        if begins {
            active.push(i);
        } else {
            active.retain(|&j| j != i);
        }
    }
    company
}

fn work(company: &[f64], slowdown: f64) -> f64 {
    company.iter().enumerate().map(|(others, t)| t / (1.0 + slowdown * others as f64)).sum()
}

fn row(s: &Served) -> Row {
    [1.0, s.completion as f64, 0.0, s.uncached as f64 * 1e-3, s.cached as f64 * 1e-3]
}

fn predicted(x: &Row, b: &Row) -> f64 {
    x.iter().zip(b).map(|(x, b)| x * b).sum::<f64>().max(1e-6)
}

/// Coefficients for given work, relative between calls, and the mean squared logarithm of what is left.
fn law(served: &[Served], clean: &[usize], work: &[f64]) -> (Row, f64) {
    // Weights 1/work: between relative, which prefers short calls, and absolute, which makes totals right.
    let rows = clean.iter().zip(work).map(|(&i, &w)| (row(&served[i]), w, 1.0 / w.max(1e-6)));
    let b = non_negative(rows);
    let logs: Vec<f64> =
        clean.iter().zip(work).map(|(&i, &w)| libm::log(w.max(1e-9) / predicted(&row(&served[i]), &b))).collect();
    let mean = logs.iter().sum::<f64>() / logs.len() as f64;
    let error = logs.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / logs.len() as f64;
    (b, error)
}
