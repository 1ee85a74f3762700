//! What every object of Kubernetes must look like, whatever its kind.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Report;
use super::object::Object;
use crate::manifests::{Content, Node};

/// Judges `metadata`.
pub(super) fn check(object: &Object<'_>, report: &mut Report) {
    let Some(metadata) = object.root.entry("metadata") else {
        let finding = object.finding(object.root.at, "metadata", "Required value");
        report.add(finding.fix("add metadata.name"));
        return;
    };
    let known = known_fields();
    for entry in metadata.value.entries() {
        if !known.contains(&entry.key) {
            let field = format!("metadata.{}", entry.key);
            report.add(object.finding(entry.at, &field, "unknown field").fix("remove it"));
        }
    }
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
    for (field, check_value) in [("labels", true), ("annotations", false)] {
        let Some(map) = metadata.value.get(field) else { continue };
        for entry in map.entries() {
            let path = format!("metadata.{field}.{}", entry.key);
            if !is_qualified_name(&entry.key) {
                let finding = object.finding(entry.at, &path, "the name is not well formed");
                report.add(finding.fix(
                    "use up to 63 letters, digits, -, _ and ., after a domain and / if need be, such as example.com/team",
                ));
            }
            let fix = "use at most 63 letters, digits, -, _ and ., with a letter or digit at each end; quote true and numbers";
            let sound = |text: &str| !check_value || text.is_empty() || is_name_part(text);
            check_text(object, Some(&entry.value), &path, sound, fix, report);
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
