use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use serde::Serialize;
use strongroom_keyring::pkcs11::Token;
use strongroom_keyring::{RootKey, SystemRandom, root_file};
use strongroom_model::{
    Clock, Limits, Random, Region, Sensitive, SystemClock, TurnableClock, private_file,
};
use strongroom_server::{
    BackupFront, BackupPlace, Beat, NewSample, NewTenancy, Parts, Rates, SECRET_CACHE_BYTES,
    Sample, Semantics, Server, Serving, Shared, StartError, Targets, Vouching, clock_turned,
    found_tenancy, free_vault_port, sample_of,
};
use strongroom_signing::PrivateKey;
use strongroom_store::{Memory, Store};

use super::directory::{DataDirectory, ledger_of, not_taken_up, unreadable_store};
use super::memory;
use super::signals::EndSignals;
use crate::environment::Environment;
use crate::failure::{Exit, Failure};
use crate::logging::{Form, LogArguments};

const REGION: &str = "us-ashburn-1";

/// The line after a key without which Oracle's command line warns.
const KEY_LABEL: &[u8] = b"OCI_API_KEY\n";

/// What the sample secret holds.
const SAMPLE_CONTENT: &[u8] = b"hello from strongroom";

/// Arguments of `dev`.
#[derive(Debug, Args)]
pub(crate) struct DevArguments {
    /// Directory to keep everything in [default: ~/.local/state/strongroom/dev]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Address to listen on; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8790")]
    listen: SocketAddr,
    /// Keep nothing after exit
    #[arg(long)]
    ephemeral: bool,
    /// How policies are read where Oracle's documentation and this product's mission differ
    #[arg(long, value_enum, default_value_t = SemanticsArgument::Strict)]
    semantics: SemanticsArgument,
    /// Clock of deletions, expiries and rotations
    #[arg(long, value_enum, default_value_t = ClockArgument::System)]
    clock: ClockArgument,
    /// How much the tenancy may hold
    #[arg(long, value_enum, default_value_t = LimitsArgument::Wide)]
    limits: LimitsArgument,
    /// How often requests may come
    #[arg(long, value_enum, default_value_t = RatesArgument::Wide)]
    rates: RatesArgument,
    /// TOML file with module, token label and PIN file of a PKCS#11 token for HSM keys
    #[arg(long, value_name = "FILE")]
    hsm_config: Option<PathBuf>,
    /// TOML file with [[target]] tables: systems whose passwords are rotated
    #[arg(long, value_name = "FILE")]
    target_config: Option<PathBuf>,
    /// Region that the server stands for [default: us-ashburn-1]
    #[arg(long, value_name = "NAME")]
    region: Option<String>,
    #[command(flatten)]
    log: LogArguments,
}

/// The values of `--semantics`.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum SemanticsArgument {
    /// Reading a secret also needs the use of its key
    Strict,
    /// What Oracle documents
    Oracle,
}

impl From<SemanticsArgument> for Semantics {
    fn from(argument: SemanticsArgument) -> Self {
        match argument {
            SemanticsArgument::Strict => Self::Strict,
            SemanticsArgument::Oracle => Self::Oracle,
        }
    }
}

/// The values of `--clock`.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ClockArgument {
    /// The machine's
    System,
    /// The machine's until it is turned: `strongroom admin clock --advance 30d`
    Manual,
}

/// The values of `--limits`.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum LimitsArgument {
    /// What this server is built for
    Wide,
    /// What Oracle grants a new tenancy
    Oracle,
}

impl From<LimitsArgument> for Limits {
    fn from(argument: LimitsArgument) -> Self {
        match argument {
            LimitsArgument::Wide => Self::WIDE,
            LimitsArgument::Oracle => Self::ORACLE,
        }
    }
}

/// The values of `--rates`.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum RatesArgument {
    /// As often as they can be answered
    Wide,
    /// 10 a second of each class of Key Management, as Oracle takes them
    Oracle,
}

impl From<RatesArgument> for Rates {
    fn from(argument: RatesArgument) -> Self {
        match argument {
            RatesArgument::Wide => Self::default(),
            RatesArgument::Oracle => Self::oracle(),
        }
    }
}

/// The namespace and the bucket behind which a development server keeps backups.
const BACKUP_NAMESPACE: &str = "dev";
const BACKUP_BUCKET: &str = "backups";

/// The pre-authenticated URI that stands for the same bucket.
const BACKUP_URI: &str = "https://objectstorage.dev.invalid/p/dev/n/dev/b/backups/o/";

/// The file that tells others how to reach a development server.
#[derive(Debug, Serialize)]
struct DevJson {
    base_url: String,
    tenancy_id: String,
    compartment_id: String,
    user_id: String,
    vault_id: String,
    management_endpoint: String,
    crypto_endpoint: String,
    key_id: String,
    secret_id: String,
    config_file: PathBuf,
    imds_url: String,
    federation_url: String,
    instance_id: String,
    instance_compartment_id: String,
    region: &'static str,
    pid: u32,
}

/// Runs a development server until the process is told to end.
pub(crate) async fn run(arguments: DevArguments, environment: &Environment) -> Result<(), Failure> {
    arguments.log.start(Form::Lines, environment)?;
    memory::protect();
    let mut signals = EndSignals::catch()?;
    let asked_region = arguments.region.as_deref().map(region_named).transpose()?;
    // The port comes first: when it is taken, nothing has been made yet.
    let server = Server::bind(arguments.listen).await.map_err(not_listening)?;
    let directory = Directory::open(&arguments, environment)?;
    let outcome = Dev { directory: &directory, asked_region, arguments: &arguments }
        .run(server, &mut signals)
        .await;
    directory.leave()?;
    outcome
}

fn region_named(name: &str) -> Result<&'static Region, Failure> {
    Region::named(name).ok_or_else(|| {
        Failure::new(Exit::Usage, "unknown-region", format!("`{name}` is no region of OCI"))
            .fix("strongroom dev --region us-ashburn-1")
    })
}

fn not_listening(error: StartError) -> Failure {
    match error {
        StartError::Listen { address, source } => {
            Failure::configuration("port-busy", format!("cannot listen on `{address}`"))
                .because(source.to_string())
                .fix("strongroom dev --listen 127.0.0.1:0")
        }
        StartError::Store(error) => unreadable_store(&error),
    }
}

/// The directory of a development server, and what becomes of it at the end.
struct Directory {
    taken: DataDirectory,
    ephemeral: bool,
}

impl Directory {
    fn open(arguments: &DevArguments, environment: &Environment) -> Result<Self, Failure> {
        let named = arguments.data_dir.clone();
        let path = match (named, arguments.ephemeral) {
            (Some(path), _) => Some(path),
            (None, true) => Some(temporary_path()),
            (None, false) => {
                let known = environment.data_dir.as_ref().map(|path| environment.path(path));
                known.or_else(|| environment.default_data_dir())
            }
        };
        let path = path.ok_or_else(|| {
            Failure::configuration("no-data-dir", "cannot tell where to keep data")
                .because("neither HOME nor XDG_STATE_HOME is set")
                .fix("strongroom dev --data-dir DIR")
        })?;
        if arguments.ephemeral && private_file::names_in(&path).is_ok_and(|names| !names.is_empty())
        {
            let message = format!("`{}` is not empty", path.display());
            return Err(Failure::configuration("data-dir-foreign", message).because(
                "--ephemeral removes its directory at the end, so it takes a new one only",
            ));
        }
        let taken = DataDirectory::take(&path)?;
        private_file::remove_if_present(&taken.join("dev.json")).map_err(unwritable)?;
        Ok(Self { taken, ephemeral: arguments.ephemeral })
    }

    fn leave(&self) -> Result<(), Failure> {
        let done = if self.ephemeral {
            private_file::remove_tree(self.taken.path())
        } else {
            private_file::remove_if_present(&self.taken.join("dev.json"))
        };
        done.map_err(unwritable)
    }
}

fn temporary_path() -> PathBuf {
    let mut salt = [0_u8; 8];
    SystemRandom.fill(&mut salt);
    std::env::temp_dir().join(format!("strongroom-{:016x}", u64::from_be_bytes(salt)))
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
fn unwritable(error: std::io::Error) -> Failure {
    Failure::configuration("data-dir-unusable", "cannot write to the data directory")
        .because(error.to_string())
}

struct Dev<'a> {
    directory: &'a Directory,
    asked_region: Option<&'static Region>,
    arguments: &'a DevArguments,
}

impl Dev<'_> {
    async fn run(&self, server: Server, signals: &mut EndSignals) -> Result<(), Failure> {
        if self.arguments.ephemeral {
            let store = Arc::new(Memory::new(strongroom_server::WATCHED));
            let root_key = RootKey::generate(&SystemRandom);
            return self.run_on(server, store, (root_key, None), signals).await;
        }
        let root_key = self.root_key()?;
        let ledger = ledger_of(&root_key)?;
        let store = Arc::new(self.directory.taken.open_store(Arc::new(ledger.clone()))?);
        let keys = (root_key, Some(Vouching::with(ledger)));
        let serving = Arc::<strongroom_store::Sqlite>::clone(&store);
        let outcome = self.run_on(server, serving, keys, signals).await;
        store.close();
        outcome
    }

    async fn run_on(
        &self,
        server: Server,
        store: Arc<dyn Store>,
        (root_key, vouching): (RootKey, Option<Vouching>),
        signals: &mut EndSignals,
    ) -> Result<(), Failure> {
        let found = sample_of(&*store).await.map_err(|error| unreadable_store(&error))?;
        let sample = match found {
            Some(sample) => sample,
            None => self.found(&*store, &root_key).await?,
        };
        let turnable_clock = match self.arguments.clock {
            ClockArgument::System => None,
            ClockArgument::Manual => {
                let turned =
                    clock_turned(&*store).await.map_err(|error| unreadable_store(&error))?;
                Some(Arc::new(TurnableClock::turned_by(turned)))
            }
        };
        let token = self.token()?;
        let parts = Parts {
            store,
            is_alone: true,
            root_key,
            root_file: None,
            token: token.clone(),
            clock: Arc::new(SystemClock),
            turnable_clock,
            random: Arc::new(SystemRandom),
            semantics: self.arguments.semantics.into(),
            limits: self.arguments.limits.into(),
            rates: self.arguments.rates.into(),
            secret_cache_bytes: SECRET_CACHE_BYTES,
            backup_places: self.backup_places(),
            targets: self.targets()?,
            expected_networks: Vec::new(),
            machine_id: Some(sample.instance_id.clone()),
            beat: Beat::Exact,
            vouching,
            tracing: None,
        };
        let shared = Shared::load(parts).await.map_err(not_taken_up)?;
        self.check_region(shared.region())?;
        let serving = server.serve(Arc::clone(&shared)).await.map_err(not_listening)?;
        let told = self.tell(&shared, &sample, &serving).await;
        if told.is_ok() {
            signals.come().await;
        }
        serving.stop().await;
        if let Some(token) = token {
            token.end();
        }
        told
    }

    /// The token of `--hsm-config`, if there is one.
    fn token(&self) -> Result<Option<Token>, Failure> {
        let Some(path) = &self.arguments.hsm_config else { return Ok(None) };
        let table = super::token::Pkcs11Table::read(path)?;
        super::token::start(&table).map(Some)
    }

    /// The target systems of `--target-config`.
    fn targets(&self) -> Result<Targets, Failure> {
        let path = self.arguments.target_config.as_deref();
        path.map_or_else(|| Ok(Targets::new()), super::targets::read)
    }

    /// `backups` in the data directory, behind a bucket and behind a URI.
    fn backup_places(&self) -> Vec<BackupPlace> {
        let bucket = BackupFront::Bucket {
            namespace: BACKUP_NAMESPACE.to_owned(),
            bucket: BACKUP_BUCKET.to_owned(),
        };
        let fronts = [bucket, BackupFront::Uri(BACKUP_URI.to_owned())];
        let directory = self.directory.taken.join("backups");
        fronts.map(|front| BackupPlace { front, directory: directory.clone() }).to_vec()
    }

    fn check_region(&self, home: &Region) -> Result<(), Failure> {
        if self.asked_region.is_none_or(|asked| asked == home) {
            return Ok(());
        }
        let message = format!("the data directory is of region `{}`", home.name);
        Err(Failure::configuration("region-differs", message)
            .fix("leave --region out, or name another --data-dir"))
    }

    /// The root key in the directory, made where there is no database yet.
    fn root_key(&self) -> Result<RootKey, Failure> {
        let names = private_file::names_in(self.directory.taken.path()).map_err(unwritable)?;
        let founded = names.iter().any(|name| name == "strongroom.db");
        let path = self.directory.taken.join("root.key");
        let unusable = |error: root_file::RootFileError| {
            let message = format!("cannot use the root key `{}`", path.display());
            Failure::configuration("root-key-unusable", message).because(error.to_string())
        };
        match root_file::open(&path) {
            Err(root_file::RootFileError::Io(error))
                if error.kind() == std::io::ErrorKind::NotFound && !founded =>
            {
                let root_key = RootKey::generate(&SystemRandom);
                root_file::create(&path, &root_key).map_err(unusable)?;
                Ok(root_key)
            }
            opened => opened.map_err(unusable),
        }
    }

    /// Founds the tenancy. The administrator's key is written first: a process that dies in between
    /// founds again, with a new one.
    async fn found(&self, store: &dyn Store, root_key: &RootKey) -> Result<Sample, Failure> {
        let refused = |why: String| {
            Failure::new(Exit::Failed, "not-founded", "cannot make the tenancy").because(why)
        };
        let key = PrivateKey::generate().map_err(|error| refused(error.to_string()))?;
        let public = key.public().map_err(|error| refused(error.to_string()))?;
        let pem = key.to_pem().map_err(|error| refused(error.to_string()))?;
        let oci = self.directory.taken.join("oci");
        private_file::create_directory(&oci).map_err(unwritable)?;
        let labeled = Sensitive::new([pem.expose(), KEY_LABEL].concat());
        private_file::replace(&oci.join("admin.pem"), labeled.expose()).map_err(unwritable)?;
        let address: IpAddr = self.arguments.listen.ip();
        let port = free_vault_port(address, &SystemRandom).await;
        let port = port.map_err(|error| refused(error.to_string()))?;
        let new = NewTenancy {
            name: "dev",
            region: self.asked_region.unwrap_or(region_named(REGION)?),
            fingerprint: &public.fingerprint(),
            public_key_pem: &public.to_pem(),
            now: SystemClock.now(),
            sample: Some(NewSample { content: SAMPLE_CONTENT, port }),
        };
        let founded = found_tenancy(store, root_key, &SystemRandom, &new).await;
        let founded = founded.map_err(|error| refused(error.to_string()))?;
        founded.sample.ok_or_else(|| refused("the sample was not made".to_owned()))
    }

    /// Writes the files that clients read, `dev.json` last, and prints what to paste.
    async fn tell(
        &self,
        shared: &Shared,
        sample: &Sample,
        serving: &Serving,
    ) -> Result<(), Failure> {
        let unreadable = |error| unreadable_store(&error);
        let region = shared.region();
        let tenancy_id = shared.tenancy_id().await.map_err(unreadable)?.to_string();
        let endpoint = shared.vault_endpoint(&sample.vault_id).await.map_err(unreadable)?;
        let endpoint = endpoint.unwrap_or_default();
        let config_file = self.write_oci_config(&tenancy_id, sample, region)?;
        let base_url = serving.base_url().to_owned();
        let told = DevJson {
            imds_url: format!("{base_url}/opc/v2"),
            federation_url: format!("{base_url}/v1/x509"),
            base_url,
            tenancy_id,
            compartment_id: sample.compartment_id.to_string(),
            user_id: sample.user_id.to_string(),
            vault_id: sample.vault_id.to_string(),
            management_endpoint: endpoint.clone(),
            crypto_endpoint: endpoint,
            key_id: sample.key_id.to_string(),
            secret_id: sample.secret_id.to_string(),
            config_file,
            instance_id: sample.instance_id.to_string(),
            instance_compartment_id: sample.compartment_id.to_string(),
            region: region.name,
            pid: std::process::id(),
        };
        let encoded = serde_json::to_vec_pretty(&told).map_err(|error| {
            Failure::new(Exit::Defect, "not-encoded", "cannot encode dev.json")
                .because(error.to_string())
        })?;
        private_file::replace(&self.directory.taken.join("dev.json"), &encoded)
            .map_err(unwritable)?;
        self.greet(&told)
    }

    fn write_oci_config(
        &self,
        tenancy_id: &str,
        sample: &Sample,
        region: &Region,
    ) -> Result<PathBuf, Failure> {
        let oci = self.directory.taken.join("oci");
        let key_file = oci.join("admin.pem");
        let pem = private_file::read_private(&key_file).map_err(unwritable)?;
        let unusable = || {
            let message = format!("cannot use the key `{}`", key_file.display());
            Failure::configuration("admin-key-unusable", message)
        };
        let pem = Sensitive::new(pem);
        let text = std::str::from_utf8(pem.expose()).map_err(|_error| unusable())?;
        let public = PrivateKey::from_pem(text).and_then(|key| key.public());
        let fingerprint =
            public.map_err(|error| unusable().because(error.to_string()))?.fingerprint();
        let (user, region, key_file) = (&sample.user_id, region.name, key_file.display());
        let config = format!(
            "[DEFAULT]\nuser={user}\nfingerprint={fingerprint}\ntenancy={tenancy_id}\n\
             region={region}\nkey_file={key_file}\n"
        );
        let path = oci.join("config");
        private_file::replace(&path, config.as_bytes()).map_err(unwritable)?;
        Ok(path)
    }

    fn greet(&self, told: &DevJson) -> Result<(), Failure> {
        let directory = shell_quoted(self.directory.taken.path());
        let config = shell_quoted(&told.config_file);
        let (url, secret) = (&told.base_url, &told.secret_id);
        let text = format!(
            "strongroom dev is ready at {url}\n\n\
             Read the sample secret with Oracle's command line:\n\n\
             \x20 oci --config-file {config} --endpoint {url} secrets secret-bundle get \
             --secret-id {secret} --query 'data.\"secret-bundle-content\".content' --raw-output \
             | base64 -d\n\n\
             or with strongroom:\n\n\
             \x20 strongroom get --data-dir {directory} secret://dev/sample\n\n\
             or put everything into a shell's environment:\n\n\
             \x20 eval \"$(strongroom env --for cli --data-dir {directory})\"\n\n\
             Ctrl-C ends it.\n"
        );
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| {
            Failure::new(Exit::Failed, "no-output", "cannot write to standard output")
                .because(error.to_string())
        })
    }
}

/// Quotes a path for a POSIX shell, if it needs quoting.
pub(crate) fn shell_quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}
