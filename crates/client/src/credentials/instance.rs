use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use serde::Deserialize;
use strongroom_model::{Clock, Random, Region, Sensitive};
use strongroom_signing::{Certificate, PrivateKey};
use tokio::time::Instant;

use super::token::Bearer;
use super::{ApiKey, Credentials, Got, Source, bearer, unavailable};
use crate::client::Client;
use crate::endpoint::{BaseUrl, Endpoints};
use crate::error::ClientError;
use crate::transport::{Authorities, Transport};
use crate::workloads::MachineProof;

/// Where an instance of Oracle's cloud finds its metadata.
pub const IMDS_URL: &str = "http://169.254.169.254/opc/v2";

const WHAT: &str = "the instance principal";

/// How long one answer of the metadata service may take: it is on this machine.
const ASK_TIME: Duration = Duration::from_secs(3);

const TRIES: usize = 3;

/// An instance principal: the metadata service tells who the machine is, and its certificate is
/// exchanged for a token. Certificate and key are read anew each time, since they rotate.
#[derive(Debug)]
pub struct InstancePrincipal {
    imds: Transport,
    imds_url: String,
    federation: Option<BaseUrl>,
    clients: Clients,
}

/// What clients of the federation service are made of.
#[derive(Debug)]
struct Clients {
    bundle: Option<Sensitive>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RegionInfo {
    region_identifier: String,
}

impl InstancePrincipal {
    /// Makes a source of credentials. `imds_url` ends with `/opc/v2`; `federation` is the base of
    /// `/v1/x509`, where it is not the one of the machine's region.
    ///
    /// # Errors
    /// [`ClientError::Authorities`] if no certificate authority can be read.
    pub fn new(
        imds_url: &str,
        federation: Option<BaseUrl>,
        authorities: Authorities<'_>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, ClientError> {
        let bundle = match authorities {
            Authorities::System => None,
            Authorities::Bundle(pem) => Some(Sensitive::new(pem.to_vec())),
        };
        Ok(Self {
            imds: Transport::new(Authorities::System, false)?,
            imds_url: imds_url.trim_end_matches('/').to_owned(),
            federation,
            clients: Clients { bundle, clock, random },
        })
    }

    /// Asks the metadata service for the machine's region.
    ///
    /// # Errors
    /// A [`ClientError`] if it does not answer, or names a region that is unknown.
    pub async fn region(&self) -> Result<&'static Region, ClientError> {
        let answer = self.ask("/instance/regionInfo").await?;
        let info: RegionInfo = serde_json::from_slice(answer.expose())
            .map_err(|_error| unavailable(WHAT, "its region cannot be read"))?;
        let known = Region::named(&info.region_identifier);
        known.ok_or_else(|| unavailable(WHAT, "its region is unknown"))
    }

    /// Asks the metadata service for the machine's certificate, PEM, and for its key, which must belong
    /// to it.
    ///
    /// # Errors
    /// A [`ClientError`] if there is none, or the two are not a pair.
    pub async fn certificate(&self) -> Result<String, ClientError> {
        Ok(self.pair().await?.0)
    }

    async fn ask(&self, path: &str) -> Result<Sensitive, ClientError> {
        let mut tried = 0;
        loop {
            let request = Request::get(format!("{}{path}", self.imds_url))
                .header("authorization", "Bearer Oracle")
                .body(Full::new(Bytes::new()))
                .map_err(|_error| unavailable(WHAT, "the metadata service's URL is none"))?;
            tried += 1;
            match self.imds.send(request, Instant::now() + ASK_TIME).await {
                Ok(answer) => return Ok(Sensitive::new(answer.body.to_vec())),
                Err(ClientError::Unreachable { .. }) if tried < TRIES => {}
                Err(error) => {
                    return Err(unavailable(WHAT, &format!("the metadata service: {error}")));
                }
            }
        }
    }

    async fn text(&self, path: &str) -> Result<String, ClientError> {
        let answer = self.ask(path).await?;
        let text = String::from_utf8(answer.expose().to_vec());
        text.map_err(|_error| unavailable(WHAT, "the metadata service's answer is not text"))
    }

    /// Certificate and key, read again if one of them was replaced in between.
    async fn pair(&self) -> Result<(String, PrivateKey), ClientError> {
        let mut tried = 0;
        loop {
            let certificate = self.text("/identity/cert.pem").await?;
            let key = self.ask("/identity/key.pem").await?;
            let key = PrivateKey::from_bytes(key.expose(), None);
            let key = key.map_err(|error| unavailable(WHAT, &error))?;
            let certified = Certificate::from_text(&certificate)
                .and_then(|certificate| certificate.public_key())
                .map_err(|error| unavailable(WHAT, &format!("its certificate: {error}")))?;
            let own = key.public().map_err(|error| unavailable(WHAT, &error))?;
            tried += 1;
            if own.fingerprint() == certified.fingerprint() {
                return Ok((certificate, key));
            }
            if tried == TRIES {
                return Err(unavailable(WHAT, "its certificate is not of its key"));
            }
        }
    }
}

impl Clients {
    fn signing_with(&self, endpoints: Endpoints, key: ApiKey) -> Result<Client, ClientError> {
        let bundle = self.bundle.as_ref().map(Sensitive::expose);
        let authorities = bundle.map_or(Authorities::System, Authorities::Bundle);
        let (clock, random) = (Arc::clone(&self.clock), Arc::clone(&self.random));
        Client::new(endpoints, authorities, Credentials::from(key), clock, random)
    }
}

impl Source for InstancePrincipal {
    fn get(&self) -> Got<'_> {
        Box::pin(self.fetch())
    }
}

impl InstancePrincipal {
    async fn fetch(&self) -> Result<Bearer, ClientError> {
        let (certificate, key) = self.pair().await?;
        let intermediate = self.text("/identity/intermediate.pem").await?;
        let endpoints = match &self.federation {
            Some(url) => Endpoints::One(url.clone()),
            None => Endpoints::Region(self.region().await?),
        };
        let failed = |error: String| unavailable(WHAT, &error);
        let read =
            Certificate::from_text(&certificate).map_err(|error| failed(error.to_string()))?;
        let tenancy = read
            .unit("opc-tenant:")
            .ok_or_else(|| failed("its certificate names no tenancy".to_owned()))?;
        let proof =
            MachineProof { certificate: &certificate, intermediate_certificate: &intermediate };
        let leaf = proof.key(tenancy, key).map_err(|error| failed(error.to_string()))?;
        let session = tokio::task::spawn_blocking(PrivateKey::generate).await;
        let session = session.map_err(|error| failed(error.to_string()))?;
        let session = session.map_err(|error| failed(error.to_string()))?;
        let public = session.public().map_err(|error| failed(error.to_string()))?;
        let client = self.clients.signing_with(endpoints, leaf)?;
        let exchanged = client.exchange_certificate(&proof, &public).await;
        let token = exchanged.map_err(|error| {
            let is_refused = matches!(
                &error,
                ClientError::Service(refusal) if matches!(refusal.status, 401 | 403 | 404)
            );
            let why = format!("the federation service: {error}");
            ClientError::Credentials { what: WHAT, why, is_refused }
        })?;
        bearer(WHAT, &token, session)
    }
}
