use std::collections::BTreeSet;

use strongroom_model::{
    Compartment, CompartmentState, KeyState, Ocid, OcidKind, Permission, SecretState, Tags,
    VaultState,
};
use strongroom_store::{Batch, Order, Require, prefix_range};
use strongroom_wire::bodies::CompartmentBody;
use strongroom_wire::{ChangedNamed, ErrorCode, NewNamed, Refusal};

use super::named::{
    self, Named, change, check_limit, conflict, describe, kept, named, new_id, touched,
};
use crate::ask::{ByCompartment, CompartmentFilter};
use crate::authz::{self, Permit};
use crate::catalog::Catalog;
use crate::failure::Failure;
use crate::ops::Context;
use crate::ops::changing::contended;
use crate::reply::Reply;
use crate::rows::{self, SecretRow};

/// Levels of compartments below the root. Source: OCI documentation, "Managing Compartments".
const DEPTH_MAX: usize = 6;

const SCAN_ROWS: usize = 256;

named!(
    Compartment,
    "compartment of this parent",
    rows::compartment,
    |compartment, name| rows::compartment_name(&compartment.compartment_id, name),
    |catalog, id| kept(&catalog.compartments, id),
    |compartment, catalog| {
        catalog.compartments.values().any(|(other, _)| {
            other.id != compartment.id
                && other.compartment_id == compartment.compartment_id
                && other.state == CompartmentState::Active
                && other.name.eq_ignore_ascii_case(&compartment.name)
        })
    },
    |compartment, _| Reply::of(&CompartmentBody::from(compartment))
);

/// `CreateCompartment`.
pub(super) async fn create(
    context: Context<'_>,
    permit: &Permit,
    details: NewNamed,
) -> Result<Reply, Failure> {
    let depth = permit.located.compartment.as_ref().map_or(0, |path| path.len());
    named::create(context, |context| {
        check_depth("compartmentId", depth)?;
        let all = context.catalog.compartments.values();
        let count = all.filter(|(found, _)| found.state == CompartmentState::Active).count();
        check_limit("compartments", count, context.shared.limits.compartments)?;
        Ok(Compartment {
            id: new_id(context, OcidKind::Compartment),
            compartment_id: details.compartment_id,
            name: details.name,
            description: details.description,
            state: CompartmentState::Active,
            time_created: context.record.time,
            tags: details.tags,
        })
    })
    .await
}

/// Refuses what would lie deeper than compartments nest; `depth` counts the tenancy.
fn check_depth(field: &str, depth: usize) -> Result<(), Failure> {
    if depth <= DEPTH_MAX {
        return Ok(());
    }
    let message = format!("{field}: compartments nest at most {DEPTH_MAX} deep");
    Err(Refusal::new(ErrorCode::LimitExceeded, message).into())
}

/// `GetCompartment`; the tenancy is the root compartment.
pub(super) fn get(context: &Context<'_>, id: &Ocid) -> Result<Reply, Failure> {
    if *id == context.catalog.tenancy.id {
        return Reply::of(&CompartmentBody::root(&context.catalog.tenancy, &Tags::default()));
    }
    named::get::<Compartment>(context.catalog, id)
}

/// `ListCompartments`: the children, or with `compartmentIdInSubtree` all below the tenancy.
pub(super) fn list(
    context: &Context<'_>,
    by: &ByCompartment,
    filter: &CompartmentFilter,
) -> Result<Reply, Failure> {
    if filter.subtree && by.compartment_id != context.catalog.tenancy.id {
        let rule = "may be true only when compartmentId is the tenancy";
        return Err(Refusal::invalid("compartmentIdInSubtree", rule).into());
    }
    let accessible = filter.accessible_only.then(|| Accessible::to_caller(context));
    let wanted = |compartment: &Compartment| {
        (filter.subtree || compartment.compartment_id == by.compartment_id)
            && accessible.as_ref().is_none_or(|seen| seen.with_above.contains(&compartment.id))
    };
    let all = context.catalog.compartments.values().map(|(found, _)| &**found);
    let listed = all.filter(|found| wanted(found)).map(|found| (found, found.state.name()));
    let no_tags = Tags::default();
    named::list(listed, by, &filter.named, |compartment| match &accessible {
        Some(seen) if !seen.inspected.contains(&compartment.id) => {
            CompartmentBody::restricted(compartment, &no_tags)
        }
        _ => CompartmentBody::from(compartment),
    })
}

/// Compartments that a caller sees who may not see all.
struct Accessible {
    inspected: BTreeSet<Ocid>,
    /// Those, and the compartments above them: the way down to what may be inspected.
    with_above: BTreeSet<Ocid>,
}

impl Accessible {
    fn to_caller(context: &Context<'_>) -> Self {
        let (catalog, wish) = (context.catalog, context.wish());
        let permission = Permission::CompartmentInspect;
        let is_inspected =
            |path: &[Ocid]| authz::is_granted(&wish, permission, path, catalog, context.shared);
        let (mut inspected, mut with_above) = (BTreeSet::new(), BTreeSet::new());
        for id in catalog.compartments.keys() {
            if let Some(path) = catalog.path(id).filter(|path| is_inspected(path)) {
                inspected.insert(id.clone());
                with_above.extend(path.iter().cloned());
            }
        }
        Self { inspected, with_above }
    }
}

/// Refuses the tenancy, and what was deleted.
fn check_changeable(compartment: &Compartment) -> Result<(), Failure> {
    match compartment.state {
        CompartmentState::Active => Ok(()),
        CompartmentState::Deleted => Err(conflict("The compartment is DELETED.")),
    }
}

fn check_not_root(context: &Context<'_>, id: &Ocid) -> Result<(), Failure> {
    if *id == context.catalog.tenancy.id {
        return Err(conflict("The tenancy is no compartment that can be changed."));
    }
    Ok(())
}

/// `UpdateCompartment`. Policies mean the compartment, not its name.
pub(super) async fn update(
    context: &Context<'_>,
    id: &Ocid,
    details: &ChangedNamed,
) -> Result<Reply, Failure> {
    check_not_root(context, id)?;
    change(context, id, |compartment: &Compartment, _| {
        check_changeable(compartment)?;
        let mut next = compartment.clone();
        describe(details, &mut next.description, &mut next.tags);
        if let Some(name) = &details.name {
            next.name.clone_from(name);
        }
        Ok((next, Batch::new()))
    })
    .await
}

/// `DeleteCompartment`: an empty one, at once. Its name can be given again.
pub(super) async fn delete(context: &Context<'_>, id: &Ocid) -> Result<Reply, Failure> {
    check_not_root(context, id)?;
    if holds_secrets(context, id).await? {
        return Err(not_empty("secrets"));
    }
    let deleted = change(context, id, |compartment: &Compartment, catalog| {
        check_changeable(compartment)?;
        check_empty(catalog, id)?;
        let state = CompartmentState::Deleted;
        let next = Compartment { state, ..compartment.clone() };
        Ok((next, Batch::new().delete(compartment.guard())))
    });
    let work_request_id = id.as_str().replace("ocid1.compartment", "ocid1.identityworkrequest");
    Ok(deleted.await?.without_body().accepted(Some(work_request_id)))
}

fn not_empty(what: &str) -> Failure {
    conflict(format!("The compartment holds {what}."))
}

fn check_empty(catalog: &Catalog, id: &Ocid) -> Result<(), Failure> {
    let within = |compartment: &Ocid| compartment == id;
    let holds = [
        (
            catalog.compartments.values().any(|(child, _)| {
                within(&child.compartment_id) && child.state == CompartmentState::Active
            }),
            "compartments",
        ),
        (
            catalog.vaults.values().any(|entry| {
                within(&entry.vault.compartment_id) && entry.vault.state != VaultState::Deleted
            }),
            "vaults",
        ),
        (
            catalog.keys.values().any(|entry| {
                within(&entry.key.compartment_id) && entry.key.state != KeyState::Deleted
            }),
            "keys",
        ),
        (catalog.policies.values().any(|(policy, _)| within(&policy.compartment_id)), "policies"),
        (
            catalog.tag_namespaces.values().any(|(namespace, _)| within(&namespace.compartment_id)),
            "tag namespaces",
        ),
        (
            catalog.workloads.values().any(|(workload, _)| within(&workload.compartment_id)),
            "workloads",
        ),
    ];
    let held = holds.into_iter().find(|(holds, _)| *holds);
    held.map_or(Ok(()), |(_, what)| Err(not_empty(what)))
}

/// Looks for a secret that is not deleted.
async fn holds_secrets(context: &Context<'_>, id: &Ocid) -> Result<bool, Failure> {
    let store = &context.shared.store;
    let prefix = rows::all_by_time(id);
    let mut range = prefix_range(&prefix);
    loop {
        let page = store.scan(range.clone(), Order::Ascending, SCAN_ROWS).await?;
        let keys: Vec<Vec<u8>> = page.iter().filter_map(|(key, _)| secret_row(key)).collect();
        let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        for (key, row) in keys.iter().zip(store.get(&keys).await?) {
            let Some(row) = row else { continue };
            let SecretRow { secret, .. } = rows::decode(key, &row.value)?;
            if secret.state != SecretState::Deleted {
                return Ok(true);
            }
        }
        match page.last() {
            Some((key, _)) if page.len() == SCAN_ROWS => {
                range.start = [key.as_slice(), b"\0"].concat();
            }
            _ => return Ok(false),
        }
    }
}

/// The row of the secret that an index row is about.
fn secret_row(index: &[u8]) -> Option<Vec<u8>> {
    let id = std::str::from_utf8(index).ok()?.rsplit('/').next()?.parse().ok()?;
    Some(rows::secret(&id))
}

/// `MoveCompartment`, with all that is below. Answers 202 without a body.
pub(super) async fn move_to(context: &Context<'_>, id: &Ocid, to: &Ocid) -> Result<Reply, Failure> {
    check_not_root(context, id)?;
    let moved = change(context, id, |compartment: &Compartment, catalog| {
        check_changeable(compartment)?;
        if !catalog.is_open(to) {
            return Err(Failure::not_found("the destination was deleted meanwhile"));
        }
        let field = "targetCompartmentId";
        let path = catalog.path(to).unwrap_or_default();
        if path.contains(id) {
            return Err(Refusal::invalid(field, "lies within the compartment itself").into());
        }
        check_depth(field, path.len().saturating_add(height(catalog, id)))?;
        let was_judged = |place: &Ocid| context.catalog.path(place) == catalog.path(place);
        if !was_judged(id) || !was_judged(to) {
            return Err(contended());
        }
        let next = Compartment { compartment_id: to.clone(), ..compartment.clone() };
        Ok((next, while_unmoved(catalog, &path)?))
    });
    let work_request_id = id.as_str().replace("ocid1.compartment", "ocid1.identityworkrequest");
    Ok(moved.await?.without_body().accepted(Some(work_request_id)))
}

/// Makes a move hold only while the compartments above its destination are as they were seen: two
/// moves at once must not make a ring. The destination itself is written anew, so that whoever deletes
/// it as an empty one meets this change.
fn while_unmoved(catalog: &Catalog, path: &[Ocid]) -> Result<Batch, Failure> {
    let above = path.iter().skip(1).filter_map(|id| Some((id, catalog.compartments.get(id)?.1)));
    let batch = above.fold(Batch::new(), |batch, (id, revision)| {
        batch.require(rows::compartment(id), Require::Revision(revision))
    });
    match path.first().filter(|to| catalog.compartments.contains_key(*to)) {
        Some(to) => touched::<Compartment>(batch, catalog, to),
        None => Ok(batch),
    }
}

/// Levels of compartments below one.
fn height(catalog: &Catalog, id: &Ocid) -> usize {
    let distance = |other: &Ocid| {
        let path = catalog.path(other)?;
        path.iter().position(|ancestor| ancestor == id)
    };
    catalog.compartments.keys().filter_map(distance).max().unwrap_or_default()
}
