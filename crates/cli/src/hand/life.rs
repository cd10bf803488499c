//! The commands that change which version is in use, and whether a secret lives.

use std::time::Duration;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use strongroom_client::Selector;
use strongroom_model::{Clock, SystemClock, rfc3339};

use super::change::Metadata;
use super::output::{refused, write};
use super::reference::Reference;
use super::session::Session;
use super::settings::Connection;
use crate::environment::Environment;
use crate::failure::{Exit, Failure};

/// Longest wait for a deletion. Source: OCI API reference, `ScheduleSecretDeletion`.
const DAYS_MAX: u32 = 30;

const LOOK: Duration = Duration::from_millis(250);

/// Arguments of `rotate`.
#[derive(Debug, Args)]
pub(crate) struct RotateArguments {
    #[command(flatten)]
    common: Common,
    /// Do not wait for the end of the rotation
    #[arg(long)]
    no_wait: bool,
    /// Longest wait for the end of the rotation, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    wait_secs: u64,
}

/// Arguments of `promote`.
#[derive(Debug, Args)]
pub(crate) struct PromoteArguments {
    #[command(flatten)]
    common: Common,
}

/// Arguments of `rollback`.
#[derive(Debug, Args)]
pub(crate) struct RollbackArguments {
    #[command(flatten)]
    common: Common,
}

/// Arguments of `rm`.
#[derive(Debug, Args)]
pub(crate) struct RmArguments {
    #[command(flatten)]
    common: Common,
    /// Days until the deletion, 1 to 30
    #[arg(long, value_name = "DAYS", default_value_t = DAYS_MAX, value_parser = clap::value_parser!(u32).range(1..=30))]
    days: u32,
}

/// Arguments of `restore`.
#[derive(Debug, Args)]
pub(crate) struct RestoreArguments {
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Common {
    /// The secret: `secret://VAULT/NAME`, or an OCID
    #[arg(value_name = "REFERENCE")]
    reference: String,
    /// Print what has changed as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

impl Common {
    /// Reads the reference; a pointer into the content has no meaning here.
    fn reference(&self) -> Result<Reference, Failure> {
        self.reference.parse::<Reference>()?.without_pointer()
    }

    /// Reads a reference that names no version.
    fn whole(&self) -> Result<Reference, Failure> {
        self.reference()?.whole()
    }
}

/// Rotates a secret: by its target system, or by generating content.
pub(crate) async fn rotate(
    arguments: &RotateArguments,
    environment: &Environment,
) -> Result<(), Failure> {
    let reference = arguments.common.whole()?;
    let session = arguments.common.connection.open(environment).await?;
    let id = session.secret_id(&reference).await?;
    let before = Metadata::read(&session, &id).await?;
    let begun = session.client.rotate_secret(&id).await;
    begun.map_err(|error| refused(&error, &format!("rotate secret `{}`", before.name())))?;
    if arguments.no_wait {
        return before.tell(&Metadata::read(&session, &id).await?, arguments.common.json);
    }
    let until = tokio::time::Instant::now() + Duration::from_secs(arguments.wait_secs);
    loop {
        let after = Metadata::read(&session, &id).await?;
        let current = "currentVersionNumber";
        // A rotation that has promoted its version may go on to wait for consumers of the old one.
        if after.field(current) != before.field(current) {
            return before.tell(&after, arguments.common.json);
        }
        let goes_on = after.field("rotationStatus") == Some("IN_PROGRESS");
        if goes_on && tokio::time::Instant::now() < until {
            tokio::time::sleep(LOOK).await;
            continue;
        }
        let why = after.field("lifecycleDetails").unwrap_or("the rotation is still going on");
        let message = format!("secret `{}` was not rotated", after.name());
        return Err(Failure::new(Exit::Failed, "rotation-failed", message)
            .because(why)
            .fix(format!("strongroom versions {}", arguments.common.reference)));
    }
}

/// Makes the pending version, or the one that the reference names, the current one.
pub(crate) async fn promote(
    arguments: &PromoteArguments,
    environment: &Environment,
) -> Result<(), Failure> {
    let reference = arguments.common.reference()?;
    let session = arguments.common.connection.open(environment).await?;
    let id = session.secret_id(&reference).await?;
    let before = Metadata::read(&session, &id).await?;
    let number = match &reference.selector {
        Selector::Number(number) => Some(*number),
        Selector::Stage(stage) => before.version_at(stage),
        Selector::Name(_) => {
            return Err(Failure::new(Exit::Usage, "bad-reference", "cannot use this reference")
                .because("a version is promoted by number or stage"));
        }
        Selector::Current => before.version_at("PENDING"),
    };
    let Some(number) = number else {
        let message = format!("secret `{}` has nothing to promote", before.name());
        return Err(Failure::new(Exit::Failed, "nothing-pending", message)
            .because("no version is in this stage")
            .fix(format!("strongroom versions {}", arguments.common.reference)));
    };
    make_current(&session, (&id, number), before, arguments.common.json).await
}

/// Makes the previous version the current one again.
pub(crate) async fn rollback(
    arguments: &RollbackArguments,
    environment: &Environment,
) -> Result<(), Failure> {
    let reference = arguments.common.whole()?;
    let session = arguments.common.connection.open(environment).await?;
    let id = session.secret_id(&reference).await?;
    let before = Metadata::read(&session, &id).await?;
    let Some(number) = before.version_at("PREVIOUS") else {
        let message = format!("secret `{}` has no previous version", before.name());
        return Err(Failure::new(Exit::Failed, "nothing-previous", message)
            .because("no other version was current before")
            .fix(format!("strongroom versions {}", arguments.common.reference)));
    };
    make_current(&session, (&id, number), before, arguments.common.json).await
}

async fn make_current(
    session: &Session<'_>,
    (id, number): (&str, u64),
    before: Metadata,
    json: bool,
) -> Result<(), Failure> {
    let promoted = session.client.promote(id, number).await;
    let what = format!("make version {number} of secret `{}` current", before.name());
    promoted.map_err(|error| refused(&error, &what))?;
    before.tell(&Metadata::read(session, id).await?, json)
}

/// Schedules the deletion of a secret or of a version.
pub(crate) async fn rm(arguments: &RmArguments, environment: &Environment) -> Result<(), Failure> {
    let reference = arguments.common.reference()?;
    let version = reference.version()?;
    let session = arguments.common.connection.open(environment).await?;
    let id = session.secret_id(&reference).await?;
    let before = Metadata::read(&session, &id).await?;
    // The longest wait is the service's own, by its own clock.
    let at = (arguments.days < DAYS_MAX).then(|| after_days(arguments.days)).flatten();
    let client = &session.client;
    let scheduled = match version {
        None => client.schedule_secret_deletion(&id, at.as_deref()).await,
        Some(number) => client.schedule_version_deletion(&id, number, at.as_deref()).await,
    };
    let what = format!("delete {}", named(version, &before));
    scheduled.map_err(|error| refused(&error, &what))?;
    let after = Metadata::read(&session, &id).await?;
    before.tell(&after, arguments.common.json)?;
    if arguments.common.json {
        return Ok(());
    }
    let until = match version {
        None => after.field("timeOfDeletion").map(str::to_owned),
        Some(number) => after.deletion_of(number),
    };
    let until = until.unwrap_or_else(|| "its deletion".to_owned());
    let reference = quoted(&arguments.common.reference);
    write(format!("Until {until}, `strongroom restore {reference}` brings it back.\n").as_bytes())
}

fn named(version: Option<u64>, metadata: &Metadata) -> String {
    let secret = format!("secret `{}`", metadata.name());
    version.map_or_else(|| secret.clone(), |number| format!("version {number} of {secret}"))
}

/// A reference as a shell takes it.
fn quoted(reference: &str) -> String {
    if reference.contains('?') { format!("'{reference}'") } else { reference.to_owned() }
}

fn after_days(days: u32) -> Option<String> {
    let wait = SignedDuration::from_hours(i64::from(days) * 24);
    let at: Option<Timestamp> = SystemClock.now().checked_add(wait).ok();
    at.map(rfc3339)
}

/// Takes the scheduled deletion of a secret or of a version back.
pub(crate) async fn restore(
    arguments: &RestoreArguments,
    environment: &Environment,
) -> Result<(), Failure> {
    let reference = arguments.common.reference()?;
    let version = reference.version()?;
    let session = arguments.common.connection.open(environment).await?;
    let id = session.secret_id(&reference).await?;
    let before = Metadata::read(&session, &id).await?;
    let restored = match version {
        None => session.client.cancel_secret_deletion(&id).await,
        Some(number) => session.client.cancel_version_deletion(&id, number).await,
    };
    let what = format!("restore {}", named(version, &before));
    restored.map_err(|error| refused(&error, &what))?;
    before.tell(&Metadata::read(&session, &id).await?, arguments.common.json)
}
