//! What the modes of `chmod` mean.

use super::super::shell::{Command, Word};

/// A mode as `chmod` takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mode {
    /// The nine lowest bits.
    Bits(u32),
    /// Letters: `go-rwx`.
    Letters(String),
}

impl Mode {
    pub(super) fn new(text: &str) -> Option<Self> {
        let digits = text.trim_start_matches("0o");
        if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return u32::from_str_radix(digits, 8).ok().map(|bits| Self::Bits(bits & 0o777));
        }
        let is_letters = text.contains(['+', '-', '='])
            && text.chars().all(|letter| "ugoarwxXst+-=,".contains(letter));
        is_letters.then(|| Self::Letters(text.to_owned()))
    }

    /// Whether it leaves a file to its owner, and at most its group.
    pub(super) fn closes_to_others(&self) -> bool {
        match self {
            Self::Bits(bits) => bits.trailing_zeros() >= 3 && bits & 0o600 != 0,
            Self::Letters(text) => text.split(',').any(|part| {
                let takes = |who: &str, sign: &str| {
                    part.split_once(sign).is_some_and(|(whom, what)| {
                        whom.contains(who)
                            && (sign == "=" && what.is_empty() || sign == "-" && what.contains('r'))
                    })
                };
                takes("o", "=") || takes("o", "-") || takes("go", "-")
            }),
        }
    }

    /// Whether others may read the file afterwards.
    pub(super) fn opens_to_others(&self) -> bool {
        match self {
            Self::Bits(bits) => bits & 0o044 != 0,
            Self::Letters(text) => text.split(',').any(|part| {
                ["+", "="].iter().any(|sign| {
                    part.split_once(sign).is_some_and(|(whom, what)| {
                        (whom.is_empty() || whom.contains(['g', 'o', 'a'])) && what.contains('r')
                    })
                })
            }),
        }
    }
}

/// Returns what a `chmod` sets, and for which paths.
pub(super) fn mode_of(command: &Command) -> Option<(Mode, &[Word])> {
    let words = command.arguments();
    let is_option = |word: &Word| word.text.starts_with('-') && Mode::new(&word.text).is_none();
    let first = words.iter().position(|word| !is_option(word))?;
    let mode = Mode::new(&words.get(first)?.text)?;
    Some((mode, words.get(first + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_say_who_may_read() {
        for (text, closes, opens) in [
            ("600", true, false),
            ("0400", true, false),
            ("0o640", true, true),
            ("755", false, true),
            ("+x", false, false),
            ("go-rwx", true, false),
            ("u=rw,go=", true, false),
            ("o-r", true, false),
            ("a+r", false, true),
            ("u+rw", false, false),
        ] {
            let mode = Mode::new(text).unwrap();
            assert_eq!(
                (mode.closes_to_others(), mode.opens_to_others()),
                (closes, opens),
                "{text}"
            );
        }
        assert_eq!(Mode::new("--recursive"), None);
    }
}
