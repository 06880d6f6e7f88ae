//! Keeps secrets out of transcripts: key-shaped words and bearer tokens become `[redacted]`. Headers are never copied in
//! the first place.

use std::borrow::Cow;

/// Beginnings of keys, and how many characters must follow.
const PREFIXES: &[(&str, usize)] = &[
    ("sk-", 16),
    ("sk_live_", 12),
    ("gsk_", 16),
    ("xai-", 16),
    ("hf_", 16),
    ("ghp_", 16),
    ("gho_", 16),
    ("github_pat_", 16),
    ("glpat-", 16),
    ("xoxb-", 10),
    ("xoxp-", 10),
    ("AKIA", 16),
    ("AIza", 30),
    ("eyJhbGci", 40),
];
const MARK: &str = "[redacted]";

fn is_key(c: u8) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.')
}

/// The text without secrets, and how many there were.
pub(super) fn redact(text: &str) -> (Cow<'_, str>, u64) {
    let bytes = text.as_bytes();
    let mut out = String::new();
    let (mut kept, mut at, mut found) = (0, 0, 0);
    while at < bytes.len() {
        let inside = at > 0 && bytes[at - 1].is_ascii_alphanumeric();
        match (!inside).then(|| secret(&bytes[at..])).flatten() {
            Some((skip, length)) => {
                // A secret and what leads to it are ASCII: these are character boundaries.
                out.push_str(&text[kept..at + skip]);
                out.push_str(MARK);
                at += skip + length;
                kept = at;
                found += 1;
            }
            None => at += 1,
        }
    }
    if found == 0 {
        return (Cow::Borrowed(text), 0);
    }
    out.push_str(&text[kept..]);
    (Cow::Owned(out), found)
}

/// If a secret begins here: characters to keep, characters to drop.
fn secret(rest: &[u8]) -> Option<(usize, usize)> {
    let first = *rest.first()?;
    if first.eq_ignore_ascii_case(&b'b') {
        let word = rest.get(..7)?;
        let length = rest[7..].iter().take_while(|c| is_key(**c) || matches!(c, b'+' | b'/' | b'=')).count();
        let is_token = rest[7..7 + length].iter().any(u8::is_ascii_digit);
        return (word.eq_ignore_ascii_case(b"bearer ") && length >= 16 && is_token).then_some((7, length));
    }
    let (prefix, most) = PREFIXES.iter().find(|(prefix, _)| rest.starts_with(prefix.as_bytes()))?;
    let length = rest[prefix.len()..].iter().take_while(|c| is_key(**c)).count();
    let tail = &rest[prefix.len()..prefix.len() + length];
    // Words of prose have no digits.
    (length >= *most && tail.iter().any(u8::is_ascii_digit)).then_some((0, prefix.len() + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_go_and_prose_stays() {
        let text =
            "risk-averse task-1234567890123456 é sk-abcdefghij0123456789. Authorization: Bearer abcdefghij0123456789=";
        let (out, found) = redact(text);
        assert_eq!(out, "risk-averse task-1234567890123456 é [redacted] Authorization: Bearer [redacted]");
        assert_eq!(found, 2);
        assert_eq!(redact("nothing to see, sk-short").1, 0);
    }
}
