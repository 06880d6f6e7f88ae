//! `compare --against RUN`: predicted beside measured.

use super::args::CompareArgs;
use super::format::Format;
use super::progress::Progress;
use super::{DONE, UsageError, output, whole};
use crate::experiment::Options;
use crate::experiment::prediction::{Measured, Prediction, Score, against};
use crate::policy::Catalog;
use anyhow::{Context, Result};
use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

/// Prints the table; with an output directory, writes it there as `predicted.csv`.
pub(super) fn execute(args: &CompareArgs, run: &Path, catalog: &Catalog) -> Result<u8> {
    let scenario = super::load(&args.scenario, &args.change.overrides(catalog))?;
    let transcript = of_run(run);
    let again = args.again.as_deref().map(of_run);
    let csv = args.output.output_dir.as_ref().map(|dir| dir.join("predicted.csv"));
    if let Some(path) = csv.as_ref().filter(|path| path.exists() && !args.output.overwrite) {
        return Err(UsageError(format!("{} exists; add --overwrite", path.display())).into());
    }
    let progress = Progress::new(args.output.quiet);
    let tick = |done, total| progress.tick(done, total);
    let jobs = args.output.jobs.map_or(0, NonZeroUsize::get);
    let measured = Measured {
        transcript: &transcript,
        again: again.as_deref(),
        agents: args.change.agents.as_deref(),
        policies: args.change.policy.as_deref(),
    };
    let found = against(&scenario, &measured, &Options { jobs, progress: Some(&tick), ..Options::default() });
    progress.clear();
    let found = found?;
    for why in &found.left_out {
        output::say(&format!("NOT VALID and left out, {why}"));
    }
    let header =
        ["policy", "agents", "metric", "predicted", "measured", "measured_half_width", "runs", "error_percent"];
    let rows: Vec<Vec<String>> = found.rows.iter().map(|r| row(r, args.output.format)).collect();
    output::print(&output::table(args.output.format, &header, &rows)?)?;
    if args.output.format == Format::Table {
        output::print(&worst(&found.rows))?;
        output::print(&told(&found.scores, args.again.is_some()))?;
    }
    if let Some(path) = csv {
        let dir = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let rows: Vec<Vec<String>> = found.rows.iter().map(|r| row(r, Format::Csv)).collect();
        whole::write(&path, output::table(Format::Csv, &header, &rows)?)?;
        output::say(&format!("wrote {}", path.display()));
    }
    Ok(DONE)
}

/// The transcript of a run that is named by its directory or by its transcript.
fn of_run(run: &Path) -> PathBuf {
    if run.is_dir() { run.join("transcript.jsonl") } else { run.to_owned() }
}

fn row(r: &Prediction, format: Format) -> Vec<String> {
    let number = |x: f64| if format == Format::Table { format!("{x:.4}") } else { x.to_string() };
    let error = r.error.map_or(String::new(), |e| format!("{:+.1}", e * 100.0));
    vec![
        r.policy.clone(),
        r.agents.to_string(),
        r.metric.to_owned(),
        number(r.predicted),
        number(r.measured),
        r.measured_half_width.map(number).unwrap_or_default(),
        r.runs.to_string(),
        error,
    ]
}

/// Mean and greatest error per metric and team size.
fn worst(rows: &[Prediction]) -> String {
    let mut text = String::from("\nErrors over policies (mean and greatest of absolute values, percent)\n");
    let mut sizes: Vec<u32> = rows.iter().map(|r| r.agents).collect();
    sizes.sort_unstable();
    sizes.dedup();
    for metric in ["makespan_s", "prompt_tokens", "completion_tokens"] {
        for &n in &sizes {
            let errors: Vec<f64> = rows
                .iter()
                .filter(|r| r.metric == metric && r.agents == n)
                .filter_map(|r| r.error.map(f64::abs))
                .collect();
            if errors.is_empty() {
                continue;
            }
            let mean = errors.iter().sum::<f64>() / errors.len() as f64 * 100.0;
            let most = errors.iter().copied().fold(0.0, f64::max) * 100.0;
            let _ = writeln!(text, "  {metric:<18} N = {n}: {mean:5.1}  {most:5.1}");
        }
    }
    text
}

/// How good the prediction is over all points, and how good it could be.
fn told(scores: &[Score], made_again: bool) -> String {
    let mut text = String::from("\nMean absolute error over all points (MAPE)\n");
    let percent = |x: f64| format!("{:.1} %", x * 100.0);
    for score in scores {
        let interval = score.interval.map_or_else(
            || " (one question: no interval)".to_owned(),
            |i| format!(" [{:.1}, {:.1}]", i.low * 100.0, i.high * 100.0),
        );
        let chance = score.by_chance.map_or_else(String::new, |x| {
            format!("; a prediction that is right would show {} with so few questions", percent(x))
        });
        let again = match score.again {
            Some(again) => {
                format!("; the same run once more differs by {} ({} points)", percent(again.error), again.points)
            }
            None if made_again => "; the run of --again has none of these points".to_owned(),
            None => String::new(),
        };
        let best = match score.best {
            (_, 0) => String::new(),
            (right, of) => format!("; least of all policies named right at {right} of {of} sizes"),
        };
        let (metric, error) = (score.metric, percent(score.error));
        let _ = writeln!(text, "  {metric}: {error}{interval} of {} points{chance}{again}{best}", score.points);
    }
    text
}
