//! The server under test: the release binary, run as `init` and `serve` on a directory of its own.

use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use strongroom_signing::PrivateKey;

use crate::Outcome;
use crate::answer::Recorded;
use crate::load::Place;
use crate::process::Process;
use crate::requests::{Identity, value};

const READY_SECS_MAX: u64 = 20;
const SECRETS: &str = "/20180608/secrets";

/// A server with a vault and a key.
pub(crate) struct Ours {
    pub(crate) process: Process,
    pub(crate) place: Place,
    /// Where key operations are answered.
    pub(crate) keys: Place,
    pub(crate) identity: Arc<Identity>,
    log: PathBuf,
    tenancy: String,
    vault: String,
    key: String,
}

/// Files of a self-signed P-256 certificate for the loopback address.
pub(crate) struct Tls {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Tls {
    /// Makes a certificate and writes it and its key into `directory`.
    pub(crate) fn create(directory: &Path) -> Outcome<Self> {
        let signed = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()])?;
        let (certificate, key) = (directory.join("tls.crt"), directory.join("tls.key"));
        std::fs::write(&certificate, signed.cert.pem())?;
        write_private(&key, signed.signing_key.serialize_pem().as_bytes())?;
        Ok(Self { certificate, key })
    }
}

/// Where the release binary is.
pub(crate) fn binary() -> Outcome<PathBuf> {
    let own = std::env::current_exe()?;
    Ok(own.with_file_name("strongroom"))
}

/// Makes a file that its owner alone may read.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Outcome<()> {
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    Ok(file.write_all(content)?)
}

/// Writes the configuration of a server in `directory`; returns it, and the port.
fn configured(directory: &Path, tls: Option<&Tls>) -> Outcome<(PathBuf, u16)> {
    std::fs::create_dir_all(directory)?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    write_private(&directory.join("passphrase"), b"of the bench")?;
    let config = directory.join("strongroom.toml");
    let (data, passphrase) = (directory.join("data"), directory.join("passphrase"));
    let mut text = format!(
        "data_dir = '{}'\nlisten = '127.0.0.1:{port}'\n[unseal]\npassphrase_file = '{}'\n",
        data.display(),
        passphrase.display(),
    );
    if let Some(tls) = tls {
        let (certificate, key) = (tls.certificate.display(), tls.key.display());
        text = format!("{text}[tls]\ncertificate = '{certificate}'\nkey = '{key}'\n");
    }
    std::fs::write(&config, text)?;
    Ok((config, port))
}

/// Starts the server that is configured in `directory`.
fn serve(directory: &Path) -> Outcome<Process> {
    Process::start(
        Command::new(binary()?)
            .arg("serve")
            .arg("--config")
            .arg(directory.join("strongroom.toml"))
            .env("STRONGROOM_LOG", "info")
            .stderr(std::fs::File::create(directory.join("log"))?),
    )
}

/// Runs a command of the program on a configuration, and returns what it prints.
fn printed(words: &[&str], config: &Path, more: &[&str]) -> Outcome<Vec<u8>> {
    let mut command = Command::new(binary()?);
    let done = command.args(words).args(more).arg("--config").arg(config).output()?;
    if done.status.success() {
        return Ok(done.stdout);
    }
    Err(String::from_utf8_lossy(&done.stderr).into_owned().into())
}

impl Ours {
    /// Starts a server in `directory`, with TLS if a certificate is given.
    pub(crate) async fn start(directory: &Path, tls: Option<&Tls>) -> Outcome<Self> {
        let (config, port) = configured(directory, tls)?;
        let init = Command::new(binary()?).arg("init").arg("--config").arg(&config).output()?;
        if !init.status.success() {
            return Err(String::from_utf8_lossy(&init.stderr).into_owned().into());
        }
        let printed = String::from_utf8(init.stdout)?;
        let identity = Arc::new(identity_of(&printed)?);
        let process = serve(directory)?;
        let certificate = tls.map(|tls| std::fs::read(&tls.certificate)).transpose()?;
        let place = Place::new(port, certificate.as_deref())?;
        let tenancy = value_of(&printed, "tenancy=")?;
        let mut ours = Self {
            process,
            keys: Place::new(port, None)?,
            place,
            identity,
            log: directory.join("log"),
            tenancy,
            vault: String::new(),
            key: String::new(),
        };
        ours.furnish(certificate.as_deref()).await?;
        Ok(ours)
    }

    /// Starts another region of the tenancy in `directory`, which reaches this one at `url`.
    pub(crate) async fn region(&self, directory: &Path, name: &str, url: &str) -> Outcome<Self> {
        let (config, port) = configured(directory, None)?;
        let home = self.log.with_file_name("strongroom.toml");
        let (of_home, own) = (directory.join("home.json"), directory.join("own.json"));
        std::fs::write(&of_home, printed(&["admin", "region", "identity"], &home, &[])?)?;
        let of_home = of_home.display().to_string();
        let join = ["--region", name, "--join", &of_home, "--home-url", url];
        std::fs::write(&own, printed(&["init"], &config, &join)?)?;
        let own = own.display().to_string();
        let there = format!("http://127.0.0.1:{port}");
        let add = ["--identity", own.as_str(), "--url", &there];
        printed(&["admin", "region", "add"], &home, &add)?;
        let mut region = Self {
            process: serve(directory)?,
            keys: Place::new(port, None)?,
            place: Place::new(port, None)?,
            identity: Arc::clone(&self.identity),
            log: directory.join("log"),
            tenancy: self.tenancy.clone(),
            vault: String::new(),
            key: String::new(),
        };
        region.furnish(None).await?;
        Ok(region)
    }

    /// Makes a secret that is replicated to a region, and returns its identifier.
    pub(crate) async fn replicated(
        &self,
        name: &str,
        base64: &str,
        (region, there): (&str, &Self),
    ) -> Outcome<String> {
        let mut body = self.new_secret(name, base64);
        let target = json!({
            "targetRegion": region, "targetVaultId": there.vault, "targetKeyId": there.key,
        });
        let fields = body.as_object_mut().ok_or("no object")?;
        fields.insert("replicationConfig".to_owned(), json!({"replicationTargets": [target]}));
        self.made(SECRETS, &body).await
    }

    /// Makes a vault and a key, once the server answers.
    async fn furnish(&mut self, certificate: Option<&[u8]>) -> Outcome<()> {
        let body = json!({
            "compartmentId": self.tenancy, "displayName": "bench", "vaultType": "DEFAULT",
        });
        let began = Instant::now();
        let vault = loop {
            match self.call(&self.place, "POST", "/20180608/vaults", &body).await {
                Ok(vault) => break vault,
                Err(error) if began.elapsed().as_secs() > READY_SECS_MAX => return Err(error),
                Err(_not_yet) => {
                    self.process.check_runs()?;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        };
        self.vault = text(&vault, "id")?;
        let endpoint = text(&vault, "managementEndpoint")?;
        let port = endpoint.rsplit(':').next().ok_or("no port")?.parse()?;
        self.keys = Place::new(port, certificate)?;
        let body = json!({
            "compartmentId": self.tenancy, "displayName": "bench",
            "keyShape": {"algorithm": "AES", "length": 32},
        });
        let key = self.call(&self.keys, "POST", "/20180608/keys", &body).await?;
        self.key = text(&key, "id")?;
        Ok(())
    }

    /// Makes a key of a shape and returns its identifier.
    pub(crate) async fn key(&self, shape: &Value) -> Outcome<String> {
        let body = json!({
            "compartmentId": self.tenancy, "displayName": "bench", "keyShape": shape,
        });
        text(&self.call(&self.keys, "POST", "/20180608/keys", &body).await?, "id")
    }

    /// Asks for a key operation and returns a field of the answer.
    pub(crate) async fn crypto(&self, target: &str, body: &Value, field: &str) -> Outcome<String> {
        text(&self.call(&self.keys, "POST", target, body).await?, field)
    }

    /// Ends the server and returns how many commits it made, and in how many syncs of the disk.
    pub(crate) fn end(mut self) -> Outcome<(f64, f64)> {
        self.process.end()?;
        let log = std::fs::read_to_string(&self.log)?;
        let line: Value = serde_json::from_str(log.lines().last().ok_or("an empty log")?)?;
        let fields = line.get("fields").ok_or("no counts in the log")?;
        let number =
            |name: &str| fields.get(name).and_then(Value::as_f64).ok_or("no counts in the log");
        Ok((number("commits")?, number("syncs")?))
    }

    async fn call(
        &self,
        place: &Place,
        method: &str,
        target: &str,
        body: &Value,
    ) -> Outcome<Value> {
        let body = body.to_string();
        let request = self.identity.request(method, target, place.port, Some(body.as_bytes()))?;
        let answer = Recorded::read(&place.once(&request).await?)?;
        Ok(serde_json::from_slice(&answer.body)?)
    }

    /// Makes something and returns its identifier.
    pub(crate) async fn made(&self, target: &str, body: &Value) -> Outcome<String> {
        text(&self.call(&self.place, "POST", target, body).await?, "id")
    }

    /// Lets a user sign with a key.
    pub(crate) async fn upload_key(&self, user: &str, pem: &str) -> Outcome<()> {
        let target = format!("/20160918/users/{user}/apiKeys");
        self.call(&self.place, "POST", &target, &json!({ "key": pem })).await.map(|_key| ())
    }

    /// Makes a secret with a value of `base64` and returns its identifier.
    pub(crate) async fn secret(&self, name: &str, base64: &str) -> Outcome<String> {
        let body = self.new_secret(name, base64);
        text(&self.call(&self.place, "POST", SECRETS, &body).await?, "id")
    }

    /// Makes secrets with these numbers over one connection and returns their identifiers.
    pub(crate) async fn secrets(
        &self,
        numbers: impl Iterator<Item = usize>,
    ) -> Outcome<Vec<String>> {
        let mut connection = self.place.connect().await?;
        let mut ids = Vec::new();
        for number in numbers {
            let body = self.new_secret(&format!("secret-{number:07}"), &value(number as u64));
            let body = body.to_string();
            let port = self.place.port;
            let request = self.identity.request("POST", SECRETS, port, Some(body.as_bytes()))?;
            let answer = Recorded::read(&connection.success(&request).await?)?;
            ids.push(text(&serde_json::from_slice(&answer.body)?, "id")?);
        }
        Ok(ids)
    }

    /// The compartment that everything is in.
    pub(crate) fn tenancy(&self) -> &str {
        &self.tenancy
    }

    fn new_secret(&self, name: &str, base64: &str) -> Value {
        json!({
            "compartmentId": self.tenancy, "vaultId": self.vault, "keyId": self.key,
            "secretName": name, "secretContent": {"contentType": "BASE64", "content": base64},
        })
    }
}

fn text(value: &Value, field: &str) -> Outcome<String> {
    Ok(value.get(field).and_then(Value::as_str).ok_or("a field is missing")?.to_owned())
}

fn value_of(printed: &str, name: &str) -> Outcome<String> {
    let line = printed.lines().find_map(|line| line.strip_prefix(name));
    Ok(line.ok_or("init did not print the profile")?.to_owned())
}

fn identity_of(printed: &str) -> Outcome<Identity> {
    let parts = [
        value_of(printed, "tenancy=")?,
        value_of(printed, "user=")?,
        value_of(printed, "fingerprint=")?,
    ];
    Ok(Identity { key_id: parts.join("/"), key: PrivateKey::from_pem(printed)? })
}

/// Seconds from the start of `dev` in an empty directory until it says that it is ready.
pub(crate) fn start_secs(directory: &Path) -> Outcome<f64> {
    let began = Instant::now();
    let mut process = Process::start(
        Command::new(binary()?)
            .args(["dev", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(directory)
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    )?;
    while !directory.join("dev.json").exists() {
        process.check_runs()?;
        if began.elapsed().as_secs() > READY_SECS_MAX {
            return Err("dev did not become ready".into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(began.elapsed().as_secs_f64())
}
