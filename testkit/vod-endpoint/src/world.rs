//! Everything the endpoint knows, and how a call is judged.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use crate::answer::Answer;
use crate::call_log::{self, Call};
use crate::delivery::Message;
use crate::faults::Fault;
use crate::request::Raw;
use crate::server::Observer;
use crate::settings::{self, Behaviour, Stored};
use crate::{sts, verify};

/// An AccessKey.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AccessKey {
    /// The secret.
    pub secret: String,
    /// Whose.
    pub account: String,
    /// Switched off.
    pub inactive: bool,
    /// Operations that RAM denies it; `*` for all.
    pub denied: Vec<String>,
    /// A temporary key's token.
    pub token: Option<String>,
    /// A temporary key's end, in seconds since the epoch.
    pub expires: Option<u64>,
    /// The role a temporary key was got for.
    pub role: Option<String>,
}

/// What a role asks of a cluster's token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OidcTrust {
    /// The provider's ARN.
    pub provider: String,
    /// Whom the token must be made for.
    pub audience: String,
    /// Whose it must be, such as `system:serviceaccount:media:vod`.
    pub subject: String,
}

type Key = (String, String, String);

/// The state; tests hold it behind [`crate::Endpoint::world`].
pub struct World {
    started: Instant,
    /// Calls a second for each account and operation.
    pub qps: usize,
    /// Accounts that have another quota: a larger one that was bought, or a smaller share because others call too.
    pub account_qps: HashMap<String, usize>,
    /// How long the way to the endpoint and back takes.
    pub round_trip: Duration,
    /// How far the endpoint's clock is ahead, in seconds.
    pub clock_skew: i64,
    /// By AccessKey ID.
    pub keys: HashMap<String, AccessKey>,
    /// Accounts where VOD is not opened.
    pub closed_accounts: HashSet<String>,
    /// How answers are worded.
    pub behaviour: Behaviour,
    /// What fails.
    pub faults: Vec<Fault>,
    /// Tokens that AssumeRoleWithOIDC takes.
    pub oidc_tokens: HashSet<String>,
    /// What roles ask of a cluster's tokens, by the role's ARN.
    pub oidc_trust: HashMap<String, OidcTrust>,
    /// Roles that do not exist.
    pub missing_roles: HashSet<String>,
    /// External ids that roles ask for.
    pub external_ids: HashMap<String, String>,
    /// How long temporary credentials last, in seconds.
    pub lifetime: u64,
    /// Whether the metadata service speaks its first version.
    pub imds_v1: bool,
    /// The instance's role.
    pub ecs_role: Option<String>,
    /// What was delivered into queues.
    pub messages: Vec<Message>,
    /// Is asked about every call of VOD and STS.
    pub observer: Option<Observer>,
    settings: HashMap<Key, Stored>,
    /// What reads show that come too soon after a Set, and how many do.
    late: HashMap<Key, (u32, Option<Stored>)>,
    nonces: HashMap<String, Instant>,
    /// How many nonces there may be before the old ones are forgotten; it grows with what is young.
    nonces_bound: usize,
    arrivals: HashMap<(String, String), VecDeque<Instant>>,
    calls: Vec<Call>,
}

impl Default for World {
    fn default() -> Self {
        let key = AccessKey {
            secret: crate::KEY_SECRET.into(),
            account: crate::ACCOUNT.into(),
            ..AccessKey::default()
        };
        Self {
            started: Instant::now(),
            qps: 15,
            account_qps: HashMap::new(),
            round_trip: Duration::ZERO,
            clock_skew: 0,
            keys: HashMap::from([(crate::KEY_ID.to_owned(), key)]),
            closed_accounts: HashSet::new(),
            behaviour: Behaviour::default(),
            faults: Vec::new(),
            oidc_tokens: HashSet::new(),
            oidc_trust: HashMap::new(),
            missing_roles: HashSet::new(),
            external_ids: HashMap::new(),
            lifetime: 3600,
            imds_v1: false,
            ecs_role: None,
            messages: Vec::new(),
            observer: None,
            settings: HashMap::new(),
            late: HashMap::new(),
            nonces: HashMap::new(),
            nonces_bound: 20_000,
            arrivals: HashMap::new(),
            calls: Vec::new(),
        }
    }
}

/// What a call came to: its answer, its number in the log, and the fault that spoils it.
pub(crate) struct Judged {
    pub answer: Answer,
    pub seq: u64,
    pub fault: Option<Fault>,
}

impl World {
    /// Adds a key.
    pub fn add_key(&mut self, id: &str, secret: &str, account: &str) {
        let key = AccessKey {
            secret: secret.into(),
            account: account.into(),
            ..AccessKey::default()
        };
        self.keys.insert(id.into(), key);
    }

    /// Milliseconds since the endpoint was started, as [`Call::at_ms`] counts them.
    pub fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// All calls so far.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// Forgets the calls so far.
    pub fn forget_calls(&mut self) {
        self.calls.clear();
    }

    /// How many calls of `action` about `app` succeeded.
    pub fn count(&self, action: &str, app: &str) -> usize {
        self.calls
            .iter()
            .filter(|c| c.action == action && c.app() == app && c.code == "OK")
            .count()
    }

    /// The most calls within any `span`, of one account and action.
    pub fn most_within(&self, account: &str, action: &str, span: Duration) -> usize {
        call_log::most_within(&self.calls, account, action, span)
    }

    /// What is set, as somebody in the console would see it.
    pub fn setting(&self, account: &str, region: &str, app: &str) -> Option<&BTreeMap<String, String>> {
        self.settings.get(&(account.into(), region.into(), app.into()))
    }

    /// Changes fields of a setting behind everybody's back; it is made if absent.
    pub fn put_setting(&mut self, account: &str, region: &str, app: &str, fields: &[(&str, &str)]) {
        let setting = self
            .settings
            .entry((account.into(), region.into(), app.into()))
            .or_default();
        setting.extend(fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
    }

    /// Removes a setting behind everybody's back.
    pub fn remove_setting(&mut self, account: &str, region: &str, app: &str) {
        self.settings.remove(&(account.into(), region.into(), app.into()));
    }

    pub(crate) fn now(&self) -> i64 {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        i64::try_from(now.as_secs()).unwrap_or(i64::MAX) + self.clock_skew
    }

    pub(crate) fn set_outcome(&mut self, seq: u64, status: u16, code: &str) {
        if let Some(call) = self.calls.iter_mut().rev().find(|c| c.seq == seq) {
            call.status = status;
            code.clone_into(&mut call.code);
        }
    }

    pub(crate) fn handle(&mut self, raw: &Raw, region: &str, request_id: &str) -> Judged {
        let parameters = raw.parameters();
        let action = raw.action();
        let app = parameters.get("AppId").map_or("app-1000000", String::as_str).to_owned();
        let claimed = verify::claimed(raw);
        let key_id = claimed.as_ref().map(|c| c.key_id.clone()).unwrap_or_default();
        let account = self.keys.get(&key_id).map(|k| k.account.clone()).unwrap_or_default();
        let mut fault = crate::faults::take(&mut self.faults, &action, &account, &app);
        let spoiled_before = fault.as_ref().is_some_and(|f| !f.after);
        let answer = if spoiled_before
            && !matches!(
                fault.as_ref().map(|f| &f.failure.0),
                Some(crate::faults::How::Delay { .. })
            ) {
            Answer::ok(serde_json::json!({}))
        } else {
            self.judge(raw, claimed.as_ref(), &action, &parameters, region)
                .unwrap_or_else(|refused| refused)
        };
        if answer.code != "OK" && fault.as_ref().is_some_and(|f| f.after) {
            // What was refused has no answer worth spoiling.
            fault = None;
        }
        let seq = self.calls.last().map_or(1, |c| c.seq + 1);
        self.calls.push(Call {
            seq,
            at_ms: self.elapsed_ms(),
            region: region.into(),
            account,
            key_id,
            action,
            parameters,
            code: answer.code.clone(),
            status: answer.status,
            request_id: request_id.into(),
            style: claimed.map_or("", |c| c.style).into(),
            peer: raw.peer.clone(),
        });
        Judged { answer, seq, fault }
    }

    fn judge(
        &mut self,
        raw: &Raw,
        claimed: Option<&verify::Claimed>,
        action: &str,
        parameters: &BTreeMap<String, String>,
        region: &str,
    ) -> Result<Answer, Answer> {
        if action == "AssumeRoleWithOIDC" {
            return sts::assume_role_with_oidc(self, parameters);
        }
        let claimed = claimed
            .ok_or_else(|| Answer::error(400, "MissingAccessKeyId", "AccessKeyId is mandatory for this action."))?;
        let key = self.authenticate(raw, claimed)?;
        if key.denied.iter().any(|d| d == action || d == "*") {
            let mut answer = Answer::error(
                403,
                "Forbidden.RAM",
                "User not authorized to operate on the specified resource.",
            );
            if let Some(body) = answer.body.as_object_mut() {
                body.insert(
                    "AccessDeniedDetail".into(),
                    serde_json::json!({ "AuthAction": format!("vod:{action}"), "NoPermissionType": "ImplicitDeny" }),
                );
            }
            return Err(answer);
        }
        match action {
            "GetCallerIdentity" => return Ok(sts::get_caller_identity(&claimed.key_id, &key)),
            "AssumeRole" => return sts::assume_role(self, &key, parameters),
            "SetMessageCallback" | "GetMessageCallback" | "DeleteMessageCallback" => {}
            _ => return Err(Answer::error(404, "InvalidApi.NotFound", "Specified api is not found.")),
        }
        let version = if claimed.style == "acs3" {
            raw.header("x-acs-version")
        } else {
            parameters.get("Version").map_or("", String::as_str)
        };
        if version != "2017-03-21" {
            return Err(Answer::error(
                400,
                "InvalidVersion",
                "Specified parameter Version is not valid.",
            ));
        }
        self.count_quota(&key.account, action)?;
        if self.closed_accounts.contains(&key.account) {
            return Err(Answer::error(
                403,
                "OperationDenied",
                "Your account does not open VOD service yet.",
            ));
        }
        let app = parameters.get("AppId").map_or("app-1000000", String::as_str);
        let at = (key.account.clone(), region.to_owned(), app.to_owned());
        match action {
            "SetMessageCallback" => {
                settings::check(parameters)?;
                let now = settings::stored(self.settings.get(&at), parameters, self.behaviour.keep_stale);
                let before = self.settings.insert(at.clone(), now);
                self.late.insert(at, (self.behaviour.late_reads, before));
                Ok(Answer::ok(serde_json::json!({})))
            }
            "DeleteMessageCallback" => {
                let existed = self.settings.remove(&at).is_some();
                if existed || self.behaviour.absent != settings::Absent::NotFound {
                    Ok(Answer::ok(serde_json::json!({})))
                } else {
                    Err(Answer::error(
                        404,
                        "InvalidMessageCallback.NotFound",
                        "The message callback does not exist.",
                    ))
                }
            }
            _ => {
                let setting = match self.late.get_mut(&at) {
                    Some((late, before)) if *late > 0 => {
                        *late -= 1;
                        before.as_ref()
                    }
                    _ => self.settings.get(&at),
                };
                Ok(settings::shown(setting, app, &self.behaviour))
            }
        }
    }

    fn authenticate(&mut self, raw: &Raw, claimed: &verify::Claimed) -> Result<AccessKey, Answer> {
        let Some(key) = self.keys.get(&claimed.key_id).cloned() else {
            return Err(Answer::error(
                404,
                "InvalidAccessKeyId.NotFound",
                "Specified access key is not found.",
            ));
        };
        if key.inactive {
            return Err(Answer::error(
                400,
                "InvalidAccessKeyId.Inactive",
                "Specified access key is disabled.",
            ));
        }
        if !verify::is_genuine(raw, claimed, &key.secret) {
            let message = format!(
                "Specified signature is not matched with our calculation. server StringToSign is [{}&{}]",
                raw.method, raw.query
            );
            return Err(Answer::error(400, "SignatureDoesNotMatch", &message));
        }
        let apart = (seconds(&claimed.timestamp).unwrap_or(0) - self.now()).abs();
        if apart > 15 * 60 {
            return Err(Answer::error(
                400,
                "InvalidTimeStamp.Expired",
                "Specified time stamp or date value is expired.",
            ));
        }
        let now = Instant::now();
        if self.nonces.len() > self.nonces_bound {
            self.nonces
                .retain(|_, at| now.duration_since(*at) < Duration::from_secs(900));
            self.nonces_bound = 20_000.max(self.nonces.len() * 2);
        }
        if claimed.nonce.is_empty() || self.nonces.insert(claimed.nonce.clone(), now).is_some() {
            return Err(Answer::error(
                400,
                "SignatureNonceUsed",
                "Specified signature nonce was used already.",
            ));
        }
        match (&key.token, &claimed.token) {
            (None, None) => {}
            (Some(want), Some(got)) if want == got => {}
            (Some(_), None) => {
                return Err(Answer::error(
                    400,
                    "MissingSecurityToken",
                    "SecurityToken is mandatory for this action.",
                ));
            }
            _ => {
                return Err(Answer::error(
                    400,
                    "InvalidSecurityToken.MismatchWithAccessKey",
                    "Specified SecurityToken mismatch with the AccessKey.",
                ));
            }
        }
        let ended = key
            .expires
            .is_some_and(|end| i64::try_from(end).unwrap_or(i64::MAX) <= self.now());
        if ended {
            return Err(Answer::error(
                403,
                "InvalidSecurityToken.Expired",
                "Specified SecurityToken is expired.",
            ));
        }
        Ok(key)
    }

    fn count_quota(&mut self, account: &str, action: &str) -> Result<(), Answer> {
        let now = Instant::now();
        let recent = self.arrivals.entry((account.into(), action.into())).or_default();
        while recent
            .front()
            .is_some_and(|at| now.duration_since(*at) >= Duration::from_secs(1))
        {
            recent.pop_front();
        }
        recent.push_back(now);
        if recent.len() > self.account_qps.get(account).copied().unwrap_or(self.qps) {
            return Err(Answer::error(
                400,
                "Throttling.User",
                "Request was denied due to user flow control.",
            ));
        }
        Ok(())
    }
}

/// `2026-01-02T03:04:05Z` as seconds since the epoch.
fn seconds(text: &str) -> Option<i64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let numbers = |text: &str, by: char| {
        text.split(by)
            .map(|p| p.parse::<i64>().ok())
            .collect::<Option<Vec<_>>>()
    };
    let (date, time) = (numbers(date, '-')?, numbers(time, ':')?);
    let ([year, month, day], [hour, minute, second]) = (date.as_slice(), time.as_slice()) else {
        return None;
    };
    // Days from the civil calendar, counting years from March.
    let (y, m) = if *month > 2 {
        (*year, *month - 3)
    } else {
        (*year - 1, *month + 9)
    };
    let days =
        365 * y + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400) + (153 * m + 2) / 5 + day - 1 - 719_468;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

#[cfg(test)]
mod tests {
    #[test]
    fn times() {
        assert_eq!(super::seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(super::seconds("2026-01-02T03:04:05Z"), Some(1_767_323_045));
        assert_eq!(super::seconds("yesterday"), None);
    }
}
