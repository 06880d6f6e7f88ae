//! What can be wrong with a set of questions, in one message that names the place and the mend.

/// Why a set of questions was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuestionsError {
    /// A file cannot be read or holds something else than questions.
    #[error("{}{wrong}\n  mend: {mend}", place(.file, .line.as_ref(), .item.as_ref(), .field.as_ref()))]
    File {
        /// The file.
        file: String,
        /// Line in the decompressed text, from 1.
        line: Option<u64>,
        /// Position in a JSON array, from 1.
        item: Option<u64>,
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

impl QuestionsError {
    /// A fault of a whole file.
    pub(super) fn file(file: &str, wrong: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::File {
            file: file.to_owned(),
            line: None,
            item: None,
            field: None,
            wrong: wrong.into(),
            mend: mend.into(),
        }
    }

    /// A fault of the specification.
    pub(super) fn spec(key: &'static str, wrong: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::Spec { key, wrong: wrong.into(), mend: mend.into() }
    }
}

fn place(file: &str, line: Option<&u64>, item: Option<&u64>, field: Option<&String>) -> String {
    let mut place = file.to_owned();
    if let Some(line) = line {
        place += &format!(":{line}");
    }
    if let Some(item) = item {
        place += &format!(": item {item}");
    }
    if let Some(field) = field {
        place += &format!(": field \"{field}\"");
    }
    place + ": "
}
