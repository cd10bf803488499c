//! The local audit: a line for each read, who asked for what and what became of it. Lines are written
//! by a thread of their own, many at a time.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::Serialize;
use strongroom_model::{Clock, SystemClock, Timestamp};

use super::gate::Asker;

/// How long a line waits for others at most.
const GATHER: Duration = Duration::from_millis(10);
/// Bytes that wait at most: whoever reads then waits until there is room.
const WAITING_MAX: usize = 1024 * 1024;

/// The lines of reads, on their way to where the log goes.
#[derive(Debug)]
pub(super) struct Records {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    filled: Condvar,
    drained: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    is_closed: bool,
    /// The second of the last line, as text.
    second: (i64, String),
}

/// What lines say of who asks: fields in JSON, rendered once for a connection.
#[derive(Debug)]
pub(super) struct Who(String);

impl From<Asker> for Who {
    fn from(asker: Asker) -> Self {
        Self(match asker {
            Asker::Process { uid, gid, pid: Some(pid) } => {
                format!(r#""uid":{uid},"gid":{gid},"pid":{pid}"#)
            }
            Asker::Process { uid, gid, pid: None } => format!(r#""uid":{uid},"gid":{gid}"#),
            Asker::Loopback(address) => format!(r#""address":"{address}""#),
        })
    }
}

/// What lines say of what is asked for: a field in JSON, rendered once for a target.
#[derive(Debug)]
pub(super) struct What(String);

impl From<&str> for What {
    fn from(reference: &str) -> Self {
        Self(format!(r#""reference":{}"#, serde_json::Value::from(reference)))
    }
}

impl Records {
    /// Starts to write to `log`.
    ///
    /// # Errors
    /// The system's, if it gives no thread.
    pub(super) fn start(log: impl Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let writing = Arc::clone(&shared);
        let writer = thread::Builder::new().name("records".to_owned());
        let writer = writer.spawn(move || writing.write_to(log))?;
        Ok(Self { shared, writer: Mutex::new(Some(writer)) })
    }

    /// Adds a line. Waits where the log takes no more.
    pub(super) fn add(&self, who: &Who, what: &What, status: u16) {
        let now = SystemClock.now();
        let mut waiting = self.shared.lock();
        while waiting.lines.len() > WAITING_MAX && !waiting.is_closed {
            waiting = self.shared.drained.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        let was_empty = waiting.lines.is_empty();
        waiting.add_text(r#"{"timestamp":""#);
        waiting.add_time(now);
        waiting.add_text(r#"","level":"INFO","fields":{"message":"read","#);
        waiting.add_text(&who.0);
        waiting.add_text(",");
        waiting.add_text(&what.0);
        waiting.add_text(r#","status":"#);
        waiting.add_number(status);
        waiting.add_text("}}\n");
        drop(waiting);
        if was_empty {
            self.shared.filled.notify_one();
        }
    }

    /// Writes what waits, and ends.
    pub(super) fn close(&self) {
        self.shared.lock().is_closed = true;
        self.shared.filled.notify_one();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if writer.is_some_and(|writer| writer.join().is_err()) {
            tracing::warn!("the last lines of reads were not written");
        }
    }
}

impl Drop for Records {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_to(&self, mut log: impl Write) {
        let mut lines = Vec::new();
        loop {
            let empty = |waiting: &mut Waiting| waiting.lines.is_empty() && !waiting.is_closed;
            let waiting = self.filled.wait_while(self.lock(), empty);
            let gathering = waiting.unwrap_or_else(PoisonError::into_inner);
            let open = |waiting: &mut Waiting| !waiting.is_closed;
            let gathered = self.filled.wait_timeout_while(gathering, GATHER, open);
            let (mut waiting, _) = gathered.unwrap_or_else(PoisonError::into_inner);
            let is_closed = waiting.is_closed;
            std::mem::swap(&mut lines, &mut waiting.lines);
            drop(waiting);
            self.drained.notify_all();
            if let Err(error) = log.write_all(&lines) {
                tracing::error!(%error, "lines of reads were not written");
            }
            lines.clear();
            if is_closed {
                return;
            }
        }
    }
}

impl Waiting {
    /// Adds an instant, RFC 3339 in microseconds: the seconds are rendered once.
    fn add_time(&mut self, now: Timestamp) {
        let (second, text) = &mut self.second;
        if *second != now.as_second() || text.is_empty() {
            *second = now.as_second();
            *text = now.strftime("%Y-%m-%dT%H:%M:%S").to_string();
        }
        self.lines.extend_from_slice(text.as_bytes());
        let point = self.lines.len();
        let micros = now.subsec_nanosecond().unsigned_abs() / 1000;
        // With a digit before them, which the point replaces, six digits keep their zeros.
        self.add_number(1_000_000 + micros);
        if let Some(digit) = self.lines.get_mut(point) {
            *digit = b'.';
        }
        self.lines.push(b'Z');
    }

    fn add_text(&mut self, text: &str) {
        self.lines.extend_from_slice(text.as_bytes());
    }

    fn add_number(&mut self, number: impl Serialize) {
        // A vector takes every byte, and a number is JSON.
        drop(serde_json::to_writer(&mut self.lines, &number));
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_read_is_a_line_of_json_in_order() {
        let log = Log::default();
        let records = Records::start(log.clone()).unwrap();
        let before = Timestamp::now();
        // More than may wait at once.
        let process = |pid| Who::from(Asker::Process { uid: 1, gid: 2, pid });
        let (who, what) = (process(Some(3)), What::from("secret://dev/\"x"));
        for number in 0..12_000_u16 {
            records.add(&who, &what, number);
        }
        records.add(&process(None), &what, 404);
        let loopback = Who::from(Asker::Loopback(Ipv6Addr::LOCALHOST.into()));
        records.add(&loopback, &What::from("secret://dev/x"), 200);
        records.close();
        let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 12_002);
        for (number, line) in lines.iter().take(12_000).enumerate() {
            let fields = serde_json::json!({
                "message": "read", "uid": 1, "gid": 2, "pid": 3,
                "reference": "secret://dev/\"x", "status": number,
            });
            assert_eq!(line["fields"], fields);
            let written: Timestamp = line["timestamp"].as_str().unwrap().parse().unwrap();
            assert!(written.as_second() >= before.as_second() && written <= Timestamp::now());
        }
        let last = [
            serde_json::json!({
                "message": "read", "uid": 1, "gid": 2,
                "reference": "secret://dev/\"x", "status": 404,
            }),
            serde_json::json!({
                "message": "read", "address": "::1", "reference": "secret://dev/x", "status": 200,
            }),
        ];
        assert_eq!([&lines[12_000]["fields"], &lines[12_001]["fields"]], [&last[0], &last[1]]);
    }
}
