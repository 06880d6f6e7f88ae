//! Key-value retrieval: `ordered_kv_records` (pairs), `key`, `value`. The pairs are cut into documents of so many each;
//! exactly one of them holds the key.

use super::error::QuestionsError;
use super::records::Record;
use super::{Document, Grading, Question};

/// One record as a question over documents of `pairs` pairs each.
pub(super) fn question(record: &Record, pairs: usize) -> Result<Question, QuestionsError> {
    let (key, value) = (record.text("key")?, record.text("value")?);
    let mut known = Vec::new();
    for (i, pair) in record.list("ordered_kv_records")?.iter().enumerate() {
        let path = format!("ordered_kv_records[{i}]");
        let (first, second) = record.as_pair(&path, pair)?;
        known.push((record.as_text(&path, first)?, record.as_text(&path, second)?));
    }
    let under: Vec<&str> = known.iter().filter(|(k, _)| *k == key).map(|(_, v)| v.as_str()).collect();
    if under != [value.as_str()] {
        let wrong = format!("\"{value}\", but the records hold {under:?} under the key \"{key}\"");
        return Err(record.fault("value", wrong, "give the key once among the records, with this value"));
    }
    let documents = known.chunks(pairs.max(1)).enumerate().map(|(i, part)| {
        let from = i * pairs.max(1) + 1;
        Document {
            title: format!("Records {from} to {}", from + part.len() - 1),
            text: part.iter().map(|(k, v)| format!("\"{k}\": \"{v}\"")).collect::<Vec<_>>().join("\n"),
            gold: Some(part.iter().any(|(k, _)| *k == key)),
        }
    });
    Ok(Question {
        id: record.id(&["id", "_id"]),
        text: format!("Which value belongs to the key \"{key}\"?"),
        documents: documents.collect(),
        answers: vec![value],
        grading: Grading::Code,
        choices: Vec::new(),
    })
}
