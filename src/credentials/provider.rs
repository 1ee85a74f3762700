use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

use super::{
    AmbientEnvironment, AssumeRole, Base, CredentialError, CredentialIdentity, Credentials, EcsRole, Fingerprint,
};
use crate::cloud::{Endpoints, Sts};
use crate::domain::Region;

/// Credentials are renewed when so little is left of them, or a quarter of their life if that is less.
const AHEAD: Duration = Duration::from_secs(300);
/// A refresh that failed is not tried again sooner, while the old credentials still hold.
const AGAIN: Duration = Duration::from_secs(10);
/// Credentials that nobody asked for in this time are dropped.
const IDLE: Duration = Duration::from_secs(7200);

/// Gives out credentials, fetches temporary ones, and renews them ahead of their end: one fetch at a time for each.
pub struct CredentialProvider {
    sts: Sts,
    endpoints: Endpoints,
    environment: AmbientEnvironment,
    ecs: EcsRole,
    cache: Mutex<HashMap<Key, Arc<Cached>>>,
}

/// Who, and a hash of the secret behind it, so that a rotated secret is not served what the old one got.
type Key = (CredentialIdentity, Fingerprint);

struct Cached {
    used: Mutex<Instant>,
    current: tokio::sync::Mutex<Option<Current>>,
}

struct Current {
    credentials: Arc<Credentials>,
    renew_at: Timestamp,
    not_before: Option<Instant>,
}

impl CredentialProvider {
    /// With the operator's own environment, used only when a caller asks for [`Base::Ambient`].
    pub fn new(sts: Sts, endpoints: Endpoints, environment: AmbientEnvironment, ecs: EcsRole) -> Self {
        Self {
            sts,
            endpoints,
            environment,
            ecs,
            cache: Mutex::default(),
        }
    }

    /// The credentials to call with in `region`.
    ///
    /// # Errors
    /// When none can be had.
    pub async fn resolve(
        &self,
        base: Base,
        role: Option<&AssumeRole>,
        region: &Region,
    ) -> Result<Arc<Credentials>, CredentialError> {
        let base = match base {
            Base::Given(credentials) => Arc::new(credentials),
            Base::Ambient => self.ambient(region).await?,
        };
        let Some(role) = role else { return Ok(base) };
        let identity = base.identity.with(&[
            &role.role_arn,
            role.external_id.as_deref().unwrap_or_default(),
            role.session_name(),
        ]);
        // Temporary bases change with every refresh; who they are does not.
        let secret = if base.expires_at.is_some() {
            Fingerprint::NONE
        } else {
            base.fingerprint()
        };
        self.cached((identity.clone(), secret), || async {
            let endpoint = self.endpoints.sts(region);
            self.sts
                .assume_role(&endpoint, &base, role, identity.clone())
                .await
                .map_err(CredentialError::Call)
        })
        .await
    }

    /// The service says that these are no longer good: the next caller gets new ones.
    pub fn invalidate(&self, credentials: &Credentials) {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        // A role on top of them goes too, since it was got with them.
        cache.retain(|(identity, _), _| !identity.as_key().starts_with(&credentials.identity.as_key()));
    }

    async fn ambient(&self, region: &Region) -> Result<Arc<Credentials>, CredentialError> {
        let environment = &self.environment;
        if let Some(keys) = &environment.keys {
            return Ok(Arc::new(keys.clone()));
        }
        if let Some(rrsa) = &environment.rrsa {
            let session = environment.session_name.as_deref().unwrap_or(crate::NAME);
            let endpoint = self.endpoints.sts(region);
            return self
                .cached((rrsa.identity(), Fingerprint::NONE), || {
                    rrsa.fetch(&self.sts, &endpoint, session)
                })
                .await;
        }
        if !environment.ecs_disabled {
            return self
                .cached((self.ecs.identity(), Fingerprint::NONE), || self.ecs.fetch())
                .await;
        }
        Err(CredentialError::NoneFound(
            "set ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, or give its ServiceAccount a role (RRSA)".to_owned(),
        ))
    }

    async fn cached<F>(&self, key: Key, fetch: impl FnOnce() -> F) -> Result<Arc<Credentials>, CredentialError>
    where
        F: Future<Output = Result<Credentials, CredentialError>>,
    {
        let slot = self.slot(key);
        let mut current = slot.current.lock().await;
        let now = Timestamp::now();
        if let Some(held) = current.as_ref() {
            let waits = held.not_before.is_some_and(|at| at > Instant::now()) && still_good(&held.credentials, now);
            if now < held.renew_at || waits {
                return Ok(Arc::clone(&held.credentials));
            }
        }
        match fetch().await {
            Ok(credentials) => {
                let renew_at = renew_at(now, credentials.expires_at);
                let credentials = Arc::new(credentials);
                *current = Some(Current {
                    credentials: Arc::clone(&credentials),
                    renew_at,
                    not_before: None,
                });
                Ok(credentials)
            }
            // Old credentials are used to their end before a failed refresh is anybody's trouble.
            Err(error) => match current.as_mut().filter(|held| still_good(&held.credentials, now)) {
                Some(held) => {
                    tracing::warn!(%error, "credentials could not be renewed yet; the present ones still hold");
                    held.not_before = Some(Instant::now() + AGAIN);
                    Ok(Arc::clone(&held.credentials))
                }
                None => {
                    *current = None;
                    Err(error)
                }
            },
        }
    }

    fn slot(&self, key: Key) -> Arc<Cached> {
        let now = Instant::now();
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cached) = cache.get(&key) {
            *cached.used.lock().unwrap_or_else(PoisonError::into_inner) = now;
            return Arc::clone(cached);
        }
        cache
            .retain(|_, cached| now.duration_since(*cached.used.lock().unwrap_or_else(PoisonError::into_inner)) < IDLE);
        let cached = Arc::new(Cached {
            used: Mutex::new(now),
            current: tokio::sync::Mutex::new(None),
        });
        cache.insert(key, Arc::clone(&cached));
        cached
    }
}

fn still_good(credentials: &Credentials, now: Timestamp) -> bool {
    credentials.expires_at.is_none_or(|end| end > now)
}

/// Ahead of the end by five minutes, or by a quarter of what is left where that is less.
fn renew_at(now: Timestamp, end: Option<Timestamp>) -> Timestamp {
    let Some(end) = end else { return Timestamp::MAX };
    let left = Duration::try_from(end.duration_since(now)).unwrap_or_default();
    end.checked_sub(AHEAD.min(left / 4)).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renewed_ahead_of_the_end() {
        let at = |s: i64| Timestamp::from_second(s).unwrap();
        assert_eq!(renew_at(at(0), Some(at(3600))), at(3300));
        assert_eq!(renew_at(at(0), Some(at(40))), at(30));
        assert_eq!(renew_at(at(0), Some(at(-5))), at(-5));
        assert_eq!(renew_at(at(0), None), Timestamp::MAX);
    }
}
