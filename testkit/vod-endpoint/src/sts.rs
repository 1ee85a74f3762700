//! STS: who a key belongs to, and temporary keys.

use std::collections::BTreeMap;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::world::{AccessKey, World};

pub(crate) fn get_caller_identity(id: &str, key: &AccessKey) -> Answer {
    let arn = key
        .role
        .clone()
        .unwrap_or_else(|| format!("acs:ram::{}:user/{id}", key.account));
    Answer::ok(
        json!({ "AccountId": key.account, "UserId": "1", "PrincipalId": "1", "IdentityType": "RAMUser", "Arn": arn }),
    )
}

pub(crate) fn assume_role(
    world: &mut World,
    caller: &AccessKey,
    parameters: &BTreeMap<String, String>,
) -> Result<Answer, Answer> {
    let role = parameters.get("RoleArn").cloned().unwrap_or_default();
    if let Some(wanted) = world.external_ids.get(&role)
        && parameters.get("ExternalId") != Some(wanted)
    {
        return Err(Answer::error(
            403,
            "NoPermission",
            "You are not authorized to do this action. The ExternalId does not match.",
        ));
    }
    if caller.account.is_empty() {
        return Err(Answer::error(
            403,
            "NoPermission",
            "You are not authorized to do this action.",
        ));
    }
    issue(world, &role)
}

pub(crate) fn assume_role_with_oidc(
    world: &mut World,
    parameters: &BTreeMap<String, String>,
) -> Result<Answer, Answer> {
    let of = |name: &str| parameters.get(name).cloned().unwrap_or_default();
    let (token, role) = (of("OIDCToken"), of("RoleArn"));
    if world.oidc_tokens.contains(&token) {
        return issue(world, &role);
    }
    let now = u64::try_from(world.now()).unwrap_or_default();
    let claims = claims(&token).filter(|claims| claims.get("exp").and_then(Value::as_u64).is_some_and(|end| end > now));
    let Some(claims) = claims else {
        return Err(Answer::error(
            400,
            "AuthenticationFail.OIDCToken.Invalid",
            "The OIDC token is not valid.",
        ));
    };
    let trusted = world.oidc_trust.get(&role).is_some_and(|trust| {
        let audience = claims.get("aud").and_then(Value::as_array);
        of("OIDCProviderArn") == trust.provider
            && audience.is_some_and(|all| all.iter().any(|one| *one == trust.audience))
            && claims.get("sub").is_some_and(|subject| *subject == trust.subject)
    });
    if !trusted && !world.missing_roles.contains(&role) {
        return Err(Answer::error(
            403,
            "AuthenticationFail.NoPermission",
            "This operation is forbidden by permission system.",
        ));
    }
    issue(world, &role)
}

/// What a token of the cluster says; who signed it is not looked at.
fn claims(token: &str) -> Option<Value> {
    let payload = token.split('.').nth(1)?;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn issue(world: &mut World, role: &str) -> Result<Answer, Answer> {
    let account = role.split(':').nth(3).unwrap_or_default().to_owned();
    let formed = role.starts_with("acs:ram::") && !account.is_empty() && role.contains(":role/");
    if !formed {
        let message = "The parameter RoleArn is wrongly formed.";
        return Err(Answer::error(400, "InvalidParameter.RoleArn", message));
    }
    if world.missing_roles.contains(role) {
        return Err(Answer::error(404, "EntityNotExist.Role", "The role not exists."));
    }
    let (id, key) = temporary(world, account, role);
    let body = json!({
        "Credentials": {
            "AccessKeyId": id, "AccessKeySecret": key.secret, "SecurityToken": key.token,
            "Expiration": time(key.expires.unwrap_or_default()),
        },
        "AssumedRoleUser": { "Arn": role, "AssumedRoleId": "1" },
    });
    Ok(Answer::ok(body))
}

/// Makes a temporary key, known to the endpoint from now on.
pub(crate) fn temporary(world: &mut World, account: String, role: &str) -> (String, AccessKey) {
    let n: u64 = rand::random();
    let id = format!("STS.Example{n:016x}");
    let expires = u64::try_from(world.now()).unwrap_or_default() + world.lifetime;
    let key = AccessKey {
        secret: format!("ExampleTemporarySecret{n:x}"),
        account,
        token: Some(format!("ExampleToken+/{n:x}==")),
        expires: Some(expires),
        role: Some(role.to_owned()),
        ..AccessKey::default()
    };
    world.keys.insert(id.clone(), key.clone());
    (id, key)
}

/// Seconds since the epoch as `2026-01-02T03:04:05Z`.
pub(crate) fn time(seconds: u64) -> String {
    let (year, month, day) = civil(seconds / 86_400);
    let s = seconds % 86_400;
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        s / 3600,
        s / 60 % 60,
        s % 60
    )
}

/// The calendar's date of a day since the epoch.
pub(crate) fn civil(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let era = z / 146_097;
    let doe = z % 146_097;
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (
        yoe + era * 400 + u64::from(month <= 2),
        month,
        doy - (153 * mp + 2) / 5 + 1,
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn times() {
        assert_eq!(super::time(0), "1970-01-01T00:00:00Z");
        assert_eq!(super::time(1_767_323_045), "2026-01-02T03:04:05Z");
    }
}
