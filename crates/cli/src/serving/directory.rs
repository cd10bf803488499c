use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use strongroom_keyring::{RootKey, SystemRandom};
use strongroom_model::SystemClock;
use strongroom_model::private_file::{self, DirectoryLock};
use strongroom_server::{Ledger, LoadError};
use strongroom_store::{Sqlite, StoreError, Witness};

use crate::failure::{Exit, Failure};

const LOCK: &str = "strongroom.lock";
const STORE: &str = "strongroom.db";

/// A data directory that this process alone uses.
#[derive(Debug)]
pub(crate) struct DataDirectory {
    path: PathBuf,
    _lock: DirectoryLock,
}

impl DataDirectory {
    /// Takes a directory, making it if it is not there. One that holds other things than this
    /// program's is left alone.
    pub(crate) fn take(path: &Path) -> Result<Self, Failure> {
        let unusable = |error: std::io::Error| {
            Failure::configuration("data-dir-unusable", format!("cannot use `{}`", path.display()))
                .because(error.to_string())
        };
        match private_file::names_in(path) {
            Ok(names) if !names.is_empty() && !names.iter().any(|name| name == LOCK) => {
                let message = format!("`{}` is not a data directory", path.display());
                return Err(Failure::configuration("data-dir-foreign", message)
                    .because("it is not empty and holds no strongroom.lock")
                    .fix("name an empty or new directory"));
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {
                private_file::create_directory(path).map_err(unusable)?;
            }
            Err(error) => return Err(unusable(error)),
        }
        let lock = DirectoryLock::acquire(&path.join(LOCK)).map_err(|error| {
            if error.kind() == ErrorKind::WouldBlock {
                let message = format!("`{}` is in use", path.display());
                return Failure::configuration("data-dir-in-use", message)
                    .because("another process holds strongroom.lock in it");
            }
            unusable(error)
        })?;
        let path = private_file::canonical(path).map_err(unusable)?;
        Ok(Self { path, _lock: lock })
    }

    /// Returns the path of something in the directory.
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Returns the absolute path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Checks that the database is there, for those who are not to make one.
    pub(crate) fn check_has_store(&self) -> Result<(), Failure> {
        let path = self.join(STORE);
        private_file::mode(&path).map(drop).map_err(|error| {
            let message = format!("cannot read the database `{}`", path.display());
            Failure::configuration("no-database", message).because(error.to_string())
        })
    }

    /// Opens the database in the directory, whose rows `witness` vouches for.
    pub(crate) fn open_store(&self, witness: Arc<dyn Witness>) -> Result<Sqlite, Failure> {
        let path = self.join(STORE);
        let opened = Sqlite::open(&path, strongroom_server::WATCHED, witness);
        opened.map_err(|error| unreadable_store(&error))
    }
}

/// Makes the ledger whose keys are of a root key.
pub(crate) fn ledger_of(root_key: &RootKey) -> Result<Ledger, Failure> {
    let made = Ledger::new(root_key, Arc::new(SystemClock), Arc::new(SystemRandom));
    let message = "cannot derive keys of the root key";
    made.map_err(|error| {
        Failure::new(Exit::Defect, "no-ledger", message).because(error.to_string())
    })
}

/// Fails because the server cannot take up its work.
pub(crate) fn not_taken_up(error: LoadError) -> Failure {
    match error {
        LoadError::Store(error) => unreadable_store(&error),
        LoadError::Checkpoint { .. } => {
            Failure::configuration("checkpoint-unusable", "cannot use a checkpoint")
                .because(error.to_string())
        }
        LoadError::RolledBack { .. } => {
            Failure::new(Exit::Failed, "store-rolled-back", "the database was rolled back")
                .because(error.to_string())
                .fix("strongroom serve --config FILE --accept-rollback")
        }
    }
}

/// Fails because the store cannot be read.
pub(crate) fn unreadable_store(error: &StoreError) -> Failure {
    Failure::configuration("store-unusable", "cannot use the database").because(error.to_string())
}
