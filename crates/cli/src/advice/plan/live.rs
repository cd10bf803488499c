use std::time::Duration;

use serde_json::Value;
use strongroom_client::Client;
use strongroom_model::{Clock, SystemClock};

use crate::failure::{Exit, Failure};
use crate::hand::output::refused;

/// Reads the events of the time that has passed, of one compartment or of the whole tenancy, as JSON.
pub(super) async fn events(
    client: &Client,
    compartment: Option<&str>,
    last: Duration,
) -> Result<String, Failure> {
    let end = SystemClock.now();
    let start = end.checked_sub(last).map_err(|_out_of_range| {
        Failure::new(Exit::Usage, "bad-request", "--last goes back too far")
    })?;
    let mut found: Vec<Value> = Vec::new();
    for id in compartments(client, compartment).await? {
        let events = client.events(&id, start, end).await;
        let what = format!("list the audit events of compartment `{id}`");
        found.extend(events.map_err(|error| refused(&error, &what))?);
    }
    Ok(Value::Array(found).to_string())
}

/// Events are in the compartment of their secret; the tenancy is one too.
async fn compartments(client: &Client, only: Option<&str>) -> Result<Vec<String>, Failure> {
    if let Some(id) = only {
        return Ok(vec![id.to_owned()]);
    }
    let cannot = |error| refused(&error, "list the compartments of the tenancy");
    let tenancy = client.tenancy_id().await.map_err(cannot)?;
    let below = client.compartments().await.map_err(cannot)?;
    let active = below.into_iter().filter(|one| one.lifecycle_state == "ACTIVE");
    Ok(std::iter::once(tenancy).chain(active.map(|one| one.id)).collect())
}
