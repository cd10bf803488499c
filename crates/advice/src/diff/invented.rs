//! A tenancy for statements that come without one: it has what they name.

use std::collections::{BTreeMap, BTreeSet};

use strongroom_model::{Group, Ocid};
use strongroom_policy::ast::{Allow, GroupName, Location, QualifiedName, Spanned, Subject};

use crate::tenancy_file::{CompartmentEntry, DynamicGroupEntry, GroupEntry, WorldFile};

const ROOT: &str = "root";

/// Tag by which a resource is in an invented dynamic group.
const MEMBERSHIP: &str = "membership";

/// Invents a tenancy with every group and compartment that statements name.
pub(super) fn invented<'a>(statements: impl Iterator<Item = &'a Allow>) -> Option<WorldFile> {
    let tenancy_id: Ocid = "ocid1.tenancy.oc1..invented".parse().ok()?;
    let root = CompartmentEntry {
        id: tenancy_id.clone(),
        name: "tenancy".to_owned(),
        parent: None,
        tags: BTreeMap::new(),
    };
    let world = WorldFile {
        tenancy_id,
        compartments: BTreeMap::from([(ROOT.to_owned(), root)]),
        groups: Vec::new(),
        dynamic_groups: Vec::new(),
        principals: BTreeMap::new(),
    };
    let mut inventor = Inventor { world, taken: BTreeSet::new() };
    inventor.group(None, Group::ADMINISTRATORS);
    for allow in statements {
        inventor.subject(&allow.subject.value);
        inventor.location(&allow.location.value);
    }
    Some(inventor.world)
}

struct Inventor {
    world: WorldFile,
    /// Identifiers that were given away.
    taken: BTreeSet<String>,
}

impl Inventor {
    fn id(&mut self, kind: &str, name: &str) -> Option<Ocid> {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        let base: String = name.chars().map(plain).take(60).collect();
        let mut unique = base.clone();
        while !self.taken.insert(format!("{kind}.{unique}")) {
            unique.push('0');
        }
        format!("ocid1.{kind}.oc1..{unique}").parse().ok()
    }

    fn subject(&mut self, subject: &Subject) {
        let (names, dynamic): (&[Spanned<GroupName>], bool) = match subject {
            Subject::Groups(names) => (names, false),
            Subject::DynamicGroups(names) => (names, true),
            _ => return,
        };
        for name in names {
            match (&name.value, dynamic) {
                (GroupName::Named(QualifiedName { domain, name }), false) => {
                    self.group(domain.as_deref(), name);
                }
                (GroupName::Named(QualifiedName { domain, name }), true) => {
                    self.dynamic_group(domain.as_deref(), name, None);
                }
                (GroupName::Id(id), false) => self.group_with(id),
                (GroupName::Id(id), true) => self.dynamic_group(None, id, id.parse().ok()),
            }
        }
    }

    fn group(&mut self, domain: Option<&str>, name: &str) {
        let domain = domain.unwrap_or("Default");
        let is = |group: &GroupEntry| {
            group.domain.eq_ignore_ascii_case(domain) && group.name.eq_ignore_ascii_case(name)
        };
        if self.world.groups.iter().any(is) {
            return;
        }
        let Some(id) = self.id("group", name) else { return };
        self.world.groups.push(entry(id, domain, name));
    }

    fn group_with(&mut self, id: &str) {
        let known = self.world.groups.iter().any(|group| group.id.as_str() == id);
        if let (Ok(ocid), false) = (id.parse(), known) {
            self.world.groups.push(entry(ocid, "Default", id));
        }
    }

    fn dynamic_group(&mut self, domain: Option<&str>, name: &str, id: Option<Ocid>) {
        let domain = domain.unwrap_or("Default");
        let is = |group: &DynamicGroupEntry| {
            group.domain.eq_ignore_ascii_case(domain) && group.name.eq_ignore_ascii_case(name)
        };
        if self.world.dynamic_groups.iter().any(is) {
            return;
        }
        let Some(id) = id.or_else(|| self.id("dynamicgroup", name)) else { return };
        let key = format!("d{}", self.world.dynamic_groups.len());
        self.world.dynamic_groups.push(DynamicGroupEntry {
            id,
            name: name.to_owned(),
            domain: domain.to_owned(),
            rule: format!("tag.{MEMBERSHIP}.{key}.value = 'yes'"),
            tags: BTreeMap::new(),
        });
    }

    fn location(&mut self, location: &Location) {
        match location {
            Location::Tenancy => {}
            Location::Path(names) => {
                let mut above = ROOT.to_owned();
                for name in names {
                    above = self.compartment(&above, name);
                }
            }
            Location::Id(id) => {
                let known = self.world.compartments.values().any(|one| one.id.as_str() == id);
                if let (Ok(ocid), false) = (id.parse(), known) {
                    let entry = child(ocid, id, ROOT);
                    self.world.compartments.insert(id.clone(), entry);
                }
            }
        }
    }

    /// The key of a child, which is made if it is not there.
    fn compartment(&mut self, above: &str, name: &str) -> String {
        let is = |one: &CompartmentEntry| {
            one.parent.as_deref() == Some(above) && one.name.eq_ignore_ascii_case(name)
        };
        if let Some((key, _)) = self.world.compartments.iter().find(|(_, one)| is(one)) {
            return key.clone();
        }
        let key = if above == ROOT { format!("/{name}") } else { format!("{above}/{name}") };
        if let Some(id) = self.id("compartment", name) {
            self.world.compartments.insert(key.clone(), child(id, name, above));
        }
        key
    }
}

fn entry(id: Ocid, domain: &str, name: &str) -> GroupEntry {
    GroupEntry {
        id,
        name: name.to_owned(),
        domain: domain.to_owned(),
        members: Vec::new(),
        tags: BTreeMap::new(),
    }
}

fn child(id: Ocid, name: &str, above: &str) -> CompartmentEntry {
    let parent = Some(above.to_owned());
    CompartmentEntry { id, name: name.to_owned(), parent, tags: BTreeMap::new() }
}
