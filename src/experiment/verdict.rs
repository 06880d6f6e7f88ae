//! What a study says in sentences, and what it warns of.

use super::comparison::{self, BEST_CENTRAL, is_central};
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
pub(super) fn verdicts(scenario: &Scenario, cells: &[Cell], comparisons: &[Comparison], pilot: &[Cell]) -> Vec<String> {
    let mut sentences = knees(scenario, cells);
    for policy in scenario.policies.iter().filter(|p| catalog::is_decentral(scenario.base_of(p))) {
        for (i, n) in sizes(scenario, policy).into_iter().enumerate() {
            let Some(own) = cells.iter().find(|c| c.policy == *policy && c.agents == n) else { continue };
            let mark = if own.extrapolated { " (beyond published sizes: extrapolation)" } else { "" };
            let rows: Vec<&Comparison> = comparisons.iter().filter(|c| c.policy == *policy && c.agents == n).collect();
            let rival = if scenario.baseline == BEST_CENTRAL {
                "against the best central form of each metric".to_owned()
            } else {
                format!("against {}", scenario.baseline)
            };
            let named = scenario.baseline == BEST_CENTRAL;
            sentences.extend(sentence(&format!("{policy}, N = {n}, {rival}{mark}"), own, &rows, cells, named));
            // A variant of a catalogue's policy says less: its reader compares it with the original.
            let variant = scenario.base_of(policy) != policy;
            if i > 0 || scenario.baseline != BEST_CENTRAL {
                continue;
            }
            for (other, who) in [(SCATTER_GATHER, ", the authors' own parallel rival"), ("independent", " attempts")] {
                let found = comparison::against(scenario, own, cells, other);
                let rows: Vec<&Comparison> = found.iter().filter(|_| !variant).collect();
                let head = format!("{policy}, N = {n}, against {other}{who}");
                sentences.extend(sentence(&head, own, &rows, cells, false));
            }
            if !variant {
                sentences.extend(equal_spend(scenario, own, cells, pilot));
            }
        }
    }
    sentences
}

/// A lead this busy is the bottleneck of its team.
const SATURATED: f64 = 0.9;

/// From which team size on a lead is the bottleneck, for the forms whose lead ever is.
fn knees(scenario: &Scenario, cells: &[Cell]) -> Vec<String> {
    let knee = |policy: &String| {
        let own = cells.iter().filter(|c| c.policy == *policy);
        let busy = own.filter_map(|c| Some((c.agents, c.mean("controller_utilisation")?)));
        let from = busy.filter(|(_, u)| *u >= SATURATED).min_by_key(|(n, _)| *n)?;
        let served = from.1 * 100.0;
        Some(format!("{policy}: its lead is the bottleneck from N = {} on (busy {served:.0} % of the time).", from.0))
    };
    scenario.policies.iter().filter_map(knee).collect()
}

/// The rival that DeLM's authors built: scatter-gather.
const SCATTER_GATHER: &str = "orchestrator-parallel";

/// `named` says each rival beside its figure, where rows have different ones.
fn sentence(head: &str, own: &Cell, rows: &[&Comparison], cells: &[Cell], named: bool) -> Option<String> {
    let parts: Vec<String> = rows.iter().filter_map(|c| phrase(c, own, cells, named)).collect();
    (!parts.is_empty()).then(|| format!("{head}: {}.", parts.join("; ")))
}

fn phrase(c: &Comparison, own: &Cell, cells: &[Cell], named: bool) -> Option<String> {
    let rival = cells.iter().find(|x| x.policy == c.baseline && x.agents == c.agents)?;
    let open = if c.verdict == "no difference shown" { ", no difference shown" } else { "" };
    let (scale, unit, name, digits) = match c.metric {
        "makespan_s" => (100.0 / rival.mean(c.metric)?, " %", "makespan", 0),
        "cost_per_task_usd" => (100.0 / rival.mean(c.metric)?, " %", "cost per task", 0),
        "avg_at_1" => (100.0, " points", "Avg@1", 1),
        "pass" => (100.0, " points", "Pass", 1),
        _ => return None,
    };
    if c.verdict == "equal" {
        let to = if named { format!(" to {}", c.baseline) } else { String::new() };
        return Some(format!("{name} equal{to}, run by run"));
    }
    let (mid, low, high) = (c.difference * scale, c.ci_low * scale, c.ci_high * scale);
    let at = if unit == " points" { price_of(rival, own) } else { String::new() };
    let rival = if named { format!(" ({}{at})", c.baseline) } else { String::new() };
    Some(format!("{name} {mid:+.digits$}{unit} [{low:+.digits$}, {high:+.digits$}]{open}{rival}"))
}

/// What the rival spends for its accuracy.
fn price_of(rival: &Cell, own: &Cell) -> String {
    let ratio = |metric| Some(rival.mean(metric)? / own.mean(metric)?);
    match (ratio("makespan_s"), ratio("cost_per_task_usd")) {
        (Some(time), Some(cost)) if time.is_finite() && cost.is_finite() => {
            format!(" at {time:.1}x the time, {cost:.1}x the cost")
        }
        _ => String::new(),
    }
}

/// The best central point that spends no more dollars, and no more time, than this cell.
fn equal_spend(scenario: &Scenario, own: &Cell, cells: &[Cell], pilot: &[Cell]) -> Vec<String> {
    let mut sentences = Vec::new();
    if own.get("pass").is_none() {
        return sentences;
    }
    for (spend, words) in [("cost_per_task_usd", "dollars"), ("makespan_s", "time")] {
        let found = own
            .mean(spend)
            .and_then(|most| comparison::best_within(scenario, pilot, "pass", spend, most))
            .and_then(|best| cells.iter().find(|c| c.policy == best.policy && c.agents == best.agents))
            .and_then(|best| Some((best, comparison::pair(scenario.seed, "pass", own, best)?)));
        sentences.push(match found {
            Some((best, c)) => format!(
                "{}, N = {}, at equal {words}: Pass {:+.1} points [{:+.1}, {:+.1}] against the best central point within its spend, {} with N = {}.",
                own.policy,
                own.agents,
                c.difference * 100.0,
                c.ci_low * 100.0,
                c.ci_high * 100.0,
                best.policy,
                best.agents
            ),
            None => format!(
                "{}, N = {}, at equal {words}: no central form of this grid does with as little.",
                own.policy, own.agents
            ),
        });
    }
    sentences
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
