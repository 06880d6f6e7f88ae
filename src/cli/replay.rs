//! `replay`: recorded runs again.

use super::args::OutputArgs;
use super::compare::announce;
use super::progress::Progress;
use super::{DONE, output};
use crate::experiment::replay;
use crate::report::{self, Command};
use anyhow::Result;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// How to replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// The policies must ask for exactly what was recorded; same trace digest, same metrics
    Strict,
    /// The recorded calls at another speed or under other limits
    Retimed,
    /// The recorded work under other topologies
    Counterfactual,
}

/// `replay`.
#[derive(Clone, Debug, Args)]
pub struct ReplayArgs {
    /// Transcript (JSON Lines, plain or gzip), from --record, `live` or `import`
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// How
    #[arg(long, value_enum)]
    pub mode: Mode,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Replays, prints and stores; exits with 4 if a policy departs from the recording.
pub fn execute(args: &ReplayArgs) -> Result<u8> {
    match args.mode {
        Mode::Strict => strict(args),
        Mode::Retimed | Mode::Counterfactual => todo!(),
    }
}

fn strict(args: &ReplayArgs) -> Result<u8> {
    let progress = Progress::new(args.output.quiet);
    let study = replay::strict(&args.file, &|done| progress.tick(done, 0));
    progress.clear();
    let study = study?;
    let plan = announce(Command::Run, &study.scenario, false, &args.output)?;
    let stored = report::store(&plan, &study)?;
    output::print(&report::render(&study, args.output.format.into()))?;
    if !args.output.quiet {
        output::say(&format!("every call was asked for as recorded; trace digest {}", study.digest));
        output::say(&stored.to_string());
    }
    Ok(DONE)
}
