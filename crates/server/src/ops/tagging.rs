use strongroom_model::DefinedTags;
use strongroom_wire::Refusal;

use crate::catalog::{Catalog, flat_tag};
use crate::failure::Failure;

/// Refuses defined tags that nobody may put on anything: unknown ones, retired ones, and values that
/// a tag does not have. What the resource has already, `held` by `namespace.key`, stays.
pub(super) fn check(
    tags: &DefinedTags,
    held: &[(String, String)],
    catalog: &Catalog,
) -> Result<(), Failure> {
    for (namespace, keys) in tags {
        for (key, value) in keys {
            let flat = flat_tag(namespace, key, value);
            if !held.contains(&flat) {
                check_one(namespace, key, &flat.1, catalog)?;
            }
        }
    }
    Ok(())
}

fn check_one(namespace: &str, key: &str, value: &str, catalog: &Catalog) -> Result<(), Failure> {
    let refuse = |rule: &str| Failure::from(Refusal::invalid("definedTags", rule));
    let mut namespaces = catalog.tag_namespaces.values().map(|(found, _)| found);
    let found = namespaces.find(|found| found.name.eq_ignore_ascii_case(namespace));
    let found = found.ok_or_else(|| refuse("names a tag namespace that does not exist"))?;
    let tag = catalog.tag_named(&found.id, key).map(|(tag, _)| tag);
    let tag = tag.ok_or_else(|| refuse("names a tag that does not exist"))?;
    if found.is_retired || tag.is_retired {
        return Err(refuse("names a tag that is retired"));
    }
    let admitted = tag.values.as_ref().is_none_or(|values| values.iter().any(|one| one == value));
    if admitted {
        Ok(())
    } else {
        Err(refuse("has a value that the tag's validator does not list"))
    }
}
