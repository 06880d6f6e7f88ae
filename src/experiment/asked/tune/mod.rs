//! Every policy in its best form: the free settings of each, the subject's as well as its rivals', are searched with the
//! same budget of pilot runs, and what was found is read from runs that took no part.
//!
//! Invariant: no run both decides and is reported; a policy for which nothing better was found stays as it was given.

mod moves;
mod point;
mod race;

use super::AskError;
use super::equal::{REPORT, SPENDS};
use super::gauge::{Gauge, Ran};
use super::grid::{Axis, unknown};
use super::subject::{PILOT, metric, size, subject};
use crate::experiment::comparison::difference_interval;
use crate::experiment::judgement::Search;
use crate::experiment::metrics::{self, Better};
use crate::experiment::runner::Runner;
use crate::experiment::scenario::Scenario;
use crate::policy::settings::Form;
use crate::stats::Interval;
use point::{Point, told};
use race::{Found, Limit, apart};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Pilot runs of a policy, in units of the scenario's replications, if nobody says.
const PILOTS: u64 = 50;
/// First replication of the pilots that check what the search found.
const CHECK: u64 = PILOT + (1 << 38);
/// The check takes a fifth of a policy's pilots: a tenth each for the point as given and as found.
const CHECKED: u64 = 10;
/// Fewest pilot runs of a policy: below that nothing can be told apart.
const LEAST: u64 = 100;

/// What is asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TuneAsked {
    /// What is to be made best; Pass if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// What is not to be exceeded; nothing if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
    /// How much of it; what the subject spends as the scenario has it, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<f64>,
    /// The policy that the others are held against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Team size; the scenario's size nearest to 4 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents: Option<u32>,
    /// Pilot runs for each policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pilots: Option<u64>,
    /// Values of settings that replace those that are tried anyway.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grid: Vec<Axis>,
}

/// Means on the reported runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Means {
    /// Of what was to be made best.
    pub worth: f64,
    /// Of what it spends.
    pub spend: f64,
}

/// A paired difference on the reported runs; no interval from one replication.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Gap {
    /// Mean.
    pub mean: f64,
    /// Its interval.
    pub interval: Option<Interval>,
}

/// What was found for a policy.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TunedRow {
    /// Policy.
    pub policy: String,
    /// What kind of coordination it is.
    pub form: Form,
    /// Settings that differ from the scenario's, as `KEY=VALUE`; none where the default stands.
    pub changes: Vec<String>,
    /// The moves that the search took, in order, also where the check refused what they led to.
    pub steps: Vec<Vec<String>>,
    /// Points that were tried.
    pub tried: u32,
    /// Pilot runs that were used.
    pub pilots: u64,
    /// As the scenario has it.
    pub given: Means,
    /// As it was found.
    pub tuned: Means,
    /// Found minus given, of what was to be made best; none where the default stands.
    pub gain: Option<Gap>,
    /// Found minus given, of the spend; none where the default stands.
    pub more: Option<Gap>,
    /// The tuned subject minus this, of what was to be made best; none for the subject itself.
    pub lead: Option<Gap>,
    /// This minus the tuned subject, of the spend; none for the subject itself.
    pub dearer: Option<Gap>,
    /// Whether it is shown to spend more than the limit on the reported runs.
    pub over: bool,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tuned {
    /// The policy that the others are held against.
    pub subject: String,
    /// Team size.
    pub agents: u32,
    /// What was to be made best.
    pub metric: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Whether a greater value is better.
    pub higher_is_better: bool,
    /// What is spent.
    pub spend: String,
    /// Its unit.
    pub spend_unit: &'static str,
    /// What was not to be exceeded, on the reported runs; none if nothing was.
    pub most: Option<f64>,
    /// Whether it was given.
    pub given: bool,
    /// Pilot runs that each policy could use.
    pub pilots: u64,
    /// Reported replications per point.
    pub replications: u32,
    /// Every policy.
    pub rows: Vec<TunedRow>,
    /// The best central form as found, by the pilots of the check.
    pub best_central: Search<String>,
    /// The scenario with what was found.
    #[serde(skip)]
    pub scenario: Scenario,
    /// Digest of all runs.
    pub digest: String,
    /// Number of runs.
    pub runs: u64,
}

/// What a search is for.
struct Wanted<'a> {
    gauge: Gauge<'a>,
    limit: Option<Limit>,
}

/// A policy on its way: as given and as found, on the pilots of the check and on the reported runs.
struct Course {
    found: Found,
    pilots: u64,
    /// As given, then as found, on the check's pilots.
    checked: [Ran; 2],
    stands: bool,
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Searches every policy's best settings.
pub(super) fn tuned(scenario: &Scenario, asked: &TuneAsked, runner: &mut Runner) -> Result<Tuned, AskError> {
    let gained = metric(asked.metric.as_deref())?;
    let about = subject(scenario, asked.policy.as_deref())?;
    let agents = asked.agents.unwrap_or_else(|| size(scenario));
    let pilots = asked.pilots.unwrap_or(PILOTS * u64::from(scenario.replications)).max(LEAST);
    unknown(scenario, &asked.grid)?;
    if let Some(spend) = asked.within.as_ref().filter(|spend| !SPENDS.contains(&spend.as_str())) {
        return Err(AskError::Usage(format!("--within {spend}: can be one of {}", SPENDS.join(", "))));
    }
    let spend = match asked.within.as_deref() {
        Some(spend) => spend,
        None if has(scenario, &about, agents, SPENDS[0], runner)? => SPENDS[0],
        None => "makespan_s",
    };
    let gauge = Gauge::new(spend, gained);
    let sign = gauge.sign();
    let limit = match (&asked.within, asked.most) {
        (None, _) => None,
        (Some(_), Some(most)) => Some(Limit::At(most)),
        (Some(_), None) => {
            let count = (pilots / 4) as u32;
            Some(Limit::As(gauge.run(scenario, (&about, agents), (PILOT, count), runner)?.spend))
        }
    };
    let wanted = Wanted { gauge, limit };
    let mut courses = Vec::new();
    for policy in &scenario.policies {
        courses.push(course(scenario, policy, agents, (&wanted, pilots), &asked.grid, runner)?);
    }
    let own = scenario.policies.iter().position(|p| *p == about).expect("the subject is listed");
    let n = scenario.replications;
    let mut reported: Vec<[Ran; 2]> = Vec::new();
    for (policy, course) in scenario.policies.iter().zip(&courses) {
        let given = gauge.run(scenario, (policy, agents), (REPORT, n), runner)?;
        let found = if course.stands {
            Ran { worth: given.worth.clone(), spend: given.spend.clone(), time: Vec::new() }
        } else {
            gauge.run(&course.found.arm.point.scenario, (policy, agents), (REPORT, n), runner)?
        };
        reported.push([given, found]);
    }
    let limit = |runs: &[f64]| match (&wanted.limit, asked.most) {
        (None, _) => None,
        (Some(_), Some(most)) => Some(vec![most; runs.len()]),
        (Some(_), None) => Some(runs.to_vec()),
    };
    let most = limit(&reported[own][0].spend);
    let gap = |share: bool, a: &[f64], b: &[f64], sign: f64| {
        let interval = difference_interval(share, a, b)
            .map(|i| if sign < 0.0 { Interval { low: -i.high, high: -i.low } } else { i });
        Gap { mean: sign * apart(a, b).mean, interval }
    };
    let worths = |a: &Ran, b: &Ran| gap(gained.is_share(), &a.worth, &b.worth, sign);
    let spends = |a: &Ran, b: &Ran| gap(false, &a.spend, &b.spend, 1.0);
    let level = |ran: &Ran| Means { worth: sign * mean(&ran.worth), spend: mean(&ran.spend) };
    let mut rows = Vec::new();
    for (place, (policy, course)) in scenario.policies.iter().zip(&courses).enumerate() {
        let [given, found] = &reported[place];
        let subject = &reported[own][1];
        let over = most.as_ref().is_some_and(|most| {
            found.spend != *most && difference_interval(false, &found.spend, most).is_some_and(|i| i.low > 0.0)
        });
        rows.push(TunedRow {
            policy: policy.clone(),
            form: scenario.settings(policy).map_err(AskError::Usage)?.form(),
            changes: if course.stands { Vec::new() } else { told(&course.found.arm.point.changes) },
            steps: course.found.steps.clone(),
            tried: course.found.tried,
            pilots: course.pilots,
            given: level(given),
            tuned: level(found),
            gain: (!course.stands).then(|| worths(found, given)),
            more: (!course.stands).then(|| spends(found, given)),
            lead: (place != own).then(|| worths(subject, found)),
            dearer: (place != own).then(|| spends(found, subject)),
            over,
        });
    }
    let most_checked = limit(&courses[own].checked[0].spend).map(|most| mean(&most));
    let best_central = rows
        .iter()
        .zip(&courses)
        .filter(|(row, _)| row.form == Form::Central && row.policy != about)
        .map(|(row, course)| (row, &course.checked[usize::from(!course.stands)]))
        .filter(|(_, ran)| most_checked.is_none_or(|most| mean(&ran.spend) <= most))
        .max_by(|(_, a), (_, b)| {
            mean(&a.worth).total_cmp(&mean(&b.worth)).then(mean(&b.spend).total_cmp(&mean(&a.spend)))
        })
        .map_or(Search::NotFound, |(row, _)| Search::Found(row.policy.clone()));
    Ok(Tuned {
        subject: about,
        agents,
        metric: gained.name,
        unit: gained.unit,
        higher_is_better: gained.better == Better::Higher,
        spend: spend.to_owned(),
        spend_unit: metrics::find(spend).map_or("tokens", |m| m.unit),
        most: most.map(|most| mean(&most)),
        given: asked.most.is_some(),
        pilots,
        replications: n,
        rows,
        best_central,
        scenario: merged(scenario, &courses)?,
        digest: runner.digest(),
        runs: runner.runs(),
    })
}

/// Searches one policy, and checks on other pilots whether what was found is better.
fn course(
    scenario: &Scenario,
    policy: &str,
    agents: u32,
    (wanted, pilots): (&Wanted, u64),
    axes: &[Axis],
    runner: &mut Runner,
) -> Result<Course, AskError> {
    let check = (pilots / CHECKED) as u32;
    let mut search = race::Search { given: scenario, policy, agents, wanted, axes, runner };
    let found = search.search(pilots - 2 * u64::from(check))?;
    let given = wanted.gauge.run(scenario, (policy, agents), (CHECK, check), runner)?;
    let again = wanted.gauge.run(&found.arm.point.scenario, (policy, agents), (CHECK, check), runner)?;
    let within = |ran: &Ran| wanted.limit.as_ref().is_none_or(|limit| mean(&ran.spend) <= limit.at(usize::MAX));
    let (worth, spend) = (apart(&again.worth, &given.worth), apart(&again.spend, &given.spend));
    let better = match (within(&again), within(&given)) {
        (true, false) => true,
        // A mean that is above the limit by chance decides nothing: the search found it within.
        _ if worth.mean > worth.error => true,
        _ => worth.mean >= -worth.error && spend.mean < -spend.error,
    };
    let stands = found.arm.point.changes.is_empty() || !better;
    Ok(Course { pilots: found.runs + 2 * u64::from(check), found, checked: [given, again], stands })
}

/// Whether runs of a point have a metric.
fn has(scenario: &Scenario, policy: &str, agents: u32, name: &str, runner: &mut Runner) -> Result<bool, AskError> {
    Ok(runner.cells(scenario, &[(policy, agents)], PILOT, 1)?[0].get(name).is_some())
}

/// The scenario with the settings that were found.
fn merged(scenario: &Scenario, courses: &[Course]) -> Result<Scenario, AskError> {
    let mut merged = scenario.clone();
    for (policy, course) in scenario.policies.iter().zip(courses).filter(|(_, course)| !course.stands) {
        let Point { scenario, .. } = &course.found.arm.point;
        match scenario.policy.get(policy) {
            Some(own) => merged.policy.insert(policy.clone(), own.clone()),
            None => merged.policy.remove(policy),
        };
    }
    Ok(merged.with(&[])?)
}
