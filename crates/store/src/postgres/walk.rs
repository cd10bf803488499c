//! All rows, as of one moment: by a cursor on a connection of its own.

use std::time::Duration;

use tokio::time::{Instant, timeout};
use tokio_postgres::Error;

use super::hosts::{Failed, Hosts, Link, failed};
use super::statements::{PART, TRACK, TRACK_RANGE, WALK, WALK_SORTED};
use super::{OPEN_TIME, versioned};
use crate::changes::Changes;
use crate::types::{Revision, StoreError, Visit, prefix_range};
use crate::warrant::Warrant;

/// How long the database may take for a part of the rows.
const PART_TIME: Duration = Duration::from_secs(10);

/// Shows every row. Returns watched ones that this node knows nothing of, or less.
pub(super) async fn walk(
    hosts: &Hosts,
    (changes, warrant): (&Changes, &Warrant),
    sorted: &[u8],
    mut visit: Visit<'_>,
) -> Result<Vec<(Vec<u8>, Revision)>, StoreError> {
    let mut news = Vec::new();
    let link = hosts.primary(Instant::now() + OPEN_TIME).await?;
    let told = |error| failed(error).told();
    link.client.batch_execute(TRACK).await.map_err(told)?;
    let sorted = prefix_range(sorted);
    for select in [WALK, WALK_SORTED] {
        link.client.execute(select, &[&sorted.start, &sorted.end]).await.map_err(told)?;
        loop {
            let part = link.client.query(PART, &[]).await.map_err(told)?;
            if part.is_empty() {
                break;
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
        link.client.batch_execute("CLOSE walk").await.map_err(told)?;
    }
    link.client.batch_execute("COMMIT").await.map_err(told)?;
    Ok(news)
}

/// Takes note anew of which commit wrote each watched row. However many there are: it is given up
/// where the database takes too long for a part of them.
pub(super) async fn learn(link: &Link, changes: &Changes, warrant: &Warrant) -> Result<(), Failed> {
    warrant.forget();
    in_time(link.client.batch_execute(TRACK)).await?;
    for range in changes.watched() {
        in_time(link.client.execute(TRACK_RANGE, &[&range.start, &range.end])).await?;
        loop {
            let part = in_time(link.client.query(PART, &[])).await?;
            if part.is_empty() {
                break;
            }
            for row in &part {
                let key: Vec<u8> = row.try_get(0).map_err(failed)?;
                let number: i64 = row.try_get(1).map_err(failed)?;
                warrant.note_at(&key, Revision(u64::try_from(number).unwrap_or(0)), true);
            }
        }
        in_time(link.client.batch_execute("CLOSE walk")).await?;
    }
    in_time(link.client.batch_execute("COMMIT")).await
}

async fn in_time<T>(asked: impl Future<Output = Result<T, Error>>) -> Result<T, Failed> {
    let late = |_late| Failed::Passing("the rows were not read in time".to_owned());
    timeout(PART_TIME, asked).await.map_err(late)?.map_err(failed)
}
