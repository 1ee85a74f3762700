use std::sync::Arc;
use std::time::Duration;

use crate::cloud::{
    CallObserver, ClientOptions, CloudClient, Credentials, EndpointNetwork, EndpointUrl, Endpoints, Sts, Vod,
};
use crate::credentials::{AmbientEnvironment, Base, CredentialProvider, EcsRole, Identities};
use crate::domain::{AccountKey, AppId, Region};
use crate::lease::LeaseClaim;
use crate::quota::Calls;
use crate::service::{Access, Service, Source};

/// The parts of the door to the service that a model has no use for: no call of it goes as far as the network.
#[derive(Clone)]
pub(super) struct Door {
    vod: Vod,
    credentials: Arc<CredentialProvider>,
    identities: Arc<Identities>,
    source: Arc<Source>,
}

struct Unobserved;

impl CallObserver for Unobserved {
    fn observed(&self, _: &'static str, _: &str, _: Duration) {}
}

fn key() -> Credentials {
    Credentials::of_key("ExampleId", "ExampleSecret", None)
}

impl Door {
    pub(super) fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let cloud = CloudClient::new(&ClientOptions::default(), Arc::new(Unobserved)).unwrap();
        let sts = Sts::new(cloud.clone());
        let endpoints = Endpoints {
            vod: None,
            sts: None,
            network: EndpointNetwork::Public,
        };
        let ecs = EcsRole::new(None, None, false).unwrap();
        let provider = CredentialProvider::new(sts.clone(), endpoints, AmbientEnvironment::default(), ecs, None);
        Self {
            vod: Vod::new(cloud),
            credentials: Arc::new(provider),
            identities: Arc::new(Identities::new(sts)),
            source: Arc::new(Source {
                base: Base::Given(key()),
                role: None,
            }),
        }
    }

    pub(super) fn open(&self, calls: &Arc<Calls>, claim: LeaseClaim) -> Service {
        let (credentials, identities) = (Arc::clone(&self.credentials), Arc::clone(&self.identities));
        Service::new(self.vod.clone(), Arc::clone(calls), credentials, identities, claim)
    }

    pub(super) fn access(&self, account: AccountKey) -> Access {
        Access {
            credentials: Arc::new(key()),
            source: Arc::clone(&self.source),
            account,
            account_note: None,
            endpoint: EndpointUrl::parse("http://vod.localhost").unwrap(),
            region: Region("cn-shanghai".to_owned()),
            app: AppId("app-1000000".to_owned()),
        }
    }
}
