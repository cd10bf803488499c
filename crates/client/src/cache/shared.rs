use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use strongroom_model::{Clock, Random};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::entry::{CachedSecret, Entry, Held, HeldSecrets, Lack, put};
use super::fault::{CacheError, Meaning};
use super::flight::{Flight, Flights, Outcome};
use super::key::SecretKey;
use super::lifetimes::{Chosen, Lifetimes, pause_after};
use super::measure::Measure;
use super::metrics::Counters;
use crate::answers::SecretBundle;

/// What all handles of a cache and its tasks share.
#[derive(Debug)]
pub(super) struct Shared<U> {
    pub(super) upstream: Arc<U>,
    pub(super) measure: Measure,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
    pub(super) counters: Arc<Counters>,
    pub(super) held: HeldSecrets,
    /// The calls under way that may still leave something here. Whoever changes what is held has
    /// this lock, so that nothing is kept that was read before an invalidation.
    pub(super) flights: Mutex<Flights>,
    pub(super) lifetimes: RwLock<Chosen>,
    pub(super) calls: Semaphore,
    pub(super) patience: Duration,
    /// Whether the last call that came back had no answer.
    pub(super) is_silent: AtomicBool,
}

/// What a read that is not answered at once does.
pub(super) enum Step {
    Answer(Result<CachedSecret, CacheError>),
    /// Waits for a call; if it comes to nothing, or takes too long, there may be a value to use.
    Wait {
        flight: Flight,
        fallback: Option<Arc<Entry>>,
    },
}

impl<U> Shared<U> {
    pub(super) fn lock(&self) -> MutexGuard<'_, Flights> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lifetimes_of(&self, key: &SecretKey) -> Lifetimes {
        self.lifetimes.read().unwrap_or_else(PoisonError::into_inner).of(key)
    }

    /// Lays down other lifetimes, for what is held too: it counts as if it had been read under them.
    pub(super) fn choose(&self, choose: impl FnOnce(&mut Chosen)) {
        let _flights = self.lock();
        let mut chosen = self.lifetimes.write().unwrap_or_else(PoisonError::into_inner);
        let before = chosen.clone();
        choose(&mut chosen);
        let others = self.held.iter().filter_map(|(key, held)| match held {
            Held::There(entry) if before.of(&key) != chosen.of(&key) => {
                let other = entry.under(chosen.of(&key), &*self.random);
                Some((key, other))
            }
            _ => None,
        });
        let others: Vec<_> = others.collect();
        drop(chosen);
        let now = self.measure.now();
        for (key, entry) in others {
            if now < entry.stale_until {
                put(&self.held, key, Held::There(Arc::new(entry)));
            } else {
                self.held.remove(&key);
                self.counters.invalidations.add(1);
            }
        }
    }

    /// Answers from what is held, if it is inside its TTL and it is not time to ask again.
    #[inline]
    pub(super) fn glance(&self, key: &SecretKey) -> Option<CachedSecret> {
        let Some(Held::There(entry)) = self.held.get(key) else { return None };
        let now = self.measure.now();
        if now < entry.refresh_at || (now < entry.fresh_until && !entry.is_due(now)) {
            self.counters.hit(key.hash());
            return Some(CachedSecret::new(entry, false));
        }
        None
    }

    /// Returns the value that is held now, if it may still be used.
    pub(super) fn fall_back(&self, key: &SecretKey) -> Option<CachedSecret> {
        let Some(Held::There(entry)) = self.held.get(key) else { return None };
        let now = self.measure.now();
        let is_stale = now >= entry.fresh_until;
        (now < entry.stale_until).then(|| CachedSecret::new(entry, is_stale))
    }

    /// Makes an entry of what was read.
    pub(super) fn entry(
        &self,
        bundle: SecretBundle,
        read_at: Instant,
        lifetimes: Lifetimes,
    ) -> Arc<Entry> {
        Arc::new(Entry::new(bundle, read_at, lifetimes, self.measure.clone(), &*self.random))
    }

    /// Takes what a call came to. It is kept if nothing has happened meanwhile that it cannot know of.
    pub(super) fn land(
        &self,
        key: &SecretKey,
        number: u64,
        fetched: Result<(SecretBundle, Instant), CacheError>,
    ) -> Outcome {
        let mut flights = self.lock();
        let lifetimes = self.lifetimes_of(key);
        let is_expected = flights.land(key, number);
        self.hear(fetched.as_ref().err());
        let outcome = fetched.map(|(bundle, read_at)| self.entry(bundle, read_at, lifetimes));
        match &outcome {
            Ok(entry) if is_expected => {
                put(&self.held, key.clone(), Held::There(Arc::clone(entry)));
            }
            Err(error) if is_expected => return Err(self.keep_failure(key, lifetimes, error)),
            _ => {}
        }
        outcome
    }

    /// Takes note whether the service answers. When it does again, nobody waits out a pause that was
    /// drawn while it did not.
    fn hear(&self, error: Option<&CacheError>) {
        let is_silent = error.is_some_and(CacheError::is_silence);
        self.counters.is_unanswered.store(is_silent, Ordering::Relaxed);
        let was_silent = self.is_silent.swap(is_silent, Ordering::Relaxed);
        if is_silent || !was_silent {
            return;
        }
        let now = self.measure.now();
        self.held.retain(|_key, held| match held {
            Held::There(entry) => {
                entry.wake(now);
                true
            }
            Held::Lack(lack) => !lack.error.is_silence(),
        });
    }

    /// Draws from a failure what is to be held, and returns what those who wait are told.
    fn keep_failure(
        &self,
        key: &SecretKey,
        lifetimes: Lifetimes,
        error: &CacheError,
    ) -> CacheError {
        let now = self.measure.now();
        let error = error.clone();
        let (usable, before, read_at) = match self.held.get(key) {
            Some(Held::There(entry)) => {
                let is_usable = match error.meaning() {
                    Meaning::Passing => now < entry.stale_until,
                    Meaning::Broken => now < entry.fresh_until,
                    Meaning::Absent | Meaning::Refused => false,
                };
                let read_at = entry.read_at;
                (is_usable.then_some(entry), 0, Some(read_at))
            }
            Some(Held::Lack(lack)) => (None, lack.failures, lack.read_at),
            None => (None, 0, None),
        };
        if let Some(entry) = usable {
            entry.fail(now, &error, &*self.random);
            return error;
        }
        let (lasts, failures) = match error.meaning() {
            Meaning::Absent => (lifetimes.negative, 0),
            Meaning::Passing => {
                let failures = before.saturating_add(1);
                (pause_after(error.client_error(), failures, &*self.random), failures)
            }
            Meaning::Refused | Meaning::Broken => (Duration::ZERO, 0),
        };
        let is_passing = error.meaning() == Meaning::Passing;
        let read_at = read_at.filter(|_| is_passing);
        let error = match read_at {
            Some(read_at) => error.too_old(key, now - read_at),
            None => error,
        };
        if lasts.is_zero() {
            self.held.remove(key);
        } else {
            let lack = Lack { error: error.clone(), until: now + lasts, failures, read_at };
            put(&self.held, key.clone(), Held::Lack(Arc::new(lack)));
        }
        error
    }

    /// Forgets a secret that changed: what is held of it, and calls under way that may not know.
    pub(super) fn invalidate(&self, secret_id: &str, name: Option<&str>) {
        let mut flights = self.lock();
        let spoiled = flights.spoil(|key| key.may_name(secret_id, name));
        let before = self.held.len();
        self.held.retain(|key, held| {
            let is_it = match held {
                Held::There(entry) => entry.bundle.secret_id == secret_id,
                Held::Lack(_) => false,
            };
            !is_it && !key.may_name(secret_id, name)
        });
        let forgotten = u64::try_from(before.saturating_sub(self.held.len())).unwrap_or(u64::MAX);
        self.counters.invalidations.add(spoiled + forgotten);
    }

    /// Forgets everything.
    pub(super) fn invalidate_all(&self) {
        let mut flights = self.lock();
        let spoiled = flights.spoil(|_key| true);
        let held = u64::try_from(self.held.len()).unwrap_or(u64::MAX);
        self.held.clear();
        self.counters.invalidations.add(spoiled + held);
    }

    /// Lets go of what is over.
    pub(super) fn sweep(&self) {
        let now = self.measure.now();
        let flights = self.lock();
        self.held.retain(|_key, held| match held {
            Held::There(entry) => now < entry.stale_until,
            // Its failures count for as long as they may go on in a row.
            Held::Lack(lack) => now < lack.until + SWEEP_EVERY,
        });
        drop(flights);
    }
}

/// How often what is over is let go of, where nobody reads it any more.
pub(super) const SWEEP_EVERY: Duration = Duration::from_secs(30);
