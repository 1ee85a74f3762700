//! What should happen, as a value: no I/O, no clock, nothing but what was observed.

use crate::api::{AppliedSetting, ManagementPolicy};
use crate::domain::{Field, FieldDifference, LiveSetting, Setting};

/// Everything the decision rests on.
#[derive(Clone, Debug)]
pub struct Observed<'a> {
    /// What the spec asks for.
    pub wanted: &'a Setting,
    /// The same in the status's terms.
    pub wanted_applied: &'a AppliedSetting,
    /// What was last applied to this account, if anything.
    pub applied: Option<&'a AppliedSetting>,
    /// What the service reported after that; absent also when the read-back is still due.
    pub baseline: Option<&'a LiveSetting>,
    /// The Secret that holds the AuthKey is not the version that was applied.
    pub key_may_have_changed: bool,
    /// What to do about differences.
    pub policy: ManagementPolicy,
}

/// Why SetMessageCallback is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Nothing of this resource was applied yet; what is replaced, if something else was set.
    First {
        /// Where the setting found differs.
        replacing: Vec<FieldDifference>,
    },
    /// The spec or the AuthKey changed.
    Change,
    /// Somebody changed the setting behind our back.
    Drift(Vec<FieldDifference>),
}

/// What should happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Call SetMessageCallback and read the setting back.
    Set(Cause),
    /// The service already holds it though this resource did not put it there: take it over without a call.
    Adopt,
    /// The service holds it.
    InSync,
    /// The service holds it in its own words, seen now for the first time since it was applied.
    TakeBaseline(Vec<FieldDifference>),
    /// It differs, and the policy is to say so.
    ReportDrift(Vec<FieldDifference>),
    /// Nothing is ever changed; this is what was found.
    ReportObserved(Vec<FieldDifference>),
}

impl Observed<'_> {
    /// Whether the decision needs the live setting. It does not for a change to a setting whose present value this
    /// process has seen: the change is made whatever it is. Otherwise, after a lost answer or a restart, the change
    /// may have been made already.
    pub fn needs_live(&self, live_is_known: bool) -> bool {
        let plain_change = self.applied.is_some_and(|a| a != self.wanted_applied);
        !(plain_change && live_is_known && self.policy != ManagementPolicy::Observe)
    }

    /// Decides with the live setting as it was read: `None` when it was not read ([`Self::needs_live`]),
    /// `Some(None)` when nothing is set.
    pub fn decide(&self, live: Option<Option<&LiveSetting>>) -> Plan {
        let same_as_applied = self.applied.is_some_and(|a| a == self.wanted_applied);
        let baseline = self.baseline.filter(|_| same_as_applied);
        let Some(live) = live else {
            return Plan::Set(Cause::Change);
        };
        let found = self.wanted.differences(live, baseline);
        if self.policy == ManagementPolicy::Observe {
            return Plan::ReportObserved(found);
        }
        let key_verified = live.is_some_and(|l| self.wanted.key_is_verified_by(l));
        if !same_as_applied {
            return match self.applied {
                _ if found.is_empty() && key_verified => Plan::Adopt,
                None => Plan::Set(Cause::First {
                    replacing: if live.is_some() { found } else { Vec::new() },
                }),
                Some(_) => Plan::Set(Cause::Change),
            };
        }
        let key_differs = found.iter().any(|d| d.field == Field::AuthKey);
        if self.key_may_have_changed && live.is_some() && (key_differs || !key_verified) {
            return Plan::Set(Cause::Change);
        }
        if self.baseline.is_none() && live.is_some() && !key_differs {
            return Plan::TakeBaseline(found);
        }
        match self.policy {
            _ if found.is_empty() => Plan::InSync,
            ManagementPolicy::ApplyOnly => Plan::ReportDrift(found),
            ManagementPolicy::Enforce | ManagementPolicy::Observe => Plan::Set(Cause::Drift(found)),
        }
    }
}

/// What becomes of the setting when its resource goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cleanup {
    /// Call DeleteMessageCallback.
    Delete,
    /// Nothing is set any more: nothing to do.
    AlreadyGone,
    /// The live setting is not the one this resource applied.
    NotOurs(Vec<FieldDifference>),
}

/// Decides on deletion by what was applied, what was reported after it, and what is live now. The key does not
/// count: its Secret may be gone or newer.
pub fn cleanup(
    applied: &Setting,
    auth_enabled: bool,
    baseline: Option<&LiveSetting>,
    live: Option<&LiveSetting>,
) -> Cleanup {
    let Some(live) = live else { return Cleanup::AlreadyGone };
    let mut found = applied.differences(Some(live), baseline);
    // The switch is compared apart, because a setting with signing on cannot be written down without its key.
    let live_on = live
        .auth_switch
        .as_deref()
        .is_some_and(|s| s.eq_ignore_ascii_case("on"));
    let as_before = baseline.is_some_and(|b| b.auth_switch == live.auth_switch);
    found.retain(|d| d.field != Field::AuthEnabled);
    if live_on != auth_enabled && !as_before && applied.callback_type() == "HTTP" {
        let word = |on: bool| if on { "on" } else { "off" }.to_owned();
        found.push(FieldDifference {
            field: Field::AuthEnabled,
            desired: word(auth_enabled),
            observed: word(live_on),
        });
    }
    if found.is_empty() {
        Cleanup::Delete
    } else {
        Cleanup::NotOurs(found)
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
