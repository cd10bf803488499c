//! The rows of the matrix for workloads, certificates and tokens.

use strongroom_model::Operation;

use crate::matrix::{Row, Step, Whom, act, get, post};

const WORKLOAD: &str = r#"{"compartmentId":"{compartment}","name":"web","description":"d"}"#;
const NEW_WORKLOAD: Step = Step::Send("POST", "/_strongroom/v1/workloads", WORKLOAD);
const CERTIFICATE: Step = Step::Send(
    "POST",
    "/_strongroom/v1/workloads/{id}/actions/issueCertificate",
    r#"{"publicKey":"{public}"}"#,
);
const SESSION: Step = Step::Send(
    "POST",
    "/v1/token/upst/actions/GenerateUpst",
    r#"{"publicKey":"{public}","sessionExpirationInMinutes":"5"}"#,
);
const EXCHANGE: &str = r#"{"certificate":"{certificate}","publicKey":"{public}",
    "intermediateCertificates":["{intermediateCertificate}"],"purpose":"DEFAULT"}"#;
const MANAGER: &[&str] = &["Allow group Gentitled to manage workloads in compartment sample"];

pub(crate) const FEDERATION: [Row; 14] = [
    post(Operation::CreateWorkload, MANAGER, "/_strongroom/v1/workloads", WORKLOAD),
    get(
        Operation::GetWorkload,
        &["Allow group Gentitled to read workloads in compartment sample"],
        "/_strongroom/v1/workloads/{id}",
    )
    .after(&[NEW_WORKLOAD]),
    get(
        Operation::ListWorkloads,
        &["Allow group Gentitled to inspect workloads in compartment sample"],
        "/_strongroom/v1/workloads?compartmentId={compartment}",
    ),
    post(
        Operation::UpdateWorkload,
        &["Allow group Gentitled to use workloads in compartment sample"],
        "/_strongroom/v1/workloads/{id}",
        r#"{"description":"n"}"#,
    )
    .put()
    .after(&[NEW_WORKLOAD]),
    post(
        Operation::ChangeWorkloadCompartment,
        &["Allow group Gentitled to manage workloads in tenancy"],
        "/_strongroom/v1/workloads/{id}/actions/changeCompartment",
        r#"{"compartmentId":"{tenancy}"}"#,
    )
    .after(&[NEW_WORKLOAD]),
    get(Operation::DeleteWorkload, MANAGER, "/_strongroom/v1/workloads/{id}")
        .delete(204)
        .after(&[NEW_WORKLOAD]),
    post(
        Operation::IssueWorkloadCertificate,
        MANAGER,
        "/_strongroom/v1/workloads/{id}/actions/issueCertificate",
        r#"{"publicKey":"{public}"}"#,
    )
    .after(&[NEW_WORKLOAD]),
    post(Operation::RenewWorkloadCertificate, &[], "/_strongroom/v1/x509/renew", EXCHANGE)
        .whom(Whom::Machine)
        .after(&[NEW_WORKLOAD, CERTIFICATE]),
    post(Operation::ExchangeCertificate, &[], "/v1/x509", EXCHANGE)
        .whom(Whom::Machine)
        .after(&[NEW_WORKLOAD, CERTIFICATE]),
    post(
        Operation::GenerateUserSecurityToken,
        &[],
        "/v1/token/upst/actions/GenerateUpst",
        r#"{"publicKey":"{public}"}"#,
    )
    .whom(Whom::Everybody),
    post(
        Operation::RefreshUserSecurityToken,
        &[],
        "/v1/authentication/refresh",
        r#"{"currentToken":"{token}"}"#,
    )
    .whom(Whom::Bearer)
    .after(&[SESSION]),
    act(
        Operation::RotateTokenSigner,
        &["Allow group Gentitled to use tenancies in tenancy"],
        "/_strongroom/v1/tokenSigner/actions/rotate",
    ),
    post(
        Operation::UpdateReadOnly,
        &["Allow group Gentitled to use tenancies in tenancy"],
        "/_strongroom/v1/readOnly",
        r#"{"isReadOnly":false}"#,
    )
    .put(),
    // The server of the matrix has no file for its root key.
    post(
        Operation::RotateRootKey,
        &["Allow group Gentitled to use tenancies in tenancy"],
        "/_strongroom/v1/rootKey/actions/rotate",
        r#"{"rootFile":"eA==","next":"eA==","previous":"eA=="}"#,
    )
    .answering(409),
];
