//! Answers reads of secrets to processes of this machine, out of a cache.

mod answer;
mod dialects;
mod gate;
mod known;
mod listen;
mod metrics;
mod records;
mod reports;
mod rules;
mod sinks;

use std::io::{self, Write};
use std::sync::{Arc, PoisonError, RwLock};

use strongroom_client::{Client, SecretCache, SecretKey};
use strongroom_model::Sensitive;

use self::known::InForce;
pub use self::listen::{HttpListener, SocketListener};
use self::metrics::Counters;
use self::records::Records;
pub use self::reports::Reports;
pub use self::rules::{Pattern, PatternError, Rule};
use self::sinks::Holdings;
pub use self::sinks::{ChangeCommand, Contents, FileSink, Sink, Sinks, WhenRefused};

/// A reference that was understood.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// What is read.
    pub key: SecretKey,
    /// What is taken out of it.
    pub pointer: Option<String>,
}

/// Understands references, and takes parts out of contents.
pub trait References: Send + Sync {
    /// Reads a reference.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    fn resolve(&self, reference: &str) -> Result<Resolved, String>;

    /// Takes a part out of a content.
    ///
    /// # Errors
    /// What is wrong with the pointer, in a sentence that holds nothing of the content.
    fn part(&self, content: &Sensitive, pointer: &str) -> Result<Sensitive, String>;
}

/// Who may read what, and what other programs' names mean. Replaced whole when the configuration is
/// read again.
pub struct Rules {
    /// Who may read what through the socket.
    pub socket: Vec<Rule>,
    /// What whoever has the token may read over HTTP.
    pub http: Vec<Pattern>,
    /// The token of HTTP.
    pub token: Option<Sensitive>,
    /// References by the names that applications of other stores ask for.
    pub names: std::collections::BTreeMap<String, String>,
    /// The secrets that are told to the vault as held, beside those of sinks.
    pub held: Vec<SecretKey>,
    /// How references are read.
    pub references: Box<dyn References>,
}

impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rules").field("socket", &self.socket).finish_non_exhaustive()
    }
}

/// The agent: a cache with rules before it.
#[derive(Debug)]
pub struct Agent {
    cache: SecretCache<Client>,
    in_force: RwLock<Arc<InForce>>,
    counters: Counters,
    records: Records,
    holdings: Holdings,
}

impl Agent {
    /// Makes an agent that writes a line for each read to `log`.
    ///
    /// # Errors
    /// The system's, if it gives no thread that writes.
    pub fn start(
        cache: SecretCache<Client>,
        rules: Rules,
        log: impl Write + Send + 'static,
    ) -> io::Result<Self> {
        let in_force = RwLock::new(Arc::new(InForce::new(rules)));
        let records = Records::start(log)?;
        let (counters, holdings) = (Counters::default(), Holdings::default());
        Ok(Self { cache, in_force, counters, records, holdings })
    }

    /// Puts other rules in place; requests under way go by those they began with.
    pub fn replace_rules(&self, rules: Rules) {
        let in_force = Arc::new(InForce::new(rules));
        *self.in_force.write().unwrap_or_else(PoisonError::into_inner) = in_force;
    }

    /// Writes the lines that wait. What is read afterwards has none.
    pub fn close(&self) {
        self.records.close();
    }

    fn in_force(&self) -> Arc<InForce> {
        Arc::clone(&self.in_force.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the cache.
    #[must_use]
    pub const fn cache(&self) -> &SecretCache<Client> {
        &self.cache
    }
}
