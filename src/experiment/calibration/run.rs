//! A calibration from end to end: every model of a log fitted, checked and priced, and the tool times beside them.

use super::fault::CalibrationError;
use super::fit::{FEW_ROWS, Fit, LEAST_ROWS, fit};
use super::holdout::{Validation, Verdict, validate};
use super::log::{LoggedRequest, RequestLog};
use super::prices::{ListPrice, list_price, undated};
use super::tools::{ToolTimes, tool_times};
use crate::experiment::scenario::DEFAULT_SEED;
use crate::model::endpoint::EndpointSpec;

/// What to calibrate and how.
#[derive(Clone, Debug)]
pub struct CalibrateOptions {
    /// Models to fit; all of them if empty. Release dates may be left out.
    pub models: Vec<String>,
    /// Resamples behind every band.
    pub resamples: usize,
    /// Seed of all draws.
    pub seed: u64,
    /// Tool gaps above this many seconds are dropped.
    pub tool_cap_s: f64,
}

impl Default for CalibrateOptions {
    fn default() -> Self {
        Self { models: Vec::new(), resamples: 200, seed: DEFAULT_SEED, tool_cap_s: 600.0 }
    }
}

/// A model's outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelResult {
    /// Name in the log.
    pub model: String,
    /// Name of the preset.
    pub preset: String,
    /// Coefficients, noise, tokens.
    pub fit: Fit,
    /// Check on held-out traces; `None` if there are none of this model.
    pub validation: Option<Validation>,
    /// List price, if known.
    pub price: Option<ListPrice>,
    /// Warnings in words.
    pub warnings: Vec<String>,
}

/// A calibration of a whole log.
#[derive(Clone, Debug)]
pub struct Calibration {
    /// Models by number of rows, the largest first.
    pub models: Vec<ModelResult>,
    /// Models with too few rows: name and rows.
    pub refused: Vec<(String, usize)>,
    /// Tool times, if the log has any.
    pub tools: Option<ToolTimes>,
}

/// Fits and checks the models of a log.
///
/// # Errors
/// If a named model does not occur, or no model has enough rows.
pub fn calibrate(log: &RequestLog, options: &CalibrateOptions) -> Result<Calibration, CalibrationError> {
    let mut chosen = choose(log, &options.models)?;
    chosen.sort_by_key(|model| {
        let rows = log.requests.iter().filter(|request| request.model == *model);
        (std::cmp::Reverse(rows.count()), *model)
    });
    let mut calibration =
        Calibration { models: Vec::new(), refused: Vec::new(), tools: tool_times(log, options.tool_cap_s) };
    for model in chosen {
        let name = &log.models[model as usize];
        let own = log.requests.iter().filter(|request| request.model == model);
        let (held_out, fitted): (Vec<LoggedRequest>, Vec<LoggedRequest>) = own.partition(|request| request.held_out);
        if fitted.len() < LEAST_ROWS {
            calibration.refused.push((name.clone(), fitted.len()));
            continue;
        }
        let fit = fit(&fitted, options.resamples, options.seed);
        let validation = validate(&fit.endpoint, &held_out, &log.traces, options.resamples, options.seed);
        let price = list_price(name);
        calibration.models.push(ModelResult {
            warnings: warnings(log, &fit, validation.as_ref(), price.as_ref()),
            preset: preset_name(log, name),
            model: name.clone(),
            fit,
            validation,
            price,
        });
    }
    if calibration.models.is_empty() {
        let refused = calibration.refused.iter();
        let refused: Vec<String> = refused.map(|(name, n)| format!("{name} ({n})")).collect();
        return Err(CalibrationError::usage(
            format!(
                "{}: no model has the {LEAST_ROWS} rows to fit that a calibration needs: {}",
                log.file,
                refused.join(", ")
            ),
            "record more requests, or use a finished preset",
        ));
    }
    Ok(calibration)
}

/// Checks a finished endpoint on all rows of a model in a log that was read with `check_only`.
///
/// # Errors
/// If the model does not occur.
pub fn check(
    log: &RequestLog,
    model: &str,
    endpoint: &EndpointSpec,
    options: &CalibrateOptions,
) -> Result<Validation, CalibrationError> {
    let models = choose(log, &[model.to_owned()])?;
    let own = log.requests.iter();
    let own: Vec<LoggedRequest> = own.filter(|request| models.contains(&request.model)).copied().collect();
    let validation = validate(endpoint, &own, &log.traces, options.resamples, options.seed);
    Ok(validation.expect("a model of the log has rows"))
}

fn choose(log: &RequestLog, asked: &[String]) -> Result<Vec<u32>, CalibrationError> {
    if asked.is_empty() {
        return Ok((0..log.models.len() as u32).collect());
    }
    let mut chosen = Vec::new();
    for name in asked {
        let found = log.models.iter().zip(0..);
        let found: Vec<u32> =
            found.filter(|(model, _)| *model == name || undated(model) == name).map(|(_, index)| index).collect();
        if found.is_empty() {
            return Err(CalibrationError::usage(
                format!("{}: no usable row of a model \"{name}\"", log.file),
                format!("the log has {}", log.models.join(", ")),
            ));
        }
        chosen.extend(found);
    }
    chosen.sort_unstable();
    chosen.dedup();
    Ok(chosen)
}

/// A file name for the model: without its release date if that stays unique.
fn preset_name(log: &RequestLog, model: &str) -> String {
    let short = undated(model);
    let sharing = log.models.iter().filter(|name| undated(name) == short);
    let name = if sharing.count() == 1 { short } else { model };
    let safe = |c: char| match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' | '-' => c,
        _ => '-',
    };
    let name: String = name.chars().map(safe).collect();
    name.trim_start_matches('.').to_owned()
}

fn warnings(log: &RequestLog, fit: &Fit, validation: Option<&Validation>, price: Option<&ListPrice>) -> Vec<String> {
    let mut warnings = Vec::new();
    if fit.rows < FEW_ROWS {
        warnings.push(format!(
            "only {} rows to fit: p99 rests on {:.0} of them; record {FEW_ROWS} or more",
            fit.rows,
            (fit.rows as f64 * 0.01).ceil()
        ));
    }
    match validation {
        None => warnings
            .push("not checked: no held-out row of this model; record more traces or use --split hash".to_owned()),
        Some(validation) if validation.verdict == Verdict::Poor => warnings
            .push(format!("the fit is poor: {}; widen conclusions or sweep latency", validation.reasons.join("; "))),
        Some(_) => {}
    }
    let tried = log.rows.kept + log.rows.censored;
    if log.rows.censored * 200 > tried {
        warnings.push(format!(
            "{} of {tried} requests were cut off at {} s and dropped: the tail is too short",
            log.rows.censored, log.censored_from_s
        ));
    }
    match price {
        None => warnings.push("no list price known: set [endpoint.price] by hand".to_owned()),
        Some(price) if !price.note.is_empty() => warnings.push(format!("price: {}", price.note)),
        Some(_) => {}
    }
    warnings
}
