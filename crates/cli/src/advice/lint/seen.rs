use std::path::PathBuf;

use jiff::SignedDuration;
use strongroom_advice::TenancyFile;
use strongroom_advice::lint::{Seen, SeenSecret};
use strongroom_client::{Client, ClientError};
use strongroom_model::{Clock, SystemClock};

use crate::advice::files::read;
use crate::advice::suggest::{events_of, taken};
use crate::failure::{Failure, warn};
use crate::hand::output::{is_refusal, refused};

/// Reads the secrets and the audit events of a tenancy, as far as the caller may. Events are taken of
/// all compartments or of none: with some of them a statement that was used would be told as unused.
pub(super) async fn live(client: &Client, tenancy: &TenancyFile, last: u64) -> Seen {
    let now = SystemClock.now();
    let span = SignedDuration::from_secs(i64::try_from(last).unwrap_or(i64::MAX));
    let secrets = match secrets(client, tenancy).await {
        Ok(secrets) => Some(secrets),
        Err(error) => {
            let failure = refused(&error, "list the secrets");
            warn("no-secrets", "secrets are not counted", &failure.in_a_line());
            None
        }
    };
    let events = match events_of(client, tenancy, last).await {
        Ok(events) => Some(events),
        Err(failure) => {
            warn("no-events", "what was used is not known", &failure.in_a_line());
            None
        }
    };
    Seen { secrets, events, since: now.checked_sub(span).ok(), now }
}

/// Takes the events of files.
pub(super) fn in_files(paths: &[PathBuf]) -> Result<Option<Seen>, Failure> {
    if paths.is_empty() {
        return Ok(None);
    }
    let mut events = Vec::new();
    for path in paths {
        taken(&read(path)?, &mut events).map_err(|error| {
            let message = format!("cannot read `{}` as audit events", path.display());
            Failure::configuration("bad-events", message).because(error.to_string())
        })?;
    }
    let times = events.iter().filter_map(|event| event.time.as_deref()?.parse().ok());
    let since = times.min();
    Ok(Some(Seen { secrets: None, events: Some(events), since, now: SystemClock.now() }))
}

async fn secrets(client: &Client, tenancy: &TenancyFile) -> Result<Vec<SeenSecret>, ClientError> {
    let mut secrets = Vec::new();
    let compartments = &tenancy.world.compartments;
    let mut left_out: Vec<&str> = Vec::new();
    for (key, compartment) in compartments {
        let compartment_id = compartment.id.as_str();
        let listed = match client.secrets_in(compartment_id).await {
            Err(error) if is_refusal(&error) && left_out.len() + 1 < compartments.len() => {
                left_out.push(key);
                continue;
            }
            listed => listed?,
        };
        secrets.extend(listed.into_iter().filter(|one| one.lifecycle_state != "DELETED").map(
            |one| SeenSecret {
                id: one.id,
                name: one.secret_name,
                vault_id: one.vault_id,
                compartment_id: compartment_id.to_owned(),
            },
        ));
    }
    if !left_out.is_empty() {
        let message = format!("secrets of `{}` are not counted", left_out.join("`, `"));
        warn("no-secrets", &message, "this caller may not list them");
    }
    Ok(secrets)
}
