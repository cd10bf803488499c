use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use strongroom_agent::{
    Agent, HttpListener, References, Reports, Resolved, Rules, Sink, Sinks, SocketListener,
};
use strongroom_client::{CacheError, CacheSettings, Client, SecretCache, SecretKey, SecretName};
use strongroom_keyring::SystemRandom;
use strongroom_model::{Random, Sensitive, SystemClock, private_file};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{JoinError, JoinSet};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, sleep, timeout_at};

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
    let mut signals = EndSignals::catch()?;
    let hangups = signal(SignalKind::hangup()).map_err(|error| {
        Failure::new(Exit::Defect, "no-signals", "cannot listen for signals")
            .because(error.to_string())
    })?;
    let opened = signals.unless_told(arguments.connection.open(environment)).await;
    let Some(session) = opened.transpose()? else { return Ok(()) };
    let random: Arc<dyn Random> = Arc::new(SystemRandom);
    let cache = new_cache(&file, session.client.clone(), &random)?;
    let aliases = Aliases(session.vaults());
    let sinks = sinks(&file, &aliases)?;
    let listeners = Listeners::open(&file).await?;
    let begun = match signals.unless_told(settle(&cache, &file, &aliases)).await {
        // Not before it is sure that no other agent has given its token to somebody.
        Some(settled) => settled.and_then(|()| new_token(&file)).map(Some),
        None => Ok(None),
    };
    let token = match begun {
        Ok(Some(token)) => token,
        ended => {
            leave(None, listeners.own_socket).await;
            return ended.map(drop);
        }
    };
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
    let again = Arc::new(Again { path: arguments.agent_config, aliases, token });
    Serving { agent, sinks, again, hangups }.serve(listeners, reports, signals).await
}

fn new_cache(
    file: &AgentFile,
    client: Client,
    random: &Arc<dyn Random>,
) -> Result<SecretCache<Client>, Failure> {
    let settings = CacheSettings {
        capacity_bytes: u64::from(file.cache_mib) * MIB,
        lifetimes: file.lifetimes(),
        ..CacheSettings::default()
    };
    let cache = SecretCache::start(client, settings, Arc::new(SystemClock), Arc::clone(random));
    cache.map_err(|error| unusable(&error))
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

/// How long a configuration waits for what the vault says of its secrets.
const SETTLE_TIME: Duration = Duration::from_secs(5);

/// Checks the lifetimes that are said of single secrets against how often they rotate, lays down all
/// that the configuration says, and reads these secrets once. What the vault does not tell in time is
/// not waited for: what cannot be read now is read when it is asked for.
async fn settle(
    cache: &SecretCache<Client>,
    file: &AgentFile,
    references: &Aliases,
) -> Result<(), Failure> {
    let until = Instant::now() + SETTLE_TIME;
    let (mut checks, mut named, mut of_keys) = (JoinSet::new(), Vec::new(), HashMap::new());
    for table in &file.secret {
        let reference = table.reference.clone();
        let resolved = references.resolve(&reference).map_err(|why| {
            Failure::configuration("bad-reference", format!("cannot read `{reference}`"))
                .because(why)
        })?;
        let (key, lifetimes) = (resolved.key, table.lifetimes(file.lifetimes()));
        of_keys.insert(key.clone(), lifetimes);
        named.push((reference.clone(), key.clone()));
        let cache = cache.clone();
        checks.spawn(async move {
            let checked = timeout_at(until, cache.check_lifetimes(&key, lifetimes)).await;
            judge(&reference, checked)
        });
    }
    while let Some(checked) = checks.join_next().await {
        checked.unwrap_or(Ok(()))?;
    }
    cache.replace_lifetimes(file.lifetimes(), of_keys).map_err(|error| unusable(&error))?;
    let mut reads = JoinSet::new();
    for (reference, key) in named {
        let cache = cache.clone();
        reads.spawn(async move {
            let error = match timeout_at(until, cache.get(&key)).await {
                Ok(Ok(_found)) => return,
                Ok(Err(error)) => error.to_string(),
                Err(late) => late.to_string(),
            };
            tracing::warn!(reference, error, "not read ahead");
        });
    }
    while reads.join_next().await.is_some() {}
    Ok(())
}

/// Only lifetimes that are known not to do are refused.
fn judge(reference: &str, checked: Result<Result<(), CacheError>, Elapsed>) -> Result<(), Failure> {
    let error = match checked {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(
            error @ (CacheError::TtlExceedsRotation { .. } | CacheError::LifetimeTooLong { .. }),
        )) => return Err(unusable(&error)),
        Ok(Err(error)) => error.to_string(),
        Err(late) => late.to_string(),
    };
    tracing::warn!(reference, error, "how often it rotates is not known");
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
}

/// What a configuration comes to that was read again.
struct Read {
    rules: Rules,
    sinks: Vec<Sink>,
    sink_pause: Duration,
}

/// After this time of service, what the start alone needed is not used any more.
const START_TIME: Duration = Duration::from_secs(2);

/// The agent while it serves.
struct Serving {
    agent: Arc<Agent>,
    sinks: Sinks,
    again: Arc<Again>,
    hangups: Signal,
}

impl Serving {
    async fn serve(
        mut self,
        listeners: Listeners,
        reports: Option<Reports>,
        mut signals: EndSignals,
    ) -> Result<(), Failure> {
        let Listeners { socket, http, own_socket } = listeners;
        let mut tasks = self.answer(socket, http);
        let (end_reports, ending) = tokio::sync::oneshot::channel();
        let agent = Arc::clone(&self.agent);
        let reports = reports.map(|reports| tokio::spawn(reports.keep(agent, ending)));
        let supervisor = Supervisor::find();
        let mut is_ready = false;
        let mut started = pin!(sleep(START_TIME));
        let mut is_large = true;
        // Beside the loop: the vault may hang while a configuration is read.
        let mut reading = JoinSet::new();
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
                () = started.as_mut(), if is_large => {
                    is_large = false;
                    memory::shrink();
                }
                _ = self.hangups.recv(), if reading.is_empty() => {
                    let (again, agent) = (Arc::clone(&self.again), Arc::clone(&self.agent));
                    reading.spawn(async move { again.read(&agent).await });
                }
                Some(read) = reading.join_next() => self.take(read),
            }
        }
        Supervisor::stopping();
        drop(end_reports);
        reading.shutdown().await;
        tasks.shutdown().await;
        self.sinks.stop().await;
        leave(reports, own_socket).await;
        self.agent.close();
        tracing::info!("stopped");
        Ok(())
    }

    /// Answers where the agent is asked.
    fn answer(&self, socket: Option<SocketListener>, http: Option<HttpListener>) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        if let Some(listener) = socket {
            tasks.spawn(listener.serve(Arc::clone(&self.agent)));
        }
        if let Some(listener) = http {
            tasks.spawn(listener.serve(Arc::clone(&self.agent)));
        }
        tasks
    }

    /// Goes by a configuration that was read again. One that cannot be used changes nothing.
    fn take(&mut self, read: Result<Result<Read, Failure>, JoinError>) {
        let why = match read {
            Ok(Ok(read)) => {
                self.agent.replace_rules(read.rules);
                self.sinks.replace(read.sinks, read.sink_pause);
                tracing::info!("the configuration was read again");
                return;
            }
            Ok(Err(failure)) => failure.in_a_line(),
            Err(error) => error.to_string(),
        };
        tracing::error!(why, "the configuration stays as it was");
    }
}

impl Again {
    async fn read(&self, agent: &Agent) -> Result<Read, Failure> {
        let file = AgentFile::read(&self.path)?;
        let sinks = sinks(&file, &self.aliases)?;
        settle(agent.cache(), &file, &self.aliases).await?;
        let rules = rules(&file, &self.aliases, self.token.clone());
        Ok(Read { rules, sinks, sink_pause: file.sink_pause() })
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
