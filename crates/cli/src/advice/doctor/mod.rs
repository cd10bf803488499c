//! Finds out why a secret cannot be read: asks the questions of the tree, and prints what it saw.

mod as_if;
mod caller;
mod examination;
mod machine;
mod print;
mod profile;
mod proxy;
mod rights;
mod secret;
mod settings;
mod way;

use std::path::PathBuf;

use clap::Args;
use strongroom_advice::doctor::{Check, Outcome, Walk};

use self::examination::Examination;
use crate::environment::{Environment, Variables};
use crate::failure::Failure;
use crate::hand::output::{write, write_json};
use crate::hand::settings::Connection;

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// The secret: `secret://VAULT/NAME[?stage=…|version=…]`, an OCID, or the name of the variable that
    /// holds one of them; without it, whether this machine can call at all
    #[arg(value_name = "REF")]
    reference: Option<String>,
    /// File of variables that stand in for this process's: lines KEY=VALUE, or /proc/PID/environ of a
    /// running service
    #[arg(long, value_name = "FILE")]
    as_if: Option<PathBuf>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Finds out why a secret cannot be read.
pub(crate) async fn run(
    arguments: &DoctorArguments,
    environment: &Environment,
) -> Result<(), Failure> {
    let variables = match &arguments.as_if {
        Some(path) => as_if::read(path, environment)?,
        None => Variables::of_process(),
    };
    let environment = Environment::of(&variables);
    let mut examination = Examination::new(arguments, &variables, &environment);
    let mut walk = Walk::default();
    loop {
        walk.given = examination.given;
        let Some(check) = walk.next_check() else { break };
        let outcome = ask(&mut examination, check).await;
        walk.note(check, outcome);
    }
    if arguments.json {
        write_json(&print::document(&examination, &walk))?;
    } else {
        write(print::told(&examination, &walk).as_bytes())?;
    }
    if walk.verdict().is_none() { Ok(()) } else { Err(Failure::findings()) }
}

#[expect(clippy::cognitive_complexity, reason = "one arm for each question")]
async fn ask(examination: &mut Examination<'_>, check: Check) -> Outcome {
    match check {
        Check::Settings => examination.settings(),
        Check::Reference => examination.reference(),
        Check::Profile => examination.profile(),
        Check::Key => examination.key(),
        Check::Fingerprint => examination.fingerprint(),
        Check::Token => examination.token().await,
        Check::Metadata => examination.metadata().await,
        Check::Certificate => examination.certificate().await,
        Check::Endpoint => examination.endpoint(),
        Check::Proxy => examination.proxy(),
        Check::Name => examination.name().await,
        Check::Connection => examination.connection().await,
        Check::Answer => examination.answer().await,
        Check::Clock => examination.clock(),
        Check::Caller => examination.caller().await,
        Check::Secret => examination.secret().await,
        Check::State => examination.state().await,
        Check::Content => examination.content().await,
        Check::Why => examination.why().await,
        Check::Version => examination.version().await,
        Check::Listing => examination.listing().await,
        Check::Groups => examination.groups().await,
        Check::Vault => examination.vault().await,
        Check::KeyState => examination.key_state().await,
        Check::Conclusion => examination.conclusion().await,
    }
}
