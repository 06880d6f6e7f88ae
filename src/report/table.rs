//! The first screen: question, sources, selected rows, the comparison, verdicts, caveats. At most 110 columns.
//!
//! Order: what was asked and of what the answer is made; what came out; what it means; what to doubt.

use super::columns::{self, COMPARED, Column, HEADLINE};
use super::number::{self, with_interval, wrap};
use super::words;
use crate::experiment::Study;
use crate::experiment::scenario::Mix;
use crate::experiment::study::{Check, Comparison, Origin};
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table, presets};
use std::fmt::Write as _;

/// Widest line.
pub const WIDTH: usize = 110;
/// Headings of the closed forms.
pub(super) const CHECK_HEADINGS: [&str; 9] =
    ["policy", "N", "metric", "theory", "run", "off by", "allowed", "holds", "formula"];

/// The screen of a study, ending in a newline.
pub fn screen(study: &Study) -> String {
    let mut parts = vec![head(study)];
    if !study.cells.is_empty() {
        parts.push(rows(study));
    }
    parts.extend((!study.checks.is_empty()).then(|| checks_table(study)));
    parts.extend(listed("Verdict", &words::verdicts(study)));
    parts.extend(listed("Caveats", &words::warnings(study)));
    parts.extend(against(study));
    parts.join("\n")
}

/// Closed forms beside what the run gave, ending in a newline; empty if the scenario states none.
pub fn checks_table(study: &Study) -> String {
    if study.checks.is_empty() {
        return String::new();
    }
    let mut table = plain(&CHECK_HEADINGS);
    for check in &study.checks {
        table.add_row(check_row(check));
    }
    for index in [1, 3, 4, 5, 6] {
        right(&mut table, index);
    }
    let held = study.checks.iter().filter(|c| c.holds).count();
    format!("Closed forms: {held} of {} hold\n{}", study.checks.len(), text(&table))
}

/// A check as people read it.
pub(super) fn check_row(check: &Check) -> Vec<String> {
    let off = check.observed - check.expected;
    vec![
        check.policy.clone(),
        check.agents.to_string(),
        check.metric.clone(),
        number::digits(check.expected, 5),
        number::digits(check.observed, 5),
        number::digits(off, 2),
        format!("\u{b1}{}", number::digits(check.tolerance, 2)),
        if check.holds { "yes" } else { "NO" }.to_owned(),
        check.formula.clone(),
    ]
}

/// Question, sources, number of inputs of each kind.
fn head(study: &Study) -> String {
    let scenario = &study.scenario;
    let mut out = wrap(&format!("{}: {}", scenario.name, scenario.question), WIDTH, "  ") + "\n";
    let _ = writeln!(out, "{}", wrap(&sources(study), WIDTH, "  "));
    let _ = writeln!(out, "{}", wrap(&inputs(study), WIDTH, "  "));
    out
}

/// Where the numbers come from, in one sentence.
pub(super) fn sources(study: &Study) -> String {
    sources_of(study.origin(), &study.scenario.mix)
}

/// The same of a scenario's own words.
pub(super) fn sources_of(origin: Origin, mix: &Mix) -> String {
    let parts: Vec<String> =
        [("accuracy", &mix.accuracy), ("latencies", &mix.latencies), ("tokens", &mix.tokens), ("prices", &mix.prices)]
            .iter()
            .filter(|(_, from)| !from.is_empty())
            .map(|(what, from)| format!("{what} from {from}"))
            .collect();
    if parts.is_empty() {
        format!("{}; the scenario does not say where its numbers come from.", words::origin(origin))
    } else {
        format!("{}: {}.", words::origin(origin), parts.join("; "))
    }
}

/// How many inputs of each kind, and how the run was sized.
pub(super) fn inputs(study: &Study) -> String {
    let [published, fitted, assumed, _] = study.inputs;
    let total = published + fitted + assumed;
    format!(
        "Inputs: {assumed} of {total} ASSUMED, {fitted} fitted, {published} published (each: delm-sim params). \
         {} replications, seed {}; \u{b1} is half a 95 % interval, [ ] one of a share (rounded outwards), of {} alone.",
        study.scenario.replications,
        study.scenario.seed,
        words::noise(study.origin())
    )
}

/// Policies at the team sizes that matter most.
fn rows(study: &Study) -> String {
    let mut headings = vec!["policy".to_owned()];
    headings.extend(HEADLINE.iter().map(titled));
    let mut table = plain(&headings.iter().map(String::as_str).collect::<Vec<_>>());
    let shown = columns::shown_sizes(study);
    for &agents in &shown {
        table.add_row(vec![format!("N = {agents}")]);
        for cell in study.cells.iter().filter(|c| c.agents == agents) {
            let mark = if cell.extrapolated { " *" } else { "" };
            let mut row = vec![format!(" {}{mark}", cell.policy)];
            row.extend(HEADLINE.iter().map(|column| column.show(cell)));
            table.add_row(row);
        }
    }
    for index in 1..=HEADLINE.len() {
        right(&mut table, index);
    }
    let mut out = text(&table);
    if study.cells.iter().any(|c| c.extrapolated && shown.contains(&c.agents)) {
        out += "* nobody has published such a run: extrapolated\n";
    }
    let others: Vec<String> = columns::sizes(study).iter().filter(|n| !shown.contains(n)).map(u32::to_string).collect();
    if !others.is_empty() {
        let line = format!("N = {} and all other metrics: --format md|csv|json, metrics.csv", others.join(", "));
        let _ = writeln!(out, "{}", wrap(&line, WIDTH, "  "));
    }
    out
}

fn titled(column: &Column) -> String {
    format!("{}\n{}", column.heading.replace(' ', "\n"), column.unit)
}

/// The comparison that the question is about, at the sizes shown; a table for each policy it is about.
fn against(study: &Study) -> Option<String> {
    let shown = columns::shown_sizes(study);
    let tables: Vec<String> = columns::featured(study)
        .iter()
        .filter_map(|policy| {
            let mut table = plain(&["metric", "N", "difference [95 %]", "ratio", "verdict", "against"]);
            for metric in COMPARED {
                let rows = study
                    .comparisons
                    .iter()
                    .filter(|c| c.policy == *policy && c.metric == metric && shown.contains(&c.agents));
                for c in rows {
                    table.add_row(comparison_row(study, c).split_off(1));
                }
            }
            for index in [1, 2, 3] {
                right(&mut table, index);
            }
            let title = format!("{policy} minus its baseline, paired: same tasks, same random numbers");
            (table.row_count() > 0).then(|| format!("{title}\n{}", text(&table)))
        })
        .collect();
    (!tables.is_empty()).then(|| tables.join("\n"))
}

/// A comparison as people read it: policy, metric, N, difference, ratio, verdict, baseline.
pub(super) fn comparison_row(study: &Study, c: &Comparison) -> Vec<String> {
    let cell = study.cell(&c.policy, c.agents);
    let mark = if cell.is_some_and(|c| c.extrapolated) { "* " } else { "" };
    let column = columns::heading(c.metric);
    let scale = column.map_or(1.0, |x| x.scale);
    let name = match column {
        Some(x) if x.unit == "%" => format!("{}, points", x.heading),
        Some(x) => format!("{}, {}", x.heading, x.unit),
        None => c.metric.to_owned(),
    };
    let ratio = c.ratio.map_or("-".to_owned(), |ratio| format!("{}x", number::short(ratio)));
    vec![
        c.policy.clone(),
        name,
        format!("{mark}{}", c.agents),
        with_interval(c.difference * scale, c.interval.map(|i| i.scaled(scale))),
        ratio,
        words::judgement(c.judgement).to_owned(),
        c.baseline.clone(),
    ]
}

fn listed(title: &str, sentences: &[String]) -> Option<String> {
    if sentences.is_empty() {
        return None;
    }
    let lines: Vec<String> = sentences.iter().map(|s| wrap(&format!("- {s}"), WIDTH, "  ")).collect();
    Some(format!("{title}\n{}\n", lines.join("\n")))
}

/// A table without frames. If it is too wide, the last column gives way.
/// A table without lines, the last column wrapped at the width of the screen.
pub(super) fn plain(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING.header_separator(LineStyle::none().fill('-').junction('-')))
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH as u16)
        .set_header(headings.to_vec());
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 1));
        if index + 1 < headings.len() {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table
}

/// Aligns a column's numbers.
pub(super) fn right(table: &mut Table, index: usize) {
    let column = table.column_mut(index).expect("the column has a heading");
    column.set_cell_alignment(CellAlignment::Right);
}

/// The table's lines, without blanks at their ends.
pub(super) fn text(table: &Table) -> String {
    let lines: Vec<String> = table.lines().map(|l| l.trim_end().to_owned()).collect();
    lines.join("\n") + "\n"
}
