//! Whose name calls are made in: Secrets, ServiceAccounts, the operator's own environment, RRSA, the ECS instance's
//! role, and roles assumed on top of any of them.
//!
//! One notion of a credential everywhere: [`CredentialId`](crate::domain::CredentialId).

mod ambient;
mod ask_once;
mod ecs_role;
mod identity;
pub mod profile;
mod provider;
mod secret;
mod service_account;

use tokio::time::Instant;

use crate::cloud::{CallError, ErrorClass};

pub use crate::cloud::{AssumeRole, Credentials, OidcRole};
pub use ambient::{AmbientEnvironment, HalfSet};
#[cfg(test)]
pub(crate) use ecs_role::ADDRESS as METADATA_ADDRESS;
pub use ecs_role::EcsRole;
pub use identity::Identities;
pub use provider::CredentialProvider;
pub use secret::{IncompleteSecret, from_secret_data};
pub use service_account::{ServiceAccountRole, TokenRequests};

/// The longest session name that STS takes.
const LONGEST_SESSION_NAME: usize = 64;

/// What other credentials are built on.
#[derive(Clone, Debug)]
pub enum Base {
    /// The resource's own.
    Given(Credentials),
    /// The operator's.
    Ambient,
    /// Those of the ECS instance's role, by name where one is given.
    EcsRole(Option<String>),
    /// Those of a role for a ServiceAccount of the resource's namespace.
    ServiceAccount(ServiceAccountRole),
}

/// The session's name in audit logs where a resource of `namespace` gives none.
pub fn default_session_name(namespace: &str) -> String {
    let name = format!("{}-{namespace}", crate::NAME);
    let allowed = name
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || ".@-_".contains(*c));
    allowed.take(LONGEST_SESSION_NAME).collect()
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
    /// A ServiceAccount cannot be used.
    #[error("ServiceAccount {name} in namespace {namespace}: {why}")]
    ServiceAccount {
        /// Where.
        namespace: String,
        /// Which.
        name: String,
        /// Why, with the fix.
        why: String,
    },
    /// The API server did not answer as it should when it was asked for a token.
    #[error("the API server gave no token for the ServiceAccount: {0}")]
    TokenRequest(String),
    /// STS did not give those of a role.
    #[error("STS did not give credentials of role {role_arn} ({error}); {}", advice(.error, .named_by))]
    Role {
        /// Which.
        role_arn: String,
        /// What names it: a field or a variable.
        named_by: &'static str,
        /// What STS answered.
        error: CallError,
    },
    /// What was answered to somebody else a moment ago.
    #[error("{error}")]
    Remembered {
        /// What.
        error: Box<Self>,
        /// From when on it is asked anew.
        until: Instant,
    },
}

impl CredentialError {
    fn role(role_arn: &str, named_by: &'static str, error: CallError) -> Self {
        Self::Role {
            role_arn: role_arn.to_owned(),
            named_by,
            error,
        }
    }

    /// Who must act.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::NoneFound(_) | Self::ServiceAccount { .. } => ErrorClass::Credentials,
            // A token that is not mounted yet, or a metadata service that starts, may pass by itself.
            Self::TokenFile(_) | Self::Metadata(_) | Self::TokenRequest(_) => ErrorClass::Transient,
            Self::Role { error, .. } => error.class,
            Self::Remembered { error, .. } => error.class(),
        }
    }

    /// What STS answered, if it was asked.
    pub fn call(&self) -> Option<&CallError> {
        match self {
            Self::Role { error, .. } => Some(error),
            Self::Remembered { error, .. } => error.call(),
            _ => None,
        }
    }

    /// When it is asked anew, where this is what was answered to somebody else.
    pub fn asked_anew(&self) -> Option<Instant> {
        match self {
            Self::Remembered { until, .. } => Some(*until),
            _ => None,
        }
    }

    /// The credentials that the role was asked for with have expired: new ones may be given it.
    fn is_expired_base(&self) -> bool {
        self.call().is_some_and(|error| error.expired_token)
    }
}

fn advice(error: &CallError, named_by: &str) -> String {
    match error.class {
        ErrorClass::Credentials | ErrorClass::Permission | ErrorClass::Spec if error.is_about_the_key() => {
            "the AccessKey that asked for the role is not valid: put a valid one in its place".to_owned()
        }
        ErrorClass::Credentials | ErrorClass::Permission | ErrorClass::Spec => format!(
            "see that {named_by} names a role that exists and whose trust policy lets these credentials assume it"
        ),
        ErrorClass::Throttling | ErrorClass::Transient => "it is tried again by itself".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_session_name_is_one_that_sts_takes() {
        assert_eq!(default_session_name("media"), "vod-operator-media");
        let long = default_session_name(&"n".repeat(63));
        assert_eq!(long.len(), 64);
        assert!(long.starts_with("vod-operator-nnn"));
        assert_eq!(default_session_name("a/b c"), "vod-operator-abc");
    }
}
