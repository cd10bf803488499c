//! What requests are signed with: found where Oracle's tools find it, and kept fresh.

mod federated;
mod instance;
mod pod;
mod resource;
mod session;
mod token;

use std::fmt::{Debug, Display};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use strongroom_model::Clock;
use strongroom_signing::{PrivateKey, PublicKey};
use tokio::sync::Mutex;
use tokio::time::timeout;

pub use self::federated::{FederatedResource, TokenPath};
pub use self::instance::{IMDS_URL, InstancePrincipal};
pub use self::pod::{ServiceAccount, WorkloadIdentity};
pub use self::resource::{FileOrText, ResourcePrincipal};
pub use self::session::SessionToken;
pub(crate) use self::token::tenancy_of;
use self::token::{Bearer, lasts};
use crate::error::ClientError;

/// What the name of a key begins with that is a token.
const TOKEN: &str = "ST$";

/// A key with the name that services know it by.
pub struct ApiKey {
    /// Tenancy, user and fingerprint with slashes between, or `ST$` and a token.
    pub id: String,
    /// The private key.
    pub key: PrivateKey,
}

impl Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let id = if self.id.starts_with(TOKEN) { "ST$.." } else { &self.id };
        f.debug_struct("ApiKey").field("id", &id).finish_non_exhaustive()
    }
}

/// Who signs requests, and by what.
#[derive(Debug)]
pub struct Credentials(Kind);

#[derive(Debug)]
enum Kind {
    ApiKey(Arc<ApiKey>),
    Renewed(Renewed),
}

/// Credentials that expire, with those that hold at the moment.
#[derive(Debug)]
struct Renewed {
    source: Arc<dyn Source>,
    clock: Arc<dyn Clock>,
    current: Mutex<Option<Bearer>>,
}

/// Credentials that are on their way. Boxed, since getting some means sending requests, which are
/// signed with credentials.
type Got<'a> = Pin<Box<dyn Future<Output = Result<Bearer, ClientError>> + Send + 'a>>;

/// Where new credentials come from.
trait Source: Debug + Send + Sync {
    /// Returns the name of the kind, as Oracle's command line has it.
    fn name(&self) -> &'static str;

    /// Gets credentials that are valid from now on.
    fn get(&self) -> Got<'_>;
}

/// How long a renewal may take while there are credentials that hold, and for how many seconds after
/// one that came to nothing they are used without trying again.
const RENEWAL_TIME: Duration = Duration::from_secs(5);
const RENEWAL_PAUSE_SECS: i64 = 10;

impl Renewed {
    /// Returns credentials that last a while. Many who ask at once wait for one renewal, and not for
    /// long where there are some that hold: they were to be renewed ahead of their end.
    async fn current(&self) -> Result<Arc<ApiKey>, ClientError> {
        let mut current = self.current.lock().await;
        let now = self.clock.now().as_second();
        let Some(bearer) = current.as_mut().filter(|bearer| bearer.expires_at > now) else {
            let bearer = self.source.get().await?;
            return Ok(Arc::clone(&current.insert(bearer).key));
        };
        if bearer.renew_at <= now {
            match timeout(RENEWAL_TIME, self.source.get()).await {
                Ok(Ok(renewed)) => *bearer = renewed,
                Ok(Err(_)) | Err(_) => {
                    bearer.renew_at = self.clock.now().as_second() + RENEWAL_PAUSE_SECS;
                }
            }
        }
        Ok(Arc::clone(&bearer.key))
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
        Self::renewed(Arc::new(session), clock)
    }

    /// Signs as an instance, by its certificate.
    #[must_use]
    pub fn of_instance(instance: InstancePrincipal, clock: Arc<dyn Clock>) -> Self {
        Self::renewed(Arc::new(instance), clock)
    }

    /// Signs as a function or another resource, by the token it was given.
    #[must_use]
    pub fn of_resource(resource: ResourcePrincipal, clock: Arc<dyn Clock>) -> Self {
        Self::renewed(Arc::new(resource), clock)
    }

    /// Signs as the resource that this machine works for, by a token that services give it.
    #[must_use]
    pub fn of_federated_resource(resource: FederatedResource, clock: Arc<dyn Clock>) -> Self {
        Self::renewed(Arc::new(resource), clock)
    }

    /// Signs as a pod, by a token that its cluster gives it.
    #[must_use]
    pub fn of_workload(workload: WorkloadIdentity, clock: Arc<dyn Clock>) -> Self {
        Self::renewed(Arc::new(workload), clock)
    }

    /// Takes a source; nothing is asked of it before the first request.
    fn renewed(source: Arc<dyn Source>, clock: Arc<dyn Clock>) -> Self {
        Self(Kind::Renewed(Renewed { source, clock, current: Mutex::const_new(None) }))
    }

    /// Returns the name of the kind, as Oracle's command line has it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match &self.0 {
            Kind::ApiKey(_) => "api_key",
            Kind::Renewed(renewed) => renewed.source.name(),
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
            Kind::Renewed(renewed) => renewed.source.get().await,
        };
        bearer.map(|bearer| Some(bearer.expires_at))
    }

    /// Returns what to sign the next request with.
    pub(crate) async fn current(&self) -> Result<Arc<ApiKey>, ClientError> {
        match &self.0 {
            Kind::ApiKey(key) => Ok(Arc::clone(key)),
            Kind::Renewed(renewed) => renewed.current().await,
        }
    }

    /// Takes note that a service answered 401 to what was signed with `key`. Tells whether another
    /// try may go better.
    pub(crate) async fn drop_refused(&self, key: &Arc<ApiKey>) -> bool {
        match &self.0 {
            Kind::ApiKey(_) => false,
            Kind::Renewed(renewed) => {
                renewed.drop_refused(key).await;
                true
            }
        }
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

/// Says that a service gave no credentials, and whether it did so on purpose.
fn not_given(what: &'static str, by: &str, error: &ClientError) -> ClientError {
    let is_refused = match error {
        ClientError::Service(refusal) => matches!(refusal.status, 401 | 403 | 404),
        ClientError::Credentials { is_refused, .. } => *is_refused,
        _ => false,
    };
    ClientError::Credentials { what, why: format!("{by}: {error}"), is_refused }
}

/// A key that signs for as long as a token lasts.
struct SessionKey {
    private: PrivateKey,
    public: PublicKey,
}

impl SessionKey {
    async fn generate(what: &'static str) -> Result<Self, ClientError> {
        let private = tokio::task::spawn_blocking(PrivateKey::generate).await;
        let private = private.map_err(|error| unavailable(what, &error))?;
        let private = private.map_err(|error| unavailable(what, &error))?;
        let public = private.public().map_err(|error| unavailable(what, &error))?;
        Ok(Self { private, public })
    }
}

/// Makes a bearer of a token and the key that it names.
fn bearer(what: &'static str, token: &str, key: PrivateKey) -> Result<Bearer, ClientError> {
    let token = token.trim().trim_start_matches(TOKEN);
    let (renew_at, expires_at) =
        lasts(token).ok_or_else(|| unavailable(what, "the token is no JSON Web Token"))?;
    let key = Arc::new(ApiKey { id: format!("{TOKEN}{token}"), key });
    Ok(Bearer { key, renew_at, expires_at })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use strongroom_model::{Random, SystemClock};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::time::Instant;

    use super::*;
    use crate::client::Client;
    use crate::endpoint::Endpoints;
    use crate::network::Authorities;

    /// A source that gives nothing.
    #[derive(Debug)]
    struct Silent;

    impl Source for Silent {
        fn name(&self) -> &'static str {
            "silent"
        }

        fn get(&self) -> Got<'_> {
            Box::pin(std::future::pending())
        }
    }

    #[derive(Debug)]
    struct Zeros;

    impl Random for Zeros {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    const REFUSAL: &[u8] = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n";

    /// Takes one request, which is to be answered.
    async fn asked(listener: TcpListener) -> TcpStream {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = vec![0; 4096];
        assert!(stream.read(&mut head).await.unwrap() > 0);
        stream
    }

    /// A source that gives something once.
    #[derive(Debug)]
    struct Once(std::sync::Mutex<Option<Bearer>>);

    impl Once {
        fn new(id: &str) -> Self {
            let key = ApiKey { id: id.to_owned(), key: PrivateKey::generate().unwrap() };
            let bearer = Bearer { key: Arc::new(key), renew_at: i64::MAX, expires_at: i64::MAX };
            Self(std::sync::Mutex::new(Some(bearer)))
        }
    }

    impl Source for Once {
        fn name(&self) -> &'static str {
            "once"
        }

        fn get(&self) -> Got<'_> {
            let given = self.0.lock().unwrap().take().ok_or_else(|| unavailable("once", "given"));
            Box::pin(std::future::ready(given))
        }
    }

    #[tokio::test]
    async fn what_was_refused_stays_refused_if_there_is_nothing_else_to_sign_with() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { asked(listener).await.write_all(REFUSAL).await.unwrap() });
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let once = Credentials::renewed(Arc::new(Once::new("ST$t")), Arc::clone(&clock));
        let endpoints = Endpoints::One(place.parse().unwrap());
        let client = Client::new(endpoints, Authorities::System, once, clock, Arc::new(Zeros));
        let error = client.unwrap().secret("s").await.unwrap_err();
        assert!(matches!(&error, ClientError::Service(told) if told.status == 401), "{error}");
    }

    #[tokio::test]
    async fn what_is_printed_shows_no_token() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let credentials =
            Credentials::renewed(Arc::new(Once::new("ST$c4n4ry")), Arc::clone(&clock));
        credentials.current().await.unwrap();
        let endpoints = Endpoints::One("http://127.0.0.1:1".parse().unwrap());
        let client =
            Client::new(endpoints, Authorities::System, credentials, clock, Arc::new(Zeros));
        let printed = format!("{:?}", client.unwrap());
        assert!(printed.contains(r#"ApiKey { id: "ST$..", .. }"#), "{printed}");
        assert!(!printed.contains("c4n4ry"), "{printed}");
        let user = ApiKey { id: "t/u/f".to_owned(), key: PrivateKey::generate().unwrap() };
        assert_eq!(format!("{user:?}"), r#"ApiKey { id: "t/u/f", .. }"#);
    }

    #[tokio::test]
    async fn who_was_refused_waits_for_no_renewal_longer_than_a_call_may_take() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = format!("http://{}", listener.local_addr().unwrap());
        let own: (Arc<dyn Clock>, Arc<dyn Random>) = (Arc::new(SystemClock), Arc::new(Zeros));
        let once = Credentials::renewed(Arc::new(Once::new("ST$t")), Arc::clone(&own.0));
        let once = Arc::new(once);
        let endpoints = Endpoints::One(place.parse().unwrap());
        let client = Client::sharing(Arc::clone(&once), endpoints, Authorities::System, own);
        let client = client.unwrap();
        let began = Instant::now();
        let call = tokio::spawn(async move { client.secret("s").await });
        let mut stream = asked(listener).await;
        let Kind::Renewed(renewed) = &once.0 else { panic!("it is renewed") };
        let renewal = renewed.current.lock().await;
        stream.write_all(REFUSAL).await.unwrap();
        // What was written is read before time flies.
        tokio::time::sleep(Duration::from_millis(100)).await;
        tokio::time::pause();
        let error = timeout(Duration::from_mins(2), call).await.unwrap().unwrap().unwrap_err();
        assert!(matches!(&error, ClientError::Service(told) if told.status == 401), "{error}");
        assert_eq!(began.elapsed().as_secs(), Duration::from_mins(1).as_secs());
        drop(renewal);
    }

    /// A source that gives credentials which are to be renewed at once, and then nothing for long.
    #[derive(Debug, Default)]
    struct Hangs {
        given: AtomicUsize,
        has_ended: bool,
    }

    impl Source for Hangs {
        fn name(&self) -> &'static str {
            "hangs"
        }

        fn get(&self) -> Got<'_> {
            if self.given.fetch_add(1, Ordering::Relaxed) > 0 {
                return Box::pin(std::future::pending());
            }
            let key = ApiKey { id: "ST$t".to_owned(), key: PrivateKey::generate().unwrap() };
            let expires_at = if self.has_ended { 0 } else { i64::MAX };
            let bearer = Bearer { key: Arc::new(key), renew_at: 0, expires_at };
            Box::pin(std::future::ready(Ok(bearer)))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_hold_are_used_while_their_renewal_hangs() {
        let source = Arc::new(Hangs::default());
        let credentials = Credentials::renewed(Arc::<Hangs>::clone(&source), Arc::new(SystemClock));
        let first = credentials.current().await.unwrap();
        let began = Instant::now();
        for _ in 0..3 {
            assert!(Arc::ptr_eq(&first, &credentials.current().await.unwrap()));
        }
        let waited = Duration::from_secs(began.elapsed().as_secs());
        assert_eq!((waited, source.given.load(Ordering::Relaxed)), (RENEWAL_TIME, 2));
        let source = Arc::new(Hangs { has_ended: true, ..Hangs::default() });
        let credentials = Credentials::renewed(source, Arc::new(SystemClock));
        credentials.current().await.unwrap();
        timeout(RENEWAL_TIME * 2, credentials.current()).await.unwrap_err();
    }

    #[tokio::test(start_paused = true)]
    async fn getting_them_is_part_of_a_calls_time() {
        let endpoints = Endpoints::One("http://127.0.0.1:1".parse().unwrap());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let silent = Credentials::renewed(Arc::new(Silent), Arc::clone(&clock));
        let client = Client::new(endpoints, Authorities::System, silent, clock, Arc::new(Zeros));
        let began = Instant::now();
        let error = client.unwrap().secret("s").await.unwrap_err();
        assert!(matches!(error, ClientError::Credentials { is_refused: false, .. }), "{error}");
        assert_eq!(began.elapsed().as_secs(), Duration::from_mins(1).as_secs());
    }
}
