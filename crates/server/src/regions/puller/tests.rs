//! Two regions in one process; the line between them is a call.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use strongroom_keyring::{RegionKeys, RootKey, SystemRandom};
use strongroom_model::{Clock, KeyVersion, Ocid, Region, Sensitive, SystemClock};
use strongroom_store::{Batch, Memory, Revision, Store};

use super::{Puller, RegionAnswer, RegionLine, Taken};
use crate::catalog::{Catalog, KeyEntry};
use crate::regions::messages::{Home, KeyVersionItem, RowItem, VaultItem};
use crate::regions::peers::{PeerRow, RegionIdentity};
use crate::regions::promotion::promote;
use crate::regions::{
    NewRegion, SignedMessage, intake_identity, intake_vaults, join_tenancy, source,
};
use crate::schedule::record;
use crate::shared::Shared;
use crate::store_backup::{Backup, NewBackup, Restore, back_up, restore};
use crate::{Founded, WATCHED, rows};

const HOME: &str = "us-ashburn-1";
const AWAY: &str = "eu-frankfurt-1";
const POLICY: &str = "p/ocid1.policy.oc1..x";

mod secrets;

/// Asks a region that is in this process.
#[derive(Debug)]
struct Line(Arc<Shared>);

impl RegionLine for Line {
    fn exchange<'a>(&'a self, _url: &'a str, message: SignedMessage) -> RegionAnswer<'a> {
        Box::pin(async move {
            source::answer(&self.0, &message).await.map_err(|failure| failure.reason)
        })
    }
}

fn root_key(material: u8) -> RootKey {
    RootKey::from_bytes(Sensitive::new(vec![material; 32])).unwrap()
}

async fn loaded(store: Arc<dyn Store>, material: u8) -> Arc<Shared> {
    Shared::in_test(store, root_key(material)).await
}

/// The home region, another one, and what pulls from the one into the other.
struct Pair {
    store: Arc<dyn Store>,
    home: Arc<Shared>,
    away: Arc<Shared>,
    puller: Puller,
}

impl Pair {
    /// Founds a tenancy and has a region join it, up to where nothing is left to be sent.
    async fn joined() -> Self {
        let (store, there) = (Arc::new(Memory::new(WATCHED)), Arc::new(Memory::new(WATCHED)));
        let now = SystemClock.now();
        let founded = Founded::in_test(&*store, &root_key(1)).await;
        let identity = RegionIdentity {
            region: HOME.to_owned(),
            tenancy_id: founded.tenancy_id,
            tenancy_name: "test".to_owned(),
            home_region: HOME.to_owned(),
            signing_key: String::new(),
            sealing_key: String::new(),
        };
        let keys = RegionKeys::derive(&root_key(1)).unwrap();
        let region = Region::named(AWAY).unwrap();
        let (home, url) = (&identity.with_keys(keys.public()), "http://home");
        let new = NewRegion { region, home, url, now };
        let identity = join_tenancy(&*there, &root_key(2), &new).await.unwrap();
        let peer = PeerRow { url: "http://away".to_owned(), identity, time_added: now };
        let batch = Batch::new().put(rows::region_peer(AWAY), rows::encode(&peer).unwrap());
        store.commit(batch).await.unwrap();
        let home = loaded(Arc::<Memory>::clone(&store), 1).await;
        let away = loaded(there, 2).await;
        let line = Arc::new(Line(Arc::clone(&home)));
        let puller = Puller::new(Arc::clone(&away), line, HOME.to_owned());
        let mut pair = Self { store, home, away, puller };
        for _ in 0..2 {
            pair.pull().await;
        }
        assert!(pair.puller.again.is_empty());
        pair
    }

    async fn pull(&mut self) {
        self.puller.pull().await.unwrap();
    }

    async fn backup_of_home(&self) -> Vec<u8> {
        let new = NewBackup {
            root_key: &root_key(1),
            root_file: b"root",
            now: SystemClock.now(),
            random: &SystemRandom,
        };
        let mut snapshot = self.store.snapshot().await.unwrap();
        back_up(&mut *snapshot, &new, Vec::new()).await.unwrap().1
    }

    /// Has the home region go on from a backup of it.
    async fn restore_home(&mut self, file: &[u8]) {
        let store: Arc<dyn Store> = Arc::new(Memory::new(WATCHED));
        let mut backup = Backup::begin(file).unwrap();
        backup.unlock(&root_key(1)).unwrap();
        let (accepts_rollback, now) = (false, SystemClock.now());
        let random = &SystemRandom;
        let target = Restore { store: Arc::clone(&store), accepts_rollback, now, random };
        restore(&target, backup).await.unwrap();
        self.home = loaded(Arc::clone(&store), 1).await;
        self.store = store;
        self.puller.line = Arc::new(Line(Arc::clone(&self.home)));
    }

    /// Writes the policy, or removes it, in the home region.
    async fn write(&self, statement: Option<&str>) {
        let key = POLICY.as_bytes().to_vec();
        let tenancy = self.home.known().tenancy.id.clone();
        let id: Ocid = POLICY.trim_start_matches("p/").parse().unwrap();
        let batch = match statement {
            Some(statement) => {
                let row = json!({
                    "id": id, "compartmentId": tenancy, "name": "x", "description": "",
                    "statements": [statement], "timeCreated": SystemClock.now(),
                });
                Batch::new().put(key, rows::encode(&row).unwrap())
            }
            None => Batch::new().delete(key),
        };
        self.home.commit(batch, &record(&self.home, "UpdatePolicy", &id)).await.unwrap();
    }

    /// The policy's row in the other region.
    async fn there(&self) -> Option<String> {
        let row = self.away.store.get(&[POLICY.as_bytes()]).await.unwrap().pop().unwrap();
        row.map(|row| String::from_utf8(row.value).unwrap())
    }

    /// Has the other region take its copy for that of a commit of the home region.
    async fn mark(&self, revision: u64) {
        let mark = rows::encode(&json!({ "region": HOME, "revision": revision })).unwrap();
        let batch = Batch::new().put(rows::copied(POLICY), mark);
        self.away.store.commit(batch).await.unwrap();
    }
}

fn statement(number: usize) -> String {
    format!("Allow any-user to inspect vaults in tenancy where request.operation = 'N{number}'")
}

#[tokio::test]
async fn what_a_restored_home_region_takes_away_is_taken_away_elsewhere() {
    let mut pair = Pair::joined().await;
    pair.write(Some(&statement(0))).await;
    let file = pair.backup_of_home().await;
    for number in 1..9 {
        pair.write(Some(&statement(number))).await;
    }
    pair.pull().await;
    assert!(pair.there().await.unwrap().contains(&statement(8)));
    pair.restore_home(&file).await;
    pair.write(None).await;
    pair.pull().await;
    assert_eq!(pair.there().await, None);
}

#[tokio::test]
async fn what_a_region_has_lost_is_told_when_it_says_so_twice() {
    let mut pair = Pair::joined().await;
    pair.write(Some(&statement(0))).await;
    pair.pull().await;
    pair.write(Some(&statement(1))).await;
    pair.mark(u64::MAX).await;
    pair.pull().await;
    assert!(pair.puller.untaken.is_empty() && pair.puller.again.contains(POLICY));
    pair.pull().await;
    let why = pair.puller.untaken.get(POLICY).unwrap();
    assert!(why.contains("was put back to an earlier state"), "{why}");
    assert!(pair.there().await.unwrap().contains(&statement(0)));
    pair.mark(1).await;
    pair.puller.again.insert(POLICY.to_owned());
    pair.pull().await;
    assert!(pair.puller.untaken.is_empty());
    assert!(pair.there().await.unwrap().contains(&statement(1)));
}

#[tokio::test]
async fn a_removal_is_taken_though_the_object_was_asked_for_again() {
    let mut pair = Pair::joined().await;
    pair.write(Some(&statement(0))).await;
    pair.pull().await;
    pair.puller.again.insert(POLICY.to_owned());
    pair.write(None).await;
    pair.pull().await;
    assert_eq!(pair.there().await, None);
    assert!(pair.puller.again.is_empty() && !pair.puller.stored.is_empty());
}

#[tokio::test]
async fn a_vault_brings_nothing_that_is_of_another_one() {
    let pair = Pair::joined().await;
    let catalog = pair.home.known();
    let vault = catalog.vaults.values().next().unwrap().vault.clone();
    let keys = || catalog.keys.values().map(|entry| entry.key.clone()).collect::<Vec<_>>();
    let sent = |version: &KeyVersion| KeyVersionItem { version: version.clone(), sealed: None };
    let versions = || catalog.key_versions.values().map(|entry| sent(&entry.version)).collect();
    let (id, revision, fault) = (vault.id.clone(), 9, None);
    let whole = || VaultItem {
        id: id.clone(),
        revision,
        vault: Some(vault.clone()),
        fault: fault.clone(),
        keys: keys(),
        versions: versions(),
    };
    let other: Ocid = format!("{id}x").parse().unwrap();
    let [mut elsewhere, mut foreign_key, mut foreign_version] = [whole(), whole(), whole()];
    elsewhere.id = other.clone();
    foreign_key.keys[0].vault_id = other;
    foreign_version.versions[0].version.key_id = format!("{}x", keys()[0].id).parse().unwrap();
    let peer = Arc::clone(&pair.away.known().regions.peers[HOME]);
    for (item, why) in [
        (elsewhere, "it has the description of vault"),
        (foreign_key, "is of vault"),
        (foreign_version, "is of no key of the vault"),
    ] {
        let taken = intake_vaults::take(&pair.away, &peer, &item).await.unwrap();
        let Taken::Refused(told) = taken else { panic!("{taken:?}") };
        assert!(told.contains(why), "{told}");
    }
    let away = pair.away.known();
    assert!(away.vaults.is_empty() && away.keys.is_empty());
    let check = |catalog: &Catalog| intake_vaults::check_belongs(catalog, &whole(), &vault);
    check(&away).unwrap();
    check(&catalog).unwrap();
    let (mut key, mut taken) = (keys().remove(0), BTreeMap::clone(&catalog.keys));
    key.vault_id = format!("{id}x").parse().unwrap();
    let revision = Revision::default();
    taken.insert(key.id.clone(), Arc::new(KeyEntry { key, revision }));
    let mut bent = Catalog::clone(&catalog);
    bent.keys = Arc::new(taken);
    assert!(check(&bent).unwrap_err().reason.contains("is of vault"));
}

#[tokio::test]
async fn identities_and_terms_of_a_home_region_that_is_none_any_more_are_not_taken() {
    let mut pair = Pair::joined().await;
    pair.write(Some(&statement(0))).await;
    let home = |region: &str, term| Home { region: region.to_owned(), term };
    let peer = Arc::clone(&pair.away.known().regions.peers[HOME]);
    intake_identity::adopt(&pair.away, &home(AWAY, 2)).await.unwrap();
    let late = intake_identity::adopt(&pair.away, &home(HOME, 1)).await.unwrap_err();
    assert_eq!(late.reason, "the home region is another one by now");
    let value = Some("{}".to_owned());
    let items = [RowItem { key: POLICY.to_owned(), value, revision: 9 }];
    let taken = intake_identity::take(&pair.away, (&peer, &home(HOME, 0)), &items).await;
    assert_eq!(taken.unwrap_err().reason, late.reason);
    let listed = intake_identity::compare(&pair.away, (&peer, &home(HOME, 0)), &[]).await;
    assert_eq!(listed.unwrap_err().reason, late.reason);
    let known = pair.away.catalog().await.unwrap();
    assert_eq!((known.regions.home_term, known.tenancy.home_region.as_str()), (2, AWAY));
    pair.pull().await;
    assert_eq!(pair.there().await, None);
    assert_eq!(pair.away.region_watch.of(HOME).fenced, 1);
    // Another node moved the home region while this one was at it.
    let seen = pair.home.known();
    intake_identity::move_home(&pair.home, &seen, &home(AWAY, 2)).await.unwrap();
    let lower = intake_identity::move_home(&pair.home, &seen, &home(AWAY, 1)).await;
    assert_eq!(lower.unwrap_err().reason, late.reason);
}

#[tokio::test]
async fn of_two_home_regions_the_one_that_is_promoted_again_stays() {
    let mut pair = Pair::joined().await;
    let home = |region: &str, term| Home { region: region.to_owned(), term };
    for (shared, region) in [(&pair.home, HOME), (&pair.away, AWAY)] {
        intake_identity::move_home(shared, &shared.known(), &home(region, 1)).await.unwrap();
    }
    let known = async |shared: &Shared| source::home_of(&shared.catalog().await.unwrap());
    // Of a claim nothing is known yet, so there is nothing to do.
    promote(&pair.away, HOME, true).await.unwrap();
    assert_eq!(known(&pair.away).await, home(AWAY, 1));
    pair.puller.again.insert(POLICY.to_owned());
    pair.pull().await;
    assert_eq!(known(&pair.away).await, home(AWAY, 1));
    for _ in 0..2 {
        promote(&pair.away, HOME, true).await.unwrap();
        assert_eq!(known(&pair.away).await, home(AWAY, 2));
    }
    intake_identity::adopt(&pair.home, &home(AWAY, 2)).await.unwrap();
    assert_eq!(known(&pair.home).await, home(AWAY, 2));
}

#[tokio::test]
async fn a_promotion_that_is_cut_short_has_taken_the_home_and_goes_on_when_asked_again() {
    let pair = Pair::joined().await;
    let id: Ocid = "ocid1.vaultsecret.oc1.iad.x".parse().unwrap();
    let bent = rows::encode(&json!({})).unwrap();
    let batch = Batch::new().put(rows::replicated(&id), vec![]).put(rows::secret(&id), bent);
    pair.away.store.commit(batch).await.unwrap();
    promote(&pair.away, HOME, true).await.unwrap_err();
    let taken = Home { region: AWAY.to_owned(), term: 1 };
    assert_eq!(source::home_of(&pair.away.catalog().await.unwrap()), taken);
    pair.away.store.commit(Batch::new().delete(rows::secret(&id))).await.unwrap();
    promote(&pair.away, HOME, true).await.unwrap();
    assert_eq!(source::home_of(&pair.away.catalog().await.unwrap()), taken);
}

#[tokio::test]
async fn a_change_that_the_region_was_not_told_of_yet_is_not_acknowledged() {
    let mut pair = Pair::joined().await;
    // The change itself is in the store and not in the catalog.
    let id = "v/ocid1.vault.oc1.iad.aaaaaaaaaaaaa.x";
    let noted = rows::encode(&json!({ "object": id, "versions": [] })).unwrap();
    let key = rows::outbox(AWAY, &pair.home.stamp(SystemClock.now()));
    pair.store.commit(Batch::new().put(key.clone(), noted)).await.unwrap();
    for _ in 0..2 {
        pair.pull().await;
    }
    let waiting = pair.store.get(&[key.as_slice()]).await.unwrap().pop().unwrap();
    assert!(waiting.is_some(), "it was acknowledged unseen");
}
