//! The statements, all of them.

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Statement as Prepared};

/// What a statement is given.
pub(super) type Parameter<'a> = dyn ToSql + Sync + 'a;

const GET: &str = "SELECT k, v, ver, mac FROM strongroom.kv WHERE k = ANY($1)";
const SCAN_UP: &str =
    "SELECT k, v, ver, mac FROM strongroom.kv WHERE k >= $1 AND k < $2 ORDER BY k ASC LIMIT $3";
const SCAN_DOWN: &str =
    "SELECT k, v, ver, mac FROM strongroom.kv WHERE k >= $1 AND k < $2 ORDER BY k DESC LIMIT $3";

/// What a walk shows, fetched in parts, and what is kept track of.
pub(super) const WALK: &str = "
DECLARE walk NO SCROLL CURSOR FOR SELECT k, v, ver, mac FROM strongroom.kv
WHERE k < $1 OR k >= $2";
pub(super) const WALK_SORTED: &str = "
DECLARE walk NO SCROLL CURSOR FOR SELECT k, v, ver, mac FROM strongroom.kv
WHERE k >= $1 AND k < $2 ORDER BY k";
pub(super) const TRACK: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
pub(super) const PART: &str = "FETCH 1000 FROM walk";

/// Begins to show which commit wrote each row from one key to another.
pub(super) const TRACK_RANGE: &str = "
DECLARE walk NO SCROLL CURSOR FOR SELECT k, ver FROM strongroom.kv WHERE k >= $1 AND k < $2";

/// Everything that becomes visible after one moment: rows of transactions that the last snapshot did
/// not see. A snapshot that is older than what was pruned cannot be told everything.
const PROBE: &str = "
WITH now AS (
    SELECT pg_current_snapshot()::text AS snapshot,
           (SELECT x FROM strongroom.pruned) > pg_snapshot_xmin($1::text::pg_snapshot) AS late
)
SELECT now.snapshot, now.late, c.k, c.v, c.ver, c.mac
FROM now LEFT JOIN strongroom.changes c
    ON c.x >= pg_snapshot_xmin($1::text::pg_snapshot)
    AND NOT pg_visible_in_snapshot(c.x, $1::text::pg_snapshot)
ORDER BY c.ver, c.n";

/// Keys are locked in one order by everybody, so that nobody waits in a circle. Those that a group
/// has conditions on and leaves as they are may be so locked by many at a time.
const LOCK: &str = "
SELECT CASE WHEN changes THEN pg_advisory_xact_lock(key)::text
            ELSE pg_advisory_xact_lock_shared(key)::text END
FROM unnest($1::bigint[], $2::boolean[]) AS locked (key, changes)";
/// What the keys are that a group concerns, some of them with their values, and a new number for each
/// of its commits.
const BEGUN: &str = "
SELECT k, ver, mac, CASE WHEN k = ANY($3) THEN v END FROM strongroom.kv WHERE k = ANY($1)
UNION ALL
SELECT NULL, nextval('strongroom.revision'), NULL, NULL FROM generate_series(1, $2::bigint)";
const GO_ON: &str = "
SELECT setval('strongroom.revision', greatest($1, last_value)) FROM strongroom.revision";
/// All that a group writes. No key is both put and deleted.
const WRITE: &str = "
WITH put AS (
    INSERT INTO strongroom.kv (k, v, ver, mac)
    SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::bytea[])
    ON CONFLICT (k) DO UPDATE SET v = excluded.v, ver = excluded.ver, mac = excluded.mac
), deleted AS (
    DELETE FROM strongroom.kv WHERE k = ANY($5)
), told AS (
    INSERT INTO strongroom.changes (x, n, k, v, ver, mac)
    SELECT pg_current_xact_id(), told.n, told.k, told.v, told.ver, told.mac
    FROM unnest($6::integer[], $7::bytea[], $8::bytea[], $9::bigint[], $10::bytea[])
        AS told (n, k, v, ver, mac)
)
INSERT INTO strongroom.outcomes (id) VALUES ($11)";
/// Changes a row: a commit that changes nothing waits for no disk.
const HAPPENED: &str = "UPDATE strongroom.outcomes SET at = now() WHERE id = $1";

#[derive(Clone)]
pub(super) struct Statements {
    pub(super) get: Prepared,
    pub(super) scan_up: Prepared,
    pub(super) scan_down: Prepared,
    pub(super) probe: Prepared,
    pub(super) lock: Prepared,
    pub(super) begun: Prepared,
    pub(super) go_on: Prepared,
    pub(super) write: Prepared,
    pub(super) happened: Prepared,
}

impl Statements {
    pub(super) async fn prepare(client: &Client) -> Result<Self, Error> {
        Ok(Self {
            get: client.prepare(GET).await?,
            scan_up: client.prepare(SCAN_UP).await?,
            scan_down: client.prepare(SCAN_DOWN).await?,
            probe: client.prepare(PROBE).await?,
            lock: client.prepare(LOCK).await?,
            begun: client.prepare(BEGUN).await?,
            go_on: client.prepare(GO_ON).await?,
            write: client.prepare(WRITE).await?,
            happened: client.prepare(HAPPENED).await?,
        })
    }
}
