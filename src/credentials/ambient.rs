use std::path::PathBuf;

use zeroize::Zeroizing;

use super::CredentialError;
use crate::cloud::{Credentials, EndpointUrl, OidcRole, Sts};
use crate::domain::CredentialId;

const ROLE_ARN: &str = "ALIBABA_CLOUD_ROLE_ARN";
const PROVIDER_ARN: &str = "ALIBABA_CLOUD_OIDC_PROVIDER_ARN";
const TOKEN_FILE: &str = "ALIBABA_CLOUD_OIDC_TOKEN_FILE";

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
    /// Half of an AccessKey.
    pub half_key: Option<HalfSet>,
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

/// Some of the variables that go together are set and others not. Without them all, the next source would be used,
/// which may be somebody else: the role of the node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{missing} is not set, though {present} is: set all of {all}, or none of them")]
pub struct HalfSet {
    /// One that is.
    pub present: &'static str,
    /// One that is not.
    pub missing: &'static str,
    /// All that go together.
    pub all: &'static str,
}

const RRSA: &str = "ALIBABA_CLOUD_ROLE_ARN, ALIBABA_CLOUD_OIDC_PROVIDER_ARN and ALIBABA_CLOUD_OIDC_TOKEN_FILE (RRSA)";
const KEY_ID: &str = "ALIBABA_CLOUD_ACCESS_KEY_ID";
const KEY_SECRET: &str = "ALIBABA_CLOUD_ACCESS_KEY_SECRET";
const ACCESS_KEY: &str = "ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET";

impl AmbientEnvironment {
    /// Reads it, once, by `var`; blank variables count as unset.
    ///
    /// # Errors
    /// When RRSA is set by halves.
    pub fn read(var: impl Fn(&str) -> Option<String>) -> Result<Self, HalfSet> {
        let var = |name: &str| var(name).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
        let half = |present, missing| {
            Some(HalfSet {
                present,
                missing,
                all: ACCESS_KEY,
            })
        };
        let (keys, half_key) = match (var(KEY_ID), var(KEY_SECRET)) {
            (Some(id), Some(secret)) => {
                let token = var("ALIBABA_CLOUD_SECURITY_TOKEN");
                (Some(Credentials::of_key(&id, &secret, token.as_deref())), None)
            }
            (None, None) => (None, None),
            (Some(_), None) => (None, half(KEY_ID, KEY_SECRET)),
            (None, Some(_)) => (None, half(KEY_SECRET, KEY_ID)),
        };
        let rrsa = rrsa(&var)?;
        let says = |name: &str, word: &str| var(name).is_some_and(|v| v.eq_ignore_ascii_case(word));
        Ok(Self {
            keys,
            half_key,
            rrsa,
            ecs_role_name: var("ALIBABA_CLOUD_ECS_METADATA"),
            ecs_disabled: says("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true"),
            imds_v1_allowed: says("ALIBABA_CLOUD_IMDSV1_DISABLED", "false"),
            session_name: var("ALIBABA_CLOUD_ROLE_SESSION_NAME"),
        })
    }
}

impl AmbientEnvironment {
    /// The same where these credentials are going to be used: an AccessKey that is set by halves is refused, too.
    ///
    /// # Errors
    /// When it is.
    pub fn for_use(self) -> Result<Self, HalfSet> {
        match self.half_key {
            Some(half) => Err(half),
            None => Ok(self),
        }
    }
}

fn rrsa(var: &impl Fn(&str) -> Option<String>) -> Result<Option<Rrsa>, HalfSet> {
    let read = [ROLE_ARN, PROVIDER_ARN, TOKEN_FILE].map(|name| (name, var(name)));
    let named = |set: bool| {
        read.iter()
            .find(|(_, value)| value.is_some() == set)
            .map(|(name, _)| *name)
    };
    if let (Some(present), Some(missing)) = (named(true), named(false)) {
        return Err(HalfSet {
            present,
            missing,
            all: RRSA,
        });
    }
    Ok(match read {
        [(_, Some(role_arn)), (_, Some(provider_arn)), (_, Some(file))] => Some(Rrsa {
            role_arn,
            provider_arn,
            token_file: PathBuf::from(file),
        }),
        _ => None,
    })
}

impl Rrsa {
    /// Which credential it is.
    pub fn id(&self) -> CredentialId {
        CredentialId::of_parts("rrsa", &[&self.role_arn, &self.provider_arn])
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
        let role = OidcRole {
            role_arn: self.role_arn.clone(),
            provider_arn: self.provider_arn.clone(),
            session_name: session.to_owned(),
        };
        let asked = sts.assume_role_with_oidc(endpoint, &role, token, self.id()).await;
        asked.map_err(|error| CredentialError::role(&self.role_arn, ROLE_ARN, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn try_read(pairs: &[(&str, &str)]) -> Result<AmbientEnvironment, HalfSet> {
        AmbientEnvironment::read(|name| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
    }

    fn read(pairs: &[(&str, &str)]) -> AmbientEnvironment {
        try_read(pairs).unwrap()
    }

    #[test]
    fn the_vendors_variables_are_read_and_never_shown() {
        let id = ("ALIBABA_CLOUD_ACCESS_KEY_ID", "id");
        let secret = ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "secret");
        for (half, missing) in [(id, KEY_SECRET), (secret, KEY_ID)] {
            assert!(read(&[half]).keys.is_none(), "nobody uses it");
            let why = read(&[half]).for_use().unwrap_err().to_string();
            assert!(why.starts_with(missing), "{why}");
        }
        assert!(read(&[id, secret]).keys.is_some());
        let shown = format!("{:?}", read(&[("ALIBABA_CLOUD_ACCESS_KEY_ID", "visible"), secret]));
        assert!(!shown.contains("visible") && !shown.contains("\"secret\""), "{shown}");
        assert!(!read(&[]).imds_v1_allowed);
        assert!(read(&[("ALIBABA_CLOUD_IMDSV1_DISABLED", "false")]).imds_v1_allowed);
    }

    /// Otherwise the operator would act as the node it happens to run on.
    #[test]
    fn half_of_rrsa_is_refused_and_the_missing_variable_named() {
        let all = [(ROLE_ARN, "r"), (PROVIDER_ARN, "p"), (TOKEN_FILE, "/t")];
        assert!(read(&all).rrsa.is_some());
        assert!(read(&[]).rrsa.is_none());
        for n in 0..all.len() {
            let mut some = all.to_vec();
            let (missing, _) = some.remove(n);
            let told = try_read(&some).unwrap_err();
            assert_eq!(told.missing, missing);
            assert!(told.to_string().starts_with(missing), "{told}");
            some.push((missing, " "));
            assert_eq!(try_read(&some).unwrap_err().missing, missing, "blank is unset");
            assert!(try_read(&all[n..=n]).is_err());
        }
    }
}
