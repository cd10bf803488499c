//! A small tenancy, kept as lists and searched from end to end.

use std::collections::BTreeMap;

use strongroom_model::{Ocid, Principal, PrincipalKind};
use strongroom_policy::{CompartmentFacts, Directory, Source};

/// Place of the tenancy in [`World::compartments`].
pub(crate) const ROOT: usize = 0;

#[derive(Debug, Clone)]
pub(crate) struct Compartment {
    pub(crate) id: Ocid,
    pub(crate) name: String,
    /// Place of the parent; the root's own is the root.
    pub(crate) parent: usize,
}

#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) id: Ocid,
    pub(crate) domain: String,
    pub(crate) name: String,
}

/// Compartments, the root first and parents before children, and groups.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) compartments: Vec<Compartment>,
    pub(crate) groups: Vec<Group>,
    pub(crate) dynamic_groups: Vec<Group>,
}

impl World {
    /// The places from a compartment up to the root.
    pub(crate) fn line(&self, from: usize) -> Vec<usize> {
        let mut line = vec![from];
        while *line.last().unwrap() != ROOT {
            line.push(self.compartments[*line.last().unwrap()].parent);
        }
        line
    }

    pub(crate) fn path(&self, from: usize) -> Vec<Ocid> {
        self.line(from).into_iter().map(|place| self.compartments[place].id.clone()).collect()
    }

    pub(crate) fn child(&self, of: usize, name: &str) -> Option<usize> {
        let is = |(place, compartment): &(usize, &Compartment)| {
            *place != ROOT
                && compartment.parent == of
                && compartment.name.eq_ignore_ascii_case(name)
        };
        self.compartments.iter().enumerate().find(is).map(|(place, _)| place)
    }

    pub(crate) fn place(&self, id: &Ocid) -> Option<usize> {
        self.compartments.iter().position(|compartment| compartment.id == *id)
    }

    pub(crate) fn source(&self, name: &str, attached_to: usize, statements: Vec<String>) -> Source {
        Source {
            policy_id: ocid("policy", name),
            policy_name: name.to_owned(),
            attached_to: self.compartments[attached_to].id.clone(),
            statements,
            resolved: Vec::new(),
        }
    }

    pub(crate) fn user(&self, group_ids: Vec<Ocid>) -> Principal {
        Principal {
            tenancy_id: self.tenancy().clone(),
            kind: PrincipalKind::User { id: ocid("user", "somebody"), name: "somebody".to_owned() },
            group_ids,
        }
    }
}

impl Directory for World {
    fn tenancy(&self) -> &Ocid {
        &self.compartments[ROOT].id
    }

    fn group_named(&self, domain: Option<&str>, name: &str) -> Option<Ocid> {
        named(&self.groups, domain, name)
    }

    fn dynamic_group_named(&self, domain: Option<&str>, name: &str) -> Option<Ocid> {
        named(&self.dynamic_groups, domain, name)
    }

    fn compartments(&self) -> BTreeMap<Ocid, CompartmentFacts> {
        let facts = |one: &Compartment| CompartmentFacts { name: one.name.clone(), tags: vec![] };
        self.compartments.iter().map(|one| (one.id.clone(), facts(one))).collect()
    }

    fn group_tags(&self) -> BTreeMap<Ocid, Vec<(String, String)>> {
        BTreeMap::new()
    }

    fn takes_denials(&self) -> bool {
        true
    }

    fn compartment_at(&self, from: &Ocid, path: &[&str]) -> Option<Ocid> {
        let place = path.iter().try_fold(self.place(from)?, |at, name| self.child(at, name))?;
        Some(self.compartments[place].id.clone())
    }

    fn compartment_name(&self, id: &Ocid) -> Option<String> {
        let place = self.place(id).filter(|place| *place != ROOT)?;
        Some(self.compartments[place].name.clone())
    }

    fn is_within(&self, id: &Ocid, ancestor: &Ocid) -> bool {
        self.place(id).is_some_and(|place| self.path(place).contains(ancestor))
    }
}

fn named(groups: &[Group], domain: Option<&str>, name: &str) -> Option<Ocid> {
    let domain = domain.unwrap_or("Default");
    let is = |group: &&Group| {
        group.domain.eq_ignore_ascii_case(domain) && group.name.eq_ignore_ascii_case(name)
    };
    groups.iter().find(is).map(|group| group.id.clone())
}

pub(crate) fn ocid(kind: &str, unique: &str) -> Ocid {
    format!("ocid1.{kind}.oc1..{unique}").parse().unwrap()
}
