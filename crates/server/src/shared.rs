use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use strongroom_keyring::pkcs11::{Token, TokenError};
use strongroom_keyring::{RegionKeys, RetryKey, RootKey, token_id};
use strongroom_model::{
    AddressRange, Clock, Limits, Moment, Ocid, OcidKind, ProtectionMode, Random, Region, Timestamp,
    TurnableClock, VaultTag,
};
use strongroom_policy::Semantics;
use strongroom_store::{Batch, Require, Revision, Store, StoreError};
use strongroom_wire::{Refusal, RequestId};
use tokio::sync::Notify;

use crate::audit::{AuditKeys, AuditLog, AuditRecord};
use crate::backup_places::BackupPlace;
use crate::beat::Beat;
use crate::catalog::{Catalog, Keys};
use crate::catalog_cell::{CatalogCell, View};
use crate::duty::{Duty, Shift};
use crate::endpoints::Endpoints;
use crate::feed::Feed;
use crate::ledger::{self, Vouching};
use crate::metadata::Machine;
use crate::metrics::{MeasuredStore, Metrics};
use crate::nodes::Nodes;
use crate::probes::Readiness;
use crate::rates::{Limiter, Rates};
use crate::regions::{self, RegionWatch};
use crate::roots::HeldRoot;
use crate::rotation::Rotations;
use crate::rows;
use crate::secret_cache::SecretCache;
use crate::sightings::Sightings;
use crate::target::Targets;
use crate::traces::{Tracer, Tracing};

/// What a server is made of.
#[derive(Debug)]
pub struct Parts {
    /// Where rows are kept.
    pub store: Arc<dyn Store>,
    /// Whether no other process can have the store open.
    pub is_alone: bool,
    /// The root of the key hierarchy.
    pub root_key: RootKey,
    /// Where the root key is kept, sealed; absent if it is not sealed there, and cannot be rotated.
    pub root_file: Option<PathBuf>,
    /// The token that holds HSM keys.
    pub token: Option<Token>,
    /// The time of signatures and audit records.
    pub clock: Arc<dyn Clock>,
    /// The time of lifecycles, if it can be turned; absent is `clock`.
    pub turnable_clock: Option<Arc<TurnableClock>>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// How policies are read where Oracle's words and the mission's differ.
    pub semantics: Semantics,
    /// How much the tenancy may hold.
    pub limits: Limits,
    /// How often requests may come.
    pub rates: Rates,
    /// Memory for secrets that were read lately, in bytes.
    pub secret_cache_bytes: u64,
    /// Where backups may go.
    pub backup_places: Vec<BackupPlace>,
    /// Systems whose passwords are rotated.
    pub targets: Targets,
    /// Where requests are expected to come from; anywhere if empty.
    pub expected_networks: Vec<AddressRange>,
    /// The workload whose metadata this server answers, in development.
    pub machine_id: Option<Ocid>,
    /// How refusals wait.
    pub beat: Beat,
    /// What vouches for the rows, if the store was opened with it.
    pub vouching: Option<Vouching>,
    /// Where traces go, if requests are traced.
    pub tracing: Option<Tracing>,
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The store cannot be read, or is not as it was left.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file holds no checkpoint.
    #[error("the checkpoint `{}` cannot be read: {why}", file.display())]
    Checkpoint {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The store is older than a checkpoint.
    #[error("the store is older than the checkpoint `{}` of {time}: {why}", file.display())]
    RolledBack {
        /// The checkpoint.
        file: PathBuf,
        /// When it was made.
        time: Timestamp,
        /// What is missing.
        why: String,
    },
}

/// What every request of a server shares.
#[derive(Debug)]
pub struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) lifecycle_clock: Arc<dyn Clock>,
    pub(crate) turnable_clock: Option<Arc<TurnableClock>>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) region: &'static Region,
    /// What this region signs with, and what others seal for.
    pub(crate) region_keys: RegionKeys,
    /// What requests are known again by.
    pub(crate) retry_key: RetryKey,
    /// How the other regions are doing.
    pub(crate) region_watch: RegionWatch,
    /// The region's key as policies know it: `IAD`.
    region_key: String,
    pub(crate) semantics: Semantics,
    pub(crate) limits: Limits,
    pub(crate) backup_places: Vec<BackupPlace>,
    pub(crate) targets: Targets,
    pub(crate) rotations: Rotations,
    pub(crate) duty: Duty,
    pub(crate) nodes: Nodes,
    pub(crate) limiter: Limiter,
    pub(crate) readiness: Readiness,
    pub(crate) sightings: Sightings,
    pub(crate) expected: Vec<AddressRange>,
    pub(crate) audit: AuditLog,
    pub(crate) tracer: Option<Tracer>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) endpoints: Endpoints,
    /// Whether what was deleted may still stand in the store's files.
    pub(crate) forgets: AtomicBool,
    /// Whether the clock may be wrong, as long as nobody has looked too.
    pub(crate) doubts_clock: AtomicBool,
    /// Held while a key that signs certificates or tokens is made.
    pub(crate) signers: tokio::sync::Mutex<()>,
    /// The machine that this server is, in development.
    pub(crate) machine: Option<Machine>,
    pub(crate) beat: Beat,
    pub(crate) vouching: Option<Vouching>,
    /// What is wrong with the store, once that was found.
    alarmed: OnceLock<String>,
    pub(crate) root_file: Option<PathBuf>,
    /// Told when the root key begins to be rotated.
    pub(crate) resealing: Notify,
    /// Read by every change from the moment it was found allowed until it is settled.
    changing: tokio::sync::RwLock<()>,
    catalog: CatalogCell,
    audit_keys: Arc<AuditKeys>,
}

impl Shared {
    /// Verifies the store, and loads what is kept in memory.
    ///
    /// # Errors
    /// A [`LoadError`] if the store cannot be read, is not as it was left, or a key in it does not
    /// open under the root key.
    pub async fn load(parts: Parts) -> Result<Arc<Self>, LoadError> {
        let metrics = Arc::new(Metrics::new());
        let nodes = Nodes::new(&*parts.random, parts.is_alone);
        let measured = MeasuredStore { store: parts.store, metrics: Arc::clone(&metrics) };
        let store: Arc<dyn Store> = Arc::new(measured);
        let taken_back = match &parts.vouching {
            Some(vouching) => ledger::take_up(vouching, &*store).await?,
            None => None,
        };
        let keys = Arc::new(Keys { root: HeldRoot::new(parts.root_key), token: parts.token });
        let audit_keys = Arc::new(AuditKeys::new(&*parts.random));
        let kept = (SecretCache::new(parts.secret_cache_bytes), Feed::new(&*parts.random));
        let catalog = CatalogCell::load(&*store, &keys, kept, parts.semantics).await?;
        let known = catalog.fresh(&*store, &keys).await?.catalog;
        let here = known.regions.here.as_ref().unwrap_or(&known.tenancy.home_region);
        let region = Region::named(here)
            .ok_or_else(|| StoreError::Corrupt("the region is unknown".to_owned()))?;
        let region_keys = RegionKeys::derive(&known.roots.current)
            .map_err(|error| StoreError::Corrupt(format!("the region's keys: {error}")))?;
        let retry_key = RetryKey::derive(&known.roots.current)
            .map_err(|error| StoreError::Corrupt(format!("the key of retry tokens: {error}")))?;
        let shared = Arc::new(Self {
            audit: AuditLog::start(Arc::clone(&store), Arc::clone(&audit_keys)),
            tracer: parts.tracing.map(|tracing| Tracer::start(tracing, &metrics)),
            store,
            metrics,
            keys,
            lifecycle_clock: match &parts.turnable_clock {
                Some(clock) => Arc::<TurnableClock>::clone(clock),
                None => Arc::clone(&parts.clock),
            },
            turnable_clock: parts.turnable_clock,
            clock: parts.clock,
            duty: Duty::new(nodes.name.clone(), parts.is_alone),
            nodes,
            limiter: Limiter::new(&parts.rates),
            random: parts.random,
            region,
            region_keys,
            retry_key,
            region_watch: RegionWatch::default(),
            region_key: region.key.to_uppercase(),
            semantics: parts.semantics,
            limits: parts.limits,
            backup_places: parts.backup_places,
            targets: parts.targets,
            rotations: Rotations::default(),
            readiness: Readiness::default(),
            sightings: Sightings::default(),
            expected: parts.expected_networks,
            endpoints: Endpoints::default(),
            forgets: AtomicBool::new(true),
            doubts_clock: AtomicBool::new(true),
            signers: tokio::sync::Mutex::default(),
            machine: parts.machine_id.map(Machine::new),
            beat: parts.beat,
            vouching: parts.vouching,
            alarmed: OnceLock::new(),
            root_file: parts.root_file,
            resealing: Notify::new(),
            changing: tokio::sync::RwLock::default(),
            catalog,
            audit_keys,
        });
        if let Some(why) = taken_back {
            shared.record_rollback(why).await?;
        }
        Ok(shared)
    }

    /// Records that a store was taken that is older than it was.
    async fn record_rollback(&self, why: String) -> Result<(), StoreError> {
        let id = RequestId::compose(None, &*self.random);
        let (time, source) = (self.clock.now(), "server".to_owned());
        let mut record = AuditRecord::begun(time, id.as_str().to_owned(), source);
        "ACCEPT-ROLLBACK".clone_into(&mut record.action);
        record.reason = Some(why);
        self.audit.write(&record, None).await
    }

    /// Ends all answers and all work: the store is not what it should be.
    pub(crate) fn alarm(&self, why: &str) {
        tracing::error!(
            why,
            "the store was changed by somebody else: nothing is answered any more"
        );
        self.alarmed.get_or_init(|| why.to_owned());
    }

    /// Refuses if there was an alarm.
    pub(crate) fn check_alarm(&self) -> Result<(), StoreError> {
        match self.alarmed.get() {
            Some(why) => Err(StoreError::Io(why.clone())),
            None => Ok(()),
        }
    }

    /// Returns the policies, users, vaults and keys as of now: every change acknowledged before the
    /// call is in it.
    pub(crate) async fn catalog(&self) -> Result<Arc<Catalog>, StoreError> {
        Ok(self.view().await?.catalog)
    }

    /// Returns them as they are known here, without asking the store.
    pub(crate) fn known(&self) -> Arc<Catalog> {
        self.catalog.known()
    }

    /// Returns a text that no other has, and that sorts by time.
    pub(crate) fn stamp(&self, time: Timestamp) -> String {
        self.audit_keys.stamp(time)
    }

    /// Returns the same with the place in history that it stands for. Nobody gets it after an alarm:
    /// what begins with a look at it is not begun.
    pub(crate) async fn view(&self) -> Result<View, StoreError> {
        self.check_alarm()?;
        self.catalog.fresh(&*self.store, &self.keys).await
    }

    /// Returns the region's key as policies know it, such as `IAD`.
    pub(crate) fn region_key(&self) -> &str {
        &self.region_key
    }

    /// Returns the bounds of a secret's versions at a time.
    pub(crate) const fn moment(&self, now: Timestamp) -> Moment {
        Moment {
            now,
            active_versions_max: self.limits.active_secret_versions,
            pending_versions_max: self.limits.pending_secret_versions,
        }
    }

    /// Returns the cache of secrets.
    pub(crate) const fn secrets(&self) -> &SecretCache {
        &self.catalog.secrets
    }

    /// Returns the changes of secrets.
    pub(crate) const fn feed(&self) -> &Feed {
        &self.catalog.feed
    }

    /// Commits `batch` together with the record of its request: neither exists without the other.
    pub(crate) async fn commit(
        &self,
        batch: Batch,
        record: &AuditRecord,
    ) -> Result<Revision, StoreError> {
        let _under_way = self.changing.read().await;
        self.check_alarm()?;
        let committed = self.commit_past_gate(while_writable(batch), record).await;
        committed.map_err(read_only_if_gated)
    }

    /// Commits `batch` though nothing else may be changed.
    pub(crate) async fn commit_past_gate(
        &self,
        batch: Batch,
        record: &AuditRecord,
    ) -> Result<Revision, StoreError> {
        self.check_alarm()?;
        let row = rows::encode(&[record])?;
        let batch = regions::note(self, batch, record.time).await?;
        let is_told = std::iter::once("s/")
            .chain(rows::RIGHTS)
            .any(|prefix| batch.writes_below(prefix.as_bytes()));
        let revision = self.store.commit(batch.put(self.audit_keys.at(record.time), row)).await?;
        if is_told {
            self.feed().beat();
        }
        Ok(revision)
    }

    /// Commits what falls due, unless another node has taken over.
    pub(crate) async fn commit_on(
        &self,
        shift: &Shift,
        batch: Batch,
        record: &AuditRecord,
    ) -> Result<Revision, StoreError> {
        let revision = self.commit(shift.fence(batch), record).await?;
        self.metrics.note_scheduled(record.operation.unwrap_or("none"));
        Ok(revision)
    }

    /// Commits what is the work of no request.
    pub(crate) async fn commit_unrecorded(&self, batch: Batch) -> Result<Revision, StoreError> {
        let _under_way = self.changing.read().await;
        self.check_alarm()?;
        self.store.commit(while_writable(batch)).await.map_err(read_only_if_gated)
    }

    /// Waits until every change that was found allowed before is settled.
    pub(crate) async fn changes_settled(&self) {
        drop(self.changing.write().await);
    }

    /// Tells whether scheduled work has to wait.
    pub(crate) async fn is_read_only(&self) -> bool {
        match self.catalog().await {
            Ok(catalog) => catalog.is_read_only,
            Err(_) => self.check_alarm().is_err(),
        }
    }

    /// Where a new key's material is to be: as asked, or where this server protects best.
    pub(crate) fn protection_mode(
        &self,
        asked: Option<ProtectionMode>,
    ) -> Result<ProtectionMode, Refusal> {
        match (asked, &self.keys.token) {
            (Some(ProtectionMode::Software), _) | (None, None) => Ok(ProtectionMode::Software),
            (Some(ProtectionMode::Hsm) | None, Some(_)) => Ok(ProtectionMode::Hsm),
            (Some(ProtectionMode::Hsm), None) => {
                let rule = "must be SOFTWARE: this server has no HSM configured";
                Err(Refusal::invalid("protectionMode", rule))
            }
        }
    }

    /// Destroys what the token holds of a key version that is deleted, or that never came to be.
    /// Tells whether the token holds nothing of it.
    pub(crate) async fn destroy_in_token(&self, version: &Ocid) -> bool {
        let Some(token) = &self.keys.token else { return false };
        let destroyed = token.destroy(token_id(version)).await;
        if let Err(error) = &destroyed {
            tracing::warn!(%version, %error, "the token still holds a key that is of no use");
        }
        destroyed.is_ok()
    }

    /// Tells whether the token holds the key of a version.
    pub(crate) async fn is_in_token(&self, version: &Ocid) -> Result<bool, TokenError> {
        match &self.keys.token {
            Some(token) => token.exists(token_id(version)).await,
            None => Ok(false),
        }
    }

    /// Makes the OCID of a new version of `key`.
    pub(crate) fn new_version_id(&self, tag: &VaultTag) -> Ocid {
        Ocid::in_vault(OcidKind::KeyVersion, self.region, tag, &*self.random)
    }

    /// Returns the tenancy's identifier.
    ///
    /// # Errors
    /// A [`StoreError`] if the store cannot be read.
    pub async fn tenancy_id(&self) -> Result<Ocid, StoreError> {
        Ok(self.catalog().await?.tenancy.id.clone())
    }

    /// Returns the URL of a vault's management and crypto endpoint, once the server answers.
    ///
    /// # Errors
    /// A [`StoreError`] if the store cannot be read.
    pub async fn vault_endpoint(&self, vault_id: &Ocid) -> Result<Option<String>, StoreError> {
        let catalog = self.catalog().await?;
        Ok(catalog.vaults.get(vault_id).map(|entry| self.endpoints.url(entry.port)))
    }

    /// Returns the region that the server stands for.
    #[must_use]
    pub const fn region(&self) -> &'static Region {
        self.region
    }
}

/// Has a commit fail where the store takes no changes, whichever node said so.
fn while_writable(batch: Batch) -> Batch {
    batch.require(rows::read_only(), Require::Absent)
}

fn read_only_if_gated(error: StoreError) -> StoreError {
    match error {
        StoreError::Conflict { key } if key == rows::read_only() => StoreError::ReadOnly,
        other => other,
    }
}

#[cfg(test)]
impl Shared {
    /// Loads a store that no other process has open, with nothing around it.
    pub(crate) async fn in_test(store: Arc<dyn Store>, root_key: RootKey) -> Arc<Self> {
        let parts = Parts {
            store,
            is_alone: true,
            root_key,
            root_file: None,
            token: None,
            clock: Arc::new(strongroom_model::SystemClock),
            turnable_clock: None,
            random: Arc::new(strongroom_keyring::SystemRandom),
            semantics: Semantics::Strict,
            limits: Limits::WIDE,
            rates: Rates::default(),
            secret_cache_bytes: 0,
            backup_places: Vec::new(),
            targets: Targets::new(),
            expected_networks: Vec::new(),
            machine_id: None,
            beat: Beat::Exact,
            vouching: None,
            tracing: None,
        };
        Self::load(parts).await.unwrap()
    }
}
