//! What goes when: the service's quota of calls, who gets its share first, and how much is worked on at once.
//!
//! One mechanism. Resources wait in [`Queue`], in a line for each account and endpoint, where waiting costs nothing;
//! a pass begins when its line has room for it, and each of its calls takes a place in the account's last second.

mod calls;
mod pace;
mod queue;
mod sizes;
mod window;

use std::time::Duration;

pub use calls::{Calls, NoPermit};
pub use queue::{Begun, Line, Owner, Position, Queue};
pub use sizes::Sizes;
pub use window::Answered;

/// The span that the service's quota is about.
pub const SECOND: Duration = Duration::from_secs(1);

/// Whether a user waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    /// Something the user did just now.
    Change,
    /// Something that was to be done when work began, or failed and is tried again; a check that was asked for.
    Backlog,
    /// A scheduled check.
    Check,
}
