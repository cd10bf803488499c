//! The key at the top.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use strongroom_client::{Client, ClientError, NextRootKey};
use strongroom_keyring::SystemRandom;
use strongroom_model::private_file;

use crate::environment::Environment;
use crate::failure::{Exit, Failure};
use crate::hand::output::{refused, write};
use crate::hand::settings::Connection;
use crate::serving::serve::Configuration;
use crate::serving::unseal::Seal;

const PAUSE: Duration = Duration::from_millis(500);
const WHAT: &str = "rotate the root key";

/// Arguments of `admin rotate-root-key`.
#[derive(Debug, Args)]
pub(crate) struct RotateArguments {
    /// Configuration file of the server, whose data directory has the root key
    #[arg(long, value_name = "FILE")]
    server_config: PathBuf,
    /// File with the passphrase that is to seal the new key [default: as the configuration says]
    #[arg(long, value_name = "FILE")]
    new_passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    connection: Connection,
}

/// Runs `admin rotate-root-key`.
pub(super) async fn rotate(
    arguments: RotateArguments,
    environment: &Environment,
) -> Result<(), Failure> {
    let configuration = Configuration::read(&arguments.server_config)?;
    let token = configuration.token()?;
    let seal = configuration.unseal.seal(token.as_ref(), environment)?;
    let old = seal.open(&configuration.data_dir.join("root.key")).await?;
    let new = old.generate_next(&SystemRandom).map_err(|error| not_rotated(&error.to_string()))?;
    let new_seal = arguments.new_passphrase_file.as_deref().map(Seal::by_passphrase_file);
    let root_file = new_seal.transpose()?.unwrap_or(seal).content(&new).await?;
    let sealed = old
        .seal_root(&new, &SystemRandom)
        .and_then(|next| new.seal_root(&old, &SystemRandom).map(|previous| (next, previous)));
    let (next, previous) = sealed.map_err(|error| not_rotated(&error.to_string()))?;
    let next =
        NextRootKey { root_file: &root_file, next: next.as_bytes(), previous: previous.as_bytes() };
    let session = arguments.connection.open(environment).await?;
    rotated(&session.client, &next).await.map_err(|error| match &error {
        // A server that took it goes on by itself, and nothing but an answer says that it did not.
        ClientError::Service(service) if service.status < 500 => refused(&error, WHAT),
        _ => refused(&error, WHAT).fix(perhaps(arguments.new_passphrase_file.as_deref())),
    })?;
    if let Some(token) = token {
        token.end();
    }
    check_file(&configuration.data_dir.join("root.key"), &root_file)?;
    write(told(arguments.new_passphrase_file.as_deref()).as_bytes())
}

/// Asks for the rotation, and then whether it is done.
async fn rotated(client: &Client, next: &NextRootKey<'_>) -> Result<(), ClientError> {
    while !client.rotate_root_key(next).await? {
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// What to do where it is not known whether the server has taken the next key.
fn perhaps(new_passphrase_file: Option<&Path>) -> String {
    let keep = match new_passphrase_file {
        Some(path) => format!(" Keep `{}`: it may be what opens `root.key` then.", path.display()),
        None => String::new(),
    };
    format!(
        "the rotation may be under way, and a server that begins again goes on with it: when the server \
         answers, look at the time of its `root.key`, and ask again if that is the old one.{keep}"
    )
}

fn check_file(path: &Path, root_file: &[u8]) -> Result<(), Failure> {
    match private_file::read_private(path) {
        Ok(content) if content == root_file => Ok(()),
        Ok(_) => Err(not_rotated(&format!(
            "it is done, but `{}` is not the new one: is that the data directory of this server?",
            path.display()
        ))),
        Err(error) => Err(not_rotated(&error.to_string())),
    }
}

fn not_rotated(why: &str) -> Failure {
    Failure::new(Exit::Failed, "root-key-not-rotated", "cannot rotate the root key").because(why)
}

fn told(new_passphrase_file: Option<&Path>) -> String {
    let done = "rotated: the old root key opens nothing any more\n";
    let Some(path) = new_passphrase_file else { return done.to_owned() };
    format!(
        "{done}From now on `{}` opens the new one: put it in place of the passphrase that [unseal] of \
         the configuration names, on every server, before one is started again.\n",
        path.display()
    )
}
