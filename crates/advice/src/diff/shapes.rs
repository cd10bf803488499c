//! Resources that matching rules take in.

use std::collections::BTreeMap;

use strongroom_model::{Ocid, ResourcePrincipal};
use strongroom_policy::{Rule, RuleVariable};

use super::values::ANOTHER;

/// Ways to match a rule that are looked at.
const WAYS_MAX: usize = 200;

/// The ways to match a rule that are looked at, and how many more there are at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ways {
    pub(super) shapes: Vec<Shape>,
    pub(super) left_out: usize,
}

impl Ways {
    fn one(shape: Shape) -> Self {
        Self { shapes: vec![shape], left_out: 0 }
    }

    /// Returns the ways to match a rule. Whether what is made so does match is for the rule to say:
    /// what must not be is left to chance.
    pub(super) fn of(rule: &Rule) -> Self {
        match rule {
            Rule::Any(rules) => {
                let mut any = Self { shapes: Vec::new(), left_out: 0 };
                for rule in rules {
                    let more = Self::of(&rule.value);
                    any.shapes.extend(more.shapes);
                    any.left_out = any.left_out.saturating_add(more.left_out);
                }
                any.cut()
            }
            Rule::All(rules) => rules
                .iter()
                .fold(Self::one(Shape::default()), |ways, rule| ways.and(&Self::of(&rule.value))),
            Rule::Compare { variable, differs: false, value } => {
                Self::one(Shape::default().having(variable, value))
            }
            Rule::Compare { variable: tag @ RuleVariable::Tag { .. }, .. } | Rule::HasTag(tag) => {
                Self::one(Shape::default().having(tag, ANOTHER))
            }
            Rule::Compare { .. } => Self::one(Shape::default()),
        }
    }

    /// The ways to match both.
    fn and(&self, more: &Self) -> Self {
        let pairs =
            self.shapes.iter().flat_map(|one| more.shapes.iter().map(move |two| (one, two)));
        let shapes: Vec<Shape> = pairs.filter_map(|(one, two)| one.with(two)).collect();
        let all = |ways: &Self| ways.shapes.len().saturating_add(ways.left_out);
        let looked_at = self.shapes.len().saturating_mul(more.shapes.len());
        let left_out = all(self).saturating_mul(all(more)).saturating_sub(looked_at);
        Self { shapes, left_out }.cut()
    }

    fn cut(mut self) -> Self {
        let more = self.shapes.len().saturating_sub(WAYS_MAX);
        self.left_out = self.left_out.saturating_add(more);
        self.shapes.truncate(WAYS_MAX);
        self
    }
}

/// What a resource must be to match; the rest is open.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shape {
    pub(super) resource_type: Option<String>,
    pub(super) id: Option<String>,
    pub(super) compartment: Option<String>,
    pub(super) tags: BTreeMap<String, String>,
}

impl Shape {
    fn having(mut self, variable: &RuleVariable, value: &str) -> Self {
        let text = Some(value.to_owned());
        match variable {
            RuleVariable::InstanceId => {
                self.resource_type = Some("instance".to_owned());
                self.id = text;
            }
            RuleVariable::InstanceCompartmentId => {
                self.resource_type = Some("instance".to_owned());
                self.compartment = text;
            }
            RuleVariable::ResourceId => self.id = text,
            RuleVariable::ResourceType => self.resource_type = text,
            RuleVariable::ResourceCompartmentId => self.compartment = text,
            RuleVariable::ResourceCompartmentName => {}
            RuleVariable::Tag { namespace, key } => {
                self.tags.insert(format!("{namespace}.{key}"), value.to_owned());
            }
        }
        self
    }

    /// Both, if they do not contradict one another.
    pub(super) fn with(&self, other: &Self) -> Option<Self> {
        let parts = [
            (&self.resource_type, &other.resource_type),
            (&self.id, &other.id),
            (&self.compartment, &other.compartment),
        ];
        let contradict = |(own, other): &(&Option<String>, &Option<String>)| {
            own.as_ref().zip(other.as_ref()).is_some_and(|(a, b)| !a.eq_ignore_ascii_case(b))
        };
        if parts.iter().any(contradict) {
            return None;
        }
        let mut tags = self.tags.clone();
        for (name, value) in &other.tags {
            let held = tags.entry(name.clone()).or_insert_with(|| value.clone());
            if !held.eq_ignore_ascii_case(value) {
                return None;
            }
        }
        Some(Self {
            resource_type: self.resource_type.clone().or_else(|| other.resource_type.clone()),
            id: self.id.clone().or_else(|| other.id.clone()),
            compartment: self.compartment.clone().or_else(|| other.compartment.clone()),
            tags,
        })
    }

    /// A resource of this shape; what is open is as `usual_type` and `usual_place` say.
    pub(super) fn made(&self, usual_type: &str, usual_place: &Ocid) -> Option<ResourcePrincipal> {
        let resource_type = self.resource_type.as_deref().unwrap_or(usual_type);
        let id = match &self.id {
            Some(id) => id.parse().ok()?,
            None => {
                format!("ocid1.{}.oc1..{ANOTHER}", resource_type.to_lowercase()).parse().ok()?
            }
        };
        let compartment_id = match &self.compartment {
            Some(id) => id.parse().ok()?,
            None => usual_place.clone(),
        };
        Some(ResourcePrincipal {
            id,
            resource_type: resource_type.to_owned(),
            compartment_id,
            tags: self.tags.clone(),
            attributes: BTreeMap::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use strongroom_policy::parse_rule;

    use super::*;

    #[test]
    fn what_is_made_for_a_rule_matches_it() {
        let place: Ocid = "ocid1.compartment.oc1..c".parse().unwrap();
        for text in [
            "ALL {instance.compartment.id = 'ocid1.compartment.oc1..prod', tag.Ops.Role.value = 'app'}",
            "resource.type = 'fnfunc'",
            "tag.Ops.Role.value",
            "ANY {ALL {resource.type = 'cluster', resource.compartment.id = 'ocid1.compartment.oc1..d'}, instance.id = 'ocid1.instance.oc1..i'}",
            "ALL {resource.type = 'instance', instance.compartment.id != 'ocid1.compartment.oc1..d'}",
        ] {
            let rule = parse_rule(text).unwrap();
            for shape in Ways::of(&rule).shapes {
                let resource = shape.made("instance", &place).unwrap();
                assert!(rule.matches(&resource).is_ok(), "{text}: {resource:?}");
            }
        }
        let [a, b] = ["a", "b"]
            .map(|name| Ways::of(&parse_rule(&format!("resource.type = '{name}'")).unwrap()));
        assert_eq!(a.shapes[0].with(&b.shapes[0]), None);
    }

    #[test]
    fn ways_that_are_left_out_are_counted() {
        let any = |name: &str, count: usize| {
            let clauses: Vec<String> =
                (0..count).map(|number| format!("tag.{name}.Role.value = '{number}'")).collect();
            format!("ANY {{{}}}", clauses.join(", "))
        };
        let counted = |text: &str| {
            let ways = Ways::of(&parse_rule(text).unwrap());
            (ways.shapes.len(), ways.left_out)
        };
        assert_eq!(counted(&any("Ops", WAYS_MAX)), (WAYS_MAX, 0));
        assert_eq!(counted(&any("Ops", WAYS_MAX + 3)), (WAYS_MAX, 3));
        let both = format!("ALL {{{}, {}}}", any("Ops", 20), any("Dev", 11));
        assert_eq!(counted(&both), (WAYS_MAX, 220 - WAYS_MAX));
    }
}
