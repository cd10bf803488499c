//! One edit after the other, each on a database that is as the server left it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use strongroom_server::{Ledger, WATCHED};
use strongroom_store::{Postgres, Sqlite, Store, StoreError, Witness};

use crate::edits::Edit;
use crate::history::{History, Stored};
use crate::postgres;

/// Where the database is.
enum Engine {
    File { truth: PathBuf, path: PathBuf },
    Server(postgres::Database),
}

pub(crate) struct Desk {
    engine: Engine,
}

/// Where an edit was noticed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Seen {
    AtStart,
    WhenRead,
    ByVerifying,
    ByCheckpoint,
}

impl Seen {
    pub(crate) const fn told(self) -> &'static str {
        match self {
            Self::AtStart => "refused at the start",
            Self::WhenRead => "refused when read, and by verifying",
            Self::ByVerifying => "found by verifying",
            Self::ByCheckpoint => "older than the checkpoint",
        }
    }
}

impl Desk {
    pub(crate) fn on_file(history: &History) -> Self {
        let truth = history.data().join("strongroom.db");
        Self { engine: Engine::File { truth, path: history.scratch().join("trial.db") } }
    }

    pub(crate) async fn on_postgres(history: &History, server: &postgres::Server) -> Self {
        Self { engine: Engine::Server(postgres::Database::make(history, server).await) }
    }

    /// Tries an edit: before a server starts, or while one runs. An error says what was not noticed.
    pub(crate) async fn trial(
        &mut self,
        edit: &Edit,
        history: &History,
        before_start: bool,
    ) -> Result<Seen, String> {
        self.restore().await;
        if before_start || edit.rolls_back {
            self.edit(edit).await;
            return self.start(edit, history).await;
        }
        let (ledger, store) = self.open(history).await.map_err(|error| error.to_string())?;
        let begun = ledger.begin(&*store).await.map(|_| ());
        begun.map_err(|error| format!("what the server left is refused: {error}"))?;
        self.edit(edit).await;
        let refused = self.read(&ledger, &*store, (edit, history)).await?;
        match ledger.verify(&*store).await {
            Err(StoreError::Corrupt(_)) if refused => Ok(Seen::WhenRead),
            Err(StoreError::Corrupt(_)) => Ok(Seen::ByVerifying),
            other => Err(format!("it was verified: {other:?}")),
        }
    }

    async fn start(&self, edit: &Edit, history: &History) -> Result<Seen, String> {
        let opened = match self.open(history).await {
            Ok((ledger, store)) => {
                ledger.begin(&*store).await.map(|verified| (ledger, store, verified))
            }
            Err(error) => Err(error),
        };
        let (ledger, store, verified) = match opened {
            Err(StoreError::Corrupt(_)) if !edit.rolls_back => return Ok(Seen::AtStart),
            Err(error) => return Err(format!("refused for another reason: {error}")),
            Ok(_) if !edit.rolls_back => return Err("the server starts".to_owned()),
            Ok(opened) => opened,
        };
        let checkpoint = ledger.read_checkpoint(history.checkpoint.as_bytes()).unwrap();
        match ledger.is_after(&*store, &checkpoint).await {
            Err(StoreError::Corrupt(_)) => Ok(Seen::ByCheckpoint),
            other => Err(format!("{other:?} of {} rows", verified.rows)),
        }
    }

    /// Reads every row that is there or was; tells whether one was refused.
    async fn read(
        &self,
        ledger: &Ledger,
        store: &dyn Store,
        (edit, history): (&Edit, &History),
    ) -> Result<bool, String> {
        let edited: BTreeSet<&Vec<u8>> = edit.rows.iter().map(|(key, _)| key).collect();
        let mut refused = false;
        for key in &edited {
            let truth = history.now().get(*key).map(|row| &row.value);
            match store.get(&[key.as_slice()]).await {
                Err(StoreError::Corrupt(_)) => refused = true,
                Err(error) => return Err(format!("refused for another reason: {error}")),
                Ok(found) => {
                    let found = found.into_iter().next().flatten().map(|row| row.value);
                    let tracks = self.tracks(ledger, key);
                    let is_old = || {
                        history
                            .before()
                            .iter()
                            .any(|then| then.get(*key).map(|row| &row.value) == found.as_ref())
                    };
                    if found.as_ref() != truth && (tracks || found.is_some() && !is_old()) {
                        return Err(format!("read as if it were so: {}", shown(key)));
                    }
                }
            }
        }
        for key in history.now().keys().filter(|key| !edited.contains(key)).step_by(7) {
            let found = store.get(&[key.as_slice()]).await.map_err(|error| error.to_string())?;
            let found = found.into_iter().next().flatten().map(|row| row.value);
            if found.as_ref() != history.now().get(key).map(|row| &row.value) {
                return Err(format!("another row changed: {}", shown(key)));
            }
        }
        Ok(refused)
    }

    /// Rows whose last revision the store knows by heart: with PostgreSQL, those that nodes tell each
    /// other of.
    fn tracks(&self, ledger: &Ledger, key: &[u8]) -> bool {
        let told = WATCHED.iter().any(|prefix| key.starts_with(prefix.as_bytes()));
        ledger.tracks(key) && (matches!(self.engine, Engine::File { .. }) || told)
    }

    async fn open(&self, history: &History) -> Result<(Ledger, Arc<dyn Store>), StoreError> {
        let ledger = history.ledger();
        let witness = Arc::new(ledger.clone());
        let store: Arc<dyn Store> = match &self.engine {
            Engine::File { path, .. } => Arc::new(Sqlite::open(path, WATCHED, witness)?),
            Engine::Server(database) => {
                Arc::new(Postgres::open(&database.url, None, WATCHED, witness).await?)
            }
        };
        // Another node's news are asked for before every request.
        store.fresh(strongroom_store::Cursor::default()).await?;
        Ok((ledger, store))
    }

    async fn restore(&mut self) {
        match &self.engine {
            Engine::File { truth, path } => {
                for ending in ["-wal", "-shm"] {
                    let beside = format!("{}{ending}", path.display());
                    if Path::new(&beside).exists() {
                        std::fs::remove_file(beside).unwrap();
                    }
                }
                std::fs::copy(truth, path).unwrap();
            }
            Engine::Server(database) => database.restore().await,
        }
    }

    async fn edit(&self, edit: &Edit) {
        match &self.engine {
            Engine::File { path, .. } => edit_file(path, edit),
            Engine::Server(database) => database.edit(edit).await,
        }
    }
}

pub(crate) fn edit_file(path: &Path, edit: &Edit) {
    let mut connection = Connection::open(path).unwrap();
    let transaction = connection.transaction().unwrap();
    for (key, row) in &edit.rows {
        transaction.execute("DELETE FROM kv WHERE k = ?1", [key]).unwrap();
        if let Some(Stored { revision, mac, value }) = row {
            let insert = "INSERT INTO kv (k, ver, mac, v) VALUES (?1, ?2, ?3, ?4)";
            transaction.execute(insert, (key, revision, mac, value)).unwrap();
        }
    }
    transaction.commit().unwrap();
}

fn shown(key: &[u8]) -> String {
    key.escape_ascii().to_string()
}
