//! What flips a verdict: coordination parameters that nobody published, moved one at a time to the ends of their priors.

use super::cells::{cell, replicate};
use super::comparison::{BEST_CENTRAL, baseline, difference_interval, is_central};
use super::judgement::{Judgement, Reversal, Rival, Search, Verdict};
use super::metrics::{self, Better};
use super::prior::{Movable, movables};
use super::replication::Point;
use super::scenario::Scenario;
use super::study::{Cell, Comparison, Origin};
use super::verdict::featured;
use crate::model::workload::WorkloadSpec;
use crate::runtime::RunError;
use crate::stats::{SEEN, paired};

const REPLICATIONS: u32 = 64;
const FIRST: u64 = 1 << 41;

/// Which assumption, at which end of its prior, turns a verdict of a decentralized policy around.
pub(super) fn flips(scenario: &Scenario, cells: &[Cell], comparisons: &[Comparison]) -> Result<Vec<Verdict>, RunError> {
    // What was recorded counts as supported, and nothing is graded: sharing has nothing to reverse.
    if matches!(scenario.workload, WorkloadSpec::Recorded(_)) {
        return Ok(Vec::new());
    }
    let mut verdicts = Vec::new();
    for policy in &scenario.policies {
        // The size that the verdict speaks of first.
        let Some(n) = featured(cells, policy).first().map(|cell| cell.agents) else { continue };
        let settled: Vec<&Comparison> = comparisons
            .iter()
            .filter(|c| {
                c.policy == *policy && c.agents == n && matches!(c.judgement, Judgement::Better | Judgement::Worse)
            })
            .filter(|c| matches!(c.metric, "makespan_s" | "cost_per_task_usd" | "avg_at_1" | "pass"))
            .collect();
        if settled.is_empty() {
            continue;
        }
        let (mut reversals, mut error) = (Vec::new(), None);
        let (mut levers, _) = movables(scenario, &[policy]);
        levers.retain(|lever| lever.path.starts_with("sharing."));
        for lever in &levers {
            for end in [lever.at(0.0), lever.at(1.0)] {
                let (turned, of_pass) = turned(scenario, policy, n, &settled, lever, end)?;
                error = of_pass.into_iter().chain(error).reduce(f64::max);
                let reversal = |metric| Reversal { metric, parameter: lever.path.clone(), value: end };
                reversals.extend(turned.into_iter().map(reversal));
            }
        }
        let rival = if scenario.baseline == BEST_CENTRAL {
            Rival::BestCentral
        } else {
            Rival::Baseline(scenario.baseline.clone())
        };
        verdicts.push(Verdict::Flips {
            policy: policy.clone(),
            agents: n,
            rival,
            reversals,
            moved: levers.len(),
            replications: REPLICATIONS,
            seen_from: error.map(|error| SEEN * error),
        });
    }
    Ok(verdicts)
}

/// Metrics whose verdict is reversed with the lever at this end, and the standard error of the difference of Pass there.
fn turned(
    scenario: &Scenario,
    policy: &str,
    n: u32,
    settled: &[&Comparison],
    lever: &Movable,
    end: f64,
) -> Result<(Vec<&'static str>, Option<f64>), RunError> {
    // An end that makes no scenario turns nothing.
    let Ok(mut moved) = scenario.with(&lever.edits(end)) else { return Ok((Vec::new(), None)) };
    moved.agents = vec![n];
    let rivals = |p: &&String| {
        if moved.baseline == BEST_CENTRAL { is_central(&moved, p) } else { **p == moved.baseline }
    };
    let mut policies: Vec<String> = scenario.policies.iter().filter(rivals).cloned().collect();
    policies.push(policy.to_owned());
    let points: Result<Vec<Point>, RunError> = policies.iter().map(|p| Point::new(&moved, p, n)).collect();
    let points = points?;
    let runs = replicate(&points, FIRST, REPLICATIONS, &|| {})?;
    let mut cells: Vec<_> = points.iter().zip(&runs).map(|(p, r)| cell(&moved, p, r, Origin::Simulated)).collect();
    let own = cells.pop().expect("the policy itself was run");
    let cells = Search::Found(cells);
    let mut error = None;
    let turned = settled.iter().filter(|c| {
        let Some(base) = baseline(&moved, &cells, c.metric, n) else {
            return false;
        };
        let Search::Found(rivals) = &cells else { return false };
        let rival = rivals.iter().find(|x| x.policy == base).and_then(|x| x.get(c.metric));
        let (Some(a), Some(b)) = (own.get(c.metric), rival) else {
            return false;
        };
        if c.metric == "pass" {
            error = paired(&a.values, &b.values, 0, 0).standard_error();
        }
        let Some(interval) = difference_interval(a.share, &a.values, &b.values) else { return false };
        let lower = metrics::find(c.metric).is_none_or(|m| m.better != Better::Higher);
        let good = if lower { -1 } else { 1 };
        interval.sign() == if c.judgement == Judgement::Better { -good } else { good }
    });
    let turned = turned.map(|c| c.metric).collect();
    Ok((turned, error))
}
