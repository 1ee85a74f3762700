//! Kubernetes Events: what people see in `kubectl describe`. Best effort: an event that cannot be written is logged
//! and fails nothing.
//!
//! kube's own recorder is not used: it counts by reason and keeps the first note, so a second note (another
//! RequestId, another set of fields) would never be seen.

mod write;

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use self::write::event;
use crate::status::Reason;

pub use write::write;

/// So many may wait to be written; more than that are dropped, since events are a help and not a record.
const QUEUE: usize = 1024;

/// Why an event is told: a closed list, as users filter by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the note of each says what it means")]
pub enum EventReason {
    Replacing,
    ReadBackDiffers,
    DriftDetected,
    DriftCorrected,
    LeftBehind,
    NotOurs,
    Released,
    Deleted,
    AccountChanged,
    UnlistedEventType,
    SingleAiEventType,
    InternalMnsEndpoint,
    UnreachableUrl,
    /// The same word as in the Ready condition.
    Condition(Reason),
}

impl EventReason {
    /// The event for a condition's reason.
    pub fn of(reason: Reason) -> Self {
        Self::Condition(reason)
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Replacing => "Replacing",
            Self::ReadBackDiffers => "ReadBackDiffers",
            Self::DriftDetected => "DriftDetected",
            Self::DriftCorrected => "DriftCorrected",
            Self::LeftBehind => "LeftBehind",
            Self::NotOurs => "NotOurs",
            Self::Released => "Released",
            Self::Deleted => "Deleted",
            Self::AccountChanged => "AccountChanged",
            Self::UnlistedEventType => "UnlistedEventType",
            Self::SingleAiEventType => "SingleAiEventType",
            Self::InternalMnsEndpoint => "InternalMnsEndpoint",
            Self::UnreachableUrl => "UnreachableUrl",
            Self::Condition(reason) => reason.as_str(),
        }
    }

    /// What the operator was doing, as `events.k8s.io/v1` asks.
    fn action(self) -> &'static str {
        match self {
            Self::LeftBehind | Self::NotOurs | Self::Released | Self::Deleted => "Delete",
            Self::DriftDetected | Self::DriftCorrected => "Check",
            Self::UnlistedEventType | Self::SingleAiEventType | Self::InternalMnsEndpoint | Self::UnreachableUrl => {
                "Validate"
            }
            Self::Replacing | Self::ReadBackDiffers | Self::AccountChanged | Self::Condition(_) => "Reconcile",
        }
    }

    /// How often the same warning is told.
    fn told(self) -> HowOften {
        match self {
            Self::UnlistedEventType
            | Self::SingleAiEventType
            | Self::InternalMnsEndpoint
            | Self::UnreachableUrl
            | Self::Replacing
            | Self::ReadBackDiffers => HowOften::OncePerGeneration,
            Self::DriftDetected
            | Self::LeftBehind
            | Self::NotOurs
            | Self::Released
            | Self::AccountChanged
            | Self::Condition(_) => HowOften::OncePerIncident,
            // These are no warnings.
            Self::DriftCorrected | Self::Deleted => HowOften::EachTime,
        }
    }
}

/// How often the same warning is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HowOften {
    /// It is news each time it comes.
    EachTime,
    /// It is about the spec, which does not change within a generation.
    OncePerGeneration,
    /// It is about a trouble: once that was over, the same trouble is news.
    OncePerIncident,
}

/// One thing to tell: a plain value, so that what a pass comes to can be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The user may need to act on it.
    pub warning: bool,
    /// Why it is told.
    pub reason: EventReason,
    /// What is told. Never a secret.
    pub note: String,
}

impl Notice {
    /// Something the user may need to act on.
    pub fn warning(reason: EventReason, note: impl Into<String>) -> Self {
        Self {
            warning: true,
            reason,
            note: note.into(),
        }
    }

    /// Something that went as it should.
    pub fn normal(reason: EventReason, note: impl Into<String>) -> Self {
        Self {
            warning: false,
            reason,
            note: note.into(),
        }
    }

    /// What makes a warning the same as another. A standing trouble is the same whatever its details are.
    fn same(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.reason.hash(&mut hasher);
        if !matches!(self.reason, EventReason::Condition(_)) {
            self.note.hash(&mut hasher);
        }
        hasher.finish()
    }
}

/// What has been told of one resource.
#[derive(Default)]
struct Told {
    generation: i64,
    /// About the spec.
    of_generation: HashSet<u64>,
    /// About a trouble that is not over.
    of_incident: HashSet<u64>,
}

impl Told {
    /// The warnings like `notice` that were told of `generation`; `None` where each is told.
    fn like(&mut self, generation: i64, notice: &Notice) -> Option<&mut HashSet<u64>> {
        if self.generation != generation {
            *self = Self {
                generation,
                ..Self::default()
            };
        }
        match notice.reason.told() {
            HowOften::EachTime => None,
            HowOften::OncePerGeneration => Some(&mut self.of_generation),
            HowOften::OncePerIncident => Some(&mut self.of_incident),
        }
    }
}

/// Takes notices and has them written by one task, so that no reconcile waits for an event.
#[derive(Clone)]
pub struct Events {
    told: Arc<Mutex<HashMap<String, Told>>>,
    queue: Sender<Event>,
    instance: Arc<str>,
}

impl Events {
    /// `instance` is who reports. The second part is to be given to [`write`].
    pub fn new(instance: &str) -> (Self, Receiver<Event>) {
        let (queue, written) = channel(QUEUE);
        (
            Self {
                told: Arc::default(),
                queue,
                instance: instance.into(),
            },
            written,
        )
    }

    /// Tells a notice. The same warning is told once for each generation of a resource and each incident. One for which
    /// there is no room counts as not told, so that it is told when the trouble is met again.
    pub fn publish(&self, about: &ObjectMeta, notice: Notice) {
        let uid = about.uid.clone().unwrap_or_default();
        let generation = about.generation.unwrap_or_default();
        let same = notice.same();
        let mut all = self.told.lock();
        let mut told = notice
            .warning
            .then(|| all.entry(uid).or_default())
            .and_then(|told| told.like(generation, &notice));
        if told.as_ref().is_some_and(|told| told.contains(&same)) {
            return;
        }
        let event = event(about, notice, &self.instance, Timestamp::now());
        if let Err(full) = self.queue.try_send(event) {
            // Some are told once, and never again: what they say is in the log at least.
            let event = full.into_inner();
            let (reason, note) = (event.reason.unwrap_or_default(), event.note.unwrap_or_default());
            let namespace = about.namespace.as_deref().unwrap_or_default();
            let name = about.name.as_deref().unwrap_or_default();
            tracing::warn!(
                namespace,
                name,
                reason,
                note,
                "too many events wait, so this one is only logged"
            );
            return;
        }
        if let Some(told) = &mut told {
            told.insert(same);
        }
    }

    /// A resource is well: what troubled it before would be news.
    pub fn well(&self, uid: &str) {
        let mut all = self.told.lock();
        if let Some(told) = all.get_mut(uid) {
            told.of_incident.clear();
        }
    }

    /// The stored status speaks of this trouble: whoever wrote it has told it.
    pub fn was_told(&self, uid: &str, generation: i64, reason: Reason) {
        let notice = Notice::warning(EventReason::of(reason), "");
        let mut all = self.told.lock();
        if let Some(told) = all.entry(uid.to_owned()).or_default().like(generation, &notice) {
            told.insert(notice.same());
        }
    }

    /// A new term: what others told and what was well meanwhile is not known here.
    pub fn forget_all(&self) {
        self.told.lock().clear();
    }

    /// Forgets a resource that is gone.
    pub fn forget(&self, uid: &str) {
        self.told.lock().remove(uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{VodMessageCallback, VodMessageCallbackSpec};

    fn resource(generation: i64) -> VodMessageCallback {
        let spec: VodMessageCallbackSpec = serde_json::from_value(serde_json::json!({
            "region": "cn-shanghai", "callbackType": "HTTP", "http": { "url": "https://x.example.com/" }, "eventTypes": [],
        }))
        .unwrap();
        let mut resource = VodMessageCallback::new("r", spec);
        resource.metadata.uid = Some("uid".into());
        resource.metadata.generation = Some(generation);
        resource
    }

    fn told(written: &mut Receiver<Event>) -> usize {
        std::iter::from_fn(|| written.try_recv().ok()).count()
    }

    fn trouble(note: &str) -> Notice {
        Notice::warning(EventReason::of(Reason::SecretNotFound), note)
    }

    fn about_the_spec() -> Notice {
        Notice::warning(EventReason::UnlistedEventType, "Nwe is not in the list")
    }

    #[test]
    fn a_warning_is_told_once_for_each_generation_and_incident() {
        let (events, mut written) = Events::new("one");
        let tell = |generation, notice| events.publish(&resource(generation).metadata, notice);
        for note in ["at noon", "a minute later"] {
            tell(1, trouble(note));
            tell(1, about_the_spec());
        }
        assert_eq!(told(&mut written), 2);
        tell(
            1,
            Notice::warning(EventReason::of(Reason::InvalidCredentials), "another trouble"),
        );
        assert_eq!(told(&mut written), 1);
        events.well("uid");
        tell(1, trouble("again"));
        tell(1, about_the_spec());
        assert_eq!(told(&mut written), 1, "the trouble is news, the spec is the same");
        tell(2, trouble("still"));
        tell(2, about_the_spec());
        assert_eq!(told(&mut written), 2);
    }

    #[test]
    fn what_the_stored_status_says_is_not_told_again_after_a_restart() {
        let (events, mut written) = Events::new("one");
        let tell = |generation| events.publish(&resource(generation).metadata, trouble("again"));
        events.was_told("uid", 1, Reason::SecretNotFound);
        tell(1);
        assert_eq!(told(&mut written), 0);
        events.well("uid");
        tell(1);
        assert_eq!(told(&mut written), 1, "it was well meanwhile");
        events.forget_all();
        tell(1);
        assert_eq!(told(&mut written), 1, "another term knows nothing of it");
    }

    #[test]
    fn drift_is_told_again_after_it_was_corrected_and_what_went_well_each_time() {
        let (events, mut written) = Events::new("one");
        let drift = || {
            events.publish(
                &resource(1).metadata,
                Notice::warning(EventReason::DriftDetected, "the same"),
            )
        };
        drift();
        drift();
        assert_eq!(told(&mut written), 1, "a correction that is not held is no end of it");
        for _ in 0..2 {
            events.well("uid");
            drift();
            events.publish(
                &resource(1).metadata,
                Notice::normal(EventReason::DriftCorrected, "the same"),
            );
        }
        assert_eq!(told(&mut written), 4);
    }

    #[test]
    fn a_warning_that_found_no_room_is_told_later() {
        let (events, mut written) = Events::new("one");
        for _ in 0..QUEUE {
            events.publish(&resource(1).metadata, Notice::normal(EventReason::DriftCorrected, "x"));
        }
        events.publish(&resource(1).metadata, trouble("lost"));
        assert_eq!(told(&mut written), QUEUE);
        events.publish(&resource(1).metadata, trouble("met again"));
        assert_eq!(told(&mut written), 1);
        events.publish(&resource(1).metadata, trouble("and again"));
        assert_eq!(told(&mut written), 0);
    }
}
