//! Studies out of recorded runs: the same report as a simulation gives, from a transcript.
//!
//! Invariant: what a replay yields depends on the transcript and the options alone; a recorded number is never replaced
//! by a modelled one without saying so.

mod counterfactual;
mod retimed;
mod strict;

pub use counterfactual::{
    AS_RECORDED, Basis, Counterfactual, Dependencies, Drawn, Estimate, Found, GivenPrice, Known, Lengths, Lost,
    MEASURES, Null, Prediction, PredictionError, PriceFile, Reading, Recorded, RecordedRuns, Row, Spread, Topology,
    counterfactual, given_price, predict,
};
pub use retimed::{Retimed, RetimedRun, retimed};
pub use strict::strict;

use super::reading;
use super::scenario::Scenario;
use super::validate;
use crate::policy::Catalog;
use crate::record::transcript::{Header, Origin, Recording, Recordings, TranscriptError};
use crate::runtime::RunError;
use crate::runtime::replay::{Divergence, contradiction, miscount};
use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::{Path, PathBuf};

/// What is said of imports in which nothing takes time.
const NO_TIMES: &str = "no call has a duration: the source tells no times, so there is nothing to hold against another \
                        topology or speed; import a log that has them, or name their field with --map";

/// Why a transcript could not be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The file cannot be read or says something else than the format.
    #[error(transparent)]
    Transcript(#[from] TranscriptError),
    /// The file is well-formed but cannot be used like this.
    #[error("{}: {problem}", path.display())]
    Unusable {
        /// File.
        path: PathBuf,
        /// Why, and what to do.
        problem: String,
    },
    /// A policy did something else than recorded.
    #[error("{}: run {run} (policy \"{policy}\", {agents} agents, replication {replication}): {divergence}", path.display())]
    Diverged {
        /// File.
        path: PathBuf,
        /// Number of the run in the file.
        run: u64,
        /// Policy.
        policy: String,
        /// Team size.
        agents: u32,
        /// Replication.
        replication: u64,
        /// How.
        divergence: Box<Divergence>,
    },
    /// A run failed.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// The header of a transcript of a scenario's runs.
pub fn header(scenario: &Scenario, origin: Origin) -> Header {
    Header {
        scenario: Some(serde_json::to_value(scenario).expect("plain values become JSON")),
        endpoints: super::replication::endpoint_names(scenario),
        ..Header::new(origin)
    }
}

/// The scenario that a transcript was made with.
fn scenario_of(header: &Header, path: &Path, catalog: &Catalog) -> Result<Scenario, ReplayError> {
    let unusable = |problem: String| ReplayError::Unusable { path: path.to_owned(), problem };
    let Some(value) = &header.scenario else {
        let from = header.imported_from.as_deref().unwrap_or("another program");
        return Err(unusable(format!(
            "imported from {from}, so there is no policy to replay strictly; use --mode retimed or counterfactual"
        )));
    };
    let mut scenario: Scenario = reading::read_json(value)
        .map_err(|e| unusable(format!("field `scenario.{}` of the header: {}", e.key, e.wrong)))?;
    scenario.catalog = catalog.clone();
    match validate::validate(&scenario).first() {
        Some(fault) => Err(unusable(format!("the header's scenario: {fault}"))),
        None => Ok(scenario),
    }
}

/// The next run, if its calls do not contradict themselves.
fn next_run<R: BufRead>(recordings: &mut Recordings<R>, path: &Path) -> Result<Option<Recording>, ReplayError> {
    let Some(recording) = recordings.next_run()? else { return Ok(None) };
    match contradiction(&recording) {
        Some(found) => Err(at_line(path, found)),
        None => Ok(Some(recording)),
    }
}

/// The next run, if it is what its own lines say; for modes that ask no policy, which would find out.
fn next_counted_run<R: BufRead>(recordings: &mut Recordings<R>, path: &Path) -> Result<Option<Recording>, ReplayError> {
    let Some(recording) = next_run(recordings, path)? else { return Ok(None) };
    match miscount(&recording) {
        Some(found) => Err(at_line(path, found)),
        None => Ok(Some(recording)),
    }
}

fn at_line(path: &Path, (line, problem): (u64, String)) -> ReplayError {
    TranscriptError::Line { path: path.to_owned(), line, problem }.into()
}

/// Why a run is not whole, if it is not.
fn unfinished(recording: &Recording) -> Option<&'static str> {
    match &recording.end {
        None => Some("it has no `end` record: it was interrupted"),
        Some(end) if !end.complete => Some("it was stopped before its end"),
        Some(_) => None,
    }
}

/// What is said of runs that are not whole, by how many there are of each kind.
fn told_of_unfinished(parts: &[Option<&'static str>]) -> Vec<String> {
    let mut counts = BTreeMap::new();
    for why in parts.iter().flatten() {
        *counts.entry(*why).or_insert(0_u64) += 1;
    }
    let told = |(why, n): (&str, u64)| {
        let of = if n == 1 { "of 1 run".to_owned() } else { format!("of each of {n} runs") };
        format!("only a part {of} is there, and what is there is taken as the whole ({why})")
    };
    counts.into_iter().map(told).collect()
}
