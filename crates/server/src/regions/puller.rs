//! Asks the other regions what has changed, and stores it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use strongroom_model::Ocid;
use tokio::task::AbortHandle;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::intake::{Taken, keep_untaken, untaken};
use super::messages::{InventoryItem, Kind, PULL, Page, Pull, SignedMessage};
use super::outbox::is_identity;
use super::peers::Peer;
use super::source::{home_of, replicated};
use super::{intake, intake_identity, intake_vaults};
use crate::catalog::Catalog;
use crate::failure::Failure;
use crate::rows::{self, SecretRow};
use crate::shared::Shared;

/// How long the other region is asked to wait for a change.
const WAIT_SECS: u64 = 10;
/// How long an answer may take.
const ANSWER_TIME: Duration = Duration::from_secs(40);
const LOOK: Duration = Duration::from_secs(1);
const PAUSE_MIN: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How often what was not taken is asked for again.
const RETRY: Duration = Duration::from_secs(15);
/// How often everything is compared.
const COMPARE: Duration = Duration::from_hours(1);
/// Objects that one request asks for again, at most.
const AGAIN_MAX: usize = 5000;

/// The way to other regions: the server itself dials nobody.
pub trait RegionLine: Debug + Send + Sync + 'static {
    /// Sends a message to a URL and returns the answer, or why there is none.
    fn exchange<'a>(&'a self, url: &'a str, message: SignedMessage) -> RegionAnswer<'a>;
}

/// An answer, to be awaited.
pub type RegionAnswer<'a> =
    Pin<Box<dyn Future<Output = Result<SignedMessage, String>> + Send + 'a>>;

/// Pulls from every other region, for as long as it is polled.
pub(crate) async fn keep_replicating(shared: Arc<Shared>, line: Arc<dyn RegionLine>) {
    let mut pulls = JoinSet::new();
    let mut running: BTreeMap<String, AbortHandle> = BTreeMap::new();
    loop {
        match shared.catalog().await {
            Ok(catalog) => {
                let peers = &catalog.regions.peers;
                running.retain(|region, handle| {
                    let stays = peers.contains_key(region) && !handle.is_finished();
                    if !stays {
                        handle.abort();
                    }
                    stays
                });
                for region in peers
                    .keys()
                    .filter(|region| !running.contains_key(*region))
                    .cloned()
                    .collect::<Vec<_>>()
                {
                    let (shared, line) = (Arc::clone(&shared), Arc::clone(&line));
                    let puller = Puller::new(shared, line, region.clone());
                    running.insert(region, pulls.spawn(puller.keep_pulling()));
                }
            }
            Err(error) => tracing::warn!(%error, "the other regions are not known"),
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            Some(_) = pulls.join_next() => {}
        }
    }
}

/// Pulls from one region.
struct Puller {
    shared: Arc<Shared>,
    line: Arc<dyn RegionLine>,
    region: String,
    /// Outbox rows there whose changes are stored here.
    stored: Vec<String>,
    /// Objects to ask for, changed or not.
    again: BTreeSet<String>,
    /// What was behind what is here when it came last, and its commit there.
    behind: BTreeMap<String, u64>,
    /// What was not taken.
    untaken: BTreeMap<String, String>,
    compared: Option<Instant>,
    /// When the region says that it was paired with this one.
    added: Option<i64>,
    retried: Instant,
}

impl Puller {
    fn new(shared: Arc<Shared>, line: Arc<dyn RegionLine>, region: String) -> Self {
        Self {
            shared,
            line,
            region,
            stored: Vec::new(),
            again: BTreeSet::new(),
            behind: BTreeMap::new(),
            untaken: BTreeMap::new(),
            compared: None,
            added: None,
            retried: Instant::now(),
        }
    }

    async fn keep_pulling(mut self) {
        match untaken(&self.shared, &self.region).await {
            Ok(kept) => self.untaken = kept.into_iter().collect(),
            Err(failure) => {
                tracing::warn!(reason = failure.reason, "what was not taken is unknown");
            }
        }
        let mut pause = PAUSE_MIN;
        loop {
            match self.pull().await {
                Ok(()) => {
                    pause = PAUSE_MIN;
                    self.shared.region_watch.note(&self.region, |watch| watch.fault = None);
                }
                Err(why) => {
                    let region = &self.region;
                    tracing::warn!(region, reason = why, "a region cannot be pulled from");
                    self.shared.region_watch.note(region, |watch| watch.fault = Some(why));
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }

    async fn pull(&mut self) -> Result<(), String> {
        let said = |failure: Failure| failure.reason;
        let catalog = self.shared.catalog().await.map_err(|error| error.to_string())?;
        let peer = catalog.regions.peers.get(&self.region);
        let peer = Arc::clone(peer.ok_or("it is not paired with this region any more")?);
        if self.retried.elapsed() > RETRY {
            self.retried = Instant::now();
            self.again.extend(self.untaken.keys().cloned());
        }
        let pull = Pull {
            from: self.shared.region.name.to_owned(),
            to: peer.region.clone(),
            nonce: self.nonce(),
            time: self.shared.clock.now().as_microsecond(),
            home: home_of(&catalog),
            acknowledged: std::mem::take(&mut self.stored),
            again: self.again.iter().take(AGAIN_MAX).cloned().collect(),
            inventory: self.compared.is_none_or(|at| at.elapsed() > COMPARE),
            vaults: self.vaults(&catalog),
            wait_secs: WAIT_SECS,
        };
        let page = self.exchange(&peer, &pull).await;
        if page.is_err() {
            self.stored.clone_from(&pull.acknowledged);
        }
        let page = page?;
        self.take(&peer, page, &pull).await.map_err(said)
    }

    /// Where the replicas of that region's vaults answer.
    fn vaults(&self, catalog: &Catalog) -> BTreeMap<Ocid, (String, u64)> {
        let kept = catalog.vaults.values().filter_map(|entry| {
            let source = entry.vault.source.as_ref()?;
            let is_kept = source.region == self.region && entry.key.is_some();
            let url = self.shared.endpoints.url(entry.port);
            is_kept.then(|| (entry.vault.id.clone(), (url, source.revision)))
        });
        kept.collect()
    }

    fn nonce(&self) -> String {
        let mut bytes = [0_u8; 16];
        self.shared.random.fill(&mut bytes);
        format!("{:032x}", u128::from_be_bytes(bytes))
    }

    async fn exchange(&self, peer: &Peer, pull: &Pull) -> Result<Page, String> {
        let own = (self.shared.region.name, &self.shared.region_keys);
        let message = SignedMessage::sign(own, Kind::Pull, pull).ok_or("not encoded")?;
        let url = format!("{}{PULL}", peer.url.trim_end_matches('/'));
        let answer = timeout(ANSWER_TIME, self.line.exchange(&url, message)).await;
        let answer = answer.map_err(|_elapsed| "it does not answer in time".to_owned())??;
        let page: Option<Page> = answer.open(&peer.keys, Kind::Page);
        let page = page.ok_or("its answer is not signed by it")?;
        let is_answer =
            page.from == peer.region && page.to == pull.from && page.nonce == pull.nonce;
        if is_answer { Ok(page) } else { Err("its answer is to another question".to_owned()) }
    }

    async fn take(&mut self, peer: &Peer, page: Page, pull: &Pull) -> Result<(), Failure> {
        let shared = Arc::clone(&self.shared);
        self.learn_home(&page).await?;
        self.take_identities(peer, &page).await?;
        for item in &page.secrets {
            let taken = intake::take(&shared, peer, item).await?;
            self.settle_asked(format!("s/{}", item.id), taken).await?;
        }
        for item in &page.vaults {
            let taken = intake_vaults::take(&shared, peer, item).await?;
            self.settle_asked(format!("v/{}", item.id), taken).await?;
        }
        if let Some(inventory) = &page.inventory {
            self.compare(peer, &page, inventory).await?;
        } else if pull.inventory {
            return Err(Failure::internal("the region lists nothing"));
        }
        if self.added.replace(page.added).is_some_and(|added| added != page.added) {
            self.compared = None;
        }
        let left = u64::try_from(page.covers.len()).unwrap_or_default();
        let waiting = page.waiting.saturating_sub(left);
        self.stored.extend(page.covers);
        let now = shared.clock.now();
        shared.region_watch.note(&peer.region, |watch| {
            watch.taken = Some(now);
            watch.waiting = waiting;
            watch.oldest = page.oldest.filter(|_| waiting > 0);
        });
        Ok(())
    }

    /// Takes identities, if they are the home region's.
    async fn take_identities(&mut self, peer: &Peer, page: &Page) -> Result<(), Failure> {
        let shared = Arc::clone(&self.shared);
        let mut behind = BTreeMap::new();
        if page.home == home_of(&*shared.catalog().await?) && page.home.region == peer.region {
            behind = intake_identity::take(&shared, (peer, &page.home), &page.rows).await?;
        } else if !page.rows.is_empty() {
            let rows = u64::try_from(page.rows.len()).unwrap_or(u64::MAX);
            tracing::warn!(region = peer.region, rows, "identities of an earlier term came");
            shared.region_watch.note(&peer.region, |watch| {
                watch.fenced = watch.fenced.saturating_add(rows);
            });
        }
        for item in &page.rows {
            let taken = behind.remove(&item.key).map_or(Taken::Stored, Taken::Behind);
            self.settle_asked(item.key.clone(), taken).await?;
        }
        Ok(())
    }

    /// Settles what came. What was asked for again is asked for once more if that fails.
    async fn settle_asked(&mut self, object: String, taken: Taken) -> Result<(), Failure> {
        let was_asked = self.again.remove(&object);
        let settled = self.settle(object.clone(), taken).await;
        if settled.is_err() && was_asked {
            self.again.insert(object);
        }
        settled
    }

    /// What is not stored is remembered with its reason, and asked for again later.
    async fn settle(&mut self, object: String, taken: Taken) -> Result<(), Failure> {
        let (shared, region) = (&self.shared, &self.region);
        // Several nodes ask: an answer that is late tells nothing, one that is no later the next time
        // does.
        let taken = match taken {
            Taken::Behind(behind) => match self.behind.insert(object.clone(), behind.there) {
                Some(before) if behind.there <= before => Taken::Refused(behind.reason()),
                _ => Taken::Incomplete,
            },
            taken => {
                self.behind.remove(&object);
                taken
            }
        };
        match taken {
            Taken::Stored | Taken::Fenced => {
                if taken == Taken::Fenced {
                    tracing::warn!(region, object, "a change of an earlier term was not taken");
                    shared.region_watch.note(region, |watch| watch.fenced += 1);
                }
                if self.untaken.remove(&object).is_some() {
                    keep_untaken(shared, region, &object, None).await?;
                }
            }
            Taken::Incomplete | Taken::Behind(_) => drop(self.again.insert(object)),
            Taken::Refused(reason) => {
                if self.untaken.get(&object) != Some(&reason) {
                    tracing::warn!(region, object, reason, "a change was not taken");
                    keep_untaken(shared, region, &object, Some(&reason)).await?;
                    self.untaken.insert(object, reason);
                }
            }
        }
        Ok(())
    }

    /// Goes by the region that became the home region last.
    async fn learn_home(&mut self, page: &Page) -> Result<(), Failure> {
        let known = self.shared.catalog().await?.regions.home_term;
        let claim = (page.home.region == page.from).then_some(page.home.term);
        self.shared.region_watch.note(&self.region, |watch| watch.claim = claim);
        if claim.is_some_and(|term| term > known) {
            intake_identity::adopt(&self.shared, &page.home).await?;
            self.compared = None;
        }
        Ok(())
    }

    /// Finds what this region lacks, and what it has in excess.
    async fn compare(
        &mut self,
        peer: &Peer,
        page: &Page,
        inventory: &[InventoryItem],
    ) -> Result<(), Failure> {
        let shared = Arc::clone(&self.shared);
        let catalog = shared.catalog().await?;
        if page.home == home_of(&catalog) && page.home.region == peer.region {
            let way = (peer, &page.home);
            self.again.extend(intake_identity::compare(&shared, way, inventory).await?);
        }
        let mut here = BTreeMap::new();
        for (key, row) in replicated(&shared).await? {
            let SecretRow { secret, .. } = rows::decode(&key, &row.value)?;
            let source = secret.replication.source.filter(|source| source.region == peer.region);
            if let Some(source) = source {
                here.insert(String::from_utf8_lossy(&key).into_owned(), source.revision);
            }
        }
        for (id, entry) in &*catalog.vaults {
            let source = entry.vault.source.as_ref();
            let source = source.filter(|source| source.region == peer.region);
            // One that is gone comes back only if it is listed.
            if let Some(source) = source.filter(|_| entry.key.is_some()) {
                here.insert(format!("v/{id}"), source.revision);
            }
        }
        for item in inventory.iter().filter(|item| !is_identity(&item.object)) {
            if here.remove(&item.object) != Some(item.revision) {
                self.again.insert(item.object.clone());
            }
        }
        // What the region does not list may have been withdrawn: it tells when it is asked.
        self.again.extend(here.into_keys());
        self.compared = Some(Instant::now());
        Ok(())
    }
}

#[cfg(test)]
mod tests;
