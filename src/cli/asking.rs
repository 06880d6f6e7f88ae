//! Asking a scenario a question: load it, ask, print the page, store the files.

use super::flags::{ChangeArgs, OutputArgs};
use super::format::Format;
use super::progress::Progress;
use super::study::announce;
use super::{DONE, UsageError, output};
use crate::experiment::asked::{Answer, AskError, Asked, Axis, Manner, ask};
use crate::experiment::{Scenario, embedded};
use crate::policy::Catalog;
use crate::report::asked::{Page, results};
use crate::report::{self, Command, Manifest};
use anyhow::{Context, Result};
use clap::Args;
use std::num::NonZeroUsize;
use std::path::Path;

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

/// Reads `METRIC[=AMOUNT]` of a flag.
pub(super) fn amount(flag: &str, text: &str) -> Result<(String, Option<f64>), UsageError> {
    let Some((spend, most)) = text.split_once('=') else { return Ok((text.to_owned(), None)) };
    let most: Option<f64> = most.trim().parse().ok().filter(|most: &f64| most.is_finite() && *most > 0.0);
    let wrong = || UsageError(format!("--{flag} {text}: the amount must be a number above 0"));
    Ok((spend.trim().to_owned(), Some(most.ok_or_else(wrong)?)))
}

/// Axes as they were typed.
pub(super) fn grid_told(flag: &'static str, axes: &[Axis]) -> Vec<(&'static str, String)> {
    axes.iter().map(|axis| (flag, format!("{}={}", axis.key, axis.values.join(",")))).collect()
}

/// Asks, prints the page, stores the files; `copy` names one of them and where it goes besides.
pub(super) fn execute(
    command: Command,
    asked: &Asked,
    flags: &[(&str, String)],
    (args, copy): (&AskArgs, Option<(&str, &Path)>),
    catalog: &Catalog,
) -> Result<u8> {
    let scenario = super::load(&args.scenario, &args.change.overrides(catalog))?;
    let mut told = args.change.told();
    told.extend(flags.iter().cloned());
    told.extend(args.no_figures.then(|| ("no-figures", String::new())));
    let manifest = Manifest::announce(command, &scenario, !args.no_figures).asking(asked.clone()).typed(&told);
    if let Some((_, path)) = copy.filter(|(_, path)| path.exists() && !args.output.overwrite) {
        let told = format!("{} exists; choose another name, or replace it with --overwrite", path.display());
        return Err(UsageError(told).into());
    }
    let command_line = manifest.command_line.clone();
    let plan = announce(manifest, &args.output)?;
    let answer = answer(&scenario, asked, args.output.jobs, args.output.quiet)?;
    let results = results(&scenario, &answer, &command_line, plan.figures());
    if let Some((name, path)) = copy {
        let file = results.files.iter().find(|file| file.name == name).expect("the answer has this file");
        std::fs::write(path, &file.bytes).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let stored = report::store_results(&plan, results)?;
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
