//! Passwords and tokens in files.

use std::io;
use std::path::Path;

use strongroom_model::{Sensitive, private_file};

/// Reads a file that nobody else may read, without the line end that editors leave.
pub(crate) fn read_secret(path: &Path) -> io::Result<Sensitive> {
    let mut secret = Sensitive::new(private_file::read_private(path)?);
    if secret.expose().ends_with(b"\n") {
        secret.expose_mut().pop();
    }
    Ok(secret)
}
