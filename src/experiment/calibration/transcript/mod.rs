//! Calibration on a live run: the scenario of the run with endpoints, lengths and outcomes as they were measured.
//!
//! Invariant: only what the transcript tells is changed, and each changed value says so in the scenario's `[sources]`.

mod latency;
mod lengths;
mod outcomes;

pub use latency::{LatencyFit, Served, alone_s, latency};
pub use lengths::Lengths;
pub use outcomes::Outcomes;

use super::fault::CalibrationError;
use crate::experiment::reading;
use crate::experiment::scenario::{Scenario, SourceKind, SourceNote};
use crate::experiment::usable::{self, Usable};
use crate::kernel::Span;
use crate::model::call::Purpose;
use crate::model::endpoint::EndpointSpec;
use crate::model::limit::Limit;
use crate::record::transcript::{Origin, Reader, Recording, Recordings, Status};
use std::collections::BTreeMap;
use std::path::Path;

/// Endpoint of calls that plain code answers.
const CODE: &str = "code";

/// What a live run taught.
#[derive(Clone, Debug)]
pub struct Learned {
    /// The run's scenario with measured values.
    pub scenario: Scenario,
    /// Latency laws by endpoint.
    pub latencies: BTreeMap<String, LatencyFit>,
    /// Runs used.
    pub runs: usize,
    /// Calls used.
    pub calls: usize,
    /// Tokens of every prompt's instructions.
    pub instructions_tokens: f64,
    /// Tokens of the server per token that a policy estimates for the rest of a prompt.
    pub tokens_per_estimate: f64,
    /// What to know, in sentences.
    pub told: Vec<String>,
}

/// Learns from a transcript; with `agents`, from runs of these team sizes alone.
///
/// # Errors
/// As the reader says; a transcript without a scenario or of simulated calls teaches nothing.
pub fn learn(path: &Path, agents: Option<&[u32]>) -> Result<Learned, CalibrationError> {
    let wrong = |wrong: String, mend: &str| CalibrationError::Log {
        file: path.display().to_string(),
        line: None,
        column: None,
        wrong,
        mend: mend.to_owned(),
    };
    let read = |e: crate::record::transcript::TranscriptError| CalibrationError::Usage {
        wrong: format!("{:#}", anyhow::Error::from(e)),
        mend: "name a transcript of `delm-sim live`".to_owned(),
    };
    let mut recordings = Recordings::new(Reader::open(path).map_err(read)?);
    let header = recordings.reader().header().clone();
    let Some(value) = &header.scenario else {
        let mend = "record a run with `delm-sim live`; logs of other programs go to `delm-sim calibrate LOG.csv`";
        return Err(wrong("the transcript holds no scenario".to_owned(), mend));
    };
    let (mut scenario, unknown): (Scenario, _) = reading::read_json_of_any_version(value)
        .map_err(|e| wrong(format!("field `scenario` of the header: {}", e.wrong), "record the run again"))?;
    let mut runs: Vec<Recording> = Vec::new();
    while let Some(recording) = recordings.next_run().map_err(read)? {
        if recording.end.as_ref().is_some_and(|e| e.complete)
            && agents.is_none_or(|a| a.contains(&recording.run.agents))
        {
            runs.push(recording);
        }
    }
    if runs.is_empty() {
        return Err(wrong("no run of these team sizes came to its end".to_owned(), "record more, or change --agents"));
    }
    let mut told = Vec::new();
    if !unknown.is_empty() {
        told.push(format!("The run is of another version: {} of its scenario is left out.", unknown.join(", ")));
    }
    let mut usable = Usable::default();
    for run in &runs {
        usable.take(run);
    }
    runs.retain(|run| usable.fault(&usable::name(run)).is_none());
    if runs.is_empty() {
        let why = format!("the run is not valid, and nothing can be learnt from it: {}", usable.faults().join("; "));
        return Err(wrong(why, "mend what is named and record again with `delm-sim live`"));
    }
    told.extend(usable.faults().into_iter().map(|why| format!("NOT VALID and left out: {why}.")));
    if header.origin == Origin::Simulated {
        told.push("The calls were simulated: this tells whether the fit works, nothing about the world.".to_owned());
    }
    let invalid = runs.iter().filter(|r| r.end.as_ref().is_some_and(|e| e.invalid.is_some())).count();
    if invalid > 0 {
        told.push(format!(
            "{invalid} of {} runs have times that are not valid: the client itself was late.",
            runs.len()
        ));
    }
    let latencies = endpoints(&mut scenario, &runs, &mut told)
        .map_err(|why| wrong(why, "record more with `delm-sim live` on a server that tells usage"))?;
    let lengths = Lengths::of(&runs);
    lengths.apply(&mut scenario, &mut told);
    let outcomes = Outcomes::of(&runs);
    outcomes.apply(&mut scenario, &mut told);
    let note = SourceNote {
        kind: SourceKind::Fitted,
        cite: format!("live run: {} runs, {} calls", runs.len(), runs.iter().map(|r| r.calls.len()).sum::<usize>()),
        prior: String::new(),
    };
    for path in ["endpoints", "sizes", "workload.divide", "all_policies", "sharing"] {
        scenario.sources.insert(path.to_owned(), note.clone());
    }
    scenario.name.push_str("-calibrated");
    scenario.live = None;
    scenario.mix.latencies.clone_from(&note.cite);
    scenario.mix.tokens = note.cite;
    let calls = runs.iter().map(|r| r.calls.len()).sum();
    let (instructions_tokens, tokens_per_estimate) = (lengths.instructions, lengths.ratio);
    Ok(Learned { scenario, latencies, runs: runs.len(), calls, instructions_tokens, tokens_per_estimate, told })
}

/// Laws of all endpoints that were called; code costs nothing.
///
/// # Errors
/// Why an endpoint's law cannot be fitted.
fn endpoints(
    scenario: &mut Scenario,
    runs: &[Recording],
    told: &mut Vec<String>,
) -> Result<BTreeMap<String, LatencyFit>, String> {
    let mut served: BTreeMap<&str, Vec<Served>> = BTreeMap::new();
    let mut by_code: Vec<Purpose> = Vec::new();
    // Of each endpoint's calls: estimated, tried or asked again, without an answer.
    let mut unclean: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for (run, recording) in runs.iter().enumerate() {
        for (_, call) in &recording.calls {
            if call.endpoint == CODE {
                by_code.push(call.purpose);
                continue;
            }
            let (Some(from), Some(until)) = (call.dispatched_ns, call.completed_ns) else { continue };
            let repaired = call.response.as_ref().is_some_and(|r| r.unreadable_text.is_some());
            let usage = &call.usage;
            let counts = unclean.entry(&call.endpoint).or_default();
            counts[0] += usize::from(usage.estimated);
            counts[1] += usize::from(call.retries > 0 || repaired);
            counts[2] += usize::from(call.status != Status::Ok);
            served.entry(&call.endpoint).or_default().push(Served {
                run: run as u64,
                from_s: seconds(from),
                until_s: seconds(until),
                completion: usage.completion_tokens,
                uncached: usage.prompt_tokens.saturating_sub(usage.cached_tokens),
                cached: usage.cached_tokens,
                clean: call.status == Status::Ok && call.retries == 0 && !repaired && !usage.estimated,
            });
        }
    }
    let mut fits = BTreeMap::new();
    for (name, served) in served {
        let Some(fit) = latency(&served) else {
            let [estimated, again, unanswered] = unclean.get(name).copied().unwrap_or_default();
            return Err(format!(
                "no latency law can be fitted for the endpoint {name}: of {} calls none is one undisturbed try with known \
                 tokens ({estimated} with estimated usage, {again} tried or asked again, {unanswered} without an answer)",
                served.len()
            ));
        };
        if !fit.identified {
            told.push(format!(
                "{name}: calls hardly overlapped, so what streams do to each other is not known; stream_slowdown stays 0."
            ));
        }
        let cached = served.iter().map(|s| s.cached).filter(|n| *n > 0).min();
        if let Some(endpoint) = scenario.endpoints.get_mut(name) {
            endpoint.preset = None;
            endpoint.base_s = fit.endpoint.base_s;
            endpoint.completion_s_per_token = fit.endpoint.completion_s_per_token;
            endpoint.long_completion_tokens = Limit::Unlimited;
            endpoint.uncached_s_per_ktoken = fit.endpoint.uncached_s_per_ktoken;
            endpoint.cached_s_per_ktoken = fit.endpoint.cached_s_per_ktoken;
            endpoint.item_s = 0.0;
            endpoint.noise = fit.endpoint.noise.clone();
            endpoint.agent_sigma = 0.0;
            endpoint.stream_slowdown = fit.endpoint.stream_slowdown;
            endpoint.cache.enabled = cached.is_some();
            endpoint.cache.min_tokens = cached.unwrap_or(1).min(u64::from(u32::MAX)) as u32;
            endpoint.cache.lifetime_s = 3600.0;
        }
        fits.insert(name.to_owned(), fit);
    }
    by_code.sort_unstable();
    by_code.dedup();
    if !by_code.is_empty() {
        scenario.endpoints.insert(CODE.to_owned(), EndpointSpec { by_code: true, ..EndpointSpec::default() });
    }
    for purpose in by_code {
        scenario.roles.insert(purpose.name().to_owned(), CODE.to_owned());
    }
    if fits.is_empty() {
        return Err("no latency law can be fitted: no call of an endpoint left".to_owned());
    }
    Ok(fits)
}

fn seconds(ns: u64) -> f64 {
    Span::from_nanos(ns).as_secs_f64()
}
