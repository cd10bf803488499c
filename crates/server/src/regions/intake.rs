//! Takes what another region sends: replicas of its secrets.

use std::cmp;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use strongroom_model::{ReplicationTarget, Secret, SecretState, Sensitive};
use strongroom_store::{Batch, Order, Revision, StoreError, prefix_range};

use super::messages::{SecretItem, VersionItem, binding};
use super::peers::Peer;
use crate::catalog::Catalog;
use crate::failure::Failure;
use crate::ops::{NewContent, SecretHome};
use crate::rows::{self, SecretVersionRow};
use crate::schedule::record_of_secret;
use crate::secret_deletion::{delete_rows, delete_version_rows, find};
use crate::secret_rows;
use crate::shared::Shared;

/// What became of an item.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is stored, or was before.
    Stored,
    /// It is of an earlier term: the secret's source is another region by now.
    Fenced,
    /// Versions are missing that this region has not: all of it is needed.
    Incomplete,
    /// It is earlier than what is here: another answer was faster, or the region was put back to an
    /// earlier state.
    Behind(Behind),
    /// It cannot be stored, for this reason.
    Refused(String),
}

/// The commit that something is of where it comes from, and the later one that is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Behind {
    pub(super) there: u64,
    pub(super) here: u64,
}

impl Behind {
    /// Why it is not taken, if the region says the same again.
    pub(super) fn reason(self) -> String {
        let Self { there, here } = self;
        format!(
            "it is of commit {there} there and of the later {here} here: the region was put back to \
             an earlier state"
        )
    }
}

/// Takes a secret.
pub(super) async fn take(
    shared: &Shared,
    peer: &Peer,
    item: &SecretItem,
) -> Result<Taken, Failure> {
    match try_take(shared, peer, item).await {
        // Whatever it is, what comes behind it goes on. Where the store itself is away, the next step
        // fails too.
        Err(failure) => Ok(Taken::Refused(failure.reason)),
        taken => taken,
    }
}

async fn try_take(shared: &Shared, peer: &Peer, item: &SecretItem) -> Result<Taken, Failure> {
    let local = find(shared, &item.id).await?;
    let here = shared.region.name;
    let target = |secret: &Secret| secret.replication.target_in(here).cloned();
    let Some((secret, target)) =
        item.secret.as_ref().and_then(|secret| Some((secret, target(secret)?)))
    else {
        return withdraw(shared, peer, item, local).await;
    };
    if let Some(fault) = &item.fault {
        return Ok(Taken::Refused(format!("region {} cannot read it: {fault}", peer.region)));
    }
    if secret.id != item.id {
        return Ok(Taken::Refused(format!("it has the description of secret {}", secret.id)));
    }
    let incoming = secret.replica_at(&target, &peer.region, item.revision);
    let Some((known, revision)) = local else {
        return store(shared, (peer, item), None, &incoming).await;
    };
    let known = (&known, revision);
    match standing(known.0, secret, (&peer.region, item.revision)) {
        Standing::Known => Ok(Taken::Stored),
        Standing::Behind(behind) => Ok(Taken::Behind(behind)),
        Standing::Fenced => Ok(Taken::Fenced),
        Standing::Foreign => Ok(Taken::Refused(format!(
            "the secret that is here was never replicated to region {} as far as is known here; to \
             have it come from there, delete it here first",
            peer.region
        ))),
        Standing::Next if is_kept_at(known.0, &target) && !comes_back(known.0, &incoming) => {
            follow(shared, (peer, item), known, &incoming).await
        }
        // Nothing of what was here counts: its versions may differ from those that come.
        Standing::Next | Standing::Other => {
            store(shared, (peer, item), Some(known), &incoming).await
        }
    }
}

/// How what comes relates to what is here.
enum Standing {
    /// It is here.
    Known,
    /// Something later is here.
    Behind(Behind),
    /// Its source is not the secret's any more.
    Fenced,
    /// It follows what is here.
    Next,
    /// It takes the place of what is here, which has another source or none.
    Other,
    /// What is here has nothing to do with the region that it comes from.
    Foreign,
}

fn standing(known: &Secret, secret: &Secret, (region, revision): (&str, u64)) -> Standing {
    let comes_back = comes_back(known, secret);
    let (known, term) = (&known.replication, secret.replication.term);
    match &known.source {
        Some(source) if source.region == region && known.term == term => {
            match source.revision.cmp(&revision) {
                cmp::Ordering::Less => Standing::Next,
                cmp::Ordering::Equal => Standing::Known,
                cmp::Ordering::Greater => {
                    Standing::Behind(Behind { there: revision, here: source.revision })
                }
            }
        }
        // Both were promoted, and the one here was deleted so that the other can have its place.
        None if known.term == term && comes_back => Standing::Other,
        _ if known.term >= term => Standing::Fenced,
        // Only who has a copy can have been promoted.
        Some(source) if source.region == region => Standing::Other,
        _ if comes_back || known.target_in(region).is_some() => Standing::Other,
        _ => Standing::Foreign,
    }
}

fn is_kept_at(known: &Secret, target: &ReplicationTarget) -> bool {
    known.vault_id == target.vault_id && known.key_id == target.key_id
}

/// Tells whether a secret comes that was deleted here. If it was deleted at its source, that has been
/// restored to before.
fn comes_back(known: &Secret, incoming: &Secret) -> bool {
    known.state == SecretState::Deleted && incoming.state != SecretState::Deleted
}

fn has(secret: &Secret, number: u64) -> bool {
    secret.state != SecretState::Deleted && secret.knows_version(number)
}

/// Stores a secret with all its versions, in one commit with the removal of what was in its place: what
/// cannot be stored leaves that as it is.
async fn store(
    shared: &Shared,
    (peer, item): (&Peer, &SecretItem),
    known: Option<(&Secret, Revision)>,
    incoming: &Secret,
) -> Result<Taken, Failure> {
    if incoming.state == SecretState::Deleted {
        if let Some((known, revision)) = known {
            remove(shared, known, revision).await?;
        }
        return Ok(Taken::Stored);
    }
    let mut batch = match known {
        Some(known) => {
            let batch = delete_rows(shared, &incoming.id, Batch::new()).await?;
            secret_rows::replace(batch, known, incoming)?
        }
        None => secret_rows::write(Batch::new(), None, incoming)?,
    };
    for number in (1..=incoming.stages.latest).filter(|number| has(incoming, *number)) {
        let Some(sent) = item.version(number) else { return Ok(Taken::Incomplete) };
        batch = add(shared, (peer, item.revision), incoming, (batch, sent)).await?;
    }
    let name = rows::secret_name(&incoming.vault_id, &incoming.name);
    let batch = secret_rows::claim(batch, name, rows::encode(&incoming.id)?)
        .put(rows::replicated(&incoming.id), Vec::new());
    let taken = commit(shared, batch, "ReplicateSecret", incoming).await?;
    if known.is_some() {
        shared.forgets.store(true, Ordering::Release);
    }
    Ok(taken)
}

/// Stores what is new of a secret that is here. A source that was restored gives numbers a second time:
/// what comes with the number of another version takes its place.
async fn follow(
    shared: &Shared,
    (peer, item): (&Peer, &SecretItem),
    (known, revision): (&Secret, Revision),
    incoming: &Secret,
) -> Result<Taken, Failure> {
    let others = others_here(shared, item).await?;
    let stays = |number| has(known, number) && has(incoming, number) && !others.contains(&number);
    let mut batch = Batch::new();
    // What goes first frees its name for what comes.
    for number in (1..=known.stages.latest).filter(|number| has(known, *number)) {
        if !stays(number) {
            batch = delete_version_rows(shared, (&incoming.id, number), batch, false).await?;
            shared.forgets.store(true, Ordering::Release);
        }
    }
    for number in (1..=incoming.stages.latest).filter(|number| has(incoming, *number)) {
        if !stays(number) {
            let Some(sent) = item.version(number) else { return Ok(Taken::Incomplete) };
            batch = add(shared, (peer, item.revision), incoming, (batch, sent)).await?;
        }
    }
    let batch = secret_rows::write(batch, Some((known, revision)), incoming)?;
    commit(shared, batch, "ReplicateSecret", incoming).await
}

/// The numbers of what is sent under which another version is here.
async fn others_here(shared: &Shared, item: &SecretItem) -> Result<BTreeSet<u64>, Failure> {
    let place = |sent: &VersionItem| rows::secret_version(&item.id, sent.version.number);
    let keys: Vec<Vec<u8>> = item.versions.iter().map(place).collect();
    let asked: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    let found = shared.store.get(&asked).await?;
    let mut others = BTreeSet::new();
    for (sent, (key, row)) in item.versions.iter().zip(keys.iter().zip(found)) {
        let Some(row) = row else { continue };
        let row: SecretVersionRow = rows::decode(key, &row.value)?;
        if row.secret_version != sent.version {
            others.insert(sent.version.number);
        }
    }
    Ok(others)
}

impl SecretItem {
    fn version(&self, number: u64) -> Option<&VersionItem> {
        self.versions.iter().find(|sent| sent.version.number == number)
    }
}

async fn commit(
    shared: &Shared,
    batch: Batch,
    operation: &'static str,
    secret: &Secret,
) -> Result<Taken, Failure> {
    let record = record_of_secret(shared, operation, secret);
    match shared.commit(batch, &record).await {
        Ok(_) => Ok(Taken::Stored),
        Err(StoreError::Conflict { key }) if key.starts_with(b"sn/") => {
            let vault = &secret.vault_id;
            Ok(Taken::Refused(format!("vault {vault} holds another secret of its name")))
        }
        Err(error) => Err(error.into()),
    }
}

/// Opens a version that was sealed for this region, and seals it under the replica's own key.
async fn add(
    shared: &Shared,
    (peer, revision): (&Peer, u64),
    incoming: &Secret,
    (batch, sent): (Batch, &VersionItem),
) -> Result<Batch, Failure> {
    let number = sent.version.number;
    let binding = binding((&peer.region, shared.region.name), &incoming.id, number, revision);
    let unopened = || refused("a content was not sealed for this region".to_owned());
    let sealed = STANDARD.decode(&sent.sealed).map_err(|_error| unopened())?;
    let plaintext: Sensitive =
        shared.region_keys.open(&binding, &sealed).map_err(|_error| unopened())?;
    let catalog = shared.catalog().await?;
    let home = home_of(shared, incoming, &catalog)?;
    let new = NewContent { version: sent.version.clone(), plaintext: &plaintext };
    home.put_version(batch, incoming, new).await
}

/// Where a replica is kept, if it can be kept there.
fn home_of<'a>(
    shared: &'a Shared,
    incoming: &Secret,
    catalog: &'a Catalog,
) -> Result<SecretHome<'a>, Failure> {
    let home = SecretHome::of(shared, catalog, incoming)
        .map_err(|_failure| refused(format!("key {} is not here", incoming.key_id)))?;
    if home.key.vault.vault.id != incoming.vault_id {
        return Err(refused(format!("key {} is of another vault", incoming.key_id)));
    }
    let active = home.key.vault.vault.check_active();
    active.map_err(|error| refused(format!("vault {} {error}", incoming.vault_id)))?;
    Ok(home)
}

/// Reads a row that must be there.
pub(super) async fn read_row<T: serde::de::DeserializeOwned>(
    shared: &Shared,
    key: &[u8],
) -> Result<T, Failure> {
    let found = shared.store.get(&[key]).await?.into_iter().next().flatten();
    let row = found.ok_or_else(|| Failure::internal("a row that must be there is not"))?;
    Ok(rows::decode(key, &row.value)?)
}

pub(super) fn refused(reason: String) -> Failure {
    let refusal = strongroom_wire::Refusal::new(strongroom_wire::ErrorCode::Conflict, reason);
    refusal.into()
}

/// The secret is not replicated to this region, or not any more.
async fn withdraw(
    shared: &Shared,
    peer: &Peer,
    item: &SecretItem,
    local: Option<(Secret, Revision)>,
) -> Result<Taken, Failure> {
    let Some((known, revision)) = local else { return Ok(Taken::Stored) };
    let source = known.replication.source.as_ref().filter(|source| source.region == peer.region);
    match source.map(|source| source.revision) {
        Some(here) if here < item.revision => remove(shared, &known, revision).await?,
        Some(here) if here > item.revision => {
            return Ok(Taken::Behind(Behind { there: item.revision, here }));
        }
        _ => {}
    }
    Ok(Taken::Stored)
}

/// Removes every trace of a secret here; at its source nothing happens to it.
pub(super) async fn remove(
    shared: &Shared,
    known: &Secret,
    revision: Revision,
) -> Result<(), Failure> {
    let batch = secret_rows::remove(Batch::new(), (known, revision));
    let batch = delete_rows(shared, &known.id, batch).await?;
    let batch = batch.delete(rows::replicated(&known.id));
    shared.commit(batch, &record_of_secret(shared, "WithdrawReplica", known)).await?;
    shared.forgets.store(true, Ordering::Release);
    Ok(())
}

/// Keeps why an object of a region was not taken, so that it is asked for again.
pub(super) async fn keep_untaken(
    shared: &Shared,
    region: &str,
    object: &str,
    reason: Option<&str>,
) -> Result<(), Failure> {
    let key = rows::untaken(region, object);
    let batch = match reason {
        Some(reason) => Batch::new().put(key, rows::encode(&reason)?),
        None => Batch::new().delete(key),
    };
    shared.store.commit(batch).await?;
    Ok(())
}

/// The objects of a region that were not taken, and why.
pub(super) async fn untaken(
    shared: &Shared,
    region: &str,
) -> Result<Vec<(String, String)>, Failure> {
    let prefix = rows::all_untaken(region);
    let found = shared.store.scan(prefix_range(&prefix), Order::Ascending, usize::MAX).await?;
    let read = |(key, row): &(Vec<u8>, strongroom_store::Versioned)| {
        let object = key.get(prefix.len()..).unwrap_or_default();
        Ok((String::from_utf8_lossy(object).into_owned(), rows::decode(key, &row.value)?))
    };
    found.iter().map(read).collect()
}
