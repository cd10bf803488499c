use std::collections::BTreeMap;

use serde_json::value::RawValue;
use strongroom_model::Sensitive;

use crate::failure::{Exit, Failure};

/// Takes a value out of JSON content: a string without quotes, anything else as it is written there.
/// Messages name the pointer, never the content.
pub(crate) fn select(content: &Sensitive, pointer: &str) -> Result<Sensitive, Failure> {
    let refuse = |why: &str| {
        Failure::new(Exit::Failed, "bad-pointer", format!("cannot follow `#{pointer}`"))
            .because(why.to_owned())
    };
    let no_json = |_error| refuse("the secret's value is not JSON");
    let mut found: &RawValue = serde_json::from_slice(content.expose()).map_err(no_json)?;
    for step in steps(pointer) {
        found = below(found, &step).ok_or_else(|| refuse("the value has nothing there"))?;
    }
    let text = found.get();
    if text.starts_with('"') {
        let text: String = serde_json::from_str(text).map_err(no_json)?;
        return Ok(Sensitive::new(text.into_bytes()));
    }
    Ok(Sensitive::new(text.as_bytes().to_vec()))
}

/// Returns the names and numbers that a pointer goes through.
///
/// Source: RFC 6901 §4, if it begins with a slash.
fn steps(pointer: &str) -> Vec<String> {
    match pointer.strip_prefix('/') {
        Some(rest) => {
            rest.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect()
        }
        None => pointer.split('.').map(str::to_owned).collect(),
    }
}

fn below<'a>(value: &'a RawValue, step: &str) -> Option<&'a RawValue> {
    let text = value.get();
    if text.starts_with('{') {
        let members: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
        return members.get(step).copied();
    }
    let elements: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    let number: usize = step.parse().ok()?;
    // RFC 6901 §4: neither a sign nor leading zeros.
    elements.get(number).copied().filter(|_| number.to_string() == step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_select_inside_json() {
        let content = Sensitive::new(
            br#" {"user":{"name":"a\n"},"ports":[1,2 ],"x.y":true,"a/b":1.10,"":{"":null},
            "long":12345678901234567890123}"#
                .to_vec(),
        );
        for (pointer, expected) in [
            ("user.name", "a\n"),
            ("/user/name", "a\n"),
            ("ports.1", "2"),
            ("ports", "[1,2 ]"),
            ("/x.y", "true"),
            ("/a~1b", "1.10"),
            ("long", "12345678901234567890123"),
            ("/", r#"{"":null}"#),
            ("//", "null"),
        ] {
            assert_eq!(select(&content, pointer).unwrap().expose(), expected.as_bytes());
        }
        let failure = select(&content, "user.password").unwrap_err().to_string();
        assert!(failure.contains("#user.password") && !failure.contains("ports"), "{failure}");
        for pointer in ["ports.01", "ports.+1", "ports.2", "long.0", "user.name.0", "x.y"] {
            assert!(select(&content, pointer).is_err(), "{pointer}");
        }
        for text in ["plain", "{} x", "{", "\u{ff}"] {
            assert!(select(&Sensitive::new(text.as_bytes().to_vec()), "a").is_err(), "{text}");
        }
    }
}
