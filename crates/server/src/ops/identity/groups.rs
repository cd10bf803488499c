use strongroom_model::{DynamicGroup, Group, Ocid, OcidKind};
use strongroom_policy::parse_rule;
use strongroom_store::Batch;
use strongroom_wire::bodies::{DynamicGroupBody, GroupBody};
use strongroom_wire::{
    ChangedNamed, CreateDynamicGroupDetails, NewNamed, Refusal, UpdateDynamicGroupDetails,
};

use super::memberships::is_administrators;
use super::named::{
    self, change, check_in_tenancy, check_limit, conflict, describe, kept, named, new_id, remove,
};
use crate::ask::{ByCompartment, NameFilter};
use crate::catalog::Catalog;
use crate::failure::Failure;
use crate::ops::Context;
use crate::reply::Reply;
use crate::rows;

/// Whether a group or dynamic group of another identifier has the name: they share one space.
fn is_taken(catalog: &Catalog, id: &Ocid, name: &str) -> bool {
    let groups = catalog.groups.values().map(|(group, _)| (&group.id, &group.name));
    let dynamic = catalog.dynamic_groups.values().map(|(entry, _)| &entry.group);
    let mut all = groups.chain(dynamic.map(|group| (&group.id, &group.name)));
    all.any(|(other, taken)| other != id && taken.eq_ignore_ascii_case(name))
}

named!(
    Group,
    "group",
    rows::group,
    |_, name| rows::group_name(name),
    |catalog, id| kept(&catalog.groups, id),
    |group, catalog| is_taken(catalog, &group.id, &group.name),
    |group, _| Reply::of(&GroupBody::from(group))
);

named!(
    DynamicGroup,
    "dynamic group",
    rows::dynamic_group,
    |_, name| rows::group_name(name),
    |catalog, id| {
        let (entry, revision) = catalog.dynamic_groups.get(id)?;
        Some((&entry.group, *revision))
    },
    |group, catalog| is_taken(catalog, &group.id, &group.name),
    |group, _| Reply::of(&DynamicGroupBody::from(group))
);

/// `ListGroups`.
pub(super) fn list(
    context: &Context<'_>,
    by: &ByCompartment,
    filter: &NameFilter,
) -> Result<Reply, Failure> {
    let groups = context.catalog.groups.values().map(|(group, _)| (&**group, "ACTIVE"));
    let of_tenancy = groups.filter(|(group, _)| group.compartment_id == by.compartment_id);
    named::list(of_tenancy, by, filter, GroupBody::from)
}

/// `GetGroup`.
pub(super) fn get(context: &Context<'_>, id: &Ocid) -> Result<Reply, Failure> {
    named::get::<Group>(context.catalog, id)
}

/// `CreateGroup`.
pub(super) async fn create(context: Context<'_>, details: NewNamed) -> Result<Reply, Failure> {
    named::create(context, |context| {
        check_in_tenancy(context, &details.compartment_id)?;
        check_limit("groups", context.catalog.groups.len(), context.shared.limits.groups)?;
        Ok(Group {
            id: new_id(context, OcidKind::Group),
            compartment_id: details.compartment_id,
            name: details.name,
            description: details.description,
            time_created: context.record.time,
            tags: details.tags,
        })
    })
    .await
}

/// `UpdateGroup`.
pub(super) async fn update(
    context: &Context<'_>,
    id: &Ocid,
    details: &ChangedNamed,
) -> Result<Reply, Failure> {
    change(context, id, |group: &Group, _| {
        let mut next = group.clone();
        describe(details, &mut next.description, &mut next.tags);
        Ok((next, Batch::new()))
    })
    .await
}

/// `DeleteGroup`: an empty one. Statements that name it grant to nobody from then on.
pub(super) async fn delete(context: &Context<'_>, id: &Ocid) -> Result<Reply, Failure> {
    remove(context, id, |_: &Group, catalog| {
        if is_administrators(catalog, id) {
            return Err(conflict("The group of administrators stays."));
        }
        if catalog.members_of(id).next().is_some() {
            return Err(conflict("The group has members: RemoveUserFromGroup first."));
        }
        Ok(Batch::new())
    })
    .await
}

/// `ListDynamicGroups`.
pub(super) fn list_dynamic(
    context: &Context<'_>,
    by: &ByCompartment,
    filter: &NameFilter,
) -> Result<Reply, Failure> {
    let entries = context.catalog.dynamic_groups.values();
    let groups = entries.map(|(entry, _)| (&entry.group, "ACTIVE"));
    let of_tenancy = groups.filter(|(group, _)| group.compartment_id == by.compartment_id);
    named::list(of_tenancy, by, filter, DynamicGroupBody::from)
}

/// `GetDynamicGroup`.
pub(super) fn get_dynamic(context: &Context<'_>, id: &Ocid) -> Result<Reply, Failure> {
    named::get::<DynamicGroup>(context.catalog, id)
}

/// `CreateDynamicGroup`.
pub(super) async fn create_dynamic(
    context: Context<'_>,
    details: CreateDynamicGroupDetails,
) -> Result<Reply, Failure> {
    named::create(context, |context| {
        let CreateDynamicGroupDetails { named, matching_rule } = details;
        check_in_tenancy(context, &named.compartment_id)?;
        let (count, most) =
            (context.catalog.dynamic_groups.len(), context.shared.limits.dynamic_groups);
        check_limit("dynamic groups", count, most)?;
        check_rule(&matching_rule)?;
        Ok(DynamicGroup {
            id: new_id(context, OcidKind::DynamicGroup),
            compartment_id: named.compartment_id,
            name: named.name,
            description: named.description,
            matching_rule,
            time_created: context.record.time,
            tags: named.tags,
        })
    })
    .await
}

fn check_rule(rule: &str) -> Result<(), Failure> {
    let parsed = parse_rule(rule).map(|_rule| ());
    parsed.map_err(|error| Refusal::invalid("matchingRule", &error.advice()).into())
}

/// `UpdateDynamicGroup`.
pub(super) async fn update_dynamic(
    context: &Context<'_>,
    id: &Ocid,
    details: &UpdateDynamicGroupDetails,
) -> Result<Reply, Failure> {
    change(context, id, |group: &DynamicGroup, _| {
        let mut next = group.clone();
        describe(&details.named, &mut next.description, &mut next.tags);
        if let Some(rule) = &details.matching_rule {
            check_rule(rule)?;
            next.matching_rule.clone_from(rule);
        }
        Ok((next, Batch::new()))
    })
    .await
}

/// `DeleteDynamicGroup`. Statements that name it grant to nobody from then on.
pub(super) async fn delete_dynamic(context: &Context<'_>, id: &Ocid) -> Result<Reply, Failure> {
    remove(context, id, |_: &DynamicGroup, _| Ok(Batch::new())).await
}
