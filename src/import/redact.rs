//! Keeps secrets out of transcripts: key-shaped words, credentials of headers and addresses, values that are named as
//! secrets, and private keys become `[redacted]`. Headers are never copied in the first place.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
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
/// Names whose values are secrets; a hyphen stands for `-`, `_` or nothing.
const NAMES: &[&str] = &[
    "api-key",
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "client-secret",
    "secret-key",
    "access-key",
    "private-key",
    "access-token",
    "refresh-token",
    "auth-token",
];
/// What stands after such a name in descriptions and in code.
const NO_VALUES: &[&str] = &[
    "string",
    "required",
    "optional",
    "boolean",
    "number",
    "integer",
    "password",
    "secret",
    "none",
    "null",
    "true",
    "false",
    "undefined",
    "default",
    "string,",
];
/// Shortest value that is taken for a secret.
const SHORTEST: usize = 4;

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
        match secret(&bytes[at..], inside) {
            Some((skip, length)) => {
                // What leads to a secret is ASCII, and so is what ends it: these are character boundaries.
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

/// If a secret begins here (`inside` a word): characters to keep, characters to drop.
fn secret(rest: &[u8], inside: bool) -> Option<(usize, usize)> {
    let first = rest.first()?.to_ascii_lowercase();
    match first {
        b':' => return address(rest),
        b'-' => return private_key(rest),
        b'a' | b'c' | b'p' | b'r' | b's' => {
            if let Some(found) = named(rest) {
                return Some(found);
            }
        }
        _ => {}
    }
    if inside {
        return None;
    }
    if first == b'b' {
        return bearer(rest).or_else(|| basic(rest));
    }
    let (prefix, most) = PREFIXES.iter().find(|(prefix, _)| rest.starts_with(prefix.as_bytes()))?;
    let length = rest[prefix.len()..].iter().take_while(|c| is_key(**c)).count();
    let tail = &rest[prefix.len()..prefix.len() + length];
    // Words of prose have no digits.
    (length >= *most && tail.iter().any(u8::is_ascii_digit)).then_some((0, prefix.len() + length))
}

fn is_token(c: u8) -> bool {
    is_key(c) || matches!(c, b'+' | b'/' | b'=')
}

/// `Bearer TOKEN`.
fn bearer(rest: &[u8]) -> Option<(usize, usize)> {
    let tail = after(rest, b"bearer ")?;
    let length = tail.iter().take_while(|c| is_token(**c)).count();
    (length >= 16 && tail[..length].iter().any(u8::is_ascii_digit)).then_some((rest.len() - tail.len(), length))
}

/// `Basic BASE64`, where that is a name and a password and no word.
fn basic(rest: &[u8]) -> Option<(usize, usize)> {
    let tail = after(rest, b"basic ")?;
    let length = tail.iter().take_while(|c| is_token(**c)).count();
    let plain = STANDARD.decode(&tail[..length]).ok()?;
    plain.contains(&b':').then_some((rest.len() - tail.len(), length))
}

/// What follows a word, in letters of any case.
fn after<'a>(rest: &'a [u8], word: &[u8]) -> Option<&'a [u8]> {
    rest.get(..word.len())?.eq_ignore_ascii_case(word).then(|| &rest[word.len()..])
}

/// `://user:password@`, or a token in its place.
fn address(rest: &[u8]) -> Option<(usize, usize)> {
    let tail = rest.strip_prefix(b"://")?;
    let ends = |c: &u8| c.is_ascii_whitespace() || matches!(c, b'/' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>' | b'\\');
    let host = tail.iter().position(ends).unwrap_or(tail.len());
    let length = tail[..host].iter().rposition(|c| *c == b'@')?;
    let user = &tail[..length];
    let is_token = user.len() >= 16 && user.iter().any(u8::is_ascii_digit);
    (user.contains(&b':') || is_token).then_some((rest.len() - tail.len(), length))
}

/// A PEM block with a private key, to its end; without an end, the rest.
fn private_key(rest: &[u8]) -> Option<(usize, usize)> {
    const LONGEST_KIND: usize = 40;
    const END: &[u8] = b"-----END ";
    let tail = rest.strip_prefix(b"-----BEGIN ")?;
    let line = &tail[..tail.len().min(LONGEST_KIND)];
    let kind = line.windows(5).position(|w| w == b"-----")?;
    if !line[..kind].windows(11).any(|w| w == b"PRIVATE KEY") {
        return None;
    }
    let end = rest.windows(END.len()).position(|w| w == END);
    let closed = end.and_then(|at| {
        let from = at + END.len();
        rest[from..].windows(5).position(|w| w == b"-----").map(|more| from + more + 5)
    });
    Some((0, closed.unwrap_or(rest.len())))
}

/// `name=value`, `name: value`, `"name": "value"`, also where quotes are escaped.
fn named(rest: &[u8]) -> Option<(usize, usize)> {
    let mut at = NAMES.iter().find_map(|name| name_length(rest, name))?;
    let skip = |at: &mut usize, these: &[u8]| *at += rest[*at..].iter().take_while(|c| these.contains(c)).count();
    skip(&mut at, b"\\\"'");
    skip(&mut at, b" ");
    let mark = *rest.get(at).filter(|c| matches!(c, b'=' | b':'))?;
    at += 1;
    // `==` and `:=` are code.
    let is_code = rest.get(at).is_some_and(|c| matches!(c, b'=' | b':' | b'/'));
    skip(&mut at, b" ");
    let unquoted = at;
    skip(&mut at, b"\\\"'");
    let is_quoted = at > unquoted;
    let ends = |c: &u8| {
        let quote = matches!(c, b'"' | b'\'' | b'\\');
        let stop = c.is_ascii_whitespace() || matches!(c, b',' | b';' | b'&' | b')' | b'}' | b']');
        quote || if is_quoted { *c == b'\n' } else { stop }
    };
    let length = rest[at..].iter().position(ends).unwrap_or(rest.len() - at);
    let value = &rest[at..at + length];
    let is_whole_line = rest.get(at + length).is_none_or(|c| matches!(c, b'\n' | b'\r'));
    let is_word = value.iter().all(u8::is_ascii_alphabetic);
    let is_described = NO_VALUES.iter().any(|word| value.eq_ignore_ascii_case(word.as_bytes()));
    // A value that is looked up elsewhere, a placeholder, a mask.
    let is_elsewhere = value.first().is_some_and(|c| b"$<{%*.[".contains(c))
        || (!is_quoted && value.iter().any(|c| matches!(c, b'(' | b'[')));
    // "Password: must have .." is prose; one word alone on its line is a value.
    let is_prose = mark == b':' && !is_quoted && is_word && !is_whole_line;
    let is_value = length >= SHORTEST && !is_code && !is_described && !is_elsewhere && !is_prose;
    is_value.then_some((at, length))
}

/// Length of a name at the beginning, in letters of any case.
fn name_length(rest: &[u8], name: &str) -> Option<usize> {
    let mut at = 0;
    for c in name.bytes() {
        match rest.get(at) {
            Some(b'-' | b'_') if c == b'-' => at += 1,
            _ if c == b'-' => {}
            Some(found) if found.eq_ignore_ascii_case(&c) => at += 1,
            _ => return None,
        }
    }
    Some(at)
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

    #[test]
    fn credentials_go_wherever_they_are_named() {
        let pem = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----";
        for (text, left) in [
            ("Authorization: Basic dXNlcjpwYXNz\n", "Authorization: Basic [redacted]\n"),
            ("api-key: 0123456789abcdef", "api-key: [redacted]"),
            ("X-API-Key: abcdef, then", "X-API-Key: abcdef, then"),
            ("x-api-key: abcdef7, then", "x-api-key: [redacted], then"),
            ("DB_PASSWORD=hunter2 ./run", "DB_PASSWORD=[redacted] ./run"),
            ("?user=me&password=swordfish&x=1", "?user=me&password=[redacted]&x=1"),
            ("{\"password\": \"correct horse\"}", "{\"password\": \"[redacted]\"}"),
            ("{\\\"apiKey\\\": \\\"abcd\\\"}", "{\\\"apiKey\\\": \\\"[redacted]\\\"}"),
            ("password: swordfish\nuser: me", "password: [redacted]\nuser: me"),
            ("passwd='süß-saß'", "passwd='[redacted]'"),
            ("git clone https://me:hunter2@host.org/x", "git clone https://[redacted]@host.org/x"),
            ("postgres://me:p@ss@db/x", "postgres://[redacted]@db/x"),
            (&format!("a {pem} b"), "a [redacted] b"),
            ("-----BEGIN PRIVATE KEY-----\nMIIE", "[redacted]"),
        ] {
            assert_eq!(redact(text).0, left, "{text}");
        }
    }

    #[test]
    fn what_only_speaks_of_secrets_stays() {
        for text in [
            "a basic understanding of Basic authentication",
            "password: must have eight characters",
            "def login(user: str, password: str) -> None:",
            "api_key=os.environ[\"KEY\"], password=getpass()",
            "if password == other: pass",
            "password=$PASSWORD api_key=<your key> pwd=***",
            "https://host.org:8080/a@b and mail me@host.org",
            "-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----",
            "password = [redacted]",
        ] {
            assert_eq!(redact(text), (Cow::Borrowed(text), 0));
        }
    }
}
