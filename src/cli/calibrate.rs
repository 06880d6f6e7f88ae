//! `calibrate`: endpoint presets from recorded calls.

use anyhow::Result;
use clap::Args;
use std::path::PathBuf;

/// `calibrate`.
#[derive(Clone, Debug, Args)]
pub struct CalibrateArgs {
    /// Log of recorded calls (CSV, gzip allowed)
    #[arg(value_name = "LOG")]
    pub log: PathBuf,
    /// Where presets go
    #[arg(long, value_name = "DIR")]
    pub output_dir: Option<PathBuf>,
}

/// Fits presets to a log.
pub fn execute(_args: &CalibrateArgs) -> Result<u8> {
    anyhow::bail!("calibrate is not wired yet")
}
