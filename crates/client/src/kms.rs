//! Vaults and keys, read.

use crate::answers::{Key, VaultSummary};
use crate::calls::{encode, get, parse};
use crate::client::Client;
use crate::endpoint::{BaseUrl, Service};
use crate::error::ClientError;

impl Client {
    /// `GetVault`.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn vault(&self, vault_id: &str) -> Result<VaultSummary, ClientError> {
        let target = format!("/20180608/vaults/{}", encode(vault_id));
        parse(&self.send(get(Service::KmsVaults, target)).await?, "GetVault")
    }

    /// `GetKey`, at its vault's management endpoint.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn key(&self, management: &BaseUrl, key_id: &str) -> Result<Key, ClientError> {
        let target = format!("/20180608/keys/{}", encode(key_id));
        let there = self.at(management);
        parse(&there.send(get(Service::KmsVaults, target)).await?, "GetKey")
    }
}
