//! The study as Markdown: every policy and size, every comparison, every check.

use super::columns::HEADLINE;
use super::table;
use crate::experiment::Study;
use std::fmt::Write as _;

/// The page, ending in a newline.
pub(super) fn page(study: &Study) -> String {
    let scenario = &study.scenario;
    let mut out = format!("# {}\n\n{}\n\n", scenario.name, scenario.question);
    let _ = writeln!(out, "{}\n\n{}\n", table::sources(study), table::inputs(study));
    bullets(&mut out, "Verdict", &super::words::verdicts(study));
    bullets(&mut out, "Caveats", &super::words::warnings(study));
    cells(&mut out, study);
    comparisons(&mut out, study);
    checks(&mut out, study);
    out.truncate(out.trim_end().len());
    out + "\n"
}

fn bullets(out: &mut String, title: &str, sentences: &[String]) {
    if sentences.is_empty() {
        return;
    }
    let _ = writeln!(out, "## {title}\n");
    for sentence in sentences {
        let _ = writeln!(out, "- {sentence}");
    }
    out.push('\n');
}

fn cells(out: &mut String, study: &Study) {
    if study.cells.is_empty() {
        return;
    }
    let mut headings = vec!["policy".to_owned(), "N".to_owned()];
    headings.extend(HEADLINE.iter().map(|c| format!("{} ({})", c.heading, c.unit)));
    let _ = writeln!(out, "## Policies and team sizes\n");
    header(out, &headings, 1..=headings.len());
    for cell in &study.cells {
        let mark = if cell.extrapolated { " *" } else { "" };
        let mut row = vec![cell.policy.clone(), format!("{}{mark}", cell.agents)];
        row.extend(HEADLINE.iter().map(|column| column.show(cell)));
        line(out, &row);
    }
    out.push('\n');
    if study.cells.iter().any(|c| c.extrapolated) {
        out.push_str("\\* beyond every published team size of this policy: extrapolated\n\n");
    }
}

fn comparisons(out: &mut String, study: &Study) {
    if study.comparisons.is_empty() {
        return;
    }
    let _ = writeln!(out, "## Paired comparisons, policy minus baseline\n");
    let headings = ["policy", "metric", "N", "difference [95 %]", "ratio", "verdict", "against"];
    header(out, &headings.map(str::to_owned), 2..=4);
    for comparison in &study.comparisons {
        line(out, &table::comparison_row(study, comparison));
    }
    out.push('\n');
}

fn checks(out: &mut String, study: &Study) {
    if study.checks.is_empty() {
        return;
    }
    let _ = writeln!(out, "## Closed forms\n");
    header(out, &table::CHECK_HEADINGS.map(str::to_owned), 3..=6);
    for check in &study.checks {
        line(out, &table::check_row(check));
    }
}

/// The first two lines of a table; columns of `numbers` are aligned right.
pub(super) fn header(out: &mut String, headings: &[String], numbers: impl std::ops::RangeBounds<usize>) {
    line(out, headings);
    let rule: Vec<&str> = (0..headings.len()).map(|i| if numbers.contains(&i) { "---:" } else { "---" }).collect();
    let _ = writeln!(out, "| {} |", rule.join(" | "));
}

/// A line of a table.
pub(super) fn line(out: &mut String, cells: &[String]) {
    let safe: Vec<String> = cells.iter().map(|c| c.replace('|', "\\|").replace('*', "\\*")).collect();
    let _ = writeln!(out, "| {} |", safe.join(" | "));
}
