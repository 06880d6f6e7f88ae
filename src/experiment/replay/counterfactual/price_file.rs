//! A file of prices: a table of models as `assets/prices.csv` has it, or the model map of LiteLLM.
//!
//! ```text
//! model,input,cache_read,cache_write,output     dollars per million tokens; `#` begins a comment line
//! { "MODEL": { "input_cost_per_token": .., "output_cost_per_token": .., "cache_read_input_token_cost": ..,
//!              "cache_creation_input_token_cost": .. } }
//! ```
//!
//! Invariant: a price of the cache that nobody tells is that of other input; a model without a price of input or output is
//! not in the list; what is no price is a fault with its place.

use super::price::GivenPrice;
use crate::experiment::calibration::undated;
use crate::model::price::Rates;
use serde_json::{Map, Value};
use std::path::Path;

/// Prices from a file.
#[derive(Clone, Debug, PartialEq)]
pub struct PriceFile {
    /// Its name.
    pub name: String,
    prices: Vec<GivenPrice>,
}

/// Nothing costs more: dollars per million tokens.
const MOST_USD_PER_MTOK: f64 = 1e6;

impl PriceFile {
    /// Reads a file.
    ///
    /// # Errors
    /// In words: file, line or model, value and mend.
    pub fn read(path: &Path) -> Result<Self, String> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|e| format!("cannot read {name}: {e}"))?;
        Self::parse(&name, &text)
    }

    fn parse(name: &str, text: &str) -> Result<Self, String> {
        let prices = if text.trim_start().starts_with('{') { map(text) } else { table(text) };
        let prices = prices.map_err(|wrong| format!("{name}: {wrong}"))?;
        if prices.is_empty() {
            return Err(format!("{name}: prices no model; write `model,input,output` and a line for each model"));
        }
        Ok(Self { name: name.to_owned(), prices })
    }

    /// The price of a model: by its name, else by its name without the date of its release.
    pub(super) fn of(&self, model: &str) -> Option<&GivenPrice> {
        let named = |name: &str| self.prices.iter().find(|price| price.model == name);
        named(model).or_else(|| named(undated(model)))
    }
}

fn rates(input: f64, cache_read: Option<f64>, cache_write: Option<f64>, output: f64) -> Rates {
    Rates {
        input_usd_per_mtok: input,
        cache_read_usd_per_mtok: cache_read.unwrap_or(input),
        cache_write_usd_per_mtok: cache_write.unwrap_or(input),
        output_usd_per_mtok: output,
    }
}

/// A table with a header.
fn table(text: &str) -> Result<Vec<GivenPrice>, String> {
    let mut reader =
        csv::ReaderBuilder::new().comment(Some(b'#')).flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|e| e.to_string())?.clone();
    let column = |name: &str| header.iter().position(|field| field == name);
    let needed = |name: &str| {
        column(name).ok_or_else(|| {
            format!(
                "no column `{name}`; the first line is `model,input,output` and may have `cache_read`, `cache_write`"
            )
        })
    };
    let (model, input, output) = (needed("model")?, needed("input")?, needed("output")?);
    let (read, write) = (column("cache_read"), column("cache_write"));
    let mut prices = Vec::new();
    for row in reader.records() {
        let row = row.map_err(|e| e.to_string())?;
        let line = row.position().map_or(0, |at| line_of(text, at));
        let rate = |i: usize| -> Result<Option<f64>, String> {
            let Some(text) = row.get(i).filter(|text| !text.is_empty()) else { return Ok(None) };
            text.parse::<f64>().ok().filter(|rate| (0.0..=MOST_USD_PER_MTOK).contains(rate)).map(Some).ok_or_else(
                || {
                    format!(
                        "line {line}, column `{}`: \"{text}\" is no price; write dollars per million tokens",
                        &header[i]
                    )
                },
            )
        };
        let optional = |column: Option<usize>| column.map_or(Ok(None), rate);
        let name = row.get(model).unwrap_or_default().to_owned();
        if name.is_empty() {
            return Err(format!("line {line}: names no model; write its name in column `model`"));
        }
        if let (Some(input), Some(output)) = (rate(input)?, rate(output)?) {
            prices.push(GivenPrice { model: name, rates: rates(input, optional(read)?, optional(write)?, output) });
        }
    }
    Ok(prices)
}

/// The line of a row; the reader's place is where it began to look, before comments and empty lines.
fn line_of(text: &str, at: &csv::Position) -> u64 {
    let rest = text.get(at.byte() as usize..).unwrap_or_default();
    let skipped = rest.lines().take_while(|line| line.is_empty() || line.starts_with('#')).count();
    at.line() + skipped as u64
}

/// A map of models, as LiteLLM keeps it.
fn map(text: &str) -> Result<Vec<GivenPrice>, String> {
    let models: Map<String, Value> =
        serde_json::from_str(text).map_err(|e| format!("is no JSON object of models: {e}"))?;
    let mut prices = Vec::new();
    for (model, entry) in &models {
        let rate = |key: &str| -> Result<Option<f64>, String> {
            match entry.get(key) {
                None | Some(Value::Null) => Ok(None),
                Some(value) => {
                    let usd = value.as_f64().map(|usd| usd * 1e6);
                    usd.filter(|rate| (0.0..=MOST_USD_PER_MTOK).contains(rate)).map(Some).ok_or_else(|| {
                        format!("model \"{model}\", key `{key}`: {value} is no price; write dollars per token")
                    })
                }
            }
        };
        let (input, output) = (rate("input_cost_per_token")?, rate("output_cost_per_token")?);
        let (read, write) = (rate("cache_read_input_token_cost")?, rate("cache_creation_input_token_cost")?);
        if let (Some(input), Some(output)) = (input, output) {
            prices.push(GivenPrice { model: model.clone(), rates: rates(input, read, write, output) });
        }
    }
    Ok(prices)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<PriceFile, String> {
        PriceFile::parse("prices", text)
    }

    #[test]
    fn both_forms_tell_the_same() {
        let table =
            parsed("# ours\nmodel,input,cache_read,cache_write,output\nm, 3, .3, 3.75, 15\nn,1,,,2\nimages,,,,\n");
        let map = parsed(
            r#"{ "m": { "input_cost_per_token": 3e-6, "cache_read_input_token_cost": 3e-7,
                        "cache_creation_input_token_cost": 3.75e-6, "output_cost_per_token": 1.5e-5 },
                 "n": { "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6, "mode": "chat" },
                 "images": { "mode": "image_generation" } }"#,
        );
        for file in [table.unwrap(), map.unwrap()] {
            let rates = |model: &str| file.of(model).map(|price| price.rates.clone());
            let m = rates("m-20260101").unwrap();
            let told =
                [m.input_usd_per_mtok, m.cache_read_usd_per_mtok, m.cache_write_usd_per_mtok, m.output_usd_per_mtok];
            assert!(told.iter().zip([3.0, 0.3, 3.75, 15.0]).all(|(a, b)| (a - b).abs() < 1e-9), "{told:?}");
            assert_eq!(rates("n").unwrap().cache_read_usd_per_mtok, 1.0);
            assert!(rates("images").is_none() && rates("o").is_none());
        }
    }

    #[test]
    fn faults_name_the_place_the_value_and_the_mend() {
        let wrong = |text: &str| parsed(text).unwrap_err();
        assert!(wrong("model,input\nm,1\n").contains("no column `output`"));
        let told = wrong("model,input,output\n# a comment\nm,1,cheap\n");
        assert!(told.contains("line 3, column `output`: \"cheap\"") && told.contains("dollars per million"), "{told}");
        assert!(wrong("model,input,output\n,1,2\n").contains("line 2: names no model"));
        let told = wrong(r#"{ "m": { "input_cost_per_token": "3" } }"#);
        assert!(told.contains("model \"m\", key `input_cost_per_token`: \"3\" is no price"), "{told}");
        assert!(wrong("model,input,output\nm,-1,2\n").contains("\"-1\" is no price"));
        assert!(wrong("{").contains("is no JSON object") && wrong("model,input,output\n").contains("prices no model"));
    }
}
