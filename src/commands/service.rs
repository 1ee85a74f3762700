//! The service as the commands see it: the operator's own client, quota and words, for reading only.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::Failure;
use crate::cli::{Config, ServiceArgs};
use crate::cloud::{CallError, CallObserver, ClientOptions, CloudClient, Endpoints, ErrorClass, Sts, Vod};
use crate::credentials::{AmbientEnvironment, CredentialProvider, Credentials, EcsRole, Identities};
use crate::domain::{AccountKey, AppId, LiveSetting, Region};
use crate::quota::{Limiter, Operation, Urgency};

/// A read that the service throttles or does not answer is tried again for so long.
const PATIENCE: Duration = Duration::from_secs(60);
/// The pause before it is tried again, where the service names none.
const PAUSE: Duration = Duration::from_secs(1);

/// The service, its addresses, and who calls it.
pub struct Service {
    /// The addresses.
    pub endpoints: Endpoints,
    /// Credentials of all kinds.
    pub credentials: CredentialProvider,
    /// Whose account a credential belongs to.
    identities: Identities,
    vod: Vod,
    limiter: Limiter,
}

/// Nobody reads metrics of a command.
struct Unobserved;

impl CallObserver for Unobserved {
    fn observed(&self, _: &'static str, _: &str, _: Duration) {}
}

impl Service {
    /// By the flags, or by the variables of `run`.
    ///
    /// # Errors
    /// A flag or variable that cannot be used, or TLS that cannot be set up.
    pub fn new(args: ServiceArgs) -> Result<Self, Failure> {
        let config = Config::from_process(args.into())?;
        let endpoints = Endpoints {
            vod: config.vod_endpoint,
            sts: config.sts_endpoint,
            network: config.endpoint_network,
        };
        let options = ClientOptions {
            signature: config.signature,
            ..ClientOptions::default()
        };
        let cloud = CloudClient::new(&options, Arc::new(Unobserved)).map_err(Failure::unknown)?;
        let sts = Sts::new(cloud.clone());
        let environment = AmbientEnvironment::read(|name| std::env::var(name).ok()).map_err(Failure::usage)?;
        let ecs = EcsRole::new(
            config.metadata_endpoint.as_ref().map(|url| url.as_str()),
            environment.ecs_role_name.clone(),
            environment.imds_v1_allowed,
        )
        .map_err(Failure::unknown)?;
        Ok(Self {
            credentials: CredentialProvider::new(sts.clone(), endpoints.clone(), environment, ecs, None),
            identities: Identities::new(sts),
            vod: Vod::new(cloud),
            limiter: Limiter::new(config.vod_qps, |_| {}),
            endpoints,
        })
    }

    /// Whose account it is; where STS does not say, the credential stands in for it.
    pub async fn account(&self, credentials: &Credentials, region: &Region) -> AccountKey {
        match self
            .identities
            .account_of(credentials, &self.endpoints.sts(region))
            .await
        {
            Ok(id) => AccountKey::Account(id),
            Err(_) => AccountKey::Credential(credentials.id),
        }
    }

    /// Reads the live setting within the account's quota. What may pass by itself is waited for, for a minute.
    ///
    /// # Errors
    /// What the service answered.
    pub async fn live(
        &self,
        credentials: &Credentials,
        account: &AccountKey,
        region: &Region,
        app: &AppId,
    ) -> Result<Option<LiveSetting>, CallError> {
        let give_up = Instant::now() + PATIENCE;
        let endpoint = self.endpoints.vod(region);
        loop {
            let slot = match self.limiter.acquire(account, Operation::Get, Urgency::Check).await {
                Ok(slot) => slot,
                Err(paused) => {
                    sleep_until(paused.until).await;
                    continue;
                }
            };
            let again = async || {
                let slot = self.limiter.acquire(account, Operation::Get, Urgency::Check).await;
                slot.map_err(|paused| CallError::paused(paused.until))
            };
            let answer = self.vod.get(&endpoint, credentials, app, again).await;
            drop(slot);
            let error = match answer {
                Ok(answer) => return Ok(answer.setting),
                Err(error) => error,
            };
            let passing = match error.class {
                ErrorClass::Throttling => true,
                ErrorClass::Transient => error.http_status.is_some(),
                ErrorClass::Credentials | ErrorClass::Permission | ErrorClass::Spec => false,
            };
            let next = Instant::now() + error.retry_after.unwrap_or(PAUSE);
            if !passing || next > give_up {
                return Err(error);
            }
            if error.class == ErrorClass::Throttling {
                self.limiter.throttled(account, error.retry_after);
            }
            sleep_until(next).await;
        }
    }
}
