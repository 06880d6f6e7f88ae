//! `run`: simulate scenarios and check them against the closed forms they state.

use super::args::RunArgs;
use super::record::Record;
use super::study::{announce, conduct_announced};
use super::{DONE, MISSED, UsageError, output};
use crate::experiment::Scenario;
use crate::experiment::replication::{Point, Sinks};
use crate::policy::Catalog;
use crate::report::{self, Command, Manifest};
use anyhow::{Context, Result};
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

/// Loads all scenarios before any of them runs; exits with 3 if a closed form is missed.
pub fn execute(args: &RunArgs, catalog: &Catalog) -> Result<u8> {
    let overrides = args.change.overrides(catalog);
    let scenarios =
        args.scenarios.iter().map(|source| super::load(source, &overrides)).collect::<Result<Vec<_>, _>>()?;
    if scenarios.len() > 1
        && (args.output.output_dir.is_some() || args.trace.is_some() || args.record.is_some() || args.raw.is_some())
    {
        return Err(UsageError("--output-dir, --trace, --raw and --record go with one scenario".to_owned()).into());
    }
    let scenarios: Vec<Scenario> = scenarios.into_iter().map(|s| if args.full { s.full() } else { s }).collect();
    let mut told = args.change.told();
    told.extend(args.full.then(|| ("full", String::new())));
    let plans = scenarios
        .iter()
        .map(|s| announce(Manifest::announce(Command::Run, s, false).typed(&told), &args.output))
        .collect::<Result<Vec<_>, _>>()?;
    if let Some(path) = &args.trace {
        trace(&scenarios[0], path)?;
    }
    let mut missed = 0;
    for (scenario, plan) in scenarios.iter().zip(&plans) {
        let record = args.record.as_deref().map(|path| Record::begin(path, scenario)).transpose()?;
        let transcript = record.as_ref().map(Record::sink);
        let (study, stored) = conduct_announced(scenario, plan, false, &args.output, transcript)?;
        if let Some(record) = record {
            record.finish()?;
        }
        if let Some(path) = &args.raw {
            super::whole::write(path, report::files::raw_csv(&study))?;
        }
        output::print(&report::render(&study, args.output.format.into()))?;
        if !args.output.quiet {
            output::say(&stored.to_string());
        }
        missed += study.checks.iter().filter(|c| !c.holds).count();
    }
    if missed > 0 {
        output::say(&format!("error: {missed} closed form(s) missed; see the rows marked above"));
    }
    Ok(if missed > 0 { MISSED } else { DONE })
}

/// The first replication of the first cell, as JSON Lines.
fn trace(scenario: &Scenario, path: &Path) -> Result<()> {
    let file = File::create(path).with_context(|| format!("cannot write the trace {}", path.display()))?;
    let point = Point::new(scenario, &scenario.policies[0], scenario.agents[0])?;
    point.run(0, Sinks { trace: Some(Box::new(BufWriter::new(file))), transcript: None })?;
    Ok(())
}
