use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Resource};
use tokio::sync::mpsc::Receiver;

use super::Notice;
use crate::NAME;
use crate::api::VodMessageCallback;

/// The API server takes notes of up to a kilobyte.
const LONGEST_NOTE: usize = 1000;
/// Between two attempts to write an event to an API server that is too busy.
const BUSY_PAUSE: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(5);

/// A notice about an object as the Event that is written.
pub(super) fn event(about: &ObjectMeta, notice: Notice, instance: &str, now: Timestamp) -> Event {
    let mut note = notice.note;
    let mut end = note.len().min(LONGEST_NOTE);
    while !note.is_char_boundary(end) {
        end -= 1;
    }
    note.truncate(end);
    let regarding = ObjectReference {
        api_version: Some(VodMessageCallback::api_version(&()).into_owned()),
        kind: Some(VodMessageCallback::kind(&()).into_owned()),
        namespace: about.namespace.clone(),
        name: about.name.clone(),
        uid: about.uid.clone(),
        resource_version: about.resource_version.clone(),
        field_path: None,
    };
    // Names of events must differ; the resource's own name, cut to leave room, keeps them readable.
    let name: String = about.name.iter().flat_map(|name| name.chars()).take(200).collect();
    Event {
        metadata: ObjectMeta {
            name: Some(format!(
                "{}.{:016x}",
                name.trim_end_matches(['.', '-']),
                rand::random::<u64>()
            )),
            namespace: about.namespace.clone(),
            ..ObjectMeta::default()
        },
        action: Some(notice.reason.action().to_owned()),
        event_time: Some(MicroTime(now)),
        note: Some(note),
        reason: Some(notice.reason.as_str().to_owned()),
        regarding: Some(regarding),
        reporting_controller: Some(NAME.to_owned()),
        reporting_instance: Some(instance.chars().take(128).collect()),
        type_: Some(if notice.warning { "Warning" } else { "Normal" }.to_owned()),
        ..Event::default()
    }
}

/// Writes events until every [`super::Events`] is dropped.
pub async fn write(client: kube::Client, mut queue: Receiver<Event>) {
    while let Some(event) = queue.recv().await {
        let namespace = event.metadata.namespace.clone().unwrap_or_default();
        let api: Api<Event> = Api::namespaced(client.clone(), &namespace);
        let result = tokio::time::timeout(TIMEOUT, create(&api, &event)).await;
        let why = match result {
            Ok(Ok(_)) => continue,
            Ok(Err(kube::Error::Api(answer))) => answer.message.clone(),
            Ok(Err(_)) | Err(_) => "the API server did not answer".to_owned(),
        };
        let resource = event
            .regarding
            .as_ref()
            .and_then(|r| r.name.clone())
            .unwrap_or_default();
        tracing::warn!(
            resource = %format!("{namespace}/{resource}"),
            reason = event.reason.as_deref().unwrap_or_default(),
            note = event.note.as_deref().unwrap_or_default(),
            %why,
            "an event could not be written"
        );
    }
}

/// Creates an event, again and again where the API server is too busy for it.
async fn create(api: &Api<Event>, event: &Event) -> Result<Event, kube::Error> {
    loop {
        match api.create(&PostParams::default(), event).await {
            Err(kube::Error::Api(answer)) if matches!(answer.code, 429 | 503 | 504) => {
                tokio::time::sleep(BUSY_PAUSE).await;
            }
            done => return done,
        }
    }
}
