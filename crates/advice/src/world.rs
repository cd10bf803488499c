//! A tenancy that is described in a file: compartments, groups, dynamic groups, principals.

use std::collections::BTreeMap;

use strongroom_model::{Ocid, Principal, PrincipalKind, ResourcePrincipal};
use strongroom_policy::{
    CompartmentFacts, CompileError, Directory, PolicySet, Rule, Semantics, Source, parse_rule,
};

use crate::tenancy_file::{
    CompartmentEntry, DynamicGroupEntry, GroupEntry, PolicyEntry, PrincipalEntry, WorldFile,
};

/// What is wrong with a description. It names the place in it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct WorldError(pub(crate) String);

/// A tenancy, ready to be asked.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) file: WorldFile,
    /// Which compartment is where, by its key in the file: itself first, the tenancy last.
    paths: BTreeMap<String, Vec<Ocid>>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) takes_denials: bool,
}

impl World {
    pub(crate) fn new(file: WorldFile) -> Result<Self, WorldError> {
        let mut paths = BTreeMap::new();
        for key in file.compartments.keys() {
            paths.insert(key.clone(), path_of(&file, key)?);
        }
        let rule = |group: &DynamicGroupEntry| {
            parse_rule(&group.rule).map_err(|error| {
                WorldError(format!("the rule of dynamic group `{}`: {error}", group.name))
            })
        };
        let rules = file.dynamic_groups.iter().map(rule).collect::<Result<_, _>>()?;
        Ok(Self { file, paths, rules, takes_denials: true })
    }

    /// The compartment with this key and its ancestors.
    pub(crate) fn path(&self, key: &str) -> Result<&[Ocid], WorldError> {
        let path = self.paths.get(key).map(Vec::as_slice);
        path.ok_or_else(|| WorldError(format!("no compartment has the key `{key}`")))
    }

    pub(crate) fn compartment(&self, key: &str) -> Result<&Ocid, WorldError> {
        let first = self.path(key)?.first();
        first.ok_or_else(|| WorldError(format!("compartment `{key}` is nowhere")))
    }

    /// The principal with this key, a member of what it is a member of.
    pub(crate) fn principal(&self, key: &str) -> Result<Principal, WorldError> {
        let listed = self.file.principals.get(key);
        let listed =
            listed.ok_or_else(|| WorldError(format!("no principal has the key `{key}`")))?;
        let (kind, group_ids) = match listed {
            PrincipalEntry::User { id, name } => {
                let member = |group: &&GroupEntry| group.members.iter().any(|name| name == key);
                let groups = self.file.groups.iter().filter(member).map(|group| group.id.clone());
                (PrincipalKind::User { id: id.clone(), name: name.clone() }, groups.collect())
            }
            PrincipalEntry::Resource { id, resource_type, compartment, tags, more } => {
                let attribute = |(name, value): (&String, &serde_json::Value)| {
                    Some((name.clone(), value.as_str()?.to_owned()))
                };
                let resource = ResourcePrincipal {
                    id: id.clone(),
                    resource_type: resource_type.clone(),
                    compartment_id: self.compartment(compartment)?.clone(),
                    tags: tags.clone(),
                    attributes: more.iter().filter_map(attribute).collect(),
                };
                let groups = self.dynamic_groups_of(&resource);
                (PrincipalKind::Resource(resource), groups)
            }
            PrincipalEntry::Service { name } => {
                (PrincipalKind::Service { name: name.clone() }, Vec::new())
            }
        };
        Ok(Principal { tenancy_id: self.file.tenancy_id.clone(), kind, group_ids })
    }

    pub(crate) fn dynamic_groups_of(&self, resource: &ResourcePrincipal) -> Vec<Ocid> {
        let groups = self.file.dynamic_groups.iter().zip(&self.rules);
        groups
            .filter(|(_, rule)| rule.matches(resource).is_ok())
            .map(|(group, _)| group.id.clone())
            .collect()
    }

    /// The policies as they are compiled.
    pub(crate) fn sources(&self, policies: &[PolicyEntry]) -> Result<Vec<Source>, WorldError> {
        let source = |(number, policy): (usize, &PolicyEntry)| {
            let attached_to = self.compartment(&policy.attach)?.clone();
            Ok(Source {
                policy_id: attached_to.clone(),
                policy_name: policy.name.clone().unwrap_or_else(|| format!("policy-{number}")),
                attached_to,
                statements: policy.statements.clone(),
                resolved: Vec::new(),
            })
        };
        policies.iter().enumerate().map(source).collect()
    }

    /// The policies that would be accepted, and why the others would not: those are not there.
    pub(crate) fn held(
        &self,
        sources: Vec<Source>,
        semantics: Semantics,
    ) -> (Vec<Source>, Vec<CompileError>) {
        let mut refused = Vec::new();
        let mut held = Vec::new();
        for source in sources {
            match PolicySet::compile(std::slice::from_ref(&source), self, semantics) {
                Ok(_alone) => held.push(source),
                Err(error) => refused.push(error),
            }
        }
        (held, refused)
    }

    pub(crate) fn key_of(&self, id: &Ocid) -> Option<&String> {
        let found = self.file.compartments.iter().find(|(_, compartment)| compartment.id == *id);
        found.map(|(key, _)| key)
    }
}

fn path_of(file: &WorldFile, key: &str) -> Result<Vec<Ocid>, WorldError> {
    let mut path = Vec::new();
    let mut at = Some(key);
    while let Some(key) = at {
        let found = file.compartments.get(key);
        let found =
            found.ok_or_else(|| WorldError(format!("no compartment has the key `{key}`")))?;
        path.push(found.id.clone());
        at = found.parent.as_deref();
        if path.len() > file.compartments.len() {
            return Err(WorldError(format!("compartment `{key}` lies in itself")));
        }
    }
    Ok(path)
}

fn named<'a, T>(
    list: &'a [T],
    domain: Option<&str>,
    name: &str,
    of: impl Fn(&'a T) -> (&'a str, &'a str, &'a Ocid),
) -> Option<Ocid> {
    let domain = domain.unwrap_or("Default");
    let is = |(of_domain, own, _): &(&str, &str, &Ocid)| {
        of_domain.eq_ignore_ascii_case(domain) && own.eq_ignore_ascii_case(name)
    };
    list.iter().map(of).find(is).map(|(_, _, id)| id.clone())
}

fn flat(tags: &BTreeMap<String, String>) -> Vec<(String, String)> {
    tags.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

impl Directory for World {
    fn tenancy(&self) -> &Ocid {
        &self.file.tenancy_id
    }

    fn group_named(&self, domain: Option<&str>, name: &str) -> Option<Ocid> {
        named(&self.file.groups, domain, name, |group| (&group.domain, &group.name, &group.id))
    }

    fn dynamic_group_named(&self, domain: Option<&str>, name: &str) -> Option<Ocid> {
        named(&self.file.dynamic_groups, domain, name, |group| {
            (&group.domain, &group.name, &group.id)
        })
    }

    fn compartment_at(&self, from: &Ocid, path: &[&str]) -> Option<Ocid> {
        let mut at = self.key_of(from)?;
        for name in path {
            let child = self.file.compartments.iter().find(|(_, compartment)| {
                compartment.parent.as_ref() == Some(at)
                    && compartment.name.eq_ignore_ascii_case(name)
            });
            at = child?.0;
        }
        self.file.compartments.get(at).map(|compartment| compartment.id.clone())
    }

    fn compartment_name(&self, id: &Ocid) -> Option<String> {
        let found = self.file.compartments.get(self.key_of(id)?)?;
        found.parent.as_ref().map(|_parent| found.name.clone())
    }

    fn is_within(&self, id: &Ocid, ancestor: &Ocid) -> bool {
        let path = self.key_of(id).and_then(|key| self.paths.get(key));
        path.is_some_and(|path| path.contains(ancestor))
    }

    fn compartments(&self) -> BTreeMap<Ocid, CompartmentFacts> {
        let facts = |compartment: &CompartmentEntry| {
            let facts =
                CompartmentFacts { name: compartment.name.clone(), tags: flat(&compartment.tags) };
            (compartment.id.clone(), facts)
        };
        self.file.compartments.values().map(facts).collect()
    }

    fn group_tags(&self) -> BTreeMap<Ocid, Vec<(String, String)>> {
        let groups = self.file.groups.iter().map(|group| (group.id.clone(), flat(&group.tags)));
        let dynamic = self.file.dynamic_groups.iter();
        groups.chain(dynamic.map(|group| (group.id.clone(), flat(&group.tags)))).collect()
    }

    fn takes_denials(&self) -> bool {
        self.takes_denials
    }
}
