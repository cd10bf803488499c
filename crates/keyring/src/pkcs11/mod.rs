//! Keys that never leave a PKCS#11 token (PKCS#11 v2.40 and v3.0).

mod crypto;
mod der;
mod keys;
mod pool;
mod probe;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

pub use probe::{MechanismReport, TokenDescription};
use strongroom_model::{KeyShape, Sensitive, SigningAlgorithm};

use crate::asymmetric::Oaep;
use pool::Pool;

/// Where a token is and how it is opened.
#[derive(Clone)]
pub struct TokenConfig {
    /// Path of the PKCS#11 module.
    pub module: PathBuf,
    /// Label of the token.
    pub label: String,
    /// The user's PIN, UTF-8.
    pub pin: Sensitive,
    /// Sessions, each with a thread of its own.
    pub sessions: usize,
}

impl fmt::Debug for TokenConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (module, label) = (&self.module, &self.label);
        f.debug_struct("TokenConfig")
            .field("module", module)
            .field("label", label)
            .finish_non_exhaustive()
    }
}

/// Why a token did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Token, module or session is away.
    #[error("the token is away: {0}")]
    Unavailable(String),
    /// The token cannot do this; names the mechanism.
    #[error("the token has no {0}")]
    Mechanism(&'static str),
    /// The token holds no such key.
    #[error("the token holds no such key")]
    Missing,
    /// The input does not fit the key, or is not what was sealed.
    #[error("the token refused the input")]
    Rejected,
}

/// A token. A cheap handle: clones share its sessions.
#[derive(Debug, Clone)]
pub struct Token {
    pool: Arc<Pool>,
    mechanisms: Arc<[MechanismReport]>,
    description: Arc<TokenDescription>,
}

impl Token {
    /// Loads the module, opens the token and finds out what it can do.
    ///
    /// # Errors
    /// [`TokenError::Unavailable`] with what the module says.
    pub fn start(config: TokenConfig) -> Result<Self, TokenError> {
        let sessions = config.sessions.max(1);
        let pool = Pool::new(config);
        let found = pool.connect(probe::look)?;
        pool.spawn(sessions)?;
        let (description, mechanisms) = found;
        Ok(Self {
            pool: Arc::new(pool),
            mechanisms: mechanisms.into(),
            description: Arc::new(description),
        })
    }

    /// Ends the sessions. Call it before the process ends; afterwards the token is unavailable.
    pub fn end(&self) {
        self.pool.end();
    }

    /// Tells what the token can do of what this product needs.
    #[must_use]
    pub fn mechanisms(&self) -> &[MechanismReport] {
        &self.mechanisms
    }

    /// Tells what the token says about itself.
    #[must_use]
    pub fn description(&self) -> &TokenDescription {
        &self.description
    }

    /// Refuses what the token was found not to do.
    fn check(&self, name: &'static str) -> Result<(), TokenError> {
        let known = self.mechanisms.iter().find(|report| report.name == name);
        if known.is_some_and(|report| report.available) {
            return Ok(());
        }
        Err(TokenError::Mechanism(name))
    }

    /// Makes a key and returns the DER `SubjectPublicKeyInfo` of an asymmetric one.
    ///
    /// # Errors
    /// A [`TokenError`].
    pub async fn generate(
        &self,
        id: Vec<u8>,
        shape: KeyShape,
    ) -> Result<Option<Vec<u8>>, TokenError> {
        self.check(probe::generation(shape))?;
        self.check_use(shape)?;
        self.pool.run(move |worker| keys::generate(worker, &id, shape)).await
    }

    /// Takes a key in: the bytes of an AES key, PKCS#8 DER of an asymmetric one. Once inside it does
    /// not come out.
    ///
    /// # Errors
    /// A [`TokenError`].
    pub async fn import(
        &self,
        id: Vec<u8>,
        shape: KeyShape,
        material: Sensitive,
    ) -> Result<(), TokenError> {
        self.check(probe::KEY_WRAP)?;
        self.check_use(shape)?;
        self.pool.run(move |worker| keys::import(worker, &id, shape, &material)).await
    }

    /// AES keys are of use only where they can be derived from.
    fn check_use(&self, shape: KeyShape) -> Result<(), TokenError> {
        match shape {
            KeyShape::Aes(_) => self.check(probe::DERIVE).and_then(|()| self.check(probe::GCM)),
            KeyShape::Rsa(_) | KeyShape::Ecdsa(_) => Ok(()),
        }
    }

    /// Destroys a key; one that is not there is destroyed already.
    ///
    /// # Errors
    /// A [`TokenError`].
    pub async fn destroy(&self, id: Vec<u8>) -> Result<(), TokenError> {
        self.pool.run(move |worker| keys::destroy(worker, &id)).await
    }

    /// Tells whether the token holds a key.
    ///
    /// # Errors
    /// A [`TokenError`].
    pub async fn exists(&self, id: Vec<u8>) -> Result<bool, TokenError> {
        let found = self.pool.run(move |worker| keys::look_up(worker, &id)).await;
        match found {
            Ok(_) => Ok(true),
            Err(TokenError::Missing) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Seals with an AES key: format byte, salt, nonce, ciphertext, tag. The token derives a key of
    /// its own from a fresh 256-bit salt for each value, so that no pair of key and nonce repeats,
    /// even when data directory and host are cloned.
    ///
    /// # Errors
    /// A [`TokenError`].
    pub async fn seal(
        &self,
        id: Vec<u8>,
        associated: Vec<u8>,
        plaintext: Sensitive,
    ) -> Result<Vec<u8>, TokenError> {
        self.pool.run(move |worker| crypto::seal(worker, &id, &associated, &plaintext)).await
    }

    /// Opens what [`Self::seal`] made.
    ///
    /// # Errors
    /// A [`TokenError`]; [`TokenError::Rejected`] if a bit of it, or of the associated data, differs.
    pub async fn open(
        &self,
        id: Vec<u8>,
        associated: Vec<u8>,
        sealed: Vec<u8>,
    ) -> Result<Sensitive, TokenError> {
        self.pool.run(move |worker| crypto::open(worker, &id, &associated, &sealed)).await
    }

    /// Signs a digest. ECDSA signatures are DER.
    ///
    /// # Errors
    /// A [`TokenError`].
    pub async fn sign(
        &self,
        id: Vec<u8>,
        algorithm: SigningAlgorithm,
        digest: Vec<u8>,
    ) -> Result<Vec<u8>, TokenError> {
        self.check(probe::signing(algorithm))?;
        self.pool.run(move |worker| crypto::sign(worker, &id, algorithm, &digest)).await
    }

    /// Decrypts RSAES-OAEP with an empty label.
    ///
    /// # Errors
    /// A [`TokenError`].
    pub async fn decrypt(
        &self,
        id: Vec<u8>,
        oaep: Oaep,
        ciphertext: Vec<u8>,
    ) -> Result<Sensitive, TokenError> {
        self.check(probe::oaep(oaep))?;
        self.pool.run(move |worker| crypto::decrypt(worker, &id, oaep, &ciphertext)).await
    }
}

#[cfg(test)]
mod tests;
