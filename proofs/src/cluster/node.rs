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
const READY_SECS_MAX: u64 = 30;

/// A node, which is killed when dropped.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) machine: Machine,
    directory: PathBuf,
    process: Option<Child>,
}

impl Node {
    /// Makes the directory and the configuration of a node.
    pub(crate) fn new(machine: Machine, directory: &Path, database: (&str, &str)) -> Outcome<Self> {
        fs::create_dir_all(directory)?;
        let (url, authorities) = database;
        write_private(&directory.join("passphrase"), b"of the proofs\n")?;
        write_private(&directory.join("url"), url.as_bytes())?;
        fs::write(directory.join("authorities.pem"), authorities)?;
        let (place, address) = (directory.display(), machine.address);
        let text = format!(
            "data_dir = '{place}/data'\nlisten = '{address}:{PORT}'\n\
             [database]\nurl_file = '{place}/url'\nauthorities = '{place}/authorities.pem'\n\
             [unseal]\npassphrase_file = '{place}/passphrase'\n"
        );
        fs::write(directory.join("strongroom.toml"), text)?;
        Ok(Self { machine, directory: directory.to_owned(), process: None })
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

    pub(crate) fn client(&self) -> Client {
        Client::new(self.address())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from((self.machine.address, PORT))
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    fn strongroom(&self, what: &str) -> Outcome<Command> {
        let mut command = self.machine.command(&binary()?.display().to_string());
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
