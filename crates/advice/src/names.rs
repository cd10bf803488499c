use strongroom_model::Ocid;
use strongroom_policy::ast::QualifiedName;

use crate::world::World;

impl World {
    /// A group or dynamic group as statements write it.
    pub(crate) fn group_called(&self, id: &Ocid) -> Option<QualifiedName> {
        let group = self.file.groups.iter().find(|group| group.id == *id);
        let dynamic = self.file.dynamic_groups.iter().find(|group| group.id == *id);
        let (domain, name) = group
            .map(|group| (&group.domain, &group.name))
            .or_else(|| dynamic.map(|group| (&group.domain, &group.name)))?;
        let domain = (!domain.eq_ignore_ascii_case("Default")).then(|| domain.clone());
        Some(QualifiedName { domain, name: name.clone() })
    }

    /// The name of a group or dynamic group, or else its OCID.
    pub(crate) fn group_name(&self, id: &Ocid) -> String {
        let name = self.group_called(id).map(|QualifiedName { domain, name }| match domain {
            Some(domain) => format!("{domain}/{name}"),
            None => name,
        });
        name.unwrap_or_else(|| id.to_string())
    }

    /// The names that lead from the tenancy to a compartment, with colons between; `tenancy` for the
    /// tenancy itself, and an OCID where nothing else is known.
    pub(crate) fn path_name(&self, id: &Ocid) -> String {
        if *id == self.file.tenancy_id {
            return "tenancy".to_owned();
        }
        let path = self.key_of(id).and_then(|key| self.path(key).ok()).unwrap_or_default();
        let all = &self.file.compartments;
        let name = |id: &Ocid| self.key_of(id).and_then(|key| all.get(key)).map(|one| &one.name);
        let names: Vec<&str> =
            path.iter().rev().skip(1).filter_map(name).map(String::as_str).collect();
        if names.is_empty() { id.to_string() } else { names.join(":") }
    }

    /// A compartment as statements of the tenancy name it.
    pub(crate) fn place_name(&self, id: &Ocid) -> String {
        match self.path_name(id) {
            name if name == "tenancy" => name,
            name if name.starts_with("ocid1.") => format!("compartment id {name}"),
            name => format!("compartment {name}"),
        }
    }
}
