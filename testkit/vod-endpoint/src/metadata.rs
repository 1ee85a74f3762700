//! The metadata service of an ECS instance.

use serde_json::json;

use crate::request::Raw;
use crate::sts;
use crate::world::World;

const ROLES: &str = "/latest/meta-data/ram/security-credentials/";
const SESSION: &str = "example-metadata-session";

/// Status and body.
pub(crate) fn handle(world: &mut World, raw: &Raw) -> (u16, String) {
    if raw.method == "PUT" && raw.path == "/latest/api/token" {
        let asked = !raw.header("x-aliyun-ecs-metadata-token-ttl-seconds").is_empty();
        return if world.imds_v1 {
            (404, String::new())
        } else if asked {
            (200, SESSION.to_owned())
        } else {
            (400, String::new())
        };
    }
    if !world.imds_v1 && raw.header("x-aliyun-ecs-metadata-token") != SESSION {
        return (401, String::new());
    }
    let Some(role) = world.ecs_role.clone() else {
        return (404, String::new());
    };
    if raw.path == ROLES {
        return (200, format!("{role}\n"));
    }
    if raw.path != format!("{ROLES}{role}") {
        return (404, String::new());
    }
    let arn = format!("acs:ram::{}:role/{role}", crate::ACCOUNT);
    let (id, key) = sts::temporary(world, crate::ACCOUNT.to_owned(), &arn);
    let body = json!({
        "Code": "Success", "AccessKeyId": id, "AccessKeySecret": key.secret, "SecurityToken": key.token,
        "LastUpdated": "2026-01-01T00:00:00Z", "Expiration": sts::time(key.expires.unwrap_or_default()),
    });
    (200, body.to_string())
}
