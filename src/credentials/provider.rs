use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use tokio::time::Instant;

use super::ask_once::{AskOnce, Freshness, Held, Refusal};
use super::{AmbientEnvironment, Base, CredentialError, EcsRole, ServiceAccountRole, TokenRequests};
use crate::cloud::{AssumeRole, Credentials, EndpointUrl, Endpoints, Sts};
use crate::domain::{CredentialId, Region};

/// Credentials are renewed when so little is left of them, or a quarter of their life if that is less.
const AHEAD: Duration = Duration::from_secs(300);

/// Gives out credentials, fetches temporary ones, and renews them ahead of their end: one fetch at a time for each.
pub struct CredentialProvider {
    sts: Sts,
    endpoints: Endpoints,
    environment: AmbientEnvironment,
    ecs: EcsRole,
    tokens: Option<TokenRequests>,
    temporary: AskOnce<Temporary, CredentialError>,
}

#[derive(Clone)]
struct Temporary {
    credentials: Arc<Credentials>,
    renew_at: Option<Instant>,
}

impl Held for Temporary {
    fn freshness(&self, now: Instant) -> Freshness {
        let reached = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        match (reached(self.renew_at), reached(self.credentials.expires_at)) {
            (_, true) => Freshness::Gone,
            (true, false) => Freshness::Renew,
            (false, false) => Freshness::Good,
        }
    }
}

impl Refusal for CredentialError {
    fn lasts(&self) -> bool {
        // What the API server refuses is asked of it again: it is ours, and a ServiceAccount may come any moment.
        !self.is_expired_base() && !matches!(self, Self::ServiceAccount { .. } | Self::TokenRequest(_))
    }

    fn remembered(self, until: Instant) -> Self {
        Self::Remembered {
            error: Box::new(self),
            until,
        }
    }
}

impl CredentialProvider {
    /// With the operator's own environment, used only when a caller asks for [`Base::Ambient`], and the API server
    /// for [`Base::ServiceAccount`].
    pub fn new(
        sts: Sts,
        endpoints: Endpoints,
        environment: AmbientEnvironment,
        ecs: EcsRole,
        tokens: Option<TokenRequests>,
    ) -> Self {
        Self {
            sts,
            endpoints,
            environment,
            ecs,
            tokens,
            temporary: AskOnce::new(),
        }
    }

    /// The credentials to call with in `region`.
    ///
    /// # Errors
    /// When none can be had.
    pub async fn resolve(
        &self,
        base: &Base,
        role: Option<&AssumeRole>,
        region: &Region,
    ) -> Result<Arc<Credentials>, CredentialError> {
        let endpoint = self.endpoints.sts(region);
        let found = Box::pin(self.base(base, &endpoint)).await?;
        let Some(role) = role else { return Ok(found) };
        match Box::pin(self.assumed(&found, role, &endpoint)).await {
            // Those of the operator's own that ended early are fetched again, and the role is asked for at once.
            Err(error) if error.is_expired_base() && found.expires_at.is_some() => {
                self.invalidate(&found);
                let found = Box::pin(self.base(base, &endpoint)).await?;
                Box::pin(self.assumed(&found, role, &endpoint)).await
            }
            other => other,
        }
    }

    /// The service says that these are no longer good: the next caller gets new ones. Those that somebody got
    /// meanwhile stay.
    pub fn invalidate(&self, credentials: &Credentials) {
        let key = |of: &Credentials| of.access_key_id.expose_secret().to_owned();
        let refused = key(credentials);
        self.temporary
            .invalidate(&credentials.id, |held| key(&held.credentials) == refused);
    }

    async fn base(&self, base: &Base, endpoint: &EndpointUrl) -> Result<Arc<Credentials>, CredentialError> {
        match base {
            Base::Given(credentials) => Ok(Arc::new(credentials.clone())),
            Base::Ambient => Box::pin(self.ambient(endpoint)).await,
            Base::EcsRole(name) => Box::pin(self.ecs_role(self.ecs.named(name.as_deref()), endpoint)).await,
            Base::ServiceAccount(account) => Box::pin(self.service_account(account, endpoint)).await,
        }
    }

    async fn assumed(
        &self,
        base: &Arc<Credentials>,
        role: &AssumeRole,
        endpoint: &EndpointUrl,
    ) -> Result<Arc<Credentials>, CredentialError> {
        // Temporary bases change with every renewal; which credential they are does not.
        let external_id = role.external_id.as_deref().unwrap_or_default();
        let id = base.id.with("role", &[&role.role_arn, external_id, &role.session_name]);
        let (sts, base, role, at) = (self.sts.clone(), Arc::clone(base), role.clone(), endpoint.clone());
        self.once(id, endpoint, async move {
            let asked = sts.assume_role(&at, &base, &role, id).await;
            asked.map_err(|error| CredentialError::role(&role.role_arn, "spec.credentials.assumeRole.roleArn", error))
        })
        .await
    }

    async fn service_account(
        &self,
        account: &ServiceAccountRole,
        endpoint: &EndpointUrl,
    ) -> Result<Arc<Credentials>, CredentialError> {
        let Some(tokens) = self.tokens.clone() else {
            return Err(CredentialError::NoneFound(
                "a ServiceAccount's tokens come from a cluster, and there is none here".to_owned(),
            ));
        };
        let id = account.id();
        let (sts, account, at) = (self.sts.clone(), account.clone(), endpoint.clone());
        self.once(id, endpoint, async move {
            let token = tokens.token(&account).await?;
            let asked = sts.assume_role_with_oidc(&at, &account.role, token, id).await;
            let named_by = "spec.credentials.serviceAccountRef.roleArn";
            asked.map_err(|error| CredentialError::role(&account.role.role_arn, named_by, error))
        })
        .await
    }

    async fn ambient(&self, endpoint: &EndpointUrl) -> Result<Arc<Credentials>, CredentialError> {
        let environment = &self.environment;
        if let Some(keys) = &environment.keys {
            return Ok(Arc::new(keys.clone()));
        }
        if let Some(rrsa) = environment.rrsa.clone() {
            let session = environment.session_name.clone();
            let (id, sts, at) = (rrsa.id(), self.sts.clone(), endpoint.clone());
            let fetch = async move { rrsa.fetch(&sts, &at, session.as_deref().unwrap_or(crate::NAME)).await };
            return self.once(id, endpoint, fetch).await;
        }
        if !environment.ecs_disabled {
            return self.ecs_role(self.ecs.clone(), endpoint).await;
        }
        Err(CredentialError::NoneFound(
            "set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, or give its ServiceAccount a role (RRSA)".to_owned(),
        ))
    }

    async fn ecs_role(&self, ecs: EcsRole, endpoint: &EndpointUrl) -> Result<Arc<Credentials>, CredentialError> {
        self.once(ecs.id(), endpoint, async move { ecs.fetch().await }).await
    }

    async fn once(
        &self,
        id: CredentialId,
        endpoint: &EndpointUrl,
        fetch: impl Future<Output = Result<Credentials, CredentialError>> + Send + 'static,
    ) -> Result<Arc<Credentials>, CredentialError> {
        let fetch = async move {
            let fetched = fetch.await;
            if let Err(error) = &fetched {
                tracing::warn!(%error, "temporary credentials could not be fetched");
            }
            fetched.map(|credentials| Temporary {
                renew_at: credentials.expires_at.map(|end| renew_at(Instant::now(), end)),
                credentials: Arc::new(credentials),
            })
        };
        let held = self.temporary.get(id, endpoint, fetch).await?;
        Ok(held.credentials)
    }
}

/// Ahead of the end by five minutes, or by a quarter of what is left where that is less.
fn renew_at(now: Instant, end: Instant) -> Instant {
    let left = end.saturating_duration_since(now);
    now + (left - AHEAD.min(left / 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_credentials_are_renewed_ahead_of_their_end() {
        let now = Instant::now();
        let at = |s: u64| now + Duration::from_secs(s);
        assert_eq!(renew_at(now, at(3600)), at(3300));
        assert_eq!(renew_at(now, at(40)), at(30));
        assert_eq!(renew_at(at(5), now), at(5));
    }
}
