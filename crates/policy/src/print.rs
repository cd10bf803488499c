//! How a statement is written: in one form, whatever form it was read from.

use std::fmt::{self, Display, Formatter};

use crate::ast::{
    Action, Admit, Allow, Condition, Define, DefineKind, Endorse, GroupName, Location,
    QualifiedName, ResourceName, Scope, Spanned, Statement, Subject, Tenancy, Value, With,
};

/// Words that the grammar gives a meaning where a name can stand.
const RESERVED: [&str; 8] = ["id", "to", "in", "of", "as", "with", "where", "not"];

/// A name: in quotes unless it is a word that can mean nothing else.
struct Name<'a>(&'a str);

impl Display for Name<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let reserved = RESERVED.iter().any(|word| word.eq_ignore_ascii_case(self.0));
        let is_id = self.0.starts_with("ocid1.");
        if !self.0.is_empty() && self.0.chars().all(plain) && !reserved && !is_id {
            f.write_str(self.0)
        } else {
            write!(f, "'{}'", self.0)
        }
    }
}

/// Things with commas between.
struct Commas<'a, T>(&'a [Spanned<T>]);

impl<T: Display> Display for Commas<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (number, item) in self.0.iter().enumerate() {
            write!(f, "{}{}", if number == 0 { "" } else { ", " }, item.value)?;
        }
        Ok(())
    }
}

fn names(f: &mut Formatter<'_>, names: &[Spanned<String>], between: &str) -> fmt::Result {
    for (number, name) in names.iter().enumerate() {
        write!(f, "{}{}", if number == 0 { "" } else { between }, Name(&name.value))?;
    }
    Ok(())
}

impl Display for Statement {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allow(allow) => allow.fmt(f),
            Self::Admit(admit) => admit.fmt(f),
            Self::Endorse(endorse) => endorse.fmt(f),
            Self::Define(define) => define.fmt(f),
        }
    }
}

fn end(
    f: &mut Formatter<'_>,
    with: Option<&With>,
    condition: Option<&Spanned<Condition>>,
) -> fmt::Result {
    if let Some(With { resource_type, scope }) = with {
        write!(f, " with {} in {}", resource_type.value, scope.value)?;
    }
    match condition {
        Some(condition) => write!(f, " where {}", condition.value),
        None => Ok(()),
    }
}

impl Display for Allow {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let effect = if self.denies { "Deny" } else { "Allow" };
        let (subject, action) = (&self.subject.value, &self.action.value);
        write!(f, "{effect} {subject} to {action} in {}", self.location.value)?;
        end(f, None, self.condition.as_ref())
    }
}

impl Display for Admit {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(if self.denies { "Deny admit " } else { "Admit " })?;
        self.subject.value.fmt(f)?;
        match self.tenancy.as_ref().map(|tenancy| &tenancy.value) {
            None => {}
            Some(Tenancy::Any) => f.write_str(" of any-tenancy")?,
            Some(Tenancy::Named(name)) => write!(f, " of tenancy {}", Name(name))?,
        }
        write!(f, " to {} in {}", self.action.value, self.location.value)?;
        end(f, self.with.as_ref(), self.condition.as_ref())
    }
}

impl Display for Endorse {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let effect = if self.denies { "Deny endorse" } else { "Endorse" };
        let (subject, action) = (&self.subject.value, &self.action.value);
        write!(f, "{effect} {subject} to {action} in {}", self.scope.value)?;
        end(f, self.with.as_ref(), self.condition.as_ref())
    }
}

impl Display for Define {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let kind = match self.kind.value {
            DefineKind::Tenancy => "tenancy",
            DefineKind::Group => "group",
            DefineKind::DynamicGroup => "dynamic-group",
            DefineKind::Compartment => "compartment",
        };
        write!(f, "Define {kind} {} as '{}'", self.name.value, self.id.value)
    }
}

impl Display for QualifiedName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(domain) = &self.domain {
            write!(f, "{}/", Name(domain))?;
        }
        Name(&self.name).fmt(f)
    }
}

impl Display for GroupName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => name.fmt(f),
            Self::Id(id) => write!(f, "id '{id}'"),
        }
    }
}

impl Display for Subject {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::AnyUser => f.write_str("any-user"),
            Self::AnyGroup => f.write_str("any-group"),
            Self::Groups(groups) => write!(f, "group {}", Commas(groups)),
            Self::DynamicGroups(groups) => write!(f, "dynamic-group {}", Commas(groups)),
            Self::Services(services) => {
                f.write_str("service ")?;
                names(f, services, ", ")
            }
            Self::Resources(resources) => {
                f.write_str("resource ")?;
                names(f, resources, " ")
            }
        }
    }
}

impl Display for ResourceName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Known(known) => known.name(),
            Self::Other(name) => name,
        })
    }
}

impl Display for Action {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verb(verb, resource_type) => write!(f, "{} {resource_type}", verb.name()),
            Self::Associate(resource_type) => write!(f, "associate {resource_type}"),
            Self::Permissions(permissions, resource_type) => {
                write!(f, "{{{}}}", Commas(permissions))?;
                resource_type.iter().try_for_each(|name| write!(f, " {name}"))
            }
        }
    }
}

impl Display for Location {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tenancy => f.write_str("tenancy"),
            Self::Id(id) => write!(f, "compartment id '{id}'"),
            Self::Path(path) => {
                f.write_str("compartment ")?;
                for (number, name) in path.iter().enumerate() {
                    write!(f, "{}{}", if number == 0 { "" } else { ":" }, Name(name))?;
                }
                Ok(())
            }
        }
    }
}

impl Display for Scope {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::AnyTenancy => f.write_str("any-tenancy"),
            Self::Tenancy(None) => f.write_str("tenancy"),
            Self::Tenancy(Some(name)) => write!(f, "tenancy {}", Name(name)),
            Self::Compartment(location, None) => location.fmt(f),
            Self::Compartment(location, Some(name)) => {
                write!(f, "{location} of tenancy {}", Name(name))
            }
        }
    }
}

impl Display for Condition {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(clauses) => write!(f, "all {{{}}}", Commas(clauses)),
            Self::Any(clauses) => write!(f, "any {{{}}}", Commas(clauses)),
            Self::Compare { variable, differs, value } => {
                let operator = if *differs { "!=" } else { "=" };
                write!(f, "{} {operator} {}", variable.value, value.value)
            }
            Self::In { variable, negated, values } => {
                let operator = if *negated { "not in" } else { "in" };
                write!(f, "{} {operator} ({})", variable.value, Commas(values))
            }
            Self::Before(variable, time) => {
                write!(f, "{} before '{}'", variable.value, time.value)
            }
            Self::After(variable, time) => write!(f, "{} after '{}'", variable.value, time.value),
            Self::Between(variable, low, high) => {
                write!(f, "{} between '{}' and '{}'", variable.value, low.value, high.value)
            }
            Self::SetsIntersect(variable, values) => {
                write!(f, "sets-intersect ({}, ({}))", variable.value, Commas(values))
            }
            Self::SetsEqual(variable, values) => {
                write!(f, "sets-equal ({}, ({}))", variable.value, Commas(values))
            }
            Self::Absent(variable) => write!(f, "!{}", variable.value),
            Self::Present(variable) => f.write_str(&variable.value),
        }
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "'{text}'"),
            Self::Pattern(pattern) => write!(f, "/{pattern}/"),
            Self::Id(id) => f.write_str(id),
            Self::Variable(variable) => f.write_str(variable),
        }
    }
}
