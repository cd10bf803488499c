//! Signed requests over connections that are kept, as an application makes them.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use strongroom_model::{Clock, SystemClock, Timestamp};
use strongroom_signing::{Outgoing, PrivateKey, sign};

use crate::Outcome;

const CONNECT_TIME: Duration = Duration::from_secs(2);
/// Longer than a server tries anything.
const ANSWER_TIME: Duration = Duration::from_secs(20);

/// Who signs.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) key_id: String,
    pub(crate) key: Arc<PrivateKey>,
}

/// What a server said.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) etag: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) body: Value,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// No connection was made: nothing was asked.
    Unreached,
    /// It was asked, and did not answer.
    Lost,
}

/// A client of one server.
#[derive(Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    connection: Option<TcpStream>,
}

/// What to ask.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) target: &'a str,
    pub(crate) body: Option<&'a Value>,
    pub(crate) if_match: Option<&'a str>,
}

impl<'a> Request<'a> {
    pub(crate) const fn get(target: &'a str) -> Self {
        Self { method: "GET", target, body: None, if_match: None }
    }

    pub(crate) const fn with(method: &'a str, target: &'a str, body: &'a Value) -> Self {
        Self { method, target, body: Some(body), if_match: None }
    }
}

impl Client {
    pub(crate) const fn new(address: SocketAddr) -> Self {
        Self { address, connection: None }
    }

    /// Asks once, on a connection that is there or on a new one.
    pub(crate) fn ask(
        &mut self,
        identity: &Identity,
        request: Request<'_>,
    ) -> Result<Answer, NoAnswer> {
        let host = self.address.to_string();
        let message = render(identity, request, &host, SystemClock.now())
            .map_err(|_error| NoAnswer::Unreached)?;
        let mut connection = match self.connection.take().filter(is_open) {
            Some(connection) => connection,
            None => self.connect().map_err(|_error| NoAnswer::Unreached)?,
        };
        let answer = exchange(&mut connection, &message).map_err(|_error| NoAnswer::Lost)?;
        self.connection = Some(connection);
        Ok(answer)
    }

    /// Asks, and takes nothing but success.
    pub(crate) fn success(&mut self, identity: &Identity, request: Request<'_>) -> Outcome<Value> {
        match self.ask(identity, request) {
            Ok(answer) if answer.status < 300 => Ok(answer.body),
            Ok(answer) => {
                let (method, target) = (request.method, request.target);
                Err(format!("{method} {target}: {} {}", answer.status, answer.body).into())
            }
            Err(why) => Err(format!("{} {}: {why:?}", request.method, request.target).into()),
        }
    }

    fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&self.address, CONNECT_TIME)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_TIME))?;
        stream.set_write_timeout(Some(ANSWER_TIME))?;
        Ok(stream)
    }
}

/// Tells whether the other side has not closed a connection on which nothing is awaited.
fn is_open(connection: &TcpStream) -> bool {
    let mut byte = [0_u8; 1];
    let asked = connection.set_nonblocking(true).and_then(|()| connection.peek(&mut byte));
    let is_back = connection.set_nonblocking(false).is_ok();
    is_back && asked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

/// Signs a request at a time and renders it.
pub(crate) fn render(
    identity: &Identity,
    request: Request<'_>,
    host: &str,
    now: Timestamp,
) -> Outcome<Vec<u8>> {
    let Request { method, target, body, if_match } = request;
    let body = body.map(|body| if body.is_null() { Vec::new() } else { body.to_string().into() });
    let sent = body.as_deref().map(|body| ("application/json", body));
    let outgoing = Outgoing { method, target, host, body: sent };
    let headers = sign(&outgoing, &identity.key_id, &identity.key, now)?;
    let mut lines: Vec<String> =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    lines.extend(if_match.map(|etag| format!("if-match: {etag}\r\n")));
    let head = format!("{method} {target} HTTP/1.1\r\n{}\r\n", lines.concat());
    Ok([head.as_bytes(), &body.unwrap_or_default()].concat())
}

fn exchange(connection: &mut TcpStream, message: &[u8]) -> Outcome<Answer> {
    connection.write_all(message)?;
    let mut received = Vec::new();
    let mut buffer = [0_u8; 16 * 1024];
    loop {
        let count = connection.read(&mut buffer)?;
        if count == 0 {
            return Err("the connection ended".into());
        }
        received.extend_from_slice(buffer.get(..count).unwrap_or_default());
        if let Some(answer) = read(&received)? {
            return Ok(answer);
        }
    }
}

/// Reads an answer that has a `content-length`, or none of a length, once it is whole.
pub(crate) fn read(received: &[u8]) -> Outcome<Option<Answer>> {
    let Some(end) = received.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(received.get(..end).unwrap_or_default())?;
    let header = |name: &str| {
        head.lines().find_map(|line| {
            let (own, value) = line.split_once(": ")?;
            own.eq_ignore_ascii_case(name).then(|| value.to_owned())
        })
    };
    let length: usize = header("content-length").map_or(Ok(0), |text| text.parse())?;
    let Some(body) = received.get(end + 4..end + 4 + length) else { return Ok(None) };
    let status = head.split(' ').nth(1).ok_or("no status line")?.parse()?;
    let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(body)? };
    Ok(Some(Answer { status, etag: header("etag"), request_id: header("opc-request-id"), body }))
}

/// A field of an answer.
pub(crate) fn text(value: &Value, field: &str) -> Outcome<String> {
    let found = value.get(field).and_then(Value::as_str);
    Ok(found.ok_or_else(|| format!("`{field}` is missing"))?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_once_it_is_whole() {
        let whole = b"HTTP/1.1 200 OK\r\netag: 7\r\ncontent-length: 8\r\n\r\n{\"a\": 1}";
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).unwrap().is_none());
        }
        let answer = read(whole).unwrap().unwrap();
        assert_eq!((answer.status, answer.etag.as_deref()), (200, Some("7")));
        assert_eq!(answer.body["a"], 1);
    }
}
