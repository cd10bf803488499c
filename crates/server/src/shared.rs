use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use strongroom_keyring::pkcs11::{Token, TokenError};
use strongroom_keyring::{RootKey, token_id};
use strongroom_model::{
    AddressRange, Clock, Limits, Moment, Ocid, OcidKind, ProtectionMode, Random, Region, Timestamp,
    TurnableClock, VaultTag,
};
use strongroom_policy::Semantics;
use strongroom_store::{Batch, Store, StoreError};
use strongroom_wire::Refusal;

use crate::audit::{AuditKeys, AuditLog, AuditRecord};
use crate::backup_places::BackupPlace;
use crate::catalog::{Catalog, Keys};
use crate::catalog_cell::{CatalogCell, View};
use crate::duty::{Duty, Shift};
use crate::endpoints::Endpoints;
use crate::feed::Feed;
use crate::metadata::Machine;
use crate::metrics::{MeasuredStore, Metrics};
use crate::nodes::Nodes;
use crate::probes::Readiness;
use crate::rates::{Limiter, Rates};
use crate::rotation::Rotations;
use crate::rows;
use crate::secret_cache::SecretCache;
use crate::sightings::Sightings;
use crate::target::Targets;

/// What a server is made of.
#[derive(Debug)]
pub struct Parts {
    /// Where rows are kept.
    pub store: Arc<dyn Store>,
    /// Whether no other process can have the store open.
    pub is_alone: bool,
    /// The root of the key hierarchy.
    pub root_key: RootKey,
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
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) endpoints: Endpoints,
    /// Whether what was deleted may still stand in the store's files.
    pub(crate) forgets: AtomicBool,
    /// Held while a key that signs certificates or tokens is made.
    pub(crate) signers: tokio::sync::Mutex<()>,
    /// The machine that this server is, in development.
    pub(crate) machine: Option<Machine>,
    catalog: CatalogCell,
    audit_keys: Arc<AuditKeys>,
}

impl Shared {
    /// Loads what is kept in memory.
    ///
    /// # Errors
    /// A [`StoreError`] if the store cannot be read, or a key in it does not open under the root
    /// key.
    pub async fn load(parts: Parts) -> Result<Arc<Self>, StoreError> {
        let metrics = Arc::new(Metrics::new());
        let nodes = Nodes::new(&*parts.random, parts.is_alone);
        let measured = MeasuredStore { store: parts.store, metrics: Arc::clone(&metrics) };
        let store: Arc<dyn Store> = Arc::new(measured);
        let keys = Arc::new(Keys { root: parts.root_key, token: parts.token });
        let audit_keys = Arc::new(AuditKeys::new(&*parts.random));
        let kept = (SecretCache::new(parts.secret_cache_bytes), Feed::new(&*parts.random));
        let catalog = CatalogCell::load(&*store, &keys, kept, parts.semantics).await?;
        let home = catalog.fresh(&*store, &keys).await?.catalog.tenancy.home_region.clone();
        let region = Region::named(&home)
            .ok_or_else(|| StoreError::Corrupt("the home region is unknown".to_owned()))?;
        Ok(Arc::new(Self {
            audit: AuditLog::start(Arc::clone(&store), Arc::clone(&audit_keys)),
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
            signers: tokio::sync::Mutex::default(),
            machine: parts.machine_id.map(Machine::new),
            catalog,
            audit_keys,
        }))
    }

    /// Returns the policies, users, vaults and keys as of now: every change acknowledged before the
    /// call is in it.
    pub(crate) async fn catalog(&self) -> Result<Arc<Catalog>, StoreError> {
        Ok(self.view().await?.catalog)
    }

    /// Returns the same with the place in history that it stands for.
    pub(crate) async fn view(&self) -> Result<View, StoreError> {
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
    ) -> Result<strongroom_store::Revision, StoreError> {
        let row = rows::encode(&[record])?;
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
    ) -> Result<strongroom_store::Revision, StoreError> {
        let revision = self.commit(shift.fence(batch), record).await?;
        self.metrics.note_scheduled(record.operation.unwrap_or("none"));
        Ok(revision)
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

    /// Returns the tenancy's home region, which the server stands for.
    #[must_use]
    pub const fn region(&self) -> &'static Region {
        self.region
    }
}
