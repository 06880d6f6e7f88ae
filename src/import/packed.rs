//! Bodies that a recorder kept as they came: base64 of text, or of compressed text.

use super::fault::Wrong;
use super::field::Field;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use serde_json::Value;
use std::borrow::Cow;
use std::io::Read;

/// More than any body should have, unpacked.
const MOST_BYTES: u64 = 1 << 28;

/// The text of a body, unpacked if it is base64 of a document; any other text is given as it is.
pub(super) fn text<'a>(field: &Field<'a>, encoding: Option<&str>) -> Result<Cow<'a, str>, Wrong> {
    let Value::String(text) = field.value else { return Ok(Cow::Borrowed("")) };
    let is_plain = |text: &str| {
        let text = text.trim_start();
        ["{", "[", "data:", "event:", ":", "id:"].iter().any(|word| text.starts_with(word))
    };
    if is_plain(text) {
        return Ok(Cow::Borrowed(text));
    }
    let Some(bytes) = base64(text) else { return Ok(Cow::Borrowed(text)) };
    let mut unpacked = Vec::new();
    let done = match bytes.as_slice() {
        [0x1f, 0x8b, ..] => MultiGzDecoder::new(&bytes[..]).take(MOST_BYTES).read_to_end(&mut unpacked).map(|_| ()),
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => {
            ZlibDecoder::new(&bytes[..]).take(MOST_BYTES).read_to_end(&mut unpacked).map(|_| ())
        }
        _ => {
            unpacked.clone_from(&bytes);
            Ok(())
        }
    };
    let mend = "get the whole recording again, or record bodies as text (decode_compressed_response)";
    let wrong = |problem: String| Wrong { field: field.path.clone(), problem, mend: mend.to_owned() };
    done.map_err(|error| wrong(format!("the compressed body cannot be unpacked: {error}")))?;
    match String::from_utf8(unpacked) {
        Ok(found) if is_plain(&found) => Ok(Cow::Owned(found)),
        Err(_) if matches!(encoding, Some("br" | "zstd" | "compress")) => {
            Err(wrong(format!("the body is packed with `{}`, which is not read", encoding.unwrap_or(""))))
        }
        // A word that could be base64 by chance.
        _ => Ok(Cow::Borrowed(text)),
    }
}

/// Bytes of base64, plain or of the kind for addresses, with spaces between.
fn base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count, mut characters, mut pads) = (0_u32, 0, 0, 0);
    for c in text.bytes().filter(|c| !c.is_ascii_whitespace()) {
        characters += 1;
        let value = match c {
            b'=' => {
                pads += 1;
                continue;
            }
            _ if pads > 0 => return None,
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    (characters >= 8 && characters % 4 == 0 && pads <= 2).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_and_words_are_not() {
        assert_eq!(base64("eyJhIjog\n MX0="), Some(b"{\"a\": 1}".to_vec()));
        for word in ["Hello", "not base64 at all!", "eyJh=IjogMX0", "", "abc"] {
            assert_eq!(base64(word), None, "{word}");
        }
        let value = Value::String("aGVsbG8gd29ybGQh".to_owned());
        assert_eq!(text(&Field::root(&value), None).unwrap(), "aGVsbG8gd29ybGQh", "no document");
    }
}
