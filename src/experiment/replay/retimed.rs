//! Retimed replay of a whole transcript: what the recorded calls would have taken at another speed or under limits.

use super::counterfactual::{AS_RECORDED, of_recordings};
use super::{NO_TIMES, ReplayError, next_counted_run, told_of_unfinished, unfinished};
use crate::experiment::cells::gather;
use crate::experiment::judgement::{Verdict, Warning};
use crate::experiment::metrics::Measures;
use crate::experiment::reading;
use crate::experiment::replication::Run;
use crate::experiment::scenario::Scenario;
use crate::experiment::study;
use crate::experiment::study::{Cell, Study};
use crate::model::workload::{RecordedSpec, Team};
use crate::record::transcript::{Origin, Reader, Recording, Recordings};
use crate::record::{Summary, Trace};
use crate::runtime::replay::{WhatIf, retime};
use serde::Serialize;
use std::path::Path;

/// One recorded run, as it was and as it would have been.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RetimedRun {
    /// Name of the session, or policy, team size and replication.
    pub run: String,
    /// Its calls.
    pub calls: u64,
    /// Makespan as recorded.
    pub recorded_s: f64,
    /// Makespan under the other conditions.
    pub retimed_s: f64,
    /// Time its calls would have waited for slots and limits, summed over calls.
    pub waited_s: f64,
    /// What its source does not tell.
    pub missing: String,
}

/// All runs of a transcript, retimed.
#[derive(Clone, Debug)]
pub struct Retimed {
    /// By run, in the order of the file.
    pub runs: Vec<RetimedRun>,
    /// The usual report, origin `replayed`.
    pub study: Study,
}

/// Replays a transcript under other conditions; `progress` hears of runs done.
///
/// # Errors
/// As the reader says, and for calls that wait for each other.
pub fn retimed(path: &Path, what_if: &WhatIf, progress: &dyn Fn(u64)) -> Result<Retimed, ReplayError> {
    let mut recordings = Recordings::new(Reader::open(path)?);
    let header = recordings.reader().header().clone();
    let mut rows = Vec::new();
    let mut parts = Vec::new();
    let mut groups: Vec<(String, u32, Vec<Run>)> = Vec::new();
    while let Some(recording) = next_counted_run(&mut recordings, path)? {
        let (row, run) = one(&recording, what_if).map_err(|problem| ReplayError::Unusable {
            path: path.to_owned(),
            problem: format!("run {}: {problem}", recording.run.run),
        })?;
        let policy = recording.run.policy.clone().unwrap_or_else(|| AS_RECORDED.to_owned());
        // Imported sessions differ in size; they are one population.
        let agents = if recording.run.policy.is_some() { recording.run.agents } else { 0 };
        match groups.iter_mut().find(|(p, n, _)| (p, *n) == (&policy, agents)) {
            Some((.., runs)) => runs.push(run),
            None => groups.push((policy, agents, vec![run])),
        }
        rows.push(row);
        parts.push(unfinished(&recording));
        progress(rows.len() as u64);
    }
    if rows.is_empty() {
        return Err(ReplayError::Unusable { path: path.to_owned(), problem: "it holds no run".to_owned() });
    }
    if header.origin == Origin::Imported && rows.iter().all(|row| row.recorded_s == 0.0) {
        return Err(ReplayError::Unusable { path: path.to_owned(), problem: NO_TIMES.to_owned() });
    }
    let most = rows.len() as u32;
    let scenario = scenario(path, header.scenario.as_ref(), &groups, most)?;
    let mut warnings = header.missing.clone();
    warnings.extend(recordings.reader().truncated().map(|how| format!("{how}; what was whole is replayed")));
    warnings.extend(told_of_unfinished(&parts));
    warnings.push("calls wait for what released them when they were recorded: no policy was asked again".to_owned());
    let simulated = header.origin == Origin::Simulated;
    if what_if != &WhatIf::default() && simulated {
        warnings
            .push("the recording is a simulation; simulating the other conditions asks its policies too".to_owned());
    }
    let study = study(scenario, &groups, verdict(&rows), warnings.into_iter().map(Warning::Told).collect());
    Ok(Retimed { runs: rows, study })
}

fn one(recording: &Recording, what_if: &WhatIf) -> Result<(RetimedRun, Run), String> {
    let r = &recording.run;
    let team = Team { workers: r.workers, leads: r.leads, lines: r.lines, budgets_per_line: 1, quality: 1.0 };
    let trace = Trace::new(Summary::new(&team, r.tasks, None, None), None);
    let trace = retime(recording, what_if, trace)?;
    let waits = [crate::model::note::Phase::SlotWait, crate::model::note::Phase::RateLimitWait];
    let waited = waits.iter().map(|p| trace.summary.workers.of(*p) + trace.summary.leads.of(*p));
    let waited_s = waited.map(crate::kernel::SpanSum::as_secs_f64).sum();
    let recorded_ns = recording
        .finishes
        .iter()
        .map(|f| f.at_ns)
        .chain(recording.calls.iter().filter_map(|(_, c)| c.completed_ns))
        .max()
        .unwrap_or(0);
    let named = || {
        let policy = r.policy.as_deref().unwrap_or("run");
        format!("{policy}, {} agents, replication {}", r.agents, r.replication)
    };
    let row = RetimedRun {
        run: r.name.clone().unwrap_or_else(named),
        calls: recording.calls.len() as u64,
        recorded_s: crate::kernel::Time::from_nanos(recorded_ns).as_secs_f64(),
        retimed_s: trace.summary.makespans.iter().max().map_or(0.0, |t| t.as_secs_f64()),
        waited_s,
        missing: unfinished(recording)
            .into_iter()
            .chain(r.missing.iter().map(String::as_str))
            .collect::<Vec<_>>()
            .join("; "),
    };
    let digest = trace.digest.finish();
    let priced = recording.calls.iter().all(|(_, call)| call.cost.is_known());
    Ok((row, Run { measures: Measures::of(&trace.summary, priced), digest }))
}

/// The scenario of the transcript, or one that says where its runs are from.
fn scenario(
    path: &Path,
    recorded: Option<&serde_json::Value>,
    groups: &[(String, u32, Vec<Run>)],
    runs: u32,
) -> Result<Scenario, ReplayError> {
    let unusable = |problem: String| ReplayError::Unusable { path: path.to_owned(), problem };
    let mut scenario = match recorded {
        Some(value) => reading::read_json::<Scenario>(value)
            .map_err(|e| unusable(format!("field `scenario` of the header: {}", e.wrong)))?,
        None => of_recordings(path, RecordedSpec::default(), runs),
    };
    scenario.name = format!("{}-retimed", scenario.name);
    "How long would the recorded calls have taken at this speed and under these limits?"
        .clone_into(&mut scenario.question);
    scenario.policies = groups.iter().map(|(policy, ..)| policy.clone()).collect();
    scenario.policies.dedup();
    scenario.agents = groups.iter().map(|(_, agents, _)| *agents).collect();
    scenario.agents.sort_unstable();
    scenario.agents.dedup();
    scenario.replications = groups.iter().map(|(.., runs)| runs.len() as u32).max().unwrap_or(1);
    scenario.expect.clear();
    Ok(scenario)
}

fn study(scenario: Scenario, groups: &[(String, u32, Vec<Run>)], verdict: Verdict, warnings: Vec<Warning>) -> Study {
    let mut hasher = blake3::Hasher::new();
    for run in groups.iter().flat_map(|(.., runs)| runs) {
        hasher.update(&run.digest);
    }
    let cells = groups.iter().map(|(policy, agents, runs)| Cell {
        policy: policy.clone(),
        agents: *agents,
        origin: study::Origin::Replayed,
        form: None,
        extrapolated: false,
        series: gather(runs),
    });
    Study {
        cells: cells.collect(),
        comparisons: Vec::new(),
        best_central: Vec::new(),
        checks: Vec::new(),
        verdicts: vec![verdict],
        warnings,
        inputs: crate::experiment::parameters::counts(&crate::experiment::parameters::parameters(&scenario)),
        digest: hasher.finalize().to_hex()[..16].to_owned(),
        scenario,
    }
}

fn verdict(rows: &[RetimedRun]) -> Verdict {
    let sum = |f: fn(&RetimedRun) -> f64| rows.iter().map(f).sum::<f64>();
    Verdict::Retimed {
        runs: rows.len(),
        recorded_s: sum(|r| r.recorded_s),
        retimed_s: sum(|r| r.retimed_s),
        exact: rows.iter().filter(|r| r.recorded_s == r.retimed_s).count(),
    }
}
