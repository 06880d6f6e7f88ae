//! Paired comparisons with a baseline, and what they say in words.
//!
//! The default baseline is the best central form *of each metric at each team size*: the hardest rival there is. It is
//! chosen on pilot replications that are not reported, so that picking the winner does not flatter it.

use super::judgement::{Judgement, Search};
use super::metrics::{self, Better};
use super::scenario::Scenario;
use super::study::{Cell, Comparison};
use crate::policy::settings::Form;
use crate::stats::{Interval, holm, paired, paired_p_value, paired_share_interval};

/// Metrics that are compared, and kept per replication in files.
pub const HEADLINE: &[&str] =
    &["makespan_s", "cost_per_task_usd", "cost_per_submission_usd", "avg_at_1", "pass", "waiting_share"];

/// Word for the best central form.
pub const BEST_CENTRAL: &str = "best-central";

const RESAMPLES: usize = 200;
/// Chance of any false claim in a table of comparisons.
const LEVEL: f64 = 0.05;

/// The policy to compare with, for one metric at one size; `pilot` holds the cells of pilot replications.
pub(super) fn baseline<'a>(
    scenario: &'a Scenario,
    pilot: &'a Search<Vec<Cell>>,
    metric: &str,
    agents: u32,
) -> Option<&'a str> {
    if scenario.baseline != BEST_CENTRAL {
        return Some(&scenario.baseline);
    }
    let Search::Found(pilot) = pilot else { return None };
    let better = metrics::find(metric).map_or(Better::Lower, |m| m.better);
    let sign = if better == Better::Higher { -1.0 } else { 1.0 };
    pilot
        .iter()
        .filter(|c| c.agents == agents)
        .filter_map(|c| c.mean(metric).map(|mean| (sign * mean, c.policy.as_str())))
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, policy)| policy)
}

/// The best central form of every metric that has a better side, at every team size.
pub(super) fn best_central(scenario: &Scenario, pilot: &Search<Vec<Cell>>) -> Vec<(&'static str, u32, String)> {
    if scenario.baseline != BEST_CENTRAL {
        return Vec::new();
    }
    let judged = metrics::METRICS.iter().filter(|m| m.better != Better::Neither);
    judged
        .flat_map(|m| scenario.agents.iter().map(move |n| (m.name, *n)))
        .filter_map(|(metric, n)| Some((metric, n, baseline(scenario, pilot, metric, n)?.to_owned())))
        .collect()
}

/// Whether a policy of this scenario is a central form.
pub(super) fn is_central(scenario: &Scenario, policy: &str) -> bool {
    scenario.settings(policy).is_ok_and(|s| s.form() == Form::Central)
}

/// The interval of a paired difference, as the metric needs it; none for one pair.
pub(super) fn difference_interval(share: bool, a: &[f64], b: &[f64]) -> Option<Interval> {
    if share { paired_share_interval(a, b) } else { paired(a, b, 0, 0).interval }
}

/// Compares every policy with its baseline, cell by cell.
pub(super) fn compare(scenario: &Scenario, cells: &[Cell], pilot: &Search<Vec<Cell>>) -> Vec<Comparison> {
    let mut rows = Vec::new();
    for metric in HEADLINE {
        for cell in cells {
            let Some(base) = baseline(scenario, pilot, metric, cell.agents) else {
                continue;
            };
            if base == cell.policy {
                continue;
            }
            let rival = cells.iter().find(|c| c.policy == base && c.agents == cell.agents);
            if let Some(row) = rival.and_then(|rival| pair(scenario.seed, metric, cell, rival)) {
                rows.push(row);
            }
        }
    }
    mark_survivors(&mut rows);
    rows
}

/// Marks what still counts when all comparisons of a table are taken together.
fn mark_survivors(rows: &mut [Comparison]) {
    let judged: Vec<usize> = (0..rows.len()).filter(|i| rows[*i].p_value.is_some()).collect();
    let p_values: Vec<f64> = judged.iter().filter_map(|i| rows[*i].p_value).collect();
    for (i, survives) in judged.into_iter().zip(holm(&p_values, LEVEL)) {
        rows[i].survives = survives;
    }
}

/// The smallest difference that matters: a point of a share, a twentieth of the rival's mean of anything else. A choice
/// of this program, told with every table.
pub fn smallest_of_interest(share: bool, rival_mean: f64) -> f64 {
    if share { 0.01 } else { 0.05 * rival_mean.abs() }
}

/// Compares a cell with one rival at the same size, metric by metric.
pub(super) fn against(scenario: &Scenario, own: &Cell, cells: &[Cell], rival: &str) -> Vec<Comparison> {
    let Some(rival) = cells.iter().find(|c| c.policy == rival && c.agents == own.agents) else { return Vec::new() };
    HEADLINE.iter().filter_map(|metric| pair(scenario.seed, metric, own, rival)).collect()
}

pub(super) fn pair(seed: u64, metric: &'static str, cell: &Cell, rival: &Cell) -> Option<Comparison> {
    let (own, other) = (cell.get(metric)?, rival.get(metric)?);
    let (a, b) = (&own.values, &other.values);
    if a.len() != b.len() || a.is_empty() {
        return None;
    }
    let p = paired(a, b, RESAMPLES, seed);
    let interval = difference_interval(own.share, a, b);
    let better = metrics::find(metric).map_or(Better::Lower, |m| m.better);
    let smallest = smallest_of_interest(own.share, other.summary().mean);
    let judgement = match interval {
        None => Judgement::NotJudged,
        Some(_) if a == b => Judgement::Equal,
        Some(i) if i.low.abs().max(i.high.abs()) < smallest => Judgement::TooSmall,
        Some(i) => match (i.sign(), better) {
            (0, _) => Judgement::NotShown,
            (-1, Better::Lower) | (1, Better::Higher) => Judgement::Better,
            (_, Better::Neither) => Judgement::Different,
            _ => Judgement::Worse,
        },
    };
    Some(Comparison {
        metric,
        agents: cell.agents,
        policy: cell.policy.clone(),
        baseline: rival.policy.clone(),
        difference: p.difference,
        ratio: p.ratio.is_finite().then_some(p.ratio),
        interval,
        p_value: paired_p_value(a, b),
        survives: false,
        judgement,
    })
}

/// The best point of the central forms' grid within a spend: highest mean of `metric` among pilot cells whose mean
/// `spend` is no more than `most`. Chosen on pilot replications, so that reporting it elsewhere is fair.
pub(super) fn best_within<'a>(
    pilot: impl Iterator<Item = &'a Cell>,
    metric: &str,
    spend: &str,
    most: f64,
) -> Option<&'a Cell> {
    pilot
        .filter(|c| c.form == Some(Form::Central) && c.mean(spend).is_some_and(|s| s <= most))
        .filter_map(|c| c.mean(metric).map(|mean| (mean, c)))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, cell)| cell)
}
