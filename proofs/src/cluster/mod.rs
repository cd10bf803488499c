//! Several nodes at a PostgreSQL primary with a synchronous standby, each on a machine of its own.

mod network;
mod node;
mod postgres;
mod tls;

use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use strongroom_signing::PrivateKey;

use self::network::{Machine, Network};
pub(crate) use self::node::Node;
pub(crate) use self::postgres::Postgres;
use self::tls::Authority;
use crate::Outcome;
use crate::http::{Client, Identity, Request, text};

/// All of it. Fields are dropped in order: the network goes last.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Node>,
    /// The primary first, then its standby.
    pub(crate) databases: [Postgres; 2],
    pub(crate) tenant: Tenant,
    _directory: tempfile::TempDir,
    network: Network,
}

/// The administrator, and where secrets are made.
#[derive(Debug, Clone)]
pub(crate) struct Tenant {
    pub(crate) admin: Identity,
    pub(crate) tenancy: String,
    vault: String,
    key: String,
}

impl Cluster {
    /// Starts so many nodes; `parts` asks for machines that can be parted.
    pub(crate) fn start(count: usize, parts: bool) -> Outcome<Self> {
        let (mut network, authority) = (Network::new(parts), Authority::new()?);
        let primary = Postgres::primary(network.machine()?, "a", &authority)?;
        let standby = Postgres::standby(network.machine()?, "b", &authority, &primary)?;
        primary.wait_for_standbys(Some(standby.name()))?;
        primary.follower_is_there(&standby)?;
        let url = postgres::url(&[&primary, &standby]);
        let directory = tempfile::tempdir()?;
        let mut nodes = Vec::with_capacity(count);
        for number in 0..count {
            let place = directory.path().join(number.to_string());
            let database = (url.as_str(), &*authority.to_pem());
            nodes.push(Node::new(network.machine()?, &place, Some(database))?);
        }
        let (first, others) = nodes.split_first_mut().ok_or("a cluster has a node")?;
        let printed = first.init()?;
        for node in others {
            node.share_root_key(first)?;
            node.start()?;
        }
        first.start()?;
        let tenant = Tenant::furnish(&mut first.client(), &printed)?;
        let databases = [primary, standby];
        Ok(Self { nodes, databases, tenant, _directory: directory, network })
    }

    pub(crate) const fn parts(&self) -> bool {
        self.network.parts()
    }

    /// Makes the standby the primary, which commits without waiting for another.
    pub(crate) fn promote(&mut self) -> Outcome<()> {
        let [_, standby] = &self.databases;
        standby.promote()?;
        self.databases.reverse();
        Ok(())
    }

    /// Makes the server that is not the primary follow it, and commits wait for it.
    pub(crate) fn repair(&self) -> Outcome<()> {
        let [primary, other] = &self.databases;
        other.follow(primary)?;
        primary.wait_for_standbys(Some(other.name()))?;
        primary.follower_is_there(other)
    }
}

/// A primary without a standby, on this machine.
#[derive(Debug)]
pub(crate) struct SingleDatabase {
    server: Postgres,
    authority: Authority,
}

impl SingleDatabase {
    pub(crate) fn start() -> Outcome<Self> {
        let authority = Authority::new()?;
        let server = Postgres::primary(Machine::this(), "a", &authority)?;
        Ok(Self { server, authority })
    }

    /// Makes a node that uses it.
    pub(crate) fn node(&self, directory: &Path) -> Outcome<Node> {
        let (url, authorities) = (postgres::url(&[&self.server]), self.authority.to_pem());
        Node::new(Machine::this(), directory, Some((&url, &authorities)))
    }
}

impl Tenant {
    /// Reads the administrator's profile as `init` prints it, and makes a vault and a key.
    pub(crate) fn furnish(client: &mut Client, printed: &str) -> Outcome<Self> {
        let of = |name: &str| -> Outcome<String> {
            let line = printed.lines().find_map(|line| line.strip_prefix(name));
            Ok(line.ok_or("init did not print the profile")?.to_owned())
        };
        let tenancy = of("tenancy=")?;
        let key_id = [tenancy.clone(), of("user=")?, of("fingerprint=")?].join("/");
        let key = Arc::new(PrivateKey::from_pem(printed)?);
        let admin = Identity { key_id, key };
        let body = json!({
            "compartmentId": tenancy, "displayName": "proofs", "vaultType": "DEFAULT",
        });
        let vault = client.success(&admin, Request::with("POST", "/20180608/vaults", &body))?;
        let endpoint = text(&vault, "managementEndpoint")?;
        let address = endpoint.strip_prefix("http://").ok_or("an endpoint that is not HTTP")?;
        let body = json!({
            "compartmentId": tenancy, "displayName": "proofs",
            "keyShape": {"algorithm": "AES", "length": 32},
        });
        let mut keys = Client::new(address.parse()?);
        let key = keys.success(&admin, Request::with("POST", "/20180608/keys", &body))?;
        Ok(Self { vault: text(&vault, "id")?, key: text(&key, "id")?, tenancy, admin })
    }

    /// Makes a secret and returns its identifier.
    pub(crate) fn secret(&self, client: &mut Client, name: &str, value: u64) -> Outcome<String> {
        let body = json!({
            "compartmentId": self.tenancy, "vaultId": self.vault, "keyId": self.key,
            "secretName": name, "secretContent": content(value),
        });
        let request = Request::with("POST", "/20180608/secrets", &body);
        text(&client.success(&self.admin, request)?, "id")
    }

    /// Makes a group with one user, who signs, and returns the user and the group's name.
    pub(crate) fn user(&self, client: &mut Client, name: &str) -> Outcome<Identity> {
        let details =
            |name: &str| json!({"compartmentId": self.tenancy, "name": name, "description": name});
        let mut make = |target: &str, body: &Value| -> Outcome<Value> {
            client.success(&self.admin, Request::with("POST", target, body))
        };
        let group = text(&make("/20160918/groups", &details(&group_of(name)))?, "id")?;
        let user = text(&make("/20160918/users", &details(name))?, "id")?;
        let membership = json!({"userId": user, "groupId": group});
        make("/20160918/userGroupMemberships", &membership)?;
        let key = PrivateKey::generate()?;
        let public = key.public()?;
        let upload = json!({"key": public.to_pem()});
        make(&format!("/20160918/users/{user}/apiKeys"), &upload)?;
        let key_id = [self.tenancy.clone(), user, public.fingerprint()].join("/");
        Ok(Identity { key_id, key: Arc::new(key) })
    }

    /// Makes a policy with these statements and returns its identifier.
    pub(crate) fn policy(
        &self,
        client: &mut Client,
        name: &str,
        statements: &[String],
    ) -> Outcome<String> {
        let body = json!({
            "compartmentId": self.tenancy, "name": name, "description": name,
            "statements": statements,
        });
        let request = Request::with("POST", "/20160918/policies", &body);
        text(&client.success(&self.admin, request)?, "id")
    }
}

/// The group that a user of this name is in.
pub(crate) fn group_of(user: &str) -> String {
    format!("{user}-group")
}

/// The content of a secret that holds a number.
pub(crate) fn content(value: u64) -> Value {
    json!({"contentType": "BASE64", "content": STANDARD.encode(value.to_string())})
}

/// The number that a bundle has as its content.
pub(crate) fn value_in(bundle: &Value) -> Option<u64> {
    let content = bundle.get("secretBundleContent")?.get("content")?.as_str()?;
    String::from_utf8(STANDARD.decode(content).ok()?).ok()?.parse().ok()
}
