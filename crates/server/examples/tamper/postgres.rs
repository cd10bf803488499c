//! A PostgreSQL server of the run's own, with the rows of the history in it.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use strongroom_server::WATCHED;
use strongroom_store::Postgres;
use tokio_postgres::{Client, NoTls};

use crate::edits::Edit;
use crate::history::{History, Stored};

const INSERT: &str = "INSERT INTO strongroom.kv (k, ver, mac, v) VALUES ($1, $2, $3, $4)";

/// A server in a temporary directory, run by a user who is not root.
pub(crate) struct Server {
    directory: tempfile::TempDir,
    port: u16,
}

fn run(name: &str, arguments: &[&str]) {
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .expect("PostgreSQL is not installed")
        .map(|entry| entry.unwrap().path())
        .collect();
    versions.sort();
    let program = versions.pop().expect("PostgreSQL is not installed").join("bin").join(name);
    let mut command = Command::new(program);
    command.args(arguments).current_dir("/").stdout(Stdio::null()).stderr(Stdio::piped());
    if let Some((user, group)) = other_user() {
        command.uid(user).gid(group);
    }
    let done = command.output().unwrap();
    assert!(done.status.success(), "{name}: {}", String::from_utf8_lossy(&done.stderr));
}

/// User and group `postgres`, where the run is root's.
fn other_user() -> Option<(u32, u32)> {
    use std::os::unix::fs::MetadataExt;
    let own = std::fs::metadata("/proc/self").unwrap().uid();
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = users.lines().find(|line| line.starts_with("postgres:"))?;
    let mut fields = line.split(':').skip(2).map(|field| field.parse().unwrap());
    let ids = (fields.next()?, fields.next()?);
    (own == 0).then_some(ids)
}

impl Server {
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        if let Some((user, group)) = other_user() {
            std::os::unix::fs::chown(directory.path(), Some(user), Some(group)).unwrap();
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { directory, port };
        let (data, home) = (server.data(), server.directory.path().display().to_string());
        run("initdb", &["-D", &data, "-U", "strongroom", "--auth=trust", "--no-sync"]);
        let options = format!(
            "-c port={port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={home} -c fsync=off"
        );
        run("pg_ctl", &["-D", &data, "-w", "-l", &format!("{home}/log"), "-o", &options, "start"]);
        server
    }

    fn data(&self) -> String {
        self.directory.path().join("data").display().to_string()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        run("pg_ctl", &["-D", &self.data(), "-m", "immediate", "stop"]);
    }
}

/// A database with the rows, and a connection that edits them.
pub(crate) struct Database {
    pub(crate) url: String,
    client: Client,
}

impl Database {
    pub(crate) async fn make(history: &History, server: &Server) -> Self {
        let url = format!("postgres://strongroom@127.0.0.1:{}/postgres", server.port);
        drop(Postgres::open(&url, None, WATCHED, Arc::new(history.ledger())).await.unwrap());
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        let insert = client.prepare(INSERT).await.unwrap();
        for (key, Stored { revision, mac, value }) in history.now() {
            client.execute(&insert, &[key, revision, mac, value]).await.unwrap();
        }
        let kept = "CREATE TABLE truth AS SELECT * FROM strongroom.kv;
                    SELECT setval('strongroom.revision', (SELECT max(ver) FROM strongroom.kv))";
        client.batch_execute(kept).await.unwrap();
        Self { url, client }
    }

    pub(crate) async fn restore(&self) {
        let restore = "BEGIN; DELETE FROM strongroom.kv;
                       INSERT INTO strongroom.kv SELECT * FROM truth; COMMIT";
        self.client.batch_execute(restore).await.unwrap();
    }

    pub(crate) async fn edit(&self, edit: &Edit) {
        self.client.batch_execute("BEGIN").await.unwrap();
        for (key, row) in &edit.rows {
            let delete = "DELETE FROM strongroom.kv WHERE k = $1";
            self.client.execute(delete, &[key]).await.unwrap();
            if let Some(Stored { revision, mac, value }) = row {
                self.client.execute(INSERT, &[key, revision, mac, value]).await.unwrap();
            }
        }
        self.client.batch_execute("COMMIT").await.unwrap();
    }
}
