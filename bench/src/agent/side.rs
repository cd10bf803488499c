//! The agents under test, each a process in a directory of its own.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::upstream::Upstream;
use crate::Outcome;
use crate::load::Place;
use crate::ours::{binary, write_private};
use crate::process::Process;
use crate::requests::{Identity, Requests};

const READY_SECS_MAX: u64 = 20;
const LOOK_AGAIN: Duration = Duration::from_micros(200);
/// As long as the one that ours makes.
const PEER_TOKEN: &str = "7b1c2d3e4f5a69788796a5b4c3d2e1f07b1c2d3e4f5a69788796a5b4c3d2e1f0";

/// Which agent.
#[derive(Debug, Clone)]
pub(super) enum Program {
    Ours,
    /// AWS's, at this path.
    Aws(PathBuf),
}

/// How a request is worded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wording {
    /// As AWS's agent has it; ours understands it too.
    Aws,
    /// As ours has it.
    Own,
}

/// An agent that has answered once.
pub(super) struct Side {
    pub(super) process: Process,
    pub(super) place: Place,
    token: String,
    /// Seconds from its start until it had answered a read, the call to the service included.
    pub(super) start_secs: f64,
}

impl Program {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Ours => "strongroom",
            Self::Aws(_) => "AWS's agent",
        }
    }

    /// Starts it in a new directory and reads the first secret.
    pub(super) async fn start(
        &self,
        directory: &Path,
        upstream: &Upstream,
        ttl_secs: u32,
    ) -> Outcome<Side> {
        std::fs::create_dir_all(directory)?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = match self {
            Self::Ours => ours(directory, (port, upstream.port), ttl_secs)?,
            Self::Aws(program) => aws(program, directory, (port, upstream.port), ttl_secs)?,
        };
        command.stdout(Stdio::null()).stderr(std::fs::File::create(directory.join("log"))?);
        let began = Instant::now();
        let mut process = Process::start(&mut command)?;
        let place = Place::new(port, None)?;
        loop {
            process.check_runs()?;
            if let Some(token) = self.token(directory)
                && let Ok(200) = place.status(&request(&token, Wording::Aws, 0)).await
            {
                let start_secs = began.elapsed().as_secs_f64();
                return Ok(Side { process, place, token, start_secs });
            }
            if began.elapsed().as_secs() > READY_SECS_MAX {
                return Err(format!("{} did not answer", self.name()).into());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    fn token(&self, directory: &Path) -> Option<String> {
        match self {
            Self::Ours => std::fs::read_to_string(directory.join("token")).ok(),
            Self::Aws(_) => Some(PEER_TOKEN.to_owned()),
        }
    }
}

impl Side {
    /// Renders reads of the secrets with these numbers.
    pub(super) fn reads(&self, wording: Wording, numbers: std::ops::Range<usize>) -> Requests {
        Arc::new(numbers.map(|number| request(&self.token, wording, number)).collect())
    }
}

fn request(token: &str, wording: Wording, number: usize) -> Vec<u8> {
    let target = match wording {
        Wording::Aws => format!("/secretsmanager/get?secretId=bench-{number:04}"),
        Wording::Own => format!("/v1/secrets?ref=secret://bench/bench-{number:04}"),
    };
    let lines = ["Host: localhost", "User-Agent: bench", "Accept: */*"].join("\r\n");
    let token = format!("X-Aws-Parameters-Secrets-Token: {token}");
    format!("GET {target} HTTP/1.1\r\n{lines}\r\n{token}\r\n\r\n").into_bytes()
}

/// Secrets that an agent holds, each with a name of the peer's in the configuration of ours.
pub(super) const SECRETS_MAX: usize = 1_000;

fn ours(directory: &Path, (port, upstream): (u16, u16), ttl_secs: u32) -> Outcome<Command> {
    let (agent, oracle) = (directory.join("agent.toml"), directory.join("oci"));
    let names = (0..SECRETS_MAX)
        .map(|number| format!("\"bench-{number:04}\" = \"secret://bench/bench-{number:04}\"\n"));
    let settings = format!(
        "http = '127.0.0.1:{port}'\ntoken_file = '{}'\nttl = '{ttl_secs}s'\n\
         http_references = ['secret://bench/*']\n[names]\n{}",
        directory.join("token").display(),
        names.collect::<String>(),
    );
    std::fs::write(&agent, settings)?;
    let (identity, key) = (Identity::generate()?, directory.join("key.pem"));
    write_private(&key, identity.key.to_pem()?.expose())?;
    let profile = format!(
        "[DEFAULT]\ntenancy=ocid1.tenancy.oc1..bench\nuser=ocid1.user.oc1..bench\n\
         fingerprint={}\nkey_file={}\nregion=us-ashburn-1\n",
        identity.key.public()?.fingerprint(),
        key.display(),
    );
    write_private(&oracle, profile.as_bytes())?;
    let mut command = Command::new(binary()?);
    command
        .args(["agent", "--agent-config"])
        .arg(agent)
        .args(["--endpoint", &format!("http://127.0.0.1:{upstream}"), "--config-file"])
        .arg(oracle)
        .env_clear()
        .env("HOME", directory)
        .env("STRONGROOM_VAULT_BENCH", "ocid1.vault.oc1.iad.bench.abuwcljr");
    Ok(command)
}

fn aws(
    program: &Path,
    directory: &Path,
    (port, upstream): (u16, u16),
    ttl_secs: u32,
) -> Outcome<Command> {
    let settings = directory.join("agent.toml");
    std::fs::write(&settings, format!("http_port = '{port}'\nttl_seconds = '{ttl_secs}'\n"))?;
    let mut command = Command::new(program);
    command
        .arg("--config")
        .arg(settings)
        .current_dir(directory)
        .env_clear()
        .env("HOME", directory)
        .env("AWS_TOKEN", PEER_TOKEN)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "bench")
        .env("AWS_SECRET_ACCESS_KEY", "bench")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{upstream}"));
    Ok(command)
}
