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
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Keys are already well mixed.
#[derive(Default)]
struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("only u64 keys are hashed");
    }
    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Version {
    tokens: u64,
    from: Time,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    readable: Version,
    coming: Version,
    expires: Time,
}

/// The cache of one endpoint.
#[derive(Debug)]
pub struct PrefixCache {
    enabled: bool,
    lifetime: Span,
    min_tokens: u64,
    entries: HashMap<u64, Entry, BuildHasherDefault<AsIs>>,
    purge_at: usize,
}

fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    x = (x ^ (x >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    x ^ (x >> 32)
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

/// The texts of a prompt as (chain key, length); stops before the first text nobody can share.
fn texts(task: u32, prompt: &Prompt) -> impl Iterator<Item = (u64, u64)> + '_ {
    let mut chain = mix(u64::from(task) + 1);
    let mut spans = prompt.iter().peekable();
    std::iter::from_fn(move || {
        let span = spans.find(|s| s.tokens > 0)?;
        let code = content_code(span.content)?;
        let mut tokens = u64::from(span.tokens);
        while let Some(next) = spans.next_if(|n| content_code(n.content) == Some(code)) {
            tokens += u64::from(next.tokens);
        }
        let key = mix(chain ^ mix(code));
        chain = mix(key ^ tokens);
        Some((key, tokens))
    })
}

impl PrefixCache {
    /// An empty cache.
    pub fn new(spec: &CacheSpec) -> Self {
        Self {
            enabled: spec.enabled,
            lifetime: Span::from_secs_f64(spec.lifetime_s),
            min_tokens: u64::from(spec.min_tokens),
            entries: HashMap::default(),
            purge_at: 1 << 12,
        }
    }

    /// Whether anything is ever cached.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Tokens of the prompt's prefix that are readable now; renews what it reads.
    pub fn read(&mut self, now: Time, task: u32, prompt: &Prompt) -> u64 {
        if !self.enabled {
            return 0;
        }
        let mut cached = 0;
        for (key, tokens) in texts(task, prompt) {
            let Some(entry) = self.entries.get_mut(&key) else {
                break;
            };
            if entry.expires < now {
                break;
            }
            if entry.coming.tokens > 0 && entry.coming.from <= now {
                entry.readable = entry.coming;
                entry.coming = Version::default();
            }
            if entry.readable.tokens == 0 {
                break;
            }
            entry.expires = entry.expires.max(now + self.lifetime);
            cached += entry.readable.tokens.min(tokens);
            if entry.readable.tokens < tokens {
                break;
            }
        }
        if cached < self.min_tokens { 0 } else { cached }
    }

    /// Like [`PrefixCache::read`] without renewing anything; also the next instant at which more of the prefix becomes
    /// readable, if a call on its way is writing it.
    pub fn peek(&self, now: Time, task: u32, prompt: &Prompt) -> (u64, Option<Time>) {
        let mut cached = 0;
        let mut more: Option<Time> = None;
        // What stands behind a part that nobody can read yet is not readable either, but may be before that part's time
        // is over; the first coming part of the chain is looked at again when it comes.
        if self.enabled {
            for (key, tokens) in texts(task, prompt) {
                let Some(entry) = self.entries.get(&key).filter(|e| e.expires >= now) else {
                    break;
                };
                let coming = entry.coming.tokens > 0;
                let readable = if coming && entry.coming.from <= now { entry.coming } else { entry.readable };
                if coming && entry.coming.from > now {
                    more = Some(more.map_or(entry.coming.from, |m| m.min(entry.coming.from)));
                }
                cached += readable.tokens.min(tokens);
                if readable.tokens < tokens {
                    break;
                }
            }
        }
        (if cached < self.min_tokens { 0 } else { cached }, more)
    }

    /// Registers a prompt that becomes readable at `from`.
    pub fn write(&mut self, now: Time, from: Time, task: u32, prompt: &Prompt) {
        if !self.enabled {
            return;
        }
        if self.entries.len() >= self.purge_at {
            #[allow(clippy::disallowed_methods, reason = "which entries stay does not depend on the order")]
            self.entries.retain(|_, e| e.expires >= now);
            self.purge_at = (self.entries.len() * 2).max(1 << 12);
        }
        for (key, tokens) in texts(task, prompt) {
            let entry = self.entries.entry(key).or_default();
            if entry.expires < now {
                *entry = Entry::default();
            }
            if entry.coming.tokens > 0 && entry.coming.from <= now {
                entry.readable = entry.coming;
                entry.coming = Version::default();
            }
            let sooner = entry.coming.tokens == tokens && entry.coming.from <= from;
            if entry.readable.tokens < tokens && !sooner {
                entry.coming = Version { tokens, from };
            }
            entry.expires = entry.expires.max(from + self.lifetime);
        }
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
        assert_eq!(cache.read(at(0), 0, &prompt(0, 700)), 0);
        cache.write(at(0), at(1), 0, &prompt(0, 700));
        assert_eq!(cache.read(at(0), 0, &prompt(0, 700)), 0, "not before the writer's first token");
        assert_eq!(cache.read(at(2), 0, &prompt(700, 700)), 2700);
        assert_eq!(cache.read(at(30), 0, &prompt(700, 700)), 0, "lifetime is over");
        assert_eq!(cache.read(at(2), 1, &prompt(700, 700)), 0, "another task's prompt");
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
        cache.write(at(0), at(0), 0, &board(1000));
        assert_eq!(cache.read(at(1), 0, &board(1000)), 8000);
        assert_eq!(cache.read(at(1), 0, &board(1100)), 3000);
    }

    #[test]
    fn short_prefixes_are_not_cached() {
        let mut cache = PrefixCache::new(&CacheSpec { min_tokens: 4096, ..CacheSpec::default() });
        cache.write(at(0), at(0), 0, &prompt(0, 700));
        assert_eq!(cache.read(at(1), 0, &prompt(700, 0)), 0);
    }
}
