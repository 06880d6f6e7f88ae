//! From a file to records: JSON Lines or one JSON array, plain or gzip, read piece by piece. Fields are taken with
//! errors that name file, line, field, value and mend.

use super::error::{Position, QuestionsError};
use crate::record::input::{self, MOST_LINE_BYTES, Refused};
use serde::de::{DeserializeSeed, Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::cell::Cell;
use std::fmt;
use std::io::{BufRead, Read};
use std::path::Path;

/// What a consumer says of the rest.
pub(super) enum Next {
    More,
    Enough,
}

/// A JSON object with the place it stands at.
pub(super) struct Record<'a> {
    file: &'a str,
    at: Position,
    /// Position among the records, from 1.
    pub(super) number: u64,
    fields: Map<String, Value>,
}

/// Reads a file record by record until it ends or the consumer has enough.
pub(super) fn read(
    path: &Path,
    mut take: impl FnMut(&Record) -> Result<Next, QuestionsError>,
) -> Result<(), QuestionsError> {
    let file = path.display().to_string();
    let unreadable = |why: std::io::Error| match Refused::of(&why) {
        Some(refused) => QuestionsError::file(&file, refused.wrong(), refused.mend()),
        None => QuestionsError::file(&file, format!("cannot be read: {why}"), "name an existing file of questions"),
    };
    let mut text = input::open(path).map_err(unreadable)?;
    skip_mark(&mut text, &file)?;
    if first_byte(&mut text, &file)? == Some(b'[') {
        array(text, &file, &mut take)
    } else {
        lines(text, &file, &mut take)
    }
}

/// Passes over a byte order mark.
fn skip_mark(text: &mut dyn BufRead, file: &str) -> Result<(), QuestionsError> {
    if text.fill_buf().map_err(|why| broken(file, 0, &why))?.starts_with("\u{feff}".as_bytes()) {
        text.consume(3);
    }
    Ok(())
}

/// The first byte, without taking it.
fn first_byte(text: &mut dyn BufRead, file: &str) -> Result<Option<u8>, QuestionsError> {
    let byte = text.fill_buf().map_err(|why| broken(file, 0, &why))?.first().copied();
    byte.map(Some).ok_or_else(|| QuestionsError::file(file, "the file is empty", "give one JSON object per line"))
}

fn broken(file: &str, lines: u64, why: &std::io::Error) -> QuestionsError {
    if let Some(refused) = Refused::of(why) {
        return QuestionsError::file(file, format!("after {lines} whole lines: {}", refused.wrong()), refused.mend());
    }
    let wrong = match why.kind() {
        std::io::ErrorKind::UnexpectedEof => format!("the gzip stream is cut off after {lines} whole lines"),
        _ => format!("cannot be read on after {lines} whole lines: {why}"),
    };
    QuestionsError::file(file, wrong, "fetch the file again; `gzip -t` checks it")
}

type Take<'a> = &'a mut dyn FnMut(&Record) -> Result<Next, QuestionsError>;

fn lines(mut text: Box<dyn BufRead>, file: &str, take: Take) -> Result<(), QuestionsError> {
    let (mut line, mut number) = (0, 0);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        if input::line(&mut text, &mut bytes).map_err(|why| broken(file, line, &why))? == 0 {
            break;
        }
        line += 1;
        if bytes.trim_ascii().is_empty() {
            continue;
        }
        number += 1;
        let fault = |wrong: String| QuestionsError::File {
            file: file.to_owned(),
            at: Position::Line(line),
            field: None,
            wrong,
            mend: "mend or remove this line; each line is one JSON object".to_owned(),
        };
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(fields)) => {
                if let Next::Enough = take(&Record { file, at: Position::Line(line), number, fields })? {
                    return Ok(());
                }
            }
            Ok(other) => return Err(fault(format!("found {}, not an object", shown(&other)))),
            Err(why) => return Err(fault(format!("not JSON (column {}): {}", why.column(), reason(&why)))),
        }
    }
    if number == 0 {
        return Err(QuestionsError::file(file, "the file holds blank lines only", "give one JSON object per line"));
    }
    Ok(())
}

/// What `serde_json` says, without its place.
fn reason(why: &serde_json::Error) -> String {
    let text = why.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

/// Walks an array without holding more than one element.
struct Elements<'a, 'b> {
    file: &'a str,
    take: Take<'b>,
    outcome: Result<(), QuestionsError>,
    /// Bytes that the element before it may still have.
    left: &'b Cell<u64>,
}

/// A text whose elements are bounded: whoever takes one out sets `left` back.
struct Pieces<'a, R> {
    text: R,
    left: &'a Cell<u64>,
}

impl<R: Read> Read for Pieces<'_, R> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let length = self.text.read(to)?;
        let left = self.left.get().checked_sub(length as u64).ok_or(Refused::Line)?;
        self.left.set(left);
        Ok(length)
    }
}

/// Ends the walk early; never shown.
const STOP: &str = "enough";

impl<'de> Visitor<'de> for &mut Elements<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut number = 0;
        while let Some(value) = seq.next_element::<Value>()? {
            number += 1;
            self.left.set(MOST_LINE_BYTES);
            self.outcome = match value {
                Value::Object(fields) => {
                    match (self.take)(&Record { file: self.file, at: Position::Item(number), number, fields }) {
                        Ok(Next::More) => continue,
                        Ok(Next::Enough) => Ok(()),
                        Err(fault) => Err(fault),
                    }
                }
                other => Err(QuestionsError::File {
                    file: self.file.to_owned(),
                    at: Position::Item(number),
                    field: None,
                    wrong: format!("found {}, not an object", shown(&other)),
                    mend: "each element of the array is one question".to_owned(),
                }),
            };
            return Err(A::Error::custom(STOP));
        }
        if number == 0 {
            self.outcome = Err(QuestionsError::file(self.file, "the array is empty", "give at least one question"));
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for &mut Elements<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

fn array(text: Box<dyn BufRead>, file: &str, take: Take) -> Result<(), QuestionsError> {
    let left = Cell::new(MOST_LINE_BYTES);
    let mut elements = Elements { file, take, outcome: Ok(()), left: &left };
    let mut deserializer = serde_json::Deserializer::from_reader(Pieces { text, left: &left });
    match elements.deserialize(&mut deserializer).and_then(|()| deserializer.end()) {
        Err(why) if why.is_io() => {
            let line = why.line() as u64;
            Err(broken(file, line.saturating_sub(1), &why.into()))
        }
        Err(why) if reason(&why) != STOP => Err(QuestionsError::File {
            file: file.to_owned(),
            at: Position::Line(why.line() as u64),
            field: None,
            wrong: format!("not JSON (column {}): {}", why.column(), reason(&why)),
            mend: "fetch the file again, or mend this line".to_owned(),
        }),
        _ => elements.outcome,
    }
}

/// A value in an error message: short, on one line.
pub(super) fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}..", &text[..end]),
        None => text,
    }
}

impl Record<'_> {
    /// Whether there is a field of this name.
    pub(super) fn has(&self, field: &str) -> bool {
        self.fields.contains_key(field)
    }

    /// A field that is none of these.
    pub(super) fn other_than(&self, known: &[&str]) -> Option<String> {
        self.fields.keys().find(|name| !known.contains(&name.as_str())).cloned()
    }

    /// Names of the fields, for messages.
    pub(super) fn names(&self) -> String {
        self.fields.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    /// The value of a field that may be missing or null.
    pub(super) fn maybe(&self, field: &str) -> Option<&Value> {
        self.fields.get(field).filter(|value| !value.is_null())
    }

    /// A fault at a field of this record, or of all of it if the path is empty.
    pub(super) fn fault(&self, field: &str, wrong: impl Into<String>, mend: impl Into<String>) -> QuestionsError {
        QuestionsError::File {
            file: self.file.to_owned(),
            at: self.at,
            field: (!field.is_empty()).then(|| field.to_owned()),
            wrong: wrong.into(),
            mend: mend.into(),
        }
    }

    fn value(&self, field: &str) -> Result<&Value, QuestionsError> {
        self.maybe(field).ok_or_else(|| {
            self.fault(field, "missing", format!("give it, or state another `format`; found: {}", self.names()))
        })
    }

    /// A text.
    pub(super) fn text(&self, field: &str) -> Result<String, QuestionsError> {
        self.as_text(field, self.value(field)?)
    }

    /// A value that must be a text which is not blank.
    pub(super) fn as_text(&self, path: &str, value: &Value) -> Result<String, QuestionsError> {
        match value {
            Value::String(text) if !text.trim().is_empty() => Ok(text.clone()),
            other => Err(self.fault(path, format!("found {}", shown(other)), "give a text that is not blank")),
        }
    }

    /// A list.
    pub(super) fn list(&self, field: &str) -> Result<&[Value], QuestionsError> {
        self.as_list(field, self.value(field)?)
    }

    /// A value that must be a list with something in it.
    pub(super) fn as_list<'v>(&self, path: &str, value: &'v Value) -> Result<&'v [Value], QuestionsError> {
        match value {
            Value::Array(list) if !list.is_empty() => Ok(list),
            other => Err(self.fault(path, format!("found {}", shown(other)), "give a list that is not empty")),
        }
    }

    /// A list of texts.
    pub(super) fn texts(&self, field: &str) -> Result<Vec<String>, QuestionsError> {
        let list = self.list(field)?;
        list.iter().enumerate().map(|(i, value)| self.as_text(&format!("{field}[{i}]"), value)).collect()
    }

    /// A pair.
    pub(super) fn as_pair<'v>(&self, path: &str, value: &'v Value) -> Result<(&'v Value, &'v Value), QuestionsError> {
        match value.as_array().map(Vec::as_slice) {
            Some([first, second]) => Ok((first, second)),
            _ => Err(self.fault(path, format!("found {}", shown(value)), "give a list of two values")),
        }
    }

    /// The first of these fields that holds a name, or the record's number.
    pub(super) fn id(&self, fields: &[&str]) -> String {
        let named = fields.iter().find_map(|field| match self.maybe(field)? {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        });
        named.unwrap_or_else(|| self.number.to_string())
    }
}
