use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::Uri;
use serde::{Deserialize, Serialize};
use strongroom_keyring::RegionPublicKeys;
use strongroom_model::{Ocid, Timestamp};
use strongroom_store::{StoreError, Versioned};

use crate::rows;

/// What a region is known by. It is public; who takes it to another region vouches for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegionIdentity {
    /// Name of the region.
    pub region: String,
    /// OCID of the tenancy.
    pub tenancy_id: Ocid,
    /// Name of the tenancy.
    pub tenancy_name: String,
    /// Name of the home region.
    pub home_region: String,
    /// Ed25519, base64.
    pub signing_key: String,
    /// X25519, base64.
    pub sealing_key: String,
}

impl RegionIdentity {
    /// Returns the region's keys, if they are keys.
    #[must_use]
    pub fn keys(&self) -> Option<RegionPublicKeys> {
        let bytes = |text: &String| STANDARD.decode(text).ok();
        RegionPublicKeys::new(bytes(&self.signing_key)?, bytes(&self.sealing_key)?)
    }

    pub(super) fn with_keys(self, keys: &RegionPublicKeys) -> Self {
        let text = |bytes: &Vec<u8>| STANDARD.encode(bytes);
        Self { signing_key: text(&keys.signing), sealing_key: text(&keys.sealing), ..self }
    }
}

/// Row of another region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PeerRow {
    pub(crate) url: String,
    pub(crate) identity: RegionIdentity,
    pub(crate) time_added: Timestamp,
}

/// Another region.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) region: String,
    pub(crate) url: String,
    pub(crate) keys: RegionPublicKeys,
    pub(crate) time_added: Timestamp,
}

/// This region and the others, as every node keeps them in memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Regions {
    /// Absent in the region where the tenancy was founded.
    pub(crate) here: Option<String>,
    /// How often the home region has moved.
    pub(crate) home_term: u64,
    /// By name.
    pub(crate) peers: BTreeMap<String, Arc<Peer>>,
}

impl Regions {
    /// Takes a row that changed.
    pub(crate) fn apply(&mut self, key: &[u8], row: Option<&Versioned>) -> Result<(), StoreError> {
        let peer = key.strip_prefix(rows::region_peer("").as_slice());
        match (peer.and_then(|name| std::str::from_utf8(name).ok()), row) {
            (Some(name), Some(row)) => {
                let read: PeerRow = rows::decode(key, &row.value)?;
                let unusable = || StoreError::Corrupt(format!("region {name} has no keys"));
                let keys = read.identity.keys().ok_or_else(unusable)?;
                let (region, url) = (name.to_owned(), read.url);
                let time_added = read.time_added;
                let peer = Peer { region, url, keys, time_added };
                self.peers.insert(name.to_owned(), Arc::new(peer));
            }
            (Some(name), None) => drop(self.peers.remove(name)),
            (None, Some(row)) if key == rows::region_here() => {
                self.here = Some(rows::decode(key, &row.value)?);
            }
            (None, Some(row)) if key == rows::home_term() => {
                self.home_term = rows::decode(key, &row.value)?;
            }
            (None, _) => {
                return Err(StoreError::Corrupt("a row of the regions is unknown".to_owned()));
            }
        }
        Ok(())
    }
}

/// Tells whether other regions can be asked at a URL: paths are put behind it.
pub(super) fn is_base_url(text: &str) -> bool {
    let Ok(url) = text.parse::<Uri>() else { return false };
    let is_plain = url.authority().is_some_and(|at| !at.as_str().contains('@'));
    matches!(url.scheme_str(), Some("http" | "https")) && is_plain && url.query().is_none()
}
