//! The elector against a Lease served over HTTP, with an API server that can fall silent, refuse and fail.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::Client;
use parking_lot::Mutex;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::lease::*;

const PATH: &str = "/apis/coordination.k8s.io/v1/namespaces/ops/leases";

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Mood {
    #[default]
    Willing,
    Silent,
    Forbidding,
    Failing,
    /// Writes, and does not answer.
    Mumbling,
}

#[derive(Clone, Default)]
struct Server(Arc<Mutex<Held>>);

#[derive(Default)]
struct Held {
    lease: Option<Lease>,
    version: u64,
    mood: Mood,
    requests: Vec<&'static str>,
}

fn refusal(code: u16, reason: &str) -> Response {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": reason});
    (StatusCode::from_u16(code).unwrap(), Json(status)).into_response()
}

impl Server {
    async fn start() -> (Self, Client) {
        let server = Self::default();
        let one = get(Self::read).put(Self::replace);
        let routes = Router::new()
            .route(&format!("{PATH}/{}", crate::NAME), one)
            .route(PATH, axum::routing::post(Self::create))
            .with_state(server.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let client = Client::try_from(kube::Config::new(uri.parse().unwrap())).unwrap();
        (server, client)
    }

    fn mood(&self, mood: Mood) {
        self.0.lock().mood = mood;
    }

    fn spec(&self) -> LeaseSpec {
        let held = self.0.lock();
        held.lease.clone().and_then(|lease| lease.spec).unwrap_or_default()
    }

    fn holder(&self) -> Option<String> {
        self.spec().holder_identity
    }

    /// Somebody else writes the Lease without asking anybody.
    fn meddle(&self, change: impl FnOnce(&mut Option<Lease>)) {
        let mut held = self.0.lock();
        change(&mut held.lease);
        held.version += 1;
        let version = held.version.to_string();
        if let Some(lease) = &mut held.lease {
            lease.metadata.resource_version = Some(version);
        }
    }

    async fn admit(&self, verb: &'static str) -> Option<Response> {
        let mood = {
            let mut held = self.0.lock();
            held.requests.push(verb);
            held.mood
        };
        match mood {
            Mood::Willing | Mood::Mumbling => None,
            Mood::Silent => std::future::pending().await,
            Mood::Forbidding => Some(refusal(403, "Forbidden")),
            Mood::Failing => Some(refusal(500, "InternalError")),
        }
    }

    async fn store(&self, mut lease: Lease) -> Response {
        let mood = {
            let mut held = self.0.lock();
            held.version += 1;
            lease.metadata.resource_version = Some(held.version.to_string());
            held.lease = Some(lease.clone());
            held.mood
        };
        if mood == Mood::Mumbling {
            std::future::pending::<()>().await;
        }
        Json(lease).into_response()
    }

    async fn read(State(server): State<Self>) -> Response {
        if let Some(refused) = server.admit("get").await {
            return refused;
        }
        let lease = server.0.lock().lease.clone();
        lease.map_or_else(|| refusal(404, "NotFound"), |lease| Json(lease).into_response())
    }

    async fn create(State(server): State<Self>, body: String) -> Response {
        if let Some(refused) = server.admit("create").await {
            return refused;
        }
        if server.0.lock().lease.is_some() {
            return refusal(409, "AlreadyExists");
        }
        server.store(serde_json::from_str(&body).unwrap()).await
    }

    async fn replace(State(server): State<Self>, body: String) -> Response {
        if let Some(refused) = server.admit("update").await {
            return refused;
        }
        let wanted: Lease = serde_json::from_str(&body).unwrap();
        let current = server.0.lock().lease.clone();
        match current {
            None => refusal(404, "NotFound"),
            Some(lease) if lease.metadata.resource_version != wanted.metadata.resource_version => {
                refusal(409, "Conflict")
            }
            Some(_) => server.store(wanted).await,
        }
    }
}

fn timings() -> LeaseTimings {
    LeaseTimings {
        lease: Duration::from_millis(900),
        renew_deadline: Duration::from_millis(600),
        retry: Duration::from_millis(60),
    }
}

fn elector(client: &Client, identity: &str) -> Elector {
    Elector::new(client.clone(), "ops", crate::NAME, identity.to_owned(), timings())
}

async fn acquire(elector: &mut Elector) -> Leadership {
    let acquired = tokio::time::timeout(Duration::from_secs(10), elector.acquire(CancellationToken::new())).await;
    acquired.expect("acquired in time").expect("not stopped")
}

async fn settle() {
    tokio::time::sleep(Duration::from_millis(250)).await;
}

#[tokio::test]
async fn creates_renews_and_releases() {
    let (server, client) = Server::start().await;
    let mut one = elector(&client, "one");
    let term = acquire(&mut one).await;
    let first = server.spec();
    assert_eq!(first.holder_identity.as_deref(), Some("one"));
    assert_eq!(first.lease_transitions, Some(0));
    assert_eq!(first.lease_duration_seconds, Some(1));
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert!(
        term.claim.holds() && !term.token.is_cancelled(),
        "renewed past the deadline"
    );
    let later = server.spec();
    assert_eq!(later.acquire_time, first.acquire_time);
    assert!(later.renew_time > first.renew_time);

    one.release().await;
    assert!(!term.claim.holds() && term.token.is_cancelled());
    assert_eq!(server.holder(), None);
    assert!(!term.may_follow_calls, "there was nobody before");
    let before = Instant::now();
    let mut two = elector(&client, "two");
    let next = acquire(&mut two).await;
    assert!(before.elapsed() < timings().lease, "a released Lease need not run out");
    assert!(next.may_follow_calls, "it was released just now");
    assert_eq!(server.spec().lease_transitions, Some(1));
    one.release().await;
    assert_eq!(
        server.holder().as_deref(),
        Some("two"),
        "what is another's is not released"
    );
}

#[tokio::test]
async fn a_standby_waits_for_the_lease_to_run_out() {
    let (server, client) = Server::start().await;
    let mut one = elector(&client, "one");
    acquire(&mut one).await;
    let mut two = elector(&client, "two");
    let stop = CancellationToken::new();
    let waiting = {
        let stop = stop.clone();
        tokio::spawn(async move { two.acquire(stop).await })
    };
    settle().await;
    assert_eq!(server.holder().as_deref(), Some("one"));
    stop.cancel();
    assert!(waiting.await.unwrap().is_none(), "stopping ends the wait");
    // Gone without a word: the next one waits for the whole duration.
    drop(one);
    let gone = Instant::now();
    let mut three = elector(&client, "three");
    let term = acquire(&mut three).await;
    assert!(!term.may_follow_calls, "who let it run out stopped calling long before");
    assert!(gone.elapsed() >= timings().lease, "{:?}", gone.elapsed());
    assert_eq!(server.holder().as_deref(), Some("three"));
}

#[tokio::test]
async fn the_term_ends_at_the_deadline_when_the_server_is_out_of_reach() {
    for mood in [Mood::Silent, Mood::Failing, Mood::Forbidding] {
        let (server, client) = Server::start().await;
        let mut one = elector(&client, "one");
        let term = acquire(&mut one).await;
        settle().await;
        server.mood(mood);
        let cut = Instant::now();
        tokio::time::timeout(Duration::from_secs(5), term.token.cancelled())
            .await
            .expect("told");
        assert!(!term.claim.holds(), "{mood:?}");
        assert!(
            cut.elapsed() < timings().lease,
            "before anybody else can start: {mood:?}, {:?}",
            cut.elapsed()
        );
    }
}

#[tokio::test]
async fn a_short_outage_and_an_unknown_outcome_do_not_end_the_term() {
    for mood in [Mood::Silent, Mood::Forbidding, Mood::Mumbling] {
        let (server, client) = Server::start().await;
        let mut one = elector(&client, "one");
        let term = acquire(&mut one).await;
        server.mood(mood);
        tokio::time::sleep(Duration::from_millis(200)).await;
        server.mood(Mood::Willing);
        tokio::time::sleep(Duration::from_millis(900)).await;
        assert!(term.claim.holds() && !term.token.is_cancelled(), "{mood:?}");
    }
}

#[tokio::test]
async fn a_lease_that_others_touch_or_delete_is_renewed_all_the_same() {
    let (server, client) = Server::start().await;
    let mut one = elector(&client, "one");
    let term = acquire(&mut one).await;
    server.meddle(|lease| {
        let labels = lease.as_mut().unwrap().metadata.labels.get_or_insert_default();
        labels.insert("team".to_owned(), "media".to_owned());
    });
    settle().await;
    assert!(term.claim.holds());
    let labels = server.0.lock().lease.clone().unwrap().metadata.labels.unwrap();
    assert_eq!(labels["team"], "media", "what others put there stays");
    server.meddle(|lease| *lease = None);
    settle().await;
    assert_eq!(server.holder().as_deref(), Some("one"));
    assert!(term.claim.holds() && !term.token.is_cancelled());
}

#[tokio::test]
async fn a_lease_taken_by_another_ends_the_term_at_once() {
    let (server, client) = Server::start().await;
    let mut one = elector(&client, "one");
    let term = acquire(&mut one).await;
    server.meddle(|lease| {
        let spec = lease.as_mut().unwrap().spec.as_mut().unwrap();
        spec.holder_identity = Some("thief".to_owned());
    });
    let taken = Instant::now();
    term.token.cancelled().await;
    assert!(taken.elapsed() < timings().renew_deadline);
    assert!(!term.claim.holds());
    one.release().await;
    assert_eq!(server.holder().as_deref(), Some("thief"));
}

#[tokio::test]
async fn of_many_one_leads() {
    let (server, client) = Server::start().await;
    let terms = Arc::new(Mutex::new(Vec::new()));
    let stop = CancellationToken::new();
    let mut tasks = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        let (mut elector, terms, stop) = (elector(&client, name), Arc::clone(&terms), stop.clone());
        tasks.push(tokio::spawn(async move {
            if let Some(term) = elector.acquire(stop.clone()).await {
                terms.lock().push(term);
                stop.cancelled().await;
            }
        }));
    }
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(terms.lock().len(), 1);
    assert!(terms.lock()[0].claim.holds());
    assert!(server.holder().is_some());
    stop.cancel();
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn who_is_stopped_while_its_write_is_under_way_gives_it_back() {
    let (server, client) = Server::start().await;
    server.mood(Mood::Mumbling);
    let mut one = elector(&client, "one");
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(150)).await;
        stopping.cancel();
    });
    assert!(one.acquire(stop).await.is_none());
    assert_eq!(
        server.holder().as_deref(),
        Some("one"),
        "written, though nobody heard of it"
    );
    server.mood(Mood::Willing);
    one.release().await;
    assert_eq!(server.holder(), None);
}

#[tokio::test]
async fn a_standby_that_never_wrote_asks_nothing_on_release() {
    let (server, client) = Server::start().await;
    elector(&client, "one").release().await;
    assert!(server.0.lock().requests.is_empty());
}

#[tokio::test]
async fn a_lease_that_was_released_long_ago_follows_no_calls() {
    let (server, client) = Server::start().await;
    let mut one = elector(&client, "one");
    acquire(&mut one).await;
    one.release().await;
    server.meddle(|lease| {
        let spec = lease.as_mut().unwrap().spec.as_mut().unwrap();
        let renewed = &mut spec.renew_time.as_mut().unwrap().0;
        *renewed -= Duration::from_secs(60);
    });
    assert!(!acquire(&mut elector(&client, "two")).await.may_follow_calls);
}
