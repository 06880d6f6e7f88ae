//! Flags that several commands share.

use super::format::Format;
use crate::experiment::Overrides;
use crate::experiment::validate::{MOST_AGENTS, MOST_REPLICATIONS};
use crate::policy::Catalog;
use clap::Args;
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// Flags that change a scenario.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Scenario")]
pub struct ChangeArgs {
    /// Set a key of the scenario, as in `sharing.respect=0.8`; may be repeated
    #[arg(long, value_name = "PATH=VALUE")]
    pub set: Vec<String>,
    /// Team sizes, as in `1,2,4`
    #[arg(long, value_delimiter = ',', value_name = "N", allow_negative_numbers = true)]
    #[arg(value_parser = team_size())]
    pub agents: Option<Vec<u32>>,
    /// Policies to run, as in `independent,delm-solvers`
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub policy: Option<Vec<String>>,
    /// Policy to compare with, or `best-central`
    #[arg(long, value_name = "NAME")]
    pub baseline: Option<String>,
    /// Seed of all random streams
    #[arg(long, value_name = "SEED", allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    pub seed: Option<u64>,
    /// Replications per cell
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_REPLICATIONS)))]
    pub replications: Option<u32>,
}

impl ChangeArgs {
    /// The flags that a scenario's own keys do not tell, for the manifest's command line.
    pub fn told(&self) -> Vec<(&'static str, String)> {
        self.set.iter().map(|edit| ("set", edit.clone())).collect()
    }

    /// All changes but for team sizes, as they were typed.
    pub fn typed(&self) -> Vec<(&'static str, String)> {
        let mut typed = self.told();
        typed.extend(self.policy.as_ref().map(|names| ("policy", names.join(","))));
        typed.extend(self.baseline.clone().map(|name| ("baseline", name)));
        typed.extend(self.seed.map(|seed| ("seed", seed.to_string())));
        typed.extend(self.replications.map(|n| ("replications", n.to_string())));
        typed
    }

    /// As the loader takes them.
    pub fn overrides(&self, catalog: &Catalog) -> Overrides {
        Overrides {
            catalog: catalog.clone(),
            set: self.set.clone(),
            agents: self.agents.clone(),
            policies: self.policy.clone(),
            baseline: self.baseline.clone(),
            seed: self.seed,
            replications: self.replications,
        }
    }
}

/// Flags of how to compute and where to put results; none of them changes a number.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Threads; all cores if not given
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[arg(value_parser = jobs)]
    pub jobs: Option<NonZeroUsize>,
    /// Where results go [default: delm-sim-out/<scenario>-<hash>]
    #[arg(long, value_name = "DIR")]
    pub output_dir: Option<PathBuf>,
    /// Replace what another command left in the output directory
    #[arg(long)]
    pub overwrite: bool,
    /// Form of the tables on standard output
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// No progress and no advice on standard error
    #[arg(long, short)]
    pub quiet: bool,
}

/// More threads than this are a slip of the hand.
const MOST_JOBS: usize = 4096;

/// A number of workers.
pub(super) fn team_size() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=i64::from(MOST_AGENTS))
}

pub(super) fn jobs(text: &str) -> Result<NonZeroUsize, String> {
    text.parse::<NonZeroUsize>()
        .ok()
        .filter(|n| n.get() <= MOST_JOBS)
        .ok_or_else(|| format!("must be a whole number from 1 to {MOST_JOBS}"))
}
