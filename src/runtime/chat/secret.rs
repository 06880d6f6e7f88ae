//! The key, and how texts are cleaned of it.
//!
//! Invariant: neither `Debug` nor `Display` shows it; only the client reads it, for one header.

use std::fmt;

/// What stands where the key was.
const REDACTED: &str = "[redacted]";
/// Shorter "keys" (`none`, `EMPTY`) are words that servers without keys are given, and are left in texts.
const LEAST_BYTES: usize = 6;

/// A key that must not be seen.
#[derive(Clone, Default)]
pub struct Secret(String);

impl Secret {
    /// Takes a key; surrounding white space does not count.
    pub fn new(key: &str) -> Self {
        Self(key.trim().to_owned())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the key may stand in a header: no control characters, no line ends.
    pub fn is_sendable(&self) -> bool {
        self.0.bytes().all(|b| (0x20..0x7f).contains(&b))
    }

    /// The key itself, for the header and nothing else.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    /// The text without the key, whatever form it has there.
    pub fn clean(&self, text: &str) -> String {
        if self.0.len() < LEAST_BYTES {
            return text.to_owned();
        }
        let mut clean = text.to_owned();
        let quoted = serde_json::to_string(&self.0).expect("a text is JSON");
        let encoded: String = self
            .0
            .bytes()
            .map(|b| match b {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(b).to_string(),
                _ => format!("%{b:02X}"),
            })
            .collect();
        for form in [self.0.as_str(), quoted.trim_matches('"'), &encoded, &encoded.to_lowercase()] {
            if clean.contains(form) {
                clean = clean.replace(form, REDACTED);
            }
        }
        clean
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::new(" sk-a/b\"c-123 \n");
        assert_eq!(format!("{secret} {secret:?}"), "[redacted] [redacted]");
        let echo = "bad key sk-a/b\"c-123, sk-a/b\\\"c-123, sk-a%2Fb%22c-123";
        assert_eq!(secret.clean(echo), "bad key [redacted], [redacted], [redacted]");
        assert_eq!(Secret::new("EMPTY").clean("EMPTY list"), "EMPTY list");
        assert_eq!(Secret::default().clean("text"), "text");
        assert!(!Secret::new("a\nb").is_sendable());
    }
}
