//! Limits of requests: for each address before anything of a request is believed, and for the tenancy
//! by class once it is known who asks. Nodes share the tenancy's limits evenly.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quick_cache::sync::Cache;
use strongroom_model::{Operation, Service};
use strongroom_wire::{ErrorCode, Refusal};
use tokio::time::Instant;

use crate::failure::Failure;

/// Addresses that are remembered at a time.
const ADDRESSES: usize = 65_536;

/// Requests that share a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RateClass {
    /// Reading about vaults.
    VaultsRead,
    /// Changing vaults.
    VaultsWrite,
    /// Reading about keys.
    KeysRead,
    /// Changing keys.
    KeysWrite,
    /// Encryption and signatures.
    Crypto,
    /// Reading about secrets.
    SecretsRead,
    /// Changing secrets.
    SecretsWrite,
    /// Reading contents of secrets.
    Contents,
}

impl RateClass {
    /// Returns the class of an operation, if it has one.
    fn of(operation: Operation) -> Option<Self> {
        let name = operation.name();
        // Oracle counts this one among those that write.
        let reads = (name.starts_with("Get") || name.starts_with("List"))
            && operation != Operation::ListVaultReplicas;
        match operation.service() {
            Service::KmsVault => Some(if reads { Self::VaultsRead } else { Self::VaultsWrite }),
            Service::KmsManagement => Some(if reads { Self::KeysRead } else { Self::KeysWrite }),
            Service::KmsCrypto => Some(Self::Crypto),
            Service::Vault => Some(if reads { Self::SecretsRead } else { Self::SecretsWrite }),
            Service::Secrets => Some(Self::Contents),
            Service::Identity | Service::Auth | Service::Audit | Service::Strongroom => None,
        }
    }
}

/// Requests a second, at most.
#[derive(Debug, Clone, Default)]
pub struct Rates {
    /// From one address, counted by each node for itself.
    pub address: Option<u32>,
    /// Of the tenancy, over all nodes.
    pub tenancy: BTreeMap<RateClass, u32>,
}

impl Rates {
    /// What Oracle's service takes of a tenancy.
    ///
    /// Source: the SDKs' documentation of each operation of Key Management.
    #[must_use]
    pub fn oracle() -> Self {
        let classes = [
            RateClass::VaultsRead,
            RateClass::VaultsWrite,
            RateClass::KeysRead,
            RateClass::KeysWrite,
        ];
        Self { address: None, tenancy: classes.map(|class| (class, 10)).into() }
    }
}

/// What is left for a moment: it fills at the limit's rate, and holds what comes in a second.
#[derive(Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    /// Makes one that is full, as after a second of rest.
    fn full(now: Instant) -> Self {
        Self { left: f64::INFINITY, at: now }
    }

    /// Takes one request out, or tells how long to wait for it.
    fn take(&mut self, per_second: f64, now: Instant) -> Result<(), Duration> {
        let filled = now.saturating_duration_since(self.at).as_secs_f64() * per_second;
        self.left = (self.left + filled).min(per_second.max(1.0));
        self.at = now;
        if self.left >= 1.0 {
            self.left -= 1.0;
            return Ok(());
        }
        Err(Duration::try_from_secs_f64((1.0 - self.left) / per_second).unwrap_or(Duration::MAX))
    }
}

/// The limits, and what is left of them on this node.
#[derive(Debug)]
pub(crate) struct Limiter {
    address: Option<u32>,
    addresses: Cache<IpAddr, Arc<Mutex<Bucket>>>,
    tenancy: BTreeMap<RateClass, (u32, Mutex<Bucket>)>,
}

impl Limiter {
    pub(crate) fn new(rates: &Rates) -> Self {
        let bucket = |(class, rate): (&RateClass, &u32)| {
            (*class, (*rate, Mutex::new(Bucket::full(Instant::now()))))
        };
        Self {
            address: rates.address,
            addresses: Cache::new(ADDRESSES),
            tenancy: rates.tenancy.iter().map(bucket).collect(),
        }
    }

    /// Admits a request from an address, or refuses it.
    pub(crate) fn admit_address(&self, address: IpAddr) -> Result<(), Failure> {
        let Some(rate) = self.address else { return Ok(()) };
        let now = Instant::now();
        let made = || Ok::<_, Failure>(Arc::new(Mutex::new(Bucket::full(now))));
        let bucket = self.addresses.get_or_insert_with(&owner_of(address), made)?;
        let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = bucket.take(f64::from(rate), now);
        taken.map_err(|wait| too_many("this address", wait))
    }

    /// Admits a request of somebody who is known, or refuses it; `nodes` share the limit.
    pub(crate) fn admit(&self, operation: Operation, nodes: u32) -> Result<(), Failure> {
        let found = RateClass::of(operation).and_then(|class| self.tenancy.get(&class));
        let Some((rate, bucket)) = found else { return Ok(()) };
        let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let share = f64::from(*rate) / f64::from(nodes.max(1));
        let taken = bucket.take(share, Instant::now());
        taken.map_err(|wait| too_many("this tenancy", wait))
    }
}

/// An address of IPv6 has a network of its own, as every host may take any of its addresses.
fn owner_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

fn too_many(whose: &str, wait: Duration) -> Failure {
    let message = "Too many requests. Try again later, after as long as Retry-After says.";
    let refusal = Refusal::new(ErrorCode::TooManyRequests, message);
    let secs = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1);
    Failure::new(refusal, format!("{whose} asked more often than it may")).retry_after(secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(limiter: &Limiter, nodes: u32, tries: usize) -> usize {
        let admit = |_| limiter.admit(Operation::GetSecretBundle, nodes).is_ok();
        (0..tries).filter(|number| admit(*number)).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_is_admitted_at_once_and_then_the_rate() {
        let limiter =
            Limiter::new(&Rates { address: None, tenancy: [(RateClass::Contents, 30)].into() });
        assert_eq!(admitted(&limiter, 1, 100), 30);
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(admitted(&limiter, 1, 100), 15);
        tokio::time::advance(Duration::from_mins(1)).await;
        assert_eq!(admitted(&limiter, 3, 100), 10, "one node of three has a third");
        let refused = limiter.admit(Operation::GetSecretBundle, 3).unwrap_err();
        assert_eq!(refused.refusal.code.status(), 429);
        assert_eq!(refused.retry_after_secs, Some(1));
        assert!(limiter.admit(Operation::GetSecret, 3).is_ok(), "another class");
    }

    #[tokio::test(start_paused = true)]
    async fn a_share_of_less_than_one_is_admitted_in_time() {
        let limiter = Limiter::new(&Rates::oracle());
        let admit = || limiter.admit(Operation::ListVaults, 40);
        admit().unwrap();
        assert_eq!(admit().unwrap_err().retry_after_secs, Some(4));
        tokio::time::advance(Duration::from_secs(4)).await;
        admit().unwrap();
        assert!(admit().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_count_for_themselves_and_networks_of_ipv6_as_one() {
        let limiter = Limiter::new(&Rates { address: Some(2), ..Rates::default() });
        let admit = |address: &str| limiter.admit_address(address.parse().unwrap()).is_ok();
        assert!(admit("192.0.2.1") && admit("::ffff:192.0.2.1") && !admit("192.0.2.1"));
        assert!(admit("192.0.2.2"));
        assert!(admit("2001:db8::1") && admit("2001:db8::2") && !admit("2001:db8::3"));
        assert!(admit("2001:db8:0:1::1"));
    }
}
