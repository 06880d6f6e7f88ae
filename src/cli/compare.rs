//! `compare`: policies against a baseline.

use super::args::{CompareArgs, QuestionArgs};
use super::asking::{AskArgs, amount, grid_told};
use super::format::Format;
use super::study::{announce, conduct_announced};
use super::{DONE, MISSED, UsageError, output};
use crate::experiment::asked::{Asked, EqualAsked, FactorialAsked, VaryAsked};
use crate::policy::Catalog;
use crate::report::{self, Command, Manifest};
use anyhow::Result;

/// Loads the scenario, simulates it, prints and saves the comparison.
pub fn execute(args: &CompareArgs, catalog: &Catalog) -> Result<u8> {
    if let Some(run) = &args.against {
        return super::against::execute(args, run, catalog);
    }
    if let Some((asked, told)) = question(&args.question)? {
        let ask = AskArgs {
            scenario: args.scenario.clone(),
            no_figures: args.no_figures,
            change: args.change.clone(),
            output: args.output.clone(),
        };
        return super::asking::execute(Command::Compare, &asked, &told, (&ask, None), catalog);
    }
    let scenario = super::load(&args.scenario, &args.change.overrides(catalog))?;
    if let Some(wrong) = args.gate.iter().find_map(|gate| gate.misplaced(&scenario)) {
        return Err(UsageError(wrong).into());
    }
    let mut told = args.change.told();
    told.extend(args.no_figures.then(|| ("no-figures", String::new())));
    let manifest = Manifest::announce(Command::Compare, &scenario, !args.no_figures).typed(&told);
    let plan = announce(manifest, &args.output)?;
    let (study, stored) = conduct_announced(&scenario, &plan, true, &args.output, None)?;
    if let Some(path) = &args.raw {
        super::whole::write(path, report::files::raw_csv(&study))?;
    }
    if args.output.format == Format::Table && !args.full {
        let changes = args.change.typed();
        let typed = report::first::Typed { scenario: &args.scenario, changes: &changes };
        output::print(&report::first::page(&study, typed))?;
    } else {
        output::print(&report::render(&study, args.output.format.into()))?;
    }
    if args.output.format == Format::Table {
        output::print(&format!("\n{stored}"))?;
    }
    let pass = super::gates::pass(&args.gate, &study, args.gate_report.as_deref())?;
    Ok(if pass { DONE } else { MISSED })
}

/// Flags as they were typed.
type Typed = Vec<(&'static str, String)>;

/// The question that the flags ask, if it is not the table of cells, and the flags as they were typed.
fn question(args: &QuestionArgs) -> Result<Option<(Asked, Typed)>> {
    let metric = args.metric.clone();
    let (asked, mut told) = if let Some(text) = &args.equal {
        let (spend, most) = amount("equal", text)?;
        let mut told = vec![("equal", text.clone())];
        told.extend(grid_told("grid", &args.grid));
        told.extend(args.subject.clone().map(|name| ("subject", name)));
        let (policy, grid) = (args.subject.clone(), args.grid.clone());
        (Asked::Equal(EqualAsked { spend, most, metric, policy, grid }), told)
    } else if args.factorial {
        let mut told = vec![("factorial", String::new())];
        told.extend(args.team.map(|n| ("team", n.to_string())));
        told.extend(args.tokens.map(|n| ("tokens", n.to_string())));
        (Asked::Factorial(FactorialAsked { metric, agents: args.team, tokens: args.tokens }), told)
    } else if !args.vary.is_empty() {
        (Asked::Vary(VaryAsked { axes: args.vary.clone(), metric }), grid_told("vary", &args.vary))
    } else {
        if metric.is_some() {
            let wrong = "--metric says what --equal, --factorial or --vary are about: ask one of them, or leave it out";
            return Err(UsageError(wrong.to_owned()).into());
        }
        return Ok(None);
    };
    told.extend(args.metric.clone().map(|name| ("metric", name)));
    Ok(Some((asked, told)))
}
