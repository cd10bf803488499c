//! A server of ours on a machine.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::network::Machine;
use crate::Outcome;
use crate::http::Client;

const PORT: u16 = 8480;
const END_TIME: Duration = Duration::from_secs(1);
const READY_SECS_MAX: u64 = 30;

/// A node, which is killed when dropped.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) machine: Machine,
    port: u16,
    directory: PathBuf,
    /// What the server is run by, and its arguments.
    under: Vec<String>,
    process: Option<Child>,
}

impl Node {
    /// Makes the directory and the configuration of a node, with the URL of a database and its
    /// authorities if it is not to have its own.
    pub(crate) fn new(
        machine: Machine,
        directory: &Path,
        database: Option<(&str, &str)>,
    ) -> Outcome<Self> {
        fs::create_dir_all(directory)?;
        let port = machine.free_port(PORT)?;
        write_private(&directory.join("passphrase"), b"of the proofs\n")?;
        let (place, address) = (directory.display(), machine.address);
        let mut text = format!(
            "data_dir = '{place}/data'\nlisten = '{address}:{port}'\n\
             [unseal]\npassphrase_file = '{place}/passphrase'\n"
        );
        if let Some((url, authorities)) = database {
            write_private(&directory.join("url"), url.as_bytes())?;
            fs::write(directory.join("authorities.pem"), authorities)?;
            let table =
                format!("url_file = '{place}/url'\nauthorities = '{place}/authorities.pem'");
            text = format!("{text}[database]\n{table}\n");
        }
        fs::write(directory.join("strongroom.toml"), text)?;
        let directory = directory.to_owned();
        Ok(Self { machine, port, directory, under: Vec::new(), process: None })
    }

    /// Makes a node with a database of its own, at the loopback.
    pub(crate) fn of_this_machine(directory: &Path) -> Outcome<Self> {
        Self::new(Machine::this(), directory, None)
    }

    /// Runs the server by another program from the next start on; by none, if there are no words.
    pub(crate) fn run_under(&mut self, words: &[&str]) {
        self.under = words.iter().map(|word| (*word).to_owned()).collect();
    }

    /// Founds the tenancy, and returns what that prints.
    pub(crate) fn init(&self) -> Outcome<String> {
        let done = self.strongroom("init")?.output()?;
        if !done.status.success() {
            return Err(String::from_utf8_lossy(&done.stderr).into_owned().into());
        }
        Ok(String::from_utf8(done.stdout)?)
    }

    /// Takes the sealed root key of another node.
    pub(crate) fn share_root_key(&self, other: &Self) -> Outcome<()> {
        let mut builder = fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(self.directory.join("data"))?;
        for name in ["root.key", "strongroom.lock"] {
            let content = fs::read(other.directory.join("data").join(name))?;
            write_private(&self.directory.join("data").join(name), &content)?;
        }
        Ok(())
    }

    pub(crate) fn start(&mut self) -> Outcome<()> {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log())?;
        let before = fs::metadata(self.log())?.len();
        let child = self.strongroom("serve")?.stdin(Stdio::null()).stderr(log).spawn()?;
        self.process = Some(child);
        let began = Instant::now();
        loop {
            let log = fs::read(self.log())?;
            let said = log.get(usize::try_from(before)?..).unwrap_or_default();
            if said.windows(7).any(|bytes| bytes == b"\"ready\"") {
                return Ok(());
            }
            let ended = self.process.as_mut().and_then(|child| child.try_wait().ok().flatten());
            if ended.is_some() || began.elapsed().as_secs() > READY_SECS_MAX {
                return Err(format!("not ready: {}", String::from_utf8_lossy(said)).into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it with SIGKILL.
    pub(crate) fn kill(&mut self) -> Outcome<()> {
        if let Some(mut child) = self.process.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Waits a second for the process to end, and tells whether it did well; nothing if it goes on.
    pub(crate) fn ended_well(&mut self) -> Outcome<Option<bool>> {
        let Some(child) = &mut self.process else { return Ok(None) };
        let began = Instant::now();
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(Some(status.success()));
            }
            if began.elapsed() > END_TIME {
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.address())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from((self.machine.address, self.port))
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    fn strongroom(&self, what: &str) -> Outcome<Command> {
        let binary = binary()?.display().to_string();
        let mut command = match self.under.split_first() {
            Some((program, words)) => {
                let mut command = self.machine.command(program);
                command.args(words).arg(binary);
                command
            }
            None => self.machine.command(&binary),
        };
        command.arg(what).arg("--config").arg(self.directory.join("strongroom.toml"));
        Ok(command)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            eprintln!("a node was not ended: {error}");
        }
    }
}

/// The server under test, which is built beside this program.
pub(crate) fn binary() -> Outcome<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name("strongroom"))
}

/// Makes a file that its owner alone may read.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Outcome<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    Ok(file.write_all(content)?)
}
