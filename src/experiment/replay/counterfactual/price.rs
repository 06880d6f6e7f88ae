//! What the calls of other programs' runs are priced at: as the user says, else as the list of prices says of the model.
//!
//! Invariant: a model is matched by its name, with or without a date, and never guessed; what nobody tells is unknown.

use super::runs::RecordedRuns;
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

/// Where the prices of a counterfactual are from.
pub(super) enum Priced {
    /// The user, for the commonest model.
    Given(String),
    /// The list price of the commonest model.
    Listed(String),
    /// Nobody tells the price of this model, if the source names one.
    Unknown(Option<String>),
}

impl Priced {
    pub(super) fn source(&self) -> String {
        match self {
            Self::Given(_) => "the command line".to_owned(),
            Self::Listed(_) => PRICE_SOURCE.to_owned(),
            Self::Unknown(_) => "nobody: unknown".to_owned(),
        }
    }

    pub(super) fn told(&self) -> String {
        match self {
            Self::Given(model) => format!("All calls are priced as {model}, by --price."),
            Self::Listed(model) => format!("All calls are priced as {model} ({PRICE_SOURCE})."),
            Self::Unknown(model) => format!(
                "No price is known for {}: costs are unknown and left out; name one with --price MODEL=IN,OUT,CACHED.",
                model.as_deref().unwrap_or("the recorded model, which the source does not name")
            ),
        }
    }
}

/// The price of the commonest model.
///
/// # Errors
/// A price that is given for a model which the recording does not have.
pub(super) fn price(recorded: &RecordedRuns, given: &[GivenPrice]) -> Result<(PriceSpec, Priced), String> {
    let commonest = recorded.models.iter().max_by_key(|(name, n)| (**n, std::cmp::Reverse(*name)));
    let commonest = commonest.map(|(name, _)| name.clone());
    let known = |price: &&GivenPrice| recorded.models.contains_key(&price.model);
    // Where the source names no model, the only price that is given is that of its calls.
    if let (None, [only]) = (&commonest, given) {
        let spec = PriceSpec { rates: only.rates.clone(), ..PriceSpec::default() };
        return Ok((spec, Priced::Given(only.model.clone())));
    }
    if let Some(stranger) = given.iter().find(|price| !known(price)) {
        let names: Vec<&str> = recorded.models.keys().map(String::as_str).collect();
        let there = if names.is_empty() { "it names none".to_owned() } else { format!("it has {}", names.join(", ")) };
        return Err(format!("--price {}: the recording has no such model; {there}", stranger.model));
    }
    if let Some(price) = given.iter().find(|price| Some(&price.model) == commonest.as_ref()) {
        let spec = PriceSpec { rates: price.rates.clone(), ..PriceSpec::default() };
        return Ok((spec, Priced::Given(price.model.clone())));
    }
    Ok(match commonest.as_deref().and_then(list_price) {
        Some(listed) => (listed.price, Priced::Listed(commonest.unwrap_or_default())),
        None => (PriceSpec { unknown: true, ..PriceSpec::default() }, Priced::Unknown(commonest)),
    })
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
}
