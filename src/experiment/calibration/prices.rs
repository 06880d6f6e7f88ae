//! List prices of models, from the committed table `assets/prices.csv`.

use crate::model::price::{PriceSpec, Rates};

/// The table, with its date and source in the first lines.
const TABLE: &str = include_str!("../../../assets/prices.csv");
/// Where the table is from.
pub const PRICE_SOURCE: &str =
    "list price, 2026-11: BerriAI/litellm model table, package litellm 1.109.1, MIT (assets/prices.csv)";

/// A model's price.
#[derive(Clone, Debug, PartialEq)]
pub struct ListPrice {
    /// What it charges.
    pub price: PriceSpec,
    /// What to know about it, if anything.
    pub note: String,
}

/// The list price of a model, with or without the date at the end of its name.
///
/// ```
/// use delm_sim::experiment::calibration::list_price;
/// let price = list_price("claude-opus-4-5-20251101").unwrap().price;
/// assert_eq!(price.rates.output_usd_per_mtok, 25.0);
/// ```
pub fn list_price(model: &str) -> Option<ListPrice> {
    let model = undated(model);
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_reader(TABLE.as_bytes());
    let rows = reader.records().map(|row| row.expect("the committed table is whole"));
    let row = rows.into_iter().find(|row| &row[0] == model)?;
    let rate = |i: usize| row[i].parse::<f64>().ok();
    let input = rate(1)?;
    let rates = Rates {
        input_usd_per_mtok: input,
        cache_read_usd_per_mtok: rate(2)?,
        cache_write_usd_per_mtok: rate(3).unwrap_or(input),
        output_usd_per_mtok: rate(4)?,
    };
    Some(ListPrice { price: PriceSpec { rates, ..PriceSpec::default() }, note: row[5].to_owned() })
}

/// A model's name without a release date (eight digits) at its end.
pub(crate) fn undated(model: &str) -> &str {
    match model.rsplit_once('-') {
        Some((name, date)) if date.len() == 8 && date.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => model,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table_is_a_price() {
        let names =
            TABLE.lines().filter(|line| !line.starts_with('#')).skip(1).map(|line| line.split(',').next().unwrap());
        for name in names {
            let rates = list_price(name).unwrap().price.rates;
            assert!(rates.cache_read_usd_per_mtok <= rates.input_usd_per_mtok);
            assert!(rates.input_usd_per_mtok <= rates.cache_write_usd_per_mtok);
            assert!(rates.cache_write_usd_per_mtok < rates.output_usd_per_mtok);
        }
        assert!(list_price("claude-sonnet-4-20250514").unwrap().note.contains("4-5"));
        assert_eq!(list_price("nobody-1"), None);
        assert_eq!(undated("a-b-2025"), "a-b-2025");
    }
}
