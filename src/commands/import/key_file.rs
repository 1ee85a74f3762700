//! The file for the AuthKey: nobody else may read it, and nothing that was there is written over.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::commands::Failure;

/// Refuses what would fail later, before anything is asked of the service.
///
/// # Errors
/// Usage: the file is there already, or means the terminal.
pub fn refuse_unusable(path: &Path) -> Result<(), Failure> {
    if path.as_os_str() == "-" {
        return Err(Failure::usage(
            "--with-auth-key needs a file: an AuthKey is not written to the terminal",
        ));
    }
    match path.symlink_metadata() {
        Ok(_) => Err(exists(path)),
        Err(_) => Ok(()),
    }
}

/// Writes `text` to a new file with mode 0600, or nothing at all.
///
/// # Errors
/// When the file is there already or cannot be written.
pub fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file: File = file.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => exists(path),
        _ => Failure::usage(format!("--with-auth-key {}: {error}", path.display())),
    })?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|error| {
        // Half a Secret serves nobody.
        let _ = std::fs::remove_file(path);
        Failure::unknown(format!("cannot write {}: {error}", path.display()))
    })
}

fn exists(path: &Path) -> Failure {
    Failure::usage(format!(
        "--with-auth-key {}: there is such a file already; remove it, or name another one",
        path.display()
    ))
}
