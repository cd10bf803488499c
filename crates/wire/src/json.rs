use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::error::{ErrorCode, Refusal};
use crate::fields::Fields;

/// Largest body that is read, in bytes.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;

/// Deepest nesting of a body; the outermost object counts as 1.
pub const DEPTH_MAX: usize = 32;

/// Parses a body that must be a JSON object: duplicate names are refused at every level, nesting is
/// bounded.
///
/// # Errors
/// `CannotParseRequest`; the message names the rule and never quotes the body.
pub fn parse_object(body: &[u8]) -> Result<Fields, Refusal> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let parsed = Strict { depth: 0 }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value));
    match parsed {
        Ok(Value::Object(object)) => Ok(Fields::new(object)),
        Ok(_) => Err(refuse("the body must be a JSON object")),
        Err(error) => Err(explain(&error)),
    }
}

/// Parses a body that may be left out, which counts as an object without fields.
///
/// # Errors
/// As [`parse_object`].
pub fn parse_optional_object(body: &[u8]) -> Result<Fields, Refusal> {
    if body.is_empty() { Ok(Fields::new(Map::new())) } else { parse_object(body) }
}

const DUPLICATE: &str = "the body names a field twice";
const TOO_DEEP: &str = "the body is nested more than 32 levels deep";

fn refuse(message: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::CannotParseRequest, message.into())
}

/// The parser's own messages can quote the input, so only those of this file and the position pass.
fn explain(error: &serde_json::Error) -> Refusal {
    let text = error.to_string();
    for own in [DUPLICATE, TOO_DEEP] {
        if text.starts_with(own) {
            return refuse(own);
        }
    }
    let (line, column) = (error.line(), error.column());
    refuse(format!("the body is not valid JSON (line {line}, column {column})"))
}

#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        if self.depth < DEPTH_MAX {
            Ok(Self { depth: self.depth + 1 })
        } else {
            Err(E::custom(TOO_DEEP))
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut object = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(inner)?;
            if object.insert(name, value).is_some() {
                return Err(de::Error::custom(DUPLICATE));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_name_the_rule_and_quote_nothing() {
        let deep = format!("{}1{}", r#"{"a":"#.repeat(33), "}".repeat(33));
        for (body, rule) in [
            (r#"{"a":1,"a":2}"#, "twice"),
            (r#"{"a":{"b":1,"b":2}}"#, "twice"),
            (deep.as_str(), "32 levels"),
            (r#"{"s3cr3t"}"#, "not valid JSON"),
            (r#"{"a":"s3cr3t"} x"#, "not valid JSON"),
            ("[]", "must be a JSON object"),
            ("", "not valid JSON"),
            ("{\"a\":\"\u{fffd}", "not valid JSON"),
        ] {
            let refusal = parse_object(body.as_bytes()).unwrap_err();
            assert_eq!(refusal.code, ErrorCode::CannotParseRequest);
            assert!(refusal.message.contains(rule), "{body}: {}", refusal.message);
            assert!(!refusal.message.contains("s3cr3t"));
        }
        assert!(parse_object(&[b'{', 0xff, b'}']).is_err());
    }

    #[test]
    fn thirty_two_levels_are_accepted() {
        let body = format!("{}1{}", r#"{"a":"#.repeat(32), "}".repeat(32));
        assert!(parse_object(body.as_bytes()).is_ok());
    }
}
