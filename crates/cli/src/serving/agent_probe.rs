use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::agent_file::AgentFile;
use crate::failure::{Exit, Failure};
use crate::hand::output::write;

const TIME_MAX: Duration = Duration::from_secs(5);
const QUESTION: &[u8] = b"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// Asks the agent that runs with this configuration whether it is ready, and prints what it says.
pub(super) async fn probe(file: &AgentFile) -> Result<(), Failure> {
    let answer = match (&file.socket, file.http) {
        (Some(path), _) => timeout(TIME_MAX, ask(UnixStream::connect(path))).await,
        (None, Some(address)) => timeout(TIME_MAX, ask(TcpStream::connect(address))).await,
        (None, None) => {
            let message = "cannot ask an agent that has neither socket nor http";
            return Err(Failure::configuration("bad-configuration", message));
        }
    };
    let unreachable = |why: String| {
        Failure::new(Exit::Unreachable, "no-agent", "cannot ask the agent").because(why)
    };
    let answer = answer.map_err(|_elapsed| unreachable("it does not answer".to_owned()))?;
    let answer = answer.map_err(|error| unreachable(error.to_string()))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if head.starts_with("HTTP/1.1 200 ") {
        return write(body.as_bytes());
    }
    let failure = Failure::new(Exit::Failed, "not-ready", "the agent is not ready");
    Err(failure.because(body.trim_end().to_owned()))
}

async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
    connecting: impl Future<Output = io::Result<S>>,
) -> io::Result<String> {
    let mut stream = connecting.await?;
    stream.write_all(QUESTION).await?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
