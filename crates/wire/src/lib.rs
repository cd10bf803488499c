//! OCI's bytes: route table, strict JSON, pagination tokens, etags and error bodies.

pub mod bodies;
mod content;
mod details;
mod error;
mod etag;
mod fields;
mod json;
pub mod metadata;
mod page;
mod query;
mod request_id;
mod route;

pub use content::{CONTENT_BYTES_MAX, decode_base64};
pub use details::{
    AddUserToGroupDetails, BackupDetails, BackupLocation, ChangedNamed, CreateDynamicGroupDetails,
    CreateKeyDetails, CreatePolicyDetails, CreateSecretDetails, CreateTagDetails,
    CreateUserDetails, CreateVaultDetails, CreateWorkloadDetails, DecryptDetails, EncryptDetails,
    ExchangeDetails, ExportKeyDetails, GenerateKeyDetails, ImportKeyDetails, NewNamed,
    ReplicaDetails, ReportDetails, RestoreDetails, RootKeyDetails, SessionTokenDetails,
    SignDetails, TagValues, UpdateDynamicGroupDetails, UpdateKeyDetails, UpdatePolicyDetails,
    UpdateSecretDetails, UpdateTagDetails, UpdateTagNamespaceDetails, UpdateUserDetails,
    UpdateVaultDetails, VerifyDetails, WrappedImportKey, read_api_key, read_compartment_id,
    read_consumer_name, read_current_token, read_is_read_only, read_is_revoking,
    read_no_external_version, read_public_key, read_retirement, read_target_compartment_id,
    read_time_of_deletion,
};
pub use error::{ErrorCode, Refusal};
pub use etag::Etag;
pub use fields::Fields;
pub use json::{BODY_BYTES_MAX, DEPTH_MAX, parse_object, parse_optional_object};
pub use page::{PAGE_LIMIT_DEFAULT, PAGE_LIMIT_MAX, PageToken, Paging};
pub use query::{Query, SortOrder};
pub use request_id::RequestId;
pub use route::{Matched, Method, NoRoute, find, template};
