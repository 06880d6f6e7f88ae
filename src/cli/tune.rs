//! `tune`: every policy in its best form, found with the same budget of pilot runs.

use super::asking::{self, AskArgs, amount, grid_told};
use super::flags::team_size;
use crate::experiment::asked::{Asked, Axis, TuneAsked, axis};
use crate::policy::Catalog;
use crate::report::Command;
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;

/// `tune`.
#[derive(Clone, Debug, Args)]
pub struct TuneArgs {
    /// Metric to be made best
    #[arg(long, value_name = "NAME", default_value = "pass")]
    pub metric: String,
    /// What no policy is to exceed: cost_per_task_usd, total_tokens, makespan_s or agent_time_s; what the subject spends,
    /// if no value is given
    #[arg(long, value_name = "METRIC[=VALUE]")]
    pub within: Option<String>,
    /// The policy that the others are held against; the first without a lead and with a shared context if not given
    #[arg(long, value_name = "NAME")]
    pub subject: Option<String>,
    /// Team size; the scenario's size nearest to 4 if not given
    #[arg(long, value_name = "N", value_parser = team_size())]
    pub team: Option<u32>,
    /// Pilot runs for each policy; 50 times the replications if not given
    #[arg(long, value_name = "RUNS", value_parser = clap::value_parser!(u64).range(100..=10_000_000))]
    pub pilots: Option<u64>,
    /// Values to be tried of a setting, instead of those that are tried anyway; may be repeated
    #[arg(long, value_name = "KEY=A,B,C", value_parser = axis)]
    pub grid: Vec<Axis>,
    /// Write the scenario with the settings that were found
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Scenario and output.
    #[command(flatten)]
    pub ask: AskArgs,
}

/// Asks, prints, stores.
pub fn execute(args: &TuneArgs, catalog: &Catalog) -> Result<u8> {
    let (within, most) = match &args.within {
        Some(text) => amount("within", text).map(|(spend, most)| (Some(spend), most))?,
        None => (None, None),
    };
    let asked = Asked::Tune(TuneAsked {
        metric: Some(args.metric.clone()),
        within,
        most,
        policy: args.subject.clone(),
        agents: args.team,
        pilots: args.pilots,
        grid: args.grid.clone(),
    });
    let mut told = vec![("metric", args.metric.clone())];
    told.extend(args.within.clone().map(|text| ("within", text)));
    told.extend(args.subject.clone().map(|name| ("subject", name)));
    told.extend(args.team.map(|n| ("team", n.to_string())));
    told.extend(args.pilots.map(|n| ("pilots", n.to_string())));
    told.extend(grid_told("grid", &args.grid));
    let copy = args.output.as_deref().map(|path| ("tuned.toml", path));
    asking::execute(Command::Tune, &asked, &told, (&args.ask, copy), catalog)
}
