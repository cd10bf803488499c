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
use super::{Credentials, Got, SessionKey, Source, bearer, not_given, unavailable};
use crate::client::Client;
use crate::endpoint::{BaseUrl, Endpoints, RegionMetadata};
use crate::error::ClientError;
use crate::network::{Authorities, Network, OwnNetwork};
use crate::transport::Transport;
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
    network: OwnNetwork,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

/// What the metadata service tells of a region. Old ones tell its identifier only.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RegionInfo {
    region_identifier: String,
    region_key: Option<String>,
    realm_key: Option<String>,
    realm_domain_component: Option<String>,
}

impl InstancePrincipal {
    /// Makes a source of credentials. `imds_url` ends with `/opc/v2`; `federation` is the base of
    /// `/v1/x509`, where it is not the one of the machine's region.
    ///
    /// # Errors
    /// [`ClientError::Authorities`] if no certificate authority can be read.
    pub fn new<'a>(
        imds_url: &str,
        federation: Option<BaseUrl>,
        network: impl Into<Network<'a>>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, ClientError> {
        Ok(Self {
            // No proxy: the metadata tell the machine's key.
            imds: Transport::new(Authorities::System, false)?,
            imds_url: imds_url.trim_end_matches('/').to_owned(),
            federation,
            clients: Clients { network: network.into().into(), clock, random },
        })
    }

    /// Asks the metadata service for the machine's region. It tells everything of one that is not in
    /// the table.
    ///
    /// # Errors
    /// A [`ClientError`] if it does not answer, or does not tell enough.
    pub async fn region(&self) -> Result<RegionMetadata, ClientError> {
        let answer = self.ask("/instance/regionInfo").await?;
        let info: RegionInfo = serde_json::from_slice(answer.expose())
            .map_err(|_error| unavailable(WHAT, "its region cannot be read"))?;
        let known = Region::named(&info.region_identifier).map(RegionMetadata::from);
        known.or_else(|| info.whole()).ok_or_else(|| unavailable(WHAT, "its region is unknown"))
    }

    /// Asks the metadata service for the machine's OCID, in lower case as Oracle's SDKs have it.
    pub(super) async fn id(&self) -> Result<String, ClientError> {
        Ok(self.text("/instance/id").await?.trim().to_ascii_lowercase())
    }

    /// Returns where the federation service is.
    pub(super) async fn federation(&self) -> Result<Endpoints, ClientError> {
        Ok(match &self.federation {
            Some(url) => Endpoints::One(url.clone()),
            None => self.region().await?.endpoints(),
        })
    }

    /// Makes a client of services that know this machine as an instance.
    pub(super) fn client(
        &self,
        credentials: &Arc<Credentials>,
        endpoints: Endpoints,
    ) -> Result<Client, ClientError> {
        self.clients.signing_with(Arc::clone(credentials), endpoints)
    }

    /// Returns the time that tokens are measured by.
    pub(super) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clients.clock)
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

impl RegionInfo {
    fn whole(self) -> Option<RegionMetadata> {
        Some(RegionMetadata {
            realm_key: self.realm_key?,
            realm_domain_component: self.realm_domain_component?,
            region_key: self.region_key?,
            region_identifier: self.region_identifier,
        })
    }
}

impl Clients {
    fn signing_with(
        &self,
        credentials: Arc<Credentials>,
        endpoints: Endpoints,
    ) -> Result<Client, ClientError> {
        let network = self.network.lent();
        let by = (Arc::clone(&self.clock), Arc::clone(&self.random));
        Client::sharing(credentials, endpoints, network, by)
    }
}

impl Source for InstancePrincipal {
    fn name(&self) -> &'static str {
        "instance_principal"
    }

    fn get(&self) -> Got<'_> {
        Box::pin(self.fetch())
    }
}

impl InstancePrincipal {
    async fn fetch(&self) -> Result<Bearer, ClientError> {
        let (certificate, key) = self.pair().await?;
        let intermediate = self.text("/identity/intermediate.pem").await?;
        let endpoints = self.federation().await?;
        let failed = |error: String| unavailable(WHAT, &error);
        let read =
            Certificate::from_text(&certificate).map_err(|error| failed(error.to_string()))?;
        let tenancy = read
            .unit("opc-tenant:")
            .ok_or_else(|| failed("its certificate names no tenancy".to_owned()))?;
        let proof =
            MachineProof { certificate: &certificate, intermediate_certificate: &intermediate };
        let leaf = proof.key(tenancy, key).map_err(|error| failed(error.to_string()))?;
        let session = SessionKey::generate(WHAT).await?;
        let client = self.clients.signing_with(Arc::new(leaf.into()), endpoints)?;
        let exchanged = client.exchange_certificate(&proof, &session.public).await;
        let token = exchanged.map_err(|error| not_given(WHAT, "the federation service", &error))?;
        bearer(WHAT, &token, session.private)
    }
}
