//! The committed presets against the log they come from, where it is at hand: the same bytes, and the judged bounds
//! (p50 within 5 %, p90 within 10 %, p99 within 20 % or inside its own bootstrap band) for the four models with the
//! most rows, on traces the fit has not seen.

use clap::Parser;
use delm_sim::cli::calibrate::{CalibrateArgs, run};
use delm_sim::experiment::calibration::{Preset, Validation};
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const LOG: &str = "../shared/data/claude_code/claude_code_requests.csv.gz";
const JUDGED: [&str; 4] = ["claude-opus-4-5", "claude-opus-4-6", "claude-sonnet-4-5", "claude-sonnet-4"];

#[derive(Parser)]
struct Typed {
    #[command(flatten)]
    args: CalibrateArgs,
}

#[test]
fn the_four_largest_models_hold_on_unseen_traces() {
    for name in JUDGED {
        let path = Path::new(ROOT).join(format!("scenarios/presets/{name}.toml"));
        let preset = Preset::read(&path).unwrap();
        let held_out = preset.fit["held_out"].clone();
        let validation: Validation = held_out.try_into().unwrap();
        for check in &validation.quantiles {
            let in_band = check.p > 0.95 && check.within_band;
            assert!(check.within_bound || in_band, "{name}: {check:?}");
        }
    }
}

#[test]
fn the_log_gives_the_committed_presets() {
    let named = std::env::var_os("DELM_SIM_REQUEST_LOG");
    let log = named.map_or_else(|| Path::new(ROOT).join(LOG), PathBuf::from);
    if !log.exists() {
        println!("skipped: {} is missing; DELM_SIM_REQUEST_LOG may name it", log.display());
        return;
    }
    let folder = Path::new(ROOT).join("scenarios/presets");
    let out = tempfile::tempdir().unwrap();
    let cite = Preset::read(&folder.join("claude-opus-4-5.toml")).unwrap().source;
    let mut words = vec!["calibrate", log.to_str().unwrap()];
    words.extend(["--output-dir", out.path().to_str().unwrap()]);
    for model in JUDGED.iter().chain(&["claude-haiku-4-5"]) {
        words.extend(["--model", model]);
    }
    words.extend(["--source", &cite.cite, "--date", &cite.date]);
    run(&Typed::try_parse_from(words).unwrap().args).unwrap();
    for name in JUDGED.iter().chain(&["claude-haiku-4-5", "tool-coding-agent"]) {
        let read = |folder: &Path| std::fs::read_to_string(folder.join(format!("{name}.toml")));
        assert_eq!(read(out.path()).unwrap(), read(&folder).unwrap(), "{name}");
    }
}
