//! Files that are kept as their secrets are, and commands that are run when secrets change.

mod command;
mod file;
mod holdings;
mod keeping;

use std::sync::Arc;
use std::time::Duration;

use strongroom_client::SecretKey;
use strongroom_model::Random;
use tokio::task::JoinSet;

pub use self::command::ChangeCommand;
pub use self::file::{Contents, FileSink, WhenRefused};
pub(super) use self::holdings::Holdings;
use self::keeping::Keeper;
use super::Agent;

/// Something on this machine that follows secrets: a file, a command, or a file with a command.
#[derive(Debug)]
pub struct Sink {
    /// What it is called in the log.
    pub title: String,
    /// The secrets that it follows.
    pub keys: Vec<SecretKey>,
    /// The file that is made of them.
    pub file: Option<FileSink>,
    /// What is run when they have changed, and the file, if there is one, is in its place.
    pub command: Option<ChangeCommand>,
}

/// The sinks, being kept. They are left as they are when the value is dropped.
#[derive(Debug)]
pub struct Sinks {
    tasks: JoinSet<()>,
    agent: Arc<Agent>,
}

impl Sinks {
    /// Keeps sinks, each looked at once in a `pause`.
    #[must_use]
    pub fn start(
        agent: &Arc<Agent>,
        sinks: Vec<Sink>,
        pause: Duration,
        random: &Arc<dyn Random>,
    ) -> Self {
        agent.holdings.begin(sinks.iter().map(|sink| sink.keys.clone()));
        let mut tasks = JoinSet::new();
        for (number, sink) in sinks.into_iter().enumerate() {
            let keeper = Keeper::new(number, sink, Arc::clone(agent), Arc::clone(random));
            tasks.spawn(keeper.keep(pause));
        }
        Self { tasks, agent: Arc::clone(agent) }
    }

    /// Waits until each has been as it should be once.
    pub async fn made(&self) {
        self.agent.holdings.whole().await;
    }

    /// Ends the keeping. What is being written is written, a command under way is killed.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}
