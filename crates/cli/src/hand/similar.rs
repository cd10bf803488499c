/// Returns the candidate that is most like a name, if any is like it: at most two characters of it
/// are wrong, missing or too many, or a third of them if it is longer.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let most = (name.chars().count() / 3).clamp(1, 4);
    let ranked = candidates.map(|candidate| (distance(name, candidate), candidate));
    ranked.filter(|(distance, _)| *distance <= most).min().map(|(_, candidate)| candidate)
}

/// Returns how many characters must be put in, taken out or exchanged to come from one to the other,
/// case aside.
///
/// Source: Wagner and Fischer, The String-to-String Correction Problem (1974).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, c) in (1..).zip(one.to_lowercase().chars()) {
        let mut diagonal = above - 1;
        let mut left = above;
        let mut next = vec![left];
        for (up, other) in row.iter().skip(1).zip(&other) {
            left = (diagonal + usize::from(c != *other)).min(up + 1).min(left + 1);
            diagonal = *up;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_edits() {
        for (one, other, expected) in
            [("", "", 0), ("abc", "", 3), ("", "ab", 2), ("kitten", "sitting", 3), ("DB", "db", 0)]
        {
            assert_eq!(distance(one, other), expected, "{one} {other}");
        }
    }

    #[test]
    fn only_what_is_alike_is_offered() {
        let names = ["db-password", "db-user", "api-key"];
        let near = |name| nearest(name, names.iter().copied());
        assert_eq!(near("db-pasword"), Some("db-password"));
        assert_eq!(near("DB_USER"), Some("db-user"));
        assert_eq!(near("certificate"), None);
    }
}
