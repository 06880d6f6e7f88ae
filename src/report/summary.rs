//! `summary.json`: the headline of a study for programs, with the caveats that belong to it.
//!
//! Invariant: a number here is finite or `null`, and every estimate carries its interval.

use super::columns::{COMPARED, HEADLINE};
use super::manifest;
use super::number::{self, finite};
use crate::experiment::Study;
use crate::experiment::scenario::Mix;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Name of the file.
pub const FILE: &str = "summary.json";
/// Version of its form.
pub const SCHEMA_VERSION: u32 = 1;

/// The whole document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SummaryFile {
    /// Version of this form.
    pub schema_version: u32,
    /// Version of the program.
    pub program_version: String,
    /// Scenario.
    pub scenario: String,
    /// Its question.
    pub question: String,
    /// blake3 of the expanded scenario.
    pub scenario_hash: String,
    /// Seed of all random streams.
    pub seed: u64,
    /// Replications per cell.
    pub replications: u32,
    /// Where every number comes from: simulated, replayed or measured.
    pub origin: String,
    /// Where the inputs come from.
    pub mix: Mix,
    /// How many inputs of each kind.
    pub inputs: Inputs,
    /// What the study found, in words, most important first.
    pub verdicts: Vec<String>,
    /// Caveats and advice.
    pub warnings: Vec<String>,
    /// Every policy and size with the headline metrics.
    pub rows: Vec<Row>,
    /// Paired comparisons of the headline metrics.
    pub comparisons: Vec<Paired>,
    /// Closed forms beside what the run gave.
    pub checks: Vec<CheckRow>,
    /// Digest over the traces of all runs.
    pub trace_digest: String,
}

/// Number of inputs by source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Inputs {
    /// Stated or released by their authors.
    pub published: usize,
    /// Estimated from data.
    pub fitted: usize,
    /// Nobody published them.
    pub assumed: usize,
    /// Choices of the experiment.
    pub design: usize,
}

/// One policy at one size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// Policy.
    pub policy: String,
    /// Workers.
    pub agents: u32,
    /// Beyond every published size of this policy.
    pub extrapolated: bool,
    /// Headline metrics that this policy has.
    pub metrics: BTreeMap<String, Estimate>,
}

/// A mean with its 95 % interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Estimate {
    /// Unit.
    pub unit: String,
    /// Mean over replications.
    pub mean: Option<f64>,
    /// Lower end of its 95 % interval.
    pub ci_low: Option<f64>,
    /// Upper end.
    pub ci_high: Option<f64>,
    /// Replications that have a value.
    pub replications: usize,
}

/// Policy against baseline under common random numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Paired {
    /// Metric.
    pub metric: String,
    /// Workers.
    pub agents: u32,
    /// Policy.
    pub policy: String,
    /// Compared with.
    pub baseline: String,
    /// Policy minus baseline.
    pub difference: Option<f64>,
    /// Policy over baseline.
    pub ratio: Option<f64>,
    /// Lower end of the difference's 95 % interval.
    pub ci_low: Option<f64>,
    /// Upper end.
    pub ci_high: Option<f64>,
    /// In words.
    pub verdict: String,
}

/// A closed form and its outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckRow {
    /// Policy.
    pub policy: String,
    /// Workers.
    pub agents: u32,
    /// Metric.
    pub metric: String,
    /// What theory says.
    pub expected: Option<f64>,
    /// What the run gave.
    pub observed: Option<f64>,
    /// Allowed absolute difference at this budget.
    pub tolerance: Option<f64>,
    /// Whether it holds.
    pub holds: bool,
    /// The formula or its source.
    pub formula: String,
}

impl SummaryFile {
    /// The document of a study.
    pub fn of(study: &Study) -> Self {
        let scenario = &study.scenario;
        let [published, fitted, assumed, design] = study.inputs;
        Self {
            schema_version: SCHEMA_VERSION,
            program_version: manifest::PROGRAM_VERSION.to_owned(),
            scenario: scenario.name.clone(),
            question: scenario.question.clone(),
            scenario_hash: manifest::scenario_hash(scenario),
            seed: scenario.seed,
            replications: scenario.replications,
            origin: study.origin().name().to_owned(),
            mix: scenario.mix.clone(),
            inputs: Inputs { published, fitted, assumed, design },
            verdicts: super::words::verdicts(study),
            warnings: super::words::warnings(study),
            rows: rows(study),
            comparisons: comparisons(study),
            checks: checks(study),
            trace_digest: study.digest.clone(),
        }
    }

    /// As JSON with a newline at its end.
    pub fn to_json(&self) -> String {
        let text = serde_json::to_string_pretty(self).expect("plain values become JSON");
        text + "\n"
    }
}

fn rows(study: &Study) -> Vec<Row> {
    let row = |cell: &crate::experiment::study::Cell| Row {
        policy: cell.policy.clone(),
        agents: cell.agents,
        extrapolated: cell.extrapolated,
        metrics: HEADLINE
            .iter()
            .filter_map(|column| cell.get(column.metric))
            .map(|series| {
                let s = number::summary(series);
                let estimate = Estimate {
                    unit: series.unit.to_owned(),
                    mean: finite(s.mean),
                    ci_low: s.interval.and_then(|i| finite(i.low)),
                    ci_high: s.interval.and_then(|i| finite(i.high)),
                    replications: s.n,
                };
                (series.metric.to_owned(), estimate)
            })
            .collect(),
    };
    study.cells.iter().map(row).collect()
}

fn comparisons(study: &Study) -> Vec<Paired> {
    let headline = study
        .comparisons
        .iter()
        .filter(|c| COMPARED.contains(&c.metric) || HEADLINE.iter().any(|h| h.metric == c.metric));
    headline
        .map(|c| Paired {
            metric: c.metric.to_owned(),
            agents: c.agents,
            policy: c.policy.clone(),
            baseline: c.baseline.clone(),
            difference: finite(c.difference),
            ratio: c.ratio.and_then(finite),
            ci_low: c.interval.and_then(|i| finite(i.low)),
            ci_high: c.interval.and_then(|i| finite(i.high)),
            verdict: super::words::judgement(c.judgement).to_owned(),
        })
        .collect()
}

fn checks(study: &Study) -> Vec<CheckRow> {
    let row = |c: &crate::experiment::study::Check| CheckRow {
        policy: c.policy.clone(),
        agents: c.agents,
        metric: c.metric.clone(),
        expected: finite(c.expected),
        observed: finite(c.observed),
        tolerance: finite(c.tolerance),
        holds: c.holds,
        formula: c.formula.clone(),
    };
    study.checks.iter().map(row).collect()
}
