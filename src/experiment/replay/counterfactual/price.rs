//! What the calls of other programs' runs are priced at: as the user says, else as the list of prices says of the model.
//!
//! Invariant: a model is matched by its name, with or without a date, and never guessed; what nobody tells is unknown.

use super::runs::Call;
use super::work::Reading;
use crate::experiment::calibration::{PRICE_SOURCE, list_price};
use crate::model::price::{PriceSpec, Rates};

/// A price that the user names for a model.
#[derive(Clone, Debug, PartialEq)]
pub struct GivenPrice {
    /// Name of the model, as the recording has it.
    pub model: String,
    /// What it charges.
    pub rates: Rates,
}

/// Reads `MODEL=IN,OUT[,CACHED]`, in dollars per million tokens.
///
/// # Errors
/// In words, with the mend.
pub fn given_price(text: &str) -> Result<GivenPrice, String> {
    let wrong = || "write MODEL=IN,OUT or MODEL=IN,OUT,CACHED, in dollars per million tokens".to_owned();
    let (model, numbers) = text.rsplit_once('=').ok_or_else(wrong)?;
    let numbers: Vec<f64> = numbers
        .split(',')
        .map(|n| n.trim().parse::<f64>().ok().filter(|n| (0.0..=1e6).contains(n)))
        .collect::<Option<_>>()
        .ok_or_else(wrong)?;
    let (input, output, cached) = match numbers[..] {
        [input, output] => (input, output, input),
        [input, output, cached] => (input, output, cached),
        _ => return Err(wrong()),
    };
    if model.trim().is_empty() {
        return Err(wrong());
    }
    let rates = Rates {
        input_usd_per_mtok: input,
        cache_read_usd_per_mtok: cached,
        cache_write_usd_per_mtok: input,
        output_usd_per_mtok: output,
    };
    Ok(GivenPrice { model: model.trim().to_owned(), rates })
}

/// Where the price of a model is from.
pub(super) enum Priced {
    /// The user.
    Given(String),
    /// The user's file.
    InFile(String, String),
    /// The dollars of its recorded calls: rates of uncached, cached and completion tokens per million.
    Told(String, [f64; 3]),
    /// The list price.
    Listed(String),
    /// Nobody tells it; of a model, if the source names one.
    Unknown(Option<String>),
}

impl Priced {
    pub(super) fn source(&self) -> String {
        match self {
            Self::Given(_) => "the command line".to_owned(),
            Self::InFile(_, file) => format!("{file} (--prices)"),
            Self::Told(..) => "the recorded dollars".to_owned(),
            Self::Listed(_) => PRICE_SOURCE.to_owned(),
            Self::Unknown(_) => "nobody: unknown".to_owned(),
        }
    }

    pub(super) fn told(&self) -> String {
        match self {
            Self::Given(model) => format!("Calls of {model} are priced by --price."),
            Self::InFile(model, file) => format!("Calls of {model} are priced by {file} (--prices)."),
            Self::Told(model, [input, cached, output]) => format!(
                "Calls of {model} are priced as the recorded ones were: ${input:.4} per million uncached prompt tokens, \
                 ${cached:.4} cached, ${output:.4} completion tokens fit all their dollars."
            ),
            Self::Listed(model) => format!("Calls of {model} are priced by {PRICE_SOURCE}."),
            Self::Unknown(model) => format!(
                "No price is known for {}: costs are unknown and left out; name one with --price MODEL=IN,OUT,CACHED.",
                model.as_deref().unwrap_or(NAMELESS)
            ),
        }
    }
}

/// What a model is called that the source does not name.
pub(super) const NAMELESS: &str = "the recorded model, which the source does not name";
/// How a flag calls the calls whose model no source names, as the check of an import does.
const UNNAMED: &str = "unknown";

/// Refuses a price that is given for a model which the recording does not have, and a file that has no price for any of its
/// models.
pub(super) fn stranger(names: &[String], reading: &Reading) -> Result<(), String> {
    if let Some(file) = &reading.price_file
        && !names.iter().any(|name| file.of(name).is_some())
    {
        let there = if names.is_empty() { "which names none".to_owned() } else { names.join(", ") };
        return Err(format!("--prices {}: has no price for a model of the recording ({there})", file.name));
    }
    // Where the source names no model, one price is that of its calls.
    if names.is_empty() && reading.prices.len() <= 1 {
        return Ok(());
    }
    let is_there = |price: &&GivenPrice| price.model == UNNAMED || names.contains(&price.model);
    let Some(stranger) = reading.prices.iter().find(|price| !is_there(price)) else { return Ok(()) };
    let there = if names.is_empty() { "it names none".to_owned() } else { format!("it has {}", names.join(", ")) };
    Err(format!("--price {}: the recording has no such model; {there}", stranger.model))
}

/// The price of a model: as the user says, else as the dollars of its calls say, else as the list says.
pub(super) fn price_of<'a>(
    model: Option<&str>,
    reading: &Reading,
    calls: impl Iterator<Item = &'a Call>,
) -> (PriceSpec, Priced) {
    let of = |rates: Rates| PriceSpec { rates, ..PriceSpec::default() };
    let name = || model.unwrap_or(NAMELESS).to_owned();
    // Where the source names no model, the only price that is given is that of its calls.
    let given = &reading.prices[..];
    let by_user = match (model, given) {
        (None, [only]) => Some(only),
        (None, _) => given.iter().find(|price| price.model == UNNAMED),
        _ => given.iter().find(|price| Some(price.model.as_str()) == model),
    };
    if let Some(price) = by_user {
        return (of(price.rates.clone()), Priced::Given(price.model.clone()));
    }
    if let (Some(model), Some(file)) = (model, &reading.price_file)
        && let Some(price) = file.of(model)
    {
        return (of(price.rates.clone()), Priced::InFile(model.to_owned(), file.name.clone()));
    }
    if let Some([input, cached, output]) = rates(calls) {
        let rates = Rates {
            input_usd_per_mtok: input,
            cache_read_usd_per_mtok: cached,
            cache_write_usd_per_mtok: input,
            output_usd_per_mtok: output,
        };
        return (of(rates), Priced::Told(name(), [input, cached, output]));
    }
    match model.and_then(list_price) {
        Some(listed) => (listed.price, Priced::Listed(name())),
        None => (PriceSpec { unknown: true, ..PriceSpec::default() }, Priced::Unknown(model.map(str::to_owned))),
    }
}

/// Calls that rates are fitted to, at least.
const LEAST_TOLD: usize = 20;
/// One in so many calls may lack dollars.
const MOST_UNTOLD: usize = 10;
/// Share of the dollars that the rates may miss or add, call by call: more is no price per token.
const MOST_OFF: f64 = 0.01;

/// Dollars per million uncached, cached and completion tokens that fit what every one of the calls cost, if some do.
fn rates<'a>(calls: impl Iterator<Item = &'a Call>) -> Option<[f64; 3]> {
    let mut rows: Vec<([f64; 3], f64)> = Vec::new();
    let mut untold = 0;
    for call in calls {
        let Some(picodollars) = call.picodollars else {
            untold += 1;
            continue;
        };
        let billed = &call.billed;
        let uncached = billed.prompt_tokens.saturating_sub(billed.cached_tokens);
        let tokens = [uncached, billed.cached_tokens, billed.completion_tokens].map(|n| n as f64 * 1e-6);
        rows.push((tokens, picodollars as f64 * 1e-12));
    }
    // A few calls without dollars are priced as the others; of many, the others need not tell.
    if rows.len() < LEAST_TOLD || untold * MOST_UNTOLD > rows.len() {
        return None;
    }
    let is_cached = rows.iter().any(|(tokens, _)| tokens[1] > 0.0);
    let columns: &[usize] = if is_cached { &[0, 1, 2] } else { &[0, 2] };
    let found = least_squares(&rows, columns)?;
    let mut rates = [0.0; 3];
    for (column, rate) in columns.iter().zip(found) {
        // A rate is written in cents of cents.
        rates[*column] = libm::round(rate * 1e6) / 1e6;
    }
    if !is_cached {
        rates[1] = rates[0];
    }
    let all: f64 = rows.iter().map(|(_, usd)| usd).sum();
    let off: f64 =
        rows.iter().map(|(t, usd)| (t.iter().zip(&rates).map(|(t, r)| t * r).sum::<f64>() - usd).abs()).sum();
    (rates.iter().all(|rate| *rate >= 0.0) && all > 0.0 && off <= MOST_OFF * all).then_some(rates)
}

/// Coefficients of some columns that come nearest to the values, by the normal equations; none where they do not tell.
fn least_squares(rows: &[([f64; 3], f64)], columns: &[usize]) -> Option<Vec<f64>> {
    let n = columns.len();
    let mut matrix: Vec<Vec<f64>> = columns
        .iter()
        .map(|&a| {
            let with = |b: usize| rows.iter().map(|(t, _)| t[a] * t[b]).sum::<f64>();
            let value = rows.iter().map(|(t, usd)| t[a] * usd).sum::<f64>();
            columns.iter().map(|&b| with(b)).chain([value]).collect()
        })
        .collect();
    for i in 0..n {
        let pivot = (i..n).max_by(|a, b| matrix[*a][i].abs().total_cmp(&matrix[*b][i].abs()))?;
        matrix.swap(i, pivot);
        let top = matrix[i].clone();
        if top[i].abs() < 1e-18 {
            return None;
        }
        for (_, row) in matrix.iter_mut().enumerate().filter(|(r, _)| *r != i) {
            let factor = row[i] / top[i];
            row.iter_mut().zip(&top).for_each(|(x, t)| *x -= factor * t);
        }
    }
    Some((0..n).map(|i| matrix[i][n] / matrix[i][i]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_read_as_it_is_written() {
        let rates = |text: &str| given_price(text).map(|p| (p.model, p.rates));
        let (model, found) = rates("vendor/m=1=3,15,.3").unwrap();
        assert_eq!(model, "vendor/m=1");
        assert_eq!(
            (found.input_usd_per_mtok, found.output_usd_per_mtok, found.cache_read_usd_per_mtok),
            (3.0, 15.0, 0.3)
        );
        assert_eq!(rates("m=3,15").unwrap().1.cache_read_usd_per_mtok, 3.0);
        for wrong in ["m", "m=3", "=3,15", "m=3,x", "m=-1,2", "m=1,2,3,4"] {
            assert!(given_price(wrong).unwrap_err().contains("dollars per million"), "{wrong}");
        }
    }

    #[test]
    fn dollars_tell_rates_where_they_fit_and_nothing_where_they_do_not() {
        let usd = |tokens: [u64; 3], rates: [f64; 3]| {
            tokens.iter().zip(rates).map(|(tokens, rate)| *tokens as f64 * 1e-6 * rate).sum::<f64>()
        };
        let tokens = |i: u64| [1000 + 37 * (i % 7), 500 * (i % 3), 20 + 11 * (i % 5)];
        let rows = |rates: [f64; 3]| -> Vec<([f64; 3], f64)> {
            (0..30).map(|i| (tokens(i).map(|n| n as f64 * 1e-6), usd(tokens(i), rates))).collect()
        };
        let found = least_squares(&rows([3.0, 0.3, 15.0]), &[0, 1, 2]).unwrap();
        for (found, rate) in found.iter().zip([3.0, 0.3, 15.0]) {
            assert!((found - rate).abs() < 1e-6, "{found}, not {rate}");
        }
        // Columns that say the same tell no rates apart.
        let same: Vec<([f64; 3], f64)> = (1..30).map(|i| ([f64::from(i), 0.0, f64::from(i)], f64::from(i))).collect();
        assert_eq!(least_squares(&same, &[0, 2]), None);
    }
}
