//! From what the service holds to the spec that says the same: pure.

use crate::api::{
    CallbackAuth, CallbackType, CredentialsSpec, DeletionPolicy, HttpTarget, KeySecretRef, ManagementPolicy, MnsTarget,
    SecretRef, VodMessageCallbackSpec,
};
use crate::domain::{AppId, AuthKey, Field, LiveSetting, Region};
use crate::reconcile::convert;
use crate::reconcile::decide::{Cause, KeyStanding, Observed, Plan};

/// Where the Secret's manifest holds the key; also the field's default.
const KEY: &str = "authKey";

/// What was read, and of what.
#[derive(Clone, Debug)]
pub struct Found {
    /// The region.
    pub region: Region,
    /// The app.
    pub app: AppId,
    /// What the service holds.
    pub live: LiveSetting,
}

/// How the manifest is to look.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// The resource's name.
    pub name: String,
    /// Its namespace; absent: the one that `kubectl apply` is told.
    pub namespace: Option<String>,
    /// The Secret with the AccessKey; absent: the operator's own credentials.
    pub credentials: Option<String>,
    /// Whether the AuthKey may be written into a Secret's manifest.
    pub with_auth_key: bool,
}

/// A live setting as a resource.
#[derive(Clone, Debug)]
pub struct Imported {
    /// Its name, namespace and the like.
    pub wish: Wish,
    /// What it declares.
    pub spec: VodMessageCallbackSpec,
    /// What cannot be known or was left out.
    pub remarks: Vec<Remark>,
    /// The Secret that goes with it, where the key is known and asked for.
    pub secret: Option<AuthKeySecret>,
}

/// A Secret that holds the AuthKey in force.
#[derive(Clone, Debug)]
pub struct AuthKeySecret {
    /// Its name.
    pub name: String,
    /// Which of its keys.
    pub key: String,
    /// The AuthKey.
    pub value: AuthKey,
}

/// What the manifest cannot say by itself. Each is a comment in it and a line for the terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    /// No Secret with an AccessKey was named.
    OwnCredentials,
    /// The service reports no callback type, or one that no manifest knows.
    UnknownType(String),
    /// Signed, and the service does not show the key.
    HiddenKey,
    /// Signed, and the key was not asked for.
    KeyLeftOut,
    /// Signed with a key that the service would not take today.
    KeyBreaksRule,
    /// Not signed, but a key is set, which was not asked for.
    UnusedKeyLeftOut,
    /// Not signed, but a key is set that cannot be written down: it is hidden, or breaks the rule.
    UnusedKeyUnknown,
    /// `ALL` stands beside other event types.
    AllBesideOthers,
    /// Applying makes this one Set, for these fields.
    OneSet(Vec<&'static str>),
}

/// The service holds something that no manifest can say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsayable {
    /// Neither an address nor a queue.
    #[error("the service reports callback type {0:?} and neither an address nor a queue")]
    Nothing(String),
    /// An address and a queue, and no type that chooses.
    #[error(
        "the service reports callback type {0:?} with an address and a queue; which of them is in force is not known"
    )]
    Both(String),
}

/// How much of the key in force is known.
enum SeenKey {
    None,
    Hidden,
    Unsound,
    Known(AuthKey),
}

/// The resource that says what the service holds.
///
/// # Errors
/// When no resource can.
pub fn import(found: &Found, wish: Wish) -> Result<Imported, Unsayable> {
    let live = &found.live;
    let mut remarks = Vec::new();
    if wish.credentials.is_none() {
        remarks.push(Remark::OwnCredentials);
    }
    let callback_type = callback_type(live, &mut remarks)?;
    let mut secret = None;
    let (mut http, mut mns) = (None, None);
    match callback_type {
        CallbackType::Http => {
            let name = format!("{}-auth-key", wish.name);
            let (auth, key) = auth(live, name, wish.with_auth_key, &mut remarks);
            secret = key;
            http = Some(HttpTarget {
                url: text(&live.callback_url),
                auth,
            });
        }
        CallbackType::Mns => {
            mns = Some(MnsTarget {
                endpoint: text(&live.mns_endpoint),
                queue_name: text(&live.mns_queue_name),
            });
        }
    }
    let spec = VodMessageCallbackSpec {
        region: found.region.0.clone(),
        app_id: found.app.0.clone(),
        credentials: wish.credentials.clone().map(|name| CredentialsSpec {
            secret_ref: Some(SecretRef { name }),
            ..CredentialsSpec::default()
        }),
        callback_type,
        http,
        mns,
        event_types: event_types(live, &mut remarks),
        management_policy: ManagementPolicy::default(),
        deletion_policy: DeletionPolicy::default(),
        suspend: false,
        check_interval: None,
    };
    if let Some(mut fields) = set_at_first(&spec, live) {
        let by_key = remarks
            .iter()
            .any(|r| matches!(r, Remark::HiddenKey | Remark::KeyBreaksRule));
        fields.retain(|field| !by_key || *field != Field::AuthKey.path());
        if !by_key || !fields.is_empty() {
            remarks.push(Remark::OneSet(fields));
        }
    }
    Ok(Imported {
        wish,
        spec,
        remarks,
        secret,
    })
}

/// What the operator makes of it once it is applied, by its own decision: `None` when it adopts the setting without a
/// call, else the fields for which it makes one Set.
fn set_at_first(spec: &VodMessageCallbackSpec, live: &LiveSetting) -> Option<Vec<&'static str>> {
    // Where the key is not known, any stands for the one that the Secret will hold.
    let shown = live.clear_key().and_then(|key| AuthKey::parse(key.as_bytes()).ok());
    let key = shown.or_else(|| AuthKey::parse(b"Unknown0").ok());
    let wanted = convert::setting(spec, key)?;
    let facts = Observed {
        wanted: &wanted,
        wanted_applied: &convert::applied(spec, None),
        applied: None,
        unconfirmed: false,
        baseline: None,
        key: KeyStanding::InForce,
        is_read_back: false,
        policy: spec.management_policy,
    };
    match facts.decide(Some(Some(live))) {
        Plan::Set(Cause::First { replacing } | Cause::Drift(replacing)) => {
            Some(replacing.iter().map(|d| d.field.path()).collect())
        }
        Plan::Set(Cause::Change) => Some(Vec::new()),
        _ => None,
    }
}

fn text(field: &Option<String>) -> String {
    field.as_deref().unwrap_or_default().trim().to_owned()
}

/// By the service's word; where that is none of ours, by what there is.
fn callback_type(live: &LiveSetting, remarks: &mut Vec<Remark>) -> Result<CallbackType, Unsayable> {
    let said = text(&live.callback_type);
    let (http, mns) = (
        live.callback_url.is_some(),
        live.mns_endpoint.is_some() && live.mns_queue_name.is_some(),
    );
    let is = |word: &str| said.eq_ignore_ascii_case(word);
    match (http, mns) {
        (true, _) if is("HTTP") => return Ok(CallbackType::Http),
        (_, true) if is("MNS") => return Ok(CallbackType::Mns),
        _ if is("HTTP") || is("MNS") => return Err(Unsayable::Nothing(said)),
        (true, true) => return Err(Unsayable::Both(said)),
        (false, false) => return Err(Unsayable::Nothing(said)),
        _ => {}
    }
    remarks.push(Remark::UnknownType(said));
    Ok(if http { CallbackType::Http } else { CallbackType::Mns })
}

/// Event types as the service lists them, in its order, each once.
fn event_types(live: &LiveSetting, remarks: &mut Vec<Remark>) -> Vec<String> {
    let mut types: Vec<String> = Vec::new();
    for one in text(&live.event_type_list).split(',').map(str::trim) {
        if !one.is_empty() && !types.iter().any(|t| t == one) {
            types.push(one.to_owned());
        }
    }
    let all = crate::domain::event_types::ALL;
    if types.len() > 1 && types.iter().any(|t| t == all) {
        remarks.push(Remark::AllBesideOthers);
        types = vec![all.to_owned()];
    }
    types
}

fn auth(
    live: &LiveSetting,
    name: String,
    with_auth_key: bool,
    remarks: &mut Vec<Remark>,
) -> (Option<CallbackAuth>, Option<AuthKeySecret>) {
    let signed = text(&live.auth_switch).eq_ignore_ascii_case("on");
    let key = seen_key(live);
    let remark = match (&key, signed, with_auth_key) {
        (SeenKey::Known(_), _, true) | (SeenKey::None, false, _) => None,
        (SeenKey::Known(_), true, false) => Some(Remark::KeyLeftOut),
        (SeenKey::Known(_), false, false) => Some(Remark::UnusedKeyLeftOut),
        (SeenKey::None | SeenKey::Hidden, true, _) => Some(Remark::HiddenKey),
        (SeenKey::Unsound, true, _) => Some(Remark::KeyBreaksRule),
        (SeenKey::Hidden | SeenKey::Unsound, false, _) => Some(Remark::UnusedKeyUnknown),
    };
    remarks.extend(remark);
    let secret = match key {
        SeenKey::Known(value) if with_auth_key => Some(AuthKeySecret {
            name: name.clone(),
            key: KEY.to_owned(),
            value,
        }),
        _ => None,
    };
    let auth = (signed || secret.is_some()).then(|| CallbackAuth {
        enabled: signed,
        key_secret_ref: KeySecretRef {
            name,
            key: KEY.to_owned(),
        },
    });
    (auth, secret)
}

fn seen_key(live: &LiveSetting) -> SeenKey {
    match live.clear_key() {
        Some(key) => AuthKey::parse(key.as_bytes()).map_or(SeenKey::Unsound, SeenKey::Known),
        None if live.auth_key.is_some() => SeenKey::Hidden,
        None => SeenKey::None,
    }
}

#[cfg(test)]
mod tests;
