use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::entry::{CachedSecret, Entry, Held};
use super::fault::CacheError;
use super::key::{Brought, SecretKey};
use super::shared::{Shared, Step};
use super::upstream::Upstream;
use crate::answers::SecretBundle;

/// What a call came to, for everybody who waits for it.
pub(super) type Outcome = Result<Arc<Entry>, CacheError>;

/// A call under way. It goes on if those who wait for it go away.
#[derive(Debug, Clone)]
pub(super) struct Flight {
    number: u64,
    landed: watch::Receiver<Option<Outcome>>,
}

/// The calls under way whose values may be kept, at most one for each key.
#[derive(Debug, Default)]
pub(super) struct Flights {
    under_way: HashMap<SecretKey, Flight, Brought>,
    begun: u64,
}

impl Flights {
    /// Takes a call off; absent if its value may not be kept.
    pub(super) fn land(&mut self, key: &SecretKey, number: u64) -> bool {
        let is_expected = self.under_way.get(key).is_some_and(|flight| flight.number == number);
        if is_expected {
            self.under_way.remove(key);
        }
        is_expected
    }

    /// Gives up the calls of some keys: those who wait for them get what they bring, and it is not
    /// kept. Returns how many there were.
    pub(super) fn spoil(&mut self, concerns: impl Fn(&SecretKey) -> bool) -> u64 {
        let before = self.under_way.len();
        self.under_way.retain(|key, _flight| !concerns(key));
        u64::try_from(before - self.under_way.len()).unwrap_or(u64::MAX)
    }
}

impl Flight {
    /// Waits until the call has come to something.
    async fn land(mut self, key: &SecretKey) -> Outcome {
        match self.landed.wait_for(Option::is_some).await {
            Ok(landed) => landed.clone().unwrap_or_else(|| Err(CacheError::broken_off(key))),
            Err(_broken_off) => Err(CacheError::broken_off(key)),
        }
    }
}

/// Takes a call off if it does not come back: it panicked, or the runtime stops.
struct Boarded<'a, U> {
    shared: &'a Shared<U>,
    key: &'a SecretKey,
    number: u64,
    has_landed: bool,
}

impl<U> Drop for Boarded<'_, U> {
    fn drop(&mut self) {
        if self.has_landed {
            return;
        }
        self.shared.counters.failures.add(1);
        let broken_off = Err(CacheError::broken_off(self.key));
        drop(self.shared.land(self.key, self.number, broken_off));
    }
}

impl<U: Upstream> Shared<U> {
    /// Answers a read that [`Shared::glance`] does not answer.
    pub(super) async fn look(
        self: &Arc<Self>,
        key: &SecretKey,
    ) -> Result<CachedSecret, CacheError> {
        if self.lifetimes_of(key).ttl.is_zero() {
            self.counters.misses.add(1);
            let (bundle, read_at) = self.fetch(key).await?;
            let lifetimes = self.lifetimes_of(key);
            let entry = self.entry(bundle, read_at, lifetimes);
            return Ok(CachedSecret::new(entry, false));
        }
        match self.step(key) {
            Step::Answer(answer) => answer,
            Step::Wait { flight, fallback: None } => {
                let entry = flight.land(key).await?;
                Ok(CachedSecret::new(entry, false))
            }
            Step::Wait { flight, fallback: Some(entry) } => {
                self.wait_or_fall_back(key, flight, &entry).await
            }
        }
    }

    /// Waits for a call while there is a value that may be used if it comes to nothing.
    async fn wait_or_fall_back(
        &self,
        key: &SecretKey,
        flight: Flight,
        entry: &Arc<Entry>,
    ) -> Result<CachedSecret, CacheError> {
        let error = match timeout(self.patience, flight.clone().land(key)).await {
            Ok(Ok(entry)) => return Ok(CachedSecret::new(entry, false)),
            Ok(Err(error)) => Some(error),
            Err(_elapsed) => {
                entry.leave_until(self.measure.now() + self.patience);
                None
            }
        };
        if let Some(stale) = self.fall_back(key) {
            self.counters.stale_answers.add(1);
            return Ok(stale);
        }
        match error {
            Some(error) => Err(error),
            None => flight.land(key).await.map(|entry| CachedSecret::new(entry, false)),
        }
    }

    /// Decides about a read with nothing happening meanwhile.
    fn step(self: &Arc<Self>, key: &SecretKey) -> Step {
        let mut flights = self.lock();
        let now = self.measure.now();
        match self.held.get(key) {
            Some(Held::There(entry)) if now < entry.fresh_until => {
                if entry.is_due(now) {
                    self.counters.refreshes.add(1);
                    self.board(&mut flights, key, Some(&entry));
                }
                self.counters.hit(key.hash());
                Step::Answer(Ok(CachedSecret::new(entry, false)))
            }
            Some(Held::There(entry)) if now < entry.stale_until => {
                if !entry.is_due(now) && !entry.is_called_for() {
                    self.counters.stale_answers.add(1);
                    return Step::Answer(Ok(CachedSecret::new(entry, true)));
                }
                self.counters.misses.add(1);
                let flight = self.board(&mut flights, key, Some(&entry));
                Step::Wait { flight, fallback: Some(entry) }
            }
            Some(Held::Lack(lack)) if now < lack.until => {
                self.counters.negative_answers.add(1);
                Step::Answer(Err(lack.error.clone()))
            }
            Some(_) | None => {
                self.counters.misses.add(1);
                let flight = self.board(&mut flights, key, None);
                Step::Wait { flight, fallback: None }
            }
        }
    }

    /// Joins the call under way for a key, or begins one.
    fn board(
        self: &Arc<Self>,
        flights: &mut Flights,
        key: &SecretKey,
        entry: Option<&Arc<Entry>>,
    ) -> Flight {
        if let Some(entry) = entry {
            entry.call();
        }
        if let Some(flight) = flights.under_way.get(key) {
            return flight.clone();
        }
        flights.begun += 1;
        let number = flights.begun;
        let (seats, landed) = watch::channel(None);
        let flight = Flight { number, landed };
        flights.under_way.insert(key.clone(), flight.clone());
        let (shared, key) = (Arc::clone(self), key.clone());
        drop(tokio::spawn(async move {
            let outcome = shared.fly(&key, number).await;
            seats.send_replace(Some(outcome));
        }));
        flight
    }

    async fn fly(&self, key: &SecretKey, number: u64) -> Outcome {
        let mut boarded = Boarded { shared: self, key, number, has_landed: false };
        let fetched = self.fetch(key).await;
        boarded.has_landed = true;
        self.land(key, number, fetched)
    }

    /// Makes a call, when there are not too many others under way.
    async fn fetch(&self, key: &SecretKey) -> Result<(SecretBundle, Instant), CacheError> {
        let permit = self.calls.acquire().await;
        let _permit = permit.map_err(|_closed| CacheError::broken_off(key))?;
        self.counters.calls.add(1);
        let begun = self.measure.now();
        let fetched = self.upstream.bundle(key).await;
        if fetched.is_err() {
            self.counters.failures.add(1);
        }
        let bundle = fetched.map_err(|error| CacheError::upstream(key, error))?;
        Ok((bundle, begun))
    }
}
