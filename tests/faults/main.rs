//! What holds whatever happens: the operator is killed at every step, and lives through all kinds of faults at once.
//! What must hold is said in one place, [`invariants`].
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

mod chaos;
mod crash;
mod ground;
mod invariants;
mod scenario;
