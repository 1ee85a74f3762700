use std::collections::VecDeque;

use parking_lot::Mutex;

use super::*;
use crate::cloud::{
    CallObserver, ClientOptions, CloudClient, Credentials, EndpointNetwork, EndpointUrl, Endpoints, Sts,
};
use crate::credentials::{AmbientEnvironment, Base, EcsRole};
use crate::domain::{AccountId, AccountKey, AppId, Region};

struct Unobserved;

impl CallObserver for Unobserved {
    fn observed(&self, _: &'static str, _: &str, _: Duration) {}
}

/// What is behind a door, where nothing is called.
#[derive(Clone)]
pub(crate) struct Behind {
    vod: Vod,
    pub(crate) credentials: Arc<CredentialProvider>,
    pub(crate) identities: Arc<Identities>,
}

impl Behind {
    pub(crate) fn a_door() -> Self {
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
        let (credentials, identities) = (Arc::new(provider), Arc::new(Identities::new(sts)));
        Self {
            vod: Vod::new(cloud),
            credentials,
            identities,
        }
    }

    pub(crate) fn open(&self, calls: &Arc<Calls>, claim: LeaseClaim) -> Service {
        let (credentials, identities) = (Arc::clone(&self.credentials), Arc::clone(&self.identities));
        Service::new(self.vod.clone(), Arc::clone(calls), credentials, identities, claim)
    }

    /// Open to everybody.
    pub(crate) fn service(&self) -> Service {
        self.open(&Arc::new(Calls::new(15, |_| {})), LeaseClaim::always())
    }
}

/// With a token of the operator's own, which can be fetched anew.
fn access() -> Access {
    let mut key = Credentials::of_key("ExampleId", "ExampleSecret", Some("ExampleToken"));
    key.expires_at = Some(Instant::now() + Duration::from_secs(3600));
    Access {
        credentials: Arc::new(key.clone()),
        source: Arc::new(Source {
            base: Base::Given(key),
            role: None,
        }),
        account: AccountKey::Account(AccountId("1".to_owned())),
        account_note: None,
        endpoint: EndpointUrl::parse("http://vod.localhost").unwrap(),
        region: Region("cn-shanghai".to_owned()),
        app: AppId("app-1000000".to_owned()),
    }
}

fn refused(code: &str) -> CallError {
    CallError {
        class: ErrorClass::Credentials,
        code: code.to_owned(),
        http_status: Some(400),
        lost_answer: false,
        ..CallError::cut_off()
    }
}

fn clock() -> CallError {
    CallError {
        worth_repeating: true,
        ..refused("InvalidTimeStamp.Expired")
    }
}

fn token() -> CallError {
    CallError {
        expired_token: true,
        ..refused("InvalidSecurityToken.Expired")
    }
}

/// The code that the call ends with, and how many answers were not asked for.
async fn called(answers: Vec<CallError>) -> (Option<String>, usize) {
    let answers = Mutex::new(VecDeque::from(answers));
    let turn = Turn::alone(Urgency::Check);
    let service = Behind::a_door().service();
    let make = |_| async { answers.lock().pop_front().map_or(Ok(()), Err) };
    let result = service.call(Operation::Get, &access(), &turn, &|| true, make).await;
    let code = result.err().map(|unserved| match unserved {
        Unserved::Call(error) => error.code,
        other => panic!("{other:?}"),
    });
    (code, answers.into_inner().len())
}

#[tokio::test(start_paused = true)]
async fn one_trouble_that_is_fixed_does_not_hide_another_that_can_be() {
    for answers in [vec![clock(), token()], vec![token(), clock()]] {
        assert_eq!(called(answers).await, (None, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_fixed_in_vain_is_not_fixed_again() {
    for (answer, code) in [
        (clock as fn() -> CallError, "InvalidTimeStamp.Expired"),
        (token, "InvalidSecurityToken.Expired"),
    ] {
        assert_eq!(
            called(vec![answer(), answer(), answer()]).await,
            (Some(code.to_owned()), 1)
        );
    }
}

#[tokio::test]
async fn a_check_gives_way_also_while_another_one_reads_for_it() {
    let hangs = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = EndpointUrl::parse(&format!("http://{}", hangs.local_addr().unwrap())).unwrap();
    let access = Access { endpoint, ..access() };
    let service = Behind::a_door().service();
    let (reads, waits) = (Turn::alone(Urgency::Check), Turn::alone(Urgency::Check));
    let now = Instant::now();
    let read = async {
        tokio::select! {
            biased;
            _ = service.get(&access, &reads, now) => panic!("nobody answers"),
            read = service.get(&access, &waits, now) => read,
        }
    };
    let comes_up = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        waits.interrupted.cancel();
    };
    let both = async { tokio::join!(read, comes_up).0 };
    let read = tokio::time::timeout(Duration::from_secs(3), both)
        .await
        .expect("at once");
    assert!(matches!(read, Err(Unserved::Outdated)), "{read:?}");
}
