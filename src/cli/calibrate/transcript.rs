//! `calibrate --from-transcript`: a live run's scenario with measured values.

use super::{CalibrateArgs, output};
use crate::cli::format::Format;
use crate::cli::output::table;
use crate::experiment::calibration::CalibrationError;
use crate::experiment::calibration::transcript::{Learned, learn};
use crate::live::world::JOURNAL_FILE;
use std::path::{Path, PathBuf};

/// Learns, writes `calibrated.toml`, and says what was learned.
pub(super) fn run(args: &CalibrateArgs, path: &Path) -> Result<String, CalibrationError> {
    let learned = learn(path, args.agents.as_deref())?;
    let head = lines("# ", &learned.told);
    let text = head + &toml::to_string(&learned.scenario).expect("a scenario is plain values");
    let folder = args.output_dir.clone().unwrap_or_else(|| folder(path));
    let written = output::write(&folder, &[("calibrated.toml".to_owned(), text)], args.overwrite)?;
    let header = [
        "endpoint",
        "calls",
        "base_s",
        "s_per_completion_token",
        "s_per_uncached_ktoken",
        "s_per_cached_ktoken",
        "stream_slowdown",
        "mean_streams",
        "log_sd",
    ];
    let rows: Vec<Vec<String>> = learned.latencies.iter().map(|(name, fit)| row(name, fit)).collect();
    let rows = table(args.format, &header, &rows).expect("plain cells become text");
    if args.format != Format::Table {
        return Ok(rows);
    }
    let Learned { told, runs, calls, .. } = learned;
    let lines = lines("- ", &told);
    let scenario = folder.join("calibrated.toml");
    Ok(format!(
        "Learned from {runs} runs with {calls} calls.\n{rows}\n{lines}{written}\nNext: delm-sim compare {} --against {}\n",
        scenario.display(),
        run_of(path).display()
    ))
}

/// What `--against` takes: the directory of a live run, or the file where it has another name.
fn run_of(path: &Path) -> &Path {
    let is_whole_run = path.file_name().is_some_and(|name| name == JOURNAL_FILE);
    path.parent().filter(|p| is_whole_run && *p != Path::new("")).unwrap_or(path)
}

/// One line each, after a mark.
fn lines(mark: &str, sentences: &[String]) -> String {
    sentences.iter().fold(String::new(), |text, sentence| text + mark + sentence + "\n")
}

fn row(name: &str, fit: &crate::experiment::calibration::transcript::LatencyFit) -> Vec<String> {
    let e = &fit.endpoint;
    let slowdown = if fit.identified { e.stream_slowdown.to_string() } else { "not identified".to_owned() };
    vec![
        name.to_owned(),
        fit.calls.to_string(),
        e.base_s.to_string(),
        e.completion_s_per_token.to_string(),
        e.uncached_s_per_ktoken.to_string(),
        e.cached_s_per_ktoken.to_string(),
        slowdown,
        format!("{:.2}", fit.streams),
        fit.sigma.to_string(),
    ]
}

fn folder(path: &Path) -> PathBuf {
    let name = match path.parent().and_then(Path::file_name) {
        Some(folder) if path.file_name().is_some_and(|n| n == "transcript.jsonl") => folder,
        _ => path.file_stem().unwrap_or_default(),
    };
    Path::new("delm-sim-out").join(format!("calibrate-{}", name.to_string_lossy()))
}
