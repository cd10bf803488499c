use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use serde::Deserialize;
use strongroom_model::{Clock, Random, Sensitive, private_file};
use tokio::time::Instant;

use super::resource::FileOrText;
use super::token::{Bearer, lasts};
use super::{Got, SessionKey, Source, bearer, not_given, unavailable};
use crate::endpoint::BaseUrl;
use crate::error::ClientError;
use crate::network::Authorities;
use crate::transport::Transport;
use crate::workloads::bare;

const WHAT: &str = "the workload identity";

/// Where a cluster gives pods their tokens. Source: Oracle's SDKs.
const PORT: u16 = 12250;

/// How long one answer may take: it comes from this cluster.
const ASK_TIME: Duration = Duration::from_secs(10);

const TRIES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// A pod of Oracle's Kubernetes service: the cluster gives a token for the token of the pod's service
/// account. Files are read anew each time, since Kubernetes replaces them.
#[derive(Debug)]
pub struct WorkloadIdentity {
    url: BaseUrl,
    account: ServiceAccount,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

/// What Kubernetes gives a pod.
#[derive(Debug)]
pub struct ServiceAccount {
    /// The token, or the path of a file that holds it.
    pub token: FileOrText,
    /// Path of the cluster's certificate authorities, PEM.
    pub authorities: PathBuf,
}

#[derive(Deserialize)]
struct Token {
    token: String,
}

impl WorkloadIdentity {
    /// Makes a source of credentials. `host` is that of the cluster, `KUBERNETES_SERVICE_HOST`.
    ///
    /// # Errors
    /// [`ClientError::Endpoint`] if it is neither a name nor an address.
    pub fn new(
        host: &str,
        account: ServiceAccount,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, ClientError> {
        Ok(Self { url: url_at(host)?, account, clock, random })
    }

    /// Returns the service account's token, if it still holds.
    fn account_token(&self) -> Result<Sensitive, ClientError> {
        let token = self.account.token.read(WHAT)?;
        let text = std::str::from_utf8(token.expose()).map(str::trim);
        let text = text.map_err(|_error| unavailable(WHAT, "the account's token is not text"))?;
        let (_, expires_at) = lasts(text).ok_or_else(|| {
            unavailable(WHAT, "the account's token is no JSON Web Token that ends some time")
        })?;
        if expires_at <= self.clock.now().as_second() {
            return Err(unavailable(WHAT, "the account's token has expired"));
        }
        Ok(Sensitive::new(text.as_bytes().to_vec()))
    }

    fn transport(&self) -> Result<Transport, ClientError> {
        let path = &self.account.authorities;
        let refused = |why: String| {
            unavailable(WHAT, &format!("its authorities `{}`: {why}", path.display()))
        };
        let pem = private_file::read(path).map_err(|error| refused(error.to_string()))?;
        let transport = Transport::new(Authorities::Bundle(&pem), true);
        transport.map_err(|error| refused(error.to_string()))
    }

    fn request(&self, session: &SessionKey) -> Result<Request<Full<Bytes>>, ClientError> {
        let mut id = [0_u8; 16];
        self.random.fill(&mut id);
        let token = self.account_token()?;
        let bearing = Sensitive::new([b"Bearer ", token.expose()].concat());
        let body = serde_json::json!({ "podKey": bare(&session.public.to_pem()) });
        Request::post(format!("{}/resourcePrincipalSessionTokens", self.url))
            .header("authorization", bearing.expose())
            .header("content-type", "application/json")
            .header("opc-request-id", format!("{:032X}", u128::from_be_bytes(id)))
            .body(Full::new(Bytes::from(body.to_string())))
            .map_err(|_error| unavailable(WHAT, "the account's token is none of a header"))
    }

    async fn ask(&self, session: &SessionKey) -> Result<Bytes, ClientError> {
        let transport = self.transport()?;
        let mut tried = 0;
        loop {
            let sent = transport.send(self.request(session)?, Instant::now() + ASK_TIME).await;
            tried += 1;
            match sent {
                Ok(answer) => return Ok(answer.body),
                Err(error) if tried < TRIES && may_pass(&error) => {
                    tokio::time::sleep(FIRST_PAUSE * tried).await;
                }
                Err(ClientError::Service(refusal)) if refusal.status == 403 => {
                    let why = "403 from the cluster (perhaps it is not of the enhanced kind)";
                    let why = why.to_owned();
                    return Err(ClientError::Credentials { what: WHAT, why, is_refused: true });
                }
                Err(error) => return Err(not_given(WHAT, "the cluster", &error)),
            }
        }
    }

    async fn fetch(&self) -> Result<Bearer, ClientError> {
        let session = SessionKey::generate(WHAT).await?;
        let body = self.ask(&session).await?;
        let token = token_in(&body)
            .ok_or_else(|| unavailable(WHAT, "the cluster's answer cannot be read"))?;
        bearer(WHAT, &token, session.private)
    }
}

fn may_pass(error: &ClientError) -> bool {
    match error {
        ClientError::Unreachable { .. } => true,
        ClientError::Service(error) => matches!(error.status, 429 | 500 | 502..),
        _ => false,
    }
}

fn url_at(host: &str) -> Result<BaseUrl, ClientError> {
    if host.parse::<Ipv6Addr>().is_ok() {
        return format!("https://[{host}]:{PORT}").parse();
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_plain) {
        return Err(ClientError::Endpoint("its host is neither a name nor an address"));
    }
    format!("https://{host}:{PORT}").parse()
}

/// Reads an answer: JSON in base64, perhaps between quotes.
fn token_in(body: &[u8]) -> Option<String> {
    let encoded = std::str::from_utf8(body).ok()?.trim().trim_matches('"');
    let decoded = Sensitive::new(STANDARD.decode(encoded).ok()?);
    let Token { token } = serde_json::from_slice(decoded.expose()).ok()?;
    Some(token)
}

impl Source for WorkloadIdentity {
    fn name(&self) -> &'static str {
        "oke_workload_identity"
    }

    fn get(&self) -> Got<'_> {
        Box::pin(self.fetch())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_are_names_and_addresses() {
        for (host, url) in [
            ("10.96.0.1", "https://10.96.0.1:12250"),
            ("kubernetes.default.svc", "https://kubernetes.default.svc:12250"),
            ("fd00::1", "https://[fd00::1]:12250"),
        ] {
            assert_eq!(url_at(host).unwrap().to_string(), url);
        }
        for wrong in ["", "a/b", "u@h", "h:1", "[::1]", "h?x", "h h"] {
            assert!(matches!(url_at(wrong), Err(ClientError::Endpoint(_))), "{wrong}");
        }
    }

    #[test]
    fn answers_are_json_in_base64() {
        let encoded = STANDARD.encode(r#"{"token":"ST$a.b.c"}"#);
        for body in [encoded.clone(), format!("\"{encoded}\""), format!("\"{encoded}\"\n")] {
            assert_eq!(token_in(body.as_bytes()).as_deref(), Some("ST$a.b.c"));
        }
        for body in ["", "\"\"", r#"{"token":"ST$a.b.c"}"#, "e30=", "e", "\u{e4}"] {
            assert_eq!(token_in(body.as_bytes()), None, "{body}");
        }
    }
}
