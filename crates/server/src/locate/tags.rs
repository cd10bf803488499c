use std::collections::BTreeSet;
use std::sync::Arc;

use strongroom_model::Ocid;
use strongroom_policy::{Fact, FactName};

use super::Located;
use super::identity::namespace_facts;
use crate::ask::Ask;
use crate::catalog::{Catalog, flat_defined_tags, flat_tags};

/// A tag namespace whose tags are put on something or taken away, and where it is.
#[derive(Debug)]
pub(crate) struct NamespaceAt {
    pub(crate) path: Arc<[Ocid]>,
    pub(crate) facts: Vec<(FactName, Fact)>,
    pub(crate) tags: Vec<(String, String)>,
}

/// Finds the namespaces of the tags that `ask` adds, changes or takes away. A tag that stays as it is
/// needs no right: who updates something may send its tags again.
pub(crate) fn changed_namespaces(
    ask: &Ask,
    located: &Located,
    catalog: &Catalog,
) -> Vec<NamespaceAt> {
    let Some(given) = ask.defined_tags().map(flat_defined_tags) else { return Vec::new() };
    let held = located.held_tags();
    let added = given.iter().filter(|tag| !held.contains(tag));
    let gone = held.iter().filter(|tag| !given.contains(tag));
    let ids: BTreeSet<Option<&Ocid>> =
        added.chain(gone).flat_map(|(name, _)| namespaces_of(name, catalog)).collect();
    ids.into_iter().map(|id| namespace_at(id, catalog)).collect()
}

/// The namespaces that a tag called `namespace.key` can be of: names of old may hold dots. None
/// stands for one that is not there.
fn namespaces_of<'a>(name: &str, catalog: &'a Catalog) -> Vec<Option<&'a Ocid>> {
    let begins = |namespace: &str| {
        let start = name.get(..namespace.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(namespace))
            && name.get(namespace.len()..).is_some_and(|rest| rest.starts_with('.'))
    };
    let all = catalog.tag_namespaces.values().map(|(namespace, _)| namespace);
    let found: Vec<_> =
        all.filter(|namespace| begins(&namespace.name)).map(|found| Some(&found.id)).collect();
    if found.is_empty() { vec![None] } else { found }
}

/// A namespace that is not there is where it could be: whoever may use all of them is told.
fn namespace_at(id: Option<&Ocid>, catalog: &Catalog) -> NamespaceAt {
    let found = id.and_then(|id| catalog.tag_namespaces.get(id)).map(|(namespace, _)| namespace);
    let path = found.and_then(|namespace| catalog.path(&namespace.compartment_id));
    NamespaceAt {
        path: path.unwrap_or_else(|| Arc::from([catalog.tenancy.id.clone()])),
        facts: found.map(|namespace| namespace_facts(namespace)).unwrap_or_default(),
        tags: found.map(|namespace| flat_tags(&namespace.tags)).unwrap_or_default(),
    }
}
