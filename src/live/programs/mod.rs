//! Programs that a model writes: run in a process of their own, with limits on time, memory and output. This is no
//! sandbox: whoever runs them trusts the model, or the container around.
//!
//! Invariant: a program sees neither keys nor other variables of the environment, and leaves nothing behind that it wrote
//! where it was started.

mod run;

pub use run::{Ran, run};

use crate::live::questions::{Case, Problem, QuestionsError, problems};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Problems and how programs for them are run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProgramsSpec {
    /// Problems as JSON Lines; this program's own if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Problems passed over at the start (count).
    pub skip: u32,
    /// Problems at most (count).
    pub limit: u32,
    /// What runs a program; the file's name comes last.
    pub command: Vec<String>,
    /// Seconds for a run, of the clock and of the processor.
    pub seconds: f64,
    /// Memory of a run (MiB).
    pub memory_mb: u32,
    /// Output of a run (KiB).
    pub output_kb: u32,
    /// Completion of a step that writes a program (tokens at most).
    pub step_tokens: u32,
}

impl Default for ProgramsSpec {
    fn default() -> Self {
        let command = ["python3", "-I", "-S", "-B"].map(str::to_owned).to_vec();
        let (seconds, memory_mb, output_kb, step_tokens) = (5.0, 512, 256, 1024);
        Self { path: None, skip: 0, limit: 10, command, seconds, memory_mb, output_kb, step_tokens }
    }
}

impl ProgramsSpec {
    /// The problems.
    ///
    /// # Errors
    /// A file that cannot be read, or holds something else.
    pub fn load(&self) -> Result<Vec<Problem>, QuestionsError> {
        problems::load(self.path.as_deref(), self.skip, self.limit)
    }

    /// Runs a program on a case: what came of it, and whether that is right.
    pub fn try_on(&self, program: &str, case: &Case) -> (Ran, bool) {
        let ran = run(self, program, &case.input);
        let right = matches!(&ran, Ran::Ended(output) if bare(output) == bare(&case.output));
        (ran, right)
    }
}

/// Without white space at the ends of lines and of the text.
fn bare(text: &str) -> Vec<&str> {
    text.trim_end().lines().map(str::trim_end).collect()
}
