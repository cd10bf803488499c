use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use strongroom_keyring::{RootKey, SystemRandom};
use strongroom_model::{Clock, Region, SystemClock, private_file};
use strongroom_server::{NewRegion, NewTenancy, found_tenancy, join_tenancy};
use strongroom_signing::PrivateKey;
use strongroom_store::{Order, Store, StoreError, prefix_range};

use super::database::Database;
use super::directory::{DataDirectory, ledger_of, unreadable_store};
use super::serve::Configuration;
use crate::admin::region::read_identity;
use crate::environment::Environment;
use crate::failure::{Exit, Failure};
use crate::hand::output::write_json;

/// Arguments of `init`.
#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// Configuration file of the server, TOML
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Name of the tenancy
    #[arg(long, value_name = "NAME", default_value = "main")]
    tenancy: String,
    /// Home region, or with --join the region that this server is to be
    #[arg(long, value_name = "NAME", default_value = "us-ashburn-1")]
    region: String,
    /// Join a tenancy: what its home region is known by, from `admin region identity` there
    #[arg(long, value_name = "FILE", requires = "home_url")]
    join: Option<PathBuf>,
    /// Where the home region answers
    #[arg(long, value_name = "URL", requires = "join")]
    home_url: Option<String>,
}

/// Creates the tenancy and prints the administrator's profile and key: the only copy there is. What
/// did not come to an end is begun again; where there is a tenancy, nothing is changed.
pub(crate) async fn run(
    arguments: &InitArguments,
    environment: &Environment,
) -> Result<(), Failure> {
    let refused = |why: String| {
        Failure::new(Exit::Failed, "not-founded", "cannot make the tenancy").because(why)
    };
    let region = Region::named(&arguments.region).ok_or_else(|| {
        let message = format!("`{}` is no region of OCI", arguments.region);
        Failure::new(Exit::Usage, "unknown-region", message)
    })?;
    let configuration = Configuration::read(&arguments.config)?;
    let token = configuration.token()?;
    let seal = configuration.unseal.seal(token.as_ref(), environment)?;
    let directory = DataDirectory::take(&configuration.data_dir)?;
    let key_path = directory.join("root.key");
    let is_new = is_absent(&key_path);
    let root_key =
        if is_new { RootKey::generate(&SystemRandom) } else { seal.open(&key_path).await? };
    let joined = arguments.join.as_deref().map(read_identity).transpose()?;
    let ledger = ledger_of(&root_key)?;
    let database = Database::open(&directory, configuration.database.as_ref(), &ledger).await?;
    check_is_empty(&*database.store(), &key_path).await?;
    // Whoever cannot be told the key is not to find that out when there is a tenancy.
    if joined.is_none() {
        print(HEADING).map_err(|error| refused(error.to_string()))?;
    }
    if is_new {
        seal.create(&key_path, &root_key).await?;
    }
    if let (Some(home), Some(url)) = (&joined, &arguments.home_url) {
        let new = NewRegion { region, home, url, now: SystemClock.now() };
        let joined = join_tenancy(&*database.store(), &root_key, &new).await;
        database.close();
        let identity = joined.map_err(|error| refused(error.to_string()))?;
        return write_json(&serde_json::json!(identity));
    }
    let key = PrivateKey::generate().map_err(|error| refused(error.to_string()))?;
    let public = key.public().map_err(|error| refused(error.to_string()))?;
    let pem = key.to_pem().map_err(|error| refused(error.to_string()))?;
    let fingerprint = public.fingerprint();
    let new = NewTenancy {
        name: &arguments.tenancy,
        region,
        fingerprint: &fingerprint,
        public_key_pem: &public.to_pem(),
        now: SystemClock.now(),
        sample: None,
    };
    let founded = found_tenancy(&*database.store(), &root_key, &SystemRandom, &new).await;
    let founded = founded.map_err(|error| refused(error.to_string()))?;
    database.close();
    let profile = format!(
        "[DEFAULT]\nuser={}\nfingerprint={fingerprint}\ntenancy={}\n\
         region={}\nkey_file=~/.oci/admin.pem\n\n# ~/.oci/admin.pem (mode 0600): this is the only copy\n",
        founded.user_id, founded.tenancy_id, region.name
    );
    let lost = |error: std::io::Error| {
        let place = configuration.data_dir.display();
        Failure::new(Exit::Failed, "not-printed", "the tenancy is made, and its key was lost")
            .because(error.to_string())
            .fix(format!(
                "remove what is in `{place}`, or the tables of the database, and begin again"
            ))
    };
    print(profile.as_bytes()).and_then(|()| print(pem.expose())).map_err(lost)
}

/// The first line of what is printed.
const HEADING: &[u8] = b"# ~/.oci/config\n";

fn print(bytes: &[u8]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

fn is_absent(path: &Path) -> bool {
    private_file::mode(path).is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

/// Refuses a store that has something: what was written with another root key cannot even be read.
async fn check_is_empty(store: &dyn Store, key_path: &Path) -> Result<(), Failure> {
    let occupied = |why: &str| {
        let place = key_path.display();
        Failure::configuration("founded", "the database has a tenancy already")
            .because(why)
            .fix(format!("strongroom serve --config FILE, with the root key of that in `{place}`"))
    };
    match store.scan(prefix_range(b""), Order::Ascending, 1).await {
        Ok(rows) if rows.is_empty() => Ok(()),
        Ok(_) => Err(occupied("it is not empty")),
        Err(StoreError::Corrupt(_)) => Err(occupied("its rows are of another root key")),
        Err(error) => Err(unreadable_store(&error)),
    }
}
