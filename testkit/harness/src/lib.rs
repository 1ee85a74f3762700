//! What process-level tests and the demo of vod-operator share: the operator as a child process,
//! waiting with a reason, and the objects of a test in a real API server.
//!
//! It knows the operator only as its users do, by its command line, resources and metrics.

mod cluster;
mod metrics;
mod operator;
mod output;
mod vmc;
mod wait;

pub use cluster::{Cluster, FIELD_MANAGER, vmc_resource};
pub use control_plane::{ControlPlane, Error, Result, free_port};
pub use metrics::{Metrics, Sample};
pub use operator::{Operator, OperatorBuilder};
pub use vmc::{Vmc, condition, conditions, ready_reason};
pub use wait::{DEFAULT_BOUND, Outcome, eventually, wait_until};
