//! Files with keys and certificates. Their content is never shown.

use std::fs;
use std::io::Read;
use std::path::Path;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use crate::commands::{Failure, warn};
use crate::domain::AuthKey;

/// No key, chain of certificates or event is larger.
const MOST_BYTES: u64 = 1 << 20;

/// Reads an AuthKey.
///
/// # Errors
/// When the file cannot be read, or holds no AuthKey.
pub(super) fn auth_key(path: &Path) -> Result<AuthKey, Failure> {
    let bytes = secret(path)?;
    if bytes.trim_ascii().is_empty() {
        return Err(Failure::usage(format!(
            "the AuthKey file {} is empty: write the key into it",
            path.display()
        )));
    }
    AuthKey::parse(&bytes).map_err(|invalid| Failure::usage(format!("{}: {invalid}", path.display())))
}

/// Reads a chain of certificates.
///
/// # Errors
/// When there is none in the file.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let pem = read(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(Failure::usage(format!(
            "there is no PEM certificate in {}",
            path.display()
        ))),
    }
}

/// Reads a certificate's private key.
///
/// # Errors
/// When there is none in the file.
pub(super) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Failure> {
    PrivateKeyDer::from_pem_slice(&secret(path)?)
        .map_err(|_| Failure::usage(format!("there is no PEM private key in {}", path.display())))
}

/// Reads a file of the user's.
///
/// # Errors
/// When it cannot be read.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let name = path.display().to_string();
    let file = fs::File::open(path).map_err(|error| unreadable(&name, &in_words(&error)))?;
    read_from(file, &name)
}

/// Reads what is called `name`, a file or standard input.
///
/// # Errors
/// When it cannot be read, or is too large.
pub(super) fn read_from(reader: impl Read, name: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut bytes = Zeroizing::new(Vec::new());
    let read = reader.take(MOST_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| unreadable(name, &in_words(&error)))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(unreadable(name, "it is larger than 1 MiB"));
    }
    Ok(bytes)
}

fn unreadable(name: &str, why: &str) -> Failure {
    Failure::unknown(format!("cannot read {name}: {why}"))
}

/// Without "(os error 2)".
fn in_words(error: &std::io::Error) -> String {
    let words = error.to_string();
    words.split(" (os error").next().unwrap_or_default().to_lowercase()
}

/// Reads a file that only its owner should: a mounted Secret, and what a shell writes, can be read by others as well, and work.
fn secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let bytes = read(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let of_everybody = |file: &fs::Metadata| file.is_file() && file.permissions().mode() & 0o004 != 0;
        if fs::metadata(path).is_ok_and(|file| of_everybody(&file)) {
            let path = path.display();
            warn(format!("everybody on this machine can read {path}: chmod 600 {path}"));
        }
    }
    Ok(bytes)
}
