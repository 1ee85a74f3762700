use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::clock_skew::time_until;
use super::{Action, CallError, CloudClient, Credentials, EndpointUrl, ErrorClass, Response};
use crate::domain::{AccountId, CredentialId};

const VERSION: &str = "2015-04-01";
/// How long temporary credentials last, in seconds: the default of STS.
const DURATION: &str = "3600";

/// The operations of STS that credentials come from.
#[derive(Clone)]
pub struct Sts(CloudClient);

/// A RAM role to assume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssumeRole {
    /// `acs:ram::ACCOUNT:role/NAME`
    pub role_arn: String,
    /// What the role's trust policy may ask for.
    pub external_id: Option<String>,
    /// The session's name in audit logs.
    pub session_name: String,
}

/// A RAM role that trusts a cluster's tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcRole {
    /// `acs:ram::ACCOUNT:role/NAME`
    pub role_arn: String,
    /// `acs:ram::ACCOUNT:oidc-provider/NAME`
    pub provider_arn: String,
    /// The session's name in audit logs.
    pub session_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Identity {
    account_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Assumed {
    credentials: Temporary,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Temporary {
    access_key_id: SecretString,
    access_key_secret: SecretString,
    security_token: SecretString,
    expiration: String,
}

impl Sts {
    /// Over `client`.
    pub fn new(client: CloudClient) -> Self {
        Self(client)
    }

    /// The same, for calls that are waited for no longer than this.
    pub fn patient_for(&self, call_timeout: Duration) -> Self {
        Self(self.0.patient_for(call_timeout))
    }

    /// Whose credentials these are.
    ///
    /// # Errors
    /// What STS answered.
    pub async fn get_caller_identity(
        &self,
        endpoint: &EndpointUrl,
        credentials: &Credentials,
    ) -> Result<AccountId, CallError> {
        let api = Action {
            version: VERSION,
            action: "GetCallerIdentity",
        };
        let answer = Box::pin(self.0.call(endpoint, api, &[], credentials)).await?;
        let identity: Identity = answer.parse()?;
        let sound =
            (1..=32).contains(&identity.account_id.len()) && identity.account_id.bytes().all(|b| b.is_ascii_digit());
        if sound {
            Ok(AccountId(identity.account_id))
        } else {
            Err(CallError::own("Garbage", "STS named no account id", true))
        }
    }

    /// Temporary credentials of a role, for `base`.
    ///
    /// # Errors
    /// What STS answered.
    pub async fn assume_role(
        &self,
        endpoint: &EndpointUrl,
        base: &Credentials,
        role: &AssumeRole,
        id: CredentialId,
    ) -> Result<Credentials, CallError> {
        let plain = |text: &str| Zeroizing::new(text.to_owned());
        let mut parameters = vec![
            ("RoleArn", plain(&role.role_arn)),
            ("RoleSessionName", plain(&role.session_name)),
            ("DurationSeconds", plain(DURATION)),
        ];
        parameters.extend(role.external_id.as_deref().map(|id| ("ExternalId", plain(id))));
        let api = Action {
            version: VERSION,
            action: "AssumeRole",
        };
        let answer = Box::pin(self.0.call(endpoint, api, &parameters, base)).await;
        temporary(&answer.map_err(about_the_role)?, id)
    }

    /// Temporary credentials of a role, for a token of the cluster. The call needs no signature, and the token goes in
    /// the body, out of addresses.
    ///
    /// # Errors
    /// What STS answered.
    pub async fn assume_role_with_oidc(
        &self,
        endpoint: &EndpointUrl,
        role: &OidcRole,
        token: Zeroizing<String>,
        id: CredentialId,
    ) -> Result<Credentials, CallError> {
        let plain = |text: &str| Zeroizing::new(text.to_owned());
        let form = [
            ("RoleArn", plain(&role.role_arn)),
            ("OIDCProviderArn", plain(&role.provider_arn)),
            ("OIDCToken", token),
            ("RoleSessionName", plain(&role.session_name)),
            ("DurationSeconds", plain(DURATION)),
        ];
        let api = Action {
            version: VERSION,
            action: "AssumeRoleWithOIDC",
        };
        let answer = Box::pin(self.0.call_unsigned(endpoint, api, &form)).await;
        temporary(&answer.map_err(about_the_role)?, id)
    }
}

/// What STS does not take of a role, a provider or a token is a matter of credentials: nothing else was asked for.
fn about_the_role(error: CallError) -> CallError {
    match error.class {
        ErrorClass::Spec => CallError {
            class: ErrorClass::Credentials,
            ..error
        },
        _ => error,
    }
}

fn temporary(answer: &Response, id: CredentialId) -> Result<Credentials, CallError> {
    let Assumed { credentials } = answer.parse()?;
    let end: Timestamp = credentials
        .expiration
        .parse()
        .map_err(|_| CallError::own("Garbage", "the credentials' expiration is not a time", true))?;
    Ok(Credentials {
        access_key_id: credentials.access_key_id,
        access_key_secret: credentials.access_key_secret,
        security_token: Some(credentials.security_token),
        expires_at: Some(Instant::now() + time_until(end, answer.date())),
        id,
    })
}
