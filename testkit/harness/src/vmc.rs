//! Manifests of VodMessageCallback, and reading them back.

use serde_json::{Map, Value, json};

/// Builds the manifest of a VodMessageCallback. It sets only what it is told, so that the API
/// server's defaults hold.
#[derive(Debug, Clone)]
pub struct Vmc {
    name: String,
    namespace: String,
    annotations: Map<String, Value>,
    spec: Map<String, Value>,
}

impl Vmc {
    /// Callbacks by HTTP to that URL, in `cn-shanghai`, for `FileUploadComplete`, with the Secret
    /// `alibaba-cloud`; each can be replaced.
    pub fn http(namespace: &str, name: &str, url: &str) -> Self {
        Self::with_target(namespace, name, "HTTP", "http", json!({ "url": url }))
    }

    /// Callbacks by a message queue; else as [`Vmc::http`].
    pub fn mns(namespace: &str, name: &str, endpoint: &str, queue: &str) -> Self {
        Self::with_target(
            namespace,
            name,
            "MNS",
            "mns",
            json!({ "endpoint": endpoint, "queueName": queue }),
        )
    }

    fn with_target(namespace: &str, name: &str, callback_type: &str, field: &str, target: Value) -> Self {
        let vmc = Self {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            annotations: Map::new(),
            spec: Map::new(),
        };
        vmc.field("region", "cn-shanghai")
            .field("callbackType", callback_type)
            .field(field, target)
            .events(["FileUploadComplete"])
            .secret("alibaba-cloud")
    }

    /// Sets any field of the spec, also to something it must not be.
    pub fn field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.spec.insert(name.to_owned(), value.into());
        self
    }

    /// Leaves a field of the spec out.
    pub fn without(mut self, name: &str) -> Self {
        self.spec.remove(name);
        self
    }

    /// `spec.region`.
    pub fn region(self, region: &str) -> Self {
        self.field("region", region)
    }

    /// `spec.appId`.
    pub fn app_id(self, app_id: &str) -> Self {
        self.field("appId", app_id)
    }

    /// `spec.eventTypes`.
    pub fn events<'a>(self, types: impl IntoIterator<Item = &'a str>) -> Self {
        self.field("eventTypes", types.into_iter().collect::<Vec<_>>())
    }

    /// `spec.credentials.secretRef.name`.
    pub fn secret(self, name: &str) -> Self {
        self.field("credentials", json!({ "secretRef": { "name": name } }))
    }

    /// `spec.http.auth`, with the AuthKey in that Secret.
    pub fn auth(mut self, secret: &str, key: &str) -> Self {
        if let Some(Value::Object(http)) = self.spec.get_mut("http") {
            http.insert(
                "auth".to_owned(),
                json!({ "keySecretRef": { "name": secret, "key": key } }),
            );
        }
        self
    }

    /// `spec.managementPolicy`.
    pub fn management_policy(self, policy: &str) -> Self {
        self.field("managementPolicy", policy)
    }

    /// `spec.deletionPolicy`.
    pub fn deletion_policy(self, policy: &str) -> Self {
        self.field("deletionPolicy", policy)
    }

    /// `spec.suspend`.
    pub fn suspend(self, suspend: bool) -> Self {
        self.field("suspend", suspend)
    }

    /// `spec.checkInterval`.
    pub fn check_interval(self, interval: &str) -> Self {
        self.field("checkInterval", interval)
    }

    /// An annotation.
    pub fn annotation(mut self, key: &str, value: &str) -> Self {
        self.annotations.insert(key.to_owned(), value.into());
        self
    }

    /// The manifest.
    pub fn manifest(&self) -> Value {
        let mut metadata = json!({ "name": self.name, "namespace": self.namespace });
        if let (Some(metadata), false) = (metadata.as_object_mut(), self.annotations.is_empty()) {
            metadata.insert("annotations".to_owned(), self.annotations.clone().into());
        }
        json!({
            "apiVersion": "vod-operator.dev/v1alpha1",
            "kind": "VodMessageCallback",
            "metadata": metadata,
            "spec": self.spec,
        })
    }

    /// The manifest as a text that `kubectl apply -f -` takes. (JSON, which YAML includes.)
    pub fn to_yaml(&self) -> String {
        format!("{:#}\n", self.manifest())
    }
}

/// All conditions of an object.
pub fn conditions(object: &Value) -> &[Value] {
    object
        .pointer("/status/conditions")
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// A condition of an object by its type.
pub fn condition<'a>(object: &'a Value, condition_type: &str) -> Option<&'a Value> {
    conditions(object)
        .iter()
        .find(|condition| text(condition, "type") == condition_type)
}

/// The reason of the condition `Ready`, empty when there is none.
pub fn ready_reason(object: &Value) -> &str {
    condition(object, "Ready").map_or("", |ready| text(ready, "reason"))
}

pub(crate) fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object.get(field).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_holds_what_it_was_told() {
        let vmc = Vmc::http("media", "events", "https://hooks.example.com/vod")
            .auth("key", "authKey")
            .without("region");
        let manifest = vmc.annotation("a", "b").manifest();
        assert_eq!(
            manifest["metadata"],
            json!({"name": "events", "namespace": "media", "annotations": {"a": "b"}})
        );
        assert_eq!(
            manifest["spec"],
            json!({
                "callbackType": "HTTP",
                "http": {
                    "url": "https://hooks.example.com/vod",
                    "auth": { "keySecretRef": { "name": "key", "key": "authKey" } },
                },
                "eventTypes": ["FileUploadComplete"],
                "credentials": { "secretRef": { "name": "alibaba-cloud" } },
            })
        );
    }

    #[test]
    fn conditions_are_read() {
        let object = json!({"status": {"conditions": [{"type": "Ready", "status": "True", "reason": "Applied"}]}});
        assert_eq!(ready_reason(&object), "Applied");
        assert_eq!(condition(&object, "InSync"), None);
        assert_eq!(ready_reason(&json!({})), "");
    }
}
