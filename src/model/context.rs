//! The shared context: an append-only list of admitted entries. A view is a version number and a window.
//!
//! Invariant: versions are consecutive; a reader at version v sees exactly the newest entries below v that fit its window.

use smallvec::SmallVec;

/// What a reader gets: entries `first..version` of `tokens` tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// First entry in the window.
    pub first: u32,
    /// One past the newest entry.
    pub version: u32,
    /// Length of the window.
    pub tokens: u32,
}

/// The lengths of an append-only list of findings.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// `ends[i]` = tokens of entries `0..=i`. Which findings they are, the world knows from the notes. Every agent has a
    /// list of its own, and most lists are short.
    ends: SmallVec<[u64; 2]>,
}

impl Context {
    /// Appends an entry and returns the new version.
    pub fn append(&mut self, tokens: u32) -> u32 {
        self.ends.push(self.tokens() + u64::from(tokens));
        self.version()
    }

    /// The number of entries.
    pub fn version(&self) -> u32 {
        self.ends.len() as u32
    }

    /// Total length.
    pub fn tokens(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// The newest entries that fit into `window` tokens (all if there is no window); costs a binary search.
    pub fn view(&self, window: Option<u64>) -> View {
        let version = self.version();
        let total = self.tokens();
        let first = match window {
            Some(w) if total > w => self.ends.partition_point(|&end| end < total - w) as u32 + 1,
            _ => 0,
        };
        let before = if first == 0 { 0 } else { self.ends[first as usize - 1] };
        View { first, version, tokens: u32::try_from(total - before).unwrap_or(u32::MAX) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_holds_the_newest_entries_that_fit() {
        let mut c = Context::default();
        for _ in 0..10 {
            c.append(25);
        }
        assert_eq!(c.view(None), View { first: 0, version: 10, tokens: 250 });
        assert_eq!(c.view(Some(100)), View { first: 6, version: 10, tokens: 100 });
        assert_eq!(c.view(Some(110)), View { first: 6, version: 10, tokens: 100 });
        assert_eq!(c.view(Some(99)), View { first: 7, version: 10, tokens: 75 });
        assert_eq!(c.view(Some(10)), View { first: 10, version: 10, tokens: 0 });
    }
}
