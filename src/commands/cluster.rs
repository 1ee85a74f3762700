//! The cluster as a person sees it: through `KUBECONFIG`, else `~/.kube/config`, else a Pod's own access.

use std::time::Duration;

use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::{Api, Client};

use super::Failure;
use crate::api::VodMessageCallback;
use crate::ownership::ObjectName;
use crate::telemetry::in_words;

/// How long a connection and an answer may take: a person waits.
const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(30);

/// A watch lasts so long before it is begun anew, and is silent for a little longer before it counts as dead.
pub const WATCH: Duration = Duration::from_secs(60);
const SILENCE: Duration = Duration::from_secs(75);

/// The cluster, and the namespace that commands mean where none is named.
#[derive(Clone)]
pub struct Cluster {
    /// The API server, for answers.
    pub client: Client,
    /// The API server, for watches.
    pub watches: Client,
    /// The kubeconfig's namespace, or a Pod's own.
    pub namespace: String,
    /// The API server's address, for words.
    address: String,
}

/// Which resources are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those of one namespace.
    Namespace(String),
    /// All.
    All,
}

impl Scope {
    /// `--namespace` and `--all-namespaces`, else the kubeconfig's.
    pub fn of(namespace: Option<&str>, all: bool, cluster: &Cluster) -> Self {
        match namespace {
            _ if all => Self::All,
            Some(name) => Self::Namespace(name.to_owned()),
            None => Self::Namespace(cluster.namespace.clone()),
        }
    }

    /// The API of the resources, as they are stored: one that this version cannot read must not hide the others.
    pub fn api(&self, client: Client) -> Api<DynamicObject> {
        let kind = ApiResource::erase::<VodMessageCallback>(&());
        match self {
            Self::Namespace(namespace) => Api::namespaced_with(client, namespace, &kind),
            Self::All => Api::all_with(client, &kind),
        }
    }
}

/// A resource of the cluster.
pub type Listed = Result<Box<VodMessageCallback>, Unreadable>;

/// A stored object that this version of the program cannot read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Which.
    pub name: ObjectName,
    /// Why.
    pub why: String,
}

/// Why resources could not be listed.
pub enum Unlisted {
    /// The cluster has no such kind.
    NoSuchKind(Failure),
    /// The caller may not.
    Forbidden(Failure),
    /// Anything else.
    Other(Failure),
}

impl From<Unlisted> for Failure {
    fn from(unlisted: Unlisted) -> Self {
        match unlisted {
            Unlisted::NoSuchKind(failure) | Unlisted::Forbidden(failure) | Unlisted::Other(failure) => failure,
        }
    }
}

impl Cluster {
    /// Finds out where the cluster is. Nothing is asked of it yet.
    ///
    /// # Errors
    /// When no cluster is named anywhere, or the kubeconfig cannot be used.
    pub async fn find() -> Result<Self, Failure> {
        let mut config = kube::Config::infer().await.map_err(|error| {
            Failure::unknown(format!(
                "no cluster was found through KUBECONFIG, ~/.kube/config or a Pod's own access: {error}"
            ))
        })?;
        crate::cluster_access::pass_by_proxy(&mut config);
        config.connect_timeout = Some(CONNECT);
        config.reset_reader_on_write = true;
        config.default_retry = false;
        let namespace = config.default_namespace.clone();
        let client = |patience| {
            let mut config = config.clone();
            config.read_timeout = Some(patience);
            Client::try_from(config)
                .map_err(|error| Failure::unknown(format!("the cluster cannot be used: {}", in_words(&error))))
        };
        Ok(Self {
            client: client(ANSWER)?,
            watches: client(SILENCE)?,
            namespace,
            address: config.cluster_url.to_string(),
        })
    }

    /// Whether anything names a cluster: one that cannot be used is not the same as none. A kubeconfig that does not
    /// exist names none, as for kubectl.
    pub fn is_named() -> bool {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let files: Vec<_> = match set("KUBECONFIG") {
            Some(paths) => std::env::split_paths(&paths).collect(),
            None => std::env::home_dir()
                .map(|home| home.join(".kube/config"))
                .into_iter()
                .collect(),
        };
        set("KUBERNETES_SERVICE_HOST").is_some() || files.iter().any(|file| file.exists())
    }

    /// The resources of `scope`.
    ///
    /// # Errors
    /// When the API server does not give them.
    pub async fn list(&self, scope: &Scope) -> Result<Vec<Listed>, Unlisted> {
        let api = scope.api(self.client.clone());
        match api.list(&ListParams::default()).await {
            Ok(listed) => Ok(listed.items.into_iter().map(read).collect()),
            Err(error) => Err(match &error {
                kube::Error::Api(status) if status.is_not_found() => Unlisted::NoSuchKind(self.failure(&error)),
                kube::Error::Api(status) if status.is_forbidden() => Unlisted::Forbidden(self.failure(&error)),
                _ => Unlisted::Other(self.failure(&error)),
            }),
        }
    }

    /// Why the resources could not be listed or watched, for people.
    pub fn failure(&self, error: &kube::Error) -> Failure {
        match error {
            kube::Error::Api(status) if status.is_not_found() => Failure::unknown(
                "the cluster does not know VodMessageCallback: install vod-operator there, or only its CRD with \
                 `vod-operator crd | kubectl apply --server-side -f -`",
            ),
            kube::Error::Api(status) if status.is_forbidden() => Failure::unknown(format!(
                "you may not read there: {}; name a namespace that you may read with --namespace",
                status.message
            )),
            kube::Error::Api(status) if status.code == 401 => Failure::unknown(format!(
                "the cluster at {} does not know you: renew the credentials of your kubeconfig",
                self.address
            )),
            error => Failure::unknown(format!(
                "the cluster at {} did not answer: {}",
                self.address,
                causes(error)
            )),
        }
    }
}

/// An error and what it came from: the outermost alone says little of a connection.
fn causes(error: &kube::Error) -> String {
    let mut words = vec![in_words(error)];
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let said = cause.to_string();
        if !words.iter().any(|before| before.contains(&said)) {
            words.push(said);
        }
        source = cause.source();
    }
    words.join(": ")
}

/// An object of the API as the resource that it is.
pub fn read(object: DynamicObject) -> Listed {
    let name = ObjectName::of(&object);
    let typed = serde_json::to_value(object).and_then(serde_json::from_value::<VodMessageCallback>);
    typed.map(Box::new).map_err(|error| Unreadable {
        name,
        why: error.to_string(),
    })
}
