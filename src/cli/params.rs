//! `params`: every input of a scenario with its source.

use super::args::ParamsArgs;
use super::format::Format;
use super::{DONE, output};
use crate::experiment::{Parameter, counts, parameters};
use crate::policy::Catalog;
use anyhow::Result;

/// Loads the scenario, lists its inputs, sums them up by source.
pub fn execute(args: &ParamsArgs, catalog: &Catalog) -> Result<u8> {
    let scenario = super::load(&args.scenario, &args.change.overrides(catalog))?;
    let inputs = parameters(&scenario);
    let header = ["path", "value", "unit", "source", "cite", "prior"];
    let rows: Vec<Vec<String>> = inputs
        .iter()
        .map(|p| {
            let source = p.source.name();
            let value = match args.format {
                Format::Table => cut(&p.value, 30),
                _ => p.value.clone(),
            };
            let (cite, prior) = match args.format {
                Format::Table => (cut(&p.cite, 44), cut(&p.prior, 22)),
                _ => (p.cite.clone(), p.prior.clone()),
            };
            [&p.path, &value, p.unit, source, &cite, &prior].map(str::to_owned).to_vec()
        })
        .collect();
    let mut text = output::table(args.format, &header, &rows)?;
    if matches!(args.format, Format::Table | Format::Md) {
        text.push_str("\n\n");
        text.push_str(&format_counts(&inputs));
    }
    output::print(&text)?;
    Ok(DONE)
}

fn format_counts(inputs: &[Parameter]) -> String {
    let [published, fitted, assumed, design] = counts(inputs);
    format!(
        "{} inputs: {published} published, {fitted} fitted, {assumed} assumed, {design} choices of the experiment",
        inputs.len()
    )
}

/// Long texts would push the other columns off the screen; the other formats have them whole.
fn cut(value: &str, most: usize) -> String {
    if value.chars().count() <= most {
        return value.to_owned();
    }
    value.chars().take(most - 3).chain("...".chars()).collect()
}
