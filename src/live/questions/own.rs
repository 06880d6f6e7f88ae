//! Questions of one's own: `id`, `question`, `documents`, `answers`, and the `rule` by which an answer is right.
//!
//! | rule | an answer is right if it |
//! |---|---|
//! | `exact` | equals one of the answers but for case, articles, punctuation and spaces |
//! | `contains` | holds one of the answers as whole words |
//! | `number` | tells one number, or tells it last, that equals one of the answers |
//! | `choice` | picks the right one of `choices`; answers are letters (A is the first) or the words of a choice |

use super::error::QuestionsError;
use super::hotpotqa::document;
use super::records::{Record, shown};
use super::{Document, Grading, Question, grade, letter};
use serde_json::Value;

/// Fields that a question may have.
const FIELDS: [&str; 6] = ["id", "question", "documents", "answers", "rule", "choices"];
/// Rules by name.
const RULES: [(&str, Grading); 4] = [
    ("exact", Grading::ExactMatch),
    ("contains", Grading::Contains),
    ("number", Grading::Number),
    ("choice", Grading::Letter),
];

/// One record as a question.
pub(super) fn question(record: &Record) -> Result<Question, QuestionsError> {
    if let Some(field) = record.other_than(&FIELDS) {
        return Err(record.fault(&field, "is not known", format!("leave it out; known are {}", FIELDS.join(", "))));
    }
    let rule = record.text("rule")?;
    let Some((_, grading)) = RULES.iter().find(|(name, _)| *name == rule) else {
        let wrong = format!("found {}", shown(&Value::String(rule)));
        return Err(record.fault("rule", wrong, format!("give one of {}", RULES.map(|(name, _)| name).join(", "))));
    };
    let choices = match (grading, record.has("choices")) {
        (Grading::Letter, _) => record.texts("choices")?,
        (_, false) => Vec::new(),
        (_, true) => {
            return Err(record.fault(
                "choices",
                "stands beside another rule",
                "write rule \"choice\", or leave it out",
            ));
        }
    };
    if choices.len() == 1 || choices.len() > 26 {
        return Err(record.fault("choices", format!("found {} of them", choices.len()), "give 2 to 26"));
    }
    let mut answers = Vec::new();
    for (i, answer) in record.list("answers")?.iter().enumerate() {
        let path = format!("answers[{i}]");
        let text = match answer {
            Value::Number(number) => number.to_string(),
            other => record.as_text(&path, other)?,
        };
        answers.push(match grading {
            Grading::Number if grade::number(&text).is_none() => {
                return Err(record.fault(&path, format!("found {}", shown(answer)), "give a number"));
            }
            Grading::Letter => picked(&text, &choices).ok_or_else(|| {
                let mend = "give the letter of a choice (A is the first), or its words";
                record.fault(&path, format!("found {}", shown(answer)), mend)
            })?,
            _ => text,
        });
    }
    let documents = record.list("documents")?.iter().enumerate();
    let documents = documents.map(|(i, doc)| match doc {
        Value::String(text) if !text.trim().is_empty() => {
            Ok(Document { title: format!("Document {}", i + 1), text: text.clone(), gold: None })
        }
        other => document(record, &format!("documents[{i}]"), other, "gold"),
    });
    Ok(Question {
        id: record.id(&["id"]),
        text: record.text("question")?,
        documents: documents.collect::<Result<_, _>>()?,
        answers,
        grading: *grading,
        choices,
    })
}

/// The letter of a right choice.
fn picked(answer: &str, choices: &[String]) -> Option<String> {
    let by_words = choices.iter().position(|choice| choice.trim() == answer.trim());
    let by_letter = (0..choices.len()).find(|&c| answer.trim().eq_ignore_ascii_case(&letter(c).to_string()));
    by_words.or(by_letter).map(|c| letter(c).to_string())
}
