//! Backups of a server's store.

use std::io::{ErrorKind, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::json;
use strongroom_keyring::{RootKey, SystemRandom};
use strongroom_model::private_file::{self, GrowingFile};
use strongroom_model::{Clock, SystemClock, Timestamp};
use strongroom_server::{
    Backup, NewBackup, Restore, StoreBackupError, Summary, add_records, back_up,
    restore as restore_to,
};
use strongroom_store::{Snapshot, Sqlite};

use crate::environment::Environment;
use crate::failure::{Exit, Failure};
use crate::hand::output::{write, write_json};
use crate::serving::database::Database;
use crate::serving::dev::shell_quoted;
use crate::serving::directory::{DataDirectory, ledger_of, unreadable_store};
use crate::serving::serve::Configuration;
use crate::serving::unseal::Seal;

/// How often a backup is begun anew because the root key is being replaced.
const ATTEMPTS: usize = 5;

/// Arguments of `admin backup`.
#[derive(Debug, Args)]
pub(crate) struct BackupArguments {
    /// Configuration file of the server
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// File to write, which must not be there yet
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

/// Arguments of `admin restore`.
#[derive(Debug, Args)]
pub(crate) struct RestoreArguments {
    /// Configuration file of the server
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The backup
    #[arg(value_name = "BACKUP")]
    backup: PathBuf,
    #[command(flatten)]
    extent: Extent,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

/// How much is done; one of the three, or what is usual.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct Extent {
    /// Replace what the store holds, though it be newer than the backup
    #[arg(long)]
    accept_rollback: bool,
    /// Read the backup to its end and change nothing
    #[arg(long)]
    verify: bool,
    /// Add the audit records that the store lacks, and nothing else: those of reads that the source of
    /// a move answered after it was backed up
    #[arg(long)]
    records_only: bool,
}

/// Runs `admin backup`.
pub(super) async fn backup(
    arguments: &BackupArguments,
    environment: &Environment,
) -> Result<(), Failure> {
    let configuration = Configuration::read(&arguments.config)?;
    let token = configuration.token()?;
    let seal = configuration.unseal.seal(token.as_ref(), environment)?;
    let root_path = configuration.data_dir.join("root.key");
    let (mut snapshot, root_file, root_key) = begin(&configuration, &seal, &root_path).await?;
    let path = &arguments.output;
    let failed = |error| not_written(path, error);
    let file = GrowingFile::begin(path).map_err(|error| failed(error.into()))?;
    let now = to_microseconds(SystemClock.now());
    let new = NewBackup { root_key: &root_key, root_file: &root_file, now, random: &SystemRandom };
    let (summary, file) = back_up(&mut *snapshot, &new, file).await.map_err(failed)?;
    file.finish().map_err(|error| failed(error.into()))?;
    if let Some(token) = token {
        token.end();
    }
    let commit = snapshot.last().0;
    tell("backed up", &summary, (&now.to_string(), commit), arguments.json)
}

/// Begins to read the store, with the root key that was in force at that moment: the file is the same
/// before and after.
async fn begin(
    configuration: &Configuration,
    seal: &Seal,
    root_path: &Path,
) -> Result<(Box<dyn Snapshot>, Vec<u8>, RootKey), Failure> {
    let read =
        || private_file::read_private(root_path).map_err(|error| no_root_file(root_path, &error));
    for _ in 0..ATTEMPTS {
        let root_file = read()?;
        let root_key = seal.open_content(root_path, &root_file).await?;
        let snapshot = read_store(configuration, &root_key).await?;
        if read()? == root_file {
            return Ok((snapshot, root_file, root_key));
        }
    }
    Err(Failure::new(Exit::Failed, "not-backed-up", "cannot back up the store")
        .because("the root key is being replaced"))
}

/// A backup knows no finer times.
fn to_microseconds(now: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}

fn no_root_file(path: &Path, error: &std::io::Error) -> Failure {
    let message = format!("cannot open the root key `{}`", path.display());
    Failure::configuration("root-key-unusable", message).because(error.to_string())
}

/// Reads the store as it is now. A server may have it open: it goes on serving.
async fn read_store(
    configuration: &Configuration,
    root_key: &RootKey,
) -> Result<Box<dyn Snapshot>, Failure> {
    let ledger = Arc::new(ledger_of(root_key)?);
    let Some(table) = &configuration.database else {
        let path = configuration.data_dir.join("strongroom.db");
        return Sqlite::read(&path, ledger).map_err(|error| unreadable_store(&error));
    };
    let store = Database::shared(table, ledger).await?.store();
    store.snapshot().await.map_err(|error| unreadable_store(&error))
}

fn not_written(path: &Path, error: StoreBackupError) -> Failure {
    let message = format!("cannot write the backup `{}`", path.display());
    let failure = Failure::new(Exit::Failed, "not-backed-up", message);
    match error {
        StoreBackupError::Io(error) if error.kind() == ErrorKind::AlreadyExists => {
            failure.because("the file is there already").fix("name another file with --output")
        }
        error => failure.because(error.to_string()),
    }
}

/// Runs `admin restore`.
pub(super) async fn restore(
    arguments: &RestoreArguments,
    environment: &Environment,
) -> Result<(), Failure> {
    let configuration = Configuration::read(&arguments.config)?;
    let path = &arguments.backup;
    let failed = |error| not_restored(path, &error);
    let token = configuration.token()?;
    let seal = configuration.unseal.seal(token.as_ref(), environment)?;
    let first = begin_file(path).map_err(failed)?;
    let header = first.header().clone();
    let root_key = seal.open_content(path, &header.root_file).await?;
    let unlocked = |mut backup: Backup<_>| backup.unlock(&root_key).map(|()| backup);
    let verified = unlocked(first).and_then(Backup::verify).map_err(failed)?;
    let about = (header.time.to_string(), header.last.0);
    if arguments.extent.records_only {
        let second = begin_file(path).and_then(unlocked).map_err(failed)?;
        return records(&configuration, (&seal, &root_key), (path, second), arguments.json).await;
    }
    if !arguments.extent.verify {
        let directory = DataDirectory::take(&configuration.data_dir)?;
        put_root_key(&directory, (&seal, &root_key), &header.root_file).await?;
        let ledger = ledger_of(&root_key)?;
        let database = Database::open(&directory, configuration.database.as_ref(), &ledger).await?;
        ledger.begin(&*database.store()).await.map_err(|error| unreadable_store(&error))?;
        let target = Restore {
            store: database.store(),
            accepts_rollback: arguments.extent.accept_rollback,
            now: SystemClock.now(),
            random: &SystemRandom,
        };
        let second = begin_file(path).and_then(unlocked).map_err(failed)?;
        let restored = restore_to(&target, second).await.map_err(failed)?;
        if restored != verified {
            return Err(failed(StoreBackupError::Differs));
        }
        database.close_quietly();
    }
    if let Some(token) = token {
        token.end();
    }
    let what = if arguments.extent.verify { "verified" } else { "restored" };
    tell(what, &verified, (&about.0, about.1), arguments.json)
}

/// Adds records to a store. One that is shared may be in use; one in a file may not.
async fn records(
    configuration: &Configuration,
    keys: (&Seal, &RootKey),
    (path, backup): (&Path, Backup<impl Read>),
    as_json: bool,
) -> Result<(), Failure> {
    let root_path = configuration.data_dir.join("root.key");
    check_root_key(&root_path, keys).await?;
    let ledger = ledger_of(keys.1)?;
    let (database, directory) = if let Some(table) = &configuration.database {
        (Database::shared(table, Arc::new(ledger.clone())).await?, None)
    } else {
        let directory = DataDirectory::take(&configuration.data_dir)?;
        (Database::open(&directory, None, &ledger).await?, Some(directory))
    };
    let store = database.store();
    let begun = async { ledger.settle(&*store, ledger.begin(&*store).await?).await };
    begun.await.map_err(|error| unreadable_store(&error))?;
    let added = add_records(&*store, backup).await;
    let added = added.map_err(|error| not_restored(path, &error))?;
    database.close_quietly();
    drop(directory);
    if as_json {
        return write_json(&json!({ "records": added }));
    }
    write(format!("added: {added} rows of records\n").as_bytes())
}

fn begin_file(path: &Path) -> Result<Backup<impl Read + Seek + use<>>, StoreBackupError> {
    Backup::begin(private_file::reader(path)?)
}

/// Puts the root key where a server looks for it. One that is there must be the same.
async fn put_root_key(
    directory: &DataDirectory,
    (seal, root_key): (&Seal, &RootKey),
    root_file: &[u8],
) -> Result<(), Failure> {
    let path = directory.join("root.key");
    let refused = |why: String| {
        let message = format!("cannot write the root key `{}`", path.display());
        Failure::configuration("root-key-unusable", message).because(why)
    };
    match private_file::create_new(&path, root_file) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            return Err(refused(error.to_string()));
        }
        Err(_there) => {}
    }
    check_root_key(&path, (seal, root_key)).await
}

/// Refuses a store of another root key.
async fn check_root_key(path: &Path, (seal, root_key): (&Seal, &RootKey)) -> Result<(), Failure> {
    let there = seal.open(path).await?;
    match (there.id(), root_key.id()) {
        (Ok(there), Ok(id)) if there == id => Ok(()),
        _ => {
            let message = format!("cannot use the root key `{}`", path.display());
            Err(Failure::configuration("root-key-unusable", message)
                .because("the directory has another root key: it is of another store")
                .fix("name an empty data_dir in the configuration"))
        }
    }
}

fn not_restored(path: &Path, error: &StoreBackupError) -> Failure {
    let message = format!("cannot restore the backup `{}`", path.display());
    let failure = Failure::new(Exit::Failed, "not-restored", message).because(error.to_string());
    match error {
        StoreBackupError::Occupied { .. } => failure.fix(format!(
            "name an empty data_dir or database; or lose what is there: \
             strongroom admin restore --config FILE --accept-rollback {}",
            shell_quoted(path)
        )),
        StoreBackupError::OtherBegun => {
            failure.fix("restore that backup, or use --accept-rollback")
        }
        _ => failure,
    }
}

fn tell(
    what: &str,
    summary: &Summary,
    (time, commit): (&str, u64),
    as_json: bool,
) -> Result<(), Failure> {
    let Summary { rows, bytes, digest } = summary;
    if as_json {
        return write_json(&json!({
            "time": time, "commit": commit, "rows": rows, "bytes": bytes, "sha256": digest,
        }));
    }
    let text = format!(
        "{what}: {rows} rows, {bytes} bytes, as of {time}, commit {commit}\nsha256 {digest}\n"
    );
    write(text.as_bytes())
}
