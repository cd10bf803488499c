use strongroom_model::Ocid;
use strongroom_wire::{Query, Refusal};

use super::query_ocid;

/// Filters of `ListKeys`.
#[derive(Debug)]
pub(crate) struct KeyFilter {
    pub(crate) protection_mode: Option<&'static str>,
    pub(crate) algorithm: Option<&'static str>,
    pub(crate) length: Option<u64>,
    pub(crate) curve_id: Option<&'static str>,
}

/// Filters of `ListSecrets`.
#[derive(Debug)]
pub(crate) struct SecretFilter {
    pub(crate) name: Option<String>,
    pub(crate) vault_id: Option<Ocid>,
    pub(crate) state: Option<&'static str>,
}

impl KeyFilter {
    pub(super) fn read(query: &Query) -> Result<Self, Refusal> {
        Ok(Self {
            protection_mode: query.one_of("protectionMode", &["HSM", "SOFTWARE", "EXTERNAL"])?,
            algorithm: query.one_of("algorithm", &["AES", "RSA", "ECDSA"])?,
            length: query.number("length", 0, u64::from(u16::MAX))?,
            curve_id: query.one_of("curveId", &["NIST_P256", "NIST_P384", "NIST_P521"])?,
        })
    }
}

const SECRET_STATES: [&str; 9] = [
    "CREATING",
    "ACTIVE",
    "UPDATING",
    "DELETING",
    "DELETED",
    "SCHEDULING_DELETION",
    "PENDING_DELETION",
    "CANCELLING_DELETION",
    "FAILED",
];

impl SecretFilter {
    pub(super) fn read(query: &Query) -> Result<Self, Refusal> {
        Ok(Self {
            name: query.get("name").map(str::to_owned),
            vault_id: query_ocid(query, "vaultId")?,
            state: query.one_of("lifecycleState", &SECRET_STATES)?,
        })
    }
}
