//! Keys, read.

use crate::answers::Key;
use crate::calls::{encode, get, parse};
use crate::client::Client;
use crate::endpoint::{BaseUrl, Service};
use crate::error::ClientError;

impl Client {
    /// `GetKey`, at its vault's management endpoint.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn vault_key(&self, management: &BaseUrl, key_id: &str) -> Result<Key, ClientError> {
        let target = format!("/20180608/keys/{}", encode(key_id));
        let there = self.at(management.clone())?;
        parse(&there.send(get(Service::KmsVaults, target)).await?, "GetKey")
    }
}
