//! Which resources there are, and what follows from each word of the watch. No I/O: the effects are values.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use kube::ResourceExt;

use crate::RECONCILE_ANNOTATION;
use crate::api::VodMessageCallback;
use crate::ownership::ObjectName;

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Forget the object of this uid.
    Gone(String),
    /// Take over what the store says of this resource.
    Seen(ObjectName),
    /// It changed in a way that matters, or is new: look at it.
    Wake(ObjectName),
}

/// An object as the watch showed it.
#[derive(Clone, Debug)]
pub(super) struct Sighting {
    pub(super) uid: String,
    pub(super) name: ObjectName,
    /// See [`what_wakes`]; nothing for an object that cannot be read.
    pub(super) change: Option<u64>,
}

/// All objects, by uid: one that was created again under its name is another.
#[derive(Default)]
pub(super) struct Roster {
    /// With what a later change is compared to.
    known: HashMap<String, Option<u64>>,
    /// What the list under way has shown so far. Nothing follows from it before it is complete: until then the store
    /// shows what was before.
    listing: Option<Vec<Sighting>>,
    fresh: bool,
}

impl Roster {
    pub(super) fn knows(&self, uid: &str) -> bool {
        self.known.contains_key(uid)
    }

    /// Whether a list was completed since this was last asked.
    pub(super) fn is_fresh_list(&mut self) -> bool {
        std::mem::take(&mut self.fresh)
    }

    /// A list begins; an unfinished one before it counts for nothing.
    pub(super) fn list_begins(&mut self) {
        self.listing = Some(Vec::new());
    }

    /// The list shows an object.
    pub(super) fn listed(&mut self, sighting: Sighting) {
        self.listing.get_or_insert_default().push(sighting);
    }

    /// The list is complete, and the store shows it. What is gone comes first: its name may have been taken again.
    pub(super) fn list_ends(&mut self) -> Vec<Effect> {
        self.fresh = true;
        let listed = self.listing.take().unwrap_or_default();
        let mut before = std::mem::take(&mut self.known);
        for sighting in &listed {
            if let Some(change) = before.remove(&sighting.uid) {
                self.known.insert(sighting.uid.clone(), change);
            }
        }
        let mut effects: Vec<_> = before.into_keys().map(Effect::Gone).collect();
        effects.extend(listed.into_iter().flat_map(|sighting| self.note(sighting)));
        effects
    }

    /// An object was made or changed, and the store shows it.
    pub(super) fn changed(&mut self, sighting: Sighting) -> Vec<Effect> {
        self.note(sighting)
    }

    /// An object was deleted, and the store no longer shows it.
    pub(super) fn deleted(&mut self, uid: &str) -> Vec<Effect> {
        let known = self.known.remove(uid);
        known.map(|_| Effect::Gone(uid.to_owned())).into_iter().collect()
    }

    fn note(&mut self, sighting: Sighting) -> Vec<Effect> {
        let Sighting { uid, name, change } = sighting;
        let before = self.known.insert(uid, change);
        if change.is_none() {
            return Vec::new();
        }
        let mut effects = vec![Effect::Seen(name.clone())];
        if before != Some(change) {
            effects.push(Effect::Wake(name));
        }
        effects
    }
}

/// What of a resource matters. Our own status patches change none of it, so they wake nothing; that there is no status any
/// more is somebody else's doing.
pub(super) fn what_wakes(resource: &VodMessageCallback) -> u64 {
    let mut hasher = DefaultHasher::new();
    let meta = &resource.metadata;
    (&meta.generation, meta.deletion_timestamp.is_some(), &meta.finalizers).hash(&mut hasher);
    resource.annotations().get(RECONCILE_ANNOTATION).hash(&mut hasher);
    let said = resource.status.as_ref().is_some_and(|status| !status.is_fresh());
    said.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
