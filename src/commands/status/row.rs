//! One resource as `status` shows it: pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use serde::Serialize;

use crate::api::{LastDrift, VodMessageCallback};
use crate::commands::cluster::Listed;
use crate::ownership::ObjectName;
use crate::status::Reason;

/// What is said of a resource that no operator has looked at in its present form.
const NOT_SEEN: &str = "No operator has looked at it yet, or not since it was changed.";
const NOT_SEEN_FIX: &str = "If it stays so, see that the operator runs and watches this namespace.";

/// One resource.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `True`, `False` or `Unknown`, of the resource as it is now.
    pub ready: &'static str,
    /// The reason of the condition `Ready`.
    pub reason: String,
    /// Since when it is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// What the operator says.
    pub message: String,
    /// What can be done about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<&'static str>,
    /// That its checks fail, though it was well when they last succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checks_failing: Option<ChecksFailing>,
    /// The last time that somebody else had changed the setting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_drift: Option<Drift>,
    /// Whether it is being deleted.
    pub deleting: bool,
    #[serde(skip)]
    rank: Rank,
}

/// Checks that have failed for longer than their interval.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChecksFailing {
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// In words.
    pub message: String,
}

/// A change by somebody else.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// When it was found.
    pub time: Timestamp,
    /// What became of it.
    pub outcome: String,
    /// The fields.
    pub fields: Vec<String>,
}

impl Drift {
    fn of(drift: &LastDrift) -> Self {
        Self {
            time: drift.time.0,
            outcome: drift.outcome.as_str().to_owned(),
            fields: drift.differences.iter().map(|d| d.field.clone()).collect(),
        }
    }
}

/// From the worst to the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Unreadable,
    Stalled,
    Waiting,
    ChecksFailing,
    NotSeen,
    UnderWay,
    Suspended,
    Differs,
    Well,
}

impl Row {
    /// Of a resource.
    pub fn of(listed: &Listed) -> Self {
        match listed {
            Ok(resource) => Self::of_resource(resource),
            Err(unreadable) => Self {
                reason: "Unreadable".to_owned(),
                message: format!("This version of vod-operator cannot read it: {}", unreadable.why),
                fix: Some(
                    "Use the version of vod-operator that the cluster runs, and see that its CRD is of that version.",
                ),
                ..Self::empty(&unreadable.name, Rank::Unreadable)
            },
        }
    }

    fn empty(name: &ObjectName, rank: Rank) -> Self {
        Self {
            namespace: name.namespace.clone(),
            name: name.name.clone(),
            ready: "Unknown",
            reason: String::new(),
            since: None,
            message: String::new(),
            fix: None,
            checks_failing: None,
            last_drift: None,
            deleting: false,
            rank,
        }
    }

    fn of_resource(resource: &VodMessageCallback) -> Self {
        let name = ObjectName::of(resource);
        let status = resource.status.clone().unwrap_or_default();
        let condition = |type_: &str| status.conditions.iter().find(|c| c.type_ == type_);
        let deleting = resource.metadata.deletion_timestamp.is_some();
        let row = Self {
            deleting,
            last_drift: status.last_drift.as_ref().map(Drift::of),
            ..Self::empty(&name, Rank::NotSeen)
        };
        let seen = status.observed_generation.is_some() && status.observed_generation == resource.metadata.generation;
        let Some(ready) = condition("Ready").filter(|_| seen || deleting) else {
            return Self {
                reason: Reason::Progressing.as_str().to_owned(),
                since: resource
                    .creation_timestamp()
                    .map(|t| t.0)
                    .filter(|_| status.conditions.is_empty()),
                message: NOT_SEEN.to_owned(),
                fix: Some(NOT_SEEN_FIX),
                ..row
            };
        };
        let reason = Reason::parse(&ready.reason);
        let checks_failing = condition("InSync").and_then(|in_sync| checks_failing(ready, in_sync));
        let rank = rank(ready, reason, checks_failing.is_some(), !status.differences.is_empty());
        let failing = checks_failing.as_ref().and_then(|c| Reason::parse(&c.reason));
        Self {
            ready: truth(&ready.status),
            reason: ready.reason.clone(),
            since: Some(ready.last_transition_time.0),
            message: ready.message.clone(),
            fix: failing.or(reason).and_then(Reason::fix),
            checks_failing,
            rank,
            ..row
        }
    }

    /// Whether it counts as Ready.
    pub fn is_ready(&self) -> bool {
        self.ready == "True"
    }

    /// Whether there is something to say about it beside that it is well.
    pub fn needs_words(&self) -> bool {
        self.rank < Rank::Well
    }

    /// How it is shown: bad, in between, or well.
    pub fn tone(&self) -> Tone {
        match self.rank {
            Rank::Unreadable | Rank::Stalled => Tone::Bad,
            Rank::Well => Tone::Well,
            _ => Tone::Between,
        }
    }
}

/// What a colour says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Somebody must do something.
    Bad,
    /// Worth a look.
    Between,
    /// All is well.
    Well,
}

/// Sorts the worst first; of the equally bad those that have been so for longest.
pub fn worst_first(rows: &mut [Row]) {
    rows.sort_by_cached_key(|row| {
        (
            row.rank,
            row.since.is_none(),
            row.since,
            row.namespace.clone(),
            row.name.clone(),
        )
    });
}

/// A check that fails leaves `Ready` as it was and says so in `InSync` (contract 7).
fn checks_failing(ready: &Condition, in_sync: &Condition) -> Option<ChecksFailing> {
    (ready.status == "True" && in_sync.status == "Unknown").then(|| ChecksFailing {
        reason: in_sync.reason.clone(),
        since: in_sync.last_transition_time.0,
        message: in_sync.message.clone(),
    })
}

fn rank(ready: &Condition, reason: Option<Reason>, checks_failing: bool, differs: bool) -> Rank {
    match (ready.status.as_str(), reason) {
        ("True", _) if checks_failing => Rank::ChecksFailing,
        ("True", _) if differs => Rank::Differs,
        ("True", _) => Rank::Well,
        ("False", Some(reason)) if reason.is_under_way() => Rank::Waiting,
        ("False", _) => Rank::Stalled,
        (_, Some(Reason::Suspended)) => Rank::Suspended,
        _ => Rank::UnderWay,
    }
}

fn truth(status: &str) -> &'static str {
    match status {
        "True" => "True",
        "False" => "False",
        _ => "Unknown",
    }
}

#[cfg(test)]
mod tests;
