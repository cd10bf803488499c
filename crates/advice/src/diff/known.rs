//! Variables whose values follow from who asks and where.

use strongroom_model::{Ocid, Principal, PrincipalKind};

use crate::world::World;

const GROUP_TAG: &str = "request.principal.group.tag.";
const COMPARTMENT_TAG: &str = "request.principal.compartment.tag.";
const TARGET_TAG: &str = "target.resource.compartment.tag.";

/// Returns the values of a variable that follows from a principal; none if it has none.
pub(super) fn of_principal(principal: &Principal, name: &str, world: &World) -> Vec<String> {
    if let Some(key) = name.strip_prefix(GROUP_TAG) {
        let groups = world.file.groups.iter().map(|group| (&group.id, &group.tags));
        let dynamic = world.file.dynamic_groups.iter().map(|group| (&group.id, &group.tags));
        let own = groups.chain(dynamic).filter(|(id, _)| principal.group_ids.contains(id));
        let tags = own.flat_map(|(_, tags)| tags.iter());
        return tags.filter(|(name, _)| name.eq_ignore_ascii_case(key)).map(text).collect();
    }
    let one = match (name, &principal.kind) {
        ("request.groups.id", PrincipalKind::User { .. }) => {
            return principal.group_ids.iter().map(|id| id.as_str().to_owned()).collect();
        }
        ("request.user.id", PrincipalKind::User { id, .. }) => Some(id.as_str()),
        ("request.user.name", PrincipalKind::User { name, .. }) => Some(name.as_str()),
        ("request.principal.id", _) => Some(principal.identifier()),
        ("request.principal.type", PrincipalKind::User { .. }) => Some("user"),
        ("request.principal.type", PrincipalKind::Service { .. }) => Some("service"),
        ("request.principal.type", PrincipalKind::Resource(one)) => Some(&*one.resource_type),
        ("request.principal.compartment.id", PrincipalKind::Resource(resource)) => {
            Some(resource.compartment_id.as_str())
        }
        (_, PrincipalKind::Resource(resource)) => match name.strip_prefix(COMPARTMENT_TAG) {
            Some(key) => tag(world, &resource.compartment_id, key),
            None => name
                .strip_prefix("request.principal.")
                .and_then(|name| resource.attributes.get(name))
                .map(String::as_str),
        },
        _ => None,
    };
    one.map(str::to_owned).into_iter().collect()
}

/// Returns the value of a variable that follows from a compartment; none if it has none.
pub(super) fn of_place(id: &Ocid, name: &str, world: &World) -> Option<String> {
    if let Some(key) = name.strip_prefix(TARGET_TAG) {
        return tag(world, id, key).map(str::to_owned);
    }
    match name {
        "target.compartment.id" => Some(id.to_string()),
        "target.compartment.name" => {
            let entry = world.file.compartments.get(world.key_of(id)?)?;
            Some(entry.name.clone())
        }
        _ => None,
    }
}

fn tag<'a>(world: &'a World, id: &Ocid, key: &str) -> Option<&'a str> {
    let entry = world.file.compartments.get(world.key_of(id)?)?;
    let found = entry.tags.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
    found.map(|(_, value)| value.as_str())
}

fn text((_, value): (&String, &String)) -> String {
    value.clone()
}
