use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use strongroom_agent::{Agent, References, Reports, Resolved, Rules, Sink, Sinks};
use strongroom_client::{CacheError, CacheSettings, Client, SecretCache, SecretKey, SecretName};
use strongroom_keyring::SystemRandom;
use strongroom_model::{Random, Sensitive, SystemClock, private_file};
use tokio::signal::unix::{SignalKind, signal};

use super::agent_file::AgentFile;
use super::agent_listeners::{self, Listeners, OwnSocket};
use super::agent_probe;
use super::agent_sinks::{self, sinks};
use super::memory;
use super::signals::EndSignals;
use super::supervisor::Supervisor;
use crate::environment::Environment;
use crate::failure::{Exit, Failure};
use crate::hand::output::write;
use crate::hand::pointer::select;
use crate::hand::reference::{Place, Reference};
use crate::hand::settings::Connection;
use crate::logging::{Form, LogArguments};

/// Arguments of `agent`.
#[derive(Debug, Args)]
pub(crate) struct AgentArguments {
    /// Configuration file, TOML
    #[arg(long, value_name = "FILE")]
    agent_config: PathBuf,
    /// Check the configuration and end
    #[arg(long)]
    check: bool,
    /// Ask the agent that runs with the configuration whether it is ready, and end
    #[arg(long, conflicts_with = "check")]
    probe: bool,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    log: LogArguments,
}

const MIB: u64 = 1024 * 1024;

/// How a reference is read: aliases as they were known when the agent started.
#[derive(Debug, Clone)]
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
        agent_listeners::check(&file)?;
        agent_sinks::check(&file)?;
        return write(b"the configuration can be used\n");
    }
    if arguments.probe {
        return agent_probe::probe(&file).await;
    }
    arguments.log.start(Form::Json, environment)?;
    memory::protect();
    let signals = EndSignals::catch()?;
    let session = arguments.connection.open(environment).await?;
    let settings = CacheSettings {
        capacity_bytes: u64::from(file.cache_mib) * MIB,
        lifetimes: file.lifetimes(),
        ..CacheSettings::default()
    };
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let clock = Arc::new(SystemClock);
    let cache = SecretCache::start(session.client.clone(), settings, clock, Arc::clone(&random));
    let cache = cache.map_err(|error| unusable(&error))?;
    let aliases = Aliases(session.vaults());
    settle(&cache, &file, &aliases).await?;
    let sinks = sinks(&file, &aliases)?;
    let listeners = Listeners::open(&file).await?;
    // Not before it is sure that no other agent has given its token to somebody.
    let token = new_token(&file)?;
    let rules = rules(&file, &aliases, token.clone());
    let agent = Agent::start(cache, rules, std::io::stderr()).map_err(|error| {
        Failure::new(Exit::Defect, "no-thread", "cannot start to write the log of reads")
            .because(error.to_string())
    })?;
    let agent = Arc::new(agent);
    tracing::info!(
        http = listeners
            .http
            .as_ref()
            .and_then(|http| http.0.local_addr().ok())
            .map(|at| at.to_string()),
        socket = file.socket.as_ref().map(|path| path.display().to_string()),
        credentials = session.client.credentials_name(),
        "listening"
    );
    let reports = file.consumer.clone();
    let reports = reports.map(|consumer| Reports {
        consumer,
        client: session.client.clone(),
        grace: file.consumer_grace,
    });
    let sinks = Sinks::start(&agent, sinks, file.sink_pause(), &random);
    let again = Again { path: arguments.agent_config, aliases, token, random };
    Serving { agent, sinks, again }.serve(listeners, reports, signals).await
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
    private_file::replace_unsynced(path, token.expose()).map_err(|error| {
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

fn rules(file: &AgentFile, aliases: &Aliases, token: Option<Sensitive>) -> Rules {
    let held = file.secret.iter().filter_map(|table| aliases.resolve(&table.reference).ok());
    Rules {
        socket: file.rules(),
        http: file.http_references.clone(),
        token,
        names: file.names.clone(),
        held: held.map(|resolved| resolved.key).collect(),
        references: Box::new(aliases.clone()),
    }
}

/// What reading the configuration again takes.
struct Again {
    path: PathBuf,
    aliases: Aliases,
    token: Option<Sensitive>,
    random: Arc<dyn Random>,
}

/// The agent while it serves.
struct Serving {
    agent: Arc<Agent>,
    sinks: Sinks,
    again: Again,
}

impl Serving {
    async fn serve(
        mut self,
        listeners: Listeners,
        reports: Option<Reports>,
        mut signals: EndSignals,
    ) -> Result<(), Failure> {
        let mut hangups = signal(SignalKind::hangup()).map_err(|error| {
            Failure::new(Exit::Defect, "no-signals", "cannot listen for signals")
                .because(error.to_string())
        })?;
        let mut tasks = tokio::task::JoinSet::new();
        if let Some(listener) = listeners.socket {
            tasks.spawn(listener.serve(Arc::clone(&self.agent)));
        }
        if let Some(listener) = listeners.http {
            tasks.spawn(listener.serve(Arc::clone(&self.agent)));
        }
        let (end_reports, ending) = tokio::sync::oneshot::channel();
        let agent = Arc::clone(&self.agent);
        let reports = reports.map(|reports| tokio::spawn(reports.keep(agent, ending)));
        let supervisor = Supervisor::find();
        let mut is_ready = false;
        Supervisor::status("waits until files can be made as they should be");
        loop {
            tokio::select! {
                () = signals.come() => break,
                () = supervisor.keep_told() => {}
                () = self.sinks.made(), if !is_ready => {
                    is_ready = true;
                    Supervisor::status("keeps secrets");
                    Supervisor::ready();
                    tracing::info!("ready");
                }
                _ = hangups.recv() => self = self.reload().await,
            }
        }
        Supervisor::stopping();
        drop(end_reports);
        tasks.shutdown().await;
        self.sinks.stop().await;
        leave(reports, listeners.own_socket).await;
        self.agent.close();
        tracing::info!("stopped");
        Ok(())
    }

    /// Reads the configuration again. One that cannot be used changes nothing.
    async fn reload(self) -> Self {
        let Self { agent, sinks, again } = self;
        let (rules, new, pause) = match again.read(&agent).await {
            Ok(read) => read,
            Err(failure) => {
                tracing::error!(why = failure.in_a_line(), "the configuration stays as it was");
                return Self { agent, sinks, again };
            }
        };
        agent.replace_rules(rules);
        sinks.stop().await;
        let sinks = Sinks::start(&agent, new, pause, &again.random);
        tracing::info!("the configuration was read again");
        Self { agent, sinks, again }
    }
}

impl Again {
    async fn read(&self, agent: &Agent) -> Result<(Rules, Vec<Sink>, Duration), Failure> {
        let file = AgentFile::read(&self.path)?;
        let sinks = sinks(&file, &self.aliases)?;
        settle(agent.cache(), &file, &self.aliases).await?;
        Ok((rules(&file, &self.aliases, self.token.clone()), sinks, file.sink_pause()))
    }
}

/// Says farewell to the vault, and takes the socket away.
async fn leave(reports: Option<tokio::task::JoinHandle<()>>, socket: Option<OwnSocket>) {
    if let Some(reports) = reports
        && let Err(error) = reports.await
    {
        tracing::warn!(%error, "reports ended early");
    }
    if let Some(socket) = socket
        && let Err(error) = socket.remove()
    {
        tracing::warn!(%error, "the socket stays");
    }
}
