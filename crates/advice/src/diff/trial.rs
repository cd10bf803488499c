//! One request, decided on both sides.

use strongroom_model::{Ocid, Permission, Principal, PrincipalKind, Timestamp};
use strongroom_policy::{Asked, Fact, FactName, Question, Request, Verdict, decide};

use super::callers::{Caller, Free};
use super::moments::TIME;
use super::places::Place;
use super::sides::Sides;
use super::values::Value;

/// Key of the region that a request is made in if nothing asks for another.
pub(super) const REGION: &str = "IAD";

const TARGET_TAG: &str = "target.resource.tag.";

/// What a request carries, by variable.
pub(super) type Carried = Vec<(String, Value)>;

/// A request but for what it carries.
#[derive(Clone, Copy)]
pub(super) struct Trial<'a> {
    pub(super) sides: &'a Sides,
    pub(super) caller: &'a Caller,
    pub(super) place: &'a Place,
    pub(super) permission: Permission,
    pub(super) operation: &'static str,
}

/// What one side decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Decided(Verdict),
    /// The principal or the compartment is not there.
    Absent,
}

impl Outcome {
    pub(super) const fn allows(self) -> bool {
        matches!(self, Self::Decided(Verdict::Granted(_)))
    }
}

/// What of a request is in which part of a question.
struct Sorted<'a> {
    target: Vec<(FactName, Fact)>,
    request: Vec<(FactName, Fact)>,
    tags: Vec<(String, String)>,
    region: &'a str,
    time: Option<Timestamp>,
}

impl<'a> Sorted<'a> {
    fn of(carried: &'a Carried) -> Self {
        let mut sorted = Sorted {
            target: Vec::new(),
            request: Vec::new(),
            tags: Vec::new(),
            region: REGION,
            time: None,
        };
        for (name, value) in carried {
            sorted.take(name, value);
        }
        sorted
    }

    fn take(&mut self, name: &str, value: &'a Value) {
        let fact = match value {
            Value::One(text) => Fact::One(text.clone()),
            Value::Many(texts) => Fact::Set(texts.clone()),
            Value::At(time) => {
                self.time = (name == TIME).then_some(*time);
                return;
            }
            Value::Absent => return,
        };
        match (name.strip_prefix(TARGET_TAG), value) {
            (Some(key), Value::One(text)) => self.tags.push((key.to_owned(), text.clone())),
            (Some(_), _) => {}
            (None, Value::One(text)) if name == "request.region" => self.region = text,
            (None, _) if name.starts_with("target.") => {
                self.target.push((FactName::Owned(name.to_owned()), fact));
            }
            (None, _) => self.request.push((FactName::Owned(name.to_owned()), fact)),
        }
    }
}

impl Trial<'_> {
    /// Decides on both sides, by the evaluator that decides requests.
    pub(super) fn decided(&self, carried: &Carried) -> [Outcome; 2] {
        let sorted = Sorted::of(carried);
        [0, 1].map(|number| self.on(number, carried, &sorted).unwrap_or(Outcome::Absent))
    }

    fn on(&self, number: usize, carried: &Carried, sorted: &Sorted<'_>) -> Option<Outcome> {
        let side = self.sides.both.get(number)?;
        let path: &[Ocid] = self.place.paths.get(number).filter(|path| !path.is_empty())?;
        let principal = self.principal(number, carried)?;
        let needs = [Asked {
            permission: self.permission,
            path,
            target: &sorted.target,
            tags: &sorted.tags,
        }];
        let request = Request {
            operation: self.operation,
            region: Some(sorted.region),
            time: sorted.time,
            facts: &sorted.request,
        };
        let question = Question { principal: &principal, request, needs: &needs };
        let decision = decide(&side.set, &question);
        decision.reasons().next().map(|(_, verdict)| Outcome::Decided(verdict))
    }

    /// The principal, with what the request says of an open one.
    pub(super) fn principal(&self, number: usize, carried: &Carried) -> Option<Principal> {
        let mut principal = self.caller.principals.get(number)?.clone()?;
        for (name, value) in carried {
            let Value::One(text) = value else { continue };
            match (&mut principal.kind, self.caller.free, name.as_str()) {
                (PrincipalKind::User { id, .. }, Free::User, "request.user.id") => {
                    *id = text.parse().ok()?;
                }
                (PrincipalKind::User { name, .. }, Free::User, "request.user.name") => {
                    name.clone_from(text);
                }
                (PrincipalKind::Resource(resource), Free::Resource, name) => {
                    if let Some(attribute) = name.strip_prefix("request.principal.") {
                        resource.attributes.insert(attribute.to_owned(), text.clone());
                    }
                }
                _ => {}
            }
        }
        Some(principal)
    }
}
