//! `reproduce`: run an output directory's command again and compare all bytes.

use super::args::ReproduceArgs;
use super::progress::Progress;
use super::{DONE, FAILED, output};
use crate::experiment::{Options, conduct, validate};
use crate::policy::Catalog;
use crate::report::{self, Command};
use anyhow::{Result, bail};
use std::num::NonZeroUsize;

/// Reads the manifest, runs its scenario, compares.
pub fn execute(args: &ReproduceArgs, catalog: &Catalog) -> Result<u8> {
    let mut manifest = report::directory::read(&args.directory)?;
    if manifest.input.is_some() {
        let told = "it rests on a file of its own, not on its scenario alone; run the command that made it again";
        bail!(super::UsageError(format!("{}: {told}", args.directory.join("manifest.json").display())));
    }
    manifest.scenario.catalog = catalog.clone();
    if let Some(fault) = validate(&manifest.scenario).first() {
        bail!(super::UsageError(format!("{}: {fault}", args.directory.join("manifest.json").display())));
    }
    if let Some(asked) = &manifest.asked {
        let answer = super::asking::answer(&manifest.scenario, asked, args.jobs, args.quiet)?;
        let again = report::asked::results(&manifest.scenario, &answer, &manifest.command_line, manifest.figures);
        return told(&report::compare_results(&args.directory, &again)?);
    }
    let progress = Progress::new(args.quiet);
    let tick = |done, total| progress.tick(done, total);
    let jobs = args.jobs.map_or(0, NonZeroUsize::get);
    let compare = manifest.command == Command::Compare;
    let study = conduct(&manifest.scenario, &Options { jobs, compare, progress: Some(&tick), transcript: None });
    progress.clear();
    told(&report::compare(&args.directory, &study?)?)
}

/// Says what was found.
fn told(found: &report::Reproduction) -> Result<u8> {
    output::print(&found.to_string())?;
    Ok(if found.agrees() { DONE } else { FAILED })
}
