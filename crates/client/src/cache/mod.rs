//! Contents that were read lately, kept in this process: how long is decided by TTLs, by the feed of
//! changes where the vault has one, and by every refusal.

mod entry;
mod fault;
mod feed;
mod flight;
mod key;
mod lifetimes;
mod measure;
mod metrics;
mod shared;
mod tending;
mod upstream;

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use quick_cache::sync::Cache;
use strongroom_model::{Clock, Random};
use tokio::sync::Semaphore;

pub use self::entry::{CachedSecret, RenderedSecret};
pub use self::fault::CacheError;
pub use self::key::{SecretKey, SecretName};
pub use self::lifetimes::{Lifetimes, NEGATIVE_MAX, STALE_IF_ERROR_MAX, SecurityClass, TTL_MAX};
pub use self::measure::ToldTime;
pub use self::metrics::CacheMetrics;
pub use self::upstream::Upstream;

use self::entry::{Bytes, Evictions};
use self::key::Brought;
use self::lifetimes::Chosen;
use self::measure::Measure;
use self::metrics::Counters;
use self::shared::Shared;
use self::tending::Tasks;

/// Entries that room is made for at first.
const ENTRIES: usize = 1024;

/// How a cache is set up.
#[derive(Debug, Clone, Copy)]
pub struct CacheSettings {
    /// Memory for what is held, in bytes.
    pub capacity_bytes: u64,
    /// How long contents are kept, unless it is said for a secret.
    pub lifetimes: Lifetimes,
    /// How many calls are made at the same time at most.
    pub calls_max: usize,
    /// How long a read waits for an answer while there is a value that may be used beyond its TTL.
    pub patience: Duration,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            capacity_bytes: 16 * 1024 * 1024,
            lifetimes: Lifetimes::default(),
            calls_max: 16,
            patience: Duration::from_secs(1),
        }
    }
}

/// Keeps contents of secrets that were read lately.
///
/// However many ask for the same at once, one call is made. A value that is in use is asked for again
/// before its TTL is over, while it goes on being answered. Clones share what is held; what is held
/// is wiped and the tasks end with the last of them.
#[derive(Debug)]
pub struct SecretCache<U> {
    shared: Arc<Shared<U>>,
    tasks: Arc<Tasks>,
}

impl<U> Clone for SecretCache<U> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), tasks: Arc::clone(&self.tasks) }
    }
}

impl<U: Upstream> SecretCache<U> {
    /// Makes a cache and starts its tasks: within a Tokio runtime only.
    ///
    /// # Errors
    /// [`CacheError::LifetimeTooLong`].
    pub fn start(
        upstream: U,
        settings: CacheSettings,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, CacheError> {
        Self::start_by(upstream, settings, Measure::Running, clock, random)
    }

    /// Makes a cache for which time passes only as it is told: what it would do in a month is seen in
    /// a moment. Pauses and time-outs go on by the runtime's time.
    ///
    /// # Errors
    /// [`CacheError::LifetimeTooLong`].
    pub fn start_on_told_time(
        upstream: U,
        settings: CacheSettings,
        told: &Arc<ToldTime>,
        random: Arc<dyn Random>,
    ) -> Result<Self, CacheError> {
        let clock: Arc<dyn Clock> = Arc::<ToldTime>::clone(told);
        Self::start_by(upstream, settings, Measure::Told(Arc::clone(told)), clock, random)
    }

    fn start_by(
        upstream: U,
        settings: CacheSettings,
        measure: Measure,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, CacheError> {
        settings.lifetimes.check()?;
        let counters = Arc::<Counters>::default();
        let evictions = Evictions(Arc::clone(&counters));
        let held = Cache::with(ENTRIES, settings.capacity_bytes, Bytes, Brought, evictions);
        let shared = Arc::new(Shared {
            upstream: Arc::new(upstream),
            measure,
            clock,
            random,
            counters,
            held,
            flights: Mutex::default(),
            lifetimes: RwLock::new(Chosen { usual: settings.lifetimes, ..Chosen::default() }),
            calls: Semaphore::new(settings.calls_max.max(1)),
            patience: settings.patience,
            is_silent: AtomicBool::new(false),
        });
        let tasks = Arc::new(Tasks::start(&shared));
        Ok(Self { shared, tasks })
    }

    /// Returns a secret's content, from memory or from the service.
    ///
    /// # Errors
    /// A [`CacheError`], the same for everybody who waited for the same call.
    #[inline]
    pub async fn get(&self, key: &SecretKey) -> Result<CachedSecret, CacheError> {
        match self.shared.glance(key) {
            Some(found) => Ok(found),
            None => Box::pin(self.shared.look(key)).await,
        }
    }

    /// Returns a secret's content if it is held and it is not time to ask again; never waits.
    #[inline]
    #[must_use]
    pub fn held(&self, key: &SecretKey) -> Option<CachedSecret> {
        self.shared.glance(key)
    }

    /// Lays down how long contents of one key are kept, from when they were read: what is held goes
    /// by it too. `rotation_interval` is how often the secret rotates, where that is known.
    ///
    /// # Errors
    /// [`CacheError::TtlExceedsRotation`] and [`CacheError::LifetimeTooLong`]; nothing has changed
    /// then.
    pub fn set_lifetimes(
        &self,
        key: &SecretKey,
        lifetimes: Lifetimes,
        rotation_interval: Option<Duration>,
    ) -> Result<(), CacheError> {
        if let Some(interval) = rotation_interval {
            lifetimes.check_rotation(key.title(), interval)?;
        }
        lifetimes.check()?;
        self.shared.choose(|chosen| {
            chosen.of_keys.insert(key.clone(), lifetimes);
        });
        Ok(())
    }

    /// Lays down how long contents of all keys are kept, in place of all that was laid down before:
    /// those of `of_keys` by their own lifetimes, others as is `usual`. What is held goes by it too.
    ///
    /// # Errors
    /// [`CacheError::LifetimeTooLong`]; nothing has changed then.
    pub fn replace_lifetimes(
        &self,
        usual: Lifetimes,
        of_keys: HashMap<SecretKey, Lifetimes>,
    ) -> Result<(), CacheError> {
        usual.check()?;
        of_keys.values().try_for_each(Lifetimes::check)?;
        self.shared.choose(|chosen| *chosen = Chosen { usual, of_keys });
        Ok(())
    }

    /// Does what [`Self::set_lifetimes`] does with the interval that [`Self::check_lifetimes`] asks for.
    ///
    /// # Errors
    /// A [`CacheError`]; nothing has changed then.
    pub async fn set_checked_lifetimes(
        &self,
        key: &SecretKey,
        lifetimes: Lifetimes,
    ) -> Result<(), CacheError> {
        self.check_lifetimes(key, lifetimes).await?;
        self.set_lifetimes(key, lifetimes, None)
    }

    /// Checks lifetimes against the interval that the service tells: the shorter of the one in which
    /// the secret rotates and the one in which its versions expire. Needs the permission to read the
    /// secret's description.
    ///
    /// # Errors
    /// A [`CacheError`].
    pub async fn check_lifetimes(
        &self,
        key: &SecretKey,
        lifetimes: Lifetimes,
    ) -> Result<(), CacheError> {
        lifetimes.check()?;
        let secret_id = match key.secret() {
            SecretName::Id(id) => id.clone(),
            SecretName::InVault { .. } => self.get(key).await?.bundle().secret_id.clone(),
        };
        let permit = self.shared.calls.acquire().await;
        let _permit = permit.map_err(|_closed| CacheError::broken_off(key))?;
        let interval = self.shared.upstream.rotation_interval(&secret_id).await;
        match interval.map_err(|error| CacheError::upstream(key, error))? {
            Some(interval) => lifetimes.check_rotation(key.title(), interval),
            None => Ok(()),
        }
    }

    /// Forgets every version of a secret. What calls under way bring is not kept.
    pub fn invalidate(&self, secret_id: &str) {
        self.shared.invalidate(secret_id, None);
    }

    /// Forgets everything. What calls under way bring is not kept.
    pub fn invalidate_all(&self) {
        self.shared.invalidate_all();
    }

    /// Returns what the cache has done, and what it holds.
    #[must_use]
    pub fn metrics(&self) -> CacheMetrics {
        let entries = u64::try_from(self.shared.held.len()).unwrap_or(u64::MAX);
        self.shared.counters.read(entries, self.shared.held.weight())
    }
}
