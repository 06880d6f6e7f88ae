//! Calibration: known laws come back, malformed logs are refused in one clear message, the same seed gives the same
//! bytes.

#![allow(clippy::disallowed_methods, reason = "bounds of a test, not results")]

use clap::Parser;
use delm_sim::cli::calibrate::{CalibrateArgs, run};
use delm_sim::experiment::calibration::{
    CalibrateOptions, Calibration, CalibrationError, Preset, ReadOptions, RequestLog, Split, Verdict, calibrate,
    read_log,
};
use delm_sim::experiment::{embedded, presets};
use delm_sim::kernel::{Address, Key, Law};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/requests.csv");

#[derive(Parser)]
struct Typed {
    #[command(flatten)]
    args: CalibrateArgs,
}

fn typed(words: &[&str]) -> CalibrateArgs {
    let words = ["calibrate"].iter().chain(words);
    Typed::try_parse_from(words).expect("the words are options").args
}

/// A log of a known law: two models, one bent, agents with a persistent factor.
fn synthetic(traces: u64) -> String {
    let mut text =
        "trace_id,model,in_tok,out_tok,cached_prefix_tok,api_time_s,ttft_s,think_time_s,agent,input_types\n".to_owned();
    let own = Law::Lognormal { mean: 1.0, sigma: 0.12 };
    let noise = Law::Lognormal { mean: 1.0, sigma: 0.2 };
    let size = Law::Lognormal { mean: 500.0, sigma: 1.1 };
    for trace in 0..traces {
        let draws = |step| Key::new(11, 0).draws(Address { entity: trace, step, ..Address::default() });
        let factor = own.sample(&draws(0), 0);
        for step in 1..=60 {
            let draws = draws(step);
            let completion = size.sample(&draws, 0).ceil().min(16_000.0);
            let cached = (draws.uniform(1) * 150_000.0).floor();
            let uncached = (draws.uniform(2).powi(4) * 60_000.0).floor();
            let prefill = 1.2 + 0.03 * uncached / 1000.0 + 0.006 * cached / 1000.0;
            let decode = 0.016 * completion.min(1000.0) + 0.011 * (completion - 1000.0).max(0.0);
            let factor = factor * noise.sample(&draws, 3);
            let (total, first) = ((prefill + decode) * factor, prefill * factor);
            let typed = step % 10 == 0;
            let (pause, kind) = if typed { (3000, "text") } else { (step % 7, "tool_result") };
            let _ = writeln!(
                text,
                "t{trace},made-up-1,{},{completion},{cached},{total:.4},{first:.4},{pause},main,{kind}",
                uncached + cached
            );
        }
    }
    text
}

fn file(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn calibrated(text: &str) -> (RequestLog, Calibration) {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), "log.csv", text.as_bytes());
    let log = read_log(&path, &ReadOptions::default()).unwrap();
    let options = CalibrateOptions { resamples: 60, ..CalibrateOptions::default() };
    let calibration = calibrate(&log, &options).unwrap();
    (log, calibration)
}

#[test]
fn a_known_law_comes_back_and_holds_on_unseen_traces() {
    let (log, calibration) = calibrated(&synthetic(150));
    assert_eq!(log.split, Split::Hash);
    let result = &calibration.models[0];
    let endpoint = &result.fit.endpoint;
    // Coefficients and noise are identified up to a common scale.
    let scale = endpoint.noise.mean();
    let truth = [
        ("base_s", 1.2),
        ("completion_s_per_token", 0.016),
        ("long_completion_s_per_token", 0.011),
        ("uncached_s_per_ktoken", 0.03),
        ("cached_s_per_ktoken", 0.006),
    ];
    for ((name, band), (known, value)) in result.fit.coefficients.iter().zip(truth) {
        assert_eq!(*name, known);
        let half = (band.high - band.low) / 2.0;
        assert!(half < 0.35 * value, "{name} {band:?}");
        let off = (band.value * scale - value).abs();
        assert!(off < 2.0 * half, "{name}: {band:?} x {scale}, true {value}");
    }
    assert!((endpoint.agent_sigma - 0.12).abs() < 0.03, "{}", endpoint.agent_sigma);
    assert!((result.fit.within_sigma - 0.2).abs() < 0.02, "{}", result.fit.within_sigma);
    let validation = result.validation.as_ref().unwrap();
    assert_ne!(validation.verdict, Verdict::Poor, "{validation:?}");
    assert!(validation.ks.value < 0.06, "{:?}", validation.ks);
    let first = validation.first_token.unwrap();
    for (observed, simulated) in first.observed_s.iter().zip(first.simulated_s) {
        assert!((simulated / observed - 1.0).abs() < 0.08, "{first:?}");
    }
}

#[test]
fn a_law_that_changed_since_the_fit_is_called_poor() {
    let mut text = synthetic(100).replacen("input_types\n", "input_types,split\n", 1);
    // Held-out traces are twice as slow as fitted ones.
    let lines: Vec<String> = text
        .lines()
        .map(|line| {
            let mut cells: Vec<String> = line.split(',').map(str::to_owned).collect();
            if cells.len() == 10 {
                let held = cells[0].ends_with('7');
                if held {
                    let time: f64 = cells[5].parse().unwrap();
                    cells[5] = (2.0 * time).to_string();
                }
                cells.push(if held { "later" } else { "fit" }.to_owned());
            }
            cells.join(",")
        })
        .collect();
    text = lines.join("\n");
    let (log, calibration) = calibrated(&text);
    assert_eq!(log.split, Split::Column);
    let result = &calibration.models[0];
    assert_eq!(result.validation.as_ref().unwrap().verdict, Verdict::Poor);
    assert!(result.warnings.iter().any(|w| w.contains("poor")), "{:?}", result.warnings);
}

#[test]
fn tool_time_holds_no_human_pause() {
    let (_, calibration) = calibrated(&synthetic(20));
    let tools = calibration.tools.unwrap();
    assert_eq!((tools.used.gaps, tools.used.above_cap), (20 * 54, 0));
    let Law::Table { quantiles } = &tools.endpoint.noise else { panic!("a table") };
    assert_eq!((quantiles[0], quantiles[200]), (0.0, 6.0));
}

#[test]
fn rows_without_use_are_counted_by_reason() {
    let log = read_log(Path::new(FIXTURE), &ReadOptions::default()).unwrap();
    assert_eq!(log.rows.read, 224);
    assert_eq!((log.rows.repeats, log.rows.without_time, log.rows.censored), (1, 1, 1));
    assert_eq!(log.rows.kept, 221);
    let calibration = calibrate(&log, &CalibrateOptions::default()).unwrap();
    assert_eq!(calibration.models[0].preset, "tiny-model");
    assert_eq!(calibration.refused, [("rare-model".to_owned(), 28)]);
    let warnings = calibration.models[0].warnings.join("\n");
    assert!(warnings.contains("rows to fit"), "{warnings}");
}

const HEAD: &str = "trace_id,model,in_tok,out_tok,cached_prefix_tok,api_time_s\n";

/// Reads a faulty log; gives the message, after checking that nothing was written.
fn refused(name: &str, bytes: &[u8], words: &[&str]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = file(dir.path(), name, bytes);
    let out = dir.path().join("out");
    let mut all = vec![path.to_str().unwrap(), "--output-dir", out.to_str().unwrap()];
    all.extend(words);
    let error = run(&typed(&all)).expect_err("the log is faulty");
    assert_eq!(error.exit_code(), 2, "{error}");
    assert!(!out.exists(), "{error}");
    let text = error.to_string();
    assert!(text.contains("mend: "), "{text}");
    text
}

#[test]
fn malformed_logs_are_refused_with_place_value_and_mend() {
    let row = |cells: &str| format!("{HEAD}t1,m,100,10,0,1.5\n{cells}\n");
    let cases: Vec<(String, Vec<&str>)> = vec![
        (row("t1,m,-5,10,0,1.5"), vec!["line 3", "column in_tok", "\"-5\"", "negative"]),
        (row("t1,m,100,nan,0,1.5"), vec!["line 3", "column out_tok", "\"nan\""]),
        (row("t1,m,100,10,0,NaN"), vec!["line 3", "column api_time_s", "\"NaN\"", "finite"]),
        (row("t1,m,100,10,0,inf"), vec!["column api_time_s", "\"inf\""]),
        (row("t1,m,100,10,0,-1"), vec!["column api_time_s", "\"-1\"", "negative"]),
        (row("t1,m,100,1.5,0,2"), vec!["column out_tok", "\"1.5\"", "whole"]),
        (row("t1,m,100,,0,2"), vec!["column out_tok", "\"\"", "not a number"]),
        (row("t1,m,100,ten,0,2"), vec!["column out_tok", "\"ten\""]),
        (row("t1,m,1e300,10,0,2"), vec!["column in_tok", "1e9"]),
        (row("t1,m,100,10,101,2"), vec!["column cached_prefix_tok", "\"101\"", "100"]),
        (row(",m,100,10,0,2"), vec!["column trace_id"]),
        (row("t1,m,100,10"), vec!["line 3", "4 cells", "6 columns"]),
        (HEAD.to_owned(), vec!["no row"]),
        ("a,b,c\n1,2,3\n".to_owned(), vec!["line 1", "missing columns trace_id", "a, b, c", "--columns"]),
        (HEAD.replace("out_tok,", ""), vec!["missing column out_tok"]),
        (HEAD.replace("model", "in_tok"), vec!["in_tok", "twice"]),
        (HEAD.replace(',', ";"), vec!["commas"]),
        (row("t2,m,100,10,0,"), vec!["no model has the 50 rows", "m (1)"]),
        (format!("{HEAD}t1,m,100,10,0,\n"), vec!["none of the 1 rows"]),
    ];
    for (text, expected) in cases {
        let message = refused("log.csv", text.as_bytes(), &["--split", "hash"]);
        for part in expected.iter().chain([&"log.csv"]) {
            assert!(message.contains(part), "no \"{part}\" in: {message}\n{text}");
        }
    }
}

#[test]
fn files_that_are_no_logs_are_refused() {
    let text = synthetic(10);
    let whole = gzip(text.as_bytes());
    let cut = refused("log.csv.gz", &whole[..whole.len() / 2], &[]);
    assert!(cut.contains("cut off") && cut.contains("log.csv.gz"), "{cut}");
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 40].fill(0xaa);
    assert!(refused("log.csv.gz", &damaged, &[]).contains("gzip stream"));
    assert!(refused("log.csv", b"", &[]).contains("empty"));
    assert!(refused("log.csv.gz", &gzip(b""), &[]).contains("holds nothing"));
    assert!(refused("log.csv", b"\x7fELF\x02\x01\0\0\xff\xfe", &[]).contains("binary"));
    assert!(refused("log.csv", b"PK\x03\x04....", &[]).contains("zip"));
    assert!(refused("log.csv", b"trace_id,model\n\xff\xfe,x\n", &[]).contains("UTF-8"));
    let missing = run(&typed(&["/no/such/log.csv"])).unwrap_err();
    assert!(missing.to_string().contains("/no/such/log.csv: cannot be read"), "{missing}");
    let folder = run(&typed(&["/"])).unwrap_err();
    assert_eq!(folder.exit_code(), 2);
}

#[test]
fn splits_and_columns_are_checked() {
    let head = HEAD.replace('\n', ",split\n");
    let both = format!("{head}t1,m,100,10,0,1.5,fit\nt1,m,100,10,0,1.5,tune\n");
    let message = refused("log.csv", both.as_bytes(), &[]);
    assert!(message.contains("line 3, column split") && message.contains("both sides"), "{message}");
    let held = format!("{head}t1,m,100,10,0,1.5,tune\n");
    assert!(refused("log.csv", held.as_bytes(), &[]).contains("--check"));
    let plain = format!("{HEAD}t1,m,100,10,0,1.5\n");
    let message = refused("log.csv", plain.as_bytes(), &["--split", "column"]);
    assert!(message.contains("--split hash"), "{message}");
    let message = refused("log.csv", plain.as_bytes(), &["--columns", "in_tok"]);
    assert!(message.contains("NAME=NAME_IN_THE_LOG"), "{message}");
    let message = refused("log.csv", plain.as_bytes(), &["--columns", "tokens=x"]);
    assert!(message.contains("\"tokens\"") && message.contains("in_tok"), "{message}");
    let message = refused("log.csv", plain.as_bytes(), &["--columns", "ttft_s=first"]);
    assert!(message.contains("missing column first"), "{message}");
    let message = refused("log.csv", plain.as_bytes(), &["--model", "other"]);
    assert!(message.contains("\"other\"") && message.contains("the log has m"), "{message}");
}

#[test]
fn other_names_plain_or_gzip_give_the_same_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let text = synthetic(30);
    let renamed = text.replacen("in_tok,out_tok", "prompt_tokens,completion_tokens", 1);
    let plain = file(dir.path(), "log.csv", text.as_bytes());
    let packed = file(dir.path(), "packed.gz", &gzip(renamed.as_bytes()));
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    let run = |log: &Path, out: &Path, more: &[&str]| {
        let mut words = vec![log.to_str().unwrap(), "--output-dir", out.to_str().unwrap()];
        words.extend(["--format", "csv", "--bootstrap", "20"]);
        words.extend(more);
        run(&typed(&words)).unwrap()
    };
    let first = run(&plain, &a, &[]);
    let names = ["--columns", "in_tok=prompt_tokens,out_tok=completion_tokens"];
    assert_eq!(first, run(&packed, &b, &names));
    assert!(first.starts_with("model,quantity,rows"));
    assert_eq!(first.lines().count(), 6);
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_folders_are_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let log = file(dir.path(), "log.csv", synthetic(30).as_bytes());
    let out = dir.path().join("out");
    let run = |more: &[&str]| -> Result<String, CalibrationError> {
        let mut words = vec![log.to_str().unwrap(), "--output-dir", out.to_str().unwrap()];
        words.extend(["--bootstrap", "20"]);
        words.extend(more);
        delm_sim::cli::calibrate::run(&typed(&words))
    };
    let read = || std::fs::read(out.join("made-up-1.toml")).unwrap();
    let first = run(&[]).unwrap();
    assert!(first.contains("wrote"), "{first}");
    let bytes = read();
    let again = run(&[]).unwrap();
    assert!(again.contains("holds the same presets already"), "{again}");
    assert_eq!(first.lines().next(), again.lines().next());
    let other = run(&["--seed", "3"]).unwrap_err();
    assert!(other.exit_code() == 2 && other.to_string().contains("--overwrite"), "{other}");
    assert_eq!(bytes, read());
    run(&["--seed", "3", "--overwrite"]).unwrap();
    assert_ne!(bytes, read());
    run(&["--overwrite"]).unwrap();
    assert_eq!(bytes, read());
    let names: Vec<_> = std::fs::read_dir(&out).unwrap().collect();
    assert_eq!(names.len(), 3, "{names:?}");
}

#[test]
fn a_preset_comes_back_from_its_file_and_can_be_checked_on_another_log() {
    let dir = tempfile::tempdir().unwrap();
    let log = file(dir.path(), "log.csv", synthetic(40).as_bytes());
    let out = dir.path().join("out");
    let words = [log.to_str().unwrap(), "--output-dir", out.to_str().unwrap(), "--bootstrap", "20"];
    run(&typed(&words)).unwrap();
    let path = out.join("made-up-1.toml");
    let preset = Preset::read(&path).unwrap();
    assert_eq!(preset.to_toml(), std::fs::read_to_string(&path).unwrap());
    assert_eq!(preset.model(), Some("made-up-1"));
    assert!(preset.endpoint().unwrap().agent_sigma > 0.0);
    let words = [log.to_str().unwrap(), "--check", path.to_str().unwrap(), "--bootstrap", "20"];
    let screen = run(&typed(&words)).unwrap();
    assert!(screen.contains("made-up-1"), "{screen}");
    assert!(screen.contains("2400"), "all rows are checked: {screen}");
}

#[test]
fn committed_presets_are_embedded_whole_and_sourced() {
    for (name, text) in embedded::PRESETS {
        let preset: presets::Preset = toml::from_str(text).unwrap_or_else(|e| panic!("{name}: {e}"));
        preset.endpoint.noise.validate().unwrap();
        assert!(preset.source.cite.len() > 40, "{name}: {}", preset.source.cite);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/presets");
        let path = folder.join(format!("{name}.toml"));
        Preset::read(&path).unwrap();
        if name.starts_with("claude") {
            assert!(preset.endpoint.price.rates.output_usd_per_mtok > 0.0, "{name}");
            assert_eq!(preset.tokens.prompt.len(), 101, "{name}");
            assert!(preset.sources.contains_key("price"), "{name}");
        }
    }
    let bash: presets::Preset = toml::from_str(embedded::preset("tool-swe-bash").unwrap()).unwrap();
    let Law::Table { quantiles } = &bash.endpoint.noise else { panic!("a table") };
    for (i, seconds) in [(10, 0.02), (50, 1.25), (90, 10.2), (99, 29.6)] {
        assert_eq!(quantiles[i], seconds);
    }
    assert!((bash.endpoint.noise.mean() - 4.89).abs() < 0.01);
}
