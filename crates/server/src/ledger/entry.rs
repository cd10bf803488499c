use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use strongroom_keyring::ledger::{LedgerKeys, row_hash};
use strongroom_model::Timestamp;
use strongroom_store::{Effect, Mac, StoreError};

use super::digest::Digest;
use crate::rows;

/// Rows of this kind are named in entries one by one, so that who has no key can check them.
pub(crate) const AUDIT: &[u8] = b"audit/";

/// Tells whether the ledger has what is done to a row. Times at which something was looked at, which
/// nodes are there, and how far the audit log was sent, are written every few seconds; who puts an older
/// one back makes the scheduler wait, nodes look for each other, or events be sent twice, and nothing
/// else: what nodes do is conditional on the rows it is done to. That a sink has begun is entered: without
/// that it would begin anew, behind what it has not taken.
pub(crate) fn is_entered(key: &[u8]) -> bool {
    let times = [rows::last_seen(), rows::last_checkpoint()];
    let passing = [rows::LEDGER, b"duty/", b"node/", b"sink/"];
    !passing.iter().any(|kind| key.starts_with(kind)) && times.iter().all(|time| time != key)
}

/// The end of a chain as somebody saw it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Head {
    /// The chain: microseconds of its beginning and a random number, in hexadecimal.
    pub(crate) chain: String,
    /// The entry's number; the first is 1.
    pub(crate) number: u64,
    pub(crate) hash: Hashed,
}

/// A hash, ordered by its text: any order does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Hashed(pub(crate) Digest);

impl PartialOrd for Hashed {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Hashed {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.0.cmp(&other.0.0)
    }
}

impl Head {
    /// The key of the row that holds the entry.
    pub(crate) fn key(&self) -> Vec<u8> {
        rows::ledger(&self.chain, self.number)
    }
}

/// What a group of commits did.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    pub(crate) time: Timestamp,
    /// In an entry that stands for those before it too, which are not there any more: the hash that it
    /// had itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) folded: Option<Digest>,
    /// The hash of the entry before it; absent in a chain's first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) previous: Option<Digest>,
    /// The ends of other chains that were known when this one began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) after: Vec<Head>,
    /// By how much the sum over the rows of each kind changed, hidden by a mask.
    pub(crate) change: BTreeMap<String, Digest>,
    /// Audit rows that were written, and their hashes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) audit: BTreeMap<String, Digest>,
    /// Audit rows that were removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) removed: Vec<String>,
}

impl Entry {
    /// Makes the entry whose row has `key`.
    pub(crate) fn of(
        effects: &[Effect<'_>],
        (keys, key): (&LedgerKeys, &[u8]),
        (time, previous, after): (Timestamp, Option<Digest>, Vec<Head>),
    ) -> Self {
        let mut change: BTreeMap<String, Digest> = BTreeMap::new();
        let (mut audit, mut removed) = (BTreeMap::new(), Vec::new());
        let weight = |mac: &Mac| Digest(keys.weight(mac));
        for effect in effects.iter().filter(|effect| is_entered(effect.key)) {
            let sum = change.entry(kind(effect.key)).or_default();
            if let Some(before) = &effect.before {
                *sum = sum.minus(weight(before));
            }
            if let Some((_, after)) = &effect.after {
                *sum = sum.plus(weight(after));
            }
            if effect.key.starts_with(AUDIT) {
                let name = String::from_utf8_lossy(effect.key).into_owned();
                match effect.after {
                    Some((value, _)) => {
                        audit.insert(name, Digest(row_hash(effect.key, value)));
                    }
                    None => removed.push(name),
                }
            }
        }
        for (kind, sum) in &mut change {
            *sum = sum.plus(mask(keys, key, (kind, false)));
        }
        Self { time, folded: None, previous, after, change, audit, removed }
    }

    /// Returns the hash by which others name the entry that `key` and `value` hold.
    pub(crate) fn hash(&self, key: &[u8], value: &[u8]) -> Hashed {
        Hashed(self.folded.unwrap_or_else(|| Digest(row_hash(key, value))))
    }

    /// Returns by how much it says that the sums changed, as whoever has the keys reads it.
    pub(crate) fn changes(
        self,
        keys: &LedgerKeys,
        key: &[u8],
    ) -> impl Iterator<Item = (String, Digest)> {
        let is_folded = self.folded.is_some();
        self.change.into_iter().map(move |(kind, change)| {
            let mask = mask(keys, key, (&kind, is_folded));
            (kind, change.minus(mask))
        })
    }

    /// Makes one entry of two that follow each other, the later of which is `key` and `value`.
    pub(crate) fn folded_into(
        self,
        own_key: &[u8],
        (key, value): (&[u8], &[u8]),
        later: Self,
        keys: &LedgerKeys,
    ) -> Self {
        let (hash, time) = (later.hash(key, value).0, later.time);
        let after = [self.after.as_slice(), later.after.as_slice()].concat();
        let mut change: BTreeMap<String, Digest> = BTreeMap::new();
        let both = self.changes(keys, own_key).chain(later.changes(keys, key));
        for (kind, by) in both {
            let sum = change.entry(kind).or_default();
            *sum = sum.plus(by);
        }
        for (kind, sum) in &mut change {
            *sum = sum.plus(mask(keys, key, (kind, true)));
        }
        let (audit, removed) = Default::default();
        Self { time, folded: Some(hash), previous: None, after, change, audit, removed }
    }
}

/// What hides one change of an entry. That of all it stands for has another: the same twice would tell
/// the difference.
fn mask(keys: &LedgerKeys, key: &[u8], (kind, is_folded): (&str, bool)) -> Digest {
    let prefix = if is_folded { "folded/" } else { "" };
    Digest(keys.mask(key, format!("{prefix}{kind}").as_bytes()))
}

/// Reads the key of a row of the ledger: the chain, and the entry's number in it.
pub(super) fn place(key: &[u8]) -> Result<(&str, u64), StoreError> {
    rows::ledger_place(key)
        .ok_or_else(|| StoreError::Corrupt("a row of the ledger has no place".to_owned()))
}

/// Returns the keys of the audit rows that an entry tells of.
pub(crate) fn audit_rows_of(key: &[u8], value: &[u8]) -> Result<Vec<Vec<u8>>, StoreError> {
    let entry: Entry = rows::decode(key, value)?;
    Ok(entry.audit.into_keys().map(String::into_bytes).collect())
}

/// The first part of a key.
pub(crate) fn kind(key: &[u8]) -> String {
    let part = key.split(|byte| *byte == b'/').next().unwrap_or_default();
    String::from_utf8_lossy(part).into_owned()
}
