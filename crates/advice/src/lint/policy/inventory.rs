//! What a tenancy has: the names that statements can use.

use strongroom_policy::ast::QualifiedName;
use strongroom_policy::{Directory, similar};

use crate::tenancy_file::{CompartmentEntry, TenancyFile};
use crate::world::World;

/// A tenancy's names.
pub(super) struct Inventory<'a> {
    pub(super) file: &'a TenancyFile,
    pub(super) world: World,
}

impl<'a> Inventory<'a> {
    /// None if the description contradicts itself.
    pub(super) fn of(file: &'a TenancyFile) -> Option<Self> {
        Some(Self { file, world: World::new(file.world.clone()).ok()? })
    }

    /// How many members a group has.
    pub(super) fn members(&self, name: &QualifiedName) -> Option<usize> {
        let id = self.world.group_named(name.domain.as_deref(), &name.name)?;
        let group = self.file.world.groups.iter().find(|group| group.id == id)?;
        Some(group.members.len())
    }

    /// The names of groups or dynamic groups, with their domains.
    fn groups(&self, dynamic: bool) -> Vec<(&str, &str)> {
        let world = &self.file.world;
        if dynamic {
            world
                .dynamic_groups
                .iter()
                .map(|one| (one.domain.as_str(), one.name.as_str()))
                .collect()
        } else {
            world.groups.iter().map(|one| (one.domain.as_str(), one.name.as_str())).collect()
        }
    }

    pub(super) fn has_group(&self, name: &QualifiedName, dynamic: bool) -> bool {
        let domain = name.domain.as_deref();
        let found = if dynamic {
            self.world.dynamic_group_named(domain, &name.name)
        } else {
            self.world.group_named(domain, &name.name)
        };
        found.is_some()
    }

    pub(super) fn has_group_id(&self, id: &str, dynamic: bool) -> bool {
        let world = &self.file.world;
        if dynamic {
            world.dynamic_groups.iter().any(|one| one.id.as_str() == id)
        } else {
            world.groups.iter().any(|one| one.id.as_str() == id)
        }
    }

    /// The domains, but the given one, that have a group of this name.
    pub(super) fn domains(&self, name: &QualifiedName, dynamic: bool) -> Vec<&str> {
        let own = name.domain.as_deref().unwrap_or("Default");
        let is = |(domain, of): &(&str, &str)| {
            of.eq_ignore_ascii_case(&name.name) && !domain.eq_ignore_ascii_case(own)
        };
        self.groups(dynamic).into_iter().filter(is).map(|(domain, _)| domain).collect()
    }

    pub(super) fn similar_group(&self, name: &str, dynamic: bool) -> Option<String> {
        let groups = self.groups(dynamic);
        let near = similar(name, groups.iter().map(|(_, own)| *own))?;
        let (domain, own) = groups.iter().find(|(_, own)| *own == near)?;
        let of_default = domain.eq_ignore_ascii_case("Default");
        Some(if of_default { (*own).to_owned() } else { format!("{domain}/{own}") })
    }

    /// The compartments of a name, each by the path from the tenancy.
    pub(super) fn paths_of(&self, name: &str) -> Vec<String> {
        let is =
            |one: &&CompartmentEntry| one.parent.is_some() && one.name.eq_ignore_ascii_case(name);
        let found = self.file.world.compartments.values().filter(is);
        found.map(|one| self.world.path_name(&one.id)).collect()
    }

    pub(super) fn similar_compartment(&self, name: &str) -> Option<String> {
        let named = self.file.world.compartments.values().filter(|one| one.parent.is_some());
        similar(name, named.map(|one| one.name.as_str())).map(str::to_owned)
    }

    pub(super) fn has_compartment_id(&self, id: &str) -> bool {
        self.file.world.compartments.values().any(|one| one.id.as_str() == id)
    }

    /// Whether a path leads somewhere from what a policy is attached to: the key of a compartment, or
    /// the tenancy if it is not known.
    pub(super) fn leads(&self, attachment: Option<&str>, path: &[String]) -> bool {
        let from = attachment
            .and_then(|key| self.file.world.compartments.get(key))
            .map_or(&self.file.world.tenancy_id, |one| &one.id);
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        let is_own = matches!(names.as_slice(), [name]
            if self.world.compartment_name(from).is_some_and(|own| own.eq_ignore_ascii_case(name)));
        is_own || self.world.compartment_at(from, &names).is_some()
    }
}
