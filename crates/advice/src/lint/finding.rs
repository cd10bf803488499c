use std::ops::Range;

use serde::Serialize;

use super::catalogue::Rule;

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Worth knowing.
    Info,
    /// Likely to harm.
    Warning,
    /// Harms, or cannot work.
    Error,
}

impl Level {
    /// Returns its word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Something that a rule found in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// The rule's level, or a lower one where the place makes it less bad.
    pub level: Level,
    /// Where it is, in bytes of the file's text.
    pub span: Range<usize>,
    /// What is wrong, in a sentence: lower case, no period, names in backticks.
    pub message: String,
    /// What stands at the place, for a person who sees it underlined.
    pub label: Option<String>,
    /// Other places that make it wrong.
    pub others: Vec<Label>,
    /// Why it is wrong, as facts that can be checked.
    pub why: String,
    /// What makes it right.
    pub fix: Option<Fix>,
}

/// Another place, and what it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Where it is, in bytes of the file's text.
    pub span: Range<usize>,
    /// What it does.
    pub text: String,
}

/// What makes a finding right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// The whole command, line or statement that is right, or what to do.
    pub text: String,
    /// Changes that do it without asking. Empty if somebody has to choose.
    pub edits: Vec<Edit>,
}

/// A change of a file's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced, in bytes.
    pub span: Range<usize>,
    /// What is there instead.
    pub text: String,
}

impl Finding {
    /// Makes a finding of a rule, at the rule's level.
    #[must_use]
    pub fn new(
        rule: &'static Rule,
        span: Range<usize>,
        message: impl Into<String>,
        why: impl Into<String>,
    ) -> Self {
        let (message, why) = (message.into(), why.into());
        let (label, others, fix) = (None, Vec::new(), None);
        Self { rule, level: rule.level, span, message, label, others, why, fix }
    }

    /// Lowers the level.
    #[must_use]
    pub fn at_level(self, level: Level) -> Self {
        Self { level, ..self }
    }

    /// Says what stands at the place.
    #[must_use]
    pub fn labelled(self, label: impl Into<String>) -> Self {
        Self { label: Some(label.into()), ..self }
    }

    /// Adds another place.
    #[must_use]
    pub fn and_at(mut self, span: Range<usize>, text: impl Into<String>) -> Self {
        self.others.push(Label { span, text: text.into() });
        self
    }

    /// Says what somebody has to do.
    #[must_use]
    pub fn advise(self, text: impl Into<String>) -> Self {
        Self { fix: Some(Fix { text: text.into(), edits: Vec::new() }), ..self }
    }

    /// Says what is right, and the changes that do it without asking.
    #[must_use]
    pub fn repair(self, text: impl Into<String>, edits: Vec<Edit>) -> Self {
        Self { fix: Some(Fix { text: text.into(), edits }), ..self }
    }
}
