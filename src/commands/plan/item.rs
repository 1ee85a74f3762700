//! What plan says of one resource, as a value; and of all of them.

use serde::Serialize;

use crate::domain::event_types::ALL;
use crate::domain::{Field, FieldDifference};
use crate::ownership::ObjectName;
use crate::reconcile::decide::{Cause, Cleanup, Plan};
use crate::status::Reason;

/// What is said of one resource.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Where it was read: `FILE:LINE`, absent for a resource of the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Its region.
    pub region: String,
    /// Its app.
    pub app_id: String,
    /// The account, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// What the operator would do.
    #[serde(flatten)]
    pub verdict: Verdict,
}

impl Item {
    /// Its full name.
    pub fn full_name(&self) -> ObjectName {
        ObjectName {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }
}

/// What the operator would do about a resource.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The call, or why there is none.
    pub action: Action,
    /// The reason that its status would give, where it would stall.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// In words.
    pub message: String,
    /// Field by field: what the service holds, and what the spec says.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
}

/// The kinds of what can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// One SetMessageCallback.
    Set,
    /// One DeleteMessageCallback.
    Delete,
    /// No call that changes anything, though the service holds something else: the policy is only to say so.
    Differ,
    /// Nothing.
    None,
    /// Nothing, before the user changes something.
    Stall,
    /// The API server would not take it.
    Refuse,
    /// It could not be found out.
    Unknown,
}

/// One line of a difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The spec's path.
    pub field: &'static str,
    /// What the service holds; absent where it holds nothing there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What it would hold; absent where it would hold nothing there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

impl Verdict {
    fn new(action: Action, message: impl Into<String>, changes: Vec<Change>) -> Self {
        Self {
            action,
            reason: None,
            message: message.into(),
            changes,
        }
    }

    /// Nothing is done.
    pub fn none(message: &str) -> Self {
        Self::new(Action::None, message, Vec::new())
    }

    /// The user must change something first.
    pub fn stall(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason: Some(reason.as_str()),
            ..Self::new(Action::Stall, message, Vec::new())
        }
    }

    /// The same, after another resource's deletion.
    pub fn once_gone(mut self, predecessor: &ObjectName) -> Self {
        self.message = format!("once {predecessor}, which is being deleted, is gone: {}", self.message);
        self
    }

    /// The API server would refuse it.
    pub fn refuse(message: impl Into<String>) -> Self {
        Self::new(Action::Refuse, message, Vec::new())
    }

    /// It could not be found out.
    pub fn unknown(message: impl Into<String>) -> Self {
        Self::new(Action::Unknown, message, Vec::new())
    }

    /// What the operator's decision comes to. `from_live` is where the live setting differs from the spec, whatever was
    /// decided: a change is shown against what the service holds now.
    pub fn of_plan(plan: &Plan, from_live: &[FieldDifference]) -> Self {
        match plan {
            Plan::Set(Cause::First { replacing }) if replacing.is_empty() && from_live.is_empty() => Self::new(
                Action::Set,
                "set for the first time: the service hides the AuthKey, and only a Set makes sure of it",
                Vec::new(),
            ),
            Plan::Set(Cause::First { replacing }) => {
                let message = if replacing.is_empty() {
                    "set for the first time"
                } else {
                    "set for the first time, in place of what is there"
                };
                Self::new(Action::Set, message, changes(from_live))
            }
            Plan::Set(Cause::Change) if from_live.is_empty() => Self::new(
                Action::Set,
                "set, since the spec or its AuthKey changed; what the service shows is the same",
                Vec::new(),
            ),
            Plan::Set(Cause::Change) => Self::new(
                Action::Set,
                "set, since the spec or its AuthKey changed",
                changes(from_live),
            ),
            Plan::Set(Cause::Drift(found)) => {
                Self::new(Action::Set, "set back: somebody else changed it", changes(found))
            }
            Plan::Adopt { .. } => Self::none("adopted without a call: the service already holds it"),
            Plan::InSync { .. } => Self::none("no change"),
            Plan::TakeBaseline { .. } => Self::none("no change; the service words it in its own way"),
            Plan::ReportDrift(found) => Self::new(
                Action::Differ,
                "left as it is, though somebody else changed it (managementPolicy: ApplyOnly)",
                changes(found),
            ),
            Plan::ReportObserved(found) if found.is_empty() => Self::none("no difference (managementPolicy: Observe)"),
            Plan::ReportObserved(found) => Self::new(
                Action::Differ,
                "left as it is (managementPolicy: Observe)",
                changes(found),
            ),
        }
    }

    /// What becomes of the setting of a resource that is being deleted.
    pub fn of_cleanup(cleanup: &Cleanup) -> Self {
        match cleanup {
            Cleanup::Delete => Self::new(Action::Delete, "deleted with its resource", Vec::new()),
            Cleanup::AlreadyGone => Self::none("the resource goes; nothing is set any more"),
            Cleanup::NotOurs(found) => Self::new(
                Action::Differ,
                "the resource goes; what is set is no longer what it applied, and is left alone",
                changes(found),
            ),
        }
    }
}

fn changes(found: &[FieldDifference]) -> Vec<Change> {
    found.iter().flat_map(change).collect()
}

/// Event types are told one by one, as long as both sides name them.
fn change(difference: &FieldDifference) -> Vec<Change> {
    let (from, to) = (difference.observed.as_str(), difference.desired.as_str());
    let one = |from: Option<&str>, to: Option<&str>| Change {
        field: difference.field.path(),
        from: from.map(str::to_owned),
        to: to.map(str::to_owned),
    };
    let named = |list: &str| !list.is_empty() && !list.split(',').any(|t| t.trim() == ALL);
    if difference.field == Field::EventTypes && named(from) && named(to) {
        let set = crate::domain::event_types::as_set;
        let (from, to) = (set(from), set(to));
        let gone = from.difference(&to).map(|t| one(Some(t), None));
        let new = to.difference(&from).map(|t| one(None, Some(t)));
        return gone.chain(new).collect();
    }
    let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    vec![one(filled(from).as_deref(), filled(to).as_deref())]
}

/// All that is said.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Each resource, in the order of the files, or by name.
    pub resources: Vec<Item>,
    /// How many of each kind.
    pub summary: Summary,
}

/// How many of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "the kinds are explained at Action")]
pub struct Summary {
    pub set: usize,
    pub delete: usize,
    pub differ: usize,
    pub unchanged: usize,
    pub stall: usize,
    pub refuse: usize,
    pub unknown: usize,
}

impl Report {
    /// Counts.
    pub fn of(resources: Vec<Item>) -> Self {
        let mut summary = Summary::default();
        for item in &resources {
            *match item.verdict.action {
                Action::Set => &mut summary.set,
                Action::Delete => &mut summary.delete,
                Action::Differ => &mut summary.differ,
                Action::None => &mut summary.unchanged,
                Action::Stall => &mut summary.stall,
                Action::Refuse => &mut summary.refuse,
                Action::Unknown => &mut summary.unknown,
            } += 1;
        }
        Self { resources, summary }
    }
}

impl Summary {
    /// Whether something would change, differs, or keeps the operator from its work.
    pub fn has_findings(&self) -> bool {
        self.set + self.delete + self.differ + self.stall + self.refuse > 0
    }
}

#[cfg(test)]
mod tests;
