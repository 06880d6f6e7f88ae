//! Forms of answers, and tolerant reading of what comes back: prose and fences around an object, a text where a number
//! or a truth value belongs and the other way round. What cannot be read says what is wrong.

use super::Form;
use crate::model::call::Purpose;
use serde_json::{Map, Value, json};

/// Documents to read, what for, and which subtasks must be settled first; numbers as in the text, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) documents: Vec<i64>,
    pub(super) ask: String,
    pub(super) after: Vec<i64>,
}

/// The form of a purpose's answer. Objects list their fields by name, and servers that follow a form write them in that
/// order: names are chosen so that thought comes before verdict. `letters` are those of a multiple-choice question.
pub(super) fn form(purpose: Purpose, letters: &[String]) -> Form {
    let text = || json!({"type": "string"});
    let flag = || json!({"type": "boolean"});
    let numbers = || json!({"type": "array", "items": {"type": "integer"}});
    let subtasks = || {
        let one = object(&[("documents", numbers()), ("ask", text()), ("after", numbers())]);
        json!({"type": "array", "items": one})
    };
    let answer = if letters.is_empty() { text() } else { json!({"type": "string", "enum": letters}) };
    let (name, schema) = match purpose {
        Purpose::Plan => ("plan", object(&[("subtasks", subtasks())])),
        Purpose::Dispatch => ("brief", object(&[("brief", text())])),
        Purpose::Step | Purpose::Tool => ("step", object(&[("found", text()), ("evidence", text()), ("done", flag())])),
        Purpose::Gist => ("gist", object(&[("gist", text())])),
        Purpose::Verify => ("verdict", object(&[("reason", text()), ("supported", flag())])),
        Purpose::Unfold => ("labels", object(&[("labels", numbers())])),
        Purpose::Report => ("report", object(&[("report", text())])),
        Purpose::Compact => ("digest", object(&[("digest", text())])),
        Purpose::Merge => ("merge", object(&[("known", text()), ("open", text())])),
        Purpose::MoreSubtasks => ("more", object(&[("done", flag()), ("subtasks", subtasks())])),
        Purpose::Finalize => ("answer", object(&[("analysis", text()), ("answer", answer)])),
    };
    Form { name, schema }
}

/// A form of texts under these names.
pub(super) fn form_of(name: &'static str, fields: &[&str]) -> Form {
    let fields: Vec<(&str, Value)> = fields.iter().map(|field| (*field, json!({"type": "string"}))).collect();
    Form { name, schema: object(&fields) }
}

/// The fields that an answer of a purpose has.
pub(super) fn wanted(purpose: Purpose) -> &'static [&'static str] {
    match purpose {
        Purpose::Plan => &["subtasks"],
        Purpose::Dispatch => &["brief"],
        Purpose::Step | Purpose::Tool => &["found", "evidence", "done"],
        Purpose::Gist => &["gist"],
        Purpose::Verify => &["reason", "supported"],
        Purpose::Unfold => &["labels"],
        Purpose::Report => &["report"],
        Purpose::Compact => &["digest"],
        Purpose::Merge => &["known", "open"],
        Purpose::MoreSubtasks => &["done", "subtasks"],
        Purpose::Finalize => &["analysis", "answer"],
    }
}

/// A closed object with all properties required, in this order.
fn object(properties: &[(&str, Value)]) -> Value {
    let names: Vec<&str> = properties.iter().map(|(name, _)| *name).collect();
    let map: Map<String, Value> = properties.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    json!({"type": "object", "properties": map, "required": names, "additionalProperties": false})
}

/// An object that was read.
pub(super) struct Fields(Map<String, Value>);

/// What a reply says after its thinking: drafts in there are no answer.
pub(super) fn spoken(text: &str) -> &str {
    // A whole object may say these words itself.
    if serde_json::from_str::<Map<String, Value>>(text.trim()).is_ok() {
        return text;
    }
    match text.rsplit_once("</think>") {
        Some((_, spoken)) => spoken,
        None if text.trim_start().starts_with("<think>") => "",
        None => text,
    }
}

/// The first balanced JSON object in a text that has all wanted fields, else the first one.
pub(super) fn fields(text: &str, wanted: &[&str]) -> Result<Fields, String> {
    let (mut nearest, mut first) = (None, None);
    let mut from = 0;
    while let Some(start) = text[from..].find('{').map(|at| from + at) {
        let Some(end) = balanced(&text[start..]) else {
            nearest.get_or_insert_with(|| "the JSON object does not end; keep the answer shorter".to_owned());
            from = start + 1;
            continue;
        };
        match serde_json::from_str(&text[start..start + end]) {
            Ok(Value::Object(map)) if wanted.iter().all(|name| map.contains_key(*name)) => return Ok(Fields(map)),
            Ok(Value::Object(map)) => first = first.or(Some(Fields(map))),
            Ok(_) => unreachable!("a text in braces is an object"),
            Err(why) => {
                nearest.get_or_insert_with(|| format!("the JSON object is not valid: {why}"));
            }
        }
        from = start + 1;
    }
    first.ok_or_else(|| nearest.unwrap_or_else(|| "there is no JSON object in the answer".to_owned()))
}

/// Length of the object that a text starts with.
fn balanced(text: &str) -> Option<usize> {
    let (mut depth, mut quoted, mut escaped) = (0_u32, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' if !quoted => depth += 1,
            b'}' if !quoted => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

impl Fields {
    fn value(&self, name: &str) -> Result<&Value, String> {
        self.0.get(name).ok_or_else(|| format!("the field \"{name}\" is missing"))
    }

    /// A text; numbers and truth values are taken as written, a list of texts as one, null as an empty text.
    pub(super) fn text(&self, name: &str) -> Result<String, String> {
        as_text(self.value(name)?).ok_or_else(|| format!("the field \"{name}\" must be a text"))
    }

    /// A text that is not blank.
    pub(super) fn words(&self, name: &str) -> Result<String, String> {
        match self.text(name)? {
            text if text.is_empty() => Err(format!("the field \"{name}\" must not be empty")),
            text => Ok(text),
        }
    }

    /// A truth value, also as a word or as 0 and 1.
    pub(super) fn flag(&self, name: &str) -> Result<bool, String> {
        let wrong = || format!("the field \"{name}\" must be true or false");
        match self.value(name)? {
            Value::Bool(flag) => Ok(*flag),
            Value::Number(number) if number.as_i64() == Some(1) => Ok(true),
            Value::Number(number) if number.as_i64() == Some(0) => Ok(false),
            Value::String(word) => match word.trim().to_ascii_lowercase().as_str() {
                "true" | "yes" => Ok(true),
                "false" | "no" => Ok(false),
                _ => Err(wrong()),
            },
            _ => Err(wrong()),
        }
    }

    /// Numbers, also as texts that hold one each (`"[E3]"`), or a single one; null and "none" are an empty list.
    pub(super) fn numbers(&self, name: &str) -> Result<Vec<i64>, String> {
        as_numbers(self.value(name)?).ok_or_else(|| format!("the field \"{name}\" must be a list of numbers"))
    }

    /// A list of subtasks; `ask` must be there, the lists may be missing.
    pub(super) fn subtasks(&self, name: &str) -> Result<Vec<Listed>, String> {
        let list = match self.value(name)? {
            Value::Array(list) => list.as_slice(),
            one @ Value::Object(_) => std::slice::from_ref(one),
            Value::Null => &[],
            _ => return Err(format!("the field \"{name}\" must be a list of subtasks")),
        };
        let mut listed = Vec::with_capacity(list.len());
        for (i, value) in list.iter().enumerate() {
            let Value::Object(map) = value else {
                return Err(format!("subtask {} must be an object with documents, ask and after", i + 1));
            };
            let at = |why: String| format!("subtask {}: {why}", i + 1);
            let one = Self(map.clone());
            let numbers = |name: &str| if map.contains_key(name) { one.numbers(name) } else { Ok(Vec::new()) };
            listed.push(Listed {
                ask: one.words("ask").map_err(at)?,
                documents: numbers("documents").map_err(at)?,
                after: numbers("after").map_err(at)?,
            });
        }
        Ok(listed)
    }
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null => Some(String::new()),
        Value::Array(list) => {
            let texts: Option<Vec<String>> =
                list.iter().map(|v| if v.is_array() { None } else { as_text(v) }).collect();
            texts.map(|texts| texts.join(", "))
        }
        Value::Object(_) => None,
    }
}

fn as_numbers(value: &Value) -> Option<Vec<i64>> {
    match value {
        Value::Array(list) => list.iter().map(as_number).collect(),
        Value::Null => Some(Vec::new()),
        Value::String(word) if ["", "none", "[]"].contains(&word.trim().to_ascii_lowercase().as_str()) => {
            Some(Vec::new())
        }
        one => as_number(one).map(|number| vec![number]),
    }
}

fn as_number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(word) => {
            let digits: String = word.chars().filter(char::is_ascii_digit).collect();
            digits.parse().ok()
        }
        _ => None,
    }
}

/// The text of a field in an object that is damaged or cut off: up to its closing quote, or to the end.
pub(super) fn partial(text: &str, name: &str) -> Option<String> {
    let from = text.find(&format!("\"{name}\""))? + name.len() + 2;
    let rest = text[from..].trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    let mut words = String::new();
    let mut chars = rest.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => words.extend(chars.next().map(|c| if c == 'n' { '\n' } else { c })),
            c => words.push(c),
        }
    }
    let words = words.trim();
    (!words.is_empty()).then(|| words.to_owned())
}

/// A reply as free text: without the fences around it.
pub(super) fn free(text: &str) -> String {
    let text = text.trim();
    let inner = text.strip_prefix("```").and_then(|rest| rest.split_once('\n')).map_or(text, |(_, rest)| rest);
    inner.trim_end().trim_end_matches("```").trim().to_owned()
}

/// What a reply that cannot be read says of yes and no: the first such word; `None` without one.
pub(super) fn says(text: &str) -> Option<bool> {
    text.split(|c: char| !c.is_alphanumeric()).find_map(|word| match word.to_ascii_lowercase().as_str() {
        "yes" | "true" | "approved" | "accept" | "accepted" => Some(true),
        "no" | "not" | "false" | "wrong" | "reject" | "rejected" | "unsupported" => Some(false),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_object_is_found_in_prose_and_fences() {
        for text in [
            "{\"gist\": \"a {b} \\\" c\"}",
            "Sure! Here it is:\n```json\n{\"gist\": \"a {b} \\\" c\"}\n```\nBye {x}",
            "a set {1, 2} and then {\"gist\": \"a {b} \\\" c\"}",
        ] {
            assert_eq!(fields(text, &[]).unwrap().text("gist").unwrap(), "a {b} \" c", "{text}");
        }
        let two = "{\"note\": 1} and {\"in\": {\"gist\": \"x\"}}";
        assert_eq!(fields(two, &["gist"]).unwrap().text("gist").unwrap(), "x");
        assert_eq!(fields(two, &["other"]).unwrap().text("note").unwrap(), "1");
        assert_eq!(fields("none", &[]).err().unwrap(), "there is no JSON object in the answer");
        assert!(fields("{\"gist\": \"cut off", &[]).err().unwrap().contains("does not end"));
        assert!(fields("{gist: 1}", &[]).err().unwrap().contains("not valid"));
    }

    #[test]
    fn drafts_in_thoughts_are_no_answer() {
        let gist = |text: &str| fields(spoken(text), &["gist"]).ok().and_then(|f| f.text("gist").ok());
        let draft = "{\"gist\": \"draft\"}";
        let last = "{\"gist\": \"last\"}";
        assert_eq!(gist(&format!("<think>{draft}</think>\n{last}")).unwrap(), "last");
        assert_eq!(gist(&format!("so {draft}\n</think>{last}")).unwrap(), "last", "a template may open it");
        assert_eq!(gist(&format!("<think>{draft}")), None, "it never came to speak");
        assert_eq!(gist("{\"gist\": \"the tag </think>\"}").unwrap(), "the tag </think>");
    }

    #[test]
    fn one_wrong_type_is_forgiven() {
        let f = fields(
            r#"{"a": 3, "b": "Yes", "c": ["E3", 5, "[E7]"], "d": "none", "e": {}, "f": "2", "g": ["x", "y"]}"#,
            &[],
        );
        let f = f.unwrap();
        assert_eq!(f.text("a").unwrap(), "3");
        assert!(f.flag("b").unwrap());
        assert_eq!(f.numbers("c").unwrap(), [3, 5, 7]);
        assert_eq!(f.numbers("d").unwrap(), [] as [i64; 0]);
        assert_eq!(f.numbers("f").unwrap(), [2]);
        assert_eq!(f.text("g").unwrap(), "x, y");
        assert_eq!(f.text("e").unwrap_err(), "the field \"e\" must be a text");
        assert_eq!(f.flag("c").unwrap_err(), "the field \"c\" must be true or false");
        assert_eq!(f.text("z").unwrap_err(), "the field \"z\" is missing");
    }

    #[test]
    fn subtasks_need_an_ask() {
        let f = fields(r#"{"subtasks": [{"documents": ["1"], "ask": "look"}]}"#, &[]).unwrap();
        let one = Listed { documents: vec![1], ask: "look".to_owned(), after: Vec::new() };
        assert_eq!(f.subtasks("subtasks").unwrap(), [one]);
        let f = fields(r#"{"subtasks": [{"documents": [1]}]}"#, &[]).unwrap();
        assert_eq!(f.subtasks("subtasks").unwrap_err(), "subtask 1: the field \"ask\" is missing");
    }

    #[test]
    fn free_text_loses_its_fence_and_tells_yes_from_no() {
        assert_eq!(partial("{\"found\": \"a \\\"b\\\" c", "found").unwrap(), "a \"b\" c");
        assert_eq!(partial("{\"found\" : \"a\", oops", "found").unwrap(), "a");
        assert_eq!(partial("found: a", "found"), None);
        assert_eq!(free("```text\nhello\n```"), "hello");
        assert_eq!(says("It is not supported"), Some(false));
        assert_eq!(says("Yes, it is"), Some(true));
        assert_eq!(says("Nothing to say"), None);
    }

    #[test]
    fn forms_are_closed_and_name_all_they_need() {
        for purpose in Purpose::ALL {
            let schema = form(purpose, &[]).schema;
            let required = schema["required"].as_array().unwrap().len();
            assert_eq!(required, schema["properties"].as_object().unwrap().len());
            assert_eq!(schema["additionalProperties"], false);
            assert_eq!(schema["required"], json!(wanted(purpose)));
        }
    }
}
