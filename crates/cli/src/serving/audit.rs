use std::io::{BufReader, ErrorKind};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{ArgGroup, Args, Subcommand};
use serde_json::json;
use strongroom_keyring::root_file;
use strongroom_model::{private_file, rfc3339};
use strongroom_server::{
    CheckpointError, ExportError, Exported, Ledger, Verified, check_export, check_founded,
};
use strongroom_store::StoreError;

use super::database::Database;
use super::directory::{DataDirectory, ledger_of, unreadable_store};
use super::serve::Configuration;
use crate::environment::Environment;
use crate::failure::{Exit, Failure, warn};
use crate::hand::output::{write, write_json};

const KEY_BYTES: usize = 32;

/// Arguments of `audit`.
#[derive(Debug, Args)]
pub(crate) struct AuditArguments {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Check that the database is as the server left it, or that an export is whole
    ///
    /// Reads every row: each as it was written, none missing, put back or older than it should be,
    /// every entry of the ledger in its place. Checkpoints tell whether all of it was rolled back.
    /// Ends with 5 and the first thing that is wrong.
    Verify(VerifyArguments),
    /// Write the audit log, with what proves that it is whole
    Export(ExportArguments),
    /// Print the public key that checkpoints and exports are checked with
    PublicKey(PublicKeyArguments),
}

/// Which database.
#[derive(Debug, Args)]
struct Which {
    /// Configuration file of the server, TOML
    #[arg(long, value_name = "FILE", group = "which")]
    config: Option<PathBuf>,
    /// Data directory of a development server
    #[arg(long, value_name = "DIR", group = "which")]
    data_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").args(["config", "data_dir", "export"]).required(true)))]
struct VerifyArguments {
    #[command(flatten)]
    which: Which,
    /// Checkpoint that the database must not be older than; beside those of the configuration
    #[arg(long, value_name = "FILE", conflicts_with = "export")]
    checkpoint: Vec<PathBuf>,
    /// Export to check in place of a database
    #[arg(long, value_name = "FILE", requires = "public_key")]
    export: Option<PathBuf>,
    /// Public key of the installation that made the export, base64
    #[arg(long, value_name = "KEY", requires = "export")]
    public_key: Option<String>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").args(["config", "data_dir"]).required(true)))]
struct ExportArguments {
    #[command(flatten)]
    which: Which,
    /// File to write, new; standard output if absent
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").args(["config", "data_dir"]).required(true)))]
struct PublicKeyArguments {
    #[command(flatten)]
    which: Which,
}

/// Runs an `audit` command.
pub(crate) async fn run(
    arguments: &AuditArguments,
    environment: &Environment,
) -> Result<(), Failure> {
    match &arguments.command {
        AuditCommand::Verify(arguments) => match (&arguments.export, &arguments.public_key) {
            (Some(file), Some(key)) => verify_export(file, key, arguments.json),
            _ => verify(arguments, environment).await,
        },
        AuditCommand::Export(arguments) => export(arguments, environment).await,
        AuditCommand::PublicKey(arguments) => {
            let opened = Opened::at(&arguments.which, environment).await?;
            write(format!("{}\n", STANDARD.encode(opened.ledger.public_key())).as_bytes())
        }
    }
}

/// A database that no server has open, or one that servers share.
struct Opened {
    ledger: Ledger,
    database: Database,
    checkpoint_files: Vec<PathBuf>,
    _directory: DataDirectory,
}

impl Opened {
    async fn at(which: &Which, environment: &Environment) -> Result<Self, Failure> {
        match (&which.config, &which.data_dir) {
            (Some(config), _) => Self::of_server(config, environment).await,
            (None, Some(path)) => Self::of_development(path).await,
            (None, None) => Err(Failure::new(Exit::Usage, "no-database", "no database is named")
                .fix("strongroom audit verify --config FILE")),
        }
    }

    async fn of_server(config: &Path, environment: &Environment) -> Result<Self, Failure> {
        let configuration = Configuration::read(config)?;
        let token = configuration.token()?;
        let seal = configuration.unseal.seal(token.as_ref(), environment)?;
        let directory = take_founded(&configuration.data_dir)?;
        let ledger = ledger_of(&seal.open(&directory.join("root.key")).await?)?;
        if configuration.database.is_none() {
            directory.check_has_store()?;
        }
        let database = Database::open(&directory, configuration.database.as_ref(), &ledger).await?;
        let checkpoint_files = configuration.checkpoint_files;
        Ok(Self { ledger, database, checkpoint_files, _directory: directory })
    }

    async fn of_development(path: &Path) -> Result<Self, Failure> {
        let directory = take_founded(path)?;
        let key_path = directory.join("root.key");
        let root_key = root_file::open(&key_path).map_err(|error| {
            let message = format!("cannot use the root key `{}`", key_path.display());
            Failure::configuration("root-key-unusable", message).because(error.to_string())
        })?;
        let ledger = ledger_of(&root_key)?;
        directory.check_has_store()?;
        let database = Database::open(&directory, None, &ledger).await?;
        Ok(Self { ledger, database, checkpoint_files: Vec::new(), _directory: directory })
    }
}

/// Takes a directory that a server has used: none is made where there is none.
fn take_founded(path: &Path) -> Result<DataDirectory, Failure> {
    let refused = |why: String| {
        let message = format!("`{}` is no data directory", path.display());
        Failure::configuration("data-dir-unusable", message).because(why)
    };
    let names = private_file::names_in(path).map_err(|error| refused(error.to_string()))?;
    if names.iter().any(|name| name == "root.key") {
        DataDirectory::take(path)
    } else {
        Err(refused("it has no root.key".to_owned()))
    }
}

async fn verify(arguments: &VerifyArguments, environment: &Environment) -> Result<(), Failure> {
    let opened = Opened::at(&arguments.which, environment).await?;
    let store = opened.database.store();
    let verified = opened.ledger.verify(&*store).await.map_err(broken)?;
    check_founded(&*store).await.map_err(broken)?;
    let own = opened.checkpoint_files.iter().map(|file| (file, true));
    let files = own.chain(arguments.checkpoint.iter().map(|file| (file, false)));
    let mut checked = Vec::new();
    for (file, may_be_absent) in files {
        let refused = |why: String| {
            let message = format!("cannot use the checkpoint `{}`", file.display());
            Failure::configuration("checkpoint-unusable", message).because(why)
        };
        let note = match private_file::read(file) {
            // The server has not run yet since the tenancy was founded, or the backup restored.
            Err(error) if may_be_absent && error.kind() == ErrorKind::NotFound => {
                let why = "the server writes it when it runs";
                warn("no-checkpoint", &format!("there is no `{}` yet", file.display()), why);
                continue;
            }
            note => note.map_err(|error| refused(error.to_string()))?,
        };
        let checkpoint = opened.ledger.read_checkpoint(&note).map_err(|error| match error {
            CheckpointError::Form => refused(error.to_string()),
            CheckpointError::Signature => found(&file.display().to_string(), &error.to_string()),
        })?;
        opened.ledger.is_after(&*store, &checkpoint).await.map_err(|error| match error {
            StoreError::Corrupt(why) => {
                let time = rfc3339(checkpoint.time);
                let what = format!("the database is older than `{}` of {time}", file.display());
                found(&what, &why)
            }
            other => unreadable_store(&other),
        })?;
        checked.push((file.display().to_string(), rfc3339(checkpoint.time)));
    }
    show_verified(&verified, &checked, arguments.json)
}

fn show_verified(
    verified: &Verified,
    checkpoints: &[(String, String)],
    json: bool,
) -> Result<(), Failure> {
    let Verified { rows, audit_rows, entries, chains, last, .. } = verified;
    if json {
        let checkpoints = checkpoints
            .iter()
            .map(|(file, time)| json!({ "file": file, "time": time }))
            .collect::<Vec<_>>();
        let shown = json!({
            "rows": rows, "auditRows": audit_rows, "entries": entries, "chains": chains,
            "last": last.map(rfc3339), "checkpoints": checkpoints,
        });
        return write_json(&shown);
    }
    let last = last.map_or_else(String::new, |last| format!(", the last of {}", rfc3339(last)));
    let mut text = format!(
        "{rows} rows, {audit_rows} of them of audit records, are as they were written.\n\
         {entries} entries in {chains} chains{last}.\n"
    );
    let compared = |(file, time): &(String, String)| {
        format!("The database is not older than `{file}` of {time}.\n")
    };
    text.extend(checkpoints.iter().map(compared));
    if checkpoints.is_empty() {
        text.push_str(
            "No checkpoint was compared: whether all of it was rolled back is not known.\n",
        );
    }
    write(text.as_bytes())
}

async fn export(arguments: &ExportArguments, environment: &Environment) -> Result<(), Failure> {
    let opened = Opened::at(&arguments.which, environment).await?;
    check_founded(&*opened.database.store()).await.map_err(broken)?;
    let mut content = Vec::new();
    let exported = opened.ledger.export(&*opened.database.store(), &mut content).await;
    exported.map_err(|error| match error {
        ExportError::Store(error) => broken(error),
        other => found("the export", &other.to_string()),
    })?;
    let Some(path) = &arguments.output else {
        return write(&content);
    };
    private_file::create_new(path, &content).map_err(|error| {
        Failure::new(Exit::Failed, "not-exported", format!("cannot write `{}`", path.display()))
            .because(error.to_string())
    })
}

fn verify_export(file: &Path, key: &str, json: bool) -> Result<(), Failure> {
    let key = STANDARD.decode(key).ok().and_then(|key| <[u8; KEY_BYTES]>::try_from(key).ok());
    let key = key.ok_or_else(|| {
        Failure::new(Exit::Usage, "bad-public-key", "the public key is not 32 bytes in base64")
            .fix("strongroom audit public-key --config FILE")
    })?;
    let content = private_file::read(file).map_err(|error| {
        Failure::new(Exit::Failed, "unreadable", format!("cannot read `{}`", file.display()))
            .because(error.to_string())
    })?;
    let exported = check_export(&mut BufReader::new(content.as_slice()), &key);
    let exported =
        exported.map_err(|error| found(&file.display().to_string(), &error.to_string()))?;
    let Exported { entries, chains, events, removed, time } = exported;
    let time = rfc3339(time);
    if json {
        let shown = json!({
            "entries": entries, "chains": chains, "events": events, "removed": removed,
            "time": time,
        });
        return write_json(&shown);
    }
    let text = format!(
        "{events} events in {entries} entries of {chains} chains are as they were entered; {removed} \
         audit rows were removed.\nThey are all that was entered before {time}.\n"
    );
    write(text.as_bytes())
}

fn broken(error: StoreError) -> Failure {
    match error {
        StoreError::Corrupt(why) => found("the database", &why),
        other => unreadable_store(&other),
    }
}

fn found(what: &str, why: &str) -> Failure {
    Failure::new(Exit::Findings, "ledger-broken", format!("not as the server left it: {what}"))
        .because(why)
}
