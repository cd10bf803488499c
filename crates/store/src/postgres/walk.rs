//! All rows, as of one moment: by a cursor on a connection of its own.

use tokio::time::Instant;

use super::hosts::{Failed, Hosts, Link, failed};
use super::statements::{PART, TRACK, WALK};
use super::{OPEN_TIME, versioned};
use crate::changes::Changes;
use crate::types::{Revision, StoreError, Visit};
use crate::warrant::Warrant;

/// Shows every row. Returns watched ones that this node knows nothing of, or less.
pub(super) async fn walk(
    hosts: &Hosts,
    (changes, warrant): (&Changes, &Warrant),
    mut visit: Visit<'_>,
) -> Result<Vec<(Vec<u8>, Revision)>, StoreError> {
    let mut news = Vec::new();
    let link = hosts.primary(Instant::now() + OPEN_TIME).await?;
    let told = |error| failed(error).told();
    link.client.batch_execute(WALK).await.map_err(told)?;
    loop {
        let part = link.client.query(PART, &[]).await.map_err(told)?;
        if part.is_empty() {
            link.client.batch_execute("COMMIT").await.map_err(told)?;
            return Ok(news);
        }
        for row in &part {
            let (key, row, mac) = versioned(row)?;
            warrant.check(&key, &row, &mac)?;
            if changes.watches(&key) && warrant.revision(&key) < row.revision {
                news.push((key.clone(), row.revision));
            }
            visit(&key, row)?;
        }
    }
}

/// Takes note anew of which commit wrote each watched row.
pub(super) async fn learn(link: &Link, changes: &Changes, warrant: &Warrant) -> Result<(), Failed> {
    warrant.forget();
    link.client.batch_execute(TRACK).await.map_err(failed)?;
    loop {
        let part = link.client.query(PART, &[]).await.map_err(failed)?;
        if part.is_empty() {
            return link.client.batch_execute("COMMIT").await.map_err(failed);
        }
        for row in &part {
            let key: Vec<u8> = row.try_get(0).map_err(failed)?;
            let number: i64 = row.try_get(1).map_err(failed)?;
            if changes.watches(&key) {
                warrant.note_at(&key, Revision(u64::try_from(number).unwrap_or(0)), true);
            }
        }
    }
}
