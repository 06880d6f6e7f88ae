//! Strict replay of a whole transcript.

use super::{ReplayError, scenario_of};
use crate::experiment::cells::{MEASURED, SIMULATED};
use crate::experiment::conduct::{assemble, points};
use crate::experiment::replication::{Point, Run, endpoint_names};
use crate::experiment::study::Study;
use crate::runtime::replay::{Divergence, Strict};
use crate::runtime::transcript::{Origin, Reader, Recording, Recordings, Status};
use crate::runtime::{Trace, drive};
use std::path::Path;

/// Asks the policies of a transcript again and makes the study that its scenario gave; `progress` hears of runs done.
///
/// # Errors
/// [`ReplayError::Diverged`] where a policy does something else than recorded.
pub fn strict(path: &Path, progress: &dyn Fn(u64)) -> Result<Study, ReplayError> {
    let mut recordings = Recordings::new(Reader::open(path)?);
    let measured = recordings.reader().header().origin == Origin::Measured;
    let scenario = scenario_of(recordings.reader().header(), path)?;
    let points = points(&scenario, &scenario.policies)?;
    let endpoints = endpoint_names(&scenario);
    let mut runs: Vec<Vec<Run>> = points.iter().map(|_| Vec::new()).collect();
    let mut done = 0;
    while let Some(recording) = recordings.next_run()? {
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
        runs[i].push(replay(&points[i], recording, &endpoints, path)?);
        done += 1;
        progress(done);
    }
    let origin = if measured { MEASURED } else { SIMULATED };
    Ok(assemble(&scenario, false, origin, &points, &runs)?)
}

/// Replays one run.
fn replay(point: &Point, recording: Recording, endpoints: &[String], path: &Path) -> Result<Run, ReplayError> {
    let (number, replication, end) = (recording.run.run, recording.run.replication, recording.end.clone());
    let diverged = |divergence: Divergence| ReplayError::Diverged {
        path: path.to_owned(),
        run: number,
        policy: point.policy.to_owned(),
        agents: point.agents,
        replication,
        divergence: Box::new(divergence),
    };
    let open: Vec<u64> =
        recording.calls.iter().filter(|(_, c)| c.status == Status::Open).map(|(line, _)| *line).collect();
    let (mut policies, team) = point.policies();
    let trace = Trace::new(point.summary(&team), None);
    let mut world = Strict::new(recording, endpoints, trace, point.stop_after());
    let driven = drive(&mut world, &mut policies);
    if let Some(divergence) = world.divergence.take() {
        return Err(diverged(divergence));
    }
    driven?;
    if open.is_empty() && let Some(divergence) = world.left_over() {
        return Err(diverged(divergence));
    }
    let run = point.close(replication, world.trace)?;
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
