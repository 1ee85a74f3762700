//! What must be in the end, and what must never have been.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use vod_endpoint::KEY_SECRET;

use super::cast::{Cast, account_id};
use super::history;

const QPS: usize = 15;
const WINDOW: Duration = Duration::from_millis(950);

impl Cast {
    /// The first thing that is not as the resources say.
    pub async fn converged(&self) -> Result<(), String> {
        let objects = self.objects().await;
        let mut rivals: BTreeMap<(String, String), Vec<&Value>> = BTreeMap::new();
        for object in &objects {
            if !object["metadata"]["deletionTimestamp"].is_null() {
                return Err(format!("{} is not gone yet", name(object)));
            }
            let tenant = self.tenant(text(&object["metadata"]["namespace"]));
            let key = (account_id(tenant.account), text(&object["spec"]["appId"]).to_owned());
            rivals.entry(key).or_default().push(object);
        }
        for ((account, app), mut rivals) in rivals {
            rivals.sort_by_key(|object| {
                let metadata = &object["metadata"];
                (text(&metadata["creationTimestamp"]), text(&metadata["uid"]))
            });
            for (place, object) in rivals.into_iter().enumerate() {
                let wanted = match (object["spec"]["suspend"] == true, place) {
                    (true, _) => ("Unknown", "Suspended"),
                    (false, 0) => ("True", ""),
                    (false, _) => ("False", "Conflict"),
                };
                says(object, wanted)?;
                if wanted.0 == "True" {
                    self.holds(&account, &app, object)?;
                }
            }
        }
        Ok(())
    }

    fn holds(&self, account: &str, app: &str, object: &Value) -> Result<(), String> {
        let spec = &object["spec"];
        let live = self.endpoint.world().setting(account, "cn-shanghai", app).cloned();
        let live = live.ok_or_else(|| {
            let calls = self.calls_about(account, app);
            format!("{}: nothing is set\n{:#}\n{calls}", name(object), object["status"])
        })?;
        let events: Vec<&str> = spec["eventTypes"].as_array().into_iter().flatten().map(text).collect();
        let mut wanted = vec![
            ("CallbackURL", text(&spec["http"]["url"]).to_owned()),
            ("EventTypeList", events.join(",")),
        ];
        if spec["http"]["auth"].is_object() {
            wanted.push((
                "AuthKey",
                self.tenant(text(&object["metadata"]["namespace"])).key.clone(),
            ));
        }
        let differs = wanted.iter().find(|(field, value)| live.get(*field) != Some(value));
        differs.map_or(Ok(()), |(field, value)| {
            Err(format!(
                "{} wants {field} {value:?}: {live:?}\n{:#}",
                name(object),
                object["status"]
            ))
        })
    }

    /// What the service was asked about one setting, at last.
    fn calls_about(&self, account: &str, app: &str) -> String {
        let world = self.endpoint.world();
        let about = world
            .calls()
            .iter()
            .filter(|call| call.account == account && call.app() == app);
        let lines: Vec<String> = about
            .map(|call| format!("{} {} {} {}", call.at_ms, call.action, call.code, call.key_id))
            .collect();
        lines
            .get(lines.len().saturating_sub(12)..)
            .unwrap_or_default()
            .join("\n")
    }

    /// What must never have been.
    pub fn broken(&self) -> Vec<String> {
        let mut broken = Vec::new();
        let world = self.endpoint.world();
        for account in 0..self.tenants.len() {
            for action in ["GetMessageCallback", "SetMessageCallback", "DeleteMessageCallback"] {
                let most = world.most_within(&account_id(account), action, WINDOW);
                if most > QPS {
                    broken.push(format!("{most} calls of {action} of one account within {WINDOW:?}"));
                }
            }
        }
        let faulty = history::judge(world.calls(), &self.notes);
        drop(world);
        if faulty.foreign_deletes > 0 {
            broken.push(format!("{} Deletes of what was not ours", faulty.foreign_deletes));
        }
        // A replica that was killed could not tell its successor; then one Set may have been made again.
        if faulty.useless_sets > self.kills {
            broken.push(format!(
                "{} Sets of what was set already, {} kills",
                faulty.useless_sets, self.kills
            ));
        }
        for replica in &self.replicas {
            let mut lines = replica.old_logs.clone();
            lines.extend(replica.process.logs());
            lines.extend(replica.proxy.written().into_iter().map(|request| request.body));
            let secrets = self.keys.iter().map(String::as_str).chain([KEY_SECRET]);
            for secret in secrets {
                broken.extend(
                    lines
                        .iter()
                        .filter(|line| has(line, secret))
                        .map(|line| format!("told: {line}")),
                );
            }
            broken.extend(lines.into_iter().filter(|line| line.contains("panicked")));
        }
        broken
    }
}

/// `ExampleKey1` is no part of `ExampleKey12`.
fn has(line: &str, secret: &str) -> bool {
    line.match_indices(secret).any(|(at, _)| {
        let next = line.get(at + secret.len()..).and_then(|rest| rest.chars().next());
        !next.is_some_and(|c| c.is_ascii_digit())
    })
}

fn says(object: &Value, (status, reason): (&str, &str)) -> Result<(), String> {
    let ready = harness::condition(object, "Ready").cloned().unwrap_or_default();
    let present = ready["observedGeneration"] == object["metadata"]["generation"];
    let right = ready["status"] == status && (reason.is_empty() || ready["reason"] == reason);
    if present && right {
        Ok(())
    } else {
        Err(format!("{} should say {status} {reason}: {ready}", name(object)))
    }
}

fn name(object: &Value) -> String {
    let metadata = &object["metadata"];
    format!("{}/{}", text(&metadata["namespace"]), text(&metadata["name"]))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
