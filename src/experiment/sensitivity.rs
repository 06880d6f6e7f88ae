//! What flips a verdict: coordination parameters that nobody published, moved one at a time to the ends of their priors.

use super::cells::{cell, replicate};
use super::comparison::{BEST_CENTRAL, baseline, difference_interval, is_central};
use super::judgement::{Judgement, Reversal, Rival, Search, Verdict};
use super::metrics::{self, Better};
use super::replication::Point;
use super::scenario::Scenario;
use super::study::{Cell, Comparison, Origin};
use super::verdict::featured;
use crate::model::sharing::Sharing;
use crate::model::workload::WorkloadSpec;
use crate::runtime::RunError;

/// A parameter with the ends of its prior.
struct Lever {
    name: &'static str,
    low: f64,
    high: f64,
    set: fn(&mut Sharing, f64),
}

macro_rules! lever {
    ($name:ident, $low:expr, $high:expr) => {
        Lever { name: stringify!($name), low: $low, high: $high, set: |s, x| s.$name = x }
    };
}

/// Priors of the search workload (reference workload model A1).
const SEARCH: &[Lever] = &[
    lever!(respect, 0.0, 1.0),
    lever!(adoption, 0.0, 1.0),
    lever!(false_adoption_ratio, 0.0, 1.0),
    lever!(wrong_note, 1e-4, 0.03),
    lever!(fact_gain, 0.0, 0.3),
    lever!(herding, 0.0, 0.4),
    lever!(distraction_per_ktoken, 0.0, 0.05),
];

/// Priors of the divide workload (reference workload model A3).
const DIVIDE: &[Lever] = &[
    lever!(true_positive_rate, 0.88, 0.98),
    lever!(false_positive_rate, 0.05, 0.5),
    lever!(contagion, 0.0, 0.5),
    lever!(misleads, 0.0, 1.0),
    lever!(unfold_recovery, 0.2, 0.98),
    lever!(notice, 0.0, 1.0),
];

const REPLICATIONS: u32 = 64;
const FIRST: u64 = 1 << 41;

/// Which assumption, at which end of its prior, turns a verdict of a decentralized policy around.
pub(super) fn flips(scenario: &Scenario, cells: &[Cell], comparisons: &[Comparison]) -> Result<Vec<Verdict>, RunError> {
    let levers = match scenario.workload {
        WorkloadSpec::Search(_) => SEARCH,
        WorkloadSpec::Divide(_) => DIVIDE,
        // What was recorded counts as supported, and nothing is graded: sharing has nothing to reverse.
        WorkloadSpec::Recorded(_) => return Ok(Vec::new()),
    };
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
        let mut reversals = Vec::new();
        for lever in levers {
            for end in [lever.low, lever.high] {
                let turned = turned(scenario, policy, n, &settled, lever, end)?;
                let reversal = |metric| Reversal { metric, parameter: lever.name, value: end };
                reversals.extend(turned.into_iter().map(reversal));
            }
        }
        let rival = if scenario.baseline == BEST_CENTRAL {
            Rival::BestCentral
        } else {
            Rival::Baseline(scenario.baseline.clone())
        };
        verdicts.push(Verdict::Flips { policy: policy.clone(), agents: n, rival, reversals, moved: levers.len() });
    }
    Ok(verdicts)
}

/// Metrics whose verdict no longer holds with the lever at this end.
fn turned(
    scenario: &Scenario,
    policy: &str,
    n: u32,
    settled: &[&Comparison],
    lever: &Lever,
    end: f64,
) -> Result<Vec<&'static str>, RunError> {
    let mut moved = scenario.clone();
    (lever.set)(&mut moved.sharing, end);
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
    let turned = settled.iter().filter(|c| {
        let Some(base) = baseline(&moved, &cells, c.metric, n) else {
            return false;
        };
        let Search::Found(rivals) = &cells else { return false };
        let rival = rivals.iter().find(|x| x.policy == base).and_then(|x| x.get(c.metric));
        let (Some(a), Some(b)) = (own.get(c.metric), rival) else {
            return false;
        };
        let Some(interval) = difference_interval(a.share, &a.values, &b.values) else { return false };
        let lower = metrics::find(c.metric).is_none_or(|m| m.better != Better::Higher);
        let good = if lower { -1 } else { 1 };
        interval.sign() == if c.judgement == Judgement::Better { -good } else { good }
    });
    Ok(turned.map(|c| c.metric).collect())
}
