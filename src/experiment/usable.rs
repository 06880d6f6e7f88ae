//! Which points of a recorded live run are measurements: those where enough calls gave an answer that could be used.
//!
//! Invariant: a point that is not valid says why and what to mend; a recording that does not class its calls (simulated,
//! imported, older) tells nothing either way.

use crate::live::world::{Ending, Endings};
use crate::record::transcript::{Reader, Recording, Recordings, TranscriptError};
use std::collections::BTreeMap;
use std::path::Path;

/// A policy at a team size.
pub type PointName = (String, u32);

/// Ends of a recording's calls by point.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usable(BTreeMap<PointName, Endings>);

impl Usable {
    /// Reads a transcript, run by run.
    ///
    /// # Errors
    /// As the reader says.
    pub fn of(path: &Path) -> Result<Self, TranscriptError> {
        let mut recordings = Recordings::new(Reader::open(path)?);
        let mut usable = Self::default();
        while let Some(recording) = recordings.next_run()? {
            usable.take(&recording);
        }
        Ok(usable)
    }

    /// Takes in a run.
    pub fn take(&mut self, recording: &Recording) {
        let endings = self.0.entry(name(recording)).or_default();
        for ending in recording.calls.iter().filter_map(|(_, line)| Ending::of_line(line)) {
            endings.note(ending);
        }
    }

    /// Why a point is no measurement; `None` if it may be one.
    pub fn fault(&self, point: &PointName) -> Option<String> {
        self.0.get(point)?.fault()
    }

    /// All points that are no measurements, with the reason.
    pub fn faults(&self) -> Vec<String> {
        let faults = self.0.iter().filter_map(|((policy, agents), endings)| {
            Some(format!("{policy} with {agents} agents: {}", endings.fault()?))
        });
        faults.collect()
    }
}

/// The point of a recorded run.
pub fn name(recording: &Recording) -> PointName {
    (recording.run.policy.clone().unwrap_or_default(), recording.run.agents)
}
