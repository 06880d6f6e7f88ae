//! `compare`: policies against a baseline.

use super::args::CompareArgs;
use super::format::Format;
use super::study::{announce, conduct_announced};
use super::{DONE, output};
use crate::policy::Catalog;
use crate::report::{self, Command, Manifest};
use anyhow::Result;

/// Loads the scenario, simulates it, prints and saves the comparison.
pub fn execute(args: &CompareArgs, catalog: &Catalog) -> Result<u8> {
    if let Some(run) = &args.against {
        return super::against::execute(args, run, catalog);
    }
    let scenario = super::load(&args.scenario, &args.change.overrides(catalog))?;
    let mut told = args.change.told();
    told.extend(args.no_figures.then(|| ("no-figures", String::new())));
    let manifest = Manifest::announce(Command::Compare, &scenario, !args.no_figures).typed(&told);
    let plan = announce(manifest, &args.output)?;
    let (study, stored) = conduct_announced(&scenario, &plan, true, &args.output, None)?;
    output::print(&report::render(&study, args.output.format.into()))?;
    if args.output.format == Format::Table {
        output::print(&format!("\n{stored}"))?;
    }
    Ok(DONE)
}
