//! What can be wrong with a set of questions, in one message that names the place and the mend.

/// Why a set of questions was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuestionsError {
    /// A file cannot be read or holds something else than questions.
    #[error("{}{wrong}\n  mend: {mend}", place(.file, *.at, .field.as_ref()))]
    File {
        /// The file.
        file: String,
        /// Where in it.
        at: Position,
        /// Path of the field.
        field: Option<String>,
        /// What is wrong, with the value found.
        wrong: String,
        /// What to do.
        mend: String,
    },
    /// The specification asks for something impossible.
    #[error("questions: {key}: {wrong}\n  mend: {mend}")]
    Spec {
        /// Key of the specification.
        key: &'static str,
        /// What is wrong, with the value found.
        wrong: String,
        /// What to do.
        mend: String,
    },
}

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// No place in particular.
    File,
    /// A line of the decompressed text, from 1.
    Line(u64),
    /// An element of a JSON array, from 1.
    Item(u64),
}

impl QuestionsError {
    /// A fault of a whole file.
    pub(super) fn file(file: &str, wrong: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::File { file: file.to_owned(), at: Position::File, field: None, wrong: wrong.into(), mend: mend.into() }
    }

    /// A fault of the specification.
    pub(super) fn spec(key: &'static str, wrong: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::Spec { key, wrong: wrong.into(), mend: mend.into() }
    }
}

fn place(file: &str, at: Position, field: Option<&String>) -> String {
    let at = match at {
        Position::File => String::new(),
        Position::Line(line) => format!(":{line}"),
        Position::Item(item) => format!(": item {item}"),
    };
    let field = field.map_or_else(String::new, |field| format!(": field \"{field}\""));
    format!("{file}{at}{field}: ")
}
