use std::path::PathBuf;

use jiff::SignedDuration;
use strongroom_advice::TenancyFile;
use strongroom_advice::lint::{Seen, SeenSecret};
use strongroom_client::{Client, ClientError};
use strongroom_model::{Clock, SystemClock};

use crate::advice::files::read;
use crate::advice::suggest::{events_of, taken};
use crate::failure::{Failure, warn};
use crate::hand::output::refused;

/// Reads the secrets and the audit events of a tenancy, as far as the caller may.
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
    for compartment in tenancy.world.compartments.values() {
        let compartment_id = compartment.id.as_str();
        let listed = client.secrets_in(compartment_id).await?;
        secrets.extend(listed.into_iter().filter(|one| one.lifecycle_state != "DELETED").map(
            |one| SeenSecret {
                id: one.id,
                name: one.secret_name,
                vault_id: one.vault_id,
                compartment_id: compartment_id.to_owned(),
            },
        ));
    }
    Ok(secrets)
}
