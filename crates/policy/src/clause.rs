//! Conditions, compiled: names are known, patterns and times are read.

use std::collections::BTreeMap;
use std::ops::Range;

use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::tz::Offset;
use strongroom_model::{Ocid, PrincipalKind};

use crate::ast::{Condition, Spanned, Value};
use crate::facts::{Asked, Fact, FactName, Question};
use crate::required::Semantics;
use crate::text::{Pattern, same};

/// What conditions look up beside the request: names and tags of compartments, tags of groups.
#[derive(Debug, Clone, Default)]
pub(crate) struct Surroundings {
    pub(crate) compartments: BTreeMap<Ocid, CompartmentFacts>,
    pub(crate) group_tags: BTreeMap<Ocid, Vec<(String, String)>>,
}

/// What is known of a compartment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CompartmentFacts {
    /// Name.
    pub name: String,
    /// Defined tags, by `namespace.key`.
    pub tags: Vec<(String, String)>,
}

/// A condition, or a part of one.
#[derive(Debug, Clone)]
pub(crate) struct Clause {
    span: Range<usize>,
    test: Test,
}

#[derive(Debug, Clone)]
enum Test {
    All(Vec<Clause>),
    Any(Vec<Clause>),
    Equals(Variable, Operand),
    Differs(Variable, Operand),
    In(Variable, Vec<Operand>),
    NotIn(Variable, Vec<Operand>),
    Before(Variable, Timestamp),
    After(Variable, Timestamp),
    Between(Variable, Timestamp, Timestamp),
    /// Past midnight if the first is the later one.
    TimeOfDay(Time, Time),
    SetsIntersect(Variable, Vec<Operand>),
    SetsEqual(Variable, Vec<Operand>),
    Absent(Variable),
    Present(Variable),
}

#[derive(Debug, Clone)]
enum Operand {
    Text(String),
    Pattern(Pattern),
    Variable(Variable),
}

/// A variable, recognized once.
#[derive(Debug, Clone)]
enum Variable {
    Operation,
    Permission,
    Region,
    UserId,
    UserName,
    GroupIds,
    PrincipalId,
    PrincipalType,
    PrincipalCompartmentId,
    /// `request.principal.namespace` and the like.
    PrincipalAttribute(String),
    PrincipalGroupTag(String),
    PrincipalCompartmentTag(String),
    UtcTimestamp,
    MonthOfYear,
    DayOfMonth,
    DayOfWeek,
    TimeOfDay,
    TargetCompartmentId,
    TargetCompartmentName,
    TargetTag(String),
    TargetCompartmentTag(String),
    /// Anything else that the request says of itself.
    Request(String),
    /// Anything else that is known of the target.
    Target(String),
}

/// What was found under a variable.
enum Found<'a> {
    One(&'a str),
    Owned(String),
    Many(Vec<&'a str>),
}

impl Found<'_> {
    fn texts(&self) -> Vec<&str> {
        match self {
            Self::One(text) => vec![text],
            Self::Owned(text) => vec![text],
            Self::Many(texts) => texts.clone(),
        }
    }
}

/// A condition whose time cannot be read.
#[derive(Debug)]
pub(crate) struct BadTime(pub(crate) Range<usize>);

impl Clause {
    pub(crate) fn compile(
        condition: &Spanned<Condition>,
        semantics: Semantics,
    ) -> Result<Self, BadTime> {
        let several = |clauses: &[Spanned<Condition>]| {
            clauses
                .iter()
                .map(|clause| Self::compile(clause, semantics))
                .collect::<Result<Vec<_>, _>>()
        };
        let operands = |variable: &str, values: &[Spanned<Value>]| {
            let operand = |value: &Spanned<Value>| Operand::new(variable, &value.value, semantics);
            values.iter().map(operand).collect::<Vec<_>>()
        };
        let test = match &condition.value {
            Condition::All(clauses) => Test::All(several(clauses)?),
            Condition::Any(clauses) => Test::Any(several(clauses)?),
            Condition::Compare { variable, differs, value } => {
                let operand = Operand::new(&variable.value, &value.value, semantics);
                let variable = Variable::named(&variable.value);
                if *differs {
                    Test::Differs(variable, operand)
                } else {
                    Test::Equals(variable, operand)
                }
            }
            Condition::In { variable, negated, values } => {
                let values = operands(&variable.value, values);
                let variable = Variable::named(&variable.value);
                if *negated { Test::NotIn(variable, values) } else { Test::In(variable, values) }
            }
            Condition::Before(variable, at) => {
                Test::Before(Variable::named(&variable.value), instant(at)?)
            }
            Condition::After(variable, at) => {
                Test::After(Variable::named(&variable.value), instant(at)?)
            }
            Condition::Between(variable, low, high) => {
                let variable = Variable::named(&variable.value);
                if matches!(variable, Variable::TimeOfDay) {
                    Test::TimeOfDay(time_of_day(low)?, time_of_day(high)?)
                } else {
                    Test::Between(variable, instant(low)?, instant(high)?)
                }
            }
            Condition::SetsIntersect(variable, values) => {
                let values = operands(&variable.value, values);
                Test::SetsIntersect(Variable::named(&variable.value), values)
            }
            Condition::SetsEqual(variable, values) => {
                let values = operands(&variable.value, values);
                Test::SetsEqual(Variable::named(&variable.value), values)
            }
            Condition::Absent(variable) => Test::Absent(Variable::named(&variable.value)),
            Condition::Present(variable) => Test::Present(Variable::named(&variable.value)),
        };
        Ok(Self { span: condition.span.clone(), test })
    }

    /// Tells whether the clause holds for a permission of a question.
    ///
    /// # Errors
    /// The place of the first clause that does not hold; of an `any` that of the whole.
    pub(crate) fn holds(&self, view: &View<'_>) -> Result<(), &Range<usize>> {
        let holds = match &self.test {
            Test::All(clauses) => return clauses.iter().try_for_each(|clause| clause.holds(view)),
            Test::Any(clauses) => clauses.iter().any(|clause| clause.holds(view).is_ok()),
            Test::Equals(variable, value) => view.any(variable, |text| value.is(text, view)),
            Test::Differs(variable, value) => {
                value.is_known(view) && view.none(variable, |text| value.is(text, view))
            }
            Test::In(variable, values) => {
                view.any(variable, |text| values.iter().any(|value| value.is(text, view)))
            }
            Test::NotIn(variable, values) => {
                let known = values.iter().all(|value| value.is_known(view));
                known && view.none(variable, |text| values.iter().any(|value| value.is(text, view)))
            }
            Test::Before(variable, at) => view.instant(variable).is_some_and(|now| now < *at),
            Test::After(variable, at) => view.instant(variable).is_some_and(|now| now > *at),
            Test::Between(variable, low, high) => {
                view.instant(variable).is_some_and(|now| *low <= now && now <= *high)
            }
            Test::TimeOfDay(low, high) => {
                view.utc().is_some_and(|now| within(now.time(), *low, *high))
            }
            Test::SetsIntersect(variable, values) => {
                view.any(variable, |text| values.iter().any(|value| value.is(text, view)))
            }
            Test::SetsEqual(variable, values) => view.found(variable).is_some_and(|found| {
                let texts = found.texts();
                texts.iter().all(|text| values.iter().any(|value| value.is(text, view)))
                    && values.iter().all(|value| texts.iter().any(|text| value.is(text, view)))
            }),
            Test::Absent(variable) => view.found(variable).is_none(),
            Test::Present(variable) => view.found(variable).is_some(),
        };
        if holds { Ok(()) } else { Err(&self.span) }
    }
}

fn within(now: Time, low: Time, high: Time) -> bool {
    if low <= high { low <= now && now <= high } else { low <= now || now <= high }
}

/// Reads `2020-04-01T15:00:00Z`, the same without seconds, or `2020-04-01Z`.
///
/// Source: OCI documentation, "Restricting Access to Resources Based on Time Frame".
fn instant(text: &Spanned<String>) -> Result<Timestamp, BadTime> {
    let bad = || BadTime(text.span.clone());
    let given = text.value.trim();
    if let Ok(at) = given.parse() {
        return Ok(at);
    }
    let day = given.strip_suffix(['Z', 'z']).ok_or_else(bad)?;
    let day: DateTime = day.parse().map_err(|_error| bad())?;
    Offset::UTC.to_timestamp(day).map_err(|_error| bad())
}

/// Reads `05:00:00`, with or without `Z` and seconds.
fn time_of_day(text: &Spanned<String>) -> Result<Time, BadTime> {
    let given = text.value.trim();
    let given = given.strip_suffix(['Z', 'z']).unwrap_or(given);
    given.parse().map_err(|_error| BadTime(text.span.clone()))
}

impl Operand {
    /// In strict semantics a star in the quoted value of a name is a wildcard, as operators mean it.
    fn new(variable: &str, value: &Value, semantics: Semantics) -> Self {
        let variable = variable.to_ascii_lowercase();
        let names =
            variable.strip_prefix("target.").and_then(|rest| rest.strip_suffix(".name")).is_some();
        match value {
            Value::Text(text) if semantics == Semantics::Strict && names && text.contains('*') => {
                Self::Pattern(Pattern::new(text))
            }
            Value::Text(text) | Value::Id(text) => Self::Text(text.clone()),
            Value::Pattern(pattern) => Self::Pattern(Pattern::new(pattern)),
            Value::Variable(variable) => Self::Variable(Variable::named(variable)),
        }
    }

    fn is(&self, text: &str, view: &View<'_>) -> bool {
        match self {
            Self::Text(own) => same(own, text),
            Self::Pattern(pattern) => pattern.fits(text),
            Self::Variable(variable) => view.any(variable, |own| same(own, text)),
        }
    }

    /// Tells whether the request carries what is to be compared with.
    fn is_known(&self, view: &View<'_>) -> bool {
        match self {
            Self::Variable(variable) => view.found(variable).is_some(),
            Self::Text(_) | Self::Pattern(_) => true,
        }
    }
}

/// The one operation whose requests carry no `target.compartment` variable.
///
/// Source: OCI policy reference, "General Variables for All Requests".
const LISTS_COMPARTMENTS: &str = "ListCompartments";

const PRINCIPAL_GROUP_TAG: &str = "request.principal.group.tag.";
const PRINCIPAL_COMPARTMENT_TAG: &str = "request.principal.compartment.tag.";
const TARGET_TAG: &str = "target.resource.tag.";
const TARGET_COMPARTMENT_TAG: &str = "target.resource.compartment.tag.";

impl Variable {
    fn named(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            "request.operation" => Self::Operation,
            "request.permission" => Self::Permission,
            "request.region" => Self::Region,
            "request.user.id" => Self::UserId,
            "request.user.name" => Self::UserName,
            "request.groups.id" => Self::GroupIds,
            "request.principal.id" => Self::PrincipalId,
            "request.principal.type" => Self::PrincipalType,
            "request.principal.compartment.id" => Self::PrincipalCompartmentId,
            "request.utc-timestamp" => Self::UtcTimestamp,
            "request.utc-timestamp.month-of-year" => Self::MonthOfYear,
            "request.utc-timestamp.day-of-month" => Self::DayOfMonth,
            "request.utc-timestamp.day-of-week" => Self::DayOfWeek,
            "request.utc-timestamp.time-of-day" => Self::TimeOfDay,
            "target.compartment.id" => Self::TargetCompartmentId,
            "target.compartment.name" => Self::TargetCompartmentName,
            "target.secret.ocid" => Self::Target("target.secret.id".to_owned()),
            _ => Self::beginning(name),
        }
    }

    fn beginning(name: String) -> Self {
        if let Some(key) = name.strip_prefix(PRINCIPAL_GROUP_TAG) {
            return Self::PrincipalGroupTag(key.to_owned());
        }
        if let Some(key) = name.strip_prefix(PRINCIPAL_COMPARTMENT_TAG) {
            return Self::PrincipalCompartmentTag(key.to_owned());
        }
        if let Some(key) = name.strip_prefix(TARGET_TAG) {
            return Self::TargetTag(key.to_owned());
        }
        if let Some(key) = name.strip_prefix(TARGET_COMPARTMENT_TAG) {
            return Self::TargetCompartmentTag(key.to_owned());
        }
        if let Some(attribute) = name.strip_prefix("request.principal.") {
            return Self::PrincipalAttribute(attribute.to_owned());
        }
        if name.starts_with("target.") { Self::Target(name) } else { Self::Request(name) }
    }
}

/// A question, from where one of its permissions stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) question: &'a Question<'a>,
    pub(crate) asked: &'a Asked<'a>,
    pub(crate) around: &'a Surroundings,
}

impl<'a> View<'a> {
    fn any(&self, variable: &Variable, is: impl Fn(&str) -> bool) -> bool {
        match self.found(variable) {
            None => false,
            Some(Found::One(text)) => is(text),
            Some(Found::Owned(text)) => is(&text),
            Some(Found::Many(texts)) => texts.into_iter().any(is),
        }
    }

    /// A variable that the request does not carry makes this false too.
    fn none(&self, variable: &Variable, is: impl Fn(&str) -> bool) -> bool {
        self.found(variable).is_some_and(|found| !found.texts().into_iter().any(is))
    }

    fn instant(&self, variable: &Variable) -> Option<Timestamp> {
        matches!(variable, Variable::UtcTimestamp).then_some(self.question.request.time).flatten()
    }

    fn utc(&self) -> Option<DateTime> {
        self.question.request.time.map(|time| Offset::UTC.to_datetime(time))
    }

    fn found(&self, variable: &Variable) -> Option<Found<'a>> {
        let request = &self.question.request;
        match variable {
            Variable::Operation => Some(Found::One(request.operation)),
            Variable::Permission => Some(Found::One(self.asked.permission.name())),
            Variable::Region => request.region.map(Found::One),
            Variable::UtcTimestamp => request.time.map(|time| Found::Owned(time.to_string())),
            Variable::MonthOfYear => self.utc().map(|now| Found::Owned(now.month().to_string())),
            Variable::DayOfMonth => self.utc().map(|now| Found::Owned(now.day().to_string())),
            Variable::DayOfWeek => {
                self.utc().map(|now| Found::Owned(now.strftime("%A").to_string()))
            }
            Variable::TimeOfDay => {
                self.utc().map(|now| Found::Owned(now.strftime("%H:%M:%S").to_string()))
            }
            Variable::TargetCompartmentId | Variable::TargetCompartmentName
                if request.operation == LISTS_COMPARTMENTS =>
            {
                None
            }
            Variable::TargetCompartmentId => {
                self.asked.path.first().map(|id| Found::One(id.as_str()))
            }
            Variable::TargetCompartmentName => {
                self.compartment(self.asked.path.first()?).map(|facts| Found::One(&facts.name))
            }
            Variable::TargetTag(key) => tagged(self.asked.tags, key),
            Variable::TargetCompartmentTag(key) => {
                tagged(&self.compartment(self.asked.path.first()?)?.tags, key)
            }
            Variable::Request(name) => fact(request.facts, name),
            Variable::Target(name) => fact(self.asked.target, name),
            _ => self.of_principal(variable),
        }
    }

    fn of_principal(&self, variable: &Variable) -> Option<Found<'a>> {
        let principal = self.question.principal;
        match (variable, &principal.kind) {
            (Variable::UserId, PrincipalKind::User { id, .. }) => Some(Found::One(id.as_str())),
            (Variable::UserName, PrincipalKind::User { name, .. }) => Some(Found::One(name)),
            (Variable::GroupIds, PrincipalKind::User { .. }) => {
                Some(Found::Many(principal.group_ids.iter().map(Ocid::as_str).collect()))
            }
            (Variable::PrincipalId, _) => Some(Found::One(principal.identifier())),
            (Variable::PrincipalType, kind) => Some(Found::One(match kind {
                PrincipalKind::User { .. } => "user",
                PrincipalKind::Resource(resource) => &resource.resource_type,
                PrincipalKind::Service { .. } => "service",
            })),
            (Variable::PrincipalCompartmentId, PrincipalKind::Resource(resource)) => {
                Some(Found::One(resource.compartment_id.as_str()))
            }
            (Variable::PrincipalAttribute(name), PrincipalKind::Resource(resource)) => {
                resource.attributes.get(name).map(|text| Found::One(text))
            }
            (Variable::PrincipalCompartmentTag(key), PrincipalKind::Resource(resource)) => {
                tagged(&self.compartment(&resource.compartment_id)?.tags, key)
            }
            (Variable::PrincipalGroupTag(key), _) => {
                let tags =
                    principal.group_ids.iter().filter_map(|id| self.around.group_tags.get(id));
                let held = tags.flatten().filter(|(name, _)| same(name, key));
                let values: Vec<&str> = held.map(|(_, value)| value.as_str()).collect();
                (!values.is_empty()).then_some(Found::Many(values))
            }
            _ => None,
        }
    }

    fn compartment(&self, id: &Ocid) -> Option<&'a CompartmentFacts> {
        self.around.compartments.get(id)
    }
}

fn tagged<'a>(tags: &'a [(String, String)], key: &str) -> Option<Found<'a>> {
    tags.iter().find(|(name, _)| same(name, key)).map(|(_, value)| Found::One(value))
}

fn fact<'a>(facts: &'a [(FactName, Fact)], name: &str) -> Option<Found<'a>> {
    facts.iter().find(|(known, _)| *known == name).map(|(_, fact)| match fact {
        Fact::One(text) => Found::One(text),
        Fact::Set(texts) => Found::Many(texts.iter().map(String::as_str).collect()),
    })
}
