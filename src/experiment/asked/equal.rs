//! Equal spend: what every policy can do at its best within the same dollars, tokens or time.

use super::AskError;
use super::choice::{Choices, Pilots, Reports, estimate};
use super::gauge::{Gauge, typical_s};
use super::grid::{Around, Axis, Candidate, Grid, rounded_s};
use super::mixture::Shares;
use super::subject::{PILOT, metric, size, subject};
use crate::experiment::judgement::Search;
use crate::experiment::metrics;
use crate::experiment::runner::Runner;
use crate::experiment::scenario::Scenario;
use crate::policy::settings::Form;
use crate::stats::Interval;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// First replication of reports: seeds that no pilot uses.
pub(super) const REPORT: u64 = 1 << 43;
/// Spends at which the frontier is drawn.
const STEPS: usize = 8;
/// Deadlines, in units of the time that is held equal: a mean below it may come from runs beyond it.
const LIMITS: [f64; 4] = [0.8, 1.0, 1.25, 1.6];
/// A spend above the limit by no more than this share of it is the limit.
const ROUNDING: f64 = 1e-9;
/// Metrics that can be held equal.
pub const SPENDS: [&str; 4] = ["cost_per_task_usd", "total_tokens", "makespan_s", "agent_time_s"];

/// What is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EqualAsked {
    /// What is held equal.
    pub spend: String,
    /// How much of it; what the subject spends as the scenario has it, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<f64>,
    /// What is gained; Pass if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// The policy that the question is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Axes of the grid that replace those that are tried anyway.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grid: Vec<Axis>,
}

/// A part of what a policy takes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// Point of its grid.
    pub point: Candidate,
    /// Share of the tasks.
    pub share: f64,
}

/// A policy at its best within the spend.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Best {
    /// What it takes.
    pub parts: Vec<Part>,
    /// What it spends, on the reported runs.
    pub spends: f64,
    /// Whether that is above the limit: the pilots found a point within it, and on the reported runs none is.
    pub over: bool,
    /// What it gains, on the reported runs.
    pub worth: f64,
    /// Interval of it, the choice inside.
    pub interval: Interval,
    /// The subject's gain minus its, and the interval, the choice of both inside; none for the subject itself.
    pub lead: Option<(f64, Interval)>,
}

/// A policy's row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EqualRow {
    /// Policy.
    pub policy: String,
    /// What kind of coordination it is.
    pub form: Form,
    /// Points of its grid.
    pub grid: usize,
    /// What it does within the spend; not found if even its cheapest point is dearer.
    pub best: Search<Best>,
}

/// A value of a policy on the frontier.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Step {
    /// Spend.
    pub most: f64,
    /// Gain within it.
    pub worth: f64,
    /// Its interval, the choice inside.
    pub interval: Interval,
}

/// A policy's frontier.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Frontier {
    /// Policy.
    pub policy: String,
    /// Where it can be had.
    pub steps: Vec<Step>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Equals {
    /// The policy that the question is about.
    pub subject: String,
    /// What is held equal.
    pub spend: String,
    /// Its unit.
    pub spend_unit: &'static str,
    /// How much of it.
    pub most: f64,
    /// Whether that was given.
    pub given: bool,
    /// What is gained.
    pub metric: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Pilot replications per point.
    pub pilots: u32,
    /// Largest standard error of a pilot mean of what is gained, among the points that are taken.
    pub choice_error: f64,
    /// Reported replications per point.
    pub replications: u32,
    /// Every policy.
    pub rows: Vec<EqualRow>,
    /// The best central form, by the pilots, and the subject's lead over it, its choice inside.
    pub best_central: Search<(String, f64, Interval)>,
    /// Frontiers of all policies.
    pub frontiers: Vec<Frontier>,
    /// Digest of all runs.
    pub digest: String,
    /// Number of runs.
    pub runs: u64,
}

/// Rounds in which the grid grows around what the pilots would take.
const ROUNDS: usize = 4;

/// Optimises every policy within the spend.
pub(super) fn equals(scenario: &Scenario, asked: &EqualAsked, runner: &mut Runner) -> Result<Equals, AskError> {
    let gained = metric(asked.metric.as_deref())?;
    if !SPENDS.contains(&asked.spend.as_str()) {
        return Err(AskError::Usage(format!("--equal {}: can be one of {}", asked.spend, SPENDS.join(", "))));
    }
    let about = subject(scenario, asked.policy.as_deref())?;
    let mut grid = Grid::new(scenario, &asked.grid)?;
    let gauge = Gauge::new(&asked.spend, gained);
    let (sign, n) = (gauge.sign(), scenario.replications);
    let run = |grid: &Grid, candidate: usize, from: u64, runner: &mut Runner| {
        let side = &grid.candidates[candidate].side;
        gauge.run(grid.scenario(candidate), (&side.policy, side.agents), (from, n), runner)
    };
    let mut pilot = Vec::new();
    for candidate in 0..grid.candidates.len() {
        pilot.push(run(&grid, candidate, PILOT, runner)?);
    }
    let pilots = Pilots::new(&pilot, scenario.seed);
    let own = scenario.policies.iter().position(|p| *p == about).expect("the subject is listed");
    // What the subject spends as the scenario has it, whatever a grid of the user's own leaves out.
    let most = if let Some(most) = asked.most {
        most
    } else {
        let as_it_is = gauge.run(scenario, (&about, size(scenario)), (PILOT, n), runner)?;
        as_it_is.spend.iter().sum::<f64>() / f64::from(n)
    };
    // The frontier spans what the subject's points spend.
    let spends: Vec<f64> = grid.groups[own].iter().map(|c| pilots.spend(*c)).collect();
    let (least, greatest) =
        (spends.iter().copied().fold(f64::MAX, f64::min), spends.iter().copied().fold(0.0, f64::max));
    let step = |i: usize| least * libm::pow(greatest / least, i as f64 / (STEPS - 1) as f64);
    let limits: Vec<f64> = if least > 0.0 && greatest > least { (0..STEPS).map(step).collect() } else { Vec::new() };
    let every: Vec<f64> = std::iter::once(most).chain(limits.iter().copied()).collect();
    let deadlines: Vec<f64> = if asked.spend == "makespan_s" {
        LIMITS.iter().map(|times| rounded_s(times * most)).collect()
    } else {
        Vec::new()
    };
    // Deadlines, budgets, models, stores and gates on the best and the cheapest point of every size, within the limit or
    // not: each may bring a large team within it. Where time is what is held equal, the limits themselves are deadlines.
    let mut of_sizes = BTreeSet::new();
    let mut best_of_sizes = BTreeSet::new();
    for group in &grid.groups {
        for agents in &scenario.agents {
            let of_size = || group.iter().copied().filter(|c| grid.candidates[*c].side.agents == *agents);
            best_of_sizes.extend(of_size().max_by(|a, b| pilots.gain(*a).total_cmp(&pilots.gain(*b))));
            of_sizes.extend(of_size().min_by(|a, b| pilots.spend(*a).total_cmp(&pilots.spend(*b))));
        }
    }
    of_sizes.extend(&best_of_sizes);
    // What the pilots would take grows by everything, and what they would take then, too.
    let mut grown = BTreeSet::new();
    let mut pilots = pilots;
    for round in 0..ROUNDS {
        // Later rounds serve the limit that is asked about; the frontier is of the first.
        let within = if round == 0 { &every[..] } else { &every[..1] };
        let taken: BTreeSet<usize> = within
            .iter()
            .flat_map(|most| pilots.taken(&grid.groups, *most))
            .flat_map(|mixture| mixture.shares().parts().map(|(candidate, _)| candidate).collect::<Vec<_>>())
            .collect();
        let tried: BTreeSet<usize> = if round == 0 { taken.union(&of_sizes).copied().collect() } else { taken.clone() };
        let around: Vec<Around> = tried
            .into_iter()
            .filter(|candidate| !grown.contains(candidate))
            .map(|candidate| Around {
                candidate,
                typical_s: typical_s(&pilot[candidate].time),
                mechanisms: taken.contains(&candidate) || best_of_sizes.contains(&candidate),
                ways: taken.contains(&candidate),
            })
            .collect();
        grown.extend(taken);
        grid.grow(&around, &deadlines, &asked.grid)?;
        if grid.candidates.len() == pilot.len() {
            break;
        }
        for candidate in pilot.len()..grid.candidates.len() {
            pilot.push(run(&grid, candidate, PILOT, runner)?);
        }
        pilots = Pilots::new(&pilot, scenario.seed);
    }
    let choices = pilots.choices(&grid.groups, most);
    let along: Vec<Choices> = limits.iter().map(|limit| pilots.choices(&grid.groups, *limit)).collect();
    let mut reports = Reports::new(grid.candidates.len(), n as usize, scenario.seed);
    loop {
        let needed = std::iter::once(&choices).chain(&along).zip(&every);
        let missing: BTreeSet<usize> = needed.flat_map(|(choices, most)| reports.missing(choices, *most)).collect();
        if missing.is_empty() {
            break;
        }
        for candidate in missing {
            reports.add(candidate, &run(&grid, candidate, REPORT, runner)?);
        }
    }
    let lead_over = |rival: &dyn Fn(usize) -> Option<usize>| {
        estimate(|redraw| {
            let ours = choices[redraw][own].as_ref()?;
            let theirs = choices[redraw][rival(redraw)?].as_ref()?;
            Some(sign * (reports.worth(redraw, ours, most) - reports.worth(redraw, theirs, most)))
        })
    };
    let form = |policy: &str| scenario.settings(policy).map(|s| s.form()).map_err(AskError::Usage);
    let mut rows = Vec::new();
    for (group, policy) in scenario.policies.iter().enumerate() {
        let best = choices[0][group].as_ref().and_then(|mixture| {
            let (worth, interval) = worth_of(&reports, &choices, group, sign, most)?;
            let lead = if group == own { None } else { lead_over(&|_| Some(group)) };
            let met = reports.met(0, mixture, most);
            let spends = reports.spend(&met);
            let over = spends > most * (1.0 + ROUNDING);
            Some(Best { parts: parts(&grid, &met), spends, over, worth, interval, lead })
        });
        let best = best.map_or(Search::NotFound, Search::Found);
        rows.push(EqualRow { policy: policy.clone(), form: form(policy)?, grid: grid.groups[group].len(), best });
    }
    let central: Vec<usize> =
        (0..rows.len()).filter(|group| *group != own && rows[*group].form == Form::Central).collect();
    let best_central = pilots
        .greatest(0, &choices[0], &central)
        .and_then(|best| {
            let (lead, interval) = lead_over(&|redraw| pilots.greatest(redraw, &choices[redraw], &central))?;
            Some((scenario.policies[best].clone(), lead, interval))
        })
        .map_or(Search::NotFound, Search::Found);
    let frontiers = scenario
        .policies
        .iter()
        .enumerate()
        .map(|(group, policy)| {
            let step = |(most, choices): (&f64, &Choices)| {
                let (worth, interval) = worth_of(&reports, choices, group, sign, *most)?;
                Some(Step { most: *most, worth, interval })
            };
            Frontier { policy: policy.clone(), steps: limits.iter().zip(&along).filter_map(step).collect() }
        })
        .collect();
    let error = |c: usize| crate::stats::Summary::of(&pilot[c].worth).sd.unwrap_or(0.0) / f64::from(n).sqrt();
    let taken = choices[0].iter().flatten().flat_map(|m| m.shares().parts().map(|(c, _)| c).collect::<Vec<_>>());
    let choice_error = taken.map(error).fold(0.0, f64::max);
    let spend_unit = metrics::find(&asked.spend).map_or("tokens", |m| m.unit);
    Ok(Equals {
        subject: about,
        spend: asked.spend.clone(),
        spend_unit,
        most,
        given: asked.most.is_some(),
        metric: gained.name,
        unit: gained.unit,
        pilots: n,
        choice_error,
        replications: n,
        rows,
        best_central,
        frontiers,
        digest: runner.digest(),
        runs: runner.runs(),
    })
}

/// What a group gains with its choices, and the interval.
fn worth_of(reports: &Reports, choices: &Choices, group: usize, sign: f64, most: f64) -> Option<(f64, Interval)> {
    estimate(|redraw| choices[redraw][group].as_ref().map(|mixture| sign * reports.worth(redraw, mixture, most)))
}

fn parts(grid: &Grid, shares: &Shares) -> Vec<Part> {
    shares.parts().map(|(c, share)| Part { point: grid.candidates[c].clone(), share }).collect()
}
