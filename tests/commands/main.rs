//! The commands for people and pipelines, as processes: what they print, where, and the exit code.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod cli;
#[path = "../manifests/mod.rs"]
mod manifests;
mod stage;

mod callback;
mod check;
mod generate;
mod import;
mod plan;
mod plan_property;
mod status;
