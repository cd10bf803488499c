use std::path::PathBuf;

use strongroom_model::{Sensitive, private_file};
use strongroom_signing::PrivateKey;

use super::token::Bearer;
use super::{Got, Source, bearer, unavailable};
use crate::error::ClientError;

const WHAT: &str = "the session's token";

/// A session of Oracle's command line: `security_token_file` and `key_file` of a profile. Both are
/// read anew when the token runs out, since `oci session refresh` replaces them.
#[derive(Debug)]
pub struct SessionToken {
    /// Path of the token.
    pub token_file: PathBuf,
    /// Path of the private key, PEM.
    pub key_file: PathBuf,
    /// Passphrase of the private key.
    pub passphrase: Option<Sensitive>,
}

impl Source for SessionToken {
    fn name(&self) -> &'static str {
        "security_token"
    }

    fn get(&self) -> Got<'_> {
        Box::pin(std::future::ready(self.read()))
    }
}

impl SessionToken {
    fn read(&self) -> Result<Bearer, ClientError> {
        let unread = |error: std::io::Error| unavailable(WHAT, &error);
        let token = private_file::read_private(&self.token_file).map_err(unread)?;
        let token =
            String::from_utf8(token).map_err(|_error| unavailable(WHAT, "it is not text"))?;
        let key = Sensitive::new(private_file::read_private(&self.key_file).map_err(unread)?);
        let key = PrivateKey::from_bytes(key.expose(), self.passphrase.as_ref());
        bearer(WHAT, &token, key.map_err(|error| unavailable(WHAT, &error))?)
    }
}
