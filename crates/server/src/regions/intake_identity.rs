//! Takes the home region's identities: users, groups, policies, compartments, tags, machines.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use strongroom_model::Tenancy;
use strongroom_store::{Batch, Change, Order, Require, Revision, Versioned, prefix_range};

use super::intake::{Behind, refused};
use super::messages::{Home, InventoryItem, RowItem};
use super::outbox::{IDENTITY, is_identity};
use super::peers::Peer;
use super::source::home_of;
use crate::catalog::Catalog;
use crate::failure::Failure;
use crate::rows;
use crate::schedule::record;
use crate::shared::Shared;

/// Row that says which commit, of which region, a copied row is of.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct CopiedRow {
    region: String,
    revision: u64,
}

/// Has a commit come to nothing if the home region is not, or is not any more, the one that is thought
/// to be.
pub(super) async fn fence(shared: &Shared, home: &Home, batch: Batch) -> Result<Batch, Failure> {
    let tenancy = rows::tenancy(&shared.known().tenancy.id);
    let term = rows::home_term();
    let mut found = shared.store.get(&[tenancy.as_slice(), term.as_slice()]).await?.into_iter();
    let (of_tenancy, of_term) = (found.next().flatten(), found.next().flatten());
    let row = of_tenancy.ok_or_else(rows::unfounded)?;
    let Tenancy { home_region: region, .. } = rows::decode(&tenancy, &row.value)?;
    let known = of_term.as_ref().map(|row| rows::decode(&term, &row.value)).transpose()?;
    if *home != (Home { region, term: known.unwrap_or_default() }) {
        return Err(refused("the home region is another one by now".to_owned()));
    }
    let seen = of_term.map_or(Require::Absent, |row| Require::Revision(row.revision));
    Ok(batch.require(tenancy, Require::Revision(row.revision)).require(term, seen))
}

/// Stores rows as the home region has them, all in one commit: no policy comes before what it
/// names. Returns those that are behind what is here.
pub(super) async fn take(
    shared: &Shared,
    (peer, home): (&Peer, &Home),
    items: &[RowItem],
) -> Result<BTreeMap<String, Behind>, Failure> {
    let mut batch = fence(shared, home, Batch::new()).await?;
    let (mut is_empty, mut behind) = (true, BTreeMap::new());
    for item in items.iter().filter(|item| is_identity(&item.key)) {
        let known = copied(shared, &item.key).await?;
        let is_later = |(known, _): &(CopiedRow, Revision)| {
            known.region != peer.region || known.revision < item.revision
        };
        if !known.as_ref().is_none_or(is_later) {
            let here = known.map_or(0, |(known, _)| known.revision);
            if here > item.revision && differs(shared, item).await? {
                behind.insert(item.key.clone(), Behind { there: item.revision, here });
            }
            continue;
        }
        is_empty = false;
        let condition = known.map_or(Require::Absent, |(_, revision)| Require::Revision(revision));
        let mark = CopiedRow { region: peer.region.clone(), revision: item.revision };
        let place = rows::copied(&item.key);
        batch = batch.require(place.clone(), condition).put(place, rows::encode(&mark)?);
        let key = item.key.clone().into_bytes();
        batch = match &item.value {
            Some(value) => batch.put(key, value.clone().into_bytes()),
            None => batch.delete(key),
        };
    }
    if is_empty {
        return Ok(behind);
    }
    let catalog = shared.catalog().await?;
    try_on(shared, &catalog, &batch)?;
    shared.commit(batch, &record(shared, "CopyIdentities", &catalog.tenancy.id)).await?;
    Ok(behind)
}

/// Tells whether a row is another one here: of a removal that came twice there is nothing to tell.
async fn differs(shared: &Shared, item: &RowItem) -> Result<bool, Failure> {
    let found = shared.store.get(&[item.key.as_bytes()]).await?.into_iter().next().flatten();
    let here = found.as_ref().map(|row| row.value.as_slice());
    Ok(here != item.value.as_ref().map(String::as_bytes))
}

/// Applies the rows to a copy of what is in memory: those that cannot be read are not stored, where
/// they would stop every request.
fn try_on(shared: &Shared, catalog: &Catalog, batch: &Batch) -> Result<(), Failure> {
    let mut trial = catalog.clone();
    let kept = |key: &[u8]| rows::KEPT.iter().any(|prefix| key.starts_with(prefix.as_bytes()));
    for (key, value) in batch.changes().filter(|(key, _)| kept(key)) {
        let row = |value: &[u8]| Versioned { value: value.to_vec(), revision: Revision::default() };
        trial.apply(&Change { key: key.to_vec(), value: value.map(row) }, &shared.keys)?;
    }
    Ok(trial.derive()?)
}

/// Learns that the home region is another one by now.
pub(super) async fn adopt(shared: &Shared, home: &Home) -> Result<(), Failure> {
    let catalog = shared.catalog().await?;
    if home.term <= catalog.regions.home_term {
        return Err(refused("the home region is another one by now".to_owned()));
    }
    move_home(shared, &catalog, home).await?;
    tracing::warn!(region = home.region, term = home.term, "the home region is another one now");
    Ok(())
}

/// Makes another region the home region, unless that has happened since.
pub(super) async fn move_home(
    shared: &Shared,
    catalog: &Catalog,
    home: &Home,
) -> Result<(), Failure> {
    let tenancy = Tenancy { home_region: home.region.clone(), ..Tenancy::clone(&catalog.tenancy) };
    let batch = fence(shared, &home_of(catalog), Batch::new())
        .await?
        .put(rows::tenancy(&tenancy.id), rows::encode(&tenancy)?)
        .put(rows::home_term(), rows::encode(&home.term)?);
    shared.commit(batch, &record(shared, "MoveHomeRegion", &tenancy.id)).await?;
    Ok(())
}

/// Compares with what the home region has: returns what to ask for, and removes what is not there.
pub(super) async fn compare(
    shared: &Shared,
    (peer, home): (&Peer, &Home),
    inventory: &[InventoryItem],
) -> Result<Vec<String>, Failure> {
    let there: BTreeMap<&str, u64> = inventory
        .iter()
        .filter(|item| is_identity(&item.object))
        .map(|item| (item.object.as_str(), item.revision))
        .collect();
    let mut wanted = Vec::new();
    for (object, revision) in &there {
        let current = CopiedRow { region: peer.region.clone(), revision: *revision };
        if copied(shared, object).await?.is_none_or(|(known, _)| known != current) {
            wanted.push((*object).to_owned());
        }
    }
    wanted.extend(remove_others(shared, home, &there).await?);
    Ok(wanted)
}

/// Removes what the home region has not. What came after the list was made, or seems to, is returned:
/// it is to be asked for.
async fn remove_others(
    shared: &Shared,
    home: &Home,
    there: &BTreeMap<&str, u64>,
) -> Result<Vec<String>, Failure> {
    let listed = there.values().copied().max().unwrap_or_default();
    let (mut batch, mut later) = (fence(shared, home, Batch::new()).await?, Vec::new());
    let mut is_empty = true;
    for prefix in IDENTITY.into_iter().filter(|prefix| *prefix != "t/") {
        let range = prefix_range(prefix.as_bytes());
        for (key, row) in shared.store.scan(range, Order::Ascending, usize::MAX).await? {
            let object = String::from_utf8_lossy(&key).into_owned();
            let is_later = |copied: CopiedRow| copied.revision > listed;
            if there.contains_key(object.as_str()) {
                continue;
            }
            if copied(shared, &object).await?.is_some_and(|(copied, _)| is_later(copied)) {
                later.push(object);
                continue;
            }
            is_empty = false;
            batch = batch
                .require(key.clone(), Require::Revision(row.revision))
                .delete(key)
                .delete(rows::copied(&object));
        }
    }
    if !is_empty {
        let tenancy = shared.catalog().await?.tenancy.id.clone();
        shared.commit(batch, &record(shared, "CopyIdentities", &tenancy)).await?;
    }
    Ok(later)
}

/// Reads which commit a copied row is of.
async fn copied(shared: &Shared, object: &str) -> Result<Option<(CopiedRow, Revision)>, Failure> {
    let key = rows::copied(object);
    let found = shared.store.get(&[key.as_slice()]).await?.into_iter().next().flatten();
    let Some(row) = found else { return Ok(None) };
    Ok(Some((rows::decode(&key, &row.value)?, row.revision)))
}
