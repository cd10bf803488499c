//! What a request asks for: the operation with its parameters, read and checked.

use strongroom_model::{Ocid, Operation, Stage};
use strongroom_wire::{
    CreateCompartmentDetails, CreateKeyDetails, CreateSecretDetails, CreateVaultDetails, Matched,
    Paging, Query, Refusal, SortOrder, UpdateSecretDetails, parse_object,
};

use crate::failure::Failure;

/// A request's operation and parameters.
#[derive(Debug)]
pub(crate) enum Ask {
    CreateVault(CreateVaultDetails),
    GetVault(Ocid),
    ListVaults(ByCompartment),
    CreateKey(CreateKeyDetails),
    GetKey(Ocid),
    ListKeys(ByCompartment, KeyFilter),
    ListKeyVersions(Ocid, Listing),
    CreateSecret(CreateSecretDetails),
    GetSecret(Ocid),
    ListSecrets(ByCompartment, SecretFilter),
    UpdateSecret(Ocid, UpdateSecretDetails),
    ListSecretVersions(Ocid, Listing),
    GetSecretVersion(Ocid, u64),
    GetSecretBundle(Ocid, Selector),
    GetSecretBundleByName { vault_id: Ocid, name: String, selector: Selector },
    ListSecretBundleVersions(Ocid, Listing),
    ListCompartments(ByCompartment, CompartmentFilter),
    GetCompartment(Ocid),
    CreateCompartment(CreateCompartmentDetails),
    GetUser(Ocid),
    ListRegionSubscriptions(Ocid),
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

/// Filters of `ListCompartments`.
#[derive(Debug)]
pub(crate) struct CompartmentFilter {
    pub(crate) name: Option<String>,
    pub(crate) subtree: bool,
    pub(crate) accessible_only: bool,
    pub(crate) state: Option<&'static str>,
}

impl Ask {
    /// Reads query and body of a request whose route is known.
    pub(crate) fn read(matched: &Matched, query: &str, body: &[u8]) -> Result<Self, Failure> {
        let query = Query::parse(query)?;
        let operation = matched.operation;
        Ok(match operation {
            Operation::CreateVault => {
                Self::CreateVault(CreateVaultDetails::read(parse_object(body)?)?)
            }
            Operation::GetVault => Self::GetVault(path_ocid(matched)?),
            Operation::ListVaults => {
                Self::ListVaults(by_compartment(operation, &query, &BY_DISPLAY_NAME)?)
            }
            Operation::CreateKey => Self::CreateKey(CreateKeyDetails::read(parse_object(body)?)?),
            Operation::GetKey => Self::GetKey(path_ocid(matched)?),
            Operation::ListKeys => Self::ListKeys(
                by_compartment(operation, &query, &BY_DISPLAY_NAME)?,
                KeyFilter::read(&query)?,
            ),
            Operation::ListKeyVersions => Self::ListKeyVersions(
                path_ocid(matched)?,
                listing(matched, &query, &BY_DISPLAY_NAME)?,
            ),
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
            Operation::ListCompartments => Self::ListCompartments(
                by_compartment(operation, &query, &BY_NAME)?,
                CompartmentFilter::read(&query)?,
            ),
            Operation::GetCompartment => Self::GetCompartment(path_ocid(matched)?),
            Operation::CreateCompartment => {
                Self::CreateCompartment(CreateCompartmentDetails::read(parse_object(body)?)?)
            }
            Operation::GetUser => Self::GetUser(path_ocid(matched)?),
            Operation::ListRegionSubscriptions => {
                Self::ListRegionSubscriptions(path_ocid(matched)?)
            }
        })
    }
}

/// The values of `sortBy`; the second one sorts by name. Lists sort by time, newest first, or by
/// name, smallest first; versions by number.
const BY_DISPLAY_NAME: [&str; 2] = ["TIMECREATED", "DISPLAYNAME"];
const BY_NAME: [&str; 2] = ["TIMECREATED", "NAME"];
const BY_NUMBER: [&str; 1] = ["VERSION_NUMBER"];

/// A path that holds no OCID names nothing that could be found.
fn path_ocid(matched: &Matched) -> Result<Ocid, Failure> {
    let text = matched.parameters.first().map(String::as_str).unwrap_or_default();
    text.parse().map_err(|_not_an_ocid| Failure::not_found("the path holds no OCID"))
}

fn path_number(matched: &Matched) -> Result<u64, Failure> {
    let text = matched.parameters.get(1).map(String::as_str).unwrap_or_default();
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

fn by_compartment(
    operation: Operation,
    query: &Query,
    sort_by: &[&'static str],
) -> Result<ByCompartment, Refusal> {
    let compartment_id =
        query_ocid(query, "compartmentId")?.ok_or_else(|| Refusal::missing("compartmentId"))?;
    let place = format!("{} {compartment_id}", operation.name());
    Ok(ByCompartment { compartment_id, listing: Listing::read(query, sort_by, &place)? })
}

fn listing(matched: &Matched, query: &Query, sort_by: &[&'static str]) -> Result<Listing, Refusal> {
    let place = format!("{} {}", matched.operation.name(), matched.parameters.join("/"));
    Listing::read(query, sort_by, &place)
}

impl Listing {
    fn read(query: &Query, sort_by: &[&'static str], place: &str) -> Result<Self, Refusal> {
        let sorted = query.one_of("sortBy", sort_by)?;
        let by_name = sorted.is_some_and(|sorted| Some(&sorted) == sort_by.get(1));
        let default = if by_name { SortOrder::Asc } else { SortOrder::Desc };
        let order = query.sort_order()?.unwrap_or(default);
        let scope = format!("{place} {by_name} {order:?}");
        let paging = Paging::read(query, &scope)?;
        Ok(Self { by_name, order, paging, scope })
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

impl KeyFilter {
    fn read(query: &Query) -> Result<Self, Refusal> {
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
    fn read(query: &Query) -> Result<Self, Refusal> {
        Ok(Self {
            name: query.get("name").map(str::to_owned),
            vault_id: query_ocid(query, "vaultId")?,
            state: query.one_of("lifecycleState", &SECRET_STATES)?,
        })
    }
}

const COMPARTMENT_STATES: [&str; 5] = ["CREATING", "ACTIVE", "INACTIVE", "DELETING", "DELETED"];

impl CompartmentFilter {
    fn read(query: &Query) -> Result<Self, Refusal> {
        let access = query.one_of("accessLevel", &["ANY", "ACCESSIBLE"])?;
        Ok(Self {
            name: query.get("name").map(str::to_owned),
            subtree: query.flag("compartmentIdInSubtree")?,
            accessible_only: access == Some("ACCESSIBLE"),
            state: query.one_of("lifecycleState", &COMPARTMENT_STATES)?,
        })
    }
}
