use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use crate::{Random, Region};

const LENGTH_MAX: usize = 255;
const UNIQUE_LENGTH: usize = 60;
const VAULT_TAG_LENGTH: usize = 13;
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// An Oracle Cloud identifier, `ocid1.<type>.<realm>.[region][.future].<unique>`.
///
/// Source: Oracle Cloud Infrastructure documentation, "Resource Identifiers".
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Ocid(Arc<str>);

/// The type segment of the identifiers that this product makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OcidKind {
    /// `tenancy`, the root compartment.
    Tenancy,
    /// `compartment`.
    Compartment,
    /// `user`.
    User,
    /// `group`.
    Group,
    /// `groupmembership`.
    GroupMembership,
    /// `dynamicgroup`.
    DynamicGroup,
    /// `policy`.
    Policy,
    /// `tagnamespace`.
    TagNamespace,
    /// `tagdefinition`.
    TagDefinition,
    /// `vault`.
    Vault,
    /// `key`.
    Key,
    /// `keyversion`.
    KeyVersion,
    /// `vaultreplica`.
    VaultReplica,
    /// `vaultsecret`.
    Secret,
    /// `instance`.
    Instance,
}

impl OcidKind {
    /// Returns the type segment as it stands in an OCID.
    #[must_use]
    pub const fn segment(self) -> &'static str {
        match self {
            Self::Tenancy => "tenancy",
            Self::Compartment => "compartment",
            Self::User => "user",
            Self::Group => "group",
            Self::GroupMembership => "groupmembership",
            Self::DynamicGroup => "dynamicgroup",
            Self::Policy => "policy",
            Self::TagNamespace => "tagnamespace",
            Self::TagDefinition => "tagdefinition",
            Self::Vault => "vault",
            Self::Key => "key",
            Self::KeyVersion => "keyversion",
            Self::VaultReplica => "vaultreplica",
            Self::Secret => "vaultsecret",
            Self::Instance => "instance",
        }
    }
}

/// The 13 characters that name a vault in its endpoints' host names and in its keys' OCIDs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VaultTag(String);

impl VaultTag {
    /// Makes a new tag.
    #[must_use]
    pub fn generate(random: &dyn Random) -> Self {
        Self(base32(random, VAULT_TAG_LENGTH))
    }

    /// Returns the tag as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is no OCID. Holds no part of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an OCID: expected ocid1.<type>.<realm>.[region].<unique>, at most 255 characters")]
pub struct ParseOcidError;

impl Ocid {
    /// Makes the identifier of a global resource (identity): the region segment is empty.
    #[must_use]
    pub fn global(kind: OcidKind, region: &Region, random: &dyn Random) -> Self {
        let unique = unique("aaaaaaaa", random);
        Self(format!("ocid1.{}.{}..{unique}", kind.segment(), region.realm.key).into())
    }

    /// Makes the identifier of a regional resource (instance, secret).
    #[must_use]
    pub fn regional(kind: OcidKind, region: &Region, random: &dyn Random) -> Self {
        let unique = unique("amaaaaaa", random);
        Self(
            format!("ocid1.{}.{}.{}.{unique}", kind.segment(), region.realm.key, region.key).into(),
        )
    }

    /// Makes the identifier of a regional resource whose type segment is `resource_type`.
    #[must_use]
    pub fn of_resource(resource_type: &str, region: &Region, random: &dyn Random) -> Self {
        let unique = unique("anaaaaaa", random);
        Self(format!("ocid1.{resource_type}.{}.{}.{unique}", region.realm.key, region.key).into())
    }

    /// Makes the identifier of a vault, key or key version, which carries the vault's tag.
    #[must_use]
    pub fn in_vault(kind: OcidKind, region: &Region, tag: &VaultTag, random: &dyn Random) -> Self {
        let unique = unique("abaaaaaa", random);
        let (kind, realm) = (kind.segment(), region.realm.key);
        Self(format!("ocid1.{kind}.{realm}.{}.{}.{unique}", region.key, tag.as_str()).into())
    }

    /// Returns the identifier that differs in its type segment only.
    #[must_use]
    pub fn of_kind(&self, kind: OcidKind) -> Self {
        let mut segments: Vec<&str> = self.0.split('.').collect();
        if let Some(segment) = segments.get_mut(1) {
            *segment = kind.segment();
        }
        Self(segments.join(".").into())
    }

    /// Returns the identifier whose unique part is followed by that of another one.
    #[must_use]
    pub fn joined_with(&self, other: &Self) -> Self {
        let unique = other.0.rsplit('.').next().unwrap_or_default();
        Self(format!("{}{unique}", self.0).into())
    }

    /// Returns the identifier as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Tells whether the type segment is `kind`'s.
    #[must_use]
    pub fn is(&self, kind: OcidKind) -> bool {
        self.0.split('.').nth(1) == Some(kind.segment())
    }
}

fn unique(prefix: &str, random: &dyn Random) -> String {
    format!("{prefix}{}", base32(random, UNIQUE_LENGTH.saturating_sub(prefix.len())))
}

fn base32(random: &dyn Random, length: usize) -> String {
    let mut bytes = vec![0_u8; length];
    random.fill(&mut bytes);
    let digit = |byte: &u8| BASE32.get(usize::from(byte & 31)).copied().unwrap_or(b'a');
    bytes.iter().map(digit).map(char::from).collect()
}

impl FromStr for Ocid {
    type Err = ParseOcidError;

    fn from_str(text: &str) -> Result<Self, ParseOcidError> {
        let segments = text.split('.').count();
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        let named = text.split('.').take(3).all(|segment| !segment.is_empty());
        let ends = text.rsplit('.').next().is_some_and(|last| !last.is_empty());
        let shaped = text.starts_with("ocid1.") && (5..=6).contains(&segments) && named && ends;
        if shaped && text.len() <= LENGTH_MAX && text.bytes().all(legal) {
            Ok(Self(text.into()))
        } else {
            Err(ParseOcidError)
        }
    }
}

impl TryFrom<String> for Ocid {
    type Error = ParseOcidError;

    fn try_from(text: String) -> Result<Self, ParseOcidError> {
        text.parse()
    }
}

impl Serialize for Ocid {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl fmt::Display for Ocid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Ocid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Ramp;

    impl Random for Ramp {
        fn fill(&self, bytes: &mut [u8]) {
            for (byte, value) in bytes.iter_mut().zip(0_u8..) {
                *byte = value;
            }
        }
    }

    #[test]
    fn generated_identifiers_parse_and_know_their_kind() {
        let region = Region::named("us-ashburn-1").unwrap();
        let tag = VaultTag::generate(&Ramp);
        let key = Ocid::in_vault(OcidKind::Key, region, &tag, &Ramp);
        assert!(key.as_str().starts_with("ocid1.key.oc1.iad.abcdefghijklm.abaaaaaa"));
        assert_eq!(key.as_str().rsplit('.').next().unwrap().len(), 60);
        for ocid in [
            Ocid::global(OcidKind::User, region, &Ramp),
            Ocid::regional(OcidKind::Secret, region, &Ramp),
            key,
        ] {
            assert_eq!(ocid.as_str().parse::<Ocid>(), Ok(ocid.clone()));
        }
        assert!(Ocid::global(OcidKind::User, region, &Ramp).is(OcidKind::User));
    }

    #[test]
    fn rejects_what_is_no_ocid() {
        for text in [
            "",
            "ocid1",
            "ocid1.user",
            "ocid1.user.oc1",
            "ocid2.user.oc1..a",
            "ocid1..oc1..a",
            "ocid1.user.oc1..",
            "ocid1.user.oc1..a/b",
            "ocid1.user.oc1..a b",
            "ocid1.user.oc1..ä",
        ] {
            assert_eq!(text.parse::<Ocid>(), Err(ParseOcidError), "{text}");
        }
        assert!(format!("ocid1.user.oc1..{}", "a".repeat(300)).parse::<Ocid>().is_err());
    }
}
