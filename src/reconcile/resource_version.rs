//! What resourceVersions tell: which of two is newer, and which one of a Secret was read.

use crate::api::ObservedSecret;

/// The version of a Secret in a list of those that were read.
pub fn version_of<'a>(read: &'a [ObservedSecret], name: &str) -> Option<&'a str> {
    let secret = read.iter().find(|secret| secret.name == name)?;
    Some(&secret.resource_version)
}

/// The watch may lag behind a read, so only a newer version is a change; versions are comparable numbers in every
/// API server we support, and any other text is only compared for equality.
pub fn is_newer(version: &str, recorded: &str) -> bool {
    match (version.parse::<u128>(), recorded.parse::<u128>()) {
        (Ok(v), Ok(r)) => v > r,
        _ => version != recorded,
    }
}
