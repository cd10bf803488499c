//! Resources that matching rules take in.

use std::collections::BTreeMap;

use strongroom_model::{Ocid, ResourcePrincipal};
use strongroom_policy::{Rule, RuleVariable};

use super::values::ANOTHER;

/// Ways to match a rule that are looked at.
const WAYS_MAX: usize = 24;

/// What a resource must be to match; the rest is open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) resource_type: Option<String>,
    pub(super) id: Option<String>,
    pub(super) compartment: Option<String>,
    pub(super) tags: BTreeMap<String, String>,
}

impl Shape {
    /// Returns the ways to match a rule. Whether what is made so does match is for the rule to say:
    /// what must not be is left to chance.
    pub(super) fn of(rule: &Rule) -> Vec<Self> {
        let mut ways = match rule {
            Rule::Any(rules) => rules.iter().flat_map(|rule| Self::of(&rule.value)).collect(),
            Rule::All(rules) => {
                let mut ways = vec![Self::default()];
                for rule in rules {
                    let more = Self::of(&rule.value);
                    ways = ways
                        .iter()
                        .flat_map(|way| more.iter().filter_map(|other| way.with(other)))
                        .take(WAYS_MAX)
                        .collect();
                }
                ways
            }
            Rule::Compare { variable, differs: false, value } => {
                vec![Self::default().having(variable, value)]
            }
            Rule::Compare { variable: tag @ RuleVariable::Tag { .. }, .. } | Rule::HasTag(tag) => {
                vec![Self::default().having(tag, ANOTHER)]
            }
            Rule::Compare { .. } => vec![Self::default()],
        };
        ways.truncate(WAYS_MAX);
        ways
    }

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
            for shape in Shape::of(&rule) {
                let resource = shape.made("instance", &place).unwrap();
                assert!(rule.matches(&resource).is_ok(), "{text}: {resource:?}");
            }
        }
        let [a, b] = ["a", "b"]
            .map(|name| Shape::of(&parse_rule(&format!("resource.type = '{name}'")).unwrap()));
        assert_eq!(a[0].with(&b[0]), None);
    }
}
