//! What conditions compare variables with.

use std::collections::{BTreeMap, BTreeSet};

use strongroom_policy::Semantics;
use strongroom_policy::ast::{Condition, Spanned, Value};

/// What one variable is compared with. All texts are in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Atoms {
    pub(super) texts: BTreeSet<String>,
    /// Texts in which a star stands for any run of characters.
    pub(super) patterns: BTreeSet<String>,
    /// Lists that a whole set is compared with.
    pub(super) sets: BTreeSet<Vec<String>>,
    /// Other variables, on either side.
    pub(super) variables: BTreeSet<String>,
}

/// What each variable is compared with, by its name in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Uses(pub(super) BTreeMap<String, Atoms>);

impl Uses {
    pub(super) fn of<'a>(
        conditions: impl Iterator<Item = &'a Condition>,
        semantics: Semantics,
    ) -> Self {
        let mut uses = Self::default();
        for condition in conditions {
            uses.gather(condition, semantics);
        }
        uses
    }

    /// Tells whether a variable is used that begins so.
    pub(super) fn mention(&self, start: &str) -> bool {
        self.0.keys().any(|name| name.starts_with(start))
    }

    pub(super) fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.get(name).into_iter().flat_map(|atoms| atoms.texts.iter().map(String::as_str))
    }

    fn gather(&mut self, condition: &Condition, semantics: Semantics) {
        match condition {
            Condition::All(clauses) | Condition::Any(clauses) => {
                for clause in clauses {
                    self.gather(&clause.value, semantics);
                }
            }
            Condition::Compare { variable, value, .. } => {
                self.compare(&variable.value, std::slice::from_ref(value), semantics);
            }
            Condition::In { variable, values, .. } | Condition::SetsIntersect(variable, values) => {
                self.compare(&variable.value, values, semantics);
            }
            Condition::SetsEqual(variable, values) => {
                self.compare(&variable.value, values, semantics);
                let texts = values.iter().filter_map(|value| match &value.value {
                    Value::Text(text) | Value::Id(text) => Some(text.to_lowercase()),
                    Value::Pattern(pattern) => Some(pattern.to_lowercase().replace('*', "")),
                    Value::Variable(_) => None,
                });
                let texts = texts.collect();
                self.atoms(&variable.value).sets.insert(texts);
            }
            Condition::Before(variable, at) | Condition::After(variable, at) => {
                self.atoms(&variable.value).texts.insert(at.value.to_lowercase());
            }
            Condition::Between(variable, low, high) => {
                let atoms = self.atoms(&variable.value);
                atoms.texts.extend([low.value.to_lowercase(), high.value.to_lowercase()]);
            }
            Condition::Absent(variable) | Condition::Present(variable) => {
                self.atoms(&variable.value);
            }
        }
    }

    fn compare(&mut self, variable: &str, values: &[Spanned<Value>], semantics: Semantics) {
        let name = canonical(variable);
        let stars = semantics == Semantics::Strict
            && name.starts_with("target.")
            && name.rsplit('.').next() == Some("name");
        for value in values {
            match &value.value {
                Value::Pattern(text) => {
                    self.atoms(&name).patterns.insert(text.to_lowercase());
                }
                Value::Text(text) if stars && text.contains('*') => {
                    self.atoms(&name).patterns.insert(text.to_lowercase());
                }
                Value::Text(text) | Value::Id(text) => {
                    self.atoms(&name).texts.insert(text.to_lowercase());
                }
                Value::Variable(other) => {
                    let other = canonical(other);
                    self.atoms(&name).variables.insert(other.clone());
                    self.atoms(&other).variables.insert(name.clone());
                }
            }
        }
    }

    fn atoms(&mut self, variable: &str) -> &mut Atoms {
        self.0.entry(canonical(variable)).or_default()
    }

    /// Gives variables that are compared with one another what either is compared with.
    pub(super) fn shared(mut self) -> Self {
        for _ in 0..self.0.len() {
            let before = self.clone();
            for atoms in self.0.values_mut() {
                for other in atoms.variables.clone() {
                    let Some(of_other) = before.0.get(&other) else { continue };
                    atoms.texts.extend(of_other.texts.iter().cloned());
                    atoms.patterns.extend(of_other.patterns.iter().cloned());
                }
            }
            if self == before {
                break;
            }
        }
        self
    }
}

/// Returns the name by which a variable is looked up.
pub(super) fn canonical(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    if name == "target.secret.ocid" { "target.secret.id".to_owned() } else { name }
}
