//! Whether anything is due for a resource that was woken: by its spec, a Secret, an annotation, a rival or a timer.

use std::time::Duration;

use tokio::time::Instant;

use super::resource_version::{is_newer, version_of};
use super::secret_index::SecretVersion;
use crate::api::{ObservedSecret, VodMessageCallbackStatus};
use crate::status::{Reason, ready_reason};

/// What a retry waits on: when any of it changes, waiting is over.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RetryInputs {
    /// `metadata.generation`
    pub generation: i64,
    /// The reconcile annotation.
    pub requested: Option<String>,
    /// The referenced Secrets as watched.
    pub secrets: Vec<(String, SecretVersion)>,
    /// The versions that were really read: the watch may be behind, or not have begun.
    pub read: Vec<ObservedSecret>,
    /// Whether deletion was asked for.
    pub deleting: bool,
}

impl RetryInputs {
    /// The version of a Secret, where the watch shows it.
    pub fn present(&self, name: &str) -> Option<&str> {
        match self.secrets.iter().find(|(secret, _)| secret == name)? {
            (_, SecretVersion::Present(version)) => Some(version),
            (_, SecretVersion::Unknown | SecretVersion::Gone) => None,
        }
    }

    /// Whether something came up that makes a pass with these inputs pointless. A Secret that was not seen yet when it
    /// began is no news: its value was read.
    pub fn are_outdated_by(&self, now: &Self) -> bool {
        let before = |name: &String| self.secrets.iter().find(|(n, _)| n == name).map(|(_, version)| version);
        let changed = |(name, version): &(String, SecretVersion)| match before(name) {
            None | Some(SecretVersion::Unknown | SecretVersion::Gone) => false,
            Some(before) => *version != SecretVersion::Unknown && before != version,
        };
        self.generation != now.generation
            || self.requested != now.requested
            || self.deleting != now.deleting
            || now.secrets.iter().any(changed)
    }

    /// Whether nothing has changed since. No update is a Secret that is not seen now, and one that a watch shows as it
    /// did before, or no newer than what was read: a watch may be behind for long.
    pub fn still_hold(&self, now: &Self) -> bool {
        let known = |(name, sight): &(String, SecretVersion)| {
            let as_before = self.secrets.iter().any(|(n, s)| n == name && s == sight);
            let was_read = |version: &str| version_of(&self.read, name).is_some_and(|read| !is_newer(version, read));
            as_before
                || match sight {
                    SecretVersion::Unknown => true,
                    SecretVersion::Gone => false,
                    SecretVersion::Present(version) => was_read(version),
                }
        };
        self.generation == now.generation
            && self.requested == now.requested
            && self.deleting == now.deleting
            && now.secrets.iter().all(known)
    }
}

/// A retry that is waited for.
#[derive(Clone, Debug)]
pub struct Retry {
    /// Not before this.
    pub at: Instant,
    /// Unless these change.
    pub inputs: RetryInputs,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing; look again after this, or only when woken.
    Nothing(Option<Duration>),
    /// Say that it is suspended.
    Suspend,
    /// The resource is going.
    Cleanup,
    /// Something the user did waits to be carried out.
    Change,
    /// Somebody asked for a check now.
    RequestedCheck,
    /// The scheduled check.
    ScheduledCheck,
    /// A status that the API server would not take before.
    WriteStatus,
}

/// All that the question rests on.
pub struct View<'a> {
    /// The present generation, annotation and Secrets.
    pub inputs: &'a RetryInputs,
    /// What the status says.
    pub status: &'a VodMessageCallbackStatus,
    /// `spec.suspend`
    pub suspended: bool,
    /// Whether our finalizer is on it.
    pub has_finalizer: bool,
    /// A retry that is waited for.
    pub retry: Option<&'a Retry>,
    /// A rival came or went.
    pub ownership_changed: bool,
    /// It stalled for want of something that the operator was started with since.
    pub unblocked: bool,
    /// A status waits to be written, not before this.
    pub unwritten: Option<Instant>,
    /// The next scheduled check.
    pub next_check: Instant,
    /// Now.
    pub now: Instant,
}

/// Answers the question. What is known is said first; the next check comes in its own time.
pub fn due(view: &View<'_>) -> Due {
    let due = due_of_the_setting(view);
    match (due, view.unwritten) {
        (Due::Nothing(_) | Due::ScheduledCheck, Some(at)) if at <= view.now => Due::WriteStatus,
        (Due::Nothing(wait), Some(at)) => {
            let until = at - view.now;
            Due::Nothing(Some(wait.map_or(until, |wait| wait.min(until))))
        }
        (due, _) => due,
    }
}

fn due_of_the_setting(view: &View<'_>) -> Due {
    let waiting = view
        .retry
        .filter(|r| r.inputs.still_hold(view.inputs) && r.at > view.now && !view.ownership_changed);
    if view.inputs.deleting {
        return match waiting {
            _ if !view.has_finalizer => Due::Nothing(None),
            Some(retry) => Due::Nothing(Some(retry.at - view.now)),
            None => Due::Cleanup,
        };
    }
    let reason = ready_reason(&view.status.conditions);
    let settled_at_this_generation = view.status.observed_generation == Some(view.inputs.generation);
    let requested = view.inputs.requested.is_some() && view.inputs.requested != view.status.last_handled_reconcile_at;
    if view.suspended {
        let said = settled_at_this_generation && reason == Some(Reason::Suspended) && !requested;
        return if said { Due::Nothing(None) } else { Due::Suspend };
    }
    if let Some(retry) = waiting {
        return Due::Nothing(Some(retry.at - view.now));
    }
    let settled = settled_at_this_generation && reason.is_some_and(|r| !r.is_under_way() && r != Reason::Suspended);
    if !settled
        || view.unblocked
        || view.ownership_changed
        || secrets_changed(&view.inputs.secrets, &view.status.observed_secrets)
    {
        return Due::Change;
    }
    if requested {
        return Due::RequestedCheck;
    }
    if view.retry.is_some() || view.next_check <= view.now {
        return Due::ScheduledCheck;
    }
    Due::Nothing(Some(view.next_check - view.now))
}

/// Whether a referenced Secret is not the one whose version the status recorded.
pub fn secrets_changed(seen: &[(String, SecretVersion)], observed: &[ObservedSecret]) -> bool {
    seen.iter()
        .any(|(name, sight)| match (sight, version_of(observed, name)) {
            (SecretVersion::Unknown, _) | (SecretVersion::Gone, None) => false,
            (SecretVersion::Gone, Some(_)) | (SecretVersion::Present(_), None) => true,
            (SecretVersion::Present(version), Some(recorded)) => is_newer(version, recorded),
        })
}

#[cfg(test)]
mod tests;
