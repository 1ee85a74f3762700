//! What the status says: pure functions from what was found to the words the user reads.

mod conditions;
mod fix;
mod patch;
mod reason;

pub use conditions::{conditions, conditions_of_failing_checks, ready_reason};
pub use patch::write_status;
pub use reason::{Outcome, Reason};
