use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use strongroom_model::private_file;

use crate::environment::{Environment, Variables};
use crate::failure::Failure;
use crate::hand::run::env_file;

const FILE_BYTES_MAX: u64 = 1 << 20;

/// Reads the variables of another process from a file: lines as of an `--env-file`, or what the kernel
/// shows of a process, with NULs between. A home directory that the file does not name is this
/// process's.
pub(super) fn read(path: &Path, own: &Environment) -> Result<Variables, Failure> {
    let content = private_file::read_at_most(path, FILE_BYTES_MAX).map_err(|error| {
        let message = format!("cannot read the variables of `{}`", path.display());
        Failure::configuration("bad-env-file", message).because(error.to_string())
    })?;
    let mut variables: Vec<(OsString, OsString)> = if content.contains(&0) {
        content.split(|byte| *byte == 0).filter_map(pair).collect()
    } else {
        let lines = env_file::read(path)?;
        lines.into_iter().map(|line| (line.name.into(), line.value.into())).collect()
    };
    if variables.iter().all(|(name, _)| name != "HOME") {
        variables.extend(own.home.iter().map(|home| ("HOME".into(), home.into())));
    }
    Ok(Variables::given(variables.into_iter()))
}

fn pair(entry: &[u8]) -> Option<(OsString, OsString)> {
    let place = entry.iter().position(|byte| *byte == b'=')?;
    let (name, value) = entry.split_at_checked(place)?;
    let value = value.iter().skip(1).copied().collect();
    Some((OsString::from_vec(name.to_vec()), OsString::from_vec(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_what_the_kernel_shows() {
        let directory = tempfile::tempdir().unwrap();
        let own = Environment { home: Some("/home/a".to_owned()), ..Environment::default() };
        for (name, content) in [
            ("lines", "# of the unit\nDB=secret://v/n\nOCI_CLI_REGION='iad'\n"),
            ("kernel", "DB=secret://v/n\0OCI_CLI_REGION=iad\0X=a=b\0"),
        ] {
            let path = directory.path().join(name);
            private_file::create_new(&path, content.as_bytes()).unwrap();
            let variables = read(&path, &own).unwrap();
            assert_eq!(variables.get("DB"), Some("secret://v/n"), "{name}");
            assert_eq!(variables.get("OCI_CLI_REGION"), Some("iad"), "{name}");
            assert_eq!(variables.get("HOME"), Some("/home/a"), "{name}");
        }
        assert!(read(&directory.path().join("none"), &own).is_err());
    }
}
