//! From values to types. Documents come as TOML and as JSON; all of them become TOML values first and types from there:
//! the readers of a scenario's many fields are compiled for one format, which halves what a build spends on them.
//!
//! Invariant: a document that both formats can hold reads the same from either.

use super::Scenario;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::Value as Json;
use toml::Value;

/// A value that is not of the type it should be of.
#[derive(Debug)]
pub(crate) struct Misread {
    /// Under which key; `.` for the whole.
    pub(crate) key: String,
    /// In which way.
    pub(crate) wrong: String,
}

/// The thing that a value tells of.
pub(crate) fn read<T: DeserializeOwned>(value: Value) -> Result<T, Misread> {
    serde_path_to_error::deserialize(value)
        .map_err(|e| Misread { key: e.path().to_string(), wrong: e.inner().message().to_owned() })
}

/// The thing that a JSON value tells of. A field that is null is as good as absent.
pub(crate) fn read_json<T: DeserializeOwned>(json: &Json) -> Result<T, Misread> {
    let value = toml_of(json).map_err(|wrong| Misread { key: ".".to_owned(), wrong })?;
    read(value)
}

/// The same of a document of another version: keys that this one does not know are left out, and named.
pub(crate) fn read_json_of_any_version<T: DeserializeOwned>(json: &Json) -> Result<(T, Vec<String>), Misread> {
    const UNKNOWN: &str = "unknown field `";
    let mut value = toml_of(json).map_err(|wrong| Misread { key: ".".to_owned(), wrong })?;
    let mut left_out = Vec::new();
    loop {
        let misread = match read(value.clone()) {
            Ok(found) => return Ok((found, left_out)),
            Err(misread) => misread,
        };
        let Some(field) = misread.wrong.strip_prefix(UNKNOWN).and_then(|rest| rest.split('`').next()) else {
            return Err(misread);
        };
        // The path may end in the field or in what holds it.
        let above = misread.key.strip_suffix(field).unwrap_or(&misread.key).trim_end_matches('.');
        let above: Vec<&str> = above.split('.').filter(|part| !part.is_empty()).collect();
        let mut place = &mut value;
        for part in &above {
            match place.get_mut(*part) {
                Some(below) => place = below,
                None => return Err(misread),
            }
        }
        if place.as_table_mut().and_then(|table| table.remove(field)).is_none() {
            return Err(misread);
        }
        left_out.push([&above[..], &[field]].concat().join("."));
    }
}

/// For fields of documents that hold a scenario.
pub(crate) fn scenario<'de, D: Deserializer<'de>>(document: D) -> Result<Scenario, D::Error> {
    let json = Json::deserialize(document)?;
    read_json(&json).map_err(|Misread { key, wrong }| D::Error::custom(format!("field `scenario.{key}`: {wrong}")))
}

fn toml_of(json: &Json) -> Result<Value, String> {
    Ok(match json {
        Json::Null => return Err("null is no value".to_owned()),
        Json::Bool(flag) => Value::Boolean(*flag),
        Json::String(text) => Value::String(text.clone()),
        Json::Number(number) => match (number.as_i64(), number.is_u64()) {
            (Some(whole), _) => Value::Integer(whole),
            (None, true) => return Err(format!("the number {number} is too large")),
            (None, false) => Value::Float(number.as_f64().expect("a number with a fraction")),
        },
        Json::Array(values) => Value::Array(values.iter().map(toml_of).collect::<Result<_, _>>()?),
        Json::Object(fields) => {
            let present = fields.iter().filter(|(_, value)| !value.is_null());
            Value::Table(present.map(|(key, value)| Ok((key.clone(), toml_of(value)?))).collect::<Result<_, String>>()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{Overrides, embedded};
    use serde_json::json;

    #[test]
    fn a_scenario_comes_back_from_json() {
        for (name, text) in embedded::SCENARIOS {
            let scenario = Scenario::parse(name, text, None, &Overrides::default()).unwrap();
            let json = serde_json::to_value(&scenario).unwrap();
            assert_eq!(json, serde_json::to_value(read_json::<Scenario>(&json).unwrap()).unwrap(), "{name}");
        }
    }

    #[test]
    fn keys_of_another_version_are_left_out_and_named() {
        let (name, text) = embedded::SCENARIOS[0];
        let scenario = Scenario::parse(name, text, None, &Overrides::default()).unwrap();
        let mut json = serde_json::to_value(&scenario).unwrap();
        json["sharing"]["distraction_per_ktoken"] = 0.0.into();
        json["gone"] = json!({ "a": 1 });
        assert!(read_json::<Scenario>(&json).is_err());
        let (read, unknown) = read_json_of_any_version::<Scenario>(&json).unwrap();
        assert_eq!((serde_json::to_value(&read).unwrap()), serde_json::to_value(&scenario).unwrap());
        assert_eq!(unknown, ["gone", "sharing.distraction_per_ktoken"]);
        json["endpoints"] = 3.into();
        assert!(read_json_of_any_version::<Scenario>(&json).is_err());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_key() {
        let wrong = |json: Json| read_json::<Scenario>(&json).map(|_| ()).map_err(|e| (e.key, e.wrong)).unwrap_err();
        let (key, why) = wrong(json!({ "endpoints": { "model": { "base_s": "soon" } } }));
        assert_eq!(
            (key.as_str(), why.as_str()),
            ("endpoints.model.base_s", "invalid type: string \"soon\", expected f64")
        );
        assert_eq!(wrong(json!({ "seed": u64::MAX })).1, "the number 18446744073709551615 is too large");
        assert_eq!(wrong(json!({ "agents": [null] })).1, "null is no value");
    }
}
