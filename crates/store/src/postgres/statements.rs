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
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
DECLARE walk NO SCROLL CURSOR FOR SELECT k, v, ver, mac FROM strongroom.kv ORDER BY k";
pub(super) const TRACK: &str = "
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
DECLARE walk NO SCROLL CURSOR FOR SELECT k, ver FROM strongroom.kv";
pub(super) const PART: &str = "FETCH 1000 FROM walk";

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

/// Keys are locked in one order by everybody, so that nobody waits in a circle.
const LOCK: &str = "SELECT pg_advisory_xact_lock(key) FROM unnest($1::bigint[]) AS key";
const REVISIONS: &str = "SELECT k, ver, mac FROM strongroom.kv WHERE k = ANY($1)";
const NUMBERS: &str = "SELECT nextval('strongroom.revision') FROM generate_series(1, $1::bigint)";
const GO_ON: &str = "
SELECT setval('strongroom.revision', greatest($1, last_value)) FROM strongroom.revision";
const PUT: &str = "
INSERT INTO strongroom.kv (k, v, ver, mac)
SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::bytea[])
ON CONFLICT (k) DO UPDATE SET v = excluded.v, ver = excluded.ver, mac = excluded.mac";
const DELETE: &str = "DELETE FROM strongroom.kv WHERE k = ANY($1)";
const TELL: &str = "
INSERT INTO strongroom.changes (x, n, k, v, ver, mac)
SELECT pg_current_xact_id(), told.n, told.k, told.v, told.ver, told.mac
FROM unnest($1::integer[], $2::bytea[], $3::bytea[], $4::bigint[], $5::bytea[])
    AS told (n, k, v, ver, mac)";
const OUTCOME: &str = "INSERT INTO strongroom.outcomes (id) VALUES ($1)";
const HAPPENED: &str = "SELECT EXISTS (SELECT FROM strongroom.outcomes WHERE id = $1)";

#[derive(Clone)]
pub(super) struct Statements {
    pub(super) get: Prepared,
    pub(super) scan_up: Prepared,
    pub(super) scan_down: Prepared,
    pub(super) probe: Prepared,
    pub(super) lock: Prepared,
    pub(super) revisions: Prepared,
    pub(super) numbers: Prepared,
    pub(super) go_on: Prepared,
    pub(super) put: Prepared,
    pub(super) delete: Prepared,
    pub(super) tell: Prepared,
    pub(super) outcome: Prepared,
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
            revisions: client.prepare(REVISIONS).await?,
            numbers: client.prepare(NUMBERS).await?,
            go_on: client.prepare(GO_ON).await?,
            put: client.prepare(PUT).await?,
            delete: client.prepare(DELETE).await?,
            tell: client.prepare(TELL).await?,
            outcome: client.prepare(OUTCOME).await?,
            happened: client.prepare(HAPPENED).await?,
        })
    }
}
