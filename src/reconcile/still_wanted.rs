//! The latest word counts: what a pass set out to do is judged once more just before it is sent.

use super::pass::Pass;
use crate::ownership::Ownership;

impl Pass {
    /// Whether what this pass is about to send is still what the newest resource asks for.
    pub fn is_still_wanted(&self) -> bool {
        let newest = self.ctx.stores.held(&self.name);
        let same = newest.is_some_and(|newest| newest.asks_the_same_as(&self.resource));
        let owns = match self.ctx.ownership().ownership_of(&self.uid) {
            Ownership::Owner | Ownership::NotContending | Ownership::Unknown => true,
            Ownership::Loser { .. } | Ownership::Waits { .. } | Ownership::NoClaim => false,
        };
        same && owns && self.ctx.may_write()
    }

    /// Whether the newest resource asks for no call to the service.
    pub fn is_suspended_now(&self) -> bool {
        let newest = self.ctx.stores.held(&self.name);
        newest.is_some_and(|newest| newest.is_suspended() && newest.is(&self.resource))
    }
}
