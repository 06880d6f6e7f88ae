//! `replay`: recorded runs again.

use super::flags::{ChangeArgs, OutputArgs};
use super::format::Format;
use super::progress::Progress;
use super::study::{announce, conduct_announced};
use super::{DONE, UsageError, output, whole};
use crate::experiment::replay::{self, Dependencies, PriceFile, Reading, RecordedRuns};
use crate::policy::Catalog;
use crate::report::{self, Command, Manifest};
use crate::runtime::replay::WhatIf;
use anyhow::Result;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// How to replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// The policies must ask for exactly what was recorded; same trace digest, same metrics
    Strict,
    /// The recorded calls at another speed or under other limits
    Retimed,
    /// The recorded work under other topologies
    Counterfactual,
}

/// `replay`.
#[derive(Clone, Debug, Args)]
pub struct ReplayArgs {
    /// Transcript (JSON Lines, plain or gzip), from --record, `live` or `import`
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// How
    #[arg(long, value_enum)]
    pub mode: Mode,
    /// Retimed: factor on the time of calls
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = factor)]
    #[arg(help_heading = "What if (retimed)")]
    pub latency_scale: f64,
    /// Retimed: factor on the time between calls (tools, people)
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = factor)]
    #[arg(help_heading = "What if (retimed)")]
    pub gap_scale: f64,
    /// Retimed: calls served at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    #[arg(help_heading = "What if (retimed)")]
    pub concurrency: Option<u32>,
    /// Retimed: calls admitted per minute
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    #[arg(help_heading = "What if (retimed)")]
    pub requests_per_minute: Option<u64>,
    /// Retimed: prompt tokens admitted per minute
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    #[arg(help_heading = "What if (retimed)")]
    pub input_tokens_per_minute: Option<u64>,
    /// Retimed: completion tokens admitted per minute
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    #[arg(help_heading = "What if (retimed)")]
    pub output_tokens_per_minute: Option<u64>,
    /// Counterfactual: which delegations wait for which
    #[arg(long, value_enum, default_value_t)]
    #[arg(help_heading = "Reading (counterfactual)")]
    pub dependencies: Waits,
    /// Counterfactual: share of a delegation's first prompt, beyond instructions, that it must read again
    #[arg(long, value_name = "SHARE", default_value_t = Reading::default().own_context, value_parser = share)]
    #[arg(help_heading = "Reading (counterfactual)")]
    pub own_context: f64,
    /// Counterfactual: longer gaps between steps are cut to this; they hold people
    #[arg(long, value_name = "SECONDS", default_value_t = Reading::default().longest_gap_s, value_parser = factor)]
    #[arg(help_heading = "Reading (counterfactual)")]
    pub longest_gap_s: f64,
    /// Counterfactual of other programs' logs: price of a model in dollars per million tokens; may be repeated
    #[arg(long, value_name = "MODEL=IN,OUT[,CACHED]", value_parser = replay::given_price)]
    #[arg(help_heading = "Reading (counterfactual)")]
    pub price: Vec<replay::GivenPrice>,
    /// Counterfactual of other programs' logs: prices of models from a file, a CSV table (model,input,output,.. in dollars
    /// per million tokens) or LiteLLM's JSON map; --price goes before it
    #[arg(long, value_name = "FILE")]
    #[arg(help_heading = "Reading (counterfactual)")]
    pub prices: Option<PathBuf>,
    /// Counterfactual: write the scenario that was made here, to change and compare again
    #[arg(long, value_name = "FILE")]
    #[arg(help_heading = "Reading (counterfactual)")]
    pub scenario_output: Option<PathBuf>,
    /// Changes to the scenario (counterfactual).
    #[command(flatten)]
    pub change: ChangeArgs,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Which delegations wait for which.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Waits {
    /// As the recorded calls released each other
    #[default]
    Recorded,
    /// For the same agent's one before only
    SameAgent,
    /// None
    None,
}

fn factor(text: &str) -> Result<f64, String> {
    text.parse::<f64>()
        .ok()
        .filter(|x| (0.0..=1e6).contains(x))
        .ok_or_else(|| "must be a number from 0 to 1000000".to_owned())
}

fn share(text: &str) -> Result<f64, String> {
    text.parse::<f64>().ok().filter(|x| (0.0..=1.0).contains(x)).ok_or_else(|| "must be from 0 to 1".to_owned())
}

/// Replays, prints and stores; exits with 4 if a policy departs from the recording.
pub fn execute(args: &ReplayArgs, catalog: &Catalog) -> Result<u8> {
    args.refuse_idle_flags()?;
    match args.mode {
        Mode::Strict => strict(args, catalog),
        Mode::Retimed => retimed(args),
        Mode::Counterfactual => counterfactual(args, catalog),
    }
}

impl ReplayArgs {
    fn what_if(&self) -> WhatIf {
        WhatIf {
            latency_scale: self.latency_scale,
            gap_scale: self.gap_scale,
            slots: self.concurrency,
            requests_per_minute: self.requests_per_minute,
            input_tokens_per_minute: self.input_tokens_per_minute,
            output_tokens_per_minute: self.output_tokens_per_minute,
            ..WhatIf::default()
        }
    }

    fn reading(&self) -> Reading {
        let dependencies = match self.dependencies {
            Waits::Recorded => Dependencies::Recorded,
            Waits::SameAgent => Dependencies::SameAgent,
            Waits::None => Dependencies::None,
        };
        Reading {
            dependencies,
            own_context: self.own_context,
            longest_gap_s: self.longest_gap_s,
            prices: self.price.clone(),
            ..Reading::default()
        }
    }

    /// A flag that another mode acts on must not be taken for one that does something.
    fn refuse_idle_flags(&self) -> Result<()> {
        let told = |flags: &str, mode: &str| UsageError(format!("{flags}: only --mode {mode} acts on them")).into();
        if self.mode != Mode::Retimed && self.what_if() != WhatIf::default() {
            return Err(told("--latency-scale, --gap-scale, --concurrency, --*-per-minute", "retimed"));
        }
        let changed = format!("{:?}", self.change) != format!("{:?}", ChangeArgs::default());
        if self.mode != Mode::Counterfactual
            && (self.reading() != Reading::default()
                || self.prices.is_some()
                || self.scenario_output.is_some()
                || changed)
        {
            let flags = "--dependencies, --own-context, --longest-gap-s, --price, --prices, --scenario-output and changes to the scenario";
            return Err(told(flags, "counterfactual"));
        }
        Ok(())
    }
}

fn strict(args: &ReplayArgs, catalog: &Catalog) -> Result<u8> {
    let progress = Progress::new(args.output.quiet);
    let study = replay::strict(&args.file, catalog, &|done| progress.count(done));
    progress.clear();
    let study = study?;
    let plan = announce(Manifest::announce(Command::Run, &study.scenario, false), &args.output)?;
    let stored = report::store(&plan, &study)?;
    output::print(&report::render(&study, args.output.format.into()))?;
    if !args.output.quiet {
        output::say(&format!("every call was asked for as recorded; trace digest {}", study.digest));
        output::say(&stored.to_string());
    }
    Ok(DONE)
}

/// Rows of the table that a terminal still takes.
const MOST_ROWS: usize = 40;

fn retimed(args: &ReplayArgs) -> Result<u8> {
    let progress = Progress::new(args.output.quiet);
    let what_if = args.what_if();
    let found = replay::retimed(&args.file, &what_if, &|done| progress.count(done));
    progress.clear();
    let found = found?;
    let header = ["run", "calls", "recorded_s", "retimed_s", "ratio", "waited_s", "missing"];
    let shown = if args.output.format == Format::Table { MOST_ROWS } else { usize::MAX };
    let rows: Vec<Vec<String>> = found.runs.iter().take(shown).map(row).collect();
    output::print(&output::table(args.output.format, &header, &rows)?)?;
    if args.output.format == Format::Table {
        if found.runs.len() > rows.len() {
            output::print(&format!("... and {} runs more (--format csv has all)", found.runs.len() - rows.len()))?;
        }
        output::print(&format!("\n{}", report::render(&found.study, report::Format::Table)))?;
    }
    if args.output.output_dir.is_some() {
        let told = told(&what_if);
        let options: Vec<String> = told.iter().map(|(flag, value)| format!("--{flag} {value}")).collect();
        let input = report::manifest::Input::of(&args.file, &options.join(" "))?;
        let manifest = Manifest::announce(Command::Replay, &found.study.scenario, false).typed(&told).resting_on(input);
        let plan = announce(manifest, &args.output)?;
        let stored = report::store(&plan, &found.study)?;
        if !args.output.quiet {
            output::say(&stored.to_string());
        }
    }
    Ok(DONE)
}

/// The flags that say what is otherwise than recorded.
fn told(what_if: &WhatIf) -> Vec<(&'static str, String)> {
    let usual = WhatIf::default();
    let other = |name, now: f64, then: f64| (now != then).then(|| (name, now.to_string()));
    let mut told = vec![("mode", "retimed".to_owned())];
    told.extend(other("latency-scale", what_if.latency_scale, usual.latency_scale));
    told.extend(other("gap-scale", what_if.gap_scale, usual.gap_scale));
    told.extend(what_if.slots.map(|n| ("concurrency", n.to_string())));
    told.extend(what_if.requests_per_minute.map(|n| ("requests-per-minute", n.to_string())));
    told.extend(what_if.input_tokens_per_minute.map(|n| ("input-tokens-per-minute", n.to_string())));
    told.extend(what_if.output_tokens_per_minute.map(|n| ("output-tokens-per-minute", n.to_string())));
    told
}

fn row(run: &replay::RetimedRun) -> Vec<String> {
    let ratio = if run.recorded_s > 0.0 { format!("{:.4}", run.retimed_s / run.recorded_s) } else { String::new() };
    vec![
        run.run.clone(),
        run.calls.to_string(),
        format!("{:.9}", run.recorded_s),
        format!("{:.9}", run.retimed_s),
        ratio,
        format!("{:.3}", run.waited_s),
        run.missing.clone(),
    ]
}

fn counterfactual(args: &ReplayArgs, catalog: &Catalog) -> Result<u8> {
    let runs = RecordedRuns::read(&args.file)?;
    let jobs = args.output.jobs.map_or(0, std::num::NonZeroUsize::get);
    let price_file = args.prices.as_deref().map(PriceFile::read).transpose();
    let reading = Reading { price_file: price_file.map_err(UsageError)?, ..args.reading() };
    let made = replay::counterfactual(&runs, &reading, jobs)?;
    if made.is_own && reading != Reading::default() {
        let wrong = "--dependencies, --own-context, --longest-gap-s, --price and --prices read other programs' logs: these runs tell \
                     themselves what waited for what and cost what; leave them out";
        return Err(UsageError(wrong.to_owned()).into());
    }
    let name = args.scenario_output.as_ref().map_or_else(|| made.scenario.name.clone(), |p| p.display().to_string());
    let scenario = made.changed(&name, &args.change.overrides(catalog))?;
    if let Some(path) = &args.scenario_output {
        whole::write(path, made.to_toml())?;
    }
    let plan = announce(Manifest::announce(Command::Compare, &scenario, false), &args.output)?;
    let (study, stored) = conduct_announced(&scenario, &plan, true, &args.output, None)?;
    let overrides = args.change.overrides(catalog);
    let prediction = replay::predict((&runs, &reading), &made, &study, &overrides, jobs)?;
    if args.output.format != Format::Table {
        let (header, rows) = report::counterfactual::data(&prediction);
        output::print(&output::table(args.output.format, &header, &rows)?)?;
        return Ok(DONE);
    }
    output::print(&report::counterfactual::page(&prediction, &made.assumptions))?;
    output::print(&format!("\nEverything: report.md in the results\n{stored}"))?;
    Ok(DONE)
}
