use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde::Deserialize;
use strongroom_keyring::{Passphrase, RootKey, SystemRandom, root_file};
use strongroom_model::{Limits, Sensitive, SystemClock, private_file};
use strongroom_server::{
    BackupFront, BackupPlace, Parts, Semantics, Server, Shared, StartError, TlsIdentity,
};
use strongroom_store::Sqlite;

use super::directory::{DataDirectory, unreadable_store};
use super::memory;
use super::signals::EndSignals;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::logging::{self, Form};

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// Configuration file, TOML
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// The configuration file of a server; `docs/configuration.md` describes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Configuration {
    /// Directory to keep everything in.
    pub(crate) data_dir: PathBuf,
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
    /// Where backups may go.
    #[serde(default)]
    backup: Vec<BackupTable>,
    /// The PKCS#11 token that holds HSM keys.
    pub(crate) pkcs11: Option<super::token::Pkcs11Table>,
    /// Certificate and key; plain HTTP if absent.
    tls: Option<TlsFiles>,
    /// Where the passphrase of the root key comes from.
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

/// Source of the passphrase: one of the two.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Unseal {
    /// A file for the owner alone.
    passphrase_file: Option<PathBuf>,
    /// Name of a credential that systemd put into `$CREDENTIALS_DIRECTORY`.
    credential: Option<String>,
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
}

impl Unseal {
    /// Reads the passphrase.
    pub(crate) fn passphrase(&self, environment: &Environment) -> Result<Passphrase, Failure> {
        let path = match (&self.passphrase_file, &self.credential) {
            (Some(path), None) => path.clone(),
            (None, Some(name)) => match &environment.credentials_directory {
                Some(directory) => Path::new(directory).join(name),
                None => {
                    return Err(refuse_passphrase("CREDENTIALS_DIRECTORY is not set".to_owned())
                        .fix("start the service by systemd with LoadCredentialEncrypted="));
                }
            },
            _ => {
                let why = "[unseal] needs one of passphrase_file and credential";
                return Err(refuse_passphrase(why.to_owned()));
            }
        };
        let content = private_file::read_private(&path)
            .map_err(|error| refuse_passphrase(format!("{}: {error}", path.display())))?;
        let passphrase = Passphrase::new(Sensitive::new(content));
        if passphrase.is_empty() {
            return Err(refuse_passphrase("the passphrase is empty".to_owned()));
        }
        Ok(passphrase)
    }
}

fn refuse_passphrase(why: String) -> Failure {
    Failure::configuration("no-passphrase", "cannot read the passphrase").because(why)
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
    let passphrase = configuration.unseal.passphrase(environment)?;
    let directory = DataDirectory::take(&configuration.data_dir)?;
    let root_key = open_root_key(&directory, &passphrase)?;
    let store = Arc::new(directory.open_store()?);
    let parts = Parts {
        store: Arc::<Sqlite>::clone(&store),
        root_key,
        token: configuration.pkcs11.as_ref().map(super::token::start).transpose()?,
        clock: Arc::new(SystemClock),
        turnable_clock: None,
        random: Arc::new(SystemRandom),
        semantics: match configuration.semantics {
            SemanticsName::Strict => Semantics::Strict,
            SemanticsName::Oracle => Semantics::Oracle,
        },
        limits: configuration.limits.into(),
        backup_places: configuration
            .backup
            .iter()
            .map(BackupTable::place)
            .collect::<Result<_, _>>()?,
    };
    let shared = Shared::load(parts).await.map_err(|error| unreadable_store(&error))?;
    let server = server.with_host(configuration.host);
    let server = match tls {
        Some(identity) => server.with_tls(identity),
        None => server,
    };
    let serving = server.serve(shared).await.map_err(not_started)?;
    tracing::info!(base_url = serving.base_url(), "ready");
    signals.come().await;
    serving.stop().await;
    store.close();
    let stats = store.stats();
    let (commits, groups, syncs) = (stats.commits, stats.groups, stats.syncs);
    tracing::info!(commits, groups, syncs, "stopped");
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

fn open_root_key(directory: &DataDirectory, passphrase: &Passphrase) -> Result<RootKey, Failure> {
    let path = directory.join("root.key");
    root_file::open_sealed(&path, passphrase).map_err(|error| {
        let message = format!("cannot open the root key `{}`", path.display());
        let failure =
            Failure::configuration("root-key-unusable", message).because(error.to_string());
        match error {
            root_file::RootFileError::Io(error) if error.kind() == ErrorKind::NotFound => {
                failure.fix("strongroom init --config FILE")
            }
            _ => failure,
        }
    })
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
