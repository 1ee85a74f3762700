//! A real Kubernetes control plane for tests and the demo: etcd and kube-apiserver on loopback
//! ports the system chose, with RBAC, service account tokens and an audit log.
//!
//! Nothing outlives the process that started it: [`ControlPlane`] stops its processes when it is
//! dropped, and a small watchdog stops them when the whole process goes without dropping it (a
//! static, a `SIGKILL`).

mod audit;
pub mod binaries;
mod components;
mod error;
pub mod http_get;
mod keys;
mod kubeconfig;
mod plane;
pub mod process;
mod watchdog;

pub use audit::AuditEntry;
pub use binaries::{Binaries, repo_root};
pub use error::{Error, Result};
pub use plane::{ControlPlane, Kubectl, Options, shared};
pub use process::{Process, free_port};
