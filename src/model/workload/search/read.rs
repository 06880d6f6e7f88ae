//! What a solver takes from its prompt, and what is lost when somebody retells it.

use super::super::Hidden;
use super::line::{Doing, Item};
use super::{ADOPTION, Search};
use crate::model::call::{Content, Finding, FindingKind, Purpose, Request, SpanRole};
use crate::model::detail::keep_probability;
use crate::model::ids::{FindingId, StoreId};
use smallvec::SmallVec;

impl Search {
    /// Takes in what a step's prompt holds. A fresh delegate knows nothing but its prompt; later steps only read on.
    pub(super) fn read(&mut self, request: &Request) {
        let l = request.about.line.index();
        let line = &mut self.lines[l];
        let fresh = line.delegation != Some(request.about.attempt);
        if fresh {
            line.known.clear();
            line.misdirected = false;
            line.facts = 0;
            line.board_read = 0;
        }
        for span in &request.prompt {
            match span.content {
                Content::View { store, first, version } if span.role == SpanRole::Board => {
                    let from = self.lines[l].board_read.max(first);
                    self.lines[l].board_read = version;
                    self.read_entries(l, store, from, version);
                }
                Content::View { store, first, version } if fresh => self.read_entries(l, store, first, version),
                Content::Finding(f) if fresh => self.read_finding(l, f),
                _ => {}
            }
        }
    }

    fn read_entries(&mut self, l: usize, store: StoreId, from: u32, to: u32) {
        for i in from..to {
            let finding = self.entries(store, i, i + 1)[0];
            self.read_finding(l, finding);
        }
    }

    /// Entries of a store; one that nobody wrote to yet is empty.
    fn entries(&self, store: StoreId, first: u32, version: u32) -> &[FindingId] {
        if first >= version { &[] } else { &self.stores[store.index()][first as usize..version as usize] }
    }

    fn read_finding(&mut self, l: usize, finding: FindingId) {
        for i in 0..self.findings[finding.index()].len() {
            let item = self.findings[finding.index()][i];
            self.take_in(l, item);
        }
    }

    fn take_in(&mut self, l: usize, item: Item) {
        let me = l as u32;
        let (Item::Dead { author, .. } | Item::Fact { author, .. } | Item::Patch { author, .. }) = item;
        let own = author == me;
        if !own && !self.lines[l].herd_drawn {
            self.lines[l].herd_drawn = true;
            if self.draws(Hidden::Herd, me, 0, 0, 0).uniform(0) < self.sharing.herding {
                self.lines[l].follows = Some(author);
                self.lines[l].order = None;
            }
        }
        match item {
            Item::Dead { hypothesis, wrong, .. } => {
                // Only what would change something is drawn for: most dead ends are told by several authors.
                let line = &self.lines[l];
                let settled = line.known.contains(hypothesis) && (!wrong || line.misdirected || own);
                if settled {
                    return;
                }
                let respected =
                    || self.draws(Hidden::Respect, me, hypothesis, 0, author).uniform(0) < self.sharing.respect;
                if own || respected() {
                    self.lines[l].known.insert(hypothesis);
                    self.lines[l].misdirected |= wrong && !own;
                }
            }
            Item::Fact { .. } => self.lines[l].facts += u32::from(!own),
            Item::Patch { right, .. } => self.consider(l, author, right),
        }
    }

    /// A running line considers each candidate of a peer once.
    fn consider(&mut self, l: usize, author: u32, right: bool) {
        let me = l as u32;
        let line = &self.lines[l];
        let closed = matches!(line.doing, Doing::Finish { .. } | Doing::Done { .. })
            || matches!(line.resume, Some(Doing::Finish { .. } | Doing::Done { .. }));
        if author == me || closed || line.considered.contains(&author) {
            return;
        }
        let willing = if right { 1.0 } else { self.sharing.false_adoption_ratio } * self.sharing.adoption;
        let adopted = self.draws(Hidden::Adopt, me, author, 0, 0).uniform(0) < willing;
        let steps = if adopted { self.whole_steps(&self.spec.adoption_steps, me, ADOPTION) } else { 0 };
        let line = &mut self.lines[l];
        line.considered.push(author);
        if adopted {
            let finish = Doing::Finish { right, left: steps, done: 0 };
            if matches!(line.doing, Doing::Orient { .. }) {
                line.resume = Some(finish);
            } else {
                line.doing = finish;
            }
        }
    }

    /// Divisor of the odds for long views of others' entries.
    pub(super) fn distraction(&self, request: &Request) -> f64 {
        let tokens: u64 = request
            .prompt
            .iter()
            .filter(|s| matches!(s.role, SpanRole::Board | SpanRole::Reports))
            .map(|s| u64::from(s.tokens))
            .sum();
        1.0 + self.sharing.distraction_per_ktoken * tokens as f64 * 1e-3
    }

    /// A lead (or summariser) writes down what its prompt holds, as far as the asked length keeps it.
    pub(super) fn retell(&mut self, request: &Request, kind: FindingKind) -> Finding {
        let mut items: Vec<Item> = Vec::new();
        if request.purpose == Purpose::Dispatch && request.product_tokens == 0 && self.spec.tokens_per_detail > 0.0 {
            // Nothing survives being written in no words.
            return self.found(&[], kind, 0);
        }
        if let (Purpose::Report, Some(f)) = (request.purpose, request.subject) {
            items.extend_from_slice(&self.findings[f.index()]);
        } else {
            for span in &request.prompt {
                match span.content {
                    Content::View { store, first, version } => {
                        for f in self.entries(store, first, version) {
                            items.extend_from_slice(&self.findings[f.index()]);
                        }
                    }
                    Content::Finding(f) => items.extend_from_slice(&self.findings[f.index()]),
                    _ => {}
                }
            }
        }
        items.sort_unstable();
        items.dedup();
        let kept = self.keep(&items, request);
        self.found(&kept, kind, request.product_tokens)
    }

    /// Which items survive being written into the asked length, each by its own keyed draw.
    pub(super) fn keep(&self, items: &[Item], request: &Request) -> SmallVec<[Item; 2]> {
        let keep = keep_probability(f64::from(request.product_tokens), items.len(), self.spec.tokens_per_detail);
        let (line, attempt) = (request.about.line.0, request.about.attempt);
        items
            .iter()
            .filter(|item| {
                let (index, author, kind) = match **item {
                    Item::Dead { hypothesis, author, .. } => (hypothesis, author, 0),
                    Item::Fact { author, number } => (number, author, 1),
                    Item::Patch { author, .. } => (0, author, 2),
                };
                let step = (author << 6) | (u32::from(request.purpose.code()) << 2) | kind;
                keep >= 1.0 || self.draws(Hidden::Keep, line, index, attempt + 1, step).uniform(0) < keep
            })
            .copied()
            .collect()
    }
}
