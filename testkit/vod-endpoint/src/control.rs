//! Steering from the shell: `curl -X POST CONTROL/faults -d '{"how":"hang","times":1}'`.

use axum::extract::State;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::faults::Fault;
use crate::server::{self, Shared};
use crate::settings::Behaviour;
use crate::world::AccessKey;

#[derive(Deserialize)]
struct NamedKey {
    id: String,
    #[serde(flatten)]
    key: AccessKey,
}

#[derive(Deserialize)]
struct Change {
    #[serde(default = "account")]
    account: String,
    #[serde(default = "region")]
    region: String,
    #[serde(default = "app")]
    app: String,
    /// Absent: the setting is removed.
    fields: Option<std::collections::BTreeMap<String, String>>,
}

/// An event that is to be delivered.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(default = "account")]
    account: String,
    #[serde(default = "region")]
    region: String,
    #[serde(default = "app")]
    app: String,
    event_type: String,
    /// Absent: one that only says what happened.
    body: Option<Value>,
}

fn account() -> String {
    crate::ACCOUNT.into()
}

fn region() -> String {
    "cn-shanghai".into()
}

fn app() -> String {
    "app-1000000".into()
}

pub(crate) fn service(world: Shared) -> Router {
    Router::new()
        .route(
            "/calls",
            get(async |State(w): State<Shared>| Json(w.lock().calls().to_vec())),
        )
        .route(
            "/calls",
            delete(async |State(w): State<Shared>| {
                w.lock().forget_calls();
            }),
        )
        .route(
            "/keys",
            post(async |State(w): State<Shared>, Json(named): Json<NamedKey>| {
                w.lock().keys.insert(named.id, named.key);
            }),
        )
        .route(
            "/settings",
            post(async |State(w): State<Shared>, Json(change): Json<Change>| {
                let mut world = w.lock();
                match change.fields {
                    None => world.remove_setting(&change.account, &change.region, &change.app),
                    Some(fields) => {
                        let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
                        world.put_setting(&change.account, &change.region, &change.app, &fields);
                    }
                }
            }),
        )
        .route(
            "/events",
            post(async |State(w): State<Shared>, Json(event): Json<Event>| {
                let at = [&*event.account, &*event.region, &*event.app];
                let body = event.body.as_ref().map(Value::to_string);
                Json(server::deliver(&w, at, &event.event_type, body).await)
            }),
        )
        .route(
            "/messages",
            get(async |State(w): State<Shared>| Json(w.lock().messages.clone())),
        )
        .route(
            "/faults",
            post(async |State(w): State<Shared>, Json(fault): Json<Fault>| {
                w.lock().faults.push(fault);
            }),
        )
        .route(
            "/faults",
            delete(async |State(w): State<Shared>| {
                w.lock().faults.clear();
            }),
        )
        .route(
            "/behaviour",
            post(async |State(w): State<Shared>, Json(behaviour): Json<Behaviour>| {
                w.lock().behaviour = behaviour;
            }),
        )
        .route(
            "/clock",
            post(async |State(w): State<Shared>, Json(skew): Json<Value>| {
                w.lock().clock_skew = skew.get("skewSeconds").and_then(Value::as_i64).unwrap_or(0);
            }),
        )
        .route("/healthz", get(async || Json(json!({ "ok": true }))))
        .with_state(world)
}
