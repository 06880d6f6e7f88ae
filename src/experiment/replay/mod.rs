//! Studies out of recorded runs: the same report as a simulation gives, from a transcript.
//!
//! Invariant: what a replay yields depends on the transcript and the options alone; a recorded number is never replaced
//! by a modelled one without saying so.

mod counterfactual;
mod retimed;
mod strict;
mod work;

pub use counterfactual::{Counterfactual, Recorded, RecordedRuns, counterfactual};
pub use retimed::{Retimed, RetimedRun, retimed};
pub use strict::strict;
pub use work::{AS_RECORDED, Dependencies, Found, Reading};

use super::scenario::Scenario;
use super::validate;
use crate::runtime::RunError;
use crate::runtime::replay::Divergence;
use crate::runtime::transcript::{Header, Origin, TranscriptError};
use std::path::PathBuf;

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
fn scenario_of(header: &Header, path: &std::path::Path) -> Result<Scenario, ReplayError> {
    let unusable = |problem: String| ReplayError::Unusable { path: path.to_owned(), problem };
    let Some(value) = &header.scenario else {
        let from = header.imported_from.as_deref().unwrap_or("another program");
        return Err(unusable(format!(
            "imported from {from}, so there is no policy to replay strictly; use --mode retimed or counterfactual"
        )));
    };
    let scenario: Scenario = serde_path_to_error::deserialize(value)
        .map_err(|e| unusable(format!("field `scenario.{}` of the header: {}", e.path(), e.inner())))?;
    match validate::validate(&scenario).first() {
        Some(fault) => Err(unusable(format!("the header's scenario: {fault}"))),
        None => Ok(scenario),
    }
}
