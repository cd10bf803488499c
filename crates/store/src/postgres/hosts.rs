//! The hosts of a database, and which of them is to be believed.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::statements::Statements;
use crate::types::StoreError;

/// Statements are planned once for a connection, when the table may be small as well: every one of them
/// has an index, and none is to go without. What has no other way looks dear then, and must not be
/// compiled.
const SETTINGS: &str = "-c statement_timeout=15000 -c idle_in_transaction_session_timeout=20000 \
                        -c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c jit=off";

const CONNECT_TIME: Duration = Duration::from_secs(2);
/// How long the database may take to get ready for the statements: it plans none of them yet.
const PREPARE_TIME: Duration = Duration::from_secs(4);
/// How long hosts that are slow are waited for.
const LAST_MOMENT: Duration = Duration::from_millis(500);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Tells whether a host takes writes, and its timeline: each promotion of a standby begins another,
/// with a higher number. A host that takes none knows at least the timeline of its last checkpoint.
/// And since when it has run: a server that crashed counts its statistics anew, even where its first
/// process lived on.
const STANDING: &str = "
SELECT NOT pg_is_in_recovery(), CASE WHEN pg_is_in_recovery()
    THEN (SELECT lpad(to_hex(timeline_id), 8, '0') FROM pg_control_checkpoint())
    ELSE substring(pg_walfile_name(pg_current_wal_lsn()) FOR 8) END,
    concat(pg_postmaster_start_time(), ' ', (SELECT stats_reset FROM pg_stat_bgwriter))";

/// Why a statement was not carried out.
#[derive(Debug)]
pub(super) enum Failed {
    /// The connection, or the server behind it: another may do.
    Passing(String),
    /// The statement would fail anywhere.
    Lasting(StoreError),
}

impl Failed {
    /// What a caller is told who does not try again.
    pub(super) fn told(self) -> StoreError {
        match self {
            Self::Lasting(error) => error,
            Self::Passing(why) => StoreError::Io(why),
        }
    }
}

/// Tells what kind of failure the server, or the way to it, had. Messages of the server hold no
/// values here: only its code and its primary message are kept.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(super) fn failed(error: tokio_postgres::Error) -> Failed {
    let Some(told) = error.as_db_error() else {
        // Of what this side refuses to do, such as to log in without a password, more is no help.
        let source = std::error::Error::source(&error);
        let is_own = source.is_some_and(|source| source.downcast_ref::<std::io::Error>().is_none());
        let text = match source {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        return if is_own { Failed::Lasting(StoreError::Io(text)) } else { Failed::Passing(text) };
    };
    let (code, message) = (told.code().code(), told.message());
    let text = format!("{message} (SQLSTATE {code})");
    // Connections, resources, the operator, the system; transactions that met; servers that may not
    // write (any more).
    let passing = ["08", "53", "57", "58", "40"].iter().any(|class| code.starts_with(class))
        || code == "25006"
        || code == "55P03";
    if passing { Failed::Passing(text) } else { Failed::Lasting(StoreError::Io(text)) }
}

/// A connection to the host that takes writes, with its statements prepared.
pub(super) struct Link {
    pub(super) client: Client,
    pub(super) statements: Statements,
    pub(super) life: Life,
}

/// What a server has done since it was promoted or crashed: within one life, transactions keep their
/// numbers. A crash takes some, and their numbers are given anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Life {
    timeline: u32,
    /// When it began, as the server tells it.
    since: String,
}

impl Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("life", &self.life).finish_non_exhaustive()
    }
}

/// The hosts of a database. The highest timeline that was seen on any of them is never gone back
/// from: an old primary that returns is refused, though it answers.
#[derive(Clone)]
pub(super) struct Hosts {
    each: Arc<[Config]>,
    tls: Option<MakeRustlsConnect>,
    highest: Arc<watch::Sender<u32>>,
}

impl Debug for Hosts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hosts").field("hosts", &self.each.len()).finish_non_exhaustive()
    }
}

impl Hosts {
    pub(super) fn new(config: &Config, tls: Option<MakeRustlsConnect>) -> Result<Self, StoreError> {
        let ports = config.get_ports();
        let each: Vec<Config> = config
            .get_hosts()
            .iter()
            .enumerate()
            .map(|(number, host)| {
                let port = ports.get(number).or_else(|| ports.first()).copied().unwrap_or(5432);
                alone(config, (host, port), tls.is_some())
            })
            .collect();
        if each.is_empty() {
            return Err(StoreError::Io("the URL names no host".to_owned()));
        }
        let why = match (config.get_ssl_mode(), &tls) {
            (SslMode::Require, None) => "the URL asks for TLS; name its authorities",
            (SslMode::Disable, Some(_)) => {
                "`sslmode` of the URL is `disable`; authorities are named"
            }
            _ => "",
        };
        if !why.is_empty() {
            return Err(StoreError::Io(why.to_owned()));
        }
        Ok(Self { each: each.into(), tls, highest: Arc::default() })
    }

    /// The highest timeline that was seen.
    pub(super) fn highest(&self) -> u32 {
        *self.highest.borrow()
    }

    /// Learns of a timeline.
    fn saw(&self, timeline: u32) {
        self.highest.send_if_modified(|highest| {
            let is_higher = timeline > *highest;
            *highest = timeline.max(*highest);
            is_higher
        });
    }

    /// Waits until a timeline was seen that is higher than this.
    async fn left(&self, timeline: u32) {
        let mut seen = self.highest.subscribe();
        if seen.wait_for(|highest| *highest > timeline).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Connects to the host that takes writes on the highest timeline, until it is too late. Half of
    /// the hosts must answer: so that none alone, cut off from the others, is believed.
    pub(super) async fn primary(&self, until: Instant) -> Result<Link, StoreError> {
        loop {
            let found = self.look().await;
            match found {
                Ok(link) => return Ok(link),
                Err(Failed::Lasting(error)) => return Err(error),
                Err(Failed::Passing(why)) if Instant::now() >= until => {
                    return Err(StoreError::Io(why));
                }
                Err(Failed::Passing(_)) => sleep(LOOK_AGAIN).await,
            }
        }
    }

    async fn look(&self) -> Result<Link, Failed> {
        let Told { answers, why, refused } = self.ask_all().await;
        if let Some(error) = refused.filter(|_| answers.is_empty()) {
            return Err(Failed::Lasting(error));
        }
        if answers.len() < self.each.len().div_ceil(2) {
            let (answered, all) = (answers.len(), self.each.len());
            return Err(Failed::Passing(format!("{answered} of {all} hosts answer: {why}")));
        }
        let primary =
            answers.into_iter().find(|one| one.writes && one.life.timeline >= self.highest());
        let Some(Standing { client, life, .. }) = primary else {
            return Err(Failed::Passing("no host takes writes on the highest timeline".to_owned()));
        };
        let statements = match prepared(&client).await {
            // The tables are not there yet.
            Err(Failed::Lasting(_)) => {
                super::schema::prepare(&client).await?;
                prepared(&client).await?
            }
            other => other?,
        };
        Ok(Link { client, statements, life })
    }

    /// Asks every host for its standing. Once half of them have answered, and one of those could be
    /// used, the others have a moment left: one that hears nobody would hold up all.
    async fn ask_all(&self) -> Told {
        let mut asked = JoinSet::new();
        for config in self.each.iter() {
            let (config, tls) = (config.clone(), self.tls.clone());
            asked.spawn(async move { standing(&config, tls).await });
        }
        let mut told = Told { answers: Vec::new(), why: String::new(), refused: None };
        let mut until = Instant::now() + 3 * CONNECT_TIME;
        while let Ok(Some(one)) = timeout_at(until, asked.join_next()).await {
            match one {
                Ok(Ok(standing)) => {
                    self.saw(standing.life.timeline);
                    told.answers.push(standing);
                }
                // A standby may not have a new database yet.
                Ok(Err(Failed::Lasting(error))) => told.refused = Some(error),
                Ok(Err(Failed::Passing(why))) => told.why = why,
                Err(error) => told.why = error.to_string(),
            }
            let usable = told.answers.iter().any(|one| one.writes);
            if usable && told.answers.len() >= self.each.len().div_ceil(2) {
                until = until.min(Instant::now() + LAST_MOMENT);
            }
        }
        told
    }

    /// Asks every host for its timeline; tells whether one is higher than all that was seen.
    pub(super) async fn watch(&self) -> bool {
        let before = self.highest();
        self.ask_all().await;
        self.highest() > before
    }

    pub(super) fn count(&self) -> usize {
        self.each.len()
    }
}

/// What hosts said of themselves.
struct Told {
    answers: Vec<Standing>,
    /// Why one of the others said nothing.
    why: String,
    refused: Option<StoreError>,
}

/// The same configuration with one host. Over a socket of this machine there is no TLS; elsewhere a
/// server that has none is not spoken to, where it ought to have.
fn alone(config: &Config, (host, port): (&Host, u16), has_tls: bool) -> Config {
    let mut one = Config::new();
    match host {
        Host::Tcp(name) if has_tls => one.host(name).ssl_mode(SslMode::Require),
        Host::Tcp(name) => one.host(name).ssl_mode(config.get_ssl_mode()),
        Host::Unix(path) => one.host_path(path).ssl_mode(config.get_ssl_mode()),
    };
    one.port(port);
    if let Some(user) = config.get_user() {
        one.user(user);
    }
    if let Some(password) = config.get_password() {
        one.password(password);
    }
    if let Some(name) = config.get_dbname() {
        one.dbname(name);
    }
    one.application_name("strongroom").connect_timeout(CONNECT_TIME);
    one.channel_binding(config.get_channel_binding());
    one.tcp_user_timeout(Duration::from_secs(10)).keepalives_idle(Duration::from_secs(10));
    one.options(SETTINGS);
    one
}

struct Standing {
    client: Client,
    writes: bool,
    life: Life,
}

async fn standing(config: &Config, tls: Option<MakeRustlsConnect>) -> Result<Standing, Failed> {
    let ask = async {
        let client = connect(config, tls).await?;
        let row = client.query_one(STANDING, &[]).await.map_err(failed)?;
        let (writes, text): (bool, String) =
            (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
        let timeline = u32::from_str_radix(&text, 16)
            .map_err(|_error| Failed::Passing(format!("`{text}` is no timeline")))?;
        let since = row.try_get(2).map_err(failed)?;
        Ok(Standing { client, writes, life: Life { timeline, since } })
    };
    timeout(2 * CONNECT_TIME, ask).await.map_err(|_late| no_answer(2 * CONNECT_TIME))?
}

async fn prepared(client: &Client) -> Result<Statements, Failed> {
    let prepared = timeout(PREPARE_TIME, Statements::prepare(client)).await;
    prepared.map_err(|_late| no_answer(PREPARE_TIME))?.map_err(failed)
}

fn no_answer(within: Duration) -> Failed {
    Failed::Passing(format!("no answer within {} s", within.as_secs()))
}

async fn connect(config: &Config, tls: Option<MakeRustlsConnect>) -> Result<Client, Failed> {
    // The task ends with the client, and whoever uses the client sees how the connection ended.
    if let Some(tls) = tls {
        let (client, connection) = config.connect(tls).await.map_err(failed)?;
        tokio::spawn(connection);
        return Ok(client);
    }
    let (client, connection) = config.connect(NoTls).await.map_err(failed)?;
    tokio::spawn(connection);
    Ok(client)
}

/// A connection that is made when it is needed, and anew when it ended or is of a timeline that is
/// over.
#[derive(Debug)]
pub(super) struct Slot {
    hosts: Hosts,
    link: tokio::sync::Mutex<Option<Arc<Link>>>,
}

impl Slot {
    pub(super) fn new(hosts: Hosts) -> Self {
        Self { hosts, link: tokio::sync::Mutex::default() }
    }

    pub(super) async fn link(&self, until: Instant) -> Result<Arc<Link>, StoreError> {
        let mut held = self.link.lock().await;
        if let Some(link) = held.as_ref().filter(|link| self.is_good(link)) {
            return Ok(Arc::clone(link));
        }
        *held = None;
        let link = Arc::new(self.hosts.primary(until).await?);
        *held = Some(Arc::clone(&link));
        Ok(link)
    }

    /// Waits for an answer on a connection, for so long, and no longer once another host was seen to
    /// be promoted: the old primary may never answer, or late and not knowing what it missed.
    pub(super) async fn answer<T>(
        &self,
        link: &Link,
        time: Duration,
        asked: impl Future<Output = T>,
    ) -> Result<T, String> {
        tokio::select! {
            biased;
            () = self.hosts.left(link.life.timeline) => Err("another host was promoted".to_owned()),
            done = timeout(time, asked) => {
                done.map_err(|_late| "the database did not answer in time".to_owned())
            }
        }
    }

    /// Gives up a connection that failed.
    pub(super) async fn give_up(&self, failed: &Arc<Link>) {
        let mut held = self.link.lock().await;
        if held.as_ref().is_some_and(|link| Arc::ptr_eq(link, failed)) {
            *held = None;
        }
    }

    fn is_good(&self, link: &Link) -> bool {
        !link.client.is_closed() && link.life.timeline == self.hosts.highest()
    }
}
