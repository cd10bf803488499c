//! Things under a name that is theirs alone: made, changed if nothing moved meanwhile, removed.

use std::sync::Arc;

use serde::Serialize;
use strongroom_model::{Ocid, OcidKind, Tags, Timestamp};
use strongroom_store::{Batch, Require, Revision, StoreError};
use strongroom_wire::{ChangedNamed, ErrorCode, Refusal};

use crate::ask::{ByCompartment, NameFilter};
use crate::catalog::{Catalog, Kept};
use crate::failure::Failure;
use crate::ops::Context;
use crate::ops::changing::{Outcome, TRIES, commit, contended, replace};
use crate::ops::listing::{page_of, sort_key};
use crate::ops::retry::{Earlier, Retry, invalidated};
use crate::reply::Reply;
use crate::rows;

/// A thing of the identity service that has a name.
pub(in crate::ops) trait Named: Clone + Serialize + Send + Sync + Sized {
    /// What it is called in messages.
    const WHAT: &'static str;

    fn id(&self) -> &Ocid;

    fn name(&self) -> &str;

    fn time_created(&self) -> Timestamp;

    fn tags(&self) -> &Tags;

    /// The key of its row.
    fn row(id: &Ocid) -> Vec<u8>;

    /// The key of the row that keeps its name for it, in the place where it is, if it can be moved.
    fn guard(&self) -> Vec<u8>;

    fn find<'a>(catalog: &'a Catalog, id: &Ocid) -> Option<(&'a Self, Revision)>;

    /// Whether another one has its name: things of old have no guards.
    fn is_taken(&self, catalog: &Catalog) -> bool;

    fn reply(&self, catalog: &Catalog) -> Result<Reply, Failure>;
}

/// Makes what `make` returns, or answers what an earlier request with the same retry token made.
pub(in crate::ops) async fn create<T: Named>(
    context: Context<'_>,
    make: impl FnOnce(&Context<'_>) -> Result<T, Failure>,
) -> Result<Reply, Failure> {
    create_while(context, make, |_| Ok(Batch::new())).await
}

/// Makes a thing that is there only while what `holds` requires does.
pub(in crate::ops) async fn create_while<T: Named>(
    context: Context<'_>,
    make: impl FnOnce(&Context<'_>) -> Result<T, Failure>,
    holds: impl Fn(&Catalog) -> Result<Batch, Failure>,
) -> Result<Reply, Failure> {
    let retry = match Retry::look(&context).await? {
        Earlier::None(retry) => retry,
        Earlier::Made(id) => return existing::<T>(&context, &id).await,
    };
    let thing = make(&context)?;
    let id = thing.id().clone();
    let mut catalog = None;
    for _ in 0..TRIES {
        let current = catalog.as_deref().unwrap_or(context.catalog);
        if thing.is_taken(current) {
            return Err(taken::<T>());
        }
        context.record.target_id = Some(id.clone());
        let batch = holds(current)?
            .require(thing.guard(), Require::Absent)
            .put(thing.guard(), rows::encode(&id)?)
            .put(T::row(&id), rows::encode(&thing)?);
        match commit(&context, &retry, batch, &id).await? {
            Outcome::Done(revision) => {
                return Ok(thing.reply(current)?.with_etag(revision).recorded());
            }
            Outcome::Earlier(id) => return existing::<T>(&context, &id).await,
            Outcome::Overtaken => catalog = Some(context.shared.catalog().await?),
        }
    }
    Err(contended())
}

async fn existing<T: Named>(context: &Context<'_>, id: &Ocid) -> Result<Reply, Failure> {
    let catalog = context.shared.catalog().await?;
    T::find(&catalog, id).ok_or_else(|| invalidated("what it made is not there any more"))?;
    get::<T>(&catalog, id)
}

/// Terraform looks for `already exists` in this text, and goes on with the compartment that is there.
fn taken<T: Named>() -> Failure {
    let message = format!("name: a {} with this name already exists", T::WHAT);
    Refusal::new(ErrorCode::NotAuthorizedOrResourceAlreadyExists, message).into()
}

/// Finds what the permit is for; it may have been removed meanwhile.
pub(in crate::ops) fn found<'a, T: Named>(
    catalog: &'a Catalog,
    id: &Ocid,
) -> Result<(&'a T, Revision), Failure> {
    T::find(catalog, id).ok_or_else(|| Failure::not_found(format!("the {} is gone", T::WHAT)))
}

/// Refuses what was judged for a thing that policies may judge otherwise by now: it has another name,
/// place or other tags than when the request was found allowed.
pub(in crate::ops) fn check_judged_alike<T: Named>(
    seen: &Catalog,
    now: &Catalog,
    id: &Ocid,
) -> Result<(), Failure> {
    let ((before, _), (after, _)) = (found::<T>(seen, id)?, found::<T>(now, id)?);
    let is_alike = (before.guard(), before.tags()) == (after.guard(), after.tags());
    if is_alike { Ok(()) } else { Err(contended()) }
}

/// The catalog as it is by now, unless policies may judge the thing otherwise in it.
pub(in crate::ops) async fn still_judged_alike<T: Named>(
    context: &Context<'_>,
    id: &Ocid,
) -> Result<Arc<Catalog>, Failure> {
    let now = context.shared.catalog().await?;
    check_judged_alike::<T>(context.catalog, &now, id)?;
    Ok(now)
}

/// Answers a thing.
pub(in crate::ops) fn get<T: Named>(catalog: &Catalog, id: &Ocid) -> Result<Reply, Failure> {
    let (thing, revision) = found::<T>(catalog, id)?;
    Ok(thing.reply(catalog)?.with_etag(revision))
}

/// Changes a thing to what `next` returns, with whatever must change along with it.
pub(in crate::ops) async fn change<T: Named>(
    context: &Context<'_>,
    id: &Ocid,
    next: impl Fn(&T, &Catalog) -> Result<(T, Batch), Failure>,
) -> Result<Reply, Failure> {
    let mut catalog = None;
    for _ in 0..TRIES {
        let current = catalog.as_deref().unwrap_or(context.catalog);
        let (thing, revision) = found::<T>(current, id)?;
        context.check_if_match(revision)?;
        let (next, batch) = next(thing, current)?;
        let batch = replace(batch, T::row(id), revision, rows::encode(&next)?);
        let batch = renamed(batch, thing, &next, current)?;
        match context.shared.commit(batch, context.record).await {
            Ok(revision) => {
                return Ok(next.reply(current)?.with_etag(revision).recorded());
            }
            Err(StoreError::Conflict { .. }) => {
                catalog = Some(still_judged_alike::<T>(context, id).await?);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(contended())
}

/// Moves the guard if the name changes.
fn renamed<T: Named>(
    batch: Batch,
    before: &T,
    after: &T,
    catalog: &Catalog,
) -> Result<Batch, Failure> {
    if before.guard() == after.guard() {
        return Ok(batch);
    }
    if after.is_taken(catalog) {
        return Err(taken::<T>());
    }
    Ok(batch
        .delete(before.guard())
        .require(after.guard(), Require::Absent)
        .put(after.guard(), rows::encode(after.id())?))
}

/// Removes a thing, with whatever goes along with it, unless `check` refuses. Answers 204.
pub(in crate::ops) async fn remove<T: Named>(
    context: &Context<'_>,
    id: &Ocid,
    check: impl Fn(&T, &Catalog) -> Result<Batch, Failure>,
) -> Result<Reply, Failure> {
    let mut catalog = None;
    for _ in 0..TRIES {
        let current = catalog.as_deref().unwrap_or(context.catalog);
        let (thing, revision) = found::<T>(current, id)?;
        context.check_if_match(revision)?;
        let batch = check(thing, current)?
            .require(T::row(id), Require::Revision(revision))
            .delete(T::row(id))
            .delete(thing.guard());
        match context.shared.commit(batch, context.record).await {
            Ok(_) => return Ok(Reply::nothing().recorded()),
            Err(StoreError::Conflict { .. }) => {
                catalog = Some(still_judged_alike::<T>(context, id).await?);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(contended())
}

/// One page of those things of a list that the filter admits, rendered.
pub(in crate::ops) fn list<'a, T: Named + 'a, B: Serialize>(
    things: impl Iterator<Item = (&'a T, &'static str)>,
    by: &ByCompartment,
    filter: &NameFilter,
    render: impl Fn(&'a T) -> B,
) -> Result<Reply, Failure> {
    let admitted = things.filter(|(thing, state)| filter.admits(thing.name(), state));
    let key = |thing: &T| sort_key(&by.listing, thing.time_created(), thing.name(), thing.id());
    let rows = admitted.map(|(thing, _)| (key(thing), thing)).collect();
    let (page, next) = page_of(rows, &by.listing);
    let bodies: Vec<B> = page.into_iter().map(render).collect();
    Ok(Reply::of(&bodies)?.with_next_page(next))
}

/// Writes a thing anew, so that whoever judged by what belongs to it meets this change.
pub(in crate::ops) fn touched<T: Named>(
    batch: Batch,
    catalog: &Catalog,
    id: &Ocid,
) -> Result<Batch, Failure> {
    let (thing, revision) = found::<T>(catalog, id)?;
    Ok(replace(batch, T::row(id), revision, rows::encode(thing)?))
}

/// Makes the identifier of a new thing.
pub(in crate::ops) fn new_id(context: &Context<'_>, kind: OcidKind) -> Ocid {
    Ocid::global(kind, context.shared.region, &*context.shared.random)
}

/// Refuses what is to be made elsewhere than in the tenancy itself.
pub(in crate::ops) fn check_in_tenancy(
    context: &Context<'_>,
    compartment: &Ocid,
) -> Result<(), Failure> {
    if *compartment == context.catalog.tenancy.id {
        return Ok(());
    }
    Err(Refusal::invalid("compartmentId", "must be the tenancy").into())
}

/// Refuses one more of what there are `count` of.
pub(in crate::ops) fn check_limit(what: &str, count: usize, most: usize) -> Result<(), Failure> {
    if count < most {
        return Ok(());
    }
    let message = format!("The tenancy may hold {most} {what}.");
    Err(Refusal::new(ErrorCode::LimitExceeded, message).into())
}

/// Refuses because of the state that things are in, and will stay in.
pub(in crate::ops) fn conflict(message: impl Into<String>) -> Failure {
    Refusal::new(ErrorCode::Conflict, message.into()).into()
}

/// Changes description and tags.
pub(in crate::ops) fn describe(details: &ChangedNamed, description: &mut String, tags: &mut Tags) {
    if let Some(given) = &details.description {
        description.clone_from(given);
    }
    if let Some(given) = &details.freeform_tags {
        tags.freeform.clone_from(given);
    }
    if let Some(given) = &details.defined_tags {
        tags.defined.clone_from(given);
    }
}

/// Implements [`Named`] for a thing: its word, the key of its row, and how its name is guarded, how it
/// is found, when its name is taken, and how it is answered.
macro_rules! named {
    ($thing:ty, $what:literal, $row:path, $guard:expr, $find:expr, $taken:expr, $reply:expr) => {
        impl crate::ops::identity::named::Named for $thing {
            const WHAT: &'static str = $what;

            fn id(&self) -> &strongroom_model::Ocid {
                &self.id
            }

            fn name(&self) -> &str {
                &self.name
            }

            fn time_created(&self) -> strongroom_model::Timestamp {
                self.time_created
            }

            fn tags(&self) -> &strongroom_model::Tags {
                &self.tags
            }

            fn row(id: &strongroom_model::Ocid) -> Vec<u8> {
                $row(id)
            }

            fn guard(&self) -> Vec<u8> {
                let guard: fn(&Self, &str) -> Vec<u8> = $guard;
                guard(self, &self.name.to_lowercase())
            }

            fn find<'a>(
                catalog: &'a crate::catalog::Catalog,
                id: &strongroom_model::Ocid,
            ) -> Option<(&'a Self, strongroom_store::Revision)> {
                let find: for<'b> fn(
                    &'b crate::catalog::Catalog,
                    &strongroom_model::Ocid,
                ) -> Option<(&'b Self, strongroom_store::Revision)> = $find;
                find(catalog, id)
            }

            fn is_taken(&self, catalog: &crate::catalog::Catalog) -> bool {
                let is_taken: fn(&Self, &crate::catalog::Catalog) -> bool = $taken;
                is_taken(self, catalog)
            }

            fn reply(&self, catalog: &crate::catalog::Catalog) -> Result<Reply, Failure> {
                let reply: fn(&Self, &crate::catalog::Catalog) -> Result<Reply, Failure> = $reply;
                reply(self, catalog)
            }
        }
    };
}

pub(in crate::ops) use named;

/// Finds a thing among those that are kept.
pub(in crate::ops) fn kept<'a, T>(things: &'a Kept<T>, id: &Ocid) -> Option<(&'a T, Revision)> {
    things.get(id).map(|(thing, revision)| (&**thing, *revision))
}

/// Tells whether another one of those that are kept has the name of `thing`.
pub(in crate::ops) fn shares_name<T: Named>(thing: &T, things: &Kept<T>) -> bool {
    things.values().any(|(other, _)| {
        other.id() != thing.id() && other.name().eq_ignore_ascii_case(thing.name())
    })
}
