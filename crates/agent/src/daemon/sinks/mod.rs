//! Files that are kept as their secrets are, and commands that are run when secrets change.

mod command;
mod file;
mod holdings;
mod keeping;

use std::sync::Arc;
use std::time::Duration;

use strongroom_client::SecretKey;
use strongroom_model::Random;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

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

impl Sink {
    /// Whether `other` says how this is to be kept from now on: the same file, or commands alone of the
    /// same secrets.
    fn is_same(&self, other: &Self) -> bool {
        match (&self.file, &other.file) {
            (Some(file), Some(same)) => file.path == same.path,
            (None, None) => self.keys == other.keys,
            _ => false,
        }
    }
}

/// What is to be kept, and how often it is looked at.
#[derive(Debug)]
struct Orders {
    sink: Sink,
    pause: Duration,
}

/// A sink that is being kept.
#[derive(Debug)]
struct Kept {
    number: u64,
    orders: watch::Sender<Arc<Orders>>,
    task: AbortHandle,
}

/// The sinks, being kept. They are left as they are when the value is dropped.
#[derive(Debug)]
pub struct Sinks {
    tasks: JoinSet<()>,
    kept: Vec<Kept>,
    begun: u64,
    agent: Arc<Agent>,
    random: Arc<dyn Random>,
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
        let (agent, random) = (Arc::clone(agent), Arc::clone(random));
        let (tasks, kept) = (JoinSet::new(), Vec::new());
        let mut begun = Self { tasks, kept, begun: 0, agent, random };
        begun.replace(sinks, pause);
        begun
    }

    /// Keeps other sinks from now on. One that was kept before goes on with what it has, and with a
    /// command that is running or still to be run; a command under way of one that is not named any
    /// more is killed.
    pub fn replace(&mut self, sinks: Vec<Sink>, pause: Duration) {
        while self.tasks.try_join_next().is_some() {}
        let mut before = std::mem::take(&mut self.kept);
        before.retain(|kept| !kept.task.is_finished());
        let mut left = sinks;
        // Commands of the same secrets are told apart by what is run, where that is the same still.
        for has_same_command in [true, false] {
            let mut new = Vec::new();
            for sink in left {
                let is_same = |kept: &Kept| {
                    let known = kept.orders.borrow();
                    known.sink.is_same(&sink)
                        && (!has_same_command || known.sink.command == sink.command)
                };
                match before.iter().position(is_same) {
                    Some(at) => {
                        let kept = before.swap_remove(at);
                        kept.orders.send_replace(Arc::new(Orders { sink, pause }));
                        self.kept.push(kept);
                    }
                    None => new.push(sink),
                }
            }
            left = new;
        }
        for gone in before {
            gone.task.abort();
        }
        let new = left.into_iter().map(|sink| Arc::new(Orders { sink, pause }));
        let numbered: Vec<_> = (self.begun..).zip(new).collect();
        self.begun = self.begun.saturating_add(u64::try_from(numbered.len()).unwrap_or(u64::MAX));
        let kept = self.kept.iter().map(|kept| (kept.number, Arc::clone(&kept.orders.borrow())));
        let all = kept.chain(numbered.iter().map(|(number, orders)| (*number, Arc::clone(orders))));
        self.agent.holdings.follow(all.map(|(number, orders)| (number, orders.sink.keys.clone())));
        for (number, orders) in numbered {
            self.keep(number, orders);
        }
    }

    fn keep(&mut self, number: u64, orders: Arc<Orders>) {
        let orders = watch::Sender::new(orders);
        let (agent, random) = (Arc::clone(&self.agent), Arc::clone(&self.random));
        let keeper = Keeper::new(number, orders.subscribe(), agent, random);
        let task = self.tasks.spawn(keeper.keep());
        self.kept.push(Kept { number, orders, task });
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
