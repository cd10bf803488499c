use std::collections::BTreeMap;

use strongroom_model::{Ocid, Principal, PrincipalKind, ResourcePrincipal};
use strongroom_policy::Directory;

use super::place::place;
use super::{Ask, AskError};
use crate::tenancy_file::{DynamicGroupEntry, GroupEntry, PrincipalEntry};
use crate::world::World;

/// Who asks.
pub(crate) struct Who {
    pub(crate) principal: Principal,
    /// As an answer calls it.
    pub(crate) label: String,
    /// Whether nobody is meant in particular.
    pub(super) is_assumed: bool,
}

impl Who {
    /// A principal that was made up, as an answer calls it.
    pub(crate) fn of(principal: Principal, label: &str) -> Self {
        Self { principal, label: label.to_owned(), is_assumed: false }
    }

    pub(crate) fn read(world: &World, ask: &Ask) -> Result<Self, AskError> {
        let text = ask.who.as_str();
        let found = match text.split_once(':') {
            Some(("group", names)) => member(world, names)?,
            Some(("dynamic-group", names)) => resource_in(world, names)?,
            Some(("service", name)) => {
                let kind = PrincipalKind::Service { name: name.to_owned() };
                of(world, kind, Vec::new(), format!("service {name}"))
            }
            Some(("user", name)) => known(world, name, ask)?,
            Some((kind, name)) if !text.starts_with("ocid1.") => resource(world, kind, name, ask)?,
            _ if text.eq_ignore_ascii_case("any-user") => {
                let user = of(world, assumed_user(world)?, Vec::new(), "any user".to_owned());
                Who { is_assumed: true, ..user }
            }
            _ => known(world, text, ask)?,
        };
        let described = ask.who_in.is_some() || !ask.who_tags.is_empty();
        if described && !matches!(found.principal.kind, PrincipalKind::Resource(_)) {
            let message = format!("`{text}` is no resource: only a resource is in a compartment");
            return Err(AskError::new("as-in", message));
        }
        Ok(found)
    }
}

fn of(world: &World, kind: PrincipalKind, group_ids: Vec<Ocid>, label: String) -> Who {
    let principal = Principal { tenancy_id: world.tenancy().clone(), kind, group_ids };
    Who { principal, label, is_assumed: false }
}

fn assumed(world: &World, kind: &str) -> Result<Ocid, AskError> {
    let realm = world.tenancy().as_str().split('.').nth(2).unwrap_or("oc1");
    let id = format!("ocid1.{kind}.{realm}..assumed");
    id.parse().map_err(|_error| AskError::new("as", format!("`{kind}` is no type of resources")))
}

fn assumed_user(world: &World) -> Result<PrincipalKind, AskError> {
    Ok(PrincipalKind::User { id: assumed(world, "user")?, name: "assumed".to_owned() })
}

/// A user who is in these groups and in no other.
fn member(world: &World, names: &str) -> Result<Who, AskError> {
    let ids = each(names, |name| {
        let groups = &world.file.groups;
        let by_id = groups.iter().find(|group| group.id.as_str() == name);
        let by_name = || {
            let (domain, own) = split(name);
            world.group_named(domain, own)
        };
        let known = || groups.iter().map(GroupEntry::qualified_name).collect();
        by_id.map(|group| group.id.clone()).or_else(by_name).ok_or_else(known)
    });
    let ids = ids.map_err(|(name, known)| unknown("group", &name, &known))?;
    Ok(of(world, assumed_user(world)?, ids, format!("a member of group {names}")))
}

/// A resource that is in these dynamic groups and in no other.
fn resource_in(world: &World, names: &str) -> Result<Who, AskError> {
    let ids = each(names, |name| {
        let groups = &world.file.dynamic_groups;
        let by_id = groups.iter().find(|group| group.id.as_str() == name);
        let by_name = || {
            let (domain, own) = split(name);
            world.dynamic_group_named(domain, own)
        };
        let known = || groups.iter().map(DynamicGroupEntry::qualified_name).collect();
        by_id.map(|group| group.id.clone()).or_else(by_name).ok_or_else(known)
    });
    let ids = ids.map_err(|(name, known)| unknown("dynamic group", &name, &known))?;
    let resource = ResourcePrincipal {
        id: assumed(world, "instance")?,
        resource_type: "instance".to_owned(),
        compartment_id: world.tenancy().clone(),
        tags: BTreeMap::new(),
        attributes: BTreeMap::new(),
    };
    let label = format!("an instance in dynamic group {names}");
    Ok(of(world, PrincipalKind::Resource(resource), ids, label))
}

/// Finds each of several names; the first that is not there comes back, with those that are.
fn each(
    names: &str,
    find: impl Fn(&str) -> Result<Ocid, Vec<String>>,
) -> Result<Vec<Ocid>, (String, Vec<String>)> {
    let names = names.split(',').map(str::trim);
    names.map(|name| find(name).map_err(|known| (name.to_owned(), known))).collect()
}

fn split(name: &str) -> (Option<&str>, &str) {
    name.split_once('/').map_or((None, name), |(domain, own)| (Some(domain), own))
}

fn unknown(what: &str, name: &str, known: &[String]) -> AskError {
    let error = AskError::new("as", format!("there is no {what} `{name}`"));
    error.near(name, known.iter().map(String::as_str))
}

/// A principal of the file: by its key, its name or its OCID.
fn known(world: &World, text: &str, ask: &Ask) -> Result<Who, AskError> {
    if let Some(found) = in_file(world, text)? {
        return Ok(found);
    }
    let kind = text.split('.').nth(1).unwrap_or_default();
    if text.parse::<Ocid>().is_ok() && ask.who_in.is_some() && kind != "user" {
        return described(world, kind, text, ask);
    }
    let mut near: Vec<&str> = world.file.principals.keys().map(String::as_str).collect();
    for entry in world.file.principals.values() {
        if let PrincipalEntry::User { name, .. } | PrincipalEntry::Service { name } = entry {
            near.push(name);
        }
    }
    let error = AskError::new("as", format!("there is no principal `{text}`"));
    let error = error.near(text, near.into_iter());
    let groups = world.file.groups.iter().map(|group| group.name.as_str());
    match groups.clone().find(|name| name.eq_ignore_ascii_case(text)) {
        Some(group) => Err(AskError { similar: Some(format!("group:{group}")), ..error }),
        None => Err(error),
    }
}

fn in_file(world: &World, text: &str) -> Result<Option<Who>, AskError> {
    let all = &world.file.principals;
    let same = |entry: &PrincipalEntry| match entry {
        PrincipalEntry::User { id, name } => id.as_str() == text || name.eq_ignore_ascii_case(text),
        PrincipalEntry::Resource { id, .. } => id.as_str() == text,
        PrincipalEntry::Service { name } => name.eq_ignore_ascii_case(text),
    };
    let by_key = all.get_key_value(text).map(|(key, _)| key);
    let key = by_key.or_else(|| all.iter().find(|(_, entry)| same(entry)).map(|(key, _)| key));
    let Some(key) = key else { return Ok(None) };
    let principal = world.principal(key)?;
    let label = match &principal.kind {
        PrincipalKind::User { name, .. } => format!("user {name}"),
        PrincipalKind::Resource(resource) => format!("{} {key}", resource.resource_type),
        PrincipalKind::Service { name } => format!("service {name}"),
    };
    Ok(Some(Who { principal, label, is_assumed: false }))
}

/// `instance:…` and the like: a resource of the file, or one that is described.
fn resource(world: &World, kind: &str, name: &str, ask: &Ask) -> Result<Who, AskError> {
    if let Some(found) = in_file(world, name)? {
        let same = matches!(&found.principal.kind, PrincipalKind::Resource(resource)
            if resource.resource_type.eq_ignore_ascii_case(kind));
        if same || kind == "resource" {
            return Ok(found);
        }
        let message = format!("`{name}` is {}, not of type `{kind}`", found.label);
        return Err(AskError::new("as", message));
    }
    if ask.who_in.is_some() {
        return described(world, kind, name, ask);
    }
    let message =
        format!("the file knows no resource `{name}`: describe it with its compartment and tags");
    let keys = world.file.principals.keys().map(String::as_str);
    Err(AskError::new("as", message).near(name, keys))
}

fn described(world: &World, kind: &str, name: &str, ask: &Ask) -> Result<Who, AskError> {
    let path = place(world, "as-in", ask.who_in.as_deref().unwrap_or_default())?;
    let compartment_id = path.first().cloned().unwrap_or_else(|| world.tenancy().clone());
    let id = name.parse().or_else(|_not_an_ocid| assumed(world, kind))?;
    let resource = ResourcePrincipal {
        id,
        resource_type: kind.to_owned(),
        compartment_id,
        tags: ask.who_tags.iter().cloned().collect(),
        attributes: BTreeMap::new(),
    };
    let group_ids = world.dynamic_groups_of(&resource);
    Ok(of(world, PrincipalKind::Resource(resource), group_ids, format!("{kind} {name}")))
}
