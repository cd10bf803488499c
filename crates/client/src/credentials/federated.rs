use std::sync::Arc;

use bytes::Bytes;
use hyper::{Method, Uri};
use serde::Deserialize;
use strongroom_model::{Clock, Sensitive};

use super::instance::InstancePrincipal;
use super::token::Bearer;
use super::{Credentials, Got, SessionKey, Source, bearer, not_given, unavailable};
use crate::calls::{get, parse};
use crate::client::Call;
use crate::endpoint::{BaseUrl, Endpoints, Service};
use crate::error::ClientError;
use crate::workloads::bare;

const WHAT: &str = "the resource principal";

/// What stands in a path for the resource.
const ID: &str = "{id}";

/// A resource principal of version 1.1: a service tells a token for the resource that this machine
/// works for, which the federation service exchanges. Both know the machine as an instance.
#[derive(Debug)]
pub struct FederatedResource {
    instance: Arc<InstancePrincipal>,
    signer: Arc<Credentials>,
    service: BaseUrl,
    federation: Option<BaseUrl>,
    path: TokenPath,
}

/// Where a service tells a resource's token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenPath {
    template: String,
    id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceTokens {
    resource_principal_token: String,
    service_principal_session_token: String,
}

#[derive(Deserialize)]
struct Token {
    token: String,
}

impl Default for TokenPath {
    fn default() -> Self {
        Self { template: format!("/20180711/resourcePrincipalToken/{ID}"), id: None }
    }
}

impl TokenPath {
    /// Takes a path in which `{id}` stands for the resource: `OCI_RESOURCE_PRINCIPAL_RPT_PATH`.
    ///
    /// # Errors
    /// [`ClientError::Endpoint`] if it is no path, or has other braces.
    pub fn of(template: &str) -> Result<Self, ClientError> {
        let filled = template.replace(ID, "i");
        let refuse = |why| Err(ClientError::Endpoint(why));
        if !filled.starts_with('/') {
            return refuse("its path does not begin with a slash");
        }
        if filled.contains(['{', '}']) {
            return refuse("its path has braces other than those of {id}");
        }
        if filled.contains('#') || filled.parse::<Uri>().is_err() {
            return refuse("its path is none of a URL");
        }
        Ok(Self { template: template.to_owned(), id: None })
    }

    /// Says which resource is meant, instead of this machine: `OCI_RESOURCE_PRINCIPAL_RPT_ID`.
    ///
    /// # Errors
    /// [`ClientError::Endpoint`] if it has characters that a segment of a path does not have as they
    /// are.
    pub fn with_id(self, id: &str) -> Result<Self, ClientError> {
        if !is_segment(id) {
            let why = "the id in its path has characters besides letters, digits and -._~";
            return Err(ClientError::Endpoint(why));
        }
        Ok(Self { id: Some(id.to_owned()), ..self })
    }

    fn filled(&self, id: &str) -> String {
        self.template.replace(ID, id)
    }
}

fn is_segment(id: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    !matches!(id, "" | "." | "..") && id.bytes().all(is_plain)
}

impl FederatedResource {
    /// Makes a source of credentials. `service` tells the resource's token; `federation` is the base
    /// of `/v1/resourcePrincipalSessionToken`, where it is not that of the instance's own tokens.
    #[must_use]
    pub fn new(
        instance: InstancePrincipal,
        service: BaseUrl,
        federation: Option<BaseUrl>,
        path: TokenPath,
    ) -> Self {
        let instance = Arc::new(instance);
        let source: Arc<dyn Source> = Arc::<InstancePrincipal>::clone(&instance);
        let clock: Arc<dyn Clock> = instance.clock();
        let signer = Arc::new(Credentials::renewed(source, clock));
        Self { instance, signer, service, federation, path }
    }

    async fn path(&self) -> Result<String, ClientError> {
        if let Some(id) = &self.path.id {
            return Ok(self.path.filled(id));
        }
        if !self.path.template.contains(ID) {
            return Ok(self.path.template.clone());
        }
        let id = self.instance.id().await?;
        if !is_segment(&id) {
            return Err(unavailable(WHAT, "the metadata service tells no id of this machine"));
        }
        Ok(self.path.filled(&id))
    }

    async fn resource_tokens(&self) -> Result<ResourceTokens, ClientError> {
        let client = self.instance.client(&self.signer, Endpoints::One(self.service.clone()))?;
        let answer = client.send(get(Service::Auth, self.path().await?)).await?;
        parse(&answer, "GetResourcePrincipalToken")
    }

    async fn exchange(
        &self,
        tokens: &ResourceTokens,
        session: &SessionKey,
    ) -> Result<String, ClientError> {
        let endpoints = match &self.federation {
            Some(url) => Endpoints::One(url.clone()),
            None => self.instance.federation().await?,
        };
        let body = serde_json::json!({
            "resourcePrincipalToken": tokens.resource_principal_token,
            "servicePrincipalSessionToken": tokens.service_principal_session_token,
            "sessionPublicKey": bare(&session.public.to_pem()),
        });
        let body = Sensitive::new(body.to_string().into_bytes());
        let body = Some(Bytes::from_owner(body.into_owner()));
        let call = get(Service::Auth, "/v1/resourcePrincipalSessionToken".to_owned());
        let call = Call { method: Method::POST, body, is_read: true, ..call };
        let client = self.instance.client(&self.signer, endpoints)?;
        let answer: Token = parse(&client.send(call).await?, "GetResourcePrincipalSessionToken")?;
        Ok(answer.token)
    }

    async fn fetch(&self) -> Result<Bearer, ClientError> {
        let told = self.resource_tokens().await;
        let tokens =
            told.map_err(|error| not_given(WHAT, "the service of the resource", &error))?;
        let session = SessionKey::generate(WHAT).await?;
        let exchanged = self.exchange(&tokens, &session).await;
        let token = exchanged.map_err(|error| not_given(WHAT, "the federation service", &error))?;
        bearer(WHAT, &token, session.private)
    }
}

impl Source for FederatedResource {
    fn name(&self) -> &'static str {
        "resource_principal"
    }

    fn get(&self) -> Got<'_> {
        Box::pin(self.fetch())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_place_for_the_resource() {
        let usual = TokenPath::default().filled("ocid1.instance.oc1.iad.a");
        assert_eq!(usual, "/20180711/resourcePrincipalToken/ocid1.instance.oc1.iad.a");
        let own = TokenPath::of("/v2/{id}/token?x=1").unwrap().with_id("a-b_c~1").unwrap();
        assert_eq!(own.filled(own.id.as_ref().unwrap()), "/v2/a-b_c~1/token?x=1");
        for wrong in ["", "v2/{id}", "/{id}/{name}", "/{", "/a b", "/a#b", "https://h/{id}"] {
            assert!(matches!(TokenPath::of(wrong), Err(ClientError::Endpoint(_))), "{wrong}");
        }
        for wrong in ["", "a/b", "a b", "..", "..%2f", "{id}"] {
            assert!(TokenPath::default().with_id(wrong).is_err(), "{wrong}");
        }
    }
}
