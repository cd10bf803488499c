//! The key space: which row holds what. The on-disk contract is `docs/format.md`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use strongroom_keyring::Sealed;
use strongroom_model::{Key, KeyVersion, Ocid, Secret, SecretVersion, Timestamp, Vault};
use strongroom_store::{Change, Order, Store, StoreError, prefix_range};

const VERSION: u32 = 1;

/// Prefix of the rows that tell which state the store itself is in.
pub(crate) const MODE: &str = "mode/";

/// Prefixes of the rows that record what was answered.
pub(crate) const RECORDS: [&[u8]; 2] = [b"audit/", b"why/"];

/// The row that a store has when it has a tenancy.
pub(crate) const FOUNDED: &[u8] = b"meta/founded";

/// Prefixes of the rows that every node keeps in memory.
pub(crate) const KEPT: [&str; 18] = [
    MODE, "rk/", "t/", "c/", "tn/", "td/", "u/", "a/", "g/", "dg/", "p/", "w/", "ca/", "ts/", "v/",
    "k/", "kv/", "rg/",
];

/// Prefixes of the rows whose changes every node must learn of: those, and secrets.
pub(crate) const WATCHED: [&str; 19] = [
    MODE, "rk/", "t/", "c/", "tn/", "td/", "u/", "a/", "g/", "dg/", "p/", "w/", "ca/", "ts/", "v/",
    "k/", "kv/", "rg/", "s/",
];

/// Prefixes of the rows that decide who may read what: whoever holds a content must look again
/// when one changes.
pub(crate) const RIGHTS: [&str; 11] =
    ["t/", "c/", "tn/", "td/", "u/", "a/", "g/", "dg/", "p/", "w/", "k/"];

/// Row of a vault.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VaultRow {
    pub(crate) vault: Vault,
    pub(crate) port: u16,
    /// Port of the replica, if there is one.
    #[serde(default)]
    pub(crate) replica_port: Option<u16>,
    /// Gone when the vault is: without it nothing below the vault opens.
    #[serde(default, with = "optional_sealed")]
    pub(crate) vault_key: Option<Sealed>,
}

/// Row of a key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyRow {
    pub(crate) key: Key,
}

/// Row of a key version.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyVersionRow {
    pub(crate) key_version: KeyVersion,
    /// Absent if the material is in a token, or was deleted.
    #[serde(default, with = "optional_sealed")]
    pub(crate) material: Option<Sealed>,
}

/// Row of a vault's wrapping key.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WrappingKeyRow {
    pub(crate) public_key: String,
    pub(crate) time_created: Timestamp,
    #[serde(with = "sealed")]
    pub(crate) material: Sealed,
}

/// Row of a secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SecretRow {
    pub(crate) secret: Secret,
    /// Whether what rights depend on was changed when this was written: those who held the content
    /// may not be those who may read it now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) changes_rights: bool,
}

/// What of a secret's row tells who has to look again.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SecretMark {
    #[serde(default)]
    changes_rights: bool,
}

/// Row of a secret version: its content, sealed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SecretVersionRow {
    pub(crate) secret_version: SecretVersion,
    pub(crate) key_version_id: Ocid,
    #[serde(with = "sealed")]
    pub(crate) data_key: Sealed,
    #[serde(with = "sealed")]
    pub(crate) content: Sealed,
    /// By which equal contents of one secret are known.
    #[serde(default)]
    pub(crate) fingerprint: Option<String>,
}

impl SecretVersionRow {
    /// Lends the data key and the content.
    pub(crate) const fn sealed(&self) -> (&Sealed, &Sealed) {
        (&self.data_key, &self.content)
    }
}

/// Row of an authority that signs certificates.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuthorityRow {
    /// PEM.
    pub(crate) certificate: String,
    #[serde(with = "sealed")]
    pub(crate) key: Sealed,
}

/// Row of a key that signs tokens.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TokenSignerRow {
    pub(crate) time_created: Timestamp,
    #[serde(with = "sealed")]
    pub(crate) key: Sealed,
}

/// Row of a root key that is taking another's place.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NextRootKeyRow {
    /// What `root.key` is to hold, in base64.
    pub(crate) root_file: String,
    /// The new key, sealed under the old one.
    #[serde(with = "sealed")]
    pub(crate) next: Sealed,
    /// The old key, sealed under the new one.
    #[serde(with = "sealed")]
    pub(crate) previous: Sealed,
}

/// Row of a retry token: what the first request made.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RetryRow {
    /// Of its target and body, under a key: a body may hold a content.
    pub(crate) request_digest: String,
    pub(crate) made: Ocid,
    pub(crate) time_created: Timestamp,
}

/// A row's value as it is stored: a JSON object that says its version.
#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    v: u32,
    row: T,
}

/// Encodes a row.
pub(crate) fn encode<T: Serialize>(row: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(&Versioned { v: VERSION, row })
        .map_err(|_error| StoreError::Corrupt("a row cannot be encoded".to_owned()))
}

/// Decodes a row. The parser's message could quote the row, so it is dropped.
pub(crate) fn decode<T: DeserializeOwned>(key: &[u8], value: &[u8]) -> Result<T, StoreError> {
    let kind = String::from_utf8_lossy(key.split(|byte| *byte == b'/').next().unwrap_or(key));
    let corrupt = || StoreError::Corrupt(format!("a row of kind `{kind}` cannot be read"));
    let row: Versioned<T> = serde_json::from_slice(value).map_err(|_error| corrupt())?;
    if row.v == VERSION { Ok(row.row) } else { Err(corrupt()) }
}

/// Refuses a store that is not whole.
pub(crate) fn incomplete() -> StoreError {
    let why = "it is not whole: the restore of a backup was begun and is not finished \
               (strongroom admin restore goes on with it)";
    StoreError::Foreign(why.to_owned())
}

/// Checks that a store is whole and that a tenancy was founded in it, as a server does when it starts.
///
/// # Errors
/// [`StoreError::Foreign`] and [`StoreError::Corrupt`]. Any other [`StoreError`] if the store cannot be
/// read.
pub async fn check_founded(store: &dyn Store) -> Result<(), StoreError> {
    check_whole(store).await?;
    if store.scan(prefix_range(b"t/"), Order::Ascending, 1).await?.is_empty() {
        return Err(unfounded());
    }
    Ok(())
}

/// Refuses a store without a tenancy.
pub(crate) fn unfounded() -> StoreError {
    StoreError::Corrupt("no tenancy was founded here".to_owned())
}

/// Checks that no restore was begun and is not finished.
pub(crate) async fn check_whole(store: &dyn Store) -> Result<(), StoreError> {
    let mark = store.get(&[restoring().as_slice()]).await?;
    if mark.iter().any(Option::is_some) { Err(incomplete()) } else { Ok(()) }
}

/// Tells whether a change may take somebody's right to read a secret.
pub(crate) fn changes_rights(change: &Change) -> Result<bool, StoreError> {
    if change.key.starts_with(b"s/") {
        let Some(row) = &change.value else { return Ok(true) };
        return Ok(decode::<SecretMark>(&change.key, &row.value)?.changes_rights);
    }
    Ok(RIGHTS.iter().any(|prefix| change.key.starts_with(prefix.as_bytes())))
}

/// Returns the secret whose row changed, if the row is one.
pub(crate) fn changed_secret(change: &Change) -> Option<Ocid> {
    let id = change.key.strip_prefix(b"s/")?;
    std::str::from_utf8(id).ok()?.parse().ok()
}

/// Prefix of the ledger's rows.
pub(crate) const LEDGER: &[u8] = b"l/";

/// Reads the key of a row of the ledger: the chain, and the entry's number in it.
pub(crate) fn ledger_place(key: &[u8]) -> Option<(&str, u64)> {
    let (chain, number) = std::str::from_utf8(key.strip_prefix(LEDGER)?).ok()?.split_once('/')?;
    let number = number.parse().ok()?;
    (ledger(chain, number) == key).then_some((chain, number))
}

macro_rules! row_keys {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $kind:ty),*) = $format:literal;)*) => {
        $($(#[$doc])* pub(crate) fn $name($($argument: $kind),*) -> Vec<u8> {
            format!($format).into_bytes()
        })*
    };
}

row_keys! {
    /// The tenancy.
    tenancy(id: &Ocid) = "t/{id}";
    /// A compartment.
    compartment(id: &Ocid) = "c/{id}";
    /// Guard: the name of a compartment among its siblings, in lower case.
    compartment_name(parent: &Ocid, name: &str) = "cn/{parent}/{name}";
    /// A user.
    user(id: &Ocid) = "u/{id}";
    /// An API key.
    api_key(user: &Ocid, fingerprint: &str) = "a/{user}/{fingerprint}";
    /// A group.
    group(id: &Ocid) = "g/{id}";
    /// A dynamic group.
    dynamic_group(id: &Ocid) = "dg/{id}";
    /// A policy.
    policy(id: &Ocid) = "p/{id}";
    /// A tag namespace.
    tag_namespace(id: &Ocid) = "tn/{id}";
    /// A tag.
    tag(id: &Ocid) = "td/{id}";
    /// Guard: the name of a user, in lower case.
    user_name(name: &str) = "un/{name}";
    /// Guard: the name of a group or dynamic group, in lower case.
    group_name(name: &str) = "gn/{name}";
    /// Guard: the name of a policy, in lower case.
    policy_name(name: &str) = "pn/{name}";
    /// Guard: the name of a tag namespace, in lower case.
    tag_namespace_name(name: &str) = "tnn/{name}";
    /// Guard: the name of a tag in its namespace, in lower case.
    tag_name(namespace: &Ocid, name: &str) = "tdn/{namespace}/{name}";
    /// A workload.
    workload(id: &Ocid) = "w/{id}";
    /// Guard: the name of a workload in its compartment, in lower case.
    workload_name(compartment: &Ocid, name: &str) = "wn/{compartment}/{name}";
    /// The authority that signs certificates of others: `root`, or the serial number of one below.
    authority(name: &str) = "ca/{name}";
    /// A key that signs tokens.
    token_signer(kid: &str) = "ts/{kid}";
    /// A vault.
    vault(id: &Ocid) = "v/{id}";
    /// A key.
    key(id: &Ocid) = "k/{id}";
    /// A key version.
    key_version(key: &Ocid, id: &Ocid) = "kv/{key}/{id}";
    /// All versions of a key.
    key_versions(key: &Ocid) = "kv/{key}/";
    /// The wrapping key of a vault.
    wrapping_key(vault: &Ocid) = "wk/{vault}";
    /// A secret.
    secret(id: &Ocid) = "s/{id}";
    /// A secret version.
    secret_version(secret: &Ocid, number: u64) = "sv/{secret}/{number:020}";
    /// All versions of a secret.
    secret_versions(secret: &Ocid) = "sv/{secret}/";
    /// Guard: the name of a secret in its vault.
    secret_name(vault: &Ocid, name: &str) = "sn/{vault}/{name}";
    /// Guard: the name of a version in its secret.
    version_name(secret: &Ocid, name: &str) = "svn/{secret}/{name}";
    /// Index: which version has, or had, a content.
    fingerprint(secret: &Ocid, fingerprint: &str, number: u64) = "sf/{secret}/{fingerprint}/{number:020}";
    /// Index: the versions that have, or had, one content.
    fingerprinted(secret: &Ocid, fingerprint: &str) = "sf/{secret}/{fingerprint}/";
    /// Index: all fingerprints of a secret.
    fingerprints(secret: &Ocid) = "sf/{secret}/";
    /// A consumer of a secret, by the digest of principal and name.
    consumer(secret: &Ocid, digest: &str) = "sh/{secret}/{digest}";
    /// All consumers of a secret.
    consumers(secret: &Ocid) = "sh/{secret}/";
    /// When a principal, by its digest, last read a secret.
    sighting(secret: &Ocid, digest: &str) = "seen/{secret}/{digest}";
    /// All who read a secret.
    sightings(secret: &Ocid) = "seen/{secret}/";
    /// Guards: the names of all versions of a secret.
    version_names(secret: &Ocid) = "svn/{secret}/";
    /// Guards: the names of all secrets of a vault.
    secret_names(vault: &Ocid) = "sn/{vault}/";
    /// Index: when there is something to do about a secret.
    due(micros: i64, secret: &Ocid) = "due/{micros:020}/{secret}";
    /// Index: what is to be done before a time.
    due_before(micros: i64) = "due/{micros:020}";
    /// Index: secrets of a compartment by creation time.
    secrets_by_time(compartment: &Ocid, micros: i64, id: &Ocid) = "st/{compartment}/{micros:020}/{id}";
    /// Index: secrets of a compartment by name.
    secrets_by_name(compartment: &Ocid, name: &str, id: &Ocid) = "sc/{compartment}/{name} {id}";
    /// Index: all of a compartment's secrets by creation time.
    all_by_time(compartment: &Ocid) = "st/{compartment}/";
    /// Index: all of a compartment's secrets by name.
    all_by_name(compartment: &Ocid) = "sc/{compartment}/";
    /// Index: a compartment's secrets of one name.
    all_named(compartment: &Ocid, name: &str) = "sc/{compartment}/{name} ";
    /// A retry token, by the digest of principal, operation and token.
    retry(digest: &str) = "r/{digest}";
    /// A request that was refused.
    denial(request_id: &str) = "why/{request_id}";
    /// Audit records of one commit.
    audit(micros: i64, process: u32, number: u32) = "audit/{micros:020}/{process:08x}{number:08x}";
    /// The region that this installation is, if it is not where the tenancy was founded.
    region_here() = "rg/here";
    /// How often the home region has moved.
    home_term() = "rg/term";
    /// Another region of the tenancy.
    region_peer(region: &str) = "rg/peer/{region}";
    /// Outbox: something changed that a region is to learn of.
    outbox(region: &str, stamp: &str) = "ob/{region}/{stamp}";
    /// Outbox: all that a region is to learn of.
    outbox_of(region: &str) = "ob/{region}/";
    /// Index: secrets that are, or were, replicated.
    replicated(secret: &Ocid) = "si/{secret}";
    /// Put by every change of a vault that is replicated, so that the numbers of its changes are in
    /// the order in which they are seen.
    ordered(vault: &Ocid) = "vo/{vault}";
    /// Which commit, of which region, a copied row is of.
    copied(object: &str) = "rr/{object}";
    /// Why something of another region was not taken.
    untaken(region: &str, object: &str) = "rf/{region}/{object}";
    /// All that was not taken of another region.
    all_untaken(region: &str) = "rf/{region}/";
    /// An entry of the ledger.
    ledger(chain: &str, number: u64) = "l/{chain}/{number:020}";
    /// Where the audit rows before a time end.
    audit_before(micros: i64) = "audit/{micros:020}";
    /// All entries of a chain.
    ledger_chain(chain: &str) = "l/{chain}/";
    /// The sample objects of a development server.
    sample() = "d/sample";
    /// By how much a development server's clock was turned, in seconds.
    clock_turned() = "d/clock";
    /// Mark of a store that is not whole: a backup is being restored to it.
    restoring() = "mode/restoring";
    /// Mark of a store that takes no changes.
    read_only() = "mode/read-only";
    /// The root key that is taking the place of the one that is in force.
    next_root_key() = "rk/next";
    /// Name of the root key, once it was rotated.
    root_key_id() = "rk/id";
    /// When the scheduler last looked.
    last_seen() = "meta/seen";
    /// Which node does what falls due.
    duty() = "duty/schedule";
    /// When that node said last that it is there.
    beat() = "duty/beat";
    /// When a node said last that it is there.
    node(name: &str) = "node/{name}";
    /// A key version whose material a token may still hold, although nobody needs it.
    doomed(version: &Ocid) = "doomed/{version}";
    /// That a sink has begun.
    sunk(name: &str) = "sunk/{name}";
    /// Up to which entry of a chain a sink has the audit log; without a chain, that the sink had begun
    /// with an earlier version.
    sink(name: &str, chain: &str) = "sink/{name}/{chain}";
    /// When a checkpoint was last waited for.
    last_checkpoint() = "meta/checkpoint";
}

mod optional_sealed {
    use super::{Deserialize, Sealed, Serialize, sealed};
    use serde::{Deserializer, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct Present(#[serde(with = "sealed")] Sealed);

    #[expect(clippy::ref_option, reason = "the signature that serde calls")]
    pub(super) fn serialize<S: Serializer>(
        value: &Option<Sealed>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        value.clone().map(Present).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Sealed>, D::Error> {
        Ok(Option::<Present>::deserialize(from)?.map(|present| present.0))
    }
}

mod sealed {
    use super::{Engine, STANDARD, Sealed};
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(sealed: &Sealed, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(sealed.as_bytes()))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Sealed, D::Error> {
        let text = String::deserialize(from)?;
        let bytes = STANDARD.decode(text).map_err(|_position| D::Error::custom("base64"))?;
        Ok(Sealed::from_bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_row_is_named_by_kind_only() {
        let error = decode::<RetryRow>(b"r/s3cr3t", br#"{"v":1,"row":"s3cr3t"}"#).unwrap_err();
        assert!(error.to_string().contains("`r`") && !error.to_string().contains("s3cr3t"));
        let newer = decode::<u8>(b"r/x", br#"{"v":2,"row":1}"#);
        assert!(newer.is_err());
    }
}
