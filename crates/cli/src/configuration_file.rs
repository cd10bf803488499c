//! Configuration files in TOML, and errors about them that show nothing of what stands there: somebody
//! may have written a secret into one.

use serde::de::DeserializeOwned;

/// How errors about a value begin that tell what it is.
const OF_VALUE: [&str; 3] = ["invalid type: ", "invalid value: ", "unknown variant "];

/// Reads a configuration. The error names the line, the setting and the rule, not the value.
pub(crate) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    toml::from_str(text).map_err(|error| told(text, error))
}

fn told(text: &str, mut error: toml::de::Error) -> String {
    let line = error.span().and_then(|span| {
        let before = text.get(..span.start)?;
        Some(format!("line {}: ", before.matches('\n').count() + 1))
    });
    // With the text the error prints the line, without it the setting's name.
    error.set_input(None);
    let whole = error.to_string();
    let place = whole.strip_prefix(error.message()).unwrap_or("");
    let place = place.trim().to_owned();
    let space = if place.is_empty() { "" } else { " " };
    format!("{}{}{space}{place}", line.unwrap_or_default(), without_value(error.message()))
}

/// Takes the value out of a message.
fn without_value(message: &str) -> String {
    let begins = OF_VALUE.into_iter().find(|start| message.starts_with(start));
    let parts = begins.and_then(|start| {
        let (found, expected) = message.strip_prefix(start)?.rsplit_once(", expected ")?;
        Some((start, found, expected))
    });
    let Some((start, found, expected)) = parts else { return message.to_owned() };
    let kind = found.split(['"', '`']).next().unwrap_or("");
    format!("{}, expected {expected}", format!("{start}{kind}").trim_end())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "lowercase")]
    enum Mode {
        Strict,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Settings {
        port: Option<u16>,
        mode: Option<Mode>,
        text: Option<String>,
        vaults: BTreeMap<String, String>,
    }

    #[test]
    fn errors_name_the_place_and_show_no_value() {
        for (text, expected) in [
            ("\nport = 'c4n4ry'\n", "line 2: invalid type: string, expected u16 in `port`"),
            ("port = 65536\n", "line 1: invalid value: integer, expected u16 in `port`"),
            ("text = 4711\n", "line 1: invalid type: integer, expected a string in `text`"),
            (
                "text = 'a'\n[vaults]\nprod = [\n 'c4n4ry']\n",
                "line 3: invalid type: sequence, expected a string in `vaults.prod`",
            ),
            (
                "vaults = 'c4n4ry, expected \"c4n4ry'\n",
                "line 1: invalid type: string, expected a map in `vaults`",
            ),
            ("mode = 'c4n4ry'\n", "line 1: unknown variant, expected `strict` in `mode`"),
        ] {
            assert_eq!(parse::<Settings>(text).unwrap_err(), expected, "{text}");
        }
        let unknown = parse::<Settings>("text = 'c4n4ry'\nprot = 1\n").unwrap_err();
        assert!(unknown.starts_with("line 2: unknown field `prot`, expected one of"), "{unknown}");
        for broken in [
            "text = 'a'\npassword: c4n4ry\n",
            "c4n4ry\n",
            "c4n4ry==\n",
            "text = c4n4ry\n",
            "text = 'c4n4ry\n",
            "text = \"c4n4ry\\q\"\n",
            "[c4n4ry\n",
            "text = 'a'\ntext = 'c4n4ry'\n",
            "port = 12c4n4ry\n",
        ] {
            let why = parse::<Settings>(broken).unwrap_err();
            assert!(why.starts_with("line ") && !why.contains("c4n4ry"), "{broken}: {why}");
        }
        let read = Settings { mode: Some(Mode::Strict), ..Settings::default() };
        assert_eq!(parse("mode = 'strict'\n"), Ok(read));
    }
}
