//! What is done from time to time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::hosts::{Failed, Hosts, Link, Slot, failed};
use crate::types::StoreError;

/// How often every host is asked whether another was promoted.
const WATCH_EVERY: Duration = Duration::from_millis(500);
const PRUNE_EVERY: Duration = Duration::from_mins(1);
/// How long a pruning waits for a host.
const PRUNE_TIME: Duration = Duration::from_secs(5);

/// Removes changes that every node knows, or is to learn by reading everything again: those below
/// the last transaction of fifteen minutes ago, but none that may still be under way.
const PRUNE: &str = "
WITH bound AS (
    UPDATE strongroom.pruned SET x = greatest(x, least(
        pg_snapshot_xmin(pg_current_snapshot()),
        coalesce((SELECT max(x) FROM strongroom.changes
                  WHERE at < now() - interval '15 minutes'), '0'::xid8)))
    RETURNING x
)
DELETE FROM strongroom.changes WHERE x < (SELECT x FROM bound)";
/// Up to where changes are over, and their removal: what is removed before a node has asked for it
/// makes that node read everything again.
const OVER: &str = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text";
const PRUNE_TO: &str = "
WITH bound AS (
    UPDATE strongroom.pruned SET x = greatest(x, $1::text::xid8) RETURNING x
)
DELETE FROM strongroom.changes WHERE x < (SELECT x FROM bound)";
/// How long nodes have to ask for changes that are to be forgotten: they do so every second.
const ASKED_BY: Duration = Duration::from_secs(5);
const PRUNE_OUTCOMES: &str = "DELETE FROM strongroom.outcomes WHERE at < now() - interval '1 hour'";

/// Looks for a higher timeline where there are several hosts: a primary that was cut off from its
/// standbys still answers, and is to be left.
pub(super) async fn watch(hosts: Hosts) {
    if hosts.count() < 2 {
        return;
    }
    loop {
        sleep(WATCH_EVERY).await;
        if hosts.watch().await {
            tracing::warn!(timeline = hosts.highest(), "another host of the database was promoted");
        }
    }
}

/// Keeps the tables of changes and outcomes short.
pub(super) async fn prune(slot: Slot) {
    loop {
        sleep(PRUNE_EVERY).await;
        let Ok(link) = slot.link(Instant::now() + PRUNE_TIME).await else { continue };
        for statement in [PRUNE, PRUNE_OUTCOMES] {
            if let Err(error) = link.client.batch_execute(statement).await {
                tracing::warn!(error = ?failed(error), "the database was not pruned");
                slot.give_up(&link).await;
                break;
            }
        }
    }
}

/// Has what was deleted or replaced forgotten whenever that is asked for: nobody waits for it, and it is
/// tried until it is done.
pub(super) async fn forget_when(asked: Arc<Notify>, hosts: Hosts) {
    loop {
        asked.notified().await;
        while let Err(error) = forget(&hosts).await {
            tracing::warn!(%error, "what was deleted stays in the database for now");
            sleep(PRUNE_EVERY).await;
        }
    }
}

async fn forget(hosts: &Hosts) -> Result<(), StoreError> {
    let link = hosts.primary(Instant::now() + PRUNE_TIME).await?;
    forget_by(&link).await.map_err(Failed::told)
}

/// Removes what was deleted or replaced from the tables' files, over a connection that nobody else
/// waits for. The write-ahead log has it until the server recycles that.
async fn forget_by(link: &Link) -> Result<(), Failed> {
    let over = link.client.query_one(OVER, &[]).await.and_then(|row| row.try_get::<_, String>(0));
    let over = over.map_err(failed)?;
    sleep(ASKED_BY).await;
    link.client.execute(PRUNE_TO, &[&over]).await.map_err(failed)?;
    let vacuum = ["VACUUM strongroom.changes", "VACUUM strongroom.kv"];
    for statement in ["SET statement_timeout = 0"].into_iter().chain(vacuum) {
        link.client.batch_execute(statement).await.map_err(failed)?;
    }
    Ok(())
}
