use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde::Deserialize;
use strongroom_keyring::SystemRandom;
use strongroom_keyring::pkcs11::Token;
use strongroom_model::{Limits, Sensitive, SystemClock, private_file};
use strongroom_server::{
    BackupFront, BackupPlace, Parts, SECRET_CACHE_BYTES, Semantics, Server, Shared, StartError,
    TlsIdentity, Vouching,
};

use super::database::{Database, DatabaseTable};
use super::directory::{DataDirectory, ledger_of, not_taken_up, unreadable_store};
use super::signals::EndSignals;
use super::supervisor::Supervisor;
use super::targets::TargetTable;
use super::unseal::Unseal;
use super::{memory, targets, token};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::logging::{self, Form};

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// Configuration file, TOML
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Take a database that is older than the checkpoints say; the audit log says so
    #[arg(long)]
    accept_rollback: bool,
}

const MIB: u64 = 1024 * 1024;

fn secret_cache_mib() -> u32 {
    u32::try_from(SECRET_CACHE_BYTES / MIB).unwrap_or(u32::MAX)
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
    /// How policies are read.
    #[serde(default)]
    semantics: SemanticsName,
    /// How much the tenancy may hold.
    #[serde(default)]
    limits: LimitsName,
    /// Memory for secrets that were read lately, in MiB.
    #[serde(default = "secret_cache_mib")]
    secret_cache_mib: u32,
    /// Files that are told every second how far the database has come; on another disk or machine.
    #[serde(default)]
    pub(crate) checkpoint_files: Vec<PathBuf>,
    /// Where backups may go.
    #[serde(default)]
    backup: Vec<BackupTable>,
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

impl From<LimitsName> for Limits {
    fn from(name: LimitsName) -> Self {
        match name {
            LimitsName::Wide => Self::WIDE,
            LimitsName::Oracle => Self::ORACLE,
        }
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
        toml::from_str(&text).map_err(|error| refused(error.to_string().trim_end().to_owned()))
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
    logging::start(Form::Json, environment)?;
    memory::protect();
    let mut signals = EndSignals::catch()?;
    let tls = configuration.tls.as_ref().map(read_tls).transpose()?;
    let server = Server::bind(configuration.listen).await.map_err(not_started)?;
    let token = configuration.token()?;
    let seal = configuration.unseal.seal(token.as_ref(), environment)?;
    let directory = DataDirectory::take(&configuration.data_dir)?;
    let root_key = seal.open(&directory.join("root.key")).await?;
    let ledger = ledger_of(&root_key)?;
    let database = Database::open(&directory, configuration.database.as_ref(), &ledger).await?;
    let parts = Parts {
        store: database.store(),
        root_key,
        token: token.clone(),
        clock: Arc::new(SystemClock),
        turnable_clock: None,
        random: Arc::new(SystemRandom),
        semantics: match configuration.semantics {
            SemanticsName::Strict => Semantics::Strict,
            SemanticsName::Oracle => Semantics::Oracle,
        },
        limits: configuration.limits.into(),
        secret_cache_bytes: u64::from(configuration.secret_cache_mib).saturating_mul(MIB),
        backup_places: configuration
            .backup
            .iter()
            .map(BackupTable::place)
            .collect::<Result<_, _>>()?,
        targets: targets::start(&configuration.target)?,
        machine_id: None,
        vouching: Some(Vouching {
            checkpoint_files: configuration.checkpoint_files,
            accepts_rollback: arguments.accept_rollback,
            ..Vouching::with(ledger)
        }),
    };
    let shared = Shared::load(parts).await.map_err(not_taken_up)?;
    let server = server.with_host(configuration.host);
    let server = match tls {
        Some(identity) => server.with_tls(identity),
        None => server,
    };
    let serving = server.serve(shared).await.map_err(not_started)?;
    tracing::info!(base_url = serving.base_url(), "ready");
    let supervisor = Supervisor::find();
    Supervisor::ready();
    tokio::select! {
        () = signals.come() => {}
        () = supervisor.keep_told() => {}
    }
    Supervisor::stopping();
    serving.stop().await;
    if let Some(token) = token {
        token.end();
    }
    database.close();
    Ok(())
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
