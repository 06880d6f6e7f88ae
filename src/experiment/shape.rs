//! Checks a document against the JSON Schema of a type: unknown keys, missing keys, wrong types, ranges of whole
//! numbers, infinities; all of them at once.
//!
//! Invariant: a document without a fault here deserialises into the type.

use super::document::{Item, Node};
use super::faults::{Fault, KeyPath, nearest};
use schemars::JsonSchema;
use serde_json::Value as Json;
use toml::Value;

/// The schema of a type.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    root: Json,
}

/// A choice between named forms: bare words, and tables with one key.
struct Choice<'a> {
    words: Vec<&'a str>,
    forms: Vec<(&'a str, &'a Json)>,
}

impl Choice<'_> {
    fn names(&self) -> Vec<&str> {
        let forms = self.forms.iter().map(|(name, _)| *name);
        self.words.iter().copied().chain(forms).collect()
    }

    fn list(&self) -> String {
        let words = self.words.iter().map(|w| format!("\"{w}\""));
        let forms = self.forms.iter().map(|(name, _)| format!("{{ {name} = .. }}"));
        words.chain(forms).collect::<Vec<_>>().join(", ")
    }
}

impl Shape {
    /// The schema of `T`.
    pub(crate) fn of<T: JsonSchema>() -> Self {
        Self { root: schemars::schema_for!(T).to_value() }
    }

    /// All faults of a document.
    pub(crate) fn check(&self, node: &Node) -> Vec<Fault> {
        let mut faults = Vec::new();
        self.walk(&self.root, node, &KeyPath::default(), true, &mut faults);
        faults
    }

    /// All faults of a table at `path` that may leave keys out.
    pub(crate) fn check_part(&self, node: &Node, path: &KeyPath) -> Vec<Fault> {
        let mut faults = Vec::new();
        self.walk(&self.root, node, path, false, &mut faults);
        faults
    }

    /// The schema at a path, where it is a struct or choice that is known.
    pub(crate) fn at(&self, path: &[String]) -> Option<&Json> {
        let mut schema = self.resolve(&self.root);
        for key in path {
            let next = schema["properties"].get(key).or_else(|| {
                self.choice(schema)
                    .and_then(|c| c.forms.into_iter().find(|(name, _)| name == key))
                    .map(|(_, form)| form)
                    .or_else(|| schema.get("additionalProperties"))
                    .or_else(|| schema.get("items"))
            })?;
            schema = self.resolve(next);
        }
        Some(schema)
    }

    /// Whether the value at a path is a table with fixed keys, so that two of them can be merged key by key.
    pub(crate) fn is_struct(&self, path: &[String]) -> bool {
        self.at(path).is_some_and(|s| s["properties"].is_object())
    }

    /// Whether the value at a path is one of several named forms.
    pub(crate) fn is_choice(&self, path: &[String]) -> bool {
        self.at(path).is_some_and(|s| s["oneOf"].is_array())
    }

    /// The schema behind references and options.
    fn resolve<'a>(&'a self, schema: &'a Json) -> &'a Json {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.rsplit('/').next().unwrap_or_default();
            return self.resolve(&self.root["$defs"][name]);
        }
        match schema["anyOf"].as_array().map(Vec::as_slice) {
            Some([some, null]) if null["type"] == "null" => self.resolve(some),
            _ => schema,
        }
    }

    fn choice<'a>(&'a self, schema: &'a Json) -> Option<Choice<'a>> {
        let mut choice = Choice { words: Vec::new(), forms: Vec::new() };
        for one in schema["oneOf"].as_array()? {
            if let Some(word) = one["const"].as_str() {
                choice.words.push(word);
            }
            for word in one["enum"].as_array().into_iter().flatten() {
                choice.words.extend(word.as_str());
            }
            for (name, form) in one["properties"].as_object().into_iter().flatten() {
                choice.forms.push((name, self.resolve(form)));
            }
        }
        Some(choice)
    }

    fn walk(&self, schema: &Json, node: &Node, path: &KeyPath, complete: bool, faults: &mut Vec<Fault>) {
        let schema = self.resolve(schema);
        let expected = |what: &str, mend: String| {
            let wrong = format!("expected {what}, found {}", node.kind());
            Fault::new(path.clone(), wrong, mend).found(node.text()).placed(&node.place)
        };
        if let Some(choice) = self.choice(schema) {
            return self.walk_choice(&choice, node, path, faults);
        }
        if schema["anyOf"].is_array() {
            let fits = match &node.item {
                Item::Leaf(Value::String(text)) => text == "unlimited",
                Item::Leaf(Value::Integer(n)) => *n > 0,
                Item::Leaf(Value::Float(x)) => x.is_finite() && *x > 0.0,
                _ => false,
            };
            if !fits {
                let wrong = "expected a number above 0, or \"unlimited\"";
                faults.push(
                    Fault::new(path.clone(), wrong, "write \"unlimited\" for no limit")
                        .found(node.text())
                        .placed(&node.place),
                );
            }
            return;
        }
        match kind(schema) {
            "object" => match node.entries() {
                Some(_) => self.walk_table(schema, node, path, complete, faults),
                None => faults.push(expected("a table", format!("write [{path}] and its keys below"))),
            },
            "array" => {
                let Item::List(nodes) = &node.item else {
                    let mend = format!("write [{}]", node.text());
                    return faults.push(expected("a list", mend));
                };
                let (least, most) = (schema["minItems"].as_u64(), schema["maxItems"].as_u64());
                let count = nodes.len() as u64;
                if least.is_some_and(|n| count < n) || most.is_some_and(|n| count > n) {
                    let wrong = format!("expected {} values, found {count}", least.unwrap_or(0));
                    faults.push(
                        Fault::new(path.clone(), wrong, "add or remove values").found(node.text()).placed(&node.place),
                    );
                }
                for (i, node) in nodes.iter().enumerate() {
                    self.walk(&schema["items"], node, &path.at(i), true, faults);
                }
            }
            "integer" => match node.item {
                Item::Leaf(Value::Integer(n)) => {
                    let (low, high) = bounds(schema);
                    if n < low || n > high {
                        let wrong = if n < low {
                            format!("must not be below {low}")
                        } else {
                            format!("must not be above {high}")
                        };
                        faults.push(
                            Fault::new(path.clone(), wrong, "write a number in that range")
                                .found(n)
                                .placed(&node.place),
                        );
                    }
                }
                Item::Leaf(Value::Float(x)) if x.is_finite() => {
                    let mend = format!("write {}", x.round());
                    faults.push(expected("a whole number", mend));
                }
                _ => faults.push(expected("a whole number", mend("a whole number", schema))),
            },
            "number" => match node.item {
                Item::Leaf(Value::Integer(_)) => {}
                Item::Leaf(Value::Float(x)) if x.is_finite() => {}
                _ => faults.push(expected("a finite number", mend("a number", schema))),
            },
            "boolean" => {
                if !matches!(node.item, Item::Leaf(Value::Boolean(_))) {
                    faults.push(expected("true or false", mend("true or false", schema)));
                }
            }
            "string" => match (node.as_str(), schema["const"].as_str()) {
                (Some(text), Some(word)) if text != word => {
                    faults.push(expected(&format!("\"{word}\""), String::new()));
                }
                (Some(_), _) => {}
                (None, _) => {
                    faults.push(expected("a string", format!("write \"{}\"", node.text())));
                }
            },
            _ => finite_throughout(node, path, faults),
        }
    }

    fn walk_table(&self, schema: &Json, node: &Node, path: &KeyPath, complete: bool, faults: &mut Vec<Fault>) {
        let entries = node.entries().expect("the caller saw a table");
        let known = schema["properties"].as_object();
        for (key, node) in entries {
            let path = path.with(key);
            match (known.and_then(|k| k.get(key)), &schema["additionalProperties"]) {
                (Some(schema), _) => self.walk(schema, node, &path, true, faults),
                (None, Json::Object(_)) => {
                    self.walk(&schema["additionalProperties"], node, &path, true, faults);
                }
                (None, Json::Bool(false)) => {
                    let names: Vec<&str> = known.into_iter().flat_map(|k| k.keys().map(String::as_str)).collect();
                    let mend = match nearest(key, names.iter().copied()) {
                        Some(name) => format!("did you mean `{name}`?"),
                        None => format!("known here: {}", names.join(", ")),
                    };
                    faults.push(Fault::new(path, "unknown key", mend).placed(&node.place));
                }
                _ => finite_throughout(node, &path, faults),
            }
        }
        if !complete {
            return;
        }
        for key in schema["required"].as_array().into_iter().flatten() {
            let key = key.as_str().unwrap_or_default();
            if !entries.contains_key(key) {
                let about = advice(&schema["properties"][key]);
                let mend = if about.is_empty() { "add it".to_owned() } else { format!("add it ({about})") };
                faults.push(Fault::new(path.with(key), "is missing", mend).placed(&node.place));
            }
        }
    }

    fn walk_choice(&self, choice: &Choice, node: &Node, path: &KeyPath, faults: &mut Vec<Fault>) {
        let forms = |name: &str| choice.forms.iter().find(|(form, _)| *form == name);
        let known = |word: &str| match nearest(word, choice.names()) {
            Some(name) => format!("did you mean `{name}`? known: {}", choice.list()),
            None => format!("known: {}", choice.list()),
        };
        match &node.item {
            Item::Leaf(Value::String(word)) if choice.words.contains(&word.as_str()) => {}
            Item::Leaf(Value::String(word)) => faults
                .push(Fault::new(path.clone(), "unknown word", known(word)).found(node.text()).placed(&node.place)),
            Item::Table(entries) if !choice.forms.is_empty() => {
                let mut good = 0;
                for (key, node) in entries {
                    match forms(key) {
                        Some((_, schema)) => {
                            good += 1;
                            self.walk(schema, node, &path.with(key), true, faults);
                        }
                        None => faults.push(Fault::new(path.with(key), "unknown key", known(key)).placed(&node.place)),
                    }
                }
                if good > 1 || entries.is_empty() {
                    let wrong = format!("expected exactly one key, found {}", entries.len());
                    let mend = format!("known: {}", choice.list());
                    faults.push(Fault::new(path.clone(), wrong, mend).placed(&node.place));
                }
            }
            _ => {
                let number = matches!(node.item, Item::Leaf(Value::Integer(_) | Value::Float(_)));
                let mend = if number && forms("constant").is_some() {
                    format!("write {{ constant = {} }}", node.text())
                } else {
                    format!("write one of {}", choice.list())
                };
                let what = if choice.forms.is_empty() { "a word" } else { "a named form" };
                faults.push(
                    Fault::new(path.clone(), format!("expected {what}, found {}", node.kind()), mend)
                        .found(node.text())
                        .placed(&node.place),
                );
            }
        }
    }
}

/// The type's name; of an optional type, the type's that is there.
fn kind(schema: &Json) -> &str {
    match &schema["type"] {
        Json::String(name) => name,
        Json::Array(names) => names.iter().filter_map(Json::as_str).find(|name| *name != "null").unwrap_or_default(),
        _ => "",
    }
}

fn bounds(schema: &Json) -> (i64, i64) {
    let low = schema["minimum"].as_i64().unwrap_or(i64::MIN);
    let high = match schema["format"].as_str() {
        Some("uint8") => i64::from(u8::MAX),
        Some("uint16") => i64::from(u16::MAX),
        Some("uint32") => i64::from(u32::MAX),
        _ => i64::MAX,
    };
    (low, high.min(schema["maximum"].as_i64().unwrap_or(i64::MAX)))
}

/// What to write, and what the key is about.
fn mend(what: &str, schema: &Json) -> String {
    match advice(schema) {
        about if about.is_empty() => format!("write {what}"),
        about => format!("write {what} ({about})"),
    }
}

/// What the schema says of a key.
fn advice(schema: &Json) -> String {
    let text = schema["description"].as_str().unwrap_or_default();
    text.lines().next().unwrap_or_default().trim_end_matches('.').to_owned()
}

fn finite_throughout(node: &Node, path: &KeyPath, faults: &mut Vec<Fault>) {
    match &node.item {
        Item::Leaf(Value::Float(x)) if !x.is_finite() => faults
            .push(Fault::new(path.clone(), "must be a finite number", "write a number").found(x).placed(&node.place)),
        Item::Leaf(_) => {}
        Item::List(nodes) => {
            for (i, node) in nodes.iter().enumerate() {
                finite_throughout(node, &path.at(i), faults);
            }
        }
        Item::Table(entries) => {
            for (key, node) in entries {
                finite_throughout(node, &path.with(key), faults);
            }
        }
    }
}
