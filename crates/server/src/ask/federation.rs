use strongroom_model::{DefinedTags, Ocid, Operation};
use strongroom_signing::PublicKey;
use strongroom_wire::{
    ChangedNamed, CreateWorkloadDetails, ExchangeDetails, Matched, Query, Refusal,
    SessionTokenDetails, parse_optional_object, read_compartment_id, read_current_token,
    read_is_revoking, read_public_key,
};

use super::{BY_NAME, ByCompartment, NameFilter, by_compartment, path_ocid, read};
use crate::failure::Failure;

/// What is asked about workloads and tokens.
#[derive(Debug)]
pub(crate) enum FederationAsk {
    CreateWorkload(CreateWorkloadDetails),
    GetWorkload(Ocid),
    ListWorkloads(ByCompartment, NameFilter),
    UpdateWorkload(Ocid, ChangedNamed),
    ChangeWorkloadCompartment(Ocid, Ocid),
    DeleteWorkload(Ocid),
    IssueWorkloadCertificate(Ocid, PublicKey),
    /// The certificate was looked at already: by it the caller is known.
    RenewWorkloadCertificate(PublicKey),
    ExchangeCertificate(PublicKey),
    GenerateUserSecurityToken {
        session: PublicKey,
        minutes: u64,
    },
    RefreshUserSecurityToken(String),
    RotateTokenSigner {
        is_revoking: bool,
    },
}

impl FederationAsk {
    /// Reads query and body of a request whose route is known to be of this family.
    pub(super) fn read(matched: &Matched, query: &Query, body: &[u8]) -> Result<Self, Failure> {
        let operation = matched.operation;
        Ok(match operation {
            Operation::CreateWorkload => {
                Self::CreateWorkload(read(body, CreateWorkloadDetails::read)?)
            }
            Operation::GetWorkload => Self::GetWorkload(path_ocid(matched)?),
            Operation::ListWorkloads => Self::ListWorkloads(
                by_compartment(operation, query, &BY_NAME)?,
                NameFilter::read(query)?,
            ),
            Operation::UpdateWorkload => {
                Self::UpdateWorkload(path_ocid(matched)?, read(body, ChangedNamed::read)?)
            }
            Operation::ChangeWorkloadCompartment => Self::ChangeWorkloadCompartment(
                path_ocid(matched)?,
                read(body, read_compartment_id)?,
            ),
            Operation::DeleteWorkload => Self::DeleteWorkload(path_ocid(matched)?),
            Operation::IssueWorkloadCertificate => Self::IssueWorkloadCertificate(
                path_ocid(matched)?,
                public_key(&read(body, read_public_key)?)?,
            ),
            Operation::RenewWorkloadCertificate => {
                Self::RenewWorkloadCertificate(public_key(&exchange(body)?.public_key)?)
            }
            Operation::ExchangeCertificate => {
                Self::ExchangeCertificate(public_key(&exchange(body)?.public_key)?)
            }
            Operation::GenerateUserSecurityToken => {
                let details = read(body, SessionTokenDetails::read)?;
                let session = public_key(&details.public_key)?;
                Self::GenerateUserSecurityToken { session, minutes: details.minutes }
            }
            Operation::RefreshUserSecurityToken => {
                Self::RefreshUserSecurityToken(read(body, read_current_token)?)
            }
            Operation::RotateTokenSigner => Self::RotateTokenSigner {
                is_revoking: read_is_revoking(parse_optional_object(body)?)?,
            },
            other => {
                let reason = format!("{} is no operation about workloads or tokens", other.name());
                return Err(Failure::internal(reason));
            }
        })
    }

    /// The defined tags that the request puts on something.
    pub(super) fn defined_tags(&self) -> Option<&DefinedTags> {
        match self {
            Self::CreateWorkload(details) => Some(&details.named.tags.defined),
            Self::UpdateWorkload(_, details) => details.defined_tags.as_ref(),
            _ => None,
        }
    }
}

fn exchange(body: &[u8]) -> Result<ExchangeDetails, Refusal> {
    read(body, ExchangeDetails::read)
}

fn public_key(text: &str) -> Result<PublicKey, Refusal> {
    PublicKey::from_text(text).map_err(|error| Refusal::invalid("publicKey", &error.to_string()))
}
