//! The judged bounds on the real log, where it is at hand: p50 within 5 %, p90 within 10 %, p99 within 20 % or inside
//! its own bootstrap band, for the four models with the most rows, on traces the fit has not seen.

use delm_sim::experiment::calibration::{CalibrateOptions, ReadOptions, calibrate, read_log};
use std::path::Path;

const LOG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/claude_code/claude_code_requests.csv.gz");

#[test]
fn the_four_largest_models_hold_on_unseen_traces() {
    let path = std::env::var("DELM_SIM_REQUEST_LOG").unwrap_or_else(|_| LOG.to_owned());
    if !Path::new(&path).exists() {
        println!("skipped: {path} is missing");
        return;
    }
    let log = read_log(Path::new(&path), &ReadOptions::default()).unwrap();
    let options = CalibrateOptions { resamples: 100, ..CalibrateOptions::default() };
    let calibration = calibrate(&log, &options).unwrap();
    for result in &calibration.models[..4] {
        let validation = result.validation.as_ref().expect("the log holds traces out");
        for check in &validation.quantiles {
            println!(
                "{} p{:.0}: observed {:.2} s, simulated {:.2} s, {:+.1} %",
                result.model,
                check.p * 100.0,
                check.observed_s.value,
                check.simulated_s.value,
                check.relative_error.value * 100.0
            );
            let in_band = check.p > 0.95 && check.within_band;
            assert!(check.within_bound || in_band, "{}: {check:?}", result.model);
        }
    }
    let tools = calibration.tools.expect("the log tells tool gaps");
    assert!(tools.used.p99_s < tools.cap_s);
}
