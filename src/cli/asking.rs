//! Asking a scenario a question: load it, ask, print the page, store the files.

use super::flags::{ChangeArgs, OutputArgs};
use super::format::Format;
use super::progress::Progress;
use super::study::announce;
use super::{DONE, UsageError, output};
use crate::experiment::asked::{Answer, AskError, Asked, Manner, ask};
use crate::experiment::{Scenario, embedded};
use crate::policy::Catalog;
use crate::report::asked::{Page, results};
use crate::report::{self, Command, Manifest};
use anyhow::Result;
use clap::Args;
use std::num::NonZeroUsize;

/// What every question takes.
#[derive(Clone, Debug, Default, Args)]
pub struct AskArgs {
    /// Scenario file or name of an embedded scenario
    #[arg(default_value = embedded::DEFAULT, value_name = "SCENARIO")]
    pub scenario: String,
    /// Write no figures
    #[arg(long)]
    pub no_figures: bool,
    /// Changes to the scenario.
    #[command(flatten)]
    pub change: ChangeArgs,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Asks, prints the page, stores the files.
pub(super) fn execute(
    command: Command,
    asked: &Asked,
    flags: &[(&str, String)],
    args: &AskArgs,
    catalog: &Catalog,
) -> Result<u8> {
    let scenario = super::load(&args.scenario, &args.change.overrides(catalog))?;
    let mut told = args.change.told();
    told.extend(flags.iter().cloned());
    told.extend(args.no_figures.then(|| ("no-figures", String::new())));
    let manifest = Manifest::announce(command, &scenario, !args.no_figures).asking(asked.clone()).typed(&told);
    let plan = announce(manifest, &args.output)?;
    let answer = answer(&scenario, asked, args.output.jobs, args.output.quiet)?;
    let stored = report::store_results(&plan, results(&scenario, &answer, plan.figures()))?;
    print(&Page::of(&scenario, &answer), args.output.format)?;
    if !args.output.quiet {
        output::say(&stored.to_string());
    }
    Ok(DONE)
}

/// Asks; what does not fit the scenario is a fault of usage.
pub(super) fn answer(scenario: &Scenario, asked: &Asked, jobs: Option<NonZeroUsize>, quiet: bool) -> Result<Answer> {
    let progress = Progress::new(quiet);
    let tick = |done, total| progress.tick(done, total);
    let manner = Manner { jobs: jobs.map_or(0, NonZeroUsize::get), progress: Some(&tick) };
    let answer = ask(scenario, asked, &manner);
    progress.clear();
    answer.map_err(|error| match error {
        AskError::Usage(why) => UsageError(why).into(),
        AskError::Scenario(fault) => fault.into(),
        AskError::Run(error) => error.into(),
    })
}

/// Prints a page: sentences around the table for people, the table alone for programs.
fn print(page: &Page, format: Format) -> Result<()> {
    let table = output::table(format, &page.header, &page.rows)?;
    match format {
        Format::Table | Format::Md => output::print(&format!("{}\n{table}\n\n{}", page.head(), page.foot())),
        Format::Json | Format::Csv => output::print(&table),
    }
}
