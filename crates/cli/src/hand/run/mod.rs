//! `run`: a command with secrets in its environment, and nowhere else.

mod child;
pub(crate) mod env_file;
mod launch;
mod mask;
mod signals;
mod variables;
mod watch;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use rustix::process::Signal;
use strongroom_client::SecretBundle;
use strongroom_model::Sensitive;
use tokio::sync::mpsc;

use self::child::{Running, conclude};
pub(crate) use self::launch::{LaunchArguments, launch};
use self::signals::{ends, unless_ended, wait_to_end};
use self::variables::{Template, Variables, warn_of_short};
use self::watch::Watch;
use super::settings::Connection;
use super::values::Plan;
use crate::duration;
use crate::environment::Environment;
use crate::failure::{Failure, warn};

/// Arguments of `run`.
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// Add the variables of a file of KEY=VALUE lines; they come before the environment's
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// Replace the values, and base64 of them, in the command's output by ***
    #[arg(long)]
    mask: bool,
    /// What to do when one of the secrets has a new version
    #[arg(long, value_enum, value_name = "ACTION", default_value_t = OnChange::Ignore)]
    on_change: OnChange,
    /// How often to look for new versions where the vault does not tell of them
    #[arg(long, value_name = "DURATION", value_parser = duration::positive, default_value = "60s")]
    on_change_every: u64,
    /// How long the command may take to end before it is killed for a restart
    #[arg(long, value_name = "DURATION", value_parser = duration::seconds, default_value = "10s")]
    grace: u64,
    #[command(flatten)]
    connection: Connection,
    /// The command and its arguments, which are passed on as they are
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// The values of `--on-change`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OnChange {
    /// End the command and start it again with the new values
    Restart,
    /// Send it SIGHUP; its environment stays as it is
    Hup,
    /// Do not look
    Ignore,
}

/// Runs the command and ends as it ends. Starts nothing unless every reference is read.
pub(crate) async fn run(
    arguments: &RunArguments,
    environment: &Environment,
) -> Result<(), Failure> {
    let file = arguments.env_file.as_deref().map(env_file::read).transpose()?;
    let (mut template, mentions) = Template::of(environment, file.unwrap_or_default());
    if arguments.connection.names_something() {
        template.remove(&environment.own);
    }
    let mut signals = signals::catch()?;
    if mentions.is_empty() {
        let variables = template.fill(&[])?;
        let (_sender, changes) = mpsc::channel(1);
        let (take, put) = (&|_: &_| Ok(Vec::new()), &|_: &_| Ok(Variables::default()));
        return Supervisor { arguments, signals, changes, take, put }
            .supervise(variables, Vec::new())
            .await;
    }
    let reading = async {
        let session = arguments.connection.open(environment).await?;
        let plan = Plan::of(&session, mentions)?;
        let watch = match arguments.on_change {
            OnChange::Ignore => None,
            OnChange::Restart | OnChange::Hup => {
                let every = Duration::from_secs(arguments.on_change_every);
                Some(Watch::begin(&session.client, &plan, every).await)
            }
        };
        let bundles = plan.read(&session).await?;
        Ok((plan, watch, bundles))
    };
    let (plan, watch, bundles) = unless_ended(&mut signals, Box::pin(reading)).await?;
    let take = |bundles: &[SecretBundle]| plan.values(bundles);
    let put = |values: &[Sensitive]| template.fill(values);
    let values = take(&bundles)?;
    let variables = put(&values)?;
    if arguments.mask {
        warn_of_short(plan.places().zip(&values));
    }
    let changes = match watch {
        Some(watch) => unless_ended(&mut signals, async { Ok(watch.go_on(bundles).await) }).await?,
        None => mpsc::channel(1).1,
    };
    let (take, put) = (&take, &put);
    Supervisor { arguments, signals, changes, take, put }.supervise(variables, values).await
}

/// How long the output of a command that has ended is waited for when this process is to end: longer
/// than for output that a child of the command keeps open. Otherwise whoever reads it has all the time
/// there is, as with a pager.
const LAST_OUTPUT_TIME: Duration = mask::DRAIN_TIME.saturating_add(Duration::from_secs(1));

/// Takes the values out of what was read, in the order of their places.
type Take<'a> = dyn Fn(&[SecretBundle]) -> Result<Vec<Sensitive>, Failure> + Sync + 'a;
/// Puts values in their places.
type Put<'a> = dyn Fn(&[Sensitive]) -> Result<Variables, Failure> + Sync + 'a;

struct Supervisor<'a> {
    arguments: &'a RunArguments,
    signals: mpsc::Receiver<Signal>,
    changes: mpsc::Receiver<Vec<SecretBundle>>,
    take: &'a Take<'a>,
    put: &'a Put<'a>,
}

impl Supervisor<'_> {
    /// Keeps the command running. Whatever was masked once stays masked: the command may have kept it.
    async fn supervise(
        mut self,
        variables: Variables,
        values: Vec<Sensitive>,
    ) -> Result<(), Failure> {
        let mut masked = values;
        let mut running = self.start(&variables, &masked).await?;
        drop(variables);
        let mut was_asked = false;
        loop {
            tokio::select! {
                status = running.ended() => {
                    let status = status?;
                    let asked = (was_asked, LAST_OUTPUT_TIME);
                    wait_to_end(&mut self.signals, running.drained(), asked).await;
                    return conclude(status);
                }
                Some(signal) = self.signals.recv() => {
                    was_asked |= ends(signal);
                    running.forward(signal);
                }
                Some(bundles) = self.changes.recv() => {
                    if self.arguments.on_change == OnChange::Hup {
                        self.tell(&running, &bundles, &mut masked);
                        continue;
                    }
                    let (variables, values) = match self.refill(&bundles) {
                        Ok(refilled) => refilled,
                        Err(failure) => {
                            let why = failure.to_string();
                            warn("not-restarted", "the command keeps the values that it has", &why);
                            continue;
                        }
                    };
                    let grace = Duration::from_secs(self.arguments.grace);
                    let (status, asked) = running.stop(grace, &mut self.signals).await?;
                    if asked {
                        let asked = (true, LAST_OUTPUT_TIME);
                        wait_to_end(&mut self.signals, running.drained(), asked).await;
                        return conclude(status);
                    }
                    let drained = async {
                        running.drained().await;
                        Ok(())
                    };
                    unless_ended(&mut self.signals, drained).await?;
                    masked.extend(values);
                    running = self.start(&variables, &masked).await?;
                    was_asked = false;
                }
            }
        }
    }

    fn refill(&self, bundles: &[SecretBundle]) -> Result<(Variables, Vec<Sensitive>), Failure> {
        let values = (self.take)(bundles)?;
        Ok(((self.put)(&values)?, values))
    }

    /// Tells the command of new versions, once its output is masked by them.
    fn tell(&self, running: &Running, bundles: &[SecretBundle], masked: &mut Vec<Sensitive>) {
        if self.arguments.mask {
            match (self.take)(bundles) {
                Ok(values) => masked.extend(values),
                Err(failure) => {
                    let message = "the output is masked by the values that were there before only";
                    warn("not-masked", message, &failure.to_string());
                }
            }
            running.mask(masked);
        }
        running.send(Signal::HUP);
    }

    /// Starts the command, unless a signal has come for it that asks for the end.
    async fn start(
        &mut self,
        variables: &Variables,
        masked: &[Sensitive],
    ) -> Result<Running, Failure> {
        let masked = self.arguments.mask.then_some(masked);
        let command = &self.arguments.command;
        let starting = async { Running::start(command, variables, masked) };
        unless_ended(&mut self.signals, starting).await
    }
}
