//! What a solver takes from its prompt, and what is lost when somebody retells it.

use super::super::Hidden;
use super::line::{Doing, Item};
use super::told::{Candidate, Told};
use super::{ADOPTION, Search};
use crate::model::call::{Content, Finding, FindingKind, PromptSpan, Purpose, Request, SpanRole};
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
            line.reader = request.about.attempt;
            line.known.clear();
            line.misdirected = false;
            line.facts = 0;
            line.board_read = 0;
            // A board that is seen whole is read whole again; else what was taken from it is forgotten.
            let store = line.board.store;
            let whole = request.prompt.iter().find_map(|span| self.whole_board(span).filter(|(of, _)| *of == store));
            self.lines[l].board.see(whole.map_or(0, |(_, version)| version));
        }
        for span in &request.prompt {
            if let Some((store, version)) = self.whole_board(span)
                && (store == self.lines[l].board.store || self.lines[l].board.version == 0)
            {
                self.see_board(l, store, version);
                continue;
            }
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

    /// The store and the length of a board that a span shows from its first entry on.
    fn whole_board(&self, span: &PromptSpan) -> Option<(StoreId, u32)> {
        match span.content {
            Content::View { store, first: 0, version } if span.role == SpanRole::Board => {
                self.told(store).map(|_| (store, version))
            }
            _ => None,
        }
    }

    fn told(&self, store: StoreId) -> Option<&Told> {
        self.stores.get(store.index())?.told.as_deref()
    }

    /// The first `version` entries of a board are in view. What they tell is looked up when it matters.
    fn see_board(&mut self, l: usize, store: StoreId, version: u32) {
        let me = l as u32;
        let line = &mut self.lines[l];
        line.board.store = store;
        line.board_read = version.max(line.board_read);
        if version > line.board.version {
            line.board.see(version);
        }
        let Some(told) = self.told(store) else { return };
        if !self.lines[l].herd_drawn
            && let Some(author) = told.first_voice(me, version)
        {
            self.draw_herd(l, author);
        }
        while let Some(&Candidate { position, author, right }) =
            self.told(store).and_then(|told| told.candidates.get(self.lines[l].board.candidates_seen as usize))
            && position < version
        {
            self.lines[l].board.candidates_seen += 1;
            self.consider(l, author, right);
        }
    }

    /// Whether a line knows a wrong hypothesis to be dead.
    pub(super) fn knows(&mut self, l: usize, hypothesis: u32) -> bool {
        let line = &self.lines[l];
        line.known.contains(hypothesis)
            || line.board.known.contains(hypothesis)
            || self.hears_of(l, self.lines[l].board.store, hypothesis)
    }

    /// Looks up all that the board tells a line of dead ends.
    pub(super) fn look_up_dead_ends(&mut self, l: usize) {
        let store = self.lines[l].board.store;
        let Some(hypotheses) = self.told(store).map(|told| told.hypotheses.len()) else { return };
        for i in 0..hypotheses {
            let Some(hypothesis) = self.told(store).map(|told| told.hypotheses[i]) else { return };
            if !self.lines[l].board.known.contains(hypothesis) {
                self.hears_of(l, store, hypothesis);
            }
        }
    }

    /// Whether the board tells a line of a dead end in a note that it respects. One of its own it knows.
    fn hears_of(&mut self, l: usize, store: StoreId, hypothesis: u32) -> bool {
        let me = l as u32;
        let heard = &self.lines[l].board;
        let Some(told) = self.told(store) else { return false };
        let notes = told.dead_ends(hypothesis);
        let place = heard.disregarded.iter().position(|(h, _)| *h == hypothesis);
        let before = place.map_or(0, |place| heard.disregarded[place].1 as usize);
        let visible = notes[before..].iter().take_while(|note| note.position < heard.version);
        let mut looked_at = before;
        let mut respected = false;
        for note in visible {
            looked_at += 1;
            respected = self.is_own(me, hypothesis, note.author) || self.respects(me, hypothesis, note.author);
            if respected {
                break;
            }
        }
        let heard = &mut self.lines[l].board;
        match (respected, place) {
            (true, place) => {
                heard.known.insert(hypothesis);
                place.map(|place| heard.disregarded.swap_remove(place));
            }
            (false, Some(place)) => heard.disregarded[place].1 = looked_at as u32,
            (false, None) if looked_at > 0 => heard.disregarded.push((hypothesis, looked_at as u32)),
            (false, None) => {}
        }
        respected
    }

    /// Whether a wrong note hides the true hypothesis from a line.
    pub(super) fn is_misdirected(&mut self, l: usize) -> bool {
        let me = l as u32;
        let line = &self.lines[l];
        let (store, mut seen) = (line.board.store, line.board.wrong_seen);
        if line.misdirected || line.board.misdirected {
            return true;
        }
        let Some(told) = self.told(store) else { return false };
        let visible = told.wrong[seen as usize..].iter().take_while(|note| note.position < line.board.version);
        let mut misdirected = false;
        for note in visible {
            seen += 1;
            misdirected =
                !self.is_own(me, note.hypothesis, note.author) && self.respects(me, note.hypothesis, note.author);
            if misdirected {
                break;
            }
        }
        (self.lines[l].board.wrong_seen, self.lines[l].board.misdirected) = (seen, misdirected);
        misdirected
    }

    /// Facts of others that a line has read, as far as more of them change anything.
    pub(super) fn facts(&mut self, l: usize) -> u32 {
        let (me, cap) = (l as u32, self.sharing.fact_cap);
        let line = &mut self.lines[l];
        let heard = &mut line.board;
        if let Some(told) = self.stores.get(heard.store.index()).and_then(|store| store.told.as_deref()) {
            while heard.facts < cap
                && let Some(&(position, author)) = told.facts.get(heard.facts_seen as usize)
                && position < heard.version
            {
                heard.facts_seen += 1;
                heard.facts += u32::from(author != me);
            }
        }
        line.facts.saturating_add(line.board.facts).min(cap)
    }

    /// Whether a line takes a dead end that it is told of as its own experience: it is of its own line, and whoever works
    /// on it now has been through it, or trusts who has.
    fn is_own(&self, me: u32, hypothesis: u32, author: u32) -> bool {
        let trust = self.sharing.own_line_trust;
        let line = &self.lines[me as usize];
        let reader = line.reader;
        author == me
            && (trust >= 1.0
                || reader == 0
                || line.known.contains(hypothesis)
                || self.draws(Hidden::Trust, me, hypothesis, reader, 0).uniform(0) < trust)
    }

    /// Whether a line respects a dead end that it is told of. A fresh delegate of the same line is another reader.
    fn respects(&self, me: u32, hypothesis: u32, author: u32) -> bool {
        let reader = if author == me { self.lines[me as usize].reader } else { 0 };
        self.draws(Hidden::Respect, me, hypothesis, reader, author).uniform(0) < self.sharing.respect
    }

    fn draw_herd(&mut self, l: usize, author: u32) {
        self.lines[l].herd_drawn = true;
        if self.draws(Hidden::Herd, l as u32, 0, 0, 0).uniform(0) < self.sharing.herding {
            self.lines[l].follows = Some(author);
            self.lines[l].order = None;
        }
    }

    fn read_entries(&mut self, l: usize, store: StoreId, from: u32, to: u32) {
        for i in from..to {
            let finding = self.stores[store.index()].entries[i as usize];
            self.read_finding(l, finding);
        }
    }

    /// Entries of a store; one that nobody wrote to yet is empty.
    fn entries(&self, store: StoreId, first: u32, version: u32) -> &[FindingId] {
        if first >= version { &[] } else { &self.stores[store.index()].entries[first as usize..version as usize] }
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
            self.draw_herd(l, author);
        }
        match item {
            Item::Dead { hypothesis, wrong, .. } => {
                let own = self.is_own(me, hypothesis, author);
                // Only what would change something is drawn for: most dead ends are told by several authors.
                let line = &self.lines[l];
                let settled = line.known.contains(hypothesis) && (!wrong || line.misdirected || own);
                if settled {
                    return;
                }
                if own || self.respects(me, hypothesis, author) {
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
            let source = self.lines[author as usize].taken_over.unwrap_or(author);
            let line = &mut self.lines[l];
            line.taken_over = Some(source);
            let finish = Doing::Finish { right, left: steps, done: 0 };
            if matches!(line.doing, Doing::Orient { .. }) {
                line.resume = Some(finish);
            } else {
                line.doing = finish;
            }
        }
    }

    /// A lead (or summariser) writes down what its prompt holds, as far as the asked length keeps it.
    pub(super) fn retell(&mut self, request: &Request, kind: FindingKind) -> Finding {
        if request.purpose == Purpose::Dispatch && request.product_tokens == 0 && self.spec.tokens_per_detail > 0.0 {
            // Nothing survives being written in no words.
            return self.found(&[], kind, 0);
        }
        let mut told: Vec<u64> = Vec::new();
        let mut tell = |f: FindingId| told.extend(self.findings[f.index()].iter().map(|item| item.rank()));
        if let (Purpose::Report, Some(f)) = (request.purpose, request.subject) {
            tell(f);
        } else {
            for span in &request.prompt {
                match span.content {
                    Content::View { store, first, version } => {
                        self.entries(store, first, version).iter().copied().for_each(&mut tell);
                    }
                    Content::Finding(f) => tell(f),
                    _ => {}
                }
            }
        }
        told.sort_unstable();
        told.dedup();
        let items: Vec<Item> = told.into_iter().map(Item::of_rank).collect();
        let kept = self.keep(&items, request);
        self.found(&kept, kind, request.product_tokens)
    }

    /// Which items survive being written into the asked length, each by its own keyed draw.
    pub(super) fn keep(&self, items: &[Item], request: &Request) -> SmallVec<[Item; 2]> {
        let keep = keep_probability(f64::from(request.product_tokens), items.len(), self.spec.tokens_per_detail);
        let (line, attempt) = (request.about.line.0, request.about.attempt);
        let kept = items.iter().filter(|item| {
            let (index, author, kind) = match **item {
                Item::Dead { hypothesis, author, .. } => (hypothesis, author, 0),
                Item::Fact { author, number } => (number, author, 1),
                Item::Patch { author, .. } => (0, author, 2),
            };
            let step = (author << 6) | (u32::from(request.purpose.code()) << 2) | kind;
            keep >= 1.0 || self.draws(Hidden::Keep, line, index, attempt + 1, step).uniform(0) < keep
        });
        SmallVec::from_slice(&kept.copied().collect::<Vec<Item>>())
    }
}
