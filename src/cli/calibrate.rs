//! `delm-sim calibrate`: from a request log to endpoint presets, checked on traces the fit has not seen.
//!
//! Reads all, computes all, then writes: a fault leaves no file behind.

mod output;
mod screen;
mod transcript;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::format::Format;
use super::{DONE, UsageError};
use crate::experiment::calibration::{
    Aliases, CalibrateOptions, CalibrationError, Preset, Provenance, ReadOptions, RequestLog, Split, calibrate, check,
    presets, read_log,
};
use crate::experiment::scenario::DEFAULT_SEED;

/// Options of `calibrate`.
#[derive(Args, Clone, Debug)]
#[command(after_help = COLUMNS_HELP)]
pub struct CalibrateArgs {
    /// Request log: CSV, plain or gzip, with the columns below
    #[arg(required_unless_present = "from_transcript")]
    pub log: Option<PathBuf>,
    /// Learn from a live run's transcript instead: writes the run's scenario with measured values
    #[arg(long, value_name = "FILE", conflicts_with_all = ["log", "model", "split", "columns", "check"])]
    pub from_transcript: Option<PathBuf>,
    /// With --from-transcript: learn from runs of these team sizes alone
    #[arg(long, value_name = "N", value_delimiter = ',', requires = "from_transcript")]
    pub agents: Option<Vec<u32>>,
    /// Folder for the presets [default: delm-sim-out/calibrate-LOG]
    #[arg(long, value_name = "DIR")]
    pub output_dir: Option<PathBuf>,
    /// Fit this model only (may be repeated; a release date may be left out)
    #[arg(long, value_name = "NAME")]
    pub model: Vec<String>,
    /// Which traces to hold out: by the column `split` (default if there is one) or by hash, one in five
    #[arg(long, value_enum)]
    pub split: Option<SplitBy>,
    /// Names that the log uses, as NAME=NAME_IN_THE_LOG,..
    #[arg(long, value_name = "A=B", value_delimiter = ',')]
    pub columns: Vec<String>,
    /// Check this preset on all rows of the log instead of fitting (may be repeated)
    #[arg(long, value_name = "PRESET.toml", conflicts_with_all = ["output_dir", "overwrite", "model", "split"])]
    pub check: Vec<PathBuf>,
    /// Seed of all draws
    #[arg(long, default_value_t = DEFAULT_SEED, value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    pub seed: u64,
    /// Resamples of traces behind every band
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(2..=100_000))]
    pub bootstrap: u32,
    /// Requests of this many seconds were cut off by their recorder and are dropped
    #[arg(long, value_name = "S", default_value_t = 300.0, value_parser = positive)]
    pub censored_s: f64,
    /// Tool gaps above this many seconds are dropped
    #[arg(long, value_name = "S", default_value_t = 600.0, value_parser = positive)]
    pub tool_cap_s: f64,
    /// Origin of the log, for the presets: repository, path, commit, licence
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub source: String,
    /// Date to write into the presets
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub date: String,
    /// Form of the results on standard output
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// Replace presets of an earlier calibration
    #[arg(long)]
    pub overwrite: bool,
}

const COLUMNS_HELP: &str = "\
Columns: trace_id, model, in_tok (cached tokens included), out_tok, api_time_s.
Optional: cached_prefix_tok, ttft_s, think_time_s, agent, mode, dup (1 = drop), split (fit = fit,
anything else = hold out), input_types. Others are ignored. Times in seconds; an empty cell is an
unknown time. Rename with --columns in_tok=prompt_tokens.";

/// How traces are divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SplitBy {
    /// By the column `split`.
    Column,
    /// By the hash of the trace's name.
    Hash,
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value > 0.0 => Ok(value),
        _ => Err("must be a positive number of seconds".to_owned()),
    }
}

/// Runs the command and prints its results.
///
/// # Errors
/// A fault of the log or of the options is a [`UsageError`]; a file that cannot be written is a failed run.
pub fn execute(args: &CalibrateArgs) -> Result<u8> {
    let text = run(args).map_err(|error| match error.exit_code() {
        super::USAGE => anyhow::Error::new(UsageError(error.to_string())),
        _ => error.into(),
    })?;
    super::output::print(&text)?;
    Ok(DONE)
}

/// Runs the command; gives what it prints.
///
/// # Errors
/// A fault of the log or of the options, or of writing: see [`CalibrationError::exit_code`].
pub fn run(args: &CalibrateArgs) -> Result<String, CalibrationError> {
    if let Some(path) = &args.from_transcript {
        return transcript::run(args, path);
    }
    let log_path = args.log.as_deref().unwrap_or(Path::new(""));
    let aliases = Aliases::parse(args.columns.iter().map(String::as_str))?;
    let log = read_log(
        log_path,
        &ReadOptions {
            aliases,
            split: args.split.map(|split| match split {
                SplitBy::Column => Split::Column,
                SplitBy::Hash => Split::Hash,
            }),
            check_only: !args.check.is_empty(),
            censored_from_s: args.censored_s,
        },
    )?;
    let options = CalibrateOptions {
        models: args.model.clone(),
        resamples: args.bootstrap as usize,
        seed: args.seed,
        tool_cap_s: args.tool_cap_s,
    };
    if !args.check.is_empty() {
        return check_presets(args, &log, &options);
    }
    let calibration = calibrate(&log, &options)?;
    let provenance = Provenance { cite: args.source.clone(), date: args.date.clone(), command: command(args, &log) };
    let files = presets(&calibration, &log, &options, &provenance);
    let mut files: Vec<(String, String)> =
        files.iter().map(|(name, preset)| (format!("{name}.toml"), preset.to_toml())).collect();
    files.push(("calibration.csv".to_owned(), screen::csv(&screen::rows(&calibration))));
    let folder = args.output_dir.clone().unwrap_or_else(|| default_folder(log_path));
    let written = output::write(&folder, &files, args.overwrite)?;
    Ok(match args.format {
        Format::Table => screen::table(&calibration, &log, &options, &written),
        Format::Json => screen::json(&calibration, &log, &options),
        Format::Csv => screen::csv(&screen::rows(&calibration)),
        Format::Md => screen::markdown(&screen::rows(&calibration)),
    })
}

fn check_presets(
    args: &CalibrateArgs,
    log: &RequestLog,
    options: &CalibrateOptions,
) -> Result<String, CalibrationError> {
    let mut checked = Vec::new();
    for path in &args.check {
        let preset = Preset::read(path)?;
        let fault = |wrong: String| CalibrationError::Usage {
            wrong: format!("{}: {wrong}", path.display()),
            mend: "name a preset that `delm-sim calibrate` wrote for a model of the log".to_owned(),
        };
        let endpoint = preset.endpoint().map_err(&fault)?;
        let model = preset.model().ok_or_else(|| fault("[fit] names no model".to_owned()))?;
        let validation = check(log, model, &endpoint, options)?;
        checked.push((model.to_owned(), validation));
    }
    let rows = screen::check_rows(&checked);
    Ok(match args.format {
        Format::Table => screen::checks(&checked, log, options),
        Format::Json => screen::checks_json(&checked),
        Format::Csv => screen::csv(&rows),
        Format::Md => screen::markdown(&rows),
    })
}

/// The command that repeats this one: what decides the numbers, without folders and forms.
fn command(args: &CalibrateArgs, log: &RequestLog) -> String {
    let mut words = vec!["delm-sim calibrate".to_owned(), log.file.clone()];
    words.extend(args.model.iter().map(|model| format!("--model {model}")));
    if let Some(split) = args.split.and_then(|split| split.to_possible_value()) {
        words.push(format!("--split {}", split.get_name()));
    }
    if !log.aliases.is_empty() {
        words.push(format!("--columns {}", log.aliases.join(",")));
    }
    words.push(format!("--seed {}", args.seed));
    words.push(format!("--bootstrap {}", args.bootstrap));
    words.push(format!("--censored-s {}", args.censored_s));
    words.push(format!("--tool-cap-s {}", args.tool_cap_s));
    words.join(" ")
}

fn default_folder(log: &Path) -> PathBuf {
    let name = log.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.trim_end_matches(".gz").trim_end_matches(".csv");
    Path::new("delm-sim-out").join(format!("calibrate-{stem}"))
}
