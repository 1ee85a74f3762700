//! Who takes part: namespaces with their accounts, users, and two replicas of the operator.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::{Cluster, JudgedApi, Operator, Vmc};
use parking_lot::Mutex;
use rand::RngExt;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use vod_endpoint::{Endpoint, KEY_SECRET};

use super::history::Note;
use super::nature::Weather;

const NAMESPACES: usize = 6;
/// One resource of each namespace names the same app: those whose account is the same are rivals.
const RESOURCES_PER_APP: usize = NAMESPACES;
const ACCOUNTS: usize = 3;
pub const REPLICAS: usize = 2;
const EVENTS: [&[&str]; 4] = [
    &["FileUploadComplete"],
    &["TranscodeComplete", "SnapshotComplete"],
    &["ALL"],
    &[],
];

/// A namespace and whose AccessKey it holds now.
pub struct Tenant {
    pub namespace: String,
    pub account: usize,
    /// The AuthKey in its Secret now.
    pub key: String,
    /// Secrets that are gone at the moment.
    pub lost: Vec<&'static str>,
}

/// One replica, and its way to the API server.
pub struct Replica {
    pub proxy: JudgedApi,
    pub weather: Arc<Mutex<Weather>>,
    pub process: Operator,
    pub frozen_until: Option<Instant>,
    /// What earlier ones of its kind wrote.
    pub old_logs: Vec<String>,
}

pub struct Cast {
    pub cluster: Cluster,
    pub endpoint: Endpoint,
    pub tenants: Vec<Tenant>,
    pub replicas: Vec<Replica>,
    pub notes: Vec<Note>,
    /// Every key there ever was.
    pub keys: Vec<String>,
    pub resources: usize,
    pub kills: usize,
    turn: u64,
}

pub fn account_id(account: usize) -> String {
    format!("{:016}", 1_000_000_000_000_000 + account)
}

pub fn app(n: usize) -> String {
    format!("app-{}", n / RESOURCES_PER_APP)
}

impl Cast {
    pub async fn assemble(resources: usize) -> Self {
        let plane = control_plane::shared().await.unwrap();
        let cluster = Cluster::new(plane.client().await.unwrap());
        cluster.install_crd().await.unwrap();
        let endpoint = Endpoint::start().await.unwrap();
        let mut tenants = Vec::new();
        for n in 0..NAMESPACES {
            let tenant = Tenant {
                namespace: cluster.namespace("chaos").await.unwrap(),
                account: n % ACCOUNTS,
                key: "ExampleKey0".to_owned(),
                lost: Vec::new(),
            };
            let id = format!("ExampleAccessKeyId{}", tenant.account);
            endpoint.world().add_key(&id, KEY_SECRET, &account_id(tenant.account));
            tenants.push(tenant);
        }
        let mut cast = Self {
            cluster,
            endpoint,
            tenants,
            replicas: Vec::new(),
            notes: Vec::new(),
            keys: vec!["ExampleKey0".to_owned()],
            resources,
            kills: 0,
            turn: 0,
        };
        for n in 0..NAMESPACES {
            cast.write_access_key(n).await;
            cast.write_key(n).await;
        }
        for n in 0..REPLICAS {
            let proxy = JudgedApi::before(plane).await.unwrap();
            let weather = Arc::new(Mutex::new(Weather::fair(n as u64)));
            let judge = Arc::clone(&weather);
            proxy.judge(move |request| judge.lock().judge(request));
            let process = cast.start(&proxy).await;
            cast.replicas.push(Replica {
                proxy,
                weather,
                process,
                frozen_until: None,
                old_logs: Vec::new(),
            });
        }
        cast
    }

    /// Starts a replica and waits for nothing: in foul weather it is not ready for long.
    pub async fn start(&self, proxy: &JudgedApi) -> Operator {
        let mut args = vec!["--check-interval", "1h", "--leader-elect", "--deletion-grace", "10m"];
        for tenant in &self.tenants {
            args.extend(["--watch-namespace", tenant.namespace.as_str()]);
        }
        Operator::builder(env!("CARGO_BIN_EXE_vod-operator"))
            .kubeconfig(proxy.kubeconfig_path())
            .vod_endpoint(self.endpoint.url())
            .sts_endpoint(self.endpoint.url())
            .env("POD_NAMESPACE", self.tenants[0].namespace.as_str())
            .env("RUST_LOG", "debug")
            .args(args)
            .spawn()
            .unwrap()
    }

    pub async fn write_access_key(&mut self, tenant: usize) {
        let tenant = &mut self.tenants[tenant];
        tenant.lost.retain(|name| *name != "alibaba-cloud");
        let id = format!("ExampleAccessKeyId{}", tenant.account);
        let written = self.cluster.access_key(&tenant.namespace, &id, KEY_SECRET);
        written.await.unwrap();
    }

    pub async fn write_key(&mut self, tenant: usize) {
        let tenant = &mut self.tenants[tenant];
        tenant.lost.retain(|name| *name != "key");
        let data = [("authKey", tenant.key.as_str())];
        let written = self.cluster.secret(&tenant.namespace, "key", &data);
        written.await.unwrap();
    }

    fn resource(&self, n: usize, random: &mut StdRng) -> Vmc {
        let tenant = &self.tenants[n % NAMESPACES];
        let url = format!("https://hooks-{}.example.com/vod", random.random_range(0..3));
        let events = EVENTS.choose(random).copied().unwrap_or_default();
        let vmc = Vmc::http(&tenant.namespace, &format!("callback-{n}"), &url)
            .app_id(&app(n))
            .events(events.iter().copied())
            .suspend(random.random_ratio(1, 12));
        if random.random_ratio(1, 3) {
            vmc.auth("key", "authKey")
        } else {
            vmc
        }
    }

    pub async fn populate(&mut self, random: &mut StdRng) {
        for n in 0..self.resources {
            let vmc = self.resource(n, random);
            self.cluster.apply_vmc(&vmc).await.unwrap();
        }
    }

    /// One thing that a user does, or somebody in the console.
    pub async fn users_act(&mut self, random: &mut StdRng) {
        self.turn += 1;
        let n = random.random_range(0..self.resources);
        let tenant = n % NAMESPACES;
        let (namespace, name) = (self.tenants[tenant].namespace.clone(), format!("callback-{n}"));
        match random.random_range(0..100) {
            0..55 => {
                // It may be on its way out: then it is applied another time.
                let vmc = self.resource(n, random);
                let _ = self.cluster.apply_vmc(&vmc).await;
            }
            55..68 => {
                let _ = self.cluster.delete_vmc(&namespace, &name).await;
            }
            68..78 => {
                let account = account_id(self.tenants[tenant].account);
                let mut world = self.endpoint.world();
                let url = [("CallbackURL", "https://elsewhere.example.com/")];
                world.put_setting(&account, "cn-shanghai", &app(n), &url);
                let at = world.calls().len();
                drop(world);
                self.notes.push(Note {
                    at,
                    account,
                    app: app(n),
                });
            }
            78..88 => {
                let token = format!("turn-{}", self.turn);
                let _ = self.cluster.request_reconcile(&namespace, &name, &token).await;
            }
            88..93 => {
                let key = format!("ExampleKey{}", self.turn);
                self.keys.push(key.clone());
                self.tenants[tenant].key = key;
                self.write_key(tenant).await;
            }
            93..96 => {
                let lost = if random.random_bool(0.5) {
                    "key"
                } else {
                    "alibaba-cloud"
                };
                let _ = self.cluster.delete_secret(&namespace, lost).await;
                self.tenants[tenant].lost.push(lost);
            }
            96..99 => {
                self.write_access_key(tenant).await;
                self.write_key(tenant).await;
            }
            _ => {
                self.tenants[tenant].account = random.random_range(0..ACCOUNTS);
                self.write_access_key(tenant).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(random.random_range(0..60))).await;
    }

    /// The weather clears, what was lost is restored, and everybody is asked to look once more.
    pub async fn calm_down(&mut self) {
        self.clear_up();
        for tenant in 0..NAMESPACES {
            self.write_access_key(tenant).await;
            self.write_key(tenant).await;
        }
        self.revive_all().await;
        for (namespace, name) in self.names().await {
            let _ = self.cluster.request_reconcile(&namespace, &name, "calm").await;
        }
    }

    pub async fn names(&self) -> Vec<(String, String)> {
        let mut names = Vec::new();
        for object in self.objects().await {
            let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
            names.push((text("namespace"), text("name")));
        }
        names
    }

    pub async fn objects(&self) -> Vec<serde_json::Value> {
        let mut objects = Vec::new();
        for tenant in &self.tenants {
            let api = self.cluster.vmcs(&tenant.namespace);
            let everything = kube::api::ListParams::default();
            let listed = api.list(&everything).await.map(|list| list.items).unwrap_or_default();
            objects.extend(listed.iter().map(|object| serde_json::to_value(object).unwrap()));
        }
        objects
    }

    /// The tenant of a namespace.
    pub fn tenant(&self, namespace: &str) -> &Tenant {
        let by_name: BTreeMap<&str, &Tenant> = self.tenants.iter().map(|t| (t.namespace.as_str(), t)).collect();
        by_name[namespace]
    }
}
