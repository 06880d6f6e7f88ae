//! A/A: a policy against itself on other random numbers. Whoever compares runs of two seeds, or a real run with a simulated
//! one, sees this much where there is nothing to see. On the same random numbers a twin is equal run by run.
//!
//! Invariant: the twin's runs decide nothing and are reported nowhere else.

use super::cells::{cell, replicate};
use super::judgement::{TwinGap, Verdict};
use super::metrics;
use super::replication::Point;
use super::scenario::Scenario;
use super::study::{Cell, Origin};
use super::verdict::featured;
use crate::runtime::RunError;
use crate::stats::unpaired;

/// First replication number of the twin.
const FIRST: u64 = 3 << 40;
/// Metrics that are told.
const SHOWN: [&str; 3] = ["pass", "cost_per_task_usd", "makespan_s"];

/// The first policy that the verdicts speak of, at the size that they speak of first, against its twin.
pub(super) fn twins(scenario: &Scenario, cells: &[Cell]) -> Result<Option<Verdict>, RunError> {
    let own = scenario.policies.iter().find_map(|policy| featured(cells, policy).first().copied());
    let Some(own) = own.filter(|_| scenario.replications > 1) else { return Ok(None) };
    let point = [Point::new(scenario, &own.policy, own.agents)?];
    let runs = replicate(&point, FIRST, scenario.replications, &|| {})?;
    let [point] = point;
    let twin = cell(scenario, &point, &runs[0], Origin::Simulated);
    let gaps = SHOWN.iter().filter_map(|metric| {
        let (a, b) = (own.get(metric)?, twin.get(metric)?);
        let (difference, interval) = unpaired(&a.values, &b.values);
        let metric = metrics::find(metric)?.name;
        Some(TwinGap { metric, difference, interval })
    });
    Ok(Some(Verdict::Twins {
        policy: own.policy.clone(),
        agents: own.agents,
        replications: scenario.replications,
        gaps: gaps.collect(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Overrides;
    use crate::experiment::judgement::TwinGap;

    fn gaps(seed: u64, replications: u32) -> Vec<TwinGap> {
        let overrides = Overrides {
            seed: Some(seed),
            replications: Some(replications),
            agents: Some(vec![2]),
            policies: Some(vec!["delm-queue".to_owned()]),
            ..Overrides::default()
        };
        let scenario = Scenario::load("multi-doc-qa", &overrides).unwrap();
        let point = [Point::new(&scenario, "delm-queue", 2).unwrap()];
        let runs = replicate(&point, 0, replications, &|| {}).unwrap();
        let own = cell(&scenario, &point[0], &runs[0], Origin::Simulated);
        match twins(&scenario, &[own]).unwrap() {
            Some(Verdict::Twins { policy, agents: 2, replications: n, gaps }) => {
                assert_eq!((policy.as_str(), n), ("delm-queue", replications));
                gaps
            }
            _ => Vec::new(),
        }
    }

    /// Twins differ, and by nothing that an interval would not explain: 95 % of intervals hold 0, and so do at least 50
    /// of 60 (a chance of all but 2e-4).
    #[test]
    fn twins_differ_by_noise() {
        let gaps: Vec<TwinGap> = (1..=20).flat_map(|seed| gaps(seed, 12)).collect();
        assert_eq!(gaps.len(), 60);
        assert!(gaps.iter().filter(|gap| gap.metric != "pass").all(|gap| gap.difference != 0.0));
        let held = gaps.iter().filter(|gap| gap.interval.unwrap().sign() == 0).count();
        assert!(held >= 50, "{held}");
    }

    #[test]
    fn one_run_has_no_twin() {
        assert_eq!(gaps(1, 1), Vec::new());
    }
}
