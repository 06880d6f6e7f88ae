//! `fit`: move assumed parameters of a scenario until simulated metrics meet published rows.

use super::flags::{ChangeArgs, jobs};
use super::format::Format;
use super::{DONE, MISSED, UsageError, output};
use crate::experiment::fit::{FitError, Free, Reached, Row, fit};
use crate::experiment::{Overrides, Scenario};
use crate::policy::Catalog;
use anyhow::Result;
use clap::Args;
use std::num::NonZeroUsize;

/// `fit`.
#[derive(Clone, Debug, Args)]
pub struct FitArgs {
    /// Scenario file or name of an embedded scenario
    #[arg(value_name = "SCENARIO")]
    pub scenario: String,
    /// A published row, as in `single@1:pass=0.539`; as many as there are `--free`, paired in order
    #[arg(long, required = true, value_name = "POLICY@N:METRIC=VALUE", value_parser = row)]
    pub row: Vec<Row>,
    /// A parameter to move, with its range, as in `workload.divide.answerable=0.4..0.95`
    #[arg(long, required = true, value_name = "PATH=LOW..HIGH", value_parser = free)]
    pub free: Vec<Free>,
    /// Threads; all cores if not given
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = jobs)]
    pub jobs: Option<NonZeroUsize>,
    /// Form of the table
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Changes to the scenario.
    #[command(flatten)]
    pub change: ChangeArgs,
}

fn row(text: &str) -> Result<Row, String> {
    let wrong = || "write POLICY@N:METRIC=VALUE, as in single@1:pass=0.539".to_owned();
    let (left, value) = text.split_once('=').ok_or_else(wrong)?;
    let (who, metric) = left.split_once(':').ok_or_else(wrong)?;
    let (policy, agents) = who.split_once('@').ok_or_else(wrong)?;
    Ok(Row {
        policy: policy.to_owned(),
        agents: agents.parse().ok().filter(|n| *n > 0).ok_or_else(wrong)?,
        metric: metric.to_owned(),
        value: value.parse().ok().filter(|v: &f64| v.is_finite()).ok_or_else(wrong)?,
    })
}

fn free(text: &str) -> Result<Free, String> {
    let wrong = || "write PATH=LOW..HIGH, as in workload.divide.answerable=0.4..0.95".to_owned();
    let (path, range) = text.split_once('=').ok_or_else(wrong)?;
    let (low, high) = range.split_once("..").ok_or_else(wrong)?;
    let number = |text: &str| text.parse().ok().filter(|v: &f64| v.is_finite()).ok_or_else(wrong);
    let (low, high) = (number(low)?, number(high)?);
    if low >= high { Err("LOW must be below HIGH".to_owned()) } else { Ok(Free { path: path.to_owned(), low, high }) }
}

/// Fits, then judges on replications that the fit has not seen; exits with 3 if a row is out of reach.
pub fn execute(args: &FitArgs, catalog: &Catalog) -> Result<u8> {
    if args.row.len() != args.free.len() {
        let (rows, free) = (args.row.len(), args.free.len());
        return Err(UsageError(format!("{rows} --row and {free} --free: give one row for each parameter")).into());
    }
    let load = |edits: &[String]| {
        let mut overrides: Overrides = args.change.overrides(catalog);
        overrides.set.extend_from_slice(edits);
        Scenario::load(&args.scenario, &overrides)
    };
    let scenario = load(&[])?;
    super::tell_left_out(&scenario);
    if let Some(row) = args.row.iter().find(|r| !scenario.policies.contains(&r.policy)) {
        let names = scenario.policies.join(", ");
        return Err(UsageError(format!("--row: `{}` is none of the scenario's policies ({names})", row.policy)).into());
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(args.jobs.map_or(0, NonZeroUsize::get)).build()?;
    let fitted =
        pool.install(|| fit(&load, &args.row, &args.free, scenario.replications)).map_err(|error| match error {
            FitError::Scenario(fault) => anyhow::Error::from(fault),
            FitError::NoMetric { .. } => UsageError(format!("--row: {error}")).into(),
            FitError::Run(error) => error.into(),
        })?;
    let header = ["parameter", "value", "row", "published", "fresh replications", "standard error", "reached"];
    let rows: Vec<Vec<String>> = args
        .free
        .iter()
        .zip(&args.row)
        .zip(&fitted)
        .map(|((free, row), f)| {
            vec![
                free.path.clone(),
                format!("{:.4}", f.value),
                format!("{}@{} {}", row.policy, row.agents, row.metric),
                format!("{}", row.value),
                format!("{:.4}", f.observed),
                f.standard_error.map(|e| format!("{e:.4}")).unwrap_or_default(),
                match f.reached {
                    Reached::Inside => "yes".to_owned(),
                    Reached::AtEnd => format!("no: the row lies outside {}..{}", free.low, free.high),
                },
            ]
        })
        .collect();
    output::print(&output::table(args.format, &header, &rows)?)?;
    Ok(if fitted.iter().all(|f| f.reached == Reached::Inside) { DONE } else { MISSED })
}
