//! What can be wrong with a scenario, told so that it can be mended: file, line, key, value, fault, mend.
//!
//! Invariant: every fault prints as one line.

use std::fmt;
use std::sync::Arc;

/// A path of keys into a scenario; list positions read `[0]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyPath(Vec<String>);

impl KeyPath {
    /// The path with one more key.
    #[must_use]
    pub fn with(&self, key: impl Into<String>) -> Self {
        let mut keys = self.0.clone();
        keys.push(key.into());
        Self(keys)
    }

    /// The path with a position in a list.
    #[must_use]
    pub fn at(&self, index: usize) -> Self {
        self.with(format!("[{index}]"))
    }

    /// Its keys.
    pub fn keys(&self) -> &[String] {
        &self.0
    }

    /// Whether one of the two lies within the other.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(a, b)| a == b)
    }
}

impl<S: Into<String>> FromIterator<S> for KeyPath {
    fn from_iter<I: IntoIterator<Item = S>>(keys: I) -> Self {
        Self(keys.into_iter().map(Into::into).collect())
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for (i, key) in self.0.iter().enumerate() {
            if i > 0 && !key.starts_with('[') {
                f.write_str(".")?;
            }
            let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_[]".contains(c));
            if bare {
                f.write_str(key)?;
            } else {
                write!(f, "{key:?}")?;
            }
        }
        Ok(())
    }
}

/// Where a value was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Nowhere: a value of a scenario that was not loaded.
    #[default]
    None,
    /// In a file as a whole.
    File(Arc<str>),
    /// At a line and column of a file, both from 1.
    Line(Arc<str>, usize, usize),
    /// On the command line, under this flag.
    Flag(&'static str),
}

impl Place {
    /// Whether both are in one document, or both on the command line.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File(a) | Self::Line(a, ..), Self::File(b) | Self::Line(b, ..)) => a == b,
            (Self::Flag(_), Self::Flag(_)) | (Self::None, Self::None) => true,
            _ => false,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::None => f.write_str("scenario"),
            Self::File(file) => f.write_str(file),
            Self::Line(file, line, column) => write!(f, "{file}:{line}:{column}"),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// One thing that is wrong with a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where it is written.
    pub place: Place,
    /// Which key; empty for the file as a whole.
    pub key: KeyPath,
    /// The value found, as it would be written; empty where there is none.
    pub value: String,
    /// What is wrong.
    pub wrong: String,
    /// What to do.
    pub mend: String,
}

impl Fault {
    /// A fault of a key; place and value are filled in by whoever knows the document.
    pub fn new(key: KeyPath, wrong: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { place: Place::None, key, value: String::new(), wrong: wrong.into(), mend: mend.into() }
    }

    /// The fault with the value it is about.
    #[must_use]
    pub fn found(mut self, value: impl fmt::Display) -> Self {
        self.value = short(&value.to_string());
        self
    }

    /// The fault with its place.
    #[must_use]
    pub fn placed(mut self, place: &Place) -> Self {
        self.place = place.clone();
        self
    }
}

/// One line, cut to a length that fits a terminal.
pub(crate) fn short(text: &str) -> String {
    const MOST: usize = 60;
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.chars().count() <= MOST {
        return line;
    }
    line.chars().take(MOST - 3).chain("...".chars()).collect()
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        match (self.key.keys().is_empty(), self.value.is_empty()) {
            (true, _) => {}
            (false, true) => write!(f, "{}: ", self.key)?,
            (false, false) => write!(f, "{} = {}: ", self.key, self.value)?,
        }
        f.write_str(&self.wrong)?;
        if self.mend.is_empty() { Ok(()) } else { write!(f, "; {}", self.mend) }
    }
}

/// Why a scenario cannot be run. Nothing has been simulated or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// There is no such file and no such embedded scenario, or it cannot be read as text.
    #[error("{name}: {why}; {mend}")]
    Unreadable {
        /// What was asked for.
        name: String,
        /// Why it cannot be read.
        why: String,
        /// What to do.
        mend: String,
    },
    /// The text is not TOML, or not a scenario, or makes no sense; one line per fault.
    #[error("{}", lines(.0))]
    Faulty(Vec<Fault>),
}

fn lines(faults: &[Fault]) -> String {
    let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

impl ScenarioError {
    /// The faults, if the scenario could be read at all.
    pub fn faults(&self) -> &[Fault] {
        match self {
            Self::Unreadable { .. } => &[],
            Self::Faulty(faults) => faults,
        }
    }
}

/// The candidate that `word` may have meant.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let score = |candidate: &str| {
        let words = (word.to_lowercase(), candidate.to_lowercase());
        strsim::jaro_winkler(&words.0, &words.1).max(strsim::normalized_damerau_levenshtein(&words.0, &words.1))
    };
    candidates
        .into_iter()
        .map(|candidate| (score(candidate), candidate))
        .filter(|(score, _)| *score >= 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_one_line_that_says_where_what_and_how_to_mend() {
        let key: KeyPath = ["endpoints", "a b", "price"].into_iter().collect();
        let fault = Fault::new(key.at(0), "unknown key", "did you mean `rates`?")
            .found("\"x\ny\"")
            .placed(&Place::Line("my.toml".into(), 3, 7));
        assert_eq!(
            fault.to_string(),
            "my.toml:3:7: endpoints.\"a b\".price[0] = \"x y\": unknown key; did you mean `rates`?"
        );
    }

    #[test]
    fn the_nearest_word_is_near_or_absent() {
        assert_eq!(nearest("agnets", ["agents", "tasks"]), Some("agents"));
        assert_eq!(nearest("nonsense_key_7", ["agents", "tasks"]), None);
    }
}
