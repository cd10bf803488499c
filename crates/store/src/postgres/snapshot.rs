//! All rows as of one moment.

use std::sync::Arc;

use tokio_postgres::Statement;

use super::checked;
use super::hosts::{Failed, Link, failed};
use super::statements::Parameter;
use crate::types::{Answer, Revision, Snapshot, StoreError, Versioned};
use crate::warrant::Warrant;

/// Whoever takes the rows may be slow, at a disk that is.
const BEGIN: &str = "
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL idle_in_transaction_session_timeout = '10min'";

/// The first statement that reads makes the snapshot. A sequence is never behind what it sees.
const LAST: &str = "SELECT count(*), (SELECT last_value FROM strongroom.revision)
    FROM (SELECT FROM strongroom.kv LIMIT 1) AS one";
const NEXT: &str = "SELECT k, v, ver, mac FROM strongroom.kv WHERE k > $1 ORDER BY k ASC LIMIT $2";

/// A connection of its own in a transaction that only reads.
#[derive(Debug)]
pub(super) struct PostgresSnapshot {
    link: Link,
    next: Statement,
    warrant: Arc<Warrant>,
    last: Revision,
    after: Vec<u8>,
}

impl PostgresSnapshot {
    pub(super) async fn begin(link: Link, warrant: Arc<Warrant>) -> Result<Self, Failed> {
        link.client.batch_execute(BEGIN).await.map_err(failed)?;
        let row = link.client.query_one(LAST, &[]).await.map_err(failed)?;
        let last: i64 = row.try_get(1).map_err(failed)?;
        let next = link.client.prepare(NEXT).await.map_err(failed)?;
        let negative = StoreError::Corrupt("the last revision is negative".to_owned());
        let last = u64::try_from(last).map_err(|_error| Failed::Lasting(negative))?;
        Ok(Self { link, next, warrant, last: Revision(last), after: Vec::new() })
    }

    async fn rows(&mut self, limit: usize) -> Result<Vec<(Vec<u8>, Versioned)>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let from: [&Parameter<'_>; 2] = [&self.after, &limit];
        let found = self.link.client.query(&self.next, &from).await;
        let found = found.map_err(|error| failed(error).told())?;
        let rows: Vec<_> =
            found.iter().map(|row| checked(row, &self.warrant)).collect::<Result<_, _>>()?;
        if let Some((key, _)) = rows.last() {
            self.after.clone_from(key);
        }
        Ok(rows)
    }
}

impl Snapshot for PostgresSnapshot {
    fn last(&self) -> Revision {
        self.last
    }

    fn next(&mut self, limit: usize) -> Answer<'_, Vec<(Vec<u8>, Versioned)>> {
        Box::pin(self.rows(limit))
    }
}
