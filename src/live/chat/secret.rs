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

    /// The text without the key, whatever form it has there: as it is, escaped as in JSON (also twice), or as in a URL.
    pub fn clean(&self, text: &str) -> String {
        if self.0.len() < LEAST_BYTES {
            return text.to_owned();
        }
        let (mut clean, mut rest) = (String::with_capacity(text.len()), text);
        while let Some(c) = rest.chars().next() {
            let length = if let Some(length) = found(rest.as_bytes(), self.0.as_bytes()) {
                clean.push_str(REDACTED);
                length
            } else {
                clean.push(c);
                c.len_utf8()
            };
            rest = &rest[length..];
        }
        clean
    }

    /// As `clean`, of a text whose end was cut off: half a key at its end goes, too.
    pub(super) fn clean_cut(&self, text: &str) -> String {
        let mut clean = self.clean(text);
        let keep = clean.len().saturating_sub(self.0.len() * LONGEST_FORM);
        clean.truncate(clean.floor_char_boundary(keep));
        clean
    }
}

/// Most bytes that a byte of a key takes in an escaped form.
const LONGEST_FORM: usize = 12;

/// Length of the key at the start of a text, if it is there in any form.
fn found(text: &[u8], key: &[u8]) -> Option<usize> {
    key.iter().try_fold(0, |at, byte| Some(at + form(&text[at..], *byte)?))
}

/// Length of one byte of the key at the start of a text: `a`, `\\a`, `\\u0061`, `%61`.
fn form(text: &[u8], byte: u8) -> Option<usize> {
    let hex = |digits: &[u8]| u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
    if text.first() == Some(&b'%') && text.get(1..3).and_then(hex) == Some(u32::from(byte)) {
        return Some(3);
    }
    if text.first() == Some(&byte) && byte != b'\\' {
        return Some(1);
    }
    let slashes = text.iter().take_while(|b| **b == b'\\').count();
    let rest = &text[slashes..];
    match slashes {
        0 => None,
        _ if rest.first() == Some(&b'u') && rest.get(1..5).and_then(hex) == Some(u32::from(byte)) => Some(slashes + 5),
        _ if byte == b'\\' => Some(slashes),
        _ => (rest.first() == Some(&byte)).then_some(slashes + 1),
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
        for form in
            ["sk-a\\/b\\\"c-123", "\\u0073k-\\u0061/b\\\\\"c-12\\u0033", "sk-a%2fb%22c-123", "\\\\u0073k-a/b\"c-123"]
        {
            assert_eq!(secret.clean(&format!("x{form}y")), "x[redacted]y", "{form}");
        }
        let long = format!("{}sk-a/b", "x".repeat(200));
        assert!(!secret.clean_cut(&long).contains("sk-a"));
        assert_eq!(Secret::new("EMPTY").clean("EMPTY list"), "EMPTY list");
        assert_eq!(Secret::default().clean("text"), "text");
        assert!(!Secret::new("a\nb").is_sendable());
    }
}
