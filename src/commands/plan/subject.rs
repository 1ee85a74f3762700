//! The resources that are planned, and those that only may own a setting.

use std::collections::HashMap;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

use super::load::Declared;
use super::owners::Birth;
use crate::api::{VodMessageCallback, VodMessageCallbackSpec, VodMessageCallbackStatus};
use crate::commands::cluster::Scope;
use crate::ownership::ObjectName;

/// A resource to plan.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Its name.
    pub name: ObjectName,
    /// What it would declare.
    pub spec: VodMessageCallbackSpec,
    /// `FILE:LINE`, for one of a file.
    pub source: Option<String>,
    /// When it was made.
    pub birth: Birth,
    /// What the cluster has of it.
    pub stored: Option<Box<VodMessageCallback>>,
}

impl Subject {
    fn of_stored(resource: VodMessageCallback) -> Self {
        Self {
            name: ObjectName::of(&resource),
            spec: resource.spec.clone(),
            source: None,
            birth: birth(&resource),
            stored: Some(Box::new(resource)),
        }
    }

    /// Its status as the cluster has it.
    pub fn status(&self) -> VodMessageCallbackStatus {
        self.stored.as_ref().and_then(|s| s.status.clone()).unwrap_or_default()
    }

    /// The generation that it would have: a changed spec is the next one.
    pub fn generation(&self) -> i64 {
        let Some(stored) = &self.stored else { return 1 };
        stored.metadata.generation.unwrap_or_default() + i64::from(stored.spec != self.spec)
    }

    /// Whether it is being deleted.
    pub fn is_going(&self) -> bool {
        self.stored
            .as_ref()
            .is_some_and(|s| s.metadata.deletion_timestamp.is_some())
    }
}

fn birth(resource: &VodMessageCallback) -> Birth {
    let created = resource.creation_timestamp().map_or(Timestamp::MIN, |time| time.0);
    Birth::stored(&resource.uid().unwrap_or_default(), created)
}

/// The resources of files, each with what the cluster has of it; and what else the cluster has.
pub fn of_files(declared: Vec<Declared>, stored: Vec<VodMessageCallback>) -> (Vec<Subject>, Vec<Subject>) {
    let mut stored: HashMap<ObjectName, VodMessageCallback> = stored
        .into_iter()
        .map(|resource| (ObjectName::of(&resource), resource))
        .collect();
    let subjects = declared.into_iter().enumerate().map(|(index, declared)| {
        let stored = stored.remove(&declared.name).map(Box::new);
        Subject {
            birth: stored.as_deref().map_or_else(|| Birth::to_come(index), birth),
            name: declared.name,
            spec: declared.spec,
            source: Some(declared.source),
            stored,
        }
    });
    let subjects = subjects.collect();
    (subjects, stored.into_values().map(Subject::of_stored).collect())
}

/// The resources of `scope`, by name, and the others.
pub fn of_cluster(stored: Vec<VodMessageCallback>, scope: Option<&Scope>) -> (Vec<Subject>, Vec<Subject>) {
    let meant = |subject: &Subject| match scope {
        Some(Scope::Namespace(namespace)) => subject.name.namespace == *namespace,
        Some(Scope::All) | None => true,
    };
    let (mut subjects, others): (Vec<_>, Vec<_>) = stored.into_iter().map(Subject::of_stored).partition(meant);
    subjects.sort_by(|a, b| a.name.cmp(&b.name));
    (subjects, others)
}
