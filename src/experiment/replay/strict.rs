//! Strict replay of a whole transcript.

use super::{ReplayError, next_run, scenario_of};
use crate::experiment::conduct::{assemble, points};
use crate::experiment::judgement::Warning;
use crate::experiment::replication::{Point, Run, endpoint_names};
use crate::experiment::scenario::Scenario;
use crate::experiment::study;
use crate::experiment::study::Study;
use crate::model::workload::WorkloadSpec;
use crate::policy::Catalog;
use crate::record::Trace;
use crate::record::transcript::{Header, Origin, Reader, Recording, Recordings};
use crate::runtime::drive;
use crate::runtime::replay::{Divergence, Strict, Terms};
use std::path::Path;

/// Asks the policies of a transcript, by their names in the catalogue, again and makes the study that its scenario gave; `progress` hears of runs done.
///
/// # Errors
/// [`ReplayError::Diverged`] where a policy does something else than recorded.
pub fn strict(path: &Path, catalog: &Catalog, progress: &dyn Fn(u64)) -> Result<Study, ReplayError> {
    let mut recordings = Recordings::new(Reader::open(path)?);
    let measured = recordings.reader().header().origin == Origin::Measured;
    let scenario = scenario_of(recordings.reader().header(), path, catalog)?;
    let mut points = points(&scenario, &scenario.policies)?;
    let endpoints = endpoints(recordings.reader().header(), &scenario, path)?;
    let mut runs: Vec<Vec<Run>> = points.iter().map(|_| Vec::new()).collect();
    let subtasks = !matches!(scenario.workload, WorkloadSpec::Search(_));
    let (mut done, mut left_out) = (0, Vec::new());
    while let Some(recording) = next_run(&mut recordings, path)? {
        let place = |problem: String| ReplayError::Unusable { path: path.to_owned(), problem };
        let (number, policy) = (recording.run.run, recording.run.policy.clone().unwrap_or_default());
        let agents = recording.run.agents;
        let i = points.iter().position(|p| p.policy == policy && p.agents == agents).ok_or_else(|| {
            place(format!("run {number}: policy \"{policy}\" with {agents} agents is not in the header's scenario"))
        })?;
        if recording.end.is_none() {
            return Err(place(match recordings.reader().truncated() {
                Some(how) => format!("{how}: run {number} is not whole; replay the runs before it or record it again"),
                None => format!("run {number} has no `end` record: it was interrupted"),
            }));
        }
        let stopped = recording.end.as_ref().is_some_and(|e| !e.complete) && points[i].stop_after().is_none();
        if stopped && measured {
            // A cap or an interruption ended it; it is in no metric of the live run either.
            left_out.push(number.to_string());
            continue;
        }
        if stopped {
            return Err(place(format!("run {number} was stopped before its end; only whole runs can be replayed")));
        }
        if recording.run.replication != runs[i].len() as u64 {
            let (found, due) = (recording.run.replication, runs[i].len());
            return Err(place(format!(
                "run {number}: field `replication`: {found} of policy \"{policy}\" with {agents} agents, but {due} is next"
            )));
        }
        runs[i].push(replay(&points[i], recording, &endpoints, (done, subtasks, measured), path)?);
        done += 1;
        progress(done);
    }
    let missing = points.iter().zip(&runs).find(|(_, runs)| runs.len() < scenario.replications as usize);
    // Live runs ask as many questions as there are, and a cap may end them early.
    let missing = missing.filter(|_| !measured);
    if let Some((point, found)) = missing {
        let cut = recordings.reader().truncated().map_or(String::new(), |how| format!("{how}: "));
        return Err(ReplayError::Unusable {
            path: path.to_owned(),
            problem: format!(
                "{cut}the header's scenario has {} runs of policy \"{}\" with {} agents, the file has {}; record it again",
                scenario.replications,
                point.policy,
                point.agents,
                found.len()
            ),
        });
    }
    if done == 0 && !left_out.is_empty() {
        let problem = "no run in it came to its end; go on with `delm-sim live` and --resume first".to_owned();
        return Err(ReplayError::Unusable { path: path.to_owned(), problem });
    }
    (points, runs) = points.into_iter().zip(runs).filter(|(_, runs)| !measured || !runs.is_empty()).unzip();
    let origin = if measured { study::Origin::Measured } else { study::Origin::Simulated };
    let mut study = assemble(&scenario, false, origin, &points, &runs)?;
    if !left_out.is_empty() {
        let told = format!("stopped before their end, hence not replayed: runs {}", left_out.join(", "));
        study.warnings.push(Warning::Told(told));
    }
    Ok(study)
}

/// Names of the endpoints by number, as the recorder was told them.
fn endpoints(header: &Header, scenario: &Scenario, path: &Path) -> Result<Vec<String>, ReplayError> {
    let names = endpoint_names(scenario);
    // Live runs name what plain code answers too.
    let fits = if header.origin == Origin::Measured {
        header.endpoints.starts_with(&names)
    } else {
        header.endpoints == names
    };
    if fits {
        return Ok(header.endpoints.clone());
    }
    let problem = format!(
        "field `endpoints` of the header: {:?}, but its scenario has {names:?}; the file was changed",
        header.endpoints
    );
    Err(ReplayError::Unusable { path: path.to_owned(), problem })
}

/// Replays one run.
fn replay(
    point: &Point,
    recording: Recording,
    endpoints: &[String],
    (place, subtasks, measured): (u64, bool, bool),
    path: &Path,
) -> Result<Run, ReplayError> {
    let (number, replication, end) = (recording.run.run, recording.run.replication, recording.end.clone());
    let diverged = |divergence: Divergence| ReplayError::Diverged {
        path: path.to_owned(),
        run: number,
        policy: point.policy.to_owned(),
        agents: point.agents,
        replication,
        divergence: Box::new(divergence),
    };
    let (mut policies, team) = point.policies();
    let trace = Trace::new(point.summary(&team), None);
    let terms = Terms {
        fleet: point.fleet.clone(),
        endpoints,
        run: point.run_line(place, replication, &team),
        stop_after: point.stop_after(),
        subtasks,
        measured,
    };
    let mut world = Strict::new(recording, terms, trace);
    let driven = drive(&mut world, &mut policies).map_err(|error| error.of(point.policy));
    if let Some(divergence) = world.divergence.take() {
        return Err(diverged(divergence));
    }
    driven?;
    // A run that was stopped has asked for its open calls too.
    if let Some(divergence) = world.left_over() {
        return Err(diverged(divergence));
    }
    let (trace, again) = world.into_parts();
    let (run, _) = point.close(replication, trace)?;
    if let Some(divergence) = again.first_difference() {
        return Err(diverged(divergence));
    }
    let digest = blake3::Hash::from_bytes(run.digest).to_hex().to_string();
    match end.and_then(|e| e.digest) {
        Some(recorded) if recorded != digest => Err(diverged(Divergence {
            line: None,
            what: "all calls agree, but the digest of the trace does not: times, costs or verdicts were changed".into(),
            field: Some("end.digest".to_owned()),
            recorded: Some(recorded),
            asked: Some(digest),
        })),
        _ => Ok(run),
    }
}
