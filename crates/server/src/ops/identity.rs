use strongroom_model::{Compartment, CompartmentState, Ocid, OcidKind, Tags};
use strongroom_store::{Batch, Require, StoreError};
use strongroom_wire::bodies::{CompartmentBody, RegionSubscription, UserBody};
use strongroom_wire::{CreateCompartmentDetails, ErrorCode, Refusal};

use super::Context;
use super::listing::{page_of, sort_key};
use super::retry::{Earlier, Retry};
use crate::ask::{ByCompartment, CompartmentFilter};
use crate::authz::{self, Permit};
use crate::failure::Failure;
use crate::reply::Reply;
use crate::rows;

/// Levels of compartments below the root. Source: OCI documentation, "Managing Compartments".
const DEPTH_MAX: usize = 6;

/// `CreateCompartment`.
pub(super) async fn create_compartment(
    context: Context<'_>,
    permit: &Permit,
    details: CreateCompartmentDetails,
) -> Result<Reply, Failure> {
    let retry = match Retry::look(&context).await? {
        Earlier::None(retry) => retry,
        Earlier::Made(id) => return existing(&context, &id).await,
    };
    let depth = permit.located.compartment.as_ref().map_or(0, |path| path.len());
    if depth > DEPTH_MAX {
        let message = format!("compartmentId: compartments nest at most {DEPTH_MAX} deep");
        return Err(Refusal::new(ErrorCode::LimitExceeded, message).into());
    }
    let shared = context.shared;
    let compartment = Compartment {
        id: Ocid::global(OcidKind::Compartment, shared.region, &*shared.random),
        compartment_id: details.compartment_id,
        name: details.name,
        description: details.description,
        state: CompartmentState::Active,
        time_created: context.record.time,
        tags: details.tags,
    };
    let folded = compartment.name.to_lowercase();
    let guard = rows::compartment_name(&compartment.compartment_id, &folded);
    let batch = Batch::new()
        .require(guard.clone(), Require::Absent)
        .put(guard.clone(), rows::encode(&compartment.id)?)
        .put(rows::compartment(&compartment.id), rows::encode(&compartment)?);
    let batch = retry.guard(batch, &compartment.id)?;
    context.record.target_id = Some(compartment.id.clone());
    match shared.commit(batch, context.record).await {
        Ok(revision) => {
            let reply = Reply::of(&CompartmentBody::from(&compartment))?.with_etag(revision);
            Ok(reply.recorded())
        }
        Err(error) if retry.lost_to_itself(&error) => match Retry::look(&context).await? {
            Earlier::Made(id) => existing(&context, &id).await,
            Earlier::None(_) => Err(error.into()),
        },
        Err(StoreError::Conflict { key }) if key == guard => {
            let code = ErrorCode::NotAuthorizedOrResourceAlreadyExists;
            let message = "name: is taken among the compartments of this parent";
            Err(Refusal::new(code, message).into())
        }
        Err(error) => Err(error.into()),
    }
}

async fn existing(context: &Context<'_>, id: &Ocid) -> Result<Reply, Failure> {
    let catalog = context.shared.catalog().await?;
    let gone = || Failure::internal("a retry token names a compartment that is not there");
    let (compartment, revision) = catalog.compartments.get(id).ok_or_else(gone)?;
    Ok(Reply::of(&CompartmentBody::from(&**compartment))?.with_etag(*revision))
}

/// `GetCompartment`; the tenancy is the root compartment.
pub(super) fn get_compartment(context: &Context<'_>, id: &Ocid) -> Result<Reply, Failure> {
    match context.catalog.compartments.get(id) {
        Some((compartment, revision)) => {
            Ok(Reply::of(&CompartmentBody::from(&**compartment))?.with_etag(*revision))
        }
        None => Reply::of(&CompartmentBody::root(&context.catalog.tenancy, &Tags::default())),
    }
}

/// `ListCompartments`: the children, or with `compartmentIdInSubtree` all below the tenancy.
pub(super) fn list_compartments(
    context: &Context<'_>,
    by: &ByCompartment,
    filter: &CompartmentFilter,
) -> Result<Reply, Failure> {
    if filter.subtree && by.compartment_id != context.catalog.tenancy.id {
        let rule = "may be true only when compartmentId is the tenancy";
        return Err(Refusal::invalid("compartmentIdInSubtree", rule).into());
    }
    let wanted = |compartment: &Compartment| {
        (filter.subtree || compartment.compartment_id == by.compartment_id)
            && filter.name.as_ref().is_none_or(|name| compartment.name == *name)
            && filter.state.is_none_or(|state| state == "ACTIVE")
            && (!filter.accessible_only || accessible(context, compartment))
    };
    let all = context.catalog.compartments.values().map(|(compartment, _)| &**compartment);
    let row = |compartment: &'_ Compartment| {
        let (created, name) = (compartment.time_created, &compartment.name);
        sort_key(&by.listing, created, name, &compartment.id)
    };
    let rows = all.filter(|compartment| wanted(compartment));
    let (page, next) = page_of(rows.map(|found| (row(found), found)).collect(), &by.listing);
    let bodies: Vec<_> = page.into_iter().map(CompartmentBody::from).collect();
    Ok(Reply::of(&bodies)?.with_next_page(next))
}

fn accessible(context: &Context<'_>, compartment: &Compartment) -> bool {
    let path = context.catalog.path(&compartment.id);
    path.is_some_and(|path| {
        authz::may_inspect(&context.wish(), &path, context.catalog, context.shared)
    })
}

/// `GetUser`.
pub(super) fn get_user(context: &Context<'_>, id: &Ocid) -> Result<Reply, Failure> {
    let gone = || Failure::internal("a permit without its user");
    let (user, revision) = context.catalog.users.get(id).ok_or_else(gone)?;
    Ok(Reply::of(&UserBody::from(&**user))?.with_etag(*revision))
}

/// `ListRegionSubscriptions`: a server stands for one region.
pub(super) fn list_region_subscriptions(context: &Context<'_>) -> Result<Reply, Failure> {
    Reply::of(&[RegionSubscription::home(context.shared.region)])
}
