//! LongBench-v2: multiple choice over one long text. The text is cut into documents at blank lines. DeLM's splitter
//! also looks for headings and asks a model where to cut; here a cut depends on lengths alone.

use super::error::QuestionsError;
use super::records::Record;
use super::{Document, Grading, Question, letter};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a long text is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SplitSpec {
    /// Length that a document grows to, paragraph by paragraph (characters).
    pub document_chars: usize,
    /// A document shorter than this joins the one before it if both fit `paragraph_chars` (characters).
    pub merge_below_chars: usize,
    /// A paragraph longer than this is cut at a space (characters).
    pub paragraph_chars: usize,
}

impl Default for SplitSpec {
    /// The lengths of DeLM's splitter: pieces of 25,000 characters, above 30,000 cut, below 6,000 merged.
    fn default() -> Self {
        Self { document_chars: 25_000, merge_below_chars: 6_000, paragraph_chars: 30_000 }
    }
}

/// One record as a question.
pub(super) fn question(record: &Record, split: &SplitSpec) -> Result<Question, QuestionsError> {
    let choices = (0..4).map(|c| record.text(&format!("choice_{}", letter(c)))).collect::<Result<Vec<_>, _>>()?;
    let answer = record.text("answer")?.trim().to_ascii_uppercase();
    if !["A", "B", "C", "D"].contains(&answer.as_str()) {
        return Err(record.fault("answer", format!("found \"{answer}\""), "give one of the letters A, B, C, D"));
    }
    let parts = parts(&record.text("context")?, split);
    let documents =
        parts.into_iter().enumerate().map(|(i, text)| Document { title: format!("Part {}", i + 1), text, gold: None });
    Ok(Question {
        id: record.id(&["_id", "id"]),
        text: record.text("question")?,
        documents: documents.collect(),
        answers: vec![answer],
        grading: Grading::Letter,
        choices,
    })
}

/// Cuts a text into documents; nothing but white space at the cuts is lost.
fn parts(text: &str, split: &SplitSpec) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut open = String::new();
    for piece in paragraphs(text).into_iter().flat_map(|paragraph| pieces(paragraph, split.paragraph_chars)) {
        if !open.is_empty() && length(&open) + length(piece) + 2 > split.document_chars {
            parts.push(std::mem::take(&mut open));
        }
        if !open.is_empty() {
            open += "\n\n";
        }
        open += piece;
    }
    match parts.last_mut() {
        Some(last)
            if length(&open) < split.merge_below_chars
                && length(last) + length(&open) + 2 <= split.paragraph_chars.max(split.document_chars) =>
        {
            *last += "\n\n";
            *last += &open;
        }
        _ => parts.push(open),
    }
    parts
}

/// Stretches between blank lines.
fn paragraphs(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut start, mut at) = (0, 0);
    for line in text.split_inclusive('\n') {
        if line.trim().is_empty() {
            found.push(text[start..at].trim_end());
            start = at + line.len();
        }
        at += line.len();
    }
    found.push(text[start..].trim_end());
    found.retain(|paragraph| !paragraph.is_empty());
    found
}

/// Pieces of at most `most` characters, cut at spaces where there are any.
fn pieces(mut text: &str, most: usize) -> Vec<&str> {
    let mut found = Vec::new();
    while let Some((limit, _)) = text.char_indices().nth(most.max(1)) {
        let cut = text[..limit].rfind(char::is_whitespace).filter(|&cut| cut > 0).unwrap_or(limit);
        found.push(text[..cut].trim_end());
        text = text[cut..].trim_start();
    }
    found.push(text);
    found.retain(|piece| !piece.is_empty());
    found
}

fn length(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_gather_until_a_document_is_full() {
        let split = SplitSpec { document_chars: 12, merge_below_chars: 0, paragraph_chars: 20 };
        assert_eq!(parts("aaaa\n\nbbbb\n \ncccc\n\n\ndd", &split), ["aaaa\n\nbbbb", "cccc\n\ndd"]);
    }

    #[test]
    fn a_short_tail_joins_and_a_long_paragraph_is_cut_at_a_space() {
        let split = SplitSpec { document_chars: 10, merge_below_chars: 3, paragraph_chars: 14 };
        assert_eq!(parts("aaaa bbbb\n\ncc", &split), ["aaaa bbbb\n\ncc"]);
        assert_eq!(parts("aaaa bbbb cccc dddd", &split), ["aaaa bbbb", "cccc dddd"]);
        assert_eq!(parts("äääääääääääääääää", &split), ["ääääääääääääää\n\n".trim(), "äää"]);
    }
}
