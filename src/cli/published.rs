//! `published`: every published row of a scenario's workload beside what is simulated.

use super::args::PublishedArgs;
use super::progress::Progress;
use super::{DONE, UsageError, output};
use crate::experiment::Options;
use crate::experiment::published::held;
use crate::policy::Catalog;
use crate::report;
use anyhow::Result;
use std::num::NonZeroUsize;

/// Simulates the points that published rows are of, and prints all rows, misses first. A miss is a finding and no failure.
pub fn execute(args: &PublishedArgs, catalog: &Catalog) -> Result<u8> {
    let scenario = super::load(&args.scenario, &args.change.overrides(catalog))?;
    let progress = Progress::new(args.quiet);
    let tick = |done, total| progress.tick(done, total);
    let jobs = args.jobs.map_or(0, NonZeroUsize::get);
    let found = held(&scenario, &Options { jobs, progress: Some(&tick), ..Options::default() });
    progress.clear();
    let Some(found) = found? else {
        let why =
            "workload: recorded runs are no published set; name a scenario whose workload is `search` or `divide`";
        return Err(UsageError(format!("{}: {why}", args.scenario)).into());
    };
    output::print(&report::published::render(&scenario, &found, args.format.into()))?;
    Ok(DONE)
}
