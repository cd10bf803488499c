//! Compartments and groups that are not there yet, and that a condition or a location would tell from
//! those that are.

use std::collections::BTreeMap;

use serde::Serialize;
use strongroom_model::Ocid;
use strongroom_policy::Semantics;

use super::atoms::{Atoms, Uses};
use super::sides::Side;
use super::values::ANOTHER;
use crate::tenancy_file::{CompartmentEntry, GroupEntry, WorldFile};

/// How many compartments are assumed.
const COMPARTMENTS_MAX: usize = 200;

/// How many groups are assumed.
const GROUPS_MAX: usize = 50;

const NAME: &str = "target.compartment.name";
const ID: &str = "target.compartment.id";
const TAG: &str = "target.resource.compartment.tag.";
const PRINCIPAL_TAG: &str = "request.principal.compartment.tag.";
const GROUP_TAG: &str = "request.principal.group.tag.";

/// What was added to both tenancies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Assumed {
    /// Compartments, with the OCIDs of those that they are in.
    pub compartments: Vec<AssumedCompartment>,
    /// Groups.
    pub groups: Vec<GroupEntry>,
    /// Whether there would have been more.
    pub is_cut: bool,
}

/// A compartment that was added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AssumedCompartment {
    /// OCID.
    pub id: Ocid,
    /// Name.
    pub name: String,
    /// OCID of the compartment above it.
    pub parent_id: Ocid,
    /// Defined tags, by `namespace.key`.
    pub tags: BTreeMap<String, String>,
}

type Tags = BTreeMap<String, String>;

impl Assumed {
    pub(super) fn of(sides: &[Side; 2], semantics: Semantics) -> Self {
        let mut assumer = Assumer { sides, assumed: Self::default() };
        for side in sides {
            let tenancy = &side.world.file.tenancy_id;
            assumer.child(tenancy, None, Tags::new());
            for (parts, stated) in side.set.all_parts().zip(&side.statements) {
                let Some(location) = parts.location else { continue };
                assumer.child(location, None, Tags::new());
                let condition = stated.allow.condition.iter().map(|one| &one.value);
                let uses = Uses::of(condition, semantics);
                assumer.told_apart(location, &uses);
                assumer.tagged(tenancy, &uses, PRINCIPAL_TAG);
                assumer.groups(&uses);
            }
        }
        assumer.assumed
    }

    /// Adds what was assumed, where the compartments above it are there.
    pub(super) fn added_to(&self, mut world: WorldFile) -> WorldFile {
        for one in &self.compartments {
            let above = world.compartments.iter().find(|(_, above)| above.id == one.parent_id);
            let Some((parent, _)) = above else { continue };
            let entry = CompartmentEntry {
                id: one.id.clone(),
                name: one.name.clone(),
                parent: Some(parent.clone()),
                tags: one.tags.clone(),
            };
            world.compartments.insert(one.id.to_string(), entry);
        }
        world.groups.extend(self.groups.iter().cloned());
        world
    }

    pub(super) fn has(&self, id: &Ocid) -> bool {
        self.compartments.iter().any(|one| one.id == *id)
    }
}

struct Assumer<'a> {
    sides: &'a [Side; 2],
    assumed: Assumed,
}

/// Texts that a variable can have to compare with `atoms`, one at least.
fn texts(atoms: &Atoms) -> Vec<String> {
    let patterns = atoms.patterns.iter().map(|pattern| pattern.replace('*', "1"));
    let mut texts: Vec<String> = atoms.texts.iter().cloned().chain(patterns).collect();
    if texts.is_empty() {
        texts.push(ANOTHER.to_owned());
    }
    texts
}

impl Assumer<'_> {
    /// Children that the condition of a statement tells from others.
    fn told_apart(&mut self, location: &Ocid, uses: &Uses) {
        if let Some(atoms) = uses.0.get(NAME) {
            for name in texts(atoms) {
                self.child(location, Some(name), Tags::new());
            }
        }
        for id in uses.texts(ID) {
            let known = self
                .sides
                .iter()
                .any(|side| side.world.file.compartments.values().any(|one| one.id.as_str() == id));
            let id = id.parse().ok().filter(|id| !known && !self.assumed.has(id));
            if let Some(id) = id {
                self.add(id, format!("{ANOTHER}-by-id"), location, Tags::new());
            }
        }
        self.tagged(location, uses, TAG);
    }

    /// Children with each tag that is asked for, and one with all of them.
    fn tagged(&mut self, above: &Ocid, uses: &Uses, start: &str) {
        let mut all = Tags::new();
        for (name, atoms) in &uses.0 {
            let Some(key) = name.strip_prefix(start) else { continue };
            for text in texts(atoms) {
                all.entry(key.to_owned()).or_insert_with(|| text.clone());
                self.child(above, None, Tags::from([(key.to_owned(), text)]));
            }
        }
        if all.len() > 1 {
            self.child(above, None, all);
        }
    }

    fn groups(&mut self, uses: &Uses) {
        for (name, atoms) in &uses.0 {
            let Some(key) = name.strip_prefix(GROUP_TAG) else { continue };
            for text in texts(atoms) {
                let tags = Tags::from([(key.to_owned(), text.clone())]);
                if self.assumed.groups.iter().any(|group| group.tags == tags) {
                    continue;
                }
                let number = self.assumed.groups.len();
                let id = format!("ocid1.group.oc1..assumed-{number}").parse();
                let Some(id) = id.ok().filter(|_| number < GROUPS_MAX) else {
                    self.assumed.is_cut = true;
                    return;
                };
                let (name, domain) = (format!("tagged {key}={text}"), "Default".to_owned());
                let group = GroupEntry { id, name, domain, members: Vec::new(), tags };
                self.assumed.groups.push(group);
            }
        }
    }

    fn child(&mut self, above: &Ocid, name: Option<String>, tags: Tags) {
        let like = |one: &&AssumedCompartment| {
            one.parent_id == *above
                && one.tags == tags
                && name.as_ref().is_none_or(|name| one.name.eq_ignore_ascii_case(name))
        };
        let there = self.assumed.compartments.iter().any(|one| like(&one));
        let taken = name.as_ref().is_some_and(|name| self.is_taken(above, name));
        if there || taken {
            return;
        }
        let name = name.unwrap_or_else(|| self.free_name(above));
        let number = self.assumed.compartments.len();
        if let Ok(id) = format!("ocid1.compartment.oc1..assumed-{number}").parse() {
            self.add(id, name, above, tags);
        }
    }

    fn add(&mut self, id: Ocid, name: String, above: &Ocid, tags: Tags) {
        if self.assumed.compartments.len() >= COMPARTMENTS_MAX {
            self.assumed.is_cut = true;
            return;
        }
        let parent_id = above.clone();
        self.assumed.compartments.push(AssumedCompartment { id, name, parent_id, tags });
    }

    fn free_name(&self, above: &Ocid) -> String {
        let mut name = ANOTHER.to_owned();
        let mut number = 2;
        while self.is_taken(above, &name) {
            name = format!("{ANOTHER}-{number}");
            number += 1;
        }
        name
    }

    fn is_taken(&self, above: &Ocid, name: &str) -> bool {
        let there = self.sides.iter().any(|side| {
            let parent = side.world.key_of(above);
            side.world
                .file
                .compartments
                .values()
                .any(|one| one.parent.as_ref() == parent && one.name.eq_ignore_ascii_case(name))
        });
        let of = |one: &AssumedCompartment| {
            one.parent_id == *above && one.name.eq_ignore_ascii_case(name)
        };
        there || self.assumed.compartments.iter().any(of)
    }
}
