//! What flips a verdict: coordination parameters that nobody published, moved one at a time to the ends of their priors.

use super::cells::{SIMULATED, cell, replicate};
use super::comparison::{BEST_CENTRAL, baseline, is_central};
use super::metrics::{self, Better};
use super::replication::Point;
use super::scenario::Scenario;
use super::study::Comparison;
use crate::model::sharing::Sharing;
use crate::model::workload::WorkloadSpec;
use crate::policy::catalog;
use crate::runtime::RunError;
use crate::stats::paired;

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
    lever!(distraction_per_ktoken, 0.0, 0.1),
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

/// Sentences: which assumption, at which end of its prior, turns a verdict of a decentralized policy around.
pub(super) fn flips(scenario: &Scenario, comparisons: &[Comparison]) -> Result<Vec<String>, RunError> {
    let levers = match scenario.workload {
        WorkloadSpec::Search(_) => SEARCH,
        WorkloadSpec::Divide(_) => DIVIDE,
        // What was recorded counts as supported, and nothing is graded: sharing has nothing to reverse.
        WorkloadSpec::Recorded(_) => return Ok(Vec::new()),
    };
    let mut sentences = Vec::new();
    let rival = if scenario.baseline == BEST_CENTRAL { "the best central forms" } else { scenario.baseline.as_str() };
    let decentral: Vec<&String> =
        scenario.policies.iter().filter(|p| catalog::is_decentral(scenario.base_of(p))).collect();
    for policy in decentral {
        let published = catalog::entry(scenario.base_of(policy)).map_or(u32::MAX, |e| e.published_up_to);
        let Some(n) = scenario.agents.iter().copied().filter(|n| *n <= published).max() else {
            continue;
        };
        let settled: Vec<&Comparison> = comparisons
            .iter()
            .filter(|c| c.policy == *policy && c.agents == n && matches!(c.verdict, "better" | "worse"))
            .filter(|c| matches!(c.metric, "makespan_s" | "cost_per_task_usd" | "avg_at_1" | "pass"))
            .collect();
        if settled.is_empty() {
            continue;
        }
        let mut found: Vec<String> = Vec::new();
        for lever in levers {
            for end in [lever.low, lever.high] {
                let turned = turned(scenario, policy, n, &settled, lever, end)?;
                found.extend(turned.iter().map(|metric| format!("{metric} at {} = {end}", lever.name)));
            }
        }
        let tried = levers.len() * 2;
        sentences.push(if found.is_empty() {
            format!(
                "{policy}, N = {n}, against {rival}: none of {tried} moves, one at a time, of {} sharing parameters to the ends of their priors reverses a verdict above; the other assumed inputs were not moved (see --set).",
                levers.len()
            )
        } else {
            format!("{policy}, N = {n}, against {rival}: reversed by assumption: {}.", found.join("; "))
        });
    }
    Ok(sentences)
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
    let mut cells: Vec<_> = points.iter().zip(&runs).map(|(p, r)| cell(&moved, p, r, SIMULATED)).collect();
    let own = cells.pop().expect("the policy itself was run");
    let turned = settled.iter().filter(|c| {
        let Some(base) = baseline(&moved, &cells, c.metric, n) else {
            return false;
        };
        let rival = cells.iter().find(|x| x.policy == base).and_then(|x| x.get(c.metric));
        let (Some(a), Some(b)) = (own.get(c.metric), rival) else {
            return false;
        };
        let p = paired(&a.values, &b.values, 20, moved.seed);
        let lower = metrics::find(c.metric).is_none_or(|m| m.better != Better::Higher);
        let worse = if lower { p.ci_low > 0.0 } else { p.ci_high < 0.0 };
        let better = if lower { p.ci_high < 0.0 } else { p.ci_low > 0.0 };
        if c.verdict == "better" { worse } else { better }
    });
    Ok(turned.map(|c| c.metric).collect())
}
