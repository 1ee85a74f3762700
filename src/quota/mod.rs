//! The service's quota, 15 calls a second for each account and operation, and who gets its share first.

mod admission;
mod limiter;
mod shared_reads;
mod spacing;

pub use admission::{Admission, Admitted};
pub use limiter::{Limiter, Paused, Slot};
pub use shared_reads::SharedReads;

pub use crate::cloud::Operation;

/// Whether a user waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// Something the user did.
    Change,
    /// A scheduled check.
    Check,
}
