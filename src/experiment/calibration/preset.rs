//! Preset files: what a calibration leaves behind, in TOML, each value with its source and its check.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::fault::CalibrationError;
use super::log::RequestLog;
use super::prices::PRICE_SOURCE;
use super::resample::digits;
use super::run::{CalibrateOptions, Calibration, ModelResult};
use super::tools::{Gaps, ToolTimes, Whose};
use crate::experiment::presets::{PresetSource, PresetTokens};
use crate::experiment::reading;
use crate::experiment::scenario::{SourceKind, SourceNote};
use crate::model::endpoint::EndpointSpec;

/// Widest line of a preset file.
const WIDTH: usize = 100;

/// A preset file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preset {
    /// Where its values are from.
    pub source: PresetSource,
    /// Sources of single values, by path, where they differ.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sources: BTreeMap<String, SourceNote>,
    /// The endpoint: what differs from the defaults.
    pub endpoint: Table,
    /// Token counts of the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<PresetTokens>,
    /// How it was fitted and how it did on held-out traces; for people and reports, not for simulations.
    #[serde(default, skip_serializing_if = "Table::is_empty")]
    pub fit: Table,
}

/// What a calibration says about its input.
#[derive(Clone, Debug, Default)]
pub struct Provenance {
    /// Repository, path, commit and licence of the log.
    pub cite: String,
    /// Date to enter; none if empty (a clock would make two runs differ).
    pub date: String,
    /// The command that repeats the calibration.
    pub command: String,
}

impl Preset {
    /// The preset of a fitted model.
    pub fn of_model(
        result: &ModelResult,
        log: &RequestLog,
        options: &CalibrateOptions,
        provenance: &Provenance,
    ) -> Self {
        let mut endpoint = result.fit.endpoint.clone();
        let mut sources = BTreeMap::new();
        if let Some(price) = &result.price {
            endpoint.price = price.price.clone();
            let note = if price.note.is_empty() { String::new() } else { format!("; {}", price.note) };
            sources.insert(
                "price".to_owned(),
                SourceNote { kind: SourceKind::Published, cite: format!("{PRICE_SOURCE}{note}"), prior: String::new() },
            );
        }
        let mut fit = record(log, options, provenance);
        fit.insert("model".into(), result.model.clone().into());
        fit.insert("rows".into(), whole(result.fit.rows));
        fit.insert("traces".into(), whole(result.fit.traces));
        fit.insert("within_agent_sigma".into(), result.fit.within_sigma.into());
        fit.insert("warnings".into(), value(&result.warnings));
        let coefficients: BTreeMap<_, _> = result.fit.coefficients.iter().copied().collect();
        fit.insert("coefficients".into(), value(&coefficients));
        if let Some(validation) = &result.validation {
            fit.insert("held_out".into(), value(validation));
        }
        Self {
            source: source(log, provenance),
            sources,
            endpoint: changed(&endpoint),
            tokens: Some(result.fit.tokens.clone()),
            fit,
        }
    }

    /// The preset of a log's tool times.
    pub fn of_tools(tools: &ToolTimes, log: &RequestLog, options: &CalibrateOptions, provenance: &Provenance) -> Self {
        let mut fit = record(log, options, provenance);
        fit.insert("rule".into(), rule(tools).into());
        fit.insert("cap_s".into(), tools.cap_s.into());
        fit.insert("used".into(), value(&tools.used));
        if let Some(other) = &tools.other {
            fit.insert("not_used".into(), value(other));
        }
        Self {
            source: source(log, provenance),
            sources: BTreeMap::new(),
            endpoint: changed(&tools.endpoint),
            tokens: None,
            fit,
        }
    }

    /// Reads a preset file.
    ///
    /// # Errors
    /// If it cannot be read, is not a preset, or its endpoint is not one.
    pub fn read(path: &Path) -> Result<Self, CalibrationError> {
        let file = path.display().to_string();
        let text = crate::experiment::text::read_text(path)
            .map_err(|why| CalibrationError::file(&file, why, "name a preset file"))?;
        let preset: Self = toml::from_str(&text)
            .map_err(|why| CalibrationError::file(&file, why.to_string(), "write it with `delm-sim calibrate`"))?;
        preset
            .endpoint()
            .map_err(|why| CalibrationError::file(&file, format!("[endpoint]: {why}"), "mend the value"))?;
        Ok(preset)
    }

    /// The endpoint with all its values.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn endpoint(&self) -> Result<EndpointSpec, String> {
        let endpoint: EndpointSpec = reading::read(Value::Table(self.endpoint.clone())).map_err(|why| why.wrong)?;
        endpoint.noise.validate()?;
        Ok(endpoint)
    }

    /// The model it was fitted to.
    pub fn model(&self) -> Option<&str> {
        self.fit.get("model").and_then(Value::as_str)
    }

    /// The file's text: the same preset gives the same bytes.
    pub fn to_toml(&self) -> String {
        let text = toml::to_string(self).expect("presets are plain values");
        text.lines().map(wrap).collect()
    }
}

/// All presets of a calibration by name.
pub fn presets(
    calibration: &Calibration,
    log: &RequestLog,
    options: &CalibrateOptions,
    provenance: &Provenance,
) -> Vec<(String, Preset)> {
    let models = calibration.models.iter().map(|result| {
        let preset = Preset::of_model(result, log, options, provenance);
        (result.preset.clone(), preset)
    });
    let tools = calibration.tools.iter().map(|tools| {
        let preset = Preset::of_tools(tools, log, options, provenance);
        ("tool-coding-agent".to_owned(), preset)
    });
    models.chain(tools).collect()
}

/// How the gaps of a tool table were chosen, in a sentence.
pub fn rule(tools: &ToolTimes) -> String {
    let Gaps { gaps, traces, .. } = tools.used;
    let whose = match tools.used.whose {
        Whose::SubAgents => "sub-agents, which run without people",
        Whose::Main => "main agents, permission prompts to people included",
    };
    let resolution = if tools.whole_seconds { ", recorded in whole seconds" } else { "" };
    format!(
        "{gaps} client gaps of {whose}, in {traces} traces{resolution}; only gaps ended by tool results alone, up to \
         {} s; client overhead is in them, so they bound tool time from above",
        tools.cap_s
    )
}

fn source(log: &RequestLog, provenance: &Provenance) -> PresetSource {
    PresetSource {
        kind: SourceKind::Fitted,
        cite: if provenance.cite.is_empty() {
            format!("request log {} (BLAKE3 {})", log.file, log.digest)
        } else {
            provenance.cite.clone()
        },
        date: provenance.date.clone(),
    }
}

fn record(log: &RequestLog, options: &CalibrateOptions, provenance: &Provenance) -> Table {
    let mut record = Table::new();
    record.insert("log".into(), log.file.clone().into());
    record.insert("log_blake3".into(), log.digest.clone().into());
    record.insert("log_rows".into(), value(&log.rows));
    record.insert("split".into(), value(&log.split));
    record.insert("seed".into(), Value::Integer(options.seed.cast_signed()));
    record.insert("resamples".into(), whole(options.resamples));
    record.insert("command".into(), provenance.command.clone().into());
    record
}

/// The fields of an endpoint that differ from the defaults, nested ones included.
fn changed(endpoint: &EndpointSpec) -> Table {
    let table = |endpoint| Table::try_from(endpoint).expect("endpoints are plain values");
    let mut own = table(endpoint.clone());
    let default = table(EndpointSpec::default());
    own.retain(|key, value| default.get(key) != Some(value));
    own
}

fn whole(count: usize) -> Value {
    Value::Integer(i64::try_from(count).unwrap_or(i64::MAX))
}

/// As TOML, numbers rounded to what they are worth.
fn value(of: &impl Serialize) -> Value {
    fn round(value: &mut Value) {
        match value {
            Value::Float(number) if number.is_finite() => *number = digits(*number, 4),
            Value::Array(parts) => parts.iter_mut().for_each(round),
            Value::Table(parts) => parts.iter_mut().for_each(|(_, part)| round(part)),
            _ => {}
        }
    }
    let mut value = Value::try_from(of).expect("results are plain values");
    round(&mut value);
    value
}

/// A line of TOML; arrays of numbers that are too long for it go on several.
fn wrap(line: &str) -> String {
    let long = line.len() > WIDTH && line.ends_with(']') && !line.contains(['"', '{', '#']);
    let Some((head, numbers)) = line.split_once(" = [").filter(|_| long) else {
        return format!("{line}\n");
    };
    let mut text = format!("{head} = [\n");
    let mut row = String::new();
    for number in numbers.trim_end_matches(']').split(", ") {
        if row.len() + number.len() + 6 > WIDTH {
            let _ = writeln!(text, "   {row}");
            row.clear();
        }
        let _ = write!(row, " {number},");
    }
    text + &format!("   {row}\n]\n")
}
