//! PostgreSQL servers of a test's own: a primary and, if asked for, standbys.

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A server in a temporary directory, run by a user who is not root.
pub(crate) struct Server {
    directory: tempfile::TempDir,
    pub(crate) port: u16,
}

/// Where Debian installs the programs; the newest version comes first.
fn program(name: &str) -> PathBuf {
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .expect("PostgreSQL is not installed")
        .map(|entry| entry.unwrap().path())
        .collect();
    versions.sort();
    versions.pop().expect("PostgreSQL is not installed").join("bin").join(name)
}

/// User and group `postgres`, which the server is run as where the tests are root.
fn other_user() -> Option<(u32, u32)> {
    use std::os::unix::fs::MetadataExt;
    let own = std::fs::metadata("/proc/self").unwrap().uid();
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = users.lines().find(|line| line.starts_with("postgres:"))?;
    let mut fields = line.split(':').skip(2).map(|field| field.parse().unwrap());
    let ids = (fields.next()?, fields.next()?);
    (own == 0).then_some(ids)
}

fn run(name: &str, arguments: &[&str]) {
    let mut command = Command::new(program(name));
    command.args(arguments).current_dir("/").stdout(Stdio::null()).stderr(Stdio::piped());
    if let Some((user, group)) = other_user() {
        command.uid(user).gid(group);
    }
    let done = command.output().unwrap();
    assert!(done.status.success(), "{name}: {}", String::from_utf8_lossy(&done.stderr));
}

/// Runs `psql`.
pub(crate) fn psql(arguments: &[&str]) {
    run("psql", arguments);
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn home() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    if let Some((user, group)) = other_user() {
        std::os::unix::fs::chown(directory.path(), Some(user), Some(group)).unwrap();
    }
    directory
}

impl Server {
    /// Makes and starts a primary.
    pub(crate) fn start() -> Self {
        let server = Self { directory: home(), port: free_port() };
        let data = server.data();
        let data = data.to_str().unwrap();
        run("initdb", &["-D", data, "-U", "strongroom", "--auth=trust", "--no-sync"]);
        server.up();
        server
    }

    /// Makes a standby of this server, and starts it.
    pub(crate) fn standby(&self, name: &str) -> Self {
        let server = Self { directory: home(), port: free_port() };
        let data = server.data();
        let from =
            format!("host=127.0.0.1 port={} user=strongroom application_name={name}", self.port);
        run(
            "pg_basebackup",
            &[
                "-D",
                data.to_str().unwrap(),
                "-d",
                &from,
                "-R",
                "-X",
                "stream",
                "-c",
                "fast",
                "--no-sync",
            ],
        );
        server.up();
        server
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Starts it, or starts it again.
    pub(crate) fn up(&self) {
        let options = format!(
            "-p {} -h 127.0.0.1 -k {} -c max_connections=300 -c fsync=off -c wal_level=replica",
            self.port,
            self.directory.path().display()
        );
        self.control(&["-o", &options, "start"]);
    }

    pub(crate) fn control(&self, arguments: &[&str]) {
        let (data, log) = (self.data(), self.directory.path().join("log"));
        let mut all = vec!["-D", data.to_str().unwrap(), "-w", "-l", log.to_str().unwrap()];
        all.extend(arguments);
        run("pg_ctl", &all);
    }

    /// Kills every process of it with SIGKILL.
    pub(crate) async fn kill(&self) {
        let pid = std::fs::read_to_string(self.data().join("postmaster.pid")).unwrap();
        let pid = pid.lines().next().unwrap().to_owned();
        let mut command = Command::new("kill");
        assert!(command.args(["-9", &pid]).status().unwrap().success());
        // Its processes see that it is gone, and end by themselves.
        while Path::new(&format!("/proc/{pid}")).exists() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    /// Kills one of the processes that serve a client of ours.
    pub(crate) fn kill_a_backend(&self) {
        let file = self.data().join("backend");
        self.sql(&format!(
            "COPY (SELECT pid FROM pg_stat_activity WHERE application_name = 'strongroom' LIMIT 1) \
             TO '{}'",
            file.display()
        ));
        let pid = std::fs::read_to_string(file).unwrap();
        run("pg_ctl", &["kill", "KILL", pid.trim()]);
    }

    pub(crate) fn sql(&self, statement: &str) {
        let port = self.port.to_string();
        let where_ = ["-h", "127.0.0.1", "-p", &port, "-U", "strongroom", "-d", "postgres"];
        run("psql", &[&where_[..], &["-v", "ON_ERROR_STOP=1", "-c", statement]].concat());
    }

    /// Makes a database and returns its URL.
    pub(crate) fn new_database(&self, name: &str) -> String {
        self.sql(&format!("CREATE DATABASE {name}"));
        format!("postgres://strongroom@127.0.0.1:{}/{name}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let data = self.data();
        let mut command = Command::new(program("pg_ctl"));
        command.args(["-D", data.to_str().unwrap(), "-m", "immediate", "stop"]);
        command.current_dir("/").stdout(Stdio::null()).stderr(Stdio::null());
        if let Some((user, group)) = other_user() {
            command.uid(user).gid(group);
        }
        // One that was killed is not there to be stopped.
        let _stopped = command.status();
    }
}
