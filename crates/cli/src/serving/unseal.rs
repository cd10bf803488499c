use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use strongroom_keyring::pkcs11::Token;
use strongroom_keyring::root_file::{self, RootFileError};
use strongroom_keyring::{Passphrase, RootKey, SystemRandom};
use strongroom_model::{Sensitive, private_file};

use crate::environment::Environment;
use crate::failure::Failure;

/// What seals the root key; one of the three. `[unseal]` of the configuration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Unseal {
    /// A file with a passphrase, for the owner alone.
    passphrase_file: Option<PathBuf>,
    /// Name of a credential with a passphrase, which systemd put into `$CREDENTIALS_DIRECTORY`.
    credential: Option<String>,
    /// The token of `[pkcs11]`.
    #[serde(default)]
    token: bool,
}

/// What opens the root key.
pub(crate) enum Seal {
    Passphrase(Passphrase),
    Token(Token),
}

fn refuse(why: impl Into<String>) -> Failure {
    Failure::configuration("no-passphrase", "cannot unseal the root key").because(why.into())
}

impl Unseal {
    /// Reads the passphrase, or takes the token.
    pub(crate) fn seal(
        &self,
        token: Option<&Token>,
        environment: &Environment,
    ) -> Result<Seal, Failure> {
        let path = match (&self.passphrase_file, &self.credential, self.token) {
            (Some(path), None, false) => path.clone(),
            (None, Some(name), false) => match &environment.credentials_directory {
                Some(directory) => Path::new(directory).join(name),
                None => {
                    return Err(refuse("CREDENTIALS_DIRECTORY is not set")
                        .fix("start the service by systemd with LoadCredentialEncrypted="));
                }
            },
            (None, None, true) => {
                let absent = || refuse("[unseal] token = true needs a table [pkcs11]");
                return token.cloned().map(Seal::Token).ok_or_else(absent);
            }
            _ => return Err(refuse("[unseal] needs one of passphrase_file, credential and token")),
        };
        Seal::by_passphrase_file(&path)
    }
}

impl Seal {
    /// Reads a passphrase.
    pub(crate) fn by_passphrase_file(path: &Path) -> Result<Self, Failure> {
        let content = private_file::read_private(path)
            .map_err(|error| refuse(format!("{}: {error}", path.display())))?;
        let passphrase = Passphrase::new(Sensitive::new(content));
        if passphrase.is_empty() {
            return Err(refuse("the passphrase is empty"));
        }
        Ok(Self::Passphrase(passphrase))
    }

    /// Seals a root key, as it stands in the file.
    pub(crate) async fn content(&self, root_key: &RootKey) -> Result<Vec<u8>, Failure> {
        let content = match self {
            Self::Passphrase(passphrase) => {
                root_file::sealed_content(root_key, passphrase, &SystemRandom)
            }
            Self::Token(token) => root_file::content_by_token(root_key, token).await,
        };
        content.map_err(|error| {
            Failure::configuration("root-key-unusable", "cannot seal the root key")
                .because(error.to_string())
        })
    }

    /// Writes a root key to a new file.
    pub(crate) async fn create(&self, path: &Path, root_key: &RootKey) -> Result<(), Failure> {
        let written = match self {
            Self::Passphrase(passphrase) => {
                root_file::create_sealed(path, root_key, passphrase, &SystemRandom)
            }
            Self::Token(token) => root_file::create_by_token(path, root_key, token).await,
        };
        written.map_err(|error| {
            let message = format!("cannot write the root key `{}`", path.display());
            Failure::configuration("root-key-unusable", message).because(error.to_string())
        })
    }

    /// Reads the root key.
    pub(crate) async fn open(&self, path: &Path) -> Result<RootKey, Failure> {
        let content = private_file::read_private(path).map_err(RootFileError::Io);
        self.opened(path, content).await
    }

    /// Reads the root key from what stands in such a file; `path` is where that was found.
    pub(crate) async fn open_content(
        &self,
        path: &Path,
        content: &[u8],
    ) -> Result<RootKey, Failure> {
        self.opened(path, Ok(content.to_vec())).await
    }

    async fn opened(
        &self,
        path: &Path,
        content: Result<Vec<u8>, RootFileError>,
    ) -> Result<RootKey, Failure> {
        let opened = match (self, content) {
            (_, Err(error)) => Err(error),
            (Self::Passphrase(passphrase), Ok(content)) => {
                root_file::open_sealed(&content, passphrase)
            }
            (Self::Token(token), Ok(content)) => root_file::open_by_token(&content, token).await,
        };
        opened.map_err(|error| {
            let message = format!("cannot open the root key `{}`", path.display());
            let failure =
                Failure::configuration("root-key-unusable", message).because(error.to_string());
            match error {
                RootFileError::Io(error) if error.kind() == ErrorKind::NotFound => {
                    failure.fix("copy it from another server of the database, or begin: strongroom init --config FILE")
                }
                _ => failure,
            }
        })
    }
}
