//! What a study says, and what it warns of, as values.

use super::comparison::{self, BEST_CENTRAL};
use super::judgement::{EqualSpend, Judgement, Phrase, Rival, Search, Spend, Verdict, Warning};
use super::published::{is_independent, is_scatter_gather};
use super::scenario::Scenario;
use super::study::{Cell, Comparison};
use crate::policy::Settings;
use crate::policy::settings::Form;

/// A lead this busy is the bottleneck of its team.
const SATURATED: f64 = 0.9;
/// A share of subtasks given up that is worth a word.
const MANY_ABANDONED: f64 = 0.2;
/// Below this many replications intervals are wide and rest on few degrees of freedom.
const FEW: u32 = 30;

/// The cells that sentences are about: the largest published size that was run, or else the size nearest to the usual 4,
/// and the largest of all.
pub(super) fn featured<'a>(cells: &'a [Cell], policy: &str) -> Vec<&'a Cell> {
    let own = cells.iter().filter(|c| c.policy == policy && c.form == Some(Form::Decentral));
    let published = own.clone().filter(|c| !c.extrapolated).max_by_key(|c| c.agents);
    let first = published.or_else(|| own.clone().min_by_key(|c| c.agents.abs_diff(4)));
    let mut featured: Vec<&Cell> = first.into_iter().chain(own.max_by_key(|c| c.agents)).collect();
    featured.dedup_by_key(|c| c.agents);
    featured
}

/// Findings, most important first.
pub(super) fn verdicts(
    scenario: &Scenario,
    cells: &[Cell],
    comparisons: &[Comparison],
    pilot: &Search<Vec<Cell>>,
) -> Vec<Verdict> {
    let mut verdicts = knees(scenario, cells);
    let best = scenario.baseline == BEST_CENTRAL;
    for policy in &scenario.policies {
        for (i, own) in featured(cells, policy).into_iter().enumerate() {
            let rows = comparisons.iter().filter(|c| c.policy == *policy && c.agents == own.agents);
            let rival = if best { Rival::BestCentral } else { Rival::Baseline(scenario.baseline.clone()) };
            verdicts.extend(compared(own, rival, rows, cells, best));
            // A variant of a policy that says all this itself says less: its reader compares it with the original.
            let original = scenario.base_of(policy);
            let variant = original != policy && !featured(cells, original).is_empty();
            if i > 0 || !best || variant {
                continue;
            }
            let first = |is: fn(&Settings) -> bool| {
                scenario.policies.iter().find(|p| scenario.settings(p).is_ok_and(|s| is(&s))).cloned()
            };
            let scatter_gather = first(is_scatter_gather).map(|name| (name.clone(), Rival::ScatterGather(name)));
            let independent = first(is_independent).map(|name| (name.clone(), Rival::Independent(name)));
            for (other, rival) in scatter_gather.into_iter().chain(independent) {
                let found = comparison::against(scenario, own, cells, &other);
                verdicts.extend(compared(own, rival, found.iter(), cells, false));
            }
            verdicts.extend(equal_spend(scenario, own, cells, pilot));
        }
    }
    verdicts
}

/// From which team size on a lead is the bottleneck, for the forms whose lead ever is.
fn knees(scenario: &Scenario, cells: &[Cell]) -> Vec<Verdict> {
    let knee = |policy: &String| {
        let own = cells.iter().filter(|c| c.policy == *policy);
        let busy = own.filter_map(|c| Some((c.agents, c.mean("controller_utilisation")?)));
        let (agents, busy) = busy.filter(|(_, u)| *u >= SATURATED).min_by_key(|(n, _)| *n)?;
        Some(Verdict::Knee { policy: policy.clone(), agents, busy })
    };
    scenario.policies.iter().filter_map(knee).collect()
}

/// `named` tells each metric's rival, where they differ.
fn compared<'a>(
    own: &Cell,
    rival: Rival,
    rows: impl Iterator<Item = &'a Comparison>,
    cells: &[Cell],
    named: bool,
) -> Option<Verdict> {
    let phrases: Vec<Phrase> = rows.filter_map(|c| phrase(c, own, cells, named)).collect();
    (!phrases.is_empty()).then(|| Verdict::Compared {
        policy: own.policy.clone(),
        agents: own.agents,
        rival,
        extrapolated: own.extrapolated,
        phrases,
    })
}

fn phrase(c: &Comparison, own: &Cell, cells: &[Cell], named: bool) -> Option<Phrase> {
    let rival = cells.iter().find(|x| x.policy == c.baseline && x.agents == c.agents)?;
    let over = |metric| Some(rival.mean(metric)? / own.mean(metric)?).filter(|ratio: &f64| ratio.is_finite());
    Some(Phrase {
        metric: c.metric,
        difference: c.difference,
        interval: c.interval,
        rival_mean: rival.mean(c.metric)?,
        judgement: c.judgement,
        rival: named.then(|| c.baseline.clone()),
        rival_spends: over("makespan_s").zip(over("cost_per_task_usd")),
    })
}

/// The best central point that spends no more dollars, and no more time, than this cell.
fn equal_spend(scenario: &Scenario, own: &Cell, cells: &[Cell], pilot: &Search<Vec<Cell>>) -> Vec<Verdict> {
    if own.get("pass").is_none() {
        return Vec::new();
    }
    let best = |spend: Spend| match pilot {
        Search::NotLooked => Search::NotLooked,
        Search::NotFound => Search::NotFound,
        Search::Found(pilot) => within(scenario, own, cells, pilot, spend).map_or(Search::NotFound, Search::Found),
    };
    [Spend::Dollars, Spend::Time]
        .map(|spend| Verdict::Equal { policy: own.policy.clone(), agents: own.agents, spend, best: best(spend) })
        .to_vec()
}

/// The best central point within one spend. Whoever spends more on the reported runs is not within it, whatever it took on
/// the pilots.
fn within(scenario: &Scenario, own: &Cell, cells: &[Cell], pilot: &[Cell], spend: Spend) -> Option<EqualSpend> {
    let most = own.mean(spend.metric())?;
    let reported = |pilot: &Cell| cells.iter().find(|c| c.policy == pilot.policy && c.agents == pilot.agents);
    let keeps = |c: &&Cell| reported(c).and_then(|c| c.mean(spend.metric())).is_some_and(|x| x <= most);
    let candidates = pilot.iter().filter(keeps);
    let best = comparison::best_within(candidates, "pass", spend.metric(), most).and_then(reported)?;
    let paired = comparison::pair(scenario.seed, "pass", own, best)?;
    Some(EqualSpend {
        policy: best.policy.clone(),
        agents: best.agents,
        spends: best.mean(spend.metric())?,
        most,
        difference: paired.difference,
        interval: paired.interval,
        judgement: paired.judgement,
    })
}

/// Advice and caveats.
pub(super) fn warnings(scenario: &Scenario, cells: &[Cell], comparisons: &[Comparison]) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let decentral = |policy: &str| cells.iter().any(|c| c.policy == policy && c.form == Some(Form::Decentral));
    let beyond = cells.iter().filter(|c| c.extrapolated).map(|c| c.agents).min();
    warnings.extend(beyond.map(Warning::Unpublished));
    let open = comparisons.iter().filter(|c| c.judgement == Judgement::NotShown && decentral(&c.policy)).count();
    if open > 0 {
        warnings.push(Warning::NotShown { comparisons: open, replications: scenario.replications });
    }
    match scenario.replications {
        0 | 1 => warnings.push(Warning::OneReplication),
        n if n < FEW => warnings.push(Warning::FewReplications(n)),
        _ => {}
    }
    if !cells.iter().any(|c| c.form == Some(Form::Central)) && scenario.baseline == BEST_CENTRAL {
        warnings.push(Warning::NoCentral);
    }
    for (policy, p) in &scenario.protocol {
        if (p.quality, p.cost, p.latency) != (1.0, 1.0, 1.0) {
            let (quality, cost, latency) = (p.quality, p.cost, p.latency);
            warnings.push(Warning::Protocol { policy: policy.clone(), quality, cost, latency });
        }
    }
    for cell in cells {
        let abandoned = cell.mean("subtasks_abandoned").unwrap_or(0.0);
        let done = cell.mean("subtasks_done").unwrap_or(0.0);
        if abandoned > MANY_ABANDONED * (abandoned + done).max(1.0) {
            let (policy, agents) = (cell.policy.clone(), cell.agents);
            warnings.push(Warning::Abandoned { policy, agents, subtasks: abandoned });
        }
    }
    warnings
}
