//! A directory that a real server filled, and what its database was at several times.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value, json};
use strongroom_keyring::{RootKey, SystemRandom, root_file};
use strongroom_model::SystemClock;
use strongroom_server::Ledger;
use strongroom_signing::{Outgoing, PrivateKey, sign};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A row as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) revision: i64,
    pub(crate) mac: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

pub(crate) type Rows = BTreeMap<Vec<u8>, Stored>;

/// The states of a database, the last one at the end.
pub(crate) struct History {
    directory: tempfile::TempDir,
    states: Vec<Rows>,
    pub(crate) checkpoint: String,
}

/// A server that runs on the directory.
struct Running {
    child: Child,
    dev: Value,
    key_id: String,
    key: PrivateKey,
}

impl History {
    pub(crate) async fn make(program: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut history = Self { directory, states: Vec::new(), checkpoint: String::new() };
        let mut secrets = Vec::new();
        let mut policies = Vec::new();
        for round in 0..3 {
            let server = Running::start(program, &history.data()).await;
            for number in 0..4 {
                secrets.push(server.secret(&format!("s{round}-{number}")).await);
                policies.push(server.policy(&format!("p{round}-{number}")).await);
            }
            history.look();
            for id in &secrets {
                server.update(id, round).await;
            }
            history.look();
            for id in &policies {
                let body = json!({ "statements": [format!("Allow any-user to inspect vaults in tenancy where request.user.name = 'r{round}'")] });
                server.send("PUT", &format!("/20160918/policies/{id}"), &body).await;
            }
            let gone = policies.remove(0);
            server.send("DELETE", &format!("/20160918/policies/{gone}"), &Value::Null).await;
            for id in &secrets {
                server.read(id).await;
            }
            server.stop();
            history.look();
            history.fold(round).await;
        }
        history.checkpoint = history.sign().await;
        history
    }

    /// The data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    pub(crate) fn scratch(&self) -> &Path {
        self.directory.path()
    }

    fn look(&mut self) {
        let connection = Connection::open(self.data().join("strongroom.db")).unwrap();
        self.states.push(rows(&connection));
    }

    pub(crate) fn now(&self) -> &Rows {
        self.states.last().unwrap()
    }

    pub(crate) fn before(&self) -> &[Rows] {
        &self.states[..self.states.len() - 1]
    }

    pub(crate) fn root_key(&self) -> RootKey {
        root_file::open(&self.data().join("root.key")).unwrap()
    }

    pub(crate) fn ledger(&self) -> Ledger {
        Ledger::new(&self.root_key(), Arc::new(SystemClock), Arc::new(SystemRandom)).unwrap()
    }

    /// Has one entry stand for the others of the first round, as it is when records were kept long
    /// enough.
    async fn fold(&mut self, round: usize) {
        if round > 0 {
            return;
        }
        let (ledger, path) = (self.ledger(), self.data().join("strongroom.db"));
        let witness = Arc::new(ledger.clone());
        let store =
            strongroom_store::Sqlite::open(&path, strongroom_server::WATCHED, witness).unwrap();
        assert!(ledger.fold(&store, jiff::Timestamp::now(), |batch| batch).await.unwrap() > 0);
        drop(store);
        self.look();
    }

    /// A checkpoint of the last state.
    async fn sign(&self) -> String {
        let (ledger, copy) = (self.ledger(), self.directory.path().join("sign.db"));
        std::fs::copy(self.data().join("strongroom.db"), &copy).unwrap();
        let witness = Arc::new(ledger.clone());
        let store =
            strongroom_store::Sqlite::open(&copy, strongroom_server::WATCHED, witness).unwrap();
        ledger.begin(&store).await.unwrap();
        ledger.checkpoint()
    }
}

pub(crate) fn rows(connection: &Connection) -> Rows {
    let mut statement = connection.prepare("SELECT k, ver, mac, v FROM kv").unwrap();
    let row = |row: &rusqlite::Row<'_>| {
        let stored = Stored { revision: row.get(1)?, mac: row.get(2)?, value: row.get(3)? };
        Ok((row.get(0)?, stored))
    };
    statement.query_map([], row).unwrap().collect::<Result<_, _>>().unwrap()
}

impl Running {
    async fn start(program: &str, data: &Path) -> Self {
        let child = Command::new(program)
            .args(["dev", "--listen", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program does not start");
        let dev = ready(data).await;
        let pem = std::fs::read_to_string(data.join("oci/admin.pem")).unwrap();
        let config = std::fs::read_to_string(data.join("oci/config")).unwrap();
        let setting = |name: &str| {
            let mut lines = config.lines();
            lines.find_map(|line| line.strip_prefix(&format!("{name}="))).unwrap().to_owned()
        };
        let key_id =
            format!("{}/{}/{}", setting("tenancy"), setting("user"), setting("fingerprint"));
        Self { child, dev, key_id, key: PrivateKey::from_pem(&pem).unwrap() }
    }

    async fn send(&self, method: &str, target: &str, body: &Value) -> Value {
        let host = self.dev["base_url"].as_str().unwrap().strip_prefix("http://").unwrap();
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let sent = matches!(method, "POST" | "PUT").then_some(("application/json", &*bytes));
        let outgoing = Outgoing { method, target, host, body: sent };
        let headers = sign(&outgoing, &self.key_id, &self.key, jiff::Timestamp::now()).unwrap();
        let lines: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head =
            format!("{method} {target} HTTP/1.1\r\nconnection: close\r\n{}\r\n", lines.concat());
        let mut stream = TcpStream::connect(host).await.unwrap();
        stream.write_all(&[head.as_bytes(), &bytes].concat()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let status = answer.split(' ').nth(1).unwrap();
        assert!(status.starts_with('2'), "{method} {target}: {answer}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap_or(Value::Null)
    }

    async fn secret(&self, name: &str) -> String {
        let body = json!({
            "compartmentId": self.dev["compartment_id"], "vaultId": self.dev["vault_id"],
            "keyId": self.dev["key_id"], "secretName": name,
            "secretContent": { "contentType": "BASE64", "content": "Zmlyc3Q=" },
        });
        let made = self.send("POST", "/20180608/secrets", &body).await;
        made["id"].as_str().unwrap().to_owned()
    }

    async fn update(&self, id: &str, round: usize) {
        let content = ["bmV4dA==", "YWdhaW4=", "bGFzdA=="][round % 3];
        let body = json!({ "secretContent": { "contentType": "BASE64", "content": content } });
        self.send("PUT", &format!("/20180608/secrets/{id}"), &body).await;
    }

    async fn read(&self, id: &str) {
        self.send("GET", &format!("/20190301/secretbundles/{id}"), &Value::Null).await;
    }

    async fn policy(&self, name: &str) -> String {
        let body = json!({
            "compartmentId": self.dev["tenancy_id"], "name": name, "description": name,
            "statements": ["Allow any-user to inspect vaults in tenancy where request.user.name = 'nobody'"],
        });
        let made = self.send("POST", "/20160918/policies", &body).await;
        made["id"].as_str().unwrap().to_owned()
    }

    fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert!(self.child.wait().unwrap().success());
    }
}

/// Waits until a server says where it is.
pub(crate) async fn ready(data: &Path) -> Value {
    for _ in 0..1000 {
        let told = std::fs::read(data.join("dev.json")).ok();
        if let Some(dev) = told.and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
            return dev;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the server is not ready after 20 s");
}
