//! What a study says in sentences, and what it warns of.

use super::comparison::{BEST_CENTRAL, is_central};
use super::scenario::Scenario;
use super::study::{Cell, Comparison};
use crate::policy::catalog;

/// Team sizes that sentences are about: the largest published one that was run, and the largest of all.
fn sizes(scenario: &Scenario, policy: &str) -> Vec<u32> {
    let published = catalog::entry(scenario.base_of(policy)).map_or(u32::MAX, |e| e.published_up_to);
    let within = scenario.agents.iter().copied().filter(|n| *n <= published).max();
    let largest = scenario.agents.iter().copied().max();
    let mut sizes: Vec<u32> = within.into_iter().chain(largest).collect();
    sizes.dedup();
    sizes
}

/// Sentences, most important first.
pub(super) fn verdicts(scenario: &Scenario, cells: &[Cell], comparisons: &[Comparison]) -> Vec<String> {
    let mut sentences = Vec::new();
    for policy in scenario.policies.iter().filter(|p| catalog::is_decentral(scenario.base_of(p))) {
        for n in sizes(scenario, policy) {
            let parts: Vec<String> = comparisons
                .iter()
                .filter(|c| c.policy == *policy && c.agents == n)
                .filter_map(|c| phrase(c, cells))
                .collect();
            if parts.is_empty() {
                continue;
            }
            let extrapolated = cells.iter().any(|c| c.policy == *policy && c.agents == n && c.extrapolated);
            let mark = if extrapolated { " (beyond published sizes: extrapolation)" } else { "" };
            let rival = if scenario.baseline == BEST_CENTRAL {
                "against the best central form of each metric".to_owned()
            } else {
                format!("against {}", scenario.baseline)
            };
            sentences.push(format!("{policy}, N = {n}, {rival}{mark}: {}.", parts.join("; ")));
        }
    }
    sentences
}

fn phrase(c: &Comparison, cells: &[Cell]) -> Option<String> {
    let name = match c.metric {
        "makespan_s" => "makespan",
        "cost_per_task_usd" => "cost per task",
        "avg_at_1" => "Avg@1",
        "pass" => "Pass",
        _ => return None,
    };
    let rival = cells.iter().find(|x| x.policy == c.baseline && x.agents == c.agents)?.mean(c.metric)?;
    Some(match c.verdict {
        "equal" => format!("{name} equal to {} run by run", c.baseline),
        verdict if matches!(c.metric, "avg_at_1" | "pass") => {
            let word = if verdict == "no difference shown" { ", no difference shown" } else { "" };
            format!(
                "{name} {:+.1} points [{:+.1}, {:+.1}]{word} ({})",
                c.difference * 100.0,
                c.ci_low * 100.0,
                c.ci_high * 100.0,
                c.baseline
            )
        }
        verdict => {
            let word = if verdict == "no difference shown" { ", no difference shown" } else { "" };
            format!(
                "{name} {:+.0} % [{:+.0}, {:+.0}]{word} ({})",
                c.difference / rival * 100.0,
                c.ci_low / rival * 100.0,
                c.ci_high / rival * 100.0,
                c.baseline
            )
        }
    })
}

/// Advice and caveats.
pub(super) fn warnings(scenario: &Scenario, cells: &[Cell], comparisons: &[Comparison]) -> Vec<String> {
    let mut warnings = Vec::new();
    let beyond: Vec<u32> =
        scenario.agents.iter().copied().filter(|n| cells.iter().any(|c| c.agents == *n && c.extrapolated)).collect();
    if let Some(first) = beyond.first() {
        warnings.push(format!(
            "From N = {first} on, nobody has published such a run: marked * here, dashed in the figures."
        ));
    }
    let open = comparisons
        .iter()
        .filter(|c| c.verdict == "no difference shown" && catalog::is_decentral(scenario.base_of(&c.policy)))
        .count();
    if open > 0 {
        warnings.push(format!(
            "{open} comparison(s) show no difference at {} replications: raise --replications before you conclude there is none.",
            scenario.replications
        ));
    }
    if scenario.replications < 30 {
        warnings.push(format!(
            "{} replications are few: intervals rest on t quantiles with {} degrees of freedom.",
            scenario.replications,
            scenario.replications.saturating_sub(1)
        ));
    }
    if !scenario.policies.iter().any(|p| is_central(scenario, p)) && scenario.baseline == BEST_CENTRAL {
        warnings.push(
            "No central form runs here: there is nothing to compare with. Add one, or name --baseline.".to_owned(),
        );
    }
    for (policy, p) in &scenario.protocol {
        if (p.quality, p.cost, p.latency) != (1.0, 1.0, 1.0) {
            warnings.push(format!(
                "Protocol factors of {policy}: quality {}, cost {}, latency {}: differences of harness, not of sharing.",
                p.quality, p.cost, p.latency
            ));
        }
    }
    for cell in cells {
        let abandoned = cell.mean("subtasks_abandoned").unwrap_or(0.0);
        let done = cell.mean("subtasks_done").unwrap_or(0.0);
        if abandoned > 0.2 * (abandoned + done).max(1.0) {
            warnings.push(format!(
                "{}, N = {}: {abandoned:.1} subtasks per task are given up; look at gate retries and requeues.",
                cell.policy, cell.agents
            ));
        }
    }
    warnings
}
