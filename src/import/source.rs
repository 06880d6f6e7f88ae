//! Reading files that others wrote: plain, gzip or Zstandard, JSON Lines, lists and documents.

use super::fault::{ImportError, Place, Wrong};
use super::field::Field;
use super::folder::is_inside;
use super::json::{documents, json, not_json};
use super::out::Out;
use crate::record::input::{self, Refused};
use serde_json::Value;
use std::collections::VecDeque;
use std::io::{BufRead, ErrorKind, Read, Seek};
use std::path::{Path, PathBuf};

/// Bytes that a format is told by.
const HEAD: u64 = 1 << 16;
/// A damaged record can be left out by this flag.
pub(super) const SKIP: &str = "mend it, or leave damaged records out with --skip-damaged";

/// What there is to tell a format by.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// Path.
    pub path: PathBuf,
    /// Names of the files in it, if it is a folder.
    pub names: Option<Vec<String>>,
    /// Beginning of the (unzipped) text.
    pub head: String,
    /// The first record or the document, if it can be read.
    pub first: Option<Value>,
    /// Whether it is a zip archive.
    pub is_zip: bool,
    /// Whether it is a compressed file whose beginning cannot be unpacked.
    pub is_cut: bool,
}

impl Sample {
    /// Looks at a path.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn of(path: &Path) -> Result<Self, ImportError> {
        if path.is_dir() {
            let mut names = names(path)?;
            names.sort();
            return Ok(Self { path: path.to_owned(), names: Some(names), ..Self::default() });
        }
        let mut head = Vec::new();
        let mut source = open(path)?;
        let mut cut = (&mut source).take(HEAD).read_to_end(&mut head).is_err();
        let is_zip = head.starts_with(b"PK\x03\x04");
        let text = String::from_utf8_lossy(body(&head)).into_owned();
        let is_record = |v: &Value| v.is_object() || v.is_array();
        let mut first = None;
        if !is_zip && !cut {
            if is_whole(&text) {
                let bytes = if (head.len() as u64) < HEAD { Some(head) } else { whole(path).ok() };
                first = bytes.and_then(|bytes| documents(body(&bytes)).ok()?.into_iter().next());
            } else {
                // A first record may be longer than the head; the others are not read.
                if text.trim_start().starts_with('{') && !text.trim_start().contains('\n') {
                    match input::line(&mut source, &mut head) {
                        Ok(_) => {}
                        Err(error) if let Some(why) = Refused::of(&error) => {
                            return Err(refused(why, Place::line(path, 1)));
                        }
                        Err(_) => cut = true,
                    }
                }
                let mut lines = body(&head).split(|c| *c == b'\n');
                first = lines.find(|l| !l.trim_ascii().is_empty()).and_then(|line| json(line).ok()).filter(is_record);
            }
        }
        Ok(Self { path: path.to_owned(), names: None, head: text, first, is_zip, is_cut: cut })
    }

    /// The first record: the document, or the first element of the list.
    pub fn record(&self) -> Option<&Value> {
        match self.first.as_ref()? {
            Value::Array(list) => list.first(),
            other => Some(other),
        }
    }

    /// Whether the first record has all these fields; by its text if it cannot be read.
    pub fn has(&self, keys: &[&str]) -> bool {
        match self.record() {
            Some(record) => keys.iter().all(|key| record.get(key).is_some()),
            None => self.names.is_none() && keys.iter().all(|key| self.head.contains(&format!("\"{key}\""))),
        }
    }

    /// Whether the folder has a file of this name, plain or gzip.
    pub fn has_file(&self, name: &str) -> bool {
        let is = |n: &String| n == name || n.strip_suffix(".gz") == Some(name);
        self.names.as_ref().is_some_and(|names| names.iter().any(is))
    }
}

/// Names of the entries of a folder.
pub(super) fn names(folder: &Path) -> Result<Vec<String>, ImportError> {
    let fault = |source| ImportError::Read { path: folder.to_owned(), source };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fault)? {
        names.push(entry.map_err(fault)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// A file of this name in a folder, plain or gzip; not what a link leads out of the folder to.
pub(super) fn beside(folder: &Path, name: &str) -> Option<PathBuf> {
    let is_here = |p: &PathBuf| p.is_file() && is_inside(folder, p);
    [folder.join(name), folder.join(format!("{name}.gz"))].into_iter().find(is_here)
}

/// Opens a file, unzipping it on the way.
pub(super) fn open(path: &Path) -> Result<Box<dyn BufRead + Send>, ImportError> {
    let fault = |source: std::io::Error| match Refused::of(&source) {
        Some(why) => refused(why, Place::file(path)),
        None => ImportError::Read { path: path.to_owned(), source },
    };
    let mut file = input::file(path).map_err(fault)?;
    let mut beginning = Vec::new();
    (&mut file).take(4).read_to_end(&mut beginning).map_err(fault)?;
    if beginning[..] == [0x28, 0xb5, 0x2f, 0xfd] {
        file.rewind().map_err(fault)?;
        let unpacked = super::unzip::zstd(std::io::BufReader::new(file)).map_err(fault)?;
        return Ok(Box::new(input::in_one_piece(std::io::BufReader::new(unpacked))));
    }
    if matches!(beginning[..], [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) {
        let mend = "convert it, as in `iconv -f UTF-16 -t UTF-8`";
        return Err(Wrong::record("the text is in UTF-16, not in UTF-8", mend).at(Place::file(path)));
    }
    file.rewind().and_then(|()| input::text(file)).map_err(fault)
}

/// A refusal of a file, or of the rest of it.
fn refused(refused: Refused, place: Place) -> ImportError {
    Wrong::record(refused.wrong(), refused.mend()).at(place)
}

/// Opens a table: a cell has no end of its own, so all of it is bounded as a text in one piece is.
pub(super) fn table(path: &Path) -> Result<impl Read, ImportError> {
    Ok(input::in_one_piece(open(path)?))
}

/// All bytes of a file, unzipped.
pub(super) fn whole(path: &Path) -> Result<Vec<u8>, ImportError> {
    let mut bytes = Vec::new();
    match input::whole(&mut open(path)?, &mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) if let Some(why) = Refused::of(&error) => Err(refused(why, Place::file(path))),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof || error.kind() == ErrorKind::InvalidInput => {
            let mend = "get the whole file again";
            Err(Wrong::record(format!("the compressed file is damaged: {error}"), mend).at(Place::file(path)))
        }
        Err(source) => Err(ImportError::Read { path: path.to_owned(), source }),
    }
}

/// A document as JSON.
pub(super) fn document(path: &Path) -> Result<Value, ImportError> {
    let bytes = whole(path)?;
    json(body(&bytes)).map_err(|e| not_json(&e).at(Place::file(path)))
}

/// Text without a byte order mark.
fn body(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// Whether a text with this beginning is one list, or objects over several lines, and not one record per line.
fn is_whole(head: &str) -> bool {
    let mut beginnings = head.lines().map(str::trim).filter(|l| !l.is_empty());
    let (first, second) = (beginnings.next().unwrap_or(""), beginnings.next());
    // An object over several lines: its first line does not end it, and its second begins no other.
    let goes_on = first.starts_with('{') && !first.ends_with('}') && second.is_some_and(|l| !l.starts_with('{'));
    first.starts_with('[') || goes_on
}

/// Reads the records of files whose things belong together; whether one of the files was cut off.
pub(super) fn each_record(
    paths: &[&Path],
    out: &mut Out<'_>,
    mut take: impl FnMut(&Field<'_>, Place, &mut Out<'_>) -> Result<(), ImportError>,
) -> Result<bool, ImportError> {
    let mut is_cut = false;
    for path in paths {
        out.guard(|out| {
            let mut records = Records::open(path)?;
            while let Some((place, value)) = records.next(out)? {
                take(&Field::root(&value), place, out)?;
            }
            is_cut |= records.is_cut();
            Ok(())
        })?;
    }
    Ok(is_cut)
}

/// Records of a file: JSON Lines, or one JSON list, or JSON documents one after the other. Lines are read one at a time.
pub(super) struct Records {
    path: PathBuf,
    lines: Option<Box<dyn BufRead + Send>>,
    list: VecDeque<Value>,
    is_list: bool,
    number: u64,
    buffer: Vec<u8>,
    is_cut: bool,
}

impl Records {
    /// Opens a file.
    pub(super) fn open(path: &Path) -> Result<Self, ImportError> {
        let mut records = Self {
            path: path.to_owned(),
            lines: None,
            list: VecDeque::new(),
            is_list: false,
            number: 0,
            buffer: Vec::new(),
            is_cut: false,
        };
        let mut head = Vec::new();
        // A damaged head is told when its lines are read.
        let _ = open(path)?.take(HEAD).read_to_end(&mut head);
        if is_whole(&String::from_utf8_lossy(body(&head))) {
            records.is_list = true;
            let bytes = whole(path)?;
            let all = documents(body(&bytes)).map_err(|e| not_json(&e).at(Place::file(path)))?;
            let list = |value| match value {
                Value::Array(list) => list,
                other => vec![other],
            };
            records.list = all.into_iter().flat_map(list).collect();
        } else {
            records.lines = Some(open(path)?);
        }
        Ok(records)
    }

    /// Whether the last line was cut off.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// The next record with its place. Damaged lines go to `out`.
    pub(super) fn next(&mut self, out: &mut Out<'_>) -> Result<Option<(Place, Value)>, ImportError> {
        if self.is_list {
            let number = self.number;
            self.number += 1;
            return Ok(self.list.pop_front().map(|value| (Place::record(&self.path, number), value)));
        }
        while let Some(lines) = &mut self.lines {
            self.buffer.clear();
            let place = Place::line(&self.path, self.number + 1);
            match input::line(lines, &mut self.buffer) {
                Ok(0) => break,
                Ok(_) => self.number += 1,
                Err(error) if let Some(why) = Refused::of(&error) => {
                    self.lines = None;
                    self.is_cut = true;
                    out.damaged(place, Wrong::record(why.wrong(), why.mend()))?;
                    break;
                }
                Err(error) => {
                    self.lines = None;
                    self.is_cut = true;
                    if error.kind() == ErrorKind::UnexpectedEof {
                        out.cut(&place, "the compressed file ends here");
                    } else {
                        let mend = "get the whole file again, or keep what stands before with --skip-damaged";
                        out.damaged(place, Wrong::record(format!("the compressed file is damaged: {error}"), mend))?;
                    }
                    break;
                }
            }
            let text = body(&self.buffer);
            if text.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            match json(text) {
                Ok(value) => return Ok(Some((place, value))),
                Err(_) if self.buffer.last() != Some(&b'\n') && self.number > 1 => {
                    self.is_cut = true;
                    out.cut(&place, &format!("the last line is cut off after {} bytes", self.buffer.len()));
                }
                Err(error) if self.number == 1 && self.buffer.last() != Some(&b'\n') => {
                    // There is no other line.
                    out.damaged(Place::file(&self.path), not_json(&error))?;
                }
                Err(error) => {
                    out.damaged(place, Wrong::record(format!("not a JSON record: {error}"), SKIP))?;
                }
            }
        }
        Ok(None)
    }
}
