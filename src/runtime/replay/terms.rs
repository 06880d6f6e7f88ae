//! What a recorded run is replayed against.

use crate::record::transcript::RunLine;
use crate::runtime::Fleet;
use std::sync::Arc;

/// The scenario's side of a strict replay.
pub struct Terms<'a> {
    /// Who serves whom, at which price.
    pub fleet: Arc<Fleet>,
    /// Names of the endpoints by number, as the recorder was told them.
    pub endpoints: &'a [String],
    /// How the scenario begins the run.
    pub run: RunLine,
    /// Counted replies after which the run is stopped.
    pub stop_after: Option<u64>,
    /// Plans are lists of subtasks, not decisions.
    pub subtasks: bool,
    /// Real calls and a real clock.
    pub measured: bool,
}
