//! The watch of our own resources: keeps the store, the ownership index and the memories in step with it.

use std::sync::Arc;

use futures::stream::{BoxStream, SelectAll};
use futures::{Stream, StreamExt, TryStreamExt};
use k8s_openapi::jiff::Timestamp;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::store::Writer;
use kube::runtime::{WatchStreamExt, predicates, watcher};
use kube::{Api, ResourceExt};

use super::Scope;
use crate::admin::Health;
use crate::api::VodMessageCallback;
use crate::domain::{AccountId, AccountKey, Region};
use crate::ownership::{Claim, ObjectName};
use crate::reconcile::context::Context;
use crate::reconcile::{contends, decide};

/// Shorter than the idle timeout of the load balancers that clusters put before their API server.
pub(super) const WATCH_SECONDS: u32 = 120;

type Event = watcher::Event<VodMessageCallback>;
type Watched = BoxStream<'static, Result<Event, watcher::Error>>;
