//! Why two policies differ in one replication: both runs are simulated again and kept whole, their decisions are paired,
//! and the differences of makespan and cost are split into parts that sum to them exactly.
//!
//! Both runs draw the same numbers for the same subject, attempt and step, so what differs has a first decision and a
//! cause. With several tasks the makespan is that of the task that ends last, and the cost that of all.
//!
//! Invariant: parts are integers, and in each run they sum to the whole.

mod cost;
mod pairing;
mod parts;
mod path;
mod story;

use super::replication::Point;
use super::scenario::Scenario;
use crate::kernel::Time;
use crate::model::ids::TaskId;
use crate::policy::settings::Work;
use crate::record::trace::{Body, Story, Summary};
use crate::runtime::{Fleet, RunError};
use pairing::Pairs;
pub use pairing::{Alone, Cause, Decision, Link};
use parts::Of;
pub use parts::{Attribution, Part};
pub use path::{Label, Stretch};
use serde::Serialize;
use story::Told;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// The first policy and the second.
    pub policies: [&'a str; 2],
    /// Workers.
    pub agents: u32,
    /// Replication, from 0.
    pub replication: u64,
}

/// One of both runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Side {
    /// Policy.
    pub policy: String,
    /// Workers; agents from this number on are leads.
    pub workers: u32,
    /// The task whose path is told: the one that ends last.
    pub task: TaskId,
    /// From the arrival to the end of that task, in nanoseconds.
    #[serde(rename = "makespan_ns")]
    pub makespan: Time,
    /// Cost of all calls in pico-dollars; none where no endpoint states a price.
    pub cost_picodollars: Option<i128>,
    /// Submissions that are right.
    pub right: u64,
    /// Submissions that were graded.
    pub submissions: u64,
    /// The critical path, from the arrival on.
    pub path: Vec<Stretch>,
}

/// Why two runs differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// Scenario.
    pub scenario: String,
    /// Seed of all random streams.
    pub seed: u64,
    /// Replication, from 0.
    pub replication: u64,
    /// Workers.
    pub agents: u32,
    /// Tasks.
    pub tasks: u32,
    /// Whether calls are about lines of solution, as on `search`; elsewhere they are about subtasks.
    pub on_lines: bool,
    /// Both runs.
    pub sides: [Side; 2],
    /// The first decision that one run has alone; none if all are in both.
    pub first: Option<Alone>,
    /// The first that the other run has alone; none if it has none.
    pub then: Option<Alone>,
    /// The makespans, in nanoseconds.
    pub makespan_ns: Attribution,
    /// The costs by role, in pico-dollars; none where a price is unknown.
    pub cost_by_role_picodollars: Option<Attribution>,
    /// The costs by cause, in pico-dollars; none where a price is unknown.
    pub cost_by_cause_picodollars: Option<Attribution>,
}

/// Why nothing can be explained.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExplainError {
    /// A run failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A run is stopped before its end.
    #[error(
        "[measure] stops a run before its end, so there is no makespan to explain; leave [measure] out of the scenario"
    )]
    Measured,
}

/// Runs both points again and compares what happened.
pub fn explain(scenario: &Scenario, question: Question) -> Result<Explanation, ExplainError> {
    if scenario.measure.is_some() {
        return Err(ExplainError::Measured);
    }
    let points = question.policies.map(|policy| Point::new(scenario, policy, question.agents));
    let [a, b] = points;
    let (a, b) = (a?, b?);
    let (of_a, of_b) = (a.run_told(question.replication)?, b.run_told(question.replication)?);
    let told = [Told::new(&of_a.1), Told::new(&of_b.1)];
    let known = a.fleet.prices_are_known() && b.fleet.prices_are_known();
    let side_a = side(&a, &of_a, &told[0], known)?;
    let side_b = side(&b, &of_b, &told[1], known)?;
    let runs = [run(&told[0], &a.fleet, &side_a), run(&told[1], &b.fleet, &side_b)];
    let (first, then) = first_decisions(&told);
    Ok(Explanation {
        scenario: scenario.name.clone(),
        seed: scenario.seed,
        replication: question.replication,
        agents: question.agents,
        tasks: scenario.tasks,
        on_lines: Work::of(&scenario.workload) == Work::Search,
        first,
        then,
        makespan_ns: parts::of_makespan(runs),
        cost_by_role_picodollars: known.then(|| cost::by_role(runs)),
        cost_by_cause_picodollars: known.then(|| cost::by_cause(runs)),
        sides: [side_a, side_b],
    })
}

fn run<'a>(told: &'a Told<'a>, fleet: &'a Fleet, side: &'a Side) -> Of<'a> {
    Of { told, fleet, side }
}

fn side(point: &Point, (summary, _): &(Summary, Story), told: &Told, known: bool) -> Result<Side, ExplainError> {
    let end = told.end().ok_or(ExplainError::Measured)?;
    let graded = || {
        told.story.records.iter().filter_map(|r| match &r.body {
            Body::Finished { right, .. } => Some(right),
            _ => None,
        })
    };
    Ok(Side {
        policy: point.policy.to_owned(),
        workers: summary.team().workers,
        task: end.task,
        makespan: end.at,
        cost_picodollars: known.then(|| cost::whole(told)),
        right: graded().flatten().filter(|right| **right).count() as u64,
        submissions: graded().map(|right| right.len() as u64).sum(),
        path: path::critical(told).ok_or(ExplainError::Measured)?,
    })
}

/// The first decision of each run that it has alone, the earlier one first.
fn first_decisions(told: &[Told; 2]) -> (Option<Alone>, Option<Alone>) {
    let both = [&told[0], &told[1]];
    let pairs = Pairs::of(both[0], both[1]);
    match [0, 1].map(|side| pairs.alone(side, both)) {
        [Some(a), Some(b)] if b.at < a.at => (Some(b), Some(a)),
        [Some(a), b] => (Some(a), b),
        [None, b] => (b, None),
    }
}
