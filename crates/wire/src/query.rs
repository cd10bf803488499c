use strongroom_model::Timestamp;

use crate::error::Refusal;
use crate::fields::{TIMESTAMP_RULE, read_timestamp};

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortOrder {
    /// Smallest first.
    Asc,
    /// Largest first.
    Desc,
}

/// The parameters after the question mark, decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads `application/x-www-form-urlencoded` text: `%XX` is decoded, `+` is a blank.
    ///
    /// # Errors
    /// A [`Refusal`] if an escape is broken or a name occurs twice, since two readers could then
    /// mean two things.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let broken = || Refusal::invalid("query", "has a broken percent escape");
            let name = percent_decode(name, true).ok_or_else(broken)?;
            let value = percent_decode(value, true).ok_or_else(broken)?;
            if pairs.iter().any(|(known, _)| *known == name) {
                return Err(Refusal::invalid("query", "gives a parameter twice"));
            }
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    /// Returns a parameter's value; an empty one counts as absent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Returns a required parameter's value.
    ///
    /// # Errors
    /// A [`Refusal`] if it is absent.
    pub fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name).ok_or_else(|| Refusal::missing(name))
    }

    /// Returns a required instant.
    ///
    /// # Errors
    /// A [`Refusal`] if it is absent or no time as in RFC 3339 from 1970 to 9999.
    pub fn required_timestamp(&self, name: &str) -> Result<Timestamp, Refusal> {
        let text = self.required(name)?;
        read_timestamp(text).ok_or_else(|| Refusal::invalid(name, TIMESTAMP_RULE))
    }

    /// Reads a parameter that must be one of `values`, compared without case.
    ///
    /// # Errors
    /// A [`Refusal`] that lists `values`.
    pub fn one_of(
        &self,
        name: &str,
        values: &[&'static str],
    ) -> Result<Option<&'static str>, Refusal> {
        let Some(given) = self.get(name) else {
            return Ok(None);
        };
        let found = values.iter().find(|value| value.eq_ignore_ascii_case(given));
        let rule = || Refusal::invalid(name, &format!("must be one of {}", values.join(", ")));
        found.map(|value| Some(*value)).ok_or_else(rule)
    }

    /// Reads a parameter that must be a whole number from `low` to `high`.
    ///
    /// # Errors
    /// A [`Refusal`] that names the bounds.
    pub fn number(&self, name: &str, low: u64, high: u64) -> Result<Option<u64>, Refusal> {
        let Some(given) = self.get(name) else {
            return Ok(None);
        };
        let digits = given.bytes().all(|byte| byte.is_ascii_digit());
        let number = given.parse().ok().filter(|number| (low..=high).contains(number));
        let rule = || Refusal::invalid(name, &format!("must be a whole number, {low} to {high}"));
        number.filter(|_| digits).map(Some).ok_or_else(rule)
    }

    /// Reads a parameter that must be `true` or `false`; absent is `false`.
    ///
    /// # Errors
    /// A [`Refusal`] if it is something else.
    pub fn flag(&self, name: &str) -> Result<bool, Refusal> {
        Ok(self.one_of(name, &["true", "false"])? == Some("true"))
    }

    /// Reads `sortOrder`.
    ///
    /// # Errors
    /// A [`Refusal`] if it is neither `ASC` nor `DESC`.
    pub fn sort_order(&self) -> Result<Option<SortOrder>, Refusal> {
        Ok(self.one_of("sortOrder", &["ASC", "DESC"])?.map(|order| match order {
            "ASC" => SortOrder::Asc,
            _ => SortOrder::Desc,
        }))
    }
}

/// Decodes `%XX`, and `+` if `plus_is_blank`. Absent if an escape is broken, the bytes are no UTF-8
/// or a control character results.
pub(crate) fn percent_decode(text: &str, plus_is_blank: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => hex(rest.next()?)? << 4 | hex(rest.next()?)?,
            b'+' if plus_is_blank => b' ',
            byte => byte,
        });
    }
    let decoded = String::from_utf8(bytes).ok()?;
    (!decoded.contains(char::is_control)).then_some(decoded)
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_as_the_sdks_encode() {
        let query = Query::parse("name=db+pass%2Fx%26y&limit=2&empty=").unwrap();
        assert_eq!(query.get("name"), Some("db pass/x&y"));
        assert_eq!(query.number("limit", 1, 10), Ok(Some(2)));
        assert_eq!(query.get("empty"), None);
    }

    #[test]
    fn refuses_what_two_readers_could_read_differently() {
        for text in ["a=1&a=2", "a=%zz", "a=%4", "a=%ff", "a=%00"] {
            assert!(Query::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_have_bounds_and_no_sign() {
        for value in ["0", "11", "+2", "-1", "2.0", "99999999999999999999", "٢"] {
            let query = Query::parse(&format!("limit={}", value.replace('+', "%2B"))).unwrap();
            assert!(query.number("limit", 1, 10).is_err(), "{value}");
        }
    }
}
