//! What should happen, as a value: no I/O, no clock, nothing but what was observed.

use super::resource_version::version_of;
use crate::api::{AppliedKeySecret, AppliedSetting, ManagementPolicy, VodMessageCallbackStatus};
use crate::domain::event_types::ALL;
use crate::domain::{Baseline, Field, FieldDifference, KeyForm, KeyView, LiveSetting, ReadBack, Setting, is_rewording};
use crate::status::{Reason, ready_reason};

/// Whether the AuthKey that the spec names is the one that was applied, by where it came from: the key itself is not
/// kept. What was applied counts, not what was read: a key that changed while nothing could be applied is still pending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStanding {
    /// It was applied, or there is none.
    InForce,
    /// It is another Secret, key or version than was applied, or a key where none was: it may be another key.
    Pending,
}

impl KeyStanding {
    /// `spoken_for`: the status says that this very generation is held by the service, and names the Secret's version as
    /// the one that was read. That is what there is to go by where a version before 0.2 kept no record of the key.
    pub fn of(wanted: Option<&AppliedKeySecret>, applied: Option<&AppliedKeySecret>, spoken_for: bool) -> Self {
        match (wanted, applied) {
            (None, None) => Self::InForce,
            (Some(wanted), Some(applied)) if wanted == applied => Self::InForce,
            (Some(_), None) if spoken_for => Self::InForce,
            (Some(_), Some(_) | None) | (None, Some(_)) => Self::Pending,
        }
    }

    /// As a stored status tells. `applied` is what of it counts for the account at hand.
    pub fn by_status(
        wanted: &AppliedSetting,
        applied: Option<&AppliedSetting>,
        status: &VodMessageCallbackStatus,
        generation: i64,
    ) -> Self {
        let wanted = wanted.auth_key_secret.as_ref();
        let applied = applied.and_then(|applied| applied.auth_key_secret.as_ref());
        let was_read = |key: &AppliedKeySecret| {
            version_of(&status.observed_secrets, &key.name) == Some(key.resource_version.as_str())
        };
        // A Set of another key may have been carried out after that one.
        let sent = status.unconfirmed.as_ref().map(|sent| sent.auth_key_secret.as_ref());
        if sent.is_some_and(|sent| sent != wanted) {
            return Self::Pending;
        }
        let spoken_for = holds(status, generation) && wanted.is_some_and(was_read);
        Self::of(wanted, applied, spoken_for)
    }
}

/// Whether the status says that this generation is held by the service.
pub fn holds(status: &VodMessageCallbackStatus, generation: i64) -> bool {
    status.observed_generation == Some(generation) && ready_reason(&status.conditions).is_some_and(Reason::is_ready)
}

/// Everything the decision rests on.
#[derive(Clone, Debug)]
pub struct Observed<'a> {
    /// What the spec asks for.
    pub wanted: &'a Setting,
    /// The same in the status's terms.
    pub wanted_applied: &'a AppliedSetting,
    /// What was last applied to this account, if anything.
    pub applied: Option<&'a AppliedSetting>,
    /// A Set of something else may have been carried out: its answer was lost.
    pub unconfirmed: bool,
    /// What the service reported after that; absent also when the read-back is still owed.
    pub baseline: Option<&'a Baseline>,
    /// Whether the AuthKey is the one that was applied.
    pub key: KeyStanding,
    /// Whether the live setting is the read-back after a Set of this process.
    pub is_read_back: bool,
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
    Adopt(Baseline),
    /// The service holds it. With a new baseline where it holds it word for word.
    InSync(Option<Baseline>),
    /// The service holds it in its own words, seen now for the first time since it was applied.
    TakeBaseline {
        /// Which fields those are.
        reworded: Vec<FieldDifference>,
        /// What is no drift from now on.
        baseline: Baseline,
    },
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
        let plain_change = self.applied.is_some() && !self.same_as_applied();
        !(plain_change && live_is_known && self.policy != ManagementPolicy::Observe)
    }

    fn same_as_applied(&self) -> bool {
        self.applied
            .is_some_and(|applied| applied.is_same_but_for_the_key(self.wanted_applied))
    }

    /// Decides with the live setting as it was read: `None` when it was not read ([`Self::needs_live`]),
    /// `Some(None)` when nothing is set.
    pub fn decide(&self, live: Option<Option<&LiveSetting>>) -> Plan {
        let same_as_applied = self.same_as_applied();
        let baseline = self.baseline.filter(|_| same_as_applied);
        let Some(live) = live else {
            return Plan::Set(Cause::Change);
        };
        let found = self.wanted.differences(live, baseline);
        if self.policy == ManagementPolicy::Observe {
            return Plan::ReportObserved(found);
        }
        if !same_as_applied {
            return match (live, self.applied) {
                (Some(live), _) if found.is_empty() && self.key_is_seen_in(live) => {
                    Plan::Adopt(self.wanted.baseline_of_equal(live, None))
                }
                (Some(_), None) => Plan::Set(Cause::First { replacing: found }),
                (None, None) => Plan::Set(Cause::First { replacing: Vec::new() }),
                (Some(_) | None, Some(_)) => Plan::Set(Cause::Change),
            };
        }
        if self.lacks_the_key(live) {
            return Plan::Set(Cause::Change);
        }
        if self.is_read_back {
            return match self.wanted.judge_read_back(live, self.known_key_form()) {
                ReadBack::Held { reworded, baseline } => Plan::TakeBaseline { reworded, baseline },
                ReadBack::Foreign(found) => self.on_difference(found),
            };
        }
        if found.is_empty() {
            return Plan::InSync(live.and_then(|live| self.better_baseline(live, baseline)));
        }
        self.on_difference(found)
    }

    /// Whether `live` is a read-back that is not believed yet: to be read once more, a second later, before it decides.
    pub fn is_doubtful(&self, live: Option<&LiveSetting>) -> bool {
        let counts = self.policy != ManagementPolicy::Observe && self.same_as_applied() && !self.lacks_the_key(live);
        self.is_read_back && counts && self.wanted.doubts_read_back(live, self.known_key_form())
    }

    fn lacks_the_key(&self, live: Option<&LiveSetting>) -> bool {
        self.key == KeyStanding::Pending && !live.is_some_and(|live| self.key_is_seen_in(live))
    }

    /// A setting that equals the spec word for word is a better baseline than one that does not, or than none. It is not
    /// taken where it says nothing new: a resource at rest is not written, in whatever order the service lists events.
    fn better_baseline(&self, live: &LiveSetting, before: Option<&Baseline>) -> Option<Baseline> {
        let equals_the_spec = |live| self.wanted.differences(Some(live), None).is_empty();
        let better = equals_the_spec(live).then(|| self.wanted.baseline_of_equal(live, before))?;
        let good_already =
            before.is_some_and(|before| before.key_form == better.key_form && equals_the_spec(&before.reported));
        (!good_already).then_some(better)
    }

    fn on_difference(&self, found: Vec<FieldDifference>) -> Plan {
        match self.policy {
            // What a Set of ours may have done is no drift.
            ManagementPolicy::Enforce | ManagementPolicy::ApplyOnly if self.unconfirmed => Plan::Set(Cause::Change),
            ManagementPolicy::Enforce => Plan::Set(Cause::Drift(found)),
            ManagementPolicy::ApplyOnly => Plan::ReportDrift(found),
            ManagementPolicy::Observe => Plan::ReportObserved(found),
        }
    }

    /// How the service showed a key before, as far as it is known.
    pub fn known_key_form(&self) -> Option<KeyForm> {
        self.baseline.and_then(|b| b.key_form)
    }

    /// Whether `live` shows enough to tell that the wanted key is in force; where none is wanted but one was applied,
    /// that it is gone.
    fn key_is_seen_in(&self, live: &LiveSetting) -> bool {
        match self.wanted.key_view(live, self.known_key_form()) {
            Some(view) => view == KeyView::Equal,
            None => self.key == KeyStanding::InForce || live.auth_key.is_none(),
        }
    }
}

/// What a resource may have left at the service.
#[derive(Clone, Debug)]
pub struct Ours<'a> {
    /// The setting, without its key, which is not known.
    pub setting: Setting,
    /// Whether it signs callbacks. Compared apart, because a setting with signing on cannot be written down without its
    /// key.
    pub auth_enabled: bool,
    /// How the service words it, where that is known.
    pub baseline: Option<&'a Baseline>,
    /// The service said that it took it. What may never have arrived must be there word for word.
    pub was_taken: bool,
}

impl Ours<'_> {
    fn differences(&self, live: &LiveSetting) -> Vec<FieldDifference> {
        let mut found = self
            .setting
            .differences_when_signed(live, self.baseline, self.auth_enabled);
        // As long as its own words are not known, what can only be another way to write it is no difference.
        if self.was_taken && self.baseline.is_none() {
            found.retain(|d| match d.field {
                Field::EventTypes => d.desired != ALL || d.observed.is_empty(),
                field => !is_rewording(field, &d.desired, &d.observed) || field == Field::AuthEnabled,
            });
        }
        found
    }
}

/// What becomes of the setting when its resource goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cleanup {
    /// Call DeleteMessageCallback.
    Delete,
    /// Nothing is set any more: nothing to do.
    AlreadyGone,
    /// The live setting is none of those that this resource may have applied. How it differs from the first of them.
    NotOurs(Vec<FieldDifference>),
}

/// Decides on deletion by what is live now and what this resource may have put there: what it applied, and what it sent
/// without knowing whether it arrived. The key does not count: its Secret may be gone or newer.
pub fn cleanup(ours: &[Ours<'_>], live: Option<&LiveSetting>) -> Cleanup {
    let Some(live) = live else { return Cleanup::AlreadyGone };
    let found: Vec<_> = ours.iter().map(|ours| ours.differences(live)).collect();
    if found.iter().any(Vec::is_empty) {
        return Cleanup::Delete;
    }
    Cleanup::NotOurs(found.into_iter().next().unwrap_or_default())
}

#[cfg(test)]
mod tests;
