//! JSON as programs write it: with what JSON does not have (`NaN`, halves of characters), and with limits that are told as
//! limits.

use super::fault::Wrong;
use serde_json::Value;

/// One or more documents, one after the other.
pub(super) fn documents(bytes: &[u8]) -> Result<Vec<Value>, serde_json::Error> {
    let read = |bytes: &[u8]| -> Result<Vec<Value>, serde_json::Error> {
        serde_json::Deserializer::from_slice(bytes).into_iter().collect()
    };
    read(bytes).or_else(|error| mended(bytes).map_or(Err(error), |bytes| read(&bytes)))
}

/// A document; `NaN` and `Infinity`, which Python writes and JSON does not have, are read as null, and half a character
/// as the mark of an unreadable one.
pub(super) fn json(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice(bytes).or_else(|error| match mended(bytes) {
        Some(bytes) => serde_json::from_slice(&bytes),
        None => Err(error),
    })
}

/// The fault of what is no JSON.
pub(super) fn not_json(error: &serde_json::Error) -> Wrong {
    if error.to_string().contains("recursion limit") {
        let mend = "flatten what stands so deep; no log of calls needs it";
        return Wrong::record(format!("the JSON is deeper than the limit of 128 levels: {error}"), mend);
    }
    let what = if error.is_eof() { "the JSON ends too early" } else { "not JSON" };
    Wrong::record(format!("{what}: {error}"), "get the whole file again, or mend the JSON")
}

/// The same text with null in place of `NaN`, `Infinity` and `-Infinity` outside of strings, and with U+FFFD in place of
/// halves of characters, if there is any of them.
fn mended(bytes: &[u8]) -> Option<Vec<u8>> {
    const WORDS: [&[u8]; 3] = [b"NaN", b"-Infinity", b"Infinity"];
    let mut out = Vec::with_capacity(bytes.len());
    let (mut at, mut in_string, mut found) = (0, false, false);
    while let Some(&c) = bytes.get(at) {
        let word = WORDS.iter().find(|word| !in_string && bytes[at..].starts_with(word));
        if let Some(word) = word {
            out.extend_from_slice(b"null");
            at += word.len();
            found = true;
            continue;
        }
        if in_string && c == b'\\' {
            let half = unit(bytes, at);
            let is_pair = matches!(half, Some(0xd800..=0xdbff)) && matches!(unit(bytes, at + 6), Some(0xdc00..=0xdfff));
            if is_pair {
                out.extend_from_slice(&bytes[at..at + 12]);
                at += 12;
            } else if matches!(half, Some(0xd800..=0xdfff)) {
                out.extend_from_slice(b"\\ufffd");
                at += 6;
                found = true;
            } else {
                out.push(c);
                out.extend(bytes.get(at + 1));
                at += 2;
            }
            continue;
        }
        out.push(c);
        at += 1;
        if c == b'"' {
            in_string = !in_string;
        }
    }
    found.then_some(out)
}

/// The number of an escape `\uXXXX` that stands here.
fn unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_json_does_not_have_is_null_outside_of_strings() {
        let value = json(br#"{"a": NaN, "b": [-Infinity, Infinity], "NaN \" NaN": "Infinity"}"#).unwrap();
        assert_eq!(value, serde_json::json!({"a": null, "b": [null, null], "NaN \" NaN": "Infinity"}));
        assert!(json(b"{\"a\": nan}").is_err());
    }

    #[test]
    fn half_a_character_takes_nothing_with_it() {
        let value = json(br#"{"a": "x\ud83d y", "b": "\ud83d\ude00", "c": "\\ud83d"}"#).unwrap();
        assert_eq!(value, serde_json::json!({"a": "x\u{fffd} y", "b": "\u{1f600}", "c": "\\ud83d"}));
    }
}
