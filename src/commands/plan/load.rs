//! What is planned: resources of files or of the cluster, and the Secrets of the files.

use std::collections::{BTreeMap, HashMap};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::ByteString;
use zeroize::Zeroize as _;

use crate::api::{VodMessageCallback, VodMessageCallbackSpec};
use crate::commands::{Failure, check};
use crate::manifests::{self, Node, Source};
use crate::ownership::ObjectName;

/// The namespace of manifests that name none and that no kubeconfig puts anywhere.
pub const DEFAULT_NAMESPACE: &str = "default";

/// A resource as a manifest declares it.
#[derive(Clone, Debug)]
pub struct Declared {
    /// Its name.
    pub name: ObjectName,
    /// What it declares.
    pub spec: VodMessageCallbackSpec,
    /// `FILE:LINE`.
    pub source: String,
}

/// A Secret's values as a manifest gives them; wiped when dropped. No `Debug`.
#[derive(Default)]
pub struct SecretData(pub BTreeMap<String, ByteString>);

impl Drop for SecretData {
    fn drop(&mut self) {
        self.0.values_mut().for_each(|value| value.0.zeroize());
    }
}

/// What the files hold.
#[derive(Default)]
pub struct Loaded {
    /// The resources, in the order of the files.
    pub resources: Vec<Declared>,
    /// The Secrets.
    pub secrets: HashMap<ObjectName, SecretData>,
}

/// Takes the resources and Secrets out of files; other kinds are passed over.
///
/// # Errors
/// The first place that is not YAML or not what its kind says.
pub fn load(sources: &[Source], namespace: &str) -> Result<Loaded, Failure> {
    let mut loaded = Loaded::default();
    for source in sources {
        let (documents, broken) = manifests::parse(&source.text);
        if let Some(broken) = broken.filter(|_| !check::is_passed_over(source)) {
            return Err(Failure::unknown(format!(
                "{}:{}:{}: {}",
                source.name, broken.at.line, broken.at.column, broken.why
            )));
        }
        for document in &documents {
            object(document, &source.name, namespace, &mut loaded)?;
        }
    }
    Ok(loaded)
}

fn object(node: &Node, file: &str, namespace: &str, loaded: &mut Loaded) -> Result<(), Failure> {
    let text = |key: &str| node.get(key).and_then(Node::text).unwrap_or_default();
    let (api, kind) = (text("apiVersion"), text("kind"));
    let group = api.split_once('/').map_or("", |(group, _)| group);
    let items = node.get("items");
    match (group, kind) {
        ("vod-operator.dev", "VodMessageCallback") => resource(node, file, namespace, loaded),
        ("", "Secret") => {
            let (name, _) = name_of(node, namespace);
            loaded.secrets.insert(name, secret(node));
            Ok(())
        }
        (_, kind) if kind.ends_with("List") && items.is_some() => items
            .into_iter()
            .flat_map(Node::items)
            .try_for_each(|item| object(item, file, namespace, loaded)),
        _ => Ok(()),
    }
}

fn name_of(node: &Node, namespace: &str) -> (ObjectName, bool) {
    let of = |key: &str| {
        node.find(&["metadata", key])
            .and_then(Node::text)
            .filter(|t| !t.is_empty())
    };
    let name = ObjectName {
        namespace: of("namespace").unwrap_or(namespace).to_owned(),
        name: of("name").unwrap_or_default().to_owned(),
    };
    (name, of("name").is_some())
}

fn resource(node: &Node, file: &str, namespace: &str, loaded: &mut Loaded) -> Result<(), Failure> {
    let place = format!("{file}:{}", node.at.line);
    let refused = |why: &str| Err(Failure::unknown(format!("{place}: {why}")));
    let (name, named) = name_of(node, namespace);
    if !named {
        return refused("metadata.name is missing");
    }
    if let Some(before) = loaded.resources.iter().find(|before| before.name == name) {
        return refused(&format!("VodMessageCallback {name} is in {} already", before.source));
    }
    match serde_json::from_value::<VodMessageCallback>(node.to_json()) {
        Ok(read) => loaded.resources.push(Declared {
            name,
            spec: read.spec,
            source: place,
        }),
        Err(error) => return refused(&error.to_string()),
    }
    Ok(())
}

/// As the API server takes them together: `stringData` wins. What is no base64 counts as not there.
fn secret(node: &Node) -> SecretData {
    let mut data = SecretData::default();
    let entries = |key: &str| node.get(key).map(Node::entries).unwrap_or_default();
    for entry in entries("data") {
        let packed: String = entry.value.text().unwrap_or_default().split_whitespace().collect();
        if let Ok(value) = STANDARD.decode(packed) {
            data.0.insert(entry.key.clone(), ByteString(value));
        }
    }
    for entry in entries("stringData") {
        if let Some(text) = entry.value.text() {
            data.0.insert(entry.key.clone(), ByteString(text.as_bytes().to_vec()));
        }
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source {
            name: "a.yaml".into(),
            text: text.into(),
            in_directory: false,
            order: 0,
        }
    }

    const CALLBACK: &str = "
apiVersion: vod-operator.dev/v1alpha1
kind: VodMessageCallback
metadata: {name: events}
spec: {region: cn-shanghai, callbackType: HTTP, http: {url: 'https://a.example.com/'}, eventTypes: [ALL]}
";

    #[test]
    fn resources_and_secrets_are_taken_out_and_others_passed_over() {
        let text = format!(
            "kind: Deployment\n---{CALLBACK}---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Secret
  metadata: {{name: key, namespace: other}}
  data: {{authKey: T2xkS2V5MQ==, broken: '*'}}
  stringData: {{authKey: NewKey1}}
"
        );
        let loaded = load(&[source(&text)], "media").unwrap();
        assert_eq!(loaded.resources.len(), 1);
        assert_eq!(loaded.resources[0].name.to_string(), "media/events");
        assert_eq!(loaded.resources[0].source, "a.yaml:3");
        assert_eq!(
            loaded.resources[0].spec.app_id, "app-1000000",
            "the CRD's defaults hold"
        );
        let key = ObjectName {
            namespace: "other".into(),
            name: "key".into(),
        };
        let data = &loaded.secrets[&key].0;
        assert_eq!(data["authKey"].0, b"NewKey1");
        assert!(!data.contains_key("broken"));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let broken = CALLBACK.replace("HTTP", "FAX");
        let twice = format!("{CALLBACK}---{CALLBACK}");
        for (text, words) in [
            ("a: [", "a.yaml:"),
            (broken.as_str(), "a.yaml:2: "),
            (twice.as_str(), "media/events is in a.yaml:2 already"),
            (
                "apiVersion: vod-operator.dev/v1alpha1\nkind: VodMessageCallback\n",
                "metadata.name",
            ),
        ] {
            let Err(failure) = load(&[source(text)], "media") else {
                panic!("{text}")
            };
            assert!(failure.to_string().contains(words), "{failure}");
        }
    }
}
