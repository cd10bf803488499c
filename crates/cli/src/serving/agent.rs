use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use strongroom_agent::{Agent, HttpListener, References, Reports, Resolved, Rules, SocketListener};
use strongroom_client::{CacheError, CacheSettings, Client, SecretCache, SecretKey, SecretName};
use strongroom_keyring::SystemRandom;
use strongroom_model::{Random, Sensitive, SystemClock, private_file};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};

use super::agent_file::AgentFile;
use super::memory;
use super::signals::EndSignals;
use super::supervisor::Supervisor;
use crate::environment::Environment;
use crate::failure::{Exit, Failure};
use crate::hand::output::write;
use crate::hand::pointer::select;
use crate::hand::reference::{Place, Reference};
use crate::hand::settings::Connection;
use crate::logging::{self, Form};

/// Arguments of `agent`.
#[derive(Debug, Args)]
pub(crate) struct AgentArguments {
    /// Configuration file, TOML
    #[arg(long, value_name = "FILE")]
    agent_config: PathBuf,
    /// Check the configuration and end
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    connection: Connection,
}

const MIB: u64 = 1024 * 1024;

/// How a reference is read: aliases as they were known when the agent started.
struct Aliases(BTreeMap<String, String>);

impl References for Aliases {
    fn resolve(&self, reference: &str) -> Result<Resolved, String> {
        let read: Reference = reference.parse().map_err(|failure: Failure| failure.in_a_line())?;
        let secret = match read.place {
            Place::Id(id) => SecretName::Id(id.to_string()),
            Place::Named { vault, name } => {
                let unknown = || format!("`{vault}` is the alias of no vault that is known");
                let vault_id = self.0.get(&vault).cloned().ok_or_else(unknown)?;
                SecretName::InVault { vault_id, name }
            }
        };
        Ok(Resolved { key: SecretKey::new(secret, read.selector), pointer: read.pointer })
    }

    fn part(&self, content: &Sensitive, pointer: &str) -> Result<Sensitive, String> {
        select(content, pointer).map_err(|failure| failure.in_a_line())
    }
}

/// Runs the agent until the process is told to end.
pub(crate) async fn run(
    arguments: AgentArguments,
    environment: &Environment,
) -> Result<(), Failure> {
    let file = AgentFile::read(&arguments.agent_config)?;
    if arguments.check {
        return write(b"the configuration can be used\n");
    }
    logging::start(Form::Json, environment)?;
    memory::protect();
    let signals = EndSignals::catch()?;
    let session = arguments.connection.open(environment).await?;
    let token = new_token(&file)?;
    let settings = CacheSettings {
        capacity_bytes: u64::from(file.cache_mib) * MIB,
        lifetimes: file.lifetimes(),
        ..CacheSettings::default()
    };
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let cache = SecretCache::start(session.client.clone(), settings, clock, random);
    let cache = cache.map_err(|error| unusable(&error))?;
    let vaults = session.vaults();
    settle(&cache, &file, &Aliases(vaults.clone())).await?;
    let socket = file.socket.as_deref().map(|path| (path, file.socket_mode));
    let socket = match socket {
        Some((path, mode)) => Some((bind(path, mode).await?, path.to_owned())),
        None => None,
    };
    let http = match file.http {
        Some(address) => Some(TcpListener::bind(address).await.map_err(|error| {
            Failure::configuration("port-busy", format!("cannot listen on `{address}`"))
                .because(error.to_string())
        })?),
        None => None,
    };
    let agent = Arc::new(Agent::new(cache, rules(&file, &vaults, token.clone())));
    tracing::info!(
        http = http.as_ref().and_then(|http| http.local_addr().ok()).map(|at| at.to_string()),
        socket = socket.as_ref().map(|(_, path)| path.display().to_string()),
        credentials = session.client.credentials_name(),
        "ready"
    );
    let reports = reports(&file, &session.client, &Aliases(vaults.clone()));
    let again = Again { path: arguments.agent_config, vaults, token, reports };
    serve(agent, (socket, http), signals, again).await
}

fn unusable(error: &CacheError) -> Failure {
    Failure::configuration("ttl-exceeds-rotation", "cannot keep secrets as the configuration says")
        .because(error.to_string())
}

/// Writes a new token where only its owner reads it.
fn new_token(file: &AgentFile) -> Result<Option<Sensitive>, Failure> {
    let Some(path) = &file.token_file else { return Ok(None) };
    let mut bytes = [0_u8; 32];
    SystemRandom.fill(&mut bytes);
    let text: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let token = Sensitive::new(text.concat().into_bytes());
    private_file::replace(path, token.expose()).map_err(|error| {
        let message = format!("cannot write the token `{}`", path.display());
        Failure::configuration("no-token-file", message).because(error.to_string())
    })?;
    Ok(Some(token))
}

/// Lays down the lifetimes that are said of single secrets, checked against how often they rotate,
/// and reads them once. What cannot be read now is read when it is asked for.
async fn settle(
    cache: &SecretCache<Client>,
    file: &AgentFile,
    references: &Aliases,
) -> Result<(), Failure> {
    for table in &file.secret {
        let resolved = references.resolve(&table.reference).map_err(|why| {
            Failure::configuration("bad-reference", format!("cannot read `{}`", table.reference))
                .because(why)
        })?;
        let lifetimes = table.lifetimes(file.lifetimes());
        match cache.set_checked_lifetimes(&resolved.key, lifetimes).await {
            Ok(()) => {}
            Err(
                error
                @ (CacheError::TtlExceedsRotation { .. } | CacheError::LifetimeTooLong { .. }),
            ) => {
                return Err(unusable(&error));
            }
            Err(error) => {
                tracing::warn!(reference = table.reference, %error, "how often it rotates is not known");
                cache
                    .set_lifetimes(&resolved.key, lifetimes, None)
                    .map_err(|error| unusable(&error))?;
            }
        }
        if let Err(error) = cache.get(&resolved.key).await {
            tracing::warn!(reference = table.reference, %error, "not read ahead");
        }
    }
    Ok(())
}

fn rules(file: &AgentFile, vaults: &BTreeMap<String, String>, token: Option<Sensitive>) -> Rules {
    Rules {
        socket: file.rules(),
        http: file.http_references.clone(),
        token,
        names: file.names.clone(),
        references: Box::new(Aliases(vaults.clone())),
    }
}

/// What the vault is told, if this machine has a name as a consumer.
fn reports(file: &AgentFile, client: &Client, references: &Aliases) -> Option<Reports> {
    let key = |reference: &String| references.resolve(reference).ok().map(|resolved| resolved.key);
    let keys = file.secret.iter().filter_map(|table| key(&table.reference)).collect();
    let consumer = file.consumer.clone()?;
    Some(Reports { consumer, keys, client: client.clone() })
}

/// Binds the socket; one that a dead agent left is replaced, one that answers is not.
async fn bind(path: &Path, mode: u32) -> Result<UnixListener, Failure> {
    let refused = |why: String| {
        let message = format!("cannot listen on `{}`", path.display());
        Failure::configuration("socket-busy", message).because(why)
    };
    if let Some(parent) = path.parent() {
        private_file::create_passage(parent, mode >> 2 & 0o011)
            .map_err(|error| refused(error.to_string()))?;
    }
    match UnixStream::connect(path).await {
        Ok(_) => return Err(refused("another agent answers there".to_owned())),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            private_file::remove_if_present(path).map_err(|error| refused(error.to_string()))?;
        }
        Err(_) => {}
    }
    let listener = UnixListener::bind(path).map_err(|error| refused(error.to_string()))?;
    private_file::open_socket(path, mode).map_err(|error| refused(error.to_string()))?;
    Ok(listener)
}

/// What reading the configuration again takes.
struct Again {
    path: PathBuf,
    vaults: BTreeMap<String, String>,
    token: Option<Sensitive>,
    reports: Option<Reports>,
}

type Listeners = (Option<(UnixListener, PathBuf)>, Option<TcpListener>);

async fn serve(
    agent: Arc<Agent>,
    (socket, http): Listeners,
    mut signals: EndSignals,
    mut again: Again,
) -> Result<(), Failure> {
    let mut hangups = signal(SignalKind::hangup()).map_err(|error| {
        Failure::new(Exit::Defect, "no-signals", "cannot listen for signals")
            .because(error.to_string())
    })?;
    let path = socket.as_ref().map(|(_, path)| path.clone());
    let mut tasks = tokio::task::JoinSet::new();
    if let Some((listener, _)) = socket {
        tasks.spawn(SocketListener(listener).serve(Arc::clone(&agent)));
    }
    if let Some(listener) = http {
        tasks.spawn(HttpListener(listener).serve(Arc::clone(&agent)));
    }
    let (end_reports, ending) = tokio::sync::oneshot::channel();
    let reports =
        again.reports.take().map(|reports| tokio::spawn(reports.keep(Arc::clone(&agent), ending)));
    let supervisor = Supervisor::find();
    Supervisor::ready();
    loop {
        tokio::select! {
            () = signals.come() => break,
            () = supervisor.keep_told() => {}
            _ = hangups.recv() => reload(&agent, &again).await,
        }
    }
    Supervisor::stopping();
    drop(end_reports);
    tasks.shutdown().await;
    leave(reports, path.as_deref()).await;
    tracing::info!("stopped");
    Ok(())
}

/// Says farewell to the vault, and takes the socket away.
async fn leave(reports: Option<tokio::task::JoinHandle<()>>, socket: Option<&Path>) {
    if let Some(reports) = reports
        && let Err(error) = reports.await
    {
        tracing::warn!(%error, "reports ended early");
    }
    if let Some(path) = socket
        && let Err(error) = private_file::remove_if_present(path)
    {
        tracing::warn!(%error, "the socket stays");
    }
}

/// Reads the configuration again. One that cannot be used changes nothing.
async fn reload(agent: &Agent, again: &Again) {
    let references = Aliases(again.vaults.clone());
    let read = async {
        let file = AgentFile::read(&again.path)?;
        settle(agent.cache(), &file, &references).await?;
        Ok::<_, Failure>(rules(&file, &again.vaults, again.token.clone()))
    };
    match read.await {
        Ok(rules) => {
            agent.replace_rules(rules);
            tracing::info!("the configuration was read again");
        }
        Err(failure) => {
            tracing::error!(why = failure.in_a_line(), "the configuration stays as it was");
        }
    }
}
