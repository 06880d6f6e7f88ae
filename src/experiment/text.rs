//! Text of scenario and preset files.

use std::io::Read;
use std::path::Path;

/// Files above this size are no scenarios.
const MOST_BYTES: u64 = 16 << 20;

/// The text of a file, or why there is none.
pub(crate) fn read_text(path: &Path) -> Result<String, String> {
    let file = std::fs::File::open(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => "no such file".to_owned(),
        _ => format!("cannot be opened ({e})"),
    })?;
    if file.metadata().is_ok_and(|m| m.is_dir()) {
        return Err("is a directory".to_owned());
    }
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(|e| format!("cannot be read ({e})"))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(format!("is larger than {} MiB", MOST_BYTES >> 20));
    }
    let text = String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        format!("is not text (byte {at} is not UTF-8)")
    })?;
    if text.contains('\0') {
        return Err("is not text (it holds zero bytes)".to_owned());
    }
    Ok(text)
}
