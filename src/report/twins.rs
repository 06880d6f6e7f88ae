//! A/A rows of a live run: one policy against its twin, which differs in its name alone. What differs there means nothing,
//! and what does not differ by more elsewhere means nothing either.

use super::number::digits;
use crate::experiment::live::LiveStudy;
use crate::experiment::study::Cell;
use crate::stats::{Interval, Summary, paired_share_interval};
use serde_json::{Value, json};

/// Metrics that are shown.
const SHOWN: [&str; 4] = ["avg_at_1", "makespan_s", "prompt_tokens", "completion_tokens"];

/// One metric of twins at one team size.
struct Row<'a> {
    policy: &'a str,
    twin: &'a str,
    agents: u32,
    metric: &'static str,
    first: f64,
    second: f64,
    interval: Option<Interval>,
}

fn rows(done: &LiveStudy) -> Vec<Row<'_>> {
    let Some((policy, twin)) = &done.order.twins else { return Vec::new() };
    let mut rows = Vec::new();
    for agents in &done.study.scenario.agents {
        let pair = [policy, twin].map(|name| done.study.cell(name, *agents));
        let [Some(first), Some(second)] = pair else { continue };
        for metric in SHOWN {
            let Some((a, b, is_share)) = values(first, second, metric) else { continue };
            let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| b - a).collect();
            let interval = if is_share { paired_share_interval(b, a) } else { Summary::of(&differences).interval };
            let (first, second) = (Summary::of(a).mean, Summary::of(b).mean);
            rows.push(Row { policy, twin, agents: *agents, metric, first, second, interval });
        }
    }
    rows
}

/// Values of the questions that both were asked.
fn values<'a>(first: &'a Cell, second: &'a Cell, metric: &str) -> Option<(&'a [f64], &'a [f64], bool)> {
    let (a, b) = (first.get(metric)?, second.get(metric)?);
    let n = a.values.len().min(b.values.len());
    (n > 0).then(|| (&a.values[..n], &b.values[..n], a.share))
}

/// Title, header and rows of the table; no rows without twins.
pub(super) fn table(done: &LiveStudy) -> (&'static str, Vec<&'static str>, Vec<Vec<String>>) {
    let header = vec!["A/A", "N", "metric", "policy", "twin", "difference", "95 % from", "to"];
    let cells = rows(done).into_iter().map(|row| {
        let end = |pick: fn(Interval) -> f64| row.interval.map_or("-".to_owned(), |i| digits(pick(i), 3));
        vec![
            format!("{} / {}", row.policy, row.twin),
            row.agents.to_string(),
            row.metric.to_owned(),
            digits(row.first, 4),
            digits(row.second, 4),
            digits(row.second - row.first, 3),
            end(|i| i.low),
            end(|i| i.high),
        ]
    });
    (
        "A/A: a policy against its twin (a difference elsewhere that is no larger than these means nothing)",
        header,
        cells.collect(),
    )
}

/// The rows as JSON.
pub(super) fn json(done: &LiveStudy) -> Vec<Value> {
    let row = |row: Row| {
        json!({
            "policy": row.policy,
            "twin": row.twin,
            "agents": row.agents,
            "metric": row.metric,
            "mean": row.first,
            "twin_mean": row.second,
            "difference": row.second - row.first,
            "ci_low": row.interval.map(|i| i.low),
            "ci_high": row.interval.map(|i| i.high),
        })
    };
    rows(done).into_iter().map(row).collect()
}
