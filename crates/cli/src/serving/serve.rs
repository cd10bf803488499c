use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use strongroom_keyring::pkcs11::Token;
use strongroom_keyring::{RootKey, SystemRandom};
use strongroom_model::{AddressRange, Limits, Sensitive, SystemClock, private_file};
use strongroom_server::{
    BackupFront, BackupPlace, Beat, Ledger, Parts, RateClass, Rates, SECRET_CACHE_BYTES, Semantics,
    Server, Serving, Shared, StartError, TlsIdentity, Tracing, Vouching,
};
use strongroom_targets::HttpLine;

use super::database::{Database, DatabaseTable};
use super::directory::{DataDirectory, ledger_of, not_taken_up, unreadable_store};
use super::signals::EndSignals;
use super::sinks::{self, SinkTable, TracesTable};
use super::supervisor::Supervisor;
use super::targets::TargetTable;
use super::unseal::Unseal;
use super::{memory, targets, token};
use crate::configuration_file;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::logging::{Form, LogArguments};

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// Configuration file, TOML
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Take a database that is older than the checkpoints say; the audit log says so
    #[arg(long)]
    accept_rollback: bool,
    #[command(flatten)]
    log: LogArguments,
}

const MIB: u64 = 1024 * 1024;
const DAY: Duration = Duration::from_hours(24);
/// How long the audit log may be kept, if not for ever. OCI's own takes from 90 days.
const AUDIT_RETENTION_DAYS: RangeInclusive<u32> = 90..=3650;

fn secret_cache_mib() -> u32 {
    u32::try_from(SECRET_CACHE_BYTES / MIB).unwrap_or(u32::MAX)
}

const fn drain_secs() -> u16 {
    5
}

/// The configuration file of a server; `docs/configuration.md` describes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Configuration {
    /// Directory to keep everything in.
    pub(crate) data_dir: PathBuf,
    /// A database on other machines, in place of the one in the directory.
    pub(crate) database: Option<DatabaseTable>,
    /// Address to listen on.
    pub(crate) listen: SocketAddr,
    /// Name that stands in the endpoints that vaults are given; the address if absent.
    host: Option<String>,
    /// How long the server goes on answering when it is to end, so that balancers hear of it.
    #[serde(default = "drain_secs")]
    drain_secs: u16,
    /// Address where metrics are told, of its own; nowhere if absent.
    metrics_listen: Option<SocketAddr>,
    /// Ranges of addresses that requests come from; others are counted and logged.
    #[serde(default)]
    expected_networks: Vec<String>,
    /// How policies are read.
    #[serde(default)]
    semantics: SemanticsName,
    /// How much the tenancy may hold.
    #[serde(default)]
    limits: LimitsName,
    /// How often requests may come.
    #[serde(default)]
    rates: RatesTable,
    /// Memory for secrets that were read lately, in MiB.
    #[serde(default = "secret_cache_mib")]
    secret_cache_mib: u32,
    /// Files that are told every second how far the database has come; on another disk or machine.
    #[serde(default)]
    pub(crate) checkpoint_files: Vec<PathBuf>,
    /// Where backups may go.
    #[serde(default)]
    backup: Vec<BackupTable>,
    /// Where the audit log goes beside the database.
    #[serde(default)]
    audit_sink: Vec<SinkTable>,
    /// How long records of the audit log are kept, in days; for ever if absent.
    audit_retention_days: Option<u32>,
    /// Where traces of requests go; nowhere if absent.
    traces: Option<TracesTable>,
    /// Systems whose passwords are rotated.
    #[serde(default)]
    target: Vec<TargetTable>,
    /// The PKCS#11 token that holds HSM keys.
    pub(crate) pkcs11: Option<token::Pkcs11Table>,
    /// Certificate and key; plain HTTP if absent.
    tls: Option<TlsFiles>,
    /// What seals the root key.
    pub(crate) unseal: Unseal,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum SemanticsName {
    #[default]
    Strict,
    Oracle,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum LimitsName {
    #[default]
    Wide,
    Oracle,
}

/// Tells whether URLs can have it as their host.
fn is_host(text: &str) -> bool {
    let address = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_name = !text.is_empty() && text.len() <= 253 && text.chars().all(legal);
    is_name || address.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
}

impl From<LimitsName> for Limits {
    fn from(name: LimitsName) -> Self {
        match name {
            LimitsName::Wide => Self::WIDE,
            LimitsName::Oracle => Self::ORACLE,
        }
    }
}

/// Requests a second, at most; without limit where absent. `[rates]` of the configuration.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RatesTable {
    /// From one address, at each node.
    address: Option<NonZeroU32>,
    vaults_read: Option<NonZeroU32>,
    vaults_write: Option<NonZeroU32>,
    keys_read: Option<NonZeroU32>,
    keys_write: Option<NonZeroU32>,
    crypto: Option<NonZeroU32>,
    secrets_read: Option<NonZeroU32>,
    secrets_write: Option<NonZeroU32>,
    contents: Option<NonZeroU32>,
}

impl RatesTable {
    fn rates(&self) -> Rates {
        let classes = [
            (RateClass::VaultsRead, self.vaults_read),
            (RateClass::VaultsWrite, self.vaults_write),
            (RateClass::KeysRead, self.keys_read),
            (RateClass::KeysWrite, self.keys_write),
            (RateClass::Crypto, self.crypto),
            (RateClass::SecretsRead, self.secrets_read),
            (RateClass::SecretsWrite, self.secrets_write),
            (RateClass::Contents, self.contents),
        ];
        let set = classes.into_iter().filter_map(|(class, rate)| Some((class, rate?.get())));
        Rates { address: self.address.map(NonZeroU32::get), tenancy: set.collect() }
    }
}

/// A directory for backups, and what requests call it: a bucket in a namespace, or the beginning of
/// a pre-authenticated URI.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BackupTable {
    directory: PathBuf,
    namespace: Option<String>,
    bucket: Option<String>,
    uri: Option<String>,
}

impl BackupTable {
    fn place(&self) -> Result<BackupPlace, Failure> {
        let front = match (&self.namespace, &self.bucket, &self.uri) {
            (Some(namespace), Some(bucket), None) => {
                BackupFront::Bucket { namespace: namespace.clone(), bucket: bucket.clone() }
            }
            (None, None, Some(uri)) if uri.ends_with('/') => BackupFront::Uri(uri.clone()),
            _ => {
                let why = "[[backup]] needs namespace and bucket, or a uri that ends with a slash";
                return Err(Failure::configuration("bad-configuration", "cannot place backups")
                    .because(why));
            }
        };
        Ok(BackupPlace { front, directory: self.directory.clone() })
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsFiles {
    certificate: PathBuf,
    key: PathBuf,
}

impl Configuration {
    /// Reads the configuration file.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let refused = |why: String| {
            let message = format!("cannot read the configuration `{}`", path.display());
            Failure::configuration("bad-configuration", message).because(why)
        };
        let bytes = private_file::read(path).map_err(|error| refused(error.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|_error| refused("not UTF-8".to_owned()))?;
        let read: Self = configuration_file::parse(&text).map_err(refused)?;
        if read.host.as_deref().is_some_and(|host| !is_host(host)) {
            return Err(refused("host must be a name or an address, with no port".to_owned()));
        }
        if read.audit_retention_days.is_some_and(|days| !AUDIT_RETENTION_DAYS.contains(&days)) {
            let (least, most) = (AUDIT_RETENTION_DAYS.start(), AUDIT_RETENTION_DAYS.end());
            return Err(refused(format!("audit_retention_days must be from {least} to {most}")));
        }
        Ok(read)
    }

    /// Returns the URL that the server answers at.
    pub(crate) fn base_url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let host = self.host.clone().unwrap_or_else(|| match self.listen.ip() {
            IpAddr::V4(address) if address.is_unspecified() => "127.0.0.1".to_owned(),
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        });
        format!("{scheme}://{host}:{}", self.listen.port())
    }

    fn expected_networks(&self) -> Result<Vec<AddressRange>, Failure> {
        let range = |text: &String| {
            text.parse().map_err(|error| {
                let message = format!("cannot read the network `{text}` of expected_networks");
                Failure::configuration("bad-configuration", message).because(format!("it {error}"))
            })
        };
        self.expected_networks.iter().map(range).collect()
    }

    fn parts(
        &self,
        database: &Database,
        (root_key, ledger): (RootKey, Ledger),
        (token, tracing): (Option<Token>, Option<Tracing>),
        accepts_rollback: bool,
    ) -> Result<Parts, Failure> {
        Ok(Parts {
            store: database.store(),
            is_alone: self.database.is_none(),
            root_key,
            root_file: Some(self.data_dir.join("root.key")),
            token,
            clock: Arc::new(SystemClock),
            turnable_clock: None,
            random: Arc::new(SystemRandom),
            semantics: match self.semantics {
                SemanticsName::Strict => Semantics::Strict,
                SemanticsName::Oracle => Semantics::Oracle,
            },
            limits: self.limits.into(),
            rates: self.rates.rates(),
            secret_cache_bytes: u64::from(self.secret_cache_mib).saturating_mul(MIB),
            backup_places: self.backup.iter().map(BackupTable::place).collect::<Result<_, _>>()?,
            targets: targets::start(&self.target)?,
            expected_networks: self.expected_networks()?,
            machine_id: None,
            beat: Beat::Exact,
            vouching: Some(Vouching {
                checkpoint_files: self.checkpoint_files.clone(),
                accepts_rollback,
                audit_kept: self.audit_retention_days.map(|days| DAY.saturating_mul(days)),
                ..Vouching::with(ledger)
            }),
            tracing,
        })
    }

    /// Opens the token, if there is one.
    pub(crate) fn token(&self) -> Result<Option<Token>, Failure> {
        self.pkcs11.as_ref().map(token::start).transpose()
    }
}

/// Runs a server until the process is told to end.
pub(crate) async fn run(
    arguments: &ServeArguments,
    environment: &Environment,
) -> Result<(), Failure> {
    let configuration = Configuration::read(&arguments.config)?;
    arguments.log.start(Form::Json, environment)?;
    memory::protect();
    let mut signals = EndSignals::catch()?;
    let server = bind(&configuration).await?;
    let traces = configuration.traces.as_ref();
    let tracing = traces.map(|to| to.start(&configuration.base_url())).transpose()?;
    let token = configuration.token()?;
    let seal = configuration.unseal.seal(token.as_ref(), environment)?;
    let line = HttpLine::new().map_err(|why| {
        Failure::configuration("bad-certificate", "cannot dial other regions").because(why)
    })?;
    let directory = DataDirectory::take(&configuration.data_dir)?;
    let root_key = seal.open(&directory.join("root.key")).await?;
    let ledger = ledger_of(&root_key)?;
    let server = server.with_regions(Arc::new(line)).starting();
    let loading = async {
        let database = Database::open(&directory, configuration.database.as_ref(), &ledger).await?;
        let outward = (token.clone(), tracing);
        let keys = (root_key, ledger.clone());
        let parts = configuration.parts(&database, keys, outward, arguments.accept_rollback)?;
        let shared = Shared::load(parts).await.map_err(not_taken_up)?;
        Ok::<_, Failure>((database, shared))
    };
    let (database, shared) = tokio::select! {
        biased;
        () = signals.come() => {
            tracing::info!("told to end before it was ready");
            return Ok(());
        }
        loaded = loading => loaded?,
    };
    let serving = server.serve(shared).await.map_err(not_started)?;
    tracing::info!(base_url = serving.base_url(), "ready");
    Supervisor::ready();
    until_told(&serving, &mut signals, configuration.drain_secs).await;
    serving.stop().await;
    if let Some(token) = token {
        token.end();
    }
    database.close();
    Ok(())
}

async fn bind(configuration: &Configuration) -> Result<Server, Failure> {
    let tls = configuration.tls.as_ref().map(read_tls).transpose()?;
    let sinks = sinks::start(&configuration.audit_sink)?;
    let server = Server::bind(configuration.listen).await.map_err(not_started)?.with_sinks(sinks);
    let server = server.with_host(configuration.host.clone());
    let server = match tls {
        Some(identity) => server.with_tls(identity),
        None => server,
    };
    match configuration.metrics_listen {
        Some(address) => server.with_metrics(address).await.map_err(not_started),
        None => Ok(server),
    }
}

/// Waits until the process is told to end, and then until requests go elsewhere, or it is told again.
async fn until_told(serving: &Serving, signals: &mut EndSignals, drain_secs: u16) {
    let supervisor = Supervisor::find();
    tokio::select! {
        () = signals.come() => {}
        () = supervisor.keep_told() => {}
    }
    Supervisor::stopping();
    tokio::select! {
        () = serving.drain(Duration::from_secs(drain_secs.into())) => {}
        () = signals.come() => {}
        () = supervisor.keep_told() => {}
    }
}

fn read_tls(files: &TlsFiles) -> Result<TlsIdentity, Failure> {
    let refused = |path: &Path, why: String| {
        let message = format!("cannot use `{}` for TLS", path.display());
        Failure::configuration("bad-certificate", message).because(why)
    };
    let certificates = private_file::read(&files.certificate)
        .map_err(|error| refused(&files.certificate, error.to_string()))?;
    let key = private_file::read_private(&files.key)
        .map_err(|error| refused(&files.key, error.to_string()))?;
    let key = Sensitive::new(key);
    TlsIdentity::from_pem(&certificates, key.expose())
        .map_err(|error| refused(&files.certificate, error.to_string()))
}

fn not_started(error: StartError) -> Failure {
    match error {
        StartError::Listen { address, source } => {
            Failure::configuration("port-busy", format!("cannot listen on `{address}`"))
                .because(source.to_string())
        }
        StartError::Store(error) => unreadable_store(&error),
    }
}
