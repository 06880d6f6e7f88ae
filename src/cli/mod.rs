//! The command line: what was typed becomes calls into the library; results become text and an exit code.
//!
//! Invariant: data goes to standard output, everything else to standard error; a usage or configuration error exits
//! with 2 and leaves nothing behind.

mod against;
pub mod args;
mod asking;
pub mod calibrate;
pub mod compare;
pub mod completions;
pub mod define;
pub mod explain;
pub mod fit;
pub mod flags;
pub mod flip;
pub mod format;
mod gates;
pub mod import;
mod import_check;
pub mod init;
pub mod list;
pub mod live;
pub mod output;
pub mod params;
mod progress;
pub mod published;
mod record;
pub mod replay;
pub mod reproduce;
pub mod run;
pub mod schema;
mod study;
pub mod tune;
mod whole;

use crate::experiment::replay::ReplayError;
use crate::experiment::{Overrides, Scenario, ScenarioError};
use crate::policy::Catalog;
use crate::report::DirectoryError;
use args::{Cli, Command, CompareArgs};
use clap::Parser;
use std::process::ExitCode;

/// Exit code: done.
pub const DONE: u8 = 0;
/// Exit code: a run failed.
pub const FAILED: u8 = 1;
/// Exit code: usage or configuration.
pub const USAGE: u8 = 2;
/// Exit code: a closed form or gate was missed.
pub const MISSED: u8 = 3;

/// Exit code: a policy did something else than recorded.
pub const DIVERGED: u8 = 4;
/// Exit code: interrupted.
pub const INTERRUPTED: u8 = 130;

/// An error of usage or configuration: exit code 2, nothing written.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Loads a scenario, and tells what of it does not act.
fn load(source: &str, overrides: &Overrides) -> Result<Scenario, ScenarioError> {
    let scenario = Scenario::load(source, overrides)?;
    tell_left_out(&scenario);
    Ok(scenario)
}

fn tell_left_out(scenario: &Scenario) {
    for unread in &scenario.left_out {
        output::say(&format!("note: {unread}"));
    }
}

/// Runs the command that was typed; names of policies stand for those of the catalogue.
///
/// A program of your own is the whole of `delm-sim` with your policies besides:
///
/// ```no_run
/// # use delm_sim::policy::Catalog;
/// fn main() -> std::process::ExitCode {
///     delm_sim::cli::run(&Catalog::default()) // .with("mine", MyFactory)
/// }
/// ```
pub fn run(catalog: &Catalog) -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command.unwrap_or_else(|| Command::Compare(CompareArgs::from(cli.bare))) {
        Command::Run(args) => run::execute(&args, catalog),
        Command::Compare(args) => compare::execute(&args, catalog),
        Command::Explain(args) => explain::execute(&args, catalog),
        Command::Live(args) => live::execute(&args, catalog),
        Command::Params(args) => params::execute(&args, catalog),
        Command::Published(args) => published::execute(&args, catalog),
        Command::Calibrate(args) => calibrate::execute(&args),
        Command::Fit(args) => fit::execute(&args, catalog),
        Command::Flip(args) => flip::execute(&args, catalog),
        Command::Tune(args) => tune::execute(&args, catalog),
        Command::Replay(args) => replay::execute(&args, catalog),
        Command::Import(args) => import::execute(&args),
        Command::Reproduce(args) => reproduce::execute(&args, catalog),
        Command::Schema(args) => schema::execute(&args),
        Command::Init(args) => init::execute(&args),
        Command::List(args) => list::execute(&args, catalog),
        Command::Define(args) => define::execute(&args),
        Command::Completions(args) => completions::execute(&args),
    };
    ExitCode::from(done.unwrap_or_else(|error| report(&error)))
}

/// An error with its causes; words that the one above has said already are not said again.
fn told(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// Says what went wrong, and which exit code that is.
fn report(error: &anyhow::Error) -> u8 {
    if output::is_broken_pipe(error) {
        return DONE;
    }
    if let Some(error) = error.downcast_ref::<ScenarioError>() {
        for line in error.to_string().lines() {
            output::say(&format!("error: {line}"));
        }
        return USAGE;
    }
    output::say(&format!("error: {}", told(error)));
    if let Some(error) = error.downcast_ref::<DirectoryError>() {
        return error.exit_code();
    }
    if let Some(error) = error.downcast_ref::<ReplayError>() {
        return match error {
            ReplayError::Diverged { .. } => DIVERGED,
            ReplayError::Run(_) => FAILED,
            ReplayError::Transcript(_) | ReplayError::Unusable { .. } => USAGE,
        };
    }
    if error.is::<UsageError>() { USAGE } else { FAILED }
}
