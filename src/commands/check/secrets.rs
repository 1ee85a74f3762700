//! Secrets that stand in the same files as the resources that name them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::ByteString;

use super::Report;
use super::object::Object;
use crate::credentials::{IncompleteSecret, from_secret_data};
use crate::domain::AuthKey;
use crate::manifests::{Content, Entry, Node};

/// Judges the Secrets that `resources` name, as far as they are among `secrets`.
pub(super) fn check(resources: &[Object<'_>], secrets: &[Object<'_>], report: &mut Report) {
    for resource in resources {
        let text = |path: &[&str]| resource.root.find(path).and_then(Node::text);
        let named = |name: &str| {
            let mut all = secrets.iter();
            all.find(|secret| secret.name() == name && same_namespace(secret, resource))
        };
        if let Some(secret) = text(&["spec", "credentials", "secretRef", "name"]).and_then(named) {
            access_key(secret, resource, report);
        }
        let auth_key_ref = ["spec", "http", "auth", "keySecretRef"];
        let [a, b, c, d] = auth_key_ref;
        if let Some(secret) = text(&[a, b, c, d, "name"]).and_then(named) {
            auth_key(
                secret,
                text(&[a, b, c, d, "key"]).unwrap_or("authKey"),
                resource,
                report,
            );
        }
    }
}

/// A manifest without a namespace goes where it is applied to.
fn same_namespace(one: &Object<'_>, other: &Object<'_>) -> bool {
    one.namespace() == other.namespace() || one.namespace().is_empty() || other.namespace().is_empty()
}

fn access_key(secret: &Object<'_>, resource: &Object<'_>, report: &mut Report) {
    let Some(data) = data(secret, report) else { return };
    let Err(incomplete) = from_secret_data(&data) else {
        return;
    };
    match &incomplete {
        IncompleteSecret::Missing(key) => {
            let message = format!("{incomplete}, {} needs it", resource.title());
            tell(secret, key, &message, report);
        }
        IncompleteSecret::Malformed(key) => tell(secret, key, &incomplete.to_string(), report),
    }
}

fn auth_key(secret: &Object<'_>, key: &str, resource: &Object<'_>, report: &mut Report) {
    let Some(data) = data(secret, report) else { return };
    match data.get(key).map(|value| AuthKey::parse(&value.0)) {
        Some(Ok(_)) => {}
        Some(Err(invalid)) => tell(secret, key, &invalid.to_string(), report),
        None => {
            let message = format!("key {key} is missing: add it, {} needs it", resource.title());
            tell(secret, key, &message, report);
        }
    }
}

/// The entry of `key`, as the API server merges them: `stringData` wins.
fn entry<'o>(secret: &'o Object<'_>, key: &str) -> Option<(&'static str, &'o Entry)> {
    let within = |part: &'static str| Some((part, secret.root.get(part)?.entry(key)?));
    within("stringData").or_else(|| within("data"))
}

fn tell(secret: &Object<'_>, key: &str, message: &str, report: &mut Report) {
    let (at, field) = match entry(secret, key) {
        Some((part, entry)) => (entry.value.at, format!("{part}.{key}")),
        None => {
            let part = ["stringData", "data"]
                .into_iter()
                .find_map(|part| secret.root.entry(part));
            (part.map_or(secret.root.at, |entry| entry.at), format!("data.{key}"))
        }
    };
    report.add(secret.finding(at, &field, message));
}

/// What the Secret would hold; none when a value cannot be read, which is a finding.
fn data(secret: &Object<'_>, report: &mut Report) -> Option<BTreeMap<String, ByteString>> {
    let mut data = BTreeMap::new();
    let mut sound = true;
    for part in ["data", "stringData"] {
        for entry in secret.root.get(part).map(Node::entries).unwrap_or_default() {
            let bytes = match &entry.value.content {
                Content::Null => Some(Vec::new()),
                Content::Text(text) if part == "data" => {
                    STANDARD.decode(text.split_whitespace().collect::<String>()).ok()
                }
                Content::Text(text) => Some(text.clone().into_bytes()),
                _ => None,
            };
            let Some(bytes) = bytes else {
                sound = false;
                let (message, fix) = if part == "data" {
                    ("must be base64", "encode it, or write it under stringData")
                } else {
                    ("must be a string", "put it in quotes")
                };
                let field = format!("{part}.{}", entry.key);
                report.add(secret.finding(entry.value.at, &field, message).fix(fix));
                continue;
            };
            data.insert(entry.key.clone(), ByteString(bytes));
        }
    }
    sound.then_some(data)
}
