//! Keeps a machine's certificate valid, and its resource principal's files fresh.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use strongroom_client::{ApiKey, Client, ClientError};
use strongroom_model::{Clock, private_file};
use strongroom_signing::{KeyError, PrivateKey};

use crate::identity::{Identity, IdentityError};
use crate::imds::Imds;

/// How often is looked whether something is due.
const PAUSE: Duration = Duration::from_secs(30);

/// How long after a failure is tried again.
const RETRY_PAUSE: Duration = Duration::from_secs(10);

/// How long a token is used: half of what it is valid.
const TOKEN_SECS: i64 = 600;

/// Makes the client that signs with a key.
pub type ClientOf = Box<dyn Fn(ApiKey) -> Result<Client, ClientError> + Send + Sync>;

/// Why something was not renewed.
#[derive(Debug, thiserror::Error)]
pub enum RenewalError {
    /// The vault did not answer as asked.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The identity cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A key was not made.
    #[error("a key was not made: {0}")]
    Key(#[from] KeyError),
    /// A file was not written.
    #[error("a file of the resource principal: {0}")]
    File(#[from] std::io::Error),
}

/// What is kept fresh, and how.
pub struct Renewal {
    /// What the metadata service answers.
    pub imds: Arc<Imds>,
    /// The file of the identity.
    pub identity_file: PathBuf,
    /// The directory that `rpst` and `private.pem` are kept in, if they are wanted.
    pub resource_principal: Option<PathBuf>,
    /// Makes clients.
    pub client: ClientOf,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Renewal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Renewal")
            .field("identity_file", &self.identity_file)
            .finish_non_exhaustive()
    }
}

impl Renewal {
    /// Does what is due now. Certificates are renewed when half of their time has passed.
    ///
    /// # Errors
    /// A [`RenewalError`]; what was there stays.
    pub async fn renew(&self) -> Result<(), RenewalError> {
        let identity = self.imds.identity();
        let (from, to) = identity.validity()?;
        let now = self.clock.now().as_second();
        let half = from.as_second() + (to.as_second() - from.as_second()) / 2;
        if now < half {
            return Ok(());
        }
        let (key, public) = new_key().await?;
        let client = (self.client)(identity.key()?)?;
        let issued = client.renew_certificate(&identity.proof(), &public).await?;
        let renewed = Identity::new(&identity.endpoint, issued, key.to_pem()?)?;
        renewed.write(&self.identity_file)?;
        tracing::info!(id = %renewed.id, "the certificate was renewed");
        self.imds.replace(renewed);
        Ok(())
    }

    /// Writes a token of the resource principal, and before the first one the key that it names:
    /// the key stays, so that whoever reads one file and then the other has a pair.
    ///
    /// # Errors
    /// A [`RenewalError`]; what was there stays.
    pub async fn write_token(&self, directory: &std::path::Path) -> Result<(), RenewalError> {
        let identity = self.imds.identity();
        let public = session_key(directory).await?;
        let client = (self.client)(identity.key()?)?;
        let token = client.exchange_certificate(&identity.proof(), &public).await?;
        private_file::replace(&directory.join("rpst"), token.as_bytes())?;
        Ok(())
    }

    /// Renews for as long as it is polled. What fails is tried again; a certificate that has run out
    /// cannot be renewed, and the log says so.
    pub async fn keep(&self) {
        let mut token_written: Option<i64> = None;
        loop {
            let renewed = self.renew().await;
            let now = self.clock.now().as_second();
            let written = match &self.resource_principal {
                Some(directory) if token_written.is_none_or(|at| now - at >= TOKEN_SECS) => {
                    self.write_token(directory).await.map(|()| token_written = Some(now))
                }
                _ => Ok(()),
            };
            let failed = [renewed, written].into_iter().filter_map(Result::err).map(|error| {
                tracing::warn!(%error, "not renewed; trying again");
            });
            let pause = if failed.count() == 0 { PAUSE } else { RETRY_PAUSE };
            tokio::time::sleep(pause).await;
        }
    }
}

async fn new_key() -> Result<(PrivateKey, strongroom_signing::PublicKey), KeyError> {
    let made = tokio::task::spawn_blocking(PrivateKey::generate).await;
    let key = made.map_err(|_error| KeyError::Refused)??;
    let public = key.public()?;
    Ok((key, public))
}

/// The key of a resource principal's session, made if it is not there.
async fn session_key(
    directory: &std::path::Path,
) -> Result<strongroom_signing::PublicKey, RenewalError> {
    let path = directory.join("private.pem");
    match private_file::read_private(&path) {
        Ok(bytes) => {
            let bytes = strongroom_model::Sensitive::new(bytes);
            let text = std::str::from_utf8(bytes.expose()).map_err(|_error| KeyError::Format)?;
            Ok(PrivateKey::from_pem(text)?.public()?)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            private_file::create_directory(directory)?;
            let (key, public) = new_key().await?;
            private_file::replace(&path, key.to_pem()?.expose())?;
            Ok(public)
        }
        Err(error) => Err(error.into()),
    }
}
