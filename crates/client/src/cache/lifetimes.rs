use std::collections::HashMap;
use std::time::Duration;

use strongroom_model::Random;

use super::fault::CacheError;
use super::key::SecretKey;
use crate::error::ClientError;

/// Longest time that a value is kept without asking again, jitter included.
pub const TTL_MAX: Duration = Duration::from_hours(1);
/// Longest time that a value may be used beyond its TTL while no answer comes.
pub const STALE_IF_ERROR_MAX: Duration = Duration::from_hours(24);
/// Longest time that the absence of a secret is believed.
pub const NEGATIVE_MAX: Duration = Duration::from_secs(5);

/// By how many thousandths a TTL varies, up and down, so that values that were read together are
/// not asked for together ever after.
const JITTER: u64 = 100;
/// When a value in use is asked for again: thousandths of its life, and what varies of them.
const REFRESH: u64 = 750;
const REFRESH_SPREAD: u64 = 100;

/// How much a secret's content is worth protecting; decides how long it is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum SecurityClass {
    /// Rotates daily: 10 minutes, of the 5 to 15 that the class allows.
    High,
    /// Rotates monthly: 45 minutes, of the 30 to 60 that the class allows.
    #[default]
    Standard,
    /// Development and tests: never kept, always fresh.
    Development,
}

impl SecurityClass {
    /// Returns the TTLs that the class allows, from the shortest to the longest.
    #[must_use]
    pub const fn ttl_range(self) -> (Duration, Duration) {
        match self {
            Self::High => (Duration::from_mins(5), Duration::from_mins(15)),
            Self::Standard => (Duration::from_mins(30), Duration::from_hours(1)),
            Self::Development => (Duration::ZERO, Duration::ZERO),
        }
    }
}

/// How long contents of a secret are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// How long a value is used without asking again, give or take a tenth, at most [`TTL_MAX`].
    /// Zero keeps nothing.
    pub ttl: Duration,
    /// How long beyond its TTL a value is used while the service does not answer; zero is never.
    /// An answer that refuses (401, 403, 404) ends it at once.
    pub stale_if_error: Duration,
    /// How long a 404 is believed.
    pub negative: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self::of(SecurityClass::default())
    }
}

impl Lifetimes {
    /// Returns the lifetimes of a class; no value is used beyond its TTL.
    #[must_use]
    pub const fn of(class: SecurityClass) -> Self {
        let ttl = match class {
            SecurityClass::High => Duration::from_mins(10),
            SecurityClass::Standard => Duration::from_mins(45),
            SecurityClass::Development => Duration::ZERO,
        };
        Self { ttl, stale_if_error: Duration::ZERO, negative: NEGATIVE_MAX }
    }

    /// Returns the same with another TTL.
    #[must_use]
    pub const fn with_ttl(self, ttl: Duration) -> Self {
        Self { ttl, ..self }
    }

    /// Returns the same with another bound for values beyond their TTL.
    #[must_use]
    pub const fn with_stale_if_error(self, stale_if_error: Duration) -> Self {
        Self { stale_if_error, ..self }
    }

    /// Checks the bounds that hold for every secret.
    ///
    /// # Errors
    /// [`CacheError::LifetimeTooLong`].
    pub fn check(&self) -> Result<(), CacheError> {
        let bounds = [
            ("TTL", self.ttl, TTL_MAX),
            ("stale-if-error", self.stale_if_error, STALE_IF_ERROR_MAX),
            ("negative TTL", self.negative, NEGATIVE_MAX),
        ];
        match bounds.into_iter().find(|(_, asked, most)| asked > most) {
            Some((what, asked, most)) => Err(CacheError::LifetimeTooLong { what, asked, most }),
            None => Ok(()),
        }
    }

    /// Checks that a value is given up before the next rotation: the longest use, with jitter and
    /// stale-if-error, must be below the rotation interval.
    ///
    /// # Errors
    /// [`CacheError::TtlExceedsRotation`], which names both.
    pub fn check_rotation(&self, secret: &str, interval: Duration) -> Result<(), CacheError> {
        let longest = self.longest_use();
        if longest < interval {
            return Ok(());
        }
        let (secret, ttl) = (secret.to_owned(), self.ttl);
        Err(CacheError::TtlExceedsRotation { secret, ttl, longest, interval })
    }

    /// Returns for how long a value can be used after it was read.
    #[must_use]
    pub fn longest_use(&self) -> Duration {
        thousandths(self.ttl, 1000 + JITTER).min(TTL_MAX.max(self.ttl)) + self.stale_if_error
    }

    /// Draws when a value is asked for again and when its TTL is over, from when it was read.
    pub(super) fn draw(&self, random: &dyn Random) -> (Duration, Duration) {
        let drawn = 1000 - JITTER + below(random, 2 * JITTER + 1);
        let fresh = thousandths(self.ttl, drawn).min(TTL_MAX);
        (thousandths(fresh, REFRESH + below(random, REFRESH_SPREAD)), fresh)
    }
}

/// The lifetimes in force.
#[derive(Debug, Clone, Default)]
pub(super) struct Chosen {
    /// Where nothing is said of a secret.
    pub(super) usual: Lifetimes,
    pub(super) of_keys: HashMap<SecretKey, Lifetimes>,
}

impl Chosen {
    pub(super) fn of(&self, key: &SecretKey) -> Lifetimes {
        self.of_keys.get(key).copied().unwrap_or(self.usual)
    }
}

/// Returns the first pause before asking again after a failure, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Draws how long to pause after so many failures in a row: a bound that doubles, and at least half
/// of it.
pub(super) fn pause(failures: u32, random: &dyn Random) -> Duration {
    let (first, most) = PAUSE;
    let bound = first.saturating_mul(1 << failures.clamp(1, 16).saturating_sub(1)).min(most);
    thousandths(bound, 500 + below(random, 501))
}

/// The same after an error: a service that is left alone is asked again when that is over.
pub(super) fn pause_after(
    error: Option<&ClientError>,
    failures: u32,
    random: &dyn Random,
) -> Duration {
    let drawn = pause(failures, random);
    match error {
        Some(ClientError::LeftAlone { secs, .. }) => drawn.min(Duration::from_secs(*secs)),
        _ => drawn,
    }
}

fn thousandths(of: Duration, many: u64) -> Duration {
    let nanos = of.as_nanos() * u128::from(many) / 1000;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

fn below(random: &dyn Random, bound: u64) -> u64 {
    let mut bytes = [0; 8];
    random.fill(&mut bytes);
    u64::from_be_bytes(bytes) % bound
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Draws(u64);

    impl Random for Draws {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.copy_from_slice(&self.0.to_be_bytes());
        }
    }

    #[test]
    fn classes_lie_where_the_mission_puts_them() {
        let mins = |ttl: Duration| ttl.as_secs() / 60;
        let range = |class: SecurityClass| (mins(class.ttl_range().0), mins(class.ttl_range().1));
        assert_eq!(range(SecurityClass::High), (5, 15));
        assert_eq!(range(SecurityClass::Standard), (30, 60));
        assert_eq!(range(SecurityClass::Development), (0, 0));
        for class in [SecurityClass::High, SecurityClass::Standard, SecurityClass::Development] {
            let lifetimes = Lifetimes::of(class);
            assert_eq!(lifetimes.stale_if_error, Duration::ZERO);
            let (shortest, longest) = class.ttl_range();
            assert!((shortest..=longest).contains(&lifetimes.ttl));
            lifetimes.check().unwrap();
        }
    }

    #[test]
    fn jitter_is_a_tenth_and_never_passes_the_hour() {
        let ttl = Duration::from_mins(10);
        let lifetimes = Lifetimes::default().with_ttl(ttl);
        let hour = Lifetimes::default().with_ttl(TTL_MAX);
        let (mut least, mut most) = (Duration::MAX, Duration::ZERO);
        for number in 0..1000 {
            let (refresh, fresh) = lifetimes.draw(&Draws(number));
            assert!(refresh >= fresh * 3 / 4 && refresh < fresh * 17 / 20);
            (least, most) = (least.min(fresh), most.max(fresh));
            assert!(hour.draw(&Draws(number)).1 <= TTL_MAX);
        }
        assert_eq!((least, most), (ttl * 9 / 10, ttl * 11 / 10));
        assert_eq!((lifetimes.longest_use(), hour.longest_use()), (most, TTL_MAX));
    }

    #[test]
    fn what_is_too_long_is_refused_by_name() {
        let hour = Duration::from_hours(1);
        let long = Lifetimes::default().with_ttl(hour + Duration::from_secs(1));
        let told = long.check().unwrap_err().to_string();
        assert_eq!(told, "TTL 3601 s is longer than 1 h, the most that is allowed");
        let stale = Lifetimes::default().with_stale_if_error(25 * hour);
        let told = stale.check().unwrap_err().to_string();
        assert_eq!(told, "stale-if-error 25 h is longer than 24 h, the most that is allowed");
    }

    #[test]
    fn a_ttl_beyond_the_rotation_is_refused_and_both_are_named() {
        let hours = |hours| Duration::from_hours(hours);
        let day = Lifetimes::default().with_ttl(hours(36));
        let told = day.check_rotation("db-password", hours(24)).unwrap_err().to_string();
        assert_eq!(
            told,
            "cache TTL 36 h (36 h in use at most) is not below the rotation interval of \
             `db-password`, 24 h"
        );
        let hour = Lifetimes::default().with_ttl(hours(1));
        hour.check_rotation("s", hours(1)).unwrap_err();
        hour.check_rotation("s", hours(1) + Duration::from_secs(1)).unwrap();
        hour.with_stale_if_error(hours(23)).check_rotation("s", hours(24)).unwrap_err();
        let short = Lifetimes::default().with_ttl(Duration::from_mins(10));
        let told = short.check_rotation("s", Duration::from_mins(11)).unwrap_err().to_string();
        assert!(told.contains("10 min (11 min in use"), "{told}");
    }

    #[test]
    fn pauses_double_to_five_seconds_and_are_never_nothing() {
        let bounds: Vec<_> = (0..9).map(|n| pause(n, &Draws(500)).as_millis()).collect();
        assert_eq!(bounds, [100, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(pause(u32::MAX, &Draws(0)), Duration::from_millis(2500));
    }

    #[test]
    fn a_service_that_is_left_alone_is_asked_when_that_is_over() {
        let left = |secs| ClientError::LeftAlone { failures: 10, last: String::new(), secs };
        let after = |error: Option<&ClientError>| pause_after(error, 9, &Draws(500)).as_secs();
        assert_eq!((after(Some(&left(1))), after(Some(&left(9)))), (1, 5));
        assert_eq!((after(Some(&ClientError::Answer("x"))), after(None)), (5, 5));
    }
}
