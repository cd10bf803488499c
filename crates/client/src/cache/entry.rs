use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use quick_cache::sync::Cache;
use quick_cache::{Lifecycle, Weighter};
use strongroom_model::{Random, Sensitive};
use tokio::time::Instant;

use super::fault::CacheError;
use super::key::{Brought, SecretKey};
use super::lifetimes::{Lifetimes, pause_after};
use super::measure::Measure;
use super::metrics::Counters;
use crate::answers::SecretBundle;

/// Bytes of an entry beyond its texts: the entry itself, its key, the cache's own.
const OVERHEAD_BYTES: usize = 512;
/// By how much a rendering that is kept may be longer than the content.
const RENDERING_BYTES: usize = 512;

/// What a read was answered with. The content is wiped when the last holder lets go of it.
#[derive(Debug, Clone)]
pub struct CachedSecret {
    entry: Arc<Entry>,
    is_stale: bool,
}

impl CachedSecret {
    pub(super) const fn new(entry: Arc<Entry>, is_stale: bool) -> Self {
        Self { entry, is_stale }
    }

    /// Returns the bundle as it was read.
    #[must_use]
    pub fn bundle(&self) -> &SecretBundle {
        &self.entry.bundle
    }

    /// Returns the content.
    #[must_use]
    pub fn content(&self) -> &Sensitive {
        &self.entry.bundle.content
    }

    /// Returns what `render` makes of the bundle, under a label that says what that is. The first
    /// rendering that is not much longer than the content is kept with it, and wiped with it: who
    /// asks for the same again gets that.
    #[must_use]
    pub fn rendered(
        &self,
        label: &str,
        render: impl Fn(&SecretBundle) -> Sensitive,
    ) -> RenderedSecret {
        let bundle = self.bundle();
        if self.entry.rendering.get().is_none() {
            let text = render(bundle);
            if text.expose().len() > room_for_rendering(bundle) {
                return RenderedSecret(Holder::Own(text));
            }
            // Somebody else may have been first.
            drop(self.entry.rendering.set(Rendering { label: label.into(), text }));
        }
        match self.entry.rendering.get() {
            Some(kept) if *kept.label == *label => {
                RenderedSecret(Holder::Entry(Arc::clone(&self.entry)))
            }
            _ => RenderedSecret(Holder::Own(render(bundle))),
        }
    }

    /// Tells whether the TTL was over when this was answered, because no answer came from the service.
    #[must_use]
    pub const fn is_stale(&self) -> bool {
        self.is_stale
    }

    /// Returns how long ago the value was asked for.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.entry.measure.now().saturating_duration_since(self.entry.read_at)
    }
}

/// A secret in the form that somebody wants; wiped when the last holder lets go of it.
#[derive(Debug)]
pub struct RenderedSecret(Holder);

#[derive(Debug)]
enum Holder {
    Entry(Arc<Entry>),
    Own(Sensitive),
}

impl AsRef<[u8]> for RenderedSecret {
    fn as_ref(&self) -> &[u8] {
        match &self.0 {
            Holder::Entry(entry) => {
                entry.rendering.get().map_or(&[], |rendering| rendering.text.expose())
            }
            Holder::Own(text) => text.expose(),
        }
    }
}

/// A form of the content, and what form that is.
#[derive(Debug)]
struct Rendering {
    label: Box<str>,
    text: Sensitive,
}

/// What is kept under a key.
#[derive(Debug, Clone)]
pub(super) enum Held {
    There(Arc<Entry>),
    Lack(Arc<Lack>),
}

/// Why there is no value, believed for a moment: a 404, or that the service did not answer.
#[derive(Debug)]
pub(super) struct Lack {
    pub(super) error: CacheError,
    pub(super) until: Instant,
    /// Failures in a row.
    pub(super) failures: u32,
    /// When the value that is too old by now was read, if there was one.
    pub(super) read_at: Option<Instant>,
}

/// A value and how long it may be used.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) bundle: SecretBundle,
    rendering: OnceLock<Rendering>,
    measure: Measure,
    /// When the call began: what was true at some later moment was read.
    pub(super) read_at: Instant,
    pub(super) refresh_at: Instant,
    pub(super) fresh_until: Instant,
    pub(super) stale_until: Instant,
    /// When the next call may be made, in nanoseconds from `read_at`; at the end of time if one is
    /// under way.
    due: AtomicU64,
    failures: AtomicU32,
}

impl Entry {
    pub(super) fn new(
        bundle: SecretBundle,
        read_at: Instant,
        lifetimes: Lifetimes,
        measure: Measure,
        random: &dyn Random,
    ) -> Self {
        let (refresh, fresh) = lifetimes.draw(random);
        let fresh_until = read_at + fresh;
        Self {
            bundle,
            rendering: OnceLock::new(),
            measure,
            read_at,
            refresh_at: read_at + refresh,
            fresh_until,
            stale_until: fresh_until + lifetimes.stale_if_error,
            due: AtomicU64::new(nanos(refresh)),
            failures: AtomicU32::new(0),
        }
    }

    /// Makes the entry that this one would be had it been read under other lifetimes. What was noted
    /// of calls stays.
    pub(super) fn under(&self, lifetimes: Lifetimes, random: &dyn Random) -> Self {
        let (bundle, measure) = (self.bundle.clone(), self.measure.clone());
        let other = Self::new(bundle, self.read_at, lifetimes, measure, random);
        let due = self.due.load(Ordering::Relaxed);
        if due != nanos(self.refresh_at - self.read_at) {
            other.due.store(due, Ordering::Relaxed);
        }
        other.failures.store(self.failures.load(Ordering::Relaxed), Ordering::Relaxed);
        other
    }

    /// Tells whether it is time for a call, and none is under way.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        nanos(now - self.read_at) >= self.due.load(Ordering::Relaxed)
    }

    /// Tells whether a call is under way that nobody has waited for in vain.
    pub(super) fn is_called_for(&self) -> bool {
        self.due.load(Ordering::Relaxed) == u64::MAX
    }

    /// Notes that a call is under way.
    pub(super) fn call(&self) {
        self.due.store(u64::MAX, Ordering::Relaxed);
    }

    /// Notes that there is nothing to wait for until then.
    pub(super) fn leave_until(&self, then: Instant) {
        self.due.store(nanos(then - self.read_at), Ordering::Relaxed);
    }

    /// Notes that a call did not succeed, and draws when the next may be made.
    pub(super) fn fail(&self, now: Instant, error: &CacheError, random: &dyn Random) {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        self.leave_until(now + pause_after(error.client_error(), failures, random));
    }

    /// Ends the pause after a call that did not succeed.
    pub(super) fn wake(&self, now: Instant) {
        if self.failures.load(Ordering::Relaxed) > 0 && !self.is_called_for() {
            self.leave_until(now);
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Entries count by what is long in them.
#[derive(Debug, Clone)]
pub(super) struct Bytes;

impl Weighter<SecretKey, Held> for Bytes {
    fn weight(&self, key: &SecretKey, held: &Held) -> u64 {
        let texts = match held {
            Held::Lack(_) => 0,
            Held::There(entry) => texts(&entry.bundle) + room_for_rendering(&entry.bundle),
        };
        u64::try_from(key.len() + texts + OVERHEAD_BYTES).unwrap_or(u64::MAX)
    }
}

fn room_for_rendering(bundle: &SecretBundle) -> usize {
    bundle.content.expose().len() + RENDERING_BYTES
}

fn texts(bundle: &SecretBundle) -> usize {
    let metadata = bundle.metadata.iter().map(|(name, value)| name.len() + value.to_string().len());
    let stages = bundle.stages.iter().map(String::len);
    let optional = [&bundle.version_name, &bundle.time_created];
    let optional = optional.into_iter().flatten().map(String::len);
    let fixed = bundle.content.expose().len() + bundle.secret_id.len();
    fixed + metadata.chain(stages).chain(optional).sum::<usize>()
}

/// Counts what makes room for others.
#[derive(Debug, Clone)]
pub(super) struct Evictions(pub(super) Arc<Counters>);

impl Lifecycle<SecretKey, Held> for Evictions {
    /// The key that is put in: what it had before does not make room for another.
    type RequestState = Option<SecretKey>;

    fn on_evict(&self, put: &mut Option<SecretKey>, key: SecretKey, _held: Held) {
        if put.as_ref() != Some(&key) {
            self.0.evictions.add(1);
        }
    }
}

/// What is held, by key.
pub(super) type HeldSecrets = Cache<SecretKey, Held, Bytes, Brought, Evictions>;

/// Puts in what a key has from now on.
pub(super) fn put(all: &HeldSecrets, key: SecretKey, held: Held) {
    all.insert_with_lifecycle(key.clone(), held, &mut Some(key));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Debug)]
    struct Zeros;

    impl Random for Zeros {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    fn entry() -> Arc<Entry> {
        let bundle = SecretBundle {
            secret_id: "s".to_owned(),
            version_number: 1,
            version_name: None,
            stages: Vec::new(),
            time_created: None,
            metadata: BTreeMap::new(),
            content: Sensitive::new(b"correct horse".to_vec()),
        };
        let (now, lifetimes) = (Instant::now(), Lifetimes::default());
        Arc::new(Entry::new(bundle, now, lifetimes, Measure::Running, &Zeros))
    }

    /// `Sensitive` wipes what it holds when it is dropped; nothing keeps it from that.
    #[test]
    fn what_is_evicted_replaced_or_removed_is_dropped_with_its_last_holder() {
        let counters = Arc::<Counters>::default();
        let cache = Cache::with(4, 4096, Bytes, Brought, Evictions(Arc::clone(&counters)));
        let key = |number: usize| SecretKey::of_id(&number.to_string());
        let evictions = || counters.read(0, 0).evictions;
        let held: Vec<_> = (0..100)
            .map(|number| {
                let entry = entry();
                put(&cache, key(number), Held::There(Arc::clone(&entry)));
                Arc::downgrade(&entry)
            })
            .collect();
        let alive = held.iter().filter(|entry| entry.upgrade().is_some()).count();
        assert_eq!(alive, cache.len());
        assert!(alive < 8 && evictions() == 100 - u64::try_from(alive).unwrap());
        for number in 0..100 {
            cache.remove(&key(number));
        }
        assert!(held.iter().all(|entry| entry.upgrade().is_none()));
        let (first, second) = (entry(), entry());
        let (seen, reader) = (Arc::downgrade(&first), CachedSecret::new(Arc::clone(&first), false));
        let before = evictions();
        put(&cache, key(0), Held::There(first));
        put(&cache, key(0), Held::There(second));
        assert_eq!(evictions(), before, "what is replaced makes no room");
        assert_eq!(reader.content().expose(), b"correct horse");
        drop(reader);
        assert!(seen.upgrade().is_none());
    }

    #[test]
    fn the_first_rendering_is_kept_with_the_content_and_no_other() {
        let (entry, renders) = (entry(), AtomicU32::new(0));
        let (held, kept) = (CachedSecret::new(Arc::clone(&entry), false), Arc::downgrade(&entry));
        drop(entry);
        let render = |label: &str, times: usize| {
            held.rendered(label, |bundle| {
                renders.fetch_add(1, Ordering::Relaxed);
                Sensitive::new([label.as_bytes(), bundle.content.expose()].concat().repeat(times))
            })
        };
        // Too long to be kept; then the first that is not; then others beside it.
        assert_eq!(render("l", 100).as_ref().len(), 1400);
        let asked = ["a", "b", "a", "b", "a"].map(|label| render(label, 2));
        let told = asked.each_ref().map(|rendered| rendered.as_ref().first().copied());
        assert_eq!(told, [b'a', b'b', b'a', b'b', b'a'].map(Some));
        assert_eq!(renders.load(Ordering::Relaxed), 4);
        assert!(!format!("{asked:?}{held:?}").contains("horse"));
        drop(held);
        assert!(kept.upgrade().is_some());
        drop(asked);
        assert!(kept.upgrade().is_none());
    }

    #[test]
    fn a_rendering_that_is_kept_counts_when_it_is_not_there_yet() {
        let held = |entry: &Arc<Entry>| Held::There(Arc::clone(entry));
        let (entry, key) = (entry(), SecretKey::of_id("x"));
        let before = Bytes.weight(&key, &held(&entry));
        let secret = CachedSecret::new(Arc::clone(&entry), false);
        drop(secret.rendered("x", |bundle| Sensitive::new(bundle.content.expose().to_vec())));
        assert_eq!(Bytes.weight(&key, &held(&entry)), before);
        let content = u64::try_from(entry.bundle.content.expose().len()).unwrap();
        assert!(before > 2 * content + u64::try_from(OVERHEAD_BYTES + RENDERING_BYTES).unwrap());
    }

    #[test]
    fn what_is_printed_shows_no_content() {
        let held = CachedSecret::new(entry(), false);
        assert!(!format!("{held:?}").contains("horse"));
        assert!(format!("{held:?}").contains("Sensitive(..)"));
    }
}
