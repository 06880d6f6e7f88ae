//! Cells over the values of some keys, in rows and curves.

use super::Page;
use crate::experiment::Scenario;
use crate::experiment::asked::Varied;
use crate::report::columns::HEADLINE;
use crate::report::file::csv;
use crate::report::number::{self, exact};
use crate::report::plot::{At, Canvas, Curve, Words, curves};

/// Headings live as long as the program: keys are told in the sentence above, columns count them.
const NAMES: [&str; 6] = ["first", "second", "third", "fourth", "fifth", "sixth"];

pub(super) fn page(scenario: &Scenario, v: &Varied) -> Page {
    let sentences = vec![format!(
        "{}: {} combinations of {}, {} replications per cell, all on the same random numbers.",
        scenario.name,
        v.levels.len(),
        v.axes.join(" and "),
        v.replications
    )];
    let mut header: Vec<&'static str> = NAMES.iter().copied().take(v.axes.len()).collect();
    if v.axes.len() == 1 {
        header = vec!["value"];
    }
    header.extend(["policy", "N"]);
    header.extend(HEADLINE.iter().map(|column| column.heading));
    let rows = v
        .levels
        .iter()
        .flat_map(|level| {
            level.cells.iter().map(|cell| {
                let mut row = level.values.clone();
                row.extend([cell.policy.clone(), cell.agents.to_string()]);
                row.extend(HEADLINE.iter().map(|column| column.show(cell)));
                row
            })
        })
        .collect();
    let notes = vec!["vary.csv has every metric with its interval.".to_owned()];
    Page { name: "vary", sentences, header, rows, notes }
}

pub(super) fn data(v: &Varied) -> String {
    let mut header: Vec<&str> = v.axes.iter().map(String::as_str).collect();
    header.extend([
        "policy",
        "agents",
        "metric",
        "unit",
        "mean",
        "ci_low",
        "ci_high",
        "p50",
        "p90",
        "p99",
        "replications",
    ]);
    let rows = v.levels.iter().flat_map(|level| {
        level.cells.iter().flat_map(move |cell| {
            cell.series.iter().map(move |series| {
                let s = number::summary(series);
                let known = |x: Option<f64>| x.map(exact).unwrap_or_default();
                let mut row = level.values.clone();
                row.extend([cell.policy.clone(), cell.agents.to_string(), series.metric.to_owned()]);
                row.extend([series.unit.to_owned(), exact(s.mean)]);
                row.extend([s.interval.map(|i| i.low), s.interval.map(|i| i.high)].map(known));
                row.extend([s.p50, s.p90, s.p99].map(exact));
                row.push(s.n.to_string());
                row
            })
        })
    });
    csv(&header, rows)
}

/// The metric over the first axis, where its values are numbers: the other axes at their first values, the team size at
/// the scenario's largest.
pub(super) fn figure(scenario: &Scenario, v: &Varied) -> Option<Canvas> {
    let percent = v.unit == "1";
    let scale = if percent { 100.0 } else { 1.0 };
    let first = v.levels.first()?;
    let agents = first.cells.iter().map(|cell| cell.agents).max()?;
    let along: Vec<(f64, &crate::experiment::asked::Level)> = v
        .levels
        .iter()
        .filter(|level| level.values[1..] == first.values[1..])
        .map(|level| Some((level.values[0].parse().ok()?, level)))
        .collect::<Option<_>>()?;
    let policies: Vec<_> = first.cells.iter().filter(|cell| cell.agents == agents).collect();
    let drawn: Vec<Curve> = policies
        .iter()
        .map(|policy| {
            let mut points: Vec<At> = along
                .iter()
                .filter_map(|(x, level)| {
                    let cell = level.cells.iter().find(|c| c.policy == policy.policy && c.agents == agents)?;
                    let s = number::summary(cell.get(v.metric)?);
                    let (low, high) = s.interval.map_or((s.mean, s.mean), |i| (i.low, i.high));
                    Some(At { x: *x, mean: s.mean * scale, low: low * scale, high: high * scale })
                })
                .collect();
            points.sort_by(|a, b| a.x.total_cmp(&b.x));
            Curve { name: policy.policy.clone(), form: policy.form, points }
        })
        .filter(|curve| !curve.points.is_empty())
        .collect();
    let others: Vec<String> =
        v.axes[1..].iter().zip(&first.values[1..]).map(|(axis, value)| format!("{axis} = {value}")).collect();
    let at = if others.is_empty() { String::new() } else { format!("; {}", others.join(", ")) };
    let note = format!(
        "{}: simulated; N = {agents}{at}; {} replications per value on the same random numbers; bands: 95 % of each mean.",
        scenario.name, v.replications
    );
    curves(
        &drawn,
        percent,
        Words {
            title: &format!("{} over {}", v.metric, v.axes[0]),
            unit: if percent { "percent" } else { v.unit },
            below: &v.axes[0],
            note: &note,
        },
    )
}
