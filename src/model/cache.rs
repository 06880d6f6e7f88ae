//! Prefix cache: which part of a prompt has been processed before.
//!
//! A prompt is a chain of texts (adjacent spans of equal content are one text). A text may be found only behind
//! the same chain, and shares its common length with the longest earlier version. It becomes readable at the first
//! token of the call that wrote it, so that N simultaneous starts all miss.
//!
//! Invariant: cached tokens are at most the prompt's tokens; a hit never reaches past the first text that grew.

use super::call::{Content, Prompt};
use super::endpoint::CacheSpec;
use crate::kernel::{Span, Time};
use smallvec::SmallVec;
use std::ops::ControlFlow;

/// What is known of one text. Lengths are of its longest version that can be read, and of one that is being written.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    readable: u32,
    coming: u32,
    from: Time,
    expires: Time,
}

impl Entry {
    /// What was coming and has come can be read.
    fn arrive(&mut self, now: Time) {
        if self.coming > 0 && self.from <= now {
            self.readable = std::mem::take(&mut self.coming);
        }
    }
}

/// Texts by chain key: a small index with linear probing over the texts themselves, which stand in the order in which
/// they came. What a team works on now came lately, so it lies together in memory. Keys are well mixed already, and the
/// place of a text stays the same from reading a prompt to writing it.
#[derive(Debug, Default)]
struct Table {
    /// One more than the place of a text in as many bits as places need, upper bits of its key in the others; 0 where no
    /// text stands.
    index: Vec<u32>,
    texts: Vec<(u64, Entry)>,
}

const FEWEST_SLOTS: usize = 1 << 6;

impl Table {
    /// The slot of a text in the index, or the free one where it would stand; and the bits of a slot that tell a place,
    /// with those that tell the key.
    #[inline]
    fn seek(&self, key: u64) -> (usize, u32, u32) {
        let mask = self.index.len() as u32 - 1;
        let (places, of_key) = (mask, (key >> 32) as u32 & !mask);
        let mut slot = (key as u32 & mask) as usize;
        loop {
            let found = self.index[slot];
            let place = found & places;
            if found == 0 || found ^ place == of_key && self.texts[place as usize - 1].0 == key {
                return (slot, place, of_key);
            }
            slot = (slot + 1) & mask as usize;
        }
    }

    fn get(&self, key: u64) -> Option<&Entry> {
        if self.index.is_empty() {
            return None;
        }
        let place = self.seek(key).1.checked_sub(1)?;
        Some(&self.texts[place as usize].1)
    }

    /// The place of a text that is there from now on.
    #[inline]
    fn place(&mut self, key: u64) -> u32 {
        let (slot, place, of_key) = self.seek(key);
        if place > 0 {
            return place - 1;
        }
        if self.texts.len() == self.texts.capacity() {
            self.texts.reserve_exact(self.texts.len() / 4 + FEWEST_SLOTS);
        }
        self.texts.push((key, Entry::default()));
        self.index[slot] = of_key | self.texts.len() as u32;
        self.texts.len() as u32 - 1
    }

    /// Makes sure that so many more texts find a place, and that a quarter of the index stays free. What has expired
    /// goes first. A team has many texts for each of its agents, so both lists have little slack.
    #[inline]
    fn make_room(&mut self, more: usize, now: Time) {
        if (self.texts.len() + more) * 4 > self.index.len() * 3 {
            self.rebuild(more, now);
        }
    }

    #[cold]
    fn rebuild(&mut self, more: usize, now: Time) {
        self.texts.retain(|(_, entry)| entry.expires >= now);
        let slots = ((self.texts.len() + more) * 2).next_power_of_two().max(FEWEST_SLOTS);
        // The old index goes before the new one comes.
        self.index = Vec::new();
        self.index = vec![0; slots];
        for place in 1..=self.texts.len() as u32 {
            let (slot, _, of_key) = self.seek(self.texts[place as usize - 1].0);
            self.index[slot] = of_key | place;
        }
    }
}

/// The cache of one endpoint.
#[derive(Debug)]
pub struct PrefixCache {
    enabled: bool,
    lifetime: Span,
    min_tokens: u64,
    texts: Table,
}

/// Both halves of a product, folded: upper and lower bits of the key depend on all bits of what is mixed.
#[inline]
fn mix(x: u64) -> u64 {
    const MULTIPLIER: u64 = 0xd134_2543_de82_ef95;
    let product = u128::from(x) * u128::from(MULTIPLIER);
    (product >> 64) as u64 ^ product as u64
}

fn content_code(content: Content) -> Option<u64> {
    Some(match content {
        Content::Instructions(purpose) => 1 << 60 | u64::from(purpose.code()),
        Content::Task => 2 << 60,
        Content::Source(s) => 3 << 60 | u64::from(s.0),
        Content::View { store, first, .. } => 4 << 60 | u64::from(store.0) << 32 | u64::from(first),
        Content::History { agent, epoch } => 5 << 60 | u64::from(agent.0) << 32 | u64::from(epoch),
        Content::Finding(f) => 6 << 60 | u64::from(f.0),
        Content::Unfolded(s) => 7 << 60 | u64::from(s.0),
        Content::Fresh => return None,
    })
}

/// Calls `each` with the texts of a prompt, as (chain key, length), in order; stops before the first text nobody can
/// share, or when `each` says so.
#[inline]
fn texts(task: u32, prompt: &Prompt, mut each: impl FnMut(u64, u32) -> ControlFlow<()>) {
    let mut chain = mix(u64::from(task) + 1);
    let (mut code, mut tokens) = (0, 0);
    for span in prompt.iter().filter(|span| span.tokens > 0) {
        let next = content_code(span.content);
        if next == Some(code) {
            tokens = span.tokens.saturating_add(tokens);
            continue;
        }
        if tokens > 0 {
            let key = mix(chain ^ code);
            if each(key, tokens).is_break() {
                return;
            }
            chain = key.wrapping_add(u64::from(tokens) << 32 | u64::from(tokens));
        }
        let Some(next) = next else { return };
        (code, tokens) = (next, span.tokens);
    }
    if tokens > 0 {
        let _ = each(mix(chain ^ code), tokens);
    }
}

/// One call's prompt at a cache: what of it can be read, and its registration. Its texts are looked up once.
#[derive(Debug)]
pub struct Visit<'c> {
    cache: &'c mut PrefixCache,
    now: Time,
    /// Place and length of each text.
    texts: SmallVec<[(u32, u32); 7]>,
}

impl Visit<'_> {
    /// Tokens of the prompt's prefix that are readable now; renews what it reads.
    pub fn read(&mut self) -> u64 {
        let now = self.now;
        let mut cached = 0;
        for &(place, tokens) in &self.texts {
            let entry = &mut self.cache.texts.texts[place as usize].1;
            if entry.expires < now {
                break;
            }
            entry.arrive(now);
            if entry.readable == 0 {
                break;
            }
            entry.expires = entry.expires.max(now + self.cache.lifetime);
            cached += u64::from(entry.readable.min(tokens));
            if entry.readable < tokens {
                break;
            }
        }
        self.cache.long_enough(cached)
    }

    /// Registers the prompt, which becomes readable at `from`.
    pub fn write(self, from: Time) {
        for &(place, tokens) in &self.texts {
            let entry = &mut self.cache.texts.texts[place as usize].1;
            if entry.expires < self.now {
                *entry = Entry::default();
            }
            entry.arrive(self.now);
            let sooner = entry.coming == tokens && entry.from <= from;
            if entry.readable < tokens && !sooner {
                (entry.coming, entry.from) = (tokens, from);
            }
            entry.expires = entry.expires.max(from + self.cache.lifetime);
        }
    }
}

impl PrefixCache {
    /// An empty cache.
    pub fn new(spec: &CacheSpec) -> Self {
        Self {
            enabled: spec.enabled,
            lifetime: Span::from_secs_f64(spec.lifetime_s),
            min_tokens: u64::from(spec.min_tokens),
            texts: Table::default(),
        }
    }

    /// Whether anything is ever cached.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    fn long_enough(&self, cached: u64) -> u64 {
        if cached < self.min_tokens { 0 } else { cached }
    }

    /// A call comes with this prompt.
    pub fn visit(&mut self, now: Time, task: u32, prompt: &Prompt) -> Visit<'_> {
        let mut found = SmallVec::new();
        if self.enabled {
            self.texts.make_room(prompt.len(), now);
            texts(task, prompt, |key, tokens| {
                found.push((self.texts.place(key), tokens));
                ControlFlow::Continue(())
            });
        }
        Visit { cache: self, now, texts: found }
    }

    /// Tokens that a visit would read, without renewing anything; also the next instant at which more of the prefix
    /// becomes readable, if a call on its way is writing it.
    pub fn peek(&self, now: Time, task: u32, prompt: &Prompt) -> (u64, Option<Time>) {
        let mut cached = 0;
        let mut more: Option<Time> = None;
        // What stands behind a part that nobody can read yet is not readable either, but may be before that part's time
        // is over; the first coming part of the chain is looked at again when it comes.
        if self.enabled {
            texts(task, prompt, |key, tokens| {
                let Some(mut entry) = self.texts.get(key).copied().filter(|e| e.expires >= now) else {
                    return ControlFlow::Break(());
                };
                entry.arrive(now);
                if entry.coming > 0 {
                    more = Some(more.map_or(entry.from, |m| m.min(entry.from)));
                }
                cached += u64::from(entry.readable.min(tokens));
                if entry.readable < tokens {
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            });
        }
        (self.long_enough(cached), more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::call::{PromptSpan, SpanRole};
    use crate::model::ids::AgentId;
    use smallvec::smallvec;

    fn prompt(history: u32, new: u32) -> Prompt {
        let own = Content::History { agent: AgentId(0), epoch: 0 };
        smallvec![
            PromptSpan { content: Content::Task, role: SpanRole::Task, tokens: 2000 },
            PromptSpan { content: own, role: SpanRole::History, tokens: history },
            PromptSpan { content: own, role: SpanRole::New, tokens: new },
        ]
    }

    fn at(s: u64) -> Time {
        Time::from_nanos(s * 1_000_000_000)
    }

    #[test]
    fn a_growing_history_is_read_back_in_full() {
        let mut cache = PrefixCache::new(&CacheSpec { lifetime_s: 10.0, ..CacheSpec::default() });
        assert_eq!(cache.visit(at(0), 0, &prompt(0, 700)).read(), 0);
        cache.visit(at(0), 0, &prompt(0, 700)).write(at(1));
        assert_eq!(cache.visit(at(0), 0, &prompt(0, 700)).read(), 0, "not before the writer's first token");
        assert_eq!(cache.visit(at(2), 0, &prompt(700, 700)).read(), 2700);
        assert_eq!(cache.visit(at(30), 0, &prompt(700, 700)).read(), 0, "lifetime is over");
        assert_eq!(cache.visit(at(2), 1, &prompt(700, 700)).read(), 0, "another task's prompt");
    }

    #[test]
    fn a_text_that_grows_hides_what_stands_behind_it() {
        let mut cache = PrefixCache::new(&CacheSpec::default());
        let board = |tokens| -> Prompt {
            let mut p = prompt(5000, 0);
            let view = Content::View { store: crate::model::ids::StoreId(0), first: 0, version: tokens };
            p.insert(1, PromptSpan { content: view, role: SpanRole::Board, tokens });
            p
        };
        cache.visit(at(0), 0, &board(1000)).write(at(0));
        assert_eq!(cache.visit(at(1), 0, &board(1000)).read(), 8000);
        assert_eq!(cache.visit(at(1), 0, &board(1100)).read(), 3000);
    }

    #[test]
    fn short_prefixes_are_not_cached() {
        let mut cache = PrefixCache::new(&CacheSpec { min_tokens: 4096, ..CacheSpec::default() });
        cache.visit(at(0), 0, &prompt(0, 700)).write(at(0));
        assert_eq!(cache.visit(at(1), 0, &prompt(700, 0)).read(), 0);
    }
}
