use kube::Resource as _;

use super::schema::{Place, Schema, Step, path};
use super::{Finding, Report, metadata};
use crate::api::VodMessageCallback;
use crate::manifests::{Content, Entry, Node, Position, Source};

/// An object of a manifest.
pub(super) struct Object<'s> {
    pub(super) source: &'s Source,
    pub(super) root: Node,
}

impl Object<'_> {
    fn text(&self, path: &[&str]) -> &str {
        self.root.find(path).and_then(Node::text).unwrap_or_default()
    }

    pub(super) fn name(&self) -> &str {
        self.text(&["metadata", "name"])
    }

    pub(super) fn namespace(&self) -> &str {
        self.text(&["metadata", "namespace"])
    }

    /// `VodMessageCallback media/events`
    pub(super) fn title(&self) -> String {
        let name = if self.name().is_empty() {
            "(without a name)"
        } else {
            self.name()
        };
        match self.namespace() {
            "" => format!("{} {name}", self.text(&["kind"])),
            namespace => format!("{} {namespace}/{name}", self.text(&["kind"])),
        }
    }

    pub(super) fn finding(&self, at: Position, field: &str, message: impl Into<String>) -> Finding {
        Finding::new(self.source, at, &self.title(), field, message.into())
    }

    /// Judges a VodMessageCallback.
    pub(super) fn check(&self, schema: &Schema, report: &mut Report) {
        report.checked += 1;
        self.repeated_keys(&self.root, &mut Vec::new(), report);
        metadata::check(self, report);
        for violation in schema.violations(&self.root.to_json()) {
            let place: Vec<Step> = violation.path.iter().cloned().chain(violation.item).collect();
            let at = self.locate(&place, violation.place);
            let mut finding = self.finding(at, &path(&violation.path), violation.message);
            finding.fix = violation.fix;
            report.add(finding);
        }
    }

    fn repeated_keys(&self, node: &Node, steps: &mut Vec<Step>, report: &mut Report) {
        for (n, entry) in node.entries().iter().enumerate() {
            steps.push(Step::Key(entry.key.clone()));
            if node.entries().iter().take(n).any(|before| before.key == entry.key) {
                let finding = self.finding(entry.at, &path(steps), "the field is given twice");
                report.add(finding.fix("keep one of them"));
            }
            self.repeated_keys(&entry.value, steps, report);
            steps.pop();
        }
        for (n, item) in node.items().iter().enumerate() {
            steps.push(Step::Index(n));
            self.repeated_keys(item, steps, report);
            steps.pop();
        }
    }

    /// Where `path` is, or as much of it as there is.
    fn locate(&self, path: &[Step], place: Place) -> Position {
        let (mut node, mut key) = (&self.root, self.root.at);
        for step in path {
            let next = match step {
                Step::Key(name) => node.entry(name).map(|entry: &Entry| (&entry.value, entry.at)),
                Step::Index(n) => node.items().get(*n).map(|item| (item, item.at)),
            };
            match next {
                Some((value, at)) => (node, key) = (value, at),
                None => return key,
            }
        }
        match place {
            Place::Key => key,
            Place::Value => node.at,
        }
    }
}

/// A kustomization may leave apiVersion and kind out.
fn is_kustomization(source: &Source) -> bool {
    let file = source.name.rsplit('/').next().unwrap_or_default();
    ["kustomization.yaml", "kustomization.yml", "Kustomization"].contains(&file)
}

/// Sorts a document: into a resource to check, a Secret, a finding, or what is passed over with a word.
pub(super) fn sort<'s>(
    source: &'s Source,
    document: Node,
    report: &mut Report,
    resources: &mut Vec<Object<'s>>,
    secrets: &mut Vec<Object<'s>>,
) {
    let text = |key| document.get(key).and_then(Node::text).unwrap_or_default();
    let (version, kind) = (text("apiVersion"), text("kind"));
    let (our_version, our_kind) = (VodMessageCallback::api_version(&()), VodMessageCallback::kind(&()));
    let at = |key| document.entry(key).map_or(document.at, |entry| entry.value.at);
    if let Some(items) = document.get("items").filter(|_| kind.ends_with("List")) {
        if !matches!(items.content, Content::List(_) | Content::Null) {
            let finding = Finding::new(source, items.at, kind, "items", "must be a list".to_owned());
            report.add(finding.fix("write each item after a -"));
        }
        for item in items.items() {
            sort(source, item.clone(), report, resources, secrets);
        }
        return;
    }
    let group = version.split_once('/').map_or("", |(group, _)| group);
    let ours = group == VodMessageCallback::group(&()) || kind.eq_ignore_ascii_case(&our_kind);
    if !ours {
        match (version, kind) {
            ("v1", "Secret") => secrets.push(Object { source, root: document }),
            ("", "") if is_kustomization(source) => report.skip("other file"),
            // A values file, a Chart.yaml.
            ("", _) | (_, "") if source.in_directory => report.skip("other file"),
            ("", _) | (_, "") => {
                let what = match document.content {
                    Content::Map(_) => "no Kubernetes manifest: apiVersion or kind is missing",
                    _ => "no Kubernetes manifest: it is not a map of fields",
                };
                let fix = format!("write apiVersion: {our_version} and kind: {our_kind}");
                report.add(Finding::new(source, document.at, "", "", what.to_owned()).fix(fix));
            }
            _ => report.skip(kind),
        }
        return;
    }
    if version != our_version {
        let message = format!("unknown apiVersion {version:?} of {our_kind}");
        let fix = format!("write {our_version}");
        report.add(Finding::new(source, at("apiVersion"), kind, "apiVersion", message).fix(fix));
    }
    if kind != our_kind {
        let message = format!("unknown kind {kind:?} of {our_version}");
        let fix = format!("write {our_kind}");
        report.add(Finding::new(source, at("kind"), kind, "kind", message).fix(fix));
    }
    resources.push(Object { source, root: document });
}
