use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use strongroom_model::{DefinedTags, Ocid, Sensitive, Timestamp};

use crate::content::decode_base64;
use crate::error::Refusal;

const TAGS_MAX: usize = 10;
const DEFINED_TAGS_MAX: usize = 64;
const TAG_KEY_CHARS_MAX: usize = 100;
const TAG_VALUE_CHARS_MAX: usize = 256;
const METADATA_BYTES_MAX: usize = 16 * 1024;
const CONTEXT_CHARS: usize = 4096;
const TIMESTAMP_CHARS_MAX: usize = 64;
pub(crate) const TIMESTAMP_RULE: &str =
    "must be a time as in RFC 3339, such as 2026-11-24T00:00:00Z";

/// Reads an instant; years before 1970 and after 9999 are none.
pub(crate) fn read_timestamp(text: &str) -> Option<Timestamp> {
    let at: Timestamp = text.parse().ok()?;
    (at >= Timestamp::UNIX_EPOCH && text.len() <= TIMESTAMP_CHARS_MAX).then_some(at)
}

/// A rule for texts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Text {
    /// A name of letters, digits, `-`, `_` and `.`, of 1 to so many characters.
    Name(usize),
    /// The name of a user, which may be an e-mail address: also `@` and `+`.
    UserName(usize),
    /// Any printable text of 1 to so many characters.
    Printable(usize),
    /// Any text, line breaks included, of at most so many characters.
    Free(usize),
}

impl Text {
    fn admits(self, text: &str) -> bool {
        let length = text.chars().count();
        match self {
            Self::Name(longest) => {
                let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
                (1..=longest).contains(&length) && text.chars().all(legal)
            }
            Self::UserName(longest) => Self::Name(longest).admits(&text.replace(['@', '+'], ".")),
            Self::Printable(longest) => {
                (1..=longest).contains(&length) && !text.contains(char::is_control)
            }
            Self::Free(longest) => {
                let legal = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
                length <= longest && text.chars().all(legal)
            }
        }
    }

    /// Refuses a text that stands elsewhere than in a body.
    pub(crate) fn check(self, name: &str, text: &str) -> Result<(), Refusal> {
        if self.admits(text) { Ok(()) } else { Err(Refusal::invalid(name, &self.rule())) }
    }

    fn rule(self) -> String {
        match self {
            Self::Name(longest) => {
                format!("must be 1 to {longest} characters out of A-Z a-z 0-9 - _ .")
            }
            Self::UserName(longest) => {
                format!("must be 1 to {longest} characters out of A-Z a-z 0-9 - _ . @ +")
            }
            Self::Printable(longest) => format!("must be 1 to {longest} printable characters"),
            Self::Free(longest) => format!("must be text of at most {longest} characters"),
        }
    }
}

/// The fields of a JSON object, taken out one by one; what is left at the end is unknown.
#[derive(Debug)]
pub struct Fields {
    prefix: String,
    object: Map<String, Value>,
}

impl Fields {
    pub(crate) fn new(object: Map<String, Value>) -> Self {
        Self { prefix: String::new(), object }
    }

    /// Refuses the fields that nobody took. Their names are the caller's, so they are not repeated.
    pub(crate) fn finish(self, known: &str) -> Result<(), Refusal> {
        if self.object.is_empty() {
            return Ok(());
        }
        let place = self.prefix.trim_end_matches('.');
        let place = if place.is_empty() { "body" } else { place };
        Err(Refusal::invalid(place, &format!("has an unknown field; known are {known}")))
    }

    fn name(&self, field: &str) -> String {
        format!("{}{field}", self.prefix)
    }

    /// Tells whether a field is given, be it null.
    pub(crate) fn has(&self, field: &str) -> bool {
        self.object.contains_key(field)
    }

    /// Puts another value in place of a field's.
    pub(crate) fn replace(&mut self, field: &str, with: impl FnOnce(Value) -> Value) {
        if let Some(value) = self.object.get_mut(field) {
            *value = with(value.take());
        }
    }

    /// Takes a field; null counts as absent.
    fn take(&mut self, field: &str) -> Option<Value> {
        self.object.remove(field).filter(|value| !value.is_null())
    }

    /// Counts an empty text as absent, for the reader that comes next: Terraform sends back what its
    /// state holds, and for optional fields that nobody set this is `""`.
    pub(crate) fn unless_empty(&mut self, field: &str) -> &mut Self {
        if self.object.get(field).and_then(Value::as_str) == Some("") {
            self.object.remove(field);
        }
        self
    }

    pub(crate) fn missing(&self, field: &str) -> Refusal {
        Refusal::missing(&self.name(field))
    }

    pub(crate) fn invalid(&self, field: &str, rule: &str) -> Refusal {
        Refusal::invalid(&self.name(field), rule)
    }

    pub(crate) fn string(&mut self, field: &str) -> Result<Option<String>, Refusal> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.invalid(field, "must be a string")),
        }
    }

    pub(crate) fn text(&mut self, field: &str, rule: Text) -> Result<Option<String>, Refusal> {
        let text = self.string(field)?;
        match text {
            Some(text) if !rule.admits(&text) => Err(self.invalid(field, &rule.rule())),
            text => Ok(text),
        }
    }

    pub(crate) fn required_text(&mut self, field: &str, rule: Text) -> Result<String, Refusal> {
        self.text(field, rule)?.ok_or_else(|| self.missing(field))
    }

    pub(crate) fn required_ocid(&mut self, field: &str) -> Result<Ocid, Refusal> {
        let text = self.string(field)?.ok_or_else(|| self.missing(field))?;
        text.parse().map_err(|_not_an_ocid| self.invalid(field, "must be an OCID"))
    }

    pub(crate) fn one_of(
        &mut self,
        field: &str,
        values: &[&'static str],
    ) -> Result<Option<&'static str>, Refusal> {
        let Some(text) = self.string(field)? else {
            return Ok(None);
        };
        let found = values.iter().find(|value| **value == text).copied();
        let rule = || self.invalid(field, &format!("must be one of {}", values.join(", ")));
        found.map(Some).ok_or_else(rule)
    }

    pub(crate) fn number(
        &mut self,
        field: &str,
        low: u64,
        high: u64,
    ) -> Result<Option<u64>, Refusal> {
        let Some(value) = self.take(field) else {
            return Ok(None);
        };
        let number = value.as_u64().filter(|number| (low..=high).contains(number));
        let rule = || self.invalid(field, &format!("must be a whole number, {low} to {high}"));
        number.map(Some).ok_or_else(rule)
    }

    pub(crate) fn object(&mut self, field: &str) -> Result<Option<Self>, Refusal> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::Object(object)) => {
                Ok(Some(Self { prefix: format!("{}.", self.name(field)), object }))
            }
            Some(_) => Err(self.invalid(field, "must be an object")),
        }
    }

    pub(crate) fn ocid(&mut self, field: &str) -> Result<Option<Ocid>, Refusal> {
        let Some(text) = self.string(field)? else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|_not_an_ocid| self.invalid(field, "must be an OCID"))
    }

    pub(crate) fn boolean(&mut self, field: &str) -> Result<Option<bool>, Refusal> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(value)),
            Some(_) => Err(self.invalid(field, "must be true or false")),
        }
    }

    /// Takes an instant; years before 1970 and after 9999 are none.
    pub(crate) fn timestamp(&mut self, field: &str) -> Result<Option<Timestamp>, Refusal> {
        let Some(text) = self.string(field)? else {
            return Ok(None);
        };
        read_timestamp(&text).map(Some).ok_or_else(|| self.invalid(field, TIMESTAMP_RULE))
    }

    /// Takes bytes in base64, so many at least and at most.
    pub(crate) fn required_bytes(
        &mut self,
        field: &str,
        low: usize,
        high: usize,
    ) -> Result<Sensitive, Refusal> {
        let text = self.string(field)?.ok_or_else(|| self.missing(field))?;
        let text = Sensitive::new(text.into_bytes());
        let bytes = decode_base64(&self.name(field), text.expose(), high)?;
        if bytes.expose().len() < low {
            return Err(self.invalid(field, "must not be empty"));
        }
        Ok(bytes)
    }

    /// Takes a map of texts whose JSON is shorter than 4,096 characters.
    ///
    /// Source: OCI API reference, `EncryptDataDetails`.
    pub(crate) fn context(&mut self, field: &str) -> Result<BTreeMap<String, String>, Refusal> {
        let Some(map) = self.object(field)? else {
            return Ok(BTreeMap::new());
        };
        let rule = format!("must map texts to texts, in less than {CONTEXT_CHARS} characters");
        let text = |(name, value)| match value {
            Value::String(value) => Some((name, value)),
            _ => None,
        };
        let size = Value::Object(map.object.clone()).to_string().chars().count();
        let read: Option<BTreeMap<_, _>> = map.object.into_iter().map(text).collect();
        read.filter(|_| size < CONTEXT_CHARS).ok_or_else(|| self.invalid(field, &rule))
    }

    /// Takes a list of objects.
    pub(crate) fn objects(&mut self, field: &str) -> Result<Option<Vec<Self>>, Refusal> {
        let items = match self.take(field) {
            None => return Ok(None),
            Some(Value::Array(items)) => items,
            Some(_) => return Err(self.invalid(field, "must be a list")),
        };
        let object = |(at, item): (usize, Value)| match item {
            Value::Object(object) => {
                Ok(Self { prefix: format!("{}[{at}].", self.name(field)), object })
            }
            _ => Err(self.invalid(field, "must be a list of objects")),
        };
        items.into_iter().enumerate().map(object).collect::<Result<_, _>>().map(Some)
    }

    /// Takes a list of texts.
    pub(crate) fn texts(&mut self, field: &str) -> Result<Option<Vec<String>>, Refusal> {
        let items = match self.take(field) {
            None => return Ok(None),
            Some(Value::Array(items)) => items,
            Some(_) => return Err(self.invalid(field, "must be a list of strings")),
        };
        let text = |item| match item {
            Value::String(text) => Some(text),
            _ => None,
        };
        let texts: Option<Vec<_>> = items.into_iter().map(text).collect();
        texts.map(Some).ok_or_else(|| self.invalid(field, "must be a list of strings"))
    }

    /// Takes a duration in whole days, as ISO 8601 has them: `P30D`.
    pub(crate) fn days(
        &mut self,
        field: &str,
        low: u32,
        high: u32,
    ) -> Result<Option<u32>, Refusal> {
        let Some(text) = self.string(field)? else {
            return Ok(None);
        };
        let digits = text.strip_prefix('P').and_then(|rest| rest.strip_suffix('D'));
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let days = digits.and_then(|digits| digits.parse().ok());
        let rule = || self.invalid(field, &format!("must be P{low}D to P{high}D, whole days"));
        days.filter(|days| (low..=high).contains(days)).map(Some).ok_or_else(rule)
    }

    /// Takes fields of OCI's model that this version does not act on, and refuses them: a rule that
    /// is stored and never applied would be a false promise. Empty ones ask for nothing.
    pub(crate) fn unsupported(&mut self, fields: &[&str]) -> Result<(), Refusal> {
        for field in fields {
            match self.take(field) {
                None => {}
                Some(Value::Array(items)) if items.is_empty() => {}
                Some(_) => return Err(self.invalid(field, UNSUPPORTED)),
            }
        }
        Ok(())
    }

    /// Takes `freeformTags`.
    pub(crate) fn freeform_tags(&mut self) -> Result<Option<BTreeMap<String, String>>, Refusal> {
        let field = "freeformTags";
        let Some(tags) = self.object(field)? else {
            return Ok(None);
        };
        let rule = format!(
            "must map at most {TAGS_MAX} keys of 1 to {TAG_KEY_CHARS_MAX} characters to strings \
             of at most {TAG_VALUE_CHARS_MAX}"
        );
        let legal = |(key, value): (String, Value)| match value {
            Value::String(value)
                if Text::Printable(TAG_KEY_CHARS_MAX).admits(&key)
                    && Text::Free(TAG_VALUE_CHARS_MAX).admits(&value) =>
            {
                Some((key, value))
            }
            _ => None,
        };
        let count = tags.object.len();
        let read: Option<BTreeMap<_, _>> = tags.object.into_iter().map(legal).collect();
        read.filter(|_| count <= TAGS_MAX).map(Some).ok_or_else(|| self.invalid(field, &rule))
    }

    /// Takes `definedTags`; whether the tags exist is known to the server alone. Policies compare names
    /// without case, so that of two values under one name they would see one.
    pub(crate) fn defined_tags(&mut self) -> Result<Option<DefinedTags>, Refusal> {
        let field = "definedTags";
        let rule = format!(
            "must map at most {DEFINED_TAGS_MAX} tags by namespace and key to strings of at most \
             {TAG_VALUE_CHARS_MAX} characters, whole numbers or booleans"
        );
        let Some(tags) = self.object(field)? else {
            return Ok(None);
        };
        let legal = |value: &Value| match value {
            Value::String(text) => Text::Free(TAG_VALUE_CHARS_MAX).admits(text),
            Value::Number(number) => number.is_i64() || number.is_u64(),
            Value::Bool(_) => true,
            _ => false,
        };
        let namespace = |(name, keys): (String, Value)| match keys {
            Value::Object(keys) if keys.values().all(legal) => {
                Some((name, keys.into_iter().collect()))
            }
            _ => None,
        };
        let read: Option<DefinedTags> = tags.object.into_iter().map(namespace).collect();
        if read.as_ref().is_some_and(names_twice) {
            let rule = "must name each namespace and key once; upper and lower case are the same";
            return Err(self.invalid(field, rule));
        }
        let count = |read: &DefinedTags| read.values().map(BTreeMap::len).sum::<usize>();
        read.filter(|read| count(read) <= DEFINED_TAGS_MAX)
            .map(Some)
            .ok_or_else(|| self.invalid(field, &rule))
    }

    /// Takes `metadata`: a map to any JSON values.
    pub(crate) fn metadata(&mut self) -> Result<Option<BTreeMap<String, Value>>, Refusal> {
        let field = "metadata";
        let Some(metadata) = self.object(field)? else {
            return Ok(None);
        };
        let size = Value::Object(metadata.object.clone()).to_string().len();
        if size > METADATA_BYTES_MAX {
            let rule = format!("must be at most {METADATA_BYTES_MAX} bytes of JSON");
            return Err(self.invalid(field, &rule));
        }
        Ok(Some(metadata.object.into_iter().collect()))
    }
}

/// Tells whether a namespace, or a key in one, occurs twice without regard to case.
fn names_twice(tags: &DefinedTags) -> bool {
    fn repeats<'a>(names: impl Iterator<Item = &'a String>) -> bool {
        let mut seen = BTreeSet::new();
        !names.map(|name| name.to_lowercase()).all(|name| seen.insert(name))
    }
    repeats(tags.keys()) || tags.values().any(|keys| repeats(keys.keys()))
}

const UNSUPPORTED: &str = "is not supported by this version of the server";
