//! HotpotQA: a question over ten paragraphs, two of which it needs. Reads the project's form (`docs` with `title`,
//! `text`, `gold`) and the published one (`context` of titles with sentences, `supporting_facts`).

use super::error::QuestionsError;
use super::records::{Record, shown};
use super::{Document, Grading, Question};
use serde_json::Value;

/// One record as a question.
pub(super) fn question(record: &Record) -> Result<Question, QuestionsError> {
    let documents = if record.has("docs") { flat(record)? } else { published(record)? };
    Ok(Question {
        id: record.id(&["id", "_id"]),
        text: record.text("question")?,
        documents,
        answers: vec![record.text("answer")?],
        grading: Grading::ExactMatch,
        choices: Vec::new(),
    })
}

fn flat(record: &Record) -> Result<Vec<Document>, QuestionsError> {
    let docs = record.list("docs")?.iter().enumerate();
    docs.map(|(i, doc)| document(record, &format!("docs[{i}]"), doc, "gold")).collect()
}

/// An object with `title`, `text` and perhaps a mark of need under `gold`.
pub(super) fn document(record: &Record, path: &str, doc: &Value, gold: &str) -> Result<Document, QuestionsError> {
    let part = |name: &str| record.as_text(&format!("{path}.{name}"), doc.get(name).unwrap_or(&Value::Null));
    let gold = match doc.get(gold) {
        None | Some(Value::Null) => None,
        Some(Value::Bool(gold)) => Some(*gold),
        Some(other) => {
            let wrong = format!("found {}", shown(other));
            return Err(record.fault(&format!("{path}.{gold}"), wrong, "give true, false or nothing"));
        }
    };
    Ok(Document { title: part("title")?, text: part("text")?, gold })
}

fn published(record: &Record) -> Result<Vec<Document>, QuestionsError> {
    let mut needed = Vec::new();
    let told = record.maybe("supporting_facts");
    for (i, fact) in told.map_or(Ok(&[][..]), |facts| record.as_list("supporting_facts", facts))?.iter().enumerate() {
        let path = format!("supporting_facts[{i}]");
        needed.push(record.as_text(&path, record.as_pair(&path, fact)?.0)?);
    }
    let mut documents = Vec::new();
    for (i, paragraph) in record.list("context")?.iter().enumerate() {
        let path = format!("context[{i}]");
        let (title, sentences) = record.as_pair(&path, paragraph)?;
        let title = record.as_text(&path, title)?;
        let mut text = String::new();
        for sentence in record.as_list(&format!("{path}[1]"), sentences)? {
            match sentence {
                Value::String(sentence) => text += sentence,
                other => {
                    let wrong = format!("found {}", shown(other));
                    return Err(record.fault(&format!("{path}[1]"), wrong, "give sentences as texts"));
                }
            }
        }
        let gold = told.map(|_| needed.contains(&title));
        documents.push(Document { title, text: text.trim().to_owned(), gold });
    }
    Ok(documents)
}
