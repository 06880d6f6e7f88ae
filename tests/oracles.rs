//! Every scenario under `scenarios/oracles` states closed forms; the simulator must meet them.
//!
//! Budgets are reduced here and tolerances widen with them; `delm-sim run --full FILE` spends the full budget.

use delm_sim::experiment::{Options, Overrides, Scenario, conduct};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Counted replies per run of a steady state; enough to tell a wrong law from a right one.
const MOST_COUNTED: u64 = 30_000;

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/oracles");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no scenarios in {}", folder.display());
    files
}

/// The scenario at a budget for every day. Full budgets stay what they were, so that tolerances widen.
fn reduced(path: &Path) -> Scenario {
    let mut scenario = Scenario::load(path.to_str().unwrap(), &Overrides::default())
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    if let Some(measure) = &mut scenario.measure
        && measure.stop_after > MOST_COUNTED
    {
        measure.full_stop_after.get_or_insert(measure.stop_after);
        measure.stop_after = MOST_COUNTED.max(4 * measure.warmup);
    }
    scenario
}

#[test]
fn every_file_says_what_it_is_about_and_expects_something() {
    for path in files() {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("# "), "{}: begins without a comment", path.display());
        let scenario = reduced(&path);
        assert!(!scenario.expect.is_empty(), "{}: expects nothing", path.display());
        let stem = path.file_stem().unwrap().to_str().unwrap();
        assert_eq!(scenario.name, stem, "{}: the name differs from the file's", path.display());
    }
}

#[test]
fn every_closed_form_is_met() {
    let mut missed = String::new();
    let mut checks = 0;
    for path in files() {
        let scenario = reduced(&path);
        let name = &scenario.name;
        let study = match conduct(&scenario, &Options::default()) {
            Ok(study) => study,
            Err(error) => {
                writeln!(missed, "{name}: {error}").unwrap();
                continue;
            }
        };
        assert_eq!(study.checks.len(), scenario.expect.len());
        checks += study.checks.len();
        for c in study.checks.iter().filter(|c| !c.holds) {
            let (expected, observed) = (c.expected, c.observed);
            writeln!(
                missed,
                "{name}: {} with {} agents, {}: expected {expected} +- {} ({}), observed {observed}\n    \
                 repeat: cargo run --release -- run scenarios/oracles/{name}.toml",
                c.policy, c.agents, c.metric, c.tolerance, c.formula
            )
            .unwrap();
        }
    }
    assert!(missed.is_empty(), "closed forms missed:\n{missed}");
    println!("{checks} closed forms met");
}
