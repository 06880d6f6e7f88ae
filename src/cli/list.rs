//! `list`: what there is by name.

use super::args::ListArgs;
use super::{DONE, output};
use crate::experiment::metrics::METRICS;
use crate::experiment::{Overrides, Scenario, embedded};
use crate::model::workload::WorkloadSpec;
use crate::policy::Catalog;
use crate::policy::settings::Work;
use anyhow::Result;

/// Lists embedded scenarios with their questions, presets, policies with where they apply, and metrics with units.
pub fn execute(args: &ListArgs, catalog: &Catalog) -> Result<u8> {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut row = |kind: &str, name: &str, applies: &str, about: &str| {
        rows.push([kind, name, applies, about].map(str::to_owned).to_vec());
    };
    for (name, _) in embedded::SCENARIOS {
        let scenario = Scenario::load(name, &Overrides::default())?;
        row("scenario", name, kind(&scenario.workload), &scenario.question);
    }
    for (name, text) in embedded::PRESETS {
        let cite = toml::from_str::<toml::Table>(text)
            .ok()
            .and_then(|preset| Some(preset.get("source")?.get("cite")?.as_str()?.to_owned()));
        row("preset", name, "endpoint", &cite.unwrap_or_default());
    }
    for policy in catalog.entries() {
        let applies: Vec<&str> = [("search", Work::Search), ("divide", Work::Divide)]
            .into_iter()
            .filter_map(|(kind, work)| policy.runs_on(work).then_some(kind))
            .collect();
        row("policy", &policy.name, &applies.join(", "), policy.summary());
    }
    let attempts = "N runs of the policy P with one worker each, side by side; all submit (Pass@k of P)";
    row("policy", "independent-of(P)", "search", attempts);
    for metric in METRICS {
        row("metric", metric.name, metric.unit, metric.meaning);
    }
    let header = ["kind", "name", "applies to", "about"];
    output::print(&output::table(args.format, &header, &rows)?)?;
    Ok(DONE)
}

fn kind(workload: &WorkloadSpec) -> &'static str {
    match workload {
        WorkloadSpec::Search(_) => "search",
        WorkloadSpec::Divide(_) => "divide",
        WorkloadSpec::Recorded(_) => "recorded",
    }
}
