//! The operator as a process, against a real API server and the local VOD endpoint: a module for each part of the
//! contract. One binary, so that all share one control plane and wait at the same time.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

#[path = "../manifests/mod.rs"]
mod manifests;
mod stage;

mod apply;
mod auth_keys;
mod crd;
mod credentials;
mod deletion;
mod deletion_and_restart;
mod drift;
mod failures;
mod idempotence;
mod identities;
mod leadership;
mod outages;
mod ownership;
mod process;
mod queue;
mod restart;
mod secrets;
mod strangers;
mod takeover;
mod under_way;
mod watches;
