//! Which metrics the first screen shows, in which order, and which team sizes.

use super::number;
use crate::experiment::Study;
use crate::experiment::study::Cell;
use crate::policy::settings::Form;

/// One column of the headline table.
pub(super) struct Column {
    /// Metric.
    pub(super) metric: &'static str,
    /// Heading on screen.
    pub(super) heading: &'static str,
    /// Unit on screen.
    pub(super) unit: &'static str,
    /// Shares are shown in percent.
    pub(super) scale: f64,
    /// Decimals at least.
    pub(super) least: usize,
    /// Whether the half-width of the interval is shown.
    pub(super) interval: bool,
}

const fn column(metric: &'static str, heading: &'static str, unit: &'static str, interval: bool) -> Column {
    let percent = matches!(unit.as_bytes(), b"%");
    Column {
        metric,
        heading,
        unit,
        scale: if percent { 100.0 } else { 1.0 },
        least: if percent { 1 } else { 0 },
        interval,
    }
}

/// The headline: time and money per task first.
pub(super) const HEADLINE: [Column; 8] = [
    column("makespan_s", "makespan", "s", true),
    column("cost_per_task_usd", "cost/task", "$", true),
    column("cost_per_submission_usd", "cost/subm.", "$", false),
    column("avg_at_1", "Avg@1", "%", true),
    column("pass", "Pass", "%", true),
    column("controller_utilisation", "lead busy", "%", false),
    column("waiting_share", "wait", "%", false),
    column("share_idle_tail", "idle tail", "%", false),
];

/// Metrics of the comparison on the first screen.
pub(super) const COMPARED: [&str; 3] = ["makespan_s", "cost_per_task_usd", "avg_at_1"];

impl Column {
    /// The cell's value as people read it; `-` where the metric is missing.
    pub(super) fn show(&self, cell: &Cell) -> String {
        let Some(series) = cell.get(self.metric) else {
            return "-".to_owned();
        };
        let summary = number::summary(series);
        if !summary.mean.is_finite() {
            "-".to_owned()
        } else if series.share {
            number::with_ends(&summary, self.scale)
        } else if self.interval {
            number::with_half_width(&summary, self.scale, self.least)
        } else if self.unit == "%" {
            number::rounded(summary.mean * self.scale, 0)
        } else {
            number::short(summary.mean)
        }
    }
}

/// The headline column of a metric.
pub(super) fn heading(metric: &str) -> Option<&'static Column> {
    HEADLINE.iter().find(|c| c.metric == metric)
}

/// All team sizes, rising.
pub(super) fn sizes(study: &Study) -> Vec<u32> {
    let mut sizes: Vec<u32> = study.cells.iter().map(|c| c.agents).collect();
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

/// The largest size at which nothing of DeLM is extrapolated (of any policy, if the study has no form of DeLM).
pub(super) fn largest_published(study: &Study) -> Option<u32> {
    let decentral = |cell: &&Cell| cell.form == Some(Form::Decentral);
    let any = study.cells.iter().any(|cell| decentral(&cell));
    let beyond: Vec<u32> = study
        .cells
        .iter()
        .filter(|cell| cell.extrapolated && (!any || decentral(cell)))
        .map(|cell| cell.agents)
        .collect();
    let mut sizes = sizes(study);
    sizes.retain(|n| !beyond.contains(n));
    sizes.pop()
}

/// The sizes of the first screen: all if there are few, else smallest, largest published and largest.
pub(super) fn shown_sizes(study: &Study) -> Vec<u32> {
    let sizes = sizes(study);
    if sizes.len() <= 3 {
        return sizes;
    }
    let mut shown = vec![sizes[0]];
    shown.extend(largest_published(study));
    shown.extend(sizes.last());
    shown.sort_unstable();
    shown.dedup();
    shown
}

/// The policies whose comparison leads: DeLM's forms, or all that were compared.
pub(super) fn featured(study: &Study) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for comparison in &study.comparisons {
        if !names.contains(&comparison.policy.as_str()) {
            names.push(&comparison.policy);
        }
    }
    let decentral = |name: &&str| study.form(name) == Some(Form::Decentral);
    if names.iter().any(decentral) {
        names.retain(decentral);
    }
    names
}
