//! `run`: simulate scenarios and check them against closed forms.

use super::args::RunArgs;
use crate::experiment::Scenario;
use anyhow::Result;

/// Loads all scenarios before any of them runs.
pub fn execute(args: &RunArgs) -> Result<u8> {
    let overrides = args.change.overrides();
    let _scenarios = args
        .scenarios
        .iter()
        .map(|source| Scenario::load(source, &overrides))
        .collect::<Result<Vec<_>, _>>()?;
    anyhow::bail!("run is not wired yet")
}
