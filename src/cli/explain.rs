//! `explain`: why two policies differ in one replication.

use super::flags::team_size;
use super::format::Format;
use super::{DONE, UsageError, output, whole};
use crate::experiment::explain::{ExplainError, Question, explain};
use crate::experiment::{Overrides, Scenario, embedded, validate};
use crate::policy::Catalog;
use crate::report::{self, DirectoryError};
use anyhow::{Context, Result};
use clap::Args;
use std::path::{Path, PathBuf};

/// `explain`.
#[derive(Clone, Debug, Args)]
pub struct ExplainArgs {
    /// Scenario file, name of an embedded scenario, or directory that an earlier `run` or `compare` wrote
    #[arg(default_value = embedded::DEFAULT, value_name = "SCENARIO")]
    pub scenario: String,
    /// Both policies, as in `delm-solvers,independent`
    #[arg(long, value_delimiter = ',', required = true, value_name = "A,B")]
    pub policies: Vec<String>,
    /// Replication, from 0
    #[arg(long, value_name = "K", required = true, allow_negative_numbers = true)]
    pub replication: u64,
    /// Team size, listed by the scenario or not [default: the first above 1 that the scenario lists]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[arg(value_parser = team_size())]
    pub agents: Option<u32>,
    /// Set a key of the scenario, as in `sharing.respect=0.8`; may be repeated
    #[arg(long, value_name = "PATH=VALUE")]
    pub set: Vec<String>,
    /// Seed of all random streams
    #[arg(long, value_name = "SEED", allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    pub seed: Option<u64>,
    /// Form of the text on standard output
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Also write the explanation and a figure of both critical paths here
    #[arg(long, value_name = "DIR")]
    pub output_dir: Option<PathBuf>,
    /// Replace what an earlier `explain` left in the output directory
    #[arg(long)]
    pub overwrite: bool,
    /// No advice on standard error
    #[arg(long, short)]
    pub quiet: bool,
}

/// Runs both points again, prints why they differ, and writes files where that is asked for.
pub fn execute(args: &ExplainArgs, catalog: &Catalog) -> Result<u8> {
    let scenario = load(args, catalog)?;
    let policies = both(&args.policies)?;
    let agents = args.agents.unwrap_or_else(|| usual(&scenario));
    let scenario = narrowed(scenario, policies, agents)?;
    in_range(&scenario, args.replication)?;
    if let Some(dir) = &args.output_dir {
        may_write(dir, args.overwrite)?;
    }
    let question = Question { policies, agents, replication: args.replication };
    let explanation = explain(&scenario, question).map_err(|error| match error {
        ExplainError::Measured => UsageError(format!("{}: {error}", args.scenario)).into(),
        ExplainError::Run(error) => anyhow::Error::from(error),
    })?;
    output::print(&report::explain::render(&explanation, args.format.into()))?;
    if let Some(dir) = &args.output_dir {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let files = report::explain::files(&explanation);
        for file in &files {
            whole::write(&dir.join(&file.name), &file.bytes)?;
        }
        if !args.quiet {
            let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
            output::say(&format!("wrote {} in {}", names.join(" "), dir.display()));
        }
    }
    Ok(DONE)
}

/// The scenario by name, by file, or as an output directory ran it.
fn load(args: &ExplainArgs, catalog: &Catalog) -> Result<Scenario> {
    let overrides = Overrides {
        catalog: catalog.clone(),
        set: args.set.clone(),
        agents: args.agents.map(|n| vec![n]),
        seed: args.seed,
        ..Overrides::default()
    };
    let dir = Path::new(&args.scenario);
    if embedded::scenario(&args.scenario).is_some() || !dir.is_dir() {
        return Ok(super::load(&args.scenario, &overrides)?);
    }
    let manifest = report::directory::read(dir)?;
    let path = dir.join("manifest.json");
    if manifest.input.is_some() {
        let problem = "it rests on a recording, so its runs cannot be simulated again".to_owned();
        return Err(DirectoryError::Manifest { path, problem }.into());
    }
    Ok(Scenario::parse(&path.display().to_string(), &manifest.scenario.to_toml(), None, &overrides)?)
}

fn both(policies: &[String]) -> Result<[&str; 2], UsageError> {
    match policies {
        [a, b] => Ok([a, b]),
        other => {
            let told = format!("--policies {}: two policies are compared, found {}", other.join(","), other.len());
            Err(UsageError(format!("{told}; name both, as in `delm-solvers,independent`")))
        }
    }
}

/// The first team of the scenario that is one.
fn usual(scenario: &Scenario) -> u32 {
    let teams = &scenario.agents;
    teams.iter().find(|n| **n > 1).or(teams.first()).copied().unwrap_or(1)
}

/// The scenario with these policies and this size alone, if they can run on it.
fn narrowed(scenario: Scenario, policies: [&str; 2], agents: u32) -> Result<Scenario, UsageError> {
    for policy in policies {
        if let Err(why) = scenario.entry(policy) {
            return Err(UsageError(format!("--policies {policy}: {why}")));
        }
    }
    let mut named = policies.map(str::to_owned).to_vec();
    named.dedup();
    let baseline = named[0].clone();
    let mut scenario = Scenario { policies: named, agents: vec![agents], baseline, expect: Vec::new(), ..scenario };
    // What is said of all policies need not be read by these two.
    scenario.drop_unread();
    match validate(&scenario).first() {
        Some(fault) => Err(UsageError(format!("--policies {}: {fault}", policies.join(",")))),
        None => Ok(scenario),
    }
}

fn in_range(scenario: &Scenario, replication: u64) -> Result<(), UsageError> {
    let count = u64::from(scenario.replications);
    if replication < count {
        return Ok(());
    }
    let last = count.saturating_sub(1);
    Err(UsageError(format!(
        "--replication {replication}: {} has replications 0 to {last}; choose one of them, or add --set \
         replications={}",
        scenario.name,
        replication.saturating_add(1)
    )))
}

/// Refuses to replace what is there, before anything is simulated.
fn may_write(dir: &Path, overwrite: bool) -> Result<(), UsageError> {
    if dir.exists() && !dir.is_dir() {
        return Err(UsageError(format!("{} is not a directory; choose another --output-dir", dir.display())));
    }
    let there = report::explain::FILES.iter().map(|name| dir.join(name)).find(|path| path.exists());
    match there.filter(|_| !overwrite) {
        Some(path) => {
            Err(UsageError(format!("{} exists; choose another --output-dir or add --overwrite", path.display())))
        }
        None => Ok(()),
    }
}
