//! docs/priors.md and the registry of inputs say the same: every prior has its entry, with its unit and its range.

use delm_sim::experiment::{Overrides, Scenario, embedded, parameters};
use std::collections::BTreeMap;

const PAGE: &str = include_str!("../docs/priors.md");
const REGISTRY: &str = include_str!("../src/experiment/parameters.txt");

/// Path -> unit and range.
type Priors = BTreeMap<String, (String, String)>;

/// Entries of the page: a line **`path`**, unit: `range`, and a derivation below it.
fn on_the_page() -> Priors {
    let mut found = Priors::new();
    let mut lines = PAGE.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((path, rest)) = line.strip_prefix("**`").and_then(|rest| rest.split_once("`**")) else { continue };
        let (unit, range) = rest.split_once(": `").unwrap_or_else(|| panic!("{path}: no range in `{line}`"));
        let range = range.strip_suffix('`').expect("the range ends the line");
        assert_eq!(lines.next(), Some(""), "{path}: a line stands free");
        assert!(lines.peek().is_some_and(|text| text.len() > 20), "{path} has no derivation");
        let unit = unit.strip_prefix(", ").unwrap_or_default();
        let twice = found.insert(path.to_owned(), (unit.to_owned(), range.to_owned()));
        assert!(twice.is_none(), "{path} stands on the page twice");
    }
    found
}

#[test]
fn the_page_has_an_entry_for_every_prior_of_the_registry_and_no_other() {
    let rows = REGISTRY.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let registered: Priors = rows
        .filter_map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let prior = cells.get(4).filter(|prior| !prior.is_empty())?;
            Some((cells[0].to_owned(), (cells[1].to_owned(), (*prior).to_owned())))
        })
        .collect();
    assert_eq!(on_the_page(), registered, "docs/priors.md against src/experiment/parameters.txt");
}

/// Whether an entry, in which `*` stands for one name, speaks of a path.
fn speaks_of(entry: &str, path: &str) -> bool {
    let (wants, keys): (Vec<&str>, Vec<&str>) = (entry.split('.').collect(), path.split('.').collect());
    wants.len() == keys.len() && wants.iter().zip(keys).all(|(want, key)| *want == "*" || *want == key)
}

#[test]
fn every_prior_that_a_scenario_lists_is_on_the_page() {
    let page = on_the_page();
    for (name, _) in embedded::SCENARIOS {
        let scenario = Scenario::load(name, &Overrides::default()).unwrap();
        for input in parameters(&scenario).into_iter().filter(|input| !input.prior.is_empty()) {
            let setting = input.path.strip_prefix("policy.").and_then(|rest| rest.split_once('.').map(|(_, key)| key));
            let path = match setting.or_else(|| input.path.strip_prefix("all_policies.")) {
                Some(setting) => format!("settings.{setting}"),
                None => input.path.clone(),
            };
            let entry = page.iter().find(|(entry, _)| speaks_of(entry, &path));
            let (_, (unit, range)) = entry.unwrap_or_else(|| panic!("{name}: {path} has a prior and no entry"));
            // A scenario may state a range of its own, with a source.
            let own = scenario.sources.iter().any(|(_, source)| source.prior == input.prior);
            assert!(own || *range == input.prior, "{name}: {path} is {} here, {range} on the page", input.prior);
            assert_eq!(unit, input.unit, "{name}: {path}");
        }
    }
}
