//! `completions`: scripts for shells.

use super::args::{Cli, CompletionsArgs};
use super::{DONE, output};
use anyhow::Result;
use clap::CommandFactory;

/// Prints the script.
pub fn execute(args: &CompletionsArgs) -> Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "delm-sim", &mut script);
    output::print(&String::from_utf8(script)?)?;
    Ok(DONE)
}
