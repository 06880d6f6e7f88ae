//! Bodies that a recorder kept as they came: base64 of text, or of compressed text.

use super::fault::Wrong;
use super::field::Field;
use super::frames;
use super::unzip;
use crate::record::input;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use flate2::read::ZlibDecoder;
use serde_json::Value;
use std::borrow::Cow;

/// Above it, base64 of what is no text is no word that looks like it.
const LEAST_BYTES: usize = 64;

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
        [0x1f, 0x8b, ..] => input::unpacked(&bytes, &mut unpacked),
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => input::whole(&mut ZlibDecoder::new(&bytes[..]), &mut unpacked),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            unzip::zstd(&bytes[..]).and_then(|mut read| input::whole(&mut read, &mut unpacked))
        }
        // Brotli has no mark of its own.
        _ if encoding == Some("br") => {
            let mut read = brotli_decompressor::Decompressor::new(&bytes[..], 1 << 16);
            input::whole(&mut read, &mut unpacked)
        }
        _ => {
            unpacked.clone_from(&bytes);
            Ok(())
        }
    };
    let mend = "get the whole recording again, or record bodies as text (decode_compressed_response)";
    let wrong = |problem: String| Wrong { field: field.path.clone(), problem, mend: mend.to_owned() };
    done.map_err(|error| wrong(format!("the compressed body cannot be unpacked: {error}")))?;
    if let Some(body) = frames::assemble(&unpacked) {
        return Ok(Cow::Owned(body.to_string()));
    }
    match String::from_utf8(unpacked) {
        Ok(found) if is_plain(&found) => Ok(Cow::Owned(found)),
        Err(_) if matches!(encoding, Some("compress")) => {
            Err(wrong(format!("the body is packed with `{}`, which is not read", encoding.unwrap_or(""))))
        }
        // Bytes that are no text stay no text; a word could be base64 by chance.
        Err(_) if bytes.len() > LEAST_BYTES => Ok(Cow::Owned("\u{fffd}".to_owned())),
        _ => Ok(Cow::Borrowed(text)),
    }
}

/// Bytes of base64, plain or of the kind for addresses, with spaces between. A short word is a word.
fn base64(text: &str) -> Option<Vec<u8>> {
    const LEAST: usize = 8;
    let text: Vec<u8> = text.bytes().filter(|c| !c.is_ascii_whitespace()).collect();
    if text.len() < LEAST {
        return None;
    }
    STANDARD.decode(&text).or_else(|_| URL_SAFE.decode(&text)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_and_words_are_not() {
        assert_eq!(base64("eyJhIjog\n MX0="), Some(b"{\"a\": 1}".to_vec()));
        assert_eq!(base64("_-_-_-_-"), base64("/+/+/+/+"));
        for word in ["Hello", "not base64 at all!", "eyJh=IjogMX0", "", "abc", "abcd"] {
            assert_eq!(base64(word), None, "{word}");
        }
        let value = Value::String("aGVsbG8gd29ybGQh".to_owned());
        assert_eq!(text(&Field::root(&value), None).unwrap(), "aGVsbG8gd29ybGQh", "no document");
    }
}
