//! A control plane and a service for one subject.

use std::time::{Duration, Instant};

use control_plane::{ControlPlane, Options};
use futures::{StreamExt, TryStreamExt};
use harness::{Cluster, Metrics, Operator, OperatorBuilder, Vmc};
use kube::api::{DynamicObject, PostParams};
use serde_json::Value;
use vod_endpoint::{Call, Endpoint, KEY_SECRET};

use crate::ready_watch::ReadyWatch;
use crate::subject::Subject;
use crate::{Result, process};

/// What the service allows each account a second, for each operation.
pub const QPS: usize = 15;
/// A flag and a quota that are never in the way.
pub const LIFTED: usize = 1_000;

/// How many requests the bench itself has under way when it makes objects.
const AT_ONCE: usize = 16;
const POLL: Duration = Duration::from_millis(1);
const BOUND: Duration = Duration::from_secs(120);

/// An account at the service, with a namespace of its own that holds its AccessKey.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its id.
    pub id: String,
    /// The namespace.
    pub namespace: String,
}

impl Account {
    /// A resource of this account, about an app of its own.
    pub fn resource(&self, n: usize) -> Vmc {
        Vmc::http(
            &self.namespace,
            &format!("callback-{n}"),
            "https://hooks.example.com/vod",
        )
        .app_id(&format!("app-{n}"))
        .check_interval("24h")
    }
}

/// Where a subject is measured.
pub struct Stage {
    subject: Subject,
    /// The control plane.
    pub plane: ControlPlane,
    /// Its objects.
    pub cluster: Cluster,
    /// The service.
    pub endpoint: Endpoint,
}

impl Stage {
    /// Sets one up. Nothing is audited: the API server's CPU is measured.
    pub async fn new(subject: &Subject) -> Result<Self> {
        let options = Options {
            audit: false,
            ..Options::default()
        };
        let plane = ControlPlane::start_with(options).await?;
        let cluster = Cluster::new(plane.client().await?);
        cluster.install_crd_file(&subject.crd).await?;
        Ok(Self {
            subject: subject.clone(),
            plane,
            cluster,
            endpoint: Endpoint::start().await?,
        })
    }

    /// The operator, talking to this stage's servers; it checks what is well once a day. `qps` is its flag.
    pub fn operator(&self, qps: usize) -> OperatorBuilder {
        self.operator_that_checks(qps, "24h")
    }

    /// One that checks as often as that what says nothing else.
    pub fn operator_that_checks(&self, qps: usize, interval: &str) -> OperatorBuilder {
        Operator::builder(&self.subject.binary)
            .name(self.subject.name)
            .kubeconfig(self.plane.kubeconfig_path())
            .vod_endpoint(self.endpoint.url())
            .sts_endpoint(self.endpoint.url())
            .args(["--vod-qps", &qps.to_string(), "--check-interval", interval])
            // As in a cluster: nobody reads every line.
            .env("RUST_LOG", "info")
    }

    /// A watch for `Ready`.
    pub async fn ready_watch(&self) -> Result<ReadyWatch> {
        Ok(ReadyWatch::start(self.plane.client().await?))
    }

    /// Makes accounts.
    pub async fn accounts(&self, many: usize) -> Result<Vec<Account>> {
        futures::stream::iter(0..many)
            .map(|n| async move {
                let id = format!("{:016}", 1_000_000_000_000_000 + n);
                let key = format!("ExampleAccessKeyId{n}");
                self.endpoint.world().add_key(&key, KEY_SECRET, &id);
                let namespace = self.cluster.namespace("account").await?;
                self.cluster.access_key(&namespace, &key, KEY_SECRET).await?;
                Ok(Account { id, namespace })
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await
    }

    /// Creates resources, many at once.
    pub async fn create_all(&self, all: impl Iterator<Item = Vmc>) -> Result<()> {
        futures::stream::iter(all)
            .map(|vmc| async move { self.create(&vmc).await.map(drop) })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }

    /// Creates one, and says what became of it.
    pub async fn create(&self, vmc: &Vmc) -> Result<Value> {
        let manifest = vmc.manifest();
        let namespace = manifest.pointer("/metadata/namespace").and_then(Value::as_str);
        let namespace = namespace.unwrap_or_default().to_owned();
        let object: DynamicObject = serde_json::from_value(manifest)?;
        let made = self
            .cluster
            .vmcs(&namespace)
            .create(&PostParams::default(), &object)
            .await?;
        Ok(serde_json::to_value(made)?)
    }

    /// Waits for the first call since `from` (an index of the log) that fits.
    pub async fn wait_call(&self, from: usize, fits: impl Fn(&Call) -> bool) -> Result<Call> {
        let begun = Instant::now();
        loop {
            let found = self
                .endpoint
                .world()
                .calls()
                .iter()
                .skip(from)
                .find(|call| fits(call))
                .cloned();
            if let Some(call) = found {
                return Ok(call);
            }
            if begun.elapsed() > BOUND {
                return Err("a call to the service does not come".into());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// How many calls of that operation there were since `from` (an index of the log).
    pub fn calls(&self, from: usize, action: &str) -> usize {
        let world = self.endpoint.world();
        world
            .calls()
            .iter()
            .skip(from)
            .filter(|call| call.action == action)
            .count()
    }

    /// How many calls there were so far: an index of the log.
    pub fn calls_so_far(&self) -> usize {
        self.endpoint.world().calls().len()
    }

    /// CPU of the API server and etcd so far, in seconds.
    pub fn plane_cpu(&self) -> Result<f64> {
        self.plane.pids().into_iter().map(process::cpu_seconds).sum()
    }

    /// Writes of everybody so far to the resources and the events, refused ones too.
    pub async fn writes(&self) -> Result<f64> {
        let request = http::Request::get("/metrics").body(Vec::new())?;
        let page = self.cluster.client().request_text(request).await?;
        // The page has thousands of lines of no interest here, in forms that need not be understood.
        let counted: Vec<&str> = page
            .lines()
            .filter(|line| line.starts_with("apiserver_request_total{"))
            .collect();
        let metrics = Metrics::parse(&counted.join("\n"))?;
        let writes = metrics.samples.iter().filter(|sample| {
            let label = |name: &str| sample.labels.get(name).map_or("", String::as_str);
            ["vodmessagecallbacks", "events"].contains(&label("resource"))
                && ["POST", "PUT", "PATCH", "APPLY", "DELETE"].contains(&label("verb"))
        });
        Ok(writes.map(|sample| sample.value).sum())
    }
}

/// Starts an operator and says how long it took to be ready, to the millisecond.
pub async fn start(builder: OperatorBuilder) -> Result<(Operator, Duration)> {
    let begun = Instant::now();
    let operator = builder.spawn()?;
    while !operator.readyz().await {
        if let Some(status) = operator.exited()? {
            return Err(format!("it ended ({status}): {:?}", operator.logs().last()).into());
        }
        if begun.elapsed() > BOUND {
            return Err("it does not get ready".into());
        }
        tokio::time::sleep(POLL).await;
    }
    Ok((operator, begun.elapsed()))
}

/// Sends SIGTERM and says how long it took to be gone, to the millisecond.
pub async fn stop(operator: Operator) -> Result<Duration> {
    let begun = Instant::now();
    operator.sigterm()?;
    while operator.exited()?.is_none() {
        if begun.elapsed() > BOUND {
            return Err("it does not stop".into());
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(begun.elapsed())
}

/// A duration in milliseconds.
pub fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// The generation of an object as the API server answered it.
pub fn generation(object: &Value) -> i64 {
    object
        .pointer("/metadata/generation")
        .and_then(Value::as_i64)
        .unwrap_or_default()
}
