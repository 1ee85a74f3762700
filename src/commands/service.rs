//! The service as the commands see it: the operator's own door to it, quota and words, for reading only.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::Failure;
use crate::cli::{Config, ServiceArgs};
use crate::cloud::{CallError, CallObserver, ClientOptions, CloudClient, Endpoints, ErrorClass, Sts, Vod};
use crate::credentials::{AmbientEnvironment, Base, CredentialProvider, Credentials, EcsRole, Identities};
use crate::domain::{AccountKey, AppId, LiveSetting, Region};
use crate::lease::LeaseClaim;
use crate::quota::{Calls, Urgency};
use crate::service::{self, Access, Source, Turn, Unserved};

/// A read that the service throttles or does not answer is tried again for so long.
const PATIENCE: Duration = Duration::from_secs(60);
/// The pause before it is tried again, where the service names none.
const PAUSE: Duration = Duration::from_secs(1);

/// The service, its addresses, and who calls it.
pub struct Service {
    /// The addresses.
    pub endpoints: Endpoints,
    /// Credentials of all kinds.
    pub credentials: Arc<CredentialProvider>,
    /// Whose account a credential belongs to.
    identities: Arc<Identities>,
    door: service::Service,
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
        let cloud = CloudClient::new(&options, Arc::new(Unobserved)).map_err(|error| Failure::no_tls(&error))?;
        let sts = Sts::new(cloud.clone());
        let environment = AmbientEnvironment::read(|name| std::env::var(name).ok())
            .and_then(AmbientEnvironment::for_use)
            .map_err(Failure::usage)?;
        let ecs = EcsRole::new(
            config.metadata_endpoint.as_ref().map(|url| url.as_str()),
            environment.ecs_role_name.clone(),
            environment.imds_v1_allowed,
        )
        .map_err(Failure::unknown)?;
        let credentials = Arc::new(CredentialProvider::new(
            sts.clone(),
            endpoints.clone(),
            environment,
            ecs,
            None,
        ));
        let identities = Arc::new(Identities::new(sts));
        let calls = Arc::new(Calls::new(config.vod_qps, |_| {}));
        Ok(Self {
            door: service::Service::new(
                Vod::new(cloud),
                calls,
                Arc::clone(&credentials),
                Arc::clone(&identities),
                LeaseClaim::always(),
            ),
            credentials,
            identities,
            endpoints,
        })
    }

    /// Whose account it is; where STS does not say, the AccessKey ID stands in for it.
    ///
    /// # Errors
    /// When the credentials are refused: then it is nobody's.
    pub async fn account(&self, credentials: &Credentials, region: &Region) -> Result<AccountKey, CallError> {
        let endpoint = self.endpoints.sts(region);
        match self.identities.account_of(credentials, &endpoint).await {
            Ok(id) => Ok(AccountKey::Account(id)),
            Err(error) if error.class == ErrorClass::Credentials => Err(error),
            Err(_) => Ok(AccountKey::Credential(credentials.id)),
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
        let access = Access {
            credentials: Arc::new(credentials.clone()),
            source: Arc::new(Source {
                base: Base::Given(credentials.clone()),
                role: None,
            }),
            account: account.clone(),
            account_note: None,
            endpoint: self.endpoints.vod(region),
            region: region.clone(),
            app: app.clone(),
        };
        let turn = Turn::alone(Urgency::Check);
        loop {
            let error = match self.door.get(&access, &turn, Instant::now()).await {
                Ok(live) => return Ok((*live).clone()),
                Err(Unserved::Rests { until }) => CallError::paused(until),
                Err(Unserved::Call(error)) => *error,
                Err(Unserved::NoCredentials(error)) => match error.call() {
                    Some(call) => call.clone(),
                    None => CallError::late(),
                },
                // Neither happens without an election and without a resource that may change.
                Err(Unserved::Outdated | Unserved::StaleLeader) => CallError::cut_off(),
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
            sleep_until(next).await;
        }
    }
}
