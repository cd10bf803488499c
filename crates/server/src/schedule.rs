//! Does what falls due: deletions of vaults, keys and key versions, and rotations of keys.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use strongroom_model::{
    AutoRotation, Key, KeyState, Ocid, Origin, ProtectionMode, Secret, Timestamp, Vault, VaultState,
};
use strongroom_store::{Batch, Order, StoreError, Sync, prefix_range};
use strongroom_store::{Require, Revision};
use strongroom_wire::ErrorCode;
use tokio::time::Instant;

use crate::audit::AuditRecord;
use crate::catalog::{Catalog, KeyEntry, KeyVersionEntry, VaultEntry};
use crate::duty::Shift;
use crate::failure::Failure;
use crate::ops::NewVersion;
use crate::rows::{self, KeyRow, KeyVersionRow, VaultRow};
use crate::shared::Shared;
use crate::{doomed, rotation, secret_deletion};

const PAUSE: Duration = Duration::from_secs(5);

/// How far the wall clock may stray from the monotonic one before deletions wait.
const JUMP: Duration = Duration::from_mins(1);

/// How long a server may have been away before deletions wait.
const ABSENCE_SECS: i64 = 24 * 3600;

/// How long deletions wait after the clock has jumped, so that somebody can put it right.
const FREEZE: Duration = Duration::from_hours(1);

const VERSIONS_AT_ONCE: usize = 100_000;

/// Looks now and every few seconds while this node is on duty, for as long as it is polled.
pub(crate) async fn keep_schedule(shared: &Shared) {
    let start = Instant::now();
    shared.duty.begun().await;
    // A clock that is turned by hand jumps because somebody wants it to.
    let by_hand = shared.turnable_clock.is_some();
    let seen = if by_hand { None } else { last_seen(shared).await };
    let mut watch = ClockWatch::begin(seen, shared.lifecycle_clock.now());
    loop {
        if shared.duty.shift().is_none() {
            shared.doubts_clock.store(true, Ordering::Release);
        }
        let shift = shared.duty.begun().await;
        let now = shared.lifecycle_clock.now();
        let frozen = !by_hand && watch.look(now, start.elapsed());
        shared.doubts_clock.store(frozen, Ordering::Release);
        if let Err(failure) = run(shared, &shift, now, frozen).await {
            tracing::warn!(reason = failure.reason, "not all that is due was done");
        }
        if let Err(error) = remember(shared, now).await {
            tracing::debug!(%error, "the time was not remembered");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Tells when the clock cannot be believed.
#[derive(Debug)]
struct ClockWatch {
    last: Option<(Timestamp, Duration)>,
    frozen_until: Option<Duration>,
}

impl ClockWatch {
    /// Begins at `now`, knowing when the server last looked, if it ever did.
    fn begin(last_seen: Option<Timestamp>, now: Timestamp) -> Self {
        let away_secs = last_seen.map_or(0, |seen| now.as_second() - seen.as_second());
        let jump_secs = i64::try_from(JUMP.as_secs()).unwrap_or(i64::MAX);
        let strange = away_secs < -jump_secs || away_secs > ABSENCE_SECS;
        if strange {
            tracing::warn!(away_secs, "the clock may be wrong: deletions wait for an hour");
        }
        Self { last: None, frozen_until: strange.then_some(FREEZE) }
    }

    /// Compares the wall clock with what has passed since the start; returns whether to wait.
    fn look(&mut self, now: Timestamp, passed: Duration) -> bool {
        if let Some((last, then)) = self.last.replace((now, passed)) {
            let wall = now.duration_since(last);
            let real = passed.saturating_sub(then);
            let strayed = wall.as_secs_f64() - real.as_secs_f64();
            if strayed.abs() > JUMP.as_secs_f64() {
                tracing::warn!(strayed, "the clock has jumped: deletions wait for an hour");
                self.frozen_until = Some(passed.saturating_add(FREEZE));
            }
        }
        self.frozen_until.is_some_and(|until| passed < until)
    }
}

async fn last_seen(shared: &Shared) -> Option<Timestamp> {
    let key = rows::last_seen();
    let found = shared.store.get(&[key.as_slice()]).await.ok()?.into_iter().next().flatten()?;
    rows::decode(&key, &found.value).ok()
}

async fn remember(shared: &Shared, now: Timestamp) -> Result<(), StoreError> {
    let batch = Batch::new().put(rows::last_seen(), rows::encode(&now)?);
    shared.commit_unrecorded(batch.sync(Sync::Deferred)).await.map(|_revision| ())
}

/// Does what is due at `now`.
pub(crate) async fn run_due(shared: &Shared, now: Timestamp) -> Result<(), Failure> {
    let shift = shared.duty.begun().await;
    run(shared, &shift, now, false).await?;
    rotation::run_due(shared, &shift).await
}

async fn run(shared: &Shared, shift: &Shift, now: Timestamp, frozen: bool) -> Result<(), Failure> {
    let catalog = shared.catalog().await?;
    if catalog.is_read_only {
        return Ok(());
    }
    let mut attempts = Attempts::new(shared);
    if !frozen {
        delete_due(shared, shift, (&catalog, now), &mut attempts).await;
    }
    attempts.keep(doomed::destroy(shared, shift).await.map_err(Failure::from), "destroy keys");
    match shared.catalog().await {
        Ok(catalog) => rotate_due(shared, shift, (&catalog, now), &mut attempts).await,
        Err(error) => attempts.keep(Err(error.into()), "rotate keys"),
    }
    attempts.end()
}

/// What is tried one after the other: what fails keeps nothing else from being done, and is told at
/// the end.
pub(crate) struct Attempts<'a> {
    shared: &'a Shared,
    first: Option<Failure>,
}

impl<'a> Attempts<'a> {
    pub(crate) const fn new(shared: &'a Shared) -> Self {
        Self { shared, first: None }
    }

    /// Takes what a deletion came to. If another request was faster, the next look sees what it did.
    pub(crate) fn deleted(&mut self, done: Result<(), Failure>, what: &str, id: &Ocid) {
        match done {
            Ok(()) => tracing::info!(%id, "a {what} was deleted, as scheduled"),
            Err(failure) => self.failed(failure, &format!("delete a {what}"), Some(id)),
        }
    }

    /// Takes what something else came to that is due.
    pub(crate) fn keep(&mut self, done: Result<(), Failure>, what: &str) {
        if let Err(failure) = done {
            self.failed(failure, what, None);
        }
    }

    fn failed(&mut self, failure: Failure, what: &str, id: Option<&Ocid>) {
        if failure.refusal.code.status() == 409 {
            return;
        }
        let (reason, id) = (&failure.reason, id.map(Ocid::as_str));
        tracing::warn!(id, reason, "what is due was not done: {what}");
        self.shared.metrics.scheduled_failures.inc();
        self.first.get_or_insert(failure);
    }

    /// Returns the first failure.
    pub(crate) fn end(self) -> Result<(), Failure> {
        self.first.map_or(Ok(()), Err)
    }
}

async fn delete_due(
    shared: &Shared,
    shift: &Shift,
    (catalog, now): (&Catalog, Timestamp),
    attempts: &mut Attempts<'_>,
) {
    for entry in catalog.vaults.values().filter(|entry| entry.vault.is_due(now)) {
        let done = delete_vault(shared, shift, (catalog, entry), now).await;
        attempts.deleted(done, "vault", &entry.vault.id);
    }
    let alive = |entry: &&Arc<KeyEntry>| {
        let vault = catalog.vaults.get(&entry.key.vault_id);
        vault.is_some_and(|vault| !vault.vault.is_due(now) && !vault.vault.is_replica())
    };
    let is_own = |entry: &&Arc<KeyVersionEntry>| {
        let key = catalog.keys.get(&entry.version.key_id);
        let vault = key.and_then(|key| catalog.vaults.get(&key.key.vault_id));
        vault.is_some_and(|vault| !vault.vault.is_replica())
    };
    for entry in catalog.keys.values().filter(|entry| entry.key.is_due(now)).filter(alive) {
        attempts.deleted(delete_key(shared, shift, entry, now).await, "key", &entry.key.id);
    }
    let due = catalog.key_versions.values().filter(|entry| entry.version.is_due(now));
    for entry in due.filter(is_own) {
        let Some(key) = catalog.keys.get(&entry.version.key_id) else { continue };
        let done = delete_version(shared, shift, (&key.key, entry), now).await;
        attempts.deleted(done, "key version", &entry.version.id);
    }
    let gone = |entry: &&Arc<VaultEntry>| entry.vault.state == VaultState::Deleted;
    match shared.catalog().await {
        Ok(catalog) => {
            for entry in catalog.vaults.values().filter(gone) {
                let gone = (&**entry, now);
                let done = secret_deletion::delete_all_of(shared, shift, gone, attempts).await;
                attempts.keep(done, "delete the secrets of a vault");
            }
        }
        Err(error) => attempts.keep(Err(error.into()), "delete the secrets of vaults"),
    }
    let done = secret_deletion::delete_due(shared, shift, now, attempts).await;
    attempts.keep(done, "look for secrets to delete");
}

/// Tells whether the material of a key is in a token.
fn is_in_token(key: &Key) -> bool {
    key.protection_mode == ProtectionMode::Hsm
}

/// The record of what no request asked for at that moment, about a secret: it belongs to the secret's
/// compartment.
pub(crate) fn record_of_secret(
    shared: &Shared,
    operation: &'static str,
    secret: &Secret,
) -> AuditRecord {
    let key = shared.known().keys.get(&secret.key_id).map(|entry| entry.key.compartment_id.clone());
    let record = AuditRecord {
        resource_name: Some(secret.name.clone()),
        compartment_id: Some(secret.compartment_id.clone()),
        key_id: Some(secret.key_id.clone()),
        key_compartment_id: key.filter(|place| *place != secret.compartment_id),
        ..record(shared, operation, &secret.id)
    };
    in_vault(shared, record, &secret.vault_id)
}

/// As [`record_of_secret`], about a key.
pub(crate) fn record_of_key(shared: &Shared, operation: &'static str, key: &Key) -> AuditRecord {
    let record = AuditRecord {
        resource_name: Some(key.display_name.clone()),
        compartment_id: Some(key.compartment_id.clone()),
        ..record(shared, operation, &key.id)
    };
    in_vault(shared, record, &key.vault_id)
}

/// As [`record_of_secret`], about a vault.
pub(crate) fn record_of_vault(
    shared: &Shared,
    operation: &'static str,
    vault: &Vault,
) -> AuditRecord {
    AuditRecord {
        resource_name: Some(vault.display_name.clone()),
        compartment_id: Some(vault.compartment_id.clone()),
        ..record(shared, operation, &vault.id)
    }
}

/// Notes the vault of what a record is about.
fn in_vault(shared: &Shared, record: AuditRecord, vault_id: &Ocid) -> AuditRecord {
    let known = shared.known();
    let place = known.vaults.get(vault_id).map(|entry| entry.vault.compartment_id.clone());
    let vault_compartment_id = place.filter(|place| record.compartment_id.as_ref() != Some(place));
    AuditRecord { vault_id: Some(vault_id.clone()), vault_compartment_id, ..record }
}

/// As [`record_of_secret`], about what belongs to the whole tenancy.
pub(crate) fn record(shared: &Shared, operation: &'static str, target: &Ocid) -> AuditRecord {
    let request_id = strongroom_wire::RequestId::compose(None, &*shared.random);
    let request_id = request_id.as_str().to_owned();
    let begun = AuditRecord::begun(shared.clock.now(), request_id, "schedule".to_owned());
    AuditRecord { operation: Some(operation), target_id: Some(target.clone()), ..begun }
}

fn replace(batch: Batch, key: Vec<u8>, revision: Revision, value: Vec<u8>) -> Batch {
    batch.require(key.clone(), Require::Revision(revision)).put(key, value)
}

/// Takes the material of a key's versions away.
async fn without_material(
    shared: &Shared,
    mut batch: Batch,
    key: &Key,
    now: Timestamp,
) -> Result<Batch, Failure> {
    let range = prefix_range(&rows::key_versions(&key.id));
    for (row_key, row) in shared.store.scan(range, Order::Ascending, VERSIONS_AT_ONCE).await? {
        let version: KeyVersionRow = rows::decode(&row_key, &row.value)?;
        let key_version = version.key_version.deleted(now);
        if is_in_token(key) {
            batch = doomed::doom(batch, &key_version.id);
        }
        let gone = KeyVersionRow { key_version, material: None };
        batch = replace(batch, row_key, row.revision, rows::encode(&gone)?);
    }
    Ok(batch)
}

/// Deletes a vault with what it holds. Without the vault's key nothing of it opens again.
async fn delete_vault(
    shared: &Shared,
    shift: &Shift,
    (catalog, entry): (&Catalog, &VaultEntry),
    now: Timestamp,
) -> Result<(), Failure> {
    let id = &entry.vault.id;
    let mut vault = entry.vault.clone();
    vault.state = VaultState::Deleted;
    vault.replica = None;
    let row = VaultRow { vault, port: entry.port, replica_port: None, vault_key: None };
    let mut batch = replace(Batch::new(), rows::vault(id), entry.revision, rows::encode(&row)?)
        .delete(rows::wrapping_key(id));
    for key in catalog.keys_in(id).filter(|key| key.key.state != KeyState::Deleted) {
        let row = rows::encode(&KeyRow { key: key.key.deleted(now) })?;
        batch = replace(batch, rows::key(&key.key.id), key.revision, row);
        batch = without_material(shared, batch, &key.key, now).await?;
    }
    shared.commit_on(shift, batch, &record_of_vault(shared, "DeleteVault", &entry.vault)).await?;
    Ok(())
}

async fn delete_key(
    shared: &Shared,
    shift: &Shift,
    entry: &KeyEntry,
    now: Timestamp,
) -> Result<(), Failure> {
    let id = &entry.key.id;
    let row = rows::encode(&KeyRow { key: entry.key.deleted(now) })?;
    let batch = replace(Batch::new(), rows::key(id), entry.revision, row);
    let batch = without_material(shared, batch, &entry.key, now).await?;
    shared.commit_on(shift, batch, &record_of_key(shared, "DeleteKey", &entry.key)).await?;
    Ok(())
}

async fn delete_version(
    shared: &Shared,
    shift: &Shift,
    (key, entry): (&Key, &KeyVersionEntry),
    now: Timestamp,
) -> Result<(), Failure> {
    let (key_id, id) = (&key.id, &entry.version.id);
    let gone = KeyVersionRow { key_version: entry.version.deleted(now), material: None };
    let row_key = rows::key_version(key_id, id);
    let mut batch = replace(Batch::new(), row_key, entry.revision, rows::encode(&gone)?);
    if is_in_token(key) {
        batch = doomed::doom(batch, id);
    }
    let record = AuditRecord {
        target_id: Some(id.clone()),
        key_id: Some(key_id.clone()),
        ..record_of_key(shared, "DeleteKeyVersion", key)
    };
    shared.commit_on(shift, batch, &record).await?;
    Ok(())
}

async fn rotate_due(
    shared: &Shared,
    shift: &Shift,
    (catalog, now): (&Catalog, Timestamp),
    attempts: &mut Attempts<'_>,
) {
    let is_due = |rotation: &AutoRotation| rotation.is_due(now);
    for entry in catalog.keys.values() {
        if entry.key.auto_rotation.as_ref().is_some_and(is_due)
            && let Some(vault) = catalog.vaults.get(&entry.key.vault_id)
            && shared.duty.holds(shift)
            && !vault.vault.is_replica()
        {
            let done = rotate((shared, shift), catalog, (vault, entry), now).await;
            attempts.keep(done, &format!("rotate key {}", entry.key.id));
        }
    }
}

/// Rotates a key, or writes down why it was not.
async fn rotate(
    (shared, shift): (&Shared, &Shift),
    catalog: &Catalog,
    (vault, entry): (&VaultEntry, &KeyEntry),
    now: Timestamp,
) -> Result<(), Failure> {
    let key = &entry.key;
    let Some(rotation) = &key.auto_rotation else { return Ok(()) };
    let made = if let Err(error) = key.check_enabled(&vault.vault) {
        Err((format!("the key {error}"), ErrorCode::Conflict))
    } else {
        let id = shared.new_version_id(&vault.vault.tag);
        let new = NewVersion { id, origin: Origin::Internal, is_auto_rotated: true, now };
        let made = new.make_in(shared, catalog, vault, (key, None)).await;
        made.map_err(|failure| (failure.reason, failure.refusal.code))
    };
    let failed = made.as_ref().err().map(|(why, _)| why.as_str());
    let auto_rotation = Some(match &made {
        Err((why, code)) if code.status() == 503 => rotation.put_off(now, why),
        _ => rotation.after(now, failed),
    });
    let mut next = Key { auto_rotation, ..key.clone() };
    let mut batch = Batch::new();
    if let Ok(version) = &made {
        next.current_key_version.clone_from(&version.key_version.id);
        let row_key = rows::key_version(&key.id, &version.key_version.id);
        batch = batch.put(row_key, rows::encode(version)?);
    }
    let row = rows::encode(&KeyRow { key: next })?;
    let batch = replace(batch, rows::key(&key.id), entry.revision, row);
    let batch = batch.require(rows::vault(&vault.vault.id), Require::Revision(vault.revision));
    let mut record = record_of_key(shared, "RotateKey", key);
    if let Err((why, code)) = &made {
        record.note_failure(*code, why);
    }
    let committed = shared.commit_on(shift, batch, &record).await;
    // After any other error it may be committed all the same.
    let surely_not = matches!(committed, Err(StoreError::Conflict { .. } | StoreError::ReadOnly));
    if let (true, Ok(version)) = (surely_not, &made) {
        shared.destroy_in_token(&version.key_version.id).await;
    }
    committed?;
    tracing::info!(id = %key.id, failed, "a key was rotated, as scheduled");
    Ok(())
}

#[cfg(test)]
mod tests {
    use strongroom_keyring::RootKey;
    use strongroom_model::{Clock, SecretState, Sensitive, SystemClock};
    use strongroom_store::{Memory, Store};

    use super::*;
    use crate::secret_deletion::find;
    use crate::{Founded, WATCHED, secret_rows};

    /// A tenancy with a sample secret and one that cannot be read, and this node on duty.
    async fn on_duty(unreadable: &Ocid) -> (Arc<Shared>, Shift, Ocid) {
        let store = Arc::new(Memory::new(WATCHED));
        let root_key = || RootKey::from_bytes(Sensitive::new(vec![7; 32])).unwrap();
        let founded = Founded::in_test(&*store, &root_key()).await;
        let batch = Batch::new()
            .put(rows::due(0, unreadable), Vec::new())
            .put(rows::secret(unreadable), b"?".to_vec());
        store.commit(batch).await.unwrap();
        let shared = Shared::in_test(Arc::<Memory>::clone(&store), root_key()).await;
        let shift = shared.duty.taken(&store).await;
        (shared, shift, founded.sample.unwrap().secret_id)
    }

    #[tokio::test]
    async fn what_cannot_be_deleted_keeps_nothing_else_from_being_done() {
        let unreadable = "ocid1.vaultsecret.oc1..unreadable".parse().unwrap();
        let (shared, shift, id) = on_duty(&unreadable).await;
        let now = SystemClock.now();
        let (secret, revision) = find(&shared, &id).await.unwrap().unwrap();
        let next = secret.schedule_deletion(None, now).unwrap();
        let batch = secret_rows::write(Batch::new(), Some((&secret, revision)), &next).unwrap();
        shared.store.commit(batch).await.unwrap();
        let late = Timestamp::from_second(now.as_second() + 60 * 86_400).unwrap();
        let failure = run(&shared, &shift, late, false).await.unwrap_err();
        assert!(failure.reason.contains("`s`"), "{}", failure.reason);
        assert_eq!(shared.metrics.scheduled_failures.get(), 1);
        let (secret, _) = find(&shared, &id).await.unwrap().unwrap();
        assert_eq!(secret.state, SecretState::Deleted);
    }

    #[tokio::test]
    async fn secrets_of_a_vault_stay_once_it_was_restored() {
        let (shared, shift, id) = on_duty(&"ocid1.vaultsecret.oc1..other".parse().unwrap()).await;
        let (secret, _) = find(&shared, &id).await.unwrap().unwrap();
        let key = rows::vault(&secret.vault_id);
        let before = shared.store.get(&[key.as_slice()]).await.unwrap().remove(0).unwrap();
        let mut row: VaultRow = rows::decode(&key, &before.value).unwrap();
        (row.vault.state, row.vault_key) = (VaultState::Deleted, None);
        let put = |value: Vec<u8>| shared.store.commit(Batch::new().put(key.clone(), value));
        let mut states = Vec::new();
        for is_restored in [true, false] {
            put(rows::encode(&row).unwrap()).await.unwrap();
            let gone = Arc::clone(&shared.catalog().await.unwrap().vaults[&secret.vault_id]);
            if is_restored {
                put(before.value.clone()).await.unwrap();
            }
            let mut attempts = Attempts::new(&shared);
            let gone = (&*gone, SystemClock.now());
            secret_deletion::delete_all_of(&shared, &shift, gone, &mut attempts).await.unwrap();
            attempts.end().unwrap();
            states.push(find(&shared, &id).await.unwrap().unwrap().0.state);
        }
        assert_eq!(states, [SecretState::Active, SecretState::Deleted]);
    }

    #[tokio::test]
    async fn a_rotation_that_failed_is_on_record_as_such() {
        let (shared, shift, id) = on_duty(&"ocid1.vaultsecret.oc1..other".parse().unwrap()).await;
        let (secret, _) = find(&shared, &id).await.unwrap().unwrap();
        let key_row = rows::key(&secret.key_id);
        let entry = Arc::clone(&shared.catalog().await.unwrap().keys[&secret.key_id]);
        let (now, state) = (SystemClock.now(), KeyState::Disabled);
        let auto_rotation = Some(AutoRotation::new(60, None, now));
        let key = Key { state, auto_rotation, ..entry.key.clone() };
        let batch = Batch::new().put(key_row, rows::encode(&KeyRow { key }).unwrap());
        shared.store.commit(batch).await.unwrap();
        let late = Timestamp::from_second(now.as_second() + 61 * 86_400).unwrap();
        let catalog = shared.catalog().await.unwrap();
        let mut attempts = Attempts::new(&shared);
        rotate_due(&shared, &shift, (&catalog, late), &mut attempts).await;
        attempts.end().unwrap();
        let range = prefix_range(b"audit/");
        let found = shared.store.scan(range, Order::Ascending, usize::MAX).await.unwrap();
        let (row_key, row) = found.last().unwrap();
        let records: Vec<serde_json::Value> = rows::decode(row_key, &row.value).unwrap();
        let told = ["operation", "status", "code", "reason"].map(|name| records[0][name].clone());
        let expected = serde_json::json!(["RotateKey", 409, "Conflict", "the key is DISABLED"]);
        assert_eq!(serde_json::json!(told), expected);
    }

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + secs).unwrap()
    }

    #[test]
    fn deletions_wait_after_a_jump_in_either_direction() {
        for jump in [-7200, 7200] {
            let mut watch = ClockWatch::begin(Some(at(-5)), at(0));
            assert!(!watch.look(at(0), Duration::ZERO));
            assert!(!watch.look(at(5), Duration::from_secs(5)));
            assert!(watch.look(at(10 + jump), Duration::from_secs(10)), "{jump}");
            assert!(watch.look(at(3600 + jump), Duration::from_hours(1)));
            assert!(!watch.look(at(3611 + jump), Duration::from_secs(3611)));
        }
    }

    #[test]
    fn deletions_wait_after_a_long_absence_and_before_the_last_look() {
        for (seen, waits) in
            [(None, false), (Some(-86_000), false), (Some(-87_000), true), (Some(61), true)]
        {
            let mut watch = ClockWatch::begin(seen.map(at), at(0));
            assert_eq!(watch.look(at(0), Duration::ZERO), waits, "{seen:?}");
            assert!(!watch.look(at(3601), Duration::from_secs(3601)));
        }
    }
}
