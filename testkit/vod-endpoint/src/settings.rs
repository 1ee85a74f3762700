//! What the service holds, and how it words it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::answer::Answer;

/// How the absence of a setting is told: the documentation does not say, so every form can be had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Absent {
    /// No field.
    #[default]
    NoField,
    /// `null`
    Null,
    /// `{}`
    Empty,
    /// Every field blank.
    Blank,
    /// A 404.
    NotFound,
}

/// How a key is shown: the documentation shows it in clear and promises nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShowKey {
    /// The key itself.
    #[default]
    Clear,
    /// Not at all.
    Hidden,
    /// `****`
    Masked,
    /// As many asterisks as the key is long.
    Stars,
    /// `Ab****yz`
    Partly,
    /// `xxxxxx`
    Crosses,
    /// Its SHA-256 in hex.
    Hash,
    /// A text that depends on the key and would itself do as a key.
    LikeAKey,
}

impl ShowKey {
    /// Every form.
    pub const ALL: [Self; 8] = [
        Self::Clear,
        Self::Hidden,
        Self::Masked,
        Self::Stars,
        Self::Partly,
        Self::Crosses,
        Self::Hash,
        Self::LikeAKey,
    ];

    /// What is shown for `key`; nothing where it is left out.
    pub fn shown(self, key: &str) -> Option<String> {
        let hash = || {
            let digest = Sha256::digest(key.as_bytes());
            digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        match self {
            Self::Clear => Some(key.to_owned()),
            Self::Hidden => None,
            Self::Masked => Some("****".to_owned()),
            Self::Stars => Some("*".repeat(key.chars().count())),
            Self::Partly => {
                let first: String = key.chars().take(2).collect();
                let last: String = key.chars().skip(key.chars().count().saturating_sub(2)).collect();
                Some(format!("{first}****{last}"))
            }
            Self::Crosses => Some("xxxxxx".to_owned()),
            Self::Hash => Some(hash()),
            Self::LikeAKey => Some(format!("Aa1{}", hash().get(..24).unwrap_or_default())),
        }
    }
}

/// How GetMessageCallback words what it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Behaviour {
    /// Event types in alphabetical order.
    pub sort_events: bool,
    /// `ALL` as a list.
    pub expand_all: bool,
    /// A slash at the URL's end.
    pub add_slash: bool,
    /// Whatever path was set, this one.
    pub path: Option<String>,
    /// How the key is shown.
    pub key: ShowKey,
    /// So many reads after a Set show what was there before.
    pub late_reads: u32,
    /// Fields of the other callback type are kept.
    pub keep_stale: bool,
    /// How absence is told.
    pub absent: Absent,
}

pub(crate) type Stored = BTreeMap<String, String>;

const EXPANDED: &str = "FileUploadComplete,StreamTranscodeComplete,TranscodeComplete,SnapshotComplete,AIComplete";
const FIELDS: [&str; 7] = [
    "CallbackType",
    "CallbackURL",
    "EventTypeList",
    "AuthSwitch",
    "AuthKey",
    "MnsEndpoint",
    "MnsQueueName",
];

/// Checks what SetMessageCallback is sent, as its page says.
pub(crate) fn check(parameters: &BTreeMap<String, String>) -> Result<(), Answer> {
    let get = |name: &str| parameters.get(name).map_or("", String::as_str);
    let invalid = |name: &str| {
        let message = format!("The specified parameter \"{name}\" is not valid.");
        Err(Answer::error(400, "InvalidParameter", &message))
    };
    let missing = |name: &str| {
        Err(Answer::error(
            400,
            "MissingParameter",
            &format!("{name} is mandatory for this action."),
        ))
    };
    match get("CallbackType") {
        "HTTP" => {
            if get("CallbackURL").is_empty() {
                return missing("CallbackURL");
            }
            if get("CallbackURL").len() > 256 || !get("CallbackURL").starts_with("http") {
                return invalid("CallbackURL");
            }
            if !["on", "off"].contains(&get("AuthSwitch")) {
                return invalid("AuthSwitch");
            }
            let key = get("AuthKey");
            let has = |class: fn(&u8) -> bool| key.as_bytes().iter().any(class);
            let sound = key.len() <= 32
                && has(u8::is_ascii_uppercase)
                && has(u8::is_ascii_lowercase)
                && has(u8::is_ascii_digit);
            let needed = get("AuthSwitch") == "on" || !key.is_empty();
            if needed && !sound {
                return invalid("AuthKey");
            }
        }
        "MNS" => {
            if get("MnsEndpoint").is_empty() {
                return missing("MnsEndpoint");
            }
            if get("MnsQueueName").is_empty() {
                return missing("MnsQueueName");
            }
        }
        _ => return invalid("CallbackType"),
    }
    if parameters.contains_key("EventTypeList") {
        Ok(())
    } else {
        missing("EventTypeList")
    }
}

/// What is stored after a Set: all of it replaced, or the other type's fields kept as they were.
pub(crate) fn stored(before: Option<&Stored>, parameters: &BTreeMap<String, String>, keep_stale: bool) -> Stored {
    let mut now = if keep_stale {
        before.cloned().unwrap_or_default()
    } else {
        Stored::new()
    };
    for field in FIELDS {
        if let Some(value) = parameters.get(field) {
            now.insert(field.into(), value.clone());
        }
    }
    now
}

/// The answer to GetMessageCallback.
pub(crate) fn shown(setting: Option<&Stored>, app: &str, behaviour: &Behaviour) -> Answer {
    let Some(setting) = setting else {
        let blank: BTreeMap<&str, &str> = FIELDS.iter().map(|f| (*f, "")).collect();
        return match behaviour.absent {
            Absent::NoField => Answer::ok(json!({})),
            Absent::Null => Answer::ok(json!({ "MessageCallback": null })),
            Absent::Empty => Answer::ok(json!({ "MessageCallback": {} })),
            Absent::Blank => Answer::ok(json!({ "MessageCallback": blank })),
            Absent::NotFound => Answer::error(
                404,
                "InvalidMessageCallback.NotFound",
                "The message callback does not exist.",
            ),
        };
    };
    let mut shown = setting.clone();
    let list = shown.get("EventTypeList").cloned().unwrap_or_default();
    let list = if behaviour.expand_all && list == "ALL" {
        EXPANDED.to_owned()
    } else {
        list
    };
    let mut types: Vec<&str> = list.split(',').collect();
    if behaviour.sort_events {
        types.sort_unstable();
    }
    shown.insert("EventTypeList".into(), types.join(","));
    if behaviour.add_slash
        && let Some(url) = shown.get_mut("CallbackURL")
        && !url.ends_with('/')
    {
        url.push('/');
    }
    if let Some(path) = &behaviour.path
        && let Some(url) = shown.get_mut("CallbackURL")
    {
        let host = url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
        *url = format!("{host}{path}");
    }
    if let Some(key) = shown.remove("AuthKey")
        && let Some(key) = behaviour.key.shown(&key)
    {
        shown.insert("AuthKey".into(), key);
    }
    shown.insert("AppId".into(), app.into());
    Answer::ok(
        json!({ "MessageCallback": Value::from(shown.into_iter().map(|(k, v)| (k, Value::from(v))).collect::<serde_json::Map<_, _>>()) }),
    )
}
