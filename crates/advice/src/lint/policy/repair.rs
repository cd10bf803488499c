//! What a statement that cannot be read was meant to be: one small change after the other, as long as
//! each brings the reader further.

use strongroom_policy::ParseError;

/// A text that can be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Repair {
    pub(super) text: String,
    /// Whether only words were spelt otherwise.
    pub(super) is_spelling: bool,
    /// Whether only quotes were put around names.
    pub(super) is_quoting: bool,
}

/// Changes that are tried one after the other.
const ROUNDS: usize = 8;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Spelling,
    Quoting,
    Grammar,
}

type Attempt = fn(&str, &ParseError) -> Option<String>;

const STATEMENTS: [(Change, Attempt); 18] = [
    (Change::Grammar, single_quotes),
    (Change::Grammar, one_equals),
    (Change::Grammar, in_not_on),
    (Change::Grammar, no_article),
    (Change::Spelling, suggestion),
    (Change::Quoting, quoted_name),
    (Change::Grammar, list_of_clauses),
    (Change::Grammar, one_condition),
    (Change::Grammar, word_before),
    (Change::Grammar, comma_between),
    (Change::Grammar, no_comma_at_end),
    (Change::Grammar, opened),
    (Change::Grammar, closed_set),
    (Change::Grammar, closed_pattern),
    (Change::Grammar, list_in_parentheses),
    (Change::Grammar, no_end),
    (Change::Grammar, closed),
    (Change::Grammar, quoted_value),
];

const RULES: [(Change, Attempt); 5] = [
    (Change::Grammar, single_quotes),
    (Change::Grammar, one_equals),
    (Change::Spelling, suggestion),
    (Change::Grammar, no_end),
    (Change::Grammar, closed),
];

/// Returns what a statement was meant to be, if small changes make it one.
pub(super) fn repair(text: &str, read: impl Fn(&str) -> Result<(), ParseError>) -> Option<Repair> {
    by(&STATEMENTS, text, read)
}

/// The same for a matching rule.
pub(super) fn repaired_rule(
    text: &str,
    read: impl Fn(&str) -> Result<(), ParseError>,
) -> Option<Repair> {
    by(&RULES, text, read)
}

fn by(
    attempts: &[(Change, Attempt)],
    text: &str,
    read: impl Fn(&str) -> Result<(), ParseError>,
) -> Option<Repair> {
    let (mut text, mut changes) = (text.to_owned(), Vec::new());
    for _round in 0..ROUNDS {
        let Err(error) = read(&text) else {
            let only = |kind| !changes.is_empty() && changes.iter().all(|change| *change == kind);
            let (is_spelling, is_quoting) = (only(Change::Spelling), only(Change::Quoting));
            return Some(Repair { text, is_spelling, is_quoting });
        };
        let better = |new: &String| match read(new) {
            Ok(()) => true,
            Err(next) => next.span.start > error.span.start,
        };
        let (change, new) = attempts.iter().find_map(|(change, attempt)| {
            let new = attempt(&text, &error).filter(|new| *new != text)?;
            better(&new).then_some((*change, new))
        })?;
        changes.push(change);
        text = new;
    }
    None
}

fn before<'a>(text: &'a str, error: &ParseError) -> &'a str {
    text.get(..error.span.start).unwrap_or("")
}

fn at<'a>(text: &'a str, error: &ParseError) -> &'a str {
    text.get(error.span.clone()).unwrap_or("")
}

fn after<'a>(text: &'a str, error: &ParseError) -> &'a str {
    text.get(error.span.end..).unwrap_or("")
}

fn single_quotes(text: &str, _error: &ParseError) -> Option<String> {
    (text.contains('"') && !text.contains('\'')).then(|| text.replace('"', "'"))
}

fn one_equals(text: &str, _error: &ParseError) -> Option<String> {
    text.contains("==").then(|| text.replace("==", "="))
}

fn in_not_on(text: &str, error: &ParseError) -> Option<String> {
    let is_on = ["on", "within", "inside", "for", "at"]
        .iter()
        .any(|word| at(text, error).eq_ignore_ascii_case(word));
    is_on.then(|| format!("{}in{}", before(text, error), after(text, error)))
}

fn no_article(text: &str, error: &ParseError) -> Option<String> {
    let is_article =
        ["the", "a", "an", "all"].iter().any(|word| at(text, error).eq_ignore_ascii_case(word));
    is_article.then(|| format!("{}{}", before(text, error), after(text, error).trim_start()))
}

fn suggestion(text: &str, error: &ParseError) -> Option<String> {
    let meant = error.suggestion?;
    let is_word = meant.chars().all(|c| c.is_alphanumeric() || "-_".contains(c));
    let wrong = at(text, error);
    if !is_word || wrong.is_empty() {
        return None;
    }
    // Of a variable only its root is suggested.
    let rest = wrong
        .split_once('.')
        .filter(|_| matches!(meant, "request" | "target"))
        .map(|(_, rest)| format!(".{rest}"));
    let is_capital = wrong.starts_with(char::is_uppercase);
    let first = meant.get(..1).filter(|_| is_capital).map(str::to_uppercase);
    let meant = match (first, meant.get(1..)) {
        (Some(first), Some(others)) => format!("{first}{others}"),
        _ => meant.to_owned(),
    };
    Some(format!(
        "{}{meant}{}{}",
        before(text, error),
        rest.unwrap_or_default(),
        after(text, error)
    ))
}

/// A name of several words, after `group` or `compartment` and before what must follow.
fn quoted_name(text: &str, error: &ParseError) -> Option<String> {
    let start = before(text, error);
    let lower = start.to_ascii_lowercase();
    let keywords = ["dynamic-group ", "group ", "compartment "];
    let begin =
        keywords.iter().filter_map(|word| lower.rfind(word).map(|at| at + word.len())).max()?;
    let rest = text.get(begin..)?;
    let of_place = lower.get(..begin)?.trim_end().ends_with("compartment");
    let stops: &[&str] = if of_place { &["where"] } else { &["to", "of"] };
    let mut end = rest.trim_end().len();
    let mut offset = 0;
    for word in rest.split(' ') {
        if stops.iter().any(|stop| word.eq_ignore_ascii_case(stop)) {
            end = rest.get(..offset)?.trim_end().len();
            break;
        }
        offset += word.len() + 1;
    }
    let name = rest.get(..end)?.trim();
    let fits = |c: char| c.is_alphanumeric() || " _-.@+$#&%()".contains(c);
    let words = name.split(' ').count();
    let is_name =
        name.contains(' ') && words <= 6 && name.chars().all(fits) && !name.starts_with("id ");
    let is_verb = |word: &str| {
        ["manage", "use", "read", "inspect", "in", "to"]
            .contains(&word.to_ascii_lowercase().as_str())
    };
    if !is_name || name.split(' ').any(is_verb) {
        return None;
    }
    Some(format!("{}'{name}'{}", text.get(..begin)?, rest.get(end..)?))
}

/// `A and B` in place of `all {A, B}`.
fn list_of_clauses(text: &str, error: &ParseError) -> Option<String> {
    let meant = error.suggestion.filter(|meant| meant.contains('{'))?;
    let (list, word) = if meant.starts_with("all") { ("all", "and") } else { ("any", "or") };
    let lower = text.to_ascii_lowercase();
    let start = lower.find(" where ")? + " where ".len();
    let condition = text.get(start..)?;
    if condition.contains(['{', '}']) || lower.contains(" between ") {
        return None;
    }
    let mut clauses: Vec<String> = vec![String::new()];
    for part in condition.split_whitespace() {
        if part.eq_ignore_ascii_case(word) {
            clauses.push(String::new());
        } else if let Some(clause) = clauses.last_mut() {
            clause.push_str(if clause.is_empty() { "" } else { " " });
            clause.push_str(part);
        }
    }
    Some(format!("{}{list} {{{}}}", text.get(..start)?, clauses.join(", ")))
}

/// A second `where`: both conditions were meant.
fn one_condition(text: &str, error: &ParseError) -> Option<String> {
    if !at(text, error).eq_ignore_ascii_case("where") {
        return None;
    }
    let before = before(text, error);
    let start = before.to_ascii_lowercase().find(" where ")? + " where ".len();
    let (first, second) = (before.get(start..)?.trim(), after(text, error).trim());
    Some(format!("{}all {{{first}, {second}}}", before.get(..start)?))
}

/// A keyword that is missing.
fn word_before(text: &str, error: &ParseError) -> Option<String> {
    let known = ["to", "in", "as", "{"];
    let missing = error.expected.iter().find(|word| known.contains(word))?;
    let wrong = at(text, error).to_ascii_lowercase();
    let last = before(text, error).split_whitespace().next_back().unwrap_or("");
    if last.eq_ignore_ascii_case(missing) {
        return None;
    }
    let fits = match *missing {
        "to" => ["inspect", "read", "use", "manage"].contains(&wrong.as_str()),
        "in" => ["tenancy", "compartment"].contains(&wrong.as_str()),
        "as" => wrong.starts_with("ocid1."),
        _ => wrong.contains('.'),
    };
    fits.then(|| {
        format!("{}{missing} {}", before(text, error), text.get(error.span.start..).unwrap_or(""))
    })
}

fn begins_clause(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    let is_list = matches!(lower.as_str(), "all" | "any" | "sets-intersect" | "sets-equal");
    is_list || lower.starts_with("request.") || lower.starts_with("target.")
}

/// Two clauses with nothing between.
fn comma_between(text: &str, error: &ParseError) -> Option<String> {
    let lists = error.expected.contains(&",") && error.expected.contains(&"}");
    let rest = text.get(error.span.start..)?;
    (lists && begins_clause(at(text, error)))
        .then(|| format!("{}, {rest}", before(text, error).trim_end()))
}

/// A comma after which the list ends.
fn no_comma_at_end(text: &str, error: &ParseError) -> Option<String> {
    let ends = matches!(at(text, error), "}" | ")");
    let start = before(text, error).trim_end().strip_suffix(',').filter(|_| ends)?;
    Some(format!("{start}{}", text.get(error.span.start..)?))
}

/// A brace that is missing before a list of clauses or of permissions.
fn opened(text: &str, error: &ParseError) -> Option<String> {
    let (start, wrong) = (before(text, error), at(text, error));
    let lower = wrong.to_ascii_lowercase();
    let list = ["all", "any"].into_iter().find(|list| lower.starts_with(list))?;
    let first = wrong.get(list.len()..).filter(|first| begins_clause(first));
    first.map(|first| format!("{start}{list} {{{first}{}", after(text, error)))
}

/// A permission set without one of its braces.
fn closed_set(text: &str, error: &ParseError) -> Option<String> {
    let (start, wrong) = (before(text, error), at(text, error));
    if wrong.eq_ignore_ascii_case("in") && error.expected.contains(&"}") {
        return Some(format!("{}}} {}", start.trim_end(), text.get(error.span.start..)?));
    }
    let is_permission =
        wrong.contains('_') && wrong.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    (is_permission && error.expected.contains(&"manage"))
        .then(|| format!("{start}{{{}", text.get(error.span.start..).unwrap_or("")))
}

/// A pattern without the slash at its end.
fn closed_pattern(text: &str, error: &ParseError) -> Option<String> {
    let rest = text.get(error.span.start..)?.strip_prefix('/')?;
    let is_it = error.expected.contains(&"/");
    let end = rest.find([' ', ',', '}', ')']).unwrap_or(rest.len());
    let (pattern, after) = (rest.get(..end)?, rest.get(end..)?);
    (is_it && !pattern.is_empty()).then(|| format!("{}/{pattern}/{after}", before(text, error)))
}

/// `in 'a', 'b'` in place of `in ('a', 'b')`.
fn list_in_parentheses(text: &str, error: &ParseError) -> Option<String> {
    let rest = text.get(error.span.start..)?;
    if !error.expected.contains(&"(") || !rest.starts_with('\'') {
        return None;
    }
    let mut end = 0;
    loop {
        let value = rest.get(end..)?.strip_prefix('\'')?;
        end += value.find('\'')? + 2;
        let after = rest.get(end..)?;
        let next = after.trim_start().strip_prefix(',').map(str::trim_start);
        match next.filter(|next| next.starts_with('\'')) {
            Some(next) => end = rest.len() - next.len(),
            None => return Some(format!("{}({}){after}", before(text, error), rest.get(..end)?)),
        }
    }
}

/// Something after the statement that is none of it.
fn no_end(text: &str, error: &ParseError) -> Option<String> {
    let wrong = text.get(error.span.start..)?.trim();
    let is_comment = ["#", "//", "--"].iter().any(|sign| wrong.starts_with(sign));
    let is_rest = matches!(wrong, ";" | "." | "," | "\\" | ".\\");
    (is_rest || (is_comment && !wrong.contains('\n')))
        .then(|| before(text, error).trim_end().to_owned())
}

/// A brace, parenthesis or quote that was left open at the end.
fn closed(text: &str, _error: &ParseError) -> Option<String> {
    let count = |c: char| text.matches(c).count();
    let text = text.trim_end();
    if count('\'') % 2 == 1 && !text.ends_with('\'') && !text.ends_with('}') {
        return Some(format!("{text}'"));
    }
    if count('{') == count('}') + 1 {
        return Some(format!("{text}}}"));
    }
    (count('(') == count(')') + 1).then(|| format!("{text})"))
}

/// A value without quotes.
fn quoted_value(text: &str, error: &ParseError) -> Option<String> {
    let wrong = at(text, error);
    let start = before(text, error).trim_end();
    let is_value = start.ends_with('=') || start.ends_with('(') || start.ends_with(',');
    let is_word =
        !wrong.is_empty() && wrong.chars().all(|c| c.is_alphanumeric() || "-_".contains(c));
    (is_value && is_word && error.expected.contains(&"'…'"))
        .then(|| format!("{}'{wrong}'{}", before(text, error), after(text, error)))
}

#[cfg(test)]
mod tests {
    use strongroom_policy::parse;

    use super::*;

    fn repaired(text: &str) -> Option<String> {
        repair(text, |text| parse(text).map(|_read| ())).map(|repair| repair.text)
    }

    #[test]
    fn what_was_meant_is_found() {
        for (wrong, meant) in [
            ("Allow group A to raed keys in tenancy", "Allow group A to read keys in tenancy"),
            ("Allow group A to read keys on tenancy", "Allow group A to read keys in tenancy"),
            ("Allow group A to read keys in the tenancy", "Allow group A to read keys in tenancy"),
            (
                "Allow group \"A\" to read keys in compartment \"B C\"",
                "Allow group 'A' to read keys in compartment 'B C'",
            ),
            (
                "Allow group A B to read keys in compartment C D where target.key.id == 'x'",
                "Allow group 'A B' to read keys in compartment 'C D' where target.key.id = 'x'",
            ),
            (
                "Allow group A to read keys in tenancy where target.key.id = 'x' and request.region = 'iad'",
                "Allow group A to read keys in tenancy where all {target.key.id = 'x', request.region = 'iad'}",
            ),
            ("Allow group A read keys tenancy", "Allow group A to read keys in tenancy"),
            (
                "Allow group A to use keys in tenancy where any {target.key.id = 'a', target.key.id = 'b'} where request.region = 'iad'",
                "Allow group A to use keys in tenancy where all {any {target.key.id = 'a', target.key.id = 'b'}, request.region = 'iad'}",
            ),
            ("Allow group A to read keys in tenancy;", "Allow group A to read keys in tenancy"),
            (
                "Allow group A to read keys in tenancy where all {target.key.id = 'x'",
                "Allow group A to read keys in tenancy where all {target.key.id = 'x'}",
            ),
            (
                "Alow gruop A to raed secret-familly in tenancy where requst.region = 'iad'",
                "Allow group A to read secret-family in tenancy where request.region = 'iad'",
            ),
        ] {
            assert_eq!(repaired(wrong).as_deref(), Some(meant), "{wrong}");
        }
        for hopeless in [
            "Allow",
            "Allow group to manage keys in tenancy",
            "Allow group A to read",
            "Allow group A to manage manage keys in tenancy",
        ] {
            assert_eq!(repaired(hopeless), None, "{hopeless}");
        }
    }

    const VALID: &str = include_str!("../../../../policy/tests/corpus/valid-public.txt");
    const BROKEN: &str =
        include_str!("../../../../policy/tests/corpus/invalid-derived-reasons-public.tsv");

    /// Public statements that were broken in one place: half can be put right. Some are in the public list
    /// as they were; those are met again.
    #[test]
    fn what_was_broken_on_purpose_is_put_right() {
        let one_form = |text: &str| parse(text).map(|read| read.to_string().to_lowercase());
        let valid: std::collections::BTreeSet<String> =
            VALID.lines().filter_map(|line| one_form(line).ok()).collect();
        let broken: Vec<&str> = BROKEN.lines().filter_map(|line| line.split('\t').next()).collect();
        let put_right: Vec<String> = broken.iter().filter_map(|line| repaired(line)).collect();
        let as_before = put_right.iter().filter(|text| valid.contains(&one_form(text).unwrap()));
        let as_before = as_before.count();
        println!(
            "{} broken, {} put right, {as_before} as they were",
            broken.len(),
            put_right.len()
        );
        assert!(put_right.len() * 2 >= broken.len(), "{} of {}", put_right.len(), broken.len());
        assert!(as_before * 3 >= put_right.len(), "{as_before} of {}", put_right.len());
    }
}
