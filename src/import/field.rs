//! Reading JSON that others wrote: a value with its path, asked for what it should be. Absent and `null` are the same;
//! unknown fields are nobody's business; a wrong type is told with path, value and what was expected.

use super::fault::Wrong;
use serde_json::Value;

const NULL: &Value = &Value::Null;

/// A value and how one got there.
#[derive(Clone, Debug)]
pub struct Field<'a> {
    /// Value; `null` where there is none.
    pub value: &'a Value,
    /// Path from the record, as in `messages[3].content`.
    pub path: String,
}

impl<'a> Field<'a> {
    /// A record.
    pub fn root(value: &'a Value) -> Self {
        Self { value, path: String::new() }
    }

    /// A part of a record, under a name that the reader of an error knows.
    pub fn named(value: &'a Value, path: impl Into<String>) -> Self {
        Self { value, path: path.into() }
    }

    /// A member of an object; absent if this is no object.
    #[must_use]
    pub fn get(&self, key: &str) -> Self {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        Self { value: self.value.get(key).unwrap_or(NULL), path }
    }

    /// The first of several names that is there.
    #[must_use]
    pub fn any(&self, keys: &[&str]) -> Self {
        let found = keys.iter().find(|key| self.value.get(**key).is_some_and(|v| !v.is_null()));
        self.get(found.or(keys.first()).unwrap_or(&""))
    }

    /// An element of a list.
    #[must_use]
    pub fn at(&self, index: usize) -> Self {
        Self { value: self.value.get(index).unwrap_or(NULL), path: format!("{}[{index}]", self.path) }
    }

    /// Whether there is anything.
    pub fn is_some(&self) -> bool {
        !self.value.is_null()
    }

    /// The fault of this value.
    pub fn wrong(&self, expected: &str) -> Wrong {
        Wrong::value(&self.path, self.value, expected)
    }

    /// Text, if there is any.
    pub fn text(&self) -> Result<Option<&'a str>, Wrong> {
        match self.value {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text)),
            _ => Err(self.wrong("text")),
        }
    }

    /// Text that must be there.
    pub fn need_text(&self) -> Result<&'a str, Wrong> {
        self.text()?.ok_or_else(|| self.wrong("text"))
    }

    /// A count, if there is any; whole floats and digits in quotes are counts too.
    pub fn count(&self) -> Result<Option<u64>, Wrong> {
        const EXPECTED: &str = "a whole number from 0 to 10^15";
        const MOST: u64 = 1_000_000_000_000_000;
        let found = match self.value {
            Value::Null => return Ok(None),
            Value::Number(n) => {
                n.as_u64().or_else(|| n.as_f64().filter(|f| *f >= 0.0 && f.fract() == 0.0).map(|f| f as u64))
            }
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        found.filter(|n| *n <= MOST).map(Some).ok_or_else(|| self.wrong(EXPECTED))
    }

    /// A count that must be there.
    pub fn need_count(&self) -> Result<u64, Wrong> {
        self.count()?.ok_or_else(|| self.wrong("a whole number"))
    }

    /// Nanoseconds of a clock, which must be there.
    pub fn need_count_ns(&self) -> Result<u64, Wrong> {
        let found = match self.value {
            Value::Number(n) => n.as_u64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        found.filter(|ns| i64::try_from(*ns).is_ok()).ok_or_else(|| self.wrong("nanoseconds"))
    }

    /// A finite number, if there is any.
    pub fn number(&self) -> Result<Option<f64>, Wrong> {
        match self.value {
            Value::Null => Ok(None),
            Value::Number(n) => n.as_f64().filter(|f| f.is_finite()).map(Some).ok_or_else(|| self.wrong("a number")),
            Value::String(text) => match text.trim().parse::<f64>() {
                Ok(n) if n.is_finite() => Ok(Some(n)),
                _ => Err(self.wrong("a number")),
            },
            _ => Err(self.wrong("a number")),
        }
    }

    /// A number not below zero, if there is any.
    pub fn positive(&self) -> Result<Option<f64>, Wrong> {
        match self.number()? {
            Some(n) if n < 0.0 => Err(self.wrong("a number not below 0")),
            n => Ok(n),
        }
    }

    /// Elements of a list; none if there is no list.
    pub fn list(&self) -> Result<Vec<Self>, Wrong> {
        match self.value {
            Value::Null => Ok(Vec::new()),
            Value::Array(list) => Ok((0..list.len()).map(|i| self.at(i)).collect()),
            _ => Err(self.wrong("a list")),
        }
    }

    /// This value, which must be an object.
    pub fn need_object(&self) -> Result<&Self, Wrong> {
        if self.value.is_object() { Ok(self) } else { Err(self.wrong("an object")) }
    }
}
