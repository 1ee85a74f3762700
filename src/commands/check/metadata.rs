//! What every object of Kubernetes must look like, whatever its kind.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Map, Value};

use super::Report;
use super::object::Object;
use crate::manifests::{Content, Node};

const LABELS: &str = "labels";
/// Of names and texts.
const MAPS: [&str; 2] = [LABELS, "annotations"];
/// In bytes, names and texts together.
const MOST_ANNOTATIONS: usize = 256 << 10;

/// Judges `metadata`.
pub(super) fn check(object: &Object<'_>, report: &mut Report) {
    let Some(metadata) = object.root.entry("metadata") else {
        let finding = object.finding(object.root.at, "metadata", "Required value");
        report.add(finding.fix("add metadata.name"));
        return;
    };
    let known = known_fields();
    for entry in metadata.value.entries() {
        let field = format!("metadata.{}", entry.key);
        if !known.contains(&entry.key) {
            report.add(object.finding(entry.at, &field, "unknown field").fix("remove it"));
        } else if !MAPS.contains(&entry.key.as_str()) {
            // The API server decodes a field at once or not at all.
            let alone = Map::from_iter([(entry.key.clone(), entry.value.to_json())]);
            if let Err(error) = serde_json::from_value::<ObjectMeta>(Value::Object(alone)) {
                report.add(object.finding(entry.value.at, &field, error.to_string()));
            }
        }
    }
    finalizers_and_owners(object, &metadata.value, report);
    let name = metadata.value.get("name");
    if name.or(metadata.value.get("generateName")).is_none() {
        let finding = object.finding(metadata.at, "metadata.name", "Required value");
        report.add(finding.fix("add metadata.name"));
    }
    let subdomain = "use at most 253 lower-case letters, digits, - and ., with a letter or digit at each end";
    check_text(object, name, "metadata.name", is_subdomain, subdomain, report);
    let label = "use at most 63 lower-case letters, digits and -, with a letter or digit at each end";
    let namespace = metadata.value.get("namespace");
    check_text(object, namespace, "metadata.namespace", is_label, label, report);
    for field in MAPS {
        let Some(map) = metadata.value.get(field) else { continue };
        if !matches!(map.content, Content::Map(_) | Content::Null) {
            let finding = object.finding(map.at, &format!("metadata.{field}"), "must be a map of names and texts");
            report.add(finding.fix("write each as name: text"));
        }
        let is_label = field == LABELS;
        let size: usize = map
            .entries()
            .iter()
            .map(|e| e.key.len() + e.value.text().map_or(0, str::len))
            .sum();
        if !is_label && size > MOST_ANNOTATIONS {
            let finding = object.finding(map.at, "metadata.annotations", "they are larger than 256 KiB together");
            report.add(finding.fix("remove some"));
        }
        for entry in map.entries() {
            let path = format!("metadata.{field}.{}", entry.key);
            // The domain of an annotation may be in upper case.
            let key = if is_label {
                entry.key.clone()
            } else {
                entry.key.to_lowercase()
            };
            if !is_qualified_name(&key) {
                let finding = object.finding(entry.at, &path, "the name is not well formed");
                report.add(finding.fix(
                    "use up to 63 letters, digits, -, _ and ., after a domain and / if need be, such as example.com/team",
                ));
            }
            let fix = "use at most 63 letters, digits, -, _ and ., with a letter or digit at each end; quote true and numbers";
            let sound = |text: &str| !is_label || text.is_empty() || is_name_part(text);
            // Nothing is an empty text, as templates write it.
            let value = Some(&entry.value).filter(|value| !matches!(value.content, Content::Null));
            check_text(object, value, &path, sound, fix, report);
        }
    }
}

fn finalizers_and_owners(object: &Object<'_>, metadata: &Node, report: &mut Report) {
    let items = |field: &str| metadata.get(field).map(Node::items).unwrap_or_default();
    for (n, finalizer) in items("finalizers").iter().enumerate() {
        let field = format!("metadata.finalizers[{n}]");
        let fix = "write it like example.com/name";
        check_text(object, Some(finalizer), &field, is_qualified_name, fix, report);
    }
    for (n, owner) in items("ownerReferences").iter().enumerate() {
        for part in ["apiVersion", "kind", "name", "uid"] {
            let given = owner
                .get(part)
                .and_then(Node::text)
                .is_some_and(|text| !text.is_empty());
            if !given {
                let field = format!("metadata.ownerReferences[{n}].{part}");
                report.add(object.finding(owner.at, &field, "Required value").fix("add it"));
            }
        }
    }
}

fn check_text(
    object: &Object<'_>,
    node: Option<&Node>,
    field: &str,
    sound: impl Fn(&str) -> bool,
    fix: &str,
    report: &mut Report,
) {
    let Some(node) = node else { return };
    let message = match &node.content {
        Content::Text(text) if sound(text) => return,
        Content::Text(_) => "the value is not well formed",
        _ => "must be a string",
    };
    report.add(object.finding(node.at, field, message).fix(fix));
}

/// ObjectMeta's fields, as the API server decodes them.
fn known_fields() -> Vec<String> {
    let schema = schemars::schema_for!(ObjectMeta).to_value();
    let properties = schema.get("properties").and_then(serde_json::Value::as_object);
    properties.into_iter().flatten().map(|(name, _)| name.clone()).collect()
}

fn is_label(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&text.len()) && text.chars().all(allowed) && !text.starts_with('-') && !text.ends_with('-')
}

/// An RFC 1123 subdomain; its labels may be as long as the whole.
fn is_subdomain(text: &str) -> bool {
    let part = |part: &str| {
        part.chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(part)
}

fn is_name_part(text: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_alphanumeric();
    (1..=63).contains(&text.len())
        && text.chars().all(|c| alphanumeric(c) || "-_.".contains(c))
        && text.starts_with(alphanumeric)
        && text.ends_with(alphanumeric)
}

fn is_qualified_name(text: &str) -> bool {
    match text.split_once('/') {
        Some((domain, name)) => is_subdomain(domain) && is_name_part(name),
        None => is_name_part(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_kubernetes_takes() {
        assert!(["a", "a.b-c", &"a".repeat(253)].into_iter().all(is_subdomain));
        assert!(
            !["", "A", "a_b", "-a", "a.", "a..b", &"a".repeat(254)]
                .into_iter()
                .any(is_subdomain)
        );
        assert!(["a", "Team", "example.com/a_B.c"].into_iter().all(is_qualified_name));
        assert!(
            !["", "a/b/c", "/a", "a b", "example.com/", "-a"]
                .into_iter()
                .any(is_qualified_name)
        );
        assert!(is_label("media-1") && !is_label("a.b") && !is_label(&"a".repeat(64)));
    }
}
