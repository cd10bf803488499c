//! The sessions, each on a thread of its own, since calls into a module block.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::object::ObjectHandle;
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use jiff::SignedDuration;
use strongroom_model::{Clock, SystemClock, Timestamp};
use tokio::sync::oneshot;

use super::{TokenConfig, TokenError, keys};

/// How often an idle thread looks whether its session belongs to a connection that is over.
const IDLE: Duration = Duration::from_millis(50);

/// How long to leave a token alone after it did not open.
const RETRY: SignedDuration = SignedDuration::from_secs(1);

type Job = Box<dyn FnOnce(Result<&mut Worker, TokenError>) -> bool + Send>;

/// A session, and the handles of keys that were found in it.
pub(super) struct Worker {
    pub(super) session: Session,
    pub(super) handles: HashMap<Vec<u8>, ObjectHandle>,
}

/// The connection that all sessions share. A token that was away is found again only by a module
/// that was let go and loaded anew, so everybody has to leave first.
#[derive(Default)]
struct Link {
    context: Option<Pkcs11>,
    generation: u64,
    sessions: usize,
    /// When the token was last tried and did not open.
    failed: Option<Timestamp>,
}

#[derive(Clone)]
struct Shared {
    ended: Arc<AtomicBool>,
    config: Arc<TokenConfig>,
    link: Arc<Mutex<Link>>,
    jobs: Arc<Mutex<Receiver<Job>>>,
}

/// The pool.
pub(super) struct Pool {
    shared: Shared,
    sender: Sender<Job>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("config", &self.shared.config).finish_non_exhaustive()
    }
}

/// Reads an error of the module.
pub(super) fn failure(error: &Error) -> TokenError {
    match error {
        Error::Pkcs11(
            RvError::GeneralError
            | RvError::FunctionFailed
            | RvError::DataInvalid
            | RvError::DataLenRange
            | RvError::EncryptedDataInvalid
            | RvError::EncryptedDataLenRange
            | RvError::WrappedKeyInvalid
            | RvError::WrappedKeyLenRange
            | RvError::TemplateInconsistent
            | RvError::AttributeValueInvalid
            | RvError::ArgumentsBad,
            _,
        ) => TokenError::Rejected,
        Error::Pkcs11(RvError::ObjectHandleInvalid | RvError::KeyHandleInvalid, _) => {
            TokenError::Missing
        }
        error => TokenError::Unavailable(error.to_string()),
    }
}

impl Pool {
    pub(super) fn new(config: TokenConfig) -> Self {
        let (sender, jobs) = channel();
        let shared = Shared {
            ended: Arc::default(),
            config: Arc::new(config),
            link: Arc::default(),
            jobs: Arc::new(Mutex::new(jobs)),
        };
        Self { shared, sender, threads: Mutex::default() }
    }

    /// Ends the sessions and waits until they are gone: a module that is in use while the process
    /// exits can bring it down.
    pub(super) fn end(&self) {
        self.shared.ended.store(true, Ordering::Release);
        let threads = {
            let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *threads)
        };
        for thread in threads {
            // One that panicked is gone as well.
            drop(thread.join());
        }
        self.shared.link().context = None;
    }

    /// Opens the token for the first time and lets `look` look at it.
    pub(super) fn connect<T>(
        &self,
        look: impl FnOnce(&Pkcs11, Slot, &Session) -> Result<T, Error>,
    ) -> Result<T, TokenError> {
        let away = |error: Error| TokenError::Unavailable(error.to_string());
        let mut link = self.shared.link();
        let context = load(&self.shared.config).map_err(away)?;
        let (slot, session) = open(&context, &self.shared.config)?;
        keys::make_canary(&session)?;
        let found = look(&context, slot, &session).map_err(away)?;
        link.context = Some(context);
        Ok(found)
    }

    /// Starts the threads.
    pub(super) fn spawn(&self, sessions: usize) -> Result<(), TokenError> {
        for _ in 0..sessions {
            let shared = self.shared.clone();
            let thread = std::thread::Builder::new().name("pkcs11".to_owned());
            let started = thread.spawn(move || shared.serve());
            let started = started.map_err(|error| TokenError::Unavailable(error.to_string()))?;
            self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(started);
        }
        Ok(())
    }

    /// Runs `act` on the next free session.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Worker) -> Result<T, TokenError> + Send + 'static,
    ) -> Result<T, TokenError> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |worker| {
            let done = worker.and_then(|worker| {
                let done = act(worker);
                if matches!(done, Err(TokenError::Missing)) {
                    // What another session destroyed; its handle may be given to another object.
                    worker.handles.clear();
                }
                if done.is_err() && !keys::sees_canary(&worker.session) {
                    worker.handles.clear();
                    let reason = "its objects are not there any more".to_owned();
                    return Err(TokenError::Unavailable(reason));
                }
                done
            });
            let is_away = matches!(done, Err(TokenError::Unavailable(_)));
            // Nobody may be waiting any more; then nobody misses the answer.
            drop(answer.send(done));
            is_away
        });
        let ended = |_| TokenError::Unavailable("the sessions have ended".to_owned());
        if self.shared.ended.load(Ordering::Acquire) {
            return Err(ended(String::new()));
        }
        self.sender.send(job).map_err(|error| ended(error.to_string()))?;
        answered.await.map_err(|error| ended(error.to_string()))?
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.end();
    }
}

fn load(config: &TokenConfig) -> Result<Pkcs11, Error> {
    let context = Pkcs11::new(&config.module)?;
    let flags = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
    match context.initialize(flags) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(context),
        Err(error) => Err(error),
    }
}

fn open(context: &Pkcs11, config: &TokenConfig) -> Result<(Slot, Session), TokenError> {
    let away = |error: Error| TokenError::Unavailable(error.to_string());
    let labeled = |slot: &Slot| {
        context.get_token_info(*slot).is_ok_and(|token| token.label() == config.label)
    };
    let slots = context.get_slots_with_initialized_token().map_err(away)?;
    let slot = slots.into_iter().find(labeled).ok_or_else(|| {
        TokenError::Unavailable(format!("no slot holds a token labeled `{}`", config.label))
    })?;
    let session = context.open_rw_session(slot).map_err(away)?;
    let pin = std::str::from_utf8(config.pin.expose())
        .map_err(|_error| TokenError::Unavailable("the PIN is not UTF-8".to_owned()))?;
    match session.login(UserType::User, Some(&AuthPin::new(pin.into()))) {
        Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok((slot, session)),
        Err(error) => Err(away(error)),
    }
}

impl Shared {
    fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves jobs until the pool is gone.
    fn serve(&self) {
        let mut held: Option<(u64, Worker)> = None;
        loop {
            let job = {
                let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
                jobs.recv_timeout(IDLE)
            };
            if self.ended.load(Ordering::Acquire) {
                return;
            }
            self.leave_if_over(&mut held);
            match job {
                Ok(job) => self.answer(job, &mut held),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn answer(&self, job: Job, held: &mut Option<(u64, Worker)>) {
        if held.is_none() {
            match self.join() {
                Ok(joined) => *held = Some(joined),
                Err(error) => {
                    job(Err(error));
                    return;
                }
            }
        }
        let Some((generation, worker)) = held else { return };
        let acting = std::panic::AssertUnwindSafe(|| job(Ok(worker)));
        // A panic drops the answer's sender, which tells who waits.
        if std::panic::catch_unwind(acting).unwrap_or(true) {
            self.end(*generation);
            self.leave_if_over(held);
        }
    }

    /// Ends the connection that a session found broken.
    fn end(&self, generation: u64) {
        let mut link = self.link();
        if link.generation == generation {
            link.generation += 1;
            link.context = None;
        }
    }

    fn leave_if_over(&self, held: &mut Option<(u64, Worker)>) {
        let mut link = self.link();
        if held.as_ref().is_some_and(|(generation, _)| *generation != link.generation) {
            *held = None;
            link.sessions = link.sessions.saturating_sub(1);
        }
    }

    /// Opens a session, after loading the module anew if the last connection is over and everybody
    /// has left it.
    fn join(&self) -> Result<(u64, Worker), TokenError> {
        let mut link = self.link();
        if link.context.is_none() {
            if link.sessions > 0 {
                return Err(TokenError::Unavailable("it is being opened again".to_owned()));
            }
            if link.failed.is_some_and(is_recent) {
                return Err(TokenError::Unavailable("it did not open a moment ago".to_owned()));
            }
        }
        let joined = self.open_in(&mut link);
        link.failed = joined.is_err().then(|| SystemClock.now());
        joined
    }

    fn open_in(&self, link: &mut Link) -> Result<(u64, Worker), TokenError> {
        let context = match &link.context {
            Some(context) => context.clone(),
            None => {
                load(&self.config).map_err(|error| TokenError::Unavailable(error.to_string()))?
            }
        };
        let (_, session) = open(&context, &self.config)?;
        if !keys::sees_canary(&session) {
            return Err(TokenError::Unavailable("its objects are not there".to_owned()));
        }
        link.context = Some(context);
        link.sessions += 1;
        Ok((link.generation, Worker { session, handles: HashMap::new() }))
    }
}

fn is_recent(failed: Timestamp) -> bool {
    let ago = SystemClock.now().duration_since(failed);
    (SignedDuration::ZERO..RETRY).contains(&ago)
}
