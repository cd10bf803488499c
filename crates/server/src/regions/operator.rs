//! What this region's own operator asks for. Requests are signed with a key that is derived from the
//! root key: whoever can open the one that is in force may give them.

use serde::{Deserialize, Serialize};
use strongroom_keyring::RegionKeys;
use strongroom_model::{Clock, Region, rfc3339};
use strongroom_store::{Batch, Order, prefix_range};

use super::intake::untaken;
use super::messages::{Kind, OPERATE, SignedMessage};
use super::outbox::time_of;
use super::peers::{PeerRow, RegionIdentity, is_base_url};
use super::promotion;
use crate::catalog::Catalog;
use crate::failure::Failure;
use crate::rows;
use crate::schedule::record;
use crate::shared::Shared;

const SKEW_MICROS: i64 = 60_000_000;

/// A command.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RegionCommand {
    /// Tell what this region is known by.
    Identity,
    /// Pair with another region, or learn where it answers now.
    Add {
        /// What it is known by.
        identity: Box<RegionIdentity>,
        /// Where it answers.
        url: String,
    },
    /// Forget another region.
    Remove {
        /// Its name.
        region: String,
    },
    /// Tell how the other regions are doing.
    Status,
    /// Let the replicas of a lost region be secrets of this one.
    Promote {
        /// The lost region.
        region: String,
        /// Whether this region becomes the home region.
        home: bool,
    },
}

#[derive(Debug, Serialize, Deserialize)]
struct Ordered {
    /// Microseconds since 1970.
    time: i64,
    command: RegionCommand,
}

impl RegionCommand {
    /// Signs the command with the operator's keys and returns where to send it on a server.
    ///
    /// # Errors
    /// None is known: the command is always encodable.
    #[must_use]
    pub fn sign(
        self,
        keys: &RegionKeys,
        clock: &dyn Clock,
    ) -> Option<(&'static str, SignedMessage)> {
        let order = Ordered { time: clock.now().as_microsecond(), command: self };
        Some((OPERATE, SignedMessage::sign(("operator", keys), Kind::Command, &order)?))
    }

    /// Reads the answer to a command that was signed with the operator's keys.
    #[must_use]
    pub fn report(keys: &RegionKeys, answer: &SignedMessage) -> Option<serde_json::Value> {
        answer.open(keys.public(), Kind::Report)
    }
}

/// Runs a command, if the operator signed it.
pub(super) async fn answer(
    shared: &Shared,
    message: &SignedMessage,
) -> Result<SignedMessage, Failure> {
    let (operator, order) = opened(&*shared.catalog().await?, message)?;
    let age = shared.clock.now().as_microsecond().saturating_sub(order.time);
    if age.saturating_abs() > SKEW_MICROS {
        return Err(Failure::not_authenticated("a command of another time"));
    }
    let report = match order.command {
        RegionCommand::Identity => {
            serde_json::to_value(identity(shared, &*shared.catalog().await?)).ok()
        }
        RegionCommand::Add { identity, url } => Some(add(shared, *identity, url).await?),
        RegionCommand::Remove { region } => Some(remove(shared, &region).await?),
        RegionCommand::Status => Some(status(shared).await?),
        RegionCommand::Promote { region, home } => {
            Some(promotion::promote(shared, &region, home).await?)
        }
    };
    let own = (shared.region.name, &operator);
    let signed = report.and_then(|report| SignedMessage::sign(own, Kind::Report, &report));
    signed.ok_or_else(|| Failure::internal("a report cannot be encoded"))
}

/// Reads a command, and returns the keys of who signed it. While the root key is being rotated either
/// may have been read from `root.key`.
fn opened(catalog: &Catalog, message: &SignedMessage) -> Result<(RegionKeys, Ordered), Failure> {
    catalog.roots.open(|root| {
        let keys = RegionKeys::of_operator(root);
        let keys = keys.map_err(|error| Failure::internal(error.to_string()))?;
        let order = message.open(keys.public(), Kind::Command);
        let foreign = || Failure::not_authenticated("a command that is not this region's");
        Ok((keys, order.ok_or_else(foreign)?))
    })
}

fn identity(shared: &Shared, catalog: &Catalog) -> RegionIdentity {
    let bare = RegionIdentity {
        region: shared.region.name.to_owned(),
        tenancy_id: catalog.tenancy.id.clone(),
        tenancy_name: catalog.tenancy.name.clone(),
        home_region: catalog.tenancy.home_region.clone(),
        signing_key: String::new(),
        sealing_key: String::new(),
    };
    bare.with_keys(shared.region_keys.public())
}

fn invalid(what: &str, rule: &str) -> Failure {
    strongroom_wire::Refusal::invalid(what, rule).into()
}

async fn add(
    shared: &Shared,
    identity: RegionIdentity,
    url: String,
) -> Result<serde_json::Value, Failure> {
    let catalog = shared.catalog().await?;
    let keys = identity.keys().ok_or_else(|| invalid("identity", "must hold two keys"))?;
    let region = Region::named(&identity.region).filter(|region| region.name == identity.region);
    let region = region.ok_or_else(|| invalid("identity", "must name a region of OCI"))?;
    if region.name == shared.region.name {
        return Err(invalid("identity", "is of this region; give that of another"));
    }
    if identity.tenancy_id != catalog.tenancy.id {
        return Err(invalid("identity", "is of another tenancy"));
    }
    let known = catalog.regions.peers.get(region.name);
    if known.is_some_and(|peer| peer.keys != keys) {
        let rule = "has other keys than this region was paired with before; remove it first";
        return Err(invalid("identity", rule));
    }
    if !is_base_url(&url) {
        return Err(invalid(
            "url",
            "must be http:// or https:// with a host, and no user or query",
        ));
    }
    let report = serde_json::json!({"region": region.name, "fingerprint": keys.fingerprint()});
    let row = PeerRow { url, identity, time_added: shared.clock.now() };
    let batch = Batch::new().put(rows::region_peer(region.name), rows::encode(&row)?);
    shared.commit(batch, &record(shared, "AddRegion", &catalog.tenancy.id)).await?;
    Ok(report)
}

async fn remove(shared: &Shared, region: &str) -> Result<serde_json::Value, Failure> {
    let catalog = shared.catalog().await?;
    if !catalog.regions.peers.contains_key(region) {
        return Err(invalid("region", "is not one that this region is paired with"));
    }
    let mut batch = Batch::new().delete(rows::region_peer(region));
    for prefix in [rows::outbox_of(region), rows::all_untaken(region)] {
        let range = prefix_range(&prefix);
        for (key, _) in shared.store.scan(range, Order::Ascending, usize::MAX).await? {
            batch = batch.delete(key);
        }
    }
    shared.commit(batch, &record(shared, "RemoveRegion", &catalog.tenancy.id)).await?;
    Ok(serde_json::json!({"region": region}))
}

/// How one other region is doing.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PeerReport {
    region: String,
    url: String,
    fingerprint: String,
    /// Changes of this region that it has not stored yet, and how old the oldest is.
    outgoing_changes: usize,
    outgoing_lag_seconds: f64,
    time_served: Option<String>,
    /// Changes of it that this region has not stored yet, as of when it was last asked.
    incoming_changes: u64,
    incoming_lag_seconds: f64,
    time_taken: Option<String>,
    /// Why it cannot be asked.
    fault: Option<String>,
    /// Changes of it that are of an earlier term.
    fenced_changes: u64,
    not_taken: Vec<NotTaken>,
}

#[derive(Debug, Serialize)]
struct NotTaken {
    object: String,
    reason: String,
}

async fn status(shared: &Shared) -> Result<serde_json::Value, Failure> {
    let catalog = shared.catalog().await?;
    let now = shared.clock.now();
    let since = |micros: Option<i64>| {
        let age = micros.map_or(0, |micros| now.as_microsecond().saturating_sub(micros));
        std::time::Duration::from_micros(u64::try_from(age).unwrap_or_default()).as_secs_f64()
    };
    let mut reports = Vec::new();
    for (region, peer) in &catalog.regions.peers {
        let range = prefix_range(&rows::outbox_of(region));
        let outbox = shared.store.scan(range, Order::Ascending, usize::MAX).await?;
        let watch = shared.region_watch.of(region);
        let kept = untaken(shared, region).await?.into_iter();
        let micros = |time: strongroom_model::Timestamp| time.as_microsecond();
        // A region that cannot be asked may have changed at any time since.
        let behind = watch.oldest.or_else(|| watch.fault.as_ref().and(watch.taken.map(micros)));
        reports.push(PeerReport {
            region: region.clone(),
            url: peer.url.clone(),
            fingerprint: peer.keys.fingerprint(),
            outgoing_changes: outbox.len(),
            outgoing_lag_seconds: since(outbox.first().and_then(|(key, _)| time_of(region, key))),
            time_served: watch.served.map(rfc3339),
            incoming_changes: watch.waiting,
            incoming_lag_seconds: since(behind),
            time_taken: watch.taken.map(rfc3339),
            fault: watch.fault,
            fenced_changes: watch.fenced,
            not_taken: kept.map(|(object, reason)| NotTaken { object, reason }).collect(),
        });
    }
    Ok(serde_json::json!({
        "region": shared.region.name,
        "homeRegion": catalog.tenancy.home_region,
        "homeTerm": catalog.regions.home_term,
        "fingerprint": shared.region_keys.public().fingerprint(),
        "regions": reports,
    }))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use strongroom_keyring::RootKey;
    use strongroom_model::{Sensitive, SystemClock};
    use strongroom_store::{Memory, Store};

    use super::*;
    use crate::{Founded, WATCHED};

    /// A root key of an installation, before or after a rotation.
    fn root_key(material: u8) -> RootKey {
        let bytes = [[material; 32], [9; 32]].concat();
        RootKey::from_bytes(Sensitive::new(bytes)).unwrap()
    }

    #[tokio::test]
    async fn who_had_the_root_key_before_a_rotation_gives_no_commands() {
        let store: Arc<dyn Store> = Arc::new(Memory::new(WATCHED));
        Founded::in_test(&*store, &root_key(2)).await;
        let shared = Shared::in_test(store, root_key(2)).await;
        let asked = async |keys: &RegionKeys| {
            let (_, message) = RegionCommand::Status.sign(keys, &SystemClock).unwrap();
            answer(&shared, &message).await
        };
        let operator = RegionKeys::of_operator(&root_key(2)).unwrap();
        let report = asked(&operator).await.unwrap();
        let report = RegionCommand::report(&operator, &report).unwrap();
        assert_eq!(report["region"], "us-ashburn-1");
        let before = RegionKeys::of_operator(&root_key(1)).unwrap();
        let region = RegionKeys::derive(&root_key(1)).unwrap();
        assert_eq!(region.public(), shared.region_keys.public());
        for keys in [before, region] {
            let refused = asked(&keys).await.unwrap_err();
            assert_eq!(refused.reason, "a command that is not this region's");
        }
    }
}
