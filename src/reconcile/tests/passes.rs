//! Whole passes, one at a time, against an API server of a few lines. No call to the service is made.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::http::{Method, Request, Response, StatusCode};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::client::Body;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::api::VodMessageCallback;
use crate::cloud::{EndpointNetwork, Endpoints};
use crate::events::Events;
use crate::lease::LeaseClaim;
use crate::metrics::Metrics;
use crate::ownership::ObjectName;
use crate::quota::{Queue, Sizes, Urgency};
use crate::reconcile::context::{Context, Defaults};
use crate::reconcile::due::Due;
use crate::reconcile::{Pass, reconcile};
use crate::service::tests::Behind;
use crate::service::{Places, Turn};

/// What an API server answers: a status and an object.
type Answers = dyn Fn(&Method, &str) -> (u16, Value) + Send + Sync;

#[derive(Clone)]
struct ApiServer {
    answers: Arc<Answers>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl tower::Service<Request<Body>> for ApiServer {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (method, path) = (request.method(), request.uri().path());
        self.asked.lock().push(format!("{method} {path}"));
        let (code, object) = (self.answers)(method, path);
        let object = match code {
            200 => object,
            404 => status(404, "NotFound"),
            code => status(code, "InternalError"),
        };
        let mut response = Response::new(Body::from(serde_json::to_vec(&object).unwrap()));
        *response.status_mut() = StatusCode::from_u16(code).unwrap();
        ready(Ok(response))
    }
}

fn status(code: u16, reason: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": reason})
}

/// A term of work, and what the API server was asked.
struct Stand {
    ctx: Arc<Context>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Stand {
    fn new(answers: impl Fn(&Method, &str) -> (u16, Value) + Send + Sync + 'static) -> Self {
        let asked = Arc::default();
        let server = ApiServer {
            answers: Arc::new(answers),
            asked: Arc::clone(&asked),
        };
        let behind = Behind::a_door();
        let (wake, _) = tokio::sync::mpsc::unbounded_channel();
        let ctx = Context {
            client: kube::Client::new(server, "ops"),
            defaults: Defaults {
                check_interval: Duration::from_secs(600),
                deletion_grace: Duration::from_secs(300),
                ambient_credentials: false,
                ambient_namespaces: std::collections::BTreeSet::new(),
                oidc_provider_arn: None,
            },
            endpoints: Endpoints {
                vod: None,
                sts: None,
                network: EndpointNetwork::Public,
            },
            service: behind.service(),
            credentials: behind.credentials,
            identities: behind.identities,
            began: Timestamp::now(),
            queue: Mutex::new(Queue::new(Sizes::of(1, 1))),
            places: Places::new(1),
            stores: crate::reconcile::stores::Stores::default(),
            ownership: Mutex::default(),
            object_states: crate::reconcile::object_state::ObjectStates::default(),
            secrets: crate::reconcile::secret_index::SecretIndex::default(),
            wake,
            events: Events::new("one").0,
            metrics: Arc::new(Metrics::new()),
            claim: LeaseClaim::always(),
            elects: false,
            stop: CancellationToken::new(),
        };
        Self {
            ctx: Arc::new(ctx),
            asked,
        }
    }

    fn look(&self) -> Pass {
        Pass::look(&self.ctx, self.ctx.stores.get(&name()).unwrap())
    }

    fn shows(&self, resource: &Value) {
        let resource: VodMessageCallback = serde_json::from_value(resource.clone()).unwrap();
        self.ctx.stores.put("", &resource);
        let version = resource.resource_version().unwrap();
        self.ctx.object_states.caught_up(&resource.uid().unwrap(), &version);
    }

    /// Has a pass carried out, as the runner does.
    async fn pass(&self, pass: Pass) {
        pass.begin();
        reconcile(pass, &Turn::alone(Urgency::Change)).await;
    }
}

fn name() -> ObjectName {
    ObjectName {
        namespace: "media".to_owned(),
        name: "events".to_owned(),
    }
}

/// Created before the term began, with our finalizer on it.
fn resource(reason: &str) -> Value {
    let condition = |type_: &str, status: &str, reason: &str| {
        json!({
            "type": type_, "status": status, "reason": reason, "message": "as it should", "observedGeneration": 1,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        })
    };
    let ready = if reason == "InSync" { "True" } else { "False" };
    json!({
        "apiVersion": "vod-operator.dev/v1alpha1",
        "kind": "VodMessageCallback",
        "metadata": {
            "namespace": "media", "name": "events", "uid": "u1", "resourceVersion": "7", "generation": 1,
            "creationTimestamp": "2026-01-01T00:00:00Z", "finalizers": [crate::FINALIZER],
        },
        "spec": {
            "region": "cn-shanghai", "callbackType": "HTTP", "http": {"url": "https://hooks.example.com/"},
            "eventTypes": [], "credentials": {"secretRef": {"name": "keys"}},
        },
        "status": {"observedGeneration": 1, "conditions": [condition("Ready", ready, reason)]},
    })
}

/// The wake that goes with it finds the pass under way, and it is looked at again when that has ended.
#[tokio::test(start_paused = true)]
async fn a_rival_that_goes_while_a_pass_begins_is_no_news_lost() {
    let stand = Stand::new(|_, _| (500, Value::Null));
    stand.shows(&resource("InSync"));
    let pass = stand.look();
    assert!(matches!(pass.due, Due::Nothing(Some(_))), "{:?}", pass.due);
    stand.ctx.wake_all(vec![name()]);
    stand.pass(pass).await;
    assert!(stand.asked.lock().is_empty(), "there was nothing to do");
    assert_eq!(stand.look().due, Due::Change);
}

/// Nothing was ever set, by the last word before the deletion; what passes meanwhile makes that no less true.
#[tokio::test(start_paused = true)]
async fn a_stalled_resource_goes_at_once_though_its_deletion_met_passing_trouble_first() {
    let trouble = Arc::new(Mutex::new(true));
    let version = Arc::new(Mutex::new(8));
    let mut deleted = resource("SecretNotFound");
    deleted["metadata"]["deletionTimestamp"] = json!(Timestamp::now().to_string());
    deleted["metadata"]["generation"] = json!(2);
    let live = Arc::new(Mutex::new(deleted.clone()));
    let stand = Stand::new({
        let (trouble, live) = (Arc::clone(&trouble), Arc::clone(&live));
        move |method, path| match path.rsplit('/').next().unwrap() {
            "keys" if *trouble.lock() => (500, Value::Null),
            "keys" => (404, Value::Null),
            "status" => {
                let mut live = live.lock();
                *version.lock() += 1;
                live["metadata"]["resourceVersion"] = json!(version.lock().to_string());
                (200, live.clone())
            }
            "events" if method == Method::PATCH => {
                live.lock()["metadata"]["finalizers"] = json!([]);
                (200, live.lock().clone())
            }
            "events" => (200, live.lock().clone()),
            _ => (
                200,
                json!({"metadata": {"name": "crd", "creationTimestamp": "2025-01-01T00:00:00Z"}}),
            ),
        }
    });
    stand.shows(&deleted);
    stand.pass(stand.look()).await;
    let said = stand.look().status;
    assert_eq!(
        said.observed_generation,
        Some(2),
        "the trouble is told: {:?}",
        stand.asked.lock()
    );
    *trouble.lock() = false;
    tokio::time::advance(Duration::from_secs(60)).await;
    stand.pass(stand.look()).await;
    assert_eq!(
        live.lock()["metadata"]["finalizers"],
        json!([]),
        "{:?}",
        stand.asked.lock()
    );
}
