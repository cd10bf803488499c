use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;

use strongroom_client::CachedSecret;
use strongroom_model::private_file::{Access, Standing, publish, standing, withdraw};
use strongroom_model::{Random, Sensitive};

/// What a file is made of.
pub trait Contents: Debug + Send + Sync {
    /// Makes the content of a sink's secrets, which come in the order of its keys.
    ///
    /// # Errors
    /// What is wrong, in a sentence that holds nothing of the secrets.
    fn make(&self, found: &[CachedSecret]) -> Result<Sensitive, String>;
}

/// A file that is kept as its secrets are.
#[derive(Debug)]
pub struct FileSink {
    /// Its absolute path.
    pub path: PathBuf,
    /// Its mode and owner.
    pub access: Access,
    /// What it is made of.
    pub contents: Box<dyn Contents>,
    /// What becomes of it when a secret may no longer be read, or is gone.
    pub when_refused: WhenRefused,
}

/// What becomes of a file whose secret may no longer be read, or is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenRefused {
    /// It stays as it is.
    #[default]
    Keep,
    /// It is taken away.
    Remove,
}

impl FileSink {
    /// Puts the file in its place, and tells how it stood before.
    pub(super) async fn put(
        &self,
        found: &[CachedSecret],
        random: &Arc<dyn Random>,
    ) -> Result<Standing, String> {
        let content = self.contents.make(found)?;
        let (path, access, random) = (self.path.clone(), self.access, Arc::clone(random));
        let put = move || {
            let before = standing(&path, content.expose(), access)?;
            if before != Standing::Same {
                publish(&path, content.expose(), access, &*random)?;
            }
            Ok(before)
        };
        let put = tokio::task::spawn_blocking(put).await.map_err(|error| error.to_string())?;
        put.map_err(|error: strongroom_model::private_file::PublishError| error.to_string())
    }

    /// Takes the file away if that is asked for.
    pub(super) async fn refused(&self) -> Result<(), String> {
        if self.when_refused == WhenRefused::Keep {
            return Ok(());
        }
        let (path, access) = (self.path.clone(), self.access);
        let withdrawn = tokio::task::spawn_blocking(move || withdraw(&path, access)).await;
        withdrawn.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    }
}
