//! `flip`: what would have to be otherwise for a difference to change its sign.

use super::asking::{self, AskArgs};
use super::flags::team_size;
use crate::experiment::asked::{Asked, FlipAsked, Pair};
use crate::policy::Catalog;
use crate::report::Command;
use anyhow::Result;
use clap::Args;

/// `flip`.
#[derive(Clone, Debug, Args)]
pub struct FlipArgs {
    /// Whose difference; the first policy of the scenario without a lead and with a shared context if not given
    #[arg(long, value_name = "NAME")]
    pub subject: Option<String>,
    /// Its rival, or `best-central`; the scenario's baseline if not given
    #[arg(long, value_name = "NAME")]
    pub against: Option<String>,
    /// Metric that differs
    #[arg(long, value_name = "NAME", default_value = "pass")]
    pub metric: String,
    /// Team size of both; the scenario's size nearest to 4 if not given
    #[arg(long, value_name = "N", value_parser = team_size())]
    pub team: Option<u32>,
    /// Draw all priors at once, so many times: in how many draws is the policy better?
    #[arg(long, value_name = "DRAWS", default_value_t = 0)]
    pub uncertain: u32,
    /// Scenario and output.
    #[command(flatten)]
    pub ask: AskArgs,
}

/// Asks, prints, stores.
pub fn execute(args: &FlipArgs, catalog: &Catalog) -> Result<u8> {
    let pair = Pair {
        policy: args.subject.clone(),
        against: args.against.clone(),
        metric: Some(args.metric.clone()),
        agents: args.team,
    };
    let asked = Asked::Flip(FlipAsked { pair, uncertain: args.uncertain });
    let mut told = Vec::new();
    told.extend(args.subject.clone().map(|name| ("subject", name)));
    told.extend(args.against.clone().map(|name| ("against", name)));
    told.push(("metric", args.metric.clone()));
    told.extend(args.team.map(|n| ("team", n.to_string())));
    if args.uncertain > 0 {
        told.push(("uncertain", args.uncertain.to_string()));
    }
    asking::execute(Command::Flip, &asked, &told, (&args.ask, None), catalog)
}
