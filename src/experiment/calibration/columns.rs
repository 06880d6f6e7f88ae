//! The columns of a request log, and what they are called in a particular one.

use std::collections::BTreeMap;

use super::fault::CalibrationError;

/// A column of a request log.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its documented name.
    pub name: &'static str,
    /// Whether a log without it is refused.
    pub required: bool,
    /// What it holds.
    pub about: &'static str,
}

/// Every column that is read; others are ignored.
pub const COLUMNS: [Column; 13] = [
    required("trace_id", "the run or conversation that the request belongs to"),
    required("model", "name of the model"),
    required("in_tok", "all prompt tokens, cached ones included"),
    required("out_tok", "completion tokens, reasoning included"),
    required("api_time_s", "seconds from request to end of answer; empty if unknown"),
    optional("cached_prefix_tok", "prompt tokens read from a cache; 0 without this column"),
    optional("ttft_s", "seconds to the first token; empty if unknown"),
    optional("think_time_s", "seconds at the client before the request"),
    optional("agent", "\"main\" or the name of a sub-agent"),
    optional("mode", "n (plain) or s (streamed); both are used"),
    optional("dup", "1 if the row repeats another; such rows are dropped"),
    optional("split", "\"fit\" for rows to fit, anything else to hold out"),
    optional("input_types", "kinds of new input joined by +; \"tool_result\" alone marks tool time"),
];

const fn required(name: &'static str, about: &'static str) -> Column {
    Column { name, required: true, about }
}

const fn optional(name: &'static str, about: &'static str) -> Column {
    Column { name, required: false, about }
}

/// Names that a log uses instead of the documented ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aliases(BTreeMap<&'static str, String>);

impl Aliases {
    /// From `documented=used` pairs.
    pub fn parse<'a>(pairs: impl IntoIterator<Item = &'a str>) -> Result<Self, CalibrationError> {
        let mut aliases = BTreeMap::new();
        for pair in pairs {
            let Some((name, alias)) = pair.split_once('=').filter(|(_, alias)| !alias.is_empty()) else {
                return Err(CalibrationError::usage(
                    format!("--columns: found \"{pair}\""),
                    "write NAME=NAME_IN_THE_LOG, such as in_tok=prompt_tokens",
                ));
            };
            let Some(column) = COLUMNS.iter().find(|column| column.name == name) else {
                let names: Vec<&str> = COLUMNS.iter().map(|column| column.name).collect();
                return Err(CalibrationError::usage(
                    format!("--columns: no column is called \"{name}\""),
                    format!("the columns are {}", names.join(", ")),
                ));
            };
            aliases.insert(column.name, alias.to_owned());
        }
        Ok(Self(aliases))
    }

    /// What the log calls a column.
    pub fn of(&self, name: &'static str) -> &str {
        self.0.get(name).map_or(name, String::as_str)
    }

    /// Whether the user named this column.
    pub(super) fn names(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// As command line words, in a fixed order.
    pub(super) fn words(&self) -> Vec<String> {
        let words = self.0.iter();
        words.map(|(name, alias)| format!("{name}={alias}")).collect()
    }
}
