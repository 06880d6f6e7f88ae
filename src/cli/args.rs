//! What can be typed. Meaning is given to it by the commands.

use super::calibrate::CalibrateArgs;
use super::explain::ExplainArgs;
use super::fit::FitArgs;
use super::flags::{ChangeArgs, OutputArgs, jobs, team_size};
use super::flip::FlipArgs;
use super::format::Format;
use super::live::args::LiveArgs;
use super::replay::ReplayArgs;
use super::tune::TuneArgs;
use crate::experiment::asked::{Axis, axis};
use crate::experiment::embedded;
use crate::experiment::gate::Gate;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// Deterministic simulator of the coordination of multi-agent LLM systems.
///
/// Without a command it compares the policies of the embedded scenario `swe-verified`.
#[derive(Debug, Parser)]
#[command(name = "delm-sim", version, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 done, 1 run failed, 2 usage or configuration, 3 a closed form or gate missed, \
                        4 a replay diverged, 130 interrupted.\nData goes to standard output, everything else to standard error.")]
#[command(args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Flags of the comparison that runs without a command.
    #[command(flatten)]
    pub bare: BareArgs,
}

/// Flags without a command.
#[derive(Clone, Debug, Args)]
pub struct BareArgs {
    /// Print everything instead of one page
    #[arg(long)]
    pub full: bool,
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

impl From<BareArgs> for CompareArgs {
    fn from(bare: BareArgs) -> Self {
        let BareArgs { full, no_figures, change, output } = bare;
        Self { full, no_figures, change, output, ..Self::default() }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Simulate scenarios and check them against the closed forms they state
    Run(RunArgs),
    /// Compare policies with a baseline, write tables and figures
    Compare(CompareArgs),
    /// Explain why two policies differ in one replication: first decision, critical paths, parts of time and cost
    Explain(ExplainArgs),
    /// Run a scenario's policies with real calls to an OpenAI-compatible server
    Live(Box<LiveArgs>),
    /// List every input of a scenario with value, unit, source and prior
    Params(ParamsArgs),
    /// Hold a scenario against every published row of its workload, misses first
    Published(PublishedArgs),
    /// Fit endpoint presets to recorded calls
    Calibrate(CalibrateArgs),
    /// Fit assumed parameters of a scenario to published rows, by simulation
    Fit(FitArgs),
    /// Find what would flip a difference: every uncertain input, moved inside its prior
    Flip(Box<FlipArgs>),
    /// Find every policy's best settings with the same budget of pilot runs
    Tune(Box<TuneArgs>),
    /// Run a recorded transcript again: strictly, at another speed, or under another topology
    Replay(ReplayArgs),
    /// Turn other programs' logs of model calls into a transcript
    Import(ImportArgs),
    /// Run an output directory's command again and compare all bytes
    Reproduce(ReproduceArgs),
    /// Print a JSON Schema
    Schema(SchemaArgs),
    /// Write a commented scenario to start from
    Init(InitArgs),
    /// List embedded scenarios, presets and policies
    List(ListArgs),
    /// Say what a word on the pages means; all words if none is named
    #[command(visible_alias = "?")]
    Define(DefineArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
}

/// `run`.
#[derive(Clone, Debug, Default, Args)]
pub struct RunArgs {
    /// Scenario files or names of embedded scenarios
    #[arg(required = true, value_name = "SCENARIO")]
    pub scenarios: Vec<String>,
    /// Full budgets for the checks against closed forms
    #[arg(long)]
    pub full: bool,
    /// Write the trace of the first replication of the first cell as JSON Lines
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// Write the value of every metric of every replication as CSV
    #[arg(long, value_name = "FILE")]
    pub raw: Option<PathBuf>,
    /// Write the transcript of all runs: every call with its answer
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Changes to the scenario.
    #[command(flatten)]
    pub change: ChangeArgs,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `compare`.
#[derive(Clone, Debug, Args)]
pub struct CompareArgs {
    /// Scenario file or name of an embedded scenario
    #[arg(default_value = embedded::DEFAULT, value_name = "SCENARIO")]
    pub scenario: String,
    /// Print everything instead of one page
    #[arg(long)]
    pub full: bool,
    /// Write no figures
    #[arg(long)]
    pub no_figures: bool,
    /// Write the value of every metric of every replication as CSV
    #[arg(long, value_name = "FILE", conflicts_with_all = ["equal", "factorial", "vary", "against"])]
    pub raw: Option<PathBuf>,
    /// Predict a live run (its directory or transcript) and print predicted beside measured, with errors
    #[arg(long, value_name = "RUN", conflicts_with_all = ["no_figures", "gate", "equal", "factorial", "vary", "metric", "full"])]
    pub against: Option<PathBuf>,
    /// With --against: the same live run made once more, whose difference is the noise floor of every prediction
    #[arg(long, value_name = "RUN", requires = "against")]
    pub again: Option<PathBuf>,
    /// What must hold, as in 'cost_per_task_usd.p90 < 0.30' or 'delm-solvers@4:pass >= 1.0 x baseline'; may be
    /// repeated; exit code 3 if it does not
    #[arg(long, value_name = "STATEMENT", value_parser = Gate::parse)]
    pub gate: Vec<Gate>,
    /// Write what the gates found: JUnit if the name ends in .xml, else a JSON object per line
    #[arg(long, value_name = "FILE", requires = "gate")]
    pub gate_report: Option<PathBuf>,
    /// Another question than the table of cells.
    #[command(flatten)]
    pub question: QuestionArgs,
    /// Changes to the scenario.
    #[command(flatten)]
    pub change: ChangeArgs,
    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,
}

impl Default for CompareArgs {
    fn default() -> Self {
        Self {
            scenario: embedded::DEFAULT.to_owned(),
            full: false,
            no_figures: false,
            raw: None,
            against: None,
            again: None,
            gate: Vec::new(),
            gate_report: None,
            question: QuestionArgs::default(),
            change: ChangeArgs::default(),
            output: OutputArgs::default(),
        }
    }
}

/// Questions of `compare` beyond its table.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Question")]
pub struct QuestionArgs {
    /// Optimise every policy within the same spend: cost_per_task_usd, total_tokens, makespan_s or agent_time_s; what the
    /// subject spends, if no value is given
    #[arg(long, value_name = "METRIC[=VALUE]", conflicts_with_all = ["factorial", "vary", "gate"])]
    pub equal: Option<String>,
    /// Values that a setting takes in the grid of --equal, instead of half, as it is and double; may be repeated
    #[arg(long, value_name = "KEY=A,B,C", requires = "equal", value_parser = axis)]
    pub grid: Vec<Axis>,
    /// The policy that --equal is about; the first without a lead and with a shared context if not given
    #[arg(long, value_name = "NAME", requires = "equal")]
    pub subject: Option<String>,
    /// Run every combination of control, store and gate: which of them makes the difference?
    #[arg(long, conflicts_with_all = ["vary", "gate"])]
    pub factorial: bool,
    /// Team size of --factorial; the scenario's size nearest to 4 if not given
    #[arg(long, value_name = "N", requires = "factorial")]
    #[arg(value_parser = team_size())]
    pub team: Option<u32>,
    /// Tokens of every gist and report of --factorial; what the scenario's policies have if not given
    #[arg(long, value_name = "TOKENS", requires = "factorial")]
    pub tokens: Option<u32>,
    /// Run the scenario at every value of a key; may be repeated: every combination
    #[arg(long, value_name = "PATH=A,B,C", value_parser = axis, conflicts_with = "gate")]
    pub vary: Vec<Axis>,
    /// Metric that --equal, --factorial and the figure of --vary are about
    #[arg(long, value_name = "NAME")]
    pub metric: Option<String>,
}

/// `params`.
#[derive(Clone, Debug, Args)]
pub struct ParamsArgs {
    /// Scenario file or name of an embedded scenario
    #[arg(default_value = embedded::DEFAULT, value_name = "SCENARIO")]
    pub scenario: String,
    /// Changes to the scenario.
    #[command(flatten)]
    pub change: ChangeArgs,
    /// Form of the table
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `published`.
#[derive(Clone, Debug, Args)]
pub struct PublishedArgs {
    /// Scenario file or name of an embedded scenario
    #[arg(default_value = embedded::DEFAULT, value_name = "SCENARIO")]
    pub scenario: String,
    /// Threads; all cores if not given
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = jobs)]
    pub jobs: Option<NonZeroUsize>,
    /// Form of the table
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// No progress on standard error
    #[arg(long, short)]
    pub quiet: bool,
    /// Changes to the scenario.
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// `import`.
#[derive(Clone, Debug, Args)]
pub struct ImportArgs {
    /// Files, folders, archives, patterns, or `-` for standard input; gzip and Zstandard are read as they are
    #[arg(required_unless_present = "list", value_name = "INPUT")]
    pub inputs: Vec<PathBuf>,
    /// Format, as in `--list`, or `auto`
    #[arg(long, default_value = "auto", value_name = "NAME")]
    pub format: String,
    /// Which field of a plain log means what, as in session=workflow,parent=depends_on; targets: `--list`
    #[arg(long, value_name = "TARGET=FIELD,..", value_parser = crate::import::Mapping::parse)]
    pub map: Option<crate::import::Mapping>,
    /// Transcript to write; `-` is standard output
    #[arg(long, short, required_unless_present = "list", value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Most sessions
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    /// The one session to import
    #[arg(long, value_name = "NAME")]
    pub session: Option<String>,
    /// Leave damaged records out, and tell them, instead of giving up
    #[arg(long)]
    pub skip_damaged: bool,
    /// Keep hashes and lengths of texts, but no text
    #[arg(long)]
    pub no_text: bool,
    /// Replace the file if it exists
    #[arg(long)]
    pub overwrite: bool,
    /// List the formats
    #[arg(long)]
    pub list: bool,
}

/// `reproduce`.
#[derive(Clone, Debug, Args)]
pub struct ReproduceArgs {
    /// Directory that an earlier `run` or `compare` wrote
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// Threads; all cores if not given
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[arg(value_parser = jobs)]
    pub jobs: Option<NonZeroUsize>,
    /// No progress and no advice on standard error
    #[arg(long, short)]
    pub quiet: bool,
}

/// What has a schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// A scenario file.
    #[default]
    Scenario,
    /// A preset file.
    Preset,
    /// The settings of a policy: `[policy.NAME]` and `[all_policies]`.
    Settings,
    /// The manifest of an output directory.
    Manifest,
    /// The summary of an output directory.
    Summary,
    /// A line of a transcript.
    Transcript,
}

/// `schema`.
#[derive(Clone, Debug, Args)]
pub struct SchemaArgs {
    /// Of what
    #[arg(value_enum, default_value_t)]
    pub of: SchemaOf,
}

/// `init`.
#[derive(Clone, Debug, Args)]
pub struct InitArgs {
    /// File to write; an existing one is never replaced
    #[arg(default_value = "scenario.toml", value_name = "FILE")]
    pub path: PathBuf,
    /// Embedded scenario to start from
    #[arg(long, default_value = embedded::DEFAULT, value_name = "NAME")]
    pub from: String,
}

/// `list`.
#[derive(Clone, Debug, Args)]
pub struct ListArgs {
    /// Form of the table
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `define`.
#[derive(Clone, Debug, Args)]
pub struct DefineArgs {
    /// Metrics, headings, phases or terms, as in Pass or waiting_share; parts of them, too
    #[arg(value_name = "WORD")]
    pub words: Vec<String>,
    /// Form of the table
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `completions`.
#[derive(Clone, Debug, Args)]
pub struct CompletionsArgs {
    /// For which shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}
