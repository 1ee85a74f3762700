//! Between the resource's terms and the domain's, in both directions.

use std::time::Duration;

use super::secret_refs;
use crate::api::{
    AppliedHttp, AppliedKeySecret, AppliedSetting, AuthKeyForm, CallbackType, Difference, MnsTarget, ReportedAs,
    ReportedSetting, VodMessageCallbackSpec, VodMessageCallbackStatus,
};
use crate::domain::event_types::as_set;
use crate::domain::{
    AppId, Auth, AuthKey, Baseline, Field, FieldDifference, GoDuration, KeyForm, LiveSetting, Region, Setting, Target,
};

/// The setting that the spec asks for. `key` is the value of the referenced Secret, where one is referenced.
/// None: the union is broken, which the API server's rules exclude.
pub fn setting(spec: &VodMessageCallbackSpec, key: Option<AuthKey>) -> Option<Setting> {
    let target = match (spec.callback_type, &spec.http, &spec.mns) {
        (CallbackType::Http, Some(http), _) => {
            let auth = match (&http.auth, key) {
                (Some(auth), Some(key)) if auth.enabled => Auth::On(key),
                (Some(_), Some(key)) => Auth::OffWithKey(key),
                (None, _) => Auth::Off,
                (Some(_), None) => return None,
            };
            Target::Http {
                url: http.url.clone(),
                auth,
            }
        }
        (CallbackType::Mns, _, Some(mns)) => Target::Mns {
            endpoint: mns.endpoint.clone(),
            queue_name: mns.queue_name.clone(),
        },
        _ => return None,
    };
    Some(Setting {
        target,
        event_types: spec.event_types.clone(),
    })
}

/// What `status.applied` says once the spec is applied. `key_version` is the version of the AuthKey's Secret that is
/// applied, where one is.
pub fn applied(spec: &VodMessageCallbackSpec, key_version: Option<&str>) -> AppliedSetting {
    let http = spec.http.as_ref().filter(|_| spec.callback_type == CallbackType::Http);
    let mns = spec.mns.as_ref().filter(|_| spec.callback_type == CallbackType::Mns);
    AppliedSetting {
        callback_type: spec.callback_type,
        http: http.map(|h| AppliedHttp {
            url: h.url.clone(),
            auth_enabled: h.auth.as_ref().is_some_and(|a| a.enabled),
        }),
        mns: mns.map(|m| MnsTarget {
            endpoint: m.endpoint.clone(),
            queue_name: m.queue_name.clone(),
        }),
        event_types: spec.event_types.clone(),
        auth_key_secret: secret_refs::key_ref(spec)
            .zip(key_version)
            .map(|((name, key), version)| AppliedKeySecret {
                name: name.to_owned(),
                key: key.to_owned(),
                resource_version: version.to_owned(),
            }),
    }
}

/// The setting that `applied` stands for, to recognise it at the service. Its key is not known, so signing cannot
/// be expressed and is compared apart, by [`auth_enabled`].
pub fn setting_of_applied(applied: &AppliedSetting) -> Option<Setting> {
    let target = match (&applied.http, &applied.mns) {
        (Some(http), _) => Target::Http {
            url: http.url.clone(),
            auth: Auth::Off,
        },
        (None, Some(mns)) => Target::Mns {
            endpoint: mns.endpoint.clone(),
            queue_name: mns.queue_name.clone(),
        },
        (None, None) => return None,
    };
    Some(Setting {
        target,
        event_types: applied.event_types.clone(),
    })
}

/// Whether what was applied signs callbacks.
pub fn auth_enabled(applied: &AppliedSetting) -> bool {
    applied.http.as_ref().is_some_and(|h| h.auth_enabled)
}

/// `status.reported`, and `status.reportedAs` beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Reported {
    setting: ReportedSetting,
    read_as: ReportedAs,
}

impl Reported {
    /// What a status says.
    pub fn of(status: &VodMessageCallbackStatus) -> Option<Self> {
        Some(Self {
            setting: status.reported.clone()?,
            read_as: status.reported_as.clone().unwrap_or_default(),
        })
    }

    /// Has a status say it, or nothing.
    pub fn write(reported: Option<Self>, status: &mut VodMessageCallbackStatus) {
        let (setting, read_as) = reported.map(|reported| (reported.setting, reported.read_as)).unzip();
        status.reported = setting;
        status.reported_as = read_as.filter(|read_as| *read_as != ReportedAs::default());
    }
}

/// What is said of a baseline.
pub fn reported(baseline: &Baseline) -> Reported {
    let live = &baseline.reported;
    Reported {
        setting: ReportedSetting {
            callback_type: live.callback_type.clone(),
            callback_url: live.callback_url.clone(),
            event_type_list: live.event_type_list.clone(),
            auth_switch: live.auth_switch.clone(),
            mns_endpoint: live.mns_endpoint.clone(),
            mns_queue_name: live.mns_queue_name.clone(),
        },
        read_as: ReportedAs {
            auth_key_form: baseline.key_form.map(|form| match form {
                KeyForm::Clear => AuthKeyForm::Clear,
                KeyForm::Masked => AuthKeyForm::Masked,
                KeyForm::Absent => AuthKeyForm::Absent,
            }),
            observed_only: false,
        },
    }
}

/// What is said under `Observe`: what was seen, unless `before` says that already. A baseline of a time when the
/// setting was enforced stays as long as it still holds (`differs` is false), since it is needed when that comes back.
pub fn observed(live: Option<&LiveSetting>, before: Option<Reported>, differs: bool) -> Option<Reported> {
    let live = live?.without_key();
    let stays = |before: &Reported| match before.read_as.observed_only {
        true => live_of(&before.setting).says_the_same(&live),
        false => !differs,
    };
    before.filter(stays).or_else(|| {
        let mut seen = reported(&Baseline {
            reported: live.clone(),
            key_form: None,
        });
        seen.read_as.observed_only = true;
        Some(seen)
    })
}

/// The setting that `status.reported` speaks of.
fn live_of(reported: &ReportedSetting) -> LiveSetting {
    LiveSetting {
        callback_type: reported.callback_type.clone(),
        callback_url: reported.callback_url.clone(),
        event_type_list: reported.event_type_list.clone(),
        auth_switch: reported.auth_switch.clone(),
        auth_key: None,
        mns_endpoint: reported.mns_endpoint.clone(),
        mns_queue_name: reported.mns_queue_name.clone(),
    }
}

/// The baseline that a status speaks of; none where the setting was only looked at.
pub fn baseline(status: &VodMessageCallbackStatus) -> Option<Baseline> {
    let Reported { setting, read_as } = Reported::of(status)?;
    (!read_as.observed_only).then(|| Baseline {
        reported: live_of(&setting),
        key_form: read_as.auth_key_form.map(|form| match form {
            AuthKeyForm::Clear => KeyForm::Clear,
            AuthKeyForm::Masked => KeyForm::Masked,
            AuthKeyForm::Absent => KeyForm::Absent,
        }),
    })
}

/// `status.differences`.
pub fn differences(found: &[FieldDifference]) -> Vec<Difference> {
    let row = |d: &FieldDifference| Difference {
        field: d.field.path().to_owned(),
        desired: d.desired.clone(),
        observed: d.observed.clone(),
    };
    found.iter().map(row).collect()
}

/// The same, in the words of `before` where these say the same: a service lists event types in any order.
pub fn differences_after(found: &[FieldDifference], before: &[Difference]) -> Vec<Difference> {
    let as_before = |new: Difference| {
        let same = |old: &&Difference| {
            old.field == Field::EventTypes.path()
                && (&old.field, &old.desired) == (&new.field, &new.desired)
                && as_set(&old.observed) == as_set(&new.observed)
        };
        before.iter().find(same).cloned().unwrap_or(new)
    };
    differences(found).into_iter().map(as_before).collect()
}

/// The differing fields' paths, for a sentence.
pub fn field_list(found: &[FieldDifference]) -> String {
    found.iter().map(|d| d.field.path()).collect::<Vec<_>>().join(", ")
}

/// The resource's region.
pub fn region(spec: &VodMessageCallbackSpec) -> Region {
    Region(spec.region.clone())
}

/// The resource's app.
pub fn app(spec: &VodMessageCallbackSpec) -> AppId {
    AppId(spec.app_id.clone())
}

/// How often this resource is checked. The schema keeps the field sound; what slipped past it counts as absent.
pub fn check_interval(spec: &VodMessageCallbackSpec, default: Duration) -> Duration {
    let own = spec
        .check_interval
        .as_deref()
        .and_then(|text| text.parse::<GoDuration>().ok());
    own.map_or(default, |GoDuration(d)| d)
}
