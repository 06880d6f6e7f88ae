//! `compare`: policies against a baseline.

use super::args::CompareArgs;
use crate::experiment::Scenario;
use anyhow::Result;

/// Loads the scenario, simulates it, prints and saves the comparison.
pub fn execute(args: &CompareArgs) -> Result<u8> {
    let _scenario = Scenario::load(&args.scenario, &args.change.overrides())?;
    anyhow::bail!("compare is not wired yet")
}
