//! Figures, as SVG and PNG: quantities over the team size with 95 % bands, and agent time by phase, and critical paths.
//!
//! A figure is first laid out as a list of marks in logical pixels, then painted by plotters on both backends. Logs are
//! libm's, coordinates whole numbers, the font is embedded.
//!
//! Invariant: equal studies give equal bytes; what is dashed or hollow is beyond every published team size.

mod axis;
mod canvas;
mod curves;
mod lines;
mod path;
mod phases;
mod png;
mod style;
mod tornado;

use super::columns;
use super::file::File;
use super::number;
use crate::experiment::Study;
use crate::experiment::explain::Explanation;
use crate::experiment::study::Comparison;
use axis::Kind;
pub(super) use canvas::Canvas;
pub(super) use curves::{At, Curve, Words, draw as curves};
use lines::{LineFigure, Panel};
pub(super) use tornado::{Bar, tornado};

/// Files of all figures that the study has data for, SVG and PNG of each.
pub fn files(study: &Study) -> Vec<File> {
    drawn(study).into_iter().flat_map(|(name, canvas)| both(name, &canvas)).collect()
}

/// A figure in both forms.
pub(super) fn both(name: &str, canvas: &Canvas) -> [File; 2] {
    [
        File { name: format!("{name}.svg"), bytes: canvas.svg().into_bytes() },
        File { name: format!("{name}.png"), bytes: canvas.png() },
    ]
}

/// The figure of two critical paths, as SVG and as PNG.
pub fn paths(explanation: &Explanation) -> [File; 2] {
    both("path", &path::draw(explanation))
}

/// Why figures are missing, if some are.
pub fn missing(study: &Study) -> Option<&'static str> {
    (columns::sizes(study).len() < 2).then_some("no lines over N: there is only one team size")
}

fn drawn(study: &Study) -> Vec<(&'static str, Canvas)> {
    let over_sizes = if missing(study).is_some() { Vec::new() } else { Vec::from(line_figures()) };
    let lines = over_sizes.iter().filter_map(|figure| Some((figure.name, lines::draw(study, figure)?)));
    let differences = differences(study).map(|canvas| ("differences", canvas));
    lines.chain(differences).chain(phases::draw(study).map(|canvas| ("phases", canvas))).collect()
}

/// Differences of Pass with the baseline, with the bands of the pairs: bands of the two means would be far too wide.
fn differences(study: &Study) -> Option<Canvas> {
    let curve = |policy: &&str| {
        let run = |c: &&Comparison| study.cell(&c.policy, c.agents).is_some();
        let rows = study.comparisons.iter().filter(|c| c.metric == "pass" && c.policy == **policy).filter(run);
        let points = rows
            .filter_map(|c| {
                let i = c.interval?.scaled(100.0);
                let whole = [c.difference, i.low, i.high].iter().all(|x| x.is_finite());
                let (x, mean) = (f64::from(c.agents), c.difference * 100.0);
                whole.then_some(At { x, mean, low: i.low, high: i.high })
            })
            .collect();
        Curve { name: (*policy).to_owned(), form: study.form(policy), points }
    };
    let drawn: Vec<Curve> = columns::featured(study).iter().map(curve).collect();
    let rival = "the best central form of each size, or the baseline that the scenario names";
    let note = caption(study, &["bands: 95 % of the paired difference", rival]);
    let words = Words {
        title: "Pass: the policy minus its rival, in pairs",
        unit: "points; above 0 the policy is better",
        below: "team size N (workers)",
        note: &note,
    };
    curves::draw(&drawn, false, words)
}

/// The figures over the team size.
fn line_figures() -> [LineFigure; 4] {
    let panel = |metric, heading| Panel { metric, heading };
    [
        LineFigure {
            name: "makespan",
            title: "Makespan: time until a task is done",
            unit: "seconds per task",
            scale: 1.0,
            kind: Kind::Ratio,
            note: "",
            panels: vec![panel("makespan_s", "")],
        },
        LineFigure {
            name: "cost",
            title: "Cost of a task, all agents together",
            unit: "US dollars per task",
            scale: 1.0,
            kind: Kind::Amount,
            note: "",
            panels: vec![panel("cost_per_task_usd", "")],
        },
        LineFigure {
            name: "accuracy",
            title: "Accuracy: share of right submissions and of tasks solved by any",
            unit: "percent",
            scale: 100.0,
            kind: Kind::PercentNear,
            note: "",
            panels: vec![panel("avg_at_1", "Avg@1: mean over submissions"), panel("pass", "Pass: at least one right")],
        },
        LineFigure {
            name: "utilisation",
            title: "Controller utilisation: share of the makespan in which the lead is busy",
            unit: "percent",
            scale: 100.0,
            kind: Kind::Percent,
            note: "policies without a lead are not drawn",
            panels: vec![panel("controller_utilisation", "")],
        },
    ]
}

/// What every figure says of its making.
fn caption(study: &Study, notes: &[&str]) -> String {
    let mix = &study.scenario.mix;
    let mut parts: Vec<String> = [("accuracy", &mix.accuracy), ("latencies", &mix.latencies), ("prices", &mix.prices)]
        .iter()
        .filter(|(_, from)| !from.is_empty())
        .map(|(what, from)| format!("{what} from {from}"))
        .collect();
    parts.insert(0, format!("{}: {}", study.scenario.name, study.origin().name()));
    parts.push(format!("{} replications", study.scenario.replications));
    parts.push(format!("{} assumed inputs", study.inputs[2]));
    parts.extend(notes.iter().filter(|n| !n.is_empty()).map(ToString::to_string));
    parts.join("; ") + "."
}

/// A short number for an axis or a bar.
fn tick(value: f64, decimals: usize) -> String {
    number::rounded(value, decimals)
}
