//! What process-level tests and the demo of vod-operator share: the operator as a child process,
//! waiting with a reason, and the objects of a test in a real API server.
//!
//! It knows the operator only as its users do, by its command line, resources and metrics.
//!
//! ```no_run
//! use harness::{Cluster, Operator, Result, Vmc};
//!
//! # async fn test(binary: &str, endpoint: &str) -> Result<()> {
//! let plane = control_plane::shared().await?;
//! let cluster = Cluster::new(plane.client().await?);
//! cluster.install_crd().await?;
//! let namespace = cluster.namespace("media").await?;
//! cluster.access_key(&namespace, "id", "secret").await?;
//!
//! // The operators of tests that share a control plane keep to their own namespaces.
//! let operator = Operator::builder(binary) // env!("CARGO_BIN_EXE_vod-operator")
//!     .kubeconfig(plane.kubeconfig_path())
//!     .vod_endpoint(endpoint)
//!     .args(["--watch-namespace", &namespace])
//!     .start()
//!     .await?;
//! cluster.apply_vmc(&Vmc::http(&namespace, "events", "https://hooks.example.com/vod")).await?;
//! cluster.wait_condition(&namespace, "events", ("Ready", "True", "Applied")).await?;
//! let sets = [("action", "SetMessageCallback"), ("code", "OK")];
//! assert_eq!(operator.metrics().await?.sum("vod_operator_api_requests_total", &sets), 1.0);
//! # Ok(())
//! # }
//! ```

mod api_proxy;
mod cluster;
mod gate;
mod judged_api;
mod metrics;
mod operator;
mod output;
mod vmc;
mod wait;

pub use api_proxy::{ApiProxy, Asked};
pub use cluster::{Cluster, FIELD_MANAGER, vmc_resource};
pub use control_plane::{ControlPlane, Error, Result, free_port};
pub use gate::Gate;
pub use judged_api::{ApiRequest, Judge, JudgedApi, Verdict};
pub use metrics::{Metrics, Sample};
pub use operator::{Operator, OperatorBuilder};
pub use vmc::{Vmc, condition, conditions, ready_reason};
pub use wait::{DEFAULT_BOUND, Outcome, eventually, until, wait_until};
