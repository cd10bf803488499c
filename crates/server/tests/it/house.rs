//! A server in this process, with users of several kinds.

use std::sync::Arc;

use serde_json::{Value, json};
use strongroom_keyring::{RootKey, SystemRandom};
use strongroom_model::{Clock, Limits, Ocid, Region, SystemClock, private_file};
use strongroom_server::{
    BackupFront, BackupPlace, Beat, Founded, NewSample, NewTenancy, Parts, Rates, Sample,
    Semantics, Server, Serving, Shared, Targets, Vouching, WATCHED, found_tenancy, free_vault_port,
};
use strongroom_signing::{Certificate, Outgoing, PrivateKey, sign};
use strongroom_store::{Batch, Memory, Order, Store, prefix_range};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Someone who signs requests.
#[derive(Debug)]
pub(crate) struct Caller {
    key_id: String,
    key: Arc<PrivateKey>,
}

impl Caller {
    fn new(key_id: String, key: PrivateKey) -> Self {
        Self { key_id, key: Arc::new(key) }
    }
}

pub(crate) struct House {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) founded: Founded,
    pub(crate) sample: Sample,
    pub(crate) management: String,
    pub(crate) admin: Caller,
    pub(crate) public_key_pem: String,
    backups: tempfile::TempDir,
    serving: Serving,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) request_id: String,
    pub(crate) etag: Option<String>,
    pub(crate) body: Value,
}

/// A request that was sent.
pub(crate) struct Asked(TcpStream);

impl Asked {
    pub(crate) async fn finish(mut self) -> Answer {
        let mut received = String::new();
        self.0.read_to_string(&mut received).await.unwrap();
        let status = received.split(' ').nth(1).unwrap().parse().unwrap();
        let (head, body) = received.split_once("\r\n\r\n").unwrap();
        let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
        let request_id = header("opc-request-id: ").unwrap_or_default().to_owned();
        let etag = header("etag: ").map(str::to_owned);
        let body = if body.is_empty() { Value::Null } else { serde_json::from_str(body).unwrap() };
        Answer { status, request_id, etag, body }
    }
}

impl House {
    pub(crate) async fn open(semantics: Semantics) -> Self {
        Self::with_targets(semantics, Targets::new()).await
    }

    pub(crate) async fn with_targets(semantics: Semantics, targets: Targets) -> Self {
        let root_key = RootKey::generate(&SystemRandom);
        let store: (Arc<dyn Store>, _) = (Arc::new(Memory::new(WATCHED)), None);
        Self::over(store, root_key, (semantics, targets)).await
    }

    pub(crate) async fn with_limits(limits: Limits, rates: Rates) -> Self {
        let store: (Arc<dyn Store>, _) = (Arc::new(Memory::new(WATCHED)), None);
        let key = RootKey::generate(&SystemRandom);
        Self::limited(store, key, (Semantics::Strict, Targets::new()), (limits, rates)).await
    }

    /// A house whose rows are in a store of the test's own.
    pub(crate) async fn over(
        store: (Arc<dyn Store>, Option<Vouching>),
        root_key: RootKey,
        rules: (Semantics, Targets),
    ) -> Self {
        Self::limited(store, root_key, rules, (Limits::WIDE, Rates::default())).await
    }

    async fn limited(
        (store, vouching): (Arc<dyn Store>, Option<Vouching>),
        root_key: RootKey,
        (semantics, targets): (Semantics, Targets),
        (limits, rates): (Limits, Rates),
    ) -> Self {
        let key = PrivateKey::generate().unwrap();
        let public = key.public().unwrap();
        let address = "127.0.0.1".parse().unwrap();
        let port = free_vault_port(address, &SystemRandom).await.unwrap();
        let new = NewTenancy {
            name: "test",
            region: Region::named("iad").unwrap(),
            fingerprint: &public.fingerprint(),
            public_key_pem: &public.to_pem(),
            now: SystemClock.now(),
            sample: Some(NewSample { content: b"c4n4ry", port }),
        };
        let founded = found_tenancy(&*store, &root_key, &SystemRandom, &new).await.unwrap();
        let sample = founded.sample.clone().unwrap();
        let backups = tempfile::tempdir().unwrap();
        let parts = Parts {
            store: Arc::clone(&store),
            is_alone: true,
            root_key,
            root_file: None,
            token: None,
            clock: Arc::new(SystemClock),
            turnable_clock: Some(Arc::default()),
            random: Arc::new(SystemRandom),
            semantics,
            limits,
            rates,
            secret_cache_bytes: 1 << 20,
            backup_places: vec![BackupPlace {
                front: BackupFront::Bucket { namespace: "n".into(), bucket: "b".into() },
                directory: backups.path().to_owned(),
            }],
            targets,
            expected_networks: Vec::new(),
            machine_id: None,
            beat: Beat::Exact,
            vouching,
            tracing: None,
        };
        let shared = Shared::load(parts).await.unwrap();
        let server = Server::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let serving = server.serve(Arc::clone(&shared)).await.unwrap();
        let management = shared.vault_endpoint(&sample.vault_id).await.unwrap().unwrap();
        let key_id = format!("{}/{}/{}", founded.tenancy_id, founded.user_id, public.fingerprint());
        let admin = Caller::new(key_id, key);
        let public_key_pem = public.to_pem();
        Self { store, founded, sample, management, admin, public_key_pem, backups, serving }
    }

    /// Adds a user who is in one group, named `G` and the user's name, and a policy with
    /// `statements`.
    pub(crate) async fn user(&self, name: &str, statements: &[&str]) -> Caller {
        let key = PrivateKey::generate().unwrap();
        let public = key.public().unwrap();
        let id = |kind: &str| -> Ocid { format!("ocid1.{kind}.oc1..{name}").parse().unwrap() };
        let (tenancy, now) = (&self.founded.tenancy_id, SystemClock.now());
        let fingerprint = public.fingerprint();
        let user = json!({
            "id": id("user"), "compartmentId": tenancy, "name": name, "description": "",
            "email": null, "timeCreated": now, "groupIds": [id("group")],
        });
        let group = json!({
            "id": id("group"), "compartmentId": tenancy, "name": format!("G{name}"),
            "description": "", "timeCreated": now,
        });
        let api_key = json!({
            "userId": id("user"), "fingerprint": fingerprint, "publicKeyPem": public.to_pem(),
            "timeCreated": now,
        });
        let batch = Batch::new()
            .put(format!("g/{}", id("group")).into_bytes(), row(&group))
            .put(format!("u/{}", id("user")).into_bytes(), row(&user))
            .put(format!("a/{}/{fingerprint}", id("user")).into_bytes(), row(&api_key));
        self.store.commit(batch).await.unwrap();
        self.grant(name, statements).await;
        Caller::new(format!("{tenancy}/{}/{fingerprint}", id("user")), key)
    }

    /// Gives a user's policy other `statements`.
    pub(crate) async fn grant(&self, name: &str, statements: &[&str]) {
        let id = format!("ocid1.policy.oc1..{name}");
        let policy = json!({
            "id": id, "compartmentId": self.founded.tenancy_id, "name": format!("P{name}"),
            "description": "", "statements": statements, "timeCreated": SystemClock.now(),
        });
        let batch = Batch::new().put(format!("p/{id}").into_bytes(), row(&policy));
        self.store.commit(batch).await.unwrap();
    }

    /// Someone who claims to be the administrator with a key of their own.
    pub(crate) fn stranger(&self) -> Caller {
        Caller::new(self.admin.key_id.clone(), PrivateKey::generate().unwrap())
    }

    /// Someone of a tenancy that is not this server's.
    pub(crate) fn foreigner(&self) -> Caller {
        let key_id = self.admin.key_id.replace("ocid1.tenancy.oc1..", "ocid1.tenancy.oc1..b");
        Caller::new(key_id, PrivateKey::generate().unwrap())
    }

    /// A machine whose certificate is for the administrator's key.
    pub(crate) fn machine(&self, certificate: &str) -> Caller {
        let print = Certificate::from_text(certificate).unwrap().fingerprint();
        let key_id = format!("{}/fed-x509-sha256/{print}", self.founded.tenancy_id);
        Caller { key_id, key: Arc::clone(&self.admin.key) }
    }

    /// Someone with a token for the administrator's key.
    pub(crate) fn bearer(&self, token: &str) -> Caller {
        Caller { key_id: format!("ST${token}"), key: Arc::clone(&self.admin.key) }
    }

    /// Sends a request; a body of `Value::Null` is an empty one.
    pub(crate) async fn send(
        &self,
        caller: Option<&Caller>,
        url: &str,
        method: &str,
        body: Option<&Value>,
    ) -> Answer {
        let bytes = match body {
            Some(Value::Null) => Some(Vec::new()),
            body => body.map(|body| body.to_string().into_bytes()),
        };
        self.send_bytes(caller, url, method, bytes).await
    }

    /// Sends a request whose body is any bytes.
    pub(crate) async fn send_bytes(
        &self,
        caller: Option<&Caller>,
        url: &str,
        method: &str,
        bytes: Option<Vec<u8>>,
    ) -> Answer {
        self.open_request(caller, url, method, (bytes, "")).await.finish().await
    }

    /// Has the administrator post a body with a retry token.
    pub(crate) async fn post_with_token(&self, url: &str, body: &Value, token: &str) -> Answer {
        let bytes = Some(body.to_string().into_bytes());
        let header = format!("opc-retry-token: {token}\r\n");
        let asked = self.open_request(Some(&self.admin), url, "POST", (bytes, &header)).await;
        asked.finish().await
    }

    /// Asks without waiting for the answer.
    pub(crate) async fn begin(&self, caller: &Caller, url: &str) -> Asked {
        self.open_request(Some(caller), url, "GET", (None, "")).await
    }

    async fn open_request(
        &self,
        caller: Option<&Caller>,
        url: &str,
        method: &str,
        (bytes, unsigned): (Option<Vec<u8>>, &str),
    ) -> Asked {
        let base = format!("{}{url}", self.serving.base_url());
        let whole = if url.starts_with("http://") { url } else { &base };
        let (host, path) = whole.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let target = format!("/{path}");
        let sent = bytes.as_deref().map(|bytes| ("application/json", bytes));
        let outgoing = Outgoing { method, target: &target, host, body: sent };
        let length = bytes.as_ref().map_or(0, Vec::len).to_string();
        let headers = match caller {
            Some(Caller { key_id, key }) => {
                sign(&outgoing, key_id, key, SystemClock.now()).unwrap()
            }
            None => vec![("host", host.to_owned()), ("content-length", length)],
        };
        let lines: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!(
            "{method} {target} HTTP/1.1\r\nconnection: close\r\n{unsigned}{}\r\n",
            lines.concat()
        );
        let mut stream = TcpStream::connect(host).await.unwrap();
        let message = [head.as_bytes(), &bytes.unwrap_or_default()].concat();
        stream.write_all(&message).await.unwrap();
        Asked(stream)
    }

    /// Turns the clock of lifecycles.
    pub(crate) async fn turn_clock(&self, days: u32) {
        let body = json!({ "advanceSeconds": u64::from(days) * 86_400 });
        let url = "/_strongroom/clock";
        assert_eq!(self.send(Some(&self.admin), url, "POST", Some(&body)).await.status, 200);
    }

    /// The content of a backup.
    pub(crate) fn backup(&self, name: &str) -> Vec<u8> {
        private_file::read(&self.backups.path().join(name)).unwrap()
    }

    /// All audit records, oldest first.
    pub(crate) async fn records(&self) -> Vec<Value> {
        let rows = self.store.scan(prefix_range(b"audit/"), Order::Ascending, usize::MAX).await;
        let parse = |value: Vec<u8>| -> Vec<Value> {
            let row: Value = serde_json::from_slice(&value).unwrap();
            row["row"].as_array().unwrap().clone()
        };
        rows.unwrap().into_iter().flat_map(|(_, row)| parse(row.value)).collect()
    }

    pub(crate) async fn close(self) {
        self.serving.stop().await;
    }
}

/// A row as the server keeps it.
fn row(row: &Value) -> Vec<u8> {
    json!({ "v": 1, "row": row }).to_string().into_bytes()
}
