//! Tool time: gaps at the client that nothing but tool results ended.
//!
//! A gap is taken only if the next request brings tool results and nothing a human typed. Gaps of sub-agents come
//! first, because no human approves their tools; gaps of the main agent contain permission prompts and serve only
//! if there are too few of the former, and then with a cap. Either way a gap holds the client's own overhead, so it
//! is an upper bound of tool time.

use serde::{Deserialize, Serialize};

use super::log::{RequestLog, ToolGap};
use super::resample::digits;
use super::residuals::table;
use crate::kernel::Law;
use crate::model::endpoint::EndpointSpec;
use crate::stats::Summary;

/// Gaps of sub-agents that are enough.
const ENOUGH: usize = 100;
/// Points of the table: steps of half a percent.
const POINTS: usize = 201;

/// Whose gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Whose {
    /// Agents that other agents started: they run without people.
    SubAgents,
    /// Agents that people started.
    Main,
}

/// Gaps of one kind of agent, after the cap.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gaps {
    /// Whose they are.
    pub whose: Whose,
    /// Number of gaps kept.
    pub gaps: usize,
    /// Traces they come from.
    pub traces: usize,
    /// Gaps above the cap, dropped.
    pub above_cap: usize,
    /// Mean seconds.
    pub mean_s: f64,
    /// Median seconds.
    pub p50_s: f64,
    /// 90 % quantile.
    pub p90_s: f64,
    /// 99 % quantile.
    pub p99_s: f64,
}

/// Tool times of a log.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolTimes {
    /// The gaps that make the table.
    pub used: Gaps,
    /// The others, for comparison.
    pub other: Option<Gaps>,
    /// Seconds above which a gap is dropped.
    pub cap_s: f64,
    /// Whether all gaps are whole seconds.
    pub whole_seconds: bool,
    /// One second times the table.
    pub endpoint: EndpointSpec,
}

/// The tool times of a log, if it can tell them from human pauses and has some.
pub fn tool_times(log: &RequestLog, cap_s: f64) -> Option<ToolTimes> {
    let gaps = log.tool_gaps.as_ref()?;
    let choose =
        |whose| -> Vec<&ToolGap> { gaps.iter().filter(|gap| gap.sub_agent == (whose == Whose::SubAgents)).collect() };
    let (subs, main) = (choose(Whose::SubAgents), choose(Whose::Main));
    let order = if subs.len() >= ENOUGH {
        [(Whose::SubAgents, subs), (Whose::Main, main)]
    } else {
        [(Whose::Main, main), (Whose::SubAgents, subs)]
    };
    let [first, second] = order.map(|(whose, gaps)| summarise(whose, &gaps, cap_s));
    let (used, mut seconds) = first?;
    let whole_seconds = seconds.iter().all(|s| s.fract() == 0.0);
    let quantiles = table(&mut seconds, POINTS);
    Some(ToolTimes {
        used,
        other: second.map(|(gaps, _)| gaps),
        cap_s,
        whole_seconds,
        endpoint: EndpointSpec {
            base_s: 1.0,
            noise: Law::Table { quantiles: quantiles.into_iter().map(|s| digits(s, 4)).collect() },
            ..EndpointSpec::default()
        },
    })
}

fn summarise(whose: Whose, gaps: &[&ToolGap], cap_s: f64) -> Option<(Gaps, Vec<f64>)> {
    let kept: Vec<&&ToolGap> = gaps.iter().filter(|gap| gap.seconds <= cap_s).collect();
    if kept.is_empty() {
        return None;
    }
    let mut traces: Vec<u32> = kept.iter().map(|gap| gap.trace).collect();
    traces.sort_unstable();
    traces.dedup();
    let seconds: Vec<f64> = kept.iter().map(|gap| gap.seconds).collect();
    let summary = Summary::of(&seconds);
    let gaps = Gaps {
        whose,
        gaps: seconds.len(),
        traces: traces.len(),
        above_cap: gaps.len() - seconds.len(),
        mean_s: summary.mean,
        p50_s: summary.p50,
        p90_s: summary.p90,
        p99_s: summary.p99,
    };
    Some((gaps, seconds))
}
