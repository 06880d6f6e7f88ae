//! The results of a calibration as text.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, presets};
use serde_json::json;

use crate::experiment::calibration::{
    Banded, CalibrateOptions, Calibration, ModelResult, RequestLog, Split, Validation, resample::digits, rule,
    tools::Gaps,
};

/// Headings of the flat form.
const HEADINGS: [&str; 14] = [
    "model",
    "quantity",
    "rows",
    "traces",
    "observed",
    "observed_low",
    "observed_high",
    "simulated",
    "simulated_low",
    "simulated_high",
    "error",
    "error_low",
    "error_high",
    "verdict",
];

/// A line of the flat form.
pub(super) type FlatRow = [String; 14];

/// The flat form of a calibration: a line per model and quantity.
pub(super) fn rows(calibration: &Calibration) -> Vec<FlatRow> {
    let checked = calibration.models.iter().filter_map(|result| {
        let validation = result.validation.as_ref()?;
        Some(flat(&result.model, validation))
    });
    checked.flatten().collect()
}

/// The flat form of checks.
pub(super) fn check_rows(checked: &[(String, Validation)]) -> Vec<FlatRow> {
    let rows = checked.iter();
    rows.flat_map(|(model, validation)| flat(model, validation)).collect()
}

fn flat(model: &str, validation: &Validation) -> Vec<FlatRow> {
    let row = |quantity: String, parts: [Option<Banded>; 3]| {
        let mut row = [const { String::new() }; 14];
        model.clone_into(&mut row[0]);
        row[1] = quantity;
        row[2] = validation.rows.to_string();
        row[3] = validation.traces.to_string();
        for (i, part) in parts.into_iter().enumerate() {
            if let Some(part) = part {
                row[4 + 3 * i] = plain(part.value);
                row[5 + 3 * i] = plain(part.low);
                row[6 + 3 * i] = plain(part.high);
            }
        }
        row[13] = validation.verdict.word().to_lowercase();
        row
    };
    let mut rows: Vec<FlatRow> = validation
        .quantiles
        .iter()
        .map(|check| {
            let parts = [check.observed_s, check.simulated_s, check.relative_error];
            row(format!("latency_s_p{:.0}", check.p * 100.0), parts.map(Some))
        })
        .collect();
    let error = Some(validation.median_absolute_error);
    rows.push(row("median_absolute_error".to_owned(), [None, None, error]));
    rows.push(row("ks_distance".to_owned(), [None, None, Some(validation.ks)]));
    rows
}

/// The flat form as CSV.
pub(super) fn csv(rows: &[FlatRow]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let lines = std::iter::once(HEADINGS.map(str::to_owned)).chain(rows.iter().cloned());
    for line in lines {
        writer.write_record(&line).expect("memory takes every line");
    }
    let bytes = writer.into_inner().expect("memory takes every line");
    String::from_utf8(bytes).expect("cells are text")
}

/// The flat form as Markdown.
pub(super) fn markdown(rows: &[FlatRow]) -> String {
    let mut text = format!("| {} |\n|{}\n", HEADINGS.join(" | "), "---|".repeat(14));
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text
}

/// Everything, for programs.
pub(super) fn json(calibration: &Calibration, log: &RequestLog, options: &CalibrateOptions) -> String {
    let models: Vec<_> = calibration
        .models
        .iter()
        .map(|result| {
            let coefficients = result.fit.coefficients.iter();
            let coefficients: serde_json::Map<_, _> =
                coefficients.map(|(name, band)| ((*name).to_owned(), json!(band))).collect();
            json!({
                "model": result.model,
                "preset": result.preset,
                "rows": result.fit.rows,
                "traces": result.fit.traces,
                "coefficients": coefficients,
                "agent_sigma": result.fit.endpoint.agent_sigma,
                "within_agent_sigma": result.fit.within_sigma,
                "endpoint": result.fit.endpoint,
                "held_out": result.validation,
                "warnings": result.warnings,
            })
        })
        .collect();
    let tools = calibration.tools.as_ref().map(|tools| {
        json!({
            "rule": rule(tools),
            "cap_s": tools.cap_s,
            "used": tools.used,
            "not_used": tools.other,
        })
    });
    let all = json!({
        "format": 1,
        "log": { "file": log.file, "blake3": log.digest, "rows": log.rows, "split": log.split },
        "seed": options.seed,
        "resamples": options.resamples,
        "models": models,
        "refused": calibration.refused.iter().map(|(model, rows)| json!({ "model": model, "rows": rows }))
            .collect::<Vec<_>>(),
        "tools": tools,
    });
    serde_json::to_string_pretty(&all).expect("results are plain values") + "\n"
}

/// Checks of finished presets, for programs.
pub(super) fn checks_json(checked: &[(String, Validation)]) -> String {
    let checks: Vec<_> =
        checked.iter().map(|(model, validation)| json!({ "model": model, "check": validation })).collect();
    serde_json::to_string_pretty(&json!({ "format": 1, "checks": checks })).expect("results are plain values") + "\n"
}

/// The screen of a calibration.
pub(super) fn table(calibration: &Calibration, log: &RequestLog, options: &CalibrateOptions, written: &str) -> String {
    let mut text = head(log, options);
    let split = match log.split {
        Split::Column => "by the column split",
        Split::Hash => "by hash, one trace in five",
    };
    let _ = writeln!(text, "held out {split}; the law has not seen those traces\n");
    text += &coefficients(&calibration.models);
    text.push('\n');
    let checked: Vec<(&str, &Validation)> = calibration
        .models
        .iter()
        .filter_map(|result| Some((result.preset.as_str(), result.validation.as_ref()?)))
        .collect();
    text += &quantiles(&checked);
    text.push('\n');
    text += &first_tokens(&checked);
    if let Some(tools) = &calibration.tools {
        let line = |gaps: &Gaps| {
            format!("mean {:.1} s, p50 {:.1}, p90 {:.1}, p99 {:.1}", gaps.mean_s, gaps.p50_s, gaps.p90_s, gaps.p99_s)
        };
        let _ = writeln!(text, "Tool time: {}: {}", rule(tools), line(&tools.used));
        if let Some(other) = &tools.other {
            let _ = writeln!(
                text,
                "  not used: {} gaps of the other agents, {} more above the cap: {}",
                other.gaps,
                other.above_cap,
                line(other)
            );
        }
    } else {
        text += "Tool time: none; it needs think_time_s and input_types\n";
    }
    text += "\nVerdicts\n";
    for result in &calibration.models {
        text += &verdict(&result.preset, result.validation.as_ref());
        for warning in &result.warnings {
            let _ = writeln!(text, "    warning: {warning}");
        }
    }
    for (model, rows) in &calibration.refused {
        let _ = writeln!(text, "  {model}: refused, only {rows} rows to fit");
    }
    let _ = writeln!(text, "\n{written}");
    text
}

/// The screen of checks of finished presets.
pub(super) fn checks(checked: &[(String, Validation)], log: &RequestLog, options: &CalibrateOptions) -> String {
    let mut text = head(log, options);
    text += "finished presets against all rows of the log\n\n";
    let shown: Vec<(&str, &Validation)> =
        checked.iter().map(|(model, validation)| (model.as_str(), validation)).collect();
    text += &quantiles(&shown);
    text.push('\n');
    text += &first_tokens(&shown);
    text += "\nVerdicts\n";
    for (model, validation) in shown {
        text += &verdict(model, Some(validation));
    }
    text
}

fn head(log: &RequestLog, options: &CalibrateOptions) -> String {
    let rows = &log.rows;
    format!(
        "{}: {} rows of {} traces; used {}, dropped {} repeats, {} without a time, {} cut off at {} s\n\
         seed {}, {} resamples of traces, bands at 95 %; ",
        log.file,
        rows.read,
        log.traces.len(),
        rows.kept,
        rows.repeats,
        rows.without_time,
        rows.censored,
        log.censored_from_s,
        options.seed,
        options.resamples
    )
}

fn verdict(name: &str, validation: Option<&Validation>) -> String {
    let Some(validation) = validation else {
        return format!("  {name}: unchecked\n");
    };
    let mut text = format!("  {name}: {}", validation.verdict.word());
    if !validation.reasons.is_empty() {
        let _ = write!(text, ": {}", validation.reasons.join("; "));
    }
    text + "\n"
}

fn coefficients(results: &[ModelResult]) -> String {
    let mut table = plain_table(&[
        "fit",
        "rows",
        "traces",
        "base s",
        "ms/out",
        "ms/out>1k",
        "ms/k new",
        "ms/k cached",
        "agent sd",
        "noise sd",
    ]);
    for result in results {
        let of = |name: &str, scale: f64| {
            let found = result.fit.coefficients.iter().find(|(n, _)| *n == name);
            found.map_or("-".to_owned(), |(_, band)| {
                format!("{} {}..{}", short(band.value * scale), short(band.low * scale), short(band.high * scale))
            })
        };
        table.add_row([
            result.preset.clone(),
            result.fit.rows.to_string(),
            result.fit.traces.to_string(),
            of("base_s", 1.0),
            of("completion_s_per_token", 1e3),
            of("long_completion_s_per_token", 1e3),
            of("uncached_s_per_ktoken", 1e3),
            of("cached_s_per_ktoken", 1e3),
            short(result.fit.endpoint.agent_sigma),
            short(result.fit.within_sigma),
        ]);
    }
    lines(&table)
}

fn quantiles(checked: &[(&str, &Validation)]) -> String {
    let mut table = plain_table(&[
        "held out",
        "rows",
        "traces",
        "quantity",
        "observed s",
        "simulated s",
        "error %",
        "allowed",
        "holds",
    ]);
    for (name, validation) in checked {
        for (i, check) in validation.quantiles.iter().enumerate() {
            let first = |text: String| if i == 0 { text } else { String::new() };
            table.add_row([
                first((*name).to_owned()),
                first(validation.rows.to_string()),
                first(validation.traces.to_string()),
                format!("p{:.0}", check.p * 100.0),
                banded(check.observed_s, 1.0),
                banded(check.simulated_s, 1.0),
                banded(check.relative_error, 100.0),
                format!("{:.0} %", check.bound * 100.0),
                match (check.within_bound, check.within_band) {
                    (true, _) => "yes",
                    (false, true) => "in band",
                    (false, false) => "NO",
                }
                .to_owned(),
            ]);
        }
        for (quantity, band, scale) in
            [("median |error| %", validation.median_absolute_error, 100.0), ("KS distance", validation.ks, 1.0)]
        {
            let mut row = [const { String::new() }; 9];
            quantity.clone_into(&mut row[3]);
            row[6] = banded(band, scale);
            table.add_row(row);
        }
    }
    lines(&table)
}

fn first_tokens(checked: &[(&str, &Validation)]) -> String {
    let mut text = String::new();
    for (name, validation) in checked {
        if let Some(check) = &validation.first_token {
            let ([p50, p90], [s50, s90]) = (check.observed_s, check.simulated_s);
            let _ = writeln!(
                text,
                "First token, {name}: {} rows, p50 {} s observed, {} simulated; p90 {}, {}",
                check.rows,
                short(p50),
                short(s50),
                short(p90),
                short(s90)
            );
        }
    }
    text
}

fn plain_table(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(headings.iter().copied());
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn lines(table: &Table) -> String {
    let lines = table.lines().map(|line| line.trim_end().to_owned() + "\n");
    lines.collect()
}

fn banded(band: Banded, scale: f64) -> String {
    format!("{} ({} .. {})", short(band.value * scale), short(band.low * scale), short(band.high * scale))
}

/// Three significant digits, without an exponent.
fn short(value: f64) -> String {
    format!("{}", digits(value, 3))
}

/// Six significant digits.
fn plain(value: f64) -> String {
    format!("{}", digits(value, 6))
}
