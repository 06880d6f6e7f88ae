//! Subtasks in words: which documents each reads and what it asks; lists of them as the policy gets them.
//!
//! Invariant: a subtask waits only for earlier ones, so no list holds a circle.

use super::answers::Listed;
use super::texts::estimated_tokens;
use crate::live::questions::Document;
use crate::model::call::SubtaskList;
use crate::model::ids::SubtaskId;
use std::fmt::Write;

/// A subtask in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    /// Documents to read, from 0, in order.
    pub(super) documents: Vec<usize>,
    /// What to look for.
    pub(super) ask: String,
    /// Ids of those that must be settled first, ascending.
    after: Vec<u32>,
}

/// One subtask per `each` documents, none waiting.
pub(super) fn by_documents(documents: usize, each: u32) -> Vec<Unit> {
    let all: Vec<usize> = (0..documents).collect();
    let unit = |part: &[usize]| Unit {
        documents: part.to_vec(),
        ask: "Find what this text says that helps to answer the question.".to_owned(),
        after: Vec::new(),
    };
    all.chunks(each.max(1) as usize).map(unit).collect()
}

/// Subtasks that a model listed, the first of them with id `first`. Numbers that name nothing are dropped.
/// `alone`: whether a subtask may read no document and wait for none.
pub(super) fn from_list(listed: &[Listed], documents: usize, first: u32, alone: bool) -> Result<Vec<Unit>, String> {
    let mut units = Vec::with_capacity(listed.len());
    for (i, one) in listed.iter().enumerate() {
        let id = first + i as u32;
        let numbered = |list: &[i64], most: usize| {
            let known = |n: &i64| usize::try_from(*n).ok().filter(|n| (1..=most).contains(n)).map(|n| n - 1);
            let mut kept: Vec<usize> = list.iter().filter_map(known).collect();
            kept.sort_unstable();
            kept.dedup();
            kept
        };
        let unit = Unit {
            documents: numbered(&one.documents, documents),
            ask: one.ask.clone(),
            after: numbered(&one.after, id as usize).into_iter().map(|n| n as u32).collect(),
        };
        if unit.documents.is_empty() && unit.after.is_empty() && !alone {
            return Err(format!("subtask {} must name documents between 1 and {documents}", i + 1));
        }
        units.push(unit);
    }
    Ok(units)
}

/// The list as the policy sees it.
pub(super) fn list(units: &[Unit], first: u32, documents: &[Document]) -> SubtaskList {
    let ids = first..first + units.len() as u32;
    let waits =
        |(id, unit): (u32, &Unit)| unit.after.iter().map(|&on| (SubtaskId(id), SubtaskId(on))).collect::<Vec<_>>();
    let length = |text: &str| if text.is_empty() { 0 } else { estimated_tokens(text) };
    SubtaskList {
        first,
        count: units.len() as u32,
        dependencies: ids.zip(units).flat_map(waits).collect(),
        source_tokens: units.iter().map(|unit| length(&source(unit, documents))).collect(),
    }
}

/// A subtask's documents with their numbers and titles.
pub(super) fn source(unit: &Unit, documents: &[Document]) -> String {
    let mut text = String::new();
    for &d in &unit.documents {
        let Document { title, text: body, .. } = &documents[d];
        if !text.is_empty() {
            text.push('\n');
        }
        writeln!(text, "Document {}: {title}\n{}", d + 1, body.trim()).expect("a String takes all");
    }
    text
}

/// Titles of a subtask's documents, the first few by name.
pub(super) fn titles(unit: &Unit, documents: &[Document]) -> String {
    let named: Vec<&str> = unit.documents.iter().take(3).map(|&d| documents[d].title.as_str()).collect();
    match unit.documents.len() - named.len() {
        0 => named.join("; "),
        more => format!("{} and {more} more", named.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(documents: &[i64], after: &[i64]) -> Listed {
        Listed { documents: documents.to_vec(), ask: "look".to_owned(), after: after.to_vec() }
    }

    fn documents(n: usize) -> Vec<Document> {
        (0..n).map(|i| Document { title: format!("T{i}"), text: "x".repeat(40), gold: None }).collect()
    }

    #[test]
    fn plain_code_groups_documents_in_order() {
        let units = by_documents(5, 2);
        assert_eq!(units.iter().map(|u| u.documents.clone()).collect::<Vec<_>>(), [vec![0, 1], vec![2, 3], vec![4]]);
        assert_eq!(list(&units, 0, &documents(5)).dependencies, []);
    }

    #[test]
    fn waits_for_itself_later_ones_and_strangers_are_dropped() {
        let made = from_list(&[listed(&[2, 2, 9], &[1, 4]), listed(&[], &[5, 4, 0, -3, 6])], 3, 4, false).unwrap();
        let list = list(&made, 4, &documents(3));
        assert_eq!((list.first, list.count), (4, 2));
        let pair = |a, b| (SubtaskId(a), SubtaskId(b));
        assert_eq!(list.dependencies, [pair(4, 0), pair(4, 3), pair(5, 3), pair(5, 4)]);
        assert_eq!(list.source_tokens, [14, 0]);
        assert!(from_list(&[listed(&[7], &[])], 3, 0, false).unwrap_err().contains("between 1 and 3"));
    }
}
