use strongroom_model::{Ocid, OcidKind, Permission, Tag, TagNamespace};
use strongroom_store::Batch;
use strongroom_wire::bodies::{TagBody, TagNamespaceBody};
use strongroom_wire::{
    CreateTagDetails, NewNamed, Refusal, UpdateTagDetails, UpdateTagNamespaceDetails,
};

use super::named::{
    self, Named, change, check_judged_alike, conflict, describe, found, kept, named, new_id,
    remove, shares_name, touched,
};
use crate::ask::{ByCompartment, Listing, NameFilter};
use crate::authz;
use crate::catalog::Catalog;
use crate::failure::Failure;
use crate::ops::Context;
use crate::ops::changing::replace;
use crate::ops::listing::{page_of, sort_key};
use crate::reply::Reply;
use crate::rows;

named!(
    TagNamespace,
    "tag namespace",
    rows::tag_namespace,
    |_, name| rows::tag_namespace_name(name),
    |catalog, id| kept(&catalog.tag_namespaces, id),
    |namespace, catalog| shares_name(namespace, &catalog.tag_namespaces),
    |namespace, _| Reply::of(&TagNamespaceBody::from(namespace))
);

named!(
    Tag,
    "tag of this namespace",
    rows::tag,
    |tag, name| rows::tag_name(&tag.tag_namespace_id, name),
    |catalog, id| kept(&catalog.tags, id),
    |tag, catalog| {
        let other = catalog.tag_named(&tag.tag_namespace_id, &tag.name);
        other.is_some_and(|(other, _)| other.id != tag.id)
    },
    |tag, catalog| {
        let (namespace, _) = found::<TagNamespace>(catalog, &tag.tag_namespace_id)?;
        Reply::of(&TagBody::new(namespace, tag))
    }
);

const fn state(is_retired: bool) -> &'static str {
    if is_retired { "INACTIVE" } else { "ACTIVE" }
}

/// `ListTagNamespaces`: those of the compartment, or of all below it too where they may be listed.
pub(super) fn list_namespaces(
    context: &Context<'_>,
    by: &ByCompartment,
    below: bool,
    filter: &NameFilter,
) -> Result<Reply, Failure> {
    let catalog = context.catalog;
    let wish = context.wish();
    let permission = Permission::TagNamespaceInspect;
    let is_listed = |path: &[Ocid]| {
        path.contains(&by.compartment_id)
            && authz::is_granted(&wish, permission, path, catalog, context.shared)
    };
    let within = |compartment: &Ocid| {
        *compartment == by.compartment_id
            || below && catalog.path(compartment).is_some_and(|path| is_listed(&path))
    };
    let all = catalog.tag_namespaces.values().map(|(found, _)| (&**found, state(found.is_retired)));
    let listed = all.filter(|(namespace, _)| within(&namespace.compartment_id));
    named::list(listed, by, filter, TagNamespaceBody::from)
}

/// `GetTagNamespace`.
pub(super) fn get_namespace(context: &Context<'_>, id: &Ocid) -> Result<Reply, Failure> {
    named::get::<TagNamespace>(context.catalog, id)
}

/// `CreateTagNamespace`.
pub(super) async fn create_namespace(
    context: Context<'_>,
    details: NewNamed,
) -> Result<Reply, Failure> {
    named::create(context, |context| {
        check_name(&details.name)?;
        Ok(TagNamespace {
            id: new_id(context, OcidKind::TagNamespace),
            compartment_id: details.compartment_id,
            name: details.name,
            description: details.description,
            is_retired: false,
            time_created: context.record.time,
            tags: details.tags,
        })
    })
    .await
}

/// Policies write tags as `namespace.key`: a dot in either would let one tag pass for another.
fn check_name(name: &str) -> Result<(), Failure> {
    if name.contains('.') {
        return Err(Refusal::invalid("name", "must hold no dot").into());
    }
    Ok(())
}

/// `UpdateTagNamespace`. Retiring a namespace retires its tags; taking it back does not take them back.
pub(super) async fn update_namespace(
    context: &Context<'_>,
    id: &Ocid,
    details: &UpdateTagNamespaceDetails,
) -> Result<Reply, Failure> {
    change(context, id, |namespace: &TagNamespace, catalog| {
        let mut next = namespace.clone();
        describe(&details.named, &mut next.description, &mut next.tags);
        next.is_retired = details.is_retired.unwrap_or(next.is_retired);
        let mut batch = Batch::new();
        if next.is_retired {
            let in_use = |tag: &Tag| tag.tag_namespace_id == *id && !tag.is_retired;
            for (tag, revision) in catalog.tags.values().filter(|(tag, _)| in_use(tag)) {
                let retired = Tag { is_retired: true, ..Tag::clone(tag) };
                batch = replace(batch, Tag::row(&tag.id), *revision, rows::encode(&retired)?);
            }
        }
        Ok((next, batch))
    })
    .await
}

/// `DeleteTagNamespace`: one without tags, retired or not.
pub(super) async fn delete_namespace(context: &Context<'_>, id: &Ocid) -> Result<Reply, Failure> {
    remove(context, id, |_: &TagNamespace, catalog| {
        if catalog.tags.values().any(|(tag, _)| tag.tag_namespace_id == *id) {
            return Err(conflict("The tag namespace holds tags: delete them first."));
        }
        Ok(Batch::new())
    })
    .await
}

/// `ListTags`: those of a namespace.
pub(super) fn list(
    context: &Context<'_>,
    namespace_id: &Ocid,
    listing: &Listing,
    filter: &NameFilter,
) -> Result<Reply, Failure> {
    let (namespace, _) = found::<TagNamespace>(context.catalog, namespace_id)?;
    let all = context.catalog.tags.values().map(|(tag, _)| &**tag);
    let listed = all.filter(|tag| {
        tag.tag_namespace_id == *namespace_id && filter.admits(&tag.name, state(tag.is_retired))
    });
    let key = |tag: &Tag| sort_key(listing, tag.time_created, &tag.name, &tag.id);
    let (page, next) = page_of(listed.map(|tag| (key(tag), tag)).collect(), listing);
    let bodies: Vec<_> = page.into_iter().map(|tag| TagBody::new(namespace, tag)).collect();
    Ok(Reply::of(&bodies)?.with_next_page(next))
}

fn named_tag(catalog: &Catalog, namespace: &Ocid, name: &str) -> Result<Ocid, Failure> {
    let tag = catalog.tag_named(namespace, name);
    let absent = || Failure::not_found("the namespace has no such tag");
    tag.map(|(tag, _)| tag.id.clone()).ok_or_else(absent)
}

/// `GetTag`.
pub(super) fn get(context: &Context<'_>, namespace: &Ocid, name: &str) -> Result<Reply, Failure> {
    let id = named_tag(context.catalog, namespace, name)?;
    named::get::<Tag>(context.catalog, &id)
}

/// `CreateTag`, in a namespace that is neither retired nor deleted meanwhile. It is written anew, so
/// that whoever deletes it as an empty one meets this change.
pub(super) async fn create(
    context: Context<'_>,
    namespace_id: Ocid,
    details: CreateTagDetails,
) -> Result<Reply, Failure> {
    let seen = context.catalog;
    let in_use = |catalog: &Catalog| {
        check_judged_alike::<TagNamespace>(seen, catalog, &namespace_id)?;
        let (namespace, _) = found::<TagNamespace>(catalog, &namespace_id)?;
        if namespace.is_retired {
            return Err(conflict("The tag namespace is retired."));
        }
        touched::<TagNamespace>(Batch::new(), catalog, &namespace_id)
    };
    let make = |context: &Context<'_>| {
        check_name(&details.name)?;
        Ok(Tag {
            id: new_id(context, OcidKind::TagDefinition),
            tag_namespace_id: namespace_id.clone(),
            name: details.name,
            description: details.description,
            is_retired: false,
            is_cost_tracking: details.is_cost_tracking,
            values: details.values.into(),
            time_created: context.record.time,
            tags: details.tags,
        })
    };
    named::create_while(context, make, in_use).await
}

/// `UpdateTag`. What it is on keeps it, whatever its values are from now on.
pub(super) async fn update(
    context: &Context<'_>,
    namespace: &Ocid,
    name: &str,
    details: &UpdateTagDetails,
) -> Result<Reply, Failure> {
    let id = named_tag(context.catalog, namespace, name)?;
    change(context, &id, |tag: &Tag, catalog| {
        check_judged_alike::<TagNamespace>(context.catalog, catalog, namespace)?;
        let mut next = tag.clone();
        describe(&details.named, &mut next.description, &mut next.tags);
        next.is_retired = details.is_retired.unwrap_or(next.is_retired);
        next.is_cost_tracking = details.is_cost_tracking.unwrap_or(next.is_cost_tracking);
        if let Some(values) = &details.values {
            next.values = values.clone().into();
        }
        Ok((next, Batch::new()))
    })
    .await
}

/// `DeleteTag`: a retired one.
pub(super) async fn delete(
    context: &Context<'_>,
    namespace: &Ocid,
    name: &str,
) -> Result<Reply, Failure> {
    let id = named_tag(context.catalog, namespace, name)?;
    remove(context, &id, |tag: &Tag, catalog| {
        check_judged_alike::<TagNamespace>(context.catalog, catalog, namespace)?;
        if !tag.is_retired {
            return Err(conflict("The tag is in use: retire it first, with isRetired true."));
        }
        Ok(Batch::new())
    })
    .await
}
