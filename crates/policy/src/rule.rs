//! Matching rules: which resources are in a dynamic group.
//!
//! Source: OCI documentation, "Writing Matching Rules to Define Dynamic Groups".

use std::fmt::{self, Display, Formatter};
use std::ops::Range;

use strongroom_model::ResourcePrincipal;

use crate::ast::Spanned;
use crate::error::ParseError;
use crate::lexer::{Placed, Scanner, Token};
use crate::parser::Parser;
use crate::text::same;

/// Longest rule, in bytes. Source: OCI documentation, "Service Limits": 100,000 characters.
const RULE_BYTES_MAX: usize = 100_000;

const DEPTH_MAX: usize = 32;

const VARIABLES: [&str; 6] = [
    "instance.id",
    "instance.compartment.id",
    "resource.id",
    "resource.type",
    "resource.compartment.id",
    "tag.<namespace>.<key>.value",
];

/// A matching rule as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// `All {…}`.
    All(Vec<Spanned<Rule>>),
    /// `Any {…}`.
    Any(Vec<Spanned<Rule>>),
    /// `variable = 'value'`, or `!=`.
    Compare {
        /// Left side.
        variable: RuleVariable,
        /// Whether it is `!=`.
        differs: bool,
        /// Right side.
        value: String,
    },
    /// `tag.<namespace>.<key>.value`: the resource has the tag.
    HasTag(RuleVariable),
}

/// What a matching rule looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleVariable {
    /// `instance.id`.
    InstanceId,
    /// `instance.compartment.id`.
    InstanceCompartmentId,
    /// `resource.id`.
    ResourceId,
    /// `resource.type`.
    ResourceType,
    /// `resource.compartment.id`.
    ResourceCompartmentId,
    /// `resource.compartment.name`, seen in public and documented nowhere: it never holds.
    ResourceCompartmentName,
    /// `tag.<namespace>.<key>.value`.
    Tag {
        /// Namespace.
        namespace: String,
        /// Key.
        key: String,
    },
}

/// Parses one matching rule. Keywords are compared without case.
///
/// # Errors
/// A [`ParseError`] with the place.
pub fn parse_rule(text: &str) -> Result<Rule, ParseError> {
    let mut parser = Parser { scanner: Scanner::new(text, Some(RULE_BYTES_MAX))? };
    let rule = parser.rule(0)?;
    parser.end(&["the end of the rule"])?;
    Ok(rule)
}

impl Parser<'_> {
    fn rule(&mut self, depth: usize) -> Result<Rule, ParseError> {
        let all = self.keyword("all")?;
        if !all && !self.keyword("any")? {
            return self.predicate();
        }
        if depth >= DEPTH_MAX {
            let span = self.peek()?.span;
            let message = format!("rules are nested more than {DEPTH_MAX} deep");
            return Err(ParseError::syntax(span, message, &[]));
        }
        self.expect_token(&Token::Open, "{")?;
        let mut rules = Vec::new();
        loop {
            rules.push(self.placed(|parser| parser.rule(depth + 1))?);
            if self.took(&Token::Comma)? {
                continue;
            }
            if !self.took(&Token::Close)? {
                return Err(self.unexpected(&[",", "}"]));
            }
            return Ok(if all { Rule::All(rules) } else { Rule::Any(rules) });
        }
    }

    fn predicate(&mut self) -> Result<Rule, ParseError> {
        let variable = self.rule_variable()?;
        let differs = self.took(&Token::Bang)?;
        if differs {
            self.expect_token(&Token::Equals, "=")?;
        } else if !self.took(&Token::Equals)? {
            let alone = matches!(variable, RuleVariable::Tag { .. })
                && matches!(self.peek()?.token, Token::End | Token::Comma | Token::Close);
            return if alone {
                Ok(Rule::HasTag(variable))
            } else {
                Err(self.unexpected(&["=", "!="]))
            };
        }
        let Token::Quoted(value) = self.peek()?.token else {
            return Err(self.unexpected(&["a value in single quotes"]));
        };
        self.scanner.take()?;
        Ok(Rule::Compare { variable, differs, value: value.to_owned() })
    }

    fn rule_variable(&mut self) -> Result<RuleVariable, ParseError> {
        let Placed { token, span } = self.peek()?;
        let Token::Word(word) = token else {
            return Err(self.unexpected(&["All", "Any", "a variable"]));
        };
        let variable = variable_named(word).ok_or_else(|| {
            let message = format!("`{word}` is not a variable of matching rules");
            ParseError::syntax(span, message, &VARIABLES).suggest(word, VARIABLES.into_iter())
        })?;
        self.scanner.take()?;
        Ok(variable)
    }
}

fn variable_named(word: &str) -> Option<RuleVariable> {
    match word.to_ascii_lowercase().as_str() {
        "instance.id" => return Some(RuleVariable::InstanceId),
        "instance.compartment.id" => return Some(RuleVariable::InstanceCompartmentId),
        "resource.id" => return Some(RuleVariable::ResourceId),
        "resource.type" => return Some(RuleVariable::ResourceType),
        "resource.compartment.id" => return Some(RuleVariable::ResourceCompartmentId),
        "resource.compartment.name" => return Some(RuleVariable::ResourceCompartmentName),
        _ => {}
    }
    let parts: Vec<&str> = word.split('.').collect();
    match parts.as_slice() {
        [tag, namespace, key, value]
            if tag.eq_ignore_ascii_case("tag")
                && value.eq_ignore_ascii_case("value")
                && !namespace.is_empty()
                && !key.is_empty() =>
        {
            let (namespace, key) = ((*namespace).to_owned(), (*key).to_owned());
            Some(RuleVariable::Tag { namespace, key })
        }
        _ => None,
    }
}

impl Rule {
    /// Tells whether a resource is in the group of this rule.
    ///
    /// # Errors
    /// The place of the first clause that does not hold; of an `Any` that of the whole.
    pub fn matches(&self, resource: &ResourcePrincipal) -> Result<(), Option<Range<usize>>> {
        match self {
            Self::All(rules) => rules.iter().try_for_each(|rule| {
                rule.value.matches(resource).map_err(|at| Some(at.unwrap_or(rule.span.clone())))
            }),
            Self::Any(rules) => {
                let any = rules.iter().any(|rule| rule.value.matches(resource).is_ok());
                if any { Ok(()) } else { Err(None) }
            }
            Self::Compare { variable, differs, value } => {
                let held = variable.of(resource).is_some_and(|held| same(held, value) != *differs);
                if held { Ok(()) } else { Err(None) }
            }
            Self::HasTag(variable) => variable.of(resource).map(|_held| ()).ok_or(None),
        }
    }
}

impl RuleVariable {
    /// What it is of a resource; `instance.…` is nothing of what is not an instance.
    fn of<'a>(&self, resource: &'a ResourcePrincipal) -> Option<&'a str> {
        let is_instance = resource.resource_type.eq_ignore_ascii_case("instance");
        match self {
            Self::InstanceId => Some(resource.id.as_str()).filter(|_| is_instance),
            Self::InstanceCompartmentId => {
                Some(resource.compartment_id.as_str()).filter(|_| is_instance)
            }
            Self::ResourceId => Some(resource.id.as_str()),
            Self::ResourceType => Some(&resource.resource_type),
            Self::ResourceCompartmentId => Some(resource.compartment_id.as_str()),
            Self::ResourceCompartmentName => None,
            Self::Tag { namespace, key } => {
                let named = |name: &&String| {
                    let parts = name.split_once('.');
                    parts.is_some_and(|(of, name)| same(of, namespace) && same(name, key))
                };
                let found = resource.tags.keys().find(named)?;
                resource.tags.get(found).map(String::as_str)
            }
        }
    }
}

impl Display for Rule {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (word, rules) = match self {
            Self::All(rules) => ("All", rules),
            Self::Any(rules) => ("Any", rules),
            Self::Compare { variable, differs, value } => {
                let operator = if *differs { "!=" } else { "=" };
                return write!(f, "{variable} {operator} '{value}'");
            }
            Self::HasTag(variable) => return variable.fmt(f),
        };
        write!(f, "{word} {{")?;
        for (number, rule) in rules.iter().enumerate() {
            write!(f, "{}{}", if number == 0 { "" } else { ", " }, rule.value)?;
        }
        f.write_str("}")
    }
}

impl Display for RuleVariable {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InstanceId => "instance.id",
            Self::InstanceCompartmentId => "instance.compartment.id",
            Self::ResourceId => "resource.id",
            Self::ResourceType => "resource.type",
            Self::ResourceCompartmentId => "resource.compartment.id",
            Self::ResourceCompartmentName => "resource.compartment.name",
            Self::Tag { namespace, key } => return write!(f, "tag.{namespace}.{key}.value"),
        })
    }
}
