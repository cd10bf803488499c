//! Secrets on their way to another region.

use strongroom_keyring::Material;
use strongroom_model::{
    KeyVersion, OcidKind, ReplicationTarget, Secret, SecretPlace, SecretState, SecretVersion,
    StageEvent, Vault, VaultTag,
};
use strongroom_store::{Order, Revision, prefix_range};

use super::*;
use crate::catalog::{key_version_binding, vault_binding};
use crate::ops::{NewContent, SecretHome};
use crate::regions::intake;
use crate::regions::messages::SecretItem;
use crate::rows::{KeyRow, KeyVersionRow, VaultRow};
use crate::schedule::record_of_secret;
use crate::secret_deletion::find;
use crate::secret_rows;

/// Makes a vault with a key in a region, like the sample vault of the home region.
async fn open_vault(shared: &Shared, like: &Catalog) -> ReplicationTarget {
    let (catalog, region) = (shared.known(), shared.region);
    let tenancy = &catalog.tenancy.id;
    let tag = VaultTag::generate(&SystemRandom);
    let id = |kind| Ocid::in_vault(kind, region, &tag, &SystemRandom);
    let (vault_id, key_id, version_id) =
        (id(OcidKind::Vault), id(OcidKind::Key), id(OcidKind::KeyVersion));
    let binding = vault_binding(tenancy, &vault_id);
    let (opened, vault_key) = catalog.roots.current.new_vault_key(&binding, &SystemRandom).unwrap();
    let mut key = like.keys.values().next().unwrap().key.clone();
    let made = Material::generate(key.shape, &SystemRandom).unwrap();
    let binding = key_version_binding(tenancy, &vault_id, &version_id);
    let material = Some(opened.seal_material(&binding, &made, &SystemRandom).unwrap());
    let vault = like.vaults.values().next().unwrap().vault.clone();
    let vault = Vault { id: vault_id.clone(), tag, ..vault };
    (key.id, key.vault_id) = (key_id.clone(), vault_id.clone());
    key.current_key_version = version_id.clone();
    let version = like.key_versions.values().next().unwrap().version.clone();
    let key_version = KeyVersion { id: version_id.clone(), key_id: key_id.clone(), ..version };
    let vault = VaultRow { vault, port: 1, replica_port: None, vault_key: Some(vault_key) };
    let key_version = KeyVersionRow { key_version, material };
    let batch = Batch::new()
        .put(rows::vault(&vault_id), rows::encode(&vault).unwrap())
        .put(rows::key(&key_id), rows::encode(&KeyRow { key }).unwrap())
        .put(rows::key_version(&key_id, &version_id), rows::encode(&key_version).unwrap());
    shared.store.commit(batch).await.unwrap();
    ReplicationTarget { region: region.name.to_owned(), vault_id, key_id }
}

/// Makes a secret in the home region, with a version 1.
async fn new_secret(pair: &Pair, target: ReplicationTarget, content: &[u8]) -> Secret {
    let mut secret = described(&pair.home);
    secret.replication.targets = Some(vec![target]);
    write(&pair.home, None, &secret, &[(1, None, content)]).await;
    secret
}

/// A secret of a region, in its first vault.
fn described(shared: &Shared) -> Secret {
    let catalog = shared.known();
    let key = &catalog.keys.values().next().unwrap().key;
    let place = SecretPlace {
        compartment_id: key.compartment_id.clone(),
        vault_id: key.vault_id.clone(),
        key_id: key.id.clone(),
    };
    let id = Ocid::regional(OcidKind::Secret, shared.region, &SystemRandom);
    Secret::new(id, place, "db", SystemClock.now())
}

/// Writes a state of a secret together with versions that are new: number, name and content.
async fn write(
    shared: &Shared,
    seen: Option<(&Secret, Revision)>,
    next: &Secret,
    versions: &[(u64, Option<&str>, &[u8])],
) {
    let catalog = shared.catalog().await.unwrap();
    let home = SecretHome::of(shared, &catalog, next).unwrap();
    let mut batch = Batch::new();
    for (number, name, content) in versions {
        let version = SecretVersion {
            number: *number,
            name: name.map(str::to_owned),
            time_created: SystemClock.now(),
            is_generated: false,
        };
        let new = NewContent { version, plaintext: &Sensitive::new(content.to_vec()) };
        batch = home.put_version(batch, next, new).await.unwrap();
    }
    let batch = secret_rows::write(batch, seen, next).unwrap();
    shared.commit(batch, &record_of_secret(shared, "UpdateSecret", next)).await.unwrap();
}

/// Changes a secret, and adds versions to it.
async fn change(
    shared: &Shared,
    id: &Ocid,
    versions: &[(u64, Option<&str>, &[u8])],
    change: impl FnOnce(&mut Secret),
) {
    let (secret, revision) = find(shared, id).await.unwrap().unwrap();
    let mut next = secret.clone();
    for _ in versions {
        next = next.with_stages(StageEvent::AddCurrent, SystemClock.now());
    }
    change(&mut next);
    write(shared, Some((&secret, revision)), &next, versions).await;
}

/// The content of a version, and where the secret is kept.
async fn content(shared: &Shared, id: &Ocid, number: u64) -> (Vec<u8>, Ocid) {
    let catalog = shared.catalog().await.unwrap();
    let (secret, _) = find(shared, id).await.unwrap().unwrap();
    let home = SecretHome::of(shared, &catalog, &secret).unwrap();
    let opened = home.open(&secret, number).await.unwrap();
    (opened.expose().to_vec(), secret.vault_id)
}

async fn holder(shared: &Shared, guard: &[u8]) -> Option<String> {
    let row = shared.store.get(&[guard]).await.unwrap().pop().unwrap();
    row.map(|row| String::from_utf8(row.value).unwrap())
}

#[tokio::test]
async fn what_cannot_be_stored_elsewhere_stays_where_it_is() {
    let mut pair = Pair::joined().await;
    let like = pair.home.known();
    let (first, second) =
        (open_vault(&pair.away, &like).await, open_vault(&pair.away, &like).await);
    let id = new_secret(&pair, first.clone(), b"content").await.id;
    pair.pull().await;
    assert_eq!(content(&pair.away, &id, 1).await, (b"content".to_vec(), first.vault_id.clone()));
    let taken = rows::secret_name(&second.vault_id, "db");
    let batch = Batch::new().put(taken.clone(), rows::encode(&"another").unwrap());
    pair.away.store.commit(batch).await.unwrap();
    let targets = Some(vec![second.clone()]);
    change(&pair.home, &id, &[], |secret| secret.replication.targets = targets).await;
    for _ in 0..2 {
        pair.pull().await;
    }
    let why = &pair.puller.untaken[&format!("s/{id}")];
    assert!(why.contains("holds another secret of its name"), "{why}");
    assert_eq!(content(&pair.away, &id, 1).await, (b"content".to_vec(), first.vault_id.clone()));
    pair.away.store.commit(Batch::new().delete(taken.clone())).await.unwrap();
    pair.puller.again.insert(format!("s/{id}"));
    pair.pull().await;
    assert_eq!(content(&pair.away, &id, 1).await, (b"content".to_vec(), second.vault_id));
    assert!(pair.puller.untaken.is_empty() && holder(&pair.away, &taken).await.is_some());
    let left = rows::secret_name(&first.vault_id, "db");
    assert_eq!(holder(&pair.away, &left).await, None);
}

#[tokio::test]
async fn a_source_that_was_restored_replaces_the_versions_whose_numbers_it_gives_again() {
    let mut pair = Pair::joined().await;
    let target = open_vault(&pair.away, &pair.home.known()).await;
    let id = new_secret(&pair, target, b"A").await.id;
    pair.pull().await;
    let file = pair.backup_of_home().await;
    change(&pair.home, &id, &[(2, Some("two"), b"B")], |_| {}).await;
    change(&pair.home, &id, &[(3, Some("three"), b"B3")], |_| {}).await;
    pair.pull().await;
    assert_eq!(content(&pair.away, &id, 3).await.0, b"B3");
    pair.restore_home(&file).await;
    change(&pair.home, &id, &[(2, Some("three"), b"C")], |_| {}).await;
    pair.pull().await;
    assert!(pair.puller.untaken.is_empty(), "{:?}", pair.puller.untaken);
    for shared in [&pair.home, &pair.away] {
        let (secret, _) = find(shared, &id).await.unwrap().unwrap();
        assert_eq!((secret.stages.current, secret.stages.latest), (2, 2));
        assert_eq!(content(shared, &id, 2).await.0, b"C");
        assert_eq!(content(shared, &id, 1).await.0, b"A");
    }
    let named = pair.away.store.scan(prefix_range(&rows::version_names(&id)), Order::Ascending, 9);
    let named = named.await.unwrap();
    let [(guard, row)] = named.as_slice() else { panic!("{}", named.len()) };
    assert_eq!(*guard, rows::version_name(&id, "three"));
    assert_eq!(rows::decode::<u64>(guard, &row.value).unwrap(), 2);
}

#[tokio::test]
async fn a_secret_that_comes_back_with_a_restored_source_has_its_name_again() {
    let mut pair = Pair::joined().await;
    let target = open_vault(&pair.away, &pair.home.known()).await;
    let name = rows::secret_name(&target.vault_id, "db");
    let id = new_secret(&pair, target, b"A").await.id;
    pair.pull().await;
    let file = pair.backup_of_home().await;
    change(&pair.home, &id, &[], |secret| *secret = secret.gone(SystemClock.now())).await;
    pair.pull().await;
    assert_eq!(holder(&pair.away, &name).await, None);
    pair.restore_home(&file).await;
    change(&pair.home, &id, &[(2, None, b"B")], |_| {}).await;
    pair.pull().await;
    assert!(holder(&pair.away, &name).await.is_some_and(|holder| holder.contains(id.as_str())));
    for (number, expected) in [(1, b"A"), (2, b"B")] {
        assert_eq!(content(&pair.away, &id, number).await.0, expected);
    }
}

#[tokio::test]
async fn a_name_that_was_freed_and_given_again_meanwhile_is_the_later_versions() {
    let mut pair = Pair::joined().await;
    let target = open_vault(&pair.away, &pair.home.known()).await;
    let id = new_secret(&pair, target, b"A").await.id;
    change(&pair.home, &id, &[(2, Some("x"), b"B"), (3, None, b"C")], |_| {}).await;
    pair.pull().await;
    assert_eq!(content(&pair.away, &id, 2).await.0, b"B");
    let freed = rows::version_name(&id, "x");
    pair.home.store.commit(Batch::new().delete(freed.clone())).await.unwrap();
    change(&pair.home, &id, &[(4, Some("x"), b"D")], |secret| secret.deleted.insert(2)).await;
    pair.pull().await;
    assert!(pair.puller.untaken.is_empty(), "{:?}", pair.puller.untaken);
    assert_eq!(content(&pair.away, &id, 4).await.0, b"D");
    let row = pair.away.store.get(&[freed.as_slice()]).await.unwrap().pop().unwrap().unwrap();
    assert_eq!(rows::decode::<u64>(&freed, &row.value).unwrap(), 4);
}

#[tokio::test]
async fn a_region_takes_over_no_secret_that_was_never_replicated_to_it() {
    let pair = Pair::joined().await;
    let here = open_vault(&pair.away, &pair.home.known()).await;
    pair.away.catalog().await.unwrap();
    let peer = Arc::clone(&pair.away.known().regions.peers[HOME]);
    let secret = described(&pair.away);
    write(&pair.away, None, &secret, &[(1, None, b"A")]).await;
    let mut claimed = secret.clone();
    claimed.replication.term = 1;
    claimed.replication.targets = Some(vec![here]);
    let item = SecretItem {
        id: secret.id.clone(),
        revision: 9,
        secret: Some(claimed),
        fault: None,
        versions: Vec::new(),
    };
    let taken = intake::take(&pair.away, &peer, &item).await.unwrap();
    let Taken::Refused(why) = taken else { panic!("{taken:?}") };
    assert!(why.contains("was never replicated to region us-ashburn-1"), "{why}");
    // Where it is known to be, the region may have been promoted.
    let there = ReplicationTarget {
        region: HOME.to_owned(),
        vault_id: secret.vault_id.clone(),
        key_id: secret.key_id.clone(),
    };
    change(&pair.away, &secret.id, &[], |secret| secret.replication.targets = Some(vec![there]))
        .await;
    let taken = intake::take(&pair.away, &peer, &item).await.unwrap();
    assert_eq!(taken, Taken::Incomplete);
    change(&pair.away, &secret.id, &[], |secret| {
        secret.replication.targets = None;
        *secret = secret.gone(SystemClock.now());
    })
    .await;
    let taken = intake::take(&pair.away, &peer, &item).await.unwrap();
    assert_eq!(taken, Taken::Incomplete);
}

#[tokio::test]
async fn of_two_promoted_secrets_the_one_that_is_not_deleted_stays() {
    let mut pair = Pair::joined().await;
    let target = open_vault(&pair.away, &pair.home.known()).await;
    let id = new_secret(&pair, target, b"A").await.id;
    pair.pull().await;
    change(&pair.away, &id, &[], |secret| *secret = secret.promoted(AWAY)).await;
    change(&pair.home, &id, &[(2, None, b"B")], |secret| secret.replication.term = 1).await;
    pair.pull().await;
    assert_eq!(content(&pair.away, &id, 1).await.0, b"A");
    assert_eq!(pair.away.region_watch.of(HOME).fenced, 1);
    change(&pair.away, &id, &[], |secret| *secret = secret.gone(SystemClock.now())).await;
    pair.puller.again.insert(format!("s/{id}"));
    pair.pull().await;
    assert_eq!(content(&pair.away, &id, 2).await.0, b"B");
    let (secret, _) = find(&pair.away, &id).await.unwrap().unwrap();
    assert!(secret.is_replica() && secret.state == SecretState::Active);
}
