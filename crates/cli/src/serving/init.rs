use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use strongroom_keyring::{RootKey, SystemRandom};
use strongroom_model::{Clock, Region, Sensitive, SystemClock};
use strongroom_server::{NewRegion, NewTenancy, found_tenancy, join_tenancy};
use strongroom_signing::PrivateKey;

use super::database::Database;
use super::directory::{DataDirectory, ledger_of};
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

/// Creates the tenancy and prints the administrator's profile and key: the only copy there is.
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
    let root_key = RootKey::generate(&SystemRandom);
    let joined = arguments.join.as_deref().map(read_identity).transpose()?;
    let ledger = ledger_of(&root_key)?;
    let database = Database::open(&directory, configuration.database.as_ref(), &ledger).await?;
    seal.create(&directory.join("root.key"), &root_key).await?;
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
        "# ~/.oci/config\n[DEFAULT]\nuser={}\nfingerprint={fingerprint}\ntenancy={}\n\
         region={}\nkey_file=~/.oci/admin.pem\n\n# ~/.oci/admin.pem (mode 0600): this is the only copy\n",
        founded.user_id, founded.tenancy_id, region.name
    );
    print(profile.as_bytes(), &pem).map_err(|error| refused(error.to_string()))
}

fn print(profile: &[u8], pem: &Sensitive) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(profile)?;
    out.write_all(pem.expose())?;
    out.flush()
}
