//! Conducting a study and putting it where the output flags say.

use super::flags::OutputArgs;
use super::progress::Progress;
use crate::experiment::{Options, Scenario, Study, conduct};
use crate::report::{self, DirectoryError, Manifest, Plan, Stored};
use anyhow::Result;
use std::io::Write;
use std::num::NonZeroUsize;
use std::sync::Mutex;

/// Leave to write the output directory, before minutes of work.
pub(super) fn announce(manifest: Manifest, args: &OutputArgs) -> Result<Plan, DirectoryError> {
    let default = || match manifest.asked {
        Some(_) => report::asked_dir(&manifest),
        None => report::default_dir(manifest.command, &manifest.scenario),
    };
    let dir = args.output_dir.clone().unwrap_or_else(default);
    report::plan(&dir, args.overwrite, manifest)
}

/// Conducts the announced study and stores it.
pub(super) fn conduct_announced(
    scenario: &Scenario,
    plan: &Plan,
    compare: bool,
    args: &OutputArgs,
    transcript: Option<&Mutex<dyn Write + Send>>,
) -> Result<(Study, Stored)> {
    let progress = Progress::new(args.quiet);
    let tick = |done, total| progress.tick(done, total);
    let jobs = args.jobs.map_or(0, NonZeroUsize::get);
    let study = conduct(scenario, &Options { jobs, compare, progress: Some(&tick), transcript });
    progress.clear();
    let study = study?;
    let stored = report::store(plan, &study)?;
    Ok((study, stored))
}
