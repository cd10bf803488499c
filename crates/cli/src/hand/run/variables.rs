use std::ffi::{OsStr, OsString};

use strongroom_model::Sensitive;

use super::super::reference::SCHEME;
use super::super::values::Mention;
use super::env_file::Line;
use super::mask::can_mask;
use crate::environment::Environment;
use crate::failure::{Exit, Failure, warn};

/// Longest `NAME=VALUE` that the kernel takes, with its end: `MAX_ARG_STRLEN` of execve(2).
const VARIABLE_BYTES_MAX: usize = 32 * 4096;

/// What the command's environment has in place of this process's.
#[derive(Debug, Default)]
pub(super) struct Variables {
    pub(super) removed: Vec<OsString>,
    pub(super) set: Vec<(OsString, Sensitive)>,
}

/// Variables before their references are read.
#[derive(Debug, Default)]
pub(super) struct Template {
    removed: Vec<OsString>,
    plain: Vec<(OsString, Sensitive)>,
    /// Names, in the order of the mentions.
    referring: Vec<OsString>,
}

impl Template {
    /// Sorts variables: those of the file come before the environment's of the same name.
    pub(super) fn of(environment: &Environment, lines: Vec<Line>) -> (Self, Vec<Mention>) {
        let mut template = Self::default();
        let mut mentions = Vec::new();
        for (name, text) in &environment.references {
            if lines.iter().any(|line| OsStr::new(&line.name) == name) {
                continue;
            }
            let place = format!("variable `{}`", name.to_string_lossy());
            mentions.push(Mention { place, text: text.clone() });
            template.referring.push(name.clone());
        }
        for Line { number, name, value } in lines {
            if value.starts_with(SCHEME) {
                let place = format!("variable `{name}` (line {number} of the file)");
                mentions.push(Mention { place, text: value });
                template.referring.push(name.into());
            } else {
                let value = Sensitive::new(value.into_bytes());
                template.plain.push((name.into(), value));
            }
        }
        (template, mentions)
    }

    /// Takes variables from the command, unless the file sets them.
    pub(super) fn remove(&mut self, names: &[OsString]) {
        self.removed = names.to_vec();
    }

    /// Puts values in the places of the references.
    pub(super) fn fill(&self, values: &[Sensitive]) -> Result<Variables, Failure> {
        let mut set = self.plain.clone();
        let mut failures = Vec::new();
        for (name, value) in self.referring.iter().zip(values) {
            match refusal(name, value) {
                Some(why) => failures
                    .push(Failure::new(Exit::Failed, "unfit-value", cannot_set(name)).because(why)),
                None => set.push((name.clone(), value.clone())),
            }
        }
        let removed = self.removed.clone();
        Failure::all(failures).map_or(Ok(Variables { removed, set }), Err)
    }
}

fn cannot_set(name: &OsStr) -> String {
    format!("cannot set variable `{}`", name.to_string_lossy())
}

fn refusal(name: &OsStr, value: &Sensitive) -> Option<&'static str> {
    if value.expose().contains(&0) {
        return Some("the value holds a NUL, which no variable can");
    }
    let fits = name.len() + value.expose().len() + 2 <= VARIABLE_BYTES_MAX;
    (!fits).then_some("the value is larger than the kernel lets a variable be")
}

/// Warns of values that cannot be masked.
pub(super) fn warn_of_short<'a>(values: impl Iterator<Item = (&'a str, &'a Sensitive)>) {
    for (place, _) in values.filter(|(_, value)| !can_mask(value)) {
        let message = format!("the value of {place} is not masked");
        warn("short-value", &message, "it is shorter than 4 bytes, which are everywhere by chance");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: usize, name: &str, value: &str) -> Line {
        Line { number, name: name.to_owned(), value: value.to_owned() }
    }

    #[test]
    fn the_file_comes_before_the_environment() {
        let references =
            vec![("A".into(), "secret://v/a".to_owned()), ("B".into(), "secret://v/b".to_owned())];
        let environment = Environment { references, ..Environment::default() };
        let lines = vec![line(1, "A", "plain"), line(3, "C", "secret://v/c")];
        let (template, mentions) = Template::of(&environment, lines);
        let texts: Vec<&str> = mentions.iter().map(|mention| mention.text.as_str()).collect();
        assert_eq!(texts, ["secret://v/b", "secret://v/c"]);
        let values = [b"1".to_vec(), b"\xff".to_vec()].map(Sensitive::new);
        let set = template.fill(&values).unwrap().set;
        let expected = [("A", &b"plain"[..]), ("B", b"1"), ("C", b"\xff")];
        let expected = expected.map(|(name, value)| (name.into(), Sensitive::new(value.to_vec())));
        assert_eq!(set, expected);
        let printed = format!("{template:?} {:?} {set:?}", line(1, "A", "plain"));
        assert!(printed.contains(r#"Line { number: 1, name: "A", .. }"#), "{printed}");
        assert!(!printed.contains("plain\""), "{printed}");
    }

    #[test]
    fn what_no_variable_can_hold_is_refused() {
        let name = OsStr::new("A");
        assert!(refusal(name, &Sensitive::new(b"a\0b".to_vec())).is_some());
        assert!(refusal(name, &Sensitive::new(vec![b'x'; VARIABLE_BYTES_MAX - 3])).is_none());
        assert!(refusal(name, &Sensitive::new(vec![b'x'; VARIABLE_BYTES_MAX - 2])).is_some());
    }
}
