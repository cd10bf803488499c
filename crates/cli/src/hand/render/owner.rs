use std::path::Path;

use strongroom_model::private_file;

/// Reads `USER`, `USER:GROUP` or `:GROUP`, each a name of this machine's or a number.
pub(crate) fn parse(text: &str) -> Result<(Option<u32>, Option<u32>), String> {
    let (user, group) = text.split_once(':').unwrap_or((text, ""));
    if user.is_empty() && group.is_empty() {
        return Err("the form is USER, USER:GROUP or :GROUP".to_owned());
    }
    Ok((number(user, "/etc/passwd", "user")?, number(group, "/etc/group", "group")?))
}

fn number(name: &str, file: &str, kind: &str) -> Result<Option<u32>, String> {
    if name.is_empty() {
        return Ok(None);
    }
    if name.bytes().all(|byte| byte.is_ascii_digit()) {
        // The highest number means "leave it" to the kernel.
        let number = name.parse().ok().filter(|number| *number != u32::MAX);
        return number.map(Some).ok_or_else(|| format!("`{name}` is too large a number"));
    }
    let content = private_file::read(Path::new(file)).unwrap_or_default();
    let found = number_in(&String::from_utf8_lossy(&content), name);
    found.map(Some).ok_or_else(|| format!("{file} knows no {kind} `{name}`"))
}

/// Source: `passwd(5)` and `group(5)`: name, password and number come first in both.
fn number_in(content: &str, name: &str) -> Option<u32> {
    content.lines().find_map(|line| {
        let mut fields = line.split(':');
        let is_named = fields.next() == Some(name);
        fields.nth(1).filter(|_| is_named)?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_names_or_numbers() {
        assert_eq!(parse("root:root"), Ok((Some(0), Some(0))));
        assert_eq!(parse("1000"), Ok((Some(1000), None)));
        assert_eq!(parse(":12"), Ok((None, Some(12))));
        for text in ["", ":", "no-such-user", "root:no-such-group", "4294967295", "-1", "0x0"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(number_in("a:x:7:8::\nb:x:9:8::", "b"), Some(9));
    }
}
