//! Wires everything together, and takes it apart again in order: work, lease, events.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::admin;
use crate::cli::Config;
use crate::cloud::{CallObserver, ClientOptions, CloudClient, EndpointUrl, Endpoints, Sts, Vod};
use crate::cluster_access::{self, NoCluster};
use crate::controller::{self, Scope};
use crate::credentials::{AmbientEnvironment, CredentialProvider, EcsRole, HalfSet, Identities, TokenRequests};
use crate::events::{self, Events};
use crate::health::Health;
use crate::lease::{Elector, LeaseClaim, LeaseTimings, identity};
use crate::metrics::Metrics;
use crate::ownership::OwnershipIndex;
use crate::quota::{Calls, Queue, Sizes};
use crate::reconcile::context::{Context, Defaults};
use crate::reconcile::object_state::ObjectStates;
use crate::reconcile::secret_index::SecretIndex;
use crate::reconcile::stores::Stores;
use crate::service::{Places, Service};

/// Calls in flight end within their own time limit; no reconcile is waited for longer.
const DRAIN: Duration = Duration::from_secs(15);
const EVENTS_DRAIN: Duration = Duration::from_secs(5);
/// No answer of the API server takes longer; without a bound, a connection that was cut silently holds a resource up
/// for as long as the kernel keeps it.
const ANSWER: Duration = Duration::from_secs(30);
/// More requests at once than this only wait inside the API server.
const REQUESTS: usize = 32;
/// A watch that the server should have ended so long ago is dead.
const WATCH_MARGIN: Duration = Duration::from_secs(10);

/// Why the operator did not start, or did not go on.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address for metrics is taken, or signals cannot be handled.
    #[error("{0}")]
    System(#[from] std::io::Error),
    /// No access to a cluster.
    #[error("{0}")]
    Cluster(#[from] NoCluster),
    /// The operator's own credentials are named by halves.
    #[error("{0}")]
    Credentials(#[from] HalfSet),
    /// TLS could not be set up.
    #[error("the HTTP client could not be set up: {0}")]
    Http(#[from] reqwest::Error),
    /// A task that lasts as long as the process ended before it.
    #[error("the task that {0} ended by itself")]
    Task(&'static str),
}

/// Ways to the API server that do not wait for one another.
struct Clients {
    /// For the work, with a bound on how much is asked at once.
    work: kube::Client,
    watches: kube::Client,
    lease: kube::Client,
}

impl Clients {
    fn new(access: &kube::Config, config: &Config) -> Result<Self, NoCluster> {
        let at_once = usize::from(config.concurrency).clamp(2, REQUESTS);
        let client = |patience, at_once| cluster_access::client(access.clone(), patience, at_once);
        Ok(Self {
            work: client(ANSWER, Some(at_once))?,
            watches: client(config.watch_timeout + WATCH_MARGIN, None)?,
            lease: client(ANSWER, None)?,
        })
    }
}

/// Everything that outlives a term of leadership.
struct Parts {
    clients: Clients,
    config: Config,
    endpoints: Endpoints,
    vod: Vod,
    credentials: Arc<CredentialProvider>,
    identities: Arc<Identities>,
    calls: Arc<Calls>,
    events: Events,
    metrics: Arc<Metrics>,
    health: Health,
}

impl CallObserver for Metrics {
    fn observed(&self, action: &'static str, code: &str, elapsed: Duration) {
        self.api_call(action, code, elapsed);
    }
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// Why it did not start. Once started, it gives up only when a part of it ended by itself.
pub async fn run(config: Config) -> Result<(), StartError> {
    let stop = CancellationToken::new();
    // Before anything says that this process is there, so that a stop is orderly from the first moment on.
    let signals = stop_on_signals(stop.clone())?;
    let listener = admin::bind(config.metrics_addr).await?;
    let metrics = Arc::new(Metrics::new());
    let health = Health::new(controller::silence(config.watch_timeout));
    let tasks = Tasks {
        stop: stop.clone(),
        health: health.clone(),
    };
    tasks.spawn("waits for signals", signals);
    let serving = CancellationToken::new();
    let probes = admin::serve(listener, Arc::clone(&metrics), health.clone(), serving.clone());
    tasks.spawn("serves the probes", probes);

    let access = cluster_access::configured().await?;
    let clients = Clients::new(&access, &config)?;
    let me = identity();
    let (events, written) = Events::new(&me);
    let events_task = tasks.spawn("writes events", events::write(clients.work.clone(), written));
    let parts = parts(clients, config, events, metrics, health.clone())?;

    if parts.config.leader_elect {
        lead_in_turns(&parts, me, &stop, &tasks).await;
    } else {
        parts.metrics.set_leader(true);
        parts.health.set_leading();
        // Nobody knows when the one before called last.
        term(&parts, LeaseClaim::always(), true, stop.clone()).await;
        tasks.ended("reconciles");
    }
    drop(parts);
    let _ = tokio::time::timeout(EVENTS_DRAIN, events_task).await;
    serving.cancel();
    tracing::info!("stopped");
    health.died().map_or(Ok(()), |task| Err(StartError::Task(task)))
}

/// What lasts as long as the process. A process that lacks one of them is of no use: it stops in order, and whoever
/// started it starts it again.
#[derive(Clone)]
struct Tasks {
    stop: CancellationToken,
    health: Health,
}

impl Tasks {
    /// `does` completes "the task that …".
    fn spawn(&self, does: &'static str, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        let (tasks, task) = (self.clone(), tokio::spawn(task));
        tokio::spawn(async move {
            // However it ended.
            let _ = task.await;
            tasks.ended(does);
        })
    }

    /// It ended: that is as it should be only when the process stops.
    fn ended(&self, does: &'static str) {
        if !self.stop.is_cancelled() {
            tracing::error!("the task that {does} ended by itself; the process stops");
            self.health.task_died(does);
            self.stop.cancel();
        }
    }
}

fn parts(
    clients: Clients,
    config: Config,
    events: Events,
    metrics: Arc<Metrics>,
    health: Health,
) -> Result<Parts, StartError> {
    let endpoints = Endpoints {
        vod: config.vod_endpoint.clone(),
        sts: config.sts_endpoint.clone(),
        network: config.endpoint_network,
    };
    let observer: Arc<dyn CallObserver> = Arc::clone(&metrics) as _;
    let cloud = CloudClient::new(
        &ClientOptions {
            signature: config.signature,
            ..ClientOptions::default()
        },
        observer,
    )?;
    let sts = Sts::new(cloud.clone());
    let environment = AmbientEnvironment::read(|name| std::env::var(name).ok())?;
    let ecs = EcsRole::new(
        config.metadata_endpoint.as_ref().map(EndpointUrl::as_str),
        environment.ecs_role_name.clone(),
        environment.imds_v1_allowed,
    )?;
    let waits = Arc::clone(&metrics);
    let calls = Calls::new(config.vod_qps, move |waited| waits.quota_waited(waited));
    let provider = CredentialProvider::new(
        sts.clone(),
        endpoints.clone(),
        environment,
        ecs,
        Some(TokenRequests::new(clients.work.clone())),
    );
    Ok(Parts {
        clients,
        vod: Vod::new(cloud),
        credentials: Arc::new(provider),
        identities: Arc::new(Identities::new(sts)),
        calls: Arc::new(calls),
        endpoints,
        events,
        metrics,
        health,
        config,
    })
}

/// Leads whenever it is this process's turn. A lost lease ends the term's work before another can start.
async fn lead_in_turns(parts: &Parts, me: String, stop: &CancellationToken, tasks: &Tasks) {
    let mut elector = Elector::new(
        parts.clients.lease.clone(),
        &parts.config.lease_namespace,
        &parts.config.lease_name,
        me,
        LeaseTimings::default(),
    );
    parts.metrics.set_leader(false);
    parts.health.set_standby();
    while let Some(leadership) = elector.acquire(stop.clone()).await {
        parts.metrics.set_leader(true);
        parts.health.set_leading();
        let ended = stop.child_token();
        let over = leadership.token.clone();
        let both = ended.clone();
        let metrics = Arc::clone(&parts.metrics);
        let link = tokio::spawn(async move {
            over.cancelled().await;
            // Not only once the work has drained: another one may lead by then.
            metrics.set_leader(false);
            metrics.clear_resources();
            both.cancel();
        });
        let follows = leadership.may_follow_calls;
        term(parts, leadership.claim.clone(), follows, ended.clone()).await;
        link.abort();
        if !ended.is_cancelled() {
            tasks.ended("reconciles");
        }
        parts.metrics.set_leader(false);
        parts.metrics.clear_resources();
        parts.health.set_standby();
        if stop.is_cancelled() {
            break;
        }
        tracing::warn!("the lease was lost; standing by");
    }
    // Also who was stopped while it took the Lease over may hold it. Another round could win it back at once.
    elector.release().await;
}

/// One term of work, with nothing remembered from former ones.
async fn term(parts: &Parts, claim: LeaseClaim, may_follow_calls: bool, stop: CancellationToken) {
    if may_follow_calls {
        parts.calls.be_silent();
    }
    parts.events.forget_all();
    let concurrency = usize::from(parts.config.concurrency);
    let qps = usize::try_from(parts.config.vod_qps).unwrap_or(usize::MAX);
    let sizes = Sizes::of(concurrency, qps);
    let service = Service::new(
        parts.vod.clone(),
        Arc::clone(&parts.calls),
        Arc::clone(&parts.credentials),
        Arc::clone(&parts.identities),
        claim.clone(),
    );
    let (wake, woken) = unbounded_channel();
    let ctx = Arc::new(Context {
        client: parts.clients.work.clone(),
        defaults: Defaults {
            check_interval: parts.config.check_interval,
            deletion_grace: parts.config.deletion_grace,
            ambient_credentials: parts.config.ambient_credentials,
            ambient_namespaces: parts.config.ambient_namespaces.clone(),
            oidc_provider_arn: parts.config.oidc_provider_arn.clone(),
        },
        endpoints: parts.endpoints.clone(),
        service,
        credentials: Arc::clone(&parts.credentials),
        identities: Arc::clone(&parts.identities),
        began: Timestamp::now(),
        queue: Mutex::new(Queue::new(sizes)),
        places: Places::new(concurrency),
        stores: Stores::default(),
        ownership: Mutex::new(OwnershipIndex::default()),
        object_states: ObjectStates::default(),
        secrets: SecretIndex::default(),
        wake,
        events: parts.events.clone(),
        metrics: Arc::clone(&parts.metrics),
        claim,
        elects: parts.config.leader_elect,
        stop: stop.clone(),
    });
    let scope = Scope {
        namespaces: parts.config.watch_namespaces.iter().cloned().collect(),
        secrets: parts.config.secret_watch,
        watch: parts.config.watch_timeout,
        metrics_per_resource: parts.config.metrics_per_resource,
        client: parts.clients.watches.clone(),
    };
    tracing::info!(since = %Timestamp::now(), namespaces = ?scope.namespaces, "working");
    let work = controller::run(ctx, scope, parts.health.clone(), woken);
    tokio::pin!(work);
    tokio::select! {
        () = &mut work => {}
        () = stop.cancelled() => {
            if tokio::time::timeout(DRAIN, work).await.is_err() {
                tracing::warn!("work in progress did not end in time and was left");
            }
        }
    }
}

/// Takes SIGTERM and SIGINT over at once; what is returned waits for one of them.
fn stop_on_signals(stop: CancellationToken) -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: calls in flight are finished first");
        stop.cancel();
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_by_itself_stops_the_process() {
        let tasks = || Tasks {
            stop: CancellationToken::new(),
            health: Health::new(Duration::from_secs(1)),
        };
        let panicked = tasks();
        let task = panicked.spawn("panics", async { panic!("as it should in this test") });
        task.await.unwrap();
        assert!(panicked.stop.is_cancelled());
        assert_eq!(panicked.health.died(), Some("panics"));
        assert!(panicked.health.healthy().is_err());

        let stopped = tasks();
        stopped.stop.cancel();
        stopped.spawn("ends", async {}).await.unwrap();
        assert_eq!(stopped.health.died(), None, "it ended because the process stops");
    }
}
