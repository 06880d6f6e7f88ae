//! A TOML document that remembers where each value was written, and can be edited from the command line.
//!
//! Invariant: every node has a place; nothing here knows what a scenario means.

use super::faults::{Fault, KeyPath, Place, short};
use std::collections::BTreeMap;
use std::sync::Arc;
use toml::Value;
use toml::de::{DeTable, DeValue};

/// A value and where it was written (for a table's entry: where its key is).
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Where it was written.
    pub(crate) place: Place,
    /// What it is.
    pub(crate) item: Item,
}

/// What a node is.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    /// A number, string, flag or date.
    Leaf(Value),
    /// An array.
    List(Vec<Node>),
    /// A table.
    Table(BTreeMap<String, Node>),
}

/// Turns byte offsets into lines and columns.
struct Lines<'a> {
    file: Arc<str>,
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(file: &str, text: &'a str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(i, _)| i + 1)).collect();
        Self { file: file.into(), text, starts }
    }

    fn place(&self, offset: usize) -> Place {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.starts.partition_point(|&start| start <= offset);
        let column = self.text[self.starts[line - 1]..offset].chars().count() + 1;
        Place::Line(self.file.clone(), line, column)
    }
}

/// At most this many syntax errors are told; later ones tend to follow from earlier ones.
const MOST_SYNTAX_ERRORS: usize = 8;

impl Node {
    /// An empty table.
    pub(crate) fn table(place: Place) -> Self {
        Self { place, item: Item::Table(BTreeMap::new()) }
    }

    /// Reads TOML; `file` is the name that faults carry.
    pub(crate) fn parse(file: &str, text: &str) -> Result<Self, Vec<Fault>> {
        let lines = Lines::new(file, text);
        let (document, errors) = DeTable::parse_recoverable(text);
        let mut faults: Vec<Fault> = errors
            .iter()
            .take(MOST_SYNTAX_ERRORS)
            .map(|e| {
                let place = e.span().map_or(Place::File(file.into()), |s| lines.place(s.start));
                let wrong = format!("not TOML: {}", short(e.message()));
                Fault::new(KeyPath::default(), wrong, "mend the syntax of this line").placed(&place)
            })
            .collect();
        if faults.is_empty() {
            let node = Self {
                place: Place::File(file.into()),
                item: table(document.get_ref(), &lines, &KeyPath::default(), &mut faults),
            };
            if faults.is_empty() {
                return Ok(node);
            }
        }
        faults.dedup();
        Err(faults)
    }

    /// A plain value; all of it has one place.
    pub(crate) fn of(value: Value, place: &Place) -> Self {
        let item = match value {
            Value::Table(table) => {
                Item::Table(table.into_iter().map(|(key, value)| (key, Self::of(value, place))).collect())
            }
            Value::Array(values) => Item::List(values.into_iter().map(|v| Self::of(v, place)).collect()),
            leaf => Item::Leaf(leaf),
        };
        Self { place: place.clone(), item }
    }

    /// The plain value.
    pub(crate) fn value(&self) -> Value {
        match &self.item {
            Item::Leaf(value) => value.clone(),
            Item::List(nodes) => Value::Array(nodes.iter().map(Self::value).collect()),
            Item::Table(entries) => {
                Value::Table(entries.iter().map(|(key, node)| (key.clone(), node.value())).collect())
            }
        }
    }

    /// The value as it would be written, cut to a line.
    pub(crate) fn text(&self) -> String {
        match &self.item {
            Item::Table(_) => "a table".to_owned(),
            _ => short(&self.value().to_string()),
        }
    }

    /// What kind of value it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.item {
            Item::Table(_) => "a table",
            Item::List(_) => "a list",
            Item::Leaf(Value::String(_)) => "a string",
            Item::Leaf(Value::Integer(_)) => "a whole number",
            Item::Leaf(Value::Float(x)) if !x.is_finite() => "not a finite number",
            Item::Leaf(Value::Float(_)) => "a number with a fraction",
            Item::Leaf(Value::Boolean(_)) => "true or false",
            Item::Leaf(_) => "a date",
        }
    }

    /// Its entries, if it is a table.
    pub(crate) fn entries(&self) -> Option<&BTreeMap<String, Node>> {
        match &self.item {
            Item::Table(entries) => Some(entries),
            _ => None,
        }
    }

    /// Its entries, to change them.
    pub(crate) fn entries_mut(&mut self) -> Option<&mut BTreeMap<String, Node>> {
        match &mut self.item {
            Item::Table(entries) => Some(entries),
            _ => None,
        }
    }

    /// The string it is, if it is one.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.item {
            Item::Leaf(Value::String(text)) => Some(text),
            _ => None,
        }
    }

    /// One step down.
    pub(crate) fn child(&self, key: &str) -> Option<&Node> {
        match &self.item {
            Item::Table(entries) => entries.get(key),
            Item::List(nodes) => nodes.get(index(key)?),
            Item::Leaf(_) => None,
        }
    }

    fn child_mut(&mut self, key: &str) -> Option<&mut Node> {
        match &mut self.item {
            Item::Table(entries) => entries.get_mut(key),
            Item::List(nodes) => nodes.get_mut(index(key)?),
            Item::Leaf(_) => None,
        }
    }

    /// The deepest node on a path, and whether it is the end of the path.
    pub(crate) fn find(&self, path: &KeyPath) -> (&Node, bool) {
        let mut node = self;
        for key in path.keys() {
            match node.child(key) {
                Some(next) => node = next,
                None => return (node, false),
            }
        }
        (node, true)
    }

    /// Writes a value, making tables on the way. A value that is not a table gives way to one.
    pub(crate) fn set(&mut self, path: &[String], value: Node) {
        let Some((key, rest)) = path.split_first() else {
            *self = value;
            return;
        };
        if self.child(key).is_some() {
            let child = self.child_mut(key).expect("just seen");
            return child.set(rest, value);
        }
        if self.entries().is_none() {
            self.item = Item::Table(BTreeMap::new());
        }
        let mut child = Self::table(value.place.clone());
        child.set(rest, value);
        self.entries_mut().expect("a table since two lines").insert(key.clone(), child);
    }

    /// Takes a value out, if it is an entry of a table.
    pub(crate) fn remove(&mut self, path: &[String]) {
        match path {
            [] => {}
            [key] => {
                if let Some(entries) = self.entries_mut() {
                    entries.remove(key);
                }
            }
            [key, rest @ ..] => {
                if let Some(child) = self.child_mut(key) {
                    child.remove(rest);
                }
            }
        }
    }
}

/// The position that a key names, written `2` or `[2]`.
fn index(key: &str) -> Option<usize> {
    key.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn table(entries: &DeTable, lines: &Lines, path: &KeyPath, faults: &mut Vec<Fault>) -> Item {
    Item::Table(
        entries
            .iter()
            .map(|(key, value)| {
                let name = key.get_ref().to_string();
                let place = lines.place(key.span().start);
                let item = item(value.get_ref(), lines, &path.with(&*name), &place, faults);
                (name, Node { place, item })
            })
            .collect(),
    )
}

fn item(value: &DeValue, lines: &Lines, path: &KeyPath, place: &Place, faults: &mut Vec<Fault>) -> Item {
    let mut number = |parsed: Option<Value>, text: &str| {
        parsed.unwrap_or_else(|| {
            faults.push(
                Fault::new(path.clone(), "this number is too large to hold", "write a smaller one")
                    .found(text)
                    .placed(place),
            );
            Value::Integer(0)
        })
    };
    Item::Leaf(match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(n) => number(i64::from_str_radix(n.as_str(), n.radix()).ok().map(Value::Integer), n.as_str()),
        DeValue::Float(x) => number(
            x.as_str()
                .parse()
                .ok()
                .filter(|y: &f64| y.is_finite() || x.as_str().contains(['i', 'n']))
                .map(Value::Float),
            x.as_str(),
        ),
        DeValue::Boolean(flag) => Value::Boolean(*flag),
        DeValue::Datetime(date) => Value::Datetime(*date),
        DeValue::Array(values) => {
            return Item::List(
                values
                    .iter()
                    .enumerate()
                    .map(|(i, value)| {
                        let place = lines.place(value.span().start);
                        let item = item(value.get_ref(), lines, &path.at(i), &place, faults);
                        Node { place, item }
                    })
                    .collect(),
            );
        }
        DeValue::Table(entries) => return table(entries, lines, path, faults),
    })
}

/// One `PATH=VALUE` of the command line.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    /// Keys of the path.
    pub(crate) path: Vec<String>,
    /// The value.
    pub(crate) value: Node,
}

impl Edit {
    /// Reads `PATH=VALUE`: a dotted TOML key, a TOML value; a bare word is a string.
    pub(crate) fn parse(text: &str) -> Result<Self, Box<Fault>> {
        let place = Place::Flag("--set");
        let fault = |wrong: &str| {
            let wrong = format!("`{}`: {wrong}", short(text));
            let mend = "write PATH=VALUE, as in --set sharing.respect=0.8";
            Box::new(Fault::new(KeyPath::default(), wrong, mend).placed(&place))
        };
        let (path, value) = text.split_once('=').ok_or_else(|| fault("has no `=`"))?;
        let dotted: Vec<String> = match DeTable::parse(&format!("{path} = 0")) {
            Ok(table) => keys_of(table.get_ref()),
            Err(_) => path.split('.').map(|key| key.trim().to_owned()).collect(),
        };
        if dotted.iter().any(String::is_empty) || dotted.is_empty() {
            return Err(fault("has no path before `=`"));
        }
        let value = value.trim();
        let parsed = match format!("v = {value}").parse::<toml::Table>() {
            Ok(mut table) if table.len() == 1 => table.remove("v"),
            // TOML wants a digit on both sides of the point; people do not.
            _ => number(value).map(Value::Float),
        };
        let bare = value.starts_with(|c: char| c.is_alphabetic() || "/._~".contains(c))
            && value.chars().all(|c| c.is_alphanumeric() || "-_./:~ ".contains(c));
        match parsed {
            Some(value) => Ok(Self { path: dotted, value: Node::of(value, &place) }),
            None if bare => Ok(Self { path: dotted, value: Node::of(Value::String(value.to_owned()), &place) }),
            None => Err(fault("the value is not TOML")),
        }
    }
}

/// A number as people write it, such as `.8` or `1.`.
fn number(text: &str) -> Option<f64> {
    let plain = text.chars().all(|c| c.is_ascii_digit() || "+-.eE".contains(c));
    text.parse().ok().filter(|value: &f64| plain && value.is_finite())
}

/// The keys of a document that holds a single dotted key.
fn keys_of(table: &DeTable) -> Vec<String> {
    let mut keys = Vec::new();
    let mut table = table;
    while let Some((key, value)) = table.iter().next() {
        keys.push(key.get_ref().to_string());
        match value.get_ref() {
            DeValue::Table(next) => table = next,
            _ => break,
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_columns_from_one() {
        let node = Node::parse("f", "a = 1\n[b]\nc = 2\nd = [3,\n  4]\n").unwrap();
        let path = |keys: &[&str]| keys.iter().copied().collect::<KeyPath>();
        let place = |keys: &[&str]| node.find(&path(keys)).0.place.to_string();
        assert_eq!(place(&["a"]), "f:1:1");
        assert_eq!(place(&["b", "d", "[1]"]), "f:5:3");
        assert_eq!(place(&["b", "nothing"]), "f:2:2");
    }

    #[test]
    fn edits_take_toml_values_and_bare_words() {
        let edit = |text| Edit::parse(text).map(|e| (e.path.join("/"), e.value.text())).map_err(|f| f.to_string());
        assert_eq!(edit("a.b=1.5"), Ok(("a/b".into(), "1.5".into())));
        assert_eq!(edit("a=[1, 2]"), Ok(("a".into(), "[1, 2]".into())));
        assert_eq!(edit("a.\"b.c\"=llm"), Ok(("a/b.c".into(), "\"llm\"".into())));
        assert_eq!(edit("a=../b/c.toml"), Ok(("a".into(), "\"../b/c.toml\"".into())));
        assert_eq!(edit("a=true"), Ok(("a".into(), "true".into())));
        assert!(edit("a").unwrap_err().contains("no `=`"));
        assert!(edit("=1").unwrap_err().contains("no path"));
        assert!(edit("a=[1").unwrap_err().contains("not TOML"));
        assert!(edit("a=1\nb = 2").is_err());
    }

    #[test]
    fn numbers_without_a_leading_digit_are_numbers() {
        for (text, value) in [(".8", 0.8), ("-.5", -0.5), ("1.", 1.0), ("+.25", 0.25)] {
            let edit = Edit::parse(&format!("sharing.respect={text}")).unwrap();
            assert_eq!(edit.value.value().as_float(), Some(value), "{text}");
        }
        assert_eq!(Edit::parse("name=.hidden").unwrap().value.as_str(), Some(".hidden"));
    }

    #[test]
    fn setting_makes_tables_and_reaches_into_lists() {
        let mut node = Node::parse("f", "l = [1, 2]").unwrap();
        for text in ["a.b.c=7", "l.1=9"] {
            let edit = Edit::parse(text).unwrap();
            node.set(&edit.path, edit.value);
        }
        assert_eq!(node.value().to_string(), "{ a = { b = { c = 7 } }, l = [1, 9] }");
    }
}
