//! What a request asks for: the operation with its parameters, read and checked.

mod federation;
mod filters;
mod identity;
mod upkeep;

use std::collections::BTreeMap;
use std::time::Duration;

use strongroom_model::{DefinedTags, Ocid, Operation, ReplicationTarget, Stage, Timestamp};
use strongroom_policy::{Fact, FactName};
use strongroom_wire::{
    BackupDetails, CreateKeyDetails, CreateSecretDetails, CreateVaultDetails, DecryptDetails,
    EncryptDetails, ExportKeyDetails, Fields, GenerateKeyDetails, ImportKeyDetails, Matched,
    Paging, Query, Refusal, ReplicaDetails, ReportDetails, RestoreDetails, SignDetails, SortOrder,
    UpdateKeyDetails, UpdateSecretDetails, UpdateVaultDetails, VerifyDetails, WrappedImportKey,
    parse_object, parse_optional_object, read_compartment_id, read_consumer_name,
    read_no_external_version, read_retirement, read_time_of_deletion,
};

pub(crate) use self::federation::FederationAsk;
pub(crate) use self::filters::{KeyFilter, SecretFilter};
pub(crate) use self::identity::{CompartmentFilter, IdentityAsk, NameFilter};
pub(crate) use self::upkeep::UpkeepAsk;
use crate::failure::Failure;

/// A request's operation and parameters.
#[derive(Debug)]
pub(crate) enum Ask {
    CreateVault(CreateVaultDetails),
    GetVault(Ocid),
    ListVaults(ByCompartment),
    UpdateVault(Ocid, UpdateVaultDetails),
    ScheduleVaultDeletion(Ocid, Option<Timestamp>),
    CancelVaultDeletion(Ocid),
    ChangeVaultCompartment(Ocid, Ocid),
    GetVaultUsage(Ocid),
    BackupVault(Ocid, BackupDetails),
    RestoreVaultFromFile(Ocid),
    RestoreVaultFromObjectStore(Ocid, RestoreDetails),
    CreateVaultReplica(Ocid, ReplicaDetails),
    DeleteVaultReplica(Ocid, ReplicaDetails),
    ListVaultReplicas(Ocid, Listing),
    UpdateRegisteredVaultForMtls(Ocid),
    CreateKey(CreateKeyDetails),
    GetKey(Ocid),
    ListKeys(ByCompartment, KeyFilter),
    UpdateKey(Ocid, UpdateKeyDetails),
    EnableKey(Ocid),
    DisableKey(Ocid),
    ScheduleKeyDeletion(Ocid, Option<Timestamp>),
    CancelKeyDeletion(Ocid),
    ChangeKeyCompartment(Ocid, Ocid),
    CreateKeyVersion(Ocid),
    GetKeyVersion(Ocid, Ocid),
    ListKeyVersions(Ocid, Listing),
    ScheduleKeyVersionDeletion(Ocid, Ocid, Option<Timestamp>),
    CancelKeyVersionDeletion(Ocid, Ocid),
    GetWrappingKey,
    ImportKey(ImportKeyDetails),
    ImportKeyVersion(Ocid, WrappedImportKey),
    BackupKey(Ocid, BackupDetails),
    RestoreKeyFromFile,
    RestoreKeyFromObjectStore(RestoreDetails),
    GetReplicationStatus(Ocid),
    Encrypt(EncryptDetails),
    Decrypt(DecryptDetails),
    GenerateDataEncryptionKey(GenerateKeyDetails),
    Sign(SignDetails),
    Verify(VerifyDetails),
    ExportKey(ExportKeyDetails),
    CreateSecret(CreateSecretDetails),
    GetSecret(Ocid),
    ListSecrets(ByCompartment, SecretFilter),
    UpdateSecret(Ocid, UpdateSecretDetails),
    ScheduleSecretDeletion(Ocid, Option<Timestamp>),
    CancelSecretDeletion(Ocid),
    ScheduleSecretVersionDeletion(Ocid, u64, Option<Timestamp>),
    CancelSecretVersionDeletion(Ocid, u64),
    ChangeSecretCompartment(Ocid, Ocid),
    RotateSecret(Ocid),
    CancelSecretRotation(Ocid),
    ListSecretVersions(Ocid, Listing),
    GetSecretVersion(Ocid, u64),
    GetSecretBundle(Ocid, Selector),
    GetSecretBundleByName { vault_id: Ocid, name: String, selector: Selector },
    ListSecretBundleVersions(Ocid, Listing),
    Identity(IdentityAsk),
    Federation(FederationAsk),
    Upkeep(UpkeepAsk),
    ReportSecretVersion(Ocid, String, ReportDetails),
    ListSecretConsumers(Ocid, Listing),
    GetSecretRetirement(Ocid),
    UpdateSecretRetirement(Ocid, Option<u32>),
    WatchSecrets(WatchAsk),
    GetDenial(String),
    ListEvents(EventsAsk),
}

/// Asks for audit events.
#[derive(Debug)]
pub(crate) struct EventsAsk {
    pub(crate) compartment_id: Ocid,
    /// From then on.
    pub(crate) start: Timestamp,
    /// Until then, without it.
    pub(crate) end: Timestamp,
    /// Where the page before ended.
    pub(crate) after: Option<String>,
    /// Describes the list; page tokens belong to it.
    pub(crate) scope: String,
}

/// Waits for changes of secrets.
#[derive(Debug)]
pub(crate) struct WatchAsk {
    /// The cursor of the last answer; without one nothing is waited for.
    pub(crate) after: Option<String>,
    pub(crate) wait: Duration,
}

/// Which version of a secret a retrieval means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selector {
    Stage(Stage),
    Number(u64),
    Name(String),
}

/// Order and page of a list.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) by_name: bool,
    pub(crate) order: SortOrder,
    pub(crate) paging: Paging,
    /// Describes the list; page tokens belong to it.
    pub(crate) scope: String,
}

/// A list of what a compartment holds.
#[derive(Debug)]
pub(crate) struct ByCompartment {
    pub(crate) compartment_id: Ocid,
    pub(crate) listing: Listing,
}

impl Ask {
    /// What the caller wants the audit record to say: `loggingContext`.
    pub(crate) fn logging_context(&self) -> Option<&BTreeMap<String, String>> {
        match self {
            Self::Encrypt(details) => Some(&details.logging),
            Self::Decrypt(details) => Some(&details.logging),
            Self::GenerateDataEncryptionKey(details) => Some(&details.logging),
            Self::Sign(details) => Some(&details.logging),
            Self::Verify(details) => Some(&details.signed.logging),
            Self::ExportKey(details) => Some(&details.logging),
            _ => None,
        }
    }

    /// The defined tags that the request puts on something.
    pub(crate) fn defined_tags(&self) -> Option<&DefinedTags> {
        match self {
            Self::Identity(ask) => ask.defined_tags(),
            Self::Federation(ask) => ask.defined_tags(),
            Self::CreateVault(details) => Some(&details.tags.defined),
            Self::CreateKey(details) => Some(&details.tags.defined),
            Self::ImportKey(details) => Some(&details.key.tags.defined),
            Self::CreateSecret(details) => details.set_up.defined_tags.as_ref(),
            Self::UpdateVault(_, details) => details.defined_tags.as_ref(),
            Self::UpdateKey(_, details) => details.change.defined_tags.as_ref(),
            Self::UpdateSecret(_, details) => details.change.defined_tags.as_ref(),
            _ => None,
        }
    }

    /// What conditions of policies can ask of the request itself.
    pub(crate) fn facts(&self) -> Vec<(FactName, Fact)> {
        let Self::GenerateDataEncryptionKey(details) = self else { return Vec::new() };
        let included = Fact::One(details.include_plaintext.to_string());
        vec![(FactName::Borrowed("request.includeplaintextkey"), included)]
    }

    /// Where the request has a secret replicated to.
    pub(crate) const fn replication_targets(&self) -> Option<&Vec<ReplicationTarget>> {
        match self {
            Self::CreateSecret(details) => details.set_up.replication.as_ref(),
            Self::UpdateSecret(_, details) => details.change.replication.as_ref(),
            _ => None,
        }
    }

    /// Reads query and body of a request whose route is known.
    #[expect(clippy::too_many_lines, reason = "one arm for each operation")]
    pub(crate) fn read(matched: &Matched, query: &str, body: &[u8]) -> Result<Self, Failure> {
        let query = Query::parse(query)?;
        let operation = matched.operation;
        Ok(match operation {
            Operation::CreateVault => Self::CreateVault(read(body, CreateVaultDetails::read)?),
            Operation::GetVault => Self::GetVault(path_ocid(matched)?),
            Operation::ListVaults => {
                Self::ListVaults(by_compartment(operation, &query, &BY_DISPLAY_NAME)?)
            }
            Operation::UpdateVault => {
                Self::UpdateVault(path_ocid(matched)?, read(body, UpdateVaultDetails::read)?)
            }
            Operation::ScheduleVaultDeletion => {
                Self::ScheduleVaultDeletion(path_ocid(matched)?, time_of_deletion(body)?)
            }
            Operation::CancelVaultDeletion => Self::CancelVaultDeletion(path_ocid(matched)?),
            Operation::ChangeVaultCompartment => {
                Self::ChangeVaultCompartment(path_ocid(matched)?, read(body, read_compartment_id)?)
            }
            Operation::GetVaultUsage => Self::GetVaultUsage(path_ocid(matched)?),
            Operation::BackupVault => Self::BackupVault(path_ocid(matched)?, backup(body)?),
            Operation::RestoreVaultFromFile => {
                Self::RestoreVaultFromFile(required_compartment(&query)?)
            }
            Operation::RestoreVaultFromObjectStore => Self::RestoreVaultFromObjectStore(
                required_compartment(&query)?,
                RestoreDetails::read(parse_optional_object(body)?)?,
            ),
            Operation::CreateVaultReplica => {
                Self::CreateVaultReplica(path_ocid(matched)?, read(body, ReplicaDetails::read)?)
            }
            Operation::DeleteVaultReplica => {
                Self::DeleteVaultReplica(path_ocid(matched)?, read(body, ReplicaDetails::read)?)
            }
            Operation::ListVaultReplicas => Self::ListVaultReplicas(
                path_ocid(matched)?,
                listing(matched, &query, &BY_DISPLAY_NAME)?,
            ),
            Operation::UpdateRegisteredVaultForMtls => {
                Self::UpdateRegisteredVaultForMtls(path_ocid(matched)?)
            }
            Operation::CreateKey => Self::CreateKey(read(body, CreateKeyDetails::read)?),
            Operation::GetKey => Self::GetKey(path_ocid(matched)?),
            Operation::ListKeys => Self::ListKeys(
                by_compartment(operation, &query, &BY_DISPLAY_NAME)?,
                KeyFilter::read(&query)?,
            ),
            Operation::UpdateKey => {
                Self::UpdateKey(path_ocid(matched)?, read(body, UpdateKeyDetails::read)?)
            }
            Operation::EnableKey => Self::EnableKey(path_ocid(matched)?),
            Operation::DisableKey => Self::DisableKey(path_ocid(matched)?),
            Operation::ScheduleKeyDeletion => {
                Self::ScheduleKeyDeletion(path_ocid(matched)?, time_of_deletion(body)?)
            }
            Operation::CancelKeyDeletion => Self::CancelKeyDeletion(path_ocid(matched)?),
            Operation::ChangeKeyCompartment => {
                Self::ChangeKeyCompartment(path_ocid(matched)?, read(body, read_compartment_id)?)
            }
            Operation::CreateKeyVersion => {
                read_no_external_version(parse_optional_object(body)?)?;
                Self::CreateKeyVersion(path_ocid(matched)?)
            }
            Operation::GetKeyVersion => {
                Self::GetKeyVersion(path_ocid(matched)?, second_ocid(matched)?)
            }
            Operation::ListKeyVersions => Self::ListKeyVersions(
                path_ocid(matched)?,
                listing(matched, &query, &BY_DISPLAY_NAME)?,
            ),
            Operation::ScheduleKeyVersionDeletion => Self::ScheduleKeyVersionDeletion(
                path_ocid(matched)?,
                second_ocid(matched)?,
                time_of_deletion(body)?,
            ),
            Operation::CancelKeyVersionDeletion => {
                Self::CancelKeyVersionDeletion(path_ocid(matched)?, second_ocid(matched)?)
            }
            Operation::GetWrappingKey => Self::GetWrappingKey,
            Operation::ImportKey => Self::ImportKey(read(body, ImportKeyDetails::read)?),
            Operation::ImportKeyVersion => {
                Self::ImportKeyVersion(path_ocid(matched)?, read(body, WrappedImportKey::read)?)
            }
            Operation::BackupKey => Self::BackupKey(path_ocid(matched)?, backup(body)?),
            Operation::RestoreKeyFromFile => Self::RestoreKeyFromFile,
            Operation::RestoreKeyFromObjectStore => {
                Self::RestoreKeyFromObjectStore(RestoreDetails::read(parse_optional_object(body)?)?)
            }
            Operation::GetReplicationStatus => Self::GetReplicationStatus(path_ocid(matched)?),
            Operation::Encrypt => Self::Encrypt(read(body, EncryptDetails::read)?),
            Operation::Decrypt => Self::Decrypt(read(body, DecryptDetails::read)?),
            Operation::GenerateDataEncryptionKey => {
                Self::GenerateDataEncryptionKey(read(body, GenerateKeyDetails::read)?)
            }
            Operation::Sign => Self::Sign(read(body, SignDetails::read)?),
            Operation::Verify => Self::Verify(read(body, VerifyDetails::read)?),
            Operation::ExportKey => Self::ExportKey(read(body, ExportKeyDetails::read)?),
            Operation::CreateSecret => {
                Self::CreateSecret(CreateSecretDetails::read(parse_object(body)?)?)
            }
            Operation::GetSecret => Self::GetSecret(path_ocid(matched)?),
            Operation::ListSecrets => Self::ListSecrets(
                by_compartment(operation, &query, &BY_NAME)?,
                SecretFilter::read(&query)?,
            ),
            Operation::UpdateSecret => Self::UpdateSecret(
                path_ocid(matched)?,
                UpdateSecretDetails::read(parse_object(body)?)?,
            ),
            Operation::ScheduleSecretDeletion => {
                Self::ScheduleSecretDeletion(path_ocid(matched)?, time_of_deletion(body)?)
            }
            Operation::CancelSecretDeletion => Self::CancelSecretDeletion(path_ocid(matched)?),
            Operation::ScheduleSecretVersionDeletion => Self::ScheduleSecretVersionDeletion(
                path_ocid(matched)?,
                path_number(matched)?,
                time_of_deletion(body)?,
            ),
            Operation::CancelSecretVersionDeletion => {
                Self::CancelSecretVersionDeletion(path_ocid(matched)?, path_number(matched)?)
            }
            Operation::ChangeSecretCompartment => {
                Self::ChangeSecretCompartment(path_ocid(matched)?, read(body, read_compartment_id)?)
            }
            Operation::RotateSecret => Self::RotateSecret(path_ocid(matched)?),
            Operation::CancelSecretRotation => Self::CancelSecretRotation(path_ocid(matched)?),
            Operation::ListSecretVersions => {
                Self::ListSecretVersions(path_ocid(matched)?, listing(matched, &query, &BY_NUMBER)?)
            }
            Operation::GetSecretVersion => {
                Self::GetSecretVersion(path_ocid(matched)?, path_number(matched)?)
            }
            Operation::GetSecretBundle => {
                Self::GetSecretBundle(path_ocid(matched)?, Selector::read(&query)?)
            }
            Operation::GetSecretBundleByName => Self::GetSecretBundleByName {
                vault_id: query_ocid(&query, "vaultId")?
                    .ok_or_else(|| Refusal::missing("vaultId"))?,
                name: query.required("secretName")?.to_owned(),
                selector: Selector::read(&query)?,
            },
            Operation::ListSecretBundleVersions => Self::ListSecretBundleVersions(
                path_ocid(matched)?,
                listing(matched, &query, &BY_NUMBER)?,
            ),
            Operation::ListCompartments
            | Operation::GetCompartment
            | Operation::CreateCompartment
            | Operation::UpdateCompartment
            | Operation::DeleteCompartment
            | Operation::MoveCompartment
            | Operation::ListUsers
            | Operation::GetUser
            | Operation::CreateUser
            | Operation::UpdateUser
            | Operation::DeleteUser
            | Operation::ListApiKeys
            | Operation::UploadApiKey
            | Operation::DeleteApiKey
            | Operation::ListGroups
            | Operation::GetGroup
            | Operation::CreateGroup
            | Operation::UpdateGroup
            | Operation::DeleteGroup
            | Operation::ListUserGroupMemberships
            | Operation::GetUserGroupMembership
            | Operation::AddUserToGroup
            | Operation::RemoveUserFromGroup
            | Operation::ListDynamicGroups
            | Operation::GetDynamicGroup
            | Operation::CreateDynamicGroup
            | Operation::UpdateDynamicGroup
            | Operation::DeleteDynamicGroup
            | Operation::ListPolicies
            | Operation::GetPolicy
            | Operation::CreatePolicy
            | Operation::UpdatePolicy
            | Operation::DeletePolicy
            | Operation::ListTagNamespaces
            | Operation::GetTagNamespace
            | Operation::CreateTagNamespace
            | Operation::UpdateTagNamespace
            | Operation::DeleteTagNamespace
            | Operation::ListTags
            | Operation::GetTag
            | Operation::CreateTag
            | Operation::UpdateTag
            | Operation::DeleteTag
            | Operation::GetTenancy
            | Operation::ListRegions
            | Operation::ListRegionSubscriptions
            | Operation::ListAvailabilityDomains => {
                Self::Identity(IdentityAsk::read(matched, &query, body)?)
            }
            Operation::ExchangeCertificate
            | Operation::GenerateUserSecurityToken
            | Operation::RefreshUserSecurityToken
            | Operation::CreateWorkload
            | Operation::GetWorkload
            | Operation::ListWorkloads
            | Operation::UpdateWorkload
            | Operation::ChangeWorkloadCompartment
            | Operation::DeleteWorkload
            | Operation::IssueWorkloadCertificate
            | Operation::RenewWorkloadCertificate
            | Operation::RotateTokenSigner => {
                Self::Federation(FederationAsk::read(matched, &query, body)?)
            }
            Operation::UpdateReadOnly | Operation::RotateRootKey => {
                Self::Upkeep(UpkeepAsk::read(matched, body)?)
            }
            Operation::ReportSecretVersion => Self::ReportSecretVersion(
                path_ocid(matched)?,
                read_consumer_name(second_parameter(matched))?,
                read(body, ReportDetails::read)?,
            ),
            Operation::ListSecretConsumers => Self::ListSecretConsumers(
                path_ocid(matched)?,
                listing(matched, &query, &BY_CONSUMER)?,
            ),
            Operation::GetSecretRetirement => Self::GetSecretRetirement(path_ocid(matched)?),
            Operation::UpdateSecretRetirement => {
                Self::UpdateSecretRetirement(path_ocid(matched)?, read(body, read_retirement)?)
            }
            Operation::WatchSecrets => Self::WatchSecrets(WatchAsk::read(&query)?),
            Operation::ListEvents => Self::ListEvents(EventsAsk::read(&query)?),
            Operation::GetDenial => Self::GetDenial(first_parameter(matched).to_owned()),
        })
    }
}

fn read<T>(body: &[u8], reader: fn(Fields) -> Result<T, Refusal>) -> Result<T, Refusal> {
    reader(parse_object(body)?)
}

fn time_of_deletion(body: &[u8]) -> Result<Option<Timestamp>, Refusal> {
    read_time_of_deletion(parse_optional_object(body)?)
}

fn backup(body: &[u8]) -> Result<BackupDetails, Refusal> {
    BackupDetails::read(parse_optional_object(body)?)
}

/// The values of `sortBy`, the first one if none is given. Lists sort by time, newest first, or by
/// name, smallest first; versions by number.
const BY_DISPLAY_NAME: [&str; 2] = ["TIMECREATED", "DISPLAYNAME"];
const BY_NAME: [&str; 2] = ["TIMECREATED", "NAME"];
const BY_NUMBER: [&str; 1] = ["VERSION_NUMBER"];
const BY_CONSUMER: [&str; 1] = ["CONSUMER_NAME"];

/// Longest wait of a request for changes: shorter than a request may take, and than proxies wait.
const WAIT_SECS_MAX: u64 = 50;

/// A path that holds no OCID names nothing that could be found.
fn path_ocid(matched: &Matched) -> Result<Ocid, Failure> {
    let text = first_parameter(matched);
    text.parse().map_err(|_not_an_ocid| Failure::not_found("the path holds no OCID"))
}

fn first_parameter(matched: &Matched) -> &str {
    matched.parameters.first().map(String::as_str).unwrap_or_default()
}

fn second_parameter(matched: &Matched) -> &str {
    matched.parameters.get(1).map(String::as_str).unwrap_or_default()
}

/// The second OCID of a path.
fn second_ocid(matched: &Matched) -> Result<Ocid, Failure> {
    let text = second_parameter(matched);
    text.parse().map_err(|_not_an_ocid| Failure::not_found("the path holds no second OCID"))
}

fn path_number(matched: &Matched) -> Result<u64, Failure> {
    let text = second_parameter(matched);
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| *number > 0 && digits);
    number.ok_or_else(|| Failure::not_found("the path holds no version number"))
}

fn query_ocid(query: &Query, name: &str) -> Result<Option<Ocid>, Refusal> {
    let Some(text) = query.get(name) else {
        return Ok(None);
    };
    text.parse().map(Some).map_err(|_not_an_ocid| Refusal::invalid(name, "must be an OCID"))
}

fn required_compartment(query: &Query) -> Result<Ocid, Refusal> {
    query_ocid(query, "compartmentId")?.ok_or_else(|| Refusal::missing("compartmentId"))
}

fn by_compartment(
    operation: Operation,
    query: &Query,
    sort_by: &[&'static str],
) -> Result<ByCompartment, Refusal> {
    let compartment_id = required_compartment(query)?;
    let place = format!("{} {compartment_id}", operation.name());
    Ok(ByCompartment { compartment_id, listing: Listing::read(query, sort_by, &place)? })
}

fn listing(matched: &Matched, query: &Query, sort_by: &[&'static str]) -> Result<Listing, Refusal> {
    let place = format!("{} {}", matched.operation.name(), matched.parameters.join("/"));
    Listing::read(query, sort_by, &place)
}

impl Listing {
    fn read(query: &Query, sort_by: &[&'static str], place: &str) -> Result<Self, Refusal> {
        let sorted = query.one_of("sortBy", sort_by)?.or(sort_by.first().copied());
        let by_name = sorted.is_some_and(|sorted| sorted.ends_with("NAME"));
        let default = if by_name { SortOrder::Asc } else { SortOrder::Desc };
        let order = query.sort_order()?.unwrap_or(default);
        let scope = format!("{place} {by_name} {order:?}");
        let paging = Paging::read(query, &scope)?;
        Ok(Self { by_name, order, paging, scope })
    }
}

impl EventsAsk {
    fn read(query: &Query) -> Result<Self, Refusal> {
        let compartment_id = required_compartment(query)?;
        let start = query.required_timestamp("startTime")?;
        let end = query.required_timestamp("endTime")?;
        if end <= start {
            return Err(Refusal::invalid("endTime", "must be after startTime"));
        }
        let scope = format!("ListEvents {compartment_id} {start} {end}");
        let after = Paging::read(query, &scope)?.after;
        Ok(Self { compartment_id, start, end, after, scope })
    }
}

impl WatchAsk {
    fn read(query: &Query) -> Result<Self, Refusal> {
        let secs = query.number("waitSeconds", 0, WAIT_SECS_MAX)?.unwrap_or(0);
        Ok(Self { after: query.get("after").map(str::to_owned), wait: Duration::from_secs(secs) })
    }
}

impl Selector {
    /// At most one of the three; none means the current version.
    fn read(query: &Query) -> Result<Self, Refusal> {
        let number = query.number("versionNumber", 1, i64::MAX.unsigned_abs())?.map(Self::Number);
        let name = query.get("secretVersionName").map(|name| Self::Name(name.to_owned()));
        let names = Stage::ALL.map(Stage::name);
        let stage = query.one_of("stage", &names)?;
        let stage = Stage::ALL.into_iter().find(|known| Some(known.name()) == stage);
        let mut given = [number, name, stage.map(Self::Stage)].into_iter().flatten();
        match (given.next(), given.next()) {
            (None, _) => Ok(Self::Stage(Stage::Current)),
            (Some(selector), None) => Ok(selector),
            (Some(_), Some(_)) => {
                let rule = "at most one of versionNumber, secretVersionName and stage may be given";
                Err(Refusal::invalid("query", rule))
            }
        }
    }
}
