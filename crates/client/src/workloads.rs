//! Workloads of a Strongroom vault, their certificates, and the tokens that certificates are
//! exchanged for.

use bytes::Bytes;
use hyper::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;
use strongroom_signing::{Certificate, CertificateError, PrivateKey, PublicKey};

use crate::calls::{encode, get, parse, target};
use crate::client::{Call, Client};
use crate::credentials::ApiKey;
use crate::endpoint::Service;
use crate::error::ClientError;

/// A workload: an instance, or another resource, that authenticates as itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Workload {
    /// OCID.
    pub id: String,
    /// OCID of its compartment.
    pub compartment_id: String,
    /// Name, unique in the compartment.
    pub name: String,
    /// Description.
    pub description: String,
    /// `instance`, `fnfunc`, ….
    pub resource_type: String,
    /// When it was enrolled, RFC 3339.
    pub time_created: String,
}

/// A workload to be enrolled.
#[derive(Debug)]
pub struct NewWorkload<'a> {
    /// OCID of the compartment.
    pub compartment_id: &'a str,
    /// Name.
    pub name: &'a str,
    /// Description.
    pub description: &'a str,
    /// Type of the resource.
    pub resource_type: &'a str,
}

/// A certificate that was issued for a workload, with where it belongs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IssuedCertificate {
    /// OCID of the workload.
    pub workload_id: String,
    /// Name of the workload.
    pub name: String,
    /// Name of the region.
    pub region: String,
    /// OCID of the tenancy.
    pub tenancy_id: String,
    /// OCID of the workload's compartment.
    pub compartment_id: String,
    /// The certificate, PEM.
    pub certificate: String,
    /// What vouches for it, PEM.
    pub intermediate_certificate: String,
    /// What vouches for that, PEM.
    pub root_certificate: String,
    /// Up to when the certificate is valid, RFC 3339.
    pub time_of_expiry: String,
}

/// The key that signs a vault's tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenSigner {
    /// Its name, as in the tokens' headers.
    pub kid: String,
    /// When it was made, RFC 3339.
    pub time_created: String,
    /// How many earlier ones still hold.
    pub earlier: usize,
}

#[derive(Deserialize)]
struct Token {
    token: String,
}

/// What a machine proves itself with.
#[derive(Debug)]
pub struct MachineProof<'a> {
    /// Its certificate, PEM.
    pub certificate: &'a str,
    /// What vouches for it, PEM.
    pub intermediate_certificate: &'a str,
}

impl MachineProof<'_> {
    /// Returns what requests to the federation service are signed with.
    ///
    /// # Errors
    /// A [`CertificateError`] if the certificate cannot be read.
    pub fn key(&self, tenancy_id: &str, key: PrivateKey) -> Result<ApiKey, CertificateError> {
        let fingerprint = Certificate::from_text(self.certificate)?.fingerprint();
        Ok(ApiKey { id: format!("{tenancy_id}/fed-x509-sha256/{fingerprint}"), key })
    }

    fn body(&self, public_key: &PublicKey) -> Bytes {
        let body = json!({
            "certificate": bare(self.certificate),
            "publicKey": bare(&public_key.to_pem()),
            "intermediateCertificates": [bare(self.intermediate_certificate)],
            "fingerprintAlgorithm": "SHA256",
        });
        Bytes::from(body.to_string())
    }
}

/// Returns what is between the armour of a PEM text, in one line.
pub(crate) fn bare(pem: &str) -> String {
    pem.lines().filter(|line| !line.starts_with("-----")).collect()
}

fn post(service: Service, target: String, body: Bytes) -> Call {
    Call { method: Method::POST, body: Some(body), ..get(service, target) }
}

impl Client {
    /// `CreateWorkload`.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn create_workload(&self, new: &NewWorkload<'_>) -> Result<Workload, ClientError> {
        let body = json!({
            "compartmentId": new.compartment_id,
            "name": new.name,
            "description": new.description,
            "resourceType": new.resource_type,
        });
        let call = post(Service::Vaults, WORKLOADS.to_owned(), Bytes::from(body.to_string()));
        let call = Call { retry_token: true, ..call };
        parse(&self.send(call).await?, "CreateWorkload")
    }

    /// `ListWorkloads` of a compartment, all pages.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn workloads(&self, compartment_id: &str) -> Result<Vec<Workload>, ClientError> {
        let parameters =
            vec![("compartmentId", compartment_id.to_owned()), ("sortBy", "NAME".to_owned())];
        self.all_pages(Service::Vaults, WORKLOADS, parameters, "ListWorkloads").await
    }

    /// `DeleteWorkload`.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn delete_workload(&self, id: &str) -> Result<(), ClientError> {
        let call = get(Service::Vaults, format!("{WORKLOADS}/{}", encode(id)));
        self.send(Call { method: Method::DELETE, ..call }).await.map(|_answer| ())
    }

    /// `IssueWorkloadCertificate`.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn issue_certificate(
        &self,
        id: &str,
        public_key: &PublicKey,
    ) -> Result<IssuedCertificate, ClientError> {
        let target = format!("{WORKLOADS}/{}/actions/issueCertificate", encode(id));
        let body = Bytes::from(json!({ "publicKey": public_key.to_pem() }).to_string());
        let call = Call { retry_token: true, ..post(Service::Vaults, target, body) };
        parse(&self.send(call).await?, "IssueWorkloadCertificate")
    }

    /// `RenewWorkloadCertificate`: this client signs with the key of the certificate, see
    /// [`MachineProof::key`].
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn renew_certificate(
        &self,
        proof: &MachineProof<'_>,
        public_key: &PublicKey,
    ) -> Result<IssuedCertificate, ClientError> {
        let target = "/_strongroom/v1/x509/renew".to_owned();
        let call = post(Service::Auth, target, proof.body(public_key));
        let call = Call { retry_token: true, ..call };
        parse(&self.send(call).await?, "RenewWorkloadCertificate")
    }

    /// `POST /v1/x509`: a token for the machine, and for the key that will sign its requests. This
    /// client signs with the key of the certificate, see [`MachineProof::key`].
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn exchange_certificate(
        &self,
        proof: &MachineProof<'_>,
        session_key: &PublicKey,
    ) -> Result<String, ClientError> {
        let call = post(Service::Auth, "/v1/x509".to_owned(), proof.body(session_key));
        let call = Call { retry_token: true, ..call };
        let answer: Token = parse(&self.send(call).await?, "ExchangeCertificate")?;
        Ok(answer.token)
    }

    /// `RotateTokenSigner`; with `is_revoking` all tokens of earlier keys are of no use at once.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn rotate_token_signer(&self, is_revoking: bool) -> Result<TokenSigner, ClientError> {
        let target = target("/_strongroom/v1/tokenSigner/actions/rotate", &[]);
        let body = Bytes::from(json!({ "isRevoking": is_revoking }).to_string());
        parse(&self.send(post(Service::Vaults, target, body)).await?, "RotateTokenSigner")
    }
}

const WORKLOADS: &str = "/_strongroom/v1/workloads";
