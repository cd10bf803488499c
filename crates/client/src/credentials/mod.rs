//! What requests are signed with: found where Oracle's tools find it, and kept fresh.

mod instance;
mod resource;
mod session;
mod token;

use std::fmt::Display;
use std::pin::Pin;
use std::sync::Arc;

use strongroom_model::Clock;
use strongroom_signing::PrivateKey;
use tokio::sync::Mutex;

pub use self::instance::{IMDS_URL, InstancePrincipal};
pub use self::resource::{FileOrText, ResourcePrincipal};
pub use self::session::SessionToken;
pub(crate) use self::token::tenancy_of;
use self::token::{Bearer, lasts};
use crate::error::ClientError;

/// A key with the name that services know it by.
#[derive(Debug)]
pub struct ApiKey {
    /// Tenancy, user and fingerprint with slashes between, or `ST$` and a token.
    pub id: String,
    /// The private key.
    pub key: PrivateKey,
}

/// Who signs requests, and by what.
#[derive(Debug)]
pub struct Credentials(Kind);

#[derive(Debug)]
enum Kind {
    ApiKey(Arc<ApiKey>),
    Session(Renewed<SessionToken>),
    Instance(Renewed<InstancePrincipal>),
    Resource(Renewed<ResourcePrincipal>),
}

/// Credentials that expire, with those that hold at the moment.
#[derive(Debug)]
struct Renewed<S> {
    source: S,
    clock: Arc<dyn Clock>,
    current: Mutex<Option<Bearer>>,
}

/// Credentials that are on their way. Boxed, since getting some means sending requests, which are
/// signed with credentials.
type Got<'a> = Pin<Box<dyn Future<Output = Result<Bearer, ClientError>> + Send + 'a>>;

/// Where new credentials come from.
trait Source: Send + Sync {
    /// Gets credentials that are valid from now on.
    fn get(&self) -> Got<'_>;
}

impl<S: Source> Renewed<S> {
    /// Takes a source; nothing is asked of it before the first request.
    const fn new(source: S, clock: Arc<dyn Clock>) -> Self {
        Self { source, clock, current: Mutex::const_new(None) }
    }

    /// Returns credentials that last a while. Many who ask at once wait for one renewal.
    async fn current(&self) -> Result<Arc<ApiKey>, ClientError> {
        let mut current = self.current.lock().await;
        let now = self.clock.now().as_second();
        match &*current {
            Some(bearer) if bearer.renew_at > now => return Ok(Arc::clone(&bearer.key)),
            _ => {}
        }
        match self.source.get().await {
            Ok(bearer) => Ok(Arc::clone(&current.insert(bearer).key)),
            Err(error) => match &*current {
                // What there is still holds: it was to be renewed ahead of its end.
                Some(bearer) if bearer.expires_at > now => Ok(Arc::clone(&bearer.key)),
                _ => Err(error),
            },
        }
    }

    /// Drops credentials that a service refused, unless they were replaced meanwhile.
    async fn drop_refused(&self, refused: &Arc<ApiKey>) {
        let mut current = self.current.lock().await;
        if current.as_ref().is_some_and(|bearer| Arc::ptr_eq(&bearer.key, refused)) {
            *current = None;
        }
    }
}

impl Credentials {
    /// Signs as a user, by the token of a session.
    #[must_use]
    pub fn of_session(session: SessionToken, clock: Arc<dyn Clock>) -> Self {
        Self(Kind::Session(Renewed::new(session, clock)))
    }

    /// Signs as an instance, by its certificate.
    #[must_use]
    pub fn of_instance(instance: InstancePrincipal, clock: Arc<dyn Clock>) -> Self {
        Self(Kind::Instance(Renewed::new(instance, clock)))
    }

    /// Signs as a function or another resource, by the token it was given.
    #[must_use]
    pub fn of_resource(resource: ResourcePrincipal, clock: Arc<dyn Clock>) -> Self {
        Self(Kind::Resource(Renewed::new(resource, clock)))
    }

    /// Returns the name of the kind, as Oracle's command line has it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match &self.0 {
            Kind::ApiKey(_) => "api_key",
            Kind::Session(_) => "security_token",
            Kind::Instance(_) => "instance_principal",
            Kind::Resource(_) => "resource_principal",
        }
    }

    /// Gets credentials anew, and returns until when they hold, in seconds since 1970; an API key has
    /// no end.
    ///
    /// # Errors
    /// A [`ClientError`] if there are none.
    pub async fn expiry(&self) -> Result<Option<i64>, ClientError> {
        let bearer = match &self.0 {
            Kind::ApiKey(_) => return Ok(None),
            Kind::Session(renewed) => renewed.source.get().await,
            Kind::Instance(renewed) => renewed.source.get().await,
            Kind::Resource(renewed) => renewed.source.get().await,
        };
        bearer.map(|bearer| Some(bearer.expires_at))
    }

    /// Returns what to sign the next request with.
    pub(crate) async fn current(&self) -> Result<Arc<ApiKey>, ClientError> {
        match &self.0 {
            Kind::ApiKey(key) => Ok(Arc::clone(key)),
            Kind::Session(renewed) => renewed.current().await,
            Kind::Instance(renewed) => renewed.current().await,
            Kind::Resource(renewed) => renewed.current().await,
        }
    }

    /// Takes note that a service answered 401 to what was signed with `key`. Tells whether another
    /// try may go better.
    pub(crate) async fn drop_refused(&self, key: &Arc<ApiKey>) -> bool {
        match &self.0 {
            Kind::ApiKey(_) => return false,
            Kind::Session(renewed) => renewed.drop_refused(key).await,
            Kind::Instance(renewed) => renewed.drop_refused(key).await,
            Kind::Resource(renewed) => renewed.drop_refused(key).await,
        }
        true
    }
}

impl From<ApiKey> for Credentials {
    fn from(key: ApiKey) -> Self {
        Self(Kind::ApiKey(Arc::new(key)))
    }
}

/// Says that credentials cannot be had.
fn unavailable(what: &'static str, why: &(impl Display + ?Sized)) -> ClientError {
    ClientError::Credentials { what, why: why.to_string(), is_refused: false }
}

/// Makes a bearer of a token and the key that it names.
fn bearer(what: &'static str, token: &str, key: PrivateKey) -> Result<Bearer, ClientError> {
    let token = token.trim().trim_start_matches("ST$");
    let (renew_at, expires_at) =
        lasts(token).ok_or_else(|| unavailable(what, "the token is no JSON Web Token"))?;
    let key = Arc::new(ApiKey { id: format!("ST${token}"), key });
    Ok(Bearer { key, renew_at, expires_at })
}
