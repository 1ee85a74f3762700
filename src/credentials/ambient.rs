use std::path::PathBuf;

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::{CredentialError, CredentialIdentity, Credentials};
use crate::cloud::{EndpointUrl, Sts};

/// A role for the operator's ServiceAccount (RRSA), as ACK's webhook or the chart sets it up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rrsa {
    /// `ALIBABA_CLOUD_ROLE_ARN`
    pub role_arn: String,
    /// `ALIBABA_CLOUD_OIDC_PROVIDER_ARN`
    pub provider_arn: String,
    /// `ALIBABA_CLOUD_OIDC_TOKEN_FILE`
    pub token_file: PathBuf,
}

/// The operator's own credentials as its environment names them, under the vendor's official variable names.
#[derive(Clone, Debug, Default)]
pub struct AmbientEnvironment {
    /// `ALIBABA_CLOUD_ACCESS_KEY_ID` and its companions.
    pub keys: Option<Credentials>,
    /// RRSA, where all three of its variables are set.
    pub rrsa: Option<Rrsa>,
    /// `ALIBABA_CLOUD_ECS_METADATA`: the ECS role's name, where it need not be asked for.
    pub ecs_role_name: Option<String>,
    /// `ALIBABA_CLOUD_ECS_METADATA_DISABLED`
    pub ecs_disabled: bool,
    /// `ALIBABA_CLOUD_IMDSV1_DISABLED=false` said outright: the older, weaker metadata protocol may be used.
    pub imds_v1_allowed: bool,
    /// `ALIBABA_CLOUD_ROLE_SESSION_NAME`
    pub session_name: Option<String>,
}

impl AmbientEnvironment {
    /// Reads it, once, by `var`; blank variables count as unset.
    pub fn read(var: impl Fn(&str) -> Option<String>) -> Self {
        let var = |name: &str| var(name).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
        let keys = var("ALIBABA_CLOUD_ACCESS_KEY_ID")
            .zip(var("ALIBABA_CLOUD_ACCESS_KEY_SECRET"))
            .map(|(id, secret)| Credentials {
                identity: CredentialIdentity::new(&[&id]),
                access_key_id: SecretString::from(id),
                access_key_secret: SecretString::from(secret),
                security_token: var("ALIBABA_CLOUD_SECURITY_TOKEN").map(SecretString::from),
                expires_at: None,
            });
        let arns = var("ALIBABA_CLOUD_ROLE_ARN").zip(var("ALIBABA_CLOUD_OIDC_PROVIDER_ARN"));
        let rrsa = arns
            .zip(var("ALIBABA_CLOUD_OIDC_TOKEN_FILE"))
            .map(|((role_arn, provider_arn), file)| Rrsa {
                role_arn,
                provider_arn,
                token_file: PathBuf::from(file),
            });
        let says = |name: &str, word: &str| var(name).is_some_and(|v| v.eq_ignore_ascii_case(word));
        Self {
            keys,
            rrsa,
            ecs_role_name: var("ALIBABA_CLOUD_ECS_METADATA"),
            ecs_disabled: says("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true"),
            imds_v1_allowed: says("ALIBABA_CLOUD_IMDSV1_DISABLED", "false"),
            session_name: var("ALIBABA_CLOUD_ROLE_SESSION_NAME"),
        }
    }
}

impl Rrsa {
    /// Who it is.
    pub fn identity(&self) -> CredentialIdentity {
        CredentialIdentity::new(&["rrsa", &self.role_arn, &self.provider_arn])
    }

    /// Fetches credentials. The token file is read each time, because the cluster renews it.
    ///
    /// # Errors
    /// When the file cannot be read or STS refuses.
    pub async fn fetch(
        &self,
        sts: &Sts,
        endpoint: &EndpointUrl,
        session: &str,
    ) -> Result<Credentials, CredentialError> {
        let token = tokio::fs::read_to_string(&self.token_file).await;
        let token = Zeroizing::new(token.map_err(|error| CredentialError::TokenFile(error.kind().to_string()))?);
        let token = Zeroizing::new(token.trim().to_owned());
        sts.assume_role_with_oidc(
            endpoint,
            &self.role_arn,
            &self.provider_arn,
            session,
            token,
            self.identity(),
        )
        .await
        .map_err(CredentialError::Call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> AmbientEnvironment {
        AmbientEnvironment::read(|name| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
    }

    #[test]
    fn the_vendors_variables() {
        let id = ("ALIBABA_CLOUD_ACCESS_KEY_ID", "id");
        let secret = ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "secret");
        assert!(read(&[id]).keys.is_none(), "half a key is none");
        assert!(read(&[id, secret]).keys.is_some());
        let shown = format!("{:?}", read(&[("ALIBABA_CLOUD_ACCESS_KEY_ID", "visible"), secret]));
        assert!(!shown.contains("visible") && !shown.contains("\"secret\""), "{shown}");
        let role = ("ALIBABA_CLOUD_ROLE_ARN", "r");
        let provider = ("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "p");
        assert!(read(&[role, provider]).rrsa.is_none());
        assert!(
            read(&[role, provider, ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", "/t")])
                .rrsa
                .is_some()
        );
        assert!(!read(&[]).imds_v1_allowed);
        assert!(read(&[("ALIBABA_CLOUD_IMDSV1_DISABLED", "false")]).imds_v1_allowed);
    }
}
