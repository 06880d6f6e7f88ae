//! From a file to text: gzip or plain, complete, UTF-8.

use std::path::Path;

use super::fault::CalibrationError;
use crate::record::input::{self, Refused};

/// Archives that people try; the first bytes tell.
const ARCHIVES: [(&[u8], &str); 5] = [
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"PK\x03\x04", "zip"),
    (b"\xfd7zXZ", "xz"),
    (b"BZh", "bzip2"),
    (b"PAR1", "Parquet"),
];

/// The text of a log and the hash of the file's bytes.
pub(super) fn read_text(path: &Path, file: &str) -> Result<(String, String), CalibrationError> {
    let mut bytes = Vec::new();
    input::file(path).and_then(|mut file| input::whole(&mut file, &mut bytes)).map_err(|why| {
        match Refused::of(&why) {
            Some(refused) => CalibrationError::file(file, refused.wrong(), refused.mend()),
            None => CalibrationError::file(
                file,
                format!("cannot be read: {why}"),
                "name an existing request log: CSV, plain or gzip",
            ),
        }
    })?;
    let digest = blake3::hash(&bytes).to_hex()[..16].to_owned();
    if bytes.is_empty() {
        return Err(CalibrationError::file(
            file,
            "the file is empty",
            "give a CSV with a header line and one line per request",
        ));
    }
    let gzip = bytes.starts_with(b"\x1f\x8b");
    let plain = if gzip { inflate(&bytes, file)? } else { bytes };
    if let Some((_, name)) = ARCHIVES.iter().find(|(magic, _)| plain.starts_with(magic)) {
        return Err(CalibrationError::file(file, format!("this is a {name} file"), "convert it to CSV, plain or gzip"));
    }
    if plain.is_empty() {
        return Err(CalibrationError::file(
            file,
            "the gzip file holds nothing",
            "give a CSV with a header line and one line per request",
        ));
    }
    let text = match String::from_utf8(plain) {
        Ok(text) if !text.contains('\0') => text,
        _ => {
            return Err(CalibrationError::file(
                file,
                "this is a binary file, not text in UTF-8",
                "give a CSV, plain or gzip",
            ));
        }
    };
    let text = match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    };
    Ok((text, digest))
}

fn inflate(bytes: &[u8], file: &str) -> Result<Vec<u8>, CalibrationError> {
    let mut plain = Vec::new();
    match input::unpacked(bytes, &mut plain) {
        Ok(()) => Ok(plain),
        Err(why) => {
            if let Some(refused) = Refused::of(&why) {
                return Err(CalibrationError::file(file, refused.wrong(), refused.mend()));
            }
            let lines = plain.split(|byte| *byte == b'\n').count() - 1;
            let wrong = if why.kind() == std::io::ErrorKind::UnexpectedEof {
                format!("the gzip stream is cut off after {lines} whole lines")
            } else {
                format!("the gzip stream is damaged after {lines} whole lines: {why}")
            };
            Err(CalibrationError::file(file, wrong, "fetch the file again; `gzip -t` checks it"))
        }
    }
}
