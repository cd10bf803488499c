use strongroom_policy::{ParseError, parse, parse_rule};

/// What became of a file of statements or rules.
#[derive(Debug, Default)]
pub struct Checked {
    /// How many were accepted.
    pub accepted: usize,
    /// Those that were refused.
    pub refused: Vec<Refused>,
}

/// A statement or rule that was refused, and where.
#[derive(Debug)]
pub struct Refused {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub error: ParseError,
    /// The statement or rule.
    pub text: String,
}

/// Checks a file with one statement in each line; empty lines are none.
#[must_use]
pub fn check_lines(text: &str) -> Checked {
    check(text, |line| parse(line).map(|_statement| ()))
}

/// Checks a file with one matching rule in each line; empty lines are none.
#[must_use]
pub fn check_rules(text: &str) -> Checked {
    check(text, |line| parse_rule(line).map(|_rule| ()))
}

/// Checks one statement, which may have several lines.
///
/// # Errors
/// The refusal.
pub fn check_statement(text: &str) -> Result<(), Box<Refused>> {
    parse(text).map(|_statement| ()).map_err(|error| Box::new(refused(1, text, error)))
}

fn check(text: &str, read: impl Fn(&str) -> Result<(), ParseError>) -> Checked {
    let mut checked = Checked::default();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() {
            continue;
        }
        match read(line) {
            Ok(()) => checked.accepted += 1,
            Err(error) => checked.refused.push(refused(number, line, error)),
        }
    }
    checked
}

fn refused(first_line: usize, text: &str, error: ParseError) -> Refused {
    let before = text.get(..error.span.start).unwrap_or_default();
    let line = first_line + before.matches('\n').count();
    let in_line = before.rsplit('\n').next().unwrap_or_default();
    let column = in_line.chars().count() + 1;
    Refused { line, column, error, text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_lines_and_columns() {
        let checked =
            check_lines("Allow any-user to read keys in tenancy\n\nAllow group Ä to raed");
        assert_eq!(checked.accepted, 1);
        let places: Vec<_> = checked.refused.iter().map(|one| (one.line, one.column)).collect();
        assert_eq!(places, [(3, 18)]);
        let refused = check_statement("Allow any-user\n  to raed keys in tenancy").unwrap_err();
        assert_eq!((refused.line, refused.column), (2, 6));
        assert_eq!(check_rules("All {instance.id = 'x'}\nAll {}").refused.len(), 1);
    }
}
