//! The bodies of answers, in OCI's field names.

mod audit;
mod consumers;
mod crypto;
mod denials;
mod federation;
mod identity;
mod keys;
mod replication;
mod rotation;
mod secrets;
mod upkeep;
mod vaults;

use std::collections::BTreeMap;

pub use audit::{AuditEventBody, AuditedRequest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
pub use consumers::{ConsumerBody, RetirementBody, SecretChangeBody, SecretChangesBody};
pub use crypto::{
    DecryptedData, EncryptedData, ExportedKeyData, GeneratedKey, SignedData, VerifiedData,
};
pub use denials::{DenialBody, DenialNeed, DenialPrincipal, DenialStatement, UnmatchedGroup};
pub use federation::{CertificateBody, SecurityTokenBody, TokenSignerBody, WorkloadBody};
pub use identity::{
    ApiKeyBody, AvailabilityDomain, CompartmentBody, DynamicGroupBody, GroupBody, MembershipBody,
    PolicyBody, RegionBody, RegionSubscription, TagBody, TagNamespaceBody, TenancyBody, UserBody,
};
pub use keys::{KeyBody, KeySummary, KeyVersionBody, WrappingKeyBody};
pub use secrets::{SecretBody, SecretBundleBody, SecretBundleVersion, SecretVersionBody};
use serde::Serialize;
use strongroom_model::{DefinedTags, Sensitive, Tags, Timestamp, rfc3339};
pub use upkeep::{ReadOnlyBody, RootKeyBody};
pub use vaults::{ReplicationStatus, VaultBody, VaultReplicaSummary, VaultUsage};

fn time<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*at))
}

/// Encodes into a buffer that is overwritten, so that no copy of the encoded content is left behind.
fn base64<S: serde::Serializer>(content: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    let room = base64::encoded_len(content.len(), true).unwrap_or_default();
    let mut encoded = Sensitive::new(vec![0; room]);
    let written = STANDARD.encode_slice(content, encoded.expose_mut());
    let written = written.map_err(serde::ser::Error::custom)?;
    let text = encoded.expose().get(..written).and_then(|bytes| std::str::from_utf8(bytes).ok());
    // An answer without its content would look like an empty secret.
    serializer.serialize_str(text.ok_or_else(|| serde::ser::Error::custom("it is not encoded"))?)
}

/// Encodes what is no secret, at once: faster, and leaves a copy behind.
fn base64_of_public<S: serde::Serializer>(
    content: &[u8],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(content))
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TagFields<'a> {
    freeform_tags: &'a BTreeMap<String, String>,
    defined_tags: &'a DefinedTags,
}

impl<'a> From<&'a Tags> for TagFields<'a> {
    fn from(tags: &'a Tags) -> Self {
        Self { freeform_tags: &tags.freeform, defined_tags: &tags.defined }
    }
}

#[expect(clippy::ref_option, reason = "the signature that serde calls")]
fn optional_time<S: serde::Serializer>(
    at: &Option<Timestamp>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => time(at, serializer),
        None => serializer.serialize_none(),
    }
}
