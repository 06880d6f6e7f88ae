//! The data files of an output directory, as bytes.
//!
//! Invariant: rows follow the study's order; floats are the shortest text that reads back exactly; what is not
//! finite is an empty cell.

use super::file::{File, csv};
use super::number::{self, exact};
use super::{plot, summary, words};
use crate::experiment::Study;
use crate::experiment::comparison::HEADLINE;

/// Header of `metrics.csv`.
pub const METRICS: [&str; 15] = [
    "scenario",
    "policy",
    "agents",
    "metric",
    "unit",
    "mean",
    "sd",
    "ci_low",
    "ci_high",
    "p50",
    "p90",
    "p99",
    "replications",
    "origin",
    "extrapolated",
];
/// Header of `comparison.csv`.
pub const COMPARISON: [&str; 12] = [
    "scenario",
    "metric",
    "agents",
    "policy",
    "baseline",
    "difference",
    "ratio",
    "ci_low",
    "ci_high",
    "p_value",
    "holm",
    "verdict",
];
/// Header of `replications.csv`.
pub const REPLICATIONS: [&str; 6] = ["scenario", "policy", "agents", "replication", "metric", "value"];

/// Every file but the manifest, in order of name.
pub fn all(study: &Study, figures: bool) -> Vec<File> {
    let mut files = vec![
        File::text("metrics.csv", metrics_csv(study)),
        File::text("comparison.csv", comparison_csv(study)),
        File::text("replications.csv", replications_csv(study)),
        File::text("report.md", super::markdown::page(study)),
        File::text(summary::FILE, summary::SummaryFile::of(study).to_json()),
    ];
    if figures {
        files.extend(plot::files(study));
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files
}

/// `metrics.csv`: one line per policy, size and metric.
pub fn metrics_csv(study: &Study) -> String {
    let rows = study.cells.iter().flat_map(|cell| {
        cell.series.iter().map(move |series| {
            let s = number::summary(series);
            let mut row = vec![
                study.scenario.name.clone(),
                cell.policy.clone(),
                cell.agents.to_string(),
                series.metric.to_owned(),
                series.unit.to_owned(),
            ];
            let known = |x: Option<f64>| x.map(exact).unwrap_or_default();
            let ends = [s.interval.map(|i| i.low), s.interval.map(|i| i.high)].map(known);
            row.extend([exact(s.mean), known(s.sd)].into_iter().chain(ends));
            row.extend([s.p50, s.p90, s.p99].map(exact));
            row.extend([s.n.to_string(), cell.origin.name().to_owned(), cell.extrapolated.to_string()]);
            row
        })
    });
    csv(&METRICS, rows)
}

/// `comparison.csv`: one line per metric, size and policy that was compared.
pub fn comparison_csv(study: &Study) -> String {
    let rows = study.comparisons.iter().map(|c| {
        let mut row = vec![
            study.scenario.name.clone(),
            c.metric.to_owned(),
            c.agents.to_string(),
            c.policy.clone(),
            c.baseline.clone(),
        ];
        let known = [c.ratio, c.interval.map(|i| i.low), c.interval.map(|i| i.high), c.p_value];
        row.push(exact(c.difference));
        row.extend(known.map(|x| x.map(exact).unwrap_or_default()));
        row.push(c.survives.to_string());
        row.push(words::judgement(c.judgement).to_owned());
        row
    });
    csv(&COMPARISON, rows)
}

/// `replications.csv`: every value of the headline metrics, replications counted from 0. A series that some
/// replications do not have cannot say which: its replication cells are empty.
pub fn replications_csv(study: &Study) -> String {
    values_csv(study, |metric| HEADLINE.contains(&metric))
}

/// The same of all metrics.
pub fn raw_csv(study: &Study) -> String {
    values_csv(study, |_| true)
}

fn values_csv(study: &Study, wanted: fn(&str) -> bool) -> String {
    let whole = study.scenario.replications as usize;
    let rows = study.cells.iter().flat_map(|cell| {
        cell.series.iter().filter(move |s| wanted(s.metric)).flat_map(move |series| {
            let complete = series.values.len() + series.lacking.len() == whole;
            let having = (0..whole as u32).filter(|i| series.lacking.binary_search(i).is_err());
            series.values.iter().zip(having).map(move |(&value, i)| {
                vec![
                    study.scenario.name.clone(),
                    cell.policy.clone(),
                    cell.agents.to_string(),
                    if complete { i.to_string() } else { String::new() },
                    series.metric.to_owned(),
                    exact(value),
                ]
            })
        })
    });
    csv(&REPLICATIONS, rows)
}
