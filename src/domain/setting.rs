//! The setting itself: what is wanted, what the service holds, the one mapping between them, and how they differ.

use zeroize::Zeroizing;

use super::event_types::as_set;
use super::key_view::key_view;
use super::rewording::is_rewording;
use super::{AppId, AuthKey, Baseline, KeyForm, KeyView};

/// What the user wants the service to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Where the events go.
    pub target: Target,
    /// Which events, in the order given.
    pub event_types: Vec<String>,
}

/// Where the events go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A POST to a web address.
    Http {
        /// The address.
        url: String,
        /// How callbacks are signed.
        auth: Auth,
    },
    /// A message in a queue.
    Mns {
        /// The queue's endpoint.
        endpoint: String,
        /// The queue's name.
        queue_name: String,
    },
}

/// Whether callbacks are signed; a switch that is on without a key cannot be written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Off, no key known.
    Off,
    /// Off, but the key is set, ready to be switched on.
    OffWithKey(AuthKey),
    /// On.
    On(AuthKey),
}

impl Auth {
    /// `AuthSwitch` as the service spells it.
    pub fn switch(&self) -> &'static str {
        if matches!(self, Self::On(_)) { "on" } else { "off" }
    }

    /// The key, if one is set.
    pub fn key(&self) -> Option<&AuthKey> {
        match self {
            Self::Off => None,
            Self::OffWithKey(key) | Self::On(key) => Some(key),
        }
    }
}

/// What GetMessageCallback reported; empty texts count as left out, since which of the two the service sends is
/// not documented.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct LiveSetting {
    /// `HTTP` or `MNS`.
    pub callback_type: Option<String>,
    /// The web address.
    pub callback_url: Option<String>,
    /// The events, joined by commas.
    pub event_type_list: Option<String>,
    /// `on` or `off`.
    pub auth_switch: Option<String>,
    /// The key, which the service may return in clear.
    pub auth_key: Option<Zeroizing<String>>,
    /// The queue's endpoint.
    pub mns_endpoint: Option<String>,
    /// The queue's name.
    pub mns_queue_name: Option<String>,
}

impl std::fmt::Debug for LiveSetting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveSetting")
            .field("callback_type", &self.callback_type)
            .field("event_type_list", &self.event_type_list)
            .field("auth_switch", &self.auth_switch)
            .finish_non_exhaustive()
    }
}

impl LiveSetting {
    /// Whether it says the same as `other`, apart from the key and from the order of the events.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.event_type_list.as_deref(), other.event_type_list.as_deref());
        let rest = |live: &Self| Self {
            event_type_list: None,
            ..live.without_key()
        };
        as_set(ours.unwrap_or_default()) == as_set(theirs.unwrap_or_default()) && rest(self) == rest(other)
    }

    /// What is remembered of it as the baseline: everything but the key.
    #[must_use]
    pub fn without_key(&self) -> Self {
        Self {
            auth_key: None,
            ..self.clone()
        }
    }

    /// The key, where it is surely shown in clear: a text with a `*` in it may be a mask.
    pub fn clear_key(&self) -> Option<&str> {
        let shown = self.auth_key.as_ref().map(|key| key.as_str());
        shown.filter(|text| !text.trim().is_empty() && !text.contains('*'))
    }
}

/// A field of the setting and the spec's path to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// `callbackType`
    CallbackType,
    /// `http.url`
    Url,
    /// `http.auth.enabled`
    AuthEnabled,
    /// `http.auth.keySecretRef`
    AuthKey,
    /// `mns.endpoint`
    MnsEndpoint,
    /// `mns.queueName`
    MnsQueueName,
    /// `eventTypes`
    EventTypes,
}

impl Field {
    /// The spec's path.
    pub fn path(self) -> &'static str {
        match self {
            Self::CallbackType => "callbackType",
            Self::Url => "http.url",
            Self::AuthEnabled => "http.auth.enabled",
            Self::AuthKey => "http.auth.keySecretRef",
            Self::MnsEndpoint => "mns.endpoint",
            Self::MnsQueueName => "mns.queueName",
            Self::EventTypes => "eventTypes",
        }
    }
}

/// One field that the service holds differently; the key itself is never in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldDifference {
    /// Which.
    pub field: Field,
    /// What the spec says.
    pub desired: String,
    /// What the service holds.
    pub observed: String,
}

/// Shown in place of a key.
pub const REDACTED: &str = "(redacted)";

impl Setting {
    /// The mapping to SetMessageCallback's parameters, the only one there is. Every field that matters is sent each
    /// time, because whether Set replaces or merges is not documented.
    pub fn to_parameters(&self, app: &AppId) -> Vec<(&'static str, Zeroizing<String>)> {
        let mut parameters = Vec::with_capacity(6);
        let mut add = |name, value: &str| parameters.push((name, Zeroizing::new(value.to_owned())));
        add("CallbackType", self.callback_type());
        match &self.target {
            Target::Http { url, auth } => {
                add("CallbackURL", url);
                add("AuthSwitch", auth.switch());
                if let Some(key) = auth.key() {
                    add("AuthKey", key.expose());
                }
            }
            Target::Mns { endpoint, queue_name } => {
                add("MnsEndpoint", endpoint);
                add("MnsQueueName", queue_name);
            }
        }
        add("EventTypeList", &self.event_types.join(","));
        add("AppId", &app.0);
        parameters
    }

    /// `CallbackType` as the service spells it.
    pub fn callback_type(&self) -> &'static str {
        match self.target {
            Target::Http { .. } => "HTTP",
            Target::Mns { .. } => "MNS",
        }
    }

    /// Where `live` (absent: nothing is set) differs from this. A field that reads as it did right after this same
    /// setting was applied (`baseline`) is no difference: the service orders or rewrites values in its own way. That
    /// holds only for what can be a rewriting ([`is_rewording`]), whatever the baseline says. Fields of the other callback
    /// type are stale leftovers and do not count.
    pub fn differences(&self, live: Option<&LiveSetting>, baseline: Option<&Baseline>) -> Vec<FieldDifference> {
        let none = LiveSetting::default();
        let live = live.unwrap_or(&none);
        let mut found = Vec::new();
        let mut compare = |field, desired: &str, of: fn(&LiveSetting) -> &Option<String>| {
            let observed = of(live).as_deref().unwrap_or_default();
            let as_before = baseline.is_some_and(|baseline| {
                let before = of(&baseline.reported).as_deref().unwrap_or_default();
                same(field, before, observed) && is_rewording(field, desired, before)
            });
            if !same(field, desired, observed) && !as_before {
                found.push(FieldDifference {
                    field,
                    desired: desired.to_owned(),
                    observed: observed.to_owned(),
                });
            }
        };
        compare(Field::CallbackType, self.callback_type(), |s| &s.callback_type);
        match &self.target {
            Target::Http { url, auth } => {
                compare(Field::Url, url, |s| &s.callback_url);
                compare(Field::AuthEnabled, auth.switch(), |s| &s.auth_switch);
            }
            Target::Mns { endpoint, queue_name } => {
                compare(Field::MnsEndpoint, endpoint, |s| &s.mns_endpoint);
                compare(Field::MnsQueueName, queue_name, |s| &s.mns_queue_name);
            }
        }
        compare(Field::EventTypes, &self.event_types.join(","), |s| &s.event_type_list);
        let form = baseline.and_then(|b| b.key_form);
        if self.key_view(live, form) == Some(KeyView::Foreign) {
            let [desired, observed] = [REDACTED, REDACTED].map(str::to_owned);
            found.push(FieldDifference {
                field: Field::AuthKey,
                desired,
                observed,
            });
        }
        found
    }

    /// As [`Self::differences`], for a setting whose key is not known: whether it signs callbacks is told apart.
    pub fn differences_when_signed(
        &self,
        live: &LiveSetting,
        baseline: Option<&Baseline>,
        signed: bool,
    ) -> Vec<FieldDifference> {
        let mut found = self.differences(Some(live), baseline);
        found.retain(|d| d.field != Field::AuthEnabled);
        let is_on = |switch: &Option<String>| switch.as_deref().is_some_and(|s| s.eq_ignore_ascii_case("on"));
        let as_before = baseline.is_some_and(|b| is_on(&b.reported.auth_switch) == is_on(&live.auth_switch));
        match self.target {
            Target::Http { .. } if is_on(&live.auth_switch) != signed && !as_before => {
                let word = |on: bool| if on { "on" } else { "off" }.to_owned();
                found.push(FieldDifference {
                    field: Field::AuthEnabled,
                    desired: word(signed),
                    observed: word(!signed),
                });
            }
            Target::Http { .. } | Target::Mns { .. } => {}
        }
        found
    }

    /// What `live` tells about the key, where one is wanted.
    pub fn key_view(&self, live: &LiveSetting, form: Option<KeyForm>) -> Option<KeyView> {
        let shown = live.auth_key.as_ref().map(|key| key.as_str());
        self.key().map(|wanted| key_view(wanted, shown, form))
    }

    /// The key, if one is wanted.
    fn key(&self) -> Option<&AuthKey> {
        match &self.target {
            Target::Http { auth, .. } => auth.key(),
            Target::Mns { .. } => None,
        }
    }
}

fn same(field: Field, a: &str, b: &str) -> bool {
    match field {
        Field::EventTypes => as_set(a) == as_set(b),
        // A switch that is left out is off: off is what the service starts from.
        Field::AuthEnabled => a.eq_ignore_ascii_case("on") == b.eq_ignore_ascii_case("on"),
        Field::CallbackType => a.eq_ignore_ascii_case(b),
        _ => a == b,
    }
}

#[cfg(test)]
mod tests;
