use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use strongroom_client::{CacheError, CachedSecret, ClientError};
use strongroom_model::Random;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::holdings::Versions;
use super::{Agent, Orders};

/// How often a file is compared with what it should be, where its secrets have not changed.
const COMPARE_EVERY: Duration = Duration::from_mins(1);

/// How long is waited after the first failure in a row, and how long at most.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(10);

/// The same for a command, and how often it is tried.
const COMMAND_PAUSE: Duration = Duration::from_secs(2);
const COMMAND_PAUSE_MAX: Duration = Duration::from_mins(2);
const COMMAND_TRIES: u32 = 10;

/// A command that is to be run, or has failed too often: whoever reads the file is taken to have what
/// was there before, until the next change.
struct Due {
    tries: u32,
    at: Option<Instant>,
}

/// Keeps one sink.
pub(super) struct Keeper {
    number: u64,
    orders: watch::Receiver<Arc<Orders>>,
    /// The orders that it goes by.
    current: Arc<Orders>,
    agent: Arc<Agent>,
    random: Arc<dyn Random>,
    /// What the sink has.
    versions: Option<Versions>,
    /// What whoever reads the file may have: what it was made of last, though it may be gone by now.
    known: Option<Versions>,
    /// When the file was compared; absent if what it should be may have changed since.
    compared_at: Option<Instant>,
    /// Whether a command is to be run as soon as the file is in its place for certain.
    is_owed: bool,
    due: Option<Due>,
    failures: u32,
    /// The last failure that was logged.
    told: Option<String>,
}

impl Keeper {
    pub(super) fn new(
        number: u64,
        orders: watch::Receiver<Arc<Orders>>,
        agent: Arc<Agent>,
        random: Arc<dyn Random>,
    ) -> Self {
        let current = Arc::clone(&orders.borrow());
        Self {
            number,
            orders,
            current,
            agent,
            random,
            versions: None,
            known: None,
            compared_at: None,
            is_owed: false,
            due: None,
            failures: 0,
            told: None,
        }
    }

    /// Keeps it for as long as it is polled. Other orders are in force as soon as a command that is
    /// running has ended.
    pub(super) async fn keep(mut self) {
        loop {
            let rest = self.attend().await;
            tokio::select! {
                () = sleep(rest) => {}
                Ok(()) = self.orders.changed() => self.obey(),
            }
        }
    }

    /// Looks once, runs what is due, and returns how long to rest then.
    async fn attend(&mut self) -> Duration {
        let pause = self.current.pause;
        let rest = match self.look().await {
            Ok(()) => {
                self.failures = 0;
                self.told = None;
                pause
            }
            Err(why) => {
                self.note(why);
                self.failures = self.failures.saturating_add(1);
                doubled(RETRY_PAUSE, self.failures, RETRY_PAUSE_MAX).max(pause)
            }
        };
        // What was put there before is there still, but for a file that was taken away.
        if self.versions.is_some() {
            self.run_what_is_due().await;
        }
        rest
    }

    /// Goes by other orders from now on. A command that has failed too often is tried again.
    fn obey(&mut self) {
        self.current = Arc::clone(&self.orders.borrow_and_update());
        self.compared_at = None;
        let has_command = self.current.sink.command.is_some();
        let due = self.due.take().filter(|_| has_command);
        self.due = due.map(|due| match due.at {
            Some(_) => due,
            None => Due { tries: 0, at: Some(Instant::now()) },
        });
    }

    /// Reads the secrets, and makes the file anew if it is not as they are.
    async fn look(&mut self) -> Result<(), String> {
        let found = match self.read().await {
            Ok(found) => found,
            Err(error) => return Err(self.lost(&error).await),
        };
        let version = |found: &CachedSecret| {
            (found.bundle().secret_id.clone(), found.bundle().version_number)
        };
        let versions: Versions = found.iter().map(version).collect();
        let is_new = self.versions.as_ref() != Some(&versions);
        if !is_new && self.compared_at.is_some_and(|at| at.elapsed() < COMPARE_EVERY) {
            return Ok(());
        }
        self.follow(&found, versions).await
    }

    /// Makes the sink as the secrets are.
    async fn follow(&mut self, found: &[CachedSecret], versions: Versions) -> Result<(), String> {
        let is_first = self.versions.is_none();
        let current = Arc::clone(&self.current);
        let has_command = current.sink.command.is_some();
        match &current.sink.file {
            Some(file) => {
                let may_be_known = self.known.as_ref().is_some_and(|known| *known != versions);
                let how = (has_command, may_be_known);
                let put = file.put(found, &self.random, how).await?;
                match put.written {
                    Some(written) => {
                        self.is_owed |= put.is_due;
                        written?;
                        self.agent.counters.files_written.fetch_add(1, Relaxed);
                        tracing::info!(sink = current.sink.title, ?versions, "written");
                    }
                    // An agent before this one wrote it, and did not come to run the command.
                    None => self.is_owed |= is_first && put.is_due,
                }
            }
            None => self.is_owed = !is_first && self.versions.as_ref() != Some(&versions),
        }
        self.compared_at = Some(Instant::now());
        self.known = Some(versions.clone());
        self.versions = Some(versions);
        if std::mem::take(&mut self.is_owed) && has_command {
            self.due = Some(Due { tries: 0, at: Some(Instant::now()) });
        }
        self.agent.holdings.made(self.number);
        self.settle();
        Ok(())
    }

    async fn read(&self) -> Result<Vec<CachedSecret>, CacheError> {
        let mut found = Vec::new();
        for key in &self.current.sink.keys {
            found.push(self.agent.cache.get(key).await?);
        }
        Ok(found)
    }

    /// Does what is to be done when a secret cannot be read.
    async fn lost(&mut self, error: &CacheError) -> String {
        if let Some(file) = self.current.sink.file.as_ref().filter(|_| is_refusal(error)) {
            match file.refused().await {
                // Whatever is read next is written anew.
                Ok(Some(was_there)) => {
                    self.versions = None;
                    if was_there && self.known.is_none() {
                        // An agent before this one made it, of what nobody knows: of something else.
                        self.known = Some(Versions::new());
                    }
                }
                Ok(None) => {}
                Err(why) => return format!("{error}; the file could not be taken away: {why}"),
            }
        }
        error.to_string()
    }

    /// Logs a failure, unless it is the one that was logged last.
    fn note(&mut self, why: String) {
        self.agent.counters.sink_failures.fetch_add(1, Relaxed);
        if self.told.as_ref() != Some(&why) {
            tracing::warn!(sink = self.current.sink.title, why, "not kept");
            self.told = Some(why);
        }
    }

    async fn run_what_is_due(&mut self) {
        let current = Arc::clone(&self.current);
        let (Some(due), Some(command)) = (&mut self.due, &current.sink.command) else { return };
        if due.at.is_none_or(|at| at > Instant::now()) {
            return;
        }
        due.tries += 1;
        let tries = due.tries;
        let path = self.current.sink.file.as_ref().map(|file| file.path.as_path());
        self.agent.counters.commands_run.fetch_add(1, Relaxed);
        if let Err(why) = command.run(path).await {
            self.agent.counters.command_failures.fetch_add(1, Relaxed);
            let pause = doubled(COMMAND_PAUSE, tries, COMMAND_PAUSE_MAX);
            due.at = (tries < COMMAND_TRIES).then(|| Instant::now() + pause);
            let is_tried_again = due.at.is_some();
            tracing::error!(
                sink = self.current.sink.title,
                tries,
                is_tried_again,
                why,
                "the command failed"
            );
            return;
        }
        tracing::info!(sink = self.current.sink.title, tries, "the command was run");
        if let Some(file) = &self.current.sink.file
            && let Err(why) = file.done(&self.random).await
        {
            tracing::warn!(
                sink = self.current.sink.title,
                why,
                "the command is run again at the next start"
            );
        }
        self.due = None;
        self.settle();
    }

    /// Takes note of the versions in use, once nobody has the old ones any more.
    fn settle(&self) {
        if let Some(versions) = self.versions.clone().filter(|_| self.due.is_none()) {
            self.agent.holdings.has(self.number, versions);
        }
    }
}

fn doubled(first: Duration, count: u32, most: Duration) -> Duration {
    let factor = 1_u32.checked_shl(count.saturating_sub(1)).unwrap_or(u32::MAX);
    first.saturating_mul(factor.max(1)).min(most)
}

/// Whether a secret may not be read, or is not there, in contrast to a vault that does not answer.
fn is_refusal(error: &CacheError) -> bool {
    match error.client_error() {
        Some(ClientError::Service(refusal)) => matches!(refusal.status, 401 | 403 | 404),
        Some(ClientError::Credentials { is_refused, .. }) => *is_refused,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::sync::Mutex;

    use strongroom_client::{
        ApiKey, Authorities, CacheSettings, Client, Endpoints, SecretCache, SecretKey, ServiceError,
    };
    use strongroom_model::private_file::Access;
    use strongroom_model::{Clock, Sensitive, SystemClock, private_file};
    use strongroom_signing::PrivateKey;

    use super::super::super::{References, Resolved, Rules};
    use super::super::{ChangeCommand, Contents, FileSink, Sink, WhenRefused};
    use super::*;

    #[derive(Debug)]
    struct Zeros;

    impl Random for Zeros {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    struct NoReferences;

    impl References for NoReferences {
        fn resolve(&self, reference: &str) -> Result<Resolved, String> {
            Err(reference.to_owned())
        }

        fn part(&self, _content: &Sensitive, pointer: &str) -> Result<Sensitive, String> {
            Err(pointer.to_owned())
        }
    }

    /// An agent whose vault does not answer.
    fn lonely() -> Arc<Agent> {
        let (clock, random): (Arc<dyn Clock>, _) = (Arc::new(SystemClock), Arc::new(Zeros));
        let key = ApiKey { id: "t/u/f".to_owned(), key: PrivateKey::generate().unwrap() };
        let endpoints = Endpoints::One("http://127.0.0.1:1".parse().unwrap());
        let client = Client::new(endpoints, Authorities::System, key, Arc::clone(&clock), random);
        let settings = CacheSettings::default();
        let cache = SecretCache::start(client.unwrap(), settings, clock, Arc::new(Zeros));
        let rules = Rules {
            socket: Vec::new(),
            http: Vec::new(),
            token: None,
            names: std::collections::BTreeMap::new(),
            held: Vec::new(),
            references: Box::new(NoReferences),
        };
        Arc::new(Agent::start(cache.unwrap(), rules, std::io::sink()).unwrap())
    }

    /// Keeps a command that is due, of a secret that cannot be read.
    fn keeper(mark: &Path, versions: Option<Versions>) -> Keeper {
        let due = Some(Due { tries: 0, at: Some(Instant::now()) });
        Keeper { versions, due, ..keeper_of(None, mark) }
    }

    fn keeper_of(file: Option<FileSink>, mark: &Path) -> Keeper {
        let arguments = vec!["-c".to_owned(), format!("echo run >> {}", mark.display())];
        let command = ChangeCommand {
            program: "/bin/sh".into(),
            arguments,
            time_max: Duration::from_secs(5),
        };
        let keys = vec![SecretKey::of_id("s")];
        let sink = Sink { title: "s".to_owned(), keys, file, command: Some(command) };
        let orders = Arc::new(Orders { sink, pause: Duration::from_secs(1) });
        let orders = watch::Sender::new(orders).subscribe();
        Keeper::new(0, orders, lonely(), Arc::new(Zeros))
    }

    /// What a file is made of, whatever its secrets are.
    #[derive(Debug)]
    struct Text(Arc<Mutex<&'static str>>);

    impl Contents for Text {
        fn make(&self, _found: &[CachedSecret]) -> Result<Sensitive, String> {
            Ok(Sensitive::new(self.0.lock().unwrap().as_bytes().to_vec()))
        }
    }

    /// A file with a command, in a directory of its own.
    struct Kept {
        keeper: Keeper,
        text: Arc<Mutex<&'static str>>,
        directory: tempfile::TempDir,
    }

    impl Kept {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let text = Arc::new(Mutex::new(""));
            let file = FileSink {
                path: directory.path().join("f"),
                access: Access::new(0o600, None, None).unwrap(),
                contents: Box::new(Text(Arc::clone(&text))),
                when_refused: WhenRefused::Remove,
            };
            let keeper = keeper_of(Some(file), &directory.path().join("mark"));
            Self { keeper, text, directory }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.directory.path().join(name)
        }

        /// Makes the file of a version of the secret, and tells whether the command is to be run.
        async fn follow(&mut self, version: u64, text: &'static str) -> Result<bool, String> {
            *self.text.lock().unwrap() = text;
            self.keeper.follow(&[], vec![("s".to_owned(), version)]).await?;
            Ok(self.keeper.due.take().is_some())
        }
    }

    /// A name that is taken stands for a disk that fails when the file is in its place.
    #[tokio::test]
    async fn a_command_is_run_though_the_file_was_not_put_for_certain_at_first() {
        let mut kept = Kept::new();
        assert_eq!(kept.follow(1, "one").await, Ok(false));
        let in_the_way = kept.path(".f.0000000000000000.new");
        private_file::create_directory(&in_the_way).unwrap();
        kept.follow(2, "two").await.unwrap_err();
        assert_eq!(kept.keeper.versions, Some(vec![("s".to_owned(), 1)]));
        private_file::remove_tree(&in_the_way).unwrap();
        private_file::replace(&kept.path("f"), b"two").unwrap();
        assert_eq!(kept.follow(2, "two").await, Ok(true));
        assert_eq!(kept.follow(2, "two").await, Ok(false));
    }

    #[tokio::test]
    async fn a_command_that_is_due_is_run_while_the_secret_cannot_be_read() {
        let directory = tempfile::tempdir().unwrap();
        let mark = directory.path().join("mark");
        // Nothing is there that the command could hear of.
        let mut none = keeper(&mark, None);
        none.attend().await;
        assert!(!mark.exists() && none.failures == 1 && none.due.is_some());
        let mut some = keeper(&mark, Some(vec![("s".to_owned(), 1)]));
        for times in 1..3 {
            some.attend().await;
            assert!(mark.exists() && some.failures == times && some.due.is_none());
        }
        assert_eq!(private_file::read(&mark).unwrap(), b"run\n");
    }

    #[tokio::test]
    async fn a_file_that_was_taken_away_meanwhile_may_have_been_read() {
        let refusal = ServiceError {
            status: 404,
            code: String::new(),
            message: String::new(),
            request_id: None,
            retry_after_secs: None,
        };
        let why = Arc::new(ClientError::Service(refusal));
        let refusal = CacheError::Upstream { secret: "s".to_owned(), why };
        let mut kept = Kept::new();
        assert_eq!(kept.follow(1, "one").await, Ok(false));
        for (version, text, is_run) in [(1, "one", false), (2, "two", true), (2, "two", false)] {
            kept.keeper.lost(&refusal).await;
            assert!(!kept.path("f").exists() && kept.keeper.versions.is_none());
            assert_eq!(kept.follow(version, text).await, Ok(is_run), "{text}");
        }
        private_file::remove_if_present(&kept.path("f")).unwrap();
        assert_eq!(kept.follow(3, "three").await, Ok(true));
        // Nor is it known what an agent before this one put there.
        let mut next = Kept::new();
        private_file::replace(&next.path("f"), b"one").unwrap();
        next.keeper.lost(&refusal).await;
        assert_eq!(next.follow(2, "two").await, Ok(true));
    }

    #[test]
    fn pauses_double_up_to_a_bound() {
        let secs = |count| doubled(RETRY_PAUSE, count, RETRY_PAUSE_MAX).as_secs();
        assert_eq!([1, 2, 3, 4, 5, 40, u32::MAX].map(secs), [1, 2, 4, 8, 10, 10, 10]);
    }
}
