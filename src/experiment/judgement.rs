//! What a study finds, as values: judgements of comparisons, verdicts and warnings. Their words are the report's.
//!
//! Invariant: what was not looked for, what was looked for in vain and what was found are three things.

use crate::stats::Interval;
use serde::Serialize;

/// What a paired comparison says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judgement {
    /// Too few replications to judge: there is no interval.
    NotJudged,
    /// The same values, run by run.
    Equal,
    /// The interval holds 0.
    NotShown,
    /// The whole interval is nearer to 0 than the smallest effect of interest.
    TooSmall,
    /// Better than the baseline.
    Better,
    /// Worse than the baseline.
    Worse,
    /// Different, in a metric of which neither direction is good.
    Different,
}

/// Something that may have been looked for.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Search<T> {
    /// Nobody looked.
    NotLooked,
    /// It was looked for in vain.
    NotFound,
    /// Found.
    Found(T),
}

/// Whom a sentence compares with.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rival {
    /// The best central form of each metric.
    BestCentral,
    /// The baseline that the scenario names.
    Baseline(String),
    /// The parallel rival of DeLM's authors.
    ScatterGather(String),
    /// Attempts that never hear of each other.
    Independent(String),
}

/// A compared metric in a sentence.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Phrase {
    /// Metric.
    pub metric: &'static str,
    /// Policy minus rival.
    pub difference: f64,
    /// Its interval.
    pub interval: Option<Interval>,
    /// The rival's mean, which percentages refer to.
    pub rival_mean: f64,
    /// What it says.
    pub judgement: Judgement,
    /// The rival, where each metric has its own.
    pub rival: Option<String>,
    /// Time and cost of the rival over the policy's own, where both are there.
    pub rival_spends: Option<(f64, f64)>,
}

/// What is held equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spend {
    /// Cost per task.
    Dollars,
    /// Makespan.
    Time,
}

impl Spend {
    /// The metric that is spent.
    pub fn metric(self) -> &'static str {
        match self {
            Self::Dollars => "cost_per_task_usd",
            Self::Time => "makespan_s",
        }
    }
}

/// The best central point within a spend, and the difference of Pass to it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EqualSpend {
    /// Policy.
    pub policy: String,
    /// Workers.
    pub agents: u32,
    /// What it spends, in the unit of the spend.
    pub spends: f64,
    /// What it might have spent.
    pub most: f64,
    /// Own Pass minus its.
    pub difference: f64,
    /// Interval.
    pub interval: Option<Interval>,
    /// What it says.
    pub judgement: Judgement,
}

impl EqualSpend {
    /// Whether it says something that it spends less: whoever is worse and has spent much less was not given its chance.
    pub fn is_fair(&self) -> bool {
        self.difference <= 0.0 || self.spends >= 0.95 * self.most
    }
}

/// A verdict that an assumption turns around.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reversal {
    /// Metric.
    pub metric: &'static str,
    /// Parameter.
    pub parameter: String,
    /// The end of its prior.
    pub value: f64,
}

/// What differs between twins, which means nothing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TwinGap {
    /// Metric.
    pub metric: &'static str,
    /// Mean of the reported runs minus mean of the twin's.
    pub difference: f64,
    /// Its interval; the runs are not paired.
    pub interval: Option<Interval>,
}

/// A finding, most important first in a study.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// A lead is the bottleneck from this size on.
    Knee {
        /// Policy.
        policy: String,
        /// Workers.
        agents: u32,
        /// Share of time in which the lead is busy.
        busy: f64,
    },
    /// Metrics of a policy against a rival.
    Compared {
        /// Policy.
        policy: String,
        /// Workers.
        agents: u32,
        /// Rival.
        rival: Rival,
        /// Nobody has published such a run.
        extrapolated: bool,
        /// Metric by metric.
        phrases: Vec<Phrase>,
    },
    /// Pass against the best central point within the policy's own spend.
    Equal {
        /// Policy.
        policy: String,
        /// Workers.
        agents: u32,
        /// What is held equal.
        spend: Spend,
        /// The rival.
        best: Search<EqualSpend>,
    },
    /// Recorded runs beside the same calls under other conditions.
    Retimed {
        /// Runs.
        runs: usize,
        /// Seconds as recorded, one run after the other.
        recorded_s: f64,
        /// Seconds under the other conditions.
        retimed_s: f64,
        /// Runs that take exactly as long.
        exact: usize,
    },
    /// A policy against itself on other random numbers.
    Twins {
        /// Policy.
        policy: String,
        /// Workers.
        agents: u32,
        /// Runs of each twin.
        replications: u32,
        /// Metric by metric.
        gaps: Vec<TwinGap>,
    },
    /// Which assumptions turn verdicts around.
    Flips {
        /// Policy.
        policy: String,
        /// Workers.
        agents: u32,
        /// Rival.
        rival: Rival,
        /// Found reversals.
        reversals: Vec<Reversal>,
        /// Parameters that were moved, each to both ends.
        moved: usize,
        /// Runs of each move.
        replications: u32,
        /// A reversal of Pass smaller than this may have gone unseen (5 % test, 95 % power); none if Pass is not settled.
        seen_from: Option<f64>,
    },
}

/// Advice or caveat.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Warning {
    /// From this size on nobody has published such runs.
    Unpublished(u32),
    /// Comparisons that show no difference.
    NotShown {
        /// How many.
        comparisons: usize,
        /// At so many replications.
        replications: u32,
    },
    /// One replication has no interval.
    OneReplication,
    /// Intervals rest on few replications.
    FewReplications(u32),
    /// There is no central form to compare with.
    NoCentral,
    /// Protocol factors differ from 1.
    Protocol {
        /// Policy.
        policy: String,
        /// Quality factor.
        quality: f64,
        /// Cost factor.
        cost: f64,
        /// Latency factor.
        latency: f64,
    },
    /// Many subtasks are given up.
    Abandoned {
        /// Policy.
        policy: String,
        /// Workers.
        agents: u32,
        /// Per task.
        subtasks: f64,
    },
    /// Told by whoever made the study.
    Told(String),
}
