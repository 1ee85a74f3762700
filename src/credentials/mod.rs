//! Whose name calls are made in: Secrets, the operator's own environment, RRSA, the ECS instance's role, and roles
//! assumed on top of any of them.

mod ambient;
mod ecs_role;
mod identity;
mod provider;
mod secret;

use std::fmt;

use k8s_openapi::jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::cloud::{CallError, ErrorClass};

pub use ambient::{AmbientEnvironment, Rrsa};
#[cfg(test)]
pub(crate) use ecs_role::ADDRESS as METADATA_ADDRESS;
pub use ecs_role::EcsRole;
pub use identity::Identities;
pub use provider::CredentialProvider;
pub use secret::{IncompleteSecret, from_secret_data};

/// An AccessKey, permanent or temporary. Zeroed when dropped and never printed.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The AccessKey ID; half of a credential, so it is kept like the other half.
    pub access_key_id: SecretString,
    /// The AccessKey secret.
    pub access_key_secret: SecretString,
    /// The token of temporary credentials.
    pub security_token: Option<SecretString>,
    /// When temporary credentials end, if it is known.
    pub expires_at: Option<Timestamp>,
    /// Who it is.
    pub identity: CredentialIdentity,
}

/// Tells one credential from another, also a rotated one from what it was. It gives nothing away of either.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// For those that are known by who they are alone.
    const NONE: Self = Self([0; 32]);
}

impl Credentials {
    /// Of the whole credential.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut hash = Sha256::new();
        hash.update(self.access_key_id.expose_secret());
        hash.update([0]);
        hash.update(self.access_key_secret.expose_secret());
        hash.update([0]);
        hash.update(self.security_token.as_ref().map_or("", |t| t.expose_secret()));
        Fingerprint(hash.finalize().into())
    }
}

/// Who a credential stands for, the same over refreshes: an AccessKey ID, or a role on top of one.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CredentialIdentity(String);

impl CredentialIdentity {
    /// From its parts.
    pub fn new(parts: &[&str]) -> Self {
        Self(parts.join("\n"))
    }

    /// For use as a key; it holds an AccessKey ID, so it is not for printing.
    pub fn as_key(&self) -> String {
        self.0.clone()
    }

    fn with(&self, parts: &[&str]) -> Self {
        Self(format!("{}\n{}", self.0, parts.join("\n")))
    }
}

impl fmt::Debug for CredentialIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialIdentity(redacted)")
    }
}

/// A RAM role to assume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssumeRole {
    /// `acs:ram::ACCOUNT:role/NAME`
    pub role_arn: String,
    /// What the role's trust policy may ask for.
    pub external_id: Option<String>,
    /// The session's name in audit logs.
    pub session_name: Option<String>,
}

impl AssumeRole {
    /// The session's name, ours where none is given.
    pub fn session_name(&self) -> &str {
        self.session_name.as_deref().unwrap_or(crate::NAME)
    }
}

/// What other credentials are built on.
pub enum Base {
    /// The resource's own.
    Given(Credentials),
    /// The operator's.
    Ambient,
}

/// No credentials could be had.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CredentialError {
    /// The operator has none of its own.
    #[error("the operator found no credentials of its own: {0}")]
    NoneFound(String),
    /// The cluster's token for RRSA cannot be read.
    #[error("the file named by ALIBABA_CLOUD_OIDC_TOKEN_FILE cannot be read ({0}); see that the token is mounted")]
    TokenFile(String),
    /// The ECS metadata service did not give any.
    #[error("the ECS metadata service gave no credentials: {0}")]
    Metadata(String),
    /// STS did not give any.
    #[error("STS: {0}")]
    Call(CallError),
}

impl CredentialError {
    /// Who must act.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::NoneFound(_) => ErrorClass::Credentials,
            // A token that is not mounted yet, or a metadata service that starts, may pass by itself.
            Self::TokenFile(_) | Self::Metadata(_) => ErrorClass::Transient,
            Self::Call(call) => call.class,
        }
    }
}
