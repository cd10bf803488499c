/// Finds the references that a template passes to `secret` as literal strings, with their lines, each
/// once. What is in comments and raw blocks is text.
pub(super) fn references(template: &str) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut rest = template;
    while let Some(begin) = rest.find('{') {
        let Some(tag) = rest.get(begin..) else { break };
        let after = tag.get(2..).unwrap_or("");
        rest = match tag.get(..2) {
            Some("{#") => past(after, "#}"),
            Some("{%") if word(after) == "raw" => past_raw(after),
            Some("{{" | "{%") => {
                let (calls, rest) = calls(after);
                for call in calls {
                    let line = line_of(template, call);
                    if found.iter().all(|(_, known)| known != call) {
                        found.push((line, call.to_owned()));
                    }
                }
                rest
            }
            _ => tag.get(1..).unwrap_or(""),
        };
    }
    found
}

/// Returns the line of a part of a text.
fn line_of(text: &str, part: &str) -> usize {
    let offset = part.as_ptr().addr().saturating_sub(text.as_ptr().addr());
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

fn past<'a>(text: &'a str, end: &str) -> &'a str {
    text.split_once(end).map_or("", |(_, rest)| rest)
}

/// Returns the first word of a tag.
fn word(tag: &str) -> &str {
    let tag = tag.trim_start_matches(['-', '+']).trim_start();
    tag.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or("")
}

fn past_raw(mut text: &str) -> &str {
    while !text.is_empty() {
        text = past(text, "{%");
        if word(text) == "endraw" {
            return past(text, "%}");
        }
    }
    text
}

/// Returns the references in a tag, and what follows the tag.
fn calls(mut text: &str) -> (Vec<&str>, &str) {
    let mut found = Vec::new();
    let mut before = ["", ""];
    let mut depth = 0_usize;
    while let Some(first) = text.chars().next() {
        if depth == 0 && (text.starts_with("}}") || text.starts_with("%}")) {
            return (found, text.get(2..).unwrap_or(""));
        }
        let (token, rest) = text.split_at(token_length(text, first));
        text = rest;
        match first {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if matches!(first, '"' | '\'') && before == ["secret", "("] {
            found.extend(literal(token, first));
        }
        if !first.is_whitespace() {
            before = [before[1], token];
        }
    }
    (found, text)
}

fn token_length(text: &str, first: char) -> usize {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    match first {
        '"' | '\'' => {
            let mut is_escaped = false;
            let end = text.char_indices().skip(1).find(|(_, c)| {
                let closes = *c == first && !is_escaped;
                is_escaped = *c == '\\' && !is_escaped;
                closes
            });
            end.map_or(text.len(), |(at, _)| at + 1)
        }
        c if is_word(c) => text.find(|c| !is_word(c)).unwrap_or(text.len()),
        c => c.len_utf8(),
    }
}

/// Returns what stands in quotes. No reference needs an escape.
fn literal(token: &str, quote: char) -> Option<&str> {
    let inside = token.strip_prefix(quote)?.strip_suffix(quote)?;
    (!inside.contains('\\')).then_some(inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literal_references_are_found_where_they_are_called() {
        let template = r#"{ {{ secret("a") }} {# {{ secret("no") }} #}
{%- raw -%}{{ secret("no") }}{%- endraw -%}{% if secret ( 'b' ) == "}}" %}{{ "secret('no')" }}{% endif %}
{{ {"x": {"y": secret("c")}}["x"]["y"] ~ secret("d") | json }}{{ secret("a") }}
secret("no") {{ my_secret("no") ~ secret("n\"o") ~ secret(no) }}{% set x = secret("e") %}{{"#;
        let expected = [(1, "a"), (2, "b"), (3, "c"), (3, "d"), (4, "e")];
        let found = references(template);
        let found: Vec<(usize, &str)> =
            found.iter().map(|(line, text)| (*line, text.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_not_closed_ends() {
        for template in
            ["{", "{{", "{{ secret(", "{{ secret(\"a", "{% raw %}{{", "{#", "{% raw", "{{ '\\"]
        {
            assert!(references(template).is_empty(), "{template}");
        }
    }
}
