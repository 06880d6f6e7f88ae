//! What can be wrong with a calibration, in one message that names the place and the mend.

use std::path::PathBuf;

/// Why a calibration was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CalibrationError {
    /// The log cannot be read or holds something else than a log.
    #[error("{}{wrong}\n  mend: {mend}", place(.file, .line.as_ref(), .column.as_ref()))]
    Log {
        /// The file.
        file: String,
        /// Line in the decompressed text, from 1.
        line: Option<u64>,
        /// Column, by its documented name.
        column: Option<String>,
        /// What is wrong, with the value found.
        wrong: String,
        /// What to do.
        mend: String,
    },
    /// An option asks for something impossible.
    #[error("{wrong}\n  mend: {mend}")]
    Usage {
        /// What is wrong.
        wrong: String,
        /// What to do.
        mend: String,
    },
    /// Results cannot be written.
    #[error("{}: {why}", path.display())]
    Write {
        /// File or folder.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
}

impl CalibrationError {
    /// Exit code of the command: 2 for input and usage, 1 for a failed run.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Log { .. } | Self::Usage { .. } => 2,
            Self::Write { .. } => 1,
        }
    }

    /// A fault of a whole file.
    pub(super) fn file(file: &str, wrong: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::Log { file: file.to_owned(), line: None, column: None, wrong: wrong.into(), mend: mend.into() }
    }

    /// A fault of an option.
    pub(super) fn usage(wrong: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::Usage { wrong: wrong.into(), mend: mend.into() }
    }
}

fn place(file: &str, line: Option<&u64>, column: Option<&String>) -> String {
    let line = line.map_or(String::new(), |line| format!(", line {line}"));
    let column = column.map_or(String::new(), |column| format!(", column {column}"));
    format!("{file}{line}{column}: ")
}
