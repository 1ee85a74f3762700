//! The resources as the watches show them.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::api::VodMessageCallback;
use crate::ownership::ObjectName;

/// What one watch has shown.
pub type Shown = HashMap<ObjectName, Arc<VodMessageCallback>>;

/// The resources, by the namespace that is watched; the empty one stands for all.
#[derive(Default)]
pub struct Stores(RwLock<HashMap<String, Shown>>);

impl Stores {
    /// All resources as they are now.
    pub fn all(&self) -> Vec<Arc<VodMessageCallback>> {
        self.0.read().values().flat_map(HashMap::values).cloned().collect()
    }

    /// The resources of one watch.
    pub fn of(&self, watched: &str) -> Vec<Arc<VodMessageCallback>> {
        let shown = self.0.read();
        shown
            .get(watched)
            .into_iter()
            .flat_map(HashMap::values)
            .cloned()
            .collect()
    }

    /// A resource as it is now.
    pub fn get(&self, name: &ObjectName) -> Option<Arc<VodMessageCallback>> {
        let shown = self.0.read();
        let of_namespace = shown.get(&name.namespace).or_else(|| shown.get(""))?;
        of_namespace.get(name).cloned()
    }

    /// A resource as a list shows it: the very one that is held where it has not changed, so that a list that is repeated
    /// holds nothing twice.
    pub fn share(&self, resource: VodMessageCallback) -> Arc<VodMessageCallback> {
        let same = |held: &Arc<VodMessageCallback>| {
            held.metadata.uid == resource.metadata.uid
                && held.metadata.resource_version == resource.metadata.resource_version
        };
        let held = self.get(&ObjectName::of(&resource)).filter(same);
        held.unwrap_or_else(|| Arc::new(resource))
    }

    /// A list of a watch is complete: this is all there is.
    pub fn replace(&self, watched: &str, shown: Shown) {
        self.0.write().insert(watched.to_owned(), shown);
    }

    /// A resource came or changed.
    pub fn put(&self, watched: &str, resource: VodMessageCallback) {
        let mut all = self.0.write();
        let shown = all.entry(watched.to_owned()).or_default();
        shown.insert(ObjectName::of(&resource), Arc::new(resource));
    }

    /// A resource went, unless another one has its name by now.
    pub fn remove(&self, watched: &str, name: &ObjectName, uid: &str) {
        if let Some(shown) = self.0.write().get_mut(watched)
            && shown
                .get(name)
                .is_some_and(|held| held.metadata.uid.as_deref() == Some(uid))
        {
            shown.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn resource(uid: &str, version: &str) -> VodMessageCallback {
        serde_json::from_value(json!({
            "apiVersion": "vod-operator.dev/v1alpha1",
            "kind": "VodMessageCallback",
            "metadata": {"namespace": "media", "name": "events", "uid": uid, "resourceVersion": version},
            "spec": {"region": "cn-shanghai", "callbackType": "HTTP", "http": {"url": "https://hooks.example.com/"}, "eventTypes": []},
        }))
        .unwrap()
    }

    fn name() -> ObjectName {
        ObjectName::of(&resource("1", "1"))
    }

    #[test]
    fn what_has_not_changed_is_held_once() {
        let stores = Stores::default();
        stores.put("", resource("1", "7"));
        let held = stores.get(&name()).unwrap();
        assert!(Arc::ptr_eq(&stores.share(resource("1", "7")), &held));
        for other in [resource("1", "8"), resource("2", "7")] {
            assert!(!Arc::ptr_eq(&stores.share(other), &held));
        }
    }

    #[test]
    fn each_watch_knows_its_own() {
        let stores = Stores::default();
        stores.replace("media", Shown::from([(name(), Arc::new(resource("1", "1")))]));
        stores.replace("other", Shown::new());
        assert_eq!(
            (stores.all().len(), stores.of("media").len(), stores.of("other").len()),
            (1, 1, 0)
        );
        stores.remove("media", &name(), "2");
        assert!(stores.get(&name()).is_some(), "another one went");
        stores.remove("media", &name(), "1");
        assert!(stores.get(&name()).is_none());
    }
}
