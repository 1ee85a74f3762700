//! A Kubernetes operator that keeps the message callback setting of ApsaraVideo VOD as a
//! `VodMessageCallback` resource declares it.
//!
//! Data flows one way: [`controller`] watches, [`reconcile`] observes, decides, acts and reports.
//! What should happen is decided by plain functions over values; `reconcile` names what does the I/O.

mod admin;
pub mod api;
pub mod callback;
pub mod cli;
pub mod cloud;
mod cluster_access;
pub mod commands;
mod controller;
mod credentials;
#[cfg(not(fuzzing))]
mod domain;
#[cfg(fuzzing)]
pub mod domain;
mod events;
mod health;
mod lease;
#[cfg(not(fuzzing))]
mod manifests;
#[cfg(fuzzing)]
pub mod manifests;
mod metrics;
mod ownership;
mod quota;
mod reconcile;
pub mod run;
mod schedule;
mod service;
pub mod status;
pub mod telemetry;

/// The one name: binary, field manager, Lease, event reporter, chart.
pub const NAME: &str = "vod-operator";
/// Keeps a resource until its setting has been dealt with.
pub const FINALIZER: &str = "vod-operator.dev/finalizer";
/// Set to any new value, it asks for a check now.
pub const RECONCILE_ANNOTATION: &str = "vod-operator.dev/reconcile-requested-at";
