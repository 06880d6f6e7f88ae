//! Texts of findings and stores: what a handle says, what stands behind an entry, how a view reads.
//!
//! Invariant: a finding's text never changes; a store only grows, and so does the text of its views from one first entry.

use crate::model::call::{Finding, FindingKind};
use crate::model::ids::{FindingId, StoreId};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Tokens of a text at four characters each, at least 1.
pub(super) fn estimated_tokens(text: &str) -> u32 {
    (text.chars().count().div_ceil(4) as u32).max(1)
}

/// A text cut to so many estimated tokens, at a space if there is one; 0 cuts nothing.
pub(super) fn shortened(text: &str, tokens: u32) -> String {
    let most = tokens as usize * 4;
    match text.char_indices().nth(most) {
        Some((limit, _)) if most > 0 => {
            let cut = text[..limit].rfind(char::is_whitespace).filter(|&cut| cut > limit / 2).unwrap_or(limit);
            text[..cut].trim_end().to_owned()
        }
        _ => text.to_owned(),
    }
}

#[derive(Clone, Debug)]
struct Written {
    kind: FindingKind,
    text: String,
    /// The result that it was made from.
    made_from: Option<FindingId>,
}

/// All findings of a task with their texts, and the stores that hold them.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts {
    findings: Vec<Written>,
    stores: BTreeMap<StoreId, Vec<FindingId>>,
}

impl Texts {
    /// Writes a finding down; handles are given in this order.
    pub(super) fn write(&mut self, kind: FindingKind, text: String, made_from: Option<FindingId>) -> Finding {
        let id = FindingId(self.findings.len() as u32);
        let tokens = estimated_tokens(&text);
        self.findings.push(Written { kind, text, made_from });
        Finding { id, kind, tokens }
    }

    /// Text of a finding.
    pub(super) fn text(&self, finding: FindingId) -> Option<&str> {
        self.findings.get(finding.index()).map(|written| written.text.as_str())
    }

    /// The fullest text behind a finding.
    pub(super) fn raw(&self, finding: FindingId) -> Option<&str> {
        let made_from = self.findings.get(finding.index())?.made_from;
        made_from.and_then(|raw| self.text(raw)).or_else(|| self.text(finding))
    }

    /// The result that a finding was made from.
    pub(super) fn made_from(&self, finding: FindingId) -> Option<FindingId> {
        self.findings.get(finding.index())?.made_from
    }

    /// A finding becomes the newest entry of a store.
    pub(super) fn shelve(&mut self, store: StoreId, finding: FindingId) {
        self.stores.entry(store).or_default().push(finding);
    }

    /// Entries `first..version` of a store with their numbers, from 0.
    pub(super) fn entries(&self, store: StoreId, first: u32, version: u32) -> Vec<(u32, FindingId)> {
        let shelf = self.stores.get(&store).map_or(&[][..], Vec::as_slice);
        let all = (0..version.min(shelf.len() as u32)).map(|entry| (entry, shelf[entry as usize]));
        all.skip(first as usize).collect()
    }

    /// A view as text: a line per entry.
    pub(super) fn view(&self, store: StoreId, first: u32, version: u32) -> String {
        let mut text = String::new();
        for (entry, finding) in self.entries(store, first, version) {
            if text.is_empty() {
                text += "Notes so far:\n";
            }
            let line = self.text(finding).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
            writeln!(text, "{} {line}", label(entry)).expect("a String takes all");
        }
        text
    }

    /// Results behind chosen entries.
    pub(super) fn unfolded(&self, chosen: &[(u32, FindingId)]) -> String {
        let mut text = "Full results of the notes you chose:\n".to_owned();
        for (entry, finding) in chosen {
            let raw = self.raw(*finding).unwrap_or_default();
            writeln!(text, "{} {raw}", label(*entry)).expect("a String takes all");
        }
        text
    }

    /// A single finding as text, under the name of its kind.
    pub(super) fn named(&self, finding: FindingId) -> String {
        let Some(Written { kind, text, .. }) = self.findings.get(finding.index()) else {
            return String::new();
        };
        let name = match kind {
            FindingKind::Gist => "Note",
            FindingKind::Report => "Report",
            FindingKind::Brief => "Brief from your lead",
            FindingKind::Digest => "Kept from before",
            FindingKind::Answer => "Answer",
            FindingKind::Result | FindingKind::Fact | FindingKind::Fail | FindingKind::Patch => "Result",
        };
        format!("{name}:\n{text}\n")
    }
}

/// Label of an entry, counted from 0.
pub(super) fn label(entry: u32) -> String {
    format!("[E{}]", entry + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_grows_at_its_end_and_labels_stay() {
        let mut texts = Texts::default();
        for text in ["one", "two\nlines", "three"] {
            let finding = texts.write(FindingKind::Gist, text.to_owned(), None);
            texts.shelve(StoreId(0), finding.id);
        }
        let whole = texts.view(StoreId(0), 0, 3);
        assert_eq!(whole, "Notes so far:\n[E1] one\n[E2] two lines\n[E3] three\n");
        assert!(whole.starts_with(&texts.view(StoreId(0), 0, 2)));
        assert_eq!(texts.view(StoreId(0), 1, 2), "Notes so far:\n[E2] two lines\n");
        assert_eq!(texts.view(StoreId(0), 0, 0), "");
        assert_eq!(texts.view(StoreId(9), 0, 5), "");
    }

    #[test]
    fn an_entry_leads_to_the_result_behind_it() {
        let mut texts = Texts::default();
        let raw = texts.write(FindingKind::Result, "all of it".to_owned(), None);
        let gist = texts.write(FindingKind::Gist, "it".to_owned(), Some(raw.id));
        assert_eq!(texts.raw(gist.id), Some("all of it"));
        assert_eq!(texts.raw(raw.id), Some("all of it"));
        assert_eq!((raw.tokens, gist.tokens), (3, 1));
    }

    #[test]
    fn a_cut_falls_on_a_space() {
        assert_eq!(shortened("one two three four", 2), "one two");
        assert_eq!(shortened("abcdefghijkl", 2), "abcdefgh");
        assert_eq!(shortened("short", 0), "short");
        assert_eq!(shortened("short", 5), "short");
    }
}
