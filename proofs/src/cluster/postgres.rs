//! A PostgreSQL server on a machine, primary or standby, over TLS.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::network::Machine;
use super::tls::Authority;
use crate::Outcome;

const PORT: u16 = 5432;
const END_SECS_MAX: u64 = 20;

/// A server and its files.
#[derive(Debug)]
pub(crate) struct Postgres {
    pub(crate) machine: Machine,
    port: u16,
    directory: tempfile::TempDir,
    name: &'static str,
}

impl Postgres {
    /// Makes the directory of a server that is to run on a machine.
    fn on(machine: Machine, name: &'static str, authority: &Authority) -> Outcome<Self> {
        let directory = tempfile::Builder::new().prefix("strongroom-proof-").tempdir()?;
        let port = machine.free_port(PORT)?;
        let server = Self { machine, port, directory, name };
        own(server.directory.path())?;
        let (certificate, key) = authority.certificate(server.machine.address)?;
        write(&server.path("server.crt"), certificate.as_bytes())?;
        write(&server.path("server.key"), key.as_bytes())?;
        Ok(server)
    }

    /// Makes and starts a primary, with a database for the nodes.
    pub(crate) fn primary(
        machine: Machine,
        name: &'static str,
        authority: &Authority,
    ) -> Outcome<Self> {
        let server = Self::on(machine, name, authority)?;
        let data = server.data().display().to_string();
        let how = ["-U", "strongroom", "--auth=trust", "--no-sync"];
        server.run("initdb", &[&["-D", &data], &how[..]].concat())?;
        let mut hba =
            fs::OpenOptions::new().append(true).open(server.data().join("pg_hba.conf"))?;
        hba.write_all(b"host all all 0.0.0.0/0 trust\nhost replication all 0.0.0.0/0 trust\n")?;
        server.start()?;
        server.sql("postgres", "CREATE DATABASE vault")?;
        Ok(server)
    }

    /// Makes a standby of another server and starts it.
    pub(crate) fn standby(
        machine: Machine,
        name: &'static str,
        authority: &Authority,
        primary: &Self,
    ) -> Outcome<Self> {
        let server = Self::on(machine, name, authority)?;
        server.copy(primary)?;
        server.start()?;
        Ok(server)
    }

    /// Copies everything from `primary`, to follow it.
    fn copy(&self, primary: &Self) -> Outcome<()> {
        let from = format!(
            "host={} port={} user=strongroom application_name={}",
            primary.machine.address, primary.port, self.name
        );
        let data = self.data().display().to_string();
        let how = ["-R", "-X", "stream", "-c", "fast", "--no-sync"];
        self.run("pg_basebackup", &[&["-D", &data, "-d", &from], &how[..]].concat())?;
        self.wait_for_standbys(None)
    }

    /// Throws away what it has and follows `primary`.
    pub(crate) fn follow(&self, primary: &Self) -> Outcome<()> {
        self.kill()?;
        fs::remove_dir_all(self.data())?;
        self.copy(primary)?;
        self.start()
    }

    /// Starts it, or starts it again after it was killed.
    pub(crate) fn start(&self) -> Outcome<()> {
        // Locks of a killed server are left, and hold as long as nobody has waited for its process.
        let socket = format!(".s.PGSQL.{}.lock", self.port);
        for lock in ["data/postmaster.pid", &socket].map(|name| self.path(name)) {
            if lock.exists() {
                fs::remove_file(lock)?;
            }
        }
        let options = format!(
            "-p {} -h {} -k {} -c max_connections=200 -c fsync=off -c wal_level=replica \
             -c wal_sender_timeout=5s -c wal_receiver_timeout=5s -c ssl=on -c ssl_cert_file='{}' \
             -c ssl_key_file='{}' -c shared_buffers=32MB",
            self.port,
            self.machine.address,
            self.directory.path().display(),
            self.path("server.crt").display(),
            self.path("server.key").display(),
        );
        self.control(&["-o", &options, "start"])
    }

    /// Makes commits wait for a standby of this name, or for none; from the next start or at once.
    pub(crate) fn wait_for_standbys(&self, name: Option<&str>) -> Outcome<()> {
        let value = name.map(|name| format!("ANY 1 ({name})")).unwrap_or_default();
        let path = self.data().join("postgresql.auto.conf");
        let mut file = fs::OpenOptions::new().append(true).open(path)?;
        writeln!(file, "synchronous_standby_names = '{value}'")?;
        if self.data().join("postmaster.pid").exists() {
            self.control(&["reload"])?;
        }
        Ok(())
    }

    /// Makes a standby the primary.
    pub(crate) fn promote(&self) -> Outcome<()> {
        self.control(&["promote"])
    }

    /// Waits until `standby` follows this server and commits wait for it.
    pub(crate) fn follower_is_there(&self, standby: &Self) -> Outcome<()> {
        let began = Instant::now();
        let asked = format!(
            "SELECT count(*) FROM pg_stat_replication WHERE application_name = '{}' \
             AND sync_state IN ('sync', 'quorum')",
            standby.name
        );
        while self.sql("postgres", &asked)?.trim() != "1" {
            if began.elapsed().as_secs() > END_SECS_MAX {
                return Err("the standby does not follow".into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    /// Kills it and every process of it with SIGKILL.
    pub(crate) fn kill(&self) -> Outcome<()> {
        let Ok(text) = fs::read_to_string(self.data().join("postmaster.pid")) else {
            return Ok(());
        };
        let pid = text.lines().next().unwrap_or_default().to_owned();
        let mut all = children(&pid);
        all.push(pid);
        for pid in &all {
            // One that has ended by itself is as good.
            let _killed = std::process::Command::new("kill").args(["-9", pid]).output()?;
        }
        let began = Instant::now();
        while all.iter().any(|pid| runs(pid)) {
            if began.elapsed().as_secs() > END_SECS_MAX {
                return Err("a killed server does not end".into());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(fs::remove_file(self.data().join("postmaster.pid"))?)
    }

    /// Runs a statement and returns what it tells, without headings.
    pub(crate) fn sql(&self, database: &str, statement: &str) -> Outcome<String> {
        let directory = self.directory.path().display().to_string();
        let port = self.port.to_string();
        let to = ["-h", &directory, "-p", &port, "-U", "strongroom", "-d", database];
        self.run("psql", &[&to[..], &["-v", "ON_ERROR_STOP=1", "-Atqc", statement]].concat())
    }

    fn control(&self, words: &[&str]) -> Outcome<()> {
        let (data, log) = (self.data().display().to_string(), self.path("log"));
        let log = log.display().to_string();
        let all = [&["-D", &data, "-w", "-l", &log], words].concat();
        let done = self.run("pg_ctl", &all);
        done.map(|_told| ()).map_err(|error| {
            let said = fs::read_to_string(&log).unwrap_or_default();
            let last: Vec<&str> = said.lines().rev().take(3).collect();
            format!("{error}{}: {}", self.name, last.join(" | ")).into()
        })
    }

    fn run(&self, name: &str, words: &[&str]) -> Outcome<String> {
        let program = program(name)?.display().to_string();
        let mut command = match other_user()? {
            Some((user, group)) => {
                let mut command = self.machine.command("setpriv");
                let (user, group) = (format!("--reuid={user}"), format!("--regid={group}"));
                command.args([user.as_str(), &group, "--clear-groups", &program]);
                command
            }
            None => self.machine.command(&program),
        };
        // What a started server inherits must not be a pipe that is waited for.
        let told = self.directory.path().join(format!("{name}.told"));
        let out = fs::File::create(&told)?;
        let errors = out.try_clone()?;
        command.args(words).current_dir("/").stdin(Stdio::null()).stdout(out).stderr(errors);
        let status = command.status()?;
        let text = fs::read_to_string(&told)?;
        if status.success() { Ok(text) } else { Err(format!("{name}: {text}").into()) }
    }

    fn data(&self) -> PathBuf {
        self.path("data")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            eprintln!("a database was not ended: {error}");
        }
    }
}

/// The URL of a database with these hosts.
pub(crate) fn url(hosts: &[&Postgres]) -> String {
    let hosts: Vec<String> =
        hosts.iter().map(|one| format!("{}:{}", one.machine.address, one.port)).collect();
    format!("postgres://strongroom@{}/vault?sslmode=require", hosts.join(","))
}

/// Where Debian installs the programs; the newest version is taken.
fn program(name: &str) -> Outcome<PathBuf> {
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")?
        .map(|entry| entry.map(|entry| entry.path().join("bin").join(name)))
        .collect::<Result<_, _>>()?;
    versions.retain(|path| path.exists());
    versions.sort();
    Ok(versions.pop().ok_or("PostgreSQL is not installed")?)
}

/// User and group `postgres`, as the server refuses to be root.
fn other_user() -> Outcome<Option<(u32, u32)>> {
    if fs::metadata("/proc/self")?.uid() != 0 {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let line = users.lines().find(|line| line.starts_with("postgres:"));
    let mut fields = line.ok_or("there is no user `postgres`")?.split(':').skip(2);
    let mut id = || -> Outcome<u32> { Ok(fields.next().unwrap_or_default().parse()?) };
    Ok(Some((id()?, id()?)))
}

fn own(path: &Path) -> Outcome<()> {
    if let Some((user, group)) = other_user()? {
        chown(path, Some(user), Some(group))?;
    }
    Ok(())
}

fn write(path: &Path, content: &[u8]) -> Outcome<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path)?.write_all(content)?;
    own(path)
}

fn children(parent: &str) -> Vec<String> {
    let of = |pid: &String| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after_name = stat.rsplit_once(')').map(|(_, rest)| rest.to_owned()).unwrap_or_default();
        after_name.split_whitespace().nth(1) == Some(parent)
    };
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    all.map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        .filter(of)
        .collect()
}

fn runs(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest.to_owned()).unwrap_or_default();
    !state.is_empty() && !state.starts_with('Z')
}
