use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;

use strongroom_client::CachedSecret;
use strongroom_model::private_file::{
    Access, PublishError, Standing, is_due, publish, publish_due, set_done, standing_as_new,
    withdraw,
};
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

/// What came of putting a file in its place.
#[derive(Debug)]
pub(super) struct Put {
    /// Absent if it was as it should be. After a failure it may be in its place all the same, though
    /// not for certain after a power cut.
    pub(super) written: Option<Result<(), String>>,
    /// Whether a command is to be run: about what it replaces, or about what is there already.
    pub(super) is_due: bool,
}

impl FileSink {
    /// Puts the file in its place. `may_be_known` says that somebody may have read another one there,
    /// though none is there now.
    pub(super) async fn put(
        &self,
        found: &[CachedSecret],
        random: &Arc<dyn Random>,
        (has_command, may_be_known): (bool, bool),
    ) -> Result<Put, String> {
        let content = self.contents.make(found)?;
        let (path, access, random) = (self.path.clone(), self.access, Arc::clone(random));
        aside(move || {
            let write = |is_due: bool| {
                let publish = if is_due { publish_due } else { publish };
                let written = publish(&path, content.expose(), access, &*random);
                Put { written: Some(written.map_err(|error| error.to_string())), is_due }
            };
            Ok(match standing_as_new(&path, content.expose(), access, &*random)? {
                Standing::Same => {
                    let is_due = has_command && is_due(&path, access)?;
                    Put { written: None, is_due }
                }
                Standing::Differs => write(has_command),
                Standing::Absent => write(has_command && may_be_known),
            })
        })
        .await
    }

    /// Takes note that the command was run.
    pub(super) async fn done(&self, random: &Arc<dyn Random>) -> Result<(), String> {
        let (path, access, random) = (self.path.clone(), self.access, Arc::clone(random));
        aside(move || set_done(&path, access, &*random)).await
    }

    /// Takes the file away if that is asked for, and tells whether it was there then.
    pub(super) async fn refused(&self) -> Result<Option<bool>, String> {
        if self.when_refused == WhenRefused::Keep {
            return Ok(None);
        }
        let (path, access) = (self.path.clone(), self.access);
        aside(move || withdraw(&path, access)).await.map(Some)
    }
}

/// Does what waits for the disk where nobody else waits.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PublishError> + Send + 'static,
) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())?;
    done.map_err(|error| error.to_string())
}
