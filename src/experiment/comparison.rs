//! Paired comparisons with a baseline, and what they say in words.
//!
//! The default baseline is the best central form *of each metric at each team size*: the hardest rival there is. It is
//! chosen on pilot replications that are not reported, so that picking the winner does not flatter it.

use super::metrics::{self, Better};
use super::scenario::Scenario;
use super::study::{Cell, Comparison};
use crate::policy::catalog;
use crate::stats::paired;

/// Metrics that are compared, and kept per replication in files.
pub const HEADLINE: &[&str] =
    &["makespan_s", "cost_per_task_usd", "cost_per_submission_usd", "avg_at_1", "pass", "waiting_share"];

/// Word for the best central form.
pub const BEST_CENTRAL: &str = "best-central";

const RESAMPLES: usize = 200;

/// The policy to compare with, for one metric at one size; `pilot` holds the cells of pilot replications.
pub(super) fn baseline<'a>(scenario: &'a Scenario, pilot: &'a [Cell], metric: &str, agents: u32) -> Option<&'a str> {
    if scenario.baseline != BEST_CENTRAL {
        return Some(&scenario.baseline);
    }
    let better = metrics::find(metric).map_or(Better::Lower, |m| m.better);
    let sign = if better == Better::Higher { -1.0 } else { 1.0 };
    pilot
        .iter()
        .filter(|c| c.agents == agents)
        .filter_map(|c| c.mean(metric).map(|mean| (sign * mean, c.policy.as_str())))
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, policy)| policy)
}

/// Whether a policy of this scenario has a lead or reducer.
pub(super) fn is_central(scenario: &Scenario, policy: &str) -> bool {
    catalog::entry(scenario.base_of(policy)).is_some_and(|e| e.central)
}

/// Compares every policy with its baseline, cell by cell.
pub(super) fn compare(scenario: &Scenario, cells: &[Cell], pilot: &[Cell]) -> Vec<Comparison> {
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
    rows
}

/// Compares a cell with one rival at the same size, metric by metric.
pub(super) fn against(scenario: &Scenario, own: &Cell, cells: &[Cell], rival: &str) -> Vec<Comparison> {
    let Some(rival) = cells.iter().find(|c| c.policy == rival && c.agents == own.agents) else { return Vec::new() };
    HEADLINE.iter().filter_map(|metric| pair(scenario.seed, metric, own, rival)).collect()
}

pub(super) fn pair(seed: u64, metric: &'static str, cell: &Cell, rival: &Cell) -> Option<Comparison> {
    let (a, b) = (&cell.get(metric)?.values, &rival.get(metric)?.values);
    if a.len() != b.len() || a.is_empty() {
        return None;
    }
    let p = paired(a, b, RESAMPLES, seed);
    let better = metrics::find(metric).map_or(Better::Lower, |m| m.better);
    let verdict = match better {
        _ if a == b => "equal",
        _ if !(p.ci_low > 0.0 || p.ci_high < 0.0) => "no difference shown",
        Better::Lower if p.ci_high < 0.0 => "better",
        Better::Higher if p.ci_low > 0.0 => "better",
        Better::Neither => "different",
        _ => "worse",
    };
    Some(Comparison {
        metric,
        agents: cell.agents,
        policy: cell.policy.clone(),
        baseline: rival.policy.clone(),
        difference: p.difference,
        ratio: if p.ratio.is_finite() { p.ratio } else { f64::NAN },
        ci_low: p.ci_low,
        ci_high: p.ci_high,
        verdict,
    })
}

/// The best point of the central forms' grid within a spend: highest mean of `metric` among pilot cells whose mean
/// `spend` is no more than `most`. Chosen on pilot replications, so that reporting it elsewhere is fair.
pub(super) fn best_within<'a>(
    scenario: &Scenario,
    pilot: &'a [Cell],
    metric: &str,
    spend: &str,
    most: f64,
) -> Option<&'a Cell> {
    pilot
        .iter()
        .filter(|c| is_central(scenario, &c.policy) && c.mean(spend).is_some_and(|s| s <= most))
        .filter_map(|c| c.mean(metric).map(|mean| (mean, c)))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, cell)| cell)
}
