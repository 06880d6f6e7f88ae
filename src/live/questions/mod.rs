//! Questions over several documents: the work of live runs. A question comes from a seeded generator or from a file of
//! a published set, and brings all that is needed to grade an answer.
//!
//! Invariant: question i of a set is a pure function of the specification, the seed and the file; grading is plain code.

mod error;
pub mod generated;
pub mod grade;
mod haystack;
mod hotpotqa;
mod key_value;
mod longbench;
mod natural_questions;
mod own;
pub mod problems;
mod records;
pub mod spec;

pub use error::{Position, QuestionsError};
pub use generated::{GeneratedForm, GeneratedSpec};
pub use longbench::SplitSpec;
pub use problems::{Case, Problem};
pub use spec::{FileSpec, Format, QuestionsSpec, Source};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One document of a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Document {
    /// Title.
    pub title: String,
    /// Text.
    pub text: String,
    /// Whether the answer needs it, where that is known.
    #[serde(default)]
    pub gold: Option<bool>,
}

/// How an answer is graded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Grading {
    /// Equal to an answer after normalisation: lower case, no articles, no punctuation, single spaces.
    ExactMatch,
    /// An answer occurs in it as whole words, after the same normalisation.
    Contains,
    /// It picks the right choice; the answer is a letter.
    Letter,
    /// The number in it, or the last one, equals an answer.
    Number,
    /// The codes in it are those of an answer, in the same order.
    Code,
}

/// A question with its documents and what is needed to grade an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Question {
    /// Name within its set.
    pub id: String,
    /// The question.
    pub text: String,
    /// What there is to read, in order.
    pub documents: Vec<Document>,
    /// Answers; any of them is right.
    pub answers: Vec<String>,
    /// How an answer is graded.
    pub grading: Grading,
    /// Choices of a multiple-choice question, the first under the letter A; else empty.
    #[serde(default)]
    pub choices: Vec<String>,
}

/// Letter of a choice, counted from 0.
pub(crate) fn letter(choice: usize) -> char {
    char::from(b'A' + (choice % 26) as u8)
}
