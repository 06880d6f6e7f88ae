//! `Limit`: a number, or `"unlimited"`. Nothing else stands for "no limit".

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A bound that may be absent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Limit {
    /// No bound.
    #[default]
    Unlimited,
    /// This much.
    At(f64),
}

impl Limit {
    /// The bound as a number, if there is one.
    pub fn at(self) -> Option<f64> {
        match self {
            Self::Unlimited => None,
            Self::At(x) => Some(x),
        }
    }

    /// The bound as a whole number, if there is one.
    pub fn whole(self) -> Option<u64> {
        self.at().map(|x| x as u64)
    }
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unlimited => serializer.serialize_str("unlimited"),
            Self::At(x) => serializer.serialize_f64(*x),
        }
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Limit;
            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("a number or \"unlimited\"")
            }
            fn visit_i64<E: de::Error>(self, v: i64) -> Result<Limit, E> {
                Ok(Limit::At(v as f64))
            }
            fn visit_u64<E: de::Error>(self, v: u64) -> Result<Limit, E> {
                Ok(Limit::At(v as f64))
            }
            fn visit_f64<E: de::Error>(self, v: f64) -> Result<Limit, E> {
                Ok(Limit::At(v))
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Limit, E> {
                if v == "unlimited" {
                    Ok(Limit::Unlimited)
                } else {
                    Err(E::invalid_value(de::Unexpected::Str(v), &self))
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl schemars::JsonSchema for Limit {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Limit".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A bound; \"unlimited\" means none.",
            "anyOf": [{ "type": "number", "exclusiveMinimum": 0 }, { "const": "unlimited" }]
        })
    }
}
