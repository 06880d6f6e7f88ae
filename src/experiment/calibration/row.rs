//! One line of a log under its header: cells by documented name, checked one by one.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use csv::StringRecord;

use super::columns::{Aliases, COLUMNS};
use super::fault::CalibrationError;

/// How rows are divided into those that are fitted and those that are held out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// By the column `split`: `fit` against the rest.
    Column,
    /// By trace: a trace is held out if the hash of its name is a multiple of five.
    Hash,
}

/// Where each column stands.
pub(super) struct Header<'a> {
    pub(super) file: &'a str,
    width: usize,
    places: BTreeMap<&'static str, usize>,
}

impl<'a> Header<'a> {
    /// Whether the log has this column.
    pub(super) fn has(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    pub(super) fn new(file: &'a str, header: &StringRecord, aliases: &Aliases) -> Result<Self, CalibrationError> {
        let found: Vec<&str> = header.iter().map(str::trim).collect();
        let fault = |wrong: String, mend: String| CalibrationError::Log {
            file: file.to_owned(),
            line: Some(1),
            column: None,
            wrong,
            mend,
        };
        let mut places = BTreeMap::new();
        let mut missing = Vec::new();
        for column in &COLUMNS {
            let used = aliases.of(column.name);
            let mut at = (0..found.len()).filter(|i| found[*i] == used);
            match (at.next(), at.next()) {
                (Some(_), Some(_)) => {
                    return Err(fault(
                        format!("column \"{used}\" stands twice in the header"),
                        "rename one of the two".to_owned(),
                    ));
                }
                (Some(place), None) => {
                    places.insert(column.name, place);
                }
                (None, _) if column.required || aliases.names(column.name) => missing.push(used),
                (None, _) => {}
            }
        }
        if missing.is_empty() {
            return Ok(Self { file, width: found.len(), places });
        }
        let shown: Vec<String> = found.iter().take(20).map(|name| shorten(name)).collect();
        let mend = if found.len() == 1 && found[0].contains(['\t', ';']) {
            "separate the columns by commas".to_owned()
        } else {
            format!(
                "rename the columns or map them: --columns {}=NAME_IN_THE_LOG",
                COLUMNS
                    .iter()
                    .map(|column| column.name)
                    .find(|name| aliases.of(name) == missing[0])
                    .unwrap_or("in_tok")
            )
        };
        Err(fault(
            format!(
                "missing column{} {}; the header holds {}",
                if missing.len() == 1 { "" } else { "s" },
                missing.join(", "),
                shown.join(", ")
            ),
            mend,
        ))
    }

    pub(super) fn split(&self, asked: Option<Split>) -> Result<Split, CalibrationError> {
        match (asked, self.places.contains_key("split")) {
            (Some(Split::Column), false) => Err(CalibrationError::file(
                self.file,
                "--split column, but there is no column \"split\"",
                "use --split hash, or map it: --columns split=NAME_IN_THE_LOG",
            )),
            (Some(split), _) => Ok(split),
            (None, true) => Ok(Split::Column),
            (None, false) => Ok(Split::Hash),
        }
    }
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= 40 {
        return text.to_owned();
    }
    let head: String = text.chars().take(40).collect();
    format!("{head}...")
}

/// One line under a header.
pub(super) struct Row<'a> {
    pub(super) header: &'a Header<'a>,
    pub(super) record: &'a StringRecord,
    pub(super) line: u64,
}

impl Row<'_> {
    /// The trimmed cell of a column; empty if the log has none.
    pub(super) fn cell(&self, name: &'static str) -> &str {
        let place = self.header.places.get(name);
        place.and_then(|place| self.record.get(*place)).unwrap_or_default().trim()
    }

    pub(super) fn fault(&self, column: &'static str, wrong: &str, mend: &str) -> CalibrationError {
        CalibrationError::Log {
            file: self.header.file.to_owned(),
            line: Some(self.line),
            column: Some(column.to_owned()),
            wrong: format!("found \"{}\": {wrong}", shorten(self.cell(column))),
            mend: mend.to_owned(),
        }
    }

    pub(super) fn check_width(&self) -> Result<(), CalibrationError> {
        if self.record.len() == self.header.width {
            return Ok(());
        }
        Err(CalibrationError::Log {
            file: self.header.file.to_owned(),
            line: Some(self.line),
            column: None,
            wrong: format!("{} cells, but the header has {} columns", self.record.len(), self.header.width),
            mend: "mend the line; the file may be cut off".to_owned(),
        })
    }

    pub(super) fn word(&self, name: &'static str) -> Result<&str, CalibrationError> {
        match self.cell(name) {
            "" => Err(self.fault(name, "a name is missing", "fill it in or drop the row")),
            word => Ok(word),
        }
    }

    pub(super) fn seconds(&self, name: &'static str) -> Result<Option<f64>, CalibrationError> {
        const MEND: &str = "write seconds from 0 on, or leave the cell empty if unknown";
        match self.cell(name) {
            "" => Ok(None),
            text => match text.parse::<f64>() {
                Ok(value) if value.is_finite() && value >= 0.0 => Ok(Some(value)),
                Ok(value) if value < 0.0 => Err(self.fault(name, "negative time", MEND)),
                Ok(_) => Err(self.fault(name, "not a finite number", MEND)),
                Err(_) => Err(self.fault(name, "not a number", MEND)),
            },
        }
    }

    pub(super) fn tokens(&self, name: &'static str) -> Result<u64, CalibrationError> {
        /// No context is longer; larger numbers are ids or times in the wrong column.
        const MOST: f64 = 1e9;
        const MEND: &str = "write a whole number of tokens from 0 on, or drop the row";
        match self.cell(name).parse::<f64>() {
            Ok(value) if value < 0.0 => Err(self.fault(name, "negative count", MEND)),
            Ok(value) if !value.is_finite() => Err(self.fault(name, "not a finite number", MEND)),
            Ok(value) if value > MOST => Err(self.fault(name, "more than 1e9 tokens", MEND)),
            Ok(value) if value.fract() != 0.0 => Err(self.fault(name, "not a whole number", MEND)),
            Ok(value) => Ok(value as u64),
            Err(_) => Err(self.fault(name, "not a number", MEND)),
        }
    }
}
