//! The manifests as text: YAML with comments for what a manifest cannot say, and JSON without.

use std::fmt::Write as _;

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::setting::{AuthKeySecret, Imported, Remark};
use crate::api::{CallbackAuth, VodMessageCallback};
use crate::domain::AuthKey;

/// How wide a comment may be.
const WIDTH: usize = 110;

impl Remark {
    /// In words, for a comment and for the terminal.
    pub fn words(&self) -> String {
        match self {
            Self::OwnCredentials => "No credentials are named, so the operator uses its own, where it runs with \
                --ambient-credentials; to name a Secret, run import with --credentials NAME."
                .to_owned(),
            Self::UnknownType(said) => format!("The service reports callback type {said:?}, which no manifest knows."),
            Self::HiddenKey => "Callbacks are signed, and the service does not show the key: put the key in force into \
                the Secret named here. Applying makes one SetMessageCallback, because only that makes sure of a hidden key."
                .to_owned(),
            Self::KeyLeftOut => "Callbacks are signed. The key in force is not written here: put it into the Secret named \
                here, or run import with --with-auth-key FILE."
                .to_owned(),
            Self::KeyBreaksRule => "Callbacks are signed with a key that breaks the service's present rule (1 to 32 \
                characters with an upper-case letter, a lower-case letter and a digit): put a new key into the Secret \
                named here and into your receivers. Applying makes one SetMessageCallback."
                .to_owned(),
            Self::UnusedKeyLeftOut => "Callbacks are not signed, though a key is set; it is left out here. To keep it, \
                run import with --with-auth-key FILE."
                .to_owned(),
            Self::UnusedKeyUnknown => "Callbacks are not signed, though a key is set; it is left out here, since it is \
                hidden or breaks the service's present rule."
                .to_owned(),
            Self::AllBesideOthers => "The service reports ALL beside other event types; ALL means them all.".to_owned(),
            Self::OneSet(fields) if fields.is_empty() => "Applying makes one SetMessageCallback.".to_owned(),
            Self::OneSet(fields) => format!("Applying makes one SetMessageCallback, for {}.", fields.join(", ")),
        }
    }

    fn is_about_key(&self) -> bool {
        match self {
            Self::HiddenKey
            | Self::KeyLeftOut
            | Self::KeyBreaksRule
            | Self::UnusedKeyLeftOut
            | Self::UnusedKeyUnknown => true,
            Self::OwnCredentials | Self::UnknownType(_) | Self::AllBesideOthers | Self::OneSet(_) => false,
        }
    }
}

/// One YAML document, without a separator.
pub fn yaml(imported: &Imported) -> String {
    let (spec, wish) = (&imported.spec, &imported.wish);
    let mut text = String::new();
    let head = |r: &&Remark| !r.is_about_key() && **r != Remark::OwnCredentials;
    for remark in imported.remarks.iter().filter(head) {
        comment(&mut text, 0, &remark.words());
    }
    let mut line = |indent: usize, words: &str| {
        let _ = writeln!(text, "{:indent$}{words}", "");
    };
    line(0, "apiVersion: vod-operator.dev/v1alpha1");
    line(0, "kind: VodMessageCallback");
    line(0, "metadata:");
    line(2, &format!("name: {}", scalar(&wish.name)));
    if let Some(namespace) = &wish.namespace {
        line(2, &format!("namespace: {}", scalar(namespace)));
    }
    line(0, "spec:");
    line(2, &format!("region: {}", scalar(&spec.region)));
    line(2, &format!("appId: {}", scalar(&spec.app_id)));
    if let Some(name) = &wish.credentials {
        line(2, "credentials:");
        line(4, "secretRef:");
        line(6, &format!("name: {}", scalar(name)));
    }
    if imported.remarks.contains(&Remark::OwnCredentials) {
        comment(&mut text, 2, &Remark::OwnCredentials.words());
    }
    target(&mut text, imported);
    if spec.event_types.is_empty() {
        text.push_str("  eventTypes: []\n");
    } else {
        text.push_str("  eventTypes:\n");
        for one in &spec.event_types {
            let _ = writeln!(text, "    - {}", scalar(one));
        }
    }
    text
}

fn target(text: &mut String, imported: &Imported) {
    if let Some(http) = &imported.spec.http {
        let _ = writeln!(text, "  callbackType: HTTP\n  http:\n    url: {}", scalar(&http.url));
        for remark in imported.remarks.iter().filter(|r| r.is_about_key()) {
            comment(text, 4, &remark.words());
        }
        if let Some(auth) = &http.auth {
            signing(text, auth);
        }
    }
    if let Some(mns) = &imported.spec.mns {
        let (endpoint, queue) = (scalar(&mns.endpoint), scalar(&mns.queue_name));
        let _ = writeln!(
            text,
            "  callbackType: MNS\n  mns:\n    endpoint: {endpoint}\n    queueName: {queue}"
        );
    }
}

fn signing(text: &mut String, auth: &CallbackAuth) {
    text.push_str("    auth:\n");
    if !auth.enabled {
        text.push_str("      enabled: false\n");
    }
    let (name, key) = (scalar(&auth.key_secret_ref.name), scalar(&auth.key_secret_ref.key));
    let _ = writeln!(text, "      keySecretRef:\n        name: {name}\n        key: {key}");
}

/// For programs: the same as an object, without remarks.
pub fn object(imported: &Imported) -> Value {
    let mut resource = VodMessageCallback::new(&imported.wish.name, imported.spec.clone());
    resource.metadata.namespace.clone_from(&imported.wish.namespace);
    let mut object = json!({
        "apiVersion": "vod-operator.dev/v1alpha1",
        "kind": "VodMessageCallback",
        "metadata": { "name": resource.metadata.name, "namespace": resource.metadata.namespace },
        "spec": resource.spec,
    });
    // What the CRD's defaults say need not be said in a manifest.
    if let Some(Value::Object(spec)) = object.get_mut("spec") {
        for field in ["managementPolicy", "deletionPolicy", "suspend"] {
            spec.remove(field);
        }
    }
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        metadata.retain(|_, value| !value.is_null());
    }
    object
}

/// The Secret with the AuthKey, one YAML document. Never for the terminal.
pub fn secret_yaml(imported: &Imported, secret: &AuthKeySecret) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(1024));
    comment(
        &mut text,
        0,
        &format!(
            "The AuthKey in force for {}. Keep it out of Git, or encrypt it there.",
            imported.wish.name
        ),
    );
    text.push_str("apiVersion: v1\nkind: Secret\nmetadata:\n");
    let _ = writeln!(text, "  name: {}", scalar(&secret.name));
    if let Some(namespace) = &imported.wish.namespace {
        let _ = writeln!(text, "  namespace: {}", scalar(namespace));
    }
    let _ = write!(text, "type: Opaque\nstringData:\n  {}: ", scalar(&secret.key));
    quote_key(&mut text, &secret.value);
    text.push('\n');
    text
}

/// Straight into the text, so that no copy of the key is left behind.
fn quote_key(text: &mut String, key: &AuthKey) {
    quoted(text, key.expose());
}

/// A comment of lines of a readable width.
fn comment(text: &mut String, indent: usize, words: &str) {
    let mut width = 0;
    for word in words.split_whitespace() {
        if width == 0 || width + word.chars().count() + 1 > WIDTH {
            if width > 0 {
                text.push('\n');
            }
            let _ = write!(text, "{:indent$}#", "");
            width = indent + 1;
        }
        text.push(' ');
        text.push_str(word);
        width += word.chars().count() + 1;
    }
    text.push('\n');
}

/// A text as a YAML scalar: plain where every reader of YAML, also of the older kind, takes it for a text.
fn scalar(value: &str) -> String {
    const OTHER_THINGS: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "y", "n", "null"];
    let plain = value.starts_with(|c: char| c.is_ascii_alphabetic())
        && value
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_./:@%+~=&?-".contains(c))
        && !value.ends_with(':')
        && !OTHER_THINGS.contains(&value.to_ascii_lowercase().as_str());
    if plain {
        return value.to_owned();
    }
    let mut text = String::new();
    quoted(&mut text, value);
    text
}

fn quoted(text: &mut String, value: &str) {
    text.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => {
                text.push('\\');
                text.push(c);
            }
            ' '..='~' => text.push(c),
            c if u32::from(c) <= 0xffff => {
                let _ = write!(text, "\\u{:04x}", u32::from(c));
            }
            c => {
                let _ = write!(text, "\\U{:08x}", u32::from(c));
            }
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests;
