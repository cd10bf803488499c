//! Time and chance of a simulated world: both come from its seed.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use strongroom_model::{Clock, Random, Timestamp};
use tokio::time::Instant;

/// When every world begins: 2026-11-26T12:00:00Z.
const BEGINNING: i64 = 1_795_694_400;

/// The time of the world, which the runtime turns on whenever nobody has anything to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WorldTime(Instant);

impl WorldTime {
    pub(crate) fn begin() -> Self {
        Self(Instant::now())
    }

    /// Microseconds since the beginning.
    pub(crate) fn micros(self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    pub(crate) fn now(self) -> Timestamp {
        self.with(0)
    }

    fn with(self, off_secs: i64) -> Timestamp {
        let micros = i64::try_from(self.0.elapsed().as_micros()).unwrap_or(i64::MAX);
        let all = (BEGINNING + off_secs).saturating_mul(1_000_000).saturating_add(micros);
        Timestamp::from_microsecond(all).unwrap_or(Timestamp::MAX)
    }
}

/// The clock of a machine, which may be wrong.
#[derive(Debug, Clone)]
pub(crate) struct MachineClock {
    time: WorldTime,
    off_secs: Arc<AtomicI64>,
}

impl MachineClock {
    pub(crate) fn right(time: WorldTime) -> Self {
        Self { time, off_secs: Arc::default() }
    }

    /// Puts it wrong by so many seconds, or right again.
    pub(crate) fn put(&self, off_secs: i64) {
        self.off_secs.store(off_secs, Ordering::Relaxed);
    }

    pub(crate) fn off_secs(&self) -> i64 {
        self.off_secs.load(Ordering::Relaxed)
    }
}

impl Clock for MachineClock {
    fn now(&self) -> Timestamp {
        self.time.with(self.off_secs())
    }
}

/// Random bytes that can be repeated (splitmix64).
#[derive(Debug)]
pub(crate) struct SeededRandom(Mutex<u64>);

impl SeededRandom {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }

    /// Goes on with another seed.
    pub(crate) fn begin_with(&self, seed: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = seed;
    }
}

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in bytes.chunks_mut(8) {
            *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            let word = (mixed ^ (mixed >> 31)).to_le_bytes();
            for (byte, random) in chunk.iter_mut().zip(word) {
                *byte = random;
            }
        }
    }
}
