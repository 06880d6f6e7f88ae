//! Natural Questions with passages, in the form of "Lost in the Middle": `question`, `answers`, `ctxs` with `title`,
//! `text` and `isgold`. A haystack of more passages is built by [`super::haystack`].

use super::error::QuestionsError;
use super::hotpotqa::document;
use super::records::Record;
use super::{Grading, Question};

/// One record as a question; named by its number, since the set has no names.
pub(super) fn question(record: &Record) -> Result<Question, QuestionsError> {
    let passages = record.list("ctxs")?.iter().enumerate();
    let documents = passages.map(|(i, passage)| document(record, &format!("ctxs[{i}]"), passage, "isgold"));
    Ok(Question {
        id: record.id(&["id", "_id"]),
        text: as_question(&record.text("question")?),
        documents: documents.collect::<Result<_, _>>()?,
        answers: record.texts("answers")?,
        grading: Grading::Contains,
        choices: Vec::new(),
    })
}

/// The set's questions have no question mark.
fn as_question(text: &str) -> String {
    let text = text.trim();
    if text.ends_with('?') { text.to_owned() } else { format!("{text}?") }
}
