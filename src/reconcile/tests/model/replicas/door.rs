use std::sync::Arc;

use crate::cloud::{Credentials, EndpointUrl};
use crate::credentials::Base;
use crate::domain::{AccountKey, AppId, Region};
use crate::lease::LeaseClaim;
use crate::quota::Calls;
use crate::service::tests::Behind;
use crate::service::{Access, Service, Source};

/// The parts of the door to the service that a model has no use for: no call of it goes as far as the network.
#[derive(Clone)]
pub(super) struct Door {
    behind: Behind,
    source: Arc<Source>,
}

fn key() -> Credentials {
    Credentials::of_key("ExampleId", "ExampleSecret", None)
}

impl Door {
    pub(super) fn new() -> Self {
        Self {
            behind: Behind::a_door(),
            source: Arc::new(Source {
                base: Base::Given(key()),
                role: None,
            }),
        }
    }

    pub(super) fn open(&self, calls: &Arc<Calls>, claim: LeaseClaim) -> Service {
        self.behind.open(calls, claim)
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
