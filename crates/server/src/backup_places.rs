//! Where backups may go: directories that the operator's configuration puts behind a bucket or
//! behind a pre-authenticated URI.

use std::io;
use std::path::PathBuf;

use strongroom_model::private_file;
use strongroom_wire::{BackupLocation, Refusal};

const NAME_CHARS_MAX: usize = 200;

/// What stands for a directory in requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupFront {
    /// A bucket in a namespace of Object Storage.
    Bucket {
        /// Namespace.
        namespace: String,
        /// Bucket.
        bucket: String,
    },
    /// The beginning of a pre-authenticated URI, up to the object's name.
    Uri(String),
}

/// A directory in which backups are kept, one file for each object.
#[derive(Debug, Clone)]
pub struct BackupPlace {
    /// What requests call it.
    pub front: BackupFront,
    /// The directory; made when it is first needed.
    pub directory: PathBuf,
}

/// Finds the file that a request means.
///
/// # Errors
/// A [`Refusal`] if the operator's configuration names no such place, or the object's name is not
/// that of a plain file.
pub(crate) fn file_of(
    places: &[BackupPlace],
    location: &BackupLocation,
) -> Result<BackupFile, Refusal> {
    let (field, found) = match location {
        BackupLocation::Bucket { namespace, bucket, object } => {
            let asked =
                BackupFront::Bucket { namespace: namespace.clone(), bucket: bucket.clone() };
            let place = places.iter().find(|place| place.front == asked);
            ("bucketName", place.map(|place| (place, object.as_str())))
        }
        BackupLocation::Uri(uri) => {
            let found = places.iter().find_map(|place| match &place.front {
                BackupFront::Uri(start) => Some((place, uri.strip_prefix(start.as_str())?)),
                BackupFront::Bucket { .. } => None,
            });
            ("uri", found)
        }
    };
    let (place, name) = found.ok_or_else(|| {
        let rule = "is not a place for backups in this server's configuration";
        Refusal::invalid(&format!("backupLocation.{field}"), rule)
    })?;
    if !is_plain(name) {
        let rule = format!(
            "must name the object with 1 to {NAME_CHARS_MAX} characters out of A-Z a-z 0-9 - _ ., \
             not beginning with a dot"
        );
        let field = if field == "uri" { "uri" } else { "objectName" };
        return Err(Refusal::invalid(&format!("backupLocation.{field}"), &rule));
    }
    let path = place.directory.join(name);
    Ok(BackupFile { directory: place.directory.clone(), path })
}

fn is_plain(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=NAME_CHARS_MAX).contains(&name.len()) && name.chars().all(legal) && !name.starts_with('.')
}

/// A backup's file.
#[derive(Debug)]
pub(crate) struct BackupFile {
    directory: PathBuf,
    path: PathBuf,
}

impl BackupFile {
    /// Writes the file, mode 0600, whole or not at all, in place of an older one.
    pub(crate) fn write(&self, content: &[u8]) -> io::Result<()> {
        private_file::create_directory(&self.directory)?;
        private_file::replace(&self.path, content)
    }

    /// Reads the file.
    pub(crate) fn read(&self) -> io::Result<Vec<u8>> {
        private_file::read(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_configured_places_and_plain_names() {
        let bucket = |namespace: &str, bucket: &str, object: &str| BackupLocation::Bucket {
            namespace: namespace.to_owned(),
            bucket: bucket.to_owned(),
            object: object.to_owned(),
        };
        let places = [
            BackupPlace {
                front: BackupFront::Bucket { namespace: "n".into(), bucket: "b".into() },
                directory: "/backups".into(),
            },
            BackupPlace {
                front: BackupFront::Uri("https://o.example/p/x/o/".into()),
                directory: "/other".into(),
            },
        ];
        let uri = |text: &str| BackupLocation::Uri(text.to_owned());
        let path = |location| file_of(&places, &location).map(|file| file.path);
        assert_eq!(path(bucket("n", "b", "k.1")).unwrap(), PathBuf::from("/backups/k.1"));
        assert_eq!(path(uri("https://o.example/p/x/o/k")).unwrap(), PathBuf::from("/other/k"));
        for name in ["", "..", ".hidden", "a/b", "a\\b", "ä", "a b", &"x".repeat(201)] {
            assert!(path(bucket("n", "b", name)).is_err(), "{name}");
            assert!(path(uri(&format!("https://o.example/p/x/o/{name}"))).is_err(), "{name}");
        }
        for location in [bucket("n", "c", "k"), bucket("m", "b", "k"), uri("https://evil/k")] {
            assert!(path(location).unwrap_err().message.contains("not a place"));
        }
    }
}
