//! Answers a region that asks what has changed here.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use strongroom_model::{Ocid, Secret};
use strongroom_store::{Batch, Order, Sync, Versioned, prefix_range};
use tokio::time::{Instant, timeout};

use super::messages::{
    Home, InventoryItem, Kind, Page, Pull, RowItem, SecretItem, SignedMessage, VaultItem,
    VersionItem, binding,
};
use super::outbox::{IDENTITY, OutboxRow, is_identity, secret_of, time_of, vault_of};
use super::peers::Peer;
use super::source_vaults;
use crate::catalog::Catalog;
use crate::failure::Failure;
use crate::ops::SecretHome;
use crate::rows::{self, SecretRow};
use crate::schedule::record;
use crate::secret_deletion::find;
use crate::shared::Shared;

/// Outbox rows that one page settles, at most.
const ROWS_MAX: usize = 1024;
/// Contents that one page carries, about.
const CONTENT_BYTES_MAX: usize = 4 * 1024 * 1024;
const WAIT_MAX: Duration = Duration::from_secs(20);
/// How long a commit of another process can stay unseen here.
const LOOK: Duration = Duration::from_secs(1);
/// How far the clocks of two regions may be apart.
const SKEW_MICROS: i64 = 300_000_000;
const ROWS_AT_ONCE: usize = 1000;

/// Answers a pull, if a region that this one is paired with signed it.
pub(super) async fn answer(
    shared: &Shared,
    message: &SignedMessage,
) -> Result<SignedMessage, Failure> {
    let catalog = shared.catalog().await?;
    let peer = catalog.regions.peers.get(&message.region);
    let peer = peer
        .ok_or_else(|| Failure::not_authenticated("a region that this one is not paired with"))?;
    let pull: Pull = message
        .open(&peer.keys, Kind::Pull)
        .ok_or_else(|| Failure::not_authenticated("the signature is not the region's"))?;
    let now = shared.clock.now();
    if pull.from != peer.region || pull.to != shared.region.name {
        return Err(Failure::not_authenticated("a request between other regions"));
    }
    if now.as_microsecond().saturating_sub(pull.time).saturating_abs() > SKEW_MICROS {
        return Err(Failure::not_authenticated("the region's clock is more than five minutes off"));
    }
    acknowledge(shared, &pull).await?;
    wait(shared, &pull).await?;
    let told = pull.vaults.clone();
    let page = page(shared, peer, pull).await?;
    shared.region_watch.note(&peer.region, |watch| {
        watch.served = Some(now);
        watch.vaults = told;
    });
    SignedMessage::sign((shared.region.name, &shared.region_keys), Kind::Page, &page)
        .ok_or_else(|| Failure::internal("a page cannot be encoded"))
}

/// Forgets what the region has stored. A row that comes back after a crash is sent again.
async fn acknowledge(shared: &Shared, pull: &Pull) -> Result<(), Failure> {
    let own = rows::outbox_of(&pull.from);
    let stored = pull.acknowledged.iter().filter(|key| key.as_bytes().starts_with(&own));
    let batch = stored.fold(Batch::new(), |batch, key| batch.delete(key.clone().into_bytes()));
    if batch.changes().next().is_none() {
        return Ok(());
    }
    let batch = batch.sync(Sync::Deferred);
    shared.store.commit(batch).await?;
    Ok(())
}

/// Returns when there is something to send, or the time is over.
async fn wait(shared: &Shared, pull: &Pull) -> Result<(), Failure> {
    let until = Instant::now() + Duration::from_secs(pull.wait_secs).min(WAIT_MAX);
    let mut pulse = shared.feed().subscribe();
    let outbox = prefix_range(&rows::outbox_of(&pull.from));
    loop {
        let is_last = pulse.borrow_and_update().is_last;
        let rest = until.saturating_duration_since(Instant::now());
        let has_asked = pull.inventory || !pull.again.is_empty();
        let waiting = shared.store.scan(outbox.clone(), Order::Ascending, 1).await?;
        if has_asked || !waiting.is_empty() || is_last || rest.is_zero() {
            return Ok(());
        }
        // Both ends of the wait lead back to the same look.
        drop(timeout(rest.min(LOOK), pulse.changed()).await);
    }
}

/// What a page has come to so far.
struct Draft<'a> {
    shared: &'a Shared,
    peer: &'a Peer,
    catalog: &'a Catalog,
    rows: Vec<RowItem>,
    secrets: Vec<SecretItem>,
    vaults: Vec<VaultItem>,
    bytes: usize,
}

async fn page(shared: &Shared, peer: &Peer, pull: Pull) -> Result<Page, Failure> {
    let region = &peer.region;
    let outbox = prefix_range(&rows::outbox_of(region));
    let noted = shared.store.scan(outbox, Order::Ascending, usize::MAX).await?;
    // After the scan: what is covered is sent as it was after the change, not as before.
    let catalog = shared.catalog().await?;
    let oldest = noted.first().and_then(|(key, _)| time_of(region, key));
    let mut draft = Draft {
        shared,
        peer,
        catalog: &catalog,
        rows: Vec::new(),
        secrets: Vec::new(),
        vaults: Vec::new(),
        bytes: 0,
    };
    let changed = by_object(noted.get(..ROWS_MAX).unwrap_or(&noted))?;
    for object in &pull.again {
        if draft.bytes <= CONTENT_BYTES_MAX || is_identity(object) {
            // What was removed since has no commit but that of its change, which is covered below.
            let removed = changed.get(object).map_or(0, |change| change.revision);
            if draft.has_seen(object, removed) {
                draft.add(object, None, removed).await?;
            }
        }
    }
    let mut covers = Vec::new();
    for (object, change) in changed {
        if draft.bytes > CONTENT_BYTES_MAX {
            break;
        }
        if !draft.has_seen(&object, change.revision) {
            continue;
        }
        if !pull.again.contains(&object) {
            draft.add(&object, Some(&change.versions), change.revision).await?;
        }
        covers.extend(change.keys);
    }
    let inventory =
        if pull.inventory { Some(inventory(shared, region, &catalog).await?) } else { None };
    Ok(Page {
        from: shared.region.name.to_owned(),
        to: pull.from,
        nonce: pull.nonce,
        home: home_of(&catalog),
        added: peer.time_added.as_microsecond(),
        covers,
        rows: draft.rows,
        secrets: draft.secrets,
        vaults: draft.vaults,
        waiting: u64::try_from(noted.len()).unwrap_or(u64::MAX),
        oldest,
        inventory,
    })
}

/// The home region, as this region knows it.
pub(super) fn home_of(catalog: &Catalog) -> Home {
    Home { region: catalog.tenancy.home_region.clone(), term: catalog.regions.home_term }
}

/// All that happened to one object, as far as a page looks.
#[derive(Default)]
struct Changed {
    keys: Vec<String>,
    versions: BTreeSet<u64>,
    /// The commit of the last change.
    revision: u64,
}

fn by_object(noted: &[(Vec<u8>, Versioned)]) -> Result<BTreeMap<String, Changed>, Failure> {
    let mut changed: BTreeMap<String, Changed> = BTreeMap::new();
    for (key, row) in noted {
        let OutboxRow { object, versions } = rows::decode(key, &row.value)?;
        let entry = changed.entry(object).or_default();
        entry.keys.push(String::from_utf8_lossy(key).into_owned());
        entry.versions.extend(versions);
        entry.revision = entry.revision.max(row.revision.0);
    }
    Ok(changed)
}

impl Draft<'_> {
    /// Tells whether an object is known here as the commit `revision` left it: a change may be in the
    /// store and not be told of yet. Rows of vaults and keys stay when those are deleted.
    fn has_seen(&self, object: &str, revision: u64) -> bool {
        vault_of(object).is_none_or(|id| self.catalog.vault_revision(&id).0 >= revision)
    }

    /// Adds an object as it is now; without a list of versions, with all of them. `noted` is the
    /// commit of its last change, for what is gone.
    async fn add(
        &mut self,
        object: &str,
        versions: Option<&BTreeSet<u64>>,
        noted: u64,
    ) -> Result<(), Failure> {
        if let Some(id) = secret_of(object) {
            let item = self.secret(id, versions, noted).await?;
            let contents = item.versions.iter().map(|version| version.sealed.len());
            self.bytes = self.bytes.saturating_add(contents.sum());
            if let Some(last) = item.versions.last() {
                self.audit(&item.id, Some(last.version.number)).await?;
            }
            self.secrets.push(item);
        } else if let Some(id) = vault_of(object) {
            let item = source_vaults::item((self.shared, self.peer), self.catalog, id)?;
            let sealed = item.versions.iter().filter_map(|version| version.sealed.as_ref());
            self.bytes = self.bytes.saturating_add(sealed.map(String::len).sum());
            if item.vault.is_some() {
                self.audit(&item.id, None).await?;
            }
            self.vaults.push(item);
        } else if is_identity(object) {
            let key = object.as_bytes();
            let found = self.shared.store.get(&[key]).await?.into_iter().next().flatten();
            let revision = found.as_ref().map_or(noted, |row| row.revision.0);
            let value = found.map(|row| String::from_utf8(row.value)).transpose();
            let value = value.map_err(|_error| Failure::internal("a row is no text"))?;
            self.rows.push(RowItem { key: object.to_owned(), value, revision });
        }
        Ok(())
    }

    /// Contents that leave are on record before they do.
    async fn audit(&self, id: &Ocid, number: Option<u64>) -> Result<(), Failure> {
        let mut record = record(self.shared, "SendReplica", id);
        record.source.clone_from(&self.peer.region);
        record.version_number = number;
        Ok(self.shared.audit.write(&record, None).await?)
    }

    async fn secret(
        &self,
        id: Ocid,
        versions: Option<&BTreeSet<u64>>,
        noted: u64,
    ) -> Result<SecretItem, Failure> {
        let absent = |id| SecretItem {
            id,
            revision: noted,
            secret: None,
            fault: None,
            versions: Vec::new(),
        };
        let Some((secret, revision)) = find(self.shared, &id).await? else { return Ok(absent(id)) };
        let is_target = secret.replication.target_in(&self.peer.region).is_some();
        if secret.is_replica() || !is_target {
            return Ok(SecretItem { revision: revision.0, ..absent(id) });
        }
        let wanted = |number: &u64| {
            secret.knows_version(*number) && versions.is_none_or(|numbers| numbers.contains(number))
        };
        let numbers: Vec<u64> = (1..=secret.stages.latest).filter(wanted).collect();
        let mut item = SecretItem { revision: revision.0, ..absent(id) };
        for number in numbers {
            match self.version(&secret, number, revision.0).await {
                Ok(version) => item.versions.push(version),
                Err(failure) => {
                    item.fault = Some(format!("version {number}: {}", failure.reason));
                    break;
                }
            }
        }
        Ok(SecretItem { secret: Some(secret), ..item })
    }

    /// Opens the content of a version and seals it for the region that asks.
    async fn version(
        &self,
        secret: &Secret,
        number: u64,
        revision: u64,
    ) -> Result<VersionItem, Failure> {
        let home = SecretHome::of(self.shared, self.catalog, secret)?;
        let (version, content) = home.open_version(secret, number).await?;
        let way = (self.shared.region.name, self.peer.region.as_str());
        let binding = binding(way, &secret.id, number, revision);
        let sealed = self.peer.keys.seal(&binding, content.expose(), &*self.shared.random);
        let sealed = sealed.map_err(|error| Failure::internal(error.to_string()))?;
        Ok(VersionItem { version, sealed: STANDARD.encode(sealed) })
    }
}

/// Lists everything that a region has copies of.
async fn inventory(
    shared: &Shared,
    region: &str,
    catalog: &Catalog,
) -> Result<Vec<InventoryItem>, Failure> {
    let mut listed = Vec::new();
    if catalog.tenancy.home_region == shared.region.name {
        for prefix in IDENTITY {
            let range = prefix_range(prefix.as_bytes());
            for (key, row) in shared.store.scan(range, Order::Ascending, usize::MAX).await? {
                let object = String::from_utf8_lossy(&key).into_owned();
                listed.push(InventoryItem { object, revision: row.revision.0 });
            }
        }
    }
    for (key, row) in replicated(shared).await? {
        let SecretRow { secret, .. } = rows::decode(&key, &row.value)?;
        if !secret.is_replica() && secret.replication.target_in(region).is_some() {
            let object = String::from_utf8_lossy(&key).into_owned();
            listed.push(InventoryItem { object, revision: row.revision.0 });
        }
    }
    for (id, entry) in &*catalog.vaults {
        if source_vaults::goes_to(&entry.vault, region) {
            let revision = catalog.vault_revision(id).0;
            listed.push(InventoryItem { object: format!("v/{id}"), revision });
        }
    }
    Ok(listed)
}

/// The rows of all secrets that are, or were, replicated from or to here.
pub(super) async fn replicated(shared: &Shared) -> Result<Vec<(Vec<u8>, Versioned)>, Failure> {
    let index = prefix_range(b"si/");
    let index = shared.store.scan(index, Order::Ascending, usize::MAX).await?;
    let secret = |key: &[u8]| key.strip_prefix(b"si/").map(|id| [b"s/", id].concat());
    let keys: Vec<Vec<u8>> = index.iter().filter_map(|(key, _)| secret(key)).collect();
    let mut found = Vec::with_capacity(keys.len());
    for keys in keys.chunks(ROWS_AT_ONCE) {
        let asked: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let rows = shared.store.get(&asked).await?;
        found.extend(keys.iter().cloned().zip(rows).filter_map(|(key, row)| Some((key, row?))));
    }
    Ok(found)
}
