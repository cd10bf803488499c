//! What stands in the database, and how it gets there.

use tokio_postgres::Client;

use super::hosts::{Failed, failed};
use crate::types::StoreError;

/// The form of the tables. One that is older or newer is left alone.
const FORMAT: i32 = 2;

/// One at a time makes the tables.
const LOCK: &str = "SELECT pg_advisory_lock(7813946271834650111)";
const UNLOCK: &str = "SELECT pg_advisory_unlock(7813946271834650111)";

/// Rows of up to a page stay in one piece: a version of a small secret is a little longer than what
/// PostgreSQL moves elsewhere by itself, to a second table with an index of its own.
const IN_ONE_PIECE: &str = "
SET lock_timeout = '1s';
ALTER TABLE strongroom.kv SET (toast_tuple_target = 8160);
RESET lock_timeout";
const IS_IN_ONE_PIECE: &str = "
SELECT coalesce('toast_tuple_target=8160' = ANY(reloptions), false)
FROM pg_class WHERE oid = 'strongroom.kv'::regclass";

/// `outcomes` has a row for each group of commits: whether it happened can be asked by another
/// connection when the one that made it breaks. `changes` has watched rows as they were written, with
/// the transaction; `pruned` tells up to which transaction they were removed.
const TABLES: &str = "
BEGIN;
CREATE SCHEMA strongroom;
CREATE TABLE strongroom.format (number integer NOT NULL);
INSERT INTO strongroom.format VALUES (2);
CREATE TABLE strongroom.kv (
    k bytea PRIMARY KEY, v bytea NOT NULL, ver bigint NOT NULL, mac bytea NOT NULL
);
ALTER TABLE strongroom.kv ALTER COLUMN v SET STORAGE EXTERNAL;
CREATE TABLE strongroom.changes (
    x xid8 NOT NULL, n integer NOT NULL, k bytea NOT NULL, v bytea, ver bigint NOT NULL,
    mac bytea NOT NULL, at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX changes_x ON strongroom.changes (x);
CREATE TABLE strongroom.pruned (x xid8 NOT NULL);
INSERT INTO strongroom.pruned VALUES ('0');
CREATE TABLE strongroom.outcomes (id bytea PRIMARY KEY, at timestamptz NOT NULL DEFAULT now());
CREATE INDEX outcomes_at ON strongroom.outcomes (at);
CREATE SEQUENCE strongroom.revision;
COMMIT;
";

/// Makes the tables if they are not there, and refuses those of another form.
pub(super) async fn prepare(client: &Client) -> Result<(), Failed> {
    client.batch_execute(LOCK).await.map_err(failed)?;
    let done = under_lock(client).await;
    client.batch_execute(UNLOCK).await.map_err(failed)?;
    done
}

async fn under_lock(client: &Client) -> Result<(), Failed> {
    let known = client.query_one("SELECT to_regclass('strongroom.format')::text", &[]).await;
    let known: Option<String> = known.and_then(|row| row.try_get(0)).map_err(failed)?;
    if known.is_none() {
        client.batch_execute(TABLES).await.map_err(failed)?;
    }
    let number = client.query_one("SELECT number FROM strongroom.format", &[]).await;
    let number: i32 = number.and_then(|row| row.try_get(0)).map_err(failed)?;
    if number == FORMAT {
        // Whoever may not, or not now, goes on without: the next start tries again.
        if let Err(error) = keep_in_one_piece(client).await {
            tracing::warn!(?error, "rows of more than 2 KiB stay in pieces");
        }
        return Ok(());
    }
    let message = format!("the database has format {number}; this version reads {FORMAT}");
    Err(Failed::Lasting(StoreError::Foreign(message)))
}

async fn keep_in_one_piece(client: &Client) -> Result<(), Failed> {
    let is_done = client.query_one(IS_IN_ONE_PIECE, &[]).await;
    if is_done.and_then(|row| row.try_get(0)).map_err(failed)? {
        return Ok(());
    }
    client.batch_execute(IN_ONE_PIECE).await.map_err(failed)
}
