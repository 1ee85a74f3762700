use secrecy::SecretString;
use tokio::time::Instant;

use crate::domain::CredentialId;

/// An AccessKey, permanent or temporary: what calls are signed with. Zeroed when dropped and never printed.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The AccessKey ID; half of a credential, so it is kept like the other half.
    pub access_key_id: SecretString,
    /// The AccessKey secret.
    pub access_key_secret: SecretString,
    /// The token of temporary credentials.
    pub security_token: Option<SecretString>,
    /// When temporary credentials end, if it is known: counted from the clock of whoever issued them.
    pub expires_at: Option<Instant>,
    /// Which credential it is.
    pub id: CredentialId,
}

impl Credentials {
    /// An AccessKey that somebody keeps, with its token where it is a temporary one.
    pub fn of_key(access_key_id: &str, access_key_secret: &str, security_token: Option<&str>) -> Self {
        Self {
            id: CredentialId::of_key(access_key_id, access_key_secret, security_token),
            access_key_id: SecretString::from(access_key_id),
            access_key_secret: SecretString::from(access_key_secret),
            security_token: security_token.map(SecretString::from),
            expires_at: None,
        }
    }
}
