use std::sync::Arc;

use strongroom_model::{Group, Ocid, User};
use strongroom_store::{Batch, StoreError};
use strongroom_wire::bodies::MembershipBody;
use strongroom_wire::{AddUserToGroupDetails, Refusal};

use super::named::{check_judged_alike, conflict, found, still_judged_alike, touched};
use crate::ask::ByCompartment;
use crate::catalog::Catalog;
use crate::failure::Failure;
use crate::ops::Context;
use crate::ops::changing::{Outcome, TRIES, commit, contended, replace};
use crate::ops::listing::{page_of, sort_key};
use crate::ops::retry::{Earlier, Retry, invalidated};
use crate::reply::Reply;
use crate::rows;

/// `ListUserGroupMemberships`: of a user, of a group, or of both, in the compartment that the right is
/// asked for in.
pub(super) fn list(
    context: &Context<'_>,
    by: &ByCompartment,
    user_id: Option<&Ocid>,
    group_id: Option<&Ocid>,
) -> Result<Reply, Failure> {
    if user_id.is_none() && group_id.is_none() {
        let rule = "one of userId and groupId must be given";
        return Err(Refusal::invalid("query", rule).into());
    }
    let users = context.catalog.users.values().map(|(user, _)| user);
    let wanted = users.filter(|user| {
        user.compartment_id == by.compartment_id && user_id.is_none_or(|id| user.id == *id)
    });
    let memberships = wanted.flat_map(|user| {
        let groups = user.group_ids.iter().filter(|id| group_id.is_none_or(|wanted| wanted == *id));
        groups.map(move |group| (user, group))
    });
    let key = |user: &User, group: &Ocid| {
        let since = user.member_since(group);
        sort_key(&by.listing, since, &user.name, &user.membership_id(group))
    };
    let rows = memberships.map(|(user, group)| (key(user, group), (user, group))).collect();
    let (page, next) = page_of(rows, &by.listing);
    let bodies: Vec<_> =
        page.into_iter().map(|(user, group)| MembershipBody::new(user, group)).collect();
    Ok(Reply::of(&bodies)?.with_next_page(next))
}

/// `GetUserGroupMembership`.
pub(super) fn get(context: &Context<'_>, id: &Ocid) -> Result<Reply, Failure> {
    let (user, group) = joined(context.catalog, id)?;
    let (user, revision) = found::<User>(context.catalog, user)?;
    Ok(Reply::of(&MembershipBody::new(user, group))?.with_etag(revision))
}

fn joined<'a>(catalog: &'a Catalog, id: &Ocid) -> Result<(&'a Ocid, &'a Ocid), Failure> {
    let (user, group) =
        catalog.membership(id).ok_or_else(|| Failure::not_found("the membership is gone"))?;
    Ok((&user.id, group))
}

/// `AddUserToGroup`. A member already is answered as such.
pub(super) async fn add(
    context: &Context<'_>,
    details: &AddUserToGroupDetails,
) -> Result<Reply, Failure> {
    let AddUserToGroupDetails { user_id, group_id } = details;
    let retry = match Retry::look(context).await? {
        Earlier::None(retry) => retry,
        Earlier::Made(id) => return get_fresh(context, &id).await,
    };
    let mut catalog = None;
    for _ in 0..TRIES {
        let current = catalog.as_deref().unwrap_or(context.catalog);
        let (user, revision) = found::<User>(current, user_id)?;
        if user.group_ids.contains(group_id) {
            return Ok(Reply::of(&MembershipBody::new(user, group_id))?.with_etag(revision));
        }
        let mut next = user.clone();
        next.group_ids.push(group_id.clone());
        next.joined.insert(group_id.clone(), context.record.time);
        let batch = replace(Batch::new(), rows::user(user_id), revision, rows::encode(&next)?);
        let batch = touched::<Group>(batch, current, group_id)?;
        let id = next.membership_id(group_id);
        match commit(context, &retry, batch, &id).await? {
            Outcome::Done(revision) => {
                let body = MembershipBody::new(&next, group_id);
                return Ok(Reply::of(&body)?.with_etag(revision).recorded());
            }
            Outcome::Earlier(id) => return get_fresh(context, &id).await,
            Outcome::Overtaken => {
                catalog = Some(both_judged_alike(context, user_id, group_id).await?);
            }
        }
    }
    Err(contended())
}

async fn both_judged_alike(
    context: &Context<'_>,
    user: &Ocid,
    group: &Ocid,
) -> Result<Arc<Catalog>, Failure> {
    let now = still_judged_alike::<User>(context, user).await?;
    check_judged_alike::<Group>(context.catalog, &now, group)?;
    Ok(now)
}

async fn get_fresh(context: &Context<'_>, id: &Ocid) -> Result<Reply, Failure> {
    let catalog = context.shared.catalog().await?;
    let gone = |_failure| invalidated("what it made is not there any more");
    let (user, group) = joined(&catalog, id).map_err(gone)?;
    let (user, revision) = found::<User>(&catalog, user)?;
    Ok(Reply::of(&MembershipBody::new(user, group))?.with_etag(revision))
}

/// `RemoveUserFromGroup`: in force for the next request.
pub(super) async fn remove(context: &Context<'_>, id: &Ocid) -> Result<Reply, Failure> {
    let mut catalog = None;
    for _ in 0..TRIES {
        let current = catalog.as_deref().unwrap_or(context.catalog);
        let (user_id, group_id) = joined(current, id)?;
        let (user, revision) = found::<User>(current, user_id)?;
        context.check_if_match(revision)?;
        let mut next = user.clone();
        next.group_ids.retain(|held| held != group_id);
        next.joined.remove(group_id);
        let batch = replace(Batch::new(), rows::user(user_id), revision, rows::encode(&next)?);
        let batch = if is_administrators(current, group_id) {
            keep_an_administrator(batch, current, user_id)?
        } else {
            touched::<Group>(batch, current, group_id)?
        };
        match context.shared.commit(batch, context.record).await {
            Ok(_) => return Ok(Reply::nothing().recorded()),
            Err(StoreError::Conflict { .. }) => {
                catalog = Some(both_judged_alike(context, user_id, group_id).await?);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(contended())
}

pub(super) fn is_administrators(catalog: &Catalog, id: &Ocid) -> bool {
    let found = catalog.groups.get(id);
    found.is_some_and(|(group, _)| group.name.eq_ignore_ascii_case(Group::ADMINISTRATORS))
}

/// Refuses to take the keys or the membership of the last administrator who has a key: nobody could
/// let another one in.
pub(super) fn keep_an_administrator(
    batch: Batch,
    catalog: &Catalog,
    user: &Ocid,
) -> Result<Batch, Failure> {
    let administrators = catalog.groups.keys().find(|id| is_administrators(catalog, id));
    let Some(group) = administrators else { return Ok(batch) };
    let is_member = catalog.members_of(group).any(|member| member.id == *user);
    if !is_member {
        return Ok(batch);
    }
    let others = catalog.members_of(group).filter(|member| member.id != *user);
    let mut with_key = others.filter(|member| catalog.api_keys_of(&member.id).next().is_some());
    if with_key.next().is_none() {
        return Err(conflict("The user is the last administrator who has an API key."));
    }
    touched::<Group>(batch, catalog, group)
}
