//! A vault in this process, kept in memory, and a client of its administrator.

use std::sync::Arc;

use strongroom_client::{ApiKey, Authorities, Client, Endpoints};
use strongroom_keyring::{RootKey, SystemRandom};
use strongroom_model::{Clock, Limits, Region, SystemClock};
use strongroom_server::{
    Beat, NewSample, NewTenancy, Parts, Rates, Sample, Semantics, Server, Serving, Shared, Targets,
    WATCHED, found_tenancy, free_vault_port,
};
use strongroom_signing::{Outgoing, PrivateKey, sign};
use strongroom_store::Memory;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) struct House {
    pub(crate) client: Client,
    pub(crate) sample: Sample,
    management: String,
    compartment_id: String,
    key_id: String,
    key: PrivateKey,
    serving: Serving,
}

impl House {
    pub(crate) async fn open() -> Self {
        let store = Arc::new(Memory::new(WATCHED));
        let root_key = RootKey::generate(&SystemRandom);
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
        let parts = Parts {
            store,
            is_alone: true,
            root_key,
            root_file: None,
            token: None,
            clock: Arc::new(SystemClock),
            turnable_clock: None,
            random: Arc::new(SystemRandom),
            semantics: Semantics::Strict,
            limits: Limits::WIDE,
            rates: Rates::default(),
            secret_cache_bytes: 1 << 20,
            backup_places: Vec::new(),
            targets: Targets::new(),
            expected_networks: Vec::new(),
            machine_id: None,
            beat: Beat::Exact,
            vouching: None,
            tracing: None,
        };
        let shared = Shared::load(parts).await.unwrap();
        let server = Server::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let serving = server.serve(Arc::clone(&shared)).await.unwrap();
        let sample = founded.sample.clone().unwrap();
        let management = shared.vault_endpoint(&sample.vault_id).await.unwrap().unwrap();
        let key_id = format!("{}/{}/{}", founded.tenancy_id, founded.user_id, public.fingerprint());
        let pem = key.to_pem().unwrap();
        let own = PrivateKey::from_bytes(pem.expose(), None).unwrap();
        let own = ApiKey { id: key_id.clone(), key: own };
        let endpoints = Endpoints::One(serving.base_url().parse().unwrap());
        let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
        let client = Client::new(endpoints, Authorities::System, own, clock, random).unwrap();
        let compartment_id = sample.compartment_id.to_string();
        Self { client, sample, management, compartment_id, key_id, key, serving }
    }

    /// Makes a key, which the client has no call for, and returns its OCID.
    pub(crate) async fn new_key(&self, shape: &serde_json::Value) -> String {
        let body = serde_json::json!({
            "compartmentId": self.compartment_id, "displayName": "k", "keyShape": shape,
            "protectionMode": "SOFTWARE",
        });
        let body = body.to_string();
        let host = self.management.strip_prefix("http://").unwrap();
        let target = "/20180608/keys";
        let outgoing = Outgoing {
            method: "POST",
            target,
            host,
            body: Some(("application/json", body.as_bytes())),
        };
        let headers = sign(&outgoing, &self.key_id, &self.key, SystemClock.now()).unwrap();
        let lines: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!("POST {target} HTTP/1.1\r\nconnection: close\r\n{}\r\n", lines.concat());
        let mut stream = TcpStream::connect(host).await.unwrap();
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        let mut received = String::new();
        stream.read_to_string(&mut received).await.unwrap();
        let (_, answer) = received.split_once("\r\n\r\n").unwrap();
        let answer: serde_json::Value = serde_json::from_str(answer).unwrap();
        answer["id"].as_str().unwrap_or_else(|| panic!("{received}")).to_owned()
    }

    pub(crate) async fn close(self) {
        self.serving.stop().await;
    }
}
