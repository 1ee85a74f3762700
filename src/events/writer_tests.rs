use super::*;
use crate::events::EventReason;
use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{patch, post},
};
use serde_json::Value;
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Server {
    requests: Arc<Mutex<Vec<Value>>>,
    answer: Arc<Mutex<Answer>>,
}

#[derive(Clone, Copy, Default)]
enum Answer {
    #[default]
    Yes,
    Forbidden,
    Gone,
    Never,
}

impl Server {
    async fn start() -> (Self, Client) {
        let server = Self::default();
        let path = "/apis/events.k8s.io/v1/namespaces/{namespace}/events";
        let routes = Router::new()
            .route(path, post(Self::create))
            .route(&format!("{path}/{{name}}"), patch(Self::patch))
            .with_state(server.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let client = Client::try_from(kube::Config::new(uri.parse().unwrap())).unwrap();
        (server, client)
    }

    fn say(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    async fn respond(&self, body: Value) -> Response {
        let answer = *self.answer.lock().unwrap();
        let refuse = |code: u16, reason: &str| {
            let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": reason});
            (StatusCode::from_u16(code).unwrap(), Json(status)).into_response()
        };
        match answer {
            Answer::Yes => Json(body).into_response(),
            Answer::Forbidden => refuse(403, "Forbidden"),
            Answer::Gone => refuse(404, "NotFound"),
            Answer::Never => std::future::pending().await,
        }
    }

    async fn create(State(server): State<Self>, body: String) -> Response {
        let event: Value = serde_json::from_str(&body).unwrap();
        server.requests.lock().unwrap().push(event.clone());
        server.respond(event).await
    }

    async fn patch(
        State(server): State<Self>,
        Path((namespace, name)): Path<(String, String)>,
        body: String,
    ) -> Response {
        let change: Value = serde_json::from_str(&body).unwrap();
        let noted = json!({"patched": name, "count": change["series"]["count"]});
        server.requests.lock().unwrap().push(noted);
        let metadata = json!({"name": name, "namespace": namespace});
        server.respond(json!({"metadata": metadata, "eventTime": null})).await
    }

    fn requests(&self) -> Vec<Value> {
        self.requests.lock().unwrap().clone()
    }
}

fn regarding(name: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some("vod-operator.dev/v1alpha1".to_owned()),
        kind: Some("VodMessageCallback".to_owned()),
        namespace: Some("media".to_owned()),
        name: Some(name.to_owned()),
        uid: Some(format!("uid-of-{name}")),
        ..ObjectReference::default()
    }
}

fn notice(note: &str) -> Notice {
    Notice::warning(EventReason::Contested, "Check", note)
}

#[tokio::test]
async fn the_same_is_counted_and_a_new_note_is_a_new_event() {
    let (server, client) = Server::start().await;
    let (_events, mut writer) = channel(client, "pod-1".to_owned());
    for note in ["a", "a", "b", "a"] {
        writer.write(&regarding("x"), &notice(note)).await;
    }
    let requests = server.requests();
    assert_eq!(requests.len(), 4);
    let first = &requests[0];
    assert_eq!(first["note"], "a");
    assert_eq!(first["type"], "Warning");
    assert_eq!(first["reason"], "Contested");
    assert_eq!(first["action"], "Check");
    assert_eq!(first["reportingController"], "vod-operator");
    assert_eq!(first["reportingInstance"], "pod-1");
    assert_eq!(first["regarding"]["uid"], "uid-of-x");
    assert!(first["eventTime"].is_string());
    assert_eq!(requests[1], json!({"patched": first["metadata"]["name"], "count": 2}));
    assert_eq!(requests[2]["note"], "b");
    assert_eq!(requests[3], json!({"patched": first["metadata"]["name"], "count": 3}));
}

#[tokio::test]
async fn an_event_that_is_gone_is_written_anew() {
    let (server, client) = Server::start().await;
    let (_events, mut writer) = channel(client, "pod-1".to_owned());
    writer.write(&regarding("x"), &notice("a")).await;
    server.say(Answer::Gone);
    writer.write(&regarding("x"), &notice("a")).await;
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    assert_eq!(requests[2]["note"], "a");
    assert_ne!(requests[2]["metadata"]["name"], requests[0]["metadata"]["name"]);
}

#[tokio::test]
async fn a_refusal_stops_nothing_and_what_waits_is_written_at_the_end() {
    let (server, client) = Server::start().await;
    server.say(Answer::Forbidden);
    let (events, mut writer) = channel(client, "pod-1".to_owned());
    writer.write(&regarding("x"), &notice("refused")).await;
    server.say(Answer::Yes);
    events.publish(regarding("x"), notice("late"));
    let stop = CancellationToken::new();
    stop.cancel();
    writer.run(stop).await;
    assert_eq!(server.requests()[1]["note"], "late");
    // Nobody writes any more: said in the log, and no harm.
    events.publish(regarding("x"), notice("too late"));
}

#[tokio::test]
async fn a_silent_server_holds_neither_publishers_nor_the_end_up() {
    let (server, client) = Server::start().await;
    server.say(Answer::Never);
    let (events, writer) = channel(client, "pod-1".to_owned());
    for _ in 0..2 * QUEUE {
        events.publish(regarding("x"), notice("a"));
    }
    let stop = CancellationToken::new();
    stop.cancel();
    let end = tokio::time::timeout(PATIENCE + Duration::from_secs(2), writer.run(stop)).await;
    assert!(end.is_ok());
}

#[test]
fn notes_are_cut_between_characters() {
    assert_eq!(cut("short", 1000), "short");
    let long = "ä".repeat(800);
    let shown = cut(&long, LONGEST_NOTE);
    assert!(shown.len() <= LONGEST_NOTE && shown.len() > LONGEST_NOTE - 5 && shown.ends_with('…'));
}

#[tokio::test]
async fn names_stay_within_what_the_api_server_takes() {
    let (server, client) = Server::start().await;
    let (_events, mut writer) = channel(client, "p".repeat(300));
    writer
        .write(&regarding(&format!("{}.b", "a".repeat(251))), &notice("a"))
        .await;
    writer
        .write(
            &regarding(&format!("{}.bbbb", "a".repeat(LONGEST_NAME - 1))),
            &notice("a"),
        )
        .await;
    for request in server.requests() {
        let name = request["metadata"]["name"].as_str().unwrap();
        assert!(name.len() <= 253 && !name.contains(".."), "{name}");
        assert!(request["reportingInstance"].as_str().unwrap().len() <= 128);
    }
}
