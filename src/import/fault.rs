//! What can be wrong with an input: where, which field, what stood there, how to mend it. A fault never quotes more than
//! a few characters of the input, and never a secret.

use super::redact::redact;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A place in an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// File (inside an archive: `archive!member`).
    pub path: PathBuf,
    /// Line, from 1, for formats of lines.
    pub line: Option<u64>,
    /// Record of a list, from 0.
    pub record: Option<u64>,
}

impl Place {
    /// A whole file.
    pub fn file(path: &Path) -> Self {
        Self { path: path.to_owned(), line: None, record: None }
    }

    /// A line of a file.
    pub fn line(path: &Path, line: u64) -> Self {
        Self { path: path.to_owned(), line: Some(line), record: None }
    }

    /// An element of a list that is the whole file.
    pub fn record(path: &Path, record: u64) -> Self {
        Self { path: path.to_owned(), line: None, record: Some(record) }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.path.display())?;
        match (self.line, self.record) {
            (Some(line), _) => write!(f, ":{line}"),
            (None, Some(record)) => write!(f, ": record {record}"),
            (None, None) => Ok(()),
        }
    }
}

/// What is wrong with a record, without its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Path of the field; empty for the record itself.
    pub field: String,
    /// What is wrong, with the value found.
    pub problem: String,
    /// How to mend it.
    pub mend: String,
}

impl Wrong {
    /// A record that cannot be read at all.
    pub fn record(problem: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { field: String::new(), problem: problem.into(), mend: mend.into() }
    }

    /// A field whose value is none of what the format allows.
    pub fn value(field: &str, found: &Value, expected: &str) -> Self {
        let problem = match found {
            Value::Null => "missing".to_owned(),
            found => format!("found {}", short(found)),
        };
        Self { field: field.to_owned(), problem, mend: format!("expected {expected}") }
    }

    /// With its place.
    pub fn at(self, place: Place) -> ImportError {
        ImportError::Fault { place, wrong: Box::new(self) }
    }
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.field.is_empty() {
            write!(f, "field `{}`: ", self.field)?;
        }
        write!(f, "{}; {}", self.problem, self.mend)
    }
}

/// Why an import ended without a transcript.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// File.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The transcript cannot be written.
    #[error("cannot write the transcript: {0}")]
    Write(#[source] std::io::Error),
    /// A record is damaged.
    #[error("{place}: {wrong}")]
    Fault {
        /// Where.
        place: Place,
        /// What.
        wrong: Box<Wrong>,
    },
    /// The inputs or options do not fit.
    #[error("{0}")]
    Usage(String),
}

impl ImportError {
    /// Whether the user's input or command is at fault (and not the machine).
    pub fn is_input(&self) -> bool {
        !matches!(self, Self::Write(_))
    }
}

/// A value in few characters.
pub(super) fn short(value: &Value) -> String {
    const MOST: usize = 48;
    let whole = match value {
        Value::Array(list) => return format!("a list of {}", list.len()),
        Value::Object(_) => return "an object".to_owned(),
        Value::String(text) => format!("{:?}", redact(text).0),
        other => other.to_string(),
    };
    if whole.chars().count() <= MOST {
        return whole;
    }
    format!("{}..", whole.chars().take(MOST).collect::<String>())
}
