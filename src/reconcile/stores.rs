//! The resources as the watches show them.

use std::collections::HashMap;
use std::sync::Arc;

use kube::ResourceExt;
use parking_lot::RwLock;

use crate::api::VodMessageCallback;
use crate::ownership::ObjectName;

/// What one watch has shown.
pub type Listed = HashMap<ObjectName, Arc<Packed>>;

/// A resource as it is held: of ten thousand, a handful is looked at at a time, and as its own JSON each takes a third of the
/// room.
pub struct Packed {
    uid: Box<str>,
    version: Box<str>,
    generation: Option<i64>,
    deleting: bool,
    suspended: bool,
    json: Box<str>,
}

impl Packed {
    /// Packs a resource.
    pub fn of(resource: &VodMessageCallback) -> Self {
        Self {
            uid: resource.uid().unwrap_or_default().into(),
            version: resource.resource_version().unwrap_or_default().into(),
            generation: resource.metadata.generation,
            deleting: resource.metadata.deletion_timestamp.is_some(),
            suspended: resource.spec.suspend,
            // Its types have no keys but strings, so this is never refused; nothing would be read back from it.
            json: serde_json::to_string(resource).unwrap_or_default().into(),
        }
    }

    /// Its uid.
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// Its resourceVersion.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether nothing that is asked for has changed since `earlier`.
    pub fn asks_the_same_as(&self, earlier: &VodMessageCallback) -> bool {
        self.is(earlier)
            && self.generation == earlier.metadata.generation
            && self.deleting == earlier.metadata.deletion_timestamp.is_some()
    }

    /// Whether it is this object, whatever became of it.
    pub fn is(&self, earlier: &VodMessageCallback) -> bool {
        earlier.metadata.uid.as_deref() == Some(&self.uid)
    }

    /// `spec.suspend`
    pub fn is_suspended(&self) -> bool {
        self.suspended
    }

    /// The resource. As text, since kube reads its answers as text, too: another way to read is another hundred kilobytes of code.
    pub fn unpack(&self) -> Option<VodMessageCallback> {
        serde_json::from_str(&self.json).ok()
    }
}

/// The resources, by the namespace that is watched; the empty one stands for all.
#[derive(Default)]
pub struct Stores(RwLock<HashMap<String, Listed>>);

impl Stores {
    /// All resources as they are now, unpacked one after another.
    pub fn all(&self) -> impl Iterator<Item = VodMessageCallback> {
        let all: Vec<_> = self.0.read().values().flat_map(HashMap::values).cloned().collect();
        all.into_iter().filter_map(|packed| packed.unpack())
    }

    /// The resources of one watch.
    pub fn of(&self, watched: &str) -> impl Iterator<Item = VodMessageCallback> + use<> {
        let shown = self.0.read();
        let shown: Vec<_> = shown
            .get(watched)
            .into_iter()
            .flat_map(HashMap::values)
            .cloned()
            .collect();
        shown.into_iter().filter_map(|packed| packed.unpack())
    }

    /// A resource as it is now.
    pub fn get(&self, name: &ObjectName) -> Option<Arc<VodMessageCallback>> {
        self.held(name)?.unpack().map(Arc::new)
    }

    /// The same, as it is held.
    pub fn held(&self, name: &ObjectName) -> Option<Arc<Packed>> {
        let shown = self.0.read();
        let of_namespace = shown.get(&name.namespace).or_else(|| shown.get(""))?;
        of_namespace.get(name).cloned()
    }

    /// A resource as a list shows it: the very one that is held where it has not changed, so that a list that is repeated
    /// holds nothing twice.
    pub fn share(&self, resource: &VodMessageCallback) -> Arc<Packed> {
        let same = |held: &Arc<Packed>| {
            held.is(resource) && resource.metadata.resource_version.as_deref() == Some(held.version())
        };
        let held = self.held(&ObjectName::of(resource)).filter(same);
        held.unwrap_or_else(|| Arc::new(Packed::of(resource)))
    }

    /// A list of a watch is complete: this is all there is.
    pub fn replace(&self, watched: &str, shown: Listed) {
        self.0.write().insert(watched.to_owned(), shown);
    }

    /// A resource came or changed.
    pub fn put(&self, watched: &str, resource: &VodMessageCallback) {
        let packed = Arc::new(Packed::of(resource));
        let mut all = self.0.write();
        let shown = all.entry(watched.to_owned()).or_default();
        shown.insert(ObjectName::of(resource), packed);
    }

    /// A resource went, unless another one has its name by now.
    pub fn remove(&self, watched: &str, name: &ObjectName, uid: &str) {
        if let Some(shown) = self.0.write().get_mut(watched)
            && shown.get(name).is_some_and(|held| held.uid() == uid)
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
        stores.put("", &resource("1", "7"));
        let held = stores.held(&name()).unwrap();
        assert!(Arc::ptr_eq(&stores.share(&resource("1", "7")), &held));
        for other in [resource("1", "8"), resource("2", "7")] {
            assert!(!Arc::ptr_eq(&stores.share(&other), &held));
        }
    }

    #[test]
    fn what_is_held_is_read_back_as_it_was() {
        let mut whole = resource("1", "7");
        whole.status = serde_json::from_value(json!({
            "observedGeneration": 3,
            "applied": {"callbackType": "HTTP", "eventTypes": ["ALL"], "http": {"url": "https://hooks.example.com/", "authEnabled": true}},
            "lastAppliedTime": "2026-01-02T03:04:05Z",
            "differences": [{"field": "http.url", "desired": "a", "observed": "b"}],
        }))
        .unwrap();
        let read = Packed::of(&whole).unpack().unwrap();
        assert_eq!(
            serde_json::to_value(&read).unwrap(),
            serde_json::to_value(&whole).unwrap()
        );
    }

    #[test]
    fn each_watch_knows_its_own() {
        let stores = Stores::default();
        stores.replace(
            "media",
            Listed::from([(name(), Arc::new(Packed::of(&resource("1", "1"))))]),
        );
        stores.replace("other", Listed::new());
        assert_eq!(
            (
                stores.all().count(),
                stores.of("media").count(),
                stores.of("other").count()
            ),
            (1, 1, 0)
        );
        stores.remove("media", &name(), "2");
        assert!(stores.get(&name()).is_some(), "another one went");
        stores.remove("media", &name(), "1");
        assert!(stores.get(&name()).is_none());
    }
}
