//! The way from a node to the store that all nodes share: slow, and now and then broken.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use strongroom_store::{
    Answer, Batch, Cursor, Delta, Memory, Range, Revision, Snapshot, Store, StoreError, Versioned,
    Visit,
};
use strongroom_testkit::Dice;
use tokio::time::sleep;

use super::lies::Lie;

/// How often a store lies that lies now and then.
const LIE_ONE_IN: usize = 8;

/// Whether things go wrong, and which.
#[derive(Debug)]
pub(crate) struct Weather {
    dice: Mutex<Dice>,
    is_bad: AtomicBool,
}

/// What becomes of a commit.
enum Fate {
    Fine,
    /// It does not happen, and whoever asked is told so.
    Refused,
    /// Whoever asked does not learn whether it happened.
    Unknown {
        happens: bool,
    },
}

impl Weather {
    pub(crate) fn good(seed: u64) -> Self {
        Self { dice: Mutex::new(Dice::new(Some(seed))), is_bad: AtomicBool::new(false) }
    }

    pub(crate) fn turn(&self, is_bad: bool) {
        self.is_bad.store(is_bad, Ordering::Relaxed);
    }

    fn roll(&self, below: usize) -> usize {
        self.dice.lock().unwrap_or_else(PoisonError::into_inner).roll(below)
    }

    fn is_bad(&self) -> bool {
        self.is_bad.load(Ordering::Relaxed)
    }

    async fn delay(&self) {
        if !self.is_bad() {
            return;
        }
        let micros = match self.roll(100) {
            0..70 => self.roll(3_000),
            70..98 => self.roll(60_000),
            _ => self.roll(3_000_000),
        };
        sleep(Duration::from_micros(u64::try_from(micros).unwrap_or(0))).await;
    }

    fn breaks(&self) -> Result<(), StoreError> {
        let breaks = self.is_bad() && self.roll(150) == 0;
        if breaks { Err(StoreError::Io("the way is broken".to_owned())) } else { Ok(()) }
    }

    fn fate(&self) -> Fate {
        match if self.is_bad() { self.roll(60) } else { usize::MAX } {
            0 => Fate::Refused,
            1 => Fate::Unknown { happens: true },
            2 => Fate::Unknown { happens: false },
            _ => Fate::Fine,
        }
    }
}

/// A node's end of the way.
#[derive(Debug)]
pub(crate) struct Way {
    pub(crate) store: Arc<Memory>,
    pub(crate) weather: Arc<Weather>,
    /// What the store says that is not so, if it is to be found out.
    pub(crate) lie: Option<Lie>,
}

impl Way {
    /// The lie, if it is told now, and whether it is one of those that are told now and then.
    fn lie(&self) -> Option<(Lie, bool)> {
        let lie = self.lie.filter(|_| self.weather.is_bad())?;
        Some((lie, self.weather.roll(LIE_ONE_IN) == 0))
    }

    /// Acknowledges a commit, which happened unless the store lies.
    async fn commit(&self, batch: Batch) -> Result<Revision, StoreError> {
        let batch = match self.lie() {
            Some((lie, is_now)) => lie.commit(batch, is_now),
            None => batch,
        };
        self.store.commit(batch).await
    }

    /// Reads, at some time between the question and the answer.
    async fn read<T>(
        &self,
        ask: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.weather.delay().await;
        self.weather.breaks()?;
        let answer = ask.await;
        self.weather.delay().await;
        self.weather.breaks()?;
        answer
    }

    async fn write(&self, batch: Batch) -> Result<Revision, StoreError> {
        let unknown = || StoreError::Unknown("the answer is lost".to_owned());
        self.weather.delay().await;
        let outcome = match self.weather.fate() {
            Fate::Fine => self.commit(batch).await,
            Fate::Refused => Err(StoreError::Io("the way is broken".to_owned())),
            Fate::Unknown { happens: false } => Err(unknown()),
            Fate::Unknown { happens: true } => {
                // It may have failed on a condition: that is not learned either.
                let _outcome = self.store.commit(batch).await;
                Err(unknown())
            }
        };
        self.weather.delay().await;
        outcome
    }
}

impl Store for Way {
    fn get<'a>(&'a self, keys: &'a [&'a [u8]]) -> Answer<'a, Vec<Option<Versioned>>> {
        Box::pin(self.read(async move { self.store.get(keys).await }))
    }

    fn scan(
        &self,
        range: Range,
        order: strongroom_store::Order,
        limit: usize,
    ) -> Answer<'_, Vec<(Vec<u8>, Versioned)>> {
        Box::pin(self.read(async move { self.store.scan(range, order, limit).await }))
    }

    fn commit(&self, batch: Batch) -> Answer<'_, Revision> {
        Box::pin(self.write(batch))
    }

    fn fresh(&self, since: Cursor) -> Answer<'_, (Cursor, Delta)> {
        Box::pin(self.read(async move {
            let (cursor, delta) = self.store.fresh(since).await?;
            let told = match self.lie() {
                Some((lie, is_now)) => lie.tell(delta, is_now),
                None => delta,
            };
            Ok((cursor, told))
        }))
    }

    fn walk<'a>(&'a self, sorted: &'a [u8], visit: Visit<'a>) -> Answer<'a, ()> {
        Box::pin(self.read(async move { self.store.walk(sorted, visit).await }))
    }

    fn forget(&self) -> Answer<'_, ()> {
        Box::pin(self.read(async move { self.store.forget().await }))
    }

    fn snapshot(&self) -> Answer<'_, Box<dyn Snapshot>> {
        Box::pin(self.read(async move { self.store.snapshot().await }))
    }
}
