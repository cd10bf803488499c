//! Passwords of PostgreSQL roles. Two roles take turns: while clients use one, the other gets a new
//! password, so that at every moment the current and the previous content both log in.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use strongroom_keyring::generate_content;
use strongroom_model::{
    Generated, PassphraseTemplate, Random, RotationStep, SecretGeneration, Sensitive,
};
use strongroom_server::{StepAnswer, StepFailure, StepOutcome, StepWork, TargetSystem};
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;
use zeroize::Zeroizing;

const CONNECT_TIME: Duration = Duration::from_secs(10);
const STEP_TIME: Duration = Duration::from_secs(30);
const PASSWORD_LENGTH: u16 = 40;

/// How connections are protected.
#[derive(Debug, Clone)]
pub enum TlsMode {
    /// Not at all; for a socket of this machine.
    Off,
    /// With TLS; the server's certificate must be of these authorities, in PEM.
    Required(Vec<u8>),
}

/// What a PostgreSQL target is made of.
pub struct PostgresParts {
    /// Host name, address or directory of the socket.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Database to log in to.
    pub database: String,
    /// The two roles that take turns.
    pub roles: [String; 2],
    /// The role that may change their passwords.
    pub admin: String,
    /// Its password.
    pub admin_password: Sensitive,
    /// How connections are protected.
    pub tls: TlsMode,
    /// Randomness for new passwords.
    pub random: Arc<dyn Random>,
}

impl std::fmt::Debug for PostgresParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresParts").field("roles", &self.roles).finish_non_exhaustive()
    }
}

/// Two roles of a PostgreSQL database. The content of their secret is JSON with `username` and
/// `password`; other fields of it are kept.
pub struct Postgres {
    parts: PostgresParts,
    tls: Option<MakeRustlsConnect>,
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Postgres").field("roles", &self.parts.roles).finish_non_exhaustive()
    }
}

/// The content of a secret, taken apart.
struct Login {
    username: String,
    password: Zeroizing<String>,
    rest: serde_json::Map<String, serde_json::Value>,
}

impl Postgres {
    /// Makes the target.
    ///
    /// # Errors
    /// What is wrong with the certificate authorities or the roles.
    pub fn new(parts: PostgresParts) -> Result<Self, String> {
        let [a, b] = &parts.roles;
        if a == b || a.is_empty() || b.is_empty() {
            return Err("roles must name two different roles".to_owned());
        }
        let tls = match &parts.tls {
            TlsMode::Off => None,
            TlsMode::Required(pem) => Some(MakeRustlsConnect::new(tls_config(pem)?)),
        };
        Ok(Self { parts, tls })
    }

    async fn act(&self, work: &StepWork) -> Result<StepOutcome, StepFailure> {
        let content = work.content.as_ref();
        let content =
            content.ok_or_else(|| StepFailure::lasting("the step came without content"))?;
        let login = self.login(content)?;
        match work.step {
            RotationStep::VerifyConnection | RotationStep::PromotePendingVersion => {
                self.connect(&login.username, login.password.as_bytes()).await?;
                Ok(StepOutcome::Done)
            }
            RotationStep::CreatePendingVersion => Ok(StepOutcome::Content(self.successor(login)?)),
            RotationStep::UpdateTargetSystem => {
                self.set_password(&login.username, Some(&login.password), work).await?;
                Ok(StepOutcome::Done)
            }
            RotationStep::RetirePreviousVersion => {
                let in_use = work.in_use.as_ref().map(|content| self.login(content)).transpose()?;
                if in_use.is_some_and(|current| current.username == login.username) {
                    let message = "the current version uses the role of the one to be retired";
                    return Err(StepFailure::lasting(message));
                }
                self.set_password(&login.username, None, work).await?;
                Ok(StepOutcome::Done)
            }
        }
    }

    fn login(&self, content: &Sensitive) -> Result<Login, StepFailure> {
        let wrong = || {
            StepFailure::lasting("the content must be JSON with the texts username and password")
        };
        let parsed = serde_json::from_slice(content.expose());
        let Ok(serde_json::Value::Object(mut rest)) = parsed else { return Err(wrong()) };
        let Some(serde_json::Value::String(password)) = rest.remove("password") else {
            return Err(wrong());
        };
        let password = Zeroizing::new(password);
        let username = rest.get("username").and_then(|name| name.as_str()).ok_or_else(wrong)?;
        let username = username.to_owned();
        if !self.parts.roles.contains(&username) {
            let message = "the content's username is none of the roles of this target system";
            return Err(StepFailure::lasting(message));
        }
        Ok(Login { username, password, rest })
    }

    /// The content that follows: the other role, with a new password.
    fn successor(&self, login: Login) -> Result<Sensitive, StepFailure> {
        let generated = Generated::Passphrase {
            template: PassphraseTemplate::DbaasDefaultPassword,
            length: PASSWORD_LENGTH,
        };
        let generation = SecretGeneration { generated, template: None };
        let made = generate_content(&generation, &*self.parts.random);
        let made = made.map_err(|error| StepFailure::passing(error.to_string()))?;
        let other = self.parts.roles.iter().find(|role| **role != login.username);
        let mut rest = login.rest;
        rest.insert("username".to_owned(), other.cloned().into());
        rest.remove("password");
        let mut text = serde_json::Value::Object(rest).to_string().into_bytes();
        // The passphrase has no character that JSON escapes.
        text.pop();
        let mut content = Sensitive::new(Vec::with_capacity(text.len() + made.expose().len() + 32));
        let whole = content.expose_mut();
        whole.extend_from_slice(&text);
        whole.extend_from_slice(b",\"password\":\"");
        whole.extend_from_slice(made.expose());
        whole.extend_from_slice(b"\"}");
        Ok(content)
    }

    /// Sets a role's password by its SCRAM verifier, so that the password itself never reaches the
    /// server's log; without one the role cannot log in with a password any more. What a newer
    /// version of the secret has set stays: the step is then of somebody who was held up.
    async fn set_password(
        &self,
        role: &str,
        password: Option<&Zeroizing<String>>,
        work: &StepWork,
    ) -> Result<(), StepFailure> {
        let client = self.connect(&self.parts.admin, self.parts.admin_password.expose()).await?;
        let value = match password {
            Some(password) => {
                let verifier = postgres_protocol::password::scram_sha_256(password.as_bytes());
                format!("'{verifier}'")
            }
            None => "NULL".to_owned(),
        };
        let statement = Zeroizing::new(unless_newer(role, &value, work));
        let altered = timeout(STEP_TIME, client.batch_execute(&statement)).await;
        let altered =
            altered.map_err(|_elapsed| StepFailure::passing("ALTER ROLE took too long"))?;
        altered.map_err(|error| match error.code().map(SqlState::code) {
            Some(NEWER) => StepFailure::lasting(format!(
                "a newer version of this secret set the password of {role}, as the role's comment \
                 says; if the vault was restored to an earlier state: COMMENT ON ROLE {role} IS NULL"
            )),
            _ => StepFailure::passing(told(&error)),
        })
    }

    /// Logs in.
    async fn connect(&self, user: &str, password: &[u8]) -> Result<Client, StepFailure> {
        let mut config = Config::new();
        config.host(&self.parts.host).port(self.parts.port).dbname(&self.parts.database);
        config.user(user).password(password).connect_timeout(CONNECT_TIME);
        config.application_name("strongroom");
        let late = || StepFailure::passing(format!("{user} could not log in: it took too long"));
        let refused = |error: tokio_postgres::Error| {
            StepFailure::passing(format!("{user} could not log in: {}", told(&error)))
        };
        let client = match &self.tls {
            None => {
                let connected = timeout(CONNECT_TIME, config.connect(NoTls)).await;
                let (client, connection) =
                    connected.map_err(|_elapsed| late())?.map_err(refused)?;
                tokio::spawn(connection);
                client
            }
            Some(tls) => {
                config.ssl_mode(tokio_postgres::config::SslMode::Require);
                let connected = timeout(CONNECT_TIME, config.connect(tls.clone())).await;
                let (client, connection) =
                    connected.map_err(|_elapsed| late())?.map_err(refused)?;
                tokio::spawn(connection);
                client
            }
        };
        Ok(client)
    }
}

/// The statement that sets a role's password, and notes in the role's comment which version of which
/// secret it is, unless a newer version of the same secret was there before. It is one message to the
/// server, so that nobody holds the lock while waiting for this process.
fn unless_newer(role: &str, password: &str, work: &StepWork) -> String {
    let (secret, version) = (&work.secret_id, work.version);
    let literal = postgres_protocol::escape::escape_literal(role);
    let name = postgres_protocol::escape::escape_identifier(role);
    let body = format!(
        "DECLARE
said text;
mark text;
BEGIN
PERFORM pg_advisory_xact_lock(hashtextextended({literal}, {LOCK}));
SELECT coalesce(shobj_description(oid, 'pg_authid'), '') INTO said
FROM pg_roles WHERE rolname = {literal};
mark := substring(said FROM '{MARK} {secret} ([0-9]+)]');
IF mark::bigint > {version} THEN
RAISE EXCEPTION 'a newer version was set' USING ERRCODE = '{NEWER}';
END IF;
ALTER ROLE {name} PASSWORD {password};
said := regexp_replace(said, ' *{MARK} [^]]*]', '', 'g');
EXECUTE format('COMMENT ON ROLE %I IS %L', {literal}, ltrim(said || ' [strongroom: {secret} {version}]'));
END"
    );
    format!("DO {}", postgres_protocol::escape::escape_literal(&body))
}

/// How the note in a role's comment begins, as a regular expression.
const MARK: &str = "[[]strongroom:";
/// The error code of a step that comes too late.
const NEWER: &str = "SRM01";
/// What the locks of these statements begin with.
const LOCK: i64 = 7_813_946_271_834_650_112;

/// What PostgreSQL says: code and message of the server, never the statement.
fn told(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(error) => format!("{} ({})", error.message(), error.code().code()),
        None => error.to_string(),
    }
}

fn tls_config(pem: &[u8]) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.is_empty() {
        return Err("there is no certificate in PEM".to_owned());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

impl TargetSystem for Postgres {
    fn takes_content(&self) -> bool {
        true
    }

    fn step<'a>(&'a self, work: &'a StepWork) -> StepAnswer<'a> {
        Box::pin(self.act(work))
    }
}

#[cfg(test)]
mod tests {
    use strongroom_keyring::SystemRandom;

    use super::*;

    #[tokio::test]
    async fn the_role_of_the_current_version_is_not_retired() {
        let target = Postgres::new(PostgresParts {
            host: "/nowhere".to_owned(),
            port: 1,
            database: "db".to_owned(),
            roles: ["app_a".to_owned(), "app_b".to_owned()],
            admin: "admin".to_owned(),
            admin_password: Sensitive::new(Vec::new()),
            tls: TlsMode::Off,
            random: Arc::new(SystemRandom),
        });
        let content = |role: &str| {
            let text = format!(r#"{{"username":"{role}","password":"p"}}"#);
            Some(Sensitive::new(text.into_bytes()))
        };
        let work = |retired: &str, current: &str| StepWork {
            step: RotationStep::RetirePreviousVersion,
            secret_id: "ocid1.vaultsecret.oc1.iad.s".parse().unwrap(),
            version: 3,
            content: content(retired),
            in_use: content(current),
        };
        let target = target.unwrap();
        let refused = target.step(&work("app_b", "app_b")).await.unwrap_err();
        let message = "the current version uses the role of the one to be retired";
        assert_eq!(refused, StepFailure::lasting(message));
        let tried = target.step(&work("app_a", "app_b")).await.unwrap_err();
        assert!(tried.message.contains("admin could not log in"), "{}", tried.message);
    }
}
